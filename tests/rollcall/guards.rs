//! Guards: a push that would do much waits until somebody has looked at it. Each guard just below and just above its limit, and the
//! accidents that they are for.

use super::world::{ACCOUNT, Answer, PROFILE, Request, World, employee, rollcall, run};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Output;
use std::time::Duration;

const STAFF: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Staff"
    [[field]]
    name = "Name"
    type = "text"
    [[field]]
    name = "Email"
    type = "email"
    unique = "active"
    [[field]]
    name = "Phone"
    type = "text"
    [[field]]
    name = "Department"
    type = "text"
    guard = true
"#;

/// One of the staff.
#[derive(Clone)]
struct Person {
    id: String,
    status: &'static str,
    data: [String; 4],
}

const FIELDS: [&str; 4] = ["Name", "Email", "Phone", "Department"];

/// So many people in departments of a hundred.
fn staff(count: usize) -> Vec<Person> {
    let person = |n: usize| Person {
        id: format!("p{n}"),
        status: "active",
        data: [format!("Name {n}"), format!("p{n}@example.com"), format!("0{n}"), format!("Department {}", n / 100)],
    };
    (0..count).map(person).collect()
}

fn body(people: &[Person]) -> String {
    let employees = people.iter().map(|Person { id, status, data }| {
        let data: Vec<Value> =
            FIELDS.iter().zip(data).map(|(name, value)| json!({ "name": name, "value": value })).collect();
        json!({ "id": id, "status": status, "data": data })
    });
    json!({ "profileId": PROFILE, "employees": employees.collect::<Vec<_>>() }).to_string()
}

fn push(world: &World, people: &[Person]) -> Answer {
    world.push(body(people))
}

fn hide(world: &World, people: &[Person]) -> Answer {
    world.request("POST", "/v1/employees?absent=hide", Some(body(people).as_bytes()))
}

/// Checks that the first `below` people pass a change and that one more does not, and then nothing was stored.
fn passes_up_to(people: &[Person], below: usize, guard: &str, figures: [u64; 3], change: impl Fn(&mut Person)) {
    let world = World::with(STAFF, "");
    assert_eq!(push(&world, people).status, 200);
    let changed = |count: usize| {
        let mut changed = people.to_vec();
        changed[..count].iter_mut().for_each(&change);
        changed
    };
    let before = world.get("/v1/employees.ndjson").text;
    is_held(&push(&world, &changed(below + 1)), guard, figures);
    assert_eq!(world.get("/v1/employees.ndjson").text, before, "{guard}");
    let answer = push(&world, &changed(below));
    assert_eq!(answer.status, 200, "{guard}: {}", answer.text);
}

/// Checks that one guard stopped a push, with these figures: count, of, limit.
fn is_held(answer: &Answer, guard: &str, figures: [u64; 3]) {
    assert_eq!(answer.status, 409, "{guard}: {}", answer.text);
    let json = answer.json();
    let tripped = json["guards"].as_array().unwrap();
    let names: Vec<&Value> = tripped.iter().map(|tripped| &tripped["guard"]).collect();
    assert_eq!(names, [guard], "{}", answer.text);
    assert_eq!(["count", "of", "limit"].map(|name| tripped[0][name].as_u64().unwrap()), figures, "{}", answer.text);
    assert_eq!(tripped[0]["ids"].as_array().unwrap().len(), 10.min(figures[0] as usize), "{}", answer.text);
    assert!(answer.message().contains("nothing was stored"), "{}", answer.text);
    assert_eq!(answer.header("retry-after"), None, "the same push would be stopped again");
}

#[test]
fn updates_pass_up_to_three_quarters() {
    passes_up_to(&staff(200), 150, "update", [151, 200, 150], |person| person.data[0].push('!'));
    passes_up_to(&staff(120), 100, "update", [101, 120, 100], |person| person.data[0].push('!'));
}

#[test]
fn a_field_is_emptied_of_a_tenth() {
    passes_up_to(&staff(300), 30, "empty", [31, 300, 30], |person| person.data[2].clear());
    passes_up_to(&staff(100), 25, "empty", [26, 100, 25], |person| person.data[2].clear());
    // Of those who have a value, however many are stored.
    let mut people = staff(1_000);
    people[300..].iter_mut().for_each(|person| person.data[2].clear());
    passes_up_to(&people, 30, "empty", [31, 300, 30], |person| person.data[2].clear());
}

