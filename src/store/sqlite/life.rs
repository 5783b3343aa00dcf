//! The life of one employee: its versions, the latest first, from each to the one before it.

use super::{Error, OF_HIDDEN, Past, Reader, RecordedChange, changes, rows, syncs};
use crate::roster::{Employee, Missing, OwnedChange, hash, is_of_removed, merged_into, merged_prefix};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashSet;

/// How many employees are looked at who were merged into one.
const MERGED_MAX: usize = 100;

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
                let last_with_it = "SELECT number FROM former_id WHERE id = ? ORDER BY revision DESC LIMIT 1";
                let mut select = connection.prepare_cached(last_with_it)?;
                let last: Option<u32> = select.query_row([id], |row| row.get(0)).optional()?;
                let Some((number, employee)) = last.map(|last| somebody(connection, last)).transpose()?.flatten()
                else {
                    return Ok(None);
                };
                (number, employee, true)
            }
        };
        self.with_former_ids(number, employee, is_former).map(Some)
    }

    /// Returns the employee with a number, or the one whom it was merged into; `None` if there is none.
    pub fn person_of(&self, number: u32) -> Result<Option<Person>, Error> {
        let find = || match somebody(&self.connection, number)? {
            Some((number, employee)) => self.with_former_ids(number, employee, false).map(Some),
            None => Ok(None),
        };
        find().map_err(|error: Error| error.of(self.account))
    }

    /// Returns the number of an employee who has this value, in canonical form, in the unique field of a name; the one who was changed last if hidden ones have it, too.
    pub fn holder(&self, field: &str, value: &str) -> Result<Option<u32>, Error> {
        let find = || {
            let connection = &self.connection;
            let number = "SELECT number, seed FROM field, identity WHERE name = ?";
            let number =
                connection.query_row(number, [field], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?)));
            let Some((field, seed)) = number.optional()? else {
                return Ok(None);
            };
            let hash = hash(seed.cast_unsigned(), value.as_bytes()).to_be_bytes();
            let mut select = connection.prepare_cached(
                "SELECT number FROM unique_value CROSS JOIN roster ON number = employee WHERE field = ? AND hash = ?
                 ORDER BY status DESC, roster.revision DESC LIMIT 1",
            )?;
            for field in [field, field | OF_HIDDEN] {
                let holder = select.query_row(params![field, hash], |row| row.get(0)).optional()?;
                if holder.is_some() {
                    return Ok(holder);
                }
            }
            Ok(None)
        };
        find().map_err(|error: Error| error.of(self.account))
    }

    fn with_former_ids(&self, number: u32, employee: Employee, is_former: bool) -> Result<Person, Error> {
        let mut select = self
            .connection
            .prepare_cached("SELECT id, revision FROM former_id WHERE number = ? ORDER BY revision DESC LIMIT ?")?;
        let former_ids = select
            .query_map(params![number, FORMER_IDS_MAX], |row| Ok(FormerId { id: row.get(0)?, until: row.get(1)? }))?
            .filter(|former| former.as_ref().map_or(true, |former| !is_of_removed(&former.id)))
            .collect::<Result<_, _>>()?;
        Ok(Person { number, employee, former_ids, is_former })
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

    /// Returns the numbers of all who are the same person as the employee with this number, which is the first: those who were merged into it.
    pub fn merged_with(&self, number: u32) -> Result<Vec<u32>, Error> {
        of_person(&self.connection, number, MERGED_MAX).map_err(|error| error.of(self.account))
    }

    /// Returns the ids that employees with these numbers have and had; of those who were removed, without the ones that nobody can send.
    pub fn ids_of(&self, numbers: &[u32]) -> Result<HashSet<String>, Error> {
        let read = || {
            let mut select = self.connection.prepare_cached(
                "SELECT id FROM employee WHERE number = ?1 UNION SELECT id FROM former_id WHERE number = ?1",
            )?;
            let mut ids = HashSet::new();
            for number in numbers {
                let of_number = select.query_map([number], |row| row.get(0))?;
                ids.extend(of_number.collect::<Result<Vec<String>, _>>()?);
            }
            ids.retain(|id| !is_of_removed(id));
            Ok(ids)
        };
        read().map_err(|error: Error| error.of(self.account))
    }

    /// Returns events of the life of the employee with a number, and of those who were merged into it, the latest first, beginning with
    /// revision `from`, or with the last: `limit` of them, and no more once their data reaches `bytes_max`. Events of one revision are
    /// on one page.
    pub fn life(&self, number: u32, from: Option<u64>, limit: usize, bytes_max: usize) -> Result<LifePage, Error> {
        life(&self.connection, number, from, limit, bytes_max).map_err(|error| error.of(self.account))
    }
}

