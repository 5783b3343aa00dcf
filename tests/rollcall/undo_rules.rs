//! Undo and rules: what an undo would put back must be valid by the profile of today and in the roster of today.

use super::world::{Answer, PEOPLE, World, employee, run};
use serde_json::{Value, json};

fn revert(world: &World, revision: u64, anyway: &[&str]) -> Answer {
    let body = if anyway.is_empty() { String::new() } else { json!({ "override": anyway }).to_string() };
    world.request("POST", &format!("/v1/syncs/{revision}/revert"), Some(body.as_bytes()))
}

fn apply(world: &World, plan: &Answer) -> [u64; 5] {
    world.request("POST", &format!("{}/apply", plan.header("location").unwrap()), Some(b"")).counts()
}

/// The conflicts of a plan, each as `id cause field`.
fn conflicts(plan: &Answer) -> Vec<String> {
    let conflicts = plan.json()["conflicts"]["employees"].clone();
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or("-").to_owned();
    let one = |conflict: &Value| ["id", "cause", "field"].map(|name| text(conflict, name)).join(" ");
    conflicts.as_array().unwrap().iter().map(one).collect()
}

/// Puts another profile in force.
fn change_profile(world: &World, profile: &str) {
    world.file("profiles/people.toml", profile);
    let times = world.log().matches("profiles read again").count();
    world.signal("-HUP");
    while world.log().matches("profiles read again").count() == times {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

const BEFORE: &str = r#"
    [[field]]
    name = "Team"
    type = "text"
    [[field]]
    name = "Badge"
    type = "text"
    [[field]]
    name = "Since"
    type = "date"
    formats = ["dd.mm.yyyy"]
"#;
/// Team is a choice now, Badge is gone, Since has an earliest date, and Last Name is required.
const AFTER: &str = r#"
    [[field]]
    name = "Team"
    type = "choice"
    options = ["Red", "Blue"]
    [[field]]
    name = "Since"
    type = "date"
    formats = ["dd.mm.yyyy"]
    min = "2000-01-01"
"#;

#[test]
fn what_the_profile_of_today_refuses_is_not_put_back() {
    let world = World::with(&format!("{PEOPLE}{BEFORE}"), "");
    let who = |id: &str, status: &str, fields: &[(&str, &str)]| {
        employee(id, status, &[&[("First Name", "Ada")], fields].concat())
    };
    let push = |employees: Value| assert_eq!(world.push_employees(employees).status, 200);
    push(json!([
        who("1", "active", &[("Team", "green")]),
        who("2", "active", &[("Badge", "7")]),
        who("3", "active", &[("Since", "01.05.1999")]),
        who("4", "active", &[]),
        who("5", "active", &[("Team", "red"), ("Since", "01.05.2001")]),
        who("6", "active", &[("Last Name", "Byron")]),
        who("7", "hidden", &[]),
    ]));
    push(json!([
        who("1", "active", &[("Team", "Red")]),
        who("2", "active", &[]),
        who("3", "active", &[("Since", "01.05.2003")]),
        who("4", "hidden", &[]),
        who("5", "active", &[("Team", "Blue")]),
        who("6", "active", &[("Last Name", "King")]),
        who("7", "active", &[("Last Name", "Noel")]),
    ]));
    let last_name = "name = \"Last Name\"\n    type = \"text\"";
    let required = PEOPLE.replacen(last_name, &format!("{last_name}\n    required = true"), 1);
    assert_ne!(required, PEOPLE);
    change_profile(&world, &format!("{required}{AFTER}"));

    let plan = revert(&world, 2, &[]);
    let expected = ["1 options Team", "2 unknown Badge", "3 min Since", "4 required Last Name"];
    assert_eq!(
        (conflicts(&plan), plan.counts()),
        (expected.map(String::from).to_vec(), [0, 3, 0, 1, 0]),
        "{}",
        plan.text
    );
    let first = &plan.json()["conflicts"]["employees"][0];
    assert_eq!(first["fields"], json!([{ "name": "Team", "before": "Red", "after": "green" }]));
    let message = first["message"].as_str().unwrap();
    assert!(message.contains("the undo would put back") && message.contains("one of: Red, Blue"), "{message}");
    // To name them changes nothing, and the answer says so.
    let named = revert(&world, 2, &["1"]);
    assert_eq!(
        (named.status, named.message().contains("a rule of the roster or of its profile is in the way of undoing 1")),
        (400, true),
        "{}",
        named.text
    );
    let wrong = revert(&world, 2, &["5"]);
    assert!(wrong.message().contains("nothing is in the way of undoing 5"), "{}", wrong.text);
    assert_eq!(apply(&world, &plan), [0, 3, 0, 1, 0]);
    // A value has the form of today, and whoever is hidden may lack what is required.
    let data = |id: &str| world.get(&format!("/v1/employees/{id}")).text;
    assert!(data("5").contains("\"Red\"") && data("5").contains("2001-05-01"), "{}", data("5"));
    assert!(data("1").contains("\"Red\"") && data("7").contains("hidden"), "{}", data("1"));
}

#[test]
fn whoever_is_named_and_breaks_a_rule_stays_a_conflict() {
    let world = World::with(&format!("{PEOPLE}{BEFORE}"), "");
    let push = |team: &str| {
        let pushed = world.push_employees(json!([employee("1", "active", &[("First Name", "Ada"), ("Team", team)])]));
        assert_eq!(pushed.status, 200);
    };
    ["green", "Red", "Blue"].into_iter().for_each(push);
    change_profile(&world, &format!("{PEOPLE}{AFTER}"));
    assert_eq!(conflicts(&revert(&world, 2, &[])), ["1 changedSince -"]);
    assert_eq!(conflicts(&revert(&world, 2, &["1"])), ["1 options Team"]);
}

#[test]
fn a_profile_that_is_gone_puts_nothing_back() {
    let world = World::with(PEOPLE, "");
    let other = "5a0c6c0e-8a51-4f0e-9d0b-6f1f6f5a2b11";
    let profile = PEOPLE.replace("d51b5efd-fb21-4cb8-94e2-145014839465", other);
    world.file("profiles/other.toml", &profile);
    change_profile(&world, PEOPLE);
    let ada = json!([employee("1", "active", &[("First Name", "Ada")])]);
    assert_eq!(world.push(json!({ "profileId": other, "employees": ada }).to_string()).status, 200);
    world.push_employees(json!([employee("1", "active", &[("First Name", "Augusta")])]));
    assert_eq!(conflicts(&revert(&world, 2, &[])), Vec::<String>::new());
    std::fs::remove_file(world.path("profiles/other.toml")).unwrap();
    change_profile(&world, PEOPLE);
    assert_eq!(conflicts(&revert(&world, 2, &[])), ["1 profile profile"]);
}

#[test]
fn a_conflict_by_a_rule_speaks_of_the_undo() {
    let profile = PEOPLE.replacen("type = \"email\"", "type = \"email\"\nunique = true", 1);
    let manager = "[[field]]\nname = \"Manager\"\ntype = \"reference\"\nto = \"id\"\n";
    let world = World::with(&format!("{profile}{manager}"), "");
    let who = |id: &str, name: &str, value: &str| employee(id, "active", &[("First Name", id), (name, value)]);
    let push = |employees: Value| assert_eq!(world.push_employees(employees).status, 200);
    push(json!([who("1", "Email", "a@example.com"), who("2", "Email", "b@example.com")]));
    push(json!([who("1", "Email", "ada@example.com"), who("2", "Email", "bob@example.com")]));
    push(json!([who("3", "Email", "a@example.com")]));
    let plan = revert(&world, 2, &[]);
    assert_eq!(conflicts(&plan), ["1 unique Email"]);
    let says = "the employee \"3\" has by now the value that the undo would put back, and only one may have it";
    assert_eq!(plan.json()["conflicts"]["employees"][0]["message"], says);
    let printed = run(&["undo", "99", "2", "--data", &world.path("data"), "--profiles", &world.path("profiles")]);
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(printed.contains(&format!("conflict: 1: Email: {says}\n")), "{printed}");
    let named = revert(&world, 2, &["1"]);
    assert_eq!(
        (named.status, named.message().contains("naming them does not set it aside")),
        (400, true),
        "{}",
        named.text
    );
    // 4 named somebody who is nobody by now.
    push(json!([who("5", "Last Name", "Boss")]));
    push(json!([who("4", "Manager", "5")]));
    push(json!([who("4", "Manager", "3")]));
    assert_eq!(apply(&world, &revert(&world, 4, &[])), [0, 0, 0, 1, 0]);
    let plan = revert(&world, 6, &[]);
    assert_eq!(conflicts(&plan), ["4 unknown Manager"]);
    let message = plan.json()["conflicts"]["employees"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("by the undo") && !message.contains("push,"), "{message}");
}

#[test]
fn a_plan_of_an_undo_counts_people() {
    let world = World::new();
    world.push_employees(json!([employee("1", "active", &[("First Name", "Ada")])]));
    world.push_employees(json!([employee("1", "hidden", &[("First Name", "Augusta")])]));
    let plan = revert(&world, 2, &[]);
    assert_eq!(
        (plan.counts(), &plan.json()["employees"], &plan.json()["changes"]),
        ([0, 1, 1, 0, 0], &json!(1), &json!(1))
    );
    apply(&world, &plan);
    assert_eq!(world.get("/v1/syncs/3").json()["employees"], 1);
}

#[test]
fn the_command_says_why_nothing_is_undone_and_who_is_left() {
    let world = World::new();
    let who = |id: &str, name: &str| employee(id, "active", &[("First Name", name)]);
    let push = |employees: Value| assert_eq!(world.push_employees(employees).status, 200);
    push(json!([who("1", "Ada"), who("2", "Bob")]));
    push(json!([who("1", "Ada2"), who("2", "Bob2")]));
    push(json!([who("1", "Ada3")]));
    let undo = |revision: &str| {
        let args =
            ["undo", "99", revision, "--yes", "--data", &world.path("data"), "--profiles", &world.path("profiles")];
        let output = run(&args);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let (code, said) = undo("2");
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("restored 1: created 0, updated 1, activated 0, hidden 0, removed 0; in conflict 1\n"),
        "{said}"
    );
    assert!(
        said.ends_with(
            "applied as revision 4\nrollcall: the undo leaves 1 employee as it is, who is in conflict, see above\n"
        ),
        "{said}"
    );
    let (code, said) = undo("2");
    assert_eq!(
        (code, said.contains("nothing was undone: the employee is in conflict, see above")),
        (Some(1), true),
        "{said}"
    );
    push(json!([who("2", "Bob")]));
    assert_eq!(undo("5"), (Some(0), "restored 0: created 0, updated 0, activated 0, hidden 0, removed 0; in conflict 0\nrollcall: there is nothing to undo\n".into()));
    let erased = world.request("DELETE", "/v1/employees/2?erase=true", None);
    assert_eq!(erased.status, 200, "{}", erased.text);
    for revision in ["6", "4"] {
        let (code, said) = undo(revision);
        let why = "nothing was undone: the personal data of 1 employee was erased, which cannot be undone";
        assert_eq!((code, said.contains(why)), (Some(1), true), "{revision}: {said}");
    }
    assert_eq!(revert(&world, 6, &[]).json()["undo"]["erased"], 1);
}
