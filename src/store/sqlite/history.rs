//! The history of an account: what its last pushes did, and why others were refused.
//!
//! An applied push is recorded in its own transaction, by its revision. A refused one wrote nothing, so it is recorded afterwards,
//! in a table that is bounded.

use super::{Error, Roster, Sender};
use crate::dialect::Dialect;
use crate::roster::Counts;
use rusqlite::{Row, TransactionBehavior, params};
use std::time::Duration;

/// A refused push, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When, RFC 3339 in UTC, to the second.
    pub finished_at: String,
    /// How many equal ones of a second this stands for.
    pub requests: u64,
    /// In whose words it was.
    pub dialect: Dialect,
    /// Who sent the last of them.
    pub sender: Sender,
    /// The status of the answer; `None` if the client had gone before.
    pub status: Option<u16>,
    /// How many rejections the answer counted.
    pub rejections: u64,
    /// From the head of the request until its answer.
    pub duration: Duration,
    /// Why, without values of people.
    pub cause: String,
}

/// A push of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// When it ended, RFC 3339 in UTC.
    pub finished_at: String,
    /// In whose words it was; `None` if it was applied by a version that did not record it.
    pub dialect: Option<String>,
    /// The number of the key that it was sent with, if that was recorded.
    pub key: Option<i64>,
    /// From where it came, if that was recorded.
    pub peer: Option<String>,
    /// The length of its body, in bytes, if that was recorded.
    pub bytes: Option<u64>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was applied.
    Applied {
        /// The roster's revision after it.
        revision: u64,
        /// How many employees it carried.
        employees: u64,
        /// The five counts.
        counts: Counts,
    },
    /// It was refused.
    Refused {
        /// How many equal ones of a second this stands for.
        requests: u64,
        /// The status of the answer; `None` if the client had gone before.
        status: Option<u16>,
        /// How many rejections the answer counted.
        rejections: u64,
        /// Why.
        cause: String,
    },
}

impl Roster {
    /// Records refused pushes, in their order, and forgets the oldest beyond `kept_max`. Fails with [`Error::Busy`] at once if
    /// the roster is being written: a push must not wait for this, nor this for a push.
    pub fn record_refused(&mut self, refused: &[Refused], kept_max: u64) -> Result<(), Error> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO refusal (finished_at, requests, dialect, key, peer, status, rejections, bytes, duration_ms, cause)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for refused in refused {
                let Refused { finished_at, requests, dialect, sender, status, rejections, duration, cause } = refused;
                let (peer, duration_ms) =
                    (sender.peer.map(|peer| peer.to_string()), u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
                let dialect = dialect.name();
                insert.execute(params![
                    finished_at,
                    requests,
                    dialect,
                    sender.key,
                    peer,
                    status,
                    rejections,
                    sender.bytes,
                    duration_ms,
                    cause
                ])?;
            }
        }
        transaction.execute("DELETE FROM refusal WHERE number <= (SELECT max(number) FROM refusal) - ?", [kept_max])?;
        Ok(transaction.commit()?)
    }

    /// The last pushes, applied and refused, at most `pushes_max`: the latest first.
    pub fn history(&self, pushes_max: usize) -> Result<Vec<Past>, Error> {
        let mut select = self.connection.prepare(
            "SELECT finished_at, dialect, key, peer, bytes, duration_ms,
                    revision, employees, created, updated, activated, hidden, unchanged
             FROM sync ORDER BY revision DESC LIMIT ?",
        )?;
        let applied = select.query_map([pushes_max], |row| {
            let [created, updated, activated, hidden, unchanged] =
                [row.get(8)?, row.get(9)?, row.get(10)?, row.get(11)?, row.get(12)?];
            let counts = Counts { created, updated, activated, hidden, unchanged };
            past(row, Outcome::Applied { revision: row.get(6)?, employees: row.get(7)?, counts })
        })?;
        let mut pushes = applied.collect::<Result<Vec<_>, _>>()?;
        let mut select = self.connection.prepare(
            "SELECT finished_at, dialect, key, peer, bytes, duration_ms, requests, status, rejections, cause
             FROM refusal ORDER BY number DESC LIMIT ?",
        )?;
        let refused = select.query_map([pushes_max], |row| {
            let (requests, status, rejections, cause) = (row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?);
            past(row, Outcome::Refused { requests, status, rejections, cause })
        })?;
        pushes.extend(refused.collect::<Result<Vec<_>, _>>()?);
        // Stable, and both are in their order: it only says how the two interleave.
        pushes.sort_by(|a, b| b.finished_at.cmp(&a.finished_at));
        pushes.truncate(pushes_max);
        Ok(pushes)
    }
}

fn past(row: &Row, outcome: Outcome) -> rusqlite::Result<Past> {
    Ok(Past {
        finished_at: row.get(0)?,
        dialect: row.get(1)?,
        key: row.get(2)?,
        peer: row.get(3)?,
        bytes: row.get(4)?,
        duration_ms: row.get(5)?,
        outcome,
    })
}
