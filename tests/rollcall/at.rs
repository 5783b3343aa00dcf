//! The roster as it was: what `at=` shows is what was exported then.

use super::golden::Keyed;
use super::world::{Answer, World, employee, run};
use serde_json::{Value, json};

/// What the server showed of a roster when it had a revision.
pub struct Seen {
    pub revision: u64,
    pub csv: String,
    pub ndjson: String,
    pub hidden: String,
    pub roster: Vec<Value>,
}

impl Seen {
    fn now(world: &World) -> Seen {
        let csv = world.get("/v1/employees.csv");
        Seen {
            revision: csv.header("Rollcall-Revision").unwrap().parse().unwrap(),
            csv: csv.text,
            ndjson: world.get("/v1/employees.ndjson").text,
            hidden: world.get("/v1/employees.csv?status=hidden").text,
            roster: world.roster(),
        }
    }
}

fn pages_at(world: &World, query: &str) -> Vec<Value> {
    let (mut employees, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/v1/employees?limit=2&{query}&cursor={cursor}"));
        assert_eq!(page.status, 200, "{}", page.text);
        employees.extend(page.json()["employees"].as_array().unwrap().iter().cloned());
        match page.json()["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return employees,
        }
    }
}

/// A world whose employees were created, changed, hidden, brought back and renamed, and what was seen of it after each of these.
pub fn lived() -> (Keyed, Vec<Seen>) {
    let keyed = Keyed::new();
    let world = &keyed.world;
    let named = |id: &str, name: &str| employee(id, "active", &[("Last Name", name)]);
    let mut seen = vec![Seen::now(world)];
    let mut step = |answer: Answer| {
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
        seen.push(Seen::now(world));
    };
    step(world.push_employees(json!([named("1", "Ada"), named("2", "Bob"), named("3", "Cy"), named("4", "Dee")])));
    step(keyed.springest(&json!({ "email": "eve@x.com", "first_name": "Eve" })));
    step(world.push_employees(json!([named("1", "Augusta"), { "id": "2", "status": "hidden" }])));
    step(world.push_employees(json!([named("3", "Cy")])));
    step(keyed.springest(&json!({ "external_id": "77", "email": "eve@x.com", "last_name": "Eves" })));
    step(world.push_employees(json!([named("5", "new"), named("1", "Ada"), named("2", "Bob")])));
    // Somebody else under an id that an employee had before.
    step(
        world.push_employees(json!([named("eve@x.com", "other"), named("77", "E"), { "id": "5", "status": "hidden" }])),
    );
    step(world.push_employees(json!([named("5", "new"), named("1", "A"), named("4", "D")])));
    (keyed, seen)
}

#[test]
fn the_roster_of_every_revision_is_what_was_exported_then() {
    let (keyed, seen) = lived();
    let world = &keyed.world;
    for Seen { revision, csv, ndjson, hidden, roster } in &seen {
        let at = |path: &str| world.get(&format!("/v1/employees{path}at={revision}"));
        assert_eq!((at(".csv?").text, &at(".ndjson?").text), (csv.clone(), ndjson), "{revision}");
        assert_eq!(&at(".csv?status=hidden&").text, hidden, "{revision}");
        assert_eq!(at(".csv?").header("Rollcall-Revision"), Some(revision.to_string()));
        assert_eq!(&pages_at(world, &format!("at={revision}")), roster, "{revision}");
        let of_status: Vec<&Value> = roster.iter().filter(|employee| employee["status"] == "hidden").collect();
        assert_eq!(pages_at(world, &format!("status=hidden&at={revision}")).iter().collect::<Vec<_>>(), of_status);
        for id in ["1", "2", "3", "4", "5", "77", "eve@x.com"] {
            let one = at(&format!("/{id}?"));
            let then = roster.iter().find(|employee| employee["id"] == id);
            assert_eq!(then.map(|_| one.json()), then.cloned(), "{id} at {revision}: {}", one.text);
            assert_eq!(one.status, if then.is_some() { 200 } else { 404 }, "{id} at {revision}");
        }
        let path = world.path("then.csv");
        let written = run(&["export", "99", &path, "--at", &revision.to_string(), "--data", &world.path("data")]);
        assert!(written.status.success(), "{written:?}");
        assert_eq!(&std::fs::read_to_string(path).unwrap(), csv);
    }
    // What had changed between two revisions, as it was at the second.
    let ids = |query: &str| -> Vec<String> {
        let lines = world.get(&format!("/v1/employees.csv?{query}")).text;
        lines.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("at=5&changed-since=2"), ["1", "2", "77"]);
    assert_eq!(ids("at=3&changed-since=2"), ["1", "2"]);
}

