//! Roles: a key does what it was added for, and nothing else.

use super::dialects::{ECHOSPAN, unsigned};
use super::golden::{Keyed, add_key};
use super::world::{PEOPLE, PROFILE, Request, World, empty_push, run};
use serde_json::{Value, json};

fn add_secret(world: &World, roles: &[&str]) -> (i64, String) {
    let data = world.path("data");
    let added = run(&[&["key", "add", "99", "--dialect", "startexam", "--data", &data], roles].concat());
    assert!(added.status.success(), "{added:?}");
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    (added["key"].as_i64().unwrap(), added["secret"].as_str().unwrap().to_owned())
}

#[test]
fn a_secret_does_what_its_roles_say_and_another_is_told_which_role_it_lacks() {
    let world = World::new();
    let (pushing, push_secret) = add_secret(&world, &["--role", "push"]);
    let (_, read_secret) = add_secret(&world, &["--role", "read"]);
    let (_, both_secret) = add_secret(&world, &["--role", "push,read"]);
    let push = |secret: &str| Request::signed_by(secret, "POST", "/v1/employees", empty_push().as_bytes()).send(&world);
    let read = |secret: &str, path: &str| Request::signed_by(secret, "GET", path, b"").send(&world);
    for (secret, pushes, reads) in [(&push_secret, 200, 403), (&read_secret, 403, 200), (&both_secret, 200, 200)] {
        assert_eq!(push(secret).status, pushes);
        for path in ["/v1/employees", "/v1/employees.csv"] {
            assert_eq!(read(secret, path).status, reads, "{path}");
        }
        // Who pushes a table needs the fields that its columns can be.
        for path in ["/v1/profiles".into(), format!("/v1/profiles/{PROFILE}")] {
            assert_eq!(read(secret, &path).status, 200, "{path}");
        }
    }
    assert_eq!(
        read(&push_secret, "/v1/employees").message(),
        format!(
            "this request needs the role read, and key {pushing} of account 99 may only push; ask the server's operator for a \
             key that has the role (rollcall key add 99 --dialect startexam --role read)"
        )
    );
    // The secret of the account, and of a store that an earlier version wrote, may do everything.
    assert_eq!((Request::push().send(&world).status, world.get("/v1/employees").status), (200, 200));
    let shared = rusqlite::Connection::open(world.path("data/rollcall.db")).unwrap();
    shared.execute("UPDATE key SET roles = NULL WHERE id = ?", [pushing]).unwrap();
    assert_eq!(read(&push_secret, "/v1/employees").status, 200);
}

#[test]
fn other_dialects_say_it_in_their_form() {
    let keyed = Keyed::new();
    let reading = add_key(&keyed.world, "springest", &["--role", "read"]);
    let pushed = unsigned("POST", &format!("/users.json?api_key={reading}"), b"{}").send(&keyed.world);
    assert_eq!(pushed.status, 403);
    assert!(pushed.json()["errors"].is_object() && pushed.text.contains("needs the role push"), "{}", pushed.text);
    let read = unsigned("GET", &format!("/users.json?api_key={reading}&external_id=1"), b"").send(&keyed.world);
    assert_eq!(read.status, 404);
    // The tokens of the other dialects push, and nothing else can be asked of them.
    let shared = rusqlite::Connection::open(keyed.world.path("data/rollcall.db")).unwrap();
    shared.execute("UPDATE key SET roles = 'read' WHERE dialect IN ('collaborator', 'echospan')", []).unwrap();
    let batch = keyed.collaborator("batch", &json!([]));
    assert_eq!(batch.status, 403);
    assert!(batch.json()["error"].as_str().unwrap().contains("--dialect collaborator --role push"), "{}", batch.text);
    let form = format!("Key={}&ClientID=1234&Cmd=P&APITestForm=1", keyed.echospan);
    let request = unsigned("POST", ECHOSPAN, form.as_bytes());
    let queue = request.header("Content-Type", "application/x-www-form-urlencoded").send(&keyed.world);
    assert_eq!(queue.status, 455);
    assert!(queue.text.contains("needs the role push"), "{}", queue.text);
}

#[test]
fn lists_show_roles_and_a_dialect_has_those_that_it_has_requests_for() {
    let world = World::stopped(PEOPLE, "");
    let data = world.path("data");
    add_key(&world, "springest", &[]);
    add_key(&world, "collaborator", &[]);
    add_secret(&world, &["--role", "read", "--role", "push"]);
    let listed = run(&["key", "list", "99", "--json", "--data", &data]);
    let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let roles: Vec<&Value> = listed.iter().map(|key| &key["roles"]).collect();
    assert_eq!(
        json!(roles),
        json!([["push", "read", "release", "follow"], ["push", "read"], ["push"], ["push", "read"]])
    );
    let table = String::from_utf8(run(&["key", "list", "99", "--data", &data]).stdout).unwrap();
    assert!(table.contains("  push, read, release, follow  "), "{table}");
    for (args, told) in [
        (&["collaborator", "--role", "read"][..], "a key for collaborator cannot read; it can push"),
        (&["startexam", "--role", "write"], "there are push, read, release, follow"),
    ] {
        let refused = run(&[&["key", "add", "99", "--data", &data, "--dialect"], args].concat());
        let stderr = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr.contains(told), "{stderr}");
    }
}
