//! The feed of changes, and those who follow it.

use super::golden::{Keyed, add_key};
use super::world::{Answer, PEOPLE, PROFILE, Request, World, employee, run};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn named(id: &str, name: &str) -> Value {
    employee(id, "active", &[("Last Name", name)])
}

fn feed(world: &World, query: &str) -> Value {
    let answer = world.get(&format!("/v1/changes?{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// All changes behind a cursor, so many at a time, and the cursor behind them.
fn all(world: &World, after: &str, limit: usize) -> (Vec<Value>, String) {
    let (mut changes, mut cursor) = (Vec::new(), after.to_owned());
    loop {
        let page = feed(world, &format!("after={cursor}&limit={limit}"));
        let of_page = page["changes"].as_array().unwrap();
        assert!(of_page.len() <= limit);
        changes.extend(of_page.iter().cloned());
        cursor = page["cursor"].as_str().unwrap().to_owned();
        if page["more"] == false {
            return (changes, cursor);
        }
    }
}

/// Creates, changes, hides, renames and brings back employees, and pushes some unchanged.
fn lived() -> Keyed {
    let keyed = Keyed::new();
    let world = &keyed.world;
    let step = |answer: Answer| assert!([200, 201].contains(&answer.status), "{}", answer.text);
    step(world.push_employees(json!([named("1", "Ada"), named("2", "Bob"), named("3", "Cy")])));
    step(keyed.springest(&json!({ "email": "eve@x.com", "first_name": "Eve" })));
    step(world.push_employees(json!([named("1", "Augusta"), { "id": "2", "status": "hidden" }, named("4", "new")])));
    step(world.push_employees(json!([named("3", "Cy")])));
    step(keyed.springest(&json!({ "external_id": "77", "email": "eve@x.com" })));
    step(world.push_employees(json!([named("1", "Ada"), named("2", "Bob"), named("77", "Eve")])));
    keyed
}

#[test]
fn the_feed_is_the_changes_of_all_syncs_in_their_order() {
    let keyed = lived();
    let world = &keyed.world;
    let mut expected = Vec::new();
    for revision in 1..=6 {
        let sync = world.get(&format!("/v1/syncs/{revision}")).json();
        let changes = world.get(&format!("/v1/syncs/{revision}/changes")).json();
        for change in changes["changes"].as_array().unwrap() {
            let mut change = change.clone();
            change["sync"] = json!({ "revision": revision, "time": sync["time"], "kind": sync["kind"] });
            expected.push(change);
        }
    }
    assert_eq!(expected.len(), 11);
    for limit in [1, 2, 3, 5, 100] {
        let (changes, cursor) = all(world, "", limit);
        assert_eq!(changes, expected, "{limit}");
        // From every place on, the rest comes.
        assert_eq!(all(world, &cursor, limit), (vec![], cursor));
    }
    let mut cursor = String::new();
    for seen in 1..expected.len() {
        let page = feed(world, &format!("limit=1&after={cursor}"));
        assert_eq!((&page["changes"][0], &page["more"]), (&expected[seen - 1], &json!(true)));
        cursor = page["cursor"].as_str().unwrap().to_owned();
        assert_eq!(all(world, &cursor, 4).0, expected[seen..], "{cursor}");
    }
    let renamed = expected.iter().find(|change| change["kinds"] == json!(["renamed"])).unwrap();
    assert_eq!(renamed["idChange"], json!({ "before": "eve@x.com", "after": "77" }));

    let now = feed(world, "after=now");
    assert_eq!((&now["changes"], &now["more"]), (&json!([]), &json!(false)));
    assert_eq!(now["cursor"].as_str(), world.get("/v1/employees.csv").header("Rollcall-Cursor").as_deref());
    for (query, what) in [
        ("after=7", "after must be the cursor of an answer or of an export's header Rollcall-Cursor, or now"),
        ("wait=61", "wait must be a number of seconds from 0 to 60 (limit follow_seconds_max)"),
        ("wait=-1", "wait must be a number of seconds from 0 to 60 (limit follow_seconds_max)"),
        ("limit=0", "limit must be a number from 1 to 1000"),
        ("since=7", "there are the parameters after, wait and limit, and no others"),
    ] {
        let answer = world.get(&format!("/v1/changes?{query}"));
        assert_eq!((answer.status, answer.message().as_str()), (400, what));
    }
}

#[test]
fn a_follower_that_begins_with_an_export_gets_what_came_after_it() {
    let keyed = lived();
    let world = &keyed.world;
    let (everything, _) = all(world, "", 100);
    for revision in 0..=6 {
        let export = world.get(&format!("/v1/employees.ndjson?at={revision}"));
        let cursor = export.header("Rollcall-Cursor").unwrap();
        let (changes, _) = all(world, &cursor, 2);
        let later = everything.iter().filter(|change| change["sync"]["revision"].as_u64().unwrap() > revision);
        assert_eq!(changes, later.cloned().collect::<Vec<_>>(), "{revision}");
        let mut roster = Roster::of_export(&export.text);
        changes.iter().for_each(|change| roster.apply(change));
        assert_eq!(roster, Roster::of_export(&world.get("/v1/employees.ndjson").text));
    }
    assert_eq!(world.get("/v1/syncs/1/changes.csv").header("Rollcall-Cursor"), None);
    let exported = run(&["export", "99", &world.path("all.csv"), "--data", &world.path("data")]);
    let cursor = world.get("/v1/employees.csv").header("Rollcall-Cursor").unwrap();
    let told = String::from_utf8(exported.stdout).unwrap();
    assert!(told.contains(&format!("at revision 6; GET /v1/changes?after={cursor} has")), "{told}");
}

#[test]
fn a_follower_waits_for_the_next_change_and_no_longer_than_it_asks() {
    let world = World::new();
    let employees = |name: &str| json!([employee("1", "active", &[("First Name", name)])]);
    world.push_employees(employees("Ada"));
    let cursor = feed(&world, "after=now")["cursor"].as_str().unwrap().to_owned();
    let began = Instant::now();
    let nothing = feed(&world, &format!("after={cursor}&wait=1"));
    assert!(began.elapsed() >= Duration::from_secs(1), "it did not wait");
    assert_eq!(nothing, json!({ "changes": [], "cursor": cursor, "more": false }));

    let began = Instant::now();
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| feed(&world, &format!("after={cursor}&wait=30")));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished());
        // A push that changes nobody wakes nobody.
        assert_eq!(world.push_employees(employees("Ada")).counts(), [0, 0, 0, 0, 1]);
        std::thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished());
        assert_eq!(world.push_employees(employees("Augusta")).counts(), [0, 1, 0, 0, 0]);
        waiting.join().unwrap()
    });
    assert!(began.elapsed() < Duration::from_secs(10), "it was not woken");
    assert_eq!(waiting["changes"][0]["sync"]["revision"], 3);
    // The place of whoever waited in vain moves with the revisions.
    world.push_employees(employees("Augusta"));
    let later = feed(&world, &format!("after={}", waiting["cursor"].as_str().unwrap()));
    assert_eq!(later["changes"], json!([]));
    assert!(later["cursor"].as_str().unwrap().starts_with("4-"), "{later}");
}

