//! Accounts' files: each is complete in itself, may be moved, replaced and damaged, and shrinks its log without making anybody wait.

use super::world::{Answer, PROFILE, Request, World, employee, run};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::process::Output;
use std::time::{Duration, Instant};

/// A profile in which no two employees may have the same badge.
pub const BADGES: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Badges"
    guards = { update = "off", create = "off" }
    [[field]]
    name = "Badge"
    type = "text"
    unique = true
    [[field]]
    name = "City"
    type = "text"
"#;

/// Returns employees with a badge each, who live in `city`; every tenth is hidden.
pub fn people(count: u64, city: &str) -> Value {
    let person = |n: u64| {
        let status = if n % 10 == 9 { "hidden" } else { "active" };
        employee(&n.to_string(), status, &[("Badge", &format!("B{n}")), ("City", city)])
    };
    json!((0..count).map(person).collect::<Vec<_>>())
}

/// Two people, the second with the badge of the first of [`people`].
pub fn taken_badge() -> Value {
    json!([employee("new", "active", &[("Badge", "B0")])])
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs a subcommand on the data folder of a world, checks its exit code, and returns what it printed.
#[track_caller]
pub fn command(world: &World, args: &[&str], code: i32) -> String {
    let output = run(&[args, &["--data", &world.path("data")]].concat());
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
    text(&output)
}

pub fn database(world: &World) -> Connection {
    Connection::open(world.path("data/accounts/99.db")).unwrap()
}

pub fn one<T: rusqlite::types::FromSql>(database: &Connection, sql: &str) -> T {
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Stops a server as an operator does.
pub fn stop(world: &mut World) {
    world.signal("-TERM");
    assert!(world.wait().success());
    world.kill();
}

/// Turns the file of account 99 into one of the first version, whose hashes have the seed of the store.
pub fn make_first_version(world: &World, keep_seed: bool) {
    let database = database(world);
    let seed: i64 = one(&database, "SELECT seed FROM identity");
    database
        .execute_batch(
            "DROP TABLE identity; ALTER TABLE sync DROP COLUMN stamp; ALTER TABLE index_part DROP COLUMN digest;
             DROP VIEW roster; DROP VIEW restored; DROP TABLE version; DROP TABLE latest; DROP TABLE hidden; DROP TABLE former_id;
             DROP INDEX sync_as_of; ALTER TABLE sync DROP COLUMN as_of; DROP TABLE retry; DROP TABLE seen; DROP TABLE plan; DROP TABLE plan_part; DROP TABLE plan_absence; DROP TABLE history_start; DROP TABLE erased; DROP TABLE erasure; DROP TABLE unscrubbed;
             DROP TABLE emptied; DROP TABLE feed_break; DROP TABLE forgotten_id; ALTER TABLE employee DROP COLUMN absent;
             DROP TABLE missing; DROP TABLE tally; DROP TABLE value_tally; ALTER TABLE profile DROP COLUMN guarded;
             DROP INDEX sync_usual; ALTER TABLE sync DROP COLUMN is_usual; ALTER TABLE sync DROP COLUMN kind; ALTER TABLE sync DROP COLUMN plan;
             ALTER TABLE sync DROP COLUMN guards; ALTER TABLE sync DROP COLUMN rules; ALTER TABLE sync DROP COLUMN first_created;
             ALTER TABLE sync DROP COLUMN rows_created; ALTER TABLE sync DROP COLUMN undo; ALTER TABLE sync DROP COLUMN suspects; ALTER TABLE sync DROP COLUMN finished_us;
             ALTER TABLE sync DROP COLUMN set_aside; ALTER TABLE sync DROP COLUMN rejections; ALTER TABLE sync DROP COLUMN receive_us;
             ALTER TABLE sync DROP COLUMN check_us; ALTER TABLE sync DROP COLUMN write_us; ALTER TABLE sync DROP COLUMN commit_us;
             DROP TABLE refusal; ALTER TABLE sync DROP COLUMN dialect;
             ALTER TABLE sync DROP COLUMN key; ALTER TABLE sync DROP COLUMN peer; ALTER TABLE sync DROP COLUMN bytes;
             ALTER TABLE index_order DROP COLUMN blocks; ALTER TABLE index_order DROP COLUMN digest; PRAGMA user_version = 1",
        )
        .unwrap();
    if keep_seed {
        let shared = Connection::open(world.path("data/rollcall.db")).unwrap();
        shared.execute("UPDATE setting SET value = ? WHERE name = 'seed'", [seed]).unwrap();
    }
}

#[test]
fn an_accounts_file_moved_to_another_folder_works_there() {
    let mut from = World::with(BADGES, "");
    assert_eq!(from.push_employees(people(300, "Rome")).counts(), [300, 0, 0, 0, 0]);
    stop(&mut from);
    let mut to = World::stopped(BADGES, "");
    command(&to, &["account", "remove", "99", "--yes"], 0);
    fs::copy(from.path("data/accounts/99.db"), to.path("data/accounts/99.db")).unwrap();
    let refused = command(&to, &["account", "add", "99"], 1);
    assert!(refused.contains("`rollcall account adopt 99`") && refused.contains("99.db has employees"), "{refused}");
    let adopted = command(&to, &["account", "adopt", "99", "--name", "Moved"], 0);
    let adopted: Value = serde_json::from_str(&adopted).unwrap();
    assert_eq!((&adopted["account"], &adopted["employees"]), (&json!(99), &json!(300)));
    let again = command(&to, &["account", "adopt", "99"], 1);
    assert!(again.contains("account 99 exists already"), "{again}");
    let shared = Connection::open(to.path("data/rollcall.db")).unwrap();
    assert_eq!(one::<u64>(&shared, "SELECT count(*) FROM account WHERE name = 'Moved'"), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(to.path("data/accounts/99.db")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
    to = to.started();
    let secret = adopted["secret"].as_str().unwrap();
    let push = |employees: Value| {
        let file = to.file("x.json", json!({ "profileId": PROFILE, "employees": employees }).to_string());
        let url = format!("http://{}", to.address);
        let args = ["push", &file, "--url", &url, "--account", "99", "--json"];
        let pushed = super::world::rollcall().args(args).env("ROLLCALL_SECRET", secret).output().unwrap();
        String::from_utf8(pushed.stdout).unwrap()
    };
    let unchanged = push(people(300, "Rome"));
    assert!(unchanged.contains("\"employeesNotChanged\": 300"), "{unchanged}");
    let changed = push(people(300, "Oslo"));
    assert!(changed.contains("\"employeesDataUpdated\": 300"), "{changed}");
    assert!(push(taken_badge()).contains("\"unique\""));
}

#[test]
fn the_file_of_an_account_that_does_not_exist_is_not_erased_by_adding_it() {
    let world = World::with(BADGES, "");
    world.push_employees(people(20, "Rome"));
    // A removal that was interrupted: the account is gone, its file is not.
    Connection::open(world.path("data/rollcall.db")).unwrap().execute("DELETE FROM account", []).unwrap();
    command(&world, &["account", "add", "99"], 1);
    assert!(fs::metadata(world.path("data/accounts/99.db")).unwrap().len() > 0);
    command(&world, &["account", "remove", "99", "--yes"], 0);
    command(&world, &["account", "add", "99"], 0);
    // An addition that was interrupted has left a file with nobody in it: that is no reason to refuse.
    Connection::open(world.path("data/rollcall.db")).unwrap().execute("DELETE FROM account", []).unwrap();
    command(&world, &["account", "add", "99"], 0);
    let nothing = command(&world, &["account", "adopt", "5"], 1);
    assert!(nothing.contains("5.db, the file of account 5, is missing"), "{nothing}");
}

#[test]
fn a_file_of_the_first_version_takes_the_seed_of_its_store() {
    for keep_seed in [true, false] {
        let mut world = World::with(BADGES, "");
        world.push_employees(people(300, "Rome"));
        stop(&mut world);
        make_first_version(&world, keep_seed);
        world = world.started();
        // To read it nothing is changed.
        assert_eq!(world.roster().len(), 300);
        assert_eq!(world.get("/v1/employees.csv?status=hidden").text.lines().count(), 31);
        assert_eq!(one::<u32>(&database(&world), "PRAGMA user_version"), 1);
        assert_eq!(world.push_employees(people(300, "Rome")).counts(), [0, 0, 0, 0, 300], "{keep_seed}");
        assert_eq!(world.push_employees(people(300, "Oslo")).counts(), [0, 300, 0, 0, 0], "{keep_seed}");
        assert_eq!(world.push_employees(taken_badge()).status, 400);
        let shared = Connection::open(world.path("data/rollcall.db")).unwrap();
        let seeds: (i64, i64) = (
            one(&database(&world), "SELECT seed FROM identity"),
            one(&shared, "SELECT value FROM setting WHERE name = 'seed'"),
        );
        assert_eq!(seeds.0, seeds.1);
        command(&world, &["account", "check", "99"], 0);
    }
}

#[test]
fn a_file_that_is_missing_or_empty_is_no_roster_of_nobody() {
    let world = World::with(BADGES, "");
    world.push_employees(people(20, "Rome"));
    wait_until(|| log_bytes(&world) == 0);
    let file = world.path("data/accounts/99.db");
    let kept = fs::read(&file).unwrap();
    fs::write(&file, "").unwrap();
    for answer in [world.push_employees(people(20, "Rome")), world.get("/v1/employees")] {
        assert_eq!(answer.status, 500, "{}", answer.text);
    }
    world.wait_for_log("99.db is empty; `rollcall account check 99` says more");
    fs::remove_file(&file).unwrap();
    assert_eq!(world.push_employees(people(20, "Rome")).status, 500);
    world.wait_for_log("the file of account 99, is missing");
    fs::write(&file, kept).unwrap();
    assert_eq!(world.push_employees(people(20, "Rome")).counts(), [0, 0, 0, 0, 20]);
}

#[test]
fn a_file_replaced_under_a_server_is_noticed() {
    let world = World::with(BADGES, "");
    assert_eq!(world.push_employees(people(300, "Rome")).counts(), [300, 0, 0, 0, 0]);
    let settled = |world: &World| wait_until(|| log_bytes(world) == 0);
    settled(&world);
    let older = fs::read(world.path("data/accounts/99.db")).unwrap();
    let replace = || {
        settled(&world);
        fs::write(world.path("copy.db"), &older).unwrap();
        fs::rename(world.path("copy.db"), world.path("data/accounts/99.db")).unwrap();
    };
    assert_eq!(world.push_employees(people(300, "Oslo")).counts(), [0, 300, 0, 0, 0]);
    replace();
    assert_eq!(world.push_employees(people(300, "Oslo")).counts(), [0, 300, 0, 0, 0]);
    // Two pushes that lead from one copy to the same revision by different ways.
    replace();
    assert_eq!(world.push_employees(people(301, "Rome")).counts(), [1, 0, 0, 0, 300]);
    settled(&world);
    let one_way = fs::read(world.path("data/accounts/99.db")).unwrap();
    replace();
    assert_eq!(world.push_employees(people(300, "Oslo")).counts(), [0, 300, 0, 0, 0]);
    settled(&world);
    fs::write(world.path("copy.db"), one_way).unwrap();
    fs::rename(world.path("copy.db"), world.path("data/accounts/99.db")).unwrap();
    assert_eq!(world.push_employees(people(301, "Oslo")).counts(), [0, 301, 0, 0, 0]);
    command(&world, &["account", "check", "99"], 0);
}

#[test]
fn a_push_does_not_go_to_a_file_that_was_replaced_while_it_came() {
    let world = World::with(BADGES, "");
    world.push_employees(people(20, "Rome"));
    wait_until(|| log_bytes(&world) == 0);
    let body = json!({ "profileId": PROFILE, "employees": people(20, "Oslo") }).to_string();
    let request = Request::new("POST", "/v1/employees", body.as_bytes());
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    stream.write_all(&request.body[..request.body.len() / 2]).unwrap();
    // The push holds the right to write as soon as it has its first employees; whoever empties the log has it for a moment only.
    let is_writing = || {
        std::thread::sleep(Duration::from_millis(5));
        database(&world).execute_batch("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK").is_err()
    };
    wait_until(|| (0..20).all(|_| is_writing()));
    fs::copy(world.path("data/accounts/99.db"), world.path("copy.db")).unwrap();
    fs::rename(world.path("copy.db"), world.path("data/accounts/99.db")).unwrap();
    stream.write_all(&request.body[request.body.len() / 2..]).unwrap();
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status, 409, "{}", answer.text);
    assert!(answer.message().contains("replaced on the server meanwhile, and nothing was stored"), "{}", answer.text);
    assert_eq!(world.push_employees(people(20, "Oslo")).counts(), [0, 20, 0, 0, 0]);
}

#[test]
fn a_damaged_index_is_made_anew_and_damaged_values_are_named() {
    let mut world = World::with(BADGES, "");
    world.push_employees(people(300, "Rome"));
    stop(&mut world);
    // One bit of the number in an entry: without its hash, another employee's row would be overwritten.
    let entries: Vec<u8> = one(&database(&world), "SELECT entries FROM index_part");
    let mut flipped = entries.clone();
    flipped[56 + 4] ^= 1 << 3;
    database(&world).execute("UPDATE index_part SET entries = ?", [flipped]).unwrap();
    let found = command(&world, &["account", "check", "99"], 1);
    assert!(found.contains("index: it is not as it was stored") && found.contains("--repair"), "{found}");
    world = world.started();
    assert_eq!(world.push_employees(people(300, "Rome")).counts(), [0, 0, 0, 0, 300]);
    command(&world, &["account", "check", "99"], 0);

    // A unique value of nobody's keeps others from having it; one that is missing lets two have it.
    let badge_of_5 = "(SELECT hash FROM unique_value WHERE employee = 6)";
    database(&world)
        .execute_batch(&format!(
            "INSERT INTO unique_value SELECT 1, {badge_of_5}, 8; DELETE FROM unique_value WHERE employee = 3"
        ))
        .unwrap();
    let found = command(&world, &["account", "check", "99"], 1);
    assert!(found.contains("unique values: employee number 8 does not have the value stored for field 1"), "{found}");
    assert!(found.contains("unique values: that of employee number 3 in field 1 is missing"), "{found}");
    let repaired = command(&world, &["account", "check", "99", "--repair"], 0);
    assert!(repaired.contains("300 employees, nothing is wrong"), "{repaired}");
    assert_eq!(world.push_employees(people(300, "Rome")).counts(), [0, 0, 0, 0, 300]);
    assert_eq!(world.push_employees(taken_badge()).status, 400);
}

#[test]
fn damaged_rows_are_an_error_that_says_what_to_do() {
    let world = World::with(BADGES, "");
    world.push_employees(people(300, "Rome"));
    // A value that is cut off, and an employee that the index has but the rows have not.
    database(&world)
        .execute_batch(
            "UPDATE employee SET data = substr(data, 1, 3) WHERE number = 1; DELETE FROM employee WHERE number = 7",
        )
        .unwrap();
    for answer in [world.get("/v1/employees"), world.get("/v1/employees.csv"), world.get("/v1/employees/0")] {
        assert_eq!(answer.status, 500, "{}", answer.text);
    }
    assert_eq!(world.push_employees(people(300, "Oslo")).status, 500);
    wait_until(|| world.log().matches("`rollcall account check 99` says more").count() >= 4);
    let found = command(&world, &["account", "check", "99"], 1);
    assert!(found.contains("rows: the employee with the number 1 is not as it was stored"), "{found}");
    assert!(found.contains("rows: the employees with the numbers 7 to 7 are missing"), "{found}");
    let unrepaired = command(&world, &["account", "check", "99", "--repair"], 1);
    assert!(unrepaired.contains("rollcall restore DIR 99"), "{unrepaired}");
    assert!(!found.contains("Rome") && !world.log().contains("Rome"), "{found}");
}

#[test]
fn a_damaged_database_is_an_error_that_says_what_to_do() {
    let mut world = World::with(BADGES, "");
    world.push_employees(people(3_000, "Rome"));
    stop(&mut world);
    let file = world.path("data/accounts/99.db");
    let whole = fs::read(&file).unwrap();
    // Of SQLite's own index of the ids one page is overwritten.
    let root: usize = one(&database(&world), "SELECT rootpage FROM sqlite_schema WHERE name = 'employee_by_id'");
    let mut damaged = whole.clone();
    damaged[(root - 1) * 4096..root * 4096].fill(0x55);
    fs::write(&file, &damaged).unwrap();
    world = world.started();
    assert_eq!(world.get("/v1/employees/17").status, 500);
    world.wait_for_log("the file of account 99 is damaged: ");
    let found = command(&world, &["account", "check", "99"], 1);
    assert!(found.contains("account 99: database: ") && found.contains("--repair"), "{found}");
    let repaired = command(&world, &["account", "check", "99", "--repair"], 0);
    assert!(repaired.contains("3000 employees, nothing is wrong"), "{repaired}");
    assert_eq!(world.get("/v1/employees/17").status, 200);
    assert_eq!(world.push_employees(people(3_000, "Rome")).counts(), [0, 0, 0, 0, 3_000]);
    wait_until(|| log_bytes(&world) == 0);
    fs::write(&file, b"this is not a database, and long enough to be taken for one".repeat(100)).unwrap();
    for answer in [world.get("/v1/employees/17"), world.push_employees(people(3_000, "Rome"))] {
        assert_eq!(answer.status, 500, "{}", answer.text);
    }
    wait_until(|| world.log().contains("file is not a database; `rollcall account check 99` says more"));
}

#[test]
fn changed_since_a_time_misses_nobody_when_the_clock_was_set_back() {
    let world = World::with(BADGES, "");
    let ids = |since: &str| world.get(&format!("/v1/employees.csv?changed-since={since}")).text.lines().count() - 1;
    world.push_employees(people(3, "Rome"));
    // The clock was an hour ahead then.
    let ahead = jiff::Timestamp::now() + Duration::from_secs(3_600);
    database(&world)
        .execute("UPDATE sync SET finished_at = ?", [ahead.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()])
        .unwrap();
    world.push_employees(json!([employee("new", "active", &[("City", "Oslo")])]));
    let times: (String, String) = (
        one(&database(&world), "SELECT finished_at FROM sync WHERE revision = 1"),
        one(&database(&world), "SELECT finished_at FROM sync WHERE revision = 2"),
    );
    assert!(times.1 >= times.0, "{times:?}");
    assert_eq!(ids(&times.0), 4, "what came at this time or after it");
    // Older records are not in order: the first that is not before the time counts, and all that came after it.
    database(&world).execute("UPDATE sync SET finished_at = '2026-01-01T00:00:00Z' WHERE revision = 2", []).unwrap();
    assert_eq!(ids("2026-06-01T00:00:00Z"), 4);
    assert_eq!(ids("2999-01-01T00:00:00Z"), 0);
}

#[test]
fn pages_of_a_status_that_is_rare_are_found_in_steps() {
    let world = World::with(BADGES, "");
    let mut everybody: Vec<Value> = (0..25_000).map(|n| json!({ "id": n.to_string(), "status": "hidden" })).collect();
    everybody.push(employee("last", "active", &[("City", "Rome")]));
    everybody.insert(0, employee("first", "active", &[("City", "Rome")]));
    assert_eq!(world.push_employees(json!(everybody)).counts(), [25_002, 0, 0, 0, 0]);
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = world.get(&format!("/v1/employees?status=active&limit=2&cursor={cursor}")).json();
        found.extend(page["employees"].as_array().unwrap().iter().map(|employee| employee["id"].clone()));
        pages += 1;
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((found, pages), (vec![json!("first"), json!("last")], 3));
    let hidden = world.get("/v1/employees?status=hidden&limit=2").json();
    let hidden: Vec<_> =
        hidden["employees"].as_array().unwrap().iter().map(|employee| employee["id"].clone()).collect();
    assert_eq!(hidden, ["0", "1"]);
}

fn log_bytes(world: &World) -> u64 {
    fs::metadata(world.path("data/accounts/99.db-wal")).map_or(0, |log| log.len())
}

#[test]
fn the_file_of_an_account_that_is_not_busy_has_everything() {
    let world = World::with(BADGES, "");
    assert_eq!(world.push_employees(people(3, "Rome")).counts(), [3, 0, 0, 0, 0]);
    assert_eq!(world.push_employees(people(3, "Oslo")).counts(), [0, 3, 0, 0, 0]);
    // It stays open for a while, for the next push.
    assert!(log_bytes(&world) > 0);
    wait_until(|| !fs::exists(world.path("data/accounts/99.db-wal")).unwrap());
    let copy = world.path("copy.db");
    fs::copy(world.path("data/accounts/99.db"), &copy).unwrap();
    let copy = Connection::open(copy).unwrap();
    let last: (u64, u64) =
        copy.query_row("SELECT count(*), max(revision) FROM roster", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(last, (3, 2));
}

/// A file of schema 3, which is migrated at its first opening.
#[test]
fn a_file_of_an_earlier_version_is_taken_over() {
    let profile = r#"
        id = "d51b5efd-fb21-4cb8-94e2-145014839465"
        name = "Old"
        [[field]]
        name = "Name"
        type = "text"
        [[field]]
        name = "Badge"
        type = "text"
        unique = true
    "#;
    let world = World::stopped(profile, "");
    let path = world.path("data/accounts/99.db");
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch(include_str!("../golden/store/account-3.sql")).unwrap();
    let world = world.started();
    let person = |id: &str, name: &str, badge: &str| employee(id, "active", &[("Name", name), ("Badge", badge)]);
    let all = json!([
        person("1", "Ada", "B1"),
        person("2", "Grace Hopper", "B2"),
        { "id": "3", "status": "hidden", "data": [] },
    ]);
    assert_eq!(world.push_employees(all.clone()).counts(), [0, 0, 0, 0, 3]);
    assert_eq!(world.push_employees(json!([person("4", "Jean", "B2")])).status, 400, "a badge is taken still");
    let changed = json!([person("1", "Ada", "B7"), person("2", "Grace", "B1"), person("3", "Mary", "B3")]);
    assert_eq!(world.push_employees(changed).counts(), [0, 2, 1, 0, 0]);
    assert_eq!(world.push_employees(all).counts(), [0, 2, 0, 1, 0]);
    let told = run(&["account", "check", "99", "--data", &world.path("data")]);
    assert!(told.status.success(), "{told:?}");
    let history = run(&["history", "99", "--json", "--data", &world.path("data")]);
    assert_eq!(String::from_utf8(history.stdout).unwrap().matches("\"revision\"").count(), 5);
}

/// Waits until a condition holds.
#[track_caller]
pub fn wait_until(so: impl Fn() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < Duration::from_secs(20), "it did not come to that");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Reads the roster of account 99 as it is now, until it is dropped, and leaves the log as it is.
fn reading(world: &World) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(world.path("data/accounts/99.db"), flags).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM employee").unwrap();
    reader
}

#[test]
fn whoever_reads_does_not_keep_anybody_from_pushing() {
    let world = World::with(BADGES, "push_wait_seconds_max = 2");
    world.push_employees(people(300, "City 0"));
    wait_until(|| log_bytes(&world) == 0);
    let reader = reading(&world);
    for night in 1..6 {
        let answer = world.push_employees(people(300, &format!("City {night}")));
        assert_eq!(answer.counts(), [0, 300, 0, 0, 0], "night {night}");
    }
    let seen: String = one(&reader, "SELECT CAST(data AS TEXT) FROM employee LIMIT 1");
    assert!(seen.ends_with("City 0"), "{seen}");
    let held_back = log_bytes(&world);
    assert!(held_back > 0);
    // When nobody reads any more, the next who comes folds the log in.
    drop(reader);
    assert_eq!(world.push_employees(people(300, "City 5")).counts(), [0, 0, 0, 0, 300]);
    wait_until(|| log_bytes(&world) == 0);
}

#[test]
fn the_log_does_not_grow_for_ever_while_exports_follow_one_another() {
    let most = 2 << 20;
    let world = World::with(BADGES, &format!("log_bytes_max = {most}"));
    world.push_employees(people(3_000, "City 0"));
    // Somebody who never ends: as long as the log is too long, no other export begins.
    let reader = reading(&world);
    for night in 1..100 {
        assert_eq!(world.push_employees(people(3_000, &format!("City {night}"))).counts(), [0, 3_000, 0, 0, 0]);
        if log_bytes(&world) > most {
            break;
        }
        assert_eq!(world.get("/v1/employees.csv").status, 200);
    }
    let refused = world.get("/v1/employees.csv");
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.message().contains("log_bytes_max") && refused.header("Retry-After").is_some(), "{}", refused.text);
    assert_eq!(world.get("/v1/employees?limit=1").status, 200);
    drop(reader);
    assert_eq!(world.get("/v1/employees.csv").status, 200);
    wait_until(|| log_bytes(&world) == 0);

    // Exports that overlap, so that there always is one.
    let ended = std::sync::atomic::AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!([200, 503].contains(&world.get("/v1/employees.csv").status));
                }
            });
        }
        let mut longest = 0;
        for night in 0..20 {
            assert_eq!(world.push_employees(people(3_000, &format!("Town {night}"))).counts(), [0, 3_000, 0, 0, 0]);
            longest = longest.max(log_bytes(&world));
        }
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        longest
    });
    assert!(longest < 3 * most, "{longest}");
}

