//! The write-ahead log of an account's database: how it gets into the database and becomes short again.
//!
//! Nobody waits for that. A push moves what it can after its answer; what readers still hold back, the last of them moves.

use super::schema::BUSY_TIMEOUT;
use super::{Error, Store, schema};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the log may become before a small change, or somebody who reads, moves it into the database, in bytes.
pub(super) const LOG_BYTES_LARGE: u64 = 4 << 20;

/// Returns the length of the log of a database, in bytes; 0 if there is none.
pub(super) fn bytes(connection: &Connection) -> u64 {
    connection.path().and_then(|path| fs::metadata(format!("{path}-wal")).ok()).map_or(0, |log| log.len())
}

/// Moves what was committed from the log into the database as far as readers allow, and empties the log if nobody reads from it.
/// Waits for nobody, and nobody waits for it.
pub(super) fn fold(connection: &Connection) -> Result<(), Error> {
    let checkpoint = |mode: &str| {
        let numbers = |row: &rusqlite::Row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], numbers)
    };
    let (pages, moved) = checkpoint("PASSIVE")?;
    if pages <= 0 || moved < pages {
        return Ok(());
    }
    // To empty it takes the lock of those who write, for a moment. If anybody has that, or reads, it is left to them.
    connection.busy_timeout(Duration::ZERO)?;
    let emptied = checkpoint("TRUNCATE");
    connection.busy_timeout(BUSY_TIMEOUT)?;
    emptied?;
    Ok(())
}

/// Does so if the log is large.
pub(super) fn fold_if_large(connection: &Connection) -> Result<(), Error> {
    if bytes(connection) > LOG_BYTES_LARGE { fold(connection) } else { Ok(()) }
}

impl Store {
    /// Empties the logs of all accounts, so that their files are complete without. Until `deadline` waits for whoever reads or
    /// writes; returns the logs that are not empty by then.
    pub fn fold_logs(&self, deadline: Instant) -> Vec<PathBuf> {
        self.close_kept();
        let Ok(files) = fs::read_dir(self.dir().join("accounts")) else {
            return Vec::new();
        };
        let logs = files.filter_map(Result::ok).map(|file| file.path()).filter(|path| is_log(path));
        logs.filter(|log| !empty(log, deadline)).collect()
    }
}

fn is_log(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(".db-wal"))
}

/// Empties a log; whether it is empty then.
fn empty(log: &Path, deadline: Instant) -> bool {
    let is_empty = || fs::metadata(log).map_or(true, |log| log.len() == 0);
    let database = log.to_string_lossy();
    let database = database.strip_suffix("-wal").unwrap_or(&database);
    while !is_empty() {
        // Whoever closes a database last takes its log away; if that is not us, it is the one who still has it open.
        if let Ok(connection) = schema::open_reader(Path::new(database)) {
            let _ = fold(&connection);
        }
        if Instant::now() > deadline {
            return is_empty();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}
