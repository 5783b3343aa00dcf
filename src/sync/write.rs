//! Write: what differs goes into the account's open transaction.

use super::unique::{Conflict, Uniques};
use super::{Checked, Failure, Finding};
use crate::json::NotJson;
use crate::rejection::{Fault, Rejections};
use crate::roster::{Changes, Counts, Data, Employee, Entry, Index, Status, data_hash, hash};
use crate::store::{Numbers, Rows, Transaction};
use std::collections::HashSet;

/// Applies checked employees, in the order of the push.
pub struct Writer<'t> {
    rows: Rows<'t>,
    index: &'t Index,
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
    counts: Counts,
    employees: u64,
    /// The numbers of the employees that were rejected.
    rejected: HashSet<u32>,
    rejections: Rejections,
}

impl<'t> Writer<'t> {
    /// A writer for a push that is checked by the profile with these numbers, against the index.
    pub fn new(
        transaction: &'t Transaction,
        index: &'t Index,
        numbers: &Numbers,
        seed: u64,
        errors_listed_max: usize,
    ) -> Result<Writer<'t>, Failure> {
        if index.is_empty() {
            transaction.fill()?;
        }
        Ok(Writer {
            rows: transaction.rows()?,
            index,
            profile: numbers.profile,
            seed,
            seen: vec![0; index.len()],
            recognised_twice: Vec::new(),
            seen_created: Vec::new(),
            next_number: transaction.next_number()?,
            changes: Changes::default(),
            uniques: Uniques::new(transaction, seed, numbers.uniques_changed.then_some(numbers.profile))?,
            counts: Counts::default(),
            employees: 0,
            rejected: HashSet::new(),
            rejections: Rejections::new(errors_listed_max),
        })
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
    pub fn apply(&mut self, batch: Vec<Vec<Checked>>) -> Result<(), Failure> {
        for (index, place) in std::mem::take(&mut self.recognised_twice) {
            self.first_time(place, index)?;
        }
        batch.into_iter().flatten().try_for_each(|checked| self.apply_one(checked))
    }

    fn apply_one(&mut self, checked: Checked) -> Result<(), Failure> {
        let Checked { index, bytes, id, id_hash, finding } = checked;
        self.employees += 1;
        match finding {
            Finding::NotJson(NotJson { at, message }) => Err(Failure::NotJson { index: Some(index), at, message }),
            Finding::Invalid(faults) => {
                for fault in faults {
                    self.rejections.add(Some(index), id.as_deref(), fault);
                }
                let Some(id) = id else {
                    return Ok(());
                };
                let number = match self.index.find(id_hash) {
                    Some(place) => self.first_time(place, index)?.then(|| self.index.get(place).number),
                    None => self.first_time_created(id_hash, &id, index, Status::Hidden)?,
                };
                self.rejected.extend(number);
                Ok(())
            }
            Finding::Unchanged(place) => {
                if self.first_time(place, index)? {
                    self.counts.unchanged += 1;
                    if !self.index.has_bytes(place, bytes) {
                        self.changes.change(place, Entry { bytes, ..self.index.get(place) });
                    }
                }
                Ok(())
            }
            Finding::Different { place: Some(place), status, data } => match self.first_time(place, index)? {
                true => self.update(place, index, bytes, status, data),
                false => Ok(()),
            },
            Finding::Different { place: None, status, data } => {
                let id = id.unwrap_or_default();
                match self.first_time_created(id_hash, &id, index, status)? {
                    Some(number) => self.create(Entry { id: id_hash, data: 0, bytes, number, status }, index, id, data),
                    None => Ok(()),
                }
            }
        }
    }

    fn create(&mut self, entry: Entry, index: u64, id: String, data: Option<(Data, u128)>) -> Result<(), Failure> {
        let Entry { number, status, .. } = entry;
        let (data, data_hash) = data.unwrap_or_else(|| {
            let none = Data::default();
            let hash = data_hash(self.seed, self.profile, &none);
            (none, hash)
        });
        let employee = Employee { id, status, profile: self.profile, data };
        self.rows.insert(number, &employee)?;
        self.uniques.add(number, index, &employee);
        self.counts.created += 1;
        let created = self.changes.created();
        created.update(created.len() as u32 - 1, Entry { data: data_hash, ..entry });
        Ok(())
    }

