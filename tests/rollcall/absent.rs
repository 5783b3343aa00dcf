//! Whoever is absent from a list of everybody: stays, or is hidden, by the push, the profile or the operator.

use super::world::{ACCOUNT, Answer, PEOPLE, PROFILE, Request, World, employee, rollcall};
use serde_json::{Value, json};

const STAYS: &str = "/v1/employees";
const HIDES: &str = "/v1/employees?absent=hide";

fn people(ids: &[&str]) -> Value {
    ids.iter().map(|id| employee(id, "active", &[("First Name", id)])).collect()
}

fn push_to(world: &World, path: &str, employees: &Value) -> Answer {
    let body = json!({ "profileId": PROFILE, "employees": employees }).to_string();
    world.request("POST", path, Some(body.as_bytes()))
}

/// The ids of those who are active, in the order of their arrival.
fn active(world: &World) -> Vec<String> {
    let is_active = |employee: &Value| employee["status"] == "active";
    world
        .roster()
        .iter()
        .filter(|employee| is_active(employee))
        .map(|employee| employee["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_absent_stay_unless_the_push_says_otherwise() {
    let world = World::new();
    assert_eq!(push_to(&world, STAYS, &people(&["ada", "bob", "eve"])).counts(), [3, 0, 0, 0, 0]);
    assert_eq!(push_to(&world, STAYS, &people(&["ada", "bob"])).counts(), [0, 0, 0, 0, 2]);
    assert_eq!(push_to(&world, HIDES, &people(&["ada", "bob"])).counts(), [0, 0, 0, 1, 2]);
    assert_eq!(active(&world), ["ada", "bob"]);
    // Nobody is hidden twice, and whoever comes back is active with the very bytes of before.
    assert_eq!(push_to(&world, HIDES, &people(&["ada", "bob"])).counts(), [0, 0, 0, 0, 2]);
    assert_eq!(push_to(&world, HIDES, &people(&["ada", "bob", "eve"])).counts(), [0, 0, 1, 0, 2]);
    assert_eq!(push_to(&world, HIDES, &people(&["ada", "bob", "eve"])).counts(), [0, 0, 0, 0, 3]);
    for (query, what) in [("absent=gone", "hide or keep"), ("empty=yes", "empty")] {
        let answer = push_to(&world, &format!("/v1/employees?{query}"), &people(&["ada"]));
        assert_eq!(answer.status, 400);
        assert!(answer.message().contains(what), "{}", answer.text);
    }
}

#[test]
fn a_list_of_nobody_hides_nobody_unless_it_says_so() {
    let world = World::new();
    push_to(&world, STAYS, &people(&["ada", "bob"]));
    assert_eq!(push_to(&world, HIDES, &people(&[])).counts(), [0; 5]);
    assert_eq!(active(&world), ["ada", "bob"]);
    assert_eq!(push_to(&world, "/v1/employees?absent=hide&empty=allow", &people(&[])).counts(), [0, 0, 0, 2, 0]);
    assert!(active(&world).is_empty());
}

#[test]
fn a_profile_hides_the_absent_after_its_grace() {
    let profile = PEOPLE.replacen("name = \"People\"", "name = \"People\"\nabsent = \"hide\"\ngrace = 2", 1);
    let world = World::with(&profile, "");
    push_to(&world, STAYS, &people(&["ada", "bob"]));
    let without_bob = |counts| assert_eq!(push_to(&world, STAYS, &people(&["ada"])).counts(), counts);
    without_bob([0, 0, 0, 0, 1]);
    without_bob([0, 0, 0, 0, 1]);
    // Two in a row, then he is there: it begins anew. A push that keeps the absent does not count.
    assert_eq!(push_to(&world, STAYS, &people(&["ada", "bob"])).counts(), [0, 0, 0, 0, 2]);
    without_bob([0, 0, 0, 0, 1]);
    without_bob([0, 0, 0, 0, 1]);
    assert_eq!(push_to(&world, "/v1/employees?absent=keep", &people(&["ada"])).counts(), [0, 0, 0, 0, 1]);
    let mut world = world;
    world.stop();
    let world = world.started();
    assert_eq!(push_to(&world, STAYS, &people(&["ada"])).counts(), [0, 0, 0, 1, 1]);
    assert_eq!(active(&world), ["ada"]);
    let shown = world.get(&format!("/v1/profiles/{PROFILE}")).json();
    assert_eq!((&shown["absent"], &shown["grace"]), (&json!("hide"), &json!(2)));
}

#[test]
fn only_people_of_the_same_profile_are_absent() {
    let world = World::stopped(PEOPLE, "");
    let other = "7a0c6c0e-8a51-4f0e-9d0b-6f1f6f5a2b12";
    world.file("profiles/other.toml", PEOPLE.replace(PROFILE, other).replace("\"People\"", "\"Others\""));
    let world = world.started();
    push_to(&world, STAYS, &people(&["ada", "bob"]));
    let others = json!({ "profileId": other, "employees": people(&["eve", "kim"]) }).to_string();
    assert_eq!(world.request("POST", HIDES, Some(others.as_bytes())).counts(), [2, 0, 0, 0, 0]);
    assert_eq!(push_to(&world, HIDES, &people(&["ada"])).counts(), [0, 0, 0, 1, 1]);
    assert_eq!(active(&world), ["ada", "eve", "kim"]);
}

#[test]
fn a_file_says_what_becomes_of_the_absent() {
    let world = World::new();
    let push = |people: &[&str], args: &[&str]| {
        let rows: String = people.iter().map(|id| format!("{id},{id}\n")).collect();
        let file = world.file("team.csv", format!("id,First Name\n{rows}"));
        let pushed = world.push_file(&file, &[&["--profile", PROFILE], args].concat());
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
        String::from_utf8(pushed.stdout).unwrap()
    };
    push(&["ada", "bob", "eve"], &[]);
    push(&["ada", "bob"], &["--absent", "keep"]);
    assert_eq!(active(&world), ["ada", "bob", "eve"]);
    let plan = push(&["ada", "bob"], &["--absent", "hide", "--plan"]);
    assert!(plan.starts_with("! eve  hidden\n"), "{plan}");
    assert_eq!(active(&world), ["ada", "bob", "eve"]);
    push(&["ada", "bob"], &["--absent", "hide", "--sign", "rfc9421"]);
    assert_eq!(active(&world), ["ada", "bob"]);
    // The configuration says it for every night, and the command line for one.
    let config = world.file("push.toml", "[push]\nabsent = \"hide\"\n");
    push(&["ada"], &["--config", &config, "--absent", "keep"]);
    assert_eq!(active(&world), ["ada", "bob"]);
    push(&["ada"], &["--config", &config]);
    assert_eq!(active(&world), ["ada"]);
    push(&[], &["--absent", "hide"]);
    assert_eq!(active(&world), ["ada"]);
    push(&[], &["--absent", "hide", "--empty", "allow"]);
    assert!(active(&world).is_empty());
    for args in [["--absent", "gone"], ["--empty", "yes"]] {
        let refused = world.push_file(&world.path("team.csv"), &[&["--profile", PROFILE], &args[..]].concat());
        assert_eq!(refused.status.code(), Some(2));
    }
}

/// A token of Collaborator's for the account.
fn collaborator(world: &World) -> String {
    let mut add = rollcall();
    add.args(["key", "add", &ACCOUNT.to_string(), "--dialect", "collaborator", "--data", &world.path("data")]);
    let added = add.output().unwrap();
    serde_json::from_slice::<Value>(&added.stdout).unwrap()["token"].as_str().unwrap().to_owned()
}

/// Pushes people, by uid, as Collaborator's CSV. Returns created, updated, blocked and unblocked.
fn import(world: &World, token: &str, query: &str, uids: &[&str]) -> [u64; 4] {
    let rows: String = uids.iter().map(|uid| format!("{uid};L{uid};F{uid};;{uid};{uid}@example.com\r\n")).collect();
    let body = format!(
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nuid;secondname;firstname;patronymic;login;email\r\n{rows}\r\n--x--\r\n"
    );
    let answer = Request::new("POST", &format!("/api/v2/users-import/csv{query}"), body.as_bytes())
        .without("Date")
        .header("Authorization", &format!("Bearer {token}"))
        .header("Content-Type", "multipart/form-data; boundary=x")
        .send(world);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let json = answer.json();
    ["created_count", "updated_count", "blocked_count", "unblocked_count"].map(|name| json[name].as_u64().unwrap())
}

#[test]
fn a_list_without_statuses_brings_back_whom_absence_has_hidden_and_nobody_else() {
    let profile = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/employees.toml")).unwrap();
    let world = World::with(&profile, "");
    let token = collaborator(&world);
    let import = |query: &str, uids: &[&str]| import(&world, &token, query, uids);
    let statuses = |status: &str, uids: &[&str]| -> Value {
        uids.iter().map(|uid| json!({ "id": uid, "status": status })).collect()
    };
    assert_eq!(import("", &["1", "2", "3"]), [3, 0, 0, 0]);
    // 2 is hidden on purpose, 3 by absence.
    assert_eq!(world.push_employees(statuses("hidden", &["2"])).counts(), [0, 0, 0, 1, 0]);
    assert_eq!(import("", &["1", "2"]), [0, 0, 1, 0]);
    assert_eq!(import("", &["1", "2", "3"]), [0, 0, 0, 1]);
    assert_eq!(active(&world), ["1", "3"]);
    // Whoever was hidden by absence, and is then named as hidden, is hidden on purpose.
    assert_eq!(import("", &["1", "2"]), [0, 0, 1, 0]);
    assert_eq!(world.push_employees(statuses("hidden", &["3"])).counts(), [0, 0, 0, 0, 1]);
    assert_eq!(import("", &["1", "2", "3"]), [0, 0, 0, 0]);
    assert_eq!(active(&world), ["1"]);
    assert_eq!(import("?absent=keep", &["2"]), [0, 0, 0, 0]);
    assert_eq!(active(&world), ["1"]);
}

#[test]
fn a_plan_that_is_rebased_leaves_whom_absence_has_hidden_since() {
    let profile = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/employees.toml")).unwrap();
    let world = World::with(&profile.replacen("name = \"Employees\"", "name = \"Employees\"\ngrace = 1", 1), "");
    let token = collaborator(&world);
    let import = |uids: &[&str]| import(&world, &token, "", uids);
    assert_eq!(import(&["1", "2"]), [2, 0, 0, 0]);
    assert_eq!(import(&["1"]), [0, 0, 0, 0], "2 is missing for the first time");
    let mut list = world.roster();
    list.push(json!({ "id": "3", "status": "active", "data": [] }));
    let planned = push_to(&world, "/v1/employees?dryRun=true", &list.into());
    assert_eq!(planned.counts(), [1, 0, 0, 0, 2]);
    assert_eq!(import(&["1"]), [0, 0, 1, 0], "2 is hidden by absence");
    let plan = planned.header("location").unwrap();
    let rebased = world.request("POST", &format!("{plan}/apply?rebase=true"), Some(b""));
    assert_eq!(rebased.counts()[..4], [1, 0, 0, 0], "{}", rebased.text);
    assert_eq!(import(&["1", "2", "3"]), [0, 1, 0, 1], "2 comes back");
}

/// A profile with another id, for other employees of the account.
fn second_profile() -> String {
    PEOPLE.replace(PROFILE, OTHER).replace("\"People\"", "\"Others\"")
}

const OTHER: &str = "0e0fba23-4ea6-4d2d-a6a8-9e9b0a5a0c11";

#[cfg(unix)]
#[test]
fn employees_move_between_profiles_and_are_absent_from_the_lists_of_theirs_only() {
    let world = World::stopped(PEOPLE, "");
    world.file("profiles/others.toml", second_profile());
    let mut world = world.started();
    let push = |world: &World, path: &str, profile: &str, ids: &[&str]| {
        let body = json!({ "profileId": profile, "employees": people(ids) }).to_string();
        world.request("POST", path, Some(body.as_bytes())).counts()
    };
    assert_eq!(push(&world, HIDES, PROFILE, &["ada", "bob", "eve"]), [3, 0, 0, 0, 0]);
    assert_eq!(push(&world, HIDES, OTHER, &["kim", "lee"]), [2, 0, 0, 0, 0]);
    // Eve moves. Afterwards the lists of the first profile need not carry her, and those of the second must.
    assert_eq!(push(&world, STAYS, OTHER, &["eve"])[1..4], [1, 0, 0]);
    assert_eq!(push(&world, HIDES, PROFILE, &["ada", "bob"]), [0, 0, 0, 0, 2]);
    world.stop();
    let mut world = world.started();
    assert_eq!(push(&world, HIDES, PROFILE, &["ada", "bob"]), [0, 0, 0, 0, 2], "the stored index says the same");
    assert_eq!(push(&world, HIDES, OTHER, &["kim", "eve"])[3], 1);
    world.kill();
    let database = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    database.execute_batch("DELETE FROM index_state").unwrap();
    drop(database);
    let world = world.started();
    assert_eq!(push(&world, HIDES, PROFILE, &["ada"])[3], 1, "so does the one that is made of the rows");
    assert_eq!(active(&world), ["ada", "eve", "kim"]);
}
