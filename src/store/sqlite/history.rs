//! The history of an account, as it is written: what each sync did, and why other pushes were refused or held.
//!
//! An applied push is recorded in its own transaction, by its revision. A refused one wrote nothing, so it is recorded afterwards, in a
//! table that is bounded.

use super::{AppliedPlan, Error, HeldPush, Roster, Sender, Sync, SyncKind, Times, guards_to_text, suspects_to_text};
use crate::dialect::Dialect;
use crate::roster::Counts;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A push that was refused or held, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When the last of them was answered.
    pub finished_at: Timestamp,
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
    /// How many of them there were of each rule.
    pub by_rule: BTreeMap<String, u64>,
    /// What held it; `None` if it was refused.
    pub held: Option<HeldPush>,
    /// From the head of the request until its answer.
    pub duration: Duration,
    /// Why, without values of people.
    pub cause: String,
}

impl Roster {
    /// Records pushes that were refused or held, in their order, and forgets the oldest beyond `kept_max`. Fails with [`Error::Busy`] at
    /// once if the roster is being written: a push must not wait for this, nor this for a push.
    pub fn record_refused(&mut self, refused: &[Refused], kept_max: u64) -> Result<(), Error> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        refused.iter().try_for_each(|refused| insert_refused(&transaction, refused))?;
        transaction.execute("DELETE FROM refusal WHERE number <= (SELECT max(number) FROM refusal) - ?", [kept_max])?;
        Ok(transaction.commit()?)
    }
}

fn insert_refused(connection: &Connection, refused: &Refused) -> Result<(), Error> {
    let Refused { sender, held, .. } = refused;
    let counts = held.as_ref().map(|held| held.counts);
    let values = params![
        seconds(refused.finished_at),
        refused.requests,
        refused.dialect.name(),
        sender.key,
        sender.peer.map(|peer| peer.to_string()),
        refused.status,
        refused.rejections,
        by_rule_to_text(&refused.by_rule),
        sender.bytes,
        milliseconds(refused.duration),
        refused.cause,
        held.as_ref().and_then(|held| held.plan.as_ref()),
        held.as_ref().map(|held| guards_to_text(&held.tripped)),
        counts.map(|counts| counts.created),
        counts.map(|counts| counts.updated),
        counts.map(|counts| counts.activated),
        counts.map(|counts| counts.hidden),
        counts.map(|counts| counts.unchanged),
        refused.finished_at.as_microsecond(),
    ];
    connection
        .prepare_cached(
            "INSERT INTO refusal (finished_at, requests, dialect, key, peer, status, rejections, by_rule, bytes, duration_ms, cause,
                 plan, guards, created, updated, activated, hidden, unchanged, finished_us)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(values)?;
    Ok(())
}

/// Records a sync as a revision, whose commit began at `began`. Returns the stamp of the roster. By its record no sync is before the one
/// that it came after, also if the clock was set back.
pub(super) fn record(connection: &Connection, revision: u64, sync: &Sync, began: Instant) -> Result<[u8; 16], Error> {
    let Counts { created, updated, activated, hidden, unchanged } = sync.counts;
    let Times { receive, check, write, commit } = sync.times;
    let guards = match &sync.kind {
        SyncKind::Plan(AppliedPlan { tripped, .. }) if !tripped.is_empty() => Some(guards_to_text(tripped)),
        _ => None,
    };
    let undo = match &sync.kind {
        SyncKind::Undo(undo) => Some(serde_json::to_string(&undo.undone).expect("numbers with names are JSON")),
        _ => None,
    };
    let now = Timestamp::now();
    let values = params![
        revision,
        sync.profile,
        sync.employees,
        created,
        updated,
        activated,
        hidden,
        unchanged,
        milliseconds(sync.duration),
        sync.sender.dialect.map(Dialect::name),
        sync.sender.key,
        sync.sender.peer.map(|peer| peer.to_string()),
        sync.sender.bytes,
        sync.as_of.map(Timestamp::as_microsecond),
        sync.is_usual,
        sync.kind.name(),
        sync.kind.plan(),
        guards,
        undo,
        sync.rules.to_le_bytes(),
        sync.created.start,
        sync.created.len(),
        sync.set_aside.as_ref().map(|set_aside| set_aside.employees),
        sync.set_aside.as_ref().and_then(|set_aside| by_rule_to_text(&set_aside.by_rule)),
        microseconds(receive),
        microseconds(check),
        microseconds(write),
        microseconds(commit + began.elapsed()),
        suspects_to_text(&sync.suspects),
        seconds(now),
        now.as_microsecond(),
    ];
    let mut insert = connection.prepare_cached(
        "INSERT INTO sync (revision, profile, employees, created, updated, activated, hidden, unchanged, duration_ms,
             dialect, key, peer, bytes, as_of, is_usual, kind, plan, guards, undo, rules, first_created, rows_created, set_aside, rejections,
             receive_us, check_us, write_us, commit_us, suspects, finished_at, finished_us, stamp)
         VALUES (?1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
             max(?, coalesce((SELECT finished_at FROM sync WHERE revision = ?1 - 1), '')),
             max(?, coalesce((SELECT finished_us FROM sync WHERE revision = ?1 - 1), 0)),
             randomblob(16))
         RETURNING stamp",
    )?;
    Ok(insert.query_row(values, |row| row.get(0))?)
}

/// Returns a time as the store has it: RFC 3339 in UTC, to the second.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns the form in which rejections by rule are stored; `None` if there are none.
fn by_rule_to_text(by_rule: &BTreeMap<String, u64>) -> Option<String> {
    let to_text = || serde_json::to_string(by_rule).expect("a map of text and numbers");
    (!by_rule.is_empty()).then(to_text)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
