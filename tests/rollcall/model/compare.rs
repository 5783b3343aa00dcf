//! Compare: what a server says of its roster, its plans and its history, and what the model has.

use super::fields::FIELDS;
use super::guard::Tripped;
use super::roster::{Change, HiddenBy, Person, Roster, Sync, Undone};
use crate::world::{Answer, World, run};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Compares what may have changed by one operation: the roster, the last sync, and the plans that wait, whose ids the model learns.
pub fn now(world: &World, roster: &mut Roster) {
    assert_eq!(people(world, ""), there(&roster.people), "the roster");
    if roster.revision() > roster.start {
        sync(world, roster, roster.revision());
    }
    assert_eq!(
        get(world, "/v1/syncs?outcome=applied&limit=1")["syncs"][0]["revision"].as_u64().unwrap_or(0),
        roster.revision() as u64
    );
    let waiting = roster.waiting();
    let shown = plans(world);
    assert_eq!(shown.len(), waiting.len(), "plans that wait: {shown:#?}");
    for (shown, plan) in shown.iter().zip(waiting) {
        let plan = &mut roster.plans[plan];
        let id = shown["id"].as_str().unwrap();
        let is_new = plan.id.is_none();
        assert_eq!(plan.id.get_or_insert_with(|| id.into()), id, "{shown}");
        assert_eq!(shown["revision"], plan.pending.base as u64, "{shown}");
        assert_eq!(shown["why"], plan.why, "{shown}");
        let undo = plan.undo.map(|Undone { from, to, conflicts, erases }| {
            let created = if erases { "erase" } else { "hide" };
            json!({ "from": from, "to": to, "conflicts": conflicts, "created": created })
        });
        assert_eq!(shown.get("undo"), undo.as_ref(), "{shown}");
        assert_eq!(counts(shown), plan.pending.counts, "{shown}");
        if is_new {
            let planned: Vec<(Change, Option<HiddenBy>)> =
                plan.pending.changes.iter().map(|change| (change.clone(), None)).collect();
            assert_eq!(changes(world, &format!("/v1/plans/{id}/changes")), expected(&planned), "{shown}");
        }
    }
}

/// Whether a server has the roster of a model, as many syncs, and as many plans.
pub fn is_as(world: &World, roster: &Roster) -> bool {
    let revision = get(world, "/v1/syncs?outcome=applied&limit=1")["syncs"][0]["revision"].as_u64().unwrap_or(0);
    let waiting = plans(world);
    let ids: Vec<Option<&str>> = roster.waiting().iter().map(|plan| roster.plans[*plan].id.as_deref()).collect();
    let is_known = |plan: &Value| roster.plans.iter().any(|known| known.id.as_deref() == plan["id"].as_str());
    let same = |(id, plan): (&Option<&str>, &Value)| id.map_or_else(|| !is_known(plan), |id| plan["id"] == id);
    revision == roster.revision() as u64
        && people(world, "") == there(&roster.people)
        && ids.len() == waiting.len()
        && ids.iter().zip(&waiting).all(same)
}

/// Compares everything that is kept: each sync, the life of each employee, and what all changes from the start come to.
pub fn everything(world: &World, roster: &Roster) {
    if let Some(forgotten) = roster.start.checked_sub(1) {
        let answer = world.get(&format!("/v1/employees?at={forgotten}"));
        assert_eq!(answer.status, 410, "{}", answer.text);
        at(world, roster, roster.start);
    }
    let mut replayed = states(&there(&roster.past[roster.start]));
    for revision in roster.start + 1..=roster.revision() {
        let changes = sync(world, roster, revision);
        replay(&mut replayed, &changes);
        let past = there(&roster.past[revision]);
        assert_eq!(replayed, states(&past), "the changes up to revision {revision} come to the roster of that time");
        at(world, roster, revision);
    }
    for (number, person) in roster.there() {
        life(world, roster, number, &person.id);
    }
}

/// Compares the roster as it was at a revision.
pub fn at(world: &World, roster: &Roster, revision: usize) {
    assert_eq!(people(world, &format!("&at={revision}")), there(&roster.past[revision]), "at={revision}");
}

