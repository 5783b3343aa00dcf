//! Recognise: an employee whose bytes are known is unchanged, and need not be parsed.

use super::Failure;
use super::blocks::BlockMaker;
use super::intake::{Next, Split, Taker};
use crate::limits::Limits;
use crate::roster::{Block, BytesHasher, Index};
use std::ops::Range;

/// How many employees of the last push are compared, from the expected one on, before an employee counts as not found. So a push may leave
/// out some between two others.
const AHEAD: usize = 8;

/// How many employees are hashed before they are looked up.
const GROUP: usize = 64;

/// How many employees must have come out of order before they are looked up in the whole index. The table for that is worth making if the
/// roster comes in another order, but not for a night's changes. The rosters of a fuzzer are small, so it is made sooner there.
const DISORDER_MIN: usize = if cfg!(fuzzing) { 2 } else { 4_096 };

/// The most employees that are split before a block is expected again.
const SPLIT_MAX: usize = 4_096;

/// Employees that were not recognised, copied out of the body.
#[derive(Default)]
pub struct Batch {
    /// Their bytes.
    pub bytes: Vec<u8>,
    /// Where each is.
    pub unknown: Vec<Unknown>,
}

/// An employee that was not recognised.
pub struct Unknown {
    /// Its place in the push, counted from 0.
    pub place: u64,
    /// Its bytes in the batch.
    pub element: Range<usize>,
    /// Where it begins in the body, in bytes.
    pub position: u64,
    /// The hash of its bytes.
    pub bytes: u128,
}

impl Batch {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.unknown.clear();
    }
}

/// Looks employees up by their bytes, in the order of the last push: by blocks, and one by one where a block differs.
pub struct Recogniser {
    hasher: BytesHasher,
    /// The position in the index's order behind the last employee that was found.
    next: usize,
    /// How many employees have come since then, none of which was found.
    surprises: usize,
    /// How many employees have come out of order.
    disorder: usize,
    /// The block of the index that is expected next.
    block: usize,
    /// How many blocks in a row differed from what came.
    misses: u32,
    /// How many employees are to be split before a block is expected again.
    to_split: usize,
    maker: BlockMaker,
}

impl Recogniser {
    /// Returns the recogniser of a push that has not begun. Bytes are known only by the same version of the profile.
    pub fn new(seed: u64, version: u128, limits: &Limits) -> Recogniser {
        Recogniser {
            hasher: BytesHasher::new(seed, version),
            next: 0,
            surprises: 0,
            disorder: 0,
            block: 0,
            misses: 0,
            to_split: 0,
            maker: BlockMaker::new(BytesHasher::of_blocks(seed, version, limits)),
        }
    }

