//! Plans: a push that is looked at before it is applied.

use super::world::{ACCOUNT, Answer, PEOPLE, PROFILE, Request, SECRET, World, employee, run};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::time::Duration;

fn list(employees: &Value) -> String {
    json!({ "profileId": PROFILE, "employees": employees }).to_string()
}

fn ada(mail: &str) -> Value {
    employee("1", "active", &[("First Name", "Ada"), ("Email", mail)])
}

fn bob(status: &str) -> Value {
    employee("2", status, &[("First Name", "Bob")])
}

/// Asks what a list would do. Returns the five counts and where the plan is.
#[track_caller]
fn dry_run(world: &World, employees: &Value) -> ([u64; 5], String) {
    let answer = world.request("POST", "/v1/employees?dryRun=true", Some(list(employees).as_bytes()));
    let counts = answer.counts();
    (counts, answer.header("location").unwrap())
}

fn apply(world: &World, plan: &str) -> Answer {
    world.request("POST", &format!("{plan}/apply"), Some(b""))
}

#[test]
fn a_dry_run_changes_nothing_and_its_plan_does_what_it_said() {
    let world = World::new();
    assert_eq!(world.push_employees(json!([ada("a@example.com"), bob("active")])).counts(), [2, 0, 0, 0, 0]);
    let history = || run(&["history", "--data", &world.path("data")]).stdout;
    let seen = || (world.roster(), world.get("/v1/employees.csv").text, history());
    let before = seen();
    let after = json!([ada("ada@example.com"), bob("hidden"), employee("3", "active", &[("First Name", "Cy")])]);
    let (counts, plan) = dry_run(&world, &after);
    assert_eq!(counts, [1, 1, 0, 1, 0]);
    assert_eq!(seen(), before);

    let shown = world.get(&plan).json();
    assert_eq!((&shown["state"], &shown["why"], &shown["changes"]), (&json!("waiting"), &json!("dryRun"), &json!(3)));
    assert_eq!((&shown["revision"], &shown["employees"]), (&json!(1), &json!(3)));
    assert_eq!(world.get("/v1/plans").json()["plans"], json!([shown]));
    let changes = world.get(&format!("{plan}/changes")).json();
    assert_eq!(
        changes,
        json!({
            "changes": [
                { "id": "1", "kinds": ["updated"],
                  "fields": [{ "name": "Email", "before": "a@example.com", "after": "ada@example.com" }] },
                { "id": "2", "kinds": ["hidden"], "status": { "before": "active", "after": "hidden" }, "fields": [] },
                { "id": "3", "kinds": ["created"], "status": { "before": null, "after": "active" },
                  "profileId": { "before": null, "after": PROFILE },
                  "fields": [{ "name": "First Name", "before": null, "after": "Cy" }] },
            ],
            "nextCursor": null,
        })
    );

    let applied = apply(&world, &plan);
    assert_eq!((applied.counts(), applied.header("rollcall-revision").as_deref()), (counts, Some("2")));
    assert_eq!(world.push(list(&after)).counts(), [0, 0, 0, 0, 3], "the employees are recognised");
    let again = apply(&world, &plan);
    assert_eq!((again.status, again.message().as_str()), (410, "the plan was applied already, as revision 2"));
    assert_eq!(world.get(&plan).json()["appliedAs"], 2);
    assert_eq!(world.get("/v1/plans").json()["plans"], json!([]));
}

#[test]
fn a_first_load_can_be_a_plan() {
    let world = World::new();
    let everybody = json!([ada("a@example.com"), bob("active")]);
    let (counts, plan) = dry_run(&world, &everybody);
    assert_eq!((counts, world.roster().len()), ([2, 0, 0, 0, 0], 0));
    assert_eq!(apply(&world, &plan).counts(), counts);
    assert_eq!(world.push(list(&everybody)).counts(), [0, 0, 0, 0, 2]);
}