#[test]
fn a_change_by_another_program_is_seen_in_a_moment() {
    let world = World::new();
    world.push_employees(json!([employee("1", "active", &[("First Name", "Ada")])]));
    let cursor = feed(&world, "after=now")["cursor"].as_str().unwrap().to_owned();
    let body = json!({ "profileId": PROFILE, "employees": [employee("1", "active", &[("First Name", "Bob")])] });
    let plan = world.request("POST", "/v1/employees?dryRun=true", Some(body.to_string().as_bytes()));
    let plan = plan.header("location").unwrap().rsplit('/').next().unwrap().to_owned();
    let page = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let page = feed(&world, &format!("after={cursor}&wait=30"));
            (page, Instant::now())
        });
        // The look that an account gets when somebody begins to follow it is over by then.
        std::thread::sleep(Duration::from_millis(2_500));
        let files = ["--data", &world.path("data"), "--profiles", &world.path("profiles")];
        let applied = run(&[&["plan", "apply", "99", &plan], &files[..]].concat());
        assert!(applied.status.success(), "{applied:?}");
        let applied = Instant::now();
        let (page, answered) = waiting.join().unwrap();
        let waited = answered.duration_since(applied);
        assert!(waited < Duration::from_secs(10), "{waited:?} after the change");
        page
    });
    assert_eq!(page["changes"][0]["fields"][0]["after"], "Bob", "{page}");
}

