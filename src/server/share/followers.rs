//! Followers: requests that wait until their account's roster changes. They wait as tasks, so they cost a connection and a little memory, and
//! no thread.

use super::gate::{Gate, Shut, Ticket};
use crate::limits::Limits;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How many accounts are remembered before those are forgotten that nobody follows.
const ACCOUNTS_KEPT: usize = 1_000;

/// Those who follow the rosters of a server.
pub struct Followers {
    /// Tells those who follow an account that its roster has changed.
    accounts: Mutex<HashMap<i64, watch::Sender<()>>>,
    /// Whether the server stops, so that nobody is to wait any longer.
    stopping: watch::Sender<bool>,
    waiting: Gate,
    reading: Gate,
    wait: Duration,
}

/// Sees each change of a roster.
pub struct Watch {
    changed: watch::Receiver<()>,
    stopping: watch::Receiver<bool>,
}

/// Why a follower waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The roster has changed.
    Changed,
    /// The time is over.
    InVain,
    /// The server stops.
    Stopping,
}

impl Followers {
    /// Makes the gates: an account may have half of those who wait.
    pub fn new(limits: &Limits) -> Followers {
        let max = limits.followers_max;
        Followers {
            accounts: Mutex::default(),
            stopping: watch::Sender::new(false),
            waiting: Gate::new(max, max.div_ceil(2), max),
            // All whom a change wakes read at once; each read takes a moment.
            reading: Gate::new(limits.reads_max, limits.account_reads_max, max),
            wait: Duration::from_secs(limits.push_wait_seconds_max),
        }
    }

    /// Takes a place among those who wait, if there is one.
    pub async fn enter(&self, account: i64) -> Result<Ticket, Shut> {
        self.waiting.enter(account, Duration::ZERO).await
    }

    /// Waits for a turn to read, of which only so many requests have one at a time.
    pub async fn read(&self, account: i64) -> Result<Ticket, Shut> {
        self.reading.enter(account, self.wait).await
    }

    /// How many wait.
    pub fn inside(&self) -> usize {
        self.waiting.inside()
    }

    /// Sees each change of an account's roster from now on.
    pub fn watch(&self, account: i64) -> Watch {
        let mut accounts = self.accounts.lock().expect("no holder of the lock panics");
        if accounts.len() > ACCOUNTS_KEPT {
            accounts.retain(|_, changed| changed.receiver_count() > 0);
        }
        let changed = accounts.entry(account).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { changed, stopping: self.stopping.subscribe() }
    }

    /// Wakes those who follow an account, whose roster has changed.
    pub fn wake(&self, account: i64) {
        let accounts = self.accounts.lock().expect("no holder of the lock panics");
        if let Some(changed) = accounts.get(&account) {
            changed.send_replace(());
        }
    }

    /// Returns the accounts that somebody follows now.
    pub fn followed(&self) -> Vec<i64> {
        if self.inside() == 0 {
            return Vec::new();
        }
        let accounts = self.accounts.lock().expect("no holder of the lock panics");
        accounts.iter().filter(|(_, changed)| changed.receiver_count() > 0).map(|(account, _)| *account).collect()
    }

    /// Lets everybody go, because the server stops.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }
}

impl Watch {
    /// Waits until the roster changes, if it has not since this was called last, or until a time.
    pub async fn changed(&mut self, until: Instant) -> Woken {
        let Watch { changed, stopping } = self;
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => Woken::Stopping,
            changed = timeout_at(until, changed.changed()) => match changed {
                Ok(Ok(())) => Woken::Changed,
                // Nobody else tells of changes then.
                Ok(Err(_)) | Err(_) => Woken::InVain,
            },
        }
    }
}
