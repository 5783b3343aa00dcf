//! What can go wrong with a store.

use rusqlite::ErrorCode;
use std::io;
use std::path::PathBuf;

/// Why the store did not do what it was asked to. The messages are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder or file cannot be used.
    #[error("{path}: {source}; the data folder must exist or be creatable, and be writable by rollcall")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A database cannot be opened.
    #[error("{path}: {source}; is it a database of rollcall's, and readable and writable by it?")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// Another server uses the folder.
    #[error(
        "the data folder {dir} is in use by another rollcall server (process {holder}); stop that one, \
         or give this one a folder of its own with --data"
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The other's process id.
        holder: String,
    },
    /// There is no such account.
    #[error("there is no account {0}; `rollcall account list` shows all")]
    NoAccount(i64),
    /// The account was removed while it was being used.
    #[error("account {0} was removed meanwhile")]
    AccountGone(i64),
    /// The account has no such key.
    #[error("account {account} has no key {id}; `rollcall key list {account}` shows all")]
    NoKey {
        /// The account.
        account: i64,
        /// The key's number.
        id: i64,
    },
    /// The account has as many SharedKey secrets as it may.
    #[error("account {0} has two SharedKey secrets already; `rollcall key list {0}` shows them: revoke one first")]
    TwoSecrets(i64),
    /// There already is such an account.
    #[error(
        "account {0} exists already; choose another id; `rollcall account remove {0}` would remove it with all its employees"
    )]
    AccountExists(i64),
    /// A database was made by a later version of the program.
    #[error(
        "{path} was written by a later version of rollcall (schema {found}, this one knows {known}); use that version"
    )]
    Later {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// This program's version.
        known: u32,
    },
    /// The disk is full, or a write failed.
    #[error("the store could not be written, nothing was changed: {0}; is the disk full?")]
    Write(rusqlite::Error),
    /// The store is read-only.
    #[error("the store is read-only, nothing was changed: {0}; check the owner and mode of the data folder")]
    ReadOnly(rusqlite::Error),
    /// Another process holds the account's database.
    #[error("another process holds the account's database: {0}")]
    Busy(rusqlite::Error),
    /// Anything else that SQLite says.
    #[error("the store failed: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => Error::Write(error),
            Some(ErrorCode::ReadOnly) => Error::ReadOnly(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy(error),
            _ => Error::Sqlite(error),
        }
    }
}