    /// Returns a taker of employees, which looks them up in the index. It calls `known` with the place in the push and the slot in the
    /// index of each that is unchanged, and adds the others to `batch`.
    pub fn over<'r, F: FnMut(u64, u32)>(
        &'r mut self,
        index: &'r Index,
        batch: &'r mut Batch,
        known: F,
    ) -> Recognising<'r, F> {
        Recognising { recogniser: self, index, batch, known }
    }

    /// Returns the blocks of the push, which has ended.
    pub fn into_blocks(self) -> Vec<Block> {
        self.maker.finish()
    }

    /// Returns the position in the order of the next employee, if those that were not found replace as many others.
    fn guess(&self) -> usize {
        self.next + self.surprises
    }

    /// Notes that the employee before the position `next` has come.
    fn found(&mut self, next: usize) {
        // Employees that changed between two that were found are not out of order.
        if self.surprises <= AHEAD || next > self.guess() {
            self.disorder = self.disorder.saturating_sub(self.surprises);
        }
        self.surprises = 0;
        self.next = next;
    }

    fn expected(&mut self, index: &Index) -> Next {
        if self.to_split == 0 {
            let (guess, blocks) = (self.guess(), index.blocks());
            let start = |block: &Block| block.start as usize;
            if blocks.get(self.block).is_none_or(|block| start(block) != guess) {
                self.block = blocks.partition_point(|block| start(block) < guess);
            }
            match blocks.get(self.block) {
                // A comma comes before every employee but the first of the push.
                Some(block) if start(block) == guess && (guess == 0) == (self.maker.employees() == 0) => {
                    return Next::Block(block.length as usize);
                }
                Some(block) => self.to_split = (start(block) - guess).clamp(1, SPLIT_MAX),
                None => self.to_split = SPLIT_MAX,
            }
        }
        Next::Employees(self.to_split)
    }

    fn is_expected_block(&mut self, bytes: &[u8], index: &Index) -> Option<Block> {
        let block = index.blocks()[self.block];
        if self.maker.is(&block, bytes) {
            self.found(block.range().end);
            self.maker.keep(&block);
            self.block += 1;
            self.misses = 0;
            return Some(block);
        }
        // If block after block differs, hashing the next ones would be in vain.
        self.to_split = (block.employees as usize) << self.misses.saturating_sub(1).min(7);
        self.misses += 1;
        None
    }

    fn take(&mut self, split: &Split, index: &Index, batch: &mut Batch, mut known: impl FnMut(u64, u32)) {
        // All employees of a group are hashed before they are looked up, so that the look-ups wait for memory together.
        let mut place = split.first;
        let mut in_order = true;
        for elements in split.elements.chunks(GROUP) {
            let mut hashes = [0; GROUP];
            for (hash, element) in hashes.iter_mut().zip(elements) {
                *hash = self.hasher.hash(&split.bytes[element.clone()]);
            }
            let mut scattered = [None; GROUP];
            if self.disorder >= DISORDER_MIN && !self.expects(hashes[0], index) {
                index.find_bytes(&hashes[..elements.len()], &mut scattered);
                in_order = false;
            }
            for ((&hash, &scattered), element) in hashes.iter().zip(&scattered).zip(elements) {
                match scattered.or_else(|| self.find(hash, index)) {
                    Some(slot) => known(place, slot),
                    None => {
                        let start = batch.bytes.len();
                        batch.bytes.extend_from_slice(&split.bytes[element.clone()]);
                        let position = split.position + element.start as u64;
                        let element = start..batch.bytes.len();
                        batch.unknown.push(Unknown { place, element, position, bytes: hash });
                    }
                }
                place += 1;
            }
            if let Some(last) = scattered[elements.len() - 1] {
                self.follow(last, index);
            }
        }
        self.to_split = self.to_split.saturating_sub(split.elements.len());
        if in_order {
            self.maker.add(split.bytes, split.elements);
        } else {
            // Another order is unlikely to come again. If it does, it is the expected one by then, and blocks are made.
            self.maker.pass(split.bytes, split.elements);
        }
    }

    /// Returns whether the expected employee has bytes with this hash.
    fn expects(&self, hash: u128, index: &Index) -> bool {
        index.order().get(self.next).is_some_and(|&slot| index.has_bytes(slot, hash))
    }

    fn find(&mut self, hash: u128, index: &Index) -> Option<u32> {
        let order = index.order();
        let starts = [Some(self.next), (self.surprises > 0).then(|| self.guess())];
        for start in starts.into_iter().flatten() {
            let ahead = order.get(start..).unwrap_or_default().iter().take(AHEAD);
            if let Some((passed, &slot)) = ahead.enumerate().find(|(_, slot)| index.has_bytes(**slot, hash)) {
                self.found(start + passed + 1);
                return Some(slot);
            }
        }
        self.surprises += 1;
        self.disorder += 1;
        if self.disorder < DISORDER_MIN {
            return None;
        }
        let mut found = [None];
        index.find_bytes(&[hash], &mut found);
        let [slot] = found;
        slot.inspect(|&slot| self.follow(slot, index))
    }

    /// Expects what follows an employee that came out of order. That is known only if the order is that of the slots.
    fn follow(&mut self, slot: u32, index: &Index) {
        if index.order().get(slot as usize) == Some(&slot) {
            self.next = slot as usize + 1;
            self.surprises = 0;
        }
    }
}

/// A recogniser over an index, see [`Recogniser::over`].
pub struct Recognising<'r, F> {
    recogniser: &'r mut Recogniser,
    index: &'r Index,
    batch: &'r mut Batch,
    known: F,
}

