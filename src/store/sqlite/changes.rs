//! The changes of a sync, as they are read back: two ranges of numbers, that of the versions of its revision and that of the employees that
//! it created.

use super::{Applied, Error, Reader, RecordedChange, Snapshot, SyncKind, rows};
use crate::roster::OwnedChange;
use rusqlite::{Connection, Row, params};
use std::ops::Range;

/// How many changes of a sync are read at a time that is read as a whole.
const BATCH: usize = 1_024;

/// The id that an employee had before a revision, and the one that it had then. `former_id` has an id by the revision that replaced it.
macro_rules! id {
    (before) => {
        "coalesce((SELECT id FROM former_id WHERE number = employee.number AND revision >= ?1 ORDER BY revision LIMIT 1), employee.id)"
    };
    (after) => {
        "coalesce((SELECT id FROM former_id WHERE number = employee.number AND revision > ?1 ORDER BY revision LIMIT 1), employee.id)"
    };
}

/// Employees with numbers between two that a revision changed, before and after.
const CHANGED: &str = concat!(
    "SELECT employee.number, ",
    id!(before),
    ", iif(former.place IS NULL, employee.status, former.status),
        iif(former.place IS NULL, employee.profile, former.profile),
        iif(former.place IS NULL, employee.data, former.data), ",
    id!(after),
    ", version.status, version.profile, version.data, version.absent
    FROM version
    CROSS JOIN employee ON employee.number = version.place & 0xffffffff
    LEFT JOIN version AS former ON former.place = version.previous << 32 | employee.number
    WHERE version.place > (?1 << 32 | ?2) AND version.place < (?1 << 32 | ?3)
    ORDER BY version.place LIMIT ?4"
);

/// Employees with numbers between two that a revision created. What is in `employee` is of the revision that the row says.
const CREATED: &str = concat!(
    "SELECT number, ",
    id!(after),
    ", status, profile, data FROM employee WHERE number > ?2 AND number < ?3 AND revision = ?1 ORDER BY number LIMIT ?4"
);

/// Calls for each change of employees that a revision changed and did not create, with numbers above `after` and below `end`: `limit` of
/// them at most. The second argument is from how many lists in a row the employee was absent, if absence has hidden it.
pub(super) fn changed<T>(
    connection: &Connection,
    revision: u64,
    numbers: Range<u32>,
    limit: usize,
    each: impl Fn(OwnedChange, Option<u32>) -> T,
) -> Result<Vec<T>, Error> {
    let mut select = connection.prepare_cached(CHANGED)?;
    let mut rows = select.query(params![revision, numbers.start, numbers.end, limit])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let (before, after) = (Some(rows::whole_employee(row, 1)?), Some(rows::whole_employee(row, 5)?));
        changes.push(each(OwnedChange { number: row.get(0)?, before, after }, row.get(9)?));
    }
    Ok(changes)
}

/// Returns the changes of a sync, of employees with a number above `after`, in the order of the numbers, `limit` of them at most.
pub(super) fn of_sync(
    connection: &Connection,
    sync: &Applied,
    after: u32,
    limit: usize,
) -> Result<Vec<RecordedChange>, Error> {
    let Applied { revision, kind, created, .. } = sync;
    let end = if created.is_empty() { u32::MAX } else { created.start };
    let recorded = |change, absent| recorded(change, kind.as_ref(), absent);
    let mut changes = changed(connection, *revision, after..end, limit, recorded)?;
    if changes.len() < limit && !created.is_empty() {
        let first = after.max(created.start - 1);
        let mut select = connection.prepare_cached(CREATED)?;
        let mut rows = select.query(params![revision, first, created.end, limit - changes.len()])?;
        while let Some(row) = rows.next()? {
            changes.push(creation(row)?);
        }
    }
    Ok(changes)
}

fn creation(row: &Row) -> Result<RecordedChange, Error> {
    let after = Some(rows::whole_employee(row, 1)?);
    Ok(RecordedChange { change: OwnedChange { number: row.get(0)?, before: None, after }, hidden_by: None })
}

/// Adds to a change of a sync of a kind why it hid the employee, if it did.
pub(super) fn recorded(change: OwnedChange, kind: Option<&SyncKind>, absent: Option<u32>) -> RecordedChange {
    let is_hide = change.lend().kinds().hidden;
    // A version that did not record the kind knew no plans.
    let hidden_by = is_hide.then(|| kind.unwrap_or(&SyncKind::Push).hides_by(absent));
    RecordedChange { change, hidden_by }
}

impl Reader {
    /// Returns the changes of a sync, of employees with a number above `after`, in the order of the numbers, `limit` of them at most.
    pub fn changes(&self, sync: &Applied, after: u32, limit: usize) -> Result<Vec<RecordedChange>, Error> {
        of_sync(&self.connection, sync, after, limit).map_err(|error| error.of(self.account))
    }

    /// Returns the numbers of the employees that have an id or had it before, in ascending order, `limit` of them at most.
    pub fn numbers(&self, id: &str, limit: usize) -> Result<Vec<u32>, Error> {
        numbers(&self.connection, id, limit).map_err(|error| error.of(self.account))
    }
}

/// Returns the numbers of the employees that have an id or had it before, in ascending order, `limit` of them at most.
pub(super) fn numbers(connection: &Connection, id: &str, limit: usize) -> Result<Vec<u32>, Error> {
    let mut select = connection.prepare_cached(
        "SELECT number FROM employee WHERE id = ?1 UNION SELECT number FROM former_id WHERE id = ?1 ORDER BY number LIMIT ?2",
    )?;
    Ok(select.query_map(params![id, limit], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

impl Snapshot<'_> {
    /// Calls `each` with every change of a sync, in the order of the employees' numbers, until it fails.
    pub fn for_each_change<E: From<Error>>(
        &self,
        sync: &Applied,
        mut each: impl FnMut(RecordedChange) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = 0;
        loop {
            let batch = of_sync(&self.inner, sync, after, BATCH).map_err(|error| E::from(error.of(self.account)))?;
            let Some(last) = batch.last() else {
                return Ok(());
            };
            after = last.change.number;
            batch.into_iter().try_for_each(&mut each)?;
        }
    }
}
