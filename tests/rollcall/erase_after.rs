//! What has to hold after somebody was erased: for whoever follows the feed, and for backups from before a history was trimmed.

use super::erase::{EVERYTHING, ada, erase, found, others, traces};
use super::files::command;
use super::trim::aged;
use super::world::{PEOPLE, PROFILE, World, employee};
use serde_json::{Value, json};

/// Reads the feed from a place, in pages of one change. Returns the id and the kinds of each.
fn followed(world: &World, mut cursor: String) -> Vec<Value> {
    let mut changes = Vec::new();
    loop {
        let page = world.get(&format!("/v1/changes?limit=1&after={cursor}"));
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        changes.extend(page["changes"].as_array().unwrap().iter().map(|change| json!([change["id"], change["kinds"]])));
        page["cursor"].as_str().unwrap().clone_into(&mut cursor);
        if page["more"] == false {
            return changes;
        }
    }
}

#[test]
fn a_follower_never_keeps_somebody_who_was_erased() {
    let world = World::with(EVERYTHING, "");
    let mut mailed = ada("active", 0);
    mailed["id"] = json!("zibblewick0@quorndon.example");
    assert_eq!(world.push_employees(json!([others(2)[0], others(2)[1], mailed])).status, 200);
    let cursor = || world.get("/v1/employees.ndjson").header("Rollcall-Cursor").unwrap();
    // An id that says nothing stays, so the feed says whom to remove.
    let before = cursor();
    assert_eq!(erase(&world, "1").status, 200);
    assert_eq!(followed(&world, before), [json!(["1", ["hidden", "removed"]])]);

    // An address goes as well, and no change can name who has gone.
    let before = cursor();
    assert_eq!(erase(&world, "zibblewick0@quorndon.example").status, 200);
    let refused = world.get(&format!("/v1/changes?after={before}"));
    let told = "revision 3 has erased somebody whose id the history does not have any more";
    assert!(refused.status == 410 && refused.message().starts_with(told), "{}", refused.text);
    assert!(refused.message().contains("take an export anew, forget whoever is not in it"), "{}", refused.text);
    assert_eq!(followed(&world, cursor()), Vec::<Value>::new());
    // Who begins now knows nobody by the address.
    let all = followed(&world, String::new());
    let gone = "erased-3";
    let created = |id: &str| json!([id, ["created"]]);
    let removed = |id: &str| json!([id, ["hidden", "removed"]]);
    assert_eq!(all, [created("0"), created("1"), created(gone), removed("1"), removed(gone)]);
    let then = world.get("/v1/employees.ndjson?at=1").header("Rollcall-Cursor").unwrap();
    assert_eq!(followed(&world, then).len(), 2);
    // Whoever waits is told as well, also after a restart.
    let mut world = world;
    world.stop();
    let world = world.started();
    assert_eq!(world.get(&format!("/v1/changes?wait=1&after={before}")).status, 410);
}

#[test]
fn a_backup_from_before_a_rename_that_was_trimmed_brings_nobody_back() {
    let world = World::with(EVERYTHING, "");
    let data = world.folder.path().join("data");
    assert_eq!(world.push_employees([others(20), vec![ada("active", 0)]].concat().into()).status, 200);
    let early = world.path("early");
    command(&world, &["backup", &early], 0);
    let renamed = world.request("POST", "/v1/employees/4711/rename", Some(br#"{"id": "A1"}"#));
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    assert_eq!(world.push_employees(others(20).into()).status, 200);
    let world = aged(world, 3, 500);
    world.wait_for_log("old history removed");
    assert_eq!(world.get("/v1/employees/4711/history").status, 404, "nobody knows the former id any more");
    let late = world.path("late");
    command(&world, &["backup", &late], 0);

    assert_eq!(erase(&world, "A1").status, 200);
    for backup in [&early, &late] {
        let told = command(&world, &["restore", backup, "99", "--replace"], 0);
        assert!(told.contains("1 who were erased since are erased from it"), "{told}");
        assert_eq!((found(&data, &traces()), world.roster().len()), (Vec::<String>::new(), 20));
        command(&world, &["account", "check", "99"], 0);
    }
}

#[test]
fn who_was_hidden_by_absence_before_the_history_starts_is_hidden_by_absence_after_an_undo() {
    let world = World::with(&PEOPLE.replacen("name = \"People\"", "name = \"People\"\nabsent = \"hide\"", 1), "");
    let named = |id: &str| employee(id, "active", &[("First Name", "Ada")]);
    let push = |world: &World, ids: &[&str]| {
        let employees: Vec<Value> = ids.iter().map(|id| named(id)).collect();
        let body = json!({ "profileId": PROFILE, "employees": employees }).to_string();
        assert_eq!(world.request("POST", "/v1/employees", Some(body.as_bytes())).status, 200);
    };
    push(&world, &["1", "2"]);
    push(&world, &["1"]);
    push(&world, &["1"]);
    let world = aged(world, 3, 500);
    world.wait_for_log("old history removed");
    push(&world, &["1", "2"]);
    let missing = || world.get("/v1/employees/2/export").json()["missingFromLists"].clone();
    assert_eq!(missing(), Value::Null);
    let plan = world.request("POST", "/v1/syncs/4/revert", Some(b""));
    assert_eq!(plan.status, 200, "{}", plan.text);
    let apply = format!("{}/apply", plan.header("location").unwrap());
    assert_eq!(world.request("POST", &apply, Some(b"")).status, 200);
    assert_eq!(
        (world.get("/v1/employees/2").json()["status"].clone(), missing()),
        (json!("hidden"), json!({ "lists": 1, "hidden": true }))
    );
    command(&world, &["account", "check", "99"], 0);
}
