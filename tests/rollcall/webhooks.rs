//! Webhooks: what happens in an account is told to receivers, signed, at least once.

use super::receiver::{Answers, Message, Receiver, status};
use super::world::{ACCOUNT, PEOPLE, PROFILE, Request, SECRET, World, employee, run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::time::{Duration, Instant};

/// Loopback is no place for webhooks unless the configuration says so.
const ALLOW: &str = "[webhooks]\nallow = [\"127.0.0.1/32\"]";

fn world() -> World {
    World::with(PEOPLE, ALLOW)
}

fn webhook(world: &World, args: &[&str]) -> Output {
    let (config, data) = (world.path("rollcall.toml"), world.path("data"));
    run(&[&["webhook"], args, &["--config", &config, "--data", &data]].concat())
}

#[track_caller]
fn done(world: &World, args: &[&str]) -> String {
    let output = webhook(world, args);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(world: &World, args: &[&str]) -> String {
    let output = webhook(world, args);
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Adds a webhook. Returns its number and its secret.
#[track_caller]
fn add(world: &World, account: i64, url: &str, args: &[&str]) -> (String, String) {
    let added: Value =
        serde_json::from_str(&done(world, &[&["add", &account.to_string(), url], args].concat())).unwrap();
    (added["webhook"].to_string(), added["secret"].as_str().unwrap().to_owned())
}

#[track_caller]
fn deliveries(world: &World) -> Vec<Value> {
    serde_json::from_str(&done(world, &["deliveries", "99", "--json", "--last", "1000"])).unwrap()
}

/// Waits until the last delivery is as it is expected.
#[track_caller]
fn wait_for_delivery(world: &World, is_so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let deliveries = deliveries(world);
        if let Some(last) = deliveries.first().filter(|last| is_so(last)) {
            return last.clone();
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{deliveries:#?}\n{}", world.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn has_failed_once(delivery: &Value) -> bool {
    delivery["attempts"] == 1 && delivery["last"]["failure"] != Value::Null
}

fn ada() -> Value {
    json!([employee("1", "active", &[("First Name", "Zxyqueline")])])
}

#[test]
fn what_happens_is_told_to_a_receiver_that_verifies_it() {
    let profile = PEOPLE.replace("create = \"off\"", "create = { people = 1 }");
    let (world, receiver) = (World::with(&profile, ALLOW), Receiver::new());
    let (_, secret) = add(&world, ACCOUNT, &receiver.url(), &[]);
    assert_eq!(world.push_employees(ada()).status, 200);
    receiver.wait_for(1);
    let three = json!(["2", "3", "4"].map(|id| employee(id, "active", &[("First Name", "Zxyqueline")])));
    assert_eq!(world.push_employees(three).status, 409);
    receiver.wait_for(2);
    assert_eq!(world.push_employees(json!([employee("5", "active", &[("Last Name", "Zxyqueline")])])).status, 400);
    let messages = receiver.wait_for(3);
    for message in &messages {
        assert!(message.is_signed_by(&secret), "{message:?}");
        assert_eq!(message.headers["request"], "POST /events HTTP/1.1");
        assert_eq!(message.headers["content-type"], "application/json");
        assert!(message.id().starts_with("msg_"), "{message:?}");
        assert!(!message.text.contains("Zxyqueline"), "{message:?}");
        let time: jiff::Timestamp = message.json()["timestamp"].as_str().unwrap().parse().unwrap();
        assert!((jiff::Timestamp::now().as_second() - time.as_second()).abs() < 60);
    }
    let ids: BTreeSet<&str> = messages.iter().map(Message::id).collect();
    assert_eq!(ids.len(), 3);
    let mut told: Vec<(Value, Value)> =
        messages.iter().map(|message| (message.json()["type"].clone(), message.json()["data"].clone())).collect();
    let plan = told[1].1["plan"].take();
    assert!(plan.is_string(), "{plan}");
    let counts = |created: u64| {
        json!({
            "employeesCreated": created, "employeesDataUpdated": 0, "employeesStatusChangedToActive": 0,
            "employeesStatusChangedToHidden": 0, "employeesNotChanged": 0,
        })
    };
    let with = |mut data: Value, counts: Value| {
        data.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        data
    };
    let applied = json!({
        "account": 99, "revision": 1, "kind": "push", "dialect": "startexam", "key": 1, "profileId": PROFILE,
        "employees": 1, "setAside": null, "suspects": 0,
    });
    let held = json!({ "account": 99, "plan": null, "dialect": "startexam", "key": 1, "guards": ["create"] });
    let refused = json!({
        "account": 99, "dialect": "startexam", "key": 1, "status": 400, "requests": 1, "rejections": 1,
        "rejectionsByRule": { "required": 1 },
    });
    assert_eq!(told[0], (json!("sync.applied"), with(applied, counts(1))));
    assert_eq!(told[1], (json!("plan.held"), with(held, counts(3))));
    assert_eq!(told[2], (json!("push.refused"), refused));
    let delivered = wait_for_delivery(&world, |delivery| delivery["state"] == "delivered");
    assert_eq!((&delivered["attempts"], &delivered["last"]["status"]), (&json!(1), &json!(204)));
    assert!(!world.log().contains(&secret) && !world.log().contains("/events"), "{}", world.log());
}

#[test]
fn a_webhook_is_told_what_it_is_for_and_only_from_its_beginning() {
    let (world, all, some) = (world(), Receiver::new(), Receiver::new());
    assert_eq!(world.push_employees(ada()).status, 200);
    add(&world, ACCOUNT, &all.url(), &[]);
    let (id, _) = add(&world, ACCOUNT, &some.url(), &["--event", "push.refused", "--event", "plan.held"]);
    assert_eq!(world.push_employees(ada()).status, 200);
    assert_eq!(world.push("no JSON").status, 400);
    assert_eq!(all.wait_for(2)[0].json()["data"]["revision"], 2);
    assert_eq!(some.wait_for(1)[0].json()["type"], "push.refused");
    done(&world, &["test", "99", &id]);
    assert_eq!(some.wait_for(2)[1].json()["data"], json!({ "account": 99, "webhook": 2 }));
    assert_eq!((all.messages().len(), some.messages().len()), (2, 2));
}

#[test]
fn a_receiver_that_was_away_gets_the_same_message_later() {
    let world = world();
    // Somebody had the port, and will have it again.
    let address: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    add(&world, ACCOUNT, &format!("http://{address}/events"), &[]);
    assert_eq!(world.push_employees(ada()).status, 200);
    let failed = wait_for_delivery(&world, has_failed_once);
    assert_eq!(
        (&failed["state"], &failed["last"]["failure"]),
        (&json!("pending"), &json!("the connection was refused"))
    );
    let receiver = Receiver::at(address);
    let messages = receiver.wait_for(1);
    assert_eq!(messages[0].id(), failed["message"]);
    let delivered = wait_for_delivery(&world, |delivery| delivery["state"] == "delivered");
    assert_eq!(delivered["attempts"], 2);
    // Once more, because somebody wants it.
    done(&world, &["resend", "99", &delivered["delivery"].to_string()]);
    let messages = receiver.wait_for(2);
    assert_eq!((messages[1].id(), &messages[1].text), (messages[0].id(), &messages[0].text));
}

#[test]
fn nothing_is_lost_if_the_server_is_killed() {
    let (mut world, receiver) = (world(), Receiver::new());
    add(&world, ACCOUNT, &receiver.url(), &[]);
    let kills = 12;
    for n in 0..kills {
        assert_eq!(world.push_employees(ada()).status, 200);
        // The announcement follows the push by 0.2 s, and the delivery that.
        std::thread::sleep(Duration::from_millis(n * 40));
        world.kill();
        world.start();
    }
    let started = Instant::now();
    let revisions =
        || receiver.messages().iter().map(|message| message.json()["data"]["revision"].clone()).collect::<Vec<_>>();
    while (1..=kills).any(|revision| !revisions().contains(&json!(revision))) {
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", revisions());
        std::thread::sleep(Duration::from_millis(50));
    }
    // What came twice is known by its id.
    let ids: BTreeMap<String, String> =
        receiver.messages().into_iter().map(|message| (message.id().to_owned(), message.text)).collect();
    assert_eq!(ids.len() as u64, kills);
}

#[test]
fn the_old_secret_signs_too_until_a_day_after_it_was_replaced() {
    let (world, receiver) = (world(), Receiver::new());
    let (id, old) = add(&world, ACCOUNT, &receiver.url(), &[]);
    let rotated: Value = serde_json::from_str(&done(&world, &["rotate", "99", &id])).unwrap();
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(old, new);
    // The server key that both are sealed with may be replaced, too.
    assert!(run(&["key", "rewrap", "--data", &world.path("data")]).status.success());
    done(&world, &["test", "99", &id]);
    let message = &receiver.wait_for(1)[0];
    assert!(message.is_signed_by(&old) && message.is_signed_by(new), "{message:?}");
    let shared = rusqlite::Connection::open(world.path("data/rollcall.db")).unwrap();
    let tomorrow: i64 = shared.query_row("SELECT old_until FROM webhook", [], |row| row.get(0)).unwrap();
    assert!((tomorrow - jiff::Timestamp::now().as_second() - 86_400).abs() < 60);
    shared.execute("UPDATE webhook SET old_until = old_until - 86400", []).unwrap();
    done(&world, &["test", "99", &id]);
    let message = &receiver.wait_for(2)[1];
    assert!(!message.is_signed_by(&old) && message.is_signed_by(new), "{message:?}");
    for secret in [&old[6..], &new[6..]] {
        let file = std::fs::read(world.path("data/rollcall.db")).unwrap();
        assert!(!file.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
    }
}

#[test]
fn a_receiver_that_is_gone_is_told_nothing_more() {
    let (world, receiver) = (world(), Receiver::new());
    let (id, _) = add(&world, ACCOUNT, &receiver.url(), &[]);
    receiver.answer_with(status(410));
    done(&world, &["test", "99", &id]);
    world.wait_for_log("is disabled: its receiver answered 410");
    let failed = wait_for_delivery(&world, |delivery| delivery["state"] == "failed");
    assert_eq!((&failed["attempts"], &failed["last"]["status"]), (&json!(1), &json!(410)));
    assert_eq!(world.push_employees(ada()).status, 200);
    for command in ["test", "resend"] {
        let error = refused(&world, &[command, "99", "1"]);
        assert!(error.contains("is disabled") && error.contains("rollcall webhook add 99 URL"), "{error}");
    }
    let listed: Value = serde_json::from_str(&done(&world, &["list", "--json"])).unwrap();
    assert_eq!((&listed[0]["state"], &listed[0]["pending"]), (&json!("disabled"), &json!(0)));
    assert_eq!((receiver.messages().len(), deliveries(&world).len()), (1, 1));
}

#[test]
fn nothing_is_sent_to_private_addresses_that_are_not_allowed() {
    let (mut world, receiver) = (World::with(PEOPLE, ""), Receiver::new());
    let port = receiver.address.port();
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        "https://10.0.0.1/".into(),
        "https://169.254.169.254/latest/meta-data/".into(),
        "https://[fd00::1]/".into(),
    ] {
        let error = refused(&world, &["add", "99", &url]);
        assert!(error.contains("private address") && error.contains("[webhooks]"), "{error}");
    }
    let error = refused(&world, &["add", "99", "http://example.com/"]);
    assert!(error.contains("must begin with https://"), "{error}");
    // What a name means is only known when something is sent.
    add(&world, ACCOUNT, &format!("https://localhost:{port}/"), &[]);
    assert_eq!(world.push_employees(ada()).status, 200);
    let failed = wait_for_delivery(&world, has_failed_once);
    let failure = failed["last"]["failure"].as_str().unwrap();
    assert!(failure.contains("private address"), "{failure}");
    // An operator who allows an address, and then does not any more, is obeyed with the next attempt.
    world.stop();
    world.file("rollcall.toml", ALLOW);
    add(&world, ACCOUNT, &receiver.url(), &[]);
    world.file("rollcall.toml", "");
    world.start();
    done(&world, &["test", "99", "2"]);
    let failed = wait_for_delivery(&world, |delivery| delivery["webhook"] == 2 && has_failed_once(delivery));
    assert!(failed["last"]["failure"].as_str().unwrap().contains("private address"), "{failed}");
    assert!(receiver.messages().is_empty());
}

#[test]
fn redirects_are_not_followed_and_bodies_not_read() {
    let (world, receiver, other) = (world(), Receiver::new(), Receiver::new());
    let (id, _) = add(&world, ACCOUNT, &receiver.url(), &[]);
    receiver.answer_with(Answers::Head(format!(
        "HTTP/1.1 307 Over There\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        other.url()
    )));
    done(&world, &["test", "99", &id]);
    let failed = wait_for_delivery(&world, has_failed_once);
    assert_eq!(failed["last"]["failure"], "the receiver redirects, which is not followed");
    receiver.answer_with(Answers::Endlessly);
    done(&world, &["test", "99", &id]);
    let delivered = wait_for_delivery(&world, |delivery| delivery["attempts"] == 1);
    assert_eq!((&delivered["state"], &delivered["last"]["status"]), (&json!("delivered"), &json!(200)));
    receiver.answer_with(Answers::Head(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000))));
    done(&world, &["test", "99", &id]);
    let failed = wait_for_delivery(&world, has_failed_once);
    assert!(failed["last"]["failure"].as_str().unwrap().contains("head of the answer"), "{failed}");
    assert!(other.messages().is_empty());
}

#[test]
fn a_receiver_that_never_answers_holds_nobody_up() {
    let (world, silent, good) = (world(), Receiver::new(), Receiver::new());
    silent.answer_with(Answers::Never);
    let silent_ids: Vec<String> = (0..9).map(|_| add(&world, ACCOUNT, &silent.url(), &[]).0).collect();
    for id in &silent_ids {
        (0..6).for_each(|_| drop(done(&world, &["test", "99", id])));
    }
    world.add_account(98, SECRET);
    let (neighbour, _) = add(&world, 98, &good.url(), &[]);
    let (own, _) = add(&world, ACCOUNT, &good.url(), &[]);
    // The first attempts find out who is silent; afterwards half of the threads are free for all others.
    std::thread::sleep(Duration::from_secs(11));
    let started = Instant::now();
    done(&world, &["test", "98", &neighbour]);
    done(&world, &["test", "99", &own]);
    good.wait_for(2);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn a_webhook_is_its_account_s_alone() {
    let (world, receiver) = (world(), Receiver::new());
    world.add_account(98, SECRET);
    let (id, _) = add(&world, ACCOUNT, &receiver.url(), &[]);
    done(&world, &["test", "99", &id]);
    for args in [["remove", "98", &id], ["rotate", "98", &id], ["test", "98", &id], ["deliveries", "98", "--webhook=1"]]
    {
        let error = refused(&world, &args);
        assert!(error.contains("account 98 has no webhook 1; `rollcall webhook list 98`"), "{error}");
    }
    let error = refused(&world, &["resend", "98", "1"]);
    assert!(error.contains("account 98 has no delivery 1"), "{error}");
    let error = refused(&world, &["add", "97", &receiver.url()]);
    assert!(error.contains("there is no account 97"), "{error}");
    assert!(refused(&world, &["add", "99", &receiver.url(), "--event", "push"]).contains("sync.applied, plan.held"));
    (1..10).for_each(|_| drop(add(&world, ACCOUNT, &receiver.url(), &[])));
    assert!(refused(&world, &["add", "99", &receiver.url()]).contains("has 10 webhooks already"));
    done(&world, &["remove", "99", &id]);
    assert!(refused(&world, &["test", "99", &id]).contains("has no webhook 1"));
    assert!(run(&["account", "remove", "99", "--yes", "--data", &world.path("data")]).status.success());
    world.add_account(ACCOUNT, SECRET);
    assert_eq!(done(&world, &["list", "99", "--json"]).trim(), "[]");
    assert_eq!(Request::push().send(&world).status, 200);
}

#[test]
fn the_api_does_what_the_commands_do() {
    let (world, receiver) = (world(), Receiver::new());
    let body = json!({ "url": receiver.url(), "events": ["push.refused"] }).to_string();
    let post = |path: &str, body: &str| world.request("POST", path, Some(body.as_bytes()));
    let added = post("/v1/webhooks", &body);
    assert_eq!(added.status, 201, "{}", added.text);
    let secret = added.json()["secret"].as_str().unwrap().to_owned();
    assert_eq!(post("/v1/webhooks/1/test", "").json(), json!({ "delivery": 1 }));
    let message = receiver.wait_for(1)[0].clone();
    assert!(message.is_signed_by(&secret));
    let delivered = || world.get("/v1/webhooks/1/deliveries").json()["deliveries"][0]["state"] == "delivered";
    let started = Instant::now();
    while !delivered() {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", world.get("/v1/webhooks/1/deliveries").text);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(post("/v1/webhooks/1/deliveries/1/resend", "").status, 202);
    assert_eq!(receiver.wait_for(2)[1].id(), message.id());
    let rotated = post("/v1/webhooks/1/rotate", "").json();
    assert_eq!(post("/v1/webhooks/1/test", "").status, 202);
    let message = receiver.wait_for(3)[2].clone();
    assert!(message.is_signed_by(&secret) && message.is_signed_by(rotated["secret"].as_str().unwrap()));
    let listed = world.get("/v1/webhooks").json();
    assert_eq!(
        (&listed["webhooks"][0]["url"], &listed["webhooks"][0]["events"], &listed["webhooks"][0]["oldSecretUntil"]),
        (&json!(receiver.url()), &json!(["push.refused"]), &rotated["oldSecretUntil"])
    );
    assert!(!listed.to_string().contains("whsec_"), "{listed}");
    let page = world.get("/v1/webhooks/1/deliveries?limit=1").json();
    assert_eq!((&page["deliveries"][0]["delivery"], &page["nextCursor"]), (&json!(2), &json!("2")));
    let page = world.get("/v1/webhooks/1/deliveries?limit=1&cursor=2").json();
    assert_eq!(page["deliveries"][0]["delivery"], 1);
    for (body, message) in [
        ("", "must be like"),
        (r#"{"url": "https://example.com/", "event": []}"#, "must be like"),
        (r#"{"url": "https://example.com/", "events": ["Zxyqueline"]}"#, "there are sync.applied, plan.held"),
        (r#"{"url": "https://10.0.0.1/"}"#, "private address"),
        (r#"{"url": "https://169.254.169.254/latest"}"#, "private address"),
        (r#"{"url": "gopher://example.com/"}"#, "must be like https://"),
    ] {
        let answer = post("/v1/webhooks", body);
        assert!(answer.status == 400 && answer.message().contains(message), "{body}: {}", answer.text);
    }
    for (path, message) in [
        ("/v1/webhooks/2/test", "GET /v1/webhooks lists all"),
        ("/v1/webhooks/2/rotate", "GET /v1/webhooks lists all"),
        ("/v1/webhooks/2/deliveries/1/resend", "has no delivery of this number"),
        ("/v1/webhooks/1/deliveries/9/resend", "has no delivery of this number"),
    ] {
        let answer = post(path, "");
        assert!(answer.status == 404 && answer.message().contains(message), "{path}: {}", answer.text);
    }
    assert_eq!(world.request("DELETE", "/v1/webhooks/1", None).status, 204);
    assert_eq!(world.request("DELETE", "/v1/webhooks/1", None).status, 404);
    assert_eq!(world.get("/v1/webhooks").json(), json!({ "webhooks": [] }));
}

#[test]
fn only_a_key_that_may_release_sees_webhooks() {
    let world = world();
    let args = ["key", "add", "99", "--dialect", "startexam", "--role", "push,read", "--data", &world.path("data")];
    let added: Value = serde_json::from_slice(&run(&args).stdout).unwrap();
    let secret = added["secret"].as_str().unwrap();
    for (method, path) in [
        ("GET", "/v1/webhooks"),
        ("POST", "/v1/webhooks"),
        ("DELETE", "/v1/webhooks/1"),
        ("POST", "/v1/webhooks/1/rotate"),
        ("POST", "/v1/webhooks/1/test"),
        ("GET", "/v1/webhooks/1/deliveries"),
        ("POST", "/v1/webhooks/1/deliveries/1/resend"),
    ] {
        let answer = Request::signed_by(secret, method, path, b"").send(&world);
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
    }
}

#[test]
fn what_was_refused_is_told_after_a_backup_was_restored() {
    let (mut world, receiver) = (world(), Receiver::new());
    let (backup, data) = (world.path("backup"), world.path("data"));
    assert!(run(&["backup", &backup, "99", "--data", &data]).status.success());
    add(&world, ACCOUNT, &receiver.url(), &["--event", "push.refused"]);
    for refused in 1..=3 {
        assert_eq!(world.push(format!("no JSON {refused}")).status, 400);
        receiver.wait_for(refused);
    }
    world.stop();
    assert!(run(&["restore", &backup, "99", "--replace", "--data", &data]).status.success());
    world.start();
    assert_eq!(world.push("no JSON, either").status, 400);
    receiver.wait_for(4);
}

#[test]
fn a_published_profile_is_told_to_whom_it_concerns() {
    let (world, receiver) = (world(), Receiver::new());
    let (_, secret) = add(&world, ACCOUNT, &receiver.url(), &["--event", "profile.published"]);
    let mine = world.file("mine.toml", PEOPLE.replace("name = \"People\"", "name = \"My people\"\naccounts = [99]"));
    let other =
        PEOPLE.replace("d51b5efd", "d51b5efe").replace("name = \"People\"", "name = \"Others\"\naccounts = [7]");
    let other = world.file("other.toml", other);
    for file in [&other, &mine] {
        let (data, profiles) = (world.path("data"), world.path("profiles"));
        let put = run(&["profile", "put", file, "--data", &data, "--profiles", &profiles]);
        assert!(put.status.success(), "{put:?}");
    }
    let messages = receiver.wait_for(1);
    assert!(messages[0].is_signed_by(&secret));
    assert_eq!(messages[0].json()["type"], "profile.published");
    assert_eq!(messages[0].json()["data"], json!({ "account": 99, "profileId": PROFILE, "version": 2 }));
}
