//! Outcome: what a push comes to so far, noted employee by employee in the order of the push.

use super::Failure;
use super::carried::{Carried, CarriedBefore};
use super::check::{Checked, Chunk, Finding};
use super::guard::Figures;
use super::reference::References;
use super::suspect::Watch;
use super::unique::Uniques;
use super::verdict::Verdict;
use crate::json::NotJson;
use crate::roster::{Absences, Change, Counts, Data, Delta, Employee, Entry, Index, Status, Version, data_hash};
use crate::store;
use std::ops::Range;

/// What a push comes to so far.
pub struct Outcome<'p> {
    /// The five counts.
    pub counts: Counts,
    /// How many employees the push has carried.
    pub employees: u64,
    /// Whom it has carried.
    pub carried: Carried,
    /// Whom it had carried before the changes were noted again without some employees.
    pub carried_before: Option<CarriedBefore>,
    /// The unique values that it adds and takes away.
    pub uniques: Uniques,
    /// The references that it adds.
    pub references: References<'p>,
    /// What guards look at.
    pub figures: Figures,
    /// What may be suspect.
    pub watch: Watch,
    /// What is wrong with its employees.
    pub verdict: Verdict,
    /// What it makes of the index, beside the entries that are replaced.
    pub delta: Delta,
    /// The numbers of hidden employees whom the push carries as hidden. If absence has hidden them, they are hidden on purpose now.
    pub hidden_again: Vec<u32>,
    /// What the push says about the others who are missing, or were.
    pub absences: Absences,
    /// Entries of the index that are to be replaced at [`Outcome::settle`], by slot.
    replaced: Vec<(u32, Entry)>,
    /// How many changes of a plan were noted.
    replayed: u64,
    profile: u32,
    seed: u64,
    first_created: u32,
}

/// What an outcome begins with.
pub struct Beginning<'p> {
    /// The account's number of the profile.
    pub profile: u32,
    /// The seed of the account's hashes.
    pub seed: u64,
    /// The number of the first employee that the push creates.
    pub first_created: u32,
    /// No unique values yet.
    pub uniques: Uniques,
    /// No figures yet.
    pub figures: Figures,
    /// Nothing that may be suspect yet.
    pub watch: Watch,
    /// No references yet.
    pub references: References<'p>,
    /// How many rejections are listed.
    pub listed_max: usize,
}

