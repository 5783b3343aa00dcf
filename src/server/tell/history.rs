//! History: what has happened in accounts becomes deliveries to their webhooks. How far each webhook was told is noted in the transaction that
//! adds the deliveries, so nothing is lost, and nothing is added twice, wherever the server is killed.

use super::{Look, payload};
use crate::server::Server;
use crate::store::{Announced, Error, Key, PENDING_MAX, Reader};

/// How many syncs, and how many other pushes, are announced to a webhook in one transaction.
const PART: usize = 100;

/// Announces what has happened. Returns the accounts that have more to tell.
pub fn announce(server: &Server, look: &Look) -> Vec<i64> {
    let announced = match server.store.announced(PENDING_MAX) {
        Ok(announced) => announced,
        Err(error) => {
            tracing::error!("cannot see whom to tell what has happened: {error}");
            return Vec::new();
        }
    };
    let mut have_more = Vec::new();
    for of_account in announced.chunk_by(|a, b| a.account == b.account) {
        let account = of_account[0].account;
        if look.is_at(account) {
            match announce_account(server, account, of_account) {
                Ok(true) => have_more.push(account),
                Ok(false) | Err(Error::AccountGone(_)) => {}
                Err(error) => tracing::error!(account, "cannot tell what has happened: {error}"),
            }
        }
    }
    have_more
}

fn announce_account(server: &Server, account: i64, webhooks: &[Announced]) -> Result<bool, Error> {
    let Some(key) = server.store.key(account)? else {
        return Ok(false);
    };
    let reader = server.store.history_reader(&key)?;
    let mut has_more = false;
    for webhook in webhooks {
        has_more |= announce_to(server, &key, &reader, webhook)?;
    }
    Ok(has_more)
}

fn announce_to(server: &Server, key: &Key, reader: &Reader, webhook: &Announced) -> Result<bool, Error> {
    let news = reader.news(webhook.place, PART)?;
    if news.to != webhook.place {
        let announcements: Vec<_> = news.pushes.iter().map(|past| payload::push(key.account, past)).collect();
        server.store.announce_history(webhook, &announcements, news.to)?;
    }
    Ok(news.has_more)
}
