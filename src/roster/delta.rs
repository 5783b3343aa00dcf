//! What a push makes of an index.

use super::index::{Block, Entry, Index};

/// What a push makes of an index beside the entries that it replaces, to be added when it is committed.
#[derive(Debug, Default)]
pub struct Delta {
    replaced: Vec<u32>,
    created: Index,
    /// For each place of the push the slot of its employee, or [`NOBODY`] if it was rejected; that of a created one is [`CREATED`] and its slot
    /// among the created. A roster of a million has a million of these.
    order: Vec<u32>,
    /// The blocks of the push.
    blocks: Vec<Block>,
}

/// Marks a slot among the created employees.
const CREATED: u32 = 1 << 31;

/// Stands where nobody is stored.
const NOBODY: u32 = u32::MAX;

impl Delta {
    /// Notes that the employee at a place of the push is stored in a slot of the index.
    pub fn carried(&mut self, place: u64, slot: u32) {
        let place = usize::try_from(place).expect("a push carries fewer than 2³² employees");
        if self.order.len() <= place {
            self.order.resize(place + 1, NOBODY);
        }
        self.order[place] = slot;
    }

    /// Notes that the entry in a slot of the index was replaced.
    pub fn replaced(&mut self, slot: u32) {
        self.replaced.push(slot);
    }

    /// Adds a new employee, at a place of the push. The error is its slot among the created, if it was created before.
    pub fn create(&mut self, place: u64, entry: Entry) -> Result<(), u32> {
        let slot = self.created.insert_new(entry)?;
        self.carried(place, CREATED | slot);
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
        index.order().len() == index.len()
            && index.order().starts_with(&self.order)
            && index.first_blocks(self.order.len()) == self.blocks
    }

    /// Returns the entries that were replaced, which the index has, and those that were created.
    pub fn entries(&self, index: &Index) -> Vec<Entry> {
        let replaced = self.replaced.iter().map(|&slot| index.get(slot));
        let created = (0..self.created.slots()).map(|slot| self.created.get(slot));
        replaced.chain(created).collect()
    }

    /// Adds everything to the index, and returns the slots whose entries are new or replaced.
    pub fn apply(mut self, index: &mut Index) -> Vec<u32> {
        let stored = index.slots();
        // Whoever has no slot is not in the order.
        self.order.retain(|slot| *slot != NOBODY);
        for slot in &mut self.order {
            if *slot & CREATED != 0 {
                *slot = stored + (*slot & !CREATED);
            }
        }
        if index.is_empty() {
            *index = self.created;
        } else {
            for slot in 0..self.created.slots() {
                index.insert(self.created.get(slot));
            }
        }
        let mut slots = self.replaced;
        slots.extend(stored..index.slots());
        index.settle();
        let carried = self.order.len();
        if index.order().len() != index.len() || !index.order().starts_with(&self.order) {
            index.set_order(self.order);
        }
        // An accepted push leaves nobody in its blocks whose bytes are not known, but it may have hidden those whom it does not carry.
        index.replace_first_blocks(carried, self.blocks);
        if carried < index.len() && !slots.is_empty() {
            index.outdate_blocks();
        }
        slots
    }
}
