//! The index is a cache: if it is lost or wrong, pushes have the same counts and store the same.

use super::operator::{metrics, value, with_metrics};
use super::world::{PEOPLE, PROFILE, Request, World, employee, run};
use serde_json::{Value, json};

/// So many that unexpected employees are looked up in the whole index.
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
fn an_index_that_is_lost_damaged_or_outdated_is_rebuilt() {
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
fn without_memory_the_index_is_read_for_each_push() {
    let world = World::with(PEOPLE, "index_bytes_max = 1");
    assert_eq!(world.push_employees(roster("0")).counts(), [EMPLOYEES, 0, 0, 0, 0]);
    for version in ["1", "2", "3"] {
        assert_eq!(world.push_employees(roster(version)).counts(), [0, CHANGED, 0, 0, EMPLOYEES - CHANGED]);
        assert_eq!(world.push_employees(roster(version)).counts(), [0, 0, 0, 0, EMPLOYEES]);
    }
}

#[test]
fn a_refused_push_does_not_change_the_index() {
    let world = World::new();
    assert_eq!(world.push_employees(roster("0")).counts(), [EMPLOYEES, 0, 0, 0, 0]);
    let mut bad = roster("1");
    bad.as_array_mut().unwrap().push(json!({ "id": "7", "status": "active" }));
    assert_eq!(world.push_employees(bad).status, 400);
    assert_eq!(world.push_employees(roster("0")).counts(), [0, 0, 0, 0, EMPLOYEES]);
    assert_eq!(world.push_employees(roster("1")).counts(), [0, CHANGED, 0, 0, EMPLOYEES - CHANGED]);
}

#[test]
fn the_stored_index_does_not_grow_by_nights_of_changes() {
    let world = World::new();
    for night in 0..40 {
        world.push_employees(roster(&night.to_string()));
    }
    let database = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    let entries: u64 =
        database.query_row("SELECT sum(length(entries)) / 56 FROM index_part", [], |row| row.get(0)).unwrap();
    assert!(entries <= EMPLOYEES + EMPLOYEES / 2 + 16_384, "{entries}");
}

/// Whoever is in memory need not be read again.
#[test]
fn what_changes_nothing_leaves_the_index_in_memory() {
    let world = with_metrics(World::stopped(PEOPLE, ""));
    let in_memory = || value(&metrics(&world), "rollcall_index_memory_bytes").unwrap();
    assert_eq!(world.push_employees(roster("0")).counts(), [EMPLOYEES, 0, 0, 0, 0]);
    let before = in_memory();
    assert!(before > 0.0);
    let body = |employees: &Value| json!({ "profileId": PROFILE, "employees": employees }).to_string();
    let mut with_twice = roster("1");
    let again = with_twice[0].clone();
    with_twice.as_array_mut().unwrap().push(again);
    let mut with_wrong = roster("2");
    with_wrong[0]["data"][0]["value"] = json!("");
    let lenient =
        Request::new("POST", "/v1/employees", body(&with_wrong).as_bytes()).header("Prefer", "handling=lenient");
    for (request, status) in [
        (Request::new("POST", "/v1/employees?dryRun=true", body(&roster("1")).as_bytes()), 200),
        (Request::new("POST", "/v1/employees", body(&with_twice).as_bytes()), 400),
        (Request::new("POST", "/v1/employees", body(&with_wrong).as_bytes()), 400),
        (lenient, 200),
    ] {
        let answer = request.send(&world);
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(in_memory() >= before, "{}", answer.text);
        if answer.header("rollcall-rejected").is_none() {
            let unchanged = world.push_employees(roster("0"));
            assert_eq!(unchanged.counts(), [0, 0, 0, 0, EMPLOYEES], "the index is as it was");
        }
    }
    let after = roster("2");
    assert_eq!(world.push_employees(after.clone()).counts(), [0, 0, 0, 0, EMPLOYEES]);
    assert_eq!(world.push_employees(after).counts(), [0, 0, 0, 0, EMPLOYEES]);
}

#[test]
fn an_account_whose_first_push_stores_nobody_is_sound_and_has_an_index() {
    let mut world = World::new();
    let nameless = json!({ "profileId": PROFILE, "employees": [employee("1", "active", &[])] }).to_string();
    let lenient = Request::new("POST", "/v1/employees", nameless.as_bytes()).header("Prefer", "handling=lenient");
    let answer = lenient.send(&world);
    assert_eq!((answer.status, answer.header("rollcall-rejected").as_deref()), (200, Some("1")), "{}", answer.text);
    let audit = || run(&["account", "check", "99", "--data", &world.path("data")]);
    assert!(audit().status.success(), "{:?}", audit());
    assert_eq!(world.push_employees(roster("0")).counts(), [EMPLOYEES, 0, 0, 0, 0]);
    assert!(audit().status.success(), "{:?}", audit());
    world.kill();
    let world = world.started();
    assert_eq!(world.push_employees(roster("0")).counts(), [0, 0, 0, 0, EMPLOYEES]);
}
