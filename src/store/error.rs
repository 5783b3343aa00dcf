//! What can go wrong with a store.

use super::{FeedError, MomentError};
use crate::role::Roles;
use std::io;
use std::path::{Path, PathBuf};

/// What to do if the server key is lost.
const LOST_KEY: &str = "If there is no copy, these secrets are lost; revoke them all (`rollcall key list`, `rollcall key \
                        revoke`), and new ones (`rollcall key add`) are sealed with a new server key";

/// What a backend says.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

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
    /// The file of the server key cannot be used.
    #[error(
        "{path}: {source}; the file of the server key must be readable by rollcall, and where it is made or replaced \
         its folder must be writable"
    )]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of the server key has something else in it.
    #[error("{path} is no file of a server key, which has 64 hexadecimal digits; put its copy back. {LOST_KEY}")]
    DamagedKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// There is no file of the server key.
    #[error(
        "there is no server key at {path}, and the SharedKey secrets in rollcall.db are sealed with it; put its copy back, or \
         say where it is with --key-file (ROLLCALL_KEY_FILE). {LOST_KEY}"
    )]
    NoServerKey {
        /// The file.
        path: PathBuf,
    },
    /// The server key is not the one of the database.
    #[error(
        "the server key in {path} is another than the one that the SharedKey secrets in rollcall.db are sealed with; put back \
         the one that belongs to this database, or say where it is with --key-file (ROLLCALL_KEY_FILE). {LOST_KEY}"
    )]
    WrongServerKey {
        /// The file.
        path: PathBuf,
    },
    /// A sealed secret was damaged, or moved from another key.
    #[error(
        "the secret of key {id} of account {account} is damaged in rollcall.db; revoke it with \
         `rollcall key revoke {account} {id}` and add another"
    )]
    DamagedSecret {
        /// The account.
        account: i64,
        /// The key's number.
        id: i64,
    },
    /// The system has no random numbers.
    #[error("cannot get random numbers from the system: {0}")]
    Random(String),
    /// A database cannot be opened.
    #[error("{path}: {source}; is it a database of rollcall's, and readable and writable by it?")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Cause,
    },
    /// Another server uses the folder.
    #[error(
        "the data folder {dir} is in use by another rollcall server ({holder}); stop that one, \
         or give this one a folder of its own with --data"
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The other server: its process id, if that is known.
        holder: String,
    },
    /// There is no such account.
    #[error("there is no account {0}; `rollcall account list` shows all")]
    NoAccount(i64),
    /// There is no such user.
    #[error("there is no user {0:?}; `rollcall user list` shows all")]
    NoUser(String),
    /// Another user has the name.
    #[error("there is a user {0:?} already; `rollcall user invite` prints another link for that one")]
    UserExists(String),
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
    /// The account has as many SharedKey secrets with these roles as it may.
    #[error(
        "account {account} has two SharedKey secrets already that may {roles}; `rollcall key list {account}` shows them: revoke \
         one first"
    )]
    TwoSecrets {
        /// The account.
        account: i64,
        /// The roles.
        roles: Roles,
    },
    /// The account has no such webhook.
    #[error("account {account} has no webhook {id}; `rollcall webhook list {account}` shows all")]
    NoWebhook {
        /// The account.
        account: i64,
        /// The webhook's number.
        id: i64,
    },
    /// The account has as many webhooks as it may.
    #[error(
        "account {account} has {max} webhooks already, which is the most; remove one first (`rollcall webhook remove`)"
    )]
    WebhooksFull {
        /// The account.
        account: i64,
        /// The limit.
        max: usize,
    },
    /// The receiver of a webhook has said that it is gone.
    #[error(
        "webhook {id} of account {account} is disabled, because its receiver answered 410 (gone); remove it, and add another \
         with `rollcall webhook add {account} URL`"
    )]
    WebhookDisabled {
        /// The account.
        account: i64,
        /// The webhook's number.
        id: i64,
    },
    /// The secret of a webhook was damaged, or moved from another.
    #[error(
        "the secret of webhook {id} of account {account} is damaged in rollcall.db; remove the webhook with \
         `rollcall webhook remove {account} {id}` and add another"
    )]
    DamagedWebhook {
        /// The account.
        account: i64,
        /// The webhook's number.
        id: i64,
    },
    /// As many deliveries wait as may.
    #[error(
        "{max} deliveries to webhook {id} of account {account} wait already, which is the most; see `rollcall webhook deliveries {account}`"
    )]
    DeliveriesFull {
        /// The account.
        account: i64,
        /// The webhook's number.
        id: i64,
        /// The limit.
        max: u64,
    },
    /// The account has no such delivery.
    #[error(
        "account {account} has no delivery {number}, or it is not kept any more; `rollcall webhook deliveries {account}` shows all"
    )]
    NoDelivery {
        /// The account.
        account: i64,
        /// The delivery's number.
        number: i64,
    },
    /// A setting of an account is not as it was written.
    #[error(
        "the setting {name} of account {account} for {dialect} cannot be read from rollcall.db; \
         set it anew with `rollcall account {name}`"
    )]
    Setting {
        /// The account.
        account: i64,
        /// The dialect that it is set for.
        dialect: &'static str,
        /// The setting.
        name: String,
    },
    /// A setting of an account is not as it was written.
    #[error(
        "the setting {name} of account {account} cannot be read from rollcall.db; set it anew with \
         `rollcall account set {account} --{name}`"
    )]
    AccountSetting {
        /// The account.
        account: i64,
        /// The setting.
        name: String,
    },
    /// There already is such an account.
    #[error(
        "account {0} exists already; choose another id; `rollcall account remove {0}` would remove it with all its employees"
    )]
    AccountExists(i64),
    /// The file of a new account exists, and somebody is in it.
    #[error(
        "there is no account {account}, but {path} has employees; `rollcall account adopt {account}` makes the account around \
         the file; `rollcall account remove {account}` erases the file"
    )]
    FileExists {
        /// The account.
        account: i64,
        /// Its file.
        path: PathBuf,
    },
    /// An account has no file.
    #[error(
        "{path}, the file of account {account}, is missing; put it back, or take it from a backup with \
         `rollcall restore DIR {account}`"
    )]
    FileMissing {
        /// The account.
        account: i64,
        /// Where its file should be.
        path: PathBuf,
    },
    /// There is something already where a copy would go.
    #[error("{0} exists already; add --replace to have it replaced, or choose another folder")]
    Exists(PathBuf),
    /// A copy is not what was copied.
    #[error("{path} is not a whole copy: {what}; nothing was replaced")]
    BadCopy {
        /// The copy.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// An account's file was replaced by another between its opening and the writing.
    #[error("the file of account {0} was replaced meanwhile, and nothing was written")]
    Replaced(i64),
    /// Too much was written while others read.
    #[error(
        "the write-ahead log of account {account} is longer than {log_bytes_max} bytes (limit log_bytes_max), and exports under way \
         keep it from being folded in"
    )]
    LongLog {
        /// The account.
        account: i64,
        /// The limit.
        log_bytes_max: u64,
    },
    /// The process has as many files open as it may.
    #[error("{path}: the process has as many files open as it may ({source}); raise the limit (ulimit -n)")]
    FilesOpen {
        /// What could not be opened.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A database, or what is in it, is not as it was written.
    #[error(
        "{}: {what}; `rollcall account check {}` says more, and with --repair makes anew what can be; \
         what cannot comes from a backup, with `rollcall restore`",
        account.map_or("a database of the store is damaged".into(), |id| format!("the file of account {id} is damaged")),
        account.map_or("ID".into(), |id| id.to_string())
    )]
    Damaged {
        /// Whose it is, where that is known.
        account: Option<i64>,
        /// What is wrong.
        what: String,
    },
    /// The plans that wait leave no room for another.
    #[error(
        "the account's plans leave no room for another (limit {limit}, which is {max}); apply or discard some, see `rollcall plan list`"
    )]
    PlansFull {
        /// The limit's name in the configuration.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The roster changed while the push was under way.
    #[error(
        "the roster of the account was changed meanwhile, from revision {expected} to {found}; nothing was written"
    )]
    Changed {
        /// The revision that the push began with.
        expected: u64,
        /// The revision that was found.
        found: u64,
    },
    /// There is no roster of the moment that was asked for.
    #[error(transparent)]
    Moment(#[from] MomentError),
    /// A follower's cursor is of a place from which the feed cannot go on.
    #[error(transparent)]
    Feed(#[from] FeedError),
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
    Write(Cause),
    /// The store is read-only.
    #[error("the store is read-only, nothing was changed: {0}; check the owner and mode of the data folder")]
    ReadOnly(Cause),
    /// Another process holds the account's database.
    #[error("another process holds the account's database: {0}")]
    Busy(Cause),
    /// Anything else that the backend says.
    #[error("the store failed: {0}")]
    Backend(Cause),
}

impl Error {
    pub(super) fn random(error: getrandom::Error) -> Error {
        Error::Random(error.to_string())
    }

    /// Something is not as it was written.
    pub(super) fn damaged(what: impl ToString) -> Error {
        Error::Damaged { account: None, what: what.to_string() }
    }

    /// The row of an employee that is in the index is missing.
    pub fn missing(number: u32) -> Error {
        Error::damaged(format!("the row of employee number {number} is missing"))
    }

    /// A database that should exist has nothing in it.
    pub(super) fn empty(path: &Path) -> Error {
        Error::damaged(format!("{} is empty", path.display()))
    }

    /// The same, said of an account's file.
    #[must_use]
    pub fn of(self, account: i64) -> Error {
        match self {
            Error::Damaged { what, .. } => Error::Damaged { account: Some(account), what },
            other => other,
        }
    }
}
