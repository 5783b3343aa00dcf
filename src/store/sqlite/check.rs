//! Whether an account's file is as it should be, and what can be done if it is not.

use super::{Error, Held, Key, OF_HIDDEN, Store, UniqueValue, derived, index, roster::State, tally, unique_values};
use crate::roster::{Data, Index, Status, Tally, Version, data_hash, hash};
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// How many problems are described; the others are counted.
const LISTED_MAX: usize = 50;

/// What was found out about an account's file.
#[derive(Debug, Default)]
pub struct Checkup {
    /// How many employees there are.
    pub employees: u64,
    /// What is wrong, without what is personal: the first of it.
    pub problems: Vec<String>,
    /// How much is wrong with what [`Store::repair`] can make anew: what is derived from the rows, the record of refused pushes, and
    /// the pages that nothing is in.
    pub derived_wrong: u64,
    /// How much is wrong with the rows of a table that cannot be made anew: only a backup helps.
    pub rows_wrong: u64,
    /// Whether the file is of an earlier version, so that only the database itself was checked.
    pub only_database: bool,
}

impl Checkup {
    fn derived(&mut self, what: String) {
        self.derived_wrong += 1;
        self.describe(what);
    }

    fn row(&mut self, what: String) {
        self.rows_wrong += 1;
        self.describe(what);
    }

    fn describe(&mut self, what: String) {
        if self.problems.len() < LISTED_MAX {
            self.problems.push(what);
        }
    }
}

impl Store {
    /// Checks the file of an account: the database itself, the rows, and the index and the unique values against the rows. What is
    /// written meanwhile is not seen.
    pub fn check(&self, key: &Key) -> Result<Checkup, Error> {
        let mut checkup = Checkup::default();
        let mut checked = || {
            let reader = self.reader(key)?;
            let snapshot = reader.connection.unchecked_transaction()?;
            check(&snapshot, &mut checkup)
        };
        match checked() {
            Ok(()) => {}
            Err(Error::Damaged { what, .. }) => checkup.row(format!("the file cannot be read further: {what}")),
            Err(error) => return Err(error),
        }
        Ok(checkup)
    }
}

fn check(connection: &Connection, checkup: &mut Checkup) -> Result<(), Error> {
    check_database(connection, checkup)?;
    let is_current: bool =
        connection
            .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'tally')", [], |row| row.get(0))?;
    if !is_current {
        checkup.only_database = true;
        checkup.employees = connection.query_row("SELECT count(*) FROM employee NOT INDEXED", [], |row| row.get(0))?;
        return Ok(());
    }
    let State { seed, revision, .. } = State::of(connection)?;
    let stored = match index::read_undamaged(connection, revision) {
        Err(Error::Damaged { what, .. }) => {
            checkup.derived(format!("index: {what}"));
            None
        }
        read => {
            let stored = read?;
            if stored.is_none() && revision > 0 {
                let what = "index: it is not as it was stored, or of another revision; the next push ignores it";
                checkup.derived(what.into());
            }
            stored
        }
    };
    check_versions(connection, checkup)?;
    let Rows { employees: rows, held, tally } = match check_rows(connection, seed, stored.as_ref(), checkup) {
        Err(Error::Damaged { what, .. }) => {
            checkup.row(format!("rows: {what}"));
            return Ok(());
        }
        checked => checked?,
    };
    checkup.employees = u64::try_from(tally.stored).unwrap_or_default();
    if let Some(index) = stored.filter(|index| index.len() as u64 != rows) {
        checkup.derived(format!("index: it has {} employees, and there are {rows}", index.len()));
    }
    if let Some(wrong) = wrong_tally(connection, tally)? {
        checkup.derived(wrong);
    }
    match check_unique_values(connection, held, checkup) {
        Err(Error::Damaged { what, .. }) => checkup.derived(format!("unique values: {what}")),
        checked => checked?,
    }
    Ok(())
}

