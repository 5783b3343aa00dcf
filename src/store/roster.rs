//! The roster of one account.

use super::index::{self, Cache};
use super::rows::{self, Rows};
use super::{Error, Key};
use crate::profile::{Field, Profile, Unique};
use crate::roster::{Changes, Counts, Employee, Entry, Index, Names, Status};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// The roster of one account, opened. Any number may be open at a time; those that only read see the last committed state.
pub struct Roster {
    pub(super) connection: Connection,
    pub(super) seed: u64,
    pub(super) key: Key,
    pub(super) shared: Arc<Mutex<Connection>>,
    pub(super) indexes: Arc<Cache>,
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

impl Roster {
    /// Begins to write. Waits a moment for another process that does.
    pub fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        let inner = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let exists = self.shared.lock().expect("no holder of the lock panics").query_row(
            "SELECT EXISTS (SELECT 1 FROM account WHERE id = ? AND generation = ?)",
            [self.key.account, self.key.generation],
            |row| row.get::<_, bool>(0),
        )?;
        if !exists {
            return Err(Error::AccountGone(self.key.account));
        }
        let revision: u64 = inner.query_row("SELECT coalesce(max(revision), 0) FROM sync", [], |row| row.get(0))?;
        let account = (self.key.account, self.key.generation);
        Ok(Transaction { inner, seed: self.seed, revision: revision + 1, account, indexes: &self.indexes })
    }

    /// Moves what was committed from the write-ahead log into the database, as far as readers allow.
    pub fn checkpoint(&self) -> Result<(), Error> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    /// Adds a record to the queue, and gives true; or false where `per_day_max` were added today, in UTC. The record is durable then.
    pub fn enqueue(&mut self, record: &[u8], per_day_max: u64) -> Result<bool, Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("DELETE FROM request_count WHERE day < date()", [])?;
        let requests: u64 = transaction.query_row(
            "INSERT INTO request_count VALUES (date(), 1) ON CONFLICT DO UPDATE SET requests = requests + 1
             RETURNING requests",
            [],
            |row| row.get(0),
        )?;
        if requests > per_day_max {
            return Ok(false);
        }
        transaction.execute("INSERT INTO queue (record) VALUES (?)", [record])?;
        transaction.commit()?;
        Ok(true)
    }

    /// Empties the queue.
    pub fn empty_queue(&self) -> Result<(), Error> {
        self.connection.execute("DELETE FROM queue", [])?;
        Ok(())
    }

    /// The employee with this id, and its number.
    pub fn employee(&self, id: &str) -> Result<Option<(u32, Employee)>, Error> {
        let mut select =
            self.connection.prepare("SELECT number, id, status, profile, data FROM employee WHERE id = ?")?;
        Ok(select.query_row([id], |row| Ok((row.get(0)?, rows::employee(row, 1)?))).optional()?)
    }

    /// Up to `limit` employees with a number above `after`, in the order of their numbers, which is that of their arrival; fewer
    /// where their data reaches `bytes_max`. Beside them, whether there are more.
    pub fn page(
        &self,
        status: Option<Status>,
        after: u32,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<(u32, Employee)>, bool), Error> {
        let mut select = self.connection.prepare(
            "SELECT number, id, status, profile, data FROM employee
             WHERE number > ?1 AND (?2 IS NULL OR status = ?2) ORDER BY number",
        )?;
        let mut employees = select.query(params![after, status.map(|status| status as u8)])?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        while let Some(row) = employees.next()? {
            if page.len() == limit || bytes >= bytes_max {
                return Ok((page, true));
            }
            let employee = rows::employee(row, 1)?;
            bytes += employee.id.len() + employee.data.as_bytes().len();
            page.push((row.get(0)?, employee));
        }
        Ok((page, false))
    }

    /// The roster as it is now, to be read as a whole: what is written meanwhile is not seen.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, Error> {
        Ok(Snapshot { inner: self.connection.unchecked_transaction()? })
    }

    /// What the numbers in an [`Employee`] stand for.
    pub fn names(&self) -> Result<Names, Error> {
        names(&self.connection)
    }

    /// The roster in a few figures.
    pub fn summary(&self) -> Result<Summary, Error> {
        let (revision, last_sync) =
            self.connection.query_row("SELECT coalesce(max(revision), 0), max(finished_at) FROM sync", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let (active, hidden) = self.connection.query_row(
            "SELECT count(*) FILTER (WHERE status = 1), count(*) FILTER (WHERE status = 0) FROM employee",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(Summary { active, hidden, revision, last_sync })
    }
}

/// The roster at one moment.
pub struct Snapshot<'a> {
    inner: rusqlite::Transaction<'a>,
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
}

