//! A roster at one moment, read as a whole.

use super::{Error, Moment, reader, rows};
use crate::roster::{Employee, Names, Status};
use rusqlite::{OptionalExtension as _, params};
use uuid::Uuid;

/// The roster at one moment.
pub struct Snapshot<'a> {
    pub(super) inner: rusqlite::Transaction<'a>,
    pub(super) account: i64,
}

/// Which employees are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this status.
    pub status: Option<Status>,
    /// Those that were last checked by this profile.
    pub profile: Option<Uuid>,
    /// Those that changed since.
    pub since: Option<Since>,
    /// As they were at this moment, instead of now.
    pub at: Option<Moment>,
}

/// A moment in the life of a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// After this revision.
    Revision(u32),
    /// From the first sync on that was finished at this time or later. What was sent before may come again, and nothing is missed,
    /// also if the clock of the server was set back.
    Time(jiff::Timestamp),
}

impl Snapshot<'_> {
    /// What the numbers in an [`Employee`] stand for.
    pub fn names(&self) -> Result<Names, Error> {
        reader::names(&self.inner).map_err(|error| error.of(self.account))
    }

    /// The roster's revision at that moment.
    pub fn revision(&self) -> Result<u64, Error> {
        Ok(self.inner.query_row("SELECT coalesce(max(revision), 0) FROM sync", [], |row| row.get(0))?)
    }

    /// Returns the revision that the filter asks for the roster of.
    pub fn revision_of(&self, filter: &Filter) -> Result<u64, Error> {
        filter.at.map_or_else(|| self.revision(), |at| self.revision_at(at))
    }

    /// Calls `each` with every employee that the filter lets through, in the order of arrival, until it fails.
    pub fn for_each<E: From<Error>>(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Employee) -> Result<(), E>,
    ) -> Result<(), E> {
        let store = |error: Error| E::from(error.of(self.account));
        let sqlite = |error: rusqlite::Error| store(error.into());
        let since = match filter.since {
            None => 0,
            Some(Since::Revision(revision)) => revision.into(),
            Some(Since::Time(time)) => self.revision_before(time).map_err(store)?,
        };
        if let Some(at) = filter.at {
            return self.for_each_at(self.revision_at(at)?, filter, since, each);
        }
        let mut select = self
            .inner
            .prepare(
                "SELECT id, status, profile, data FROM roster WHERE profile <> 0 AND (?1 IS NULL OR status = ?1)
                 AND (?2 IS NULL OR profile = (SELECT number FROM profile WHERE id = ?2)) AND (revision > ?3 OR EXISTS (SELECT 1 FROM restored WHERE restored.revision > ?3)) ORDER BY number",
            )
            .map_err(sqlite)?;
        let status = filter.status.map(|status| status as u8);
        let profile = filter.profile.map(|profile| profile.to_string());
        let mut employees = select.query(params![status, profile, since]).map_err(sqlite)?;
        while let Some(row) = employees.next().map_err(sqlite)? {
            each(rows::whole_employee(row, 0).map_err(store)?)?;
        }
        Ok(())
    }

    /// Calls `each` with all employees and their numbers, in the order of arrival and so many at a time, until it returns false. Returns whether it
    /// never did.
    pub fn batches(&self, size: usize, mut each: impl FnMut(Vec<(u32, Employee)>) -> bool) -> Result<bool, Error> {
        let mut batches = || {
            let mut select = self
                .inner
                .prepare("SELECT number, id, status, profile, data FROM roster WHERE profile <> 0 ORDER BY number")?;
            let mut employees = select.query([])?;
            let mut batch = Vec::with_capacity(size);
            while let Some(row) = employees.next()? {
                batch.push((row.get(0)?, rows::whole_employee(row, 1)?));
                if batch.len() == size && !each(std::mem::replace(&mut batch, Vec::with_capacity(size))) {
                    return Ok(false);
                }
            }
            Ok(batch.is_empty() || each(batch))
        };
        batches().map_err(|error: Error| error.of(self.account))
    }

    /// Returns the revision before the first sync that was finished at a time or later; the roster's if there is none.
    fn revision_before(&self, time: jiff::Timestamp) -> Result<u64, Error> {
        let first: Option<u64> = self
            .inner
            .query_row(
                "SELECT revision FROM sync WHERE finished_at >= ? ORDER BY revision LIMIT 1",
                [time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()],
                |row| row.get(0),
            )
            .optional()?;
        first.map_or_else(|| self.revision(), |first| Ok(first - 1))
    }
}

impl Filter {
    /// Reads one of the filters `status`, `profile`, `changed-since` and `at`; the error is what is wrong with it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "status" => self.status = Some(Status::parse(value).ok_or("status must be active or hidden")?),
            "profile" => self.profile = Some(Uuid::parse_str(value).map_err(|_| "profile must be a GUID")?),
            "changed-since" => {
                let wrong = "changed-since must be a revision, like 7, or a time, like 2026-01-31T00:00:00Z";
                let revision = value.parse::<u32>().ok().map(Since::Revision);
                let time = || value.parse().ok().map(Since::Time);
                self.since = Some(revision.or_else(time).ok_or(wrong)?);
            }
            "at" => self.at = Some(Moment::parse(value)?),
            _ => return Err("there are the filters status, profile, changed-since and at, and no others".into()),
        }
        Ok(())
    }
}
