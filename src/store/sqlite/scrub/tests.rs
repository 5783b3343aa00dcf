//! A file that much was written to and deleted from, in rows of every length.

use super::*;
use std::collections::{BTreeMap, HashSet};
use std::fs;

/// Numbers that look random, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A value that no other has a piece of: its number, again and again.
fn value(number: u64, bytes: u64) -> Vec<u8> {
    format!("<{number:014}>").into_bytes().into_iter().cycle().take(usize::try_from(bytes).unwrap()).collect()
}

#[test]
fn nothing_is_left_of_what_was_deleted_and_all_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.db");
    let mut connection = schema::open_roster(&path, true, 0).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE row (number INTEGER PRIMARY KEY, value BLOB);
             CREATE INDEX row_by_value ON row (value);
             CREATE TABLE key (value BLOB, number INTEGER, PRIMARY KEY (value, number)) WITHOUT ROWID;",
        )
        .unwrap();
    let (mut dice, mut rows, mut gone) = (Dice(1), BTreeMap::<u64, Vec<u8>>::new(), Vec::new());
    for round in 0..60 {
        let transaction = connection.transaction().unwrap();
        for step in 0..100 {
            let number = dice.below(400);
            let bytes_max = [60, 60, 60, 900, 900, 30_000][usize::try_from(dice.below(6)).unwrap()];
            let bytes = 16 + dice.below(bytes_max);
            let value = value(round * 100 + step, bytes);
            gone.extend(rows.remove(&number));
            transaction.execute("DELETE FROM key WHERE number = ?", [number]).unwrap();
            if dice.below(4) > 0 {
                transaction
                    .execute("INSERT OR REPLACE INTO row VALUES (?, ?)", rusqlite::params![number, value])
                    .unwrap();
                transaction.execute("INSERT INTO key VALUES (?, ?)", rusqlite::params![value, number]).unwrap();
                rows.insert(number, value);
            } else {
                transaction.execute("DELETE FROM row WHERE number = ?", [number]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    ask(&connection).unwrap();
    let left = || {
        let file = fs::read(&path).unwrap();
        let pieces: HashSet<&[u8]> = file.windows(16).filter(|piece| piece.starts_with(b"<")).collect();
        gone.iter().filter(|gone| pieces.contains(&gone[..16])).count()
    };
    log::fold(&connection).unwrap();
    assert!(left() > 0, "there is something to overwrite");
    assert!(scrub(&mut connection, &OpenFile::of(path.clone()), Instant::now()).unwrap());
    assert_eq!(left(), 0);
    let intact: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
    let mut select = connection.prepare("SELECT number, value FROM row ORDER BY number").unwrap();
    let stored = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(stored.collect::<Result<BTreeMap<u64, Vec<u8>>, _>>().unwrap(), rows);
    assert!(!is_asked(&connection));
}
