//! Accounts and keys that end: each dialect says what has ended and when to clients that prove the credential, and to nobody else.

use super::dialects::{ECHOSPAN, unsigned};
use super::golden::{Keyed, add_key};
use super::world::{Answer, PEOPLE, Request, World, run};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PING: [(&str, &str); 2] = [("Cmd", "P"), ("APITestForm", "1")];

/// One request in each dialect: StartExam's, Springest's, Collaborator's, EchoSpan's.
fn in_every_dialect(keyed: &Keyed) -> [Answer; 4] {
    [
        Request::push().send(&keyed.world),
        keyed.springest(&json!({ "external_id": "1", "email": "a@x.com" })),
        keyed.collaborator("batch", &json!([])),
        keyed.echospan(&PING),
    ]
}

fn set(world: &World, until: &str) {
    let set = run(&["account", "set", "99", "--until", until, "--data", &world.path("data")]);
    assert!(set.status.success(), "{set:?}");
}

fn json_list(what: &str, world: &World) -> Vec<Value> {
    let listed = run(&[what, "list", "--json", "--data", &world.path("data")]);
    assert!(listed.status.success(), "{listed:?}");
    serde_json::from_slice::<Value>(&listed.stdout).unwrap().as_array().unwrap().clone()
}

#[test]
fn an_ended_account_is_refused_in_every_dialect_until_it_is_extended() {
    let keyed = Keyed::new();
    let good = in_every_dialect(&keyed).map(|answer| answer.status);
    assert_eq!(good, [200, 201, 200, 200]);
    set(&keyed.world, "2026-01-31");
    let ended = in_every_dialect(&keyed);
    assert_eq!(ended.each_ref().map(|answer| answer.status), [403, 403, 401, 402]);
    let told = "account 99 has ended, it was valid until 2026-01-31 (UTC); ask the server's operator";
    for answer in &ended {
        assert!(answer.text.contains(told), "{}", answer.text);
    }
    let [startexam, springest, collaborator, echospan] = ended;
    assert!(startexam.message().starts_with("HTTP header 'Authorization' is incorrect: account 99 has ended"));
    assert!(springest.json()["errors"].is_object() && collaborator.json()["error"].is_string());
    assert!(echospan.text.starts_with("402 Account is expired or payment is required."), "{}", echospan.text);
    // A time counts from its second on; what is to come does not matter yet.
    for (until, status) in
        [("2026-01-31T18:00:00+01:00", 403), ("2999-01-01", 200), ("2026-01-31", 403), ("never", 200)]
    {
        set(&keyed.world, until);
        assert_eq!(Request::push().send(&keyed.world).status, status, "{until}");
    }
    assert_eq!(in_every_dialect(&keyed).map(|answer| answer.status), good);
}

#[test]
fn only_who_proves_the_credential_hears_that_it_has_ended() {
    let mut keyed = Keyed::new();
    let site = add_key(&keyed.world, "springest", &["--site", "acme.example.com"]);
    let wrong = |keyed: &mut Keyed| {
        let (springest, echospan) = (keyed.springest.clone(), keyed.echospan.clone());
        keyed.springest = site.clone();
        let elsewhere = keyed.springest(&json!({ "email": "a@x.com" }));
        (keyed.springest, keyed.collaborator, keyed.echospan) = ("x".into(), "x".into(), "x".into());
        let [_, a, b, c] = in_every_dialect(keyed);
        // The right key with another client id.
        let form = format!("Key={echospan}&ClientID=4321&Cmd=P&APITestForm=1");
        let mismatched = unsigned("POST", ECHOSPAN, form.as_bytes()).send(&keyed.world);
        keyed.echospan = echospan;
        keyed.springest = springest;
        let signed = Request::push_signed_by("another").send(&keyed.world);
        [signed, elsewhere, a, b, c, mismatched].map(|answer| (answer.status, answer.text))
    };
    let before = wrong(&mut keyed);
    set(&keyed.world, "2026-01-31");
    assert_eq!(wrong(&mut keyed), before);
}

