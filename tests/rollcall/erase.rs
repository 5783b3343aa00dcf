//! Erasing somebody's personal data: no byte of it is left, and nothing brings it back.

use super::files::{command, text, wait_until};
use super::golden::Keyed;
use super::world::{PROFILE, Request, World, employee, run};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A profile with a field of every type, and one that is guarded.
pub const EVERYTHING: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "People"
    guards = { update = "off", create = "off", empty = "off", hide = { percent = 1, people = 1 } }
    [[field]]
    name = "Name"
    type = "text"
    [[field]]
    name = "Email"
    type = "email"
    unique = "active"
    [[field]]
    name = "Badge"
    type = "text"
    unique = true
    [[field]]
    name = "Phone"
    type = "phone"
    [[field]]
    name = "Born"
    type = "date"
    formats = ["dd.mm.yyyy"]
    [[field]]
    name = "Salary"
    type = "number"
    [[field]]
    name = "Works"
    type = "boolean"
    [[field]]
    name = "Department"
    type = "choice"
    # Escaped, since the store keeps the text of the profile, too, which is no trace of the employee.
    options = ["Crypto\u007Aoology", "Sales"]
    guard = true
    [[field]]
    name = "Tags"
    type = "list"
    [[field]]
    name = "More"
    type = "object-base64"
    [[field]]
    name = "Home"
    type = "url"
    [[field]]
    name = "Photo"
    type = "image"
    [[field]]
    name = "Manager"
    type = "reference"
    to = "Email"
    unknown = "keep"
"#;

/// A picture of many pages, whose bytes are not those of another of these pictures.
pub fn picture(seed: u32) -> String {
    use base64::Engine as _;
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let noise = (0..40_000).map(|_| {
        // Xorshift, by Marsaglia.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[2]
    });
    let png: Vec<u8> =
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0".iter().copied().chain(noise).collect();
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png))
}

/// An employee whose values are found nowhere else. `take` tells apart the values that the employee has one after the other.
pub fn ada(status: &str, take: u32) -> Value {
    let photo = picture(take);
    employee(
        "4711",
        status,
        &[
            ("Name", &format!("Ada Quorndon-Zibblewick {take}")),
            ("Email", &format!("zibblewick{take}@quorndon.example")),
            ("Badge", &format!("ZQX-777-{take}")),
            ("Phone", &format!("+49 30 987612{take}")),
            ("Born", &format!("1{take}.12.1815")),
            ("Salary", &format!("918273645{take}")),
            ("Works", "true"),
            ("Department", "Cryptozoology"),
            ("Tags", &format!("zymurgist{take}, quoll{take}")),
            ("More", ["eyJxdW9ybiI6IDF9", "eyJxdW9ybiI6IDJ9", "eyJxdW9ybiI6IDN9"][take as usize % 3]),
            ("Home", &format!("https://zibblewick.example/{take}")),
            ("Photo", &photo),
        ],
    )
}

/// What must not be found of the employee, in whatever form it is stored.
pub fn traces() -> Vec<Vec<u8>> {
    let mut traces: Vec<Vec<u8>> = [
        "Zibblewick",
        "zibblewick",
        "Quorndon",
        "ZQX-777",
        "4930987612",
        "918273645",
        "Cryptozoology",
        "zymurgist",
        "quoll",
        "cXVvcm4",
        "xdW9ybi",
        "quorn",
    ]
    .map(|trace| trace.as_bytes().to_vec())
    .into();
    traces.extend((0..9).map(|take| format!("1815-12-1{take}").into_bytes()));
    for take in 0..9 {
        let photo = picture(take);
        // Somewhere in the middle of each page that it fills.
        traces.extend(photo.as_bytes()[2_000..].chunks(3_000).filter_map(|piece| piece.get(..48)).map(<[u8]>::to_vec));
    }
    traces
}

pub fn others(count: u32) -> Vec<Value> {
    let other = |n: u32| {
        let fields = [
            ("Name", format!("Bob {n}")),
            ("Email", format!("bob{n}@example.com")),
            ("Badge", format!("B{n}")),
            ("Department", "Sales".into()),
        ];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        employee(&n.to_string(), "active", &fields)
    };
    (0..count).map(other).collect()
}