/// A moment in the life of a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// After this revision.
    Revision(u64),
    /// After the last sync that was finished by this time.
    Time(jiff::Timestamp),
}

impl Snapshot<'_> {
    /// What the numbers in an [`Employee`] stand for.
    pub fn names(&self) -> Result<Names, Error> {
        names(&self.inner)
    }

    /// Calls `each` with every employee that the filter lets through, in the order of arrival, until it fails.
    pub fn for_each<E: From<Error>>(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Employee) -> Result<(), E>,
    ) -> Result<(), E> {
        let sqlite = |error: rusqlite::Error| E::from(error.into());
        let since: u64 = match filter.since {
            None => 0,
            Some(Since::Revision(revision)) => revision,
            Some(Since::Time(time)) => self
                .inner
                .query_row(
                    "SELECT coalesce(max(revision), 0) FROM sync WHERE finished_at <= ?",
                    [time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()],
                    |row| row.get(0),
                )
                .map_err(sqlite)?,
        };
        let mut select = self
            .inner
            .prepare(
                "SELECT id, status, profile, data FROM employee WHERE (?1 IS NULL OR status = ?1)
                 AND (?2 IS NULL OR profile = (SELECT number FROM profile WHERE id = ?2)) AND revision > ?3 ORDER BY number",
            )
            .map_err(sqlite)?;
        let status = filter.status.map(|status| status as u8);
        let profile = filter.profile.map(|profile| profile.to_string());
        let mut employees = select.query(params![status, profile, since]).map_err(sqlite)?;
        while let Some(row) = employees.next().map_err(sqlite)? {
            each(rows::employee(row, 0).map_err(sqlite)?)?;
        }
        Ok(())
    }
}

impl Filter {
    /// Reads one of the filters `status`, `profile` and `changed-since`; the error is what is wrong with it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "status" => self.status = Some(Status::parse(value).ok_or("status must be active or hidden")?),
            "profile" => self.profile = Some(Uuid::parse_str(value).map_err(|_| "profile must be a GUID")?),
            "changed-since" => {
                let wrong = "changed-since must be a revision, like 7, or a time, like 2026-01-31T00:00:00Z";
                let revision = value.parse().ok().map(Since::Revision);
                let time = || value.parse().ok().map(Since::Time);
                self.since = Some(revision.or_else(time).ok_or(wrong)?);
            }
            _ => return Err("there are the filters status, profile and changed-since, and no others".into()),
        }
        Ok(())
    }
}

fn names(connection: &Connection) -> Result<Names, Error> {
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

/// A roster that is being written: everything or, when it is dropped, nothing.
pub struct Transaction<'a> {
    inner: rusqlite::Transaction<'a>,
    seed: u64,
    /// The revision that the roster will have.
    revision: u64,
    account: (i64, i64),
    indexes: &'a Cache,
}

/// The account's numbers for a profile.
pub struct Numbers {
    /// Of the profile.
    pub profile: u32,
    /// Of its fields, in the profile's order.
    pub fields: Vec<u32>,
    /// Whether other fields were unique when the profile was last used.
    pub uniques_changed: bool,
}

impl<'a> Transaction<'a> {
    /// The index of the roster: held in memory, else stored, else made from the rows; and whether it is stored.
    pub fn index(&self) -> Result<(Index, bool), Error> {
        let before = self.revision - 1;
        if let Some(index) = self.indexes.take(self.account, before) {
            return Ok((index, true));
        }
        match index::read(&self.inner, before)? {
            Some(index) => Ok((index, true)),
            None => Ok((index::rebuild(self, self.seed)?, false)),
        }
    }

