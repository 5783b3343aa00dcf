//! What a plan says about who is missing, in parts of some thousand employees.
//!
//! Of an employee who is not missing any more a part has the number (32 bits, little-endian). Of one who is missing it has the number, in how
//! many pushes in a row (32 bits each), and whether absence has hidden the employee (8 bits).

use super::{Draft, Error};
use crate::roster::{Absences, Missing, hash};
use rusqlite::{Connection, OptionalExtension as _, params};

/// How many employees of each kind a part has.
const PART_EMPLOYEES: usize = 4_096;

const ENDED_BYTES: usize = 4;
const NOTED_BYTES: usize = 9;

/// A part, as it is stored.
#[derive(Default)]
pub(super) struct Part {
    ended: Vec<u8>,
    noted: Vec<u8>,
}

impl Part {
    /// How long it is, in bytes.
    pub fn bytes(&self) -> u64 {
        (self.ended.len() + self.noted.len()) as u64
    }

    /// Returns the digest of all before it, and of it.
    pub fn digest(&self, seed: u64, before: u128) -> u128 {
        hash(seed, &[&before.to_le_bytes(), &self.bytes().to_le_bytes()[..], &self.ended, &self.noted].concat())
    }
}

/// Brings what a push says about who is missing into parts; none if it says nothing.
pub(super) fn pack(absences: &Absences) -> Vec<Part> {
    let parts = absences.ended.len().max(absences.noted.len()).div_ceil(PART_EMPLOYEES);
    let (mut ended, mut noted) = (absences.ended.chunks(PART_EMPLOYEES), absences.noted.chunks(PART_EMPLOYEES));
    let part = |_| Part {
        ended: ended.next().unwrap_or_default().iter().flat_map(|number| number.to_le_bytes()).collect(),
        noted: noted.next().unwrap_or_default().iter().flat_map(pack_missing).collect(),
    };
    (0..parts).map(part).collect()
}

fn pack_missing(Missing { number, pushes, is_hidden }: &Missing) -> impl Iterator<Item = u8> {
    number.to_le_bytes().into_iter().chain(pushes.to_le_bytes()).chain([u8::from(*is_hidden)])
}

fn unpack(Part { ended, noted }: &Part) -> Absences {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let missing =
        |bytes: &[u8]| Missing { number: word(&bytes[..4]), pushes: word(&bytes[4..8]), is_hidden: bytes[8] != 0 };
    Absences {
        ended: ended.chunks_exact(ENDED_BYTES).map(word).collect(),
        noted: noted.chunks_exact(NOTED_BYTES).map(missing).collect(),
    }
}

/// Adds the parts of a plan.
pub(super) fn insert(connection: &Connection, plan: u32, parts: &[Part]) -> Result<(), Error> {
    let mut insert = connection.prepare_cached("INSERT INTO plan_absence VALUES (?1 << 32 | ?2, ?3, ?4)")?;
    for (part, Part { ended, noted }) in parts.iter().enumerate() {
        insert.execute(params![plan, part, ended, noted])?;
    }
    Ok(())
}

/// Removes up to so many parts of a plan. Returns whether none is left.
pub(super) fn sweep(connection: &Connection, plan: u32, parts_max: u32) -> Result<bool, Error> {
    let removed = connection.execute(
        "DELETE FROM plan_absence WHERE place IN (
             SELECT place FROM plan_absence WHERE place >= ?1 << 32 AND place < (?1 + 1) << 32 LIMIT ?2
         )",
        [plan, parts_max],
    )?;
    Ok(removed < parts_max as usize)
}

impl Draft<'_> {
    pub(in crate::store) fn plan_absences(&mut self, plan: u32, part: u32) -> Result<Absences, Error> {
        let mut select = self.prepared("SELECT ended, noted FROM plan_absence WHERE place = ?1 << 32 | ?2")?;
        let part =
            select.query_row([plan, part], |row| Ok(Part { ended: row.get(0)?, noted: row.get(1)? })).optional()?;
        Ok(part.map(|part| unpack(&part)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_in_its_order() {
        let missing = |number: u32| Missing { number, pushes: number / 3, is_hidden: number.is_multiple_of(2) };
        for (ended, noted) in [(0, 0), (0, 1), (1, 0), (10_000, 5_000), (3, 4_097)] {
            let absences = Absences { ended: (0..ended).collect(), noted: (0..noted).map(missing).collect() };
            let mut unpacked = Absences::default();
            for part in pack(&absences) {
                let Absences { ended, noted } = unpack(&part);
                unpacked.ended.extend(ended);
                unpacked.noted.extend(noted);
            }
            assert_eq!(unpacked, absences);
        }
    }
}
