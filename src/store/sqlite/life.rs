//! The life of one employee: its versions, the latest first, from each to the one before it.

use super::{Error, Past, Reader, RecordedChange, changes, rows, syncs};
use crate::roster::{Employee, Missing, OwnedChange, is_of_removed};
use rusqlite::{Connection, OptionalExtension as _, params};

/// How many former ids of an employee are returned.
const FORMER_IDS_MAX: usize = 100;

/// An employee, found by an id that it has or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The number in the store.
    pub number: u32,
    /// The employee as it is now.
    pub employee: Employee,
    /// The ids that it had before, the latest first.
    pub former_ids: Vec<FormerId>,
    /// Whether it was found by one of them.
    pub is_former: bool,
}

/// An id that an employee had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerId {
    /// The id.
    pub id: String,
    /// The revision that replaced it.
    pub until: u64,
}

/// What a sync did to an employee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The revision.
    pub revision: u64,
    /// The sync that made it; `None` if its record was not kept.
    pub sync: Option<Past>,
    /// The change.
    pub recorded: RecordedChange,
    /// Whether what the employee was before is known. If it is not, it was not kept, and the change has no version before.
    pub is_before_known: bool,
}

/// Events of an employee's life, the latest first, and where the next page begins.
#[derive(Debug, Default)]
pub struct LifePage {
    /// The events.
    pub events: Vec<Event>,
    /// The revision that the next page begins with; `None` if this is the last one.
    pub next: Option<u64>,
}

impl Person {
    /// Returns the id: that of somebody who was removed is the last one.
    pub fn id(&self) -> &str {
        match self.former_ids.first() {
            Some(last) if self.employee.is_removed() => &last.id,
            _ => &self.employee.id,
        }
    }

    /// Returns the status, or says that the employee was removed.
    pub fn status(&self) -> &'static str {
        if self.employee.is_removed() { "removed" } else { self.employee.status.as_str() }
    }
}

/// A version of an employee.
pub(super) struct Version {
    /// The revision that made it.
    pub revision: u64,
    /// The revision of the one before it, if that is in `version`; 0 if it is in `employee`; `None` if this one is.
    previous: Option<u64>,
    /// The employee.
    pub employee: Employee,
    /// From how many lists in a row it was absent, if absence has hidden it.
    pub absent: Option<u32>,
}

impl Reader {
    /// Returns the employee that has an id; or else the one that had it last; `None` if nobody ever had it.
    pub fn person(&self, id: &str) -> Result<Option<Person>, Error> {
        self.find_person(id).map_err(|error| error.of(self.account))
    }

    fn find_person(&self, id: &str) -> Result<Option<Person>, Error> {
        let connection = &self.connection;
        let (number, employee, is_former) = match self.employee(id)? {
            Some((number, employee)) => (number, employee, false),
            None => {
                let last_with_it =
                    "SELECT number, roster.id, status, profile, data FROM former_id JOIN roster USING (number)
                    WHERE former_id.id = ? ORDER BY former_id.revision DESC LIMIT 1";
                let mut select = connection.prepare_cached(last_with_it)?;
                let mut rows = select.query([id])?;
                let Some(row) = rows.next()? else {
                    return Ok(None);
                };
                (row.get(0)?, rows::whole_employee(row, 1)?, true)
            }
        };
        let mut select = connection
            .prepare_cached("SELECT id, revision FROM former_id WHERE number = ? ORDER BY revision DESC LIMIT ?")?;
        let former_ids = select
            .query_map(params![number, FORMER_IDS_MAX], |row| Ok(FormerId { id: row.get(0)?, until: row.get(1)? }))?
            .filter(|former| former.as_ref().map_or(true, |former| !is_of_removed(&former.id)))
            .collect::<Result<_, _>>()?;
        Ok(Some(Person { number, employee, former_ids, is_former }))
    }

