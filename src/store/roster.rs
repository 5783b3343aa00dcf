//! The roster of one account.

use super::index::Cache;
use super::{Error, Key, Snapshot, Transaction, rows};
use crate::roster::{Employee, Names, Status};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// How long the write-ahead log may become before a small change moves it into the database, in bytes.
const LOG_BYTES_LARGE: u64 = 4 << 20;

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
        exists(&self.shared, &self.key)?;
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
        exists(&self.shared, &self.key)?;
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

    /// Does so where the log has grown large: after a change that is too small to pay for it.
    pub fn checkpoint_if_large(&self) -> Result<(), Error> {
        let log = self.connection.path().map(|path| std::fs::metadata(format!("{path}-wal")));
        match log {
            Some(Ok(log)) if log.len() > LOG_BYTES_LARGE => self.checkpoint(),
            _ => Ok(()),
        }
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

/// Whether the account is still the one of the key: a push holds the roster when it looks.
fn exists(shared: &Mutex<Connection>, key: &Key) -> Result<(), Error> {
    let exists: bool = shared.lock().expect("no holder of the lock panics").query_row(
        "SELECT EXISTS (SELECT 1 FROM account WHERE id = ? AND generation = ?)",
        [key.account, key.generation],
        |row| row.get(0),
    )?;
    if exists { Ok(()) } else { Err(Error::AccountGone(key.account)) }
}

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