#[test]
fn a_unique_field_changes_for_a_tenth() {
    passes_up_to(&staff(300), 30, "unique", [31, 300, 30], |person| person.data[1] = format!("new.{}", person.data[1]));
}

#[test]
fn a_mistake_in_the_file_passes_for_twenty_five() {
    passes_up_to(&staff(200), 25, "garble", [26, 200, 25], |person| person.data.swap(0, 2));
    let mut people = staff(200);
    people.iter_mut().for_each(|person| person.data[0] = format!("Zoë {}", person.id));
    let read_as_latin1 = |person: &mut Person| person.data[0] = person.data[0].bytes().map(char::from).collect();
    passes_up_to(&people, 25, "garble", [26, 200, 25], read_as_latin1);
}

#[test]
fn hidden_people_are_activated_up_to_half_of_them() {
    let mut people = staff(300);
    people[..250].iter_mut().for_each(|person| person.status = "hidden");
    passes_up_to(&people, 125, "activate", [126, 250, 125], |person| person.status = "active");
}

#[test]
fn people_are_hidden_up_to_what_is_usual() {
    // Nobody was hidden before: half a percent, or 25 people.
    passes_up_to(&staff(1_000), 25, "hide", [26, 1_000, 25], |person| person.status = "hidden");
    passes_up_to(&staff(8_000), 40, "hide", [41, 8_000, 40], |person| person.status = "hidden");
    let world = World::with(&STAFF.replace("guard = true", ""), "");
    let mut people = staff(4_000);
    push(&world, &people);
    // After a list that hides 20, 100 are usual.
    people[..20].iter_mut().for_each(|person| person.status = "hidden");
    assert_eq!(push(&world, &people).counts(), [0, 0, 0, 20, 3_980]);
    let mut many = people.clone();
    many[20..121].iter_mut().for_each(|person| person.status = "hidden");
    is_held(&push(&world, &many), "hide", [101, 3_980, 100]);
    many[120].status = "active";
    assert_eq!(push(&world, &many).counts(), [0, 0, 0, 100, 3_900]);
    // Never more than 5 percent.
    many[120..315].iter_mut().for_each(|person| person.status = "hidden");
    is_held(&push(&world, &many), "hide", [195, 3_880, 194]);
}

#[test]
fn people_are_created_up_to_half_of_those_who_are_stored() {
    let world = World::with(STAFF, "");
    // The first load may be of any size.
    assert_eq!(push(&world, &staff(300)).counts(), [300, 0, 0, 0, 0]);
    is_held(&push(&world, &staff(451)), "create", [151, 300, 150]);
    assert_eq!(push(&world, &staff(450)).counts(), [150, 0, 0, 0, 300]);
}

#[test]
fn ids_are_not_swapped() {
    let world = World::with(
        &STAFF.replacen(
            "\"Staff\"",
            "\"Staff\"\n    guards = { hide = \"off\", create = \"off\", value = \"off\" }",
            1,
        ),
        "",
    );
    let people = staff(60);
    push(&world, &people);
    let renamed = |count: usize| {
        let mut renamed = people.clone();
        renamed[..count].iter_mut().for_each(|person| person.id = format!("key-{}", person.id));
        renamed
    };
    is_held(&hide(&world, &renamed(26)), "swap", [26, 60, 25]);
    assert_eq!(hide(&world, &renamed(25)).counts(), [25, 0, 0, 25, 35]);
}

#[test]
fn no_department_loses_everybody() {
    let world = World::with(STAFF, "");
    let mut people = staff(311);
    push(&world, &people);
    // Eleven are in Department 3.
    let moved = |from: usize| {
        let mut moved = people.clone();
        moved[from..].iter_mut().for_each(|person| person.data[3] = "Elsewhere".into());
        moved
    };
    is_held(&push(&world, &moved(300)), "value", [11, 11, 10]);
    assert_eq!(push(&world, &moved(301)).counts(), [0, 10, 0, 0, 301]);
    // Hidden is lost, too. Ten may go: Elsewhere had no more.
    people = moved(301);
    people[301..].iter_mut().for_each(|person| person.status = "hidden");
    assert_eq!(push(&world, &people).counts(), [0, 0, 0, 10, 301]);
    let check = rollcall().args(["account", "check", "99", "--data", &world.path("data")]).output().unwrap();
    assert!(check.status.success(), "{check:?}");
}

