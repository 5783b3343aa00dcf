//! The folder of a store.

use super::index::Cache;
use super::{Error, Key, Roster, schema};
use rusqlite::Connection;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// A store, opened. Any number of processes may have it open; only one may serve from it, see [`Store::lock`].
pub struct Store {
    dir: PathBuf,
    shared: Arc<Mutex<Connection>>,
    seed: u64,
    pub(super) indexes: Arc<Cache>,
}

/// Says that this process serves from the folder, as long as it lives.
pub struct Lock(#[expect(dead_code, reason = "the file is locked until it is closed")] File);

impl Store {
    /// Opens the store in `dir`, and makes it where there is none.
    pub fn open(dir: &Path) -> Result<Store, Error> {
        let accounts = dir.join("accounts");
        let made = fs::create_dir_all(&accounts).and_then(|()| restrict(&accounts));
        made.map_err(|source| Error::Folder { path: accounts, source })?;
        Store::connect(dir, true)
    }

    /// Opens the store in `dir`, where there is one.
    pub fn open_existing(dir: &Path) -> Result<Store, Error> {
        Store::connect(dir, false)
    }

    fn connect(dir: &Path, create: bool) -> Result<Store, Error> {
        let path = dir.join("rollcall.db");
        let shared = schema::open(&path, schema::SHARED, create)?;
        restrict(&path).map_err(|source| Error::Folder { path, source })?;
        let seed: i64 = shared.query_row("SELECT value FROM setting WHERE name = 'seed'", [], |row| row.get(0))?;
        Ok(Store {
            dir: dir.to_owned(),
            shared: Arc::new(Mutex::new(shared)),
            seed: seed.cast_unsigned(),
            indexes: Arc::default(),
        })
    }

    /// Takes the folder for this process to serve from; fails where another has it.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.dir.join("rollcall.lock");
        let folder = |source| Error::Folder { path: path.clone(), source };
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(folder)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(folder)?;
                return Err(Error::InUse { dir: self.dir.clone(), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(folder(source)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(folder)?;
        Ok(Lock(file))
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The roster of the account that has this key.
    pub fn roster(&self, key: &Key) -> Result<Roster, Error> {
        let path = self.roster_path(key.account);
        if !path.exists() {
            return Err(Error::AccountGone(key.account));
        }
        let connection = schema::open(&path, schema::ROSTER, false)?;
        Ok(Roster {
            connection,
            seed: self.seed,
            key: key.clone(),
            shared: self.shared.clone(),
            indexes: self.indexes.clone(),
        })
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Connection> {
        self.shared.lock().expect("no holder of the lock panics")
    }

    pub(super) fn roster_path(&self, account: i64) -> PathBuf {
        self.dir.join("accounts").join(format!("{account}.db"))
    }
}

/// Keeps secrets and people from other users of the machine.
fn restrict(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & !0o077))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
