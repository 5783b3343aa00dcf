//! Uniqueness: whether two employees of the roster, as the push leaves it, have the same value where a profile forbids it.

pub use crate::store::OF_HIDDEN;

use crate::profile::Unique;
use crate::roster::{Data, Employee, Status};
use crate::store::{Error, Rows, Transaction, unique_values};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// The unique values that a push adds to the roster and takes from it. Nothing is decided before the end of the push, so the
/// order of its employees does not matter.
pub struct Uniques {
    scopes: Scopes,
    names: HashMap<u32, String>,
    added: Vec<Added>,
    removed: Vec<Held>,
    /// Values that several stored employees had when the fields became unique.
    suspected: Vec<Held>,
}

/// Which values are unique.
struct Scopes {
    seed: u64,
    /// The unique fields of the account's profiles, by the account's numbers.
    fields: BTreeMap<u32, Unique>,
}

/// What of an employee decides which unique values it holds.
#[derive(Clone, Copy)]
pub struct Holder<'a> {
    /// The status.
    pub status: Status,
    /// The values.
    pub data: Data<&'a [u8]>,
}

impl<'a> From<&'a Employee> for Holder<'a> {
    fn from(employee: &'a Employee) -> Holder<'a> {
        Holder { status: employee.status, data: employee.data.lend() }
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
    /// No changes yet. With `entered_anew`, the values of all stored employees count as added, since other fields were unique
    /// before.
    pub fn new(transaction: &Transaction, seed: u64, entered_anew: bool) -> Result<Uniques, Error> {
        let names = transaction.names()?.fields;
        let scopes = Scopes { seed, fields: transaction.unique_fields()? };
        let (added, removed, suspected) = (Vec::new(), Vec::new(), Vec::new());
        let mut uniques = Uniques { scopes, names, added, removed, suspected };
        if entered_anew {
            transaction.for_each_employee(|number, employee| uniques.add_at(number, NOT_PUSHED, (&employee).into()))?;
        }
        Ok(uniques)
    }

    /// Brings what was added so far to the store; what is in conflict is looked at again at the end.
    pub fn enter(&mut self, rows: &mut Rows) -> Result<(), Error> {
        self.sort();
        for group in self.added.chunk_by(|a, b| a.held.same_value(&b.held)).filter(|group| group.len() > 1) {
            self.suspected.extend(group.iter().map(|added| added.held));
        }
        rows.insert_uniques(self.added.drain(..).map(|Added { held, .. }| (held.field, held.hash(), held.number)))
    }

    fn sort(&mut self) {
        self.added
            .par_sort_unstable_by_key(|Added { held, index }| (held.field, held.high, held.low, *index, held.number));
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

    /// The values that employees had and have no longer, or have only while they are hidden: the field, the value's hash, the employee's
    /// number.
    pub fn given_up(&self) -> impl Iterator<Item = (u32, u128, u32)> {
        self.removed.iter().map(|held| (held.field & !OF_HIDDEN, held.hash(), held.number))
    }

    /// Brings the changes to the store, in the order of its keys, and gives the conflicts that they make.
    pub fn conflicts(&mut self, rows: &mut Rows) -> Result<Vec<Conflict>, Error> {
        self.removed.sort_unstable();
        let removed = &self.removed;
        self.added.retain(|added| removed.binary_search(&added.held).is_err());
        self.sort();
        let removed = &self.removed;
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
        for group in self.suspected.chunk_by(Held::same_value).filter(|group| group[0].field & OF_HIDDEN == 0) {
            let field = group[0].field;
            if let [other, number] = rows.holders(field, group[0].hash())?[..] {
                let field = self.names.get(&field).cloned().unwrap_or_default();
                conflicts.push(Conflict { field, number, index: None, other });
            }
        }
        Ok(conflicts)
    }
}

impl Scopes {
    fn held<'a>(&'a self, number: u32, employee: Holder<'a>) -> impl Iterator<Item = Held> + 'a {
        let values = unique_values(&self.fields, self.seed, employee.status, employee.data);
        values.map(move |(field, hash)| Held { high: (hash >> 64) as u64, low: hash as u64, field, number })
    }
}
