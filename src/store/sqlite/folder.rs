//! The folder of a store.

use super::index::Cache;
use super::kept::Kept;
use super::roster::OpenFile;
use super::scrub::Unscrubbed;
use super::server_key::KeyFile;
use super::{Error, Key, Reader, Roster, private, schema, scratch};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use std::time::SystemTime;

/// The length of the log of `rollcall.db` from which on it is moved into the database, in bytes.
const SHARED_LOG_BYTES_MAX: u64 = 1 << 20;

/// A store, opened. Any number of processes may have it open; only one may serve from it, see [`Store::lock`].
pub struct Store {
    dir: PathBuf,
    pub(super) shared: Arc<Mutex<Connection>>,
    seed: u64,
    pub(super) indexes: Arc<Cache>,
    pub(super) unscrubbed: Arc<Unscrubbed>,
    pub(super) kept: Kept,
    pub(super) key_file: KeyFile,
}

/// Says that this process serves from the folder, as long as it lives.
pub struct Lock {
    path: PathBuf,
    /// The file is locked until it is closed.
    file: File,
}

impl Lock {
    /// Takes the process id out of the lock file: nobody serves any more who could be sent a signal.
    pub fn clear(&self) -> Result<(), Error> {
        self.file.set_len(0).map_err(|source| Error::Folder { path: self.path.clone(), source })
    }
}

/// A start that fails afterwards leaves nobody in the file, either.
impl Drop for Lock {
    fn drop(&mut self) {
        // It is no loss if that fails: whoever takes the lock next writes its own id.
        let _ = self.clear();
    }
}

impl Store {
    /// Opens the store in `dir`, and makes it if there is none. Its server key is in `key_file`, or in `server.key` in `dir`.
    pub fn open(dir: &Path, key_file: Option<&Path>) -> Result<Store, Error> {
        let accounts = dir.join("accounts");
        let folder = |source| Error::Folder { path: accounts.clone(), source };
        private::make_folder(dir).map_err(folder)?;
        private::make_folder(&accounts).map_err(folder)?;
        Store::connect(dir, key_file, true)
    }

    /// Opens the store in `dir`, which must be there.
    pub fn open_existing(dir: &Path, key_file: Option<&Path>) -> Result<Store, Error> {
        Store::connect(dir, key_file, false)
    }

    fn connect(dir: &Path, key_file: Option<&Path>, create: bool) -> Result<Store, Error> {
        private::tighten_store(dir).map_err(|source| Error::Folder { path: dir.to_owned(), source })?;
        scratch::remove_abandoned(dir);
        let shared = schema::open(&dir.join("rollcall.db"), schema::SHARED, create)?;
        // What is deleted or overwritten is zeroed: a revoked secret must not stay in the free space of the file.
        shared.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
        let seed: i64 = shared.query_row("SELECT value FROM setting WHERE name = 'seed'", [], |row| row.get(0))?;
        let store = Store {
            dir: dir.to_owned(),
            shared: Arc::new(Mutex::new(shared)),
            seed: seed.cast_unsigned(),
            indexes: Arc::default(),
            unscrubbed: Arc::default(),
            kept: Kept::default(),
            key_file: KeyFile::new(key_file.map_or_else(|| dir.join("server.key"), Path::to_owned)),
        };
        store.seal_plain_secrets()?;
        Ok(store)
    }

