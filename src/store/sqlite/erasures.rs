//! The list of who was erased, so that a backup that is restored does not bring them back.
//!
//! Each erasure has a mark of its own, 128 random bits. An account's file knows the marks of its erasures, and so does a backup that was made
//! after them. `rollcall.db` has the list of all: if the file that is restored lacks a mark, whoever the list names is erased from it before
//! anybody sees it. A person is named by the hash of the file's identity, the number and an id; whoever has the list alone can guess none of it,
//! since the identity is in the account's file only.

use super::draft::{Beginning, Draft};
use super::index::Cache;
use super::roster::{OpenFile, State};
use super::{Error, Sender, Store, rows};
use crate::digest::Fingerprinting;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;

/// How many employees one sync erases, and how many entries are added to the list at a time.
const BATCH: usize = 1_000;

/// The hash of a person, or of a roster.
type Hash = [u8; 16];

/// Remembers in an account's file that employees were erased, each with the ids that it had: one erasure. To be called in its transaction.
pub(super) fn note<'i>(
    connection: &Connection,
    identity: &[u8; 16],
    people: impl Iterator<Item = (u32, &'i str)>,
) -> Result<(), Error> {
    let mark: Hash = connection.query_row("SELECT randomblob(16)", [], |row| row.get(0))?;
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO erasure (mark, hash, erased_at) VALUES (?, ?, strftime('%Y-%m-%dT%H:%M:%SZ'))",
    )?;
    let mut forgotten = connection.prepare_cached("SELECT hash FROM forgotten_id WHERE number = ?")?;
    for (number, id) in people {
        insert.execute(params![mark, person(identity, number, id)])?;
        for hash in forgotten.query_map([number], |row| row.get::<_, Hash>(0))? {
            insert.execute(params![mark, hash?])?;
        }
    }
    Ok(())
}

/// Forgets the ids that an employee had until a revision, except for what an erasure needs of them: a backup may have them.
pub(super) fn forget_ids(connection: &Connection, number: u32, revision: u64) -> Result<(), Error> {
    let mut forget =
        connection.prepare_cached("DELETE FROM former_id WHERE number = ? AND revision <= ? RETURNING id")?;
    let ids: Vec<String> = forget.query_map(params![number, revision], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Ok(());
    }
    let identity = State::of(connection)?.identity;
    let mut keep = connection.prepare_cached("INSERT OR IGNORE INTO forgotten_id VALUES (?, ?)")?;
    ids.iter().try_for_each(|id| keep.execute(params![number, person(&identity, number, id)]).map(drop))?;
    Ok(())
}

