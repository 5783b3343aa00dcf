//! How an old history goes: what employees were, and what syncs did, before a time.
//!
//! First the start of the history moves on, so that nobody asks for what is going; then it goes, in short transactions. Of each employee, the
//! row in `employee` takes on the oldest version that is kept, one version after the other. Whatever version is read in between is there: in
//! `version`, or if it has gone from there, in `employee`. So it does no harm to be interrupted at any moment.

use super::{Error, Reader, Roster, at, erasures, roster, schema};
use crate::roster::USUAL_LISTS;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use std::time::{Duration, Instant};

/// How many rows go in one transaction.
const ROWS_MAX: usize = 256;

/// How long one transaction takes, about. A push that comes meanwhile waits for its end.
const TIME_MAX: Duration = Duration::from_millis(5);

/// What a piece of the work has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// How many rows went: versions, records of syncs and of refused pushes.
    pub rows: usize,
    /// Whether there is more to do.
    pub has_more: bool,
}

impl Reader {
    /// Whether there is a history before a time, which [`Roster::trim`] removes. A file of an earlier version is left alone until a push
    /// brings it up to date.
    pub fn has_history_before(&self, before: Timestamp) -> Result<bool, Error> {
        let has = || Ok(schema::is_current(&self.connection)? && has_old(&self.connection, &at::text(before))?);
        has().map_err(|error: Error| error.of(self.account))
    }
}

impl Roster {
    /// Does a piece of removing the history before a time: what employees were before that, and the records of what was pushed. Fails with
    /// [`Error::Busy`] at once if the roster is being written.
    pub fn trim(&mut self, before: Timestamp) -> Result<Trimmed, Error> {
        let before = at::text(before);
        self.connection.busy_timeout(Duration::ZERO)?;
        let trimmed = self.trim_some(&before);
        self.connection.busy_timeout(schema::BUSY_TIMEOUT)?;
        trimmed
    }

    fn trim_some(&mut self, before: &str) -> Result<Trimmed, Error> {
        let Roster { connection, file, key, shared, .. } = self;
        let transaction = roster::lock(connection, file, key, shared)?;
        let began = Instant::now();
        let start = move_start(&transaction, before)?;
        let mut rows = 0;
        for remove in [remove_versions, remove_syncs, remove_refusals] {
            if rows < ROWS_MAX && began.elapsed() < TIME_MAX {
                rows += remove(&transaction, &Old { start, before, rows_max: ROWS_MAX - rows, began })?;
            }
        }
        let has_more = has_old(&transaction, before)?;
        transaction.commit()?;
        Ok(Trimmed { rows, has_more })
    }
}

/// What goes.
struct Old<'a> {
    /// The revision that the history starts with.
    start: u64,
    /// The time before which it goes.
    before: &'a str,
    rows_max: usize,
    began: Instant,
}

impl Old<'_> {
    fn is_time_over(&self) -> bool {
        self.began.elapsed() >= TIME_MAX
    }
}

/// Returns the revision that the history is to start with: the last one made until the time, unless a plan that waits was made against an
/// earlier one; 0 if there is none.
fn new_start(connection: &Connection, before: &str) -> Result<u64, Error> {
    let last = at::last_sync_by(connection, before)?;
    let mut select = connection
        .prepare_cached("SELECT min(revision) FROM plan WHERE ended_at IS NULL AND expires_at > unixepoch()")?;
    let of_plans: Option<u64> = select.query_row([], |row| row.get(0))?;
    Ok(of_plans.map_or(last, |of_plans| last.min(of_plans)))
}

/// Whether anything is left to remove.
fn has_old(connection: &Connection, before: &str) -> Result<bool, Error> {
    let (start, _) = at::history_start(connection)?;
    let start = start.max(new_start(connection, before)?);
    let mut select = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM version WHERE place < (?1 + 1) << 32)
             OR EXISTS (SELECT 1 FROM refusal WHERE number = (SELECT min(number) FROM refusal) AND finished_at < ?2)
             OR ?1 > (SELECT revision FROM history_start)",
    )?;
    let has_old: bool = select.query_row(params![start, before], |row| row.get(0))?;
    Ok(has_old || !old_syncs(connection, start, 1)?.is_empty())
}

