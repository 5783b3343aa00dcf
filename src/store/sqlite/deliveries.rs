//! Deliveries: what is still to be sent to the receivers of webhooks, and what came of what was sent.

use super::webhooks::some_webhook;
use super::{Announcement, Error, Store};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use std::time::Duration;
use uuid::Uuid;

/// How many deliveries of a webhook may wait. What else there is to tell waits in the account's history.
pub const PENDING_MAX: u64 = 1_000;

/// How many deliveries of a webhook are kept that are not to be sent any more.
const KEPT_MAX: u32 = 10_000;

/// How long they are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How many are removed in one transaction.
const REMOVED_MAX: u32 = 1_000;

/// How long after a failed attempt the next one follows, in seconds. Nobody is sure to be there after the last one, two days later.
const PAUSES_SECONDS: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000, 36_000];

/// The status by which a receiver says that it is gone for good.
const GONE: u16 = 410;

/// Something that was sent, or is to be sent, to the receiver of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The number, which no other delivery ever gets.
    pub number: i64,
    /// The webhook.
    pub webhook: i64,
    /// What the receiver knows the event by; the same if it is sent again.
    pub message: String,
    /// The name of its type.
    pub event: String,
    /// When it came to be, RFC 3339 in UTC.
    pub created_at: String,
    /// How many attempts there were.
    pub attempts: u32,
    /// When the next one is; `None` if there is none.
    pub next_at: Option<Timestamp>,
    /// The last one.
    pub last: Option<LastAttempt>,
}

/// The last attempt to deliver something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAttempt {
    /// When it ended, RFC 3339 in UTC.
    pub at: String,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// Why it failed; `None` if it did not.
    pub failure: Option<String>,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// A delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    /// The number.
    pub number: i64,
    /// The webhook.
    pub webhook: i64,
    /// The account.
    pub account: i64,
    /// Where to send it.
    pub url: String,
    /// What the receiver knows the event by.
    pub message: String,
    /// What to send.
    pub payload: String,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The delivery.
    pub delivery: i64,
    /// The webhook.
    pub webhook: i64,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// Why it failed; `None` if it did not.
    pub failure: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Delivery {
    /// `pending`, `delivered` or `failed`.
    pub fn state(&self) -> &'static str {
        match &self.last {
            _ if self.next_at.is_some() => "pending",
            Some(LastAttempt { failure: None, .. }) => "delivered",
            _ => "failed",
        }
    }
}

impl Store {
    /// Returns the deliveries of an account's webhooks, or of one of them, the latest first, from before a number on.
    pub fn deliveries(
        &self,
        account: i64,
        webhook: Option<i64>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let shared = self.shared();
        if let Some(webhook) = webhook {
            some_webhook(&shared, account, webhook)?;
        }
        let mut select = shared.prepare_cached(
            "SELECT number, webhook, message, event, delivery.created_at, attempts, delivery.next_at, last_at, status, failure, ms
             FROM delivery JOIN webhook ON webhook = id
             WHERE account = ?1 AND (?2 IS NULL OR webhook = ?2) AND (?3 IS NULL OR number < ?3) ORDER BY number DESC LIMIT ?4",
        )?;
        let delivery = |row: &Row| {
            let last = match row.get::<_, Option<String>>(7)? {
                Some(at) => Some(LastAttempt {
                    at,
                    status: row.get(8)?,
                    failure: row.get(9)?,
                    ms: row.get::<_, Option<u64>>(10)?.unwrap_or_default(),
                }),
                None => None,
            };
            Ok(Delivery {
                number: row.get(0)?,
                webhook: row.get(1)?,
                message: row.get(2)?,
                event: row.get(3)?,
                created_at: row.get(4)?,
                attempts: row.get(5)?,
                next_at: row.get::<_, Option<i64>>(6)?.and_then(|at| Timestamp::from_millisecond(at).ok()),
                last,
            })
        };
        Ok(select.query_map(params![account, webhook, before, limit], delivery)?.collect::<Result<_, _>>()?)
    }

