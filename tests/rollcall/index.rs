//! The index is a cache: whatever becomes of it, a push says and stores the same.

use super::world::{PEOPLE, World, employee};
use serde_json::{Value, json};

/// More than may come unexpectedly before they are looked for everywhere.
const EMPLOYEES: u64 = 6_000;
const CHANGED: u64 = EMPLOYEES / 100;

fn roster(version: &str) -> Value {
    json!(
        (0..EMPLOYEES)
            .map(|n| employee(&n.to_string(), "active", &[("First Name", if n % 100 == 7 { version } else { "A" })]))
            .collect::<Vec<_>>()
    )
}

#[test]
fn an_index_that_is_lost_damaged_or_of_another_time_is_made_anew() {
    let mut world = World::new();
    assert_eq!(world.push_employees(roster("0")).counts(), [EMPLOYEES, 0, 0, 0, 0]);
    for (version, damage) in [
        ("1", "SELECT 1"),
        ("2", "DELETE FROM index_state"),
        ("3", "DELETE FROM index_part"),
        ("4", "UPDATE index_state SET revision = revision - 1"),
        ("5", "UPDATE index_part SET entries = substr(entries, 1, 57)"),
        ("6", "UPDATE index_order SET runs = x'00'"),
        ("7", "UPDATE index_order SET runs = x'ffffffffffffffff'"),
    ] {
        world.kill();
        let database = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
        database.execute_batch(damage).unwrap();
        drop(database);
        world = world.started();
        let changed = world.push_employees(roster(version)).counts();
        assert_eq!(changed, [0, CHANGED, 0, 0, EMPLOYEES - CHANGED], "{damage}");
        assert_eq!(world.push_employees(roster(version)).counts(), [0, 0, 0, 0, EMPLOYEES], "{damage}");
    }
    assert_eq!(world.roster().len() as u64, EMPLOYEES);
}

#[test]
fn without_memory_for_it_it_is_read_each_time() {
    let world = World::with(PEOPLE, "index_bytes_max = 1");
    assert_eq!(world.push_employees(roster("0")).counts(), [EMPLOYEES, 0, 0, 0, 0]);
    for version in ["1", "2", "3"] {
        assert_eq!(world.push_employees(roster(version)).counts(), [0, CHANGED, 0, 0, EMPLOYEES - CHANGED]);
        assert_eq!(world.push_employees(roster(version)).counts(), [0, 0, 0, 0, EMPLOYEES]);
    }
}

#[test]
fn a_push_that_is_refused_leaves_it_as_it_was() {
    let world = World::new();
    assert_eq!(world.push_employees(roster("0")).counts(), [EMPLOYEES, 0, 0, 0, 0]);
    let mut bad = roster("1");
    bad.as_array_mut().unwrap().push(json!({ "id": "7", "status": "active" }));
    assert_eq!(world.push_employees(bad).status, 400);
    assert_eq!(world.push_employees(roster("0")).counts(), [0, 0, 0, 0, EMPLOYEES]);
    assert_eq!(world.push_employees(roster("1")).counts(), [0, CHANGED, 0, 0, EMPLOYEES - CHANGED]);
}

#[test]
fn many_nights_of_changes_do_not_let_it_grow() {
    let world = World::new();
    for night in 0..40 {
        world.push_employees(roster(&night.to_string()));
    }
    let database = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    let entries: u64 =
        database.query_row("SELECT sum(length(entries)) / 56 FROM index_part", [], |row| row.get(0)).unwrap();
    assert!(entries <= EMPLOYEES + EMPLOYEES / 2 + 16_384, "{entries}");
}
