//! Blocks: the employees of a push become runs that the next push is recognised by.

use crate::roster::{Block, BytesHasher};
use std::ops::Range;

/// How many employees a block of a large roster has: a longer one is broken by more changes, a shorter one takes more memory.
const EMPLOYEES_MAX: u32 = 32;

/// From so many bytes on a block takes no more employees.
const BYTES_ENOUGH: usize = 16 << 10;

/// The most bytes of a block: they are collected before they can be compared. A longer employee is in no block.
const BYTES_MAX: usize = 256 << 10;

/// Makes blocks of the employees of a push, as they come.
pub struct BlockMaker {
    hasher: BytesHasher,
    blocks: Vec<Block>,
    /// The employees so far.
    employees: u32,
    run: Run,
}

/// What will be the next block.
#[derive(Default)]
struct Run {
    /// Its employees so far.
    employees: u32,
    /// Its bytes so far, and those behind them.
    bytes: Vec<u8>,
    /// How many of `bytes` reach to the end of its last employee.
    length: usize,
    /// Whether its first bytes were not kept.
    is_cut: bool,
}

impl BlockMaker {
    /// Returns the maker of a push that has not begun.
    pub fn new(hasher: BytesHasher) -> BlockMaker {
        BlockMaker { hasher, blocks: Vec::new(), employees: 0, run: Run::default() }
    }

    /// Returns how many employees there were so far.
    pub fn employees(&self) -> u32 {
        self.employees
    }

    /// Returns whether these are the bytes of the block.
    pub fn is(&self, block: &Block, bytes: &[u8]) -> bool {
        self.hasher.hash(bytes) == block.hash()
    }

    /// Adds the employees of `bytes`, which come behind those of the last call.
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

    /// Adds the employees of `bytes` without making a block of them.
    pub fn pass(&mut self, bytes: &[u8], elements: &[Range<usize>]) {
        self.end_run();
        let employees = u32::try_from(elements.len()).expect("a roster has fewer than 2³² employees");
        self.employees += employees;
        self.add(&bytes[elements.last().map_or(0, |last| last.end)..], &[]);
    }

    /// Adds the employees of a block that was recognised.
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

    /// Ends the run before it is full. A short one is no block: at each change one more would be left behind.
    fn end_run(&mut self) {
        if 4 * self.run.employees >= block_employees(self.employees) {
            self.run.bytes.truncate(self.run.length);
            self.close(&[]);
        }
        self.run = Run::default();
    }

    /// Makes a block of the run, whose last bytes are these, and begins another.
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

/// Returns how many employees a block has that ends behind so many employees. A small roster has small blocks, so that a change does not
/// break all of them.
fn block_employees(employees: u32) -> u32 {
    (employees / 32).clamp(2, EMPLOYEES_MAX)
}
