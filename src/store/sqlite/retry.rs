//! Pushes that may come again: what those with an `Idempotency-Key` did, and what signatures were good for.

use super::roster::lock;
use super::set_aside;
use super::{Came, Earlier, Error, Mark, Once, Remember, Retry, Roster, Seen, suspects_of_text};
use crate::digest::Fingerprint;
use crate::limits::RETRY_SECONDS_MAX;
use crate::roster::{Counts, Ignored};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::time::Duration;

/// How many outdated rows one push removes at most, so that none takes long. It adds one.
const REMOVED_MAX: u32 = 100;

/// Of how many lenient pushes the rejections are remembered. Of the others only how many there were is.
const SET_ASIDE_LISTED_MAX: u32 = 100;

/// Forgets the rejections of the last lenient push that is one too many.
const SHORTEN: &str = "
    UPDATE retry SET set_aside = json_set(set_aside, '$.errors', json('[]'), '$.causes', json('[]'))
    WHERE number = (SELECT number FROM retry WHERE set_aside IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?)";

/// Returns what the push with a key did, if that is still remembered.
pub(super) fn earlier(connection: &Connection, key: &str) -> Result<Option<Earlier>, Error> {
    let mut select = connection.prepare_cached(
        "SELECT fingerprint, retry.revision, first, ignored, coalesce(employees, 0), coalesce(created, 0), coalesce(updated, 0),
             coalesce(activated, 0), coalesce(hidden, 0), coalesce(unchanged, 0), coalesce(duration_ms, 0), retry.set_aside, suspects
         FROM retry LEFT JOIN sync ON sync.revision = retry.revision AND NOT is_command WHERE retry.key = ? AND made_at > unixepoch() - ?",
    )?;
    Ok(select.query_row(params![key, RETRY_SECONDS_MAX], read).optional()?)
}

fn read(row: &Row) -> rusqlite::Result<Earlier> {
    let ignored: String = row.get(3)?;
    let names: Vec<String> = serde_json::from_str(&ignored).unwrap_or_default();
    let (text, suspects): (Option<String>, Option<String>) = (row.get(11)?, row.get(12)?);
    let [created, updated, activated, hidden, unchanged] =
        [row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?];
    Ok(Earlier {
        fingerprint: row.get(0)?,
        revision: row.get(1)?,
        first: row.get(2)?,
        ignored: Ignored::of(&names),
        set_aside: text.map(|text| Box::new(set_aside::of_text(&text).unwrap_or_default())),
        employees: row.get(4)?,
        counts: Counts { created, updated, activated, hidden, unchanged },
        duration: Duration::from_millis(row.get(10)?),
        suspects: suspects.and_then(|text| suspects_of_text(&text).ok()).unwrap_or_default(),
    })
}

/// Remembers the push that makes a revision, and forgets some of those whose time is over or that are too many.
pub(super) fn remember(connection: &Connection, revision: u64, push: &Remember) -> Result<(), Error> {
    let Remember { retry, first, ignored, set_aside, kept_max } = push;
    let set_aside = set_aside.as_deref().map(set_aside::to_text);
    let ignored: Vec<&str> = ignored.names().collect();
    let ignored = serde_json::to_string(&ignored).expect("names are text");
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO retry (key, fingerprint, revision, made_at, first, ignored, set_aside)
             VALUES (?, ?, ?, unixepoch(), ?, ?, ?)",
        )?
        .execute(params![retry.key, retry.fingerprint, revision, first, ignored, set_aside])?;
    if set_aside.is_some() {
        connection.prepare_cached(SHORTEN)?.execute([SET_ASIDE_LISTED_MAX])?;
    }
    forget(connection, *kept_max)
}

/// Forgets some of those whose time is over, or that are more than `kept_max`.
fn forget(connection: &Connection, kept_max: u64) -> Result<(), Error> {
    connection
        .prepare_cached(
            "DELETE FROM retry WHERE number IN (SELECT number FROM retry ORDER BY number LIMIT ?1)
             AND (made_at <= unixepoch() - ?2 OR number <= (SELECT max(number) FROM retry) - ?3)",
        )?
        .execute(params![REMOVED_MAX, RETRY_SECONDS_MAX, kept_max])?;
    Ok(())
}

/// Returns whether a command that changes the queue comes for the first time. Then it is remembered, with the transaction.
pub(super) fn note_command(connection: &Connection, once: Option<&Once>) -> Result<Came, Error> {
    let Some(Once { retry: Retry { key, fingerprint }, kept_max }) = once else {
        return Ok(Came::First);
    };
    let same = "SELECT fingerprint FROM retry WHERE key = ? AND made_at > unixepoch() - ?";
    let mut select = connection.prepare_cached(same)?;
    let before: Option<Fingerprint> = select.query_row(params![key, RETRY_SECONDS_MAX], |row| row.get(0)).optional()?;
    match before {
        Some(before) if before == *fingerprint => return Ok(Came::Again),
        Some(_) => return Ok(Came::AsAnother),
        None => {}
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO retry (key, fingerprint, revision, made_at, ignored, is_command)
             VALUES (?, ?, (SELECT coalesce(max(revision), 0) FROM sync), unixepoch(), '[]', true)",
        )?
        .execute(params![key, fingerprint])?;
    forget(connection, *kept_max)?;
    Ok(Came::First)
}

/// Returns the fingerprint of the first request that was signed with a mark, if it is remembered.
pub(super) fn seen(connection: &Connection, mark: &Mark) -> Result<Option<Fingerprint>, Error> {
    let mut select = connection.prepare_cached("SELECT fingerprint FROM seen WHERE mark = ?")?;
    Ok(select.query_row([mark.hash], |row| row.get(0)).optional()?)
}

/// Remembers what a push was signed with, and forgets some of what is not good any more, or is too much.
pub(super) fn remember_seen(connection: &Connection, seen: &Seen) -> Result<(), Error> {
    let Seen { mark: Mark { hash, good_until, .. }, fingerprint, kept_max } = seen;
    connection
        .prepare_cached("INSERT INTO seen (mark, fingerprint, ends_at) VALUES (?, ?, ?) ON CONFLICT (mark) DO NOTHING")?
        .execute(params![hash, fingerprint, good_until])?;
    connection
        .prepare_cached(
            "DELETE FROM seen WHERE number IN (SELECT number FROM seen ORDER BY number LIMIT ?1)
             AND (ends_at < unixepoch() OR number <= (SELECT max(number) FROM seen) - ?2)",
        )?
        .execute(params![REMOVED_MAX, kept_max])?;
    Ok(())
}

impl Roster {
    /// Remembers what a push was signed with that was not applied.
    pub fn note_seen(&mut self, seen: &Seen) -> Result<(), Error> {
        let transaction = lock(&mut self.connection, &self.file, &self.key, &self.shared)?;
        remember_seen(&transaction, seen)?;
        Ok(transaction.commit()?)
    }
}
