//! The schedules of accounts, and the alarms of those whose push is late.

use super::{AccountSetting, Announcement, Error, SCHEDULE, Store, webhooks};
use crate::schedule::Schedule;
use jiff::Timestamp;
use rusqlite::{Row, params};

/// An account whose pushes are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// The account.
    pub account: i64,
    /// When it was added: a push is expected after that as after a push.
    pub created_at: Timestamp,
    /// When its pushes are expected.
    pub schedule: Schedule,
}

/// The push of an account is late. An alarm ends by itself with the next push that is applied, or with the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The account.
    pub account: i64,
    /// When the push was due, RFC 3339 in UTC.
    pub due_at: String,
    /// When the last one before was applied; `None` if there was none.
    pub last_push: Option<String>,
    /// When it was found to be late.
    pub raised_at: String,
}

impl Store {
    /// Returns the accounts that have a schedule and have not ended, by id: all, or one of them. A schedule that cannot be read is an error that names it.
    pub fn scheduled(&self, account: Option<i64>, now: Timestamp) -> Result<Vec<Scheduled>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT id, created_at, value FROM account_setting JOIN account ON account = id
             WHERE account_setting.name = ?1 AND (ends_at IS NULL OR ends_at > ?2) AND (?3 IS NULL OR id = ?3) ORDER BY id",
        )?;
        let mut rows = select.query(params![SCHEDULE, now.as_second(), account])?;
        let mut scheduled = Vec::new();
        while let Some(row) = rows.next()? {
            let (account, created_at, value): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let created_at = created_at.parse().map_err(Error::damaged)?;
            match AccountSetting::parse(SCHEDULE, &value) {
                Some(AccountSetting::Schedule(Some(schedule))) => {
                    scheduled.push(Scheduled { account, created_at, schedule });
                }
                Some(_) => {}
                None => return Err(Error::AccountSetting { account, name: SCHEDULE.into() }),
            }
        }
        Ok(scheduled)
    }

    /// Returns the alarms of an account, or of all, the earliest due first.
    pub fn alarms(&self, account: Option<i64>) -> Result<Vec<Alarm>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT account, due_at, last_push, raised_at FROM alarm WHERE ?1 IS NULL OR account = ?1 ORDER BY due_at, account",
        )?;
        let alarm = |row: &Row| {
            Ok(Alarm { account: row.get(0)?, due_at: row.get(1)?, last_push: row.get(2)?, raised_at: row.get(3)? })
        };
        Ok(select.query_map([account], alarm)?.collect::<Result<_, _>>()?)
    }

    /// Raises an alarm and announces it, both or neither. Returns whether there was none of the account yet.
    pub fn raise_alarm(&self, alarm: &Alarm, announcement: &Announcement) -> Result<bool, Error> {
        self.write(|transaction| {
            let raised = transaction.execute(
                "INSERT INTO alarm (account, due_at, last_push, raised_at)
                 SELECT id, ?2, ?3, ?4 FROM account WHERE id = ?1 ON CONFLICT DO NOTHING",
                params![alarm.account, alarm.due_at, alarm.last_push, alarm.raised_at],
            )?;
            if raised > 0 {
                webhooks::announce(transaction, alarm.account, announcement)?;
            }
            Ok(raised > 0)
        })
    }

    /// Ends the alarm of an account. Returns whether there was one.
    pub fn end_alarm(&self, account: i64) -> Result<bool, Error> {
        self.write(|transaction| Ok(transaction.execute("DELETE FROM alarm WHERE account = ?", [account])? > 0))
    }
}
