//! A roster that is being written: one transaction of the account's database.

use super::index::{self, Cache, Version as IndexVersion};
use super::roster::OpenFile;
use super::rows::employee;
use super::{
    Commit, Earlier, Error, Held, IndexUpdate, Mark, Numbers, UniqueValue, derived, history, plans, reader, retry,
    tally,
};
use crate::digest::Fingerprint;
use crate::profile::{Field, Profile, Unique};
use crate::roster::{Employee, Index};
use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, ToSql, params, params_from_iter};
use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::time::Instant;
use uuid::Uuid;

/// How many unique values one statement adds: adding them one by one takes twice the time.
const HELD_AT_ONCE: usize = 32;

/// How many numbers there may be for each employee that is wanted, so that all of them are read.
const SPREAD_MAX: usize = 4;

/// See [`super::super::Draft`].
pub struct Draft<'a> {
    pub(super) inner: rusqlite::Transaction<'a>,
    pub(super) seed: u64,
    pub(super) identity: [u8; 16],
    /// The revision that the roster will have.
    pub(super) revision: u64,
    /// The version that it has; `None` if that cannot be told.
    pub(super) before: Option<IndexVersion>,
    /// The account and its generation.
    pub(super) account: (i64, i64),
    indexes: &'a Cache,
    pub(super) file: &'a OpenFile,
    /// Whether the index is stored as it was returned.
    index_is_stored: bool,
    /// Whether anybody may hold a unique value.
    pub(super) any_held: bool,
    /// The number of the first employee that is created; known once a profile was entered.
    pub(super) next: Option<u32>,
    /// Whether anybody is missing.
    pub(super) any_missing: bool,
    /// The numbers of those whom this draft has given another id.
    pub(super) renamed: HashSet<u32>,
    /// The numbers of those who have given their id up to another, and have not been given one.
    pub(super) without_id: HashSet<u32>,
}

/// What a draft begins with.
pub(super) struct Beginning<'a> {
    /// A transaction that has the right to write.
    pub inner: rusqlite::Transaction<'a>,
    /// The account and its generation.
    pub account: (i64, i64),
    /// The indexes in memory.
    pub indexes: &'a Cache,
    /// The file that the transaction writes.
    pub file: &'a OpenFile,
}

/// Whether anybody holds a unique value.
pub(super) fn any_held(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM unique_value)")?.query_row([], |row| row.get(0))
}

/// Whether anybody is missing.
pub(super) fn any_missing(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM missing)")?.query_row([], |row| row.get(0))
}