fn there(people: &[Option<Person>]) -> Vec<Person> {
    people.iter().flatten().cloned().collect()
}

fn states(people: &[Person]) -> BTreeMap<String, Value> {
    people.iter().map(|person| (person.id.clone(), state(person))).collect()
}

/// A follower of the feed: the roster that it holds, and its cursor.
#[derive(Default)]
pub struct Follower {
    people: BTreeMap<String, Value>,
    cursor: String,
}

impl Follower {
    /// Reads what is new, in pages of so many changes, and compares.
    pub fn follow(&mut self, world: &World, roster: &Roster, limit: usize) {
        let mut syncs: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        loop {
            let answer: Answer = world.get(&format!("/v1/changes?limit={limit}&after={}", self.cursor));
            if answer.status == 410 {
                assert!(answer.message().contains("has erased"), "{}", answer.text);
                syncs.clear();
                self.begin_anew(world);
                break;
            }
            assert_eq!(answer.status, 200, "{}", answer.text);
            let page = answer.json();
            for change in page["changes"].as_array().unwrap() {
                let changes = syncs.entry(change["sync"]["revision"].as_u64().unwrap()).or_default();
                changes.push(by_name(change.clone()));
            }
            page["cursor"].as_str().unwrap().clone_into(&mut self.cursor);
            if page["more"] == false {
                break;
            }
        }
        syncs.values().for_each(|changes| replay(&mut self.people, changes));
        assert_eq!(self.people, states(&there(&roster.people)), "the feed");
    }

    /// Takes an export, as the feed says, when somebody was erased whom it does not name.
    fn begin_anew(&mut self, world: &World) {
        let cursor = world.get("/v1/employees.ndjson").header("Rollcall-Cursor");
        self.cursor = cursor.expect("an export has a cursor");
        self.people = states(&people(world, ""));
    }
}

/// Audits the account's file.
pub fn audit(world: &World) {
    let audit = run(&["account", "check", "99", "--data", &world.path("data")]);
    assert!(audit.status.success(), "{audit:?}");
}

#[track_caller]
fn get(world: &World, path: &str) -> Value {
    let answer: Answer = world.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()
}

fn plans(world: &World) -> Vec<Value> {
    get(world, "/v1/plans")["plans"].as_array().unwrap().clone()
}

/// Everything of a list that comes in pages.
fn pages(world: &World, path: &str, list: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    let and = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = get(world, &format!("{path}{and}cursor={cursor}"));
        all.extend(page[list].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return all,
        }
    }
}

/// The roster, as the server shows it with a query.
fn people(world: &World, query: &str) -> Vec<Person> {
    let employees = pages(world, &format!("/v1/employees?limit=1000{query}"), "employees");
    employees.iter().map(person).collect()
}

fn person(shown: &Value) -> Person {
    let position = |row: &Value| FIELDS.iter().position(|field| row["name"] == field.name).unwrap();
    let rows = shown["data"].as_array().unwrap().iter();
    let data = rows.map(|row| (position(row), row["value"].as_str().unwrap().to_owned())).collect();
    let is_active = shown["status"] == "active";
    Person { id: shown["id"].as_str().unwrap().into(), is_active, data }
}

fn counts(shown: &Value) -> [u64; 5] {
    [
        "employeesCreated",
        "employeesDataUpdated",
        "employeesStatusChangedToActive",
        "employeesStatusChangedToHidden",
        "employeesNotChanged",
    ]
    .map(|name| shown[name].as_u64().unwrap())
}

