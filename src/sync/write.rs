//! Write: what differs goes into the account's open transaction.

use super::reference::{Directory, NOT_PUSHED, References, Wrong};
use super::unique::{Conflict, Holder, Uniques};
use super::{Checked, Chunk, Failure, Finding};
use crate::json::NotJson;
use crate::limits::Limits;
use crate::profile::Profile;
use crate::rejection::{Fault, Rejections};
use crate::roster::{Changes, Counts, Data, Employee, Entry, Index, Status, data_hash, hash};
use crate::store::{Numbers, Rows, Transaction};
use std::collections::HashSet;

/// Applies checked employees, in the order of the push.
pub struct Writer<'t> {
    rows: Rows<'t>,
    /// Entries of the index that are to be replaced at [`Writer::settle`].
    replaced: Vec<(u32, Entry)>,
    profile: u32,
    seed: u64,
    /// For each employee of the index: 1 + the place in the push, or 0 where the push has not carried it.
    seen: Vec<u32>,
    /// Employees that were recognised a second time: their place in the push, and in the index.
    recognised_twice: Vec<(u64, u32)>,
    /// For each employee that the push has created its place in the push.
    seen_created: Vec<u32>,
    next_number: u32,
    changes: Changes,
    uniques: Uniques,
    references: References<'t>,
    /// Whether the index is of all employees.
    whole: bool,
    counts: Counts,
    employees: u64,
    /// The numbers of the employees that were rejected.
    rejected: HashSet<u32>,
    rejections: Rejections,
}

impl<'t> Writer<'t> {
    /// A writer for a push that is checked by the profile, which has these numbers, against the index: of all employees, or
    /// of those that the push carries.
    pub fn new(
        transaction: &'t Transaction,
        (index, whole): (&Index, bool),
        (profile, numbers): (&'t Profile, &Numbers),
        limits: &Limits,
    ) -> Result<Writer<'t>, Failure> {
        if whole && index.is_empty() {
            transaction.fill()?;
        }
        let seed = transaction.seed();
        Ok(Writer {
            rows: transaction.rows()?,
            replaced: Vec::new(),
            profile: numbers.profile,
            seed,
            seen: vec![0; index.len()],
            recognised_twice: Vec::new(),
            seen_created: Vec::new(),
            next_number: transaction.next_number()?,
            changes: Changes::default(),
            uniques: Uniques::new(transaction, seed, numbers.uniques_changed)?,
            references: References::new(profile, &numbers.fields, seed, limits.references_bytes_max),
            whole,
            counts: Counts::default(),
            employees: 0,
            rejected: HashSet::new(),
            rejections: Rejections::new(limits.errors_listed_max),
        })
    }

    /// Brings the values that became unique to the store at once, so that employees can be found by them. Conflicts are told at the end.
    pub fn enter_uniques(&mut self) -> Result<(), Failure> {
        Ok(self.uniques.enter(&mut self.rows)?)
    }

