//! The index of a roster: what is needed of every employee to tell whether it changed.

use super::Status;
use std::ops::Range;
use std::sync::OnceLock;

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

/// Consecutive employees of the last push of the whole roster, and the bytes that they were accepted with.
///
/// The bytes begin behind the employee before, or behind the bracket of the array, and end with the last employee of the block: what
/// separates employees belongs to the one behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Where the first employee is in the order of the push.
    pub start: u32,
    /// How many employees there are.
    pub employees: u32,
    /// How many bytes there are.
    pub length: u32,
    hash: Halves,
}

impl Block {
    /// Returns a block of bytes with this length and hash.
    pub fn new(start: u32, employees: u32, length: u32, hash: u128) -> Block {
        Block { start, employees, length, hash: halves(hash) }
    }

    /// Returns the same block where it begins elsewhere in the order.
    #[must_use]
    pub fn moved_to(self, start: u32) -> Block {
        Block { start, ..self }
    }

    /// Returns the hash of the bytes, see [`super::BytesHasher::of_blocks`].
    pub fn hash(&self) -> u128 {
        whole(self.hash)
    }

    /// Returns where the employees are in the order of the push.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..(self.start + self.employees) as usize
    }
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
    /// Parts of the order, one behind the other.
    blocks: Vec<Block>,
    /// Whether an employee of a block may have changed since the block was made.
    blocks_outdated: bool,
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
            blocks: Vec::new(),
            blocks_outdated: false,
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
        let blocks = self.blocks.capacity() * size_of::<Block>();
        self.ids.capacity() * (3 * size_of::<Halves>() + 4) + self.order.capacity() * 4 + blocks + tables[0] + tables[1]
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

    /// Returns the blocks of the last push of the whole roster, in its order. They can be trusted after
    /// [`Index::forget_outdated_blocks`].
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Sets the blocks of the order that the index has; employees may have changed since they were made.
    pub fn set_blocks(&mut self, blocks: Vec<Block>) {
        self.blocks = blocks;
        self.blocks_outdated = true;
    }

    /// Forgets the blocks with employees that have changed since: of those no bytes are known. A patch only says that there may be
    /// some, because its time must not depend on the size of the roster.
    pub fn forget_outdated_blocks(&mut self) {
        if std::mem::take(&mut self.blocks_outdated) {
            let Index { blocks, order, bytes, .. } = self;
            let known = |place: &u32| bytes[*place as usize] != [0, 0];
            blocks.retain(|block| order.get(block.range()).is_some_and(|places| places.iter().all(known)));
        }
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
        self.blocks_outdated |= !entries.is_empty();
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

    /// Remembers the order of a push: the places of its employees. Those that it did not carry keep their order behind them, and blocks
    /// in which it carried nobody stay blocks.
    pub fn set_order(&mut self, mut order: Vec<u32>) {
        let mut carried = vec![false; self.len()];
        order.retain(|&place| place != u32::MAX);
        order.iter().for_each(|&place| carried[place as usize] = true);
        let is_absent = |place: &u32| !carried[*place as usize];
        let (mut at, mut absent) = (0, order.len());
        let mut moved = |block: Block| {
            let before = &self.order[at..block.start as usize];
            at = block.start as usize;
            absent += before.iter().filter(|place| is_absent(place)).count();
            let start = u32::try_from(absent).expect("a roster has fewer than 2³² employees");
            // The first of a push has no comma before it.
            let fits = (block.start == 0) == (start == 0);
            (fits && self.order[block.range()].iter().all(is_absent)).then(|| block.moved_to(start))
        };
        self.blocks = self.blocks.iter().filter_map(|block| moved(*block)).collect();
        let known = self.order.len() as u32;
        let rest = self.order.iter().copied().chain(known..self.len() as u32);
        order.extend(rest.filter(is_absent));
        self.order = order;
    }

    /// Replaces the blocks of so many employees at the beginning of the order.
    fn replace_first_blocks(&mut self, employees: usize, blocks: Vec<Block>) {
        let replaced = self.first_blocks(employees).len();
        self.blocks.splice(..replaced, blocks);
    }

    /// Returns the blocks that begin with one of so many employees at the beginning of the order.
    fn first_blocks(&self, employees: usize) -> &[Block] {
        &self.blocks[..self.blocks.partition_point(|block| (block.start as usize) < employees)]
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
    /// The blocks of the push.
    blocks: Vec<Block>,
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

    /// Sets the blocks of the push.
    pub fn set_blocks(&mut self, blocks: Vec<Block>) {
        self.blocks = blocks;
    }

    /// The created employees.
    pub fn created(&mut self) -> &mut Index {
        &mut self.created
    }

    /// Whether there is nothing new but perhaps the order and the blocks.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.created.is_empty()
    }

    /// Whether the push had the employees in the index's order, and its blocks.
    pub fn keeps_order(&self, index: &Index) -> bool {
        index.order.len() == index.len()
            && index.order.starts_with(&self.order)
            && index.first_blocks(self.order.len()) == self.blocks
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
        let carried = self.order.len();
        if index.order.len() != index.len() || !index.order.starts_with(&self.order) {
            index.set_order(self.order);
        }
        // An accepted push leaves nobody in its blocks whose bytes are not known, but it may have hidden those whom it does not carry.
        index.replace_first_blocks(carried, self.blocks);
        index.blocks_outdated |= carried < index.len() && !places.is_empty();
        places
    }
}