    /// Has a delivery of an account, or of one of its webhooks, sent again, as the same message: at once, and then as a new one would be.
    pub fn resend(&self, account: i64, webhook: Option<i64>, number: i64) -> Result<(), Error> {
        self.write(|transaction| {
            let found = "SELECT webhook FROM delivery JOIN webhook ON webhook = id
                 WHERE account = ?1 AND (?2 IS NULL OR webhook = ?2) AND number = ?3";
            let found = transaction.query_row(found, params![account, webhook, number], |row| row.get(0)).optional()?;
            let webhook = found.ok_or(Error::NoDelivery { account, number })?;
            may_deliver(transaction, account, webhook)?;
            let again = "UPDATE delivery SET attempts = 0, next_at = ? WHERE number = ?";
            transaction.execute(again, [Timestamp::now().as_millisecond(), number])?;
            set_next(transaction, webhook)
        })
    }

    /// Returns the webhooks that have deliveries due, the longest due first.
    pub fn due_webhooks(&self, now: Timestamp) -> Result<Vec<i64>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached("SELECT id FROM webhook WHERE next_at <= ? ORDER BY next_at, id")?;
        Ok(select.query_map([now.as_millisecond()], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Returns the first deliveries of a webhook that are due.
    pub fn due_deliveries(&self, webhook: i64, now: Timestamp, limit: usize) -> Result<Vec<DueDelivery>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT number, webhook, account, url, message, payload FROM delivery JOIN webhook ON webhook = id
             WHERE webhook = ? AND delivery.next_at <= ? ORDER BY delivery.next_at, number LIMIT ?",
        )?;
        let due = |row: &Row| {
            Ok(DueDelivery {
                number: row.get(0)?,
                webhook: row.get(1)?,
                account: row.get(2)?,
                url: row.get(3)?,
                message: row.get(4)?,
                payload: row.get(5)?,
            })
        };
        Ok(select.query_map(params![webhook, now.as_millisecond(), limit], due)?.collect::<Result<_, _>>()?)
    }

    /// Records what came of attempts, and when the next ones follow. Returns the webhooks that are disabled since, because their receivers
    /// are gone, and the deliveries that nothing more is tried with.
    pub fn record_attempts(&self, attempts: &[Attempt]) -> Result<(Vec<i64>, Vec<i64>), Error> {
        self.write_to_log(|transaction| {
            let (mut disabled, mut given_up) = (Vec::new(), Vec::new());
            for attempt in attempts {
                let Attempt { delivery, webhook, status, failure, took } = attempt;
                let done = "SELECT attempts FROM delivery WHERE number = ?";
                let Some(done) = transaction.query_row(done, [delivery], |row| row.get::<_, usize>(0)).optional()? else {
                    continue;
                };
                let next = if failure.is_some() && *status != Some(GONE) { next_attempt(done, *delivery) } else { None };
                transaction.execute(
                    "UPDATE delivery SET attempts = attempts + 1, next_at = ?, last_at = strftime('%Y-%m-%dT%H:%M:%SZ'),
                         status = ?, failure = ?, ms = ? WHERE number = ?",
                    params![next.map(Timestamp::as_millisecond), status, failure, u64::try_from(took.as_millis()).unwrap_or(u64::MAX), delivery],
                )?;
                if failure.is_some() && next.is_none() {
                    given_up.push(*delivery);
                }
                if *status == Some(GONE) && disable(transaction, *webhook)? {
                    disabled.push(*webhook);
                }
                set_next(transaction, *webhook)?;
            }
            Ok((disabled, given_up))
        })
    }