impl<'a> Draft<'a> {
    pub(super) fn new(beginning: Beginning<'a>) -> Result<Draft<'a>, Error> {
        let Beginning { inner, account, indexes, file } = beginning;
        let super::roster::State { seed, identity, revision, stamp } = super::roster::State::of(&inner)?;
        let before = stamp.map(|stamp| IndexVersion { identity, stamp });
        let (any_held, any_missing) = (any_held(&inner)?, any_missing(&inner)?);
        let (revision, index_is_stored) = (revision + 1, true);
        Ok(Draft {
            inner,
            seed,
            identity,
            revision,
            before,
            account,
            indexes,
            file,
            index_is_stored,
            any_held,
            next: None,
            any_missing,
            renamed: HashSet::new(),
            without_id: HashSet::new(),
        })
    }

    pub(in crate::store) fn seed(&self) -> u64 {
        self.seed
    }

    /// The index: held in memory, else stored, else made from the rows.
    pub fn index(&mut self) -> Result<Index, Error> {
        if let Some(index) = self.indexes.take(self.account, self.before).filter(|index| !index.is_empty()) {
            return Ok(index);
        }
        let index = match index::read(&self.inner, self.revision - 1)? {
            Some(index) => index,
            None => {
                self.index_is_stored = false;
                derived::index_of_rows(&self.inner, self.seed)?
            }
        };
        if index.is_empty() {
            // The ids of a first load are put in order once, at the commit, instead of one by one. Nobody asks for one before: everybody who is
            // stored is in the index.
            self.inner.execute_batch("DROP INDEX IF EXISTS employee_by_id")?;
        }
        Ok(index)
    }

    pub(in crate::store) fn enter_profile(&mut self, profile: &Profile) -> Result<Numbers, Error> {
        let fields = self.field_numbers(profile)?;
        let uniques = profile.fields.iter().zip(&fields).filter_map(|(field, number)| match field.unique {
            Unique::No => None,
            Unique::Roster => Some(format!("{number}")),
            Unique::Active => Some(format!("{number} active")),
        });
        let uniques = uniques.collect::<Vec<String>>().join(",");
        let before = derived::unique_fields(&self.inner)?;
        let id = profile.id.to_string();
        self.prepared(
            "INSERT INTO profile (id, uniques) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET uniques = ?2 WHERE uniques <> ?2",
        )?
        .execute([&id, &uniques])?;
        let guards: Vec<u32> =
            profile.fields.iter().zip(&fields).filter(|(field, _)| field.guard).map(|(_, number)| *number).collect();
        let profile = self.prepared("SELECT number FROM profile WHERE id = ?")?.query_row([&id], |row| row.get(0))?;
        let unique = derived::unique_fields(&self.inner)?;
        let unique_changed = unique != before;
        if unique_changed {
            self.inner.execute("DELETE FROM unique_value", [])?;
            self.any_held = false;
        }
        let last: u32 =
            self.prepared("SELECT coalesce(max(number), 0) FROM employee")?.query_row([], |row| row.get(0))?;
        let guarded = guards.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let guarded = self.enter_guarded(profile, &guarded)?;
        let names = reader::names(&self.inner)?.fields;
        self.next = Some(last + 1);
        Ok(Numbers { profile, fields, names, unique, guarded, unique_changed, next: last + 1 })
    }

    pub(in crate::store) fn profile_id(&mut self, number: u32) -> Result<Option<Uuid>, Error> {
        let mut select = self.prepared("SELECT id FROM profile WHERE number = ?")?;
        let id: Option<String> = select.query_row([number], |row| row.get(0)).optional()?;
        id.map(|id| Uuid::parse_str(&id).map_err(Error::damaged)).transpose()
    }

    pub(super) fn field_numbers(&self, profile: &Profile) -> Result<Vec<u32>, Error> {
        let mut select = self.prepared("SELECT name, number FROM field")?;
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

    pub(in crate::store) fn find_ids(&mut self, ids: &[&str]) -> Result<Vec<Option<(u32, Employee)>>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut find = self.prepared("SELECT number, id, status, profile, data FROM roster WHERE id = ?")?;
        let find = |id: &&str| find.query_row([id], |row| Ok((row.get(0)?, employee(row, 1)?))).optional();
        Ok(ids.iter().map(find).collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn holders(&mut self, values: &[UniqueValue]) -> Result<Vec<Vec<u32>>, Error> {
        if !self.any_held || values.is_empty() {
            return Ok(vec![Vec::new(); values.len()]);
        }
        let mut select = self.prepared("SELECT employee FROM unique_value WHERE field = ? AND hash = ? LIMIT 2")?;
        let mut select_last = self.prepared(
            "SELECT number FROM unique_value CROSS JOIN roster ON number = employee WHERE field = ? AND hash = ?
             ORDER BY roster.revision DESC, number DESC LIMIT 2",
        )?;
        let holders = |UniqueValue { field, hash }: &UniqueValue| {
            let hash = hash.to_be_bytes();
            let numbers = |select: &mut CachedStatement| {
                select.query_map(params![field, hash], |row| row.get(0))?.collect::<Result<Vec<u32>, _>>()
            };
            let holders = numbers(&mut select)?;
            if holders.len() > 1 { numbers(&mut select_last) } else { Ok(holders) }
        };
        Ok(values.iter().map(holders).collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn read(&mut self, numbers: &[u32]) -> Result<Vec<Option<Employee>>, Error> {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
            return Ok(Vec::new());
        };
        // Numbers that are close together are read as one range, which takes half the time.
        let is_ascending = numbers.is_sorted_by(|a, b| a < b);
        if is_ascending && ((last - first) as usize) < SPREAD_MAX * numbers.len() {
            return self.read_range(numbers, *first..=*last);
        }
        let mut read = self.prepared("SELECT id, status, profile, data FROM roster WHERE number = ?")?;
        let read = |number: &u32| read.query_row([number], |row| employee(row, 0)).optional();
        Ok(numbers.iter().map(read).collect::<Result<_, _>>()?)
    }

    fn read_range(&self, numbers: &[u32], range: RangeInclusive<u32>) -> Result<Vec<Option<Employee>>, Error> {
        let mut select = self.prepared(
            "SELECT number, id, status, profile, data FROM roster WHERE number BETWEEN ? AND ? ORDER BY number",
        )?;
        let mut rows = select.query([range.start(), range.end()])?;
        let mut employees = Vec::with_capacity(numbers.len());
        while let Some(row) = rows.next()? {
            let found: u32 = row.get(0)?;
            let missing = numbers[employees.len()..].iter().take_while(|number| **number < found).count();
            employees.extend((0..missing).map(|_| None));
            if numbers.get(employees.len()) == Some(&found) {
                employees.push(Some(employee(row, 1)?));
            }
        }
        employees.resize_with(numbers.len(), || None);
        Ok(employees)
    }

    pub(in crate::store) fn scan(&mut self, after: u32, limit: usize) -> Result<Vec<(u32, Employee)>, Error> {
        let mut select = self.prepared(
            "SELECT number, id, status, profile, data FROM roster WHERE number > ? ORDER BY number LIMIT ?",
        )?;
        let employees = select.query_map(params![after, limit], |row| Ok((row.get(0)?, employee(row, 1)?)))?;
        Ok(employees.collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn active_of(&mut self, profile: u32, after: u32, limit: usize) -> Result<Vec<u32>, Error> {
        let mut select = self.prepared(
            "SELECT number FROM roster WHERE number > ? AND profile = ? AND status = 1 ORDER BY number LIMIT ?",
        )?;
        Ok(select.query_map(params![after, profile, limit], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn queued(&mut self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        let mut select =
            self.prepared("SELECT position, record FROM queue WHERE position > ? ORDER BY position LIMIT ?")?;
        let records = select.query_map(params![after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(records.collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn earlier(&mut self, key: &str) -> Result<Option<Earlier>, Error> {
        retry::earlier(&self.inner, key)
    }

    pub(in crate::store) fn seen(&mut self, mark: &Mark) -> Result<Option<Fingerprint>, Error> {
        retry::seen(&self.inner, mark)
    }

    pub(in crate::store) fn guarded(&mut self) -> Result<Vec<u32>, Error> {
        tally::guarded_fields(&self.inner)
    }

    pub(in crate::store) fn last_as_of(&mut self) -> Result<Option<Timestamp>, Error> {
        let mut select =
            self.prepared("SELECT as_of FROM sync WHERE as_of IS NOT NULL ORDER BY revision DESC LIMIT 1")?;
        let last: Option<i64> = select.query_row([], |row| row.get(0)).optional()?;
        Ok(last.and_then(|last| Timestamp::from_microsecond(last).ok()))
    }

    pub(in crate::store) fn release(&mut self, held: &[Held]) -> Result<(), Error> {
        if held.is_empty() {
            return Ok(());
        }
        let mut delete = self.prepared("DELETE FROM unique_value WHERE field = ? AND hash = ? AND employee = ?")?;
        for held in held {
            let UniqueValue { field, hash } = held.value();
            delete.execute(params![field, hash.to_be_bytes(), held.number])?;
        }
        Ok(())
    }

    pub(in crate::store) fn hold(&mut self, held: &mut dyn Iterator<Item = Held>) -> Result<(), Error> {
        let mut held = held.peekable();
        if held.peek().is_none() {
            return Ok(());
        }
        self.any_held = true;
        let mut insert = self.prepared("INSERT INTO unique_value VALUES (?, ?, ?)")?;
        let many = format!("INSERT INTO unique_value VALUES (?, ?, ?){}", ", (?, ?, ?)".repeat(HELD_AT_ONCE - 1));
        let mut insert_many = self.prepared(&many)?;
        let mut group = Vec::with_capacity(HELD_AT_ONCE);
        while held.peek().is_some() {
            group.clear();
            group.extend(held.by_ref().take(HELD_AT_ONCE).map(|held| {
                let UniqueValue { field, hash } = held.value();
                (field, hash.to_be_bytes(), held.number)
            }));
            if group.len() == HELD_AT_ONCE {
                let values = group.iter().flat_map(|(field, hash, number)| [field as &dyn ToSql, hash, number]);
                insert_many.execute(params_from_iter(values))?;
            } else {
                group
                    .iter()
                    .try_for_each(|(field, hash, number)| insert.execute(params![field, hash, number]).map(drop))?;
            }
        }
        Ok(())
    }

    pub(in crate::store) fn commit(self, commit: Commit) -> Result<u64, Error> {
        let Commit { sync, index, index_bytes_max, empties_queue, remember, seen, plan, tally } = commit;
        let began = Instant::now();
        if !self.without_id.is_empty() {
            return Err(Error::damaged("a change gives an employee the id of another, who keeps it"));
        }
        self.add_tally(&tally)?;
        if let Some(remember) = &remember {
            retry::remember(&self.inner, self.revision, remember)?;
        }
        if let Some(seen) = &seen {
            retry::remember_seen(&self.inner, seen)?;
        }
        if empties_queue {
            self.inner.execute("DELETE FROM queue", [])?;
        }
        if let Some(plan) = plan {
            plans::end(&self.inner, plan, Some(self.revision))?;
        }
        plans::sweep(&self.inner)?;
        self.inner.execute_batch("CREATE UNIQUE INDEX IF NOT EXISTS employee_by_id ON employee (id)")?;
        let Draft { inner, identity, revision, before, account, indexes, file, index_is_stored, .. } = self;
        let (index, amended) = match index {
            IndexUpdate::Whole(mut index, changes) => {
                if index_is_stored && changes.is_empty() && changes.keeps_order(&index) {
                    index::confirm(&inner, revision)?;
                } else {
                    let slots = changes.apply(&mut index);
                    index::write(&inner, &index, &slots, revision, index_is_stored)?;
                }
                (Some(index), Vec::new())
            }
            IndexUpdate::Entries(entries) => {
                if entries.is_empty() {
                    index::confirm(&inner, revision)?;
                } else {
                    index::amend(&inner, &entries, revision)?;
                }
                (None, entries)
            }
        };
        // The record says how long everything before it took.
        let stamp = history::record(&inner, revision, &sync, began)?;
        // What is committed to a file that was replaced is in nobody's roster.
        if !file.is_current() {
            return Err(Error::Replaced(account.0));
        }
        inner.commit()?;
        if let Some(mut index) = index.or_else(|| indexes.take(account, before)) {
            index.amend(&amended);
            indexes.keep(account, Some(IndexVersion { identity, stamp }), index, index_bytes_max);
        }
        Ok(revision)
    }

    pub(in crate::store) fn return_index(&mut self, mut index: Index, index_bytes_max: usize) {
        if self.index_is_stored && index.take_back() && !index.is_empty() {
            self.indexes.keep(self.account, self.before, index, index_bytes_max);
        }
    }

    pub(super) fn prepared(&self, sql: &str) -> Result<CachedStatement<'_>, Error> {
        Ok(self.inner.prepare_cached(sql)?)
    }
}