    fn update(
        &mut self,
        place: u32,
        index: u64,
        bytes: u128,
        status: Status,
        data: Option<(Data, u128)>,
    ) -> Result<(), Failure> {
        let mut entry = Entry { bytes, status, ..self.index.get(place) };
        let before = self.rows.read(entry.number)?;
        let mut after = before.clone();
        after.status = status;
        if let Some((data, data_hash)) = data {
            self.counts.updated += u64::from(data_hash != entry.data);
            entry.data = data_hash;
            after.data = data;
            after.profile = self.profile;
        }
        match (before.status, status) {
            (Status::Hidden, Status::Active) => self.counts.activated += 1,
            (Status::Active, Status::Hidden) => self.counts.hidden += 1,
            _ => {}
        }
        self.rows.update(entry.number, &after)?;
        self.uniques.change(entry.number, index, &before, &after);
        self.changes.change(place, entry);
        Ok(())
    }

    /// Whether the push has not carried the employee at this place of the index before; it has now.
    fn first_time(&mut self, place: u32, index: u64) -> Result<bool, Failure> {
        self.changes.carried(index, place);
        let seen = &mut self.seen[place as usize];
        if *seen == 0 {
            *seen = index as u32 + 1;
            return Ok(true);
        }
        // An employee that was recognised can be noted before one that came earlier and had to be checked.
        let other = u64::from(*seen - 1);
        let id = self.rows.id(self.index.get(place).number)?;
        self.reject_twice(index.max(other), &id, index.min(other));
        Ok(false)
    }

    /// The number of a new employee; none where the push has carried it before.
    fn first_time_created(
        &mut self,
        id_hash: u128,
        id: &str,
        index: u64,
        status: Status,
    ) -> Result<Option<u32>, Failure> {
        let number = self.next_number;
        if let Err(place) = self.changes.create(index, Entry { id: id_hash, data: 0, bytes: 0, number, status }) {
            let first = u64::from(self.seen_created[place as usize]);
            self.reject_twice(index, id, first);
            return Ok(None);
        }
        self.next_number += 1;
        self.seen_created.push(index as u32);
        Ok(Some(number))
    }

    fn reject_twice(&mut self, index: u64, id: &str, first: u64) {
        let message = format!("the employee at index {first} has the same id; send each employee once");
        self.rejections.add(Some(index), Some(id), Fault::new("id", "twice", message));
    }

    /// Checks what only the whole push can tell. Gives the counts, how many employees there were, and what is new to the index.
    pub fn finish(mut self) -> Result<(Counts, u64, Changes), Failure> {
        self.apply(Vec::new())?;
        for conflict in self.uniques.conflicts(&mut self.rows)? {
            self.reject_conflict(conflict)?;
        }
        match self.rejections.count() {
            0 => Ok((self.counts, self.employees, self.changes)),
            _ => Err(Failure::Rejected(Box::new(self.rejections))),
        }
    }

    fn reject_conflict(&mut self, Conflict { field, number, index, other }: Conflict) -> Result<(), Failure> {
        // Whose value is wrong for another reason may have none, or another, when that is mended.
        if self.rejected.contains(&number) || self.rejected.contains(&other) {
            return Ok(());
        }
        // Every conflict is counted; only one that will be told needs its ids.
        if !self.rejections.lists(index) {
            self.rejections.add(index, None, Fault::new(&field, "unique", "another employee has the same value"));
            return Ok(());
        }
        let other = self.rows.id(other)?;
        let other_index = self.index_of(&other);
        let whose = match other_index {
            Some(index) => format!("the employee {other:?} at index {index} of this push"),
            None => format!("the stored employee {other:?}, who is not in this push,"),
        };
        let message = format!("{whose} has the same value, and only one may have it");
        let id = self.rows.id(number)?;
        let index = index.or_else(|| self.index_of(&id));
        self.rejections.add(index, Some(&id), Fault::new(&field, "unique", message));
        Ok(())
    }

    fn index_of(&mut self, id: &str) -> Option<u64> {
        let id_hash = hash(self.seed, id.as_bytes());
        if let Some(place) = self.index.find(id_hash) {
            return self.seen[place as usize].checked_sub(1).map(u64::from);
        }
        self.changes.created().find(id_hash).map(|place| u64::from(self.seen_created[place as usize]))
    }
}
