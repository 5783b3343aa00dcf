//! Rename: an employee gets another id, and may be the same person as the one who has it.

use super::world::{ACCOUNT, Answer, PROFILE, Request, SECRET, World, employee, rollcall};
use serde_json::{Value, json};

const HIDES: &str = "/v1/employees?absent=hide";

/// Addresses are unique among the active, and managers are named by id, mentors by number.
const STAFF: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Staff"
    guards = { update = "off", create = "off", empty = "off", hide = "off", activate = "off" }
    [[field]]
    name = "First Name"
    type = "text"
    [[field]]
    name = "Email"
    type = "email"
    unique = "active"
    [[field]]
    name = "Manager"
    type = "reference"
    to = "id"
    unknown = "keep"
    acyclic = true
    [[field]]
    name = "Mentor"
    type = "reference"
    to = "number"
    active = true
"#;

fn named(id: &str, name: &str) -> Value {
    employee(id, "active", &[("First Name", name)])
}

fn mailed(id: &str, name: &str, email: &str) -> Value {
    employee(id, "active", &[("First Name", name), ("Email", email)])
}

fn push_to(world: &World, path: &str, employees: &Value) -> Answer {
    let body = json!({ "profileId": PROFILE, "employees": employees }).to_string();
    world.request("POST", path, Some(body.as_bytes()))
}

fn rename(world: &World, from: &str, body: &Value) -> Answer {
    world.request("POST", &format!("/v1/employees/{from}/rename"), Some(body.to_string().as_bytes()))
}

#[track_caller]
fn get(world: &World, path: &str) -> Value {
    let answer = world.get(path);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Who is in the roster: the id and the status of each.
fn people(world: &World) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    world.roster().iter().map(|person| (text(&person["id"]), text(&person["status"]))).collect()
}

fn expected(people: &[(&str, &str)]) -> Vec<(String, String)> {
    people.iter().map(|(id, status)| ((*id).into(), (*status).into())).collect()
}

/// What was done to an employee, the latest first: the revision, the id then, and what it did.
fn life(world: &World, id: &str) -> Vec<(u64, String, Vec<String>)> {
    let (mut life, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(world, &format!("/v1/employees/{id}/history?limit=1&cursor={cursor}"));
        for event in page["history"].as_array().unwrap() {
            let kinds = event["change"]["kinds"].as_array().unwrap().iter();
            let kinds = kinds.map(|kind| kind.as_str().unwrap().to_owned()).collect();
            life.push((event["revision"].as_u64().unwrap(), event["change"]["id"].as_str().unwrap().to_owned(), kinds));
        }
        match page["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return life,
        }
    }
}

fn events(expected: &[(u64, &str, &[&str])]) -> Vec<(u64, String, Vec<String>)> {
    let owned = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect();
    expected.iter().map(|(revision, id, kinds)| (*revision, (*id).to_owned(), owned(kinds))).collect()
}

/// Runs the program on the world's store, and returns its exit code and what it printed, the error last.
fn program(world: &World, args: &[&str]) -> (Option<i32>, String) {
    let mut command = rollcall();
    command.args(args).args(["--data", &world.path("data")]);
    let ran = command.env("ROLLCALL_PROFILES", world.path("profiles")).output().unwrap();
    let text = [ran.stdout, ran.stderr].concat();
    (ran.status.code(), String::from_utf8(text).unwrap())
}

#[track_caller]
fn is_sound(world: &World) {
    let (code, printed) = program(world, &["account", "check", "99"]);
    assert_eq!(code, Some(0), "{printed}");
}

