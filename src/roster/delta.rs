//! What a push makes of an index.

use super::index::{Block, Entry, Index};
use std::num::NonZeroU32;

/// What a push makes of an index beside the entries that it replaces, to be added when it is committed.
#[derive(Debug, Default)]
pub struct Delta {
    replaced: Vec<u32>,
    created: Index,
    /// For each place of the push where its employee is stored; `None` if it was rejected.
    order: Vec<Option<Stored>>,
    /// The blocks of the push.
    blocks: Vec<Block>,
}

/// Where an employee is stored: in a slot of the index, or in one of the created employees. An `Option` of it has the four bytes of a slot,
/// because a push of a million employees keeps a million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stored(NonZeroU32);

impl Stored {
    fn before(slot: u32) -> Stored {
        Stored::packed(slot, 0)
    }

    fn created(slot: u32) -> Stored {
        Stored::packed(slot, 1)
    }

    fn packed(slot: u32, created: u32) -> Stored {
        let word = slot.checked_mul(2).and_then(|twice| NonZeroU32::MIN.checked_add(twice + created));
        Stored(word.expect("a roster has fewer than 2³¹ employees"))
    }

    /// Returns the slot once the created employees are in the index, behind `before` others.
    fn slot(self, before: u32) -> u32 {
        let word = self.0.get() - 1;
        if word & 1 == 1 { before + word / 2 } else { word / 2 }
    }
}

impl Delta {
    /// Notes that the employee at a place of the push is stored in a slot of the index.
    pub fn carried(&mut self, place: u64, slot: u32) {
        self.set(place, Stored::before(slot));
    }

    /// Notes that the entry in a slot of the index was replaced.
    pub fn replaced(&mut self, slot: u32) {
        self.replaced.push(slot);
    }

    /// Adds a new employee, at a place of the push. The error is its slot among the created, if it was created before.
    pub fn create(&mut self, place: u64, entry: Entry) -> Result<(), u32> {
        let slot = self.created.insert_new(entry)?;
        self.set(place, Stored::created(slot));
        Ok(())
    }

    fn set(&mut self, place: u64, stored: Stored) {
        let place = usize::try_from(place).expect("a push carries fewer than 2³² employees");
        if self.order.len() <= place {
            self.order.resize(place + 1, None);
        }
        self.order[place] = Some(stored);
    }

    /// Sets the blocks of the push.
    pub fn set_blocks(&mut self, blocks: Vec<Block>) {
        self.blocks = blocks;
    }

    /// Returns the created employees.
    pub fn created(&mut self) -> &mut Index {
        &mut self.created
    }

    /// Returns whether no entry is new or replaced. The order and the blocks may differ.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.created.is_empty()
    }

    /// Returns whether the push had the employees in the index's order, and its blocks.
    pub fn keeps_order(&self, index: &Index) -> bool {
        let expected = index.order().iter().map(|&slot| Some(Stored::before(slot)));
        index.order().len() == index.len()
            && self.order.len() <= index.len()
            && self.order.iter().copied().zip(expected).all(|(stored, expected)| stored == expected)
            && index.first_blocks(self.order.len()) == self.blocks
    }

    /// Returns the entries that were replaced, which the index has, and those that were created.
    pub fn entries(&self, index: &Index) -> Vec<Entry> {
        let replaced = self.replaced.iter().map(|&slot| index.get(slot));
        let created = (0..self.created.slots()).map(|slot| self.created.get(slot));
        replaced.chain(created).collect()
    }

    /// Adds everything to the index, and returns the slots whose entries are new or replaced.
    pub fn apply(self, index: &mut Index) -> Vec<u32> {
        let before = index.slots();
        if index.is_empty() {
            *index = self.created;
        } else {
            for slot in 0..self.created.slots() {
                index.insert(self.created.get(slot));
            }
        }
        let mut slots = self.replaced;
        slots.extend(before..index.slots());
        index.settle();
        // Unlike `flatten`, this is collected in place.
        let order: Vec<u32> = self.order.into_iter().filter_map(|stored| Some(stored?.slot(before))).collect();
        let carried = order.len();
        if index.order().len() != index.len() || !index.order().starts_with(&order) {
            index.set_order(order);
        }
        // An accepted push leaves nobody in its blocks whose bytes are not known, but it may have hidden those whom it does not carry.
        index.replace_first_blocks(carried, self.blocks);
        if carried < index.len() && !slots.is_empty() {
            index.outdate_blocks();
        }
        slots
    }
}
