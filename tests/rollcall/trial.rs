//! `rollcall profile try`: what a profile would do to the employees that are stored.

use super::world::{PROFILE, World, employee, run};
use serde_json::{Value, json};
use std::process::Output;

const STORED: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "People"
    guards = { create = "off" }
    [[field]]
    name = "Name"
    type = "text"
    required = true
    [[field]]
    name = "Department"
    type = "text"
    [[field]]
    name = "Born"
    type = "date"
    formats = ["dd.mm.yyyy"]
    [[field]]
    name = "Badge"
    type = "text"
"#;

/// Sales 60, IT 25, Kitchen 15; every tenth is hidden; badges come in pairs, and some have none.
fn stored() -> World {
    let world = World::with(STORED, "");
    let person = |n: u32| {
        let department = match n % 20 {
            0..12 => "Sales",
            12..17 => "IT",
            _ => "Kitchen",
        };
        let (name, badge) = (format!("Person {n}"), format!("b{}", n / 2));
        let mut data = vec![("Name", name.as_str()), ("Department", department), ("Born", "26.07.1988")];
        if n < 50 {
            data.push(("Badge", &badge));
        }
        employee(&n.to_string(), if n % 10 == 9 { "hidden" } else { "active" }, &data)
    };
    let people: Vec<Value> = (0..100).map(person).collect();
    assert_eq!(world.push_employees(people.into()).counts(), [100, 0, 0, 0, 0]);
    world
}

fn try_it(world: &World, profile: &str, args: &[&str]) -> Output {
    let file = world.file("new.toml", profile);
    run(&[&["profile", "try", &file, "--data", &world.path("data")], args].concat())
}

fn found(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn what_is_in_force_breaks_nobody() {
    let world = stored();
    let tried = try_it(&world, STORED, &[]);
    assert!(tried.status.success(), "{tried:?}");
    assert_eq!(
        String::from_utf8(tried.stdout).unwrap(),
        "account 99: 100 employees tried: 0 would be rejected, 0 stored in another form\n"
    );
}

#[test]
fn whoever_would_be_rejected_is_told_by_field_and_rule() {
    let world = stored();
    // A choice without the kitchen, which spells IT in another way; a badge that is required, and unique.
    let choice = "type = \"choice\"\n    options = [\"Sales\", { value = \"Computers\", also = [\"IT\"] }]";
    let stricter = STORED
        .replacen("name = \"Department\"\n    type = \"text\"", &format!("name = \"Department\"\n    {choice}"), 1)
        .replacen(
            "name = \"Badge\"\n    type = \"text\"",
            "name = \"Badge\"\n    type = \"text\"\n    required = true\n    unique = true",
            1,
        );
    let tried = try_it(&world, &stricter, &["--json"]);
    assert_eq!(tried.status.code(), Some(1), "{tried:?}");
    assert!(String::from_utf8_lossy(&tried.stderr).contains("would reject employees of 1 account"));
    let pairs: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let without: Vec<String> = (50..60).map(|n| n.to_string()).collect();
    let kitchen = ["17", "18", "19", "37", "38", "39", "57", "58", "59", "77"];
    let computers = ["12", "13", "14", "15", "16", "32", "33", "34", "35", "36"];
    assert_eq!(
        found(&tried),
        [json!({
            "account": 99,
            "employees": 100,
            // The kitchen, and those without a badge: nine are both.
            "rejected": 15 + 50 - 9,
            // The computers with a badge.
            "reformed": 10,
            "breaks": [
                { "employees": 50, "active": 45, "ids": without, "field": "Badge", "rule": "required",
                  "message": "a value is required; none is stored", "already": 0 },
                { "employees": 50, "active": 45, "ids": pairs, "field": "Badge", "rule": "unique",
                  "message": "must be unique, and others have the same value", "already": 0 },
                { "employees": 15, "active": 10, "ids": kitchen, "field": "Department", "rule": "options",
                  "message": "must be one of: Sales, Computers", "already": 0,
                  "lacking": [{ "value": "Kitchen", "employees": 15 }], "others": 0 },
            ],
            "forms": [{ "employees": 25, "active": 25, "ids": computers, "field": "Department" }],
        })]
    );
    // The same for people.
    let told = String::from_utf8(try_it(&world, &stricter, &["99"]).stdout).unwrap();
    for line in [
        "account 99: 100 employees tried: 56 would be rejected, 10 stored in another form",
        "    Department [options]: 15 employees (10 active): must be one of: Sales, Computers",
        "        17, 18, 19, 37, 38, 39, 57, 58, 59, 77, …",
        "        values that the choice lacks: \"Kitchen\" 15",
        "    Department: stored in another form: 25 employees (25 active)",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}:\n{told}");
    }
    // Nothing was changed: not the roster, nor what is in force.
    assert_eq!(world.get(&format!("/v1/profiles/{PROFILE}")).header("etag").as_deref(), Some("\"1\""));
    assert_eq!(world.get("/v1/syncs").json()["syncs"].as_array().unwrap().len(), 1);
    // What a trial says is what the next push of the same people gets.
    let put = run(&[
        "profile",
        "put",
        &world.file("new.toml", &stricter),
        "--data",
        &world.path("data"),
        "--profiles",
        &world.path("profiles"),
    ]);
    assert!(put.status.success(), "{put:?}");
    let people = world.roster();
    let rejected = world.push_employees(people.into());
    assert_eq!(rejected.status, 400);
    let causes = rejected.json()["causes"].clone();
    let count = |field: &str, rule: &str| {
        let mut causes = causes.as_array().unwrap().iter();
        causes.find(|cause| cause["field"] == field && cause["rule"] == rule).map(|cause| cause["count"].clone())
    };
    assert_eq!(count("Department", "options"), Some(json!(15)), "{causes}");
    assert_eq!(count("Badge", "required"), Some(json!(50)), "{causes}");
    // And a trial of what is in force by now says that it is so already.
    let again = found(&try_it(&world, &stricter, &["--json"]));
    let already: Vec<&Value> = again[0]["breaks"].as_array().unwrap().iter().map(|broken| &broken["already"]).collect();
    assert_eq!(already[..], [&json!(50), &json!(15)], "a field that is unique as it was is not compared");
}

