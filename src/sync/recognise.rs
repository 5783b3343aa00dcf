//! Recognise: known bytes are an unchanged employee, without being parsed.

use super::intake::Block;
use crate::roster::{BytesHasher, Index};
use std::ops::Range;

/// How far ahead of the expected employee another one may come and still be found at once: so many leavers can be missing from a
/// push between two others.
const AHEAD: usize = 8;

/// How many employees are hashed before they are looked up.
const GROUP: usize = 64;

/// How many employees must have come unexpectedly before they are looked for everywhere: a table for that is worth making only
/// when a roster comes in another order, not for a night's changes. A fuzzer's rosters are too small for that.
const UNEXPECTED_MIN: usize = if cfg!(fuzzing) { 2 } else { 4_096 };

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
    pub index: u64,
    /// Its bytes in the batch.
    pub element: Range<usize>,
    /// Its place in the body, in bytes.
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

/// Looks employees up by their bytes, in the order of the last push.
pub struct Recogniser {
    hasher: BytesHasher,
    /// The place in the index's order of the employee that is expected next.
    next: usize,
    unexpected: usize,
}

impl Recogniser {
    /// A recogniser at the beginning of a push.
    pub fn new(hasher: BytesHasher) -> Recogniser {
        Recogniser { hasher, next: 0, unexpected: 0 }
    }

    /// Looks up the employees of a block in the index. `known` hears the place in the push and the place in the index of each that
    /// is unchanged; the others are added to `batch`.
    pub fn recognise(&mut self, block: &Block, index: &Index, batch: &mut Batch, mut known: impl FnMut(u64, u32)) {
        // Hashing and looking up by turns would make each look-up wait for memory; one after another they wait together.
        let mut number = block.first;
        for elements in block.elements.chunks(GROUP) {
            let mut hashes = [0; GROUP];
            for (hash, element) in hashes.iter_mut().zip(elements) {
                *hash = self.hasher.hash(&block.bytes[element.clone()]);
            }
            let mut scattered = [None; GROUP];
            if self.unexpected >= UNEXPECTED_MIN && !self.expects(hashes[0], index) {
                index.find_bytes(&hashes[..elements.len()], &mut scattered);
            }
            for ((&hash, &scattered), element) in hashes.iter().zip(&scattered).zip(elements) {
                match scattered.or_else(|| self.find(hash, index)) {
                    Some(place) => known(number, place),
                    None => {
                        let start = batch.bytes.len();
                        batch.bytes.extend_from_slice(&block.bytes[element.clone()]);
                        let position = block.position + element.start as u64;
                        let element = start..batch.bytes.len();
                        batch.unknown.push(Unknown { index: number, element, position, bytes: hash });
                    }
                }
                number += 1;
            }
        }
    }

    /// Whether the expected employee has bytes of this hash.
    fn expects(&self, hash: u128, index: &Index) -> bool {
        index.order().get(self.next).is_some_and(|&place| index.has_bytes(place, hash))
    }

    fn find(&mut self, hash: u128, index: &Index) -> Option<u32> {
        let order = index.order();
        let ahead = order.get(self.next..).unwrap_or_default().iter().take(AHEAD);
        for (passed, &place) in ahead.enumerate() {
            if index.has_bytes(place, hash) {
                self.next += passed + 1;
                return Some(place);
            }
        }
        self.unexpected += 1;
        if self.unexpected < UNEXPECTED_MIN {
            return None;
        }
        let mut found = [None];
        index.find_bytes(&[hash], &mut found);
        // Where the order is that of the places, what follows there is what may follow here.
        let [place] = found;
        if let Some(place) = place.filter(|&place| order.get(place as usize) == Some(&place)) {
            self.next = place as usize + 1;
        }
        place
    }
}