#[test]
#[cfg(unix)]
fn a_server_that_stops_leaves_no_log_behind() {
    let mut world = World::with(BADGES, "");
    let reader = reading_after_push(&world);
    assert!(log_bytes(&world) > 0);
    drop(reader);
    assert!(log_bytes(&world) > 0, "who only reads leaves the log");
    stop(&mut world);
    assert_eq!(log_bytes(&world), 0);
    fs::copy(world.path("data/accounts/99.db"), world.path("alone.db")).unwrap();
    let alone = Connection::open(world.path("alone.db")).unwrap();
    assert_eq!(one::<u64>(&alone, "SELECT count(*) FROM employee"), 300);
}

fn reading_after_push(world: &World) -> Connection {
    world.push_employees(people(20, "Rome"));
    wait_until(|| log_bytes(world) == 0);
    let reader = reading(world);
    world.push_employees(people(300, "Rome"));
    // The connection of the push is closed when the next one has been answered.
    world.push_employees(people(300, "Rome"));
    reader
}

/// Returns a server without the rights of root, who can write to every folder.
#[cfg(target_os = "linux")]
fn as_somebody(world: World, ulimit: &str) -> World {
    let serve = world.serve();
    let mut command = std::process::Command::new("sh");
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let run = if rustix::process::geteuid().is_root() {
        let folder = world.folder.path();
        let owned = std::process::Command::new("chown").args(["-R", "65534:65534"]).arg(folder).status().unwrap();
        assert!(owned.success());
        "exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\""
    } else {
        "exec \"$@\""
    };
    command.args(["-c", &format!("{ulimit} {run}"), "sh"]).arg(serve.get_program()).args(serve.get_args());
    world.started_by(command)
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_cannot_be_written_is_a_full_disk_to_the_client() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut world = World::stopped(BADGES, "").started();
    let accounts = world.path("data/accounts");
    assert_eq!(world.push_employees(people(3, "Rome")).counts(), [3, 0, 0, 0, 0]);
    world.stop();
    let world = as_somebody(world, "");
    // The server may look into the file just now: whoever has it open goes on writing to the log beside it.
    wait_until(|| {
        let log = world.folder.path().join("data/accounts/99.db-wal");
        fs::set_permissions(&accounts, fs::Permissions::from_mode(0o500)).unwrap();
        let is_closed = !log.exists();
        if !is_closed {
            fs::set_permissions(&accounts, fs::Permissions::from_mode(0o700)).unwrap();
        }
        is_closed
    });
    let answer = world.push_employees(people(3, "Oslo"));
    assert_eq!(answer.status, 507, "{}", answer.text);
    assert!(answer.message().contains("could not write to its disk, and nothing was stored"), "{}", answer.text);
    world.wait_for_log("check the owner and mode of the data folder");
    fs::set_permissions(&accounts, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(world.push_employees(people(3, "Oslo")).counts(), [0, 3, 0, 0, 0]);
}

#[test]
#[cfg(target_os = "linux")]
fn too_many_open_files_are_not_a_full_disk() {
    let mut world = World::stopped(BADGES, "").started();
    assert_eq!(world.push_employees(people(3, "Rome")).counts(), [3, 0, 0, 0, 0]);
    // The server that is short of files has none open for the account.
    world.stop();
    let world = as_somebody(world, "ulimit -n 40;");
    let mut stream = world.connect();
    let body = json!({ "profileId": PROFILE, "employees": people(3, "Oslo") }).to_string();
    let request = Request::new("POST", "/v1/employees", body.as_bytes());
    stream.write_all(&request.head()[..20]).unwrap();
    let mut others = Vec::new();
    while !world.log().contains("cannot accept a connection") {
        others.push(world.connect());
        assert!(others.len() < 200, "{}", world.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    stream.write_all(&request.head()[20..]).unwrap();
    stream.write_all(&request.body).unwrap();
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.message().contains("as many files open as it may"), "{}", answer.text);
    drop(others);
    wait_until(|| world.push_employees(people(3, "Oslo")).status == 200);
}