#[test]
fn a_field_is_guarded_from_the_push_on_that_finds_it_so() {
    let world = World::with(&STAFF.replace("guard = true", ""), "");
    let people = staff(250);
    push(&world, &people);
    world.file("profiles/people.toml", STAFF);
    world.signal("-HUP");
    world.wait_for_log("profiles read again");
    let mut moved = people;
    moved[200..].iter_mut().for_each(|person| person.data[3] = "Elsewhere".into());
    is_held(&push(&world, &moved), "value", [50, 50, 10]);
}

/// Sets a guard of the account.
fn set(world: &World, guard: &str) -> Output {
    rollcall()
        .args(["account", "set", &ACCOUNT.to_string(), "--guard", guard, "--data", &world.path("data")])
        .output()
        .unwrap()
}

#[test]
fn a_profile_and_an_account_set_guards() {
    let profile = STAFF.replacen(
        "\"Staff\"",
        "\"Staff\"\n    guards = { update = { percent = 10, people = 5 }, value = \"off\" }",
        1,
    );
    let world = World::with(&profile, "");
    let people = staff(200);
    push(&world, &people);
    let changed = |count: usize| {
        let mut changed = people.clone();
        changed[..count].iter_mut().for_each(|person| person.data[0].push('!'));
        changed
    };
    is_held(&push(&world, &changed(21)), "update", [21, 200, 20]);
    assert!(set(&world, "update=percent:20").status.success());
    is_held(&push(&world, &changed(41)), "update", [41, 200, 40]);
    assert!(set(&world, "update=off").status.success());
    assert_eq!(push(&world, &changed(200)).counts(), [0, 200, 0, 0, 0]);
    assert!(set(&world, "update=default").status.success());
    is_held(&push(&world, &changed(0)), "update", [200, 200, 20]);
    for wrong in ["updates=off", "update=of", "update=percent:101", "swap=percent:3", "hide"] {
        assert_eq!(set(&world, wrong).status.code(), Some(2), "{wrong}");
    }
    let list = rollcall().args(["account", "list", "--json", "--data", &world.path("data")]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&list.stdout).unwrap()[0]["guards"], json!({ "update": "default" }));
    let check = rollcall().args(["profile", "check", &world.path("profiles")]).output().unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(
        said.contains(
            "guard update lets percent:10,people:5 pass; guard value is off; guards the values of \"Department\""
        ),
        "{said}"
    );
    let wrong = world.file("wrong.toml", profile.replace("people = 5", "times = 5").replace("value =", "values ="));
    let check = rollcall().args(["profile", "check", &wrong]).output().unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(
        said.contains("update has no times; it has percent, people") && said.contains("no guard \"values\""),
        "{said}"
    );
}

#[test]
fn a_held_push_is_loud() {
    let world = World::with(STAFF, "");
    let mut people = staff(200);
    push(&world, &people);
    people.iter_mut().for_each(|person| person.data[2].clear());
    let file = world.file("push.json", body(&people));
    let pushed = world.push_file(&file, &[]);
    assert_eq!(pushed.status.code(), Some(3), "{pushed:?}");
    let said = String::from_utf8(pushed.stderr).unwrap();
    assert!(said.contains("it would empty the field \"Phone\" of 200 of the 200 employees"), "{said}");
    assert!(said.contains("(\"p0\", \"p1\""), "{said}");
    world.wait_for_log("guards stopped the push");
    let log = world.log();
    let line = log.lines().find(|line| line.contains("guards stopped the push")).unwrap();
    assert!(line.contains("\"level\":\"WARN\"") && line.contains("\"held\":\"update empty\""), "{line}");
    assert!(!line.contains("p1"), "no ids in the log: {line}");
}