#[test]
fn an_ended_key_is_refused_and_the_account_s_others_are_not() {
    let keyed = Keyed::new();
    let until = Timestamp::now() + SignedDuration::from_secs(4);
    let until = Timestamp::from_second(until.as_second()).unwrap().to_string();
    let data = keyed.world.path("data");
    let added = run(&["key", "add", "99", "--dialect", "startexam", "--until", &until, "--data", &data]);
    let secret: Value = serde_json::from_slice(&added.stdout).unwrap();
    let secret = secret["secret"].as_str().unwrap();
    let key = |dialect: &str, more: &[&str]| add_key(&keyed.world, dialect, &[more, &["--until", &until]].concat());
    let ending = Keyed {
        springest: key("springest", &[]),
        collaborator: key("collaborator", &[]),
        echospan: key("echospan", &["--client-id", "1234"]),
        world: keyed.world,
    };
    let started = Instant::now();
    let refused = loop {
        let mut answers = in_every_dialect(&ending);
        answers[0] = Request::push_signed_by(secret).send(&ending.world);
        if answers.iter().all(|answer| answer.status >= 400) {
            break answers;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{answers:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(refused.each_ref().map(|answer| answer.status), [403, 403, 401, 455]);
    for (answer, number) in refused.iter().zip([5, 6, 7, 8]) {
        let told = format!("key {number} of account 99 has ended, it was valid until {until} (UTC)");
        assert!(answer.text.contains(&told), "{}", answer.text);
    }
    let others =
        Keyed { springest: keyed.springest, collaborator: keyed.collaborator, echospan: keyed.echospan, ..ending };
    assert_eq!(in_every_dialect(&others).map(|answer| answer.status), [200, 201, 200, 200]);
    let keys = json_list("key", &others.world);
    assert_eq!((&keys[0]["state"], &keys[0]["until"]), (&json!("valid"), &Value::Null));
    assert_eq!((&keys[7]["state"], &keys[7]["until"]), (&json!("ended"), &json!(until)));
}

#[test]
fn lists_and_the_log_warn_three_days_ahead() {
    let mut world = World::stopped(PEOPLE, "");
    let data = world.path("data");
    let day = |days: i64| (Timestamp::now() + SignedDuration::from_hours(24 * days)).to_string()[..10].to_owned();
    let (soon, later) = (day(2), day(9));
    add_key(&world, "springest", &["--until", &soon]);
    add_key(&world, "springest", &["--until", &later]);
    for (id, until) in [("7", &soon), ("8", &later)] {
        assert!(run(&["account", "add", id, "--until", until, "--data", &data]).status.success());
    }
    let states = |what: &str| -> Vec<String> {
        json_list(what, &world).iter().map(|listed| listed["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states("key"), ["valid", "valid", "valid", "ends soon", "valid"], "of 7, 8 and 99");
    assert_eq!(states("account"), ["ends soon", "valid", "valid"]);
    for what in ["key", "account"] {
        let listed = String::from_utf8(run(&[what, "list", "--data", &data]).stdout).unwrap();
        let states: Vec<_> = listed.lines().filter(|line| line.contains("ends soon")).collect();
        assert!(states.len() == 1 && states[0].contains(&soon), "{listed}");
    }
    world = world.started();
    world.wait_for_log("key 2 of account 99 ends soon");
    world.wait_for_log("account 7 ends soon");
    let log = world.log();
    assert!(log.contains(&format!("after {soon} (UTC)")), "{log}");
    assert_eq!(log.matches("ends soon").count(), 2, "{log}");
}

#[test]
fn lists_are_json_for_programs() {
    let world = World::new();
    world.push_employees(json!([super::world::employee("1", "active", &[("First Name", "A")])]));
    add_key(&world, "echospan", &["--client-id", "1234"]);
    let accounts = json_list("account", &world);
    let mut account = accounts[0].clone();
    assert!(account["createdAt"].take().is_string() && account["lastPush"].take().is_string());
    assert_eq!(
        account,
        json!({ "account": 99, "name": "", "createdAt": null, "until": null, "state": "valid", "require": [],
                "replay": "allow", "historyDays": null, "schedule": null, "guards": {}, "active": 1, "hidden": 0, "revision": 1, "lastPush": null })
    );
    let mut key = json_list("key", &world)[1].clone();
    assert!(key["createdAt"].take().is_string());
    assert_eq!(
        key,
        json!({ "account": 99, "key": 2, "dialect": "echospan", "roles": ["push"], "createdAt": null, "clientId": "1234", "site": null,
                "until": null, "state": "valid" })
    );
}

#[test]
fn a_date_that_is_none_or_has_passed_is_a_mistake() {
    let world = World::stopped(PEOPLE, "");
    for (args, told) in [
        (&["account", "add", "7", "--until", "31.01.2027"][..], "must be a day (2027-01-31) or a time"),
        (&["account", "add", "7", "--until", "2020-01-31"], "has passed already"),
        (&["key", "add", "99", "--dialect", "springest", "--until", "2020-01-31"], "has passed already"),
        (&["key", "add", "99", "--dialect", "springest", "--until", "never"], "must be a day"),
        (&["account", "set", "99", "--until", "soon"], "or never"),
        (&["account", "set", "99"], "--until"),
    ] {
        let output = run(&[args, &["--data", &world.path("data")]].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && error.contains(told), "{args:?}: {error}");
    }
    let nobody = run(&["account", "set", "98", "--until", "never", "--data", &world.path("data")]);
    assert_eq!(nobody.status.code(), Some(1));
}
