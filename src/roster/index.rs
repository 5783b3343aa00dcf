//! The index of a roster: what is needed of every employee to tell whether it changed.

use super::{Data, Status};
use std::sync::OnceLock;
use xxhash_rust::xxh3::{xxh3_128_with_secret, xxh3_128_with_seed};

/// The hash of an id or of a value, under the store's secret seed. With 128 bits two different inputs out of a billion meet with
/// a probability of less than 10⁻²⁰.
pub fn hash(seed: u64, bytes: &[u8]) -> u128 {
    xxh3_128_with_seed(bytes, seed)
}

/// The hash of an employee's data together with the account's number of the profile that it was checked by.
pub fn data_hash(seed: u64, profile: u32, data: &Data<impl AsRef<[u8]>>) -> u128 {
    hash(seed.wrapping_add(u64::from(profile)), data.as_bytes())
}

/// The version of the rules that the program itself has for an employee's form. Whoever changes what is accepted increases it, so that
/// bytes which were accepted by other rules are checked anew.
const FORM_VERSION: u128 = 2;

/// Hashes an element's bytes together with the version of the rules that they are checked by, the program's and the profile's.
pub struct BytesHasher([u8; 192]);

impl BytesHasher {
    /// The hasher of a store and a version of a profile.
    pub fn new(seed: u64, version: u128) -> BytesHasher {
        let mut secret = [0; 192];
        for (number, part) in secret.chunks_exact_mut(16).enumerate() {
            let input = [version, FORM_VERSION, number as u128].map(u128::to_le_bytes).concat();
            part.copy_from_slice(&hash(seed, &input).to_le_bytes());
        }
        BytesHasher(secret)
    }

    /// The hash of an element; never 0, which stands for no bytes.
    pub fn hash(&self, element: &[u8]) -> u128 {
        xxh3_128_with_secret(element, &self.0).max(1)
    }
}

/// What the index knows of an employee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The hash of the id.
    pub id: u128,
    /// The hash of the data and of the profile that it was checked by.
    pub data: u128,
    /// The hash of the bytes that it was last accepted with, or 0 where they are not known.
    pub bytes: u128,
    /// The employee's number in the store.
    pub number: u32,
    /// The stored status.
    pub status: Status,
}

// As halves a hash is aligned to 8 bytes.
type Halves = [u64; 2];

fn halves(hash: u128) -> Halves {
    [hash as u64, (hash >> 64) as u64]
}

fn whole([low, high]: Halves) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// All employees of a roster, each at a place of its own, and the order in which the last push had them.
///
/// What is looked at together lies together: recognising reads the order and the bytes, and nothing else.
#[derive(Debug, Default)]
pub struct Index {
    bytes: Vec<Halves>,
    ids: Vec<Halves>,
    data: Vec<Halves>,
    /// See [`Entry::number_and_status`].
    numbers: Vec<u32>,
    order: Vec<u32>,
    /// Whether entries were added or replaced since [`Index::settle`].
    unsettled: bool,
    by_id: OnceLock<Places>,
    by_bytes: OnceLock<Places>,
}

impl Index {
    /// An empty index with room for `employees`.
    pub fn with_capacity(employees: usize) -> Index {
        Index {
            bytes: Vec::with_capacity(employees),
            ids: Vec::with_capacity(employees),
            data: Vec::with_capacity(employees),
            numbers: Vec::with_capacity(employees),
            order: Vec::new(),
            unsettled: false,
            by_id: OnceLock::new(),
            by_bytes: OnceLock::new(),
        }
    }

