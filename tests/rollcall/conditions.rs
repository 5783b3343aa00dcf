//! What a push says about itself in its head: how many employees, which digest, how old the list is, and that it was sent before.

use super::dialects::unsigned;
use super::golden::Keyed;
use super::world::{Answer, PROFILE, Request, SECRET, World, employee, rollcall, run};
use rollcall::signature::format_date;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::time::Duration;

fn body(names: &[&str]) -> Vec<u8> {
    let employees: Vec<Value> = names.iter().map(|name| employee(name, "active", &[("First Name", name)])).collect();
    json!({ "profileId": PROFILE, "employees": employees }).to_string().into_bytes()
}

fn request(names: &[&str]) -> Request {
    Request::new("POST", "/v1/employees", &body(names))
}

fn push(world: &World, names: &[&str], headers: &[(&str, &str)]) -> Answer {
    headers.iter().fold(request(names), |request, (name, value)| request.header(name, value)).send(world)
}

fn set(world: &World, args: &[&str]) {
    let set = run(&[&["account", "set", "99", "--data", &world.path("data")], args].concat());
    assert!(set.status.success(), "{set:?}");
}

#[test]
fn a_push_that_is_not_as_long_as_it_says_is_refused_and_nothing_is_stored() {
    let world = World::new();
    let short = push(&world, &["A", "B"], &[("Rollcall-Expected", "3")]);
    assert_eq!(short.status, 412);
    assert_eq!(
        short.message(),
        "the push says that it carries 3 employees, and it carries 2; nothing was stored; push the whole list, or say how many \
         there are"
    );
    assert!(world.roster().is_empty());
    let in_query = |n: &str, header: Option<&str>| {
        let request = Request::new("POST", &format!("/v1/employees?expected={n}"), &body(&["A", "B"]));
        header.into_iter().fold(request, |request, header| request.header("Rollcall-Expected", header)).send(&world)
    };
    assert_eq!(in_query("1", None).status, 412);
    assert_eq!(in_query("2", Some("3")).status, 400);
    assert_eq!(in_query("two", None).status, 400);
    assert_eq!(in_query("2", Some("2")).counts(), [2, 0, 0, 0, 0]);
    assert_eq!(push(&world, &["A", "B"], &[("Rollcall-Expected", "-2")]).status, 400);
}

