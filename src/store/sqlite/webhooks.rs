//! Webhooks: whom to tell what. Their deliveries are in [`super::deliveries`].

use super::deliveries::{insert_delivery, may_deliver};
use super::secrets::READ_AGAIN_MAX;
use super::server_key::{Of, ServerKey};
use super::syncs::SyncPlace;
use super::{Announcement, Error, EventType, Store};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use std::collections::BTreeSet;

/// How many webhooks an account may have.
const WEBHOOKS_MAX: usize = 10;

/// A receiver of an account's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The number, which no other webhook ever gets.
    pub id: i64,
    /// The account.
    pub account: i64,
    /// Where events are sent.
    pub url: String,
    /// Which are; all if it is empty.
    pub events: BTreeSet<EventType>,
    /// When it was added, RFC 3339 in UTC.
    pub created_at: String,
    /// Until when the secret that was replaced signs, too.
    pub old_secret_until: Option<Timestamp>,
    /// When its receiver answered that it is gone. Nothing is sent any more.
    pub disabled_at: Option<String>,
    /// How many deliveries are still to be sent.
    pub pending: u64,
}

impl Webhook {
    /// `enabled` or `disabled`.
    pub fn state(&self) -> &'static str {
        if self.disabled_at.is_some() { "disabled" } else { "enabled" }
    }
}

/// How far the history of an account was announced to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The webhook.
    pub webhook: i64,
    /// Its account.
    pub account: i64,
    /// The last revision, and the last refused push, that was.
    pub place: SyncPlace,
}

/// The secrets of a webhook as the database has them.
struct Sealed {
    account: i64,
    id: i64,
    new: Vec<u8>,
    old: Option<Vec<u8>>,
    /// In seconds of Unix time.
    old_until: Option<i64>,
}

/// Reads what [`Sealed::of`] takes.
const SEALED: &str = "SELECT account, id, sealed_secret, old_sealed_secret, old_until";

impl Sealed {
    fn of(row: &Row) -> rusqlite::Result<Sealed> {
        let (account, id) = (row.get(0)?, row.get(1)?);
        Ok(Sealed { account, id, new: row.get(2)?, old: row.get(3)?, old_until: row.get(4)? })
    }

    /// Opens one of the two.
    fn open(&self, server_key: &ServerKey, secret: &[u8]) -> Result<String, Error> {
        let (account, id) = (self.account, self.id);
        server_key.open(secret, account, Of::Webhook(id)).ok_or(Error::DamagedWebhook { account, id })
    }
}

/// What is to be announced to a webhook of the history of its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToAnnounce {
    /// How far it was told already.
    pub from: Announced,
    /// What follows.
    pub announcements: Vec<Announcement>,
    /// How far it is told then.
    pub to: SyncPlace,
}

impl Store {
    /// Adds a webhook, which is told what happens from now on. Returns its number.
    pub fn add_webhook(
        &self,
        account: i64,
        url: &str,
        events: &BTreeSet<EventType>,
        secret: &str,
    ) -> Result<i64, Error> {
        let key = self.key(account)?.ok_or(Error::NoAccount(account))?;
        let place = self.history_reader(&key)?.last_place()?;
        self.write(|transaction| {
            let count = "SELECT count(*) FROM webhook WHERE account = ?";
            if transaction.query_row(count, [account], |row| row.get::<_, usize>(0))? >= WEBHOOKS_MAX {
                return Err(Error::WebhooksFull { account, max: WEBHOOKS_MAX });
            }
            let added = transaction.execute(
                "INSERT INTO webhook (account, url, events, sealed_secret, created_at, revision, refusal)
                 SELECT id, ?2, ?3, x'', strftime('%Y-%m-%dT%H:%M:%SZ'), ?4, ?5 FROM account WHERE id = ?1",
                params![account, url, names(events), place.revision, place.refusal],
            )?;
            if added == 0 {
                return Err(Error::NoAccount(account));
            }
            let id = transaction.last_insert_rowid();
            let sealed = self.server_key(transaction)?.seal(secret, account, Of::Webhook(id))?;
            transaction.execute("UPDATE webhook SET sealed_secret = ? WHERE id = ?", params![sealed, id])?;
            Ok(id)
        })
    }

