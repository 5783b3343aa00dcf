//! Blocks: groups the employees of a push into blocks, by which the next push is recognised.

use crate::roster::{Block, BytesHasher};
use std::ops::Range;

/// The most employees of a block. With more of them, more changes would break a block; with fewer, the blocks would take more memory.
const EMPLOYEES_MAX: u32 = 32;

/// A block with this many bytes takes no more employees.
const BYTES_ENOUGH: usize = 16 << 10;

/// The most bytes of a block, which must be collected before they can be compared. An employee that is longer is in no block.
const BYTES_MAX: usize = 256 << 10;

/// Makes the blocks of a push while its employees come.
pub struct BlockMaker {
    hasher: BytesHasher,
    blocks: Vec<Block>,
    /// How many employees have come.
    employees: u32,
    run: Run,
}

/// The employees that are to be the next block.
#[derive(Default)]
struct Run {
    /// How many there are.
    employees: u32,
    /// Their bytes, and those that have come behind the last of them.
    bytes: Vec<u8>,
    /// Where the last of them ends in `bytes`.
    length: usize,
    /// Whether the first bytes were dropped, so that there can be no block.
    is_cut: bool,
}

impl BlockMaker {
    /// Returns the maker of a push that has not begun.
    pub fn new(hasher: BytesHasher) -> BlockMaker {
        BlockMaker { hasher, blocks: Vec::new(), employees: 0, run: Run::default() }
    }

    /// Returns how many employees have come.
    pub fn employees(&self) -> u32 {
        self.employees
    }

    /// Returns whether `bytes` are those of the block.
    pub fn is(&self, block: &Block, bytes: &[u8]) -> bool {
        self.hasher.hash(bytes) == block.hash()
    }

    /// Adds the employees in `bytes`, which follow those of the last call.
    pub fn add(&mut self, bytes: &[u8], elements: &[Range<usize>]) {
        let mut begin = 0;
        for element in elements {
            let run = &mut self.run;
            run.employees += 1;
            self.employees += 1;
            run.length = run.bytes.len() + element.end - begin;
            let is_full = run.employees >= block_employees(self.employees) || run.length >= BYTES_ENOUGH;
            if is_full {
                self.close(&bytes[begin..element.end]);
                begin = element.end;
            }
        }
        let run = &mut self.run;
        if run.is_cut || run.bytes.len() + bytes.len() - begin > BYTES_MAX {
            *run = Run { employees: run.employees, is_cut: true, ..Run::default() };
        } else {
            run.bytes.extend_from_slice(&bytes[begin..]);
        }
    }

    /// Adds the employees in `bytes` without making blocks of them.
    pub fn pass(&mut self, bytes: &[u8], elements: &[Range<usize>]) {
        self.end_run();
        let employees = u32::try_from(elements.len()).expect("a roster has fewer than 2³² employees");
        self.employees += employees;
        self.add(&bytes[elements.last().map_or(0, |last| last.end)..], &[]);
    }

    /// Adds a block that was recognised.
    pub fn keep(&mut self, block: &Block) {
        self.end_run();
        self.blocks.push(block.moved_to(self.employees));
        self.employees += block.employees;
    }

    /// Returns the blocks of the push.
    pub fn finish(mut self) -> Vec<Block> {
        self.end_run();
        self.blocks
    }

    /// Ends the run before it is full. A short one becomes no block, or each change would leave one more small block behind.
    fn end_run(&mut self) {
        if 4 * self.run.employees >= block_employees(self.employees) {
            self.run.bytes.truncate(self.run.length);
            self.close(&[]);
        }
        self.run = Run::default();
    }

    /// Makes a block of the run, which ends with the bytes `last`, and begins another run.
    fn close(&mut self, last: &[u8]) {
        let Run { employees, ref mut bytes, is_cut, .. } = self.run;
        let length = bytes.len() + last.len();
        if !is_cut && length <= BYTES_MAX {
            let hash = if bytes.is_empty() {
                self.hasher.hash(last)
            } else {
                bytes.extend_from_slice(last);
                self.hasher.hash(bytes)
            };
            let length = u32::try_from(length).expect("BYTES_MAX is less");
            self.blocks.push(Block::new(self.employees - employees, employees, length, hash));
        }
        bytes.clear();
        self.run = Run { bytes: std::mem::take(bytes), ..Run::default() };
    }
}

/// Returns how many employees a block should have, if `employees` have come by its end. A small roster has small blocks, so that a single
/// change does not break all of them.
fn block_employees(employees: u32) -> u32 {
    (employees / 32).clamp(2, EMPLOYEES_MAX)
}