    /// Calls `each` with every employee and its number, in the order of the numbers.
    pub fn for_each_employee(&self, mut each: impl FnMut(u32, Employee)) -> Result<(), Error> {
        let mut select =
            self.inner.prepare("SELECT number, id, status, profile, data FROM employee ORDER BY number")?;
        let mut employees = select.query([])?;
        while let Some(row) = employees.next()? {
            each(row.get(0)?, rows::employee(row, 1)?);
        }
        Ok(())
    }

    /// The number for the next new employee.
    pub fn next_number(&self) -> Result<u32, Error> {
        let last: u32 = self.inner.query_row("SELECT coalesce(max(number), 0) FROM employee", [], |row| row.get(0))?;
        Ok(last + 1)
    }

    /// What the account's numbers stand for.
    pub fn names(&self) -> Result<Names, Error> {
        names(&self.inner)
    }

    /// Gives numbers to a profile and its fields where they have none, and remembers which of its fields are unique.
    pub fn enter_profile(&self, profile: &Profile) -> Result<Numbers, Error> {
        let fields = self.field_numbers(profile)?;
        let uniques: Vec<String> = profile
            .fields
            .iter()
            .zip(&fields)
            .filter_map(|(field, number)| match field.unique {
                Unique::No => None,
                Unique::Roster => Some(format!("{number}")),
                Unique::Active => Some(format!("{number} active")),
            })
            .collect();
        let uniques = uniques.join(",");
        let id = profile.id.to_string();
        let known = self
            .inner
            .query_row("SELECT number, uniques FROM profile WHERE id = ?", [&id], |row| {
                Ok((row.get(0)?, row.get::<_, String>(1)?))
            })
            .optional()?;
        match known {
            Some((profile, known)) if known == uniques => Ok(Numbers { profile, fields, uniques_changed: false }),
            Some((profile, _)) => {
                self.inner.execute("UPDATE profile SET uniques = ? WHERE number = ?", params![uniques, profile])?;
                self.inner.execute(
                    "DELETE FROM unique_value WHERE employee IN (SELECT number FROM employee WHERE profile = ?)",
                    [profile],
                )?;
                Ok(Numbers { profile, fields, uniques_changed: true })
            }
            None => {
                self.inner.execute("INSERT INTO profile (id, uniques) VALUES (?, ?)", [&id, &uniques])?;
                let profile = u32::try_from(self.inner.last_insert_rowid()).expect("an account has few profiles");
                Ok(Numbers { profile, fields, uniques_changed: false })
            }
        }
    }

    fn field_numbers(&self, profile: &Profile) -> Result<Vec<u32>, Error> {
        let mut select = self.inner.prepare("SELECT name, number FROM field")?;
        let known: HashMap<String, u32> =
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let number = |field: &Field| match known.get(&field.name) {
            Some(number) => Ok(*number),
            None => {
                self.inner.execute("INSERT INTO field (name) VALUES (?)", [&field.name])?;
                Ok(u32::try_from(self.inner.last_insert_rowid()).expect("an account has few fields"))
            }
        };
        profile.fields.iter().map(number).collect()
    }

    /// The unique fields of each profile, by number.
    pub fn unique_fields(&self) -> Result<HashMap<u32, Vec<(u32, Unique)>>, Error> {
        let mut select = self.inner.prepare("SELECT number, uniques FROM profile")?;
        let mut profiles = select.query([])?;
        let mut fields = HashMap::new();
        while let Some(row) = profiles.next()? {
            let uniques: String = row.get(1)?;
            let of_profile = uniques.split(',').filter_map(|unique| match unique.split_once(' ') {
                Some((number, _)) => Some((number.parse().ok()?, Unique::Active)),
                None => Some((unique.parse().ok()?, Unique::Roster)),
            });
            fields.insert(row.get(0)?, of_profile.collect());
        }
        Ok(fields)
    }

