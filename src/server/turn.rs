//! Turns: one push at a time for an account, and not too many at a time for the machine.

use super::respond::Refusal;
use crate::limits::Limits;
use hyper::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{self, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Who may push.
pub struct Turns {
    accounts: Mutex<HashMap<i64, Arc<sync::Mutex<()>>>>,
    all: Arc<Semaphore>,
    wait: Duration,
    pushes_max: usize,
}

/// The right to push for one account, until it is dropped.
pub struct Turn {
    _account: OwnedMutexGuard<()>,
    _all: OwnedSemaphorePermit,
}

impl Turns {
    pub fn new(limits: &Limits) -> Turns {
        Turns {
            accounts: Mutex::default(),
            all: Arc::new(Semaphore::new(limits.pushes_max)),
            wait: Duration::from_secs(limits.push_wait_seconds_max),
            pushes_max: limits.pushes_max,
        }
    }

    /// Waits for the account's turn, within the limit.
    pub async fn take(&self, account: i64) -> Result<Turn, Refusal> {
        let of_account = {
            let mut accounts = self.accounts.lock().expect("no holder of the lock panics");
            accounts.entry(account).or_default().clone()
        };
        let seconds = self.wait.as_secs();
        let _account = timeout(self.wait, of_account.lock_owned()).await.map_err(|_| {
            let message = format!(
                "another push of account {account} is under way and did not end within {seconds} seconds; \
                 nothing of this one was read; send it again in a moment"
            );
            Refusal::new(StatusCode::CONFLICT, message).retry_after(seconds.max(1))
        })?;
        let _all = match timeout(self.wait, self.all.clone().acquire_owned()).await {
            Ok(permit) => permit.expect("the semaphore is never closed"),
            Err(_) => {
                let message = format!(
                    "{} pushes are under way, the most that this server takes at a time (limit pushes_max); \
                     send this one again in a moment",
                    self.pushes_max
                );
                return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(seconds.max(1)));
            }
        };
        Ok(Turn { _account, _all })
    }
}
