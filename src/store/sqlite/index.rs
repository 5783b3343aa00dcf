//! The index of a roster, stored and held in memory.
//!
//! It is stored in the transaction of the push that changes it: what is new is appended as a part, and when the parts hold much
//! more than the roster has employees, they are written anew. An entry is 56 bytes, little-endian: the profile and the number with the
//! status (32 bits each), the hashes of the id, of the data and of the bytes (128 bits each). Beside each part is the hash of its
//! entries. An index that does not carry the roster's revision, or is not as it was stored, is made anew from the rows.
//!
//! A block is 28 bytes: where it begins in the order, its employees and its bytes (32 bits each), and its hash (128 bits). Blocks mean
//! something only together with the order, so both have one hash beside them.

mod wipe;

pub(super) use wipe::wipe;

use super::Error;
use crate::roster::{Block, Entry, Index, hash};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

const ENTRY_BYTES: usize = 56;
const BLOCK_BYTES: usize = 28;

/// How many runs of an order are stored however few employees there are.
const RUNS_MIN: usize = 64;

/// The most entries of a part: some megabyte.
const PART_ENTRIES: usize = 16_384;

/// The indexes of busy accounts, held in memory within a limit: the least recently used goes first.
#[derive(Default)]
pub(super) struct Cache(Mutex<Held>);

#[derive(Default)]
struct Held {
    indexes: HashMap<(i64, i64), Cached>,
    /// The memory of them all, in bytes.
    bytes: usize,
}

struct Cached {
    index: Index,
    version: Version,
    used: Instant,
}

impl Held {
    fn remove(&mut self, account: (i64, i64)) -> Option<Cached> {
        let cached = self.indexes.remove(&account)?;
        self.bytes -= cached.index.memory_bytes();
        Some(cached)
    }
}

/// What an index in memory belongs to. A revision alone would not tell: a file may be replaced by an older copy of itself, which
/// comes to the same revision by other pushes, or by the file of another roster.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    /// Of the file.
    pub identity: [u8; 16],
    /// Of its last sync.
    pub stamp: [u8; 16],
}

impl Cache {
    /// Takes the index of an account and generation out, if it is of this version.
    pub fn take(&self, account: (i64, i64), version: Option<Version>) -> Option<Index> {
        let cached = self.held().remove(account)?;
        (Some(cached.version) == version).then_some(cached.index)
    }

    /// The memory of all indexes held, in bytes.
    pub fn bytes(&self) -> usize {
        self.held().bytes
    }

    /// Lets go of the indexes that were not used for so long. Returns whether there were any.
    pub fn forget_unused(&self, unused: Duration) -> bool {
        let mut held = self.held();
        let is_unused = |cached: &Cached| cached.used.elapsed() > unused;
        let accounts = held.indexes.iter().filter(|(_, cached)| is_unused(cached)).map(|(account, _)| *account);
        let forgotten: Vec<_> = accounts.collect::<Vec<_>>().into_iter().map(|account| held.remove(account)).collect();
        drop(held);
        // To free them takes a moment, in which nobody else needs to wait.
        !forgotten.is_empty()
    }