/// Adds the erasures of an account's file to the list in `rollcall.db`, those that were not added yet. That is locked for a moment at a time
/// only, whatever waits for the account's file: every request of every account needs it.
pub(super) fn list(connection: &Connection, shared: &Mutex<Connection>) -> Result<(), Error> {
    loop {
        let mut select =
            connection.prepare_cached("SELECT mark, hash, erased_at FROM erasure WHERE NOT is_listed LIMIT ?")?;
        let unlisted = select.query_map([BATCH], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let unlisted: Vec<(Hash, Hash, String)> = unlisted.collect::<Result<_, _>>()?;
        if unlisted.is_empty() {
            return Ok(());
        }
        let roster = roster(&State::of(connection)?.identity);
        {
            let mut shared = shared.lock().expect("no holder of the lock panics");
            let transaction = shared.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO erased VALUES (?, ?, ?, ?)")?;
            for (mark, hash, erased_at) in &unlisted {
                insert.execute(params![roster, mark, hash, erased_at])?;
            }
            drop(insert);
            transaction.commit()?;
        }
        let transaction = connection.unchecked_transaction()?;
        let mut note = transaction.prepare_cached("UPDATE erasure SET is_listed = true WHERE mark = ? AND hash = ?")?;
        unlisted.iter().try_for_each(|(mark, hash, _)| note.execute(params![mark, hash]).map(drop))?;
        drop(note);
        transaction.commit()?;
    }
}

/// Erases from a file, which nobody else has open, whoever the list names and it does not know of. Returns how many they are.
pub(super) fn apply(file: &mut Connection, path: &Path, account: i64, shared: &Connection) -> Result<u64, Error> {
    let identity = State::of(file)?.identity;
    let unknown = unknown(file, shared, &roster(&identity))?;
    if unknown.is_empty() {
        return Ok(0);
    }
    let hashes: HashSet<Hash> = unknown.iter().map(|(_, hash, _)| *hash).collect();
    let numbers = people(file, &identity, &hashes)?;
    let (indexes, open) = (Cache::default(), OpenFile::of(path.to_owned()));
    let mut employees = 0;
    for numbers in numbers.chunks(BATCH) {
        let inner = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let beginning = Beginning { inner, account: (account, 0), indexes: &indexes, file: &open };
        let draft = super::super::Draft::Sqlite(Draft::new(beginning)?);
        employees += draft.erase(numbers, Sender::default(), 0)?.employees;
    }
    let transaction = file.transaction()?;
    {
        let mut know = transaction
            .prepare("INSERT OR IGNORE INTO erasure (mark, hash, erased_at, is_listed) VALUES (?, ?, ?, true)")?;
        for (mark, hash, erased_at) in unknown {
            know.execute(params![mark, hash, erased_at])?;
        }
    }
    transaction.commit()?;
    Ok(employees)
}

/// Returns the list's rows of a roster whose marks its file does not have.
fn unknown(file: &Connection, shared: &Connection, roster: &Hash) -> Result<Vec<(Hash, Hash, String)>, Error> {
    let mut knows = file.prepare("SELECT EXISTS (SELECT 1 FROM erasure WHERE mark = ?)")?;
    let mut select = shared.prepare("SELECT mark, hash, erased_at FROM erased WHERE roster = ? ORDER BY mark")?;
    let (mut rows, mut unknown) = (select.query([roster])?, Vec::new());
    while let Some(row) = rows.next()? {
        let mark: Hash = row.get(0)?;
        if !knows.query_row([mark], |row| row.get::<_, bool>(0))? {
            unknown.push((mark, row.get(1)?, row.get(2)?));
        }
    }
    Ok(unknown)
}

/// Returns the numbers of the employees who are named by some of these hashes.
fn people(file: &Connection, identity: &[u8; 16], hashes: &HashSet<Hash>) -> Result<Vec<u32>, Error> {
    let mut numbers = Vec::new();
    let mut former = file.prepare("SELECT id FROM former_id WHERE number = ?")?;
    let mut forgotten = file.prepare("SELECT hash FROM forgotten_id WHERE number = ?")?;
    rows::for_each(file, |number, employee| {
        let mut is_named = hashes.contains(&person(identity, number, &employee.id));
        if !is_named {
            let mut ids = former.query([number])?;
            while let (false, Some(row)) = (is_named, ids.next()?) {
                is_named = hashes.contains(&person(identity, number, row.get_ref(0)?.as_str().unwrap_or_default()));
            }
        }
        if !is_named {
            let mut forgotten = forgotten.query([number])?;
            while let (false, Some(row)) = (is_named, forgotten.next()?) {
                is_named = hashes.contains(&row.get::<_, Hash>(0)?);
            }
        }
        numbers.extend(is_named.then_some(number));
        Ok(())
    })?;
    Ok(numbers)
}

impl Store {
    /// Adds to the list of who was erased that of another store or of a backup: a `rollcall.db`. Returns whether it has one.
    pub fn take_erasures(&self, path: &Path) -> Result<bool, Error> {
        let opened = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let from = opened.map_err(|source| Error::Open { path: path.to_owned(), source: source.into() })?;
        self.write(|transaction| copy_list(&from, transaction))
    }
}

/// Adds a list to another. Returns false if a database of an earlier version has none.
pub(super) fn copy_list(from: &Connection, to: &Connection) -> Result<bool, Error> {
    let has_list = "SELECT 1 FROM sqlite_schema WHERE name = 'erased' AND type = 'table'";
    if from.query_row(has_list, [], |_| Ok(())).optional()?.is_none() {
        return Ok(false);
    }
    let mut insert = to.prepare("INSERT OR IGNORE INTO erased VALUES (?, ?, ?, ?)")?;
    let mut select = from.prepare("SELECT roster, mark, hash, erased_at FROM erased")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (roster, mark, hash, erased_at): (Hash, Hash, Hash, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        insert.execute(params![roster, mark, hash, erased_at])?;
    }
    Ok(true)
}

/// Returns what the list calls the roster of a file.
fn roster(identity: &[u8; 16]) -> Hash {
    hashed("roster", &[identity])
}

/// Returns what the list calls a person.
fn person(identity: &[u8; 16], number: u32, id: &str) -> Hash {
    hashed("erased", &[identity, &number.to_le_bytes(), id.as_bytes()])
}

fn hashed(what: &str, parts: &[&[u8]]) -> Hash {
    let mut hashing = Fingerprinting::new(what);
    parts.iter().for_each(|part| hashing.update(part));
    let hash = hashing.finish();
    hash[..16].try_into().expect("half of 32 bytes")
}