    /// The rows.
    pub fn rows(&mut self) -> &mut Rows<'t> {
        &mut self.rows
    }

    /// Makes room for employees that were added to an index that is not of all.
    pub fn grow(&mut self, index: &Index) {
        self.seen.resize(index.len(), 0);
    }

    /// Whether the push has created an employee with this hash of the id.
    pub fn has_created(&mut self, id_hash: u128) -> bool {
        self.changes.created().find(id_hash).is_some()
    }

    /// Notes that the employee at this place of the index was recognised.
    pub fn unchanged(&mut self, index: u64, place: u32) {
        self.employees += 1;
        self.changes.carried(index, place);
        let seen = &mut self.seen[place as usize];
        if *seen == 0 {
            *seen = index as u32 + 1;
            self.counts.unchanged += 1;
        } else {
            self.recognised_twice.push((index, place));
        }
    }

    /// Applies the employees of a batch.
    pub fn apply(&mut self, batch: Vec<Chunk>, index: &Index) -> Result<(), Failure> {
        for (at, place) in std::mem::take(&mut self.recognised_twice) {
            self.first_time(place, at, index)?;
        }
        for chunk in batch {
            self.changes.created().expect(chunk.checked.iter().map(|checked| checked.id_hash));
            chunk.checked.iter().try_for_each(|checked| self.apply_one(checked, &chunk, index))?;
        }
        Ok(())
    }

    /// Brings the entries of the employees that were applied into the index.
    pub fn settle(&mut self, index: &mut Index) {
        for (place, entry) in self.replaced.drain(..) {
            index.update(place, entry);
            self.changes.replaced(place);
        }
    }

    fn apply_one(&mut self, checked: &Checked, chunk: &Chunk, stored: &Index) -> Result<(), Failure> {
        let &Checked { index, bytes, id_hash, ref finding, .. } = checked;
        self.employees += 1;
        match finding {
            Finding::NotJson(NotJson { at, message }) => {
                Err(Failure::NotJson { index: Some(index), at: *at, message: message.clone() })
            }
            Finding::Invalid(faults) => {
                let id = chunk.id(checked);
                for fault in faults {
                    self.rejections.add(Some(index), id, fault.clone());
                }
                let Some(id) = id else {
                    return Ok(());
                };
                let number = match stored.find(id_hash) {
                    Some(place) => self.first_time(place, index, stored)?.then(|| stored.get(place).number),
                    None => self.first_time_created(index, id, Entry::of_id(id_hash))?,
                };
                self.rejected.extend(number);
                Ok(())
            }
            &Finding::Unchanged(place) => {
                if self.first_time(place, index, stored)? {
                    self.counts.unchanged += 1;
                    if !stored.has_bytes(place, bytes) {
                        self.replaced.push((place, Entry { bytes, ..stored.get(place) }));
                    }
                }
                Ok(())
            }
            Finding::Different { place, status, data } => {
                let data = data.as_ref().map(|(data, hash)| (chunk.data(data), *hash));
                match *place {
                    Some(place) if !self.first_time(place, index, stored)? => Ok(()),
                    Some(place) => {
                        let entry = stored.get(place);
                        if entry.id != id_hash {
                            self.rows.rename(entry.number, chunk.id(checked).unwrap_or_default())?;
                        }
                        let entry = Entry { id: id_hash, bytes, status: *status, ..entry };
                        self.update(place, index, entry, data)
                    }
                    None => {
                        let id = chunk.id(checked).unwrap_or_default();
                        let entry = Entry { bytes, status: *status, ..Entry::of_id(id_hash) };
                        self.create(index, id, entry, data)
                    }
                }
            }
        }
    }

    fn create(&mut self, index: u64, id: &str, entry: Entry, data: Option<(Data<&[u8]>, u128)>) -> Result<(), Failure> {
        let (data, data_hash) = data.unwrap_or_else(|| {
            let none = Data::default();
            (none, data_hash(self.seed, self.profile, &none))
        });
        if let Some(number) = self.first_time_created(index, id, Entry { data: data_hash, ..entry })? {
            self.rows.insert(number, id, entry.status, self.profile, &data)?;
            self.uniques.add(number, index, Holder { status: entry.status, data });
            self.references.add(number, index as u32, None, &data)?;
            self.counts.created += 1;
        }
        Ok(())
    }

    fn update(
        &mut self,
        place: u32,
        index: u64,
        mut entry: Entry,
        data: Option<(Data<&[u8]>, u128)>,
    ) -> Result<(), Failure> {
        let Entry { number, status, .. } = entry;
        let before = self.rows.read(number)?;
        let (mut profile, mut after) = (before.profile, before.data.lend());
        if let Some((data, data_hash)) = data {
            self.counts.updated += u64::from(data_hash != entry.data);
            entry.data = data_hash;
            (profile, after) = (self.profile, data);
        }
        // Another id can close a circle, as other data can.
        self.references.add(number, index as u32, Some(&before.data.lend()), &after)?;
        match (before.status, status) {
            (Status::Hidden, Status::Active) => self.counts.activated += 1,
            (Status::Active, Status::Hidden) => self.counts.hidden += 1,
            _ => {}
        }
        self.rows.update(number, (status != before.status).then_some(status), profile, &after)?;
        self.uniques.change(number, index, (&before).into(), Holder { status, data: after });
        self.replaced.push((place, entry));
        Ok(())
    }

    /// Whether the push has not carried the employee at this place of the index before; it has now.
    fn first_time(&mut self, place: u32, index: u64, stored: &Index) -> Result<bool, Failure> {
        self.changes.carried(index, place);
        let seen = &mut self.seen[place as usize];
        if *seen == 0 {
            *seen = index as u32 + 1;
            return Ok(true);
        }
        // An employee that was recognised can be noted before one that came earlier and had to be checked.
        let other = u64::from(*seen - 1);
        let id = match self.rejections.lists(Some(index.max(other))) {
            true => self.rows.id(stored.get(place).number)?,
            false => String::new(),
        };
        self.reject_twice(index.max(other), &id, index.min(other));
        Ok(false)
    }

    /// Returns the number of a new employee, or `None` if the push has carried it before.
    fn first_time_created(&mut self, index: u64, id: &str, entry: Entry) -> Result<Option<u32>, Failure> {
        let number = self.next_number;
        if let Err(place) = self.changes.create(index, Entry { number, ..entry }) {
            let first = u64::from(self.seen_created[place as usize]);
            self.reject_twice(index, id, first);
            return Ok(None);
        }
        self.next_number += 1;
        self.seen_created.push(index as u32);
        Ok(Some(number))
    }

    /// Hides an employee that the push does not carry.
    pub fn hide_absent(&mut self, index: &mut Index, number: u32) -> Result<(), Failure> {
        let Employee { id, profile, data, .. } = self.rows.read(number)?;
        let (id, data) = (hash(self.seed, id.as_bytes()), data_hash(self.seed, profile, &data));
        let entry = Entry { id, data, bytes: 0, number, status: Status::Active };
        let place = index.len() as u32;
        index.insert(entry);
        self.grow(index);
        self.update(place, u64::from(NOT_PUSHED), Entry { status: Status::Hidden, ..entry }, None)
    }

    /// The number of the first employee that the push has created, or would create.
    pub fn first_created(&self) -> u32 {
        self.next_number - self.seen_created.len() as u32
    }

    /// Whether the push has carried the employee at a place of the index.
    pub fn has_seen(&self, place: u32) -> bool {
        self.seen[place as usize] != 0
    }

    fn reject_twice(&mut self, index: u64, id: &str, first: u64) {
        let message = "another employee of this push has the same id; send each employee once";
        // Every rejection is counted; only one that will be listed needs its ids.
        if !self.rejections.lists(Some(index)) {
            return self.rejections.count_one("id", "twice", message);
        }
        let fault = Fault::new("id", "twice", message).with_other(Some(first));
        self.rejections.add(Some(index), Some(id), fault);
    }

    /// Checks what needs the whole push. Returns the counts, the number of employees, and what is new to the index.
    pub fn finish(mut self, index: &Index) -> Result<(Counts, u64, Changes), Failure> {
        self.apply(Vec::new(), index)?;
        for conflict in self.uniques.conflicts(&mut self.rows)? {
            self.reject_conflict(conflict, index)?;
        }
        self.check_references(index)?;
        match self.rejections.count() {
            0 => Ok((self.counts, self.employees, self.changes)),
            _ => Err(Failure::Rejected(Box::new(self.rejections))),
        }
    }

    fn check_references(&mut self, stored: &Index) -> Result<(), Failure> {
        let Writer { rows, changes, references, uniques, rejections, seen, seen_created, .. } = self;
        let mut directory = Directory { stored, whole: self.whole, changes, rows };
        let seed = self.seed;
        let mut reject = |wrong: Wrong, directory: &mut Directory| {
            let Wrong { number, index, field, what } = wrong;
            let index = (index != NOT_PUSHED).then_some(u64::from(index));
            // Every rejection is counted; only one that will be listed needs its ids.
            if !rejections.lists(index) {
                rejections.count_one(field, what.rule(), what.advice());
                return Ok(());
            }
            let id = directory.rows.id(number)?;
            let index = index.or_else(|| {
                let id_hash = hash(seed, id.as_bytes());
                match stored.find(id_hash) {
                    Some(place) => seen[place as usize].checked_sub(1).map(u64::from),
                    None => {
                        let created = directory.changes.created().find(id_hash);
                        created.map(|place| u64::from(seen_created[place as usize]))
                    }
                }
            });
            let fault = Fault::new(field, what.rule(), what.message(directory.rows)?);
            rejections.add(index, Some(&id), fault);
            Ok(())
        };
        Ok(references.check(uniques.given_up(), &mut directory, &mut reject)?)
    }

    fn reject_conflict(&mut self, conflict: Conflict, stored: &Index) -> Result<(), Failure> {
        let Conflict { field, number, index, other } = conflict;
        // An employee rejected for another reason may get a different value once that is fixed, so it causes no conflict.
        if self.rejected.contains(&number) || self.rejected.contains(&other) {
            return Ok(());
        }
        // Every conflict is counted; only one that will be listed needs the ids.
        if !self.rejections.lists(index) {
            self.rejections.count_one(&field, "unique", "another employee has the same value");
            return Ok(());
        }
        let other = self.rows.id(other)?;
        let other_index = self.index_of(&other, stored);
        let whose = match other_index {
            Some(_) => format!("the employee {other:?} of this push"),
            None => format!("the stored employee {other:?}, who is not in this push,"),
        };
        let message = format!("{whose} has the same value, and only one may have it");
        let id = self.rows.id(number)?;
        let index = index.or_else(|| self.index_of(&id, stored));
        self.rejections.add(index, Some(&id), Fault::new(&field, "unique", message).with_other(other_index));
        Ok(())
    }

    fn index_of(&mut self, id: &str, stored: &Index) -> Option<u64> {
        let id_hash = hash(self.seed, id.as_bytes());
        if let Some(place) = stored.find(id_hash) {
            return self.seen[place as usize].checked_sub(1).map(u64::from);
        }
        self.changes.created().find(id_hash).map(|place| u64::from(self.seen_created[place as usize]))
    }
}
