//! Gates: so many at a time for all, and so many for one account; others wait, in their order.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many accounts are remembered at least, whether they are inside or not.
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

/// Who is inside of a gate, until it is dropped.
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
    /// A gate for `all_max` at a time, `account_max` of each account; `waiting_max` of an account may wait.
    pub fn new(all_max: usize, account_max: usize, waiting_max: usize) -> Gate {
        Gate { accounts: Mutex::default(), all: Arc::new(Semaphore::new(all_max)), all_max, account_max, waiting_max }
    }

    /// Enters, and waits for that: `wait` for others of the account, and `wait` for all.
    pub async fn enter(&self, account: i64, wait: Duration) -> Result<Ticket, Shut> {
        self.enter_making_room(account, wait, std::future::pending()).await
    }

    /// The same. While it waits for others than the account's own, `make_room` goes on, which never ends.
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

    /// How many are inside.
    pub fn inside(&self) -> usize {
        self.all_max.saturating_sub(self.all.available_permits())
    }

    /// How many wait, of all accounts.
    pub fn waiting(&self) -> usize {
        let accounts = self.accounts.lock().expect("no holder of the lock panics");
        accounts.values().map(|account| account.waiting.load(Ordering::Relaxed)).sum()
    }

    /// Whether nobody more may enter at the moment.
    pub fn is_full(&self) -> bool {
        self.all.available_permits() == 0
    }
}

/// One who waits, counted.
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
