//! What is derived from the rows of a roster: which versions are current, who is hidden, unique values, the index. All of it can be
//! made anew from the rows.

use super::index;
use super::roster::State;
use super::{Error, Held, UniqueValue, rows, schema, tally, unique_values};
use crate::profile::Unique;
use crate::roster::{Entry, Index, data_hash, hash};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;

/// The record of refused pushes.
pub(super) const REFUSALS: &str = "refusal";

/// The tables that a repair may empty: what is derived from the rows, and the record of refused pushes, which nothing depends on.
pub(super) const TABLES: &[&str] =
    &["index_part", "index_state", "index_order", "unique_value", "latest", "hidden", "tally", "value_tally", REFUSALS];

/// Makes anew which versions are current, and who is hidden.
const CURRENT: &str = "
    DELETE FROM latest;
    INSERT INTO latest SELECT place & 0xffffffff AS number, max(place >> 32) FROM version GROUP BY number;
    DELETE FROM hidden;
    INSERT INTO hidden SELECT number FROM roster WHERE status = 0 ORDER BY number;
";

/// The first version in which a file has a seed of its own.
const WITH_SEED: u32 = 2;

/// The fields that some profile of the account wants to be unique, by number, each with the widest of their demands.
pub(super) fn unique_fields(connection: &Connection) -> Result<BTreeMap<u32, Unique>, Error> {
    let mut select = connection.prepare("SELECT uniques FROM profile")?;
    let mut profiles = select.query([])?;
    let mut fields = BTreeMap::new();
    while let Some(row) = profiles.next()? {
        let uniques: String = row.get(0)?;
        for unique in uniques.split(',') {
            let (number, unique) = match unique.split_once(' ') {
                Some((number, _)) => (number.parse(), Unique::Active),
                None => (unique.parse(), Unique::Roster),
            };
            if let Ok(number) = number {
                let widest = fields.entry(number).or_insert(unique);
                *widest = if *widest == Unique::Roster { Unique::Roster } else { unique };
            }
        }
    }
    Ok(fields)
}

/// Makes the index from the rows; fails if rows are missing. It knows no bytes, so the next push reads every employee.
pub(super) fn index_of_rows(connection: &Connection, seed: u64) -> Result<Index, Error> {
    let employees: u64 = connection.query_row("SELECT coalesce(max(number), 0) FROM employee", [], |row| row.get(0))?;
    let mut index = Index::with_capacity(usize::try_from(employees).unwrap_or_default());
    rows::for_each(connection, |number, employee| {
        // An employee's place is its number less one.
        if number as usize != index.len() + 1 {
            return Err(Error::damaged(format!("employees before number {number} are missing")));
        }
        let id = hash(seed, employee.id.as_bytes());
        let data = data_hash(seed, employee.profile, &employee.data);
        index.insert(Entry { id, data, bytes: 0, number, profile: employee.profile, status: employee.status });
        Ok(())
    })?;
    index.set_order(Vec::new());
    index.settle();
    Ok(index)
}

/// Makes everything that is derived anew from the rows, under the file's seed, in the caller's transaction.
pub(super) fn rebuild(connection: &Connection, seed: u64) -> Result<(), Error> {
    connection.execute_batch(CURRENT)?;
    let fields = unique_fields(connection)?;
    let mut held = Vec::new();
    rows::for_each(connection, |number, employee| {
        let values = unique_values(&fields, seed, employee.status, employee.data.lend());
        held.extend(values.map(|value| Held::new(value, number)));
        Ok(())
    })?;
    held.sort_unstable();
    connection.execute("DELETE FROM unique_value", [])?;
    let mut insert = connection.prepare("INSERT INTO unique_value VALUES (?, ?, ?)")?;
    for held in held {
        let UniqueValue { field, hash } = held.value();
        insert.execute(params![field, hash.to_be_bytes(), held.number])?;
    }
    tally::rebuild(connection, seed)?;
    let revision: u64 = connection.query_row("SELECT coalesce(max(revision), 0) FROM sync", [], |row| row.get(0))?;
    index::write(connection, &index_of_rows(connection, seed)?, &[], revision, false)?;
    // Who holds another index of this revision in memory is to notice.
    connection.execute("UPDATE sync SET stamp = randomblob(16) WHERE revision = ?", [revision])?;
    Ok(())
}

/// Completes a file that was migrated from version `found`: a new one gets a random seed, an old one the seed that its store has.
/// If the file came from another store, whose seed is not known any more, what is derived is made anew.
pub(super) fn complete(connection: &Connection, found: u32, store_seed: u64) -> Result<(), Error> {
    complete_seed(connection, found, store_seed)?;
    if found > 0 && found < schema::WITH_TALLY {
        tally::rebuild(connection, State::of(connection)?.seed)?;
    }
    Ok(())
}

fn complete_seed(connection: &Connection, found: u32, store_seed: u64) -> Result<(), Error> {
    if found >= WITH_SEED {
        return Ok(());
    }
    if found == 0 {
        connection.execute("INSERT INTO identity VALUES (1, random(), randomblob(16))", [])?;
        return Ok(());
    }
    connection.execute("INSERT INTO identity VALUES (1, ?, randomblob(16))", [store_seed.cast_signed()])?;
    let first: Option<String> =
        connection.query_row("SELECT id FROM employee WHERE number = 1", [], |row| row.get(0)).optional()?;
    let Some(first) = first else {
        return Ok(());
    };
    let revision: u64 = connection.query_row("SELECT coalesce(max(revision), 0) FROM sync", [], |row| row.get(0))?;
    let same = index::read(connection, revision)?
        .is_some_and(|index| !index.is_empty() && index.get(0).id == hash(store_seed, first.as_bytes()));
    if same { Ok(()) } else { rebuild(connection, store_seed) }
}
