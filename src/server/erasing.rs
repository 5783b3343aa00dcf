//! Erasing what profiles say is to be erased, once a day, and overwriting what could not be overwritten yet. No push waits for it: the roster is
//! read in pieces, and written only for the moment that an erasure takes.

use super::Server;
use crate::profile::{Erasing, Profile};
use crate::store::{Due, Error, Key, Sender};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;

/// How often it is looked who has not had a turn today.
const LOOK: Duration = Duration::from_secs(15 * 60);

/// How many employees one sync erases at most.
const ERASED_MAX: usize = 1_000;

/// How long an erasure waits for those who read, to overwrite what it erased. After that it is overwritten when they have ended.
pub const OVERWRITING_WAIT: Duration = Duration::from_secs(2);

/// Once a day (UTC) erases from each account whoever its profiles say: at once, and then whenever a day has begun.
pub async fn erase_daily(server: Arc<Server>) {
    let mut done: HashMap<i64, Date> = HashMap::new();
    loop {
        let server = server.clone();
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let erasing = spawn_blocking(move || {
            server.erase_due(&mut done, today);
            done
        });
        done = erasing.await.unwrap_or_default();
        tokio::time::sleep(LOOK).await;
    }
}

impl Server {
    /// Erases whoever is due today from the accounts that are not done yet.
    fn erase_due(&self, done: &mut HashMap<i64, Date>, today: Date) {
        let accounts = match self.store.accounts() {
            Ok(accounts) => accounts,
            Err(error) => return tracing::error!("cannot see whose personal data is to be erased: {error}"),
        };
        if let Err(error) = self.refresh_profiles() {
            return tracing::error!("cannot see what profiles say is to be erased: {error}");
        }
        for account in accounts.iter().map(|account| account.id) {
            if done.get(&account) == Some(&today) {
                continue;
            }
            match self.erase_due_of(account, today) {
                Ok(()) => drop(done.insert(account, today)),
                // Somebody writes. It has time until the next look.
                Err(Error::Busy(_) | Error::Changed { .. } | Error::AccountGone(_)) => {}
                Err(error) => tracing::error!(account, "cannot erase what the profiles say: {error}"),
            }
        }
    }

    fn erase_due_of(&self, account: i64, today: Date) -> Result<(), Error> {
        let Some(key) = self.store.key(account)? else {
            return Ok(());
        };
        // What was erased, and not overwritten before the server was killed, is overwritten when this closes.
        drop(self.store.reader(&key)?);
        for profile in self.profiles.of_account(account) {
            if let Some(erasing) = &profile.erase {
                self.erase_due_by(&key, &profile, erasing, today)?;
            }
        }
        Ok(())
    }

    fn erase_due_by(&self, key: &Key, profile: &Profile, erasing: &Erasing, today: Date) -> Result<(), Error> {
        let Ok(last) = today.checked_sub(i64::from(erasing.days).days()) else {
            return Ok(());
        };
        let reader = self.store.history_reader(key)?;
        let Some(due) = reader.due(profile.id, &erasing.field, last)? else {
            return Ok(());
        };
        let (mut after, mut numbers) = (Some(0), Vec::new());
        while let Some(from) = after {
            let (found, next) = reader.all_due(&due, from)?;
            numbers.extend(found);
            after = next;
            while numbers.len() >= ERASED_MAX || (after.is_none() && !numbers.is_empty()) {
                let rest = numbers.split_off(numbers.len().min(ERASED_MAX));
                self.erase(key, &due, &std::mem::replace(&mut numbers, rest))?;
            }
        }
        Ok(())
    }

    fn erase(&self, key: &Key, due: &Due, numbers: &[u32]) -> Result<(), Error> {
        let mut roster = self.store.roster(key)?;
        let mut draft = roster.begin()?;
        // A push may have brought somebody back meanwhile.
        let stored = draft.read(numbers)?;
        let is_due = |(_, stored): &(&u32, &Option<_>)| stored.as_ref().is_some_and(|employee| due.is(employee));
        let numbers: Vec<u32> = numbers.iter().zip(&stored).filter(is_due).map(|(number, _)| *number).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let erased = draft.erase(&numbers, Sender::default(), self.limits.index_bytes_max)?;
        let account = key.account;
        tracing::info!(account, erased = erased.employees, revision = erased.revision, "personal data erased");
        roster.scrub(Instant::now() + OVERWRITING_WAIT);
        self.store.keep_open(roster, self.limits.rosters_open_max);
        Ok(())
    }
}
