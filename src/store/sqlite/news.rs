//! News: what an account's history has after a place, the earliest first.

use super::syncs::{REFUSAL, SYNC, applied, refused};
use super::{Error, Past, Reader, SyncPlace};
use jiff::{SignedDuration, Timestamp};

/// Within what time it is noticed that the numbers of refused pushes have begun anew.
const RESET: SignedDuration = SignedDuration::from_secs(120);

/// What follows a place in the history of an account.
#[derive(Debug)]
pub struct News {
    /// Syncs, and then pushes that were refused or held: each in the order of their numbers.
    pub pushes: Vec<Past>,
    /// Up to where this is.
    pub to: SyncPlace,
    /// Whether there is more.
    pub has_more: bool,
}

impl Reader {
    /// Returns the last revision, and the number of the last push that was refused or held; 0 if there is none.
    pub fn last_place(&self) -> Result<SyncPlace, Error> {
        let last =
            "SELECT (SELECT coalesce(max(revision), 0) FROM sync), (SELECT coalesce(max(number), 0) FROM refusal)";
        let place = |row: &rusqlite::Row| Ok(SyncPlace { revision: row.get(0)?, refusal: row.get(1)? });
        Ok(self.connection.query_row(last, [], place)?)
    }

    /// Returns the number of the last refused push from before the numbers began anew, because a backup was restored or the record was
    /// repaired. What is new since then was refused a moment ago.
    fn refused_before_reset(&self) -> Result<u64, Error> {
        let before = Timestamp::now().checked_sub(RESET).unwrap_or(Timestamp::MIN);
        let before = before.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let last = "SELECT coalesce(max(number), 0) FROM refusal WHERE finished_at < ?";
        Ok(self.connection.query_row(last, [before], |row| row.get(0))?)
    }

    /// Returns what follows a place: at most `limit` syncs, and as many other pushes.
    pub fn news(&self, after: SyncPlace, limit: usize) -> Result<News, Error> {
        self.read_news(after, limit).map_err(|error| error.of(self.account))
    }

    fn read_news(&self, after: SyncPlace, limit: usize) -> Result<News, Error> {
        let last = self.last_place()?;
        let mut to = after;
        if last.refusal < after.refusal {
            to.refusal = self.refused_before_reset()?;
        }
        let mut news = News { pushes: Vec::new(), to, has_more: false };
        let next_syncs = format!("{SYNC} WHERE sync.revision > ? ORDER BY sync.revision LIMIT ?");
        let mut select = self.connection.prepare_cached(&next_syncs)?;
        let mut rows = select.query((to.revision, limit))?;
        while let Some(row) = rows.next()? {
            let past = applied(row)?;
            to.revision = past.applied().map_or(to.revision, |applied| applied.revision);
            news.pushes.push(past);
        }
        let next_others = format!("{REFUSAL} WHERE number > ? ORDER BY number LIMIT ?");
        let mut select = self.connection.prepare_cached(&next_others)?;
        let mut rows = select.query((to.refusal, limit))?;
        while let Some(row) = rows.next()? {
            let (number, past) = refused(row)?;
            to.refusal = number;
            news.pushes.push(past);
        }
        Ok(News { has_more: to.revision < last.revision || to.refusal < last.refusal, to, ..news })
    }
}
