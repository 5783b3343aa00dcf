//! A folder inside the store's for a copy that is made on the way. It goes when it is dropped; if the process was killed before, when the store is
//! opened next, since it holds data of people.

use super::Error;
use std::fs::{self, File};
use std::path::Path;
use tempfile::TempDir;

/// What the names of such folders begin with.
const PREFIX: &str = ".rollcall-copy-";

/// A file in it that is locked as long as it is used.
const LOCK: &str = "lock";

/// The folder, as long as it is used.
pub(super) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one in the store's folder.
    pub fn new(store: &Path) -> Result<Scratch, Error> {
        let make = || {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(store)?;
            let lock = File::create_new(folder.path().join(LOCK))?;
            lock.lock()?;
            Ok(Scratch { folder, _lock: lock })
        };
        make().map_err(|source| Error::Folder { path: store.to_owned(), source })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes those whose processes were killed. One that has no lock yet has nothing else in it either.
pub(super) fn remove_abandoned(store: &Path) {
    for entry in fs::read_dir(store).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let is_abandoned = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_abandoned && let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(
                "{}: left by a process that was killed, and cannot be removed: {error}",
                entry.path().display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_used_stays_and_one_that_was_abandoned_goes() {
        let store = tempfile::tempdir().unwrap();
        let used = Scratch::new(store.path()).unwrap();
        let abandoned = store.path().join(".rollcall-copy-killed");
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join("copy.db"), "Lovelace").unwrap();
        remove_abandoned(store.path());
        assert!(abandoned.exists(), "it may be just being made");
        fs::write(abandoned.join(LOCK), "").unwrap();
        remove_abandoned(store.path());
        assert!(!abandoned.exists() && used.path().exists());
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }
}
