//! Late: alarms of accounts whose push did not come by its schedule.

use super::{Look, payload};
use crate::schedule::Expected;
use crate::server::Server;
use crate::store::{Alarm, Error, Scheduled, Store};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// Looks which pushes are late.
#[derive(Default)]
pub struct Watch {
    /// Until when an account need not be looked at, by its schedule: a push only makes that later.
    known: HashMap<i64, (Scheduled, Timestamp)>,
}

/// How an account stands by its schedule.
pub struct Standing {
    /// When the last push was applied; `None` if none was.
    pub last_push: Option<String>,
    /// When the next one is expected.
    pub expected: Expected,
}

impl Standing {
    /// Reads how an account stands.
    pub fn of(store: &Store, scheduled: &Scheduled) -> Result<Standing, Error> {
        let last_push = store.last_sync(scheduled.account)?;
        let last = last_push.as_ref().and_then(|last| last.parse().ok()).unwrap_or(scheduled.created_at);
        Ok(Standing { last_push, expected: scheduled.schedule.after(last) })
    }
}

impl Watch {
    /// Raises and ends the alarms of the accounts that have a schedule.
    pub fn look(&mut self, server: &Server, look: &Look) {
        if let Err(error) = self.try_look(server, look) {
            tracing::error!("cannot see which pushes are late: {error}");
        }
    }

    fn try_look(&mut self, server: &Server, look: &Look) -> Result<(), Error> {
        let now = Timestamp::now();
        let scheduled = server.store.scheduled(None, now)?;
        let late: BTreeSet<i64> = server.store.alarms(None)?.into_iter().map(|alarm| alarm.account).collect();
        let accounts: BTreeSet<i64> = scheduled.iter().map(|scheduled| scheduled.account).collect();
        for account in late.difference(&accounts) {
            server.store.end_alarm(*account)?;
            tracing::info!(account, "the account's push is not expected any more");
        }
        self.known.retain(|account, _| accounts.contains(account));
        for scheduled in scheduled {
            let is_late = late.contains(&scheduled.account);
            if self.is_to_be_looked_at(&scheduled, is_late, look, now) {
                let account = scheduled.account;
                if let Err(error) = self.look_at(server, scheduled, is_late, now) {
                    tracing::error!(account, "cannot see whether the push is late: {error}");
                }
            }
        }
        Ok(())
    }

    fn is_to_be_looked_at(&self, scheduled: &Scheduled, is_late: bool, look: &Look, now: Timestamp) -> bool {
        match self.known.get(&scheduled.account) {
            Some((known, _)) if known == scheduled && is_late => look.is_at(scheduled.account),
            Some((known, until)) if known == scheduled => now >= *until,
            _ => true,
        }
    }

    fn look_at(&mut self, server: &Server, scheduled: Scheduled, is_late: bool, now: Timestamp) -> Result<(), Error> {
        let Standing { last_push, expected } = Standing::of(&server.store, &scheduled)?;
        let account = scheduled.account;
        match (expected.is_late(now), is_late) {
            (true, false) => {
                let due_at = text(expected.due);
                let alarm = Alarm { account, due_at, last_push, raised_at: text(now) };
                if server.store.raise_alarm(&alarm, &payload::missed(&alarm, &scheduled.schedule))? {
                    tracing::warn!(
                        account,
                        due = alarm.due_at,
                        last = alarm.last_push,
                        "a push is late: account {account} expects it {}",
                        scheduled.schedule
                    );
                }
            }
            (false, true) => {
                server.store.end_alarm(account)?;
                tracing::info!(account, "the late push has come");
            }
            (true, true) | (false, false) => {}
        }
        self.known.insert(account, (scheduled, expected.late_from));
        Ok(())
    }
}

/// Returns a time as the store and answers have it.
pub fn text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