/// Returns in which files of a folder these bytes are.
pub fn found(folder: &Path, traces: &[Vec<u8>]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(self::found(&path, traces));
            continue;
        }
        // The log goes when the last who has the database open closes it.
        let bytes = fs::read(&path).unwrap_or_default();
        for trace in traces {
            if bytes.windows(trace.len()).any(|bytes| bytes == trace) {
                found.push(format!("{}: {}", path.display(), String::from_utf8_lossy(trace)));
            }
        }
    }
    found
}

pub fn erase(world: &World, id: &str) -> super::world::Answer {
    world.request("DELETE", &format!("/v1/employees/{id}?erase=true"), None)
}

/// A server whose account has many versions of an employee, in every place that there is for them.
pub fn filled() -> World {
    let world = World::with(EVERYTHING, "");
    let push = |employees: Vec<Value>| {
        let answer = world.push_employees(employees.into());
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    push(others(200));
    for take in 0..4 {
        push([others(200 - take), vec![ada("active", take)]].concat());
    }
    push([others(200), vec![ada("hidden", 4)]].concat());
    push([others(200), vec![ada("active", 5)]].concat());
    // A plan of a dry run, and one that a guard holds.
    let dry_run = |employees: Vec<Value>| {
        let body = json!({ "profileId": PROFILE, "employees": employees }).to_string();
        assert_eq!(world.request("POST", "/v1/employees?dryRun=true", Some(body.as_bytes())).status, 200);
    };
    dry_run([others(3), vec![ada("active", 6)]].concat());
    let hide = |mut employee: Value| {
        employee["status"] = json!("hidden");
        employee
    };
    let held =
        world.push_employees([others(200).into_iter().map(hide).collect(), vec![ada("active", 7)]].concat().into());
    assert_eq!(held.status, 409, "{}", held.text);
    // A lenient push that leaves the employee out.
    let bad = json!({ "profileId": PROFILE, "employees": [employee("4711", "active", &[("Born", "Quorndon")])] });
    let lenient = Request::new("POST", "/v1/employees", bad.to_string().as_bytes());
    let lenient = lenient.header("Prefer", "handling=lenient").header("Idempotency-Key", "one").send(&world);
    assert_eq!(lenient.status, 200, "{}", lenient.text);
    world
}

#[test]
fn no_byte_of_an_erased_employee_is_left_in_the_data_folder() {
    let world = filled();
    let data = world.folder.path().join("data");
    assert!(!found(&data, &traces()).is_empty());
    assert_eq!(world.get("/v1/plans").json()["plans"].as_array().unwrap().len(), 2);
    let answer = erase(&world, "4711");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json(), json!({ "erased": 1, "revision": 9, "overwritten": true }));
    assert_eq!(answer.header("rollcall-revision").unwrap(), "9");
    assert_eq!(found(&data, &traces()), Vec::<String>::new());

    // What happened is still known.
    assert_eq!(world.get("/v1/employees/4711").status, 404);
    let sync = world.get("/v1/syncs/9").json();
    assert_eq!(
        (&sync["kind"], &sync["employees"], &sync["employeesStatusChangedToHidden"]),
        (&json!("erase"), &json!(1), &json!(0))
    );
    assert!(sync["key"].is_number() && sync["profileVersion"].is_null(), "{sync}");
    let life = world.get("/v1/employees/4711/history").json();
    assert_eq!(life["status"], "removed");
    let events = life["history"].as_array().unwrap();
    let revisions: Vec<u64> = events.iter().map(|event| event["revision"].as_u64().unwrap()).collect();
    assert_eq!(revisions, [9, 7, 6, 5, 4, 3, 2]);
    assert!(events.iter().all(|event| event["change"]["fields"] == json!([])), "{life}");
    assert_eq!(events[1]["change"]["status"], json!({ "before": "hidden", "after": "active" }));
    let why = command(&world, &["why", "99", "4711"], 0);
    assert!(why.contains("erased"), "{why}");

    // The others are as they were, and the next night costs what it did.
    assert_eq!(world.roster().len(), 200);
    assert_eq!(world.push_employees(others(200).into()).counts(), [0, 0, 0, 0, 200]);
    command(&world, &["account", "check", "99"], 0);
    // Somebody else may have the badge.
    let heir = employee("x", "active", &[("Badge", "ZQX-777-5"), ("Email", "zibblewick5@quorndon.example")]);
    assert_eq!(world.push_employees(json!([heir])).counts(), [1, 0, 0, 0, 0]);
    // The list creates the employee again.
    assert_eq!(world.push_employees(json!([ada("active", 8)])).counts(), [1, 0, 0, 0, 0]);
    assert_eq!(world.get("/v1/employees/4711").status, 200);
}

