//! The roster of one account, to read.

use super::{Error, Snapshot, log, rows, scrub, tally};
use crate::roster::{Employee, Names, Status};
use rusqlite::Connection;
use uuid::Uuid;

/// How many employees a page may pass over, looking for the few that it is asked for.
const PASSED_OVER_MAX: usize = 10_000;

/// The roster of one account, opened to read: it takes little memory, writes nothing, and sees the last committed state. Any number
/// may be open at a time.
pub struct Reader {
    pub(super) connection: Connection,
    pub(super) account: i64,
}

/// A roster in a few figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many employees are active.
    pub active: u64,
    /// How many are hidden.
    pub hidden: u64,
    /// How many syncs were applied.
    pub revision: u64,
    /// When the last was, RFC 3339 in UTC.
    pub last_sync: Option<String>,
}

/// Employees in the order of their arrival, and where the next page begins.
#[derive(Debug, Default)]
pub struct Page {
    /// The employees.
    pub employees: Vec<Employee>,
    /// What the next page comes after; `None` if this is the last one.
    pub next: Option<u32>,
}

impl Reader {
    /// Returns the employee with this id, and its number.
    pub fn employee(&self, id: &str) -> Result<Option<(u32, Employee)>, Error> {
        let find = || {
            let mut select = self
                .connection
                .prepare("SELECT number, id, status, profile, data FROM roster WHERE id = ? AND profile <> 0")?;
            let mut employees = select.query([id])?;
            let Some(row) = employees.next()? else {
                return Ok(None);
            };
            Ok(Some((row.get(0)?, rows::whole_employee(row, 1)?)))
        };
        find().map_err(|error: Error| error.of(self.account))
    }

    /// Returns up to `limit` employees of the status with a number above `after`, in the order of their numbers, which is that of
    /// their arrival. A page ends early, perhaps with nobody on it, when its data reaches `bytes_max`, or when too many employees
    /// were passed over to find those of the status.
    pub fn page(&self, status: Option<Status>, after: u32, limit: usize, bytes_max: usize) -> Result<Page, Error> {
        self.read_page(status, after, limit, bytes_max).map_err(|error| error.of(self.account))
    }

    fn read_page(&self, status: Option<Status>, after: u32, limit: usize, bytes_max: usize) -> Result<Page, Error> {
        let mut select = self.connection.prepare(match status {
            Some(Status::Hidden) => OF_HIDDEN,
            Some(Status::Active) | None => OF_ALL,
        })?;
        let mut employees = select.query([after])?;
        let (mut page, mut last) = (Page::default(), after);
        let (mut bytes, mut passed_over) = (0, 0);
        while let Some(row) = employees.next()? {
            if page.employees.len() == limit || bytes >= bytes_max || passed_over == PASSED_OVER_MAX {
                page.next = Some(last);
                break;
            }
            last = row.get(0)?;
            if status.is_some_and(|status| row.get(2) != Ok(status as u8)) {
                passed_over += 1;
                continue;
            }
            let employee = rows::whole_employee(row, 1)?;
            bytes += employee.id.len() + employee.data.as_bytes().len();
            page.employees.push(employee);
        }
        Ok(page)
    }

    /// Fails if others who read hold back a write-ahead log of more than `log_bytes_max`. Whoever reads a whole roster holds back what
    /// is written meanwhile: if one began before another ended, again and again, the log would grow for ever.
    pub fn refuse_if_log_is_long(&self, log_bytes_max: u64) -> Result<(), Error> {
        if log::bytes(&self.connection) > log_bytes_max {
            log::fold(&self.connection)?;
            if log::bytes(&self.connection) > log_bytes_max {
                return Err(Error::LongLog { account: self.account, log_bytes_max });
            }
        }
        Ok(())
    }

    /// The roster as it is now, to be read as a whole: what is written meanwhile is not seen.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, Error> {
        Ok(Snapshot { inner: self.connection.unchecked_transaction()?, account: self.account })
    }

    /// What the numbers in an [`Employee`] stand for.
    pub fn names(&self) -> Result<Names, Error> {
        names(&self.connection).map_err(|error| error.of(self.account))
    }

    /// The roster in a few figures.
    pub fn summary(&self) -> Result<Summary, Error> {
        summary(&self.connection).map_err(|error| error.of(self.account))
    }
}

/// A push that came while this was open has left its log to whoever is last.
impl Drop for Reader {
    fn drop(&mut self) {
        // It is no loss if that fails: the next one tries again.
        let _ = log::fold_if_large(&self.connection);
        scrub::finish(&self.connection);
    }
}

const OF_ALL: &str =
    "SELECT number, id, status, profile, data FROM roster WHERE number > ? AND profile <> 0 ORDER BY number";
const OF_HIDDEN: &str = "SELECT number, id, status, profile, data FROM hidden CROSS JOIN roster USING (number) WHERE hidden.number > ? AND profile <> 0 ORDER BY hidden.number";

/// What the account's numbers stand for.
pub(super) fn names(connection: &Connection) -> Result<Names, Error> {
    let mut names = Names::default();
    let mut select = connection.prepare("SELECT number, id FROM profile")?;
    let mut profiles = select.query([])?;
    while let Some(row) = profiles.next()? {
        let id: String = row.get(1)?;
        names.profiles.insert(row.get(0)?, Uuid::parse_str(&id).unwrap_or_default());
    }
    let mut select = connection.prepare("SELECT number, name FROM field")?;
    let mut fields = select.query([])?;
    while let Some(row) = fields.next()? {
        names.fields.insert(row.get(0)?, row.get(1)?);
    }
    Ok(names)
}

/// A roster in a few figures.
pub(super) fn summary(connection: &Connection) -> Result<Summary, Error> {
    let (revision, last_sync) = connection.query_row(
        "SELECT coalesce(max(revision), 0), (SELECT finished_at FROM sync ORDER BY revision DESC LIMIT 1) FROM sync",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (stored, active) = tally::stored(connection)?;
    Ok(Summary { active, hidden: stored.saturating_sub(active), revision, last_sync })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema;

    #[test]
    fn the_hidden_are_found_without_passing_over_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let connection = schema::open_roster(&folder.path().join("1.db"), true, 0).unwrap();
        let plan: String =
            connection.query_row(&format!("EXPLAIN QUERY PLAN {OF_HIDDEN}"), [0], |row| row.get("detail")).unwrap();
        assert!(plan.contains("SEARCH hidden") && plan.contains("rowid>?"), "{plan}");
    }
}
