//! The roster as it was at an earlier revision.
//!
//! A version has the revision of the one before it, so a few employees are read by going back from what they are now. Of a whole roster, the
//! versions since then are read once, in their order: the first of each employee says what the employee was until then.

use super::{Error, Filter, Moment, MomentError, Page, Reader, Snapshot, VersionAt, changes, life, rows};
use crate::roster::{Employee, Status};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

/// How many versions and employees of another status a page may pass over, looking for the employees that it is asked for.
const PASSED_OVER_MAX: usize = 10_000;

/// How many employees may be found by an id that all of them had at some time.
const SAME_ID_MAX: usize = 1_000;

/// Every employee that a revision had, as it was at first, and the revision of its current version if it has a later one.
const FIRST_VERSIONS: &str = "
    SELECT employee.number,
        coalesce((SELECT id FROM former_id WHERE number = employee.number AND revision > ?1 ORDER BY revision LIMIT 1), employee.id),
        status, profile, data, employee.revision, coalesce(latest.revision, 0)
    FROM employee LEFT JOIN latest ON latest.number = employee.number
    WHERE employee.number > ?2 AND employee.revision <= ?1 ORDER BY employee.number";

/// Employees that have changed since a revision, in the order of their numbers, each with the revision of its version from before; 0 if that
/// is in `employee`.
const CHANGED_SINCE: &str = "
    SELECT place & 0xffffffff AS number, previous, min(place) FROM version WHERE place >= (?1 + 1) << 32
    GROUP BY number ORDER BY number";

impl Reader {
    /// Returns the first revision that the roster is known of as it was, and when its sync ended, RFC 3339 in UTC, if that is known.
    pub fn history_start(&self) -> Result<(u64, Option<String>), Error> {
        history_start(&self.connection).map_err(|error| error.of(self.account))
    }
}

impl Snapshot<'_> {
    /// Returns the revision that the roster had at a moment: the last one that its syncs had made by then.
    pub fn revision_at(&self, moment: Moment) -> Result<u64, Error> {
        let revision = || match moment {
            Moment::Revision(revision) => self.check_revision(revision),
            Moment::Time(time) => self.revision_at_time(time),
        };
        revision().map_err(|error| error.of(self.account))
    }

    fn check_revision(&self, revision: u64) -> Result<u64, Error> {
        let last = self.revision()?;
        if revision > last {
            return Err(MomentError::ToCome { last }.into());
        }
        self.refuse_if_not_kept(revision)?;
        let is_there = "SELECT ?1 = 0 OR EXISTS (SELECT 1 FROM sync WHERE revision = ?1)";
        let is_there: bool = self.inner.prepare_cached(is_there)?.query_row([revision], |row| row.get(0))?;
        if is_there { Ok(revision) } else { Err(MomentError::Lost { revision }.into()) }
    }

    fn revision_at_time(&self, time: Timestamp) -> Result<u64, Error> {
        let last = self.revision()?;
        if time > Timestamp::now() {
            return Err(MomentError::ToCome { last }.into());
        }
        let found = last_sync_by(&self.inner, &text(time))?;
        self.refuse_if_not_kept(found)?;
        Ok(found)
    }

    fn refuse_if_not_kept(&self, revision: u64) -> Result<(), Error> {
        let (first, time) = history_start(&self.inner)?;
        if revision < first { Err(MomentError::NotKept { first, time }.into()) } else { Ok(()) }
    }

    /// Returns the employee that had this id at a revision.
    pub fn employee_at(&self, revision: u64, id: &str) -> Result<Option<Employee>, Error> {
        let find = || {
            for number in changes::numbers(&self.inner, id, SAME_ID_MAX)? {
                let then = then(&self.inner, revision, number, &mut 0)?;
                if let Some(employee) =
                    then.map(|then| then.employee).filter(|employee| employee.id == id && !employee.is_removed())
                {
                    return Ok(Some(employee));
                }
            }
            Ok(None)
        };
        find().map_err(|error: Error| error.of(self.account))
    }

    /// Does what [`Reader::page`] does, with the roster as it was at a revision. A page also ends early if its employees have changed very
    /// often since.
    pub fn page_at(
        &self,
        revision: u64,
        status: Option<Status>,
        after: u32,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Page, Error> {
        let read = || {
            let mut select = self
                .inner
                .prepare_cached("SELECT number FROM employee WHERE number > ?2 AND revision <= ?1 ORDER BY number")?;
            let mut numbers = select.query(params![revision, after])?;
            let (mut page, mut last) = (Page::default(), after);
            let (mut bytes, mut passed_over) = (0, 0);
            while let Some(row) = numbers.next()? {
                if page.employees.len() == limit || bytes >= bytes_max || passed_over >= PASSED_OVER_MAX {
                    page.next = Some(last);
                    break;
                }
                last = row.get(0)?;
                let Some(VersionAt { employee, .. }) = then(&self.inner, revision, last, &mut passed_over)? else {
                    continue;
                };
                if employee.is_removed() {
                    passed_over += 1;
                    continue;
                }
                if status.is_some_and(|status| status != employee.status) {
                    passed_over += 1;
                    continue;
                }
                bytes += employee.id.len() + employee.data.as_bytes().len();
                page.employees.push(employee);
            }
            Ok(page)
        };
        read().map_err(|error: Error| error.of(self.account))
    }

    /// Calls `each` with every employee of the roster at a revision that the filter lets through, of whom `since` is the revision that its
    /// `since` stands for, until it fails.
    pub(super) fn for_each_at<E: From<Error>>(
        &self,
        revision: u64,
        filter: &Filter,
        since: u64,
        mut each: impl FnMut(Employee) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: Error| E::from(error.of(self.account));
        let read =
            || -> Result<_, Error> { Ok((self.profile_of(filter)?, self.was_restored_between(since, revision)?)) };
        let (profile, is_everybody_new) = read().map_err(failed)?;
        let is_wanted = |VersionAt { employee, since: changed, .. }: &VersionAt| {
            filter.status.is_none_or(|status| status == employee.status)
                && profile.is_none_or(|profile| profile == Some(employee.profile))
                && (*changed > since || is_everybody_new)
        };
        // Who calls fails in its own way, so its failure is carried past the store's.
        let mut stopped = None;
        let result = everybody(&self.inner, revision, |then| {
            if is_wanted(&then) {
                stopped = each(then.employee).err();
            }
            stopped.is_none()
        });
        result.map_err(failed)?;
        stopped.map_or(Ok(()), Err)
    }

    /// Returns the number of the profile that a filter names; `Some(None)` if the account does not have it.
    fn profile_of(&self, filter: &Filter) -> Result<Option<Option<u32>>, Error> {
        let Some(profile) = filter.profile else {
            return Ok(None);
        };
        let mut select = self.inner.prepare_cached("SELECT number FROM profile WHERE id = ?")?;
        Ok(Some(select.query_row([profile.to_string()], |row| row.get(0)).optional()?))
    }

    fn was_restored_between(&self, since: u64, revision: u64) -> Result<bool, Error> {
        let was_restored = "SELECT EXISTS (SELECT 1 FROM restored WHERE revision > ? AND revision <= ?)";
        Ok(self.inner.prepare_cached(was_restored)?.query_row([since, revision], |row| row.get(0))?)
    }
}