#[test]
fn a_plan_goes_on_without_whom_it_would_bring_back() {
    let world = filled();
    assert_eq!(erase(&world, "4711").status, 200);
    let plans = world.get("/v1/plans").json();
    let plans = plans["plans"].as_array().unwrap();
    let changes: Vec<u64> = plans.iter().map(|plan| plan["changes"].as_u64().unwrap()).collect();
    assert_eq!(changes, [200, 0]);
    let held = format!("/v1/plans/{}", plans[0]["id"].as_str().unwrap());
    assert_eq!(world.request("POST", &format!("{held}/apply"), Some(b"")).status, 412);
    let applied = world.request("POST", &format!("{held}/apply?rebase=true"), Some(b""));
    assert_eq!(
        (applied.status, &applied.json()["employeesStatusChangedToHidden"]),
        (200, &json!(200)),
        "{}",
        applied.text
    );
    assert_eq!(found(&world.folder.path().join("data"), &traces()), Vec::<String>::new());
    command(&world, &["account", "check", "99"], 0);
}

#[test]
fn an_undo_does_not_bring_an_erased_employee_back() {
    let world = filled();
    assert_eq!(erase(&world, "4711").status, 200);
    // The erasure itself, and what was before it.
    for (revision, back_to) in [(9, 8), (9, 6), (7, 1)] {
        let plan = world.request("POST", &format!("/v1/syncs/{revision}/revert?to={back_to}"), Some(b""));
        assert_eq!(plan.status, 200, "{}", plan.text);
        let location = plan.header("location").unwrap();
        let changes = world.get(&format!("{location}/changes")).text;
        assert!(!changes.contains("4711"), "{changes}");
        assert_eq!(world.request("POST", &format!("{location}/apply"), Some(b"")).status, 200);
        assert_eq!(world.get("/v1/employees/4711").status, 404);
    }
    let at = world.get("/v1/employees/4711?at=3").json();
    assert_eq!((&at["status"], &at["data"]), (&json!("active"), &json!([])));
    command(&world, &["account", "check", "99"], 0);
}

/// A server with an employee who was known by three ids one after the other, each of which a list had as somebody new: A3 was merged into A2, and
/// then A2 into A1. Each has values that the others never had.
fn merged_twice(profile: &str) -> World {
    let world = World::with(profile, "");
    let as_ada = |id: &str, status: &str, take: u32| {
        let mut ada = ada(status, take);
        ada["id"] = json!(id);
        ada
    };
    let push = |employee: Value| assert_eq!(world.push_employees(json!([employee])).status, 200);
    assert_eq!(world.push_employees(others(200).into()).status, 200);
    for (id, take) in [("A1", 0), ("A2", 1), ("A3", 2)] {
        push(as_ada(id, "active", take));
        push(as_ada(id, "hidden", take + 3));
    }
    // Plans that were made before: one would change A3, the other create A4.
    for (id, take) in [("A3", 6), ("A4", 7)] {
        let body = json!({ "profileId": PROFILE, "employees": [as_ada(id, "active", take)] }).to_string();
        assert_eq!(world.request("POST", "/v1/employees?dryRun=true", Some(body.as_bytes())).status, 200);
    }
    for (from, to) in [("A2", "A3"), ("A1", "A3"), ("A3", "A4")] {
        let body = json!({ "id": to, "merge": true }).to_string();
        let renamed = world.request("POST", &format!("/v1/employees/{from}/rename"), Some(body.as_bytes()));
        assert_eq!(renamed.status, 200, "{}", renamed.text);
    }
    world
}