#[test]
fn the_same_list_makes_no_other_plan_while_its_plan_waits() {
    let world = World::new();
    let (_, first) = dry_run(&world, &json!([bob("active")]));
    assert_eq!(dry_run(&world, &json!([bob("active")])).1, first);
    let (_, other) = dry_run(&world, &json!([bob("hidden")]));
    assert_ne!(other, first);
    assert_eq!(world.request("DELETE", &first, None).status, 204);
    let gone = world.request("DELETE", &first, None);
    assert_eq!((gone.status, gone.message().as_str()), (410, "the plan was discarded; push the list again"));
    assert_eq!(world.get(&format!("{first}/changes")).status, 410);
    assert_ne!(dry_run(&world, &json!([bob("active")])).1, first);
}

#[test]
fn a_plan_is_stale_once_somebody_has_changed_and_the_rest_can_be_applied() {
    let world = World::new();
    world.push_employees(json!([ada("a@example.com"), bob("active")]));
    let new = |id: &str| employee(id, "active", &[("First Name", "New")]);
    let (_, plan) = dry_run(&world, &json!([ada("b@example.com"), bob("hidden"), new("3"), new("4")]));
    // A push that changes nobody does not make it stale, and one that does names whom.
    world.push_employees(json!([bob("active")]));
    world.push_employees(json!([ada("c@example.com"), new("3")]));
    let stale = apply(&world, &plan);
    assert_eq!(stale.status, 412, "{}", stale.text);
    let changed_at = stale.json()["changedAt"].clone();
    let time: jiff::Timestamp = changed_at.as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(time).as_secs() < 60, "{changed_at}");
    let person = |id: &str| json!({ "id": id, "revision": 3, "changedAt": changed_at });
    let moved = json!({ "count": 2, "employees": [person("1"), person("3")] });
    assert_eq!((&stale.json()["revision"], &stale.json()["moved"]), (&json!(3), &moved));
    let since = format!("the roster has revision 3 since {}", changed_at.as_str().unwrap());
    assert!(stale.message().contains(&since), "{}", stale.text);
    assert!(stale.message().starts_with("the roster has changed since the plan was made"), "{}", stale.text);

    let rebased = world.request("POST", &format!("{plan}/apply?rebase=true"), Some(b""));
    assert_eq!((rebased.counts(), &rebased.json()["leftOut"]), ([1, 0, 0, 1, 0], &moved));
    let statuses: Vec<(Value, Value)> =
        world.roster().into_iter().map(|one| (one["id"].clone(), one["status"].clone())).collect();
    let expected = [("1", "active"), ("2", "hidden"), ("3", "active"), ("4", "active")];
    assert_eq!(statuses, expected.map(|(id, status)| (json!(id), json!(status))));
    assert_eq!(world.get("/v1/employees/1").json()["data"][1]["value"], "c@example.com");
    let before = json!([ada("c@example.com"), bob("hidden"), new("3"), new("4")]);
    assert_eq!(world.push_employees(before).counts(), [0, 0, 0, 0, 4]);
}

#[test]
fn pushes_that_change_nobody_leave_a_plan_as_it_is() {
    let world = World::new();
    world.push_employees(json!([bob("active")]));
    let (counts, plan) = dry_run(&world, &json!([bob("hidden")]));
    assert_eq!(world.push_employees(json!([bob("active")])).counts(), [0, 0, 0, 0, 1]);
    assert_eq!(apply(&world, &plan).counts(), counts);
}