#[test]
fn fields_that_go_and_bounds_that_move_are_told() {
    let world = stored();
    let other = STORED
        .replacen("name = \"Badge\"", "name = \"Pass\"", 1)
        .replacen("formats = [\"dd.mm.yyyy\"]", "formats = [\"mm/dd/yyyy\"]\n    max = \"1980-01-01\"", 1)
        .replacen("required = true", "required = true\n    case = \"upper\"", 1);
    let tried = found(&try_it(&world, &other, &["--json"])).remove(0);
    let breaks: Vec<String> = tried["breaks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|broken| {
            format!(
                "{} {} {}",
                broken["field"].as_str().unwrap(),
                broken["rule"].as_str().unwrap(),
                broken["employees"]
            )
        })
        .collect();
    // Dates are stored in one form, whatever formats they may be pushed in.
    assert_eq!(breaks, ["Badge unknown 50", "Born max 100"]);
    assert_eq!((&tried["forms"][0]["field"], &tried["forms"][0]["employees"]), (&json!("Name"), &json!(100)));
    assert_eq!((&tried["rejected"], &tried["reformed"]), (&json!(100), &json!(0)));
}

#[test]
fn a_profile_is_tried_on_the_accounts_that_may_use_it() {
    let world = stored();
    world.add_account(98, "the secret of another account, long enough");
    let accounts = |profile: &str, args: &[&str]| -> Vec<Value> {
        let tried = found(&try_it(&world, profile, &[&["--json"], args].concat()));
        tried.iter().map(|tried| json!([tried["account"], tried["employees"]])).collect()
    };
    assert_eq!(accounts(STORED, &[]), [json!([98, 0]), json!([99, 100])]);
    assert_eq!(accounts(STORED, &["99"]), [json!([99, 100])]);
    let of_99 = STORED.replacen("name = \"People\"", "name = \"People\"\naccounts = [99]", 1);
    assert_eq!(accounts(&of_99, &[]), [json!([99, 100])]);
    let refused = try_it(&world, &of_99, &["98"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8(refused.stderr).unwrap().contains("accounts = [99], and 98 is none of them"));
    assert_eq!(try_it(&world, STORED, &["97"]).status.code(), Some(1));
    // A profile that nobody has yet is tried on everybody, one that somebody has on those who have it.
    let new = STORED.replace(PROFILE, "33333333-3333-3333-3333-333333333333");
    assert_eq!(accounts(&new, &["99"]), [json!([99, 100])]);
    world.file("profiles/new.toml", &new);
    world.signal("-HUP");
    world.wait_for_log("profile added");
    let body = json!({ "profileId": "33333333-3333-3333-3333-333333333333", "employees": [employee("n", "active", &[("Name", "New")])] });
    assert_eq!(world.push(body.to_string()).counts(), [1, 0, 0, 0, 0]);
    assert_eq!(accounts(&new, &["99"]), [json!([99, 1])]);
    assert_eq!(accounts(STORED, &["99"]), [json!([99, 100])]);
    // A wrong one is not tried.
    let wrong = try_it(&world, &STORED.replace("\"date\"", "\"dates\""), &[]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("new.toml:14: "), "the line is told");
}