/// Returns a time as the record of a sync has it.
pub(super) fn text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns the last revision whose sync had ended by a time; 0 if there is none. No sync ended before an earlier one, so half of them are
/// ruled out at a time.
pub(super) fn last_sync_by(connection: &Connection, time: &str) -> Result<u64, Error> {
    let last = "SELECT coalesce(max(revision), 0) FROM sync WHERE revision <= ?";
    let mut last = connection.prepare_cached(last)?;
    let had_ended = "SELECT finished_at <= ?2 FROM sync WHERE revision <= ?1 ORDER BY revision DESC LIMIT 1";
    let mut had_ended = connection.prepare_cached(had_ended)?;
    let (mut found, mut end): (u64, u64) = (0, last.query_row([i64::MAX], |row| row.get::<_, u64>(0))? + 1);
    while found + 1 < end {
        let middle = found + (end - found) / 2;
        let had_ended = had_ended.query_row(params![middle, time], |row| row.get(0)).optional()?;
        *(if had_ended.unwrap_or(true) { &mut found } else { &mut end }) = middle;
    }
    // A revision may have been left out.
    Ok(last.query_row([found], |row| row.get(0))?)
}

/// Returns the first revision that the roster is known of, and when its sync ended.
pub(super) fn history_start(connection: &Connection) -> Result<(u64, Option<String>), Error> {
    let mut select = connection.prepare_cached(
        "SELECT history_start.revision, finished_at FROM history_start
         LEFT JOIN sync ON sync.revision = history_start.revision",
    )?;
    Ok(select.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Returns an employee as it was at a revision; `None` if it was created later. Adds to `passed_over` how many versions have come since.
pub(super) fn then(
    connection: &Connection,
    revision: u64,
    number: u32,
    passed_over: &mut usize,
) -> Result<Option<VersionAt>, Error> {
    let version = life::version_until(connection, number, revision, passed_over)?;
    Ok(version.map(|life::Version { revision, employee, absent, .. }| VersionAt { employee, since: revision, absent }))
}

/// Calls `each` with every employee of the roster at a revision, in the order of the numbers, while it returns true.
fn everybody(connection: &Connection, revision: u64, mut each: impl FnMut(VersionAt) -> bool) -> Result<(), Error> {
    let (mut first, mut since) = (connection.prepare(FIRST_VERSIONS)?, connection.prepare(CHANGED_SINCE)?);
    let mut version = connection
        .prepare("SELECT coalesce(?2, ''), status, profile, data FROM version WHERE place = ?1 << 32 | ?3")?;
    let (mut first, mut since) = (first.query(params![revision, 0])?, since.query([revision])?);
    let mut next_changed = || -> Result<Option<(u32, u64)>, Error> {
        Ok(since.next()?.map(|row| Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?))).transpose()?)
    };
    let mut changed = next_changed()?;
    while let Some(row) = first.next()? {
        let number: u32 = row.get(0)?;
        while changed.is_some_and(|(other, _)| other < number) {
            changed = next_changed()?;
        }
        let made_by = match changed {
            Some((other, before)) if other == number => before,
            _ => row.get(6)?,
        };
        let id: String = row.get(1)?;
        let mut versions = version.query(params![made_by, id, number])?;
        let then = match versions.next()? {
            Some(row) => VersionAt { employee: rows::whole_employee(row, 0)?, since: made_by, absent: None },
            // It is the first one.
            None => VersionAt { employee: rows::whole_employee(row, 1)?, since: row.get(5)?, absent: None },
        };
        if !then.employee.is_removed() && !each(then) {
            return Ok(());
        }
    }
    Ok(())
}
