//! A tally: how many employees there are, and how many have a value, or what a push makes of these numbers.

use super::{Status, Version};
use std::collections::BTreeMap;

/// A value of a field, by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldValue {
    /// The account's number of the field.
    pub field: u32,
    /// The hash of the value.
    pub hash: u128,
}

/// How many employees there are, or how many more than before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many are stored. Whoever was merged into another is not counted.
    pub stored: i64,
    /// How many of them are active.
    pub active: i64,
    /// How many have a value in a field, by the account's number of the field.
    pub fields: BTreeMap<u32, i64>,
    /// How many active ones have a value of a guarded field.
    pub values: BTreeMap<FieldValue, i64>,
}

impl Tally {
    /// Counts an employee, unless it was removed. `guarded` are the fields whose values are counted, `hash` hashes a value.
    pub fn add(&mut self, employee: Version, guarded: &[u32], hash: impl Fn(&[u8]) -> u128) {
        if employee.is_removed() {
            return;
        }
        self.stored += 1;
        let is_active = employee.status == Status::Active;
        self.active += i64::from(is_active);
        for (field, value) in employee.data.values() {
            *self.fields.entry(field).or_default() += 1;
            if is_active && guarded.contains(&field) {
                *self.values.entry(FieldValue { field, hash: hash(value) }).or_default() += 1;
            }
        }
    }

    /// Leaves out what is 0.
    pub fn tidy(&mut self) {
        self.fields.retain(|_, employees| *employees != 0);
        self.values.retain(|_, employees| *employees != 0);
    }
}