/// Compares the sync that made a revision: its record, and whom it changed. Returns its changes.
fn sync(world: &World, roster: &Roster, revision: usize) -> Vec<Value> {
    let sync = &roster.syncs[revision - 1];
    let shown = get(world, &format!("/v1/syncs/{revision}"));
    let Sync { pending, changes: recorded, .. } = sync;
    for (member, expected) in [
        ("kind", json!(pending.kind)),
        ("dialect", json!(pending.dialect)),
        ("employees", json!(pending.employees)),
        ("revisionBefore", json!(revision - 1)),
    ] {
        assert_eq!(shown[member], expected, "{member}: {shown}");
    }
    let set_aside = pending.rejected.filter(|_| sync.plan.is_none());
    assert_eq!(shown["setAside"]["employees"].as_u64(), set_aside, "{shown}");
    assert_eq!(counts(&shown), pending.counts, "{shown}");
    if let Some(plan) = sync.plan.map(|plan| &roster.plans[plan]) {
        assert_eq!(shown["plan"], json!(plan.id), "{shown}");
        let tripped = plan.pending.tripped.iter().filter(|_| plan.why == "guards");
        assert_eq!(guards_of(&shown), tripped.map(guard).collect(), "{shown}");
    }
    let changed = changes(world, &format!("/v1/syncs/{revision}/changes"));
    assert_eq!(changed, expected(recorded), "revision {revision}");
    changed
}

/// Reads changes, with fields by name.
fn changes(world: &World, path: &str) -> Vec<Value> {
    pages(world, &format!("{path}?limit=1000"), "changes").into_iter().map(by_name).collect()
}

/// Puts the fields of a change into an object.
fn by_name(mut change: Value) -> Value {
    let fields = change["fields"].as_array().unwrap().iter();
    let fields = fields.map(|field| {
        let sides = json!({ "before": field["before"], "after": field["after"] });
        (field["name"].as_str().unwrap().to_owned(), sides)
    });
    change["fields"] = fields.collect::<serde_json::Map<_, _>>().into();
    change
}

fn expected(changes: &[(Change, Option<HiddenBy>)]) -> Vec<Value> {
    changes.iter().map(|(change, hidden_by)| change_as_shown(change, *hidden_by)).collect()
}

/// A change as a server shows it.
fn change_as_shown(change: &Change, hidden_by: Option<HiddenBy>) -> Value {
    let Change { before, after, .. } = change;
    let kinds = [
        ("created", change.is_creation()),
        ("updated", change.is_update()),
        ("activated", change.is_return()),
        ("hidden", change.is_hide()),
        ("renamed", change.is_renaming()),
        ("removed", change.is_removal()),
        ("merged", change.merged_into.is_some()),
    ];
    let kinds: Vec<&str> = kinds.iter().filter(|(_, is)| *is).map(|(kind, _)| *kind).collect();
    let mut fields = serde_json::Map::new();
    for (field, named) in FIELDS.iter().enumerate() {
        let value = |person: &Option<Person>| person.as_ref().and_then(|person| person.data.get(&field).cloned());
        let (had, has) = (value(before), value(after));
        if had != has {
            fields.insert(named.name.into(), json!({ "before": had, "after": has }));
        }
    }
    let id = after.as_ref().or(before.as_ref()).map(|person| &person.id);
    let mut shown = json!({ "id": id, "kinds": kinds, "fields": fields });
    let mut show = |name: &str, of: &dyn Fn(&Person) -> Value| {
        let [before, after] = [before, after].map(|person| person.as_ref().map_or(Value::Null, of));
        if before != after {
            shown[name] = json!({ "before": before, "after": after });
        }
    };
    if change.is_renaming() {
        show("idChange", &|person| json!(person.id));
    }
    show("status", &|person| json!(if person.is_active { "active" } else { "hidden" }));
    show("profileId", &|_| json!(crate::world::PROFILE));
    match hidden_by {
        Some(HiddenBy::Push) => shown["hiddenBy"] = json!({ "cause": "push" }),
        Some(HiddenBy::Absence(lists)) => shown["hiddenBy"] = json!({ "cause": "absence", "lists": lists }),
        Some(HiddenBy::Erasure) => shown["hiddenBy"] = json!({ "cause": "erasure" }),
        Some(HiddenBy::Rename) => shown["hiddenBy"] = json!({ "cause": "rename" }),
        Some(HiddenBy::Undo) => shown["hiddenBy"] = json!({ "cause": "undo" }),
        Some(HiddenBy::Plan(None)) => shown["hiddenBy"] = json!({ "cause": "plan" }),
        Some(HiddenBy::Plan(Some(lists))) => shown["hiddenBy"] = json!({ "cause": "plan", "lists": lists }),
        None => {}
    }
    shown
}

