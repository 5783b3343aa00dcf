//! Uniqueness: whether two employees of the roster, as the push leaves it, have the same value where a profile forbids it.

use crate::profile::Unique;
use crate::roster::{Data, Employee, Status, hash};
use crate::store::{Error, Rows, Transaction};
use rayon::prelude::*;
use std::collections::HashMap;

/// The unique values that a push adds to the roster and takes from it. Nothing is decided before the end of the push, so the
/// order of its employees does not matter.
pub struct Uniques {
    scopes: Scopes,
    names: HashMap<u32, String>,
    added: Vec<Added>,
    removed: Vec<Held>,
}

/// Which values are unique.
struct Scopes {
    seed: u64,
    /// The unique fields of each profile of the account, by the account's numbers.
    fields: HashMap<u32, Vec<(u32, Unique)>>,
}

/// What of an employee decides which unique values it holds.
#[derive(Clone, Copy)]
pub struct Holder<'a> {
    /// The status.
    pub status: Status,
    /// The account's number of the profile that the data was checked by.
    pub profile: u32,
    /// The values.
    pub data: Data<&'a [u8]>,
}

impl<'a> From<&'a Employee> for Holder<'a> {
    fn from(employee: &'a Employee) -> Holder<'a> {
        Holder { status: employee.status, profile: employee.profile, data: employee.data.lend() }
    }
}

/// A value that an employee holds: the field, the value's hash in two halves, the employee's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    high: u64,
    low: u64,
    field: u32,
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

/// Marks the field of a value that must be unique among the active, where who has it is hidden: it is in nobody's way, and the
/// employee can be found by it.
pub const OF_HIDDEN: u32 = 1 << 31;

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
        let names = transaction.names()?.fields;
        let scopes = Scopes { seed, fields: transaction.unique_fields()? };
        let mut uniques = Uniques { scopes, names, added: Vec::new(), removed: Vec::new() };
        if let Some(profile) = entered_anew {
            transaction.for_each_employee(|number, employee| {
                if employee.profile == profile {
                    uniques.add_at(number, NOT_PUSHED, (&employee).into());
                }
            })?;
        }
        Ok(uniques)
    }

    /// An employee was created.
    pub fn add(&mut self, number: u32, index: u64, employee: Holder) {
        self.add_at(number, index as u32, employee);
    }

    fn add_at(&mut self, number: u32, index: u32, employee: Holder) {
        self.added.extend(self.scopes.held(number, employee).map(|held| Added { held, index }));
    }

    /// An employee was changed.
    pub fn change(&mut self, number: u32, index: u64, before: Holder, after: Holder) {
        let earlier = self.removed.len();
        self.removed.extend(self.scopes.held(number, before));
        for held in self.scopes.held(number, after) {
            match self.removed[earlier..].iter().position(|before| *before == held) {
                Some(kept) => drop(self.removed.swap_remove(earlier + kept)),
                None => self.added.push(Added { held, index: index as u32 }),
            }
        }
    }

    /// Brings the changes to the store, in the order of its keys, and gives the conflicts that they make.
    pub fn conflicts(&mut self, rows: &mut Rows) -> Result<Vec<Conflict>, Error> {
        self.removed.sort_unstable();
        let removed = &self.removed;
        self.added.retain(|added| removed.binary_search(&added.held).is_err());
        self.added
            .par_sort_unstable_by_key(|Added { held, index }| (held.field, held.high, held.low, *index, held.number));
        for held in removed {
            rows.delete_unique(held.field, held.hash(), held.number)?;
        }
        let mut conflicts = Vec::new();
        for group in self.added.chunk_by(|a, b| a.held.same_value(&b.held)) {
            let first = group[0].held;
            if first.field & OF_HIDDEN != 0 {
                continue;
            }
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
        }
        rows.insert_uniques(self.added.iter().map(|Added { held, .. }| (held.field, held.hash(), held.number)))?;
        Ok(conflicts)
    }
}

impl Scopes {
    fn held<'a>(&'a self, number: u32, employee: Holder<'a>) -> impl Iterator<Item = Held> + 'a {
        let Holder { status, profile, data } = employee;
        let fields = self.fields.get(&profile).into_iter().flatten();
        fields.filter_map(move |&(field, unique)| {
            let hash = hash(self.seed, data.get(field)?);
            let aside = unique == Unique::Active && status == Status::Hidden;
            let field = if aside { field | OF_HIDDEN } else { field };
            Some(Held { high: (hash >> 64) as u64, low: hash as u64, field, number })
        })
    }
}
