//! Gates: a limited number of requests pass at a time, of all accounts and of each; the others wait in the order in which they came.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many accounts a gate remembers before it forgets those that have nobody inside or waiting.
const ACCOUNTS_KEPT: usize = 1_000;

/// A gate.
pub struct Gate {
    accounts: Mutex<HashMap<i64, Arc<Account>>>,
    all: Arc<Semaphore>,
    all_max: usize,
    account_max: usize,
    waiting_max: usize,
}

struct Account {
    inside: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A request inside a gate, until this is dropped.
pub struct Ticket {
    _account: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// Why a gate stayed shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// The account has as many inside as it may.
    Account,
    /// All accounts together have.
    All,
}

impl Gate {
    /// Makes a gate that lets `all_max` requests in at a time, and `account_max` of one account, of which `waiting_max` may wait.
    pub fn new(all_max: usize, account_max: usize, waiting_max: usize) -> Gate {
        Gate { accounts: Mutex::default(), all: Arc::new(Semaphore::new(all_max)), all_max, account_max, waiting_max }
    }

    /// Waits until the request may enter: up to `wait` for others of the account, and then up to `wait` for those of all accounts.
    pub async fn enter(&self, account: i64, wait: Duration) -> Result<Ticket, Shut> {
        self.enter_making_room(account, wait, std::future::pending()).await
    }

    /// Does the same. While it waits for requests of other accounts, it runs `make_room`, which never ends.
    pub async fn enter_making_room(
        &self,
        account: i64,
        wait: Duration,
        make_room: impl Future<Output = Infallible>,
    ) -> Result<Ticket, Shut> {
        let account = {
            let mut accounts = self.accounts.lock().expect("no holder of the lock panics");
            let new = || Account { inside: Arc::new(Semaphore::new(self.account_max)), waiting: AtomicUsize::new(0) };
            if accounts.len() > ACCOUNTS_KEPT {
                accounts.retain(|_, account| Arc::strong_count(account) + Arc::strong_count(&account.inside) > 2);
            }
            accounts.entry(account).or_insert_with(|| Arc::new(new())).clone()
        };
        let _waiting = Waiting::new(&account);
        if account.waiting.load(Ordering::Relaxed) > self.waiting_max {
            return Err(Shut::Account);
        }
        let enter = |gate: &Arc<Semaphore>| timeout(wait, gate.clone().acquire_owned());
        let _account = enter(&account.inside).await.map_err(|_| Shut::Account)?;
        let _all = tokio::select! {
            biased;
            entered = enter(&self.all) => entered.map_err(|_| Shut::All)?,
            never = make_room => match never {},
        };
        let open = "a gate is never closed";
        Ok(Ticket { _account: _account.expect(open), _all: _all.expect(open) })
    }

    /// Returns how many requests are inside.
    pub fn inside(&self) -> usize {
        self.all_max.saturating_sub(self.all.available_permits())
    }

    /// Returns how many requests wait, of all accounts.
    pub fn waiting(&self) -> usize {
        let accounts = self.accounts.lock().expect("no holder of the lock panics");
        accounts.values().map(|account| account.waiting.load(Ordering::Relaxed)).sum()
    }

    /// Whether no other request may enter at the moment.
    pub fn is_full(&self) -> bool {
        self.all.available_permits() == 0
    }
}

/// A request that waits and is counted.
struct Waiting<'a>(&'a Account);

impl Waiting<'_> {
    fn new(account: &Account) -> Waiting<'_> {
        account.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(account)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
