//! What the operator sees: metrics, readiness, the times of a push's steps, the history of an account.

use super::golden::Keyed;
use super::world::{Answer, PEOPLE, PROFILE, Request, SECRET, World, employee, empty_push, run};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Returns a server that also serves its metrics.
pub fn with_metrics(world: World) -> World {
    let mut command = world.serve();
    command.args(["--metrics", "127.0.0.1:0"]);
    let world = world.started_by(command);
    world.wait_for_log("metrics on http://");
    world
}

fn ask_metrics(world: &World, head: &str) -> Answer {
    let log = world.log();
    let (_, address) = log.rsplit_once("metrics on http://").unwrap();
    let address: SocketAddr = address.split('/').next().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(format!("{head} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    Answer::read(&mut stream)
}

pub fn metrics(world: &World) -> String {
    let answer = ask_metrics(world, "GET /metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    answer.text
}

/// Returns the value of a metric, which is named with all its labels.
pub fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn history(world: &World, args: &[&str]) -> Vec<Value> {
    let data = world.path("data");
    let output = run(&[&["history", "--json", "--data", &data], args].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
}

#[test]
fn metrics_count_what_was_pushed_and_no_client_makes_a_label() {
    let world = with_metrics(World::stopped(PEOPLE, ""));
    let two = json!([employee("1", "active", &[("First Name", "A")]), employee("2", "active", &[("First Name", "B")])]);
    world.push_employees(two.clone());
    world.push_employees(two.clone());
    world.push_employees(json!([
        employee("3", "active", &[("First Name", "C"), ("Email", "x")]),
        employee("4", "active", &[])
    ]));
    world.push("no JSON");
    let forged = Request::push_signed_by("another").send(&world);
    assert_eq!(forged.status, 403);
    world.request("POST", "/v1/employees-Zxyqueline", Some(b"{}"));
    world.request("ZXYQUELINE", "/v1/employees", None);
    let told = metrics(&world);
    let pushes = |account: &str, outcome: &str| {
        let labels = format!("account=\"{account}\",dialect=\"startexam\",outcome=\"{outcome}\"");
        value(&told, &format!("rollcall_pushes_total{{{labels}}}"))
    };
    for (account, outcome) in
        [("99", "applied"), ("99", "unchanged"), ("99", "rejected"), ("99", "refused_4xx"), ("", "refused_4xx")]
    {
        assert_eq!(pushes(account, outcome), Some(1.0), "{account} {outcome}: {told}");
    }
    for (name, expected) in [
        ("rollcall_employees_total{account=\"99\",change=\"created\"}", 2.0),
        ("rollcall_employees_total{account=\"99\",change=\"unchanged\"}", 2.0),
        ("rollcall_rejections_total{rule=\"email\"}", 1.0),
        ("rollcall_rejections_total{rule=\"required\"}", 1.0),
        ("rollcall_push_step_seconds_count{step=\"commit\"}", 4.0),
        ("rollcall_pushes_waiting", 0.0),
        ("rollcall_exports_under_way", 0.0),
    ] {
        assert_eq!(value(&told, name), Some(expected), "{name}: {told}");
    }
    let body = json!({ "profileId": PROFILE, "employees": two }).to_string();
    let bytes = "rollcall_push_bytes_total{account=\"99\",dialect=\"startexam\"}";
    assert_eq!(value(&told, bytes), Some(2.0 * body.len() as f64), "{told}");
    for name in [
        "rollcall_reads_waiting",
        "rollcall_reads_under_way",
        "rollcall_pushes_under_way",
        "rollcall_wal_bytes{database=\"99\"}",
    ] {
        assert!(value(&told, name).is_some(), "{name}: {told}");
    }
    assert!(value(&told, "rollcall_index_memory_bytes").unwrap() > 0.0, "{told}");
    assert!(value(&told, "rollcall_last_push_age_seconds{account=\"99\"}").unwrap() < 60.0, "{told}");
    assert!(told.ends_with("# EOF\n") && !told.to_lowercase().contains("zxyqueline"), "{told}");
}

#[test]
fn metrics_have_a_listener_of_their_own_and_know_the_last_push_after_a_restart() {
    let mut world = with_metrics(World::stopped(PEOPLE, ""));
    assert_eq!(value(&metrics(&world), "rollcall_last_push_age_seconds{account=\"99\"}"), None);
    assert_eq!(world.get("/metrics").status, 404);
    assert_eq!(ask_metrics(&world, "GET /v1/employees").status, 404);
    assert_eq!(ask_metrics(&world, "POST /metrics").status, 405);
    assert_eq!(world.push_employees(json!([])).status, 200);
    world.signal("-TERM");
    assert!(world.wait().success());
    let data = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    data.execute("UPDATE sync SET finished_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-1 hour')", []).unwrap();
    drop(data);
    // The configuration file has a place for it, too.
    world.file("rollcall.toml", "metrics = \"127.0.0.1:0\"\n");
    let world = world.started();
    world.wait_for_log("metrics on http://");
    let age = value(&metrics(&world), "rollcall_last_push_age_seconds{account=\"99\"}").unwrap();
    assert!((3_590.0..3_900.0).contains(&age), "{age}");
    assert_eq!(world.push_employees(json!([])).status, 200);
    assert!(value(&metrics(&world), "rollcall_last_push_age_seconds{account=\"99\"}").unwrap() < 600.0);
}

#[test]
fn metrics_know_of_a_restore() {
    let world = with_metrics(World::stopped(PEOPLE, ""));
    let (data, backup) = (world.path("data"), world.path("backup"));
    let age = || value(&metrics(&world), "rollcall_last_push_age_seconds{account=\"99\"}");
    assert!(run(&["backup", &backup, "99", "--data", &data]).status.success());
    assert_eq!(age(), None);
    world.push_employees(json!([]));
    assert!(age().is_some());
    assert!(run(&["restore", &backup, "99", "--replace", "--data", &data]).status.success());
    assert_eq!(age(), None, "the backup has no push");
}

#[test]
fn a_server_that_cannot_write_is_not_ready() {
    let world = World::new();
    let ready = |world: &World| Request::new("GET", "/health/ready", b"").without("Authorization").send(world);
    assert_eq!(
        (ready(&world).status, ready(&world).json()["status"].as_str().map(str::to_owned)),
        (200, Some("ready".into()))
    );
    std::fs::rename(world.path("data/accounts"), world.path("data/elsewhere")).unwrap();
    let refused = until("503", || Some(ready(&world)).filter(|answer| answer.status == 503));
    assert!(refused.message().contains("cannot write to its data folder"), "{}", refused.text);
    assert!(refused.header("retry-after").is_some());
    // It can be read all the same.
    assert_eq!(world.get("/health").status, 200);
    std::fs::rename(world.path("data/elsewhere"), world.path("data/accounts")).unwrap();
    until("200", || (ready(&world).status == 200).then_some(()));
}

#[test]
fn the_log_line_of_a_push_has_the_times_of_its_steps() {
    let world = World::new();
    let many: Vec<_> =
        (0..5_000).map(|n| employee(&n.to_string(), "active", &[("First Name", "Abcdefghijkl")])).collect();
    let body = json!({ "profileId": PROFILE, "employees": many }).to_string();
    let request = Request::new("POST", "/v1/employees", body.as_bytes());
    // The body pauses, so the time is that of receiving.
    let mut stream = world.connect();
    let (first, rest) = request.body.split_at(body.len() / 2);
    stream.write_all(&[&request.head(), first].concat()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    stream.write_all(rest).unwrap();
    assert_eq!(Answer::read(&mut stream).counts(), [5_000, 0, 0, 0, 0]);
    world.push_employees(json!([employee("x", "active", &[("Email", "y")])]));
    world.wait_for_log("\"rejections\":");
    let log = world.log();
    let lines: Vec<Value> =
        log.lines().filter(|line| line.contains("\"route\"")).map(|line| serde_json::from_str(line).unwrap()).collect();
    let time = |line: &Value, step: &str| line[step].as_f64().unwrap_or_else(|| panic!("{step}: {line}"));
    assert!(time(&lines[0], "receive_ms") >= 250.0, "{}", lines[0]);
    let steps = ["receive_ms", "check_ms", "write_ms", "commit_ms"];
    let sum: f64 = steps.iter().map(|step| time(&lines[0], step)).sum();
    assert!(steps.iter().all(|step| time(&lines[0], step) > 0.0), "{}", lines[0]);
    assert!(sum <= time(&lines[0], "duration_ms") + 1.0, "{}", lines[0]);
    // A refused push has them, too.
    assert_eq!(time(&lines[1], "commit_ms"), 0.0);
    assert!(time(&lines[1], "check_ms") > 0.0, "{}", lines[1]);
}

#[test]
fn history_has_the_last_pushes_and_why_others_were_refused() {
    let world = World::new();
    let data = world.path("data");
    assert_eq!(history(&world, &["99"]), Vec::<Value>::new());
    let ada = json!([employee("1", "active", &[("First Name", "Ada")])]);
    assert_eq!(world.push_employees(ada.clone()).counts(), [1, 0, 0, 0, 0]);
    let name = "Zxyqueline";
    assert_eq!(world.push_employees(json!([employee("2", "active", &[("Email", name)])])).status, 400);
    assert_eq!(Request::push_signed_by("another").send(&world).status, 403);
    let pushes = until("two pushes", || Some(history(&world, &["99"])).filter(|pushes| pushes.len() == 2));
    let applied = pushes.iter().find(|push| push["outcome"] == "applied").unwrap();
    for (member, expected) in [
        ("account", json!(99)),
        ("dialect", json!("startexam")),
        ("peer", json!("127.0.0.1")),
        ("status", json!(200)),
        ("revision", json!(1)),
        ("employees", json!(1)),
        ("created", json!(1)),
        ("unchanged", json!(0)),
        ("bytes", json!(json!({ "profileId": PROFILE, "employees": ada }).to_string().len())),
    ] {
        assert_eq!(applied[member], expected, "{member}: {applied}");
    }
    let refused = pushes.iter().find(|push| push["outcome"] == "refused").unwrap();
    assert_eq!((&refused["status"], &refused["rejections"], &refused["requests"]), (&json!(400), &json!(2), &json!(1)));
    assert!(refused["cause"].as_str().unwrap().contains("Email email: 1"), "{refused}");
    assert!(!refused.to_string().contains(name), "{refused}");
    // As a table, and of all accounts.
    let table = String::from_utf8(run(&["history", "--data", &data]).stdout).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    let columns =
        "time                 account revision kind    key created updated activated hidden unchanged seconds";
    assert_eq!((lines.len(), lines[0], lines[0].len()), (4, columns, 100), "{table}");
    assert!(lines[1].contains("Z      99        - refused   1 ") && lines[1].len() == 100, "{table}");
    assert!(lines[2].starts_with("    400: employees were rejected"), "{table}");
    assert!(lines[3].contains("Z      99        1 push      1       1       0         0      0         0"), "{table}");
    let table = String::from_utf8(run(&["history", "99", "--data", &data]).stdout).unwrap();
    assert!(!table.contains("account") && table.lines().next().unwrap().len() == 92, "{table}");
    let missing = run(&["history", "7", "--data", &data]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("there is no account 7"));
}

#[test]
fn the_history_and_plans_name_the_key_that_a_push_was_sent_with() {
    let keyed = Keyed::new();
    let (world, data) = (&keyed.world, keyed.world.path("data"));
    let added = run(&["key", "add", "99", "--dialect", "startexam", "--role", "push", "--data", &data]);
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let (secret, nightly) = (added["secret"].as_str().unwrap(), &added["key"]);
    let listed: Value = serde_json::from_slice(&run(&["key", "list", "99", "--json", "--data", &data]).stdout).unwrap();
    let key = |of: &str| &listed.as_array().unwrap().iter().find(|key| key["dialect"] == of).unwrap()["key"];
    let first = key("startexam");

    let body = |mail: &str| {
        let ada = employee("1", "active", &[("First Name", "Ada"), ("Last Name", "L"), ("Email", mail)]);
        json!({ "profileId": PROFILE, "employees": [ada] }).to_string()
    };
    let push = |mail: &str, query: &str| {
        let path = format!("/v1/employees{query}");
        Request::signed_by(secret, "POST", &path, body(mail).as_bytes()).send(world)
    };
    assert_eq!(push("ada@example.com", "").status, 200);
    assert_eq!(push("nobody", "").status, 400);
    assert_eq!(world.push(body("nobody")).status, 400, "the same push, sent with another key");
    let plan = push("lovelace@example.com", "?dryRun=true").header("location").unwrap();
    assert_eq!(world.get(&plan).json()["key"], *nightly);
    let applied = world.request("POST", &format!("{plan}/apply"), Some(b""));
    assert_eq!(applied.status, 200, "{}", applied.text);
    assert_eq!(keyed.springest(&json!({})).status, 400);
    assert_eq!(keyed.collaborator("batch", &json!({})).status, 400);
    assert_eq!(keyed.echospan(&[("Cmd", "X")]).status, 451);

    let pushes = until("seven pushes", || Some(history(world, &["99"])).filter(|pushes| pushes.len() == 7));
    let by = |dialect: &str, status: u16| {
        let is_so = |push: &&Value| (&push["dialect"], &push["status"]) == (&json!(dialect), &json!(status));
        let mut keys: Vec<u64> = pushes.iter().filter(is_so).map(|push| push["key"].as_u64().unwrap()).collect();
        keys.sort_unstable();
        json!(keys)
    };
    assert_eq!(by("startexam", 200), json!([first, nightly]), "whoever released the plan is in the history");
    assert_eq!(by("startexam", 400), json!([first, nightly]));
    assert_eq!(by("springest", 400), json!([key("springest")]));
    assert_eq!(by("collaborator", 400), json!([key("collaborator")]));
    assert_eq!(by("echospan", 451), json!([key("echospan")]));
    let table = String::from_utf8(run(&["history", "--data", &data]).stdout).unwrap();
    assert!(table.contains(&format!(" 99        1 push    {:>3} ", nightly.to_string())), "{table}");
}

#[test]
fn a_client_that_refuses_to_stop_does_not_fill_the_history() {
    let mut world = World::with(PEOPLE, "refusals_kept_max = 3");
    for _ in 0..100 {
        assert_eq!(world.push("no JSON").status, 400);
    }
    let requests = |pushes: &[Value]| pushes.iter().map(|push| push["requests"].as_u64().unwrap()).sum::<u64>();
    let pushes = until("100 refusals", || Some(history(&world, &["99"])).filter(|pushes| requests(pushes) == 100));
    assert!(pushes.len() <= 3, "{pushes:?}");
    // Different ones are told apart up to a number, and the last are kept. What was noted is written at a stop.
    for n in 0..40 {
        world.push(format!("{}no JSON", " ".repeat(n)));
    }
    world.signal("-TERM");
    assert!(world.wait().success());
    let pushes = history(&world, &["99", "--last", "100"]);
    assert_eq!(pushes.len(), 3, "{pushes:?}");
}

#[test]
fn a_push_that_breaks_off_is_in_the_history() {
    let world = World::new();
    let request = Request::push().header("Content-Length", "1000");
    let signed = Request::new("POST", "/v1/employees", &[b' '; 1_000]);
    let mut stream = world.connect();
    stream.write_all(&signed.head()).unwrap();
    stream.write_all(&request.body).unwrap();
    drop(stream);
    let pushes = until("a refusal", || Some(history(&world, &["99"])).filter(|pushes| !pushes.is_empty()));
    assert_eq!(pushes.len(), 1, "{pushes:?}");
    assert_eq!(pushes[0]["bytes"], 1_000, "{pushes:?}");
}

#[test]
fn an_account_of_the_first_version_has_a_history() {
    let world = World::stopped(PEOPLE, "");
    let file = world.path("data/accounts/99.db");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{file}{suffix}"));
    }
    let old = rusqlite::Connection::open(&file).unwrap();
    old.execute_batch(include_str!("../golden/store/account-1.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO sync VALUES (1, '2026-01-30T06:25:19Z', 1, 7, 6, 0, 0, 0, 1, 12); PRAGMA user_version = 1",
    )
    .unwrap();
    drop(old);
    let pushes = history(&world, &[]);
    assert_eq!(
        (&pushes[0]["created"], &pushes[0]["dialect"], &pushes[0]["bytes"]),
        (&json!(6), &Value::Null, &Value::Null)
    );
    let world = world.started();
    assert_eq!(world.push(empty_push()).header("rollcall-revision").as_deref(), Some("2"));
    assert_eq!(history(&world, &[]).len(), 2);
}

#[test]
fn other_dialects_are_counted_by_their_names() {
    let profile =
        PEOPLE.replace("type = \"email\"", "type = \"email\"\nunique = true\nwire = { springest = \"email\" }");
    let profile = profile.replace("required = true", "wire = { springest = \"first_name\" }");
    let world = with_metrics(World::stopped(&profile, ""));
    let added = run(&["key", "add", "99", "--dialect", "springest", "--data", &world.path("data")]);
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let path = format!("/users.json?api_key={}", added["token"].as_str().unwrap());
    let user = |body: Value| Request::new("POST", &path, body.to_string().as_bytes()).send(&world);
    let created = user(json!({ "external_id": "1", "email": "a@example.com", "first_name": "A" }));
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(user(json!({ "external_id": "2", "email": "a" })).status, 400);
    let pushes = until("two pushes", || Some(history(&world, &[])).filter(|pushes| pushes.len() == 2));
    assert!(pushes.iter().all(|push| push["dialect"] == "springest"), "{pushes:?}");
    // An employee that is read is no push.
    assert_eq!(Request::new("GET", &format!("{path}&external_id=1"), b"").send(&world).status, 200);
    assert!(pushes.iter().any(|push| push["status"] == 201 && push["created"] == 1), "{pushes:?}");
    let told = metrics(&world);
    for outcome in ["applied", "rejected"] {
        let labels = format!("account=\"99\",dialect=\"springest\",outcome=\"{outcome}\"");
        assert_eq!(value(&told, &format!("rollcall_pushes_total{{{labels}}}")), Some(1.0), "{told}");
    }
    assert!(!told.contains(SECRET));
}

#[test]
fn a_queue_is_counted_when_it_fills_and_when_it_is_applied() {
    let world = with_metrics(World::stopped(include_str!("../../profiles/employees.toml"), ""));
    let args = ["key", "add", "99", "--dialect", "echospan", "--client-id", "1234", "--data", &world.path("data")];
    let added: Value = serde_json::from_slice(&run(&args).stdout).unwrap();
    let command = |fields: &str| {
        let form = format!("Key={}&ClientID=1234&APITestForm=1&{fields}", added["token"].as_str().unwrap());
        let path = "/echotools7/api/api_import_emps.asp";
        Request::new("POST", path, form.as_bytes()).send(&world).status
    };
    assert_eq!(command("Cmd=I&Fname=Grace&Lname=Hopper&Email=grace@example.com&EmpIDNumber=4713"), 200);
    assert_eq!(command("Cmd=I&Fname=Ada"), 451);
    assert_eq!(command("Cmd=P"), 200);
    let told = metrics(&world);
    for outcome in ["queued", "refused_4xx", "applied"] {
        let labels = format!("account=\"99\",dialect=\"echospan\",outcome=\"{outcome}\"");
        assert_eq!(value(&told, &format!("rollcall_pushes_total{{{labels}}}")), Some(1.0), "{outcome}: {told}");
    }
    let pushes = until("two pushes", || Some(history(&world, &[])).filter(|pushes| pushes.len() == 2));
    assert!(pushes.iter().any(|push| push["status"] == 451), "{pushes:?}");
}
