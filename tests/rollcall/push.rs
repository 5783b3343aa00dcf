//! What a push means.

use super::world::{PROFILE, World, employee};
use serde_json::json;

/// The documented request, byte for byte.
const EXAMPLE: &str = r#"{
  "profileId": "d51b5efd-fb21-4cb8-94e2-145014839465",
  "employees": [
    {
      "id": "830507",
      "status": "active",
      "data": [
        {
          "name": "First Name",
          "value": "John"
        },
        {
          "name": "Last Name",
          "value": "Snow"
        },
        {
          "name": "Email",
          "value": "john.snow@gmail.com"
        }
      ]
    },
    {
      "id": "831411",
      "status": "hidden",
      "data": [
        {
          "name": "First Name",
          "value": "Charles"
        },
        {
          "name": "Last Name",
          "value": "Dickens"
        },
        {
          "name": "Email",
          "value": "dickens@hotmail.com"
        }
      ]
    }
  ]
}"#;

#[test]
fn the_documented_example_gets_the_documented_answer() {
    let world = World::with(rollcall::sample::PROFILE_TOML, "");
    let answer = world.push(EXAMPLE);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type").unwrap(), "application/json; charset=utf-8");
    assert_eq!(answer.header("content-length").unwrap(), "162");
    assert_eq!(answer.header("rollcall-revision").unwrap(), "1");
    assert_eq!(
        answer.text,
        "{\n  \"employeesCreated\": 2,\n  \"employeesDataUpdated\": 0,\n  \"employeesStatusChangedToActive\": 0,\n  \
         \"employeesStatusChangedToHidden\": 0,\n  \"employeesNotChanged\": 0\n}"
    );
    assert_eq!(world.push(EXAMPLE).counts(), [0, 0, 0, 0, 2]);
    let john = world.get("/v1/employees/830507").json();
    let data = json!([
        {"name": "First Name", "value": "John"},
        {"name": "Last Name", "value": "Snow"},
        {"name": "Email", "value": "john.snow@gmail.com"}
    ]);
    assert_eq!(john, json!({ "id": "830507", "status": "active", "profileId": PROFILE, "data": data }));
}

#[test]
fn each_count_counts_what_it_says() {
    let world = World::new();
    let name = |name| [("First Name", name)];
    let before = [("a", "active"), ("b", "active"), ("c", "hidden"), ("d", "active"), ("e", "active"), ("f", "hidden")];
    let before = before.map(|(id, status)| employee(id, status, &name("old")));
    assert_eq!(world.push_employees(json!(before)).counts(), [6, 0, 0, 0, 0]);
    let after = json!([
        employee("a", "active", &name("old")),
        employee("b", "active", &name("new")),
        employee("c", "active", &name("old")),
        employee("d", "hidden", &name("old")),
        employee("e", "hidden", &name("new")),
        employee("g", "hidden", &name("new")),
    ]);
    assert_eq!(world.push_employees(after.clone()).counts(), [1, 2, 1, 2, 1]);
    assert_eq!(world.push_employees(after).counts(), [0, 0, 0, 0, 6]);
    let roster: Vec<String> = world
        .roster()
        .iter()
        .map(|employee| format!("{} {} {}", employee["id"], employee["status"], employee["data"][0]["value"]))
        .collect();
    assert_eq!(
        roster,
        [
            r#""a" "active" "old""#,
            r#""b" "active" "new""#,
            r#""c" "active" "old""#,
            r#""d" "hidden" "old""#,
            r#""e" "hidden" "new""#,
            r#""f" "hidden" "old""#,
            r#""g" "hidden" "new""#
        ],
        "f was not in the push and stays"
    );
}

#[test]
fn the_pushed_data_is_the_whole_of_it() {
    let world = World::new();
    let full = [("First Name", "Ada"), ("Last Name", "Lovelace")];
    assert_eq!(world.push_employees(json!([employee("1", "active", &full)])).counts(), [1, 0, 0, 0, 0]);
    // Other order, other spaces, an empty value, and a null: the same.
    let body = format!(
        r#"{{"Employees": [ {{"Data":[{{"Value":" Lovelace","Name":"Last Name"}},
            {{"name":"Email","value":null}},{{"name":"First Name","value":"Ad\u0061 "}}],"x":[1],"Status":"Active","Id":"1"}} ],
            "other": {{"employees": [{{}}]}}, "ProfileId": "{}"}}"#,
        PROFILE.to_uppercase()
    );
    assert_eq!(world.push(&body).counts(), [0, 0, 0, 0, 1]);
    // A field that is not sent is empty afterwards.
    assert_eq!(world.push_employees(json!([employee("1", "active", &full[..1])])).counts(), [0, 1, 0, 0, 0]);
    assert_eq!(world.roster()[0]["data"], json!([{ "name": "First Name", "value": "Ada" }]));
}

#[test]
fn a_leaver_arrives_without_data() {
    let world = World::new();
    let ada = employee("1", "active", &[("First Name", "Ada")]);
    assert_eq!(world.push_employees(json!([ada])).counts(), [1, 0, 0, 0, 0]);
    let leaver = json!([{ "id": "1", "status": "hidden" }]);
    assert_eq!(world.push_employees(leaver.clone()).counts(), [0, 0, 0, 1, 0]);
    assert_eq!(world.push_employees(leaver).counts(), [0, 0, 0, 0, 1]);
    assert_eq!(
        world.push_employees(json!([{ "id": "1", "status": "hidden", "data": null }])).counts(),
        [0, 0, 0, 0, 1]
    );
    assert_eq!(world.roster()[0]["data"], json!([{ "name": "First Name", "value": "Ada" }]), "the data is kept");
    assert_eq!(world.push_employees(json!([{ "id": "2", "status": "hidden", "data": [] }])).counts(), [1, 0, 0, 0, 0]);
    assert_eq!(world.push_employees(json!([ada])).counts(), [0, 0, 1, 0, 0]);
    let answer = world.push_employees(json!([{ "id": "1", "status": "active" }]));
    assert_eq!(answer.errors(), ["0 1 data required"]);
}