#[test]
fn a_key_that_may_only_follow_gets_changes_without_values() {
    let keyed = lived();
    let world = &keyed.world;
    let secret = |role: &str| {
        let added = run(&["key", "add", "99", "--dialect", "startexam", "--role", role, "--data", &world.path("data")]);
        let added: Value = serde_json::from_slice(&added.stdout).unwrap();
        added["secret"].as_str().unwrap().to_owned()
    };
    let get = |secret: &str, path: &str| Request::signed_by(secret, "GET", path, b"").send(world);
    let follow = secret("follow");
    let thin = get(&follow, "/v1/changes");
    for value in ["Ada", "Augusta", "Bob", "Last Name", "Eve", "fields", "before\": \"active"] {
        assert!(!thin.text.contains(value), "{value}: {}", thin.text);
    }
    let (full, _) = all(world, "", 100);
    let expected = full.iter().map(|change| {
        let mut thin = json!({ "id": change["id"], "kinds": change["kinds"], "sync": change["sync"] });
        if let Some(id_change) = change.get("idChange") {
            thin["idChange"] = id_change.clone();
        }
        thin
    });
    assert_eq!(thin.json()["changes"], Value::from_iter(expected));
    for path in ["/v1/employees", "/v1/employees.csv", "/v1/syncs/1/changes"] {
        assert_eq!(get(&follow, path).status, 403, "{path}");
    }
    assert_eq!(get(&secret("read"), "/v1/changes").json()["changes"], json!(full));
    let refused = get(&secret("push"), "/v1/changes");
    assert_eq!(refused.status, 403);
    assert!(refused.message().contains("needs the role follow"), "{}", refused.text);
    let springest = add_key(world, "springest", &[]);
    assert_eq!(
        Request::new("GET", &format!("/v1/changes?api_key={springest}"), b"")
            .without("Authorization")
            .send(world)
            .status,
        403
    );
}

#[test]
fn a_cursor_that_the_roster_cannot_go_on_from_is_refused() {
    let keyed = lived();
    let world = &keyed.world;
    let data = world.path("data");
    let cursor = |world: &World| feed(world, "after=now")["cursor"].as_str().unwrap().to_owned();
    let at_6 = cursor(world);
    let backup = world.path("backup");
    assert!(run(&["backup", &backup, "--data", &data]).status.success());
    assert_eq!(world.push_employees(json!([named("1", "lost")])).counts(), [0, 1, 0, 0, 0]);
    let lost = cursor(world);
    assert!(run(&["restore", &backup, "99", "--replace", "--data", &data]).status.success());
    let other = "this roster does not have the revision of the cursor: a backup was restored, or the roster was made anew, and what was \
                 pushed since is lost; take an export anew, and go on from the cursor in its header Rollcall-Cursor";
    let refused = world.get(&format!("/v1/changes?after={lost}&wait=5"));
    assert_eq!((refused.status, refused.message().as_str()), (410, other));
    // Another push takes the revision's place, and not that of the cursor.
    assert_eq!(world.push_employees(json!([named("1", "kept")])).counts(), [0, 1, 0, 0, 0]);
    assert_eq!(world.get(&format!("/v1/changes?after={lost}")).status, 410);
    // Whoever was no further than the backup goes on.
    let (changes, _) = all(world, &at_6, 10);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["fields"][0]["after"], "kept");
    let future = world.get("/v1/changes?after=99-0123456789abcdef");
    assert_eq!(future.status, 410);
}

#[test]
fn those_who_wait_are_let_go_when_the_server_stops() {
    let mut world = World::new();
    let request = Request::new("GET", "/v1/changes?after=now&wait=60", b"");
    let mut streams: Vec<_> = (0..20).map(|_| world.connect()).collect();
    streams.iter_mut().for_each(|stream| stream.write_all(&request.head()).unwrap());
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    world.stop();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for mut stream in streams {
        let answer = Answer::read(&mut stream);
        assert_eq!((answer.status, answer.json()["changes"].clone()), (200, json!([])));
    }
}

