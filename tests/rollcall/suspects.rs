//! Suspects: what in a push looks odd is told, and changes nothing.

use super::world::{Answer, PROFILE, World, employee, rollcall};
use serde_json::{Value, json};

const HIDES: &str = "/v1/employees?absent=hide";

/// People are told by their names and their date of birth, and only the active have an address of their own.
const STAFF: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Staff"
    same_person = ["First Name", "Last Name", "Born"]
    guards = { update = "off", create = "off", empty = "off", hide = "off", activate = "off", swap = "off", unique = "off" }
    [[field]]
    name = "First Name"
    type = "text"
    [[field]]
    name = "Last Name"
    type = "text"
    [[field]]
    name = "Born"
    type = "date"
    [[field]]
    name = "Email"
    type = "email"
    unique = "active"
"#;

fn born(id: &str, first: &str, date: &str) -> Value {
    employee(id, "active", &[("First Name", first), ("Last Name", "L"), ("Born", date)])
}

fn mailed(id: &str, first: &str, email: &str) -> Value {
    employee(id, "active", &[("First Name", first), ("Email", email)])
}

fn push_to(world: &World, path: &str, employees: &Value) -> Answer {
    let body = json!({ "profileId": PROFILE, "employees": employees }).to_string();
    world.request("POST", path, Some(body.as_bytes()))
}

#[track_caller]
fn told(answer: &Answer) -> Option<String> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("rollcall-suspects")
}

/// What is suspect in the sync that made a revision.
fn suspects(world: &World, revision: u64) -> Value {
    let sync = world.get(&format!("/v1/syncs/{revision}"));
    assert_eq!(sync.status, 200, "{}", sync.text);
    sync.json()["suspects"].clone()
}

fn none() -> Value {
    let none = json!({ "count": 0, "first": [] });
    json!({ "count": 0, "samePerson": none, "flapping": none, "emptyShare": none, "movedValue": none, "notLookedAt": 0 })
}

