//! Trimming: what is older than the history is kept goes, and everything else stays as it was.

use super::at::{Seen, lived};
use super::world::{Answer, PEOPLE, PROFILE, Request, World, employee, run};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn database(world: &World) -> Connection {
    let database = Connection::open(world.path("data/accounts/99.db")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database
}

fn count(world: &World, sql: &str) -> u64 {
    database(world).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Makes the syncs up to a revision as old as that, and starts the server again.
pub fn aged(mut world: World, revision: u64, days: u32) -> World {
    world.stop();
    let age = "UPDATE sync SET finished_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-' || ?2 || ' days', '+' || revision || ' seconds')
        WHERE revision <= ?1";
    database(&world).execute(age, (revision, days)).unwrap();
    world.started()
}

fn wait_until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(120), "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn check(world: &World) {
    let checked = run(&["account", "check", "99", "--data", &world.path("data")]);
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn the_history_begins_later_and_everything_since_is_as_it_was() {
    let (keyed, seen) = lived();
    let mut world = keyed.world;
    let cursors: Vec<String> = (0..=8)
        .map(|revision| world.get(&format!("/v1/employees.csv?at={revision}")).header("Rollcall-Cursor").unwrap())
        .collect();
    let changes = |world: &World, cursor: &str| world.get(&format!("/v1/changes?after={cursor}"));
    let since_5 = changes(&world, &cursors[5]).json();
    world = aged(world, 5, 500);
    world.wait_for_log("old history removed");
    assert_eq!(count(&world, "SELECT count(*) FROM version WHERE place < 6 << 32"), 0);
    let time = world.get("/v1/syncs/5").json()["time"].as_str().unwrap().to_owned();
    let gone = format!(
        "the history is kept from revision 5 on, which was made at {time}; ask for the roster as it was then, or later"
    );
    for revision in 0..5 {
        let answer = world.get(&format!("/v1/employees.csv?at={revision}"));
        assert_eq!((answer.status, answer.message()), (410, gone.clone()), "{revision}");
    }
    for Seen { revision, csv, roster, .. } in &seen[5..] {
        assert_eq!(&world.get(&format!("/v1/employees.csv?at={revision}")).text, csv, "{revision}");
        for employee in roster {
            let id = employee["id"].as_str().unwrap();
            assert_eq!(&world.get(&format!("/v1/employees/{id}?at={revision}")).json(), employee, "{id} at {revision}");
        }
    }
    assert_eq!(world.get("/v1/syncs/5/changes").message(), gone);
    assert_eq!(world.get("/v1/syncs/3/changes.csv").status, 410);
    assert_eq!(world.get("/v1/syncs/6/changes").json()["changes"].as_array().unwrap().len(), 3);

    let refused = changes(&world, &cursors[4]);
    assert_eq!(refused.status, 410);
    assert!(
        refused.message().starts_with(
            "changes that come after this cursor are not kept any more: the history begins with revision 5"
        )
    );
    assert_eq!((changes(&world, &cursors[5]).json(), changes(&world, "").json()), (since_5.clone(), since_5));

    let life = world.get("/v1/employees/1/history").json();
    assert_eq!(life["historyStart"], json!({ "revision": 5, "time": time }));
    let events: Vec<(&Value, &Value)> = life["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (&event["revision"], &event["change"]["isBeforeKnown"]))
        .collect();
    assert_eq!(events, [(&json!(8), &Value::Null), (&json!(6), &Value::Null), (&json!(3), &json!(false))]);
    let before_all = world.get("/v1/employees/1/history?cursor=1");
    assert_eq!((before_all.status, &before_all.json()["history"]), (200, &json!([])), "{}", before_all.text);
    let why = run(&["why", "99", "3", "--data", &world.path("data")]);
    assert!(String::from_utf8(why.stdout).unwrap().starts_with("Employee \"3\" has been active since "));
    check(&world);
    assert_eq!(
        world.push_employees(json!([employee("1", "active", &[("Last Name", "after")])])).counts(),
        [0, 1, 0, 0, 0]
    );
    check(&world);
}

#[test]
fn marks_that_pushes_need_survive() {
    let world =
        World::with(&PEOPLE.replacen("name = \"People\"", "name = \"People\"\nabsent = \"hide\"\ngrace = 1", 1), "");
    let named = |id: &str| employee(id, "active", &[("First Name", "Ada")]);
    let push = |world: &World, as_of: &str, people: Value| {
        let body = json!({ "profileId": PROFILE, "employees": people }).to_string();
        Request::new("POST", "/v1/employees", body.as_bytes()).header("Rollcall-As-Of", as_of).send(world)
    };
    assert_eq!(push(&world, "2020-01-01T00:00:00Z", json!([named("1"), named("2"), named("3")])).status, 200);
    // 2 is hidden by absence, and 3 is missing once.
    push(&world, "2020-01-02T00:00:00Z", json!([named("1"), named("3")]));
    push(&world, "2020-01-03T00:00:00Z", json!([named("1"), named("3")]));
    push(&world, "2020-01-04T00:00:00Z", json!([named("1")]));
    world.push("no JSON");
    wait_until(|| count(&world, "SELECT count(*) FROM refusal") == 1);
    let marks = "SELECT sum(number * 10 + pushes * 2 + is_hidden) FROM missing";
    let before = count(&world, marks);
    database(&world).execute("UPDATE refusal SET finished_at = '2020-01-01T00:00:00Z'", []).unwrap();
    let world = aged(world, 4, 401);
    world.wait_for_log("old history removed");
    assert_eq!((count(&world, "SELECT count(*) FROM version"), count(&world, "SELECT count(*) FROM refusal")), (0, 0));
    assert_eq!(count(&world, marks), before);
    check(&world);
    let older = push(&world, "2020-01-03T00:00:00Z", json!([named("1")]));
    assert!(
        older.status == 409 && older.message().contains("one as of 2020-01-04T00:00:00Z was applied"),
        "{}",
        older.text
    );
    // 3 is hidden by the second list without it, and 2 comes back.
    assert_eq!(push(&world, "2020-01-05T00:00:00Z", json!([named("1")])).counts(), [0, 0, 0, 1, 1]);
    assert_eq!(
        push(&world, "2020-01-06T00:00:00Z", json!([named("1"), named("2"), named("3")])).counts(),
        [0, 0, 2, 0, 1]
    );
}

/// A world of so many people, of whom each of so many pushes changed everybody, and what the last ten of these left.
fn changed_often(people: u64, pushes: u64) -> (World, Vec<(u64, String)>) {
    let world = World::new();
    let mut left = Vec::new();
    for push in 1..=pushes {
        let all: Value = (0..people)
            .map(|n| employee(&n.to_string(), "active", &[("First Name", &format!("{n} of {push}"))]))
            .collect();
        assert_eq!(world.push_employees(all).status, 200);
        if push > pushes - 10 {
            left.push((push, world.get("/v1/employees.csv").text));
        }
    }
    (world, left)
}

#[track_caller]
fn still_left(world: &World, left: &[(u64, String)]) {
    for (revision, csv) in left {
        assert_eq!(&world.get(&format!("/v1/employees.csv?at={revision}")).text, csv, "{revision}");
    }
}

#[test]
fn a_hundred_thousand_versions_go_in_pieces_with_pushes_between() {
    let (world, left) = changed_often(1_000, 110);
    let world = aged(world, 101, 500);
    let old = "SELECT count(*) FROM version WHERE place < 102 << 32";
    assert!(count(&world, old) > 90_000);
    let (began, mut times, mut number) = (Instant::now(), Vec::new(), 0);
    while count(&world, old) > 0 {
        let one = json!([employee("7", "active", &[("First Name", &format!("meanwhile {number}"))])]);
        let pushed = Instant::now();
        assert_eq!(world.push_employees(one).counts(), [0, 1, 0, 0, 0]);
        times.push(pushed.elapsed());
        number += 1;
        std::thread::sleep(Duration::from_millis(30));
        assert!(began.elapsed() < Duration::from_secs(120), "{} are left", count(&world, old));
    }
    times.sort();
    println!(
        "trimmed in {:?} with {} pushes between: half within {:?}, all within {:?}",
        began.elapsed(),
        times.len(),
        times[times.len() / 2],
        times.last().unwrap()
    );
    assert!(times.len() > 20, "{}", times.len());
    assert!(times[times.len() / 2] < Duration::from_millis(100), "{times:?}");
    wait_until(|| count(&world, "SELECT count(*) FROM sync WHERE revision < 101") == 0);
    assert_eq!(world.get("/v1/employees.csv?at=100").status, 410);
    still_left(&world, &left);
    check(&world);
}

#[test]
fn a_trim_that_is_killed_goes_on_after_the_next_start() {
    let (world, left) = changed_often(400, 60);
    let mut world = aged(world, 51, 500);
    let old = "SELECT count(*) FROM version WHERE place < 52 << 32";
    let mut counts = vec![count(&world, old)];
    for kill in 0.. {
        assert!(kill < 60, "{counts:?}");
        let before = *counts.last().unwrap();
        wait_until(|| count(&world, old) < before);
        std::thread::sleep(Duration::from_millis(kill * 13 % 50));
        world.kill();
        world = world.started();
        counts.push(count(&world, old));
        still_left(&world, &left[kill as usize % left.len()..][..1]);
        check(&world);
        if *counts.last().unwrap() == 0 {
            break;
        }
        // Enough kills; the rest may go at once.
        if kill == 4 {
            wait_until(|| count(&world, old) == 0);
            break;
        }
    }
    assert!(counts.len() > 3, "{counts:?}");
    still_left(&world, &left);
    check(&world);
}

#[test]
fn an_account_may_keep_its_history_for_another_time() {
    let (keyed, _) = lived();
    let data = keyed.world.path("data");
    let set = |days: &str| run(&["account", "set", "99", "--history-days", days, "--data", &data]);
    let told = |days: &str| String::from_utf8(set(days).stdout).unwrap();
    for wrong in ["0", "36501", "long"] {
        let refused = set(wrong);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(String::from_utf8(refused.stderr).unwrap().contains("a number from 1 to 36500, or default"));
    }
    let listed = |world: &World| {
        let listed = run(&["account", "list", "--json", "--data", &world.path("data")]);
        serde_json::from_slice::<Value>(&listed.stdout).unwrap()[0]["historyDays"].clone()
    };
    assert_eq!(listed(&keyed.world), Value::Null);
    assert_eq!(told("600"), "account 99: its history is kept for 600 days\n");
    assert_eq!(listed(&keyed.world), 600);
    let world = aged(keyed.world, 5, 500);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(world.get("/v1/employees.csv?at=1").status, 200);
    assert!(told("default").contains("as long as the server's configuration says"));
    assert_eq!(listed(&world), Value::Null);
    let world = aged(world, 5, 300);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(world.get("/v1/employees.csv?at=1").status, 200);
    std::fs::write(world.path("rollcall.toml"), "[limits]\nhistory_days = 299\n").unwrap();
    let world = aged(world, 5, 300);
    world.wait_for_log("old history removed");
    let gone: Answer = world.get("/v1/employees.csv?at=1");
    assert_eq!(gone.status, 410, "{}", gone.text);
}
