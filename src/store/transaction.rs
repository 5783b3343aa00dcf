//! A roster that is being written.

use super::index::{self, Cache, Version};
use super::roster::OpenFile;
use super::rows::{self, Rows};
use super::{Error, Sender, derived, reader};
use crate::dialect::Dialect;
use crate::profile::{Field, Profile, Unique};
use crate::roster::{Changes, Counts, Employee, Entry, Index, Names};
use rusqlite::params;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A roster that is being written: everything or, when it is dropped, nothing.
pub struct Transaction<'a> {
    pub(super) inner: rusqlite::Transaction<'a>,
    pub(super) seed: u64,
    pub(super) identity: [u8; 16],
    /// The revision that the roster will have.
    pub(super) revision: u64,
    /// The version that it has; `None` if that cannot be told.
    pub(super) before: Option<Version>,
    pub(super) account: (i64, i64),
    pub(super) indexes: &'a Cache,
    pub(super) file: &'a OpenFile,
}

/// The account's numbers for a profile.
pub struct Numbers {
    /// Of the profile.
    pub profile: u32,
    /// Of its fields, in the profile's order.
    pub fields: Vec<u32>,
    /// Whether other fields of the account were unique before.
    pub uniques_changed: bool,
}

impl<'a> Transaction<'a> {
    /// The index of the roster: held in memory, else stored, else made from the rows; and whether it is stored.
    pub fn index(&self) -> Result<(Index, bool), Error> {
        if let Some(index) = self.indexes.take(self.account, self.before) {
            return Ok((index, true));
        }
        match index::read(&self.inner, self.revision - 1)? {
            Some(index) => Ok((index, true)),
            None => Ok((derived::index_of_rows(&self.inner, self.seed)?, false)),
        }
    }

    /// Calls `each` with every employee and its number, in the order of the numbers.
    pub fn for_each_employee(&self, mut each: impl FnMut(u32, Employee)) -> Result<(), Error> {
        rows::for_each(&self.inner, |number, employee| {
            each(number, employee);
            Ok(())
        })
    }

    /// The number for the next new employee.
    pub fn next_number(&self) -> Result<u32, Error> {
        let last: u32 = self.inner.query_row("SELECT coalesce(max(number), 0) FROM employee", [], |row| row.get(0))?;
        Ok(last + 1)
    }

    /// What the account's numbers stand for.
    pub fn names(&self) -> Result<Names, Error> {
        reader::names(&self.inner)
    }

    /// Numbers a profile and its fields if they have no numbers, and remembers which of its fields are unique.
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
        let before = self.unique_fields()?;
        let id = profile.id.to_string();
        self.inner.execute(
            "INSERT INTO profile (id, uniques) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET uniques = ?2 WHERE uniques <> ?2",
            [&id, &uniques],
        )?;
        let profile = self.inner.query_row("SELECT number FROM profile WHERE id = ?", [&id], |row| row.get(0))?;
        let uniques_changed = self.unique_fields()? != before;
        if uniques_changed {
            self.inner.execute("DELETE FROM unique_value", [])?;
        }
        Ok(Numbers { profile, fields, uniques_changed })
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

    /// The fields that some profile of the account wants to be unique, by number, each with the widest of their demands.
    pub fn unique_fields(&self) -> Result<BTreeMap<u32, Unique>, Error> {
        derived::unique_fields(&self.inner)
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
            self.indexes.keep(self.account, self.before, index, index_bytes_max);
        }
    }

    /// The seed of the file's hashes.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Commits what was written by a push of the whole roster, with a record of the sync and the index after `changes`, which is
    /// held in memory within `index_bytes_max`. Returns the roster's new revision, which is durable then.
    pub fn commit(
        self,
        sync: &Sync,
        (mut index, stored): (Index, bool),
        changes: Changes,
        index_bytes_max: usize,
    ) -> Result<u64, Error> {
        let version = self.record(sync)?;
        if stored && changes.is_empty() && changes.keeps_order(&index) {
            index::confirm(&self.inner, self.revision)?;
        } else {
            let places = changes.apply(&mut index);
            index::write(&self.inner, &index, &places, self.revision, stored)?;
        }
        self.file_is_current()?;
        self.inner.commit()?;
        self.indexes.keep(self.account, Some(version), index, index_bytes_max);
        Ok(self.revision)
    }

    /// Commits what was written for some employees, whose entries are these now, as [`Transaction::commit`] does; in a time that
    /// does not grow with the roster.
    pub fn commit_some(self, sync: &Sync, entries: &[Entry], index_bytes_max: usize) -> Result<u64, Error> {
        let version = self.record(sync)?;
        match entries.is_empty() {
            true => index::confirm(&self.inner, self.revision)?,
            false => index::amend(&self.inner, entries, self.revision)?,
        }
        self.file_is_current()?;
        self.inner.commit()?;
        if let Some(mut index) = self.indexes.take(self.account, self.before) {
            index.amend(entries);
            self.indexes.keep(self.account, Some(version), index, index_bytes_max);
        }
        Ok(self.revision)
    }

    /// Records the sync; returns the version that the roster will have. By its record no sync is before the one that it came after,
    /// also if the clock was set back.
    fn record(&self, sync: &Sync) -> Result<Version, Error> {
        let Sync { profile, employees, counts, duration, sender } = sync;
        let Counts { created, updated, activated, hidden, unchanged } = counts;
        let duration_ms = duration.as_millis() as u64;
        let stamp = self.inner.query_row(
            "INSERT INTO sync (revision, profile, employees, created, updated, activated, hidden, unchanged, duration_ms,
                 dialect, peer, bytes, finished_at, stamp)
             VALUES (?1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
                 max(strftime('%Y-%m-%dT%H:%M:%SZ'),
                     coalesce((SELECT finished_at FROM sync WHERE revision = ?1 - 1), '')),
                 randomblob(16))
             RETURNING stamp",
            params![
                self.revision,
                profile,
                employees,
                created,
                updated,
                activated,
                hidden,
                unchanged,
                duration_ms,
                sender.dialect.map(Dialect::name),
                sender.peer.map(|peer| peer.to_string()),
                sender.bytes,
            ],
            |row| row.get(0),
        )?;
        self.inner.execute_batch("CREATE UNIQUE INDEX IF NOT EXISTS employee_by_id ON employee (id)")?;
        Ok(Version { identity: self.identity, stamp })
    }

    /// What is committed to a file that was replaced is in nobody's roster.
    fn file_is_current(&self) -> Result<(), Error> {
        if self.file.is_current() { Ok(()) } else { Err(Error::Replaced(self.account.0)) }
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
    /// Who sent it.
    pub sender: Sender,
}
