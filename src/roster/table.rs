//! Looking slots of the index up by hash.

use super::index::Halves;
use std::num::NonZeroU32;

/// The slots of an index by the hashes that they hold: a table of which at most half the cells are taken, each tried after the one before.
#[derive(Debug)]
pub struct Table {
    cells: Vec<Option<Slot>>,
    shift: u32,
}

/// A slot of the index. A cell, which may have none, takes no more bytes than a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot(NonZeroU32);

impl Slot {
    fn new(slot: u32) -> Slot {
        Slot(NonZeroU32::MIN.checked_add(slot).expect("a roster has fewer than 2³² employees"))
    }

    fn get(self) -> u32 {
        self.0.get() - 1
    }
}

impl Table {
    /// Makes a table of all slots whose hashes are known.
    pub fn of(hashes: &[Halves]) -> Table {
        Table::of_at_least(2 * hashes.len(), hashes)
    }

    fn of_at_least(cells: usize, hashes: &[Halves]) -> Table {
        let cells = cells.next_power_of_two().max(64);
        let mut table = Table { cells: vec![None; cells], shift: 64 - cells.trailing_zeros() };
        // Bytes that are not known are not looked up, and would all meet in one cell.
        for (slot, hash) in hashes.iter().enumerate().filter(|(_, hash)| **hash != [0, 0]) {
            let mut cell = table.cell(*hash);
            while table.cells[cell].is_some() {
                cell = (cell + 1) % table.cells.len();
            }
            let slot = u32::try_from(slot).expect("a roster has fewer than 2³² employees");
            table.cells[cell] = Some(Slot::new(slot));
        }
        table
    }

    fn cell(&self, [low, _]: Halves) -> usize {
        usize::try_from(low >> self.shift).expect("fewer cells than a pointer can count")
    }

    /// Returns how much memory it takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.cells.len() * size_of::<Option<Slot>>()
    }

    /// Asks the processor to have the hash in its cache soon that a look-up of `hash` compares first.
    pub fn prefetch_first(&self, hash: Halves, hashes: &[Halves]) {
        if let Some(slot) = self.cells[self.cell(hash)] {
            prefetch(hashes, slot.get() as usize);
        }
    }

    /// Asks the processor to have the cell in its cache soon where a look-up of `hash` begins.
    pub fn prefetch(&self, hash: Halves) {
        prefetch(&self.cells, self.cell(hash));
    }

    /// Returns the slot that holds the hash; the error is the cell where the slot would have to be.
    pub fn find(&self, hash: Halves, hashes: &[Halves]) -> Result<u32, usize> {
        let mut cell = self.cell(hash);
        loop {
            match self.cells[cell].map(Slot::get) {
                None => return Err(cell),
                Some(slot) if hashes[slot as usize] == hash => return Ok(slot),
                Some(_) => cell = (cell + 1) % self.cells.len(),
            }
        }
    }

    /// Adds the slot behind `hashes`, which is going to hold `hash`; the error is the slot that holds it already.
    pub fn insert(&mut self, slot: u32, hash: Halves, hashes: &[Halves]) -> Result<(), u32> {
        if 2 * hashes.len() >= self.cells.len() {
            *self = Table::of_at_least(2 * self.cells.len(), hashes);
        }
        match self.find(hash, hashes) {
            Ok(there) => Err(there),
            Err(free) => {
                self.cells[free] = Some(Slot::new(slot));
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
