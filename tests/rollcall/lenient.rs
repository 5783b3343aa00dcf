//! Lenient pushes: what is right of them is applied, and the rest is reported.

use super::world::{Answer, PROFILE, Request, World, cases, employee};
use bytes::Bytes;
use proptest::prelude::*;
use rollcall::dialect::Dialect;
use rollcall::limits::Limits;
use rollcall::rejection::SetAside;
use rollcall::roster::{Coverage, Employee, GuardSettings};
use rollcall::server::STARTEXAM;
use rollcall::store::{Draft, Error, Profiles, Roster, Store, memory};
use rollcall::sync::{
    ApplyPlan, Body, Conditions, Failure, Handling, Moved, Push, Receipt, Source, Trace, apply_plan, plan, sync,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Output;
use tempfile::TempDir;

const STAFF: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Staff"
    guards = { reject = "off" }
    [[field]]
    name = "Name"
    type = "text"
    required = true
    max_length = 3
    [[field]]
    name = "Email"
    type = "email"
    unique = true
    [[field]]
    name = "Manager"
    type = "reference"
    to = "id"
    acyclic = true
"#;

fn list(employees: &[Value]) -> String {
    json!({ "profileId": PROFILE, "employees": employees }).to_string()
}

fn staff(id: &str, data: &[(&str, &str)]) -> Value {
    let data: Vec<(&str, &str)> = std::iter::once(("Name", "abc")).chain(data.iter().copied()).collect();
    employee(id, "active", &data)
}

fn nameless(id: &str) -> Value {
    employee(id, "active", &[])
}

fn lenient(world: &World, employees: &[Value]) -> Answer {
    request(employees).send(world)
}

fn request(employees: &[Value]) -> Request {
    Request::new("POST", "/v1/employees", list(employees).as_bytes()).header("Prefer", "handling=lenient")
}

/// The rejections of a lenient push, as [`Answer::errors`] shows those of a refusal.
fn rejected(answer: &Answer) -> Vec<String> {
    let text = answer.json()["rejected"].to_string();
    Answer { text, ..answer.clone() }.errors()
}

fn ids(world: &World) -> Vec<String> {
    world.roster().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_valid_are_applied_and_the_others_stay_as_they_were() {
    let world = World::with(STAFF, "");
    assert_eq!(world.push(list(&[staff("1", &[]), staff("2", &[])])).counts(), [2, 0, 0, 0, 0]);
    let before = world.get("/v1/employees/2").json()["data"].clone();
    let push = [staff("1", &[("Email", "a@example.com")]), nameless("2"), nameless("3"), staff("4", &[])];
    assert_eq!(world.push(list(&push)).status, 400, "without the preference nothing is applied");
    let answer = lenient(&world, &push);
    assert_eq!(answer.counts(), [1, 1, 0, 0, 0]);
    assert_eq!(answer.header("preference-applied").as_deref(), Some("handling=lenient"));
    assert_eq!(answer.header("rollcall-rejected").as_deref(), Some("2"));
    assert_eq!(rejected(&answer), ["1 2 Name required", "2 3 Name required"]);
    let shown = &answer.json()["rejected"];
    assert_eq!(
        (&shown["employees"], &shown["errorCount"], &shown["causes"][0]["count"]),
        (&json!(2), &json!(2), &json!(2))
    );
    assert_eq!(ids(&world), ["1", "2", "4"]);
    assert_eq!(world.get("/v1/employees/2").json()["data"], before);
    // Who was rejected is not recognised, and who was accepted is.
    let again = lenient(&world, &push);
    assert_eq!((again.counts(), rejected(&again)), ([0, 0, 0, 0, 2], rejected(&answer)));
    world.wait_for_log(r#""set_aside":2"#);
}

#[test]
fn who_is_rejected_is_not_absent() {
    let profile = STAFF.replacen("name = \"Staff\"", "name = \"Staff\"\nabsent = \"hide\"\ngrace = 1", 1);
    let world = World::with(&profile, "");
    let active = || -> Vec<String> {
        let roster = world.roster();
        let active = roster.iter().filter(|one| one["status"] == "active");
        active.map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(world.push(list(&[staff("1", &[]), staff("2", &[]), staff("3", &[])])).counts(), [3, 0, 0, 0, 0]);
    let push = [staff("1", &[("Email", "a@example.com")]), nameless("2")];
    // The third is missing for the first time, which is remembered though the push was appended twice.
    assert_eq!(lenient(&world, &push).counts(), [0, 1, 0, 0, 0]);
    assert_eq!(active(), ["1", "2", "3"]);
    assert_eq!(lenient(&world, &push).counts(), [0, 0, 0, 1, 1]);
    assert_eq!(active(), ["1", "2"]);
    // Whoever is rejected without an id may be the second.
    let push = [push[0].clone(), json!({ "status": "active", "data": [] })];
    for _ in 0..3 {
        assert_eq!(lenient(&world, &push).counts(), [0, 0, 0, 0, 1]);
    }
    assert_eq!(active(), ["1", "2"]);
}

#[test]
fn too_many_rejected_wait_as_a_plan() {
    let world = World::with(&STAFF.replacen("guards = { reject = \"off\" }", "", 1), "");
    let push: Vec<Value> = (0..12).map(|number| nameless(&number.to_string())).chain([staff("a", &[])]).collect();
    assert_eq!(lenient(&world, &push[1..]).status, 409);
    let held = lenient(&world, &push[1..]);
    assert_eq!(held.json()["guards"][0]["guard"], "reject", "{}", held.text);
    assert_eq!((&held.json()["guards"][0]["count"], &held.json()["guards"][0]["of"]), (&json!(11), &json!(12)));
    assert!(held.header("location").is_some());
    assert_eq!(lenient(&world, &push[2..]).counts(), [1, 0, 0, 0, 0]);
}

#[test]
fn without_rejections_the_answer_is_the_documented_one() {
    let world = World::with(STAFF, "");
    let strict = world.push(list(&[staff("1", &[])]));
    assert_eq!((strict.header("preference-applied"), strict.header("rollcall-rejected")), (None, None));
    let answer = lenient(&world, &[staff("1", &[])]);
    assert_eq!(answer.text, world.push(list(&[staff("1", &[])])).text);
    assert_eq!(answer.header("rollcall-rejected").as_deref(), Some("0"));
    for (prefer, status) in [
        ("respond-async, Handling=\"Lenient\"; wait=1", 200),
        ("handling=strict, handling=lenient", 400),
        ("handling=strict", 400),
        ("lenient", 400),
        ("=;,", 400),
        ("a=\"b, handling=lenient\"", 400),
        ("a=\"b\\\", handling=lenient\"", 400),
        ("a=\"b,\\\"\", handling=lenient", 200),
    ] {
        let push = request(&[nameless("2")]).header("Prefer", prefer);
        assert_eq!(push.send(&world).status, status, "{prefer}");
    }
}

#[test]
fn who_depends_on_somebody_rejected_is_rejected_too() {
    let world = World::with(STAFF, "");
    world.push(list(&[staff("1", &[("Email", "a@example.com")]), staff("2", &[("Email", "b@example.com")])]));
    let answer = lenient(
        &world,
        &[
            // The two swap their addresses, but the second one cannot.
            staff("1", &[("Email", "b@example.com")]),
            employee("2", "active", &[("Email", "a@example.com")]),
            nameless("10"),
            staff("11", &[("Manager", "10")]),
            staff("12", &[("Manager", "11")]),
            staff("13", &[("Manager", "1")]),
            staff("20", &[("Manager", "21")]),
            staff("21", &[("Manager", "20")]),
        ],
    );
    assert_eq!(answer.counts(), [1, 0, 0, 0, 0], "{}", answer.text);
    let expected = [
        "0 1 Email unique",
        "1 2 Name required",
        "2 10 Name required",
        "3 11 Manager unknown",
        "4 12 Manager unknown",
        "6 20 Manager circle",
        "7 21 Manager unknown",
    ];
    assert_eq!(rejected(&answer), expected);
    assert_eq!(answer.json()["rejected"]["errors"][0]["otherIndex"], 1);
    assert_eq!(ids(&world), ["1", "2", "13"]);
}

#[test]
fn of_an_id_that_appears_twice_neither_is_applied() {
    let world = World::with(STAFF, "");
    world.push(list(&[staff("1", &[]), staff("3", &[])]));
    let other = |id: &str| employee(id, "active", &[("Name", "xyz")]);
    let answer = lenient(&world, &[staff("1", &[]), other("1"), other("2"), nameless("2"), other("3")]);
    assert_eq!((answer.counts(), answer.header("rollcall-rejected").as_deref()), ([0, 1, 0, 0, 0], Some("4")));
    assert_eq!(rejected(&answer), ["1 1 id twice", "3 2 Name required", "3 2 id twice"]);
    assert_eq!(ids(&world), ["1", "3"]);
    assert_eq!(world.get("/v1/employees/1").json()["data"][0]["value"], "abc");
}

#[test]
fn a_repeated_lenient_push_gets_its_answer_again() {
    let world = World::with(STAFF, "");
    let push = || request(&[staff("1", &[]), nameless("2")]).header("Idempotency-Key", "\"k\"");
    let first = push().send(&world);
    let again = push().send(&world);
    assert_eq!((first.counts(), first.text), ([1, 0, 0, 0, 0], again.text.clone()));
    assert_eq!(
        (again.header("rollcall-rejected").as_deref(), again.header("idempotent-replayed").as_deref()),
        (Some("1"), Some("true"))
    );
    assert_eq!(push().without("Prefer").send(&world).status, 422);
}

#[test]
fn a_lenient_dry_run_says_what_is_rejected() {
    let world = World::with(STAFF, "");
    let body = list(&[staff("1", &[]), nameless("2")]);
    let dry_run =
        Request::new("POST", "/v1/employees?dryRun=true", body.as_bytes()).header("Prefer", "handling=lenient");
    let answer = dry_run.send(&world);
    assert_eq!((answer.counts(), answer.header("rollcall-rejected").as_deref()), ([1, 0, 0, 0, 0], Some("1")));
    let plan = answer.header("location").unwrap();
    assert_eq!(world.request("POST", &format!("{plan}/apply"), Some(b"")).counts(), [1, 0, 0, 0, 0]);
    assert_eq!(ids(&world), ["1"]);
}

#[test]
fn a_long_cascade_refuses_the_push() {
    let world = World::with(STAFF, "");
    let chain = |length: usize| -> Vec<Value> {
        let led = (1..length).map(|at| staff(&at.to_string(), &[("Manager", &(at - 1).to_string())]));
        std::iter::once(nameless("0")).chain(led).collect()
    };
    let refused = lenient(&world, &chain(18));
    assert_eq!((refused.status, refused.json()["errors"][17]["index"].clone()), (400, json!(null)), "{}", refused.text);
    assert!(ids(&world).is_empty());
    assert_eq!(lenient(&world, &chain(16)).header("rollcall-rejected").as_deref(), Some("16"));
}

/// An account in a file and one in memory that get lenient pushes, and one that gets strict pushes of those who were not rejected.
struct Three {
    folder: TempDir,
    store: Store,
    profiles: Profiles,
    limits: Limits,
    model: memory::Roster,
    strict: memory::Roster,
}

enum Backend {
    Stored(Roster),
    Model(memory::Roster),
}

impl Backend {
    fn begin(&mut self) -> Result<Draft<'_>, Error> {
        match self {
            Backend::Stored(roster) => roster.begin(),
            Backend::Model(roster) => Ok(roster.begin()),
        }
    }
}

impl Three {
    fn new() -> Three {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("profiles")).unwrap();
        std::fs::write(folder.path().join("profiles/staff.toml"), STAFF).unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        store.add_account(1, "", "secret", None).unwrap();
        let profiles = Profiles::open(&store, &folder.path().join("profiles")).unwrap().0;
        let (model, strict) = (memory::Roster::default(), memory::Roster::default());
        Three { folder, store, profiles, limits: Limits::default(), model, strict }
    }

    fn push(
        &self,
        employees: &[Value],
        handling: Handling,
        as_plan: bool,
        mut backend: Backend,
    ) -> Result<(Receipt, SetAside), Failure> {
        let conditions = Conditions { handling, ..Conditions::default() };
        let (limits, spool_dir) = (&self.limits, self.folder.path());
        let push = Push {
            dialect: Dialect::StartExam,
            limits,
            spool_dir,
            coverage: Coverage::STAY,
            guards: GuardSettings::new(),
            conditions,
        };
        let mut pieces = Some(Bytes::from(list(employees))).into_iter();
        let pieces = Box::new(move || Ok(pieces.next()));
        let source = Source::Body(Body { account: 1, format: &STARTEXAM, profiles: &self.profiles, pieces });
        let mut trace = Trace::default();
        if as_plan {
            let planned = plan(&push, source, || backend.begin(), &mut trace)?;
            let (id, profiles, moved) = (&*planned.plan.id, &self.profiles, Moved::Refuse);
            let apply = ApplyPlan { account: 1, id, moved, profiles, limits };
            let (receipt, _) = apply_plan(&apply, backend.begin()?, &mut trace)?;
            assert_eq!(receipt.counts, planned.plan.counts);
            return Ok((receipt, *planned.set_aside.unwrap_or_default()));
        }
        let receipt = sync(&push, source, || backend.begin(), &mut trace)?;
        let set_aside = receipt.set_aside.clone();
        Ok((receipt, *set_aside.unwrap_or_default()))
    }

    /// Pushes leniently on two backends, and strictly who was not rejected on the third. All must come to the same.
    fn lenient(&self, employees: &[Value], as_plan: bool) {
        let roster = self.store.roster(&self.store.key(1).unwrap().unwrap()).unwrap();
        let stored = self.push(employees, Handling::Lenient, as_plan, Backend::Stored(roster));
        let model = self.push(employees, Handling::Lenient, as_plan, Backend::Model(self.model.clone()));
        match (stored, model) {
            (Ok((receipt, set_aside)), Ok((of_model, set_aside_of_model))) => {
                assert_eq!(receipt.counts, of_model.counts);
                // Of an id that appears three times other pairs are named where one of them was recognised.
                let beside_twice = |set_aside: &SetAside| {
                    let errors = set_aside.errors.iter().filter(|error| error.rule != "twice").cloned();
                    (set_aside.employees, set_aside.error_count, errors.collect::<Vec<_>>())
                };
                assert_eq!(beside_twice(&set_aside), beside_twice(&set_aside_of_model));
                let places = |error: &rollcall::rejection::Rejection| {
                    let other = error.other_index.filter(|_| error.rule == "twice");
                    [error.index, other].into_iter().flatten().collect::<Vec<_>>()
                };
                let rejected =
                    |set_aside: &SetAside| set_aside.errors.iter().flat_map(places).collect::<BTreeSet<u64>>();
                assert_eq!(rejected(&set_aside), rejected(&set_aside_of_model));
                let rejected = rejected(&set_aside);
                assert_eq!(rejected.len() as u64, set_aside.employees, "{employees:?}: {set_aside:?}");
                let valid = (0..).zip(employees).filter(|(place, _)| !rejected.contains(place));
                let valid: Vec<Value> = valid.map(|(_, employee)| employee.clone()).collect();
                let strict = self.push(&valid, Handling::Strict, false, Backend::Model(self.strict.clone()));
                assert_eq!(strict.unwrap().0.counts, receipt.counts, "{employees:?}");
            }
            (Err(Failure::Rejected(stored)), Err(Failure::Rejected(model))) => {
                assert_eq!(stored.count(), model.count());
            }
            (stored, model) => panic!("{employees:?}: {stored:?}, but {model:?}"),
        }
        let reader = self.store.reader(&self.store.key(1).unwrap().unwrap()).unwrap();
        let stored = reader.page(None, 0, usize::MAX, usize::MAX).unwrap().employees;
        assert_eq!(self.model.employees(), self.strict.employees(), "{employees:?}");
        let modelled: Vec<Employee> = self.model.employees().into_iter().map(|(_, employee)| employee).collect();
        assert_eq!(stored, modelled, "{employees:?}");
    }
}

fn person() -> impl Strategy<Value = Value> {
    let id = prop_oneof![12 => (0..9u8).prop_map(|id| id.to_string()), 1 => Just(String::new())];
    let name =
        prop_oneof![6 => Just(Some("abc")), 3 => Just(Some("xyz")), 1 => Just(Some("too long")), 1 => Just(None)];
    let mail = prop_oneof![3 => Just(None), 4 => (0..5u8).prop_map(|mail| Some(format!("{mail}@example.com")))];
    let manager = prop_oneof![2 => Just(None), 3 => (0..9u8).prop_map(|id| Some(id.to_string()))];
    (id, any::<bool>(), name, mail, manager).prop_map(|(id, is_active, name, mail, manager)| {
        let values = [("Name", name.map(str::to_owned)), ("Email", mail), ("Manager", manager)];
        let data: Vec<(&str, String)> = values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let data: Vec<(&str, &str)> = data.iter().map(|(name, value)| (*name, value.as_str())).collect();
        employee(&id, if is_active { "active" } else { "hidden" }, &data)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(120)))]

    #[test]
    fn a_lenient_push_does_what_a_strict_push_of_the_valid_does(
        pushes in prop::collection::vec((prop::collection::vec(person(), 0..12), any::<bool>(), 1..3usize), 1..6)
    ) {
        let three = Three::new();
        for (employees, as_plan, times) in pushes {
            (0..times).for_each(|_| three.lenient(&employees, as_plan));
        }
    }
}

fn error_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn rejected_rows_of_a_csv_are_corrected_and_pushed_again() {
    let world = World::with(STAFF, "");
    let csv = "\u{feff}No;Name;Email\n1;abc;\n2;too long;\"a;b\"\n3;=abcd;\n3;abc;\n4;xyz;d@example.com\n";
    let (file, rejects) = (world.file("staff.csv", csv), world.path("rejects.csv"));
    let push = |file: &str| {
        world.push_file(file, &["--profile", PROFILE, "--map", "No=id", "--lenient", "--rejects", &rejects])
    };
    let pushed = push(&file);
    assert_eq!(pushed.status.code(), Some(4), "{pushed:?}");
    assert!(String::from_utf8_lossy(&pushed.stdout).contains("created             2"), "{pushed:?}");
    let said = error_text(&pushed);
    assert!(said.contains("row 3, column B: id \"2\": Name: "), "{said}");
    assert!(said.contains("the push leaves out 3 employees, see above; "), "{said}");
    let written = std::fs::read_to_string(&rejects).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "\u{feff}No;Name;Email;rejected because"), "{written}");
    assert!(lines[1].starts_with("2;too long;\"a;b\";\"Name: "), "{written}");
    assert!(lines[1].contains("[max_length]; Email: "), "{written}");
    assert!(lines[2].starts_with("3;'=abcd;;") && lines[3].starts_with("3;abc;;\"id: "), "{written}");
    assert_eq!(ids(&world), ["1", "4"]);

    let corrected =
        written.replace("too long", "xyz").replace("\"a;b\"", "b@example.com").replace("3;'=abcd", "5;'=ab");
    let pushed = push(&world.file("corrected.csv", corrected));
    assert_eq!(pushed.status.code(), Some(0), "{pushed:?}");
    assert_eq!(ids(&world).len(), 5);
    assert_eq!(world.get("/v1/employees/5").json()["data"][0]["value"], "=ab");
    assert_eq!(std::fs::read_to_string(&rejects).unwrap(), "\u{feff}No;Name;Email;rejected because\n");
}

