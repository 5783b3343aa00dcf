//! What the operator wants to know of a store that is in use.

use super::{Error, RESTORE, Store};
use rusqlite::OptionalExtension as _;
use std::fs;
use std::io::{self, Write as _};

/// How much is written to see whether the store can be, in bytes: some pages of a database.
const TRIAL_BYTES: usize = 64 << 10;

impl Store {
    /// Returns when the last push of an account was applied, RFC 3339 in UTC; `None` if none was, or the account is gone.
    pub fn last_sync(&self, account: i64) -> Result<Option<String>, Error> {
        let Some(key) = self.key(account)? else {
            return Ok(None);
        };
        let reader = self.reader(&key)?;
        // Other syncs are recorded among the pushes, by versions that record whose words a push is in, and how it came to be.
        let has_column = |name: &str| {
            let columns = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('sync') WHERE name = ?)";
            reader.connection.query_row(columns, [name], |row| row.get::<_, bool>(0))
        };
        let pushes = match (has_column("dialect")?, has_column("kind")?) {
            (_, true) => {
                format!("WHERE dialect IS NOT '{RESTORE}' AND coalesce(kind, '') NOT IN ('rename', 'undo', 'erase')")
            }
            (true, false) => format!("WHERE dialect IS NOT '{RESTORE}'"),
            (false, false) => String::new(),
        };
        let last = format!("SELECT finished_at FROM sync {pushes} ORDER BY revision DESC LIMIT 1");
        Ok(reader.connection.query_row(&last, [], |row| row.get(0)).optional()?)
    }

    /// The memory of the indexes that wait for their account's next push, in bytes.
    pub fn index_bytes(&self) -> usize {
        self.indexes.bytes()
    }

    /// The length of the write-ahead log of an account, in bytes, or of `rollcall.db`, for `None`.
    pub fn log_bytes(&self, account: Option<i64>) -> u64 {
        let mut path = match account {
            Some(account) => self.roster_path(account),
            None => self.dir().join("rollcall.db"),
        }
        .into_os_string();
        path.push("-wal");
        // No log is an empty log.
        fs::metadata(path).map_or(0, |log| log.len())
    }

    /// Writes a little beside the accounts' files, makes it durable and removes it. Fails if a push could not be written either:
    /// the disk is full, read-only or gone.
    pub fn try_writing(&self) -> io::Result<()> {
        let mut file = tempfile::tempfile_in(self.dir().join("accounts"))?;
        file.write_all(&[0; TRIAL_BYTES])?;
        file.sync_all()
    }
}