#[test]
fn a_time_means_the_last_push_that_had_ended_by_then() {
    let (keyed, seen) = lived();
    let mut world = keyed.world;
    world.stop();
    let database = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    database.execute("UPDATE sync SET finished_at = printf('2026-01-%02dT06:00:00Z', revision)", []).unwrap();
    drop(database);
    let world = world.started();
    for (time, revision) in [
        ("2025-12-31T00:00:00Z", 0),
        ("2026-01-01T05:59:59.999Z", 0),
        ("2026-01-01T06:00:00Z", 1),
        ("2026-01-02T00:00:00Z", 1),
        ("2026-01-05T07:00:00%2b01:00", 5),
        ("2026-01-08T05:00:00Z", 7),
        ("2026-01-30T00:00:00Z", 8),
    ] {
        let answer = world.get(&format!("/v1/employees.csv?at={time}"));
        assert_eq!(answer.header("Rollcall-Revision"), Some(revision.to_string()), "{time}: {}", answer.text);
        assert_eq!(answer.text, seen[revision].csv, "{time}");
    }
    // The pages of one list are of one revision, whatever was pushed meanwhile.
    let first = world.get("/v1/employees?limit=1&at=2026-01-30T00:00:00Z").json();
    let cursor = first["nextCursor"].as_str().unwrap();
    assert_eq!(world.push_employees(json!([employee("2", "active", &[("Last Name", "later")])])).status, 200);
    let second = world.get(&format!("/v1/employees?limit=1&at=2026-01-30T00:00:00Z&cursor={cursor}"));
    assert_eq!(second.header("Rollcall-Revision").as_deref(), Some("8"));
    assert_eq!(second.json()["employees"][0], seen[8].roster[1]);
}

#[test]
fn a_moment_of_which_there_is_no_roster_is_refused() {
    let (keyed, _) = lived();
    let mut world = keyed.world;
    let refused = |world: &World, at: &str| {
        let paths = ["/v1/employees?", "/v1/employees.csv?", "/v1/employees/1?"].map(|path| format!("{path}at={at}"));
        let answers = paths.map(|path| world.get(&path)).map(|answer| (answer.status, answer.message()));
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        answers[0].clone()
    };
    let wrong = "at must be a revision, like 7, or a time, like 2026-01-31T00:00:00Z".to_owned();
    assert_eq!(refused(&world, "yesterday"), (400, wrong.clone()));
    assert_eq!(refused(&world, "-1"), (400, wrong));
    let to_come =
        "at is later than the roster, which is at revision 8; leave it out for the roster as it is now".to_owned();
    assert_eq!(refused(&world, "9"), (404, to_come.clone()));
    assert_eq!(refused(&world, "2999-01-01T00:00:00Z"), (404, to_come));
    let mixed = world.get("/v1/employees?at=3&cursor=1");
    assert_eq!((mixed.status, mixed.message().starts_with("the cursor is of a list without at")), (400, true));

    // A backup of revision 8 replaces revision 10, as revision 11.
    let data = world.path("data");
    let backup = world.path("backup");
    assert!(run(&["backup", &backup, "--data", &data]).status.success());
    for name in ["x", "y"] {
        assert_eq!(world.push_employees(json!([employee("1", "active", &[("Last Name", name)])])).status, 200);
    }
    assert!(run(&["restore", &backup, "99", "--replace", "--data", &data]).status.success());
    let (status, message) = refused(&world, "10");
    assert!(status == 404 && message.starts_with("no sync of this roster made revision 10: a backup was restored"));
    assert_eq!(world.get("/v1/employees.csv?at=8").text, world.get("/v1/employees.csv?at=11").text);
    world.stop();
}

#[test]
fn a_file_of_an_earlier_version_knows_what_it_was_from_its_last_change_on() {
    let (keyed, seen) = lived();
    let mut world = keyed.world;
    world.stop();
    let database = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    // Employee 2 as a version that kept no versions would have left it after revision 3.
    let earlier = "
        DELETE FROM version WHERE place = 3 << 32 | 2;
        UPDATE version SET previous = 0 WHERE previous = 3 AND place & 0xffffffff = 2;
        UPDATE employee SET status = 0, revision = 3 WHERE number = 2;
        DROP TABLE history_start; DROP TABLE erased; DROP TABLE erasure; DROP TABLE unscrubbed;
        ALTER TABLE sync DROP COLUMN suspects; ALTER TABLE plan DROP COLUMN suspects;
        ALTER TABLE sync DROP COLUMN finished_us; ALTER TABLE refusal DROP COLUMN finished_us;
        DROP TABLE emptied; DROP TABLE feed_break; DROP TABLE forgotten_id; ALTER TABLE employee DROP COLUMN absent;
    ";
    database.execute_batch(earlier).unwrap();
    let version: u32 = database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    database.pragma_update(None, "user_version", version - 8).unwrap();
    drop(database);
    let world = world.started();
    let gone = world.get("/v1/employees.csv?at=2");
    assert_eq!(gone.status, 410);
    let time = world.get("/v1/syncs/3").json()["time"].as_str().unwrap().to_owned();
    let message = format!(
        "the history is kept from revision 3 on, which was made at {time}; ask for the roster as it was then, or later"
    );
    assert_eq!(gone.message(), message);
    assert_eq!(world.get("/v1/employees.csv?at=2020-01-01T00:00:00Z").message(), message);
    for Seen { revision, csv, .. } in &seen[3..] {
        assert_eq!(&world.get(&format!("/v1/employees.csv?at={revision}")).text, csv, "{revision}");
    }
    assert!(run(&["account", "check", "99", "--data", &world.path("data")]).status.success());
}
