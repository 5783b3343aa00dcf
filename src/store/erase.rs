//! Erasing employees: they are removed, and their values go from everything that is stored of them, also of those who were merged into them.
//! Nothing brings the values back.

use super::{Commit, Draft, Error, IndexUpdate, Sender, Sync, SyncKind, Times};
use crate::roster::{Change, Counts, Data, Employee, Entry, Suspects, Tally, data_hash, hash, merged_into};
use std::time::Instant;

/// Employees who were erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// How many. Those who were merged into one are one with it.
    pub employees: u64,
    /// The roster's revision after it.
    pub revision: u64,
}

impl Draft<'_> {
    /// Erases the employees with these numbers, also those who were removed before, and everybody who is the same person, see
    /// [`Draft::with_merged`]: all of them, or nobody. It is recorded as a sync, without values. `sender` has asked for it, and the indexes that wait for their account's next push may take `index_bytes_max` bytes of memory.
    /// What was in the file is to be overwritten afterwards, see [`super::Roster::scrub`].
    pub fn erase(mut self, numbers: &[u32], sender: Sender, index_bytes_max: usize) -> Result<Erased, Error> {
        let started = Instant::now();
        let numbers = self.with_merged(numbers)?;
        let stored = self.read(&numbers)?;
        let people = || numbers.iter().zip(&stored).filter_map(|(number, stored)| Some((*number, stored.as_ref()?)));
        let numbers: Vec<u32> = people().map(|(number, _)| number).collect();
        let removed: Vec<Employee> = people().map(|(number, employee)| removed(number, employee)).collect();
        let employees = removed.iter().filter(|removed| merged_into(&removed.id).is_none()).count() as u64;
        let mut changes = Vec::new();
        for ((number, before), after) in people().zip(&removed).filter(|((_, before), _)| !before.is_removed()) {
            changes.push(Change { number, before: Some(before.version()), after: Some(after.version()) });
        }
        self.append(&changes)?;
        let tally = self.tally_without(people().map(|(_, employee)| employee))?;
        self.wipe(&numbers)?;
        let seed = self.seed();
        let entries = numbers.iter().zip(&removed).map(|(number, removed)| entry(*number, removed, seed)).collect();
        let duration = started.elapsed();
        let sync = Sync {
            kind: SyncKind::Erase,
            profile: 0,
            rules: 0,
            created: 0..0,
            employees,
            counts: Counts::default(),
            suspects: Suspects::default(),
            set_aside: None,
            duration,
            times: Times { write: duration, ..Times::default() },
            sender,
            as_of: None,
            is_usual: false,
        };
        let index = IndexUpdate::Entries(entries);
        let (empties_queue, remember, seen, plan) = (false, None, None, None);
        let commit = Commit { sync, index, index_bytes_max, tally, empties_queue, remember, seen, plan };
        Ok(Erased { employees, revision: self.commit(commit)? })
    }

    /// Returns what it makes of the account's tally that these employees are in it no more.
    fn tally_without<'e>(&mut self, employees: impl Iterator<Item = &'e Employee>) -> Result<Tally, Error> {
        let (guarded, seed) = (self.guarded()?, self.seed());
        let mut tally = Tally::default();
        employees.for_each(|employee| tally.add(employee.version(), &guarded, |value| hash(seed, value)));
        (tally.stored, tally.active) = (-tally.stored, -tally.active);
        tally.fields.values_mut().for_each(|employees| *employees = -*employees);
        tally.values.values_mut().for_each(|employees| *employees = -*employees);
        Ok(tally)
    }
}

/// Returns what an employee is once it was erased. Whoever was merged into another stays so, since the history of the two is one.
fn removed(number: u32, employee: &Employee) -> Employee {
    if employee.is_removed() {
        Employee { data: Data::default(), ..employee.clone() }
    } else {
        Employee::removed(number)
    }
}

/// Returns the entry of an employee in the index, who was accepted with no bytes.
pub(super) fn entry(number: u32, employee: &Employee, seed: u64) -> Entry {
    let Employee { id, status, profile, data } = employee;
    let (id, data) = (hash(seed, id.as_bytes()), data_hash(seed, *profile, data));
    Entry { id, data, bytes: 0, number, profile: *profile, status: *status }
}
