//! The index of a roster: what is needed of every employee to tell whether it changed.

use super::{Data, Status};
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The hash of an id, of packed data or of an element's bytes, under the store's secret seed. With 128 bits two different
/// inputs out of a billion meet with a probability of less than 10⁻²⁰.
pub fn hash(seed: u64, bytes: &[u8]) -> u128 {
    xxh3_128_with_seed(bytes, seed)
}

/// The hash of an employee's data together with the account's number of the profile that it was checked by.
pub fn data_hash(seed: u64, profile: u32, data: &Data) -> u128 {
    hash(seed.wrapping_add(u64::from(profile)), data.as_bytes())
}

/// What the index knows of an employee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    id: [u64; 2],
    data: [u64; 2],
    /// The employee's number in the store.
    pub number: u32,
    /// The stored status.
    pub status: Status,
}

impl Entry {
    /// An entry from the hashes of an id and of the data with its profile.
    pub fn new(id: u128, data: u128, number: u32, status: Status) -> Entry {
        Entry { id: halves(id), data: halves(data), number, status }
    }

    /// The hash of the data and of the profile that it was checked by.
    pub fn data(&self) -> u128 {
        whole(self.data)
    }
}

// As halves an entry is 40 bytes, as u128 it would be 48.
fn halves(hash: u128) -> [u64; 2] {
    [hash as u64, (hash >> 64) as u64]
}

fn whole([low, high]: [u64; 2]) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// All employees of a roster by the hash of their id.
#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
    places: HashTable<u32>,
}

impl Index {
    /// An empty index with room for `employees`.
    pub fn with_capacity(employees: usize) -> Index {
        Index { entries: Vec::with_capacity(employees), places: HashTable::with_capacity(employees) }
    }

    /// How many employees there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no employees.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The place of the employee whose id has this hash.
    pub fn find(&self, id: u128) -> Option<u32> {
        let id = halves(id);
        self.places.find(id[0], |&place| self.entries[place as usize].id == id).copied()
    }

    /// The entry at a place that [`Index::find`] or [`Index::insert`] gave.
    pub fn get(&self, place: u32) -> &Entry {
        &self.entries[place as usize]
    }

    /// Adds an employee whose id is not there yet, and gives its place.
    pub fn insert(&mut self, entry: Entry) -> u32 {
        let place = u32::try_from(self.entries.len()).expect("a roster has fewer than 2³² employees");
        let Index { entries, places } = self;
        places.insert_unique(entry.id[0], place, |&place| entries[place as usize].id[0]);
        entries.push(entry);
        place
    }
}