/// What replaying changes knows of an employee.
fn state(person: &Person) -> Value {
    let data: BTreeMap<&str, &String> = person.data.iter().map(|(field, value)| (FIELDS[*field].name, value)).collect();
    json!({ "status": if person.is_active { "active" } else { "hidden" }, "data": data })
}

/// Applies the changes of a sync as a server shows them. Each must begin with what those before it have left.
fn replay(people: &mut BTreeMap<String, Value>, changes: &[Value]) {
    let mut after = Vec::new();
    for change in changes {
        let id = change["id"].as_str().unwrap();
        let id_before = change["idChange"]["before"].as_str().unwrap_or(id);
        let is_created = change["status"].get("before") == Some(&Value::Null);
        let mut state = if is_created {
            json!({ "status": null, "data": {} })
        } else {
            people.remove(id_before).unwrap_or_else(|| panic!("nobody was called {id_before}: {change}"))
        };
        if let Some(status) = change.get("status") {
            assert_eq!(state["status"], status["before"], "{change}");
            state["status"] = status["after"].clone();
        }
        for (name, sides) in change["fields"].as_object().unwrap() {
            let data = state["data"].as_object_mut().unwrap();
            let had = data.remove(name).unwrap_or_default();
            assert_eq!(had, sides["before"], "{change}");
            if !sides["after"].is_null() {
                data.insert(name.clone(), sides["after"].clone());
            }
        }
        if state["status"].is_null() {
            // The values that a follower has of somebody who is erased the feed does not say again.
            let may_be_erased = ["erase", "undo"].iter().any(|kind| change["sync"]["kind"] == *kind);
            assert!(state["data"] == json!({}) || may_be_erased, "who is removed has no data: {change}");
            continue;
        }
        after.push((id.to_owned(), state));
    }
    for (id, state) in after {
        assert!(people.insert(id.clone(), state).is_none(), "two employees are called {id}");
    }
}

/// Compares the life of an employee, with that of everybody who was merged into it. The order of what one sync did is left open.
fn life(world: &World, roster: &Roster, number: usize, id: &str) {
    let path = format!("/v1/employees/{}/history", id.replace('@', "%40"));
    let mut shown: Vec<(u64, Value)> = pages(world, &format!("{path}?limit=40"), "history")
        .into_iter()
        .map(|event| (event["revision"].as_u64().unwrap(), by_name(event["change"].clone())))
        .filter(|(revision, _)| *revision > roster.start as u64)
        .collect();
    assert!(shown.is_sorted_by_key(|(revision, _)| std::cmp::Reverse(*revision)), "{shown:#?}");
    let is_of_person = |of: usize| {
        let mut at = Some(of);
        while let Some(into) = at.filter(|at| *at != number) {
            at = roster.merged_into(into, roster.revision());
        }
        at.is_some()
    };
    let mut lived = Vec::new();
    for (revision, sync) in (1..).zip(&roster.syncs).skip(roster.start) {
        for (change, hidden_by) in sync.changes.iter().filter(|(change, _)| is_of_person(change.number)) {
            // That two are one is said by what became of the first.
            if change.number == number || change.merged_into.is_none() {
                lived.push((revision, change_as_shown(change, *hidden_by)));
            }
        }
    }
    let key = |(revision, change): &(u64, Value)| (*revision, change["id"].to_string(), change["kinds"].to_string());
    shown.sort_by_key(key);
    lived.sort_by_key(key);
    assert_eq!(shown, lived, "the life of {id}");
}

/// A guard as text.
pub fn guard(tripped: &Tripped) -> String {
    let Tripped { guard, field, count, of, limit } = tripped;
    format!("{guard} {} {count} of {of}, {limit} pass", field.unwrap_or("-"))
}

/// The same of a guard that a server shows.
pub fn shown_guard(shown: &Value) -> String {
    let text = |name: &str| shown[name].as_str().unwrap_or("-").to_owned();
    format!("{} {} {} of {}, {} pass", text("guard"), text("field"), shown["count"], shown["of"], shown["limit"])
}

/// The guards of an object as a set.
pub fn guards_of(shown: &Value) -> BTreeSet<String> {
    shown["guards"].as_array().into_iter().flatten().map(shown_guard).collect()
}