/// Returns the employee with a number, or the one that it was merged into; `None` if there is none.
fn somebody(connection: &Connection, mut number: u32) -> Result<Option<(u32, Employee)>, Error> {
    let mut select = connection.prepare_cached("SELECT id, status, profile, data FROM roster WHERE number = ?")?;
    loop {
        let mut rows = select.query([number])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let employee = rows::whole_employee(row, 0)?;
        match merged_into(&employee.id) {
            Some(into) => number = into,
            None => return Ok(Some((number, employee))),
        }
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
    let mut chains = Vec::new();
    for of_person in of_person(connection, number, MERGED_MAX)? {
        chains.extend(
            version_until(connection, of_person, from.unwrap_or(u64::MAX), &mut 0)?.map(|next| (of_person, next)),
        );
    }
    let mut bytes = 0;
    // What the person did under its own number comes before what the same sync did to somebody who was merged into it.
    while let Some(at) = (0..chains.len()).max_by_key(|at| (chains[*at].1.revision, chains[*at].0 == number)) {
        let (of_person, after) = chains.swap_remove(at);
        let Version { revision, previous, employee, absent } = after;
        let is_full = page.events.len() >= limit || bytes >= bytes_max;
        if is_full && page.events.last().is_none_or(|last| last.revision != revision) {
            page.next = Some(revision);
            break;
        }
        bytes += employee.id.len() + employee.data.as_bytes().len();
        let before = match previous {
            Some(previous) => version(connection, of_person, previous)?,
            None => None,
        };
        let sync = syncs::sync(connection, revision)?;
        let applied = sync.as_ref().and_then(Past::applied);
        let is_created = applied.is_some_and(|applied| applied.created.contains(&of_person));
        let is_before_known = before.is_some() || is_created;
        let kind = applied.and_then(|applied| applied.kind.as_ref());
        let before_then = before.as_ref().map(|before| before.employee.clone());
        let change = OwnedChange { number: of_person, before: before_then, after: Some(employee) };
        // That the two are one is said by what the sync did to the other.
        if of_person == number || !change.lend().kinds().merged {
            let recorded = changes::recorded(change, kind, absent);
            page.events.push(Event { revision, recorded, is_before_known, sync });
        }
        chains.extend(before.map(|before| (of_person, before)));
    }
    Ok(page)
}

/// Returns the number of an employee, and those of all who were merged into it, also by way of others: so many, or a few more.
pub(super) fn of_person(connection: &Connection, number: u32, max: usize) -> Result<Vec<u32>, Error> {
    let mut select =
        connection.prepare_cached("SELECT number FROM employee WHERE id >= ? AND id < ? ORDER BY number LIMIT ?")?;
    let (mut numbers, mut at) = (vec![number], 0);
    while let Some(into) = numbers.get(at).filter(|_| numbers.len() < max) {
        let prefix = merged_prefix(*into);
        // The last character of the prefix is U+0000.
        let end = format!("{}\u{1}", prefix.trim_end_matches('\0'));
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let merged = select.query_map(params![prefix, end, max], |row| row.get(0))?;
        numbers.extend(merged.collect::<Result<Vec<u32>, _>>()?);
        at += 1;
    }
    Ok(numbers)
}

/// Returns the last version of an employee that a revision made up to this one; `None` if there is none. Adds to `passed_over` how many have
/// come since.
pub(super) fn version_until(
    connection: &Connection,
    number: u32,
    until: u64,
    passed_over: &mut usize,
) -> Result<Option<Version>, Error> {
    let mut select = connection.prepare_cached("SELECT revision FROM latest WHERE number = ?")?;
    let mut made: u64 = select.query_row([number], |row| row.get(0)).optional()?.unwrap_or(0);
    let mut previous = connection.prepare_cached("SELECT previous FROM version WHERE place = ?1 << 32 | ?2")?;
    while made > until {
        *passed_over += 1;
        // One that was trimmed is in `employee`.
        made = previous.query_row(params![made, number], |row| row.get(0)).optional()?.unwrap_or(0);
    }
    Ok(version(connection, number, made)?.filter(|version| version.revision <= until))
}

/// Returns the version of an employee that a revision made, or the one in `employee` if none in `version` has this revision.
fn version(connection: &Connection, number: u32, revision: u64) -> Result<Option<Version>, Error> {
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
