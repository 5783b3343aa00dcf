//! Copies of the store's databases, made and taken back while a server runs.
//!
//! A backup is laid out as a data folder is. A database is copied as it is at one moment, beside whoever writes to it. It is taken
//! back in one transaction of the database that is there: who reads keeps seeing what was there before, who writes comes before or
//! after, and a crash leaves the one or the other.

use super::accounts::erase;
use super::scratch::Scratch;
use super::{Error, Key, Store, Summary, erasures, log, private, reader, restore, schema, scrub};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, ffi};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A copy that was made and found whole.
#[derive(Debug)]
pub struct Copied {
    /// The file that was written.
    pub path: PathBuf,
    /// Its length, in bytes.
    pub bytes: u64,
    /// What is in it.
    pub summary: Summary,
    /// How many employees were erased from it because they had been erased after the backup was made.
    pub erased: u64,
}

impl Store {
    /// Copies the roster of an account to `accounts/ID.db` in `dir`. What is there is replaced only with `replace`.
    pub fn back_up_account(&self, key: &Key, dir: &Path, replace: bool) -> Result<Copied, Error> {
        let path = account_path(dir, key.account);
        let reader = self.reader(key)?;
        let (bytes, summary) = copy_to(&reader.connection, &path, replace, reader::summary)?;
        Ok(Copied { path, bytes, summary, erased: 0 })
    }

    /// Copies the accounts and keys to `rollcall.db` in `dir`. Returns how many bytes there are. What is there is replaced only with
    /// `replace`.
    pub fn back_up_shared(&self, dir: &Path, replace: bool) -> Result<u64, Error> {
        let (bytes, _) = copy_to(&self.shared(), &shared_path(dir), replace, accounts_and_keys)?;
        Ok(bytes)
    }

    /// Takes the roster of an account back from `accounts/ID.db` in `dir`, which is checked before. Employees that are there are
    /// replaced only with `replace`. Waits a moment for a push that is under way.
    pub fn restore_account(&self, account: i64, dir: &Path, replace: bool) -> Result<Copied, Error> {
        let from = open_copy(&account_path(dir, account), schema::ROSTER.len())?;
        let path = self.roster_path(account);
        if !replace && self.has_somebody(account) {
            return Err(Error::Exists(path));
        }
        // It gets its revision in a copy, so that nobody sees it under one that it had before.
        let dir = Scratch::new(self.dir())?;
        let copy_path = dir.path().join("copy.db");
        run(&from, &mut Connection::open(&copy_path)?)?;
        let mut copy = schema::open_roster(&copy_path, false, self.seed()).map_err(|error| error.of(account))?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        let erased = erasures::apply(&mut copy, &copy_path, account, &self.shared())?;
        if erased > 0 || scrub::is_asked(&copy) {
            // Nobody else has the copy, so it is written anew without what was erased.
            copy.execute_batch("VACUUM; DELETE FROM unscrubbed")?;
        }
        copy_into(&copy, &path, |there| restore::give_revision(&copy, there))?;
        let summary = reader::summary(&copy)?;
        let bytes = fs::metadata(&path).map_or(0, |file| file.len());
        erasures::list(&schema::open_roster(&path, false, self.seed())?, &self.shared)?;
        Ok(Copied { path, bytes, summary, erased })
    }

    /// Takes the accounts and keys back from `rollcall.db` in `dir`, which is checked before. Accounts that are there are replaced
    /// only with `replace`. The list of who was erased has afterwards what both have. The store is to be opened again afterwards.
    pub fn restore_shared(&self, dir: &Path, replace: bool) -> Result<(), Error> {
        let from = open_copy(&shared_path(dir), schema::SHARED.len())?;
        let path = shared_path(self.dir());
        if !replace && !self.accounts()?.is_empty() {
            return Err(Error::Exists(path));
        }
        let dir = Scratch::new(self.dir())?;
        let copy_path = dir.path().join("copy.db");
        run(&from, &mut Connection::open(&copy_path)?)?;
        let copy = schema::open(&copy_path, schema::SHARED, false)?;
        copy_into(&copy, &path, |there| erasures::copy_list(there, &copy).map(drop))
    }

