//! How many employees there are, and how many have a value: kept, so that no push has to count them.

use super::{Draft, Error, rows, schema};
use crate::roster::{FieldValue, Tally, hash};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeSet;

/// What stands in the place of a field for how many are stored, and how many of them are active.
const STORED: i64 = 0;
const ACTIVE: i64 = -1;

impl Draft<'_> {
    pub(in crate::store) fn tally(&mut self, values: &[FieldValue]) -> Result<Tally, Error> {
        let mut tally = read(&self.inner)?;
        let mut select = self.prepared("SELECT employees FROM value_tally WHERE field = ? AND hash = ?")?;
        for value in values {
            let found =
                select.query_row(params![value.field, value.hash.to_be_bytes()], |row| row.get(0)).optional()?;
            tally.values.extend(found.map(|employees| (*value, employees)));
        }
        Ok(tally)
    }

    pub(in crate::store) fn usually_hidden(&mut self, lists: usize) -> Result<u64, Error> {
        let mut select = self.prepared(
            "SELECT coalesce(max(hidden), 0)
             FROM (SELECT hidden FROM sync WHERE is_usual IS NOT 0 ORDER BY revision DESC LIMIT ?)",
        )?;
        Ok(select.query_row([lists], |row| row.get(0))?)
    }

    /// Remembers which fields of a profile are guarded. Returns the guarded fields of all profiles of the account.
    pub(super) fn enter_guarded(&self, profile: u32, guarded: &str) -> Result<Vec<u32>, Error> {
        let before = guarded_fields(&self.inner)?;
        let changed = self
            .prepared("UPDATE profile SET guarded = ?2 WHERE number = ?1 AND guarded <> ?2")?
            .execute(params![profile, guarded])?;
        if changed == 0 {
            return Ok(before);
        }
        let after = guarded_fields(&self.inner)?;
        if after != before {
            self.inner.execute("DELETE FROM value_tally", [])?;
            let tally = count(&self.inner, self.seed, &after)?;
            add_values(&self.inner, &tally)?;
        }
        Ok(after)
    }

    /// Adds what a push makes of the numbers.
    pub(super) fn add_tally(&self, more: &Tally) -> Result<(), Error> {
        add(&self.inner, more)?;
        add_values(&self.inner, more)
    }
}

/// The fields whose values are counted, in ascending order.
pub(super) fn guarded_fields(connection: &Connection) -> Result<Vec<u32>, Error> {
    let mut select = connection.prepare_cached("SELECT guarded FROM profile WHERE guarded <> ''")?;
    let mut profiles = select.query([])?;
    let mut fields = BTreeSet::new();
    while let Some(row) = profiles.next()? {
        let guarded: String = row.get(0)?;
        fields.extend(guarded.split(',').filter_map(|number| number.parse::<u32>().ok()));
    }
    Ok(fields.into_iter().collect())
}

/// Returns how many employees there are, without those who were removed, and how many of them are active.
pub(super) fn stored(connection: &Connection) -> Result<(u64, u64), Error> {
    if schema::version(connection)? < schema::WITH_TALLY {
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
        let all = count("SELECT count(*) FROM employee")?;
        return Ok((all, all.saturating_sub(count("SELECT count(*) FROM hidden")?)));
    }
    let Tally { stored, active, .. } = read(connection)?;
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    Ok((count(stored), count(active)))
}

/// The numbers as they are kept, without those of values.
fn read(connection: &Connection) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let mut select = connection.prepare_cached("SELECT field, employees FROM tally")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (field, employees): (i64, i64) = (row.get(0)?, row.get(1)?);
        match field {
            STORED => tally.stored = employees,
            ACTIVE => tally.active = employees,
            _ => drop(tally.fields.insert(u32::try_from(field).map_err(Error::damaged)?, employees)),
        }
    }
    Ok(tally)
}

/// The numbers as they are kept, with those of all values.
pub(super) fn kept(connection: &Connection) -> Result<Tally, Error> {
    let mut tally = read(connection)?;
    let mut select = connection.prepare("SELECT field, hash, employees FROM value_tally")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (field, hash): (u32, [u8; 16]) = (row.get(0)?, row.get(1)?);
        tally.values.insert(FieldValue { field, hash: u128::from_be_bytes(hash) }, row.get(2)?);
    }
    tally.tidy();
    Ok(tally)
}

/// Counts the rows.
fn count(connection: &Connection, seed: u64, guarded: &[u32]) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    rows::for_each(connection, |_, employee| {
        tally.add(employee.version(), guarded, |value| hash(seed, value));
        Ok(())
    })?;
    Ok(tally)
}

/// Makes the numbers anew from the rows.
pub(super) fn rebuild(connection: &Connection, seed: u64) -> Result<(), Error> {
    connection.execute_batch("DELETE FROM tally; DELETE FROM value_tally")?;
    let tally = count(connection, seed, &guarded_fields(connection)?)?;
    add(connection, &tally)?;
    add_values(connection, &tally)
}

fn add(connection: &Connection, more: &Tally) -> Result<(), Error> {
    let mut insert = connection
        .prepare_cached("INSERT INTO tally VALUES (?1, ?2) ON CONFLICT DO UPDATE SET employees = employees + ?2")?;
    let fields = more.fields.iter().map(|(field, employees)| (i64::from(*field), *employees));
    let all = [(STORED, more.stored), (ACTIVE, more.active)].into_iter().chain(fields);
    for (field, employees) in all.filter(|(_, employees)| *employees != 0) {
        insert.execute([field, employees])?;
    }
    Ok(())
}

fn add_values(connection: &Connection, more: &Tally) -> Result<(), Error> {
    if more.values.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO value_tally VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET employees = employees + ?3",
    )?;
    let mut remove =
        connection.prepare_cached("DELETE FROM value_tally WHERE field = ? AND hash = ? AND employees = 0")?;
    for (FieldValue { field, hash }, employees) in &more.values {
        insert.execute(params![field, hash.to_be_bytes(), employees])?;
        if *employees < 0 {
            remove.execute(params![field, hash.to_be_bytes()])?;
        }
    }
    Ok(())
}