#[test]
fn changes_come_in_pages_and_can_be_filtered() {
    let world = World::new();
    let people = |name: &str| -> Value {
        (0..250)
            .map(|n| employee(&format!("e{n}"), "active", &[("First Name", name), ("Last Name", &n.to_string())]))
            .collect()
    };
    world.push_employees(people("x"));
    let mut after = people("x");
    for n in (0..250).step_by(2) {
        after[n]["data"][0]["value"] = json!("y");
    }
    after[1]["status"] = json!("hidden");
    let (_, plan) = dry_run(&world, &after);
    let (mut cursor, mut ids) = (String::new(), Vec::new());
    loop {
        let page = world.get(&format!("{plan}/changes?limit=40&cursor={cursor}")).json();
        ids.extend(page["changes"].as_array().unwrap().iter().map(|change| change["id"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((ids.len(), ids[1].as_str(), ids[125].as_str()), (126, "e1", "e248"));
    let count = |query: &str| world.get(&format!("{plan}/changes?{query}")).json()["changes"].as_array().unwrap().len();
    assert_eq!(count("kind=hidden"), 1);
    assert_eq!((count("limit=1000&field=First%20Name"), count("field=Last%20Name")), (125, 0));
    for (query, message) in [
        ("kind=gone", "kind must be one of created, updated, activated, hidden, renamed, removed, merged"),
        ("field=Shoe", "the account has no field of this name"),
        ("limit=0", "limit must be a number from 1 to 1000"),
        ("page=2", "there are the parameters kind, field, id, cursor and limit"),
    ] {
        let answer = world.get(&format!("{plan}/changes?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.message().starts_with(message), "{query}: {}", answer.text);
    }
}

#[test]
fn what_is_wrong_with_a_list_is_found_by_a_dry_run_and_not_in_the_history() {
    let world = World::new();
    let dry = "/v1/employees?dryRun=true";
    let answer = world.request("POST", dry, Some(list(&json!([employee("1", "active", &[])])).as_bytes()));
    assert_eq!((answer.status, answer.errors()), (400, vec!["0 1 First Name required".to_owned()]));
    assert_eq!(
        world.request("POST", "/v1/employees?dryRun=yes", Some(b"{}")).message(),
        "dryRun must be true or false"
    );
    assert_eq!(world.get("/v1/plans").json()["plans"], json!([]));
}

#[test]
fn a_parameter_that_is_misspelt_applies_nothing() {
    let world = World::new();
    let body = list(&json!([bob("active")]));
    for (query, message) in [
        (
            "dry-run=true",
            "the URL has an unknown parameter; here it can have dryRun, absent, empty, expected; nothing was stored",
        ),
        ("dryRun", "the parameter dryRun of the URL has no value; nothing was stored"),
        ("dryRun=false&dryrun=true", "the parameter dryRun appears twice in the URL; nothing was stored"),
    ] {
        let answer = world.request("POST", &format!("/v1/employees?{query}"), Some(body.as_bytes()));
        assert_eq!((answer.status, answer.message().as_str()), (400, message), "{query}");
    }
    assert_eq!(world.request("POST", "/v1/employees?dryrun=true", Some(body.as_bytes())).counts(), [1, 0, 0, 0, 0]);
    assert!(world.roster().is_empty(), "case does not count");
}

#[test]
fn another_account_has_other_plans() {
    let world = World::new();
    world.add_account(100, SECRET);
    let (_, plan) = dry_run(&world, &json!([bob("active")]));
    for (method, path) in [
        ("GET", plan.clone()),
        ("GET", format!("{plan}/changes")),
        ("POST", format!("{plan}/apply")),
        ("DELETE", plan.clone()),
    ] {
        let request = Request::new(method, &path, b"");
        let own = request.headers.iter().find(|(name, _)| name == "Authorization").unwrap().1.clone();
        let other = own.replace(&format!("SharedKey {ACCOUNT}:"), "SharedKey 100:");
        let answer = request.header("Authorization", &other).send(&world);
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
    assert_eq!(apply(&world, &plan).counts(), [1, 0, 0, 0, 0]);
}

#[test]
fn plans_expire() {
    let world = World::with(PEOPLE, "plan_seconds_max = 1");
    let (_, plan) = dry_run(&world, &json!([bob("active")]));
    std::thread::sleep(Duration::from_millis(2_100));
    let expired = apply(&world, &plan);
    assert_eq!((expired.status, expired.message().as_str()), (410, "the plan has expired; push the list again"));
    assert_eq!(world.get(&plan).json()["state"], "expired");
    assert_eq!(world.get("/v1/plans").json()["plans"], json!([]));
    assert_eq!(world.push_employees(json!([bob("active")])).counts(), [1, 0, 0, 0, 0]);
}

#[test]
fn plans_are_bounded_in_number_and_bytes() {
    let world = World::with(PEOPLE, "plans_max = 2\nplans_bytes_max = 20_000");
    let of = |n: usize| json!([employee(&n.to_string(), "active", &[("First Name", "x")])]);
    let plans: Vec<String> = (0..3).map(|n| dry_run(&world, &of(n)).1).collect();
    assert_eq!(world.get(&plans[0]).json()["state"], "discarded", "the oldest dry run makes room");
    assert_eq!(world.get("/v1/plans").json()["plans"].as_array().unwrap().len(), 2);
    let many: Value = (0..600)
        .map(|n| employee(&format!("long-{n}"), "active", &[("First Name", "a name of some length")]))
        .collect();
    let refused = world.request("POST", "/v1/employees?dryRun=true", Some(list(&many).as_bytes()));
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.message().contains("limit plans_bytes_max, which is 20000"), "{}", refused.text);
    assert_eq!(world.push(list(&many)).counts(), [600, 0, 0, 0, 0], "a push needs no room for a plan");
}

#[cfg(unix)]
#[test]
fn a_plan_survives_a_restart_and_not_a_change_of_its_profile() {
    let mut world = World::new();
    let (counts, plan) = dry_run(&world, &json!([bob("active")]));
    let (_, other) = dry_run(&world, &json!([ada("a@example.com")]));
    world.stop();
    let mut world = world.started();
    assert_eq!(apply(&world, &plan).counts(), counts);
    world.stop();
    world.file("profiles/people.toml", PEOPLE.replace("name = \"Last Name\"", "name = \"Surname\""));
    let world = world.started();
    let refused = apply(&world, &other);
    assert_eq!(refused.status, 412, "{}", refused.text);
    assert!(refused.message().contains("a profile that has changed since"), "{}", refused.text);
}

#[test]
fn plans_are_made_and_applied_beside_pushes() {
    let world = World::new();
    world.push_employees((0..40).map(|n| employee(&n.to_string(), "active", &[("First Name", "0")])).collect());
    let applied = std::thread::scope(|scope| {
        let planner = scope.spawn(|| {
            let mut applied = 0;
            for round in 1..30 {
                let people =
                    (0..20).map(|n| employee(&n.to_string(), "active", &[("First Name", &format!("plan {round}"))]));
                let (counts, plan) = dry_run(&world, &people.collect());
                let answer = apply(&world, &plan);
                if answer.status == 200 {
                    assert_eq!(answer.counts(), counts);
                    applied += 1;
                    continue;
                }
                assert_eq!(answer.status, 412, "{}", answer.text);
                // Of those in the plan, the pushes change 10 to 19.
                let moved = answer.json()["moved"].clone();
                let ids = moved["employees"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| one["id"].as_str().unwrap().parse().unwrap());
                assert!(ids.clone().count() > 0 && ids.clone().all(|id: u32| (10..20).contains(&id)), "{moved}");
                let rebased = world.request("POST", &format!("{plan}/apply?rebase=true"), Some(b""));
                assert_eq!(rebased.status, 200, "{}", rebased.text);
                let (counts, left_out) = (rebased.counts(), rebased.json()["leftOut"]["count"].as_u64().unwrap());
                assert_eq!(counts[1] + left_out, 20);
            }
            applied
        });
        for round in 0..30 {
            let people =
                (10..30).map(|n| employee(&n.to_string(), "active", &[("First Name", &format!("push {round}"))]));
            assert_eq!(world.push_employees(people.collect()).status, 200);
            std::thread::sleep(Duration::from_millis(5));
        }
        planner.join().unwrap()
    });
    eprintln!("{applied} of 29 plans were applied as they were");
    let audit = run(&["account", "check", "99", "--data", &world.path("data")]);
    assert!(audit.status.success(), "{audit:?}");
}

/// Sends a request, and kills the server after a moment. Returns whether it was answered 200 by then.
fn send_and_kill(world: &mut World, request: Request, moment: Duration) -> bool {
    let mut stream = world.connect();
    stream.write_all(&request.head()).and_then(|()| stream.write_all(&request.body)).unwrap();
    std::thread::sleep(moment);
    world.kill();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer.starts_with(b"HTTP/1.1 200")
}

#[test]
fn killed_while_a_plan_is_made_or_applied_all_of_it_or_nothing_is_there() {
    const PEOPLE: u64 = 3_000;
    let mut world = World::new();
    let people = |version: u32| -> Value {
        (0..PEOPLE).map(|n| employee(&n.to_string(), "active", &[("First Name", &format!("v{version}"))])).collect()
    };
    world.push_employees(people(0));
    let versions = |world: &World| {
        let mut versions: Vec<String> =
            world.roster().iter().map(|one| one["data"][0]["value"].as_str().unwrap().to_owned()).collect();
        versions.dedup();
        versions
    };
    let (mut before, mut after) = (0, 0);
    for round in 1..12 {
        let stored = versions(&world);
        assert_eq!(stored.len(), 1);
        let moment = Duration::from_micros(u64::from(round) * 900);
        let body = list(&people(round));
        let made =
            send_and_kill(&mut world, Request::new("POST", "/v1/employees?dryRun=true", body.as_bytes()), moment);
        world = world.started();
        let waiting = world.get("/v1/plans").json()["plans"].as_array().unwrap().len();
        assert!(waiting > 0 || !made, "a plan that was answered is there");
        assert_eq!(versions(&world), stored, "a dry run changes nothing");
        let (counts, plan) = dry_run(&world, &people(round));
        assert_eq!(counts, [0, PEOPLE, 0, 0, 0]);
        let applied = send_and_kill(&mut world, Request::new("POST", &format!("{plan}/apply"), b""), moment);
        world = world.started();
        let now = versions(&world);
        let (is_before, is_after) = (now == stored, now == [format!("v{round}")]);
        assert!(is_after || is_before && !applied, "answered {applied}: {now:?}");
        assert_eq!(world.get(&plan).json()["state"], if is_after { "applied" } else { "waiting" });
        if is_after { after += 1 } else { before += 1 }
    }
    eprintln!("{before} times the roster from before, {after} times from after");
}

#[test]
fn plans_need_a_signature_and_the_role_release_to_be_applied() {
    let world = World::new();
    let data = world.path("data");
    let added = run(&["key", "add", "99", "--dialect", "startexam", "--data", &data, "--role", "push,read"]);
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let secret = added["secret"].as_str().unwrap();
    let (_, plan) = dry_run(&world, &json!([bob("active")]));
    let signed = |method: &str, path: &str| Request::signed_by(secret, method, path, b"").send(&world);
    assert_eq!(signed("GET", &plan).status, 200);
    for (method, path) in [("POST", format!("{plan}/apply")), ("DELETE", plan.clone())] {
        let refused = signed(method, &path);
        assert_eq!(refused.status, 403);
        assert!(refused.message().contains("needs the role release"), "{}", refused.text);
        assert_eq!(Request::new(method, &path, b"").without("Authorization").send(&world).status, 403);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_plan_of_many_takes_little_memory() {
    use rollcall::sample::{PROFILE_TOML, write_body};
    const PEOPLE: u64 = 200_000;
    let world = World::with(PROFILE_TOML, "");
    let body = |version: u32| {
        let mut body = Vec::new();
        write_body(&mut body, 0..PEOPLE, |_| (version, "active")).unwrap();
        body
    };
    assert_eq!(world.push(body(0)).counts(), [PEOPLE, 0, 0, 0, 0]);
    let planned = world.request("POST", "/v1/employees?dryRun=true", Some(&body(1)));
    assert_eq!(planned.counts(), [0, PEOPLE, 0, 0, 0]);
    let plan = planned.header("location").unwrap();
    let after_plan = world.peak_memory_mib();
    assert_eq!(apply(&world, &plan).counts(), planned.counts());
    let peak = world.peak_memory_mib();
    assert_eq!(world.push(body(1)).counts(), [0, 0, 0, 0, PEOPLE]);
    eprintln!("{after_plan} MiB when the plan was made, {peak} MiB when it was applied");
    // 100 bytes an employee and 64 MiB, as for a push, and what a plan takes beside.
    assert!(peak < 130, "{peak} MiB");
}

#[test]
fn the_program_lists_shows_applies_and_discards_beside_the_server() {
    let world = World::new();
    world.push_employees(json!([ada("a@example.com"), bob("active")]));
    let (_, location) = dry_run(
        &world,
        &json!([ada("ada@example.com"), bob("hidden"), employee("3", "active", &[("First Name", "Cy")])]),
    );
    let id = location.rsplit('/').next().unwrap().to_owned();
    let (data, profiles) = (world.path("data"), world.path("profiles"));
    let plan = |args: &[&str]| {
        let output = run(&[&["plan"], args, &["--data", &data]].concat());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (code, listed, _) = plan(&["list"]);
    assert!(code == 0 && listed.contains(&format!("{id}  +1 ~1 activated 0 !1")), "{listed}");
    let (_, listed, _) = plan(&["list", "99", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["id"], &listed[0]["account"]), (&json!(id), &json!(99)));
    let (code, shown, _) = plan(&["show", "99", &id]);
    let (about, changes) = shown.split_at(shown.find("~ 1").unwrap());
    let about: Vec<&str> = about.lines().collect();
    assert!(about[0].starts_with(&format!("plan {id} of ")) && about[0].ends_with("; it is for revision 1"), "{shown}");
    assert_eq!(about[1..], ["sent with key 1 from 127.0.0.1 (startexam), 3 employees"]);
    assert_eq!(
        (code, changes),
        (
            0,
            "~ 1  updated\n    Email: \"a@example.com\" → \"ada@example.com\"\n! 2  hidden\n    status: \"active\" → \"hidden\"\n\
             + 3  created\n    First Name: \"Cy\"\ncreated 1, updated 1, activated 0, hidden 1, unchanged 0\n"
        )
    );
    let (_, shown, _) = plan(&["show", "99", &id, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["plan"]["id"], shown["changes"].as_array().unwrap().len()), (&json!(id), 3));

    world.push_employees(json!([ada("other@example.com")]));
    let (code, _, said) = plan(&["apply", "99", &id, "--profiles", &profiles]);
    assert_eq!(code, 1);
    assert!(said.contains("(1 by revision 2 at 20"), "{said}");
    assert!(said.contains("Z); push the list again, or apply the rest with --rebase"), "{said}");
    let (code, said, left_out) = plan(&["apply", "99", &id, "--rebase", "--profiles", &profiles]);
    assert_eq!(
        (code, said.as_str()),
        (0, "created 1, updated 0, activated 0, hidden 1, unchanged 0\napplied as revision 3\n")
    );
    assert!(left_out.contains("1 employees have changed since and were left out: 1 by revision 2 at 20"), "{left_out}");
    let everybody = json!([ada("other@example.com"), bob("hidden"), employee("3", "active", &[("First Name", "Cy")])]);
    assert_eq!(world.push_employees(everybody).counts(), [0, 0, 0, 0, 3], "the server sees what the program applied");

    let (_, location) = dry_run(&world, &json!([bob("active")]));
    let id = location.rsplit('/').next().unwrap();
    assert_eq!(plan(&["discard", "99", id]), (0, format!("plan {id} of account 99 was discarded\n"), String::new()));
    let (code, _, said) = plan(&["discard", "99", id]);
    assert_eq!((code, said.as_str()), (1, "rollcall: the plan was discarded; push the list again\n"));
    let (code, _, said) = plan(&["show", "99", "nothing"]);
    assert_eq!((code, said.as_str()), (1, "rollcall: the account has no plan with this id\n"));
}

#[test]
fn push_plan_shows_what_would_change_and_applies_nothing_without_a_terminal() {
    let world = World::new();
    world.push_employees(json!([ada("a@example.com")]));
    let file = world.file("team.csv", "id,First Name,Email\n1,Ada,ada@example.com\n2,Bob,\n");
    for sign in [&[][..], &["--sign", "rfc9421"]] {
        let shown = world.push_file(&file, &[&["--profile", PROFILE, "--plan"], sign].concat());
        let (out, said) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
        assert!(shown.status.success(), "{said}");
        let changes = "~ 1  updated\n    Email: \"a@example.com\" → \"ada@example.com\"\n+ 2  created\n    First Name: \"Bob\"\ncreated ";
        assert!(out.starts_with(changes), "{out}");
        assert!(said.contains("nothing was applied; plan "), "{said}");
    }
    assert_eq!(world.roster().len(), 1);
    let shown = world.push_file(&file, &["--profile", PROFILE, "--plan", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let (id, changes) = (shown["plan"]["id"].as_str().unwrap(), shown["changes"].as_array().unwrap());
    assert_eq!((changes.len(), world.get("/v1/plans").json()["plans"].as_array().unwrap().len()), (2, 1));
    assert_eq!(apply(&world, &format!("/v1/plans/{id}")).counts(), [1, 1, 0, 0, 0]);
    let odd = world.file("odd.csv", "id,First Name\n3\u{1b}[2J,Cy\u{1b}[2J\n");
    let shown = world.push_file(&odd, &["--profile", PROFILE, "--plan"]);
    assert!(shown.stdout.starts_with(br#"+ 3\u{1b}[2J  created"#) && !shown.stdout.contains(&0x1b), "{shown:?}");
    let plan = world.get("/v1/plans").json()["plans"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.request("DELETE", &format!("/v1/plans/{plan}"), None).status, 204);
    let same = world.push_file(&file, &["--profile", PROFILE, "--plan"]);
    assert!(String::from_utf8_lossy(&same.stderr).contains("the push would change nobody"), "{same:?}");
    assert_eq!(world.get("/v1/plans").json()["plans"], json!([]));
}

#[test]
fn a_rebased_plan_leaves_it_at_the_absence_that_came_since() {
    let profile = PEOPLE.replacen("name = \"People\"", "name = \"People\"\nabsent = \"hide\"\ngrace = 1", 1);
    let world = World::with(&profile, "");
    let (all, without_bob) = (json!([ada("a@example.com"), bob("active")]), json!([ada("a@example.com")]));
    let missing = || {
        let why = run(&["why", "99", "2", "--json", "--data", &world.path("data")]);
        serde_json::from_slice::<Value>(&why.stdout).unwrap()["missingFromLists"].clone()
    };
    world.push_employees(all);
    world.push_employees(without_bob.clone());
    let (_, plan) = dry_run(&world, &json!([ada("b@example.com"), bob("active")]));
    assert_eq!(world.push_employees(without_bob).counts(), [0, 0, 0, 1, 1]);
    assert_eq!(missing(), 2);
    let rebased = world.request("POST", &format!("{plan}/apply?rebase=true"), Some(b""));
    assert_eq!(rebased.counts(), [0, 1, 0, 0, 1]);
    assert_eq!(missing(), 2);
}