#[test]
fn whoever_was_merged_into_an_erased_employee_is_erased_with_it() {
    let world = merged_twice(EVERYTHING);
    let data = world.folder.path().join("data");
    // All of it is exported.
    let person = world.get("/v1/employees/A4/export").json();
    let badges = |part: &str| -> Vec<String> {
        let values =
            person[part].as_array().unwrap().iter().filter_map(|version| version["employee"]["data"].as_array());
        let badge = |data: &Vec<Value>| data.iter().find(|row| row["name"] == "Badge").unwrap()["value"].to_string();
        let mut badges: Vec<String> = values.map(badge).collect();
        badges.sort();
        badges.dedup();
        badges
    };
    assert_eq!(badges("history"), [0, 1, 2, 3, 4, 5].map(|take| format!("\"ZQX-777-{take}\"")));
    assert_eq!(badges("plans"), [6, 7].map(|take| format!("\"ZQX-777-{take}\"")));
    let early = world.path("early");
    command(&world, &["backup", &early, "--with-key"], 0);

    let answer = erase(&world, "A4");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json(), json!({ "erased": 1, "revision": 11, "overwritten": true }));
    assert_eq!(found(&data, &traces()), Vec::<String>::new());
    command(&world, &["account", "check", "99"], 0);
    let export = world.get("/v1/employees/A2/export");
    assert!(!export.text.contains("ZQX"), "{}", export.text);
    assert_eq!(export.json()["history"].as_array().unwrap().len(), 10, "what happened is still known");
    // An undo of what made them one brings nobody back.
    for revision in 8..=10 {
        let plan = world.request("POST", &format!("/v1/syncs/{revision}/revert"), Some(b""));
        assert_eq!(plan.status, 200, "{}", plan.text);
        let apply = format!("{}/apply", plan.header("location").unwrap());
        assert_eq!(world.request("POST", &apply, Some(b"")).status, 200);
    }
    assert_eq!(world.roster().len(), 200);
    assert_eq!(world.push_employees(others(200).into()).counts(), [0, 0, 0, 0, 200]);
    command(&world, &["account", "check", "99"], 0);

    let told = command(&world, &["restore", &early, "99", "--replace"], 0);
    assert!(told.contains("1 who were erased since are erased from it"), "{told}");
    assert_eq!(found(&data, &traces()), Vec::<String>::new());
    command(&world, &["account", "check", "99"], 0);
    assert_eq!(world.push_employees(others(200).into()).counts(), [0, 0, 0, 0, 200]);
}

/// Takes back the sync that made a revision.
#[track_caller]
fn undo(world: &World, revision: u64) {
    let plan = world.request("POST", &format!("/v1/syncs/{revision}/revert"), Some(b""));
    assert_eq!(plan.status, 200, "{}", plan.text);
    let applied = world.request("POST", &format!("{}/apply", plan.header("location").unwrap()), Some(b""));
    assert_eq!(applied.status, 200, "{}", applied.text);
}

/// A server with an employee who was one with another for a while, by mistake: the other was merged into it as revision 3, and that was undone as
/// revision 5. The id of the other is an e-mail address.
fn parted() -> World {
    let world = World::with(EVERYTHING, "");
    let mallory = |take: u32| {
        let mut ada = ada("active", take);
        ada["id"] = json!(format!("zibblewick{take}@quorndon.example"));
        ada
    };
    let first = |name: &str| employee("first", "active", &[("Name", name), ("Badge", "FIRST")]);
    let push = |employees: Vec<Value>| assert_eq!(world.push_employees(employees.into()).status, 200);
    push([others(20), vec![first("Grace")]].concat());
    push(vec![mallory(0)]);
    let body = json!({ "id": "zibblewick0@quorndon.example", "merge": true }).to_string();
    assert_eq!(world.request("POST", "/v1/employees/first/rename", Some(body.as_bytes())).status, 200);
    // While they are one, a list changes the person, a plan would, and another is held.
    let mut later = ada("active", 1);
    later["id"] = json!("zibblewick0@quorndon.example");
    push(vec![later]);
    let mut planned = ada("active", 2);
    planned["id"] = json!("zibblewick0@quorndon.example");
    let body = json!({ "profileId": PROFILE, "employees": [planned] }).to_string();
    assert_eq!(world.request("POST", "/v1/employees?dryRun=true", Some(body.as_bytes())).status, 200);
    undo(&world, 4);
    undo(&world, 3);
    push(vec![first("Grace H")]);
    world
}