#[test]
fn an_employee_gets_an_id_and_the_next_list_knows_them_by_it() {
    let world = World::new();
    push_to(&world, HIDES, &json!([named("4711", "Ada"), named("2", "Bob")]));
    let renamed = rename(&world, "4711", &json!({ "id": " EMP-4711 " }));
    assert_eq!(renamed.counts(), [0, 0, 0, 0, 0]);
    let answer = renamed.json();
    assert_eq!(
        (&answer["id"], &answer["formerId"], &answer["merged"]),
        (&json!("EMP-4711"), &json!("4711"), &json!(false))
    );
    assert_eq!(renamed.header("rollcall-revision").unwrap(), "2");
    assert_eq!(people(&world), expected(&[("EMP-4711", "active"), ("2", "active")]));
    let sync = get(&world, "/v1/syncs/2");
    assert_eq!(
        (&sync["kind"], &sync["employees"], &sync["dialect"]),
        (&json!("rename"), &json!(1), &json!("startexam"))
    );
    assert!(sync["key"].is_number() && sync["peer"].is_string(), "{sync}");
    let change = &get(&world, "/v1/syncs/2/changes")["changes"];
    assert_eq!(
        *change,
        json!([{ "id": "EMP-4711", "kinds": ["renamed"], "idChange": { "before": "4711", "after": "EMP-4711" }, "fields": [] }])
    );
    assert_eq!(get(&world, "/v1/syncs?changes=true")["syncs"].as_array().unwrap().len(), 2);
    assert_eq!(push_to(&world, HIDES, &json!([named("EMP-4711", "Ada"), named("2", "Bob")])).counts(), [0, 0, 0, 0, 2]);
    let history = get(&world, "/v1/employees/4711/history");
    assert_eq!((&history["id"], &history["foundByFormerId"]), (&json!("EMP-4711"), &json!(true)));
    assert_eq!(life(&world, "4711"), events(&[(2, "EMP-4711", &["renamed"]), (1, "4711", &["created"])]));
    // The id is free again.
    assert_eq!(world.push_employees(json!([named("4711", "Eve")])).counts(), [1, 0, 0, 0, 0]);
    is_sound(&world);
}

/// Ada is hidden by the list that has her under a new id; Bob stays.
fn replaced() -> World {
    let world = World::with(STAFF, "");
    push_to(&world, HIDES, &json!([mailed("1", "Ada", "ada@example.com"), named("2", "Bob")]));
    let second = json!([named("2", "Bob"), mailed("X1", "Ada L", "ada@example.com")]);
    assert_eq!(push_to(&world, HIDES, &second).counts(), [1, 0, 0, 1, 1]);
    push_to(&world, HIDES, &json!([named("2", "Bobby"), mailed("X1", "Ada K", "ada@example.com")]));
    world
}

#[test]
fn a_missing_and_a_new_person_become_one_whose_history_goes_on() {
    let mut world = replaced();
    let third = json!([named("2", "Bobby"), mailed("X1", "Ada K", "ada@example.com")]);
    let renamed = rename(&world, "1", &json!({ "id": "X1" }));
    assert_eq!(renamed.counts(), [0, 1, 1, 0, 0]);
    assert_eq!(renamed.json()["merged"], true);
    assert_eq!(people(&world), expected(&[("X1", "active"), ("2", "active")]));
    assert_eq!(world.get("/v1/employees?status=hidden").json()["employees"], json!([]));
    assert_eq!(world.get("/v1/employees/1").status, 404);
    assert_eq!(world.get("/v1/employees/%001%003").status, 404);
    assert_eq!(world.get("/v1/employees.csv").text.lines().count(), 3);
    let listed: Value = serde_json::from_str(&program(&world, &["account", "list", "--json"]).1).unwrap();
    assert_eq!((&listed[0]["active"], &listed[0]["hidden"]), (&json!(2), &json!(0)));
    let expected_life = events(&[
        (4, "X1", &["updated", "activated", "renamed"]),
        (3, "X1", &["updated"]),
        (2, "1", &["hidden"]),
        (2, "X1", &["created"]),
        (1, "1", &["created"]),
    ]);
    assert_eq!((life(&world, "1"), life(&world, "X1")), (expected_life.clone(), expected_life));
    let changes = get(&world, "/v1/syncs/4/changes")["changes"].clone();
    assert_eq!(changes[0]["idChange"], json!({ "before": "1", "after": "X1" }));
    assert_eq!((&changes[1]["id"], &changes[1]["kinds"]), (&json!("X1"), &json!(["removed", "merged"])));
    assert_eq!(changes[1]["status"], json!({ "before": "active", "after": null }));
    assert!(!changes.to_string().contains("\\u0000"), "{changes}");
    assert_eq!(get(&world, "/v1/syncs/4/changes?kind=merged")["changes"].as_array().unwrap().len(), 1);
    let csv = world.get("/v1/syncs/4/changes.csv").text;
    assert!(csv.contains(",1,renamed,id,") || csv.contains(",X1,renamed,id,1,X1,rename"), "{csv}");
    assert!(csv.contains(",X1,merged,status,active,,rename") && !csv.contains('\0'), "{csv}");
    // The list that is pushed each night changes nobody, also when the index is read again.
    assert_eq!(push_to(&world, HIDES, &third).counts(), [0, 0, 0, 0, 2]);
    assert_eq!(push_to(&world, HIDES, &third).counts(), [0, 0, 0, 0, 2]);
    is_sound(&world);
    world.stop();
    let world = world.started();
    assert_eq!(push_to(&world, HIDES, &third).counts(), [0, 0, 0, 0, 2]);
    // The address is the person's, and a colleague cannot have it.
    let taken = push_to(&world, "/v1/employees", &json!([mailed("3", "Cy", "ada@example.com")]));
    assert_eq!(taken.errors(), ["0 3 Email unique"]);
    is_sound(&world);
}

