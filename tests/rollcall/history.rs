//! History: what each sync did, why other pushes were refused or held, and the life of an employee.

use super::world::{Answer, PEOPLE, PROFILE, World, employee, run};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const HIDES: &str = "/v1/employees?absent=hide";

fn named(id: &str, name: &str) -> Value {
    employee(id, "active", &[("First Name", name)])
}

fn hidden(id: &str, name: &str) -> Value {
    employee(id, "hidden", &[("First Name", name)])
}

fn push_to(world: &World, path: &str, employees: &Value) -> Answer {
    let body = json!({ "profileId": PROFILE, "employees": employees }).to_string();
    world.request("POST", path, Some(body.as_bytes()))
}

#[track_caller]
fn get(world: &World, path: &str) -> Value {
    let answer = world.get(path);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Everything of a list that comes in pages of two.
fn pages(world: &World, path: &str, list: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    let and = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = get(world, &format!("{path}{and}limit=2&cursor={cursor}"));
        all.extend(page[list].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return all,
        }
    }
}

/// The pushes of the past once there are so many: refused ones are recorded within a second.
fn syncs(world: &World, count: usize) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let syncs = pages(world, "/v1/syncs", "syncs");
        if syncs.len() == count {
            return syncs;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{syncs:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What was done to an employee, the latest first: the revision, what it did, and why it hid the employee.
fn life(world: &World, id: &str) -> Vec<(u64, Vec<String>, Value)> {
    let event = |event: Value| {
        let kinds = event["change"]["kinds"].as_array().unwrap().iter();
        let kinds = kinds.map(|kind| kind.as_str().unwrap().to_owned()).collect();
        (event["revision"].as_u64().unwrap(), kinds, event["change"]["hiddenBy"].clone())
    };
    pages(world, &format!("/v1/employees/{id}/history"), "history").into_iter().map(event).collect()
}

fn events(expected: &[(u64, &[&str], Value)]) -> Vec<(u64, Vec<String>, Value)> {
    let owned = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect();
    expected.iter().map(|(revision, kinds, by)| (*revision, owned(kinds), by.clone())).collect()
}

#[test]
fn pushes_of_one_second_are_in_the_order_in_which_they_were_answered() {
    let world = World::new();
    let refused = json!([employee("5", "active", &[("Email", "none")])]);
    for n in 0..3 {
        assert_eq!(world.push_employees(json!([named("1", &format!("Ada {n}"))])).status, 200);
        assert_eq!(world.push_employees(refused.clone()).status, 400);
        assert_eq!(world.push(" ".repeat(n)).status, 400);
    }
    // Equal refusals of a second are one, as late as the last of them.
    let started = Instant::now();
    let syncs = loop {
        let syncs = pages(&world, "/v1/syncs", "syncs");
        if syncs.iter().filter_map(|sync| sync["requests"].as_u64()).sum::<u64>() == 6 {
            break syncs;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{syncs:#?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let place = |is_it: &dyn Fn(&Value) -> bool| syncs.iter().position(is_it).unwrap();
    let of = |revision: u64| place(&|sync| sync["revision"] == revision);
    let of_nobody = place(&|sync| sync["outcome"] == "refused" && sync["rejections"] == 0);
    let of_email = place(&|sync| sync["outcome"] == "refused" && sync["rejections"] != 0);
    assert!(of_nobody < of_email && of_email < of(3) && of(3) < of(2) && of(2) < of(1), "{syncs:#?}");
}

#[test]
fn the_history_is_filtered_by_a_dialect_that_there_is() {
    let world = World::new();
    let answer = world.get("/v1/syncs?dialect=foo");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.message(), "dialect must be one of startexam, springest, collaborator, echospan, restore");
    assert_eq!(get(&world, "/v1/syncs?dialect=restore"), json!({ "syncs": [], "nextCursor": null }));
}

#[test]
fn every_sync_is_recorded_with_each_change_before_and_after() {
    let world = World::new();
    push_to(&world, HIDES, &json!([named("1", "Ada"), named("2", "Bob"), named("3", "Cy")]));
    push_to(&world, HIDES, &json!([named("1", "Ada"), named("2", "Bob"), named("3", "Cy")]));
    let changed = json!([named("1", "Augusta"), hidden("2", "Bob"), named("4", "Dee")]);
    assert_eq!(push_to(&world, HIDES, &changed).counts(), [1, 1, 0, 2, 0]);
    assert_eq!(world.push_employees(json!([employee("5", "active", &[("Email", "none")])])).status, 400);

    let syncs = syncs(&world, 4);
    let outcomes: Vec<(&str, &Value)> =
        syncs.iter().map(|sync| (sync["outcome"].as_str().unwrap(), &sync["revision"])).collect();
    assert_eq!(outcomes.len(), 4);
    for expected in [("refused", &Value::Null), ("applied", &json!(3)), ("applied", &json!(2)), ("applied", &json!(1))]
    {
        assert!(outcomes.contains(&expected), "{outcomes:?}");
    }
    let refused = syncs.iter().find(|sync| sync["outcome"] == "refused").unwrap();
    assert_eq!(refused["rejectionsByRule"], json!({ "email": 1, "required": 1 }));
    assert!(!refused.to_string().contains("none"), "{refused}");

    let sync = get(&world, "/v1/syncs/3");
    assert_eq!(&sync, syncs.iter().find(|sync| sync["revision"] == 3).unwrap());
    for (member, expected) in [
        ("kind", json!("push")),
        ("revisionBefore", json!(2)),
        ("dialect", json!("startexam")),
        ("peer", json!("127.0.0.1")),
        ("profileId", json!(PROFILE)),
        ("employees", json!(3)),
        ("employeesCreated", json!(1)),
        ("employeesStatusChangedToHidden", json!(2)),
    ] {
        assert_eq!(sync[member], expected, "{member}: {sync}");
    }
    assert_eq!(sync["profileVersion"].as_str().unwrap().len(), 32, "{sync}");
    assert!(sync["key"].is_number() && sync["stepsMs"]["commit"].as_f64().unwrap() > 0.0, "{sync}");

    let field = |before: Value, after: &str| json!([{ "name": "First Name", "before": before, "after": after }]);
    let hide = json!({ "before": "active", "after": "hidden" });
    let expected = [
        json!({ "id": "1", "kinds": ["updated"], "fields": field(json!("Ada"), "Augusta") }),
        json!({ "id": "2", "kinds": ["hidden"], "status": hide, "fields": [], "hiddenBy": { "cause": "push" } }),
        json!({ "id": "3", "kinds": ["hidden"], "status": hide, "fields": [],
                "hiddenBy": { "cause": "absence", "lists": 1 } }),
        json!({ "id": "4", "kinds": ["created"], "status": { "before": null, "after": "active" },
                "profileId": { "before": null, "after": PROFILE }, "fields": field(Value::Null, "Dee") }),
    ];
    assert_eq!(pages(&world, "/v1/syncs/3/changes", "changes"), expected);
    // A later sync changes nothing of that.
    push_to(&world, HIDES, &json!([named("1", "Ada"), named("4", "Dora")]));
    assert_eq!(pages(&world, "/v1/syncs/3/changes", "changes"), expected);
    assert_eq!(pages(&world, "/v1/syncs/2/changes", "changes"), Vec::<Value>::new());
    assert_eq!(pages(&world, "/v1/syncs/1/changes", "changes").len(), 3);
    let filtered = |query: &str| {
        let changes = pages(&world, &format!("/v1/syncs/3/changes?{query}"), "changes");
        changes.iter().map(|change| change["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(filtered("kind=hidden"), ["2", "3"]);
    assert_eq!(filtered("field=First%20Name"), ["1", "4"]);
    assert_eq!((filtered("id=3"), filtered("id=4"), filtered("id=9").len()), (vec!["3".into()], vec!["4".into()], 0));
}

#[test]
fn pushes_are_filtered_by_time_dialect_outcome_and_whether_they_changed_somebody() {
    let world = World::new();
    push_to(&world, HIDES, &json!([named("1", "Ada")]));
    push_to(&world, HIDES, &json!([named("1", "Ada")]));
    world.push("no JSON");
    let times = syncs(&world, 3);
    let count = |query: &str| pages(&world, &format!("/v1/syncs?{query}"), "syncs").len();
    assert_eq!((count("outcome=applied"), count("outcome=refused"), count("outcome=held")), (2, 1, 0));
    assert_eq!((count("changes=true"), count("dialect=startexam"), count("dialect=springest")), (1, 3, 0));
    let first = times.iter().find(|sync| sync["revision"] == 1).unwrap()["time"].as_str().unwrap();
    assert_eq!((count(&format!("from={first}")), count(&format!("to={first}"))), (3, 0));
    assert_eq!((count("from=2999-01-01T00:00:00Z"), count("to=2999-01-01T00:00:00Z")), (0, 3));
    for (query, what) in [
        ("from=yesterday", "from must be a time, like 2026-01-31T00:00:00Z"),
        ("outcome=good", "outcome must be applied, refused or held"),
        ("changes=some", "changes must be true or false"),
        ("cursor=7", "cursor must be the nextCursor of the page before"),
        ("since=1", "there are the parameters from, to, dialect, outcome, changes, cursor and limit, and no others"),
    ] {
        let answer = world.get(&format!("/v1/syncs?{query}"));
        assert_eq!((answer.status, answer.message().as_str()), (400, what));
    }
    for (path, status) in [("/v1/syncs/9", 404), ("/v1/syncs/x", 400), ("/v1/employees/9/history", 404)] {
        assert_eq!(world.get(path).status, status, "{path}");
    }
}

#[test]
fn hide_return_hide_is_recorded_once_each() {
    let world = World::with(&PEOPLE.replacen("name = \"People\"", "name = \"People\"\ngrace = 1", 1), "");
    let (push, absence) = (json!({ "cause": "push" }), json!({ "cause": "absence", "lists": 2 }));
    let all = json!([named("purpose", "Ada"), named("absent", "Bob"), named("both", "Cy"), named("stays", "Dee")]);
    let purpose = json!([hidden("purpose", "Ada"), named("absent", "Bob"), named("both", "Cy"), named("stays", "Dee")]);
    let without = json!([hidden("purpose", "Ada"), named("stays", "Dee")]);
    let both = json!([named("purpose", "Ada"), named("absent", "Bob"), hidden("both", "Cy"), named("stays", "Dee")]);
    for (employees, counts) in [
        (&all, [4, 0, 0, 0, 0]),     // 1
        (&purpose, [0, 0, 0, 1, 3]), // 2: purpose hidden
        (&without, [0, 0, 0, 0, 2]), // 3: absent and both are missing once
        (&without, [0, 0, 0, 2, 2]), // 4: and are hidden
        (&without, [0, 0, 0, 0, 2]), // 5: once
        (&all, [0, 0, 3, 0, 1]),     // 6: all return
        (&both, [0, 0, 0, 1, 3]),    // 7: both hidden on purpose
        (&all, [0, 0, 1, 0, 3]),     // 8
        (&purpose, [0, 0, 0, 1, 3]), // 9
        (&without, [0, 0, 0, 0, 2]), // 10
        (&without, [0, 0, 0, 2, 2]), // 11
    ] {
        assert_eq!(push_to(&world, HIDES, employees).counts(), counts);
    }
    let (nothing, created): (Value, &[&str]) = (Value::Null, &["created"]);
    let (active, hides): (&[&str], &[&str]) = (&["activated"], &["hidden"]);
    let expected = [
        (
            "purpose",
            events(&[
                (9, hides, push.clone()),
                (6, active, nothing.clone()),
                (2, hides, push.clone()),
                (1, created, nothing.clone()),
            ]),
        ),
        (
            "absent",
            events(&[
                (11, hides, absence.clone()),
                (6, active, nothing.clone()),
                (4, hides, absence.clone()),
                (1, created, nothing.clone()),
            ]),
        ),
        (
            "both",
            events(&[
                (11, hides, absence.clone()),
                (8, active, nothing.clone()),
                (7, hides, push),
                (6, active, nothing.clone()),
                (4, hides, absence),
                (1, created, nothing.clone()),
            ]),
        ),
        ("stays", events(&[(1, created, nothing)])),
    ];
    for (id, expected) in expected {
        assert_eq!(life(&world, id), expected, "{id}");
    }
}

#[test]
fn a_held_push_and_the_plan_that_is_released_are_recorded() {
    let profile = PEOPLE.replacen("hide = \"off\"", "hide = { percent = 1, people = 1 }", 1);
    let world = World::with(&profile, "");
    let all: Value = (0..9).map(|n| named(&n.to_string(), "Ada")).collect();
    push_to(&world, HIDES, &all);
    let held = push_to(&world, HIDES, &json!([named("0", "Ada")]));
    assert_eq!(held.status, 409, "{}", held.text);
    let plan = held.header("location").unwrap();
    let id = plan.rsplit('/').next().unwrap();
    let recorded = syncs(&world, 2).into_iter().find(|sync| sync["outcome"] == "held").unwrap();
    assert_eq!((&recorded["plan"], &recorded["status"]), (&json!(id), &json!(409)));
    assert_eq!(recorded["employeesStatusChangedToHidden"], 8);
    let guards = json!([{ "guard": "hide", "field": null, "count": 8, "of": 9, "limit": 1 }]);
    assert_eq!(recorded["guards"], guards);
    assert_eq!(pages(&world, "/v1/syncs?outcome=held", "syncs"), [recorded]);

    assert_eq!(world.request("POST", &format!("{plan}/apply"), Some(b"")).counts(), [0, 0, 0, 8, 1]);
    let applied = get(&world, "/v1/syncs/2");
    assert_eq!((&applied["kind"], &applied["plan"], &applied["guards"]), (&json!("plan"), &json!(id), &guards));
    let by_plan = json!({ "cause": "plan", "lists": 1 });
    assert_eq!(life(&world, "5"), events(&[(2, &["hidden"], by_plan), (1, &["created"], Value::Null)]));
    let event = &get(&world, "/v1/employees/5/history")["history"][0];
    assert_eq!((&event["kind"], &event["plan"], &event["guards"]), (&json!("plan"), &json!(id), &guards));
}

#[test]
fn a_lenient_push_is_recorded_with_how_many_it_left_out() {
    let world = World::new();
    let bad = employee("2", "active", &[("Email", "none")]);
    let body = json!({ "profileId": PROFILE, "employees": [named("1", "Ada"), bad] }).to_string();
    let request = super::world::Request::new("POST", "/v1/employees", body.as_bytes());
    let answer = request.header("Prefer", "handling=lenient").send(&world);
    assert_eq!(answer.counts(), [1, 0, 0, 0, 0]);
    let sync = get(&world, "/v1/syncs/1");
    assert_eq!(sync["setAside"], json!({ "employees": 1, "rejectionsByRule": { "email": 1, "required": 1 } }));
    assert_eq!(pages(&world, "/v1/syncs/1/changes", "changes").len(), 1);
}

#[test]
fn the_program_shows_a_sync_and_says_why_somebody_is_hidden() {
    let world = World::new();
    push_to(&world, HIDES, &json!([named("1", "Ada"), named("2", "Bob"), named("3", "Cy")]));
    push_to(&world, HIDES, &json!([named("1", "Augusta"), hidden("2", "Bob")]));
    let program = |args: &[&str]| {
        let output = run(&[args, &["--data", &world.path("data")]].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = program(&["show", "99", "2", "--changes"]);
    assert!(
        shown.contains("kind: push\n") && shown.contains("~ 1  updated\n    First Name: \"Ada\" → \"Augusta\"\n"),
        "{shown}"
    );
    let json: Value = serde_json::from_str(&program(&["show", "99", "2", "--changes", "--json"])).unwrap();
    assert_eq!(json["sync"], get(&world, "/v1/syncs/2"));
    assert_eq!(json["changes"], get(&world, "/v1/syncs/2/changes")["changes"]);
    let why = |id: &str| program(&["why", "99", id]);
    let ada = why("1");
    assert!(
        ada.starts_with("Employee \"1\" has been active since ") && ada.contains("(revision 1: push, startexam, key "),
        "{ada}"
    );
    assert!(ada.contains("It was last changed at ") && ada.contains("(revision 2: "), "{ada}");
    assert!(why("2").contains("That push carried it as hidden."), "{}", why("2"));
    assert!(why("3").contains("it was missing from a list of everybody."), "{}", why("3"));
    assert!(why("3").contains("(revision 2: push, startexam, key "), "{}", why("3"));
    let json: Value = serde_json::from_str(&program(&["why", "99", "3", "--json"])).unwrap();
    assert_eq!((&json["status"], &json["missingFromLists"]), (&json!("hidden"), &json!(1)));
    assert_eq!(json["since"]["change"]["hiddenBy"], json!({ "cause": "absence", "lists": 1 }));
    let nobody = run(&["why", "99", "9", "--data", &world.path("data")]);
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    let nothing = run(&["show", "99", "9", "--data", &world.path("data")]);
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
}

#[test]
fn what_a_sync_changed_is_exported_as_a_file() {
    let world = World::new();
    push_to(&world, HIDES, &json!([named("1", "Ada"), named("2", "Bob"), named("3", "Cy")]));
    push_to(&world, HIDES, &json!([named("1", "=1+1"), hidden("2", "Bob"), named("4", "Dee")]));
    let time = get(&world, "/v1/syncs/2")["time"].as_str().unwrap().to_owned();
    let csv = world.get("/v1/syncs/2/changes.csv");
    let expected = format!(
        "sync,time,id,kind,field,before,after,cause\n\
         2,{time},1,updated,First Name,Ada,'=1+1,push\n\
         2,{time},2,hidden,status,active,hidden,push\n\
         2,{time},3,hidden,status,active,hidden,absence (1 in a row)\n\
         2,{time},4,created,status,,active,push\n\
         2,{time},4,created,profileId,,{PROFILE},push\n\
         2,{time},4,created,First Name,,Dee,push\n"
    );
    assert_eq!((csv.status, csv.text.as_str()), (200, expected.as_str()));
    assert_eq!(csv.header("content-disposition").unwrap(), "attachment; filename=\"changes-99.csv\"");
    let lines = world.get("/v1/syncs/2/changes.ndjson").text;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut changes = pages(&world, "/v1/syncs/2/changes", "changes");
    for change in &mut changes {
        change["sync"] = json!(2);
        change["time"] = json!(time);
        change["cause"] = json!("push");
    }
    assert_eq!(lines, changes);
    assert!(world.get("/v1/syncs/2/changes.xlsx").bytes.starts_with(b"PK"));
    assert_eq!(world.get("/v1/syncs/9/changes.csv").status, 404);
    assert_eq!(world.get("/v1/syncs/2/changes.csv?kind=hidden").status, 400);
}
