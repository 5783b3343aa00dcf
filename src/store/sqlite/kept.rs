//! Rosters that stay open between the pushes of a busy account: to open one costs more than a small push.

use super::{Key, Roster, Store};
use rusqlite::{Connection, ffi};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How many bytes of pages a roster that is kept open may hold in memory; one that holds more gives all of them back.
const PAGES_BYTES_MAX: i32 = 1 << 18;

/// How long a roster is kept open after its last use. When it closes, its write-ahead log becomes part of the database.
const KEPT: Duration = Duration::from_secs(5);

/// How long an index stays in memory after its last use: reading it again takes a large push twice the time.
const INDEX_KEPT: Duration = Duration::from_secs(30);

/// The rosters that nobody uses at the moment, each with the time of its last use. One an account is enough: one push at a time writes.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<i64, (Instant, Roster)>>);

impl Kept {
    /// Returns the open roster of the key, if there is one. Its file may have been replaced since, which [`Roster::begin`] looks for.
    pub fn take(&self, key: &Key) -> Option<Roster> {
        let (_, roster) = self.rosters().remove(&key.account)?;
        (roster.key == *key).then_some(roster)
    }

    fn rosters(&self) -> MutexGuard<'_, HashMap<i64, (Instant, Roster)>> {
        self.0.lock().expect("no holder of the lock panics")
    }
}

impl Store {
    /// Keeps a roster open for its account's next push, which may come soon; not if `rosters_max` are open already.
    pub fn keep_open(&self, roster: Roster, rosters_max: usize) {
        // The pages that a large push has read or written are more than many small ones need.
        if pages_bytes(&roster.connection) > PAGES_BYTES_MAX && roster.connection.release_memory().is_err() {
            return;
        }
        let mut kept = self.kept.rosters();
        if kept.len() < rosters_max {
            let replaced = kept.insert(roster.key.account, (Instant::now(), roster));
            drop(kept);
            // To close it may take a moment, in which nobody else needs to wait.
            drop(replaced);
        }
    }

    /// Closes the rosters, and lets go of the indexes, that were not used for a while. Returns whether there were any.
    pub fn close_unused(&self) -> bool {
        let unused = |_: &i64, (used, _): &mut (Instant, Roster)| used.elapsed() > KEPT;
        let closed: Vec<_> = self.kept.rosters().extract_if(unused).collect();
        let forgotten = self.indexes.forget_unused(INDEX_KEPT);
        !closed.is_empty() || forgotten
    }

    /// Closes all rosters that are open and not in use.
    pub(super) fn close_kept(&self) {
        let closed = std::mem::take(&mut *self.kept.rosters());
        drop(closed);
    }
}

/// Returns how much memory the pages of a connection take, in bytes.
fn pages_bytes(connection: &Connection) -> i32 {
    let (mut bytes, mut most) = (0, 0);
    // SAFETY: the connection is open, and the two numbers are written to.
    unsafe {
        ffi::sqlite3_db_status(connection.handle(), ffi::SQLITE_DBSTATUS_CACHE_USED, &raw mut bytes, &raw mut most, 0);
    }
    bytes
}
