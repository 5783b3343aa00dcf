//! What can be read back.

use super::world::{PROFILE, Request, World, employee};
use serde_json::json;

#[test]
fn employees_page_by_page() {
    let world = World::new();
    let all: Vec<_> = (0..25)
        .map(|n| employee(&format!("e{n}"), if n % 2 == 0 { "active" } else { "hidden" }, &[("First Name", "x")]))
        .collect();
    assert_eq!(world.push_employees(json!(all)).counts(), [25, 0, 0, 0, 0]);
    let ids = |path: &str| -> (Vec<String>, Option<String>) {
        let page = world.get(path).json();
        let ids = page["employees"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect();
        (ids, page["nextCursor"].as_str().map(str::to_owned))
    };
    let (first, cursor) = ids("/v1/employees?limit=10");
    assert_eq!(first, (0..10).map(|n| format!("e{n}")).collect::<Vec<_>>());
    let (second, cursor) = ids(&format!("/v1/employees?limit=15&cursor={}", cursor.unwrap()));
    assert_eq!((second.len(), cursor), (15, None));
    let (hidden, _) = ids("/v1/employees?status=hidden&limit=3");
    assert_eq!(hidden, ["e1", "e3", "e5"]);
    for (query, message) in [
        ("limit=0", "limit must be a number from 1 to 1000"),
        ("limit=1001", "limit must be a number from 1 to 1000"),
        ("status=gone", "status must be active or hidden"),
        ("cursor=x", "cursor must be the nextCursor"),
        ("offset=3", "there are the parameters status, at, cursor and limit"),
    ] {
        let answer = world.get(&format!("/v1/employees?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.message().starts_with(message), "{query}: {}", answer.text);
    }
    assert_eq!(world.get("/v1/employees/nobody").status, 404);
    assert_eq!(world.get("/v1/employees/%ff").status, 400);
}

#[test]
fn profiles_are_those_of_the_account() {
    let world = World::stopped(super::world::PEOPLE, "");
    let mine = "11111111-1111-1111-1111-111111111111";
    let theirs = "22222222-2222-2222-2222-222222222222";
    let of = |id: &str, account: &str| {
        super::world::PEOPLE
            .replace(PROFILE, id)
            .replace("name = \"People\"", &format!("name = \"P\"\naccounts = [{account}]"))
    };
    world.file("profiles/mine.toml", of(mine, "99"));
    world.file("profiles/theirs.toml", of(theirs, "98, 100"));
    let world = world.started();
    let listed = world.get("/v1/profiles").json();
    assert_eq!(listed, json!({ "profiles": [{ "id": mine, "name": "P" }, { "id": PROFILE, "name": "People" }] }));
    let profile = world.get(&format!("/v1/profiles/{}", mine.to_uppercase())).json();
    assert_eq!(profile["fields"][0], json!({ "name": "First Name", "type": "text", "required": true }));
    assert_eq!(world.get(&format!("/v1/profiles/{theirs}")).status, 404);
    assert_eq!(world.push(json!({ "profileId": theirs, "employees": [] }).to_string()).status, 404);
    assert_eq!(world.push(json!({ "profileId": mine, "employees": [] }).to_string()).status, 200);
}

#[test]
fn reading_needs_a_signature_but_for_health() {
    let world = World::new();
    let health = Request::new("GET", "/health", b"").without("Authorization").without("Date").send(&world);
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")));
    for path in ["/v1/employees", "/v1/employees/1", "/v1/profiles", "/v1/profiles/1"] {
        assert_eq!(Request::new("GET", path, b"").without("Authorization").send(&world).status, 403, "{path}");
        // A request without a body signs 0, whether the header is sent or not.
        let status = Request::new("GET", path, b"").header("Content-Length", "0").send(&world).status;
        assert!(status == 200 || status == 404, "{path}: {status}");
    }
    let refused = world.request("DELETE", "/v1/employees", None);
    assert_eq!((refused.status, refused.header("allow").as_deref()), (405, Some("GET, HEAD, POST")));
    assert_eq!(world.get("/v2/employees").status, 404);
    assert_eq!(world.get("/").header("location").as_deref(), Some("/sign-in"), "the page has users instead of keys");
}

#[test]
fn one_account_sees_nothing_of_another() {
    let world = World::new();
    world.add_account(100, "other");
    assert_eq!(
        world.push_employees(json!([employee("1", "active", &[("First Name", "x")])])).counts(),
        [1, 0, 0, 0, 0]
    );
    let request = Request::new("GET", "/v1/employees/1", b"");
    let date = request.headers.iter().find(|(name, _)| name == "Date").unwrap().1.clone();
    let head = rollcall::signature::Head { verb: "GET", path: "/v1/employees/1", date: &date, content_length: "0" };
    let request = request.header("Authorization", &format!("SharedKey 100:{}", head.sign(b"other")));
    assert_eq!(request.send(&world).status, 404);
}