fn program(world: &World, args: &[&str]) -> String {
    let mut command = rollcall();
    command.args(args).args(["--data", &world.path("data")]);
    let ran = command.env("ROLLCALL_PROFILES", world.path("profiles")).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn a_missing_and_a_new_person_who_look_the_same_are_told_with_what_accepts_it() {
    let world = World::with(STAFF, "");
    let first = json!([
        born("1", "Ada", "1815-12-10"),
        mailed("it's", "Bob", "bob@example.com"),
        born("3", "Cy", "1990-01-01")
    ]);
    assert_eq!(told(&push_to(&world, HIDES, &first)), None);
    assert_eq!(suspects(&world, 1), none());
    // Somebody with another date of birth is somebody else.
    let second = json!([
        born("X1", "Ada", "1815-12-10"),
        mailed("X2", "Robert", "bob@example.com"),
        born("X3", "Cy", "1991-01-01")
    ]);
    let dry = push_to(&world, "/v1/employees?absent=hide&dryRun=true", &second);
    assert_eq!(told(&dry).unwrap(), "2;same-person=2");
    let location = dry.header("location").unwrap();
    let mut expected = none();
    expected["count"] = json!(2);
    expected["samePerson"] = json!({ "count": 2, "first": [
        { "missing": "1", "new": "X1", "by": ["First Name", "Last Name", "Born"], "rename": "/v1/employees/1/rename" },
        { "missing": "it's", "new": "X2", "by": ["Email"], "rename": "/v1/employees/it%27s/rename" },
    ] });
    assert_eq!(world.get(&location).json()["suspects"], expected);
    let plan = location.rsplit('/').next().unwrap();
    let shown = program(&world, &["plan", "show", "99", plan]);
    assert!(shown.contains("1 is gone and X1 is new, and both have the same First Name, Last Name, Born"), "{shown}");
    assert!(shown.contains("\n    rollcall rename 99 1 X1\n"), "{shown}");
    let applied = world.request("POST", &format!("{location}/apply"), Some(b""));
    assert_eq!(told(&applied).unwrap(), "2;same-person=2");
    assert_eq!(suspects(&world, 2), expected);
    let shown = program(&world, &["show", "99", "2"]);
    assert!(shown.contains("    rollcall rename 99 'it'\\''s' X2\n"), "{shown}");
    // Nothing was changed by them.
    assert_eq!(applied.counts(), [3, 0, 0, 3, 0]);
    // The two are suspects of each other, so nobody needs to insist; and what nobody changes is not suspect again.
    let body = json!({ "id": "X1" }).to_string();
    assert_eq!(world.request("POST", "/v1/employees/1/rename", Some(body.as_bytes())).status, 200);
    assert_eq!(told(&push_to(&world, HIDES, &second)), None);
    assert_eq!(suspects(&world, 4), none());
}

#[test]
fn the_client_tells_how_many_suspects_there_are_and_where_to_look() {
    let world = World::with(&STAFF.replace(r#"hide = "off""#, "hide = { people = 0, percent = 0 }"), "");
    let list = |mails: [&str; 2]| format!("id,Email\nX1,{}\nX2,{}\n", mails[0], mails[1]);
    let push = |csv: &str, args: &[&str]| {
        let file = world.file("list.csv", csv);
        let pushed = world.push_file(&file, &[&["--profile", PROFILE], args].concat());
        (pushed.status.code().unwrap(), String::from_utf8(pushed.stderr).unwrap())
    };
    assert_eq!(push(&list(["a@example.com", "b@example.com"]), &[]), (0, String::new()));
    let (code, told) = push(&list(["b@example.com", "a@example.com"]), &[]);
    let expected = "suspect: moved-value, 2 times: a unique value went to somebody else\n\
                    suspects are listed by GET /v1/syncs/2 or `rollcall show 99 2`\n";
    assert_eq!((code, &*told), (0, expected));
    // A push that is held says it, too.
    let (code, told) = push("id,Email\nX3,a@example.com\n", &["--absent", "hide"]);
    let location = world.get("/v1/plans").json()["plans"][0]["id"].as_str().unwrap().to_owned();
    let expected = format!(
        "suspect: same-person, once: somebody who is missing and somebody new may be one person\n\
         suspects are listed by GET /v1/plans/{location} or `rollcall plan show 99 {location}`\n"
    );
    assert_eq!((code, told.split_inclusive('\n').take(2).collect::<String>()), (3, expected), "{told}");
    let body = json!({ "profileId": PROFILE, "employees": [mailed("X3", "", "a@example.com")] }).to_string();
    let held = world.request("POST", HIDES, Some(body.as_bytes()));
    assert_eq!((held.status, held.header("rollcall-suspects")), (409, Some("1;same-person=1".into())));
}

#[test]
fn who_is_missing_for_the_first_time_is_compared_as_well() {
    let grace = STAFF.replace("guards =", "absent = \"hide\"\n    grace = 1\n    guards =");
    let world = World::with(&grace, "");
    push_to(&world, "/v1/employees", &json!([born("1", "Ada", "1815-12-10"), mailed("2", "Bob", "bob@example.com")]));
    let bob = mailed("2", "Bob", "bob@example.com");
    let second = push_to(&world, "/v1/employees", &json!([bob, born("X1", "Ada", "1815-12-10")]));
    assert_eq!((told(&second).unwrap(), second.counts()), ("1;same-person=1".into(), [1, 0, 0, 0, 1]));
    assert_eq!(suspects(&world, 2)["samePerson"]["first"][0]["missing"], "1");
    // Of two active people who are told by the same, one may have gone.
    let body = json!({ "id": "X1" }).to_string();
    assert_eq!(world.request("POST", "/v1/employees/1/rename", Some(body.as_bytes())).status, 200);
}

#[test]
fn a_status_that_flaps_is_told_from_the_third_time_on() {
    let world = World::with(STAFF, "");
    let push = |status: &str| {
        told(&push_to(&world, "/v1/employees", &json!([employee("1", status, &[]), employee("2", "active", &[])])))
    };
    assert_eq!((push("active"), push("hidden"), push("active")), (None, None, None));
    assert_eq!(push("hidden").unwrap(), "1;flapping=1");
    assert_eq!(suspects(&world, 4)["flapping"], json!({ "count": 1, "first": [{ "id": "1", "times": 3 }] }));
    assert_eq!(push("hidden"), None);
    assert_eq!(push("active").unwrap(), "1;flapping=1");
    assert_eq!(suspects(&world, 6)["flapping"]["first"][0]["times"], 4);
    assert!(program(&world, &["show", "99", "6"]).contains("suspect: the status of 1 changed 4 times in 30 days"));
    // What is longer ago does not count.
    let file = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    file.execute("UPDATE sync SET finished_at = '2020-01-01T00:00:00Z' WHERE revision < 6", []).unwrap();
    assert_eq!(push("hidden"), None);
}

#[test]
fn a_field_that_is_empty_more_often_is_told() {
    let world = World::with(STAFF, "");
    let people = |mailed_of_40: usize| -> Value {
        let person = |n: usize| {
            if n < mailed_of_40 {
                mailed(&n.to_string(), "N", &format!("{n}@example.com"))
            } else {
                employee(&n.to_string(), "active", &[("First Name", "N")])
            }
        };
        (0..40).map(person).collect()
    };
    assert_eq!(told(&push_to(&world, HIDES, &people(40))), None);
    assert_eq!(told(&push_to(&world, HIDES, &people(38))), None);
    assert_eq!(told(&push_to(&world, HIDES, &people(35))).unwrap(), "1;empty-share=1");
    let (before, after) = (json!({ "empty": 2, "of": 40 }), json!({ "empty": 5, "of": 40 }));
    let expected = json!({ "count": 1, "first": [{ "field": "Email", "before": before, "after": after }] });
    assert_eq!(suspects(&world, 3)["emptyShare"], expected);
    let shown = program(&world, &["show", "99", "3"]);
    assert!(shown.contains("suspect: Email was empty for 5 % of all employees, and then for 12 %"), "{shown}");
    assert_eq!(told(&push_to(&world, HIDES, &people(40))).unwrap(), "1;empty-share=1");
}

#[test]
fn a_unique_value_that_went_to_somebody_else_is_told_without_the_value() {
    let world = World::with(STAFF, "");
    let of = |one: &str, other: &str| json!([mailed("1", "Ada", one), mailed("2", "Bob", other)]);
    push_to(&world, "/v1/employees", &of("a@example.com", "b@example.com"));
    let swapped = push_to(&world, "/v1/employees", &of("b@example.com", "a@example.com"));
    assert_eq!(told(&swapped).unwrap(), "2;moved-value=2");
    let moved = |field: &str, from: &str, to: &str| json!({ "field": field, "from": from, "to": to });
    let mut first = suspects(&world, 2)["movedValue"]["first"].as_array().unwrap().clone();
    first.sort_by_key(|one| one["from"].as_str().unwrap().to_owned());
    assert_eq!(first, [moved("Email", "1", "2"), moved("Email", "2", "1")]);
    // A leaver's address goes to a new colleague a night later.
    push_to(&world, "/v1/employees", &json!([employee("1", "hidden", &[])]));
    let later = push_to(&world, "/v1/employees", &json!([mailed("3", "Cy", "b@example.com")]));
    assert_eq!(told(&later).unwrap(), "1;moved-value=1");
    assert_eq!(suspects(&world, 4)["movedValue"]["first"], json!([moved("Email", "1", "3")]));
    let shown = program(&world, &["show", "99", "4"]);
    assert!(shown.contains("suspect: the Email that 1 had went to 3") && !shown.contains('@'), "{shown}");
    // Whoever comes back to an address of their own is no suspect.
    push_to(&world, "/v1/employees", &json!([employee("2", "hidden", &[])]));
    assert_eq!(told(&push_to(&world, "/v1/employees", &json!([mailed("2", "Bob", "a@example.com")]))), None);
}

#[test]
fn a_push_that_comes_again_tells_the_same() {
    let world = World::with(STAFF, "");
    push_to(&world, HIDES, &json!([born("1", "Ada", "1815-12-10"), born("2", "Bob", "1815-12-10")]));
    let body =
        json!({ "profileId": PROFILE, "employees": [born("X1", "Ada", "1815-12-10"), born("2", "Bob", "1815-12-10")] });
    let push = || {
        let request = super::world::Request::new("POST", HIDES, body.to_string().as_bytes());
        request.header("Idempotency-Key", "night").send(&world)
    };
    assert_eq!(told(&push()).unwrap(), "1;same-person=1");
    let again = push();
    assert_eq!(told(&again).unwrap(), "1;same-person=1");
    assert_eq!(again.header("idempotent-replayed").unwrap(), "true");
}

#[test]
fn a_profile_that_names_no_two_fields_is_refused() {
    let world = World::stopped(STAFF, "");
    for (names, message) in [
        (r#"["Born"]"#, "same_person must name two fields or more"),
        (r#"["Born", "Name"]"#, "there is no field \"Name\""),
        (r#"["Born", "Born"]"#, "\"Born\" appears twice"),
        (r#""Born""#, "same_person"),
    ] {
        let profile = STAFF.replace(r#"["First Name", "Last Name", "Born"]"#, names);
        let file = world.file("bad.toml", profile);
        let checked = super::world::run(&["profile", "check", &file]);
        let printed = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
        assert!(!checked.status.success() && printed.contains(message) && printed.contains("bad.toml:4:"), "{printed}");
    }
}