impl<F: FnMut(u64, u32)> Taker for Recognising<'_, F> {
    fn next(&mut self) -> Next {
        self.recogniser.expected(self.index)
    }

    fn take_block(&mut self, bytes: &[u8], first: u64) -> Option<u64> {
        let block = self.recogniser.is_expected_block(bytes, self.index)?;
        for (place, &slot) in (first..).zip(&self.index.order()[block.range()]) {
            (self.known)(place, slot);
        }
        Some(block.employees.into())
    }

    fn take(&mut self, split: &Split) -> Result<(), Failure> {
        self.recogniser.take(split, self.index, self.batch, &mut self.known);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::NotJson;
    use crate::roster::{Entry, Envelope, Status};
    use crate::sync::{Format, Intake};
    use bytes::Bytes;
    use proptest::prelude::*;

    const FORMAT: Format = Format {
        employees: ["employees", "Employees"],
        envelope: |_| Ok(Envelope::default()),
        employee: |_, _, _| Err(NotJson { at: 0, message: String::new() }),
    };

    /// Counts the employees that had to be split.
    struct Counting<T> {
        taker: T,
        split: usize,
    }

    impl<T: Taker> Taker for Counting<T> {
        fn next(&mut self) -> Next {
            self.taker.next()
        }

        fn take_block(&mut self, bytes: &[u8], first: u64) -> Option<u64> {
            self.taker.take_block(bytes, first)
        }

        fn take(&mut self, split: &Split) -> Result<(), Failure> {
            self.split += split.elements.len();
            self.taker.take(split)
        }
    }

    /// What was recognised of a push.
    #[derive(Debug, PartialEq)]
    struct Found {
        /// For each employee its slot in the index, or `None` if it was not recognised.
        slots: Vec<Option<u32>>,
        blocks: Vec<Block>,
        split: usize,
    }

    fn push(body: &str, piece_bytes: usize, index: &Index) -> Found {
        let limits = Limits::default();
        let mut pieces: Vec<Bytes> = body.as_bytes().chunks(piece_bytes).rev().map(Bytes::copy_from_slice).collect();
        let mut intake = Intake::new(Box::new(move || Ok(pieces.pop())), &FORMAT, &limits);
        let mut recogniser = Recogniser::new(1, 1, &limits);
        let (mut batch, mut slots, mut split) = (Batch::default(), Vec::new(), 0);
        loop {
            let taker = recogniser.over(index, &mut batch, |at, slot| slots.push((at, Some(slot))));
            let mut counting = Counting { taker, split: 0 };
            let more = intake.receive(&mut counting).unwrap();
            split += counting.split;
            if !more {
                break;
            }
        }
        for unknown in &batch.unknown {
            let element = &body.as_bytes()[usize::try_from(unknown.position).unwrap()..][..unknown.element.len()];
            assert_eq!(element, &batch.bytes[unknown.element.clone()]);
            slots.push((unknown.place, None));
        }
        slots.sort_unstable();
        assert!((0..).zip(&slots).all(|(expected, (at, _))| *at == expected), "{slots:?}");
        let slots = slots.into_iter().map(|(_, slot)| slot).collect();
        Found { slots, blocks: recogniser.into_blocks(), split }
    }

    fn body(employees: &[u32], space: &str) -> String {
        let list: Vec<String> = employees.iter().map(|n| format!(r#"{{"id":"{n}","x":"]}}{{"}}"#)).collect();
        format!(r#"{{"employees":{space}[{}]{space}}}"#, list.join(&format!("{space},")))
    }

    /// Returns the index of a roster after a push of these employees.
    fn index_after(employees: &[u32], space: &str) -> Index {
        let hasher = BytesHasher::new(1, 1);
        let mut index = Index::default();
        for n in employees {
            let bytes = hasher.hash(format!(r#"{{"id":"{n}","x":"]}}{{"}}"#).as_bytes());
            index.insert(Entry {
                bytes,
                number: index.slots() + 1,
                status: Status::Active,
                ..Entry::of_id(u128::from(*n))
            });
        }
        index.set_order((0..index.slots()).collect());
        index.settle();
        let found = push(&body(employees, space), 1 << 20, &index);
        index.set_blocks(found.blocks);
        index.forget_outdated_blocks();
        index
    }

    #[test]
    fn what_comes_again_is_not_split() {
        let employees: Vec<u32> = (0..5_000).collect();
        let index = index_after(&employees, "");
        let found = push(&body(&employees, ""), 1_000, &index);
        assert!(found.slots.iter().all(Option::is_some));
        assert!(found.split < 32, "{}", found.split);
        assert_eq!(found.blocks, index.blocks());
    }

    #[test]
    fn a_change_costs_its_block() {
        let employees: Vec<u32> = (0..5_000).collect();
        let index = index_after(&employees, "");
        let mut changed = employees.clone();
        changed[2_000] = 9_000;
        changed[3_000..3_100].iter_mut().for_each(|n| *n += 10_000);
        changed.remove(4_500);
        changed.insert(4_000, 9_001);
        let found = push(&body(&changed, ""), 100_000, &index);
        assert_eq!(found.slots.iter().filter(|slot| slot.is_none()).count(), 102);
        assert!(found.split < 500, "{}", found.split);
    }

    #[test]
    fn no_block_is_trusted_whose_employee_has_changed() {
        let employees: Vec<u32> = (0..1_000).collect();
        let mut index = index_after(&employees, " ");
        let patched = Entry { bytes: 0, ..index.get(500) };
        index.amend(&[patched]);
        index.forget_outdated_blocks();
        let found = push(&body(&employees, " "), 777, &index);
        assert_eq!(found.slots.iter().position(Option::is_none), Some(500));
        assert!(found.split < 70, "{}", found.split);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn pieces_make_no_difference(
            count in 0u32..150,
            edits in prop::collection::vec((0usize..150, 0usize..4, 0usize..12), 0..6),
            (space_before, space) in (prop::sample::select(vec!["", " ", "\n  "]), prop::sample::select(vec!["", "", " "])),
            piece_bytes in 1usize..600,
        ) {
            let before: Vec<u32> = (0..count).collect();
            let index = index_after(&before, space_before);
            let mut after = before.clone();
            for (at, how, length) in edits {
                let at = at.min(after.len());
                let end = (at + length).min(after.len());
                match how {
                    0 => drop(after.splice(at..at, (0..u32::try_from(length).unwrap()).map(|n| 1_000 + n))),
                    1 => drop(after.drain(at..end)),
                    2 => after[at..end].iter_mut().for_each(|n| *n += 10_000),
                    _ => after.rotate_left(at),
                }
            }
            let body = body(&after, space);
            let whole = push(&body, body.len(), &index);
            prop_assert_eq!(&push(&body, piece_bytes, &index), &whole);
            for (&n, slot) in after.iter().zip(&whole.slots) {
                prop_assert!(slot.is_none_or(|slot| index.get(slot).id == u128::from(n)), "{n}: {slot:?}");
            }
        }
    }
}
