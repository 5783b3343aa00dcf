//! The log has no words of a client's own: no names of members, headings or methods, and no endless line.

use super::dialects::unsigned;
use super::golden::Keyed;
use super::world::{PROFILE, Request, World};
use serde_json::{Map, Value, json};

const PERSON: &str = "Ada Lovelace";

#[test]
fn no_name_that_a_client_sent_is_logged() {
    let keyed = Keyed::new();
    let world = &keyed.world;
    // Name and value swapped, in the fast and in the exact way.
    let swapped = |value: Value| {
        let rows = json!([{ "name": PERSON, "value": value }, { "name": "Email", "value": "x" }]);
        world.push_employees(json!([{ "id": "1", "status": "active", "data": rows }]))
    };
    for value in [json!("First Name"), json!({}), json!(0)] {
        let refused = swapped(value);
        assert_eq!(refused.status, 400);
        assert!(refused.errors().contains(&"0 1 Email email".to_owned()), "{}", refused.text);
    }
    // A member called like a person, in an employee, in the envelope, in an import, twice.
    let mut envelope =
        json!({ "profileId": PROFILE, "employees": [{ "id": "1", "status": "active", "data": [], PERSON: 1 }] });
    envelope[PERSON] = json!(1);
    assert_eq!(world.push(envelope.to_string()).status, 200);
    assert_eq!(keyed.springest(&json!({ "external_id": "1", PERSON: "x" })).status, 201);
    let twice = format!(r#"{{"{PERSON}":1,"{PERSON}":2}}"#);
    let path = format!("/users.json?api_key={}", keyed.springest);
    assert_eq!(unsigned("POST", &path, twice.as_bytes()).send(world).status, 400);
    let token = format!("Bearer {}", keyed.collaborator);
    let spelt = format!(r#"{{"{PERSON}":1,"{}":2}}"#, PERSON.to_uppercase());
    for body in [&twice, &spelt] {
        let single = unsigned("POST", "/api/v2/users-import/single", body.as_bytes()).header("Authorization", &token);
        assert_eq!(single.send(world).status, 400);
    }
    // A profile's id, a field of a form, the head of a part.
    assert_eq!(world.push(format!(r#"{{"profileId":"{PERSON}","employees":[]}}"#)).status, 400);
    let form = format!("Ada+Lovelace=%ff&{}=x", PERSON.replace(' ', "%20"));
    assert_eq!(unsigned("POST", "/echotools7/api/api_import_emps.asp", form.as_bytes()).send(world).status, 455);
    let part = format!("--X\r\nContent-Disposition: form-data; name=\"{PERSON}\"\r\n\r\nx");
    let request = unsigned("POST", "/api/v2/users-import/csv", part.as_bytes()).header("Authorization", &token);
    assert_eq!(request.header("Content-Type", "multipart/form-data; boundary=X").send(world).status, 400);
    // Without a key: method, path, query.
    let method = "ADALOVELACE";
    unsigned(method, "/Ada%20Lovelace?Ada+Lovelace", b"").send(world);
    world.wait_for_log("\"method\":\"another\"");
    let log = world.log();
    assert!(!log.contains("Ada") && !log.contains("ADA"), "{log}");
    assert!(log.contains("a field that the profile does not have: 1"), "{log}");
    assert!(log.contains("Email email: 1"), "what the profile has is named: {log}");
}

#[test]
fn a_line_of_the_log_ends() {
    let world = World::new();
    let mut members = Map::new();
    for n in 0..1_000 {
        members.insert(format!("{n}{}", "x".repeat(10_000)), json!(1));
    }
    let rows: Vec<Value> =
        (0..900).map(|n| json!({ "name": format!("{n}{}", "y".repeat(5_000)), "value": "" })).collect();
    let refused = world.push_employees(json!([{ "id": "1", "status": "active", "data": rows, "z": members }]));
    assert_eq!(refused.json()["errorCount"], 901);
    Request::new(&"M".repeat(1_000), "/", b"").send(&world);
    world.wait_for_log("\"method\":\"another\"");
    assert!(world.log().lines().all(|line| line.len() < 4_000), "{}", world.log());
}
