//! A file that somebody put into the folder, and the account around it.

use super::keys::Credential;
use super::roster::OpenFile;
use super::{Error, Store, erasures, private, reader, schema, scrub};
use crate::role::Roles;
use std::fs;
use std::path::Path;
use std::time::Instant;

impl Store {
    /// Adds an account, with its SharedKey secret, whose file is in the folder already. Returns how many employees are in it. A
    /// server that runs knows the account at once. Whoever the list of who was erased names, and the file does not know of, is erased from it.
    pub fn adopt_account(&self, id: i64, name: &str, secret: &str) -> Result<u64, Error> {
        if self.key(id)?.is_some() {
            return Err(Error::AccountExists(id));
        }
        let path = self.roster_path(id);
        if !path.exists() {
            return Err(Error::FileMissing { account: id, path });
        }
        private::give(&path, None, private::folder_of(&path))
            .and_then(|()| private::tighten(&path))
            .map_err(|source| Error::Folder { path: path.clone(), source })?;
        let mut connection = schema::open_roster(&path, false, self.seed()).map_err(|error| error.of(id))?;
        let intact: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if intact != "ok" {
            return Err(Error::damaged(intact).of(id));
        }
        erasures::apply(&mut connection, &path, id, &self.shared()).map_err(|error| error.of(id))?;
        erasures::list(&connection, &self.shared)?;
        // If somebody else reads the file, it is done when the account is opened for the first time.
        scrub::scrub(&mut connection, &OpenFile::of(path.clone()), Instant::now())?;
        let summary = reader::summary(&connection).map_err(|error| error.of(id))?;
        self.write(|transaction| {
            self.insert_account(transaction, id, name, None)?;
            self.insert_key(transaction, id, &Credential::Secret(secret), Roles::USUAL, None)
        })?;
        Ok(summary.active + summary.hidden)
    }

    /// Fails if the file of an account that does not exist is there and is not empty.
    pub(super) fn refuse_if_somebody_is_in_the_file(&self, account: i64) -> Result<(), Error> {
        if self.has_somebody(account) {
            Err(Error::FileExists { account, path: self.roster_path(account) })
        } else {
            Ok(())
        }
    }

    /// Whether anything was ever pushed to the file of an account, whether the account exists or not.
    pub(super) fn has_somebody(&self, account: i64) -> bool {
        let path = self.roster_path(account);
        fs::metadata(&path).is_ok_and(|file| file.len() > 0) && !has_nobody(&path)
    }
}

/// Whether nothing was ever pushed to a file; a damaged one may have anything in it.
fn has_nobody(path: &Path) -> bool {
    let nobody = |connection: rusqlite::Connection| {
        connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sync) AND NOT EXISTS (SELECT 1 FROM queue)", [], |row| {
            row.get::<_, bool>(0)
        })
    };
    schema::open_reader(path).is_ok_and(|connection| nobody(connection) == Ok(true))
}