/// Takes back the sync that made a revision.
#[track_caller]
fn undo(world: &World, revision: u64) {
    let plan = world.request("POST", &format!("/v1/syncs/{revision}/revert"), Some(b""));
    assert_eq!(plan.status, 200, "{}", plan.text);
    let apply = format!("{}/apply", plan.header("location").unwrap());
    let applied = world.request("POST", &apply, Some(b""));
    assert_eq!(applied.status, 200, "{}", applied.text);
}

#[test]
fn a_rename_can_be_undone_and_that_as_well() {
    let world = replaced();
    let export = || world.get("/v1/employees.csv").text;
    let before = export();
    assert_eq!(rename(&world, "1", &json!({ "id": "X1" })).status, 200);
    let (merged, life_of_both) = (export(), life(&world, "1"));
    undo(&world, 4);
    assert_eq!(export(), before);
    assert_eq!(life(&world, "1")[0].2, ["updated", "hidden", "renamed"]);
    assert_eq!(life(&world, "X1")[0].2, ["created"]);
    is_sound(&world);
    undo(&world, 5);
    assert_eq!(export(), merged);
    // The changes of both are one life again.
    let lives = life(&world, "1");
    assert_eq!(lives[lives.len() - 4..], life_of_both[life_of_both.len() - 4..]);
    let again = json!([named("2", "Bobby"), mailed("X1", "Ada K", "ada@example.com")]);
    assert_eq!(push_to(&world, HIDES, &again).counts(), [0, 0, 0, 0, 2]);
    // A plain one, too.
    let merged = export();
    assert_eq!(rename(&world, "2", &json!({ "id": "X2" })).status, 200);
    undo(&world, 8);
    assert_eq!((export(), get(&world, "/v1/employees/X2/history")["id"].clone()), (merged, json!("2")));
    is_sound(&world);
}

