//! Tell: people learn without asking that a push is late, was applied, held or refused. One task looks after all accounts. It reads the
//! history of an account when something has happened there, and of each account that has webhooks or is late once a minute, since commands
//! and other programs write to the store, too.

pub mod address;
mod history;
pub mod late;
pub mod payload;

use super::Server;
use late::Watch;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// How long news of several accounts are awaited after the first, so that they are written together.
const PAUSE: Duration = Duration::from_millis(200);

/// How often it is looked which pushes are late.
const LOOK: Duration = Duration::from_secs(15);

/// How often all accounts are looked at that somebody wants to know of.
const LOOK_AT_ALL: Duration = Duration::from_secs(60);

/// The accounts where something has happened.
#[derive(Default)]
pub struct News {
    accounts: Mutex<BTreeSet<i64>>,
    more: Notify,
    /// Notified if something is to be sent.
    pub due: Notify,
}

/// The accounts that are to be looked at.
pub struct Look {
    noted: BTreeSet<i64>,
    /// Whether all are, noted or not.
    is_at_all: bool,
}

impl Look {
    fn is_at(&self, account: i64) -> bool {
        self.is_at_all || self.noted.contains(&account)
    }
}

impl News {
    /// Notes that something has happened in an account. It does not wait for anything.
    pub fn note(&self, account: i64) {
        self.accounts.lock().expect("no holder of the lock panics").insert(account);
        self.more.notify_one();
    }

    fn take(&self) -> BTreeSet<i64> {
        std::mem::take(&mut *self.accounts.lock().expect("no holder of the lock panics"))
    }
}

/// Tells what happens as long as the server runs, and first what has happened since it was stopped.
pub async fn keep_telling(server: Arc<Server>) {
    let (mut watch, mut looked_at_all) = (Watch::default(), None);
    loop {
        let is_at_all = looked_at_all.is_none_or(|at: Instant| at.elapsed() >= LOOK_AT_ALL);
        if is_at_all {
            looked_at_all = Some(Instant::now());
        }
        let look = Look { noted: server.news.take(), is_at_all };
        let telling = server.clone();
        let told = spawn_blocking(move || {
            watch.look(&telling, &look);
            let has_more = history::announce(&telling, &look);
            (watch, has_more)
        });
        // A panic has been reported by then, and what was to be told still is.
        let (next_watch, has_more) = told.await.unwrap_or_default();
        watch = next_watch;
        server.news.due.notify_one();
        has_more.into_iter().for_each(|account| server.news.note(account));
        if timeout(LOOK, server.news.more.notified()).await.is_ok() {
            sleep(PAUSE).await;
        }
    }
}