#[test]
fn who_was_one_with_an_erased_employee_for_a_while_keeps_none_of_its_values() {
    let world = parted();
    let data = world.folder.path().join("data");
    // The undo of what parted them waits as a plan, which would bring the values back.
    assert_eq!(world.request("POST", "/v1/syncs/6/revert", Some(b"")).status, 200);
    let first = world.get("/v1/employees/first").json();
    let erased = erase(&world, "zibblewick0@quorndon.example");
    assert_eq!(erased.json(), json!({ "erased": 1, "revision": 8, "overwritten": true }), "{}", erased.text);
    assert_eq!(found(&data, &traces()), Vec::<String>::new());
    command(&world, &["account", "check", "99"], 0);

    // The other is as it was, and has its own history.
    assert_eq!(world.get("/v1/employees/first").json(), first);
    let life = world.get("/v1/employees/first/history").json();
    let events = life["history"].as_array().unwrap().iter();
    let events: Vec<Value> = events.map(|event| json!([event["revision"], event["valuesErasedBy"]])).collect();
    assert_eq!(
        events,
        [json!([7, null]), json!([6, 8]), json!([5, 8]), json!([4, 8]), json!([3, 8]), json!([1, null])]
    );
    let why = command(&world, &["why", "99", "first"], 0);
    let told = "What it was while somebody else was merged into it was erased with that person by revision 8.";
    assert!(why.contains(told), "{why}");
    let names = |revision: u32| world.get(&format!("/v1/employees.csv?at={revision}")).text;
    assert!(names(1).contains("Grace") && names(6).contains("Grace") && !names(4).contains("Grace"));

    // No undo and no plan brings anything back, nor takes the other's values.
    for plan in world.get("/v1/plans").json()["plans"].as_array().unwrap() {
        let apply = format!("/v1/plans/{}/apply?rebase=true", plan["id"].as_str().unwrap());
        assert_eq!(world.request("POST", &apply, Some(b"")).status, 200);
    }
    for revision in [6, 5, 4, 3] {
        undo(&world, revision);
    }
    assert_eq!(world.get("/v1/employees/first").json()["data"], first["data"]);
    assert_eq!(found(&data, &traces()), Vec::<String>::new());
    undo(&world, 7);
    assert!(world.get("/v1/employees/first").text.contains("\"Grace\""));
    command(&world, &["account", "check", "99"], 0);
}

#[test]
fn the_date_of_a_profile_erases_who_was_merged_as_well() {
    let mut world = merged_twice(EVERYTHING);
    let data = world.folder.path().join("data");
    assert!(!found(&data, &traces()).is_empty());
    world.stop();
    world.file("profiles/people.toml", erasing());
    let world = world.started();
    wait_until(|| found(&data, &traces()).is_empty());
    let sync = world.get("/v1/syncs/11").json();
    assert_eq!((&sync["kind"], &sync["employees"]), (&json!("erase"), &json!(1)));
    assert_eq!(world.get("/v1/syncs/12").status, 404, "they go in one sync");
    assert_eq!(world.roster().len(), 200);
    command(&world, &["account", "check", "99"], 0);
}

#[test]
fn a_delete_says_what_it_does_and_whom_it_does_not_know() {
    let world = World::new();
    world.push_employees(json!([employee("1", "active", &[("First Name", "Ada")])]));
    for (path, status, message) in [
        ("/v1/employees/1", 400, "nothing brings them back; to hide an employee, push it with the status hidden"),
        ("/v1/employees/1?erase=yes", 400, "DELETE erases: with ?erase=true"),
        ("/v1/employees/1?force=true", 400, "here it can have erase"),
        ("/v1/employees/2?erase=true", 404, "no employee who has or had this id"),
    ] {
        let answer = world.request("DELETE", path, None);
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.message().contains(message), "{}", answer.text);
    }
    assert_eq!(world.roster().len(), 1);
    let added = run(&[
        "key",
        "add",
        "99",
        "--dialect",
        "startexam",
        "--role",
        "push",
        "--role",
        "read",
        "--data",
        &world.path("data"),
    ]);
    let key: Value = serde_json::from_slice(&added.stdout).unwrap();
    let refused =
        Request::signed_by(key["secret"].as_str().unwrap(), "DELETE", "/v1/employees/1?erase=true", b"").send(&world);
    assert_eq!(refused.status, 403);
    assert!(refused.message().contains("needs the role release"), "{}", refused.text);
}

