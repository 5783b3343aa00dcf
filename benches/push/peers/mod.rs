//! What people would use instead, and the floors.

pub mod floor;
pub mod postgres;
pub mod textbook;

use crate::{Runs, time};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;

/// A peer, a case, and what it took.
pub type Cases = Vec<(&'static str, &'static str, Runs)>;

fn prepare(connection: &Connection) {
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")
        .unwrap();
}

/// A bare program that inserts the rows of a database into an empty one with the same tables, in one transaction.
pub fn insert_floor(database: &Path, repeats: usize) -> Runs {
    let source = Connection::open(database).unwrap();
    let mut select = source.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").unwrap();
    let schema: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let tables = ["employee", "unique_value", "index_part"].map(|table| (table, rows(&source, table)));
    let run = || {
        let folder = tempfile::tempdir().unwrap();
        let mut target = Connection::open(folder.path().join("floor.db")).unwrap();
        prepare(&target);
        target.execute_batch(&schema.join(";")).unwrap();
        time(|| {
            let transaction = target.transaction().unwrap();
            for (table, rows) in &tables {
                let marks = vec!["?"; rows[0].len()].join(", ");
                let mut insert = transaction.prepare(&format!("INSERT INTO {table} VALUES ({marks})")).unwrap();
                for row in rows {
                    insert.execute(params_from_iter(row)).unwrap();
                }
            }
            transaction.commit().unwrap();
        })
    };
    (0..repeats).map(|_| run()).collect()
}

fn rows(source: &Connection, table: &str) -> Vec<Vec<Value>> {
    let mut select = source.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let columns = select.column_count();
    let row = |row: &rusqlite::Row| (0..columns).map(|column| row.get(column)).collect();
    select.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// SQLite by itself: the body as a parameter, one statement.
pub fn sqlite_alone(base: &[u8], changed: &[u8]) -> Cases {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(folder.path().join("alone.db")).unwrap();
    prepare(&connection);
    connection
        .execute_batch("CREATE TABLE employee (id TEXT PRIMARY KEY, status TEXT, data TEXT) WITHOUT ROWID")
        .unwrap();
    let push = |body: &[u8]| {
        let body = std::str::from_utf8(body).unwrap();
        time(|| {
            let upsert = "INSERT INTO employee
                SELECT value ->> 'id', value ->> 'status', value -> 'data' FROM json_each(?, '$.employees') WHERE true
                ON CONFLICT DO UPDATE SET status = excluded.status, data = excluded.data
                WHERE status IS NOT excluded.status OR data IS NOT excluded.data";
            connection.execute(upsert, [body]).unwrap();
        })
    };
    let first = vec![push(base)];
    let unchanged = vec![push(base), push(base)];
    let thousandth = vec![push(changed), push(base)];
    vec![
        ("SQLite alone", "first load", first),
        ("SQLite alone", "unchanged", unchanged),
        ("SQLite alone", "0.1 % changed", thousandth),
    ]
}