    /// Copies the server key to `server.key` in `dir`. What is there is replaced only with `replace`.
    pub fn back_up_server_key(&self, dir: &Path, replace: bool) -> Result<(), Error> {
        copy_key(self.key_file(), &dir.join(SERVER_KEY), replace)
    }

    /// Takes the server key back from `server.key` in `dir`, if there is one. One that is here already is not replaced: it may still
    /// open older copies. Returns false if that is another one.
    pub fn restore_server_key(&self, dir: &Path) -> Result<bool, Error> {
        let (from, here) = (dir.join(SERVER_KEY), self.key_file());
        match (from.exists(), here.exists()) {
            (false, _) => Ok(true),
            (true, false) => copy_key(&from, here, false).map(|()| true),
            (true, true) => Ok(read(&from)? == read(here)?),
        }
    }

    /// The accounts that are not in `rollcall.db` but have a file with somebody in it, in order.
    pub fn files_without_account(&self) -> Result<Vec<i64>, Error> {
        let path = self.dir().join("accounts");
        let files = fs::read_dir(&path).map_err(|source| Error::Folder { path, source })?;
        let ids = files.filter_map(Result::ok).filter_map(|file| account_of(&file.path()));
        let mut ids: Vec<i64> = ids.collect();
        ids.sort_unstable();
        let known: Vec<i64> = self.accounts()?.iter().map(|account| account.id).collect();
        ids.retain(|id| known.binary_search(id).is_err() && self.has_somebody(*id));
        Ok(ids)
    }
}

/// The name of the server key in a backup.
const SERVER_KEY: &str = "server.key";

fn copy_key(from: &Path, path: &Path, replace: bool) -> Result<(), Error> {
    let key = read(from)?;
    let dir = private::folder_of(path);
    let failed = |source| Error::Folder { path: dir.to_owned(), source };
    private::make_folder(dir).map_err(failed)?;
    let mut copy = tempfile::Builder::new().prefix(".rollcall-copy-").tempfile_in(dir).map_err(failed)?;
    private::give(copy.path(), Some(copy.as_file()), dir).map_err(failed)?;
    copy.write_all(&key).and_then(|()| copy.as_file().sync_all()).map_err(failed)?;
    put_in_place(copy, path, replace)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Folder { path: path.to_owned(), source })
}

fn shared_path(dir: &Path) -> PathBuf {
    dir.join("rollcall.db")
}

fn account_path(dir: &Path, account: i64) -> PathBuf {
    dir.join("accounts").join(format!("{account}.db"))
}

fn account_of(path: &Path) -> Option<i64> {
    path.file_name()?.to_str()?.strip_suffix(".db")?.parse().ok()
}