#[test]
fn only_so_many_wait() {
    let world = World::with(PEOPLE, "followers_max = 4\nfollow_seconds_max = 30");
    let request = Request::new("GET", "/v1/changes?after=now&wait=30", b"");
    let mut streams: Vec<_> = (0..2).map(|_| world.connect()).collect();
    streams.iter_mut().for_each(|stream| stream.write_all(&request.head()).unwrap());
    std::thread::sleep(Duration::from_millis(300));
    let refused = request.send(&world);
    assert_eq!((refused.status, refused.header("Retry-After").as_deref()), (503, Some("5")));
    assert!(
        refused.message().starts_with("as many requests of this account wait for changes as may"),
        "{}",
        refused.text
    );
    assert_eq!(world.get("/v1/changes?after=now").status, 200);
    assert_eq!(world.push_employees(json!([employee("1", "active", &[("First Name", "Ada")])])).status, 200);
    for stream in &mut streams {
        assert_eq!(Answer::read(stream).json()["changes"][0]["id"], "1");
    }
    assert_eq!(Request::new("GET", "/v1/changes?after=now&wait=1", b"").send(&world).status, 200);
}

/// How many follow at once: as many as `ROLLCALL_FOLLOWERS` says.
#[cfg(target_os = "linux")]
#[test]
fn those_who_wait_cost_little() {
    let followers = std::env::var("ROLLCALL_FOLLOWERS").map_or(300, |followers| followers.parse().unwrap());
    let world = World::new();
    world.push_employees(json!([employee("1", "active", &[("First Name", "Ada")])]));
    let request = Request::new("GET", "/v1/changes?after=now&wait=60", b"");
    feed(&world, "after=now&wait=1");
    let (threads, memory) = (world.threads(), world.current_memory_mib());
    let mut streams: Vec<_> = (0..followers).map(|_| world.connect()).collect();
    streams.iter_mut().for_each(|stream| stream.write_all(&request.head()).unwrap());
    // All came at once, and the threads that looked up their keys end after some seconds.
    let came = Instant::now();
    while world.threads() >= threads + 20 && came.elapsed() < Duration::from_secs(25) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let (threads_then, memory_then) = (world.threads(), world.current_memory_mib());
    let cpu = world.cpu_time();
    std::thread::sleep(Duration::from_secs(1));
    let idle = world.cpu_time() - cpu;
    let pushed = Instant::now();
    assert_eq!(
        world.push_employees(json!([employee("1", "active", &[("First Name", "Bob")])])).counts(),
        [0, 1, 0, 0, 0]
    );
    let answered = pushed.elapsed();
    for stream in &mut streams {
        assert_eq!(Answer::read(stream).json()["changes"][0]["kinds"], json!(["updated"]));
    }
    println!(
        "{followers} followers: {threads} → {threads_then} threads, {memory} → {memory_then} MiB, {idle:?} of the processor in a second; \
         the push took {answered:?}, and all were told after {:?}",
        pushed.elapsed()
    );
    assert!(threads_then < threads + 20, "{threads} → {threads_then} threads");
    assert!(memory_then < memory + 10 + followers / 20, "{memory} → {memory_then} MiB");
    assert!(idle < Duration::from_millis(600), "{idle:?}");
}

/// A roster as a follower holds it: the status and the values of each id.
#[derive(Debug, Default, PartialEq)]
struct Roster(BTreeMap<String, (Value, Map<String, Value>)>);

impl Roster {
    fn of_export(lines: &str) -> Roster {
        let mut roster = Roster::default();
        for line in lines.lines() {
            let employee: Value = serde_json::from_str(line).unwrap();
            let row = |row: &Value| (row["name"].as_str().unwrap().to_owned(), row["value"].clone());
            let data = employee["data"].as_array().unwrap().iter().map(row).collect();
            roster.0.insert(employee["id"].as_str().unwrap().to_owned(), (employee["status"].clone(), data));
        }
        roster
    }

    fn apply(&mut self, change: &Value) {
        let id = change["id"].as_str().unwrap();
        let before = change["idChange"]["before"].as_str().unwrap_or(id);
        let (mut status, mut data) = self.0.remove(before).unwrap_or_default();
        if let Some(after) = change["status"].get("after") {
            status = after.clone();
        }
        for field in change["fields"].as_array().unwrap() {
            let name = field["name"].as_str().unwrap();
            match &field["after"] {
                Value::Null => drop(data.remove(name)),
                value => drop(data.insert(name.to_owned(), value.clone())),
            }
        }
        self.0.insert(id.to_owned(), (status, data));
    }

    fn to_json(&self) -> Value {
        json!(self.0.iter().map(|(id, (status, data))| json!([id, status, data])).collect::<Vec<_>>())
    }

    fn of_json(json: &Value) -> Roster {
        let one =
            |one: &Value| (one[0].as_str().unwrap().to_owned(), (one[1].clone(), one[2].as_object().unwrap().clone()));
        Roster(json.as_array().unwrap().iter().map(one).collect())
    }
}