#[test]
fn accidents_lose_nobody() {
    let profile = STAFF.replacen("\"Staff\"", "\"Staff\"\n    absent = \"hide\"", 1);
    let world = World::with(&profile, "");
    let people = staff(5_000);
    let csv = |people: &[Person], headings: &str, order: [usize; 4]| {
        let cell = |data: &[String; 4], field: usize| {
            let umlaut = if field == 0 { "Ü" } else { "" };
            format!("{umlaut}{}", data[field])
        };
        let row =
            |Person { id, data, .. }: &Person| format!("{id},{}\n", order.map(|field| cell(data, field)).join(","));
        format!("{headings}\n{}", people.iter().map(row).collect::<String>())
    };
    let headings = "id,Name,Email,Phone,Department";
    let whole = csv(&people, headings, [0, 1, 2, 3]);
    let send = |name: &str, bytes: &[u8]| {
        let file = world.file(name, bytes);
        world.push_file(&file, &["--profile", PROFILE, "--quiet"])
    };
    assert!(send("whole.csv", whole.as_bytes()).status.success());
    let before = world.get("/v1/employees.ndjson").text;
    let lines: Vec<&str> = whole.lines().collect();
    let cut = |percent: usize| lines[..1 + people.len() * percent / 100].join("\n");
    let by_name: String = people
        .iter()
        .map(|Person { id, data, .. }| format!("{},{id},{},{},{}\n", data[2], data[1], data[2], data[3]))
        .collect();
    let without_phone: String =
        people.iter().map(|Person { id, data, .. }| format!("{id},Ü{},{},{}\n", data[0], data[1], data[3])).collect();
    let accidents = [
        ("cut99.csv", cut(99).into_bytes()),
        ("cut80.csv", cut(80).into_bytes()),
        ("header.csv", lines[0].as_bytes().to_vec()),
        ("nothing.csv", Vec::new()),
        ("swapped.csv", csv(&people, headings, [2, 1, 0, 3]).into_bytes()),
        ("email.csv", csv(&people, headings, [0, 3, 2, 1]).into_bytes()),
        ("missing.csv", format!("id,Name,Email,Department\n{without_phone}").into_bytes()),
        ("other-id.csv", format!("{headings}\n{by_name}").into_bytes()),
        ("latin1.csv", whole.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()),
        ("latin1-read.csv", whole.as_bytes().iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes()),
    ];
    for (name, bytes) in accidents {
        let pushed = send(name, &bytes);
        let said = String::from_utf8(pushed.stderr).unwrap();
        let is_nobody = ["header.csv", "nothing.csv"].contains(&name);
        assert!(is_nobody || !pushed.status.success(), "{name} was applied: {said}");
        assert_eq!(world.get("/v1/employees.ndjson").text, before, "{name}: {said}");
    }
    assert!(send("whole.csv", whole.as_bytes()).status.success());
}

#[test]
fn one_person_always_passes() {
    let world = World::with(STAFF, "");
    let mut people = staff(1);
    assert_eq!(push(&world, &people).status, 200);
    people[0].data = [(); 4].map(|()| String::new());
    people[0].status = "hidden";
    assert_eq!(push(&world, &people).status, 200);
}

#[test]
fn the_same_list_waits_as_one_plan() {
    let world = World::with(STAFF, "");
    let mut people = staff(200);
    push(&world, &people);
    let plan = |people: &[Person]| {
        let answer = push(&world, people);
        assert_eq!(answer.status, 409, "{}", answer.text);
        answer.header("location").unwrap()
    };
    people[..50].iter_mut().for_each(|person| person.data[2].clear());
    let first = plan(&people);
    assert!(first.starts_with("/v1/plans/"), "{first}");
    assert_eq!(plan(&people), first);
    people[50].data[2].clear();
    assert_ne!(plan(&people), first);
}

/// How many changes a plan has, page by page.
fn changes(world: &World, plan: &str) -> usize {
    let (mut changes, mut cursor) = (0, String::new());
    loop {
        let page = world.get(&format!("/v1/plans/{plan}/changes?limit=1000&cursor={cursor}")).json();
        changes += page["changes"].as_array().unwrap().len();
        match page["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return changes,
        }
    }
}

