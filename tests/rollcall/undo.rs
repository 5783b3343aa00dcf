//! Undo: what a sync changed is taken back, and the undo, too.

use super::world::{Answer, PEOPLE, Request, World, employee, rollcall, run};
use serde_json::{Value, json};

fn person(id: &str, status: &str, first: &str, mail: &str) -> Value {
    let all = [("First Name", first), ("Email", mail)];
    employee(id, status, &all.into_iter().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>())
}

fn revert(world: &World, revision: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (revision, query) =
        revision.split_once('?').map_or((revision, String::new()), |(revision, query)| (revision, format!("?{query}")));
    world.request("POST", &format!("/v1/syncs/{revision}/revert{query}"), Some(body.as_bytes()))
}

/// Undoes a sync. Returns the counts of the plan and of its application.
#[track_caller]
fn undo(world: &World, revision: &str) -> [u64; 5] {
    let plan = revert(world, revision, &Value::Null);
    let counts = plan.counts();
    assert_eq!(plan.json()["conflicts"], json!({ "count": 0, "employees": [] }), "{}", plan.text);
    let applied = world.request("POST", &format!("{}/apply", plan.header("location").unwrap()), Some(b""));
    assert_eq!(applied.counts(), counts);
    counts
}

fn export(world: &World) -> String {
    world.get("/v1/employees.ndjson").text
}

