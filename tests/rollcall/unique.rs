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
    assert!(!twice.message().contains("rename"), "{}", twice.text);
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
    assert!(taken.message().contains("if both are one person, rename that one first"), "{}", taken.text);
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

/// Whoever is carried twice decides nothing about others, whether one of the two is recognised by its bytes or not.
#[test]
fn what_is_said_of_others_does_not_depend_on_who_is_recognised() {
    let managers =
        "[[field]]\nname = \"Manager\"\ntype = \"reference\"\nto = \"Badge\"\nactive = true\nacyclic = true\n";
    let person = |id: &str, status: &str, badge: &str, manager: &str| {
        employee(id, status, &[("Badge", badge), ("Manager", manager)]).to_string()
    };
    let a = person("a", "active", "1", "");
    let stored = [a.clone(), person("b", "active", "2", ""), person("c", "active", "3", "")];
    let list = |people: &[String]| format!("{{\"profileId\":\"{PROFILE}\",\"employees\":[{}]}}", people.join(","));
    for (changed, others) in [
        // Another wants the badge that one of the two has.
        (person("a", "active", "9", ""), vec![person("d", "active", "9", "")]),
        (person("a", "active", "9", ""), vec![person("d", "active", "1", "")]),
        // Another names one of the two, who is hidden, has another badge, or closes a circle.
        (person("a", "hidden", "1", ""), vec![person("d", "active", "4", "1")]),
        (person("a", "active", "9", ""), vec![person("d", "active", "4", "9")]),
        (person("a", "active", "9", ""), vec![person("d", "active", "4", "1")]),
        (person("a", "active", "1", "2"), vec![person("b", "active", "2", "1")]),
        (person("a", "active", "1", "2"), vec![person("b", "active", "2", "3"), person("c", "active", "3", "1")]),
    ] {
        // The bytes of the second are those that were stored, or others that say the same.
        let answers = [&a, &a.replacen('{', "{ ", 1)].map(|second| {
            let world = World::with(&format!("{UNIQUE}{managers}"), "");
            assert_eq!(world.push(list(&stored)).counts(), [3, 0, 0, 0, 0]);
            let people = [std::slice::from_ref(&changed), &others, std::slice::from_ref(second)].concat();
            let first = world.push(list(&people));
            let people = [&people[..], std::slice::from_ref(&changed), std::slice::from_ref(second)].concat();
            let four_times = world.push(list(&people));
            assert_eq!((first.status, four_times.status), (400, 400), "{}", first.text);
            (first.text, four_times.text)
        });
        assert_eq!(answers[0], answers[1], "{changed}");
    }
}
