//! The folder of a store.

use super::{Error, Roster, schema};
use rusqlite::Connection;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// A store, opened. Any number of processes may have it open; only one may serve from it, see [`Store::lock`].
pub struct Store {
    dir: PathBuf,
    shared: Mutex<Connection>,
    seed: u64,
}

/// Says that this process serves from the folder, as long as it lives.
pub struct Lock(#[expect(dead_code, reason = "the file is locked until it is closed")] File);

impl Store {
    /// Opens the store in `dir`, and makes it where there is none.
    pub fn open(dir: &Path) -> Result<Store, Error> {
        let folder = |path: &Path| {
            let path = path.to_owned();
            |source| Error::Folder { path, source }
        };
        let accounts = dir.join("accounts");
        fs::create_dir_all(&accounts).map_err(folder(&accounts))?;
        restrict(dir).map_err(folder(dir))?;
        let path = dir.join("rollcall.db");
        let shared = schema::open(&path, schema::SHARED, true)?;
        let seed: i64 = shared.query_row("SELECT value FROM setting WHERE name = 'seed'", [], |row| row.get(0))?;
        Ok(Store { dir: dir.to_owned(), shared: Mutex::new(shared), seed: seed.cast_unsigned() })
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

    /// The roster of an account.
    pub fn roster(&self, account: i64) -> Result<Roster, Error> {
        let path = self.roster_path(account);
        if !path.exists() {
            return Err(Error::NoAccount(account));
        }
        Ok(Roster::new(schema::open(&path, schema::ROSTER, false)?, self.seed))
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Connection> {
        self.shared.lock().expect("no holder of the lock panics")
    }

    pub(super) fn roster_path(&self, account: i64) -> PathBuf {
        self.dir.join("accounts").join(format!("{account}.db"))
    }
}

/// Keeps the folder, with its secrets and its people, from other users of the machine.
fn restrict(dir: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(dir)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode & !0o077))?;
        }
    }
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}