#[test]
fn nobody_is_an_answer() {
    let world = World::new();
    assert_eq!(world.push_employees(json!([])).counts(), [0; 5]);
    assert_eq!(world.push(format!("{{\"employees\":[],\"profileId\":\"{PROFILE}\"}}")).counts(), [0; 5]);
}

#[test]
fn ids_are_compared_as_they_are() {
    let world = World::new();
    let ids = ["a", "A", "a a", "ä", "a\u{308}", "日本", "1/2?3#4 %"];
    // A first name that is only white space is none.
    let nameless = employee("8", "active", &[("First Name", "\t")]);
    assert_eq!(world.push_employees(json!([nameless])).errors(), ["0 8 First Name required"]);
    let employees: Vec<_> = ids.iter().map(|id| employee(id, "active", &[("First Name", "x")])).collect();
    assert_eq!(world.push_employees(json!(employees)).counts(), [7, 0, 0, 0, 0]);
    let found = world.get("/v1/employees/1%2F2%3F3%234%20%25");
    assert_eq!((found.status, found.json()["id"].as_str()), (200, Some("1/2?3#4 %")));
}

#[test]
fn a_profile_named_last_is_known_when_it_matters() {
    let world = World::new();
    let employees: Vec<_> = (0..20_000).map(|n| employee(&n.to_string(), "active", &[("First Name", "x")])).collect();
    let list = serde_json::to_string(&employees).unwrap();
    let late = format!("\u{feff}{{\"employees\":{list},\"profileId\":\"{PROFILE}\"}}");
    assert_eq!(world.push(&late).counts(), [20_000, 0, 0, 0, 0]);
    let early = format!("{{\"profileId\":\"{PROFILE}\",\"employees\":{list}}}");
    assert_eq!(world.push(early).counts(), [0, 0, 0, 0, 20_000]);
    let none = format!("{{\"employees\":{list}}}");
    assert!(world.push(none).message().contains("profileId is missing"));
    let left: Vec<_> = std::fs::read_dir(world.path("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("tmp")), "the spooled body is gone: {left:?}");
}

#[test]
fn another_profile_is_a_change_of_data() {
    let world = World::stopped(super::world::PEOPLE, "");
    let other = "22222222-2222-2222-2222-222222222222";
    world.file("profiles/other.toml", super::world::PEOPLE.replace(PROFILE, other));
    let world = world.started();
    let ada = json!([employee("1", "active", &[("First Name", "Ada")])]);
    let push = |profile| world.push(json!({ "profileId": profile, "employees": ada }).to_string()).counts();
    assert_eq!(push(PROFILE), [1, 0, 0, 0, 0]);
    assert_eq!(push(other), [0, 1, 0, 0, 0]);
    assert_eq!(push(other), [0, 0, 0, 0, 1]);
    assert_eq!(world.roster()[0]["profileId"], other);
}

#[test]
fn two_pushes_of_one_account_take_turns() {
    use super::world::{Answer, Request};
    use std::io::Write as _;
    let world = World::with(super::world::PEOPLE, "push_wait_seconds_max = 1");
    let body = super::world::empty_push();
    let slow = Request::new("POST", "/v1/employees", body.as_bytes());
    let mut first = world.connect();
    first.write_all(&slow.head()).unwrap();
    first.write_all(&slow.body[..10]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let second = world.push(&body);
    assert_eq!(second.status, 409);
    assert_eq!(second.header("retry-after").unwrap(), "1");
    assert!(second.message().contains("another push of account 99 is under way"), "{}", second.text);
    first.write_all(&slow.body[10..]).unwrap();
    assert_eq!(Answer::read(&mut first).status, 200);
    assert_eq!(world.push(&body).status, 200);
}

#[test]
fn a_push_may_use_its_connection_again_and_send_a_digest() {
    use super::world::{Answer, Request, empty_push};
    use std::io::Write as _;
    let world = World::new();
    let mut stream = world.connect();
    for (digest, status) in
        [("sha-256=:WPgQSXQkyUgHjK/rpGgJqQTrg8/kAMHzwyfBw4HjkRw=:", 400), ("md5=:AAAA:", 400), ("sha-256=AAAA", 400)]
    {
        let request = Request::push().header("Content-Digest", digest);
        stream.write_all(&request.head()).unwrap();
        stream.write_all(&request.body).unwrap();
        let answer = Answer::read(&mut stream);
        assert_eq!(answer.status, status, "{}", answer.text);
        stream = if answer.message().contains("does not have the digest") { stream } else { world.connect() };
    }
    use base64::Engine as _;
    use sha2::Digest as _;
    let digest = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(empty_push()));
    let request = Request::push().header("Content-Digest", &format!("md5=:AA==:, sha-256=:{digest}:"));
    assert_eq!(request.send(&world).status, 200);
    let over_two_lines =
        Request::push().header("Content-Digest", &format!("md5=:AA==:\r\nContent-Digest: x, sha-256=:{digest}:"));
    assert_eq!(over_two_lines.send(&world).status, 200);
}
