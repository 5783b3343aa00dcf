//! The index of a roster: what is needed of every employee to tell whether it changed.

use super::Status;
use super::profiles::Profiles;
use super::table::Table;
use std::collections::HashSet;
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
    /// The account's number of the profile that the employee was checked by.
    pub profile: u32,
    /// The stored status.
    pub status: Status,
}

// As halves a hash is aligned to 8 bytes.
pub(super) type Halves = [u64; 2];

fn halves(hash: u128) -> Halves {
    let half = |half: u128| u64::try_from(half & u128::from(u64::MAX)).expect("half of 128 bits is 64");
    [half(hash), half(hash >> 64)]
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

/// The least number of entries that an index keeps as they were before they were replaced, and of those that it remembers as amended. Both may
/// be an eighth of its entries.
const KEPT_MIN: usize = 1_024;

/// What was done to an index, so that it can be taken back.
#[derive(Debug)]
enum Since {
    /// These entries were replaced; they are as they were, the first first.
    Replaced(Vec<Replaced>),
    /// More than can be taken back: entries were added, or many were replaced.
    More,
}

/// An entry as it was in its slot before it was replaced.
#[derive(Debug)]
struct Replaced {
    slot: u32,
    number_and_status: u32,
    profile: u32,
    id: Halves,
    data: Halves,
    bytes: Halves,
}

impl Default for Since {
    fn default() -> Since {
        Since::Replaced(Vec::new())
    }
}

/// All employees of a roster, each in a slot of its own, and the order in which the last push had them.
///
/// What is looked at together lies together: recognising reads the order and the bytes, and nothing else.
#[derive(Debug, Default)]
pub struct Index {
    bytes: Vec<Halves>,
    ids: Vec<Halves>,
    data: Vec<Halves>,
    /// See [`Entry::number_and_status`].
    numbers: Vec<u32>,
    profiles: Profiles,
    order: Vec<u32>,
    /// Parts of the order, one behind the other.
    blocks: Vec<Block>,
    /// Whether an employee of a block may have changed since the block was made.
    blocks_outdated: bool,
    /// The slots of employees whose bytes are known and others than those that their blocks were made of.
    amended: HashSet<u32>,
    /// What was done since [`Index::settle`].
    since: Since,
    by_id: OnceLock<Table>,
    by_bytes: OnceLock<Table>,
}

impl Index {
    /// An empty index with room for `employees`.
    pub fn with_capacity(employees: usize) -> Index {
        Index {
            bytes: Vec::with_capacity(employees),
            ids: Vec::with_capacity(employees),
            data: Vec::with_capacity(employees),
            numbers: Vec::with_capacity(employees),
            profiles: Profiles::default(),
            order: Vec::new(),
            blocks: Vec::new(),
            blocks_outdated: false,
            amended: HashSet::new(),
            since: Since::default(),
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
        let tables = [&self.by_id, &self.by_bytes].map(|table| table.get().map_or(0, Table::memory_bytes));
        let blocks = self.blocks.capacity() * size_of::<Block>();
        let amended = self.amended.capacity() * (size_of::<u32>() + 1);
        let entries = self.ids.capacity() * (3 * size_of::<Halves>() + 4) + self.profiles.memory_bytes() + amended;
        entries + self.order.capacity() * 4 + blocks + tables[0] + tables[1]
    }

    /// The slot of the employee whose id has this hash.
    pub fn find(&self, id: u128) -> Option<u32> {
        self.by_id.get_or_init(|| Table::of(&self.ids)).find(halves(id), &self.ids).ok()
    }

    /// The slots of employees that were last accepted with bytes of these hashes: looked up side by side, so that they wait for
    /// memory together.
    pub fn find_bytes(&self, hashes: &[u128], slots: &mut [Option<u32>]) {
        let table = self.by_bytes.get_or_init(|| Table::of(&self.bytes));
        hashes.iter().for_each(|&hash| table.prefetch(halves(hash)));
        for &hash in hashes {
            table.prefetch_first(halves(hash), &self.bytes);
        }
        for (slot, &hash) in slots.iter_mut().zip(hashes) {
            *slot = table.find(halves(hash), &self.bytes).ok();
        }
    }

    /// Whether the employee in a slot was last accepted with bytes of this hash.
    pub fn has_bytes(&self, slot: u32, bytes: u128) -> bool {
        self.bytes[slot as usize] == halves(bytes)
    }

    /// The slots of the employees in the order of the last push; those that it did not carry come last.
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

    /// Forgets the blocks with employees that have changed since: of those no bytes are known, or others. What changes employees outside of
    /// a whole push only says that there may be some, because its time must not depend on the size of the roster.
    pub fn forget_outdated_blocks(&mut self) {
        if std::mem::take(&mut self.blocks_outdated) {
            let amended = std::mem::take(&mut self.amended);
            let Index { blocks, order, bytes, .. } = self;
            let known = |slot: &u32| bytes[*slot as usize] != [0, 0] && !amended.contains(slot);
            blocks.retain(|block| order.get(block.range()).is_some_and(|slots| slots.iter().all(known)));
        }
    }

    /// Says that the employees in these slots have changed since the blocks were made. If that is many, all blocks are forgotten.
    pub fn distrust_blocks_of(&mut self, slots: impl IntoIterator<Item = u32>) {
        self.amended.extend(slots);
        self.blocks_outdated = true;
        if self.amended.len() > KEPT_MIN.max(self.len() / 8) {
            self.blocks = Vec::new();
            self.amended = HashSet::new();
        }
    }

    /// The employee in a slot.
    pub fn get(&self, slot: u32) -> Entry {
        let slot = slot as usize;
        let (number, status) = Entry::split_number(self.numbers[slot]);
        let (id, data, bytes) = (whole(self.ids[slot]), whole(self.data[slot]), whole(self.bytes[slot]));
        Entry { id, data, bytes, number, profile: self.profiles.get(slot), status }
    }

    /// The status of the employee in a slot.
    pub fn status(&self, slot: u32) -> Status {
        Entry::split_number(self.numbers[slot as usize]).1
    }

    /// The account's number of the profile that the employee in a slot was checked by.
    pub fn profile(&self, slot: u32) -> u32 {
        self.profiles.get(slot as usize)
    }

    /// Says that employees with these ids are soon looked for, or added: they wait for memory together then.
    pub fn expect(&self, ids: impl Iterator<Item = u128>) {
        let table = self.by_id.get_or_init(|| Table::of(&self.ids));
        ids.for_each(|id| table.prefetch(halves(id)));
    }

    /// Adds an employee whose id is not there yet.
    pub fn insert(&mut self, entry: Entry) {
        let slot = self.slots();
        if let Some(by_id) = self.by_id.get_mut() {
            by_id.insert(slot, halves(entry.id), &self.ids).expect("the id is not there yet");
        }
        self.push(entry);
    }

    /// Adds an employee, and returns its slot; the error is the slot that has its id already.
    pub fn insert_new(&mut self, entry: Entry) -> Result<u32, u32> {
        let slot = self.slots();
        self.by_id.get_or_init(|| Table::of(&self.ids));
        let by_id = self.by_id.get_mut().expect("it was made just now");
        by_id.insert(slot, halves(entry.id), &self.ids)?;
        self.push(entry);
        Ok(slot)
    }

    /// Returns how many slots there are, which is the next one.
    pub fn slots(&self) -> u32 {
        u32::try_from(self.len()).expect("a roster has fewer than 2³² employees")
    }

    /// Says that employees may have changed since the blocks were made.
    pub(super) fn outdate_blocks(&mut self) {
        self.blocks_outdated = true;
    }

    fn push(&mut self, entry: Entry) {
        self.ids.push(halves(entry.id));
        self.bytes.push(halves(entry.bytes));
        self.data.push(halves(entry.data));
        self.numbers.push(entry.number_and_status());
        self.profiles.push(entry.profile);
        self.since = Since::More;
    }

    /// Replaces what is known of the employee in a slot. [`Index::find_bytes`] does not find the new bytes until
    /// [`Index::settle`], and the old ones no more.
    pub fn update(&mut self, slot: u32, entry: Entry) {
        self.note_replaced(slot);
        let number_and_status = entry.number_and_status();
        let (id, data, bytes) = (halves(entry.id), halves(entry.data), halves(entry.bytes));
        self.set(Replaced { slot, number_and_status, profile: entry.profile, id, data, bytes });
    }

    fn set(&mut self, Replaced { slot, number_and_status, profile, id, data, bytes }: Replaced) {
        let slot = slot as usize;
        if self.ids[slot] != id {
            self.ids[slot] = id;
            self.by_id.take();
        }
        (self.bytes[slot], self.data[slot]) = (bytes, data);
        self.numbers[slot] = number_and_status;
        self.profiles.set(slot, profile);
    }

    /// Keeps the entry in a slot as it is, unless too many are kept already.
    fn note_replaced(&mut self, slot: u32) {
        let kept_max = KEPT_MIN.max(self.len() / 8);
        let Since::Replaced(replaced) = &mut self.since else {
            return;
        };
        if replaced.len() == kept_max {
            self.since = Since::More;
            return;
        }
        let at = slot as usize;
        let (id, data, bytes) = (self.ids[at], self.data[at], self.bytes[at]);
        let (number_and_status, profile) = (self.numbers[at], self.profiles.get(at));
        replaced.push(Replaced { slot, number_and_status, profile, id, data, bytes });
    }

    /// Replaces the entries of employees that are there, and adds those of the others, each in its [`Entry::slot`].
    pub fn amend(&mut self, entries: &[Entry]) {
        for entry in entries {
            match entry.slot() {
                slot if (slot as usize) < self.len() => self.update(slot, *entry),
                _ => self.insert(*entry),
            }
        }
        self.order.extend((0..self.slots()).skip(self.order.len()));
        if !entries.is_empty() {
            self.distrust_blocks_of(entries.iter().filter(|entry| entry.bytes != 0).map(Entry::slot));
        }
        self.settle();
    }

    /// Says that what was added and replaced so far is to stay.
    pub fn settle(&mut self) {
        match std::mem::take(&mut self.since) {
            Since::Replaced(replaced) if replaced.is_empty() => {}
            Since::Replaced(_) | Since::More => drop(self.by_bytes.take()),
        }
    }

    /// Takes back what was done since the last [`Index::settle`]. Returns false if that is too much; then the index cannot be used any more.
    pub fn take_back(&mut self) -> bool {
        let Since::Replaced(replaced) = std::mem::take(&mut self.since) else {
            return false;
        };
        if !replaced.is_empty() {
            self.by_bytes.take();
        }
        replaced.into_iter().rev().for_each(|replaced| self.set(replaced));
        true
    }

    /// Remembers the order of a push: the slots of its employees. Those that it did not carry keep their order behind them, and blocks
    /// in which it carried nobody stay blocks.
    pub fn set_order(&mut self, mut order: Vec<u32>) {
        let mut carried = vec![false; self.len()];
        order.iter().for_each(|&slot| carried[slot as usize] = true);
        let is_absent = |slot: &u32| !carried[*slot as usize];
        let (mut at, mut absent) = (0, order.len());
        let mut moved = |block: Block| {
            let before = &self.order[at..block.start as usize];
            at = block.start as usize;
            absent += before.iter().filter(|slot| is_absent(slot)).count();
            let start = u32::try_from(absent).expect("a roster has fewer than 2³² employees");
            // The first of a push has no comma before it.
            let fits = (block.start == 0) == (start == 0);
            (fits && self.order[block.range()].iter().all(is_absent)).then(|| block.moved_to(start))
        };
        self.blocks = self.blocks.iter().filter_map(|block| moved(*block)).collect();
        let rest = self.order.iter().copied().chain((0..self.slots()).skip(self.order.len()));
        order.extend(rest.filter(is_absent));
        self.order = order;
    }

    /// Replaces the blocks of so many employees at the beginning of the order.
    pub(super) fn replace_first_blocks(&mut self, employees: usize, blocks: Vec<Block>) {
        let replaced = self.first_blocks(employees).len();
        self.blocks.splice(..replaced, blocks);
    }

    /// Returns the blocks that begin with one of so many employees at the beginning of the order.
    pub(super) fn first_blocks(&self, employees: usize) -> &[Block] {
        &self.blocks[..self.blocks.partition_point(|block| (block.start as usize) < employees)]
    }
}

impl Entry {
    /// An entry of which only the hash of the id is known yet.
    pub fn of_id(id: u128) -> Entry {
        Entry { id, data: 0, bytes: 0, number: 0, profile: 0, status: Status::Hidden }
    }

    /// Where the employee is in the index of the whole roster: numbers begin with 1 and leave none out.
    pub fn slot(&self) -> u32 {
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
