//! The roster of one account, to write.

use super::draft::{Beginning, Draft};
use super::index::Cache;
use super::scrub::Unscrubbed;
use super::{Came, Error, Key, Once, log, retry, schema};
use rusqlite::{Connection, TransactionBehavior};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The roster of one account, opened to write. Any number may be open at a time; one writes, the others wait a moment for it.
pub struct Roster {
    pub(super) connection: Connection,
    pub(super) file: OpenFile,
    pub(super) store_seed: u64,
    pub(super) key: Key,
    pub(super) shared: Arc<Mutex<Connection>>,
    pub(super) indexes: Arc<Cache>,
    pub(super) unscrubbed: Arc<Unscrubbed>,
}

/// Which file was opened under a name. Another may have taken its place since, and then what is written is lost.
pub(super) struct OpenFile {
    path: PathBuf,
    opened: Option<FileId>,
}

/// A file by what the system calls it.
type FileId = (u64, u64);

impl OpenFile {
    /// To be called before the file is opened.
    pub fn of(path: PathBuf) -> OpenFile {
        let opened = file_id(&path);
        OpenFile { path, opened }
    }

    /// Whether the name still stands for the file.
    pub fn is_current(&self) -> bool {
        file_id(&self.path) == self.opened
    }
}

/// Returns what the system calls the file of a name, `None` if there is none.
fn file_id(path: &Path) -> Option<FileId> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
    }
    // Elsewhere a file that is open is not replaced.
    #[cfg(not(unix))]
    fs::metadata(path).ok().map(|_| (0, 0))
}

impl Roster {
    /// Begins to write. Waits a moment for another process that does.
    pub fn begin(&mut self) -> Result<super::super::Draft<'_>, Error> {
        self.reopen_if_replaced()?;
        let Roster { connection, file, key, shared, indexes, .. } = self;
        let inner = lock(connection, file, key, shared)?;
        let account = (key.account, key.generation);
        Ok(super::super::Draft::Sqlite(Draft::new(Beginning { inner, account, indexes, file })?))
    }

    /// Moves what was committed from the write-ahead log into the database as far as readers allow, without waiting for them, if the
    /// log has grown large.
    pub fn checkpoint_if_large(&self) -> Result<(), Error> {
        log::fold_if_large(&self.connection)
    }

    /// Adds a record to the queue, durably, unless the request came before. Returns `None` if `per_day_max` were added today (UTC) already, and
    /// then adds nothing.
    pub fn enqueue(&mut self, record: &[u8], per_day_max: u64, once: Option<&Once>) -> Result<Option<Came>, Error> {
        self.reopen_if_replaced()?;
        let transaction = lock(&mut self.connection, &self.file, &self.key, &self.shared)?;
        let came = retry::note_command(&transaction, once)?;
        if came != Came::First {
            return Ok(Some(came));
        }
        transaction.execute("DELETE FROM request_count WHERE day < date()", [])?;
        let requests: u64 = transaction.query_row(
            "INSERT INTO request_count VALUES (date(), 1) ON CONFLICT DO UPDATE SET requests = requests + 1
             RETURNING requests",
            [],
            |row| row.get(0),
        )?;
        if requests > per_day_max {
            return Ok(None);
        }
        transaction.execute("INSERT INTO queue (record) VALUES (?)", [record])?;
        transaction.commit()?;
        Ok(Some(came))
    }

    /// Empties the queue, unless the request came before.
    pub fn empty_queue(&mut self, once: Option<&Once>) -> Result<Came, Error> {
        self.reopen_if_replaced()?;
        let transaction = lock(&mut self.connection, &self.file, &self.key, &self.shared)?;
        let came = retry::note_command(&transaction, once)?;
        if came == Came::First {
            transaction.execute("DELETE FROM queue", [])?;
            transaction.commit()?;
        }
        Ok(came)
    }

    /// A push may have waited between opening the file and writing, while the file was replaced.
    fn reopen_if_replaced(&mut self) -> Result<(), Error> {
        if !self.file.is_current() {
            self.file = OpenFile::of(std::mem::take(&mut self.file.path));
            self.connection = schema::open_roster(&self.file.path, false, self.store_seed)?;
        }
        Ok(())
    }
}

/// Takes the right to write, for an account that still is the one of the key, to the file that still is the account's.
pub(super) fn lock<'c>(
    connection: &'c mut Connection,
    file: &OpenFile,
    key: &Key,
    shared: &Mutex<Connection>,
) -> Result<rusqlite::Transaction<'c>, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let exists: bool = shared.lock().expect("no holder of the lock panics").query_row(
        "SELECT EXISTS (SELECT 1 FROM account WHERE id = ? AND generation = ?)",
        [key.account, key.generation],
        |row| row.get(0),
    )?;
    if !exists {
        return Err(Error::AccountGone(key.account));
    }
    if !file.is_current() {
        return Err(Error::Replaced(key.account));
    }
    Ok(transaction)
}

/// What a file says of itself.
pub(super) struct State {
    /// The seed of its hashes.
    pub seed: u64,
    /// What tells it from the file of another roster.
    pub identity: [u8; 16],
    /// How many syncs were applied.
    pub revision: u64,
    /// What tells its last sync from every other; `None` before the first, and after one of an earlier version.
    pub stamp: Option<[u8; 16]>,
}

impl State {
    pub fn of(connection: &Connection) -> Result<State, Error> {
        let mut select = connection.prepare_cached(
            "SELECT identity.seed, identity.identity, coalesce(last.revision, 0), last.stamp FROM identity
             LEFT JOIN (SELECT revision, stamp FROM sync ORDER BY revision DESC LIMIT 1) AS last",
        )?;
        Ok(select.query_row([], |row| {
            let seed: i64 = row.get(0)?;
            let (identity, revision, stamp) = (row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(State { seed: seed.cast_unsigned(), identity, revision, stamp })
        })?)
    }
}