fn checked(world: &World) {
    let checked = run(&["account", "check", "99", "--data", &world.path("data")]);
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_sync_is_undone_and_redone() {
    let world = World::new();
    let first = json!([
        person("1", "active", "Ada", "a@example.com"),
        person("2", "active", "Bob", "b@example.com"),
        person("3", "hidden", "Cy", ""),
    ]);
    assert_eq!(world.push_employees(first.clone()).counts(), [3, 0, 0, 0, 0]);
    let before = export(&world);
    let second = json!([
        person("1", "active", "Ada", "lovelace@example.com"),
        person("2", "hidden", "Bob", ""),
        person("3", "active", "Cy", "c@example.com"),
        person("4", "active", "Dee", "d@example.com"),
        person("5", "hidden", "Eve", ""),
    ]);
    let counts = [2, 3, 1, 1, 0];
    assert_eq!(world.push_employees(second.clone()).counts(), counts);
    let after = export(&world);

    assert_eq!(undo(&world, "2"), [0, 3, 1, 2, 0]);
    assert_eq!(export(&world), before);
    checked(&world);
    // Whoever is removed is nobody's, and their life says what happened.
    for path in ["/v1/employees/4", "/v1/employees/%004"] {
        assert_eq!(world.get(path).status, 404);
    }
    let life = world.get("/v1/employees/4/history").json();
    assert_eq!((&life["id"], &life["status"]), (&json!("4"), &json!("removed")));
    let kinds: Vec<&Value> =
        life["history"].as_array().unwrap().iter().map(|event| &event["change"]["kinds"]).collect();
    assert_eq!(kinds, [&json!(["hidden", "removed"]), &json!(["created"])]);
    let shown = world.get("/v1/syncs/3").json();
    assert_eq!((&shown["kind"], &shown["undone"]), (&json!("undo"), &json!({ "from": 2, "to": 2 })));
    let why = run(&["why", "99", "2", "--data", &world.path("data")]);
    assert!(String::from_utf8_lossy(&why.stdout).contains("has been active since"), "{why:?}");
    let why = run(&["why", "99", "3", "--data", &world.path("data")]);
    let said = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(said.contains("Somebody undid revision 2, before which it was hidden"), "{said}");

    assert_eq!(undo(&world, "3"), [2, 3, 1, 1, 0]);
    assert_eq!(export(&world), after);
    assert_eq!(world.push_employees(second.clone()).counts(), [0, 0, 0, 0, 5]);
    // An undo of the undo of the undo.
    assert_eq!(undo(&world, "4"), [0, 3, 1, 2, 0]);
    assert_eq!(export(&world), before);
    assert_eq!(world.push_employees(second).counts(), counts, "the old file does what it did before");
    assert_eq!(export(&world), after);
    assert_eq!(undo(&world, "7?to=1"), [0, 3, 1, 2, 0]);
    assert_eq!(export(&world), before);
    checked(&world);
}

#[test]
fn whoever_was_changed_again_since_is_a_conflict() {
    let world = World::new();
    let push = |employees: Value| world.push_employees(employees).counts();
    push(json!([person("1", "active", "Ada", "a@example.com"), person("2", "active", "Bob", "b@example.com")]));
    push(json!([
        person("1", "active", "Ada", "a2@example.com"),
        person("2", "active", "Bob", "b2@example.com"),
        person("3", "active", "Cy", ""),
        person("4", "active", "Dee", ""),
    ]));
    // Ada's address changes again, Bob's other field does, Cy leaves.
    push(json!([
        person("1", "active", "Ada", "a3@example.com"),
        person("2", "active", "Robert", "b2@example.com"),
        person("3", "hidden", "Cy", ""),
        person("4", "active", "Dee", ""),
    ]));
    let plan = revert(&world, "2", &Value::Null);
    assert_eq!(plan.counts(), [0, 1, 0, 1, 0], "{}", plan.text);
    let conflicts = &plan.json()["conflicts"];
    assert_eq!(conflicts["count"], 2);
    let shown: Vec<(&Value, &Value, &Value)> = conflicts["employees"]
        .as_array()
        .unwrap()
        .iter()
        .map(|conflict| (&conflict["id"], &conflict["cause"], &conflict["changedBy"]))
        .collect();
    let since = json!("changedSince");
    assert_eq!(shown, [(&json!("1"), &since, &json!(3)), (&json!("3"), &since, &json!(3))]);
    let fields = json!([{ "name": "Email", "before": "a3@example.com", "after": "a@example.com" }]);
    assert_eq!(conflicts["employees"][0]["fields"], fields);
    assert_eq!(
        world.get(&plan.header("location").unwrap()).json()["undo"],
        json!({ "from": 2, "to": 2, "conflicts": 2, "created": "hide" })
    );

    let named = revert(&world, "2", &json!({ "override": ["1", "3"] }));
    assert_eq!((named.counts(), &named.json()["conflicts"]["count"]), ([0, 2, 0, 1, 0], &json!(0)));
    let apply = format!("{}/apply", named.header("location").unwrap());
    assert_eq!(world.request("POST", &apply, Some(b"")).counts(), [0, 2, 0, 1, 0]);
    let mails: Vec<String> = world.roster().iter().map(|employee| employee["data"].to_string()).collect();
    assert_eq!(mails.len(), 2);
    assert!(mails[0].contains("a@example.com") && mails[1].contains("b@example.com") && mails[1].contains("Robert"));
    let wrong = revert(&world, "2", &json!({ "override": ["9"] }));
    assert_eq!((wrong.status, wrong.message().contains("nothing is in the way of undoing 9")), (400, true));
}

#[test]
fn several_syncs_are_undone_at_once() {
    let world = World::new();
    let mut exports = vec![String::new()];
    for night in 1..=6u32 {
        let people: Value = (1..=3 + night)
            .map(|id| {
                let status = if id % 3 == night % 3 { "hidden" } else { "active" };
                person(
                    &id.to_string(),
                    status,
                    &format!("N{}", id * night % 5),
                    &format!("{id}@n{}.example", night % 2),
                )
            })
            .collect();
        world.push_employees(people);
        exports.push(export(&world));
    }
    for (last, to) in [(6, 4), (7, 1), (8, 6), (9, 3), (10, 0)] {
        undo(&world, &format!("{last}?to={to}"));
        let expected = exports[to].clone();
        assert_eq!(export(&world), expected, "back to {to}");
        exports.push(expected);
    }
    checked(&world);
}

#[test]
fn unique_values_hold_after_an_undo() {
    let profile = PEOPLE.replacen("type = \"email\"", "type = \"email\"\nunique = true", 1);
    let world = World::with(&profile, "");
    let push = |employees: Value| assert_eq!(world.push_employees(employees).status, 200);
    push(json!([person("1", "active", "Ada", "a@example.com"), person("2", "active", "Bob", "b@example.com")]));
    push(json!([person("1", "active", "Ada", "ada@example.com"), person("2", "active", "Bob", "bob@example.com")]));
    push(json!([person("3", "active", "Cy", "a@example.com")]));
    let plan = revert(&world, "2", &Value::Null);
    assert_eq!(plan.counts(), [0, 1, 0, 0, 0], "{}", plan.text);
    let conflicts = plan.json()["conflicts"].clone();
    let conflict = &conflicts["employees"][0];
    assert_eq!((&conflicts["count"], &conflict["id"], &conflict["cause"]), (&json!(1), &json!("1"), &json!("unique")));
    assert!(conflict["message"].as_str().unwrap().contains("\"3\""), "{conflict}");
    let apply = format!("{}/apply", plan.header("location").unwrap());
    assert_eq!(world.request("POST", &apply, Some(b"")).counts(), [0, 1, 0, 0, 0]);
    // Two who exchange a value get it back.
    push(json!([person("2", "active", "Bob", "ada@example.com"), person("1", "active", "Ada", "b@example.com")]));
    assert_eq!(undo(&world, "5"), [0, 2, 0, 0, 0]);
    checked(&world);
}

#[test]
fn whoever_is_named_by_somebody_who_stays_is_not_removed() {
    let manager = "[[field]]\nname = \"Manager\"\ntype = \"reference\"\nto = \"id\"\n";
    let world = World::with(&format!("{PEOPLE}{manager}"), "");
    let led_by = |id: &str, manager: &str| employee(id, "active", &[("First Name", id), ("Manager", manager)]);
    let alone = |id: &str| employee(id, "active", &[("First Name", id)]);
    let push = |employees: Value| assert_eq!(world.push_employees(employees).status, 200);
    push(json!([alone("1")]));
    push(json!([alone("2"), alone("3"), led_by("4", "3")]));
    push(json!([led_by("1", "2")]));
    // 3 goes with 4, who names 3; 2 stays for 1.
    let plan = revert(&world, "2", &Value::Null);
    assert_eq!(plan.counts(), [0, 0, 0, 2, 0], "{}", plan.text);
    let conflicts = plan.json()["conflicts"].clone();
    let conflict = &conflicts["employees"][0];
    assert_eq!((&conflicts["count"], &conflict["id"], &conflict["cause"]), (&json!(1), &json!("2"), &json!("named")));
    assert_eq!(conflict["namedBy"], json!({ "id": "1", "field": "Manager" }));
    let apply = format!("{}/apply", plan.header("location").unwrap());
    assert_eq!(world.request("POST", &apply, Some(b"")).counts(), [0, 0, 0, 2, 0]);
    checked(&world);
}

#[test]
fn whoever_stays_keeps_all_whom_a_long_chain_names() {
    let manager = "[[field]]\nname = \"Manager\"\ntype = \"reference\"\nto = \"id\"\n";
    let world = World::with(&format!("{PEOPLE}{manager}"), "");
    let led_by = |id: u32, manager: u32| {
        let (id, manager) = (id.to_string(), manager.to_string());
        employee(&id, "active", &[("First Name", &id), ("Manager", &manager)])
    };
    let push = |employees: Value| assert_eq!(world.push_employees(employees).status, 200);
    push(json!([person("1", "active", "Ada", "")]));
    push((2..=40).map(|id| if id == 2 { person("2", "active", "Bob", "") } else { led_by(id, id - 1) }).collect());
    push(json!([led_by(1, 40)]));
    let plan = revert(&world, "2", &Value::Null);
    assert_eq!((plan.counts(), &plan.json()["conflicts"]["count"]), ([0; 5], &json!(39)), "{}", plan.text);
    let named_by = |of: usize| plan.json()["conflicts"]["employees"][of]["namedBy"]["id"].clone();
    assert_eq!((named_by(0), named_by(37), named_by(38)), (json!("3"), json!("40"), json!("1")));
}

#[test]
fn absence_is_undone_with_what_it_counted() {
    let profile = PEOPLE.replacen("name = \"People\"", "name = \"People\"\nabsent = \"hide\"\ngrace = 1", 1);
    let world = World::with(&profile, "");
    let [ada, bob] = [person("1", "active", "Ada", ""), person("2", "active", "Bob", "")];
    let (all, without) = (json!([ada, bob]), json!([ada]));
    world.push_employees(all.clone());
    assert_eq!(world.push_employees(without.clone()).counts(), [0, 0, 0, 0, 1]);
    assert_eq!(world.push_employees(without.clone()).counts(), [0, 0, 0, 1, 1]);
    // Undone, the next list without Bob hides him as that one did.
    assert_eq!(undo(&world, "3"), [0, 0, 1, 0, 0]);
    assert_eq!(world.push_employees(without.clone()).counts(), [0, 0, 0, 1, 1]);
    // Who came back is hidden by absence again, and comes back again.
    assert_eq!(world.push_employees(all.clone()).counts(), [0, 0, 1, 0, 1]);
    assert_eq!(undo(&world, "6"), [0, 0, 0, 1, 0]);
    let life = world.get("/v1/employees/2/history").json();
    assert_eq!(life["history"][0]["change"]["hiddenBy"], json!({ "cause": "undo" }));
    assert_eq!(world.push_employees(all).counts(), [0, 0, 1, 0, 1]);
}

#[test]
fn what_cannot_be_undone_says_why() {
    let world = World::new();
    world.push_employees(json!([person("1", "active", "Ada", "")]));
    for (path, status, what) in [
        ("2", 404, "no sync of the account made revision 2"),
        ("0", 404, "no sync of the account made revision 0"),
        ("x", 400, "must be a number"),
        ("1?to=1", 400, "revision 1 is not before revision 1"),
        ("1?to=x", 400, "to must be a number"),
        ("1?two=0", 400, "unknown parameter"),
        ("7?to=0", 404, "not all of the syncs"),
    ] {
        let answer = revert(&world, path, &Value::Null);
        assert_eq!((answer.status, answer.message().contains(what)), (status, true), "{path}: {}", answer.text);
    }
    let body = revert(&world, "1", &json!({ "overide": [] }));
    assert_eq!((body.status, body.message().contains("\"override\"")), (400, true), "{}", body.text);
    // A key that may only push may not undo.
    let mut add = rollcall();
    add.args(["key", "add", "99", "--dialect", "startexam", "--role", "push", "--data", &world.path("data")]);
    let added = add.env("ROLLCALL_KEY_SECRET", "another horse battery staple").output().unwrap();
    assert!(added.status.success(), "{added:?}");
    let request = Request::signed_by("another horse battery staple", "POST", "/v1/syncs/1/revert", b"");
    assert_eq!(request.send(&world).status, 403);
    assert_eq!(world.get("/v1/plans").json()["plans"], json!([]));
}

#[test]
fn whoever_was_created_can_be_erased_by_the_undo() {
    let mut world = World::new();
    world.push_employees(json!([person("1", "active", "Ada", "a@example.com")]));
    let before = export(&world);
    world.push_employees(json!([
        person("1", "active", "Ada", "lovelace@example.com"),
        person("2", "active", "Unforgettable", "unforgettable@example.com"),
    ]));
    assert_eq!(undo(&world, "2?created=erase"), [0, 1, 0, 1, 0]);
    assert_eq!(export(&world), before);
    let as_of = world.get("/v1/employees.ndjson?at=2").text;
    assert!(as_of.contains("lovelace@") && as_of.contains("\"2\"") && !as_of.contains("nforgettable"), "{as_of}");
    // The undo is undone without the one who was erased.
    let redo = revert(&world, "3", &Value::Null);
    assert_eq!(redo.counts(), [0, 1, 0, 0, 0], "{}", redo.text);
    let wrong = revert(&world, "2?created=keep", &Value::Null);
    assert_eq!((wrong.status, wrong.message().as_str()), (400, "created must be hide or erase"));
    checked(&world);
    world.stop();
    for entry in std::fs::read_dir(world.path("data/accounts")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for value in ["Unforgettable", "unforgettable@example.com"] {
            assert!(!bytes.windows(value.len()).any(|window| window == value.as_bytes()), "{value} is in the file");
        }
    }
}

/// Makes two of the employees one, who keeps the history of the first.
fn merge(world: &World, from: &str, to: &str) {
    let body = json!({ "id": to, "merge": true }).to_string();
    let renamed = world.request("POST", &format!("/v1/employees/{from}/rename"), Some(body.as_bytes()));
    assert_eq!(renamed.status, 200, "{}", renamed.text);
}

#[test]
fn whoever_is_merged_again_by_an_undo_keeps_the_values_of_the_one_who_stays() {
    let world = World::new();
    world.push_employees(json!([person("1", "active", "Ada", "a@example.com")]));
    world.push_employees(json!([person("2", "active", "Countess", "countess@example.com")]));
    merge(&world, "1", "2");
    let merged = export(&world);
    undo(&world, "3");
    undo(&world, "4?created=erase");
    assert_eq!(export(&world), merged);
    let as_of = world.get("/v1/employees.ndjson?at=2").text;
    assert!(as_of.contains("\"Ada\"") && as_of.contains("\"Countess\""), "{as_of}");
    undo(&world, "5");
    assert_eq!(export(&world), as_of);
    checked(&world);
}

#[test]
fn the_command_shows_and_applies_an_undo() {
    let world = World::new();
    world.push_employees(json!([person("1", "active", "Ada", "a@example.com")]));
    let before = export(&world);
    world.push_employees(json!([person("1", "active", "Ada", "b@example.com"), person("2", "active", "Bob", "")]));
    world.push_employees(json!([person("3", "active", "Cy", "")]));
    let (data, profiles) = (world.path("data"), world.path("profiles"));
    let undo = |args: &[&str]| {
        let all = [&["undo", "99"], args, &["--data", &data, "--profiles", &profiles]].concat();
        let output = run(&all);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, err) = undo(&["2"]);
    assert_eq!(code, Some(0), "{err}");
    let expected = "~ 1  updated\n    Email: \"b@example.com\" → \"a@example.com\"\n- 2  hidden, removed\n    status: \"active\" → nothing\n    First Name: \"Bob\" → nothing\n";
    assert!(out.starts_with(expected), "{out}");
    let totals = "restored 2: created 0, updated 1, activated 0, hidden 0, removed 1; in conflict 0\n";
    assert!(out.ends_with(totals), "{out}");
    let plan = err.split_whitespace().skip_while(|word| *word != "plan").nth(1).unwrap().to_owned();
    let shown = run(&["plan", "show", "99", &plan, "--data", &data]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("\nan undo of revision 2, made by a command on the server\n") && shown.ends_with(totals),
        "{shown}"
    );
    assert!(err.contains("nothing was applied; plan "), "{err}");
    let (code, out, err) = undo(&["3", "--to", "1", "--yes"]);
    assert_eq!((code, out.ends_with("applied as revision 4\n")), (Some(0), true), "{out}{err}");
    assert_eq!(export(&world), before);
    let (code, out, err) = undo(&["4", "--json", "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["plan"]["why"], shown["changes"].as_array().unwrap().len()), (&json!("undo"), 3), "{out}");
    assert_eq!(world.roster().len(), 3);
    let (code, _, err) = undo(&["9"]);
    assert_eq!((code, err.contains("no sync of the account made revision 9")), (Some(1), true), "{err}");
}

#[test]
fn whoever_was_merged_into_somebody_is_erased_with_them() {
    let mut world = World::new();
    world.push_employees(json!([person("1", "active", "Ada", "")]));
    world.push_employees(json!([person("2", "active", "Bygone", "")]));
    world.push_employees(json!([person("3", "active", "Forgotten", "")]));
    let renamed = world.request("POST", "/v1/employees/2/rename", Some(br#"{"id": "3", "merge": true}"#));
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    let plan = revert(&world, "4?to=1&created=erase", &Value::Null);
    let applied = world.request("POST", &format!("{}/apply", plan.header("location").unwrap()), Some(b""));
    assert_eq!((applied.status, world.roster().len()), (200, 1), "{}", applied.text);
    checked(&world);
    world.stop();
    let file = std::fs::read(world.path("data/accounts/99.db")).unwrap();
    for value in ["Bygone", "Forgotten"] {
        assert!(!file.windows(value.len()).any(|window| window == value.as_bytes()), "{value} is in the file");
    }
}
