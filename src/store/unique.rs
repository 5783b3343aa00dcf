//! Unique values, as a store keeps them: each by its field and its hash, with whoever holds it.

use crate::profile::Unique;
use crate::roster::{Data, Status, hash};
use std::collections::BTreeMap;

/// Marks the field of a value that must be unique among the active and is held by somebody hidden: it is in nobody's way, and the
/// employee can be found by it.
pub const OF_HIDDEN: u32 = 1 << 31;

/// A value of a unique field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueValue {
    /// The account's number of the field, with [`OF_HIDDEN`] if that applies.
    pub field: u32,
    /// The hash of the value.
    pub hash: u128,
}

/// A unique value that an employee holds. It is ordered as a store's keys are: by value, then by employee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The account's number of the field, with [`OF_HIDDEN`] if that applies.
    pub field: u32,
    /// The employee's number.
    pub number: u32,
    // A hash in halves is aligned to 8 bytes: a push of a million employees holds millions of these.
    high: u64,
    low: u64,
}

impl Held {
    /// The value, held by the employee with this number.
    pub fn new(value: UniqueValue, number: u32) -> Held {
        let UniqueValue { field, hash } = value;
        let low = u64::try_from(hash & u128::from(u64::MAX)).expect("the lower half of 128 bits");
        let high = u64::try_from(hash >> 64).expect("the upper half of 128 bits");
        Held { field, number, high, low }
    }

    /// Returns the value.
    pub fn value(&self) -> UniqueValue {
        UniqueValue { field: self.field, hash: u128::from(self.high) << 64 | u128::from(self.low) }
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Held) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Held) -> std::cmp::Ordering {
        let key = |held: &Held| (held.field, held.high, held.low, held.number);
        key(self).cmp(&key(other))
    }
}

/// Returns the unique values that an employee with this status and data holds. `fields` are the unique fields by number.
pub fn unique_values<'a>(
    fields: &'a BTreeMap<u32, Unique>,
    seed: u64,
    status: Status,
    data: Data<&'a [u8]>,
) -> impl Iterator<Item = UniqueValue> + 'a {
    fields.iter().filter_map(move |(&field, &unique)| {
        let hash = hash(seed, data.get(field)?);
        let aside = unique == Unique::Active && status == Status::Hidden;
        Some(UniqueValue { field: if aside { field | OF_HIDDEN } else { field }, hash })
    })
}
