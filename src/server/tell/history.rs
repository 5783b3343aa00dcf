//! History: what has happened in accounts becomes deliveries to their webhooks. How far each webhook was told is noted in the transaction that
//! adds the deliveries, so nothing is lost, and nothing is added twice, wherever the server is killed.

use super::{Look, payload};
use crate::server::Server;
use crate::store::{Announced, Error, PENDING_MAX, ToAnnounce};

/// How many syncs, and how many other pushes, are announced to a webhook at a time, and about how many announcements are written in one
/// transaction.
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
    let (mut have_more, mut to_announce) = (Vec::new(), Vec::new());
    for of_account in announced.chunk_by(|a, b| a.account == b.account) {
        let account = of_account[0].account;
        if look.is_at(account) {
            match read(server, account, of_account, &mut to_announce) {
                Ok(true) => have_more.push(account),
                Ok(false) | Err(Error::AccountGone(_)) => {}
                Err(error) => tracing::error!(account, "cannot tell what has happened: {error}"),
            }
        }
        if to_announce.iter().map(|of_webhook| of_webhook.announcements.len()).sum::<usize>() > PART {
            write(server, &mut to_announce);
        }
    }
    write(server, &mut to_announce);
    have_more
}

/// Reads what is to be announced to the webhooks of an account. Returns whether there is more.
fn read(
    server: &Server,
    account: i64,
    webhooks: &[Announced],
    to_announce: &mut Vec<ToAnnounce>,
) -> Result<bool, Error> {
    let Some(key) = server.store.key(account)? else {
        return Ok(false);
    };
    let reader = server.store.history_reader(&key)?;
    let mut has_more = false;
    for webhook in webhooks {
        let news = reader.news(webhook.place, PART)?;
        has_more |= news.has_more;
        if news.to != webhook.place {
            let announcements = news.pushes.iter().map(|past| payload::push(account, past)).collect();
            to_announce.push(ToAnnounce { from: webhook.clone(), announcements, to: news.to });
        }
    }
    Ok(has_more)
}

/// Writes what is to be announced. If that fails, it is read again with the next look at all accounts.
fn write(server: &Server, to_announce: &mut Vec<ToAnnounce>) {
    if !to_announce.is_empty()
        && let Err(error) = server.store.announce_histories(to_announce)
    {
        tracing::error!("cannot tell what has happened: {error}");
    }
    to_announce.clear();
}