/// The folder in which a follower keeps what it knows, in `state.json`, and finds the server's address, in `address`.
const FOLDER: &str = "ROLLCALL_FOLLOWER";

/// What the test below runs as a process of its own, to be killed: a follower that keeps its roster and its cursor in one file.
#[test]
#[ignore = "it is the follower of another test"]
fn follower() {
    let folder = std::env::var(FOLDER).unwrap();
    let folder = Path::new(&folder);
    loop {
        let state = std::fs::read(folder.join("state.json")).ok();
        let state: Value = state.map_or_else(|| json!(["", []]), |state| serde_json::from_slice(&state).unwrap());
        let (cursor, mut roster) = (state[0].as_str().unwrap(), Roster::of_json(&state[1]));
        let page = std::panic::catch_unwind(|| {
            let world = World::at(std::fs::read_to_string(folder.join("address")).unwrap().parse().unwrap());
            world.get(&format!("/v1/changes?after={cursor}&wait=2&limit=5"))
        });
        let Ok(page) = page else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        page["changes"].as_array().unwrap().iter().for_each(|change| roster.apply(change));
        std::fs::write(folder.join("next.json"), json!([page["cursor"], roster.to_json()]).to_string()).unwrap();
        std::fs::rename(folder.join("next.json"), folder.join("state.json")).unwrap();
    }
}

fn start_follower(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "feed::follower", "--ignored"]).env(FOLDER, folder);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The server and the follower are killed by turns, as often as `ROLLCALL_KILLS` says.
#[test]
fn a_follower_holds_the_same_roster_after_kills_of_the_server_and_of_itself() {
    let kills = std::env::var("ROLLCALL_KILLS").map_or(10, |kills| kills.parse().unwrap());
    let Keyed { mut world, springest, .. } = Keyed::new();
    let folder = tempfile::tempdir().unwrap();
    let announce = |world: &World| {
        std::fs::write(folder.path().join("new"), world.address.to_string()).unwrap();
        std::fs::rename(folder.path().join("new"), folder.path().join("address")).unwrap();
    };
    announce(&world);
    let mut follower = start_follower(folder.path());
    let mut random = 1_u64;
    let mut below = |n: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % n
    };
    for round in 0..kills {
        let people: Vec<Value> = (0..12)
            .map(|_| {
                let (id, name) = (below(20).to_string(), format!("name {}", below(3)));
                employee(&id, if below(4) == 0 { "hidden" } else { "active" }, &[("Last Name", &name)])
            })
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        let people: Vec<Value> =
            people.into_iter().filter(|one| seen.insert(one["id"].as_str().unwrap().to_owned())).collect();
        assert_eq!(world.push_employees(json!(people)).status, 200);
        let renamed = json!({ "email": format!("a{round}@x.com"), "last_name": "Springer" });
        let renamed_again = json!({ "email": format!("a{round}@x.com"), "external_id": format!("e{round}") });
        for user in [renamed, renamed_again] {
            let path = format!("/users.json?api_key={springest}");
            let request = super::dialects::unsigned("POST", &path, user.to_string().as_bytes());
            assert_eq!(request.header("Content-Type", "application/json").send(&world).status, 201);
        }
        if below(2) == 0 {
            std::thread::sleep(Duration::from_millis(below(30)));
            follower.kill().unwrap();
            follower.wait().unwrap();
            follower = start_follower(folder.path());
        } else {
            let body = json!({ "profileId": PROFILE, "employees": [named("0", &format!("cut {round}"))] }).to_string();
            let push = Request::new("POST", "/v1/employees", body.as_bytes());
            let mut stream = world.connect();
            stream.write_all(&[push.head(), push.body].concat()).unwrap();
            std::thread::sleep(Duration::from_millis(below(8)));
            world.kill();
            world = world.started();
            announce(&world);
        }
        assert!(follower.try_wait().unwrap().is_none(), "the follower has ended by itself");
    }
    let expected = Roster::of_export(&world.get("/v1/employees.ndjson").text);
    let began = Instant::now();
    loop {
        let state = std::fs::read(folder.path().join("state.json")).unwrap_or_else(|_| b"[\"\",[]]".to_vec());
        let roster = Roster::of_json(&serde_json::from_slice::<Value>(&state).unwrap()[1]);
        if roster == expected {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{roster:?}\nis not\n{expected:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
}