#[test]
fn queued_records_of_an_erased_employee_are_not_applied() {
    let keyed = Keyed::new();
    let queue = |id: &str, name: &str| {
        let email = format!("{name}@quorndon.example");
        let fields = [("Cmd", "I"), ("Fname", name), ("Lname", "Quorndon"), ("Email", &email), ("EmpIDNumber", id)];
        assert_eq!(keyed.echospan(&fields).status, 200);
    };
    queue("7", "zibblewick");
    assert_eq!(keyed.echospan(&[("Cmd", "P")]).status, 200);
    queue("7", "zibblewick2");
    queue("8", "bob");
    assert_eq!(erase(&keyed.world, "7").status, 200);
    assert_eq!(found(&keyed.world.folder.path().join("data"), &[b"zibblewick".to_vec()]), Vec::<String>::new());
    assert_eq!(keyed.echospan(&[("Cmd", "P")]).status, 200);
    let ids: Vec<Value> = keyed.world.roster().iter().map(|employee| employee["id"].clone()).collect();
    assert_eq!(ids, ["8"]);
}

#[test]
fn the_program_erases_and_whoever_reads_does_not_keep_the_bytes() {
    let mut world = filled();
    let data = world.folder.path().join("data");
    let asked = run(&["erase", "99", "4711", "--data", &world.path("data")]);
    assert_eq!(asked.status.code(), Some(2), "{asked:?}");
    assert!(text(&asked).contains("add --yes"), "{}", text(&asked));
    let reader = Connection::open(world.path("data/accounts/99.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let data_of_all =
        || reader.query_row("SELECT sum(length(data)) FROM version", [], |row| row.get::<_, u64>(0)).unwrap();
    let before = data_of_all();
    let answer = erase(&world, "4711");
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert!(
        answer.message().contains("overwrites them when those who read the roster now have ended"),
        "{}",
        answer.text
    );
    assert_eq!(data_of_all(), before, "whoever reads keeps seeing what was there");
    assert!(!found(&data, &traces()).is_empty());
    reader.execute_batch("COMMIT").unwrap();
    drop(reader);
    wait_until(|| found(&data, &traces()).is_empty());
    // Killed before that, the next to open the file does it.
    assert_eq!(world.push_employees(json!([ada("active", 8)])).status, 200);
    let reader = Connection::open(world.path("data/accounts/99.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM employee").unwrap();
    world.kill();
    let told = command(&world, &["erase", "99", "4711", "--yes"], 0);
    assert!(told.contains("erased \"4711\" as revision 11"), "{told}");
    drop(reader);
    let world = world.started();
    wait_until(|| found(&data, &traces()).is_empty());
    assert_eq!(world.push_employees(others(200).into()).counts(), [0, 0, 0, 0, 200]);
    command(&world, &["account", "check", "99"], 0);
}

/// Whether the server knows an employee.
fn has(world: &World, id: &str) -> bool {
    world.get(&format!("/v1/employees/{id}")).status == 200
}

#[test]
fn a_backup_that_is_restored_does_not_bring_erased_employees_back() {
    let world = World::with(EVERYTHING, "");
    let data = world.folder.path().join("data");
    let push = |employees: Vec<Value>| assert_eq!(world.push_employees(employees.into()).status, 200);
    push([others(20), vec![ada("active", 0)]].concat());
    let early = world.path("early");
    command(&world, &["backup", &early, "--with-key"], 0);
    assert_eq!(erase(&world, "4711").status, 200);
    push(vec![employee("new", "active", &[("Name", "Eve")])]);
    // An older backup, into the same store: all, and one account.
    for accounts in [&["--replace"][..], &["99", "--replace"]] {
        let told = command(&world, &[&["restore", &early][..], accounts].concat(), 0);
        assert!(told.contains("20 employees") && told.contains("1 who were erased since are erased from it"), "{told}");
        assert!(!has(&world, "4711") && !has(&world, "new") && has(&world, "7"));
        assert_eq!(found(&data, &traces()), Vec::<String>::new());
        command(&world, &["account", "check", "99"], 0);
        assert_eq!(world.push_employees(others(20).into()).counts(), [0, 0, 0, 0, 20]);
    }
    // Whoever is pushed again is somebody new, and a backup made then brings them back.
    push(vec![ada("active", 1)]);
    let late = world.path("late");
    command(&world, &["backup", &late], 0);
    push(vec![ada("hidden", 2)]);
    let told = command(&world, &["restore", &late, "--replace"], 0);
    assert!(!told.contains("erased") && has(&world, "4711"), "{told}");
    // The list knows nobody's name.
    for id in ["4711", "ada", "Quorndon"] {
        let bytes = fs::read(world.path("data/rollcall.db")).unwrap();
        assert!(!bytes.windows(id.len()).any(|bytes| bytes == id.as_bytes()), "{id}");
    }

    // Into another folder, which knows of nothing: the list is given.
    let other = World::stopped(EVERYTHING, "");
    fs::remove_dir_all(other.path("data")).unwrap();
    let list = world.path("late/rollcall.db");
    let told = command(&other, &["restore", &early, "--erased", &list], 0);
    assert!(told.contains("1 who were erased since are erased from it"), "{told}");
    let other = other.started();
    assert!(!has(&other, "4711") && has(&other, "7"));
    assert_eq!(found(&other.folder.path().join("data"), &traces()), Vec::<String>::new());
    // A file that is adopted, under another number.
    fs::copy(world.path("early/accounts/99.db"), other.path("data/accounts/5.db")).unwrap();
    let adopted = command(&other, &["account", "adopt", "5"], 0);
    assert!(adopted.contains("\"employees\":20"), "{adopted}");
    assert_eq!(found(&other.folder.path().join("data"), &traces()), Vec::<String>::new());
    let old = World::stopped(EVERYTHING, "");
    let database = Connection::open(old.path("data/rollcall.db")).unwrap();
    database.execute_batch("DROP TABLE erased").unwrap();
    let refused =
        command(&other, &["restore", &early, "99", "--replace", "--erased", &old.path("data/rollcall.db")], 1);
    assert!(refused.contains("is of an earlier version, which has no list of who was erased"), "{refused}");
}

/// The profile, which erases hidden employees a year after the date in a field.
fn erasing() -> String {
    EVERYTHING.replacen("guards =", "erase = { field = \"Born\", days = 365 }\n    guards =", 1)
}

#[test]
fn hidden_employees_are_erased_some_days_after_a_date_and_active_ones_are_not() {
    let day = |days_ago: i64| {
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        now.checked_sub(jiff::Span::new().days(days_ago)).unwrap().strftime("%d.%m.%Y").to_string()
    };
    let person = |id: &str, status: &str, born: &str| {
        employee(id, status, &[("Name", &format!("Quorndon {id}")), ("Born", born)])
    };
    let mut world = World::with(&erasing(), "");
    let all = json!([
        person("hidden long ago", "hidden", &day(365)),
        person("hidden of late", "hidden", &day(364)),
        person("hidden without a date", "hidden", ""),
        person("active", "active", &day(4_000)),
        person("also long ago", "hidden", "01.01.1815"),
    ]);
    assert_eq!(world.push_employees(all).counts(), [5, 0, 0, 0, 0]);
    // A day has begun when the server starts.
    world.stop();
    let world = world.started();
    let ids = || world.roster().iter().map(|employee| employee["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    wait_until(|| ids().len() == 3);
    assert_eq!(ids(), ["hidden of late", "hidden without a date", "active"]);
    let sync = world.get("/v1/syncs/2").json();
    assert_eq!((&sync["kind"], &sync["employees"], &sync["peer"]), (&json!("erase"), &json!(2), &Value::Null));
    assert_eq!(world.get("/v1/syncs/3").status, 404, "a run is one sync");
    wait_until(|| world.log().contains("personal data erased"));
    let data = world.folder.path().join("data");
    wait_until(|| found(&data, &[b"Quorndon hidden long ago".to_vec(), b"1815-01-01".to_vec()]).is_empty());
    assert!(!found(&data, &[b"Quorndon hidden of late".to_vec()]).is_empty());
    let changes = world.get("/v1/changes").json();
    let last = changes["changes"].as_array().unwrap().last().unwrap().clone();
    assert!(last.to_string().contains("removed") && !changes.to_string().contains("1815"), "{last}");
}

#[test]
fn what_a_profile_says_of_erasing_is_checked() {
    for (erase, told) in [
        ("{ field = \"Gone\", days = 1 }", "erase: no field is called \"Gone\""),
        ("{ field = \"Name\", days = 1 }", "erase: field \"Name\" must be of type date"),
        ("{ field = \"Born\", days = 99999 }", "erase: days must be at most 36525"),
        ("{ field = \"Born\" }", "erase: missing field `days`"),
        ("\"Born\"", "erase: "),
    ] {
        let world = World::without_account(&erasing().replace("{ field = \"Born\", days = 365 }", erase), "");
        let checked = run(&["profile", "check", &world.path("profiles")]);
        assert_eq!(checked.status.code(), Some(1), "{erase}: {}", text(&checked));
        assert!(text(&checked).contains(told), "{erase}: {}", text(&checked));
    }
    let world = World::without_account(&erasing(), "");
    let checked = run(&["profile", "check", &world.path("profiles")]);
    let told = "erases the personal data of hidden employees 365 days after the date in \"Born\"";
    assert!(checked.status.success() && text(&checked).contains(told), "{}", text(&checked));
}

#[test]
fn everything_that_is_stored_on_a_person_is_exported() {
    let world = filled();
    let answer = world.get("/v1/employees/4711/export");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-disposition").unwrap(), "attachment; filename=\"employee-99.json\"");
    let person = answer.json();
    assert_eq!((&person["account"], &person["revision"]), (&json!(99), &json!(8)));
    assert_eq!((&person["employee"]["id"], &person["employee"]["status"]), (&json!("4711"), &json!("active")));
    let value = |shown: &Value, name: &str| {
        let rows = shown["data"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap()["value"].as_str().unwrap().to_owned()
    };
    // Images are whole.
    assert_eq!(value(&person["employee"], "Photo"), picture(5));
    let history = person["history"].as_array().unwrap();
    let takes: Vec<String> = history.iter().map(|version| value(&version["employee"], "Badge")).collect();
    assert_eq!(takes, ["ZQX-777-5", "ZQX-777-4", "ZQX-777-3", "ZQX-777-2", "ZQX-777-1", "ZQX-777-0"]);
    assert!(history.iter().all(|version| version["kind"] == "push" && version["time"].is_string()), "{person}");
    assert_eq!(history[1]["hiddenBy"], json!({ "cause": "push" }));
    let planned: Vec<String> =
        person["plans"].as_array().unwrap().iter().map(|plan| value(&plan["employee"], "Badge")).collect();
    assert_eq!(planned, ["ZQX-777-7", "ZQX-777-6"]);
    assert_eq!(person["rejections"][0]["field"], "Born");
    // The program writes the same.
    let file = world.path("person.json");
    let told = command(&world, &["export", "99", &file, "--employee", "4711"], 0);
    assert!(told.contains("at revision 8"), "{told}");
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&file).unwrap()).unwrap(), person);
    assert_eq!(world.get("/v1/employees/nobody/export").status, 404);
    command(&world, &["export", "99", &file, "--employee", "nobody"], 1);
    let told = command(&world, &["export", "99", &world.path("person.csv"), "--employee", "4711"], 2);
    assert!(told.contains("give the file a name that ends in .json"), "{told}");
    // Of somebody who was erased it has no values.
    assert_eq!(erase(&world, "4711").status, 200);
    let erased = world.get("/v1/employees/4711/export");
    assert_eq!(erased.json()["employee"]["status"], "removed");
    assert!(!erased.text.contains("ZQX") && !erased.text.contains("Quorndon"), "{}", erased.text);
    assert_eq!(erased.json()["history"].as_array().unwrap().len(), 7);
}

#[test]
fn a_former_id_erases_nobody_and_nobody_is_erased_twice() {
    let world = World::new();
    world.push_employees(json!([employee("1", "active", &[("First Name", "Ada")])]));
    let renamed = world.request("POST", "/v1/employees/1/rename", Some(br#"{"id": "2"}"#));
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    let erase = |id: &str| world.request("DELETE", &format!("/v1/employees/{id}?erase=true"), None);
    let former = erase("1");
    assert_eq!((former.status, &former.json()["id"]), (409, &json!("2")), "{}", former.text);
    let command = |id: &str| run(&["erase", "99", id, "--yes", "--data", &world.path("data")]);
    assert_eq!(command("1").status.code(), Some(1));
    assert_eq!(world.roster().len(), 1);
    let erased = command("2");
    assert_eq!(String::from_utf8_lossy(&erased.stdout), "erased \"2\" as revision 3\n", "{erased:?}");
    let again = erase("2");
    assert_eq!((again.status, command("2").status.code()), (410, Some(1)), "{}", again.text);
    assert_eq!(world.get("/v1/syncs").json()["syncs"].as_array().unwrap().len(), 3);
}