#[test]
fn a_crash_beside_a_held_push_changes_nothing() {
    let mut world = World::with(STAFF, "");
    let mut people = staff(3_000);
    push(&world, &people);
    let before = world.get("/v1/employees.ndjson").text;
    people.iter_mut().for_each(|person| person.data[0].push('!'));
    let held = Request::new("POST", "/v1/employees", body(&people).as_bytes());
    for milliseconds in [0, 4, 8, 16, 32, 64] {
        let mut stream = world.connect();
        let sent = [held.head(), held.body.clone()].concat();
        let sending = std::thread::spawn(move || drop(stream.write_all(&sent)));
        std::thread::sleep(Duration::from_millis(milliseconds));
        world.kill();
        sending.join().unwrap();
        world = world.started();
        assert_eq!(world.get("/v1/employees.ndjson").text, before, "{milliseconds} ms");
        let plans = world.get("/v1/plans").json()["plans"].clone();
        for plan in plans.as_array().unwrap() {
            assert_eq!(changes(&world, plan["id"].as_str().unwrap()), 3_000, "a plan is whole");
        }
    }
    let answer = push(&world, &people);
    is_held(&answer, "update", [3_000, 3_000, 2_250]);
    let plan = answer.header("location").unwrap();
    world.kill();
    world = world.started();
    assert_eq!(changes(&world, plan.rsplit('/').next().unwrap()), 3_000, "a plan that was answered is there");
    assert_eq!(world.get("/v1/employees.ndjson").text, before);
    let applied = world.request("POST", &format!("{plan}/apply"), Some(b""));
    assert_eq!(applied.counts(), [0, 3_000, 0, 0, 0]);
    let check = rollcall().args(["account", "check", "99", "--data", &world.path("data")]).output().unwrap();
    assert!(check.status.success(), "{check:?}");
}

/// A token of the account for a dialect.
fn token(world: &World, dialect: &[&str]) -> String {
    let mut add = rollcall();
    add.args(["key", "add", &ACCOUNT.to_string(), "--data", &world.path("data"), "--dialect"]).args(dialect);
    let added = add.output().unwrap();
    serde_json::from_slice::<Value>(&added.stdout).unwrap()["token"].as_str().unwrap().to_owned()
}

#[test]
fn guards_hold_in_every_dialect_and_answer_in_its_form() {
    let profile = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/employees.toml")).unwrap();
    let world = World::with(&profile, "");
    let collaborator = token(&world, &["collaborator"]);
    let echospan = token(&world, &["echospan", "--client-id", "1234"]);
    let springest = token(&world, &["springest"]);
    let csv = |count: usize| {
        let rows: String = (0..count).map(|n| format!("p{n};L;F;;p{n};p{n}@example.com\r\n")).collect();
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n\
             uid;secondname;firstname;patronymic;login;email\r\n{rows}\r\n--x--\r\n"
        );
        Request::new("POST", "/api/v2/users-import/csv", body.as_bytes())
            .header("Authorization", &format!("Bearer {collaborator}"))
            .header("Content-Type", "multipart/form-data; boundary=x")
            .send(&world)
    };
    assert_eq!(csv(100).status, 200);
    let held = csv(74);
    assert_eq!(held.status, 409, "{}", held.text);
    let error = held.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("it would hide 26 of 100 active employees, and the guard hide lets 25 pass"), "{error}");
    assert!(held.header("location").is_some());
    assert_eq!(csv(75).json()["blocked_count"], 25);

    let echo = |fields: &str| {
        let form = format!("Key={echospan}&ClientID=1234&APITestForm=1&{fields}");
        let request = Request::new("POST", "/echotools7/api/api_import_emps.asp", form.as_bytes());
        request.without("Authorization").header("Content-Type", "application/x-www-form-urlencoded").send(&world)
    };
    for n in 0..26 {
        let queued = echo(&format!("Cmd=U&Fname=F&Lname=L&Email=new{n}@example.com&EmpIDNumber=p{n}"));
        assert_eq!(queued.status, 200, "{}", queued.text);
    }
    let held = echo("Cmd=P");
    assert_eq!(held.status, 451, "{}", held.text);
    assert!(held.text.contains("the unique field \"Email\" of 26 of the 100"), "{}", held.text);

    let user = json!({ "external_id": "p1", "email": "", "first_name": "", "last_name": "" }).to_string();
    let one = Request::new("POST", &format!("/users.json?api_key={springest}"), user.as_bytes());
    let one = one.header("Content-Type", "application/json").send(&world);
    assert_ne!(one.status, 409, "{}", one.text);
}

