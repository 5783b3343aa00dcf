//! Uniqueness over the whole roster, whatever the order of the rows.

use super::world::{PROFILE, World, employee};
use serde_json::{Value, json};

const UNIQUE: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Unique"
    [[field]]
    name = "Badge"
    type = "number"
    unique = true
    [[field]]
    name = "Email"
    type = "email"
    unique = "active"
    [[field]]
    name = "Name"
    type = "text"
"#;

fn badge(id: &str, status: &str, badge: &str) -> Value {
    employee(id, status, &[("Badge", badge)])
}

fn email(id: &str, status: &str, email: &str) -> Value {
    employee(id, status, &[("Email", email)])
}

#[test]
fn within_a_push_and_against_the_stored() {
    let world = World::with(UNIQUE, "");
    let twice = world.push_employees(json!([badge("a", "active", "7"), badge("b", "hidden", "07.0")]));
    assert_eq!(twice.errors(), ["1 b Badge unique"]);
    assert!(twice.message().contains("\"a\" of this push has the same value"), "{}", twice.text);
    assert!(twice.message().ends_with("(the other is at index 0)"), "{}", twice.text);
    assert_eq!(twice.json()["errors"][0]["otherIndex"], 0);
    assert!(world.roster().is_empty());

    assert_eq!(
        world.push_employees(json!([badge("a", "active", "7"), badge("b", "active", "8")])).counts(),
        [2, 0, 0, 0, 0]
    );
    let taken = world.push_employees(json!([badge("c", "active", "7")]));
    assert_eq!(taken.errors(), ["0 c Badge unique"]);
    assert_eq!(taken.json()["errors"][0].get("otherIndex"), None, "who is stored has no index");
    assert!(taken.message().contains("the stored employee \"a\", who is not in this push"), "{}", taken.text);
    let changed = world.push_employees(json!([badge("b", "active", "7")]));
    assert_eq!(changed.errors(), ["0 b Badge unique"]);
    assert_eq!(
        world.push_employees(json!([badge("a", "active", "7"), badge("b", "active", "7")])).errors(),
        ["1 b Badge unique"]
    );
}

#[test]
fn two_may_swap_and_one_may_take_what_another_gives_up() {
    let world = World::with(UNIQUE, "");
    let before = json!([badge("a", "active", "1"), badge("b", "active", "2"), badge("c", "active", "3")]);
    assert_eq!(world.push_employees(before).counts(), [3, 0, 0, 0, 0]);
    let rotated = json!([badge("a", "active", "2"), badge("b", "active", "3"), badge("c", "active", "1")]);
    assert_eq!(world.push_employees(rotated).counts(), [0, 3, 0, 0, 0]);
    // The new holder stands before the one who gives up.
    let taken = json!([badge("d", "active", "1"), badge("c", "active", "")]);
    assert_eq!(world.push_employees(taken).counts(), [1, 1, 0, 0, 0]);
    assert_eq!(world.push_employees(json!([badge("e", "active", "1")])).errors(), ["0 e Badge unique"]);
}

#[test]
fn among_the_active_only() {
    let world = World::with(UNIQUE, "");
    let two = json!([email("old", "hidden", "ada@example.com"), email("new", "active", "Ada@Example.com")]);
    assert_eq!(world.push_employees(two).counts(), [2, 0, 0, 0, 0]);
    // The leaver comes back, while the address is another's.
    assert_eq!(
        world.push_employees(json!([email("old", "active", "ada@example.com")])).errors(),
        ["0 old Email unique"]
    );
    // In one push the one goes and the other comes back, in either order of the rows, also as a bare leaver.
    let back = json!([email("old", "active", "ada@example.com"), { "id": "new", "status": "hidden" }]);
    assert_eq!(world.push_employees(back).counts(), [0, 0, 1, 1, 0]);
    assert_eq!(
        world.push_employees(json!([email("third", "active", "ada@example.com")])).errors(),
        ["0 third Email unique"]
    );
    let again = json!([{ "id": "old", "status": "hidden" }, email("third", "active", "ada@example.com")]);
    assert_eq!(world.push_employees(again).counts(), [1, 0, 0, 1, 0]);
}

#[test]
fn an_employee_that_is_rejected_takes_nothing_from_another() {
    let world = World::with(UNIQUE, "");
    assert_eq!(world.push_employees(json!([badge("a", "active", "1")])).counts(), [1, 0, 0, 0, 0]);
    let answer = world.push_employees(json!([badge("a", "active", "one"), badge("b", "active", "1")]));
    assert_eq!(answer.errors(), ["0 a Badge number"], "whether b may have it depends on what a should have been");
}

#[test]
fn a_rule_that_is_new_holds_for_those_stored_before() {
    let world = World::with(&UNIQUE.replace("unique = true", ""), "");
    let two = json!([badge("a", "active", "1"), badge("b", "active", "1"), badge("c", "active", "2")]);
    assert_eq!(world.push_employees(two.clone()).counts(), [3, 0, 0, 0, 0]);
    world.file("profiles/people.toml", UNIQUE);
    world.signal("-HUP");
    world.wait_for_log("profiles read again");
    let told = world.push_employees(two);
    assert_eq!(told.errors(), ["1 b Badge unique"]);
    let not_pushed = world.push_employees(json!([badge("c", "active", "2")]));
    assert_eq!(not_pushed.errors(), ["- b Badge unique"], "two that the push does not carry break the rule");
    assert_eq!(world.push_employees(json!([badge("b", "active", "3")])).counts(), [0, 1, 0, 0, 0]);
    assert_eq!(world.push_employees(json!([badge("d", "active", "1")])).errors(), ["0 d Badge unique"]);
}

#[test]
fn many_with_the_same_value_are_counted() {
    let world = World::with(UNIQUE, "");
    let all: Vec<_> = (0..3_000).map(|n| badge(&n.to_string(), "active", "1")).collect();
    let answer = world.push(json!({ "profileId": PROFILE, "employees": all }).to_string());
    assert_eq!((answer.json()["errorCount"].as_u64(), answer.errors().len()), (Some(2_999), 1_000));
    assert_eq!(answer.errors()[0], "1 1 Badge unique");
}