/// Moves the start of the history on, if it is time for that. Returns it.
fn move_start(connection: &Connection, before: &str) -> Result<u64, Error> {
    let (start, _) = at::history_start(connection)?;
    let new = new_start(connection, before)?;
    if new > start {
        connection.execute("UPDATE history_start SET revision = ?", [new])?;
        connection.execute("DELETE FROM emptied WHERE until <= ?", [new])?;
    }
    Ok(start.max(new))
}

/// Makes versions that were current when the history starts, or before, the first ones of their employees, in the order of their revisions.
fn remove_versions(connection: &Connection, old: &Old) -> Result<usize, Error> {
    let mut select = connection.prepare_cached(
        "SELECT place, place & 0xffffffff, place >> 32, status, profile, data, absent FROM version
         WHERE place < (? + 1) << 32 ORDER BY place LIMIT ?",
    )?;
    let mut become_first = connection.prepare_cached(
        "UPDATE employee SET status = ?3, profile = ?4, data = ?5, revision = ?2, absent = ?6 WHERE number = ?1",
    )?;
    let mut remove = connection.prepare_cached("DELETE FROM version WHERE place = ?")?;
    let mut forget_latest = connection.prepare_cached("DELETE FROM latest WHERE number = ? AND revision = ?")?;
    let (mut rows, mut removed) = (select.query(params![old.start, old.rows_max])?, Vec::new());
    while let Some(row) = rows.next()? {
        let (place, number, revision): (i64, u32, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (status, profile): (u32, u32) = (row.get(3)?, row.get(4)?);
        become_first.execute(params![
            number,
            revision,
            status,
            profile,
            row.get::<_, Vec<u8>>(5)?,
            row.get::<_, Option<u32>>(6)?
        ])?;
        forget_latest.execute(params![number, revision])?;
        erasures::forget_ids(connection, number, revision)?;
        removed.push(place);
        if old.is_time_over() {
            break;
        }
    }
    drop(rows);
    removed.iter().try_for_each(|place| remove.execute([place]).map(drop))?;
    Ok(removed.len())
}

/// Removes the records of syncs before the one that the history starts with.
fn remove_syncs(connection: &Connection, old: &Old) -> Result<usize, Error> {
    let revisions = old_syncs(connection, old.start, old.rows_max)?;
    let mut remove = connection.prepare_cached("DELETE FROM sync WHERE revision = ?")?;
    revisions.iter().try_for_each(|revision| remove.execute([revision]).map(drop))?;
    Ok(revisions.len())
}

/// Returns the syncs before a revision whose records can go. Those that pushes are compared with stay: the last that says when its list was
/// made, and the last lists that say what is usual; and the last restore, since which everybody counts as changed.
fn old_syncs(connection: &Connection, start: u64, limit: usize) -> Result<Vec<u64>, Error> {
    let kept = "SELECT max(revision) AS revision FROM restored
        UNION ALL SELECT max(revision) FROM sync WHERE as_of IS NOT NULL
        UNION ALL SELECT * FROM (SELECT revision FROM sync WHERE is_usual IS NOT 0 ORDER BY revision DESC LIMIT ?3)";
    let mut select = connection.prepare_cached(&format!(
        "SELECT revision FROM sync WHERE revision < ?1 AND revision NOT IN (SELECT * FROM ({kept}) WHERE revision IS NOT NULL)
         ORDER BY revision LIMIT ?2"
    ))?;
    let revisions = select.query_map(params![start, limit, USUAL_LISTS], |row| row.get(0))?;
    Ok(revisions.collect::<Result<_, _>>()?)
}

/// Removes the records of refused pushes before the time. Their numbers are in the order of their times.
fn remove_refusals(connection: &Connection, old: &Old) -> Result<usize, Error> {
    let mut remove = connection.prepare_cached(
        "DELETE FROM refusal WHERE number IN (SELECT number FROM refusal ORDER BY number LIMIT ?2) AND finished_at < ?1",
    )?;
    Ok(remove.execute(params![old.before, old.rows_max])?)
}