#[test]
fn a_dry_run_says_which_guards_would_stop_the_push() {
    let world = World::with(STAFF, "");
    let people = staff(100);
    assert_eq!(push(&world, &people).status, 200);
    let dry_run = |people: &[Person]| {
        world.request("POST", "/v1/employees?dryRun=true&absent=hide", Some(body(people).as_bytes()))
    };
    let usual = dry_run(&people[1..]);
    assert_eq!((usual.status, usual.json().get("guards")), (200, None), "{}", usual.text);
    assert_eq!(world.get(&usual.header("location").unwrap()).json()["guards"], json!([]));

    let cut = dry_run(&people[30..]);
    assert_eq!((cut.status, cut.counts()), (200, [0, 0, 0, 30, 70]));
    let (answered, guard) = (cut.json(), json!("hide"));
    let tripped = &answered["guards"][0];
    assert_eq!((&tripped["guard"], &tripped["count"], &tripped["limit"]), (&guard, &json!(30), &json!(25)));
    let plan = cut.header("location").unwrap();
    let shown = world.get(&plan).json();
    assert_eq!((&shown["why"], &shown["guards"][0]["ids"]), (&json!("dryRun"), &tripped["ids"]));
    let (data, id) = (world.path("data"), plan.rsplit('/').next().unwrap());
    let printed = run(&["plan", "show", "99", id, "--data", &data]).stdout;
    let printed = String::from_utf8(printed).unwrap();
    let said =
        "a guard would stop this push: it would hide 30 of 100 active employees, and the guard hide lets 25 pass";
    assert!(printed.lines().any(|line| line == said), "{printed}");
    let listed = String::from_utf8(run(&["plan", "list", "99", "--data", &data]).stdout).unwrap();
    assert!(listed.contains("dry run, would be held: hide"), "{listed}");

    // What was a dry run waits for that reason once it is pushed, and the client shows the guard before it asks.
    is_held(&hide(&world, &people[30..]), "hide", [30, 100, 25]);
    let held = world.get(&plan).json();
    assert_eq!((&held["why"], &held["guards"]), (&json!("guards"), &shown["guards"]));
    let mut moved = people.clone();
    moved.iter_mut().for_each(|person| person.status = "hidden");
    let file = world.file("all.json", body(&moved));
    let shown = world.push_file(&file, &["--plan"]);
    let out = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success() && out.contains("a guard would stop this push: it would hide 100 of 100"), "{out}");
}

#[test]
fn whoever_a_released_list_has_missed_is_absent() {
    let profile = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/employees.toml")).unwrap();
    let world = World::with(&profile, "");
    let bearer = format!("Bearer {}", token(&world, &["collaborator"]));
    let csv = |people: std::ops::Range<usize>| {
        let rows: String = people.map(|n| format!("p{n};L;F;;p{n};p{n}@example.com\r\n")).collect();
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n\
             uid;secondname;firstname;patronymic;login;email\r\n{rows}\r\n--x--\r\n"
        );
        Request::new("POST", "/api/v2/users-import/csv", body.as_bytes())
            .header("Authorization", &bearer)
            .header("Content-Type", "multipart/form-data; boundary=x")
            .send(&world)
    };
    assert_eq!(csv(0..100).status, 200);
    let held = csv(30..100);
    assert_eq!(held.status, 409, "{}", held.text);
    let plan = held.header("location").unwrap();
    // One of them has changed since the list was held, and stays as that says.
    let on_purpose = json!([employee("p0", "hidden", &[])]);
    assert_eq!(world.push_employees(on_purpose).counts(), [0, 0, 0, 1, 0]);
    let released = world.request("POST", &format!("{plan}/apply?rebase=true"), Some(b""));
    assert_eq!(released.counts(), [0, 0, 0, 29, 70], "{}", released.text);
    assert_eq!(csv(0..100).json()["unblocked_count"], 29, "they come back with a list that has no status");
    assert_eq!(world.get("/v1/employees/p0").json()["status"], "hidden");
}
