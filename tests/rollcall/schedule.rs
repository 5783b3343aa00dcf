//! Schedules: when pushes are expected, and what follows if one does not come.

use super::operator::{metrics, value, with_metrics};
use super::receiver::Receiver;
use super::world::{ACCOUNT, PEOPLE, World, employee, run};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LATE: &str = "rollcall_push_late{account=\"99\"}";

fn set(world: &World, schedule: &str) -> (bool, String) {
    let output = run(&["account", "set", "99", "--schedule", schedule, "--data", &world.path("data")]);
    let said = if output.status.success() { &output.stdout } else { &output.stderr };
    (output.status.success(), String::from_utf8(said.clone()).unwrap())
}

/// Account 99 was added long ago, and has had no push since.
fn added_long_ago(world: &World) {
    let shared = rusqlite::Connection::open(world.path("data/rollcall.db")).unwrap();
    shared.execute("UPDATE account SET created_at = '2026-01-01T00:00:00Z'", []).unwrap();
}

/// The last push of account 99 was long ago.
fn pushed_long_ago(world: &World) {
    let file = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    file.execute("UPDATE sync SET finished_at = '2026-01-02T00:00:00Z'", []).unwrap();
}

fn until_metric(world: &World, name: &str, expected: f64) {
    let started = Instant::now();
    while value(&metrics(world), name) != Some(expected) {
        assert!(started.elapsed() < Duration::from_secs(60), "{name} is not {expected}: {}", world.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn ada() -> Value {
    json!([employee("1", "active", &[("First Name", "Ada")])])
}

#[test]
fn a_schedule_is_set_and_shown() {
    let world = World::new();
    let shown = world.get("/v1/account").json();
    assert_eq!(shown, json!({ "account": 99, "lastPush": null, "schedule": null }));
    let (_, said) = set(&world, "nightly 02:30 europe/berlin grace 180m");
    assert_eq!(said, "account 99: its pushes are expected nightly 02:30 Europe/Berlin grace 3h\n");
    let listed = run(&["account", "list", "--json", "--data", &world.path("data")]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[0]["schedule"], "nightly 02:30 Europe/Berlin grace 3h");
    set(&world, "every 24h grace 2h");
    assert_eq!(world.push_employees(ada()).status, 200);
    let shown = world.get("/v1/account").json();
    let time = |name: &str| shown[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert_eq!((&shown["schedule"], &shown["late"]), (&json!("every 24h grace 2h"), &json!(false)));
    assert_eq!((time("due") - time("lastPush"), time("lateFrom") - time("due")), (24 * 3_600, 2 * 3_600));
    assert_eq!(set(&world, "none"), (true, "account 99: its pushes are not expected by a schedule\n".into()));
    assert_eq!(world.get("/v1/account").json()["schedule"], Value::Null);
    for (wrong, message) in [
        ("daily", "write it like `every 24h grace 2h` or `nightly 02:30 Europe/Berlin grace 3h`; or none"),
        ("nightly 02:30 Berlin grace 3h", "must be the name of a time zone"),
        ("every 24h grace 400d", "must be a time from 1m to 31d"),
    ] {
        let (is_set, said) = set(&world, wrong);
        assert!(!is_set && said.contains(message), "{said}");
    }
    assert_eq!(world.get("/v1/account?verbose=1").status, 400);
}

#[test]
fn a_late_push_raises_an_alarm_that_ends_with_the_next_push() {
    let world = World::stopped(PEOPLE, "[webhooks]\nallow = [\"127.0.0.1/32\"]");
    added_long_ago(&world);
    let receiver = Receiver::new();
    let (config, data) = (world.path("rollcall.toml"), world.path("data"));
    let added =
        run(&["webhook", "add", "99", &receiver.url(), "--event", "push.missed", "--config", &config, "--data", &data]);
    assert!(added.status.success(), "{added:?}");
    let mut world = with_metrics(world);
    assert_eq!(value(&metrics(&world), LATE), None);
    set(&world, "every 24h grace 2h");
    let missed = receiver.wait_for_type("push.missed");
    assert_eq!(
        missed["data"],
        json!({ "account": 99, "schedule": "every 24h grace 2h", "due": "2026-01-02T00:00:00Z", "lastPush": null })
    );
    assert_eq!(value(&metrics(&world), LATE), Some(1.0));
    assert_eq!(world.get("/v1/account").json()["late"], true);
    world.wait_for_log("a push is late: account 99 expects it every 24h grace 2h");
    // A start is no reason to say it again.
    world.stop();
    let world = with_metrics(world);
    assert_eq!(value(&metrics(&world), LATE), Some(1.0));
    assert_eq!(world.push_employees(ada()).status, 200);
    world.wait_for_log("the late push has come");
    until_metric(&world, LATE, 0.0);
    assert!(!world.log().contains("a push is late"), "{}", world.log());
    assert_eq!(world.get("/v1/account").json()["late"], false);
    assert_eq!(receiver.messages().len(), 1, "{:#?}", receiver.messages());
}

#[test]
fn an_erasure_is_no_push_and_an_alarm_ends_with_its_schedule() {
    let world = World::new();
    assert_eq!(world.push_employees(ada()).status, 200);
    pushed_long_ago(&world);
    let world = with_metrics({
        let mut world = world;
        world.stop();
        world
    });
    set(&world, "nightly 02:30 Europe/Berlin grace 3h");
    until_metric(&world, LATE, 1.0);
    assert_eq!(world.request("DELETE", "/v1/employees/1?erase=true", None).status, 200);
    let shown = world.get("/v1/account").json();
    assert_eq!((&shown["lastPush"], &shown["late"]), (&json!("2026-01-02T00:00:00Z"), &json!(true)));
    assert_eq!(shown["due"], "2026-01-03T01:30:00Z");
    set(&world, "none");
    world.wait_for_log("is not expected any more");
    assert_eq!(value(&metrics(&world), LATE), None);
}

#[test]
fn an_account_that_has_ended_is_not_expected_to_push() {
    let world = World::stopped(PEOPLE, "");
    added_long_ago(&world);
    set(&world, "every 24h grace 2h");
    let ended = run(&["account", "set", &ACCOUNT.to_string(), "--until", "2026-02-01", "--data", &world.path("data")]);
    assert!(ended.status.success());
    let world = with_metrics(world);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(value(&metrics(&world), LATE), None);
    assert!(!world.log().contains("a push is late"), "{}", world.log());
}