/// Has SQLite check that the database is sound: pages, tables, its own indexes.
fn check_database(connection: &Connection, checkup: &mut Checkup) -> Result<(), Error> {
    let tables = Tables::of(connection)?;
    let mut select = connection.prepare(&format!("PRAGMA integrity_check({LISTED_MAX})"))?;
    let mut answers = select.query([])?;
    loop {
        match answers.next().map_err(Error::from) {
            Ok(None) => return Ok(()),
            Ok(Some(answer)) => {
                let answer: String = answer.get(0)?;
                for line in answer.lines().filter(|line| *line != "ok" && !line.starts_with("***")) {
                    match tables.table_of(line).filter(|table| !derived::TABLES.contains(table)) {
                        Some(table) => checkup.row(format!("database: table {table}: {line}")),
                        None => checkup.derived(format!("database: {line}")),
                    }
                }
            }
            // It gives up where it cannot go on.
            Err(Error::Damaged { what, .. }) => {
                checkup.derived(format!("database: {what}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// The tables of a database, to tell which of them SQLite speaks of.
struct Tables {
    /// Their names, by the root page.
    by_root: BTreeMap<u64, String>,
}

impl Tables {
    fn of(connection: &Connection) -> Result<Tables, Error> {
        let mut select = connection.prepare("SELECT rootpage, name FROM sqlite_schema WHERE type = 'table'")?;
        let tables = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut by_root: BTreeMap<u64, String> = tables.collect::<Result<_, _>>()?;
        by_root.insert(1, "sqlite_schema".into());
        Ok(Tables { by_root })
    }

    /// Returns the table whose rows a line of SQLite's integrity check is about: "Tree 7 page 9: …", where 7 is a root page,
    /// "NULL value in employee.id", "row not in PRIMARY KEY order for unique_value". `None` if it is about an index or free pages.
    fn table_of(&self, line: &str) -> Option<&str> {
        if let Some(tree) = line.strip_prefix("Tree ") {
            let root = tree.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
            return self.by_root.get(&root).map(String::as_str);
        }
        let mut last_words = line.rsplit(' ');
        let name = last_words.next()?.split('.').next()?;
        // "wrong # of entries in index employee_by_id"
        let is_index = last_words.next() == Some("index");
        self.by_root.values().map(String::as_str).find(|table| *table == name && !is_index)
    }
}

/// What there is in the rows.
struct Rows {
    employees: u64,
    /// The unique values that they hold.
    held: BTreeSet<Held>,
    tally: Tally,
}

/// Returns what is wrong with the tally that is kept, if something is: this is the one of the rows.
fn wrong_tally(connection: &Connection, mut counted: Tally) -> Result<Option<String>, Error> {
    counted.tidy();
    match tally::kept(connection) {
        Err(Error::Damaged { what, .. }) => Ok(Some(format!("tally: {what}"))),
        kept => Ok((kept? != counted).then(|| "tally: it is not the number of employees who have a value".into())),
    }
}

/// Checks the rows, and the index against them. Returns what is in them.
fn check_rows(connection: &Connection, seed: u64, index: Option<&Index>, checkup: &mut Checkup) -> Result<Rows, Error> {
    let fields = derived::unique_fields(connection)?;
    let profiles: BTreeSet<u32> =
        connection.prepare("SELECT number FROM profile")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut select = connection.prepare("SELECT number, id, status, profile, data FROM roster ORDER BY number")?;
    let mut employees = select.query([])?;
    let (mut rows, mut last, mut held, mut tally) = (0, 0, BTreeSet::new(), Tally::default());
    let guarded = tally::guarded_fields(connection)?;
    while let Some(row) = employees.next()? {
        rows += 1;
        let number: u32 = row.get(0)?;
        if number == 0 {
            checkup.row("rows: an employee has the number 0, which nobody is given".into());
            continue;
        }
        if number != last + 1 {
            checkup.row(format!("rows: the employees with the numbers {} to {} are missing", last + 1, number - 1));
        }
        last = number;
        let Ok((id, status, profile, data)) = read(row) else {
            checkup.row(format!("rows: the employee with the number {number} is not as it was stored"));
            continue;
        };
        let version = Version { id: &id, status, profile, data: data.lend() };
        if !version.is_removed() && !profiles.contains(&profile) {
            checkup.row(format!("rows: the employee with the number {number} was checked by an unknown profile"));
        }
        let hashes = (hash(seed, id.as_bytes()), data_hash(seed, profile, &data));
        let place = number - 1;
        if let Some(entry) = index.filter(|index| (place as usize) < index.len()).map(|index| index.get(place))
            && (entry.number, entry.profile, entry.status, (entry.id, entry.data)) != (number, profile, status, hashes)
        {
            checkup
                .derived(format!("index: the entry of the employee with the number {number} is of another employee"));
        }
        tally.add(version, &guarded, |value| hash(seed, value));
        let values = unique_values(&fields, seed, status, data.lend());
        held.extend(values.map(|value| Held::new(value, number)));
    }
    Ok(Rows { employees: rows, held, tally })
}

/// Checks what employees were before, and which of their versions is said to be the current one.
fn check_versions(connection: &Connection, checkup: &mut Checkup) -> Result<(), Error> {
    for (sql, what) in DERIVED_FROM_VERSIONS {
        let wrong: u64 = connection.query_row(sql, [], |row| row.get(0))?;
        if wrong > 0 {
            checkup.derived(format!("{what}: {wrong} employees"));
        }
    }
    let mut select = connection.prepare(VERSIONS)?;
    let mut versions = select.query([])?;
    while let Some(row) = versions.next()? {
        let (number, revision, is_linked): (u32, u64, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if !is_linked || super::rows::whole_employee(row, 3).is_err() {
            checkup.row(format!(
                "versions: that of the employee with the number {number} at revision {revision} is not as it was stored"
            ));
        }
    }
    Ok(())
}

/// Counts what [`Store::repair`] makes anew from versions, where it is not what comes of them.
const DERIVED_FROM_VERSIONS: &[(&str, &str)] = &[
    (
        "WITH last (number, revision) AS
             (SELECT place & 0xffffffff, max(place >> 32) FROM version GROUP BY place & 0xffffffff)
         SELECT count(*) FROM (SELECT * FROM (SELECT * FROM latest EXCEPT SELECT * FROM last)
             UNION ALL SELECT * FROM (SELECT * FROM last EXCEPT SELECT * FROM latest))",
        "versions: another one than the last is the current one",
    ),
    (
        "SELECT count(*) FROM (SELECT * FROM (SELECT number FROM roster WHERE status = 0 EXCEPT SELECT number FROM hidden)
             UNION ALL SELECT * FROM (SELECT number FROM hidden EXCEPT SELECT number FROM roster WHERE status = 0))",
        "hidden: not those whose status is hidden",
    ),
];

/// All versions, those that were replaced among them, and whether each has the one before it: in `version`, or in `employee`.
const VERSIONS: &str = "
    SELECT place & 0xffffffff AS number, place >> 32,
        EXISTS (SELECT 1 FROM employee AS e WHERE e.number = version.place & 0xffffffff
            AND (previous = 0 OR e.revision = previous OR EXISTS (SELECT 1 FROM version AS p
                WHERE p.place = version.previous << 32 | (version.place & 0xffffffff)))),
        '', status, profile, data
    FROM version
    UNION ALL
    SELECT number, employee.revision, true, id, status, profile, data FROM employee JOIN latest USING (number)";

/// Reads a row; fails if it is not as it was stored.
fn read(row: &Row) -> Result<(String, Status, u32, Data), Error> {
    let employee = super::rows::whole_employee(row, 1)?;
    Ok((employee.id, employee.status, employee.profile, employee.data))
}

/// Checks the stored unique values against those that the employees hold.
fn check_unique_values(connection: &Connection, mut held: BTreeSet<Held>, checkup: &mut Checkup) -> Result<(), Error> {
    let mut before: Option<Held> = None;
    for one in &held {
        let Held { field, number, .. } = *one;
        if let Some(other) = before.filter(|before| before.value() == one.value() && field & OF_HIDDEN == 0) {
            let other = other.number;
            checkup.row(format!(
                "rows: the employees with the numbers {other} and {number} have one value in the unique field {field}"
            ));
        }
        before = Some(*one);
    }
    let mut select = connection.prepare("SELECT field, hash, employee FROM unique_value")?;
    let mut values = select.query([])?;
    while let Some(row) = values.next()? {
        let (field, hash, number): (u32, [u8; 16], u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let value = UniqueValue { field, hash: u128::from_be_bytes(hash) };
        if !held.remove(&Held::new(value, number)) {
            let field = field & !OF_HIDDEN;
            checkup.derived(format!(
                "unique values: employee number {number} does not have the value stored for field {field}"
            ));
        }
    }
    for Held { field, number, .. } in held {
        let field = field & !OF_HIDDEN;
        checkup.derived(format!("unique values: that of employee number {number} in field {field} is missing"));
    }
    Ok(())
}