    /// Prepares a roster that has nobody to be filled: its ids are put in order once, at the commit, instead of one by one.
    pub fn fill(&self) -> Result<(), Error> {
        Ok(self.inner.execute_batch("DROP INDEX IF EXISTS employee_by_id")?)
    }

    /// The rows, to read and write.
    pub fn rows(&self) -> Result<Rows<'_>, Error> {
        Rows::new(&self.inner, self.revision)
    }

    /// Takes back what was written. The index stays in memory within `index_bytes_max` if it is as it was.
    pub fn roll_back(self, (index, stored): (Index, bool), index_bytes_max: usize) {
        drop(self.inner);
        if stored && index.is_settled() {
            self.indexes.keep(self.account, self.revision - 1, index, index_bytes_max);
        }
    }

    /// The seed of the store's hashes.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Commits what was written by a push of the whole roster, with a record of the sync and the index after `changes`, which is
    /// held in memory within `index_bytes_max`. Gives the roster's new revision; it is durable then.
    pub fn commit(
        self,
        sync: &Sync,
        (mut index, stored): (Index, bool),
        changes: Changes,
        index_bytes_max: usize,
    ) -> Result<u64, Error> {
        self.record(sync)?;
        if stored && changes.is_empty() && changes.keeps_order(&index) {
            index::confirm(&self.inner, self.revision)?;
        } else {
            let places = changes.apply(&mut index);
            index::write(&self.inner, &index, &places, self.revision, stored)?;
        }
        self.inner.commit()?;
        self.indexes.keep(self.account, self.revision, index, index_bytes_max);
        Ok(self.revision)
    }

    /// Commits what was written for some employees, whose entries are these now, as [`Transaction::commit`] does; in a time that
    /// does not grow with the roster.
    pub fn commit_some(self, sync: &Sync, entries: &[Entry], index_bytes_max: usize) -> Result<u64, Error> {
        self.record(sync)?;
        match entries.is_empty() {
            true => index::confirm(&self.inner, self.revision)?,
            false => index::amend(&self.inner, entries, self.revision)?,
        }
        self.inner.commit()?;
        if let Some(mut index) = self.indexes.take(self.account, self.revision - 1) {
            index.amend(entries);
            self.indexes.keep(self.account, self.revision, index, index_bytes_max);
        }
        Ok(self.revision)
    }

    fn record(&self, sync: &Sync) -> Result<(), Error> {
        let Sync { profile, employees, counts, duration } = sync;
        let Counts { created, updated, activated, hidden, unchanged } = counts;
        let duration_ms = duration.as_millis() as u64;
        self.inner.execute(
            "INSERT INTO sync VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ'), ?, ?, ?, ?, ?, ?, ?, ?)",
            params![self.revision, profile, employees, created, updated, activated, hidden, unchanged, duration_ms],
        )?;
        Ok(self.inner.execute_batch("CREATE UNIQUE INDEX IF NOT EXISTS employee_by_id ON employee (id)")?)
    }

    /// The numbers of the active employees.
    pub fn active_numbers(&self) -> Result<Vec<u32>, Error> {
        let mut select = self.inner.prepare("SELECT number FROM employee WHERE status = 1 ORDER BY number")?;
        Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// The records of the queue behind a position, and their positions: `limit` of them at most.
    pub fn queued(&self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        let mut select =
            self.inner.prepare("SELECT position, record FROM queue WHERE position > ? ORDER BY position LIMIT ?")?;
        let records = select.query_map(params![after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(records.collect::<Result<_, _>>()?)
    }

    /// Empties the queue.
    pub fn empty_queue(&self) -> Result<(), Error> {
        self.inner.execute("DELETE FROM queue", [])?;
        Ok(())
    }
}

/// What a push did, for the record.
pub struct Sync {
    /// The account's number of the profile.
    pub profile: u32,
    /// How many employees the push carried.
    pub employees: u64,
    /// The five counts.
    pub counts: Counts,
    /// From the first look at the body until the commit.
    pub duration: Duration,
}