    /// Removes old deliveries, and those of each webhook of which there are too many. Returns whether there may be more.
    pub fn trim_deliveries(&self, now: Timestamp) -> Result<bool, Error> {
        let before = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let old = "number IN (SELECT number FROM delivery WHERE created_at < ?1 AND next_at IS NULL LIMIT ?2)";
        let any_old = "SELECT EXISTS (SELECT 1 FROM delivery WHERE created_at < ? AND next_at IS NULL)";
        let too_many = "SELECT id, (SELECT number FROM delivery WHERE webhook = id ORDER BY number DESC LIMIT 1 OFFSET ?) FROM webhook";
        let (any_old, too_many) = {
            let shared = self.shared();
            let any_old: bool = shared.query_row(any_old, [&before], |row| row.get(0))?;
            let mut select = shared.prepare_cached(too_many)?;
            let found = select.query_map([KEPT_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let found: Vec<(i64, Option<i64>)> = found.collect::<Result<_, _>>()?;
            (any_old, found.into_iter().filter_map(|(webhook, last)| Some((webhook, last?))).collect::<Vec<_>>())
        };
        if !any_old && too_many.is_empty() {
            return Ok(false);
        }
        let removed = self.write_to_log(|transaction| {
            let mut most =
                transaction.execute(&format!("DELETE FROM delivery WHERE {old}"), params![before, REMOVED_MAX])?;
            for (webhook, last) in too_many {
                let removed = transaction.execute(
                    "DELETE FROM delivery WHERE number IN (SELECT number FROM delivery
                         WHERE webhook = ? AND number <= ? AND next_at IS NULL ORDER BY number LIMIT ?)",
                    params![webhook, last, REMOVED_MAX],
                )?;
                most = most.max(removed);
            }
            Ok(most)
        })?;
        Ok(removed == REMOVED_MAX as usize)
    }
}

/// Returns when an attempt follows that failed after as many others; `None` if none does. What failed at the same time is spread a little.
fn next_attempt(done: usize, delivery: i64) -> Option<Timestamp> {
    let pause = SignedDuration::from_secs(*PAUSES_SECONDS.get(done)?);
    let spread = SignedDuration::from_millis(delivery % 10 * PAUSES_SECONDS[done] * 10);
    Timestamp::now().checked_add(pause + spread).ok()
}

/// Sends nothing to a webhook any more. Returns whether it was not so before.
fn disable(transaction: &Transaction, webhook: i64) -> rusqlite::Result<bool> {
    let disable =
        "UPDATE webhook SET disabled_at = strftime('%Y-%m-%dT%H:%M:%SZ') WHERE id = ? AND disabled_at IS NULL";
    let is_new = transaction.execute(disable, [webhook])? > 0;
    transaction.execute("UPDATE delivery SET next_at = NULL WHERE webhook = ? AND next_at IS NOT NULL", [webhook])?;
    Ok(is_new)
}

/// Checks that one more delivery of a webhook may be sent.
pub(super) fn may_deliver(transaction: &Transaction, account: i64, id: i64) -> Result<(), Error> {
    let state =
        "SELECT disabled_at IS NOT NULL, (SELECT count(*) FROM delivery WHERE webhook = id AND next_at IS NOT NULL)
         FROM webhook WHERE id = ?";
    let (is_disabled, pending): (bool, u64) =
        transaction.query_row(state, [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if is_disabled {
        return Err(Error::WebhookDisabled { account, id });
    }
    if pending >= PENDING_MAX { Err(Error::DeliveriesFull { account, id, max: PENDING_MAX }) } else { Ok(()) }
}

/// Adds a delivery to a webhook, which is due at once. Returns its number.
pub(super) fn insert_delivery(
    transaction: &Transaction,
    webhook: i64,
    announcement: &Announcement,
) -> Result<i64, Error> {
    let message = format!("msg_{}", Uuid::now_v7().simple());
    let Announcement { event, payload } = announcement;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO delivery (webhook, message, event, payload, created_at, next_at)
         VALUES (?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ'), ?)",
    )?;
    insert.execute(params![webhook, message, event.name(), payload, Timestamp::now().as_millisecond()])?;
    let number = transaction.last_insert_rowid();
    set_next(transaction, webhook)?;
    Ok(number)
}

/// Notes when the next delivery of a webhook is due.
fn set_next(transaction: &Transaction, webhook: i64) -> Result<(), Error> {
    let mut set = transaction.prepare_cached(
        "UPDATE webhook SET next_at = (SELECT min(next_at) FROM delivery WHERE webhook = ?1 AND next_at IS NOT NULL) WHERE id = ?1",
    )?;
    set.execute([webhook])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{EventType, Store, SyncPlace, ToAnnounce};
    use std::collections::BTreeSet;
    use tempfile::TempDir;

    /// A store with a webhook of account 99, and the webhook's number.
    fn store() -> (TempDir, Store, i64) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        store.add_account(99, "", "secret", None).unwrap();
        let webhook = store.add_webhook(99, "https://example.com/", &BTreeSet::new(), "whsec_").unwrap();
        (folder, store, webhook)
    }

    fn test() -> Announcement {
        Announcement { event: EventType::Test, payload: "{}".into() }
    }

    fn attempt(delivery: i64, webhook: i64, is_good: bool) -> Attempt {
        let (status, failure) = if is_good { (Some(204), None) } else { (None, Some("no answer".into())) };
        Attempt { delivery, webhook, status, failure, took: Duration::from_millis(7) }
    }

    #[test]
    fn what_fails_is_tried_for_two_days_and_then_given_up() {
        let (_folder, store, webhook) = store();
        let number = store.announce_to(99, webhook, &test()).unwrap();
        let mut waited = SignedDuration::ZERO;
        loop {
            let due = store.due_deliveries(webhook, Timestamp::MAX, 9).unwrap();
            assert_eq!(due.len(), 1);
            let (disabled, given_up) = store.record_attempts(&[attempt(number, webhook, false)]).unwrap();
            assert!(disabled.is_empty());
            let delivery = &store.deliveries(99, Some(webhook), None, 9).unwrap()[0];
            let Some(next) = delivery.next_at else {
                assert_eq!((given_up, delivery.attempts, delivery.state()), (vec![number], 10, "failed"));
                break;
            };
            waited += next.duration_since(Timestamp::now());
            assert!(given_up.is_empty() && store.due_webhooks(Timestamp::now()).unwrap().is_empty());
        }
        assert!((40..56).contains(&waited.as_hours()), "{waited}");
        assert!(store.due_webhooks(Timestamp::MAX).unwrap().is_empty());
        store.resend(99, None, number).unwrap();
        assert_eq!(store.due_webhooks(Timestamp::now()).unwrap(), [webhook]);
        store.record_attempts(&[attempt(number, webhook, true)]).unwrap();
        assert_eq!(store.deliveries(99, None, None, 9).unwrap()[0].state(), "delivered");
    }

    #[test]
    fn deliveries_are_bounded() {
        let (_folder, store, webhook) = store();
        let announced = || store.announced(3).unwrap();
        let place = SyncPlace { revision: 7, refusal: 8 };
        let histories = [ToAnnounce { from: announced()[0].clone(), announcements: vec![test(); 3], to: place }];
        store.announce_histories(&histories).unwrap();
        // What was announced already is not announced again.
        store.announce_histories(&histories).unwrap();
        assert!(announced().is_empty(), "the rest waits in the history");
        let many = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10500)
             INSERT INTO delivery (webhook, message, event, payload, created_at) SELECT ?, n, 'test', '{}', '2026-01-01T00:00:00Z' FROM n";
        store.shared().execute(many, [webhook]).unwrap();
        let count = || store.deliveries(99, None, None, 100_000).unwrap().len();
        let january: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        while store.trim_deliveries(january).unwrap() {}
        assert_eq!(count(), 10_000 + 3, "too many, but those that are to be sent stay");
        while store.trim_deliveries(january + SignedDuration::from_hours(30 * 24)).unwrap() {}
        assert_eq!(count(), 3, "too old");
        store.record_attempts(&[attempt(1, webhook, true)]).unwrap();
        assert_eq!(announced()[0].place, place);
    }
}