    /// Keeps an index of a version that can be told, and lets others go if all would take more than `bytes_max`.
    pub fn keep(&self, account: (i64, i64), version: Option<Version>, index: Index, bytes_max: usize) {
        let Some(version) = version else {
            return;
        };
        let mut held = self.held();
        held.remove(account);
        held.bytes += index.memory_bytes();
        held.indexes.insert(account, Cached { index, version, used: Instant::now() });
        while held.bytes > bytes_max {
            let oldest = held.indexes.iter().min_by_key(|(_, cached)| cached.used).map(|(account, _)| *account);
            held.remove(oldest.expect("what holds bytes holds an index"));
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().expect("no holder of the lock panics")
    }
}

/// Reads the stored index; `None` if it is of another revision, or is not as it was stored. It is a cache: whoever needs it makes it
/// from the rows then.
pub(super) fn read(connection: &Connection, revision: u64) -> Result<Option<Index>, Error> {
    match read_undamaged(connection, revision) {
        Err(Error::Damaged { what, .. }) => {
            let file = connection.path().unwrap_or_default();
            tracing::warn!("{file}: the stored index is damaged ({what}), and is made anew from the rows");
            Ok(None)
        }
        read => read,
    }
}

/// As [`read`]; fails if pages of the database are damaged.
pub(super) fn read_undamaged(connection: &Connection, revision: u64) -> Result<Option<Index>, Error> {
    let state = connection
        .query_row("SELECT employees FROM index_state WHERE revision = ?", [revision], |row| row.get::<_, u64>(0))
        .optional()?;
    let Some(employees) = state else {
        return Ok(None);
    };
    let order = read_order(connection)?;
    let mut index = Index::with_capacity(usize::try_from(employees).unwrap_or_default());
    let mut select = connection.prepare("SELECT entries, digest, part FROM index_part ORDER BY part")?;
    let (mut parts, mut amended) = (select.query([])?, Vec::new());
    let last_part = order.last_part();
    while let Some(part) = parts.next()? {
        let entries = part.get_ref(0)?.as_blob().unwrap_or_default();
        if part.get_ref(1)?.as_blob_or_null().ok().flatten().is_some_and(|stored| stored != digest(entries)) {
            return Ok(None);
        }
        let is_amendment = last_part.is_some_and(|last| part.get(2).is_ok_and(|part: i64| part > last));
        for entry in entries.chunks_exact(ENTRY_BYTES) {
            let entry = unpack(entry);
            let Some(slot) = entry.number.checked_sub(1) else {
                return Ok(None);
            };
            amended.extend(is_amendment.then_some(slot));
            match (slot as usize).cmp(&index.len()) {
                std::cmp::Ordering::Less => index.update(slot, entry),
                std::cmp::Ordering::Equal => index.insert(entry),
                std::cmp::Ordering::Greater => return Ok(None),
            }
        }
    }
    if index.len() as u64 != employees {
        return Ok(None);
    }
    index.set_order(unpack_runs(&order.runs, index.len()));
    // Of an order of an earlier version it is not known which blocks are outdated.
    index.set_blocks(last_part.map(|_| unpack_blocks(&order.blocks)).unwrap_or_default());
    index.distrust_blocks_of(amended);
    index.forget_outdated_blocks();
    index.settle();
    Ok(Some(index))
}

/// An order as it is stored, and its blocks.
#[derive(Default)]
struct Order {
    runs: Vec<u8>,
    /// The blocks, and then the number of the last part of the index that they were made of, in 8 bytes. Later parts have amended it.
    blocks: Vec<u8>,
}

impl Order {
    /// Returns the order of the index, or nothing if it is not worth its bytes. Then the index is read with the order of its slots, in
    /// which the blocks would have other employees.
    fn of(index: &Index, last_part: i64) -> Order {
        match pack_runs(index.order()) {
            Some(runs) => {
                let blocks = [&pack_blocks(index.blocks())[..], &last_part.to_le_bytes()].concat();
                Order { runs, blocks }
            }
            None => Order::default(),
        }
    }

    /// The last part that the blocks were made of; `None` if an earlier version has stored them.
    fn last_part(&self) -> Option<i64> {
        let behind_blocks = self.blocks.chunks_exact(BLOCK_BYTES).remainder();
        behind_blocks.try_into().ok().map(i64::from_le_bytes)
    }

