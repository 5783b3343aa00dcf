//! Uniqueness: whether two employees of the roster, as the push leaves it, have the same value where a profile forbids it.

use crate::profile::Unique;
use crate::roster::{Employee, Status, hash};
use crate::store::{Error, Rows, Transaction};
use std::collections::HashMap;

/// The unique values that a push adds to the roster and takes from it. Nothing is decided before the end of the push, so the
/// order of its employees does not matter.
pub struct Uniques {
    seed: u64,
    /// The unique fields of each profile of the account, by the account's numbers.
    scopes: HashMap<u32, Vec<(u32, Unique)>>,
    names: HashMap<u32, String>,
    added: Vec<Added>,
    removed: Vec<Held>,
}

/// A value that an employee holds: the field, the value's hash in two halves, the employee's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    field: u32,
    high: u64,
    low: u64,
    number: u32,
}

impl Held {
    fn hash(&self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }

    fn same_value(&self, other: &Held) -> bool {
        (self.field, self.high, self.low) == (other.field, other.high, other.low)
    }
}

/// A value that an employee comes to hold, and the employee's place in the push; [`NOT_PUSHED`] is last.
#[derive(Clone, Copy)]
struct Added {
    held: Held,
    index: u32,
}

const NOT_PUSHED: u32 = u32::MAX;

/// Two employees with the same value.
pub struct Conflict {
    /// The field's name.
    pub field: String,
    /// The number of the employee that must give way.
    pub number: u32,
    /// Its place in the push.
    pub index: Option<u64>,
    /// The number of the employee that holds the value.
    pub other: u32,
}

impl Uniques {
    /// No changes yet. With `entered_anew`, all values of that profile's employees count as added, since its rules were other
    /// ones when they were stored.
    pub fn new(transaction: &Transaction, seed: u64, entered_anew: Option<u32>) -> Result<Uniques, Error> {
        let scopes = transaction.unique_fields()?;
        let names = transaction.names()?.fields;
        let mut uniques = Uniques { seed, scopes, names, added: Vec::new(), removed: Vec::new() };
        if let Some(profile) = entered_anew {
            transaction.for_each_employee(|number, employee| {
                if employee.profile == profile {
                    uniques.add_at(number, NOT_PUSHED, &employee);
                }
            })?;
        }
        Ok(uniques)
    }

    /// An employee was created.
    pub fn add(&mut self, number: u32, index: u64, employee: &Employee) {
        self.add_at(number, index as u32, employee);
    }

    fn add_at(&mut self, number: u32, index: u32, employee: &Employee) {
        let held = self.held(number, employee);
        self.added.extend(held.into_iter().map(|held| Added { held, index }));
    }

    /// An employee was changed.
    pub fn change(&mut self, number: u32, index: u64, before: &Employee, after: &Employee) {
        let (before, after) = (self.held(number, before), self.held(number, after));
        self.removed.extend(before.iter().filter(|held| !after.contains(held)));
        let new = after.iter().filter(|held| !before.contains(held));
        self.added.extend(new.map(|&held| Added { held, index: index as u32 }));
    }

    fn held(&self, number: u32, employee: &Employee) -> Vec<Held> {
        let Some(fields) = self.scopes.get(&employee.profile) else {
            return Vec::new();
        };
        let counts = |unique| unique == Unique::Roster || employee.status == Status::Active;
        let fields = fields.iter().filter(|(_, unique)| counts(*unique));
        let held = fields.filter_map(|&(field, _)| {
            let hash = hash(self.seed, employee.data.get(field)?.as_bytes());
            Some(Held { field, high: (hash >> 64) as u64, low: hash as u64, number })
        });
        held.collect()
    }

    /// Brings the changes to the store, in the order of its keys, and gives the conflicts that they make.
    pub fn conflicts(&mut self, rows: &mut Rows) -> Result<Vec<Conflict>, Error> {
        self.removed.sort_unstable();
        let removed = &self.removed;
        self.added.retain(|added| removed.binary_search(&added.held).is_err());
        self.added.sort_unstable_by_key(|Added { held, index }| (held.field, held.high, held.low, *index, held.number));
        for held in removed {
            rows.delete_unique(held.field, held.hash(), held.number)?;
        }
        let mut conflicts = Vec::new();
        for group in self.added.chunk_by(|a, b| a.held.same_value(&b.held)) {
            let first = group[0].held;
            let stored = rows.holder(first.field, first.hash())?;
            let (other, losers) = match stored {
                Some(stored) => (stored, group),
                None => (first.number, &group[1..]),
            };
            conflicts.extend(losers.iter().map(|Added { held, index }| Conflict {
                field: self.names.get(&held.field).cloned().unwrap_or_default(),
                number: held.number,
                index: (*index != NOT_PUSHED).then_some(u64::from(*index)),
                other,
            }));
            for Added { held, .. } in group {
                rows.insert_unique(held.field, held.hash(), held.number)?;
            }
        }
        Ok(conflicts)
    }
}