    /// How many employees there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no employees.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// About how much memory it takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let tables = [&self.by_id, &self.by_bytes].map(|table| table.get().map_or(0, |table| table.slots.len() * 4));
        self.ids.capacity() * (3 * size_of::<Halves>() + 4) + self.order.capacity() * 4 + tables[0] + tables[1]
    }

    /// The place of the employee whose id has this hash.
    pub fn find(&self, id: u128) -> Option<u32> {
        self.by_id.get_or_init(|| Places::of(&self.ids)).find(halves(id), &self.ids).ok()
    }

    /// The places of employees that were last accepted with bytes of these hashes: looked up side by side, so that they wait for
    /// memory together.
    pub fn find_bytes(&self, hashes: &[u128], places: &mut [Option<u32>]) {
        let table = self.by_bytes.get_or_init(|| Places::of(&self.bytes));
        hashes.iter().for_each(|&hash| table.prefetch(halves(hash)));
        for &hash in hashes {
            prefetch(&self.bytes, table.slots[table.slot(halves(hash))] as usize);
        }
        for (place, &hash) in places.iter_mut().zip(hashes) {
            *place = table.find(halves(hash), &self.bytes).ok();
        }
    }

    /// Whether the employee at a place was last accepted with bytes of this hash.
    pub fn has_bytes(&self, place: u32, bytes: u128) -> bool {
        self.bytes[place as usize] == halves(bytes)
    }

    /// The places of the employees in the order of the last push; those that it did not carry come last.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The employee at a place.
    pub fn get(&self, place: u32) -> Entry {
        let place = place as usize;
        let (number, status) = Entry::split_number(self.numbers[place]);
        let [id, data, bytes] = [&self.ids, &self.data, &self.bytes].map(|hashes| whole(hashes[place]));
        Entry { id, data, bytes, number, status }
    }

    /// Says that employees with these ids are soon looked for, or added: they wait for memory together then.
    pub fn expect(&self, ids: impl Iterator<Item = u128>) {
        let table = self.by_id.get_or_init(|| Places::of(&self.ids));
        ids.for_each(|id| table.prefetch(halves(id)));
    }

    /// Adds an employee whose id is not there yet.
    pub fn insert(&mut self, entry: Entry) {
        let place = self.next_place();
        if let Some(by_id) = self.by_id.get_mut() {
            by_id.insert(place, halves(entry.id), &self.ids).expect("the id is not there yet");
        }
        self.push(entry);
    }

    /// Adds an employee, and gives its place; the error is the place where its id stands already.
    pub fn insert_new(&mut self, entry: Entry) -> Result<u32, u32> {
        let place = self.next_place();
        self.by_id.get_or_init(|| Places::of(&self.ids));
        let by_id = self.by_id.get_mut().expect("it was made just now");
        by_id.insert(place, halves(entry.id), &self.ids)?;
        self.push(entry);
        Ok(place)
    }

    fn next_place(&self) -> u32 {
        u32::try_from(self.len()).expect("a roster has fewer than 2³² employees")
    }

    fn push(&mut self, entry: Entry) {
        self.ids.push(halves(entry.id));
        self.bytes.push(halves(entry.bytes));
        self.data.push(halves(entry.data));
        self.numbers.push(entry.number_and_status());
        self.unsettled = true;
    }

    /// Replaces what is known of the employee at a place. [`Index::find_bytes`] does not find the new bytes until
    /// [`Index::settle`], and the old ones no more.
    pub fn update(&mut self, place: u32, entry: Entry) {
        let place = place as usize;
        if self.ids[place] != halves(entry.id) {
            self.ids[place] = halves(entry.id);
            self.by_id.take();
        }
        self.bytes[place] = halves(entry.bytes);
        self.data[place] = halves(entry.data);
        self.numbers[place] = entry.number_and_status();
        self.unsettled = true;
    }

    /// Replaces the entries of employees that are there, and adds those of the others, each at its [`Entry::place`].
    pub fn amend(&mut self, entries: &[Entry]) {
        for entry in entries {
            match entry.place() {
                place if (place as usize) < self.len() => self.update(place, *entry),
                _ => self.insert(*entry),
            }
        }
        self.order.extend(self.order.len() as u32..self.len() as u32);
        self.settle();
    }

    /// Says that what was added and replaced so far is to stay.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.unsettled) {
            self.by_bytes.take();
        }
    }

    /// Whether entries were added or replaced since the last [`Index::settle`].
    pub fn is_settled(&self) -> bool {
        !self.unsettled
    }

    /// Remembers the order of a push: the places of its employees. Those that it did not carry keep their order behind them.
    pub fn set_order(&mut self, mut order: Vec<u32>) {
        let mut carried = vec![false; self.len()];
        order.retain(|&place| place != u32::MAX);
        order.iter().for_each(|&place| carried[place as usize] = true);
        let known = self.order.len() as u32;
        let rest = self.order.iter().copied().chain(known..self.len() as u32);
        order.extend(rest.filter(|&place| !carried[place as usize]));
        self.order = order;
    }
}

impl Entry {
    /// An entry of which only the hash of the id is known yet.
    pub fn of_id(id: u128) -> Entry {
        Entry { id, data: 0, bytes: 0, number: 0, status: Status::Hidden }
    }

    /// Where the employee is in the index of the whole roster: numbers begin with 1 and leave none out.
    pub fn place(&self) -> u32 {
        self.number - 1
    }

    /// The number and the status in one word: twice the number, and 1 more for an active employee.
    pub fn number_and_status(&self) -> u32 {
        assert!(self.number < 1 << 31, "a roster has fewer than 2³¹ employees");
        self.number << 1 | self.status as u32
    }

    /// Takes such a word apart.
    pub fn split_number(word: u32) -> (u32, Status) {
        (word >> 1, if word & 1 == 1 { Status::Active } else { Status::Hidden })
    }
}

/// Places by the hashes that stand there: a table of at most half its slots, each tried after the one before.
#[derive(Debug)]
struct Places {
    slots: Vec<u32>,
    shift: u32,
}