    fn digest(&self) -> [u8; 16] {
        let runs = (self.runs.len() as u64).to_le_bytes();
        hash(0, &[&runs, &self.runs[..], &self.blocks].concat()).to_le_bytes()
    }
}

/// Reads the stored order. It has no blocks if it is not as it was stored, or was stored by an earlier version.
fn read_order(connection: &Connection) -> Result<Order, Error> {
    let stored = connection
        .query_row("SELECT runs, blocks, digest FROM index_order", [], |row| {
            let order = Order { runs: row.get(0)?, blocks: row.get::<_, Option<_>>(1)?.unwrap_or_default() };
            Ok((order, row.get::<_, Option<Vec<u8>>>(2)?))
        })
        .optional()?;
    let Some((order, digest)) = stored else {
        return Ok(Order::default());
    };
    if digest.is_some_and(|digest| digest == order.digest()) {
        return Ok(order);
    }
    Ok(Order { blocks: Vec::new(), ..order })
}

/// What is stored beside a part.
fn digest(entries: &[u8]) -> [u8; 16] {
    hash(0, entries).to_le_bytes()
}

/// Stores an index that was stored in part: `slots` are the entries that are new since. Without `stored` all are.
pub(super) fn write(
    connection: &Connection,
    index: &Index,
    slots: &[u32],
    revision: u64,
    stored: bool,
) -> Result<(), Error> {
    write_parts(connection, index, slots, revision, stored).map_err(not_written)
}

/// Says what helps if the pages of the stored index are damaged.
fn not_written(error: Error) -> Error {
    match error {
        Error::Damaged { account, what } => {
            let what = format!("the stored index cannot be replaced ({what}), which --repair can");
            Error::Damaged { account, what }
        }
        other => other,
    }
}

fn write_parts(
    connection: &Connection,
    index: &Index,
    slots: &[u32],
    revision: u64,
    stored: bool,
) -> Result<(), Error> {
    let entries: u64 = if stored {
        connection.query_row("SELECT coalesce(max(entries), 0) FROM index_state", [], |row| row.get(0))?
    } else {
        0
    };
    let all = index.len() as u64;
    let append = stored && entries + slots.len() as u64 <= entries_max(all);
    let mut insert = connection.prepare("INSERT INTO index_part (entries, digest) VALUES (?, ?)")?;
    let mut bytes = Vec::with_capacity(slots.len().min(PART_ENTRIES) * ENTRY_BYTES);
    let mut part = |slots: &mut dyn Iterator<Item = u32>| -> Result<(), Error> {
        bytes.clear();
        slots.for_each(|slot| pack(&mut bytes, &index.get(slot)));
        insert.execute(params![bytes, digest(&bytes)])?;
        Ok(())
    };
    if append {
        slots.chunks(PART_ENTRIES).try_for_each(|slots| part(&mut slots.iter().copied()))?;
    } else {
        connection.execute("DELETE FROM index_part", [])?;
        let all: Vec<u32> = (0..index.slots()).collect();
        all.chunks(PART_ENTRIES).try_for_each(|slots| part(&mut slots.iter().copied()))?;
    }
    let entries = if append { entries + slots.len() as u64 } else { all };
    connection.execute(
        "INSERT INTO index_state VALUES (1, ?1, ?2, ?3) ON CONFLICT DO UPDATE SET
         revision = ?1, employees = ?2, entries = ?3",
        params![revision, all, entries],
    )?;
    let last_part = connection.query_row("SELECT coalesce(max(part), 0) FROM index_part", [], |row| row.get(0))?;
    let order = Order::of(index, last_part);
    connection.execute(
        "INSERT OR REPLACE INTO index_order (one, runs, blocks, digest) VALUES (1, ?, ?, ?)",
        params![order.runs, order.blocks, order.digest()],
    )?;
    Ok(())
}

/// Adds entries to the stored index without reading it, where it is of the revision before this one.
pub(super) fn amend(connection: &Connection, amended: &[Entry], revision: u64) -> Result<(), Error> {
    append(connection, amended, revision).map_err(not_written)
}

fn append(connection: &Connection, amended: &[Entry], revision: u64) -> Result<(), Error> {
    let state = connection
        .query_row("SELECT employees, entries FROM index_state WHERE revision = ?", [revision - 1], |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?))
        })
        .optional()?;
    let Some((employees, entries)) = state else {
        // Of the first employees all are known.
        return if revision == 1 { write(connection, &of_first(amended), &[], revision, false) } else { Ok(()) };
    };
    let entries = entries + amended.len() as u64;
    if entries > entries_max(employees) {
        let Some(mut index) = read(connection, revision - 1)? else {
            return Ok(());
        };
        index.amend(amended);
        index.forget_outdated_blocks();
        return write(connection, &index, &[], revision, false);
    }
    let mut bytes = Vec::with_capacity(amended.len() * ENTRY_BYTES);
    amended.iter().for_each(|entry| pack(&mut bytes, entry));
    let digest = digest(&bytes);
    connection.execute("INSERT INTO index_part (entries, digest) VALUES (?, ?)", params![bytes, digest])?;
    let last = amended.iter().map(|entry| u64::from(entry.number)).max().unwrap_or(0);
    connection.execute(
        "UPDATE index_state SET revision = ?, employees = ?, entries = ?",
        params![revision, employees.max(last), entries],
    )?;
    Ok(())
}