#[test]
fn two_people_are_not_made_one_by_mistake() {
    let world = replaced();
    push_to(&world, "/v1/employees", &json!([named("3", "Cy")]));
    let refused = |from: &str, body: Value, status: u16, message: &str| {
        let answer = rename(&world, from, &body);
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.message().contains(message), "{}", answer.text);
    };
    refused("2", json!({ "id": "3" }), 409, "they may be two people; nothing was changed; add \"merge\": true");
    refused("X1", json!({ "id": "1" }), 409, "the other way round");
    refused("9", json!({ "id": "3" }), 404, "no employee with this id");
    refused("%00", json!({ "id": "3" }), 404, "no employee with this id");
    refused("2", json!({ "id": "2" }), 400, "has this id already");
    refused("2", json!({ "id": "x".repeat(251) }), 400, "an id has at most 250 characters");
    refused("2", json!({ "id": " " }), 400, "every employee needs an id");
    refused("2", json!({ "id": "\u{0}1\u{0}3" }), 400, "U+0000");
    refused("2", json!({ "id": "4", "mrege": true }), 400, "it can have id and merge");
    refused("2", json!({}), 400, "must say the new id");
    let parameter = world.request("POST", "/v1/employees/2/rename?force=true", Some(br#"{"id": "4"}"#));
    assert!(parameter.status == 400 && parameter.message().contains("here it can have none"), "{}", parameter.text);
    let malformed = rename(&world, "2", &json!({ "id": "" }));
    assert_eq!(malformed.errors(), ["- - id required"]);
    let long = format!("{{\"id\": \"4\"{}}}", " ".repeat(65_536));
    let long = world.request("POST", "/v1/employees/2/rename", Some(long.as_bytes()));
    assert!(long.status == 413 && long.message().contains("form_bytes_max"), "{}", long.text);
    assert_eq!(get(&world, "/v1/syncs?limit=1")["syncs"][0]["revision"], 4);
    // Whoever says that they are one is believed.
    assert_eq!(rename(&world, "2", &json!({ "id": "3", "merge": true })).counts(), [0, 1, 0, 0, 0]);
    assert_eq!(rename(&world, "X1", &json!({ "id": "1", "merge": true })).counts(), [0, 1, 0, 1, 0]);
    assert_eq!(people(&world), expected(&[("3", "active"), ("1", "hidden")]));
    let why = program(&world, &["why", "99", "X1"]).1;
    assert!(
        why.contains("\"1\" has been hidden since") && why.contains("it was missing from a list of everybody"),
        "{why}"
    );
    push_to(&world, "/v1/employees", &json!([employee("4", "hidden", &[])]));
    assert_eq!(rename(&world, "3", &json!({ "id": "4", "merge": true })).counts(), [0, 1, 0, 1, 0]);
    let why = program(&world, &["why", "99", "3"]).1;
    assert!(
        why.contains("\"4\" has been hidden since") && why.contains("gave it the id of a hidden employee"),
        "{why}"
    );
    is_sound(&world);
}

#[test]
fn who_refers_to_a_person_still_does() {
    let world = World::with(STAFF, "");
    let managed = |id: &str, manager: &str| employee(id, "active", &[("Manager", manager)]);
    push_to(&world, "/v1/employees", &json!([named("1", "Ada"), managed("2", "9"), managed("3", "2")]));
    // Ada would be her manager's manager.
    let circle = rename(&world, "3", &json!({ "id": "9" }));
    assert_eq!(circle.errors(), ["- 9 Manager circle"], "{}", circle.text);
    assert_eq!(people(&world).len(), 3);
    push_to(&world, "/v1/employees", &json!([employee("1", "hidden", &[]), named("X1", "Ada")]));
    let mentored = |id: &str| employee(id, "active", &[("Mentor", "4"), ("Manager", "X1")]);
    assert_eq!(push_to(&world, "/v1/employees", &json!([mentored("5")])).counts(), [1, 0, 0, 0, 0]);
    assert_eq!(rename(&world, "1", &json!({ "id": "X1" })).status, 200);
    // Number 4 is nobody any more, and still leads to the person.
    assert_eq!(push_to(&world, "/v1/employees", &json!([mentored("6")])).counts(), [1, 0, 0, 0, 0]);
    let unknown = push_to(&world, "/v1/employees", &json!([employee("7", "active", &[("Mentor", "99")])]));
    assert_eq!(unknown.errors(), ["0 7 Mentor unknown"]);
    is_sound(&world);
}

#[test]
fn a_decision_needs_the_role_and_is_made_once() {
    let world = replaced();
    let data = world.path("data");
    let add = |role: &str| {
        let mut command = rollcall();
        command.args(["key", "add", "99", "--dialect", "startexam", "--role", role, "--data", &data]);
        let added: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        added["secret"].as_str().unwrap().to_owned()
    };
    let (body, path) = (json!({ "id": "X1" }).to_string(), "/v1/employees/1/rename");
    let forbidden = Request::signed_by(&add("push"), "POST", path, body.as_bytes()).send(&world);
    assert!(forbidden.status == 403 && forbidden.message().contains("needs the role release"), "{}", forbidden.text);
    let request = |secret: &str, body: &str| {
        Request::signed_by(secret, "POST", path, body.as_bytes()).header("Idempotency-Key", "once").send(&world)
    };
    let release = add("release");
    let first = request(&release, &body);
    assert_eq!(first.status, 200, "{}", first.text);
    let again = request(&release, &body);
    assert_eq!((again.status, &again.text), (200, &first.text));
    assert_eq!(again.header("idempotent-replayed").unwrap(), "true");
    assert_eq!(request(SECRET, &json!({ "id": "X2" }).to_string()).status, 422);
    assert_eq!(world.request("POST", path, Some(body.as_bytes())).status, 404);
    assert_eq!(get(&world, "/v1/syncs?limit=1")["syncs"][0]["revision"], 4);
    assert_eq!(world.get(path).status, 405);
}

#[test]
fn a_rename_leaves_who_is_missing_missing() {
    let grace = STAFF.replace("guards =", "absent = \"hide\"\n    grace = 1\n    guards =");
    let world = World::with(&grace, "");
    push_to(&world, "/v1/employees", &json!([named("1", "Ada"), named("2", "Bob")]));
    // Ada is missing for the first time, and then under a new id as well.
    push_to(&world, "/v1/employees", &json!([named("2", "Bob"), named("X1", "Ada")]));
    assert_eq!(rename(&world, "1", &json!({ "id": "X1" })).counts(), [0, 0, 0, 0, 0]);
    assert_eq!(push_to(&world, "/v1/employees", &json!([named("2", "Bob")])).counts(), [0, 0, 0, 0, 1]);
    assert_eq!(people(&world), expected(&[("X1", "active"), ("2", "active")]));
    assert_eq!(push_to(&world, "/v1/employees", &json!([named("2", "Bob")])).counts(), [0, 0, 0, 1, 1]);
    assert_eq!(
        push_to(&world, "/v1/employees", &json!([named("2", "Bob"), named("X1", "Ada")])).counts(),
        [0, 0, 1, 0, 1]
    );
    is_sound(&world);
}

#[test]
fn the_operator_renames_beside_the_server() {
    let world = replaced();
    let asked = program(&world, &["rename", "99", "1", "X1"]);
    assert_eq!(asked.0, Some(2), "{}", asked.1);
    assert!(asked.1.contains("add --yes"), "{}", asked.1);
    let others = program(&world, &["rename", "99", "2", "X1", "--yes"]);
    assert_eq!(others.0, Some(1), "{}", others.1);
    assert!(others.1.contains("they may be two people; nothing was changed; add --merge"), "{}", others.1);
    let renamed = program(&world, &["rename", "99", "1", "X1", "--yes"]);
    assert_eq!(
        renamed,
        (Some(0), "employee 1 has the id X1, and both are one person now; applied as revision 4\n".into())
    );
    let json = program(&world, &["rename", "99", "2", "X2", "--yes", "--json"]).1;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, json!({ "id": "X2", "formerId": "2", "merged": false, "revision": 5 }));
    assert_eq!(people(&world), expected(&[("X1", "active"), ("X2", "active")]));
    let why = program(&world, &["why", "99", "1"]).1;
    assert!(why.contains("Employee \"X1\" has been active since") && why.contains("(revision 4: rename)"), "{why}");
    let history = program(&world, &["history", "99", "--json"]).1;
    let history: Value = serde_json::from_str(&history).unwrap();
    assert_eq!((&history[0]["kind"], &history[0]["account"]), (&json!("rename"), &json!(ACCOUNT)));
    let shown = program(&world, &["show", "99", "4", "--changes"]).1;
    assert!(shown.contains("X1  removed, merged") && shown.contains("id: \"1\" → \"X1\""), "{shown}");
    let malformed = program(&world, &["rename", "99", "X2", " ", "--yes"]);
    assert!(malformed.0 == Some(1) && malformed.1.contains("every employee needs an id"), "{}", malformed.1);
    // A list that the server has in memory is amended.
    let third = json!([named("X2", "Bobby"), mailed("X1", "Ada K", "ada@example.com")]);
    assert_eq!(push_to(&world, HIDES, &third).counts(), [0, 0, 0, 0, 2]);
}