    /// Returns how many lists in a row have not carried the employee with a number; `None` if the last did, or it was hidden on purpose.
    pub fn missing(&self, number: u32) -> Result<Option<Missing>, Error> {
        let find = || {
            let mut select =
                self.connection.prepare_cached("SELECT pushes, is_hidden FROM missing WHERE number = ?")?;
            let missing =
                select.query_row([number], |row| Ok(Missing { number, pushes: row.get(0)?, is_hidden: row.get(1)? }));
            Ok(missing.optional()?)
        };
        find().map_err(|error: Error| error.of(self.account))
    }

    /// Returns events of the life of the employee with a number, the latest first, beginning with the one of revision `from`, or with the
    /// last: `limit` of them at most, and no more once their data reaches `bytes_max`.
    pub fn life(&self, number: u32, from: Option<u64>, limit: usize, bytes_max: usize) -> Result<LifePage, Error> {
        life(&self.connection, number, from, limit, bytes_max).map_err(|error| error.of(self.account))
    }
}

fn life(
    connection: &Connection,
    number: u32,
    from: Option<u64>,
    limit: usize,
    bytes_max: usize,
) -> Result<LifePage, Error> {
    let mut page = LifePage::default();
    let first = match from {
        Some(revision) => version(connection, number, revision)?,
        None => {
            let mut select = connection.prepare_cached("SELECT revision FROM latest WHERE number = ?")?;
            let latest: Option<u64> = select.query_row([number], |row| row.get(0)).optional()?;
            version(connection, number, latest.unwrap_or(0))?
        }
    };
    let (mut next, mut bytes) = (first, 0);
    while let Some(after) = next {
        if page.events.len() == limit || bytes >= bytes_max {
            page.next = Some(after.revision);
            break;
        }
        let Version { revision, previous, employee, absent } = after;
        bytes += employee.id.len() + employee.data.as_bytes().len();
        let before = match previous {
            Some(previous) => version(connection, number, previous)?,
            None => None,
        };
        let sync = syncs::sync(connection, revision)?;
        let applied = sync.as_ref().and_then(Past::applied);
        let is_created = applied.is_some_and(|applied| applied.created.contains(&number));
        let is_before_known = before.is_some() || is_created;
        let kind = applied.and_then(|applied| applied.kind.as_ref());
        let before_then = before.as_ref().map(|before| before.employee.clone());
        let change = OwnedChange { number, before: before_then, after: Some(employee) };
        page.events.push(Event { revision, recorded: changes::recorded(change, kind, absent), is_before_known, sync });
        next = before;
    }
    Ok(page)
}

/// Returns the version of an employee that a revision made, or the one in `employee` if none in `version` has this revision.
pub(super) fn version(connection: &Connection, number: u32, revision: u64) -> Result<Option<Version>, Error> {
    let id = "coalesce((SELECT id FROM former_id WHERE number = ?1 AND revision > ?2 ORDER BY revision LIMIT 1), employee.id)";
    let appended = format!(
        "SELECT {id}, version.status, version.profile, version.data, previous, absent
         FROM version CROSS JOIN employee ON employee.number = ?1 WHERE place = ?2 << 32 | ?1"
    );
    let mut select = connection.prepare_cached(&appended)?;
    let mut rows = select.query(params![number, revision])?;
    if let Some(row) = rows.next()? {
        let employee = rows::whole_employee(row, 0)?;
        return Ok(Some(Version { revision, previous: row.get(4)?, employee, absent: row.get(5)? }));
    }
    let first = "SELECT coalesce((SELECT id FROM former_id WHERE number = ?1 AND revision > employee.revision
            ORDER BY revision LIMIT 1), employee.id), status, profile, data, revision
        FROM employee WHERE number = ?1";
    let mut select = connection.prepare_cached(first)?;
    let mut rows = select.query([number])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let employee = rows::whole_employee(row, 0)?;
    Ok(Some(Version { revision: row.get(4)?, previous: None, employee, absent: None }))
}