const FREE: u32 = u32::MAX;

impl Places {
    fn of(hashes: &[Halves]) -> Places {
        Places::of_at_least(2 * hashes.len(), hashes)
    }

    fn of_at_least(slots: usize, hashes: &[Halves]) -> Places {
        let slots = slots.next_power_of_two().max(64);
        let mut table = Places { slots: vec![FREE; slots], shift: 64 - slots.trailing_zeros() };
        // Bytes that are not known are not looked up, and would all meet in one slot.
        for (place, hash) in hashes.iter().enumerate().filter(|(_, hash)| **hash != [0, 0]) {
            let mut slot = table.slot(*hash);
            while table.slots[slot] != FREE {
                slot = (slot + 1) % table.slots.len();
            }
            table.slots[slot] = place as u32;
        }
        table
    }

    fn slot(&self, [low, _]: Halves) -> usize {
        (low >> self.shift) as usize
    }

    fn prefetch(&self, hash: Halves) {
        prefetch(&self.slots, self.slot(hash));
    }

    /// The place at which the hash stands; the error is the slot where the place would have to be.
    fn find(&self, hash: Halves, hashes: &[Halves]) -> Result<u32, usize> {
        let mut slot = self.slot(hash);
        loop {
            match self.slots[slot] {
                FREE => return Err(slot),
                place if hashes[place as usize] == hash => return Ok(place),
                _ => slot = (slot + 1) % self.slots.len(),
            }
        }
    }

    /// Adds the place behind `hashes`, at which `hash` is going to stand; the error is the place at which it stands already.
    fn insert(&mut self, place: u32, hash: Halves, hashes: &[Halves]) -> Result<(), u32> {
        if 2 * hashes.len() >= self.slots.len() {
            *self = Places::of_at_least(2 * self.slots.len(), hashes);
        }
        match self.find(hash, hashes) {
            Ok(there) => Err(there),
            Err(free) => {
                self.slots[free] = place;
                Ok(())
            }
        }
    }
}

/// Asks the processor to have an element in its cache soon; one that does not exist is passed over.
fn prefetch<T>(elements: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(element) = elements.get(index) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, of an address within the slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(element).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (elements, index);
}

/// What a push makes of an index beside the entries that it replaces, to be added when it is committed.
#[derive(Debug, Default)]
pub struct Changes {
    replaced: Vec<u32>,
    created: Index,
    /// For each employee of the push its place; a created one's is [`CREATED`] and the place among the created.
    order: Vec<u32>,
}

/// Marks a place among the created employees.
const CREATED: u32 = 1 << 31;

impl Changes {
    /// The employee at this place of the push is stored at this place of the index.
    pub fn carried(&mut self, index: u64, place: u32) {
        let index = index as usize;
        if self.order.len() <= index {
            self.order.resize(index + 1, u32::MAX);
        }
        self.order[index] = place;
    }

    /// The entry at this place of the index was replaced.
    pub fn replaced(&mut self, place: u32) {
        self.replaced.push(place);
    }

    /// A new employee, at this place of the push; the error is its place among the created, where it was created before.
    pub fn create(&mut self, index: u64, entry: Entry) -> Result<(), u32> {
        let place = self.created.insert_new(entry)?;
        self.carried(index, CREATED | place);
        Ok(())
    }

    /// The created employees.
    pub fn created(&mut self) -> &mut Index {
        &mut self.created
    }

    /// Whether there is nothing new but perhaps the order.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.created.is_empty()
    }

    /// Whether the push had the employees in the index's order.
    pub fn keeps_order(&self, index: &Index) -> bool {
        index.order().len() == index.len() && index.order().starts_with(&self.order)
    }

    /// The entries that were replaced, which the index has, and those that were created.
    pub fn entries(&self, index: &Index) -> Vec<Entry> {
        let replaced = self.replaced.iter().map(|&place| index.get(place));
        let created = (0..self.created.len() as u32).map(|place| self.created.get(place));
        replaced.chain(created).collect()
    }

    /// Adds everything to the index, and returns the places whose entries are new or replaced.
    pub fn apply(mut self, index: &mut Index) -> Vec<u32> {
        let stored = index.len() as u32;
        for place in &mut self.order {
            if *place != u32::MAX && *place & CREATED != 0 {
                *place = stored + (*place & !CREATED);
            }
        }
        if index.is_empty() {
            *index = self.created;
        } else {
            for place in 0..self.created.len() as u32 {
                index.insert(self.created.get(place));
            }
        }
        let mut places = self.replaced;
        places.extend(stored..index.len() as u32);
        index.settle();
        if index.order.len() != index.len() || !index.order.starts_with(&self.order) {
            index.set_order(self.order);
        }
        places
    }
}
