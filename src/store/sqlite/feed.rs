//! The feed of an account, as it is read from its syncs, in their order.

use super::{
    Error, FeedChange, FeedCursor, FeedError, FeedPage, FeedStart, FeedSync, Past, Reader, RecordedChange, Snapshot,
    SyncKind, at, changes, schema, syncs,
};
use rusqlite::{Connection, OptionalExtension as _};
use std::sync::Arc;

/// How many changes are read at a time.
const PART: usize = 64;

/// How many syncs a page may pass over that have changed nobody.
const PASSED_OVER_MAX: usize = 10_000;

impl Reader {
    /// Returns the changes that come after a place, `limit` of them at most, and no more once their data reaches `bytes_max`. A page ends early
    /// if very many syncs have changed nobody.
    pub fn feed(&self, from: FeedStart, limit: usize, bytes_max: usize) -> Result<FeedPage, Error> {
        let read = || {
            let moment = self.connection.unchecked_transaction()?;
            let cursor = start(&moment, from)?;
            page(&moment, cursor, limit, bytes_max)
        };
        read().map_err(|error: Error| error.of(self.account))
    }
}

impl Snapshot<'_> {
    /// Returns the place in the feed behind all changes up to a revision; `None` if the file is of an earlier version, which has no feed.
    pub fn cursor(&self, revision: u64) -> Result<Option<FeedCursor>, Error> {
        if !schema::is_current(&self.inner)? {
            return Ok(None);
        }
        let stamp = stamp(&self.inner, revision)?.unwrap_or(0);
        let erasure = last_break(&self.inner)?.after(revision);
        Ok(Some(FeedCursor { revision, stamp, number: None, erasure }))
    }
}

/// Returns the cursor that stands for a place, if the roster can go on from there.
fn start(connection: &Connection, from: FeedStart) -> Result<FeedCursor, Error> {
    let (first, _) = at::history_start(connection)?;
    let last_break = last_break(connection)?;
    let complete = |revision| -> Result<FeedCursor, Error> {
        let (stamp, erasure) = (stamp(connection, revision)?.unwrap_or(0), last_break.after(revision));
        Ok(FeedCursor { revision, stamp, number: None, erasure })
    };
    match from {
        FeedStart::Beginning => complete(first),
        FeedStart::End => {
            let last = "SELECT coalesce(max(revision), 0) FROM sync";
            complete(connection.query_row(last, [], |row| row.get(0))?)
        }
        FeedStart::After(cursor) => {
            let FeedCursor { revision, stamp: of_cursor, number, erasure } = cursor;
            // What the first revision changed is not kept, only what it led to.
            if revision < first || (revision == first && first > 0 && number.is_some()) {
                return Err(FeedError::NotKept { first }.into());
            }
            if stamp(connection, revision)? != Some(of_cursor) {
                return Err(FeedError::OtherRoster.into());
            }
            if last_break.after(revision) > erasure {
                return Err(FeedError::Erased { revision: last_break.0 }.into());
            }
            Ok(cursor)
        }
    }
}

/// The revision of the last erasure that cursors from before it do not get over; 0 if there is none.
#[derive(Clone, Copy)]
struct LastBreak(u64);

impl LastBreak {
    /// Returns it if it came after a revision; else 0.
    fn after(self, revision: u64) -> u64 {
        if self.0 > revision { self.0 } else { 0 }
    }
}

fn last_break(connection: &Connection) -> Result<LastBreak, Error> {
    let mut select = connection.prepare_cached("SELECT revision FROM feed_break")?;
    Ok(LastBreak(select.query_row([], |row| row.get(0)).optional()?.unwrap_or(0)))
}

/// Returns the beginning of the stamp of the sync that made a revision, 0 if it has none; `None` if there is no such sync. Every roster begins
/// with revision 0.
fn stamp(connection: &Connection, revision: u64) -> Result<Option<u64>, Error> {
    if revision == 0 {
        return Ok(Some(0));
    }
    let mut select = connection.prepare_cached("SELECT stamp FROM sync WHERE revision = ?")?;
    let stamp: Option<Option<[u8; 16]>> = select.query_row([revision], |row| row.get(0)).optional()?;
    let beginning = |stamp: [u8; 16]| u64::from_be_bytes(stamp.first_chunk().copied().expect("a stamp has 16 bytes"));
    Ok(stamp.map(|stamp| stamp.map_or(0, beginning)))
}

fn page(connection: &Connection, from: FeedCursor, limit: usize, bytes_max: usize) -> Result<FeedPage, Error> {
    let mut select = syncs::select_from(connection)?;
    let mut rows = select.query([from.revision])?;
    let last_break = last_break(connection)?;
    let mut page = FeedPage { changes: Vec::new(), cursor: from, has_more: false };
    let (mut bytes, mut passed_over) = (0, 0);
    while let Some(row) = rows.next()? {
        let past = syncs::applied(row)?;
        let Some(applied) = past.applied() else {
            continue;
        };
        let mut after = match from {
            FeedCursor { revision, number: None, .. } if revision == applied.revision => continue,
            FeedCursor { revision, number: Some(number), .. } if revision == applied.revision => number,
            _ => 0,
        };
        let stamp = stamp(connection, applied.revision)?.unwrap_or(0);
        let erasure = last_break.after(applied.revision);
        let sync = Arc::new(shown(&past, applied.revision, applied.kind.as_ref()));
        let before = page.changes.len();
        loop {
            let part = changes::of_sync(connection, applied, after, PART)?;
            let is_last = part.len() < PART;
            for recorded in part {
                if page.changes.len() == limit || bytes >= bytes_max {
                    page.cursor = FeedCursor { revision: applied.revision, stamp, number: Some(after), erasure };
                    page.has_more = true;
                    return Ok(page);
                }
                after = recorded.change.number;
                bytes += bytes_of(&recorded);
                page.changes.push(FeedChange { sync: sync.clone(), recorded });
            }
            if is_last {
                break;
            }
        }
        page.cursor = FeedCursor { revision: applied.revision, stamp, number: None, erasure };
        passed_over += usize::from(page.changes.len() == before);
        if passed_over == PASSED_OVER_MAX {
            page.has_more = true;
            return Ok(page);
        }
    }
    Ok(page)
}

fn shown(past: &Past, revision: u64, kind: Option<&SyncKind>) -> FeedSync {
    FeedSync { revision, finished_at: past.finished_at.clone(), kind: kind.map(SyncKind::name) }
}

fn bytes_of(recorded: &RecordedChange) -> usize {
    let versions = recorded.change.before.iter().chain(&recorded.change.after);
    versions.map(|employee| employee.id.len() + employee.data.as_bytes().len()).sum()
}