    /// Returns the webhooks of an account, or of all, by number.
    pub fn webhooks(&self, account: Option<i64>) -> Result<Vec<Webhook>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT id, account, url, events, created_at, old_until, disabled_at,
                 (SELECT count(*) FROM delivery WHERE webhook = id AND next_at IS NOT NULL)
             FROM webhook WHERE ?1 IS NULL OR account = ?1 ORDER BY id",
        )?;
        let webhook = |row: &Row| {
            let events: String = row.get(3)?;
            Ok(Webhook {
                id: row.get(0)?,
                account: row.get(1)?,
                url: row.get(2)?,
                events: events.split_whitespace().filter_map(EventType::parse).collect(),
                created_at: row.get(4)?,
                old_secret_until: row.get::<_, Option<i64>>(5)?.and_then(|until| Timestamp::from_second(until).ok()),
                disabled_at: row.get(6)?,
                pending: row.get(7)?,
            })
        };
        Ok(select.query_map([account], webhook)?.collect::<Result<_, _>>()?)
    }

    /// Removes a webhook, with its deliveries. One that is being sent arrives.
    pub fn remove_webhook(&self, account: i64, id: i64) -> Result<(), Error> {
        self.write(|transaction| {
            some_webhook(transaction, account, id)?;
            transaction.execute("DELETE FROM delivery WHERE webhook = ?", [id])?;
            transaction.execute("DELETE FROM webhook WHERE id = ?", [id])?;
            Ok(())
        })
    }

    /// Replaces the secret of a webhook. The one before signs, too, until a time.
    pub fn rotate_webhook(&self, account: i64, id: i64, secret: &str, old_until: Timestamp) -> Result<(), Error> {
        self.write(|transaction| {
            some_webhook(transaction, account, id)?;
            let sealed = self.server_key(transaction)?.seal(secret, account, Of::Webhook(id))?;
            transaction.execute(
                "UPDATE webhook SET old_sealed_secret = sealed_secret, old_until = ?, sealed_secret = ? WHERE id = ?",
                params![old_until.as_second(), sealed, id],
            )?;
            Ok(())
        })
    }

    /// Returns the secrets that sign what is sent to a webhook, the newest first; none if it is gone.
    pub fn webhook_secrets(&self, id: i64, now: Timestamp) -> Result<Vec<String>, Error> {
        for _ in 0..READ_AGAIN_MAX {
            let Some((server_key, sealed)) = self.sealed_webhook_secrets(id)? else {
                return Ok(Vec::new());
            };
            let Some(server_key) = self.key_file.find(server_key)? else {
                continue;
            };
            let old = sealed.old.as_ref().filter(|_| sealed.old_until.is_some_and(|until| until > now.as_second()));
            return [Some(&sealed.new), old]
                .into_iter()
                .flatten()
                .map(|secret| sealed.open(&server_key, secret))
                .collect();
        }
        Err(self.not_in_the_file()?)
    }

    /// Returns the secrets of a webhook, and the id of the server key that they are sealed with.
    fn sealed_webhook_secrets(&self, id: i64) -> Result<Option<(i64, Sealed)>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(&format!(
            "{SEALED}, (SELECT value FROM setting WHERE name = 'server_key') FROM webhook WHERE id = ?"
        ))?;
        let sealed = |row: &Row| Ok((row.get::<_, Option<i64>>(5)?.unwrap_or_default(), Sealed::of(row)?));
        Ok(select.query_row([id], sealed).optional()?)
    }

    /// Announces something to one webhook. Returns the number of the delivery.
    pub fn announce_to(&self, account: i64, webhook: i64, announcement: &Announcement) -> Result<i64, Error> {
        self.write(|transaction| {
            some_webhook(transaction, account, webhook)?;
            may_deliver(transaction, account, webhook)?;
            insert_delivery(transaction, webhook, announcement)
        })
    }

    /// Returns how far each webhook was told the history of its account, except those that have `pending_max` deliveries to be sent:
    /// what they are not told yet stays in the history.
    pub fn announced(&self, pending_max: u64) -> Result<Vec<Announced>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT id, account, revision, refusal FROM webhook WHERE disabled_at IS NULL AND ?1 >
                 (SELECT count(*) FROM (SELECT 1 FROM delivery WHERE webhook = id AND next_at IS NOT NULL LIMIT ?1))
             ORDER BY account, id",
        )?;
        let announced = |row: &Row| {
            let place = SyncPlace { revision: row.get(2)?, refusal: row.get(3)? };
            Ok(Announced { webhook: row.get(0)?, account: row.get(1)?, place })
        };
        Ok(select.query_map([pending_max], announced)?.collect::<Result<_, _>>()?)
    }

    /// Announces to webhooks what follows in the histories of their accounts, and notes how far, all or nothing.
    pub fn announce_histories(&self, histories: &[ToAnnounce]) -> Result<(), Error> {
        self.write_to_log(|transaction| {
            for ToAnnounce { from, announcements, to } in histories {
                let moved = transaction.execute(
                    "UPDATE webhook SET revision = ?, refusal = ? WHERE id = ? AND revision = ? AND refusal = ?",
                    params![to.revision, to.refusal, from.webhook, from.place.revision, from.place.refusal],
                )?;
                // Otherwise it is gone.
                if moved > 0 {
                    let events = "SELECT events FROM webhook WHERE id = ?";
                    let events: String = transaction.query_row(events, [from.webhook], |row| row.get(0))?;
                    for announcement in announcements.iter().filter(|announcement| wants(&events, announcement.event)) {
                        insert_delivery(transaction, from.webhook, announcement)?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// Announces something to the webhooks of an account that want it.
pub(super) fn announce(transaction: &Transaction, account: i64, announcement: &Announcement) -> Result<(), Error> {
    let mut select =
        transaction.prepare_cached("SELECT id, events FROM webhook WHERE account = ? AND disabled_at IS NULL")?;
    let webhooks = select.query_map([account], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let webhooks: Vec<(i64, String)> = webhooks.collect::<Result<_, _>>()?;
    for (webhook, _) in webhooks.iter().filter(|(_, events)| wants(events, announcement.event)) {
        insert_delivery(transaction, *webhook, announcement)?;
    }
    Ok(())
}

fn wants(events: &str, event: EventType) -> bool {
    events.is_empty() || events.split_whitespace().any(|name| name == event.name())
}

fn names(events: &BTreeSet<EventType>) -> String {
    events.iter().map(|event| event.name()).collect::<Vec<_>>().join(" ")
}

/// Seals the secrets of all webhooks with another server key. Returns how many there are.
pub(super) fn rewrap(transaction: &Transaction, old: &ServerKey, new: &ServerKey) -> Result<usize, Error> {
    let mut select = transaction.prepare(&format!("{SEALED} FROM webhook"))?;
    let webhooks: Vec<Sealed> = select.query_map([], Sealed::of)?.collect::<Result<_, _>>()?;
    for sealed in &webhooks {
        let rewrapped = |secret: &Vec<u8>| new.seal(&sealed.open(old, secret)?, sealed.account, Of::Webhook(sealed.id));
        let (first, second) = (rewrapped(&sealed.new)?, sealed.old.as_ref().map(rewrapped).transpose()?);
        let set = "UPDATE webhook SET sealed_secret = ?, old_sealed_secret = ? WHERE id = ?";
        transaction.execute(set, params![first, second, sealed.id])?;
    }
    Ok(webhooks.len())
}

/// Removes the webhooks and the alarm of an account that is removed.
pub(super) fn remove_of_account(transaction: &Transaction, account: i64) -> rusqlite::Result<()> {
    let of_account = "DELETE FROM delivery WHERE webhook IN (SELECT id FROM webhook WHERE account = ?)";
    transaction.execute(of_account, [account])?;
    transaction.execute("DELETE FROM webhook WHERE account = ?", [account])?;
    transaction.execute("DELETE FROM alarm WHERE account = ?", [account])?;
    Ok(())
}

/// Checks that an account has a webhook.
pub(super) fn some_webhook(connection: &Connection, account: i64, id: i64) -> Result<(), Error> {
    let exists = "SELECT EXISTS (SELECT 1 FROM webhook WHERE account = ? AND id = ?)";
    let exists: bool = connection.query_row(exists, [account, id], |row| row.get(0))?;
    if exists { Ok(()) } else { Err(Error::NoWebhook { account, id }) }
}