#[test]
fn rejected_employees_of_a_body_are_corrected_and_pushed_again() {
    let world = World::with(STAFF, "errors_listed_max = 2");
    let employees = [nameless("1"), staff("2", &[]), json!(7), nameless("3")];
    let (file, rejects) = (world.file("staff.json", list(&employees)), world.path("rejects.json"));
    let pushed = world.push_file(&file, &["--lenient", "--rejects", &rejects]);
    assert_eq!(pushed.status.code(), Some(4), "{pushed:?}");
    assert!(error_text(&pushed).contains("2 of them are in "), "{}", error_text(&pushed));
    assert!(error_text(&pushed).contains("does not list the other 1: correct these"), "{}", error_text(&pushed));
    let mut written: Value = serde_json::from_str(&std::fs::read_to_string(&rejects).unwrap()).unwrap();
    assert_eq!((&written["profileId"], &written["employees"][1]), (&json!(PROFILE), &json!(7)));
    let because = "Name: a value is required; none was sent [required]";
    assert_eq!(
        written["employees"][0],
        json!({ "id": "1", "status": "active", "data": [], "rejectedBecause": because })
    );
    written["employees"][0]["data"] = json!([{ "name": "Name", "value": "abc" }]);
    written["employees"].as_array_mut().unwrap().pop();
    let pushed =
        world.push_file(&world.file("corrected.json", written.to_string()), &["--lenient", "--rejects", &rejects]);
    assert_eq!(pushed.status.code(), Some(0), "{pushed:?}");
    assert_eq!(ids(&world), ["2", "1"]);
}

#[test]
fn rejects_are_only_for_lenient_pushes() {
    let world = World::with(STAFF, "");
    let pushed = world.push_file(&world.file("staff.json", list(&[])), &["--rejects", &world.path("rejects.json")]);
    assert_eq!(pushed.status.code(), Some(2), "{pushed:?}");
    assert!(error_text(&pushed).contains("--lenient"), "{pushed:?}");
}