impl<'p> Outcome<'p> {
    /// Nothing yet.
    pub fn new(beginning: Beginning<'p>) -> Outcome<'p> {
        let Beginning { profile, seed, first_created, uniques, references, figures, watch, listed_max } = beginning;
        Outcome {
            counts: Counts::default(),
            employees: 0,
            carried: Carried::default(),
            carried_before: None,
            uniques,
            references,
            figures,
            watch,
            verdict: Verdict::new(listed_max),
            delta: Delta::default(),
            hidden_again: Vec::new(),
            absences: Absences::default(),
            replaced: Vec::new(),
            replayed: 0,
            profile,
            seed,
            first_created,
        }
    }

    /// Notes that the employee in a slot of the index was recognised at a place of the push.
    pub fn recognised(&mut self, place: u64, slot: u32) {
        self.employees += 1;
        self.delta.carried(place, slot);
        self.counts.unchanged += u64::from(self.carried.recognised(place, slot));
    }

    /// Returns the numbers of the employees that a batch changes, for [`Outcome::note`]: an employee is changed only if it is carried for
    /// the first time.
    pub fn changed(chunks: &[Chunk], index: &Index) -> Vec<u32> {
        let checked = chunks.iter().flat_map(|chunk| &chunk.checked);
        let slots = checked.filter_map(|checked| match checked.finding {
            Finding::Different { slot, .. } => slot,
            _ => None,
        });
        slots.map(|slot| index.get(slot).number).collect()
    }

    /// Notes the employees of a batch, and returns their changes. `stored` are the employees of [`Outcome::changed`] as they are stored.
    pub fn note<'c>(
        &mut self,
        chunks: &'c [Chunk],
        stored: &'c [Option<Employee>],
        index: &Index,
    ) -> Result<Vec<Change<'c>>, Failure> {
        let mut changes = Vec::new();
        let mut stored = stored.iter();
        for chunk in chunks {
            self.delta.created().expect(chunk.checked.iter().map(|checked| checked.id_hash));
            for checked in &chunk.checked {
                self.employees += 1;
                let change = self.note_one(checked, chunk, &mut stored, index)?;
                changes.extend(change);
            }
        }
        Ok(changes)
    }

    fn note_one<'c>(
        &mut self,
        checked: &Checked,
        chunk: &'c Chunk,
        stored: &mut std::slice::Iter<'c, Option<Employee>>,
        index: &Index,
    ) -> Result<Option<Change<'c>>, Failure> {
        let &Checked { place, bytes, id_hash, ref finding, .. } = checked;
        match finding {
            Finding::NotJson(NotJson { at, message }) => {
                Err(Failure::NotJson { index: Some(place), at: *at, message: message.clone() })
            }
            Finding::Invalid { slot, faults } => {
                let id = chunk.id(checked);
                self.verdict.invalid(place, id, faults);
                let number = match (slot, id) {
                    (_, None) => None,
                    (Some(slot), Some(_)) => self.first_time(place, *slot).then(|| index.get(*slot).number),
                    (None, Some(id)) => self.create(place, id, Entry::of_id(id_hash)),
                };
                if let Some(number) = number {
                    self.verdict.rejected(number);
                }
                Ok(None)
            }
            &Finding::Unchanged(slot) => {
                if self.first_time(place, slot) {
                    self.counts.unchanged += 1;
                    if let Some(bytes) = bytes.filter(|bytes| !index.has_bytes(slot, *bytes)) {
                        let entry = index.get(slot);
                        self.note_hidden_again(&entry, entry.status);
                        self.replaced.push((slot, Entry { bytes, ..entry }));
                    }
                }
                Ok(None)
            }
            Finding::Different { slot, status, data } => {
                let id = chunk.id(checked).unwrap_or_default();
                let sent = data.as_ref().map(|(data, hash)| (chunk.data(data), *hash));
                let entry = Entry { bytes: bytes.unwrap_or(0), status: *status, ..Entry::of_id(id_hash) };
                let Some(slot) = *slot else {
                    return self.note_new(place, id, entry, sent);
                };
                let before = stored.next().and_then(Option::as_ref);
                if !self.first_time(place, slot) {
                    return Ok(None);
                }
                let Some(before) = before else {
                    return Err(store::Error::missing(index.get(slot).number).into());
                };
                if bytes.is_some() {
                    self.note_hidden_again(&index.get(slot), *status);
                }
                let mut after = Version { id, status: *status, ..before.version() };
                let mut data_hash = index.get(slot).data;
                if let Some((data, hash)) = sent {
                    (after.profile, after.data, data_hash) = (self.profile, data, hash);
                }
                let change =
                    Change { number: index.get(slot).number, before: Some(before.version()), after: Some(after) };
                let profile = after.profile;
                self.replaced.push((slot, Entry { number: change.number, data: data_hash, profile, ..entry }));
                self.note_change(Some(place), &change)?;
                Ok(Some(change))
            }
        }
    }

    fn note_new<'c>(
        &mut self,
        place: u64,
        id: &'c str,
        entry: Entry,
        sent: Option<(Data<&'c [u8]>, u128)>,
    ) -> Result<Option<Change<'c>>, Failure> {
        let (data, data_hash) = sent.unwrap_or_else(|| {
            let none = Data::from_bytes(&[][..]);
            (none, data_hash(self.seed, self.profile, &none))
        });
        let Some(number) = self.create(place, id, Entry { data: data_hash, profile: self.profile, ..entry }) else {
            return Ok(None);
        };
        let after = Version { id, status: entry.status, profile: self.profile, data };
        let change = Change { number, before: None, after: Some(after) };
        self.note_change(Some(place), &change)?;
        Ok(Some(change))
    }

    /// Notes a change: of an employee at a place of the push, or of one that it does not carry.
    fn note_change(&mut self, place: Option<u64>, change: &Change) -> Result<(), Failure> {
        let kinds = change.kinds();
        self.counts.add_kinds(&kinds);
        self.figures.note(change, &kinds);
        self.watch.note(change, &kinds);
        let Some(after) = change.after else {
            return Ok(());
        };
        self.uniques.change(change.number, place, change.before, after);
        // Another id can close a circle, as other data can.
        self.references.add(change.number, place, change.before.map(|before| before.data), after.data)
    }

    /// Notes a change of a stored employee by a rename, which needs no push to carry it. Its references are those of the data `named`, which
    /// were right when they were pushed. Its entry is added to the index.
    pub fn rename(&mut self, change: &Change, named: Data<&[u8]>, index: &mut Index) -> Result<(), Failure> {
        let after = change.after.expect("a rename leaves everybody stored");
        self.enter(change.number, after, 0, index);
        self.carried.grow(index);
        let kinds = change.kinds();
        self.counts.add_kinds(&kinds);
        self.figures.note(change, &kinds);
        self.uniques.change(change.number, None, change.before, after);
        self.references.add(change.number, None, Some(named), after.data)
    }

    fn note_hidden_again(&mut self, entry: &Entry, status: Status) {
        if (entry.bytes, entry.status, status) == (0, Status::Hidden, Status::Hidden) {
            self.hidden_again.push(entry.number);
        }
    }

    /// Notes that stored employees, which the push does not carry, are hidden. Returns their changes. Who is not in the index is added.
    pub fn hide<'c>(&mut self, absent: &'c [(u32, Employee)], index: &mut Index) -> Result<Vec<Change<'c>>, Failure> {
        let mut changes = Vec::new();
        for (number, employee) in absent {
            let before = employee.version();
            let after = Version { status: Status::Hidden, ..before };
            let change = Change { number: *number, before: Some(before), after: Some(after) };
            self.note_change(None, &change)?;
            let slot = number - 1;
            if slot < index.slots() && index.get(slot).number == *number {
                // What comes back is read, since a push may carry it with the bytes that it had.
                self.replaced.push((slot, Entry { bytes: 0, status: Status::Hidden, ..index.get(slot) }));
            } else {
                self.enter(*number, after, 0, index);
            }
            changes.push(change);
        }
        self.carried.grow(index);
        Ok(changes)
    }

    /// Notes changes that a plan has, each with the hash of the bytes that the employee was accepted with, and gives whom they create a
    /// number. The entries of the others are added to the index.
    pub fn replay<'c>(
        &mut self,
        planned: impl Iterator<Item = (Change<'c>, u128)>,
        index: &mut Index,
    ) -> Result<Vec<Change<'c>>, Failure> {
        let replay = |(change, bytes)| {
            let place = self.replayed;
            self.replayed += 1;
            self.replay_one(Some(place), change, bytes, index)
        };
        planned.map(replay).collect()
    }

    /// Notes a change that was noted before, of an employee at a place of the push or of one that it does not carry, with the hash of the
    /// bytes that the employee was accepted with. Returns it with the number that the employee has now.
    pub fn replay_one<'c>(
        &mut self,
        place: Option<u64>,
        mut change: Change<'c>,
        bytes: u128,
        index: &mut Index,
    ) -> Result<Change<'c>, Failure> {
        let Some(after) = change.after else {
            return Ok(change);
        };
        if change.before.is_some() {
            let slot = self.enter(change.number, after, bytes, index);
            self.carried.grow(index);
            if let Some(place) = place {
                assert!(self.carried.stored(place, slot), "an employee is changed once");
            }
        } else {
            let entry = Entry { bytes, ..self.entry(0, after) };
            let place = place.expect("who is created was carried");
            change.number = self.create(place, after.id, entry).expect("an employee is created once");
        }
        self.note_change(place, &change)?;
        Ok(change)
    }

    /// Notes that the push has carried an employee, with other bytes, who stays as it is stored. Its entry is added to the index.
    pub fn accept(&mut self, entry: Entry, index: &mut Index) {
        self.delta.replaced(index.slots());
        index.insert(entry);
    }

    /// Adds the entry of a stored employee, as it is to be, to the index. Returns its slot.
    fn enter(&mut self, number: u32, after: Version, bytes: u128, index: &mut Index) -> u32 {
        let slot = index.slots();
        index.insert(Entry { bytes, ..self.entry(number, after) });
        self.delta.replaced(slot);
        slot
    }

    fn entry(&self, number: u32, after: Version) -> Entry {
        let id = crate::roster::hash(self.seed, after.id.as_bytes());
        let data = data_hash(self.seed, after.profile, &after.data);
        Entry { id, data, bytes: 0, number, profile: after.profile, status: after.status }
    }

    /// Brings the entries of the employees that were noted into the index.
    pub fn settle(&mut self, index: &mut Index) {
        for (slot, entry) in self.replaced.drain(..) {
            index.update(slot, entry);
            self.delta.replaced(slot);
        }
    }

    /// Returns the number that the next new employee gets.
    pub fn next_number(&self) -> u32 {
        self.first_created + self.carried.created_len()
    }

    /// Returns the numbers of the employees that the push creates.
    pub fn created(&self) -> Range<u32> {
        self.first_created..self.next_number()
    }

    /// Returns the number of the first employee that the push creates.
    pub fn first_created(&self) -> u32 {
        self.first_created
    }

    /// Whether the push has not carried the employee in a slot before; it has now.
    fn first_time(&mut self, place: u64, slot: u32) -> bool {
        self.delta.carried(place, slot);
        self.carried.stored(place, slot)
    }

    /// Notes who was carried twice, once all employees have come.
    pub fn end(&mut self, index: &Index) {
        for (twice, slot) in self.carried.take_again() {
            self.verdict.stored_twice(twice, index.get(slot).number);
        }
    }

    /// Returns the number of a new employee; `None` if the push has carried it before.
    fn create(&mut self, place: u64, id: &str, entry: Entry) -> Option<u32> {
        let number = self.next_number();
        if let Err(slot) = self.delta.create(place, Entry { number, ..entry }) {
            let earlier = self.delta.created().get(slot).number;
            self.verdict.created_twice(self.carried.created_before(place, slot), earlier, id);
            return None;
        }
        self.carried.created(place);
        Some(number)
    }
}