/// Returns how many accounts and keys there are.
fn accounts_and_keys(connection: &Connection) -> Result<(u64, u64), Error> {
    let counts = "SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM key)";
    Ok(connection.query_row(counts, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Copies a database, as it is at one moment, to a file that only its owner can read. The file has its name only when it is whole:
/// sound, with what `count` says of the database, and on the disk. Returns its length in bytes and what was counted.
fn copy_to<T: PartialEq>(
    from: &Connection,
    path: &Path,
    replace: bool,
    count: impl Fn(&Connection) -> Result<T, Error>,
) -> Result<(u64, T), Error> {
    if path.exists() && !replace {
        return Err(Error::Exists(path.to_owned()));
    }
    let moment = from.unchecked_transaction()?;
    let counted = count(&moment)?;
    let (copy, bytes) = copy_beside(&moment, path)?;
    let connection = Connection::open_with_flags(copy.path(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    check(&connection, path)?;
    if count(&connection)? != counted {
        return Err(Error::BadCopy { path: path.to_owned(), what: "it has other counts than the original".into() });
    }
    drop(connection);
    put_in_place(copy, path, replace)?;
    Ok((bytes, counted))
}

/// Copies a database into a file that is going to be at `path`, in the same folder. Returns it with its length in bytes.
fn copy_beside(from: &Connection, path: &Path) -> Result<(tempfile::NamedTempFile, u64), Error> {
    let dir = private::folder_of(path);
    let failed = |source| Error::Folder { path: dir.to_owned(), source };
    private::make_folder(dir).map_err(failed)?;
    let copy = tempfile::Builder::new().prefix(".rollcall-copy-").tempfile_in(dir).map_err(failed)?;
    private::give(copy.path(), Some(copy.as_file()), dir).map_err(failed)?;
    let mut connection = Connection::open(copy.path())?;
    // Nobody knows the file yet: if this is interrupted, there is no copy.
    connection.pragma_update(None, "synchronous", "OFF")?;
    run(from, &mut connection)?;
    // Without a log, the copy can be read from a medium that cannot be written.
    connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    drop(connection);
    copy.as_file().sync_all().map_err(failed)?;
    let bytes = copy.as_file().metadata().map_err(failed)?.len();
    Ok((copy, bytes))
}

/// Replaces what is in a database by a copy, in one transaction; makes the database if there is none. `prepare` may change the copy
/// when nobody can write to the database any more, which it is given to read.
fn copy_into(
    from: &Connection,
    path: &Path,
    prepare: impl FnOnce(&Connection) -> Result<(), Error>,
) -> Result<(), Error> {
    let open = || -> Result<Connection, Error> {
        let to = schema::connect(path, true, schema::WRITER_CACHE_KIB)?;
        Ok(to)
    };
    let mut to = match open() {
        // Nobody can have a file open that is no database. It goes with its log, which would be taken for that of the new one.
        Err(Error::Damaged { .. }) => {
            erase(path)?;
            open()?
        }
        opened => opened?,
    };
    let there = open()?;
    {
        let backup = Backup::new(from, &mut to)?;
        // No page is copied yet, but the lock of those who write is taken.
        done(backup.step(0)?)?;
        prepare(&there)?;
        done(backup.step(-1)?)?;
    }
    drop(there);
    log::fold(&to)
}

/// Copies all of a database over another.
fn run(from: &Connection, to: &mut Connection) -> Result<(), Error> {
    done(Backup::new(from, to)?.step(-1)?)
}

/// Whether a step was taken. Only one of all pages that could not be is not.
fn done(step: StepResult) -> Result<(), Error> {
    match step {
        StepResult::Done | StepResult::More => Ok(()),
        _ => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None).into()),
    }
}

/// Gives a file, which is whole, its name.
fn put_in_place(copy: tempfile::NamedTempFile, path: &Path, replace: bool) -> Result<(), Error> {
    let placed = if replace { copy.persist(path) } else { copy.persist_noclobber(path) };
    let failed = |source| Error::Folder { path: path.to_owned(), source };
    placed.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
        _ => failed(error.error),
    })?;
    // A name is on the disk when its folder is.
    #[cfg(unix)]
    File::open(private::folder_of(path)).and_then(|dir| dir.sync_all()).map_err(failed)?;
    Ok(())
}

/// Opens a database of a backup, of which this program knows the first `known` versions, and checks that it is sound.
fn open_copy(path: &Path, known: usize) -> Result<Connection, Error> {
    let opened = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let connection = opened.map_err(|source| Error::Open { path: path.to_owned(), source: source.into() })?;
    check(&connection, path)?;
    let (found, known) = (schema::version(&connection)?, schema::number(known));
    match found {
        0 => Err(Error::BadCopy { path: path.to_owned(), what: "it is empty".into() }),
        later if later > known => Err(Error::Later { path: path.to_owned(), found, known }),
        _ => Ok(connection),
    }
}

fn check(connection: &Connection, path: &Path) -> Result<(), Error> {
    let first = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
    let what = match first {
        Ok(sound) if sound == "ok" => return Ok(()),
        Ok(problem) => problem,
        Err(error) => match Error::from(error) {
            Error::Damaged { what, .. } => what,
            error => return Err(error),
        },
    };
    Err(Error::BadCopy { path: path.to_owned(), what })
}