/// Returns the index of a roster that has these employees and no others.
fn of_first(entries: &[Entry]) -> Index {
    let mut index = Index::with_capacity(entries.len());
    entries.iter().for_each(|entry| index.insert(*entry));
    index.set_order(Vec::new());
    index.settle();
    index
}

/// How many entries the parts may hold before they are written anew.
fn entries_max(employees: u64) -> u64 {
    employees + employees / 2 + PART_ENTRIES as u64
}

/// Says that the stored index is of this revision, too, where it is of the one before.
pub(super) fn confirm(connection: &Connection, revision: u64) -> Result<(), Error> {
    let update = "UPDATE index_state SET revision = ?1 WHERE revision = ?1 - 1";
    let confirmed = connection.execute(update, [revision]).map_err(|error| not_written(error.into()))?;
    let is_nobody_stored = "SELECT NOT EXISTS (SELECT 1 FROM employee)";
    if confirmed == 0 && revision == 1 && connection.query_row(is_nobody_stored, [], |row| row.get(0))? {
        return write(connection, &of_first(&[]), &[], revision, false);
    }
    Ok(())
}

fn pack(bytes: &mut Vec<u8>, entry: &Entry) {
    bytes.extend_from_slice(&entry.profile.to_le_bytes());
    bytes.extend_from_slice(&entry.number_and_status().to_le_bytes());
    for hash in [entry.id, entry.data, entry.bytes] {
        bytes.extend_from_slice(&hash.to_le_bytes());
    }
}

fn unpack(bytes: &[u8]) -> Entry {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let hash = |at: usize| u128::from_le_bytes(bytes[at..at + 16].try_into().expect("sixteen bytes"));
    let (number, status) = Entry::split_number(word(4));
    Entry { id: hash(8), data: hash(24), bytes: hash(40), number, profile: word(0), status }
}

/// Packs an order as runs of slots that follow one another: the first slot and the length of each, 32 bits each. A shuffled order would
/// take too many bytes; `None` then.
fn pack_runs(order: &[u32]) -> Option<Vec<u8>> {
    let runs = || order.chunk_by(|a, b| a + 1 == *b);
    if runs().count() > RUNS_MIN.max(order.len() / 16) {
        return None;
    }
    Some(runs().flat_map(|run| [run[0], len(run)]).flat_map(u32::to_le_bytes).collect())
}

fn unpack_runs(bytes: &[u8], employees: usize) -> Vec<u32> {
    let mut order = Vec::with_capacity(employees);
    for run in bytes.chunks_exact(8) {
        let word = |at: usize| u32::from_le_bytes(run[at..at + 4].try_into().expect("four bytes"));
        order.extend((word(0)..word(0).saturating_add(word(4))).take_while(|slot| (*slot as usize) < employees));
    }
    order
}

fn pack_blocks(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blocks.len() * BLOCK_BYTES);
    for block in blocks {
        [block.start, block.employees, block.length]
            .iter()
            .for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        bytes.extend_from_slice(&block.hash().to_le_bytes());
    }
    bytes
}

fn unpack_blocks(bytes: &[u8]) -> Vec<Block> {
    let block = |bytes: &[u8]| {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let hash = u128::from_le_bytes(bytes[12..28].try_into().expect("sixteen bytes"));
        Block::new(word(0), word(4), word(8), hash)
    };
    bytes.chunks_exact(BLOCK_BYTES).map(block).collect()
}

fn len(order: &[u32]) -> u32 {
    u32::try_from(order.len()).expect("a roster has fewer than 2³² employees")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_order_comes_back(order in Just((0u32..50).collect::<Vec<_>>()).prop_shuffle()) {
            prop_assert_eq!(unpack_runs(&pack_runs(&order).unwrap(), 50), order);
        }
    }
}
