//! Turns: one push at a time for an account, and not too many at a time for the machine.

use super::asked::OneAtATime;
use crate::limits::Limits;
use crate::server::respond::Refusal;
use crate::server::share::budget::{Budget, Reserved};
use crate::server::share::gate::{Gate, Shut, Ticket};
use crate::server::share::pace::{Pace, Place, Places};
use crate::store::Key;
use hyper::StatusCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client must have kept the server waiting for its body before it loses its place to another push.
const LATE: Duration = Duration::from_millis(300);

/// How long a client that must give way has for it before the next one must.
const GIVES_WAY: Duration = Duration::from_millis(200);

/// How often a push that waits looks for such a client.
const LOOK: Duration = Duration::from_millis(50);

/// The turns of all accounts.
pub struct Turns {
    gate: Gate,
    pushing: Arc<Places>,
    wait: Duration,
    pushes_max: usize,
}

/// The right to push for one account, until it is dropped.
pub struct Turn {
    /// What opens the account's roster.
    pub key: Key,
    /// When it was taken.
    pub taken: Instant,
    reserved: Option<Reserved>,
    /// Released before the answer leaves, so that whoever has it can send the push again.
    pub(super) one_at_a_time: Option<OneAtATime>,
    _ticket: Ticket,
    _place: Place,
}

impl Turn {
    /// Holds this for as long as the turn lasts.
    #[must_use]
    pub fn holding(self, one_at_a_time: Option<OneAtATime>) -> Turn {
        Turn { one_at_a_time, ..self }
    }

    /// Takes bytes of a budget, as many as are then added, for as long as the turn lasts.
    pub fn reserving(&mut self, budget: &Arc<Budget>) -> &mut Reserved {
        self.reserved.insert(budget.nothing(Some(self.key.account)))
    }
}

impl Turns {
    pub fn new(limits: &Limits) -> Turns {
        Turns {
            gate: Gate::new(limits.pushes_max, 1, limits.account_waiting_max),
            pushing: Arc::default(),
            wait: Duration::from_secs(limits.push_wait_seconds_max),
            pushes_max: limits.pushes_max,
        }
    }

    /// How many pushes wait for their turn.
    pub fn waiting(&self) -> usize {
        self.gate.waiting()
    }

    /// How many pushes have their turn.
    pub fn under_way(&self) -> usize {
        self.gate.inside()
    }

    /// Waits for the account's turn, within the limit. `pace` is that of the request: while other pushes wait for a place, whoever
    /// is slowest to send its body loses it.
    pub async fn take(&self, key: Key, pace: &Arc<Pace>) -> Result<Turn, Refusal> {
        let make_room = async {
            loop {
                // Whoever must give its place up needs a moment to do so.
                let gives_way = self.gate.is_full() && self.pushing.close_latest(LATE);
                tokio::time::sleep(if gives_way { GIVES_WAY } else { LOOK }).await;
            }
        };
        let entered = self.gate.enter_making_room(key.account, self.wait, make_room).await;
        let _ticket = entered.map_err(|shut| self.refusal(key.account, shut))?;
        let _place = self.pushing.take(pace.clone());
        Ok(Turn { key, taken: Instant::now(), reserved: None, one_at_a_time: None, _ticket, _place })
    }

    fn refusal(&self, account: i64, shut: Shut) -> Refusal {
        let seconds = self.wait.as_secs();
        let (status, message) = match shut {
            Shut::Account => (
                StatusCode::CONFLICT,
                format!(
                    "another push of account {account} is under way and did not end within {seconds} seconds, or too many \
                     wait for it; nothing of this one was read; send it again in a moment"
                ),
            ),
            Shut::All => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "{} pushes are under way, the most that this server takes at a time (limit pushes_max); \
                     send this one again in a moment",
                    self.pushes_max
                ),
            ),
        };
        Refusal::new(status, message).retry_after(seconds.max(1))
    }
}