#[test]
fn other_dialects_count_and_check_too() {
    let keyed = Keyed::new();
    let csv = "ID;Last name;First name;Middle name;Login;Email\n4712;Smith;John;;js;js@example.com\n";
    let part = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"u.csv\"\r\n\r\n";
    let sent = format!("{part}{csv}\r\n--XX--\r\n");
    let request = || {
        let request = unsigned("POST", "/api/v2/users-import/csv", sent.as_bytes());
        let request = request.header("Content-Type", "multipart/form-data; boundary=XX");
        request.header("Authorization", &format!("Bearer {}", keyed.collaborator))
    };
    let short = request().header("Rollcall-Expected", "2").send(&keyed.world);
    assert_eq!(short.status, 412);
    assert!(short.json()["error"].as_str().unwrap().contains("says that it carries 2 employees"), "{}", short.text);
    let damaged = request().header("Content-Digest", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
    assert_eq!(damaged.send(&keyed.world).status, 400);
    set(&keyed.world, &["--require", "expected,digest"]);
    let without = request().send(&keyed.world);
    assert!(without.text.contains("account 99 requires that a push says how many"), "{}", without.text);
    // One user is no list.
    assert_eq!(keyed.collaborator("batch", &json!([])).status, 200);
    set(&keyed.world, &["--require", "nothing"]);
    let good = request().header("Rollcall-Expected", "1").header("Idempotency-Key", "night").send(&keyed.world);
    let again = request().header("Rollcall-Expected", "1").header("Idempotency-Key", "night").send(&keyed.world);
    assert_eq!((good.status, &good.text), (200, &again.text));
    assert_eq!(again.header("Idempotent-Replayed").as_deref(), Some("true"));
    assert_eq!(again.header("Rollcall-Columns"), good.header("Rollcall-Columns"));
    // So does a user of Springest's, who is answered by the same number.
    let path = format!("/users.json?api_key={}", keyed.springest);
    let user = json!({ "external_id": "7", "email": "g@example.com" }).to_string();
    let user = || unsigned("POST", &path, user.as_bytes()).header("Idempotency-Key", "7").send(&keyed.world);
    assert_eq!((user().text, user().status), (user().text, 201));
}

#[test]
fn an_account_can_require_a_count_and_a_digest_and_rollcall_push_sends_both() {
    let world = World::new();
    set(&world, &["--require", "expected,digest"]);
    let without = push(&world, &["A"], &[]);
    assert_eq!(without.status, 400);
    assert!(without.message().contains("add the header Rollcall-Expected"), "{}", without.text);
    let without = push(&world, &["A"], &[("Rollcall-Expected", "1")]);
    assert!(without.message().contains("add the header Content-Digest"), "{}", without.text);
    for file in [
        world.file("x.json", body(&["A", "B"])),
        world.file("x.csv", "id,First Name\nA,A\nB,B\nC,C\n"),
        world.file("bom.json", [b"\xef\xbb\xbf", &body(&["A"])[..]].concat()),
    ] {
        let args: &[&str] = if file.ends_with(".csv") { &["--profile", PROFILE] } else { &[] };
        let pushed = world.push_file(&file, args);
        assert!(pushed.status.success(), "{file}: {pushed:?}");
    }
    assert_eq!(world.roster().len(), 3);
}

#[test]
fn a_push_with_a_key_is_applied_once_also_after_a_restart() {
    let mut world = World::new();
    let first = push(&world, &["A", "B"], &[("Idempotency-Key", "\"night 1\"")]);
    assert_eq!(first.counts(), [2, 0, 0, 0, 0]);
    assert_eq!(first.header("Idempotent-Replayed"), None);
    assert_eq!(push(&world, &["A"], &[]).header("Rollcall-Revision").as_deref(), Some("2"));
    for _ in 0..2 {
        let again = push(&world, &["A", "B"], &[("Idempotency-Key", "\"night 1\"")]);
        assert_eq!((again.status, &again.text), (200, &first.text));
        assert_eq!(again.header("Rollcall-Revision").as_deref(), Some("1"));
        assert_eq!(again.header("Idempotent-Replayed").as_deref(), Some("true"));
        world.wait_for_log("\"repeated\":true");
        world.kill();
        world = world.started();
    }
    assert_eq!(push(&world, &["A"], &[]).header("Rollcall-Revision").as_deref(), Some("3"));
    // Another body, or the same for another URL.
    let other = push(&world, &["A", "B", "C"], &[("Idempotency-Key", "\"night 1\"")]);
    assert_eq!(other.status, 422);
    assert!(other.message().contains("another push had this Idempotency-Key"), "{}", other.text);
    let elsewhere = Request::new("POST", "/v1/employees?expected=2", &body(&["A", "B"]));
    assert_eq!(elsewhere.header("Idempotency-Key", "\"night 1\"").send(&world).status, 422);
    assert_eq!(world.roster().len(), 2);
    // A refused push has done nothing, and may be corrected under its key.
    assert_eq!(push(&world, &[" "], &[("Idempotency-Key", "fixed")]).status, 400);
    assert_eq!(push(&world, &["A"], &[("Idempotency-Key", "fixed")]).counts(), [0, 0, 0, 0, 1]);
    for wrong in ["", "\"open", "\"a\";b=(", &"x".repeat(256)] {
        assert_eq!(push(&world, &["A"], &[("Idempotency-Key", wrong)]).status, 400, "{wrong}");
    }
    // After a day it is forgotten.
    let roster = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    roster.execute("UPDATE retry SET made_at = made_at - 86401", []).unwrap();
    assert_eq!(push(&world, &["A", "B", "C"], &[("Idempotency-Key", "\"night 1\"")]).counts(), [1, 0, 0, 0, 2]);
}

#[test]
fn no_more_keys_are_remembered_than_the_limit_says() {
    let world = World::with(super::world::PEOPLE, "retries_kept_max = 3");
    for key in ["1", "2", "3", "4", "5"] {
        push(&world, &["A"], &[("Idempotency-Key", key)]).counts();
    }
    let roster = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    let kept: String = roster.query_row("SELECT group_concat(key) FROM retry", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, "3,4,5");
}

#[test]
fn while_a_push_is_under_way_another_with_its_key_is_told_so_at_once() {
    let world = World::new();
    let slow = request(&["A"]).header("Idempotency-Key", "k").header("Expect", "100-continue");
    let mut stream = world.connect();
    stream.write_all(&slow.head()).unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    let same = push(&world, &["A"], &[("Idempotency-Key", "k")]);
    assert_eq!((same.status, same.header("Retry-After").as_deref()), (409, Some("1")));
    assert!(same.message().contains("a push with this Idempotency-Key is under way"), "{}", same.text);
    stream.write_all(&slow.body).unwrap();
    assert_eq!(Answer::read(&mut stream).counts(), [1, 0, 0, 0, 0]);
    assert_eq!(push(&world, &["A"], &[("Idempotency-Key", "k")]).counts(), [1, 0, 0, 0, 0]);
}

#[test]
fn a_push_that_was_killed_is_applied_once_when_it_is_sent_again() {
    let mut world = World::new();
    let names: Vec<String> = (0..2_000).map(|n| format!("N{n}")).collect();
    for round in 0..12_u32 {
        let named: Vec<String> = names.iter().map(|name| format!("{name}-{round}")).collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let sent = request(&named).header("Idempotency-Key", &format!("round {round}").replace(' ', "-"));
        let mut stream = world.connect();
        let _ = stream.write_all(&sent.head()).and_then(|()| stream.write_all(&sent.body));
        std::thread::sleep(Duration::from_millis(u64::from(round) * 6));
        world.kill();
        world = world.started();
        // Applied then or now, it is answered as if for the first time.
        assert_eq!(sent.send(&world).counts(), [2_000, 0, 0, 0, 0], "{round}");
        let revision = sent.send(&world).header("Rollcall-Revision");
        assert_eq!(revision, Some((round + 1).to_string()), "{round}");
    }
}

#[test]
fn an_older_list_does_not_win_over_a_newer_one() {
    let world = World::new();
    let at = |time: &str| push(&world, &["A"], &[("Rollcall-As-Of", time)]);
    assert_eq!(at("2026-01-31T06:00:00Z").status, 200);
    let older = at("Sat, 31 Jan 2026 05:59:59 GMT");
    assert_eq!((older.status, older.header("Retry-After")), (409, None));
    assert_eq!(
        older.message(),
        "the list is as of 2026-01-31T05:59:59Z (Rollcall-As-Of), and one as of 2026-01-31T06:00:00Z was applied already; nothing \
         was stored; push a newer list"
    );
    // Without a time a push is applied, and the time of the last one stays.
    assert_eq!(push(&world, &["A"], &[]).status, 200);
    assert_eq!(at("2026-01-31T05:00:00Z").status, 409);
    assert_eq!(at("2026-01-31T07:00:00+01:00").status, 200);
    assert_eq!(at("2026-01-31").status, 400);
    assert_eq!(at(&format_date(jiff::Timestamp::now() + Duration::from_secs(600))).status, 200);
    let future = at(&(jiff::Timestamp::now() + Duration::from_secs(1_000)).to_string());
    assert_eq!(future.status, 400);
    assert!(future.message().contains("more than 15 minutes in the future"), "{}", future.text);

    let file = world.file("x.json", body(&["A", "B"]));
    let mut command = rollcall();
    command.args(["push", &file, "--url", &format!("http://{}", world.address), "--account", "99"]);
    let pushed = command.args(["--as-of", "2026-01-31T06:00:00Z"]).env("ROLLCALL_SECRET", SECRET).output().unwrap();
    let told = String::from_utf8(pushed.stderr).unwrap();
    assert_eq!(pushed.status.code(), Some(1));
    // It is no reason to try again.
    assert!(told.contains("was applied already") && !told.contains("trying again"), "{told}");
}
