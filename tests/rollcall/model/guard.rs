//! Guards of the model: what of a push somebody has to look at first.

use super::fields::{BADGE, EMAIL, FIELDS, Field};
use super::roster::{Pending, Person, Roster};

/// What the guards of the model's profile let pass: percent, and people in any case.
pub const BOUNDS: [(&str, u64, u64); 7] = [
    ("hide", 25, 4),
    ("activate", 30, 4),
    ("update", 50, 10),
    ("empty", 20, 3),
    ("unique", 30, 4),
    ("create", 30, 6),
    ("reject", 15, 5),
];

/// How many times the most of the last lists may hide.
const TIMES: u64 = 2;

/// How many lists say what is usual.
const USUAL_LISTS: usize = 14;

/// A guard that stops a push.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tripped {
    pub guard: &'static str,
    pub field: Option<&'static str>,
    pub count: u64,
    pub of: u64,
    pub limit: u64,
}

/// The guards as a profile sets them.
pub fn settings() -> String {
    let set = |(guard, percent, people): &(&str, u64, u64)| {
        let times = if *guard == "hide" { format!(", times = {TIMES}") } else { String::new() };
        format!("{guard} = {{ percent = {percent}, people = {people}{times} }}")
    };
    let set: Vec<String> = BOUNDS.iter().map(set).collect();
    format!("guards = {{ {}, garble = \"off\", swap = \"off\", value = \"off\" }}", set.join(", "))
}

/// Returns the guards that a push trips.
pub fn check(roster: &Roster, pending: &Pending) -> Vec<Tripped> {
    let stored = roster.there().count() as u64;
    let active = roster.there().filter(|(_, person)| person.is_active).count() as u64;
    let [created, updated, activated, hidden, _] = pending.counts;
    let usual = roster.syncs.iter().rev().filter(|sync| sync.pending.kind == "push" && sync.plan.is_none());
    let usual = usual.take(USUAL_LISTS).map(|sync| sync.pending.counts[3]).max().unwrap_or(0);
    let mut tripped = Vec::new();
    let mut check = |guard: &'static str, field: Option<Field>, count: u64, of: u64| {
        let (_, percent, people) = *BOUNDS.iter().find(|(name, ..)| *name == guard).unwrap();
        let mut limit = people.max(of * percent / 100);
        if guard == "hide" {
            limit = limit.min(people.max(of / 200).max(usual * TIMES));
        }
        if count > limit {
            tripped.push(Tripped { guard, field: field.map(|field| FIELDS[field].name), count, of, limit });
        }
    };
    check("hide", None, hidden, active);
    check("activate", None, activated, stored - active);
    check("update", None, updated, stored);
    for field in 0..FIELDS.len() {
        let have = roster.there().filter(|(_, person)| person.data.contains_key(&field)).count() as u64;
        let count = |is: &dyn Fn(Option<&String>, Option<&String>) -> bool| {
            let of = |person: &Person| person.data.get(&field).cloned();
            let edits = pending
                .changes
                .iter()
                .map(|change| (change.before.as_ref().and_then(of), change.after.as_ref().and_then(of)));
            edits.filter(|(had, has)| is(had.as_ref(), has.as_ref())).count() as u64
        };
        check("empty", Some(field), count(&|had, has| had.is_some() && has.is_none()), have);
        if field == EMAIL || field == BADGE {
            let is_other = |had: Option<&String>, has: Option<&String>| had.is_some() && has.is_some() && had != has;
            check("unique", Some(field), count(&is_other), have);
        }
    }
    if stored > 0 {
        check("create", None, created, stored);
    }
    check("reject", None, pending.rejected.unwrap_or(0), pending.employees);
    tripped.sort();
    tripped
}