    /// Takes the folder for this process to serve from; fails if another has it.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.dir.join("rollcall.lock");
        let folder = |source| Error::Folder { path: path.clone(), source };
        private::make_file_if_absent(&path).map_err(folder)?;
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(folder)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(folder)?;
                let holder = match holder.trim() {
                    "" => "one that is starting or stopping".into(),
                    holder => format!("process {holder}"),
                };
                return Err(Error::InUse { dir: self.dir.clone(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(folder(source)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(folder)?;
        Ok(Lock { path, file })
    }

    /// Moves everything from the log of `rollcall.db` into it, and empties the log.
    pub fn checkpoint(&self) -> Result<(), Error> {
        checkpoint(&self.shared())?;
        Ok(())
    }

    /// The file of the server key.
    pub fn key_file(&self) -> &Path {
        self.key_file.path()
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The roster of the account that has this key, to write. See [`Store::keep_open`].
    pub fn roster(&self, key: &Key) -> Result<Roster, Error> {
        if let Some(roster) = self.kept.take(key) {
            return Ok(roster);
        }
        let file = OpenFile::of(self.existing_roster_path(key)?);
        let connection = schema::open_roster(&self.roster_path(key.account), false, self.seed);
        let mut roster = Roster {
            connection: connection.map_err(|error| error.of(key.account))?,
            file,
            store_seed: self.seed,
            key: key.clone(),
            shared: self.shared.clone(),
            indexes: self.indexes.clone(),
            unscrubbed: self.unscrubbed.clone(),
        };
        // Whoever erased something may have been killed before it was overwritten.
        roster.scrub(Instant::now());
        Ok(roster)
    }

    /// The roster of the account that has this key, to read.
    pub fn reader(&self, key: &Key) -> Result<Reader, Error> {
        let connection = schema::open_reader(&self.existing_roster_path(key)?);
        Ok(Reader { connection: connection.map_err(|error| error.of(key.account))?, account: key.account })
    }

    /// The roster of the account that has this key, to read its history. A file of an earlier version is brought up to date first, because it
    /// lacks some of that.
    pub fn history_reader(&self, key: &Key) -> Result<Reader, Error> {
        let reader = self.reader(key)?;
        if schema::is_current(&reader.connection)? {
            return Ok(reader);
        }
        drop((reader, self.roster(key)?));
        self.reader(key)
    }

    fn existing_roster_path(&self, key: &Key) -> Result<PathBuf, Error> {
        let path = self.roster_path(key.account);
        match path.try_exists() {
            Ok(true) => Ok(path),
            // An account that was removed meanwhile has no file, but then there is no account either.
            Ok(false) if self.key(key.account)?.is_some() => Err(Error::FileMissing { account: key.account, path }),
            Ok(false) => Err(Error::AccountGone(key.account)),
            Err(source) => Err(Error::Folder { path, source }),
        }
    }

    /// The seed of hashes in files of the version that had none of their own.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Connection> {
        self.shared.lock().expect("no holder of the lock panics")
    }

    /// Writes to `rollcall.db`: all of `work`, or nothing. Afterwards the database has it and the log is empty, so that a copy of
    /// the database knows everything and what was overwritten is in neither.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Transaction) -> Result<T, Error>) -> Result<T, Error> {
        let mut shared = self.shared();
        let transaction = shared.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        // It is durable in the log already. If the log cannot be emptied now, the next command or the end of the server does it.
        let _ = checkpoint(&shared);
        Ok(result)
    }

    /// Does the same, but leaves it in the log as long as that is short: for what is written often, and no secret. It keeps others from
    /// `rollcall.db` for a fraction of the time.
    pub(super) fn write_to_log<T>(&self, work: impl FnOnce(&Transaction) -> Result<T, Error>) -> Result<T, Error> {
        let mut shared = self.shared();
        let transaction = shared.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        if self.log_bytes(None) > SHARED_LOG_BYTES_MAX {
            let _ = checkpoint(&shared);
        }
        Ok(result)
    }

    /// Returns when the files of an account were written last, and how long they are: if that is the same twice, nobody has changed the roster
    /// in between. It opens nothing.
    pub fn touched(&self, account: i64) -> Touched {
        let database = self.roster_path(account);
        let log = database.with_extension("db-wal");
        let about = |path: &Path| {
            let about = path.metadata().ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        Touched { database: about(&database), log: about(&log) }
    }

    pub(super) fn roster_path(&self, account: i64) -> PathBuf {
        self.dir.join("accounts").join(format!("{account}.db"))
    }
}

/// When the files of an account were written last, and their lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touched {
    database: Option<(SystemTime, u64)>,
    log: Option<(SystemTime, u64)>,
}

/// Moves the log into the database and empties it; whether that could be done, which a reader that does not end prevents.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
}
