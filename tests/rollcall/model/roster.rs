//! The model: a roster of plain maps, its history, and the rules that hold for all of it.

use super::fields::{EMAIL, Field, MANAGER, MENTOR};
use super::guard::Tripped;
use super::push::Wanted;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// From how many lists in a row somebody may be missing without being hidden.
pub const GRACE: u32 = 1;

/// An employee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    pub is_active: bool,
    pub data: BTreeMap<Field, String>,
}

/// Why somebody was hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenBy {
    Push,
    Absence(u32),
    Plan(Option<u32>),
    Undo,
    Rename,
    Erasure,
}

/// An employee before and after a sync. Whoever does not exist, or was removed, is nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The position in the roster.
    pub number: usize,
    /// Whether the employee has never existed before.
    pub is_new: bool,
    pub before: Option<Person>,
    pub after: Option<Person>,
    /// From how many lists in a row the employee is missing, if that hides it.
    pub missing: Option<u32>,
    /// The position of the employee who is the same person, if that is why this one is nobody afterwards.
    pub merged_into: Option<usize>,
}

impl Change {
    fn both(&self) -> Option<(&Person, &Person)> {
        self.before.as_ref().zip(self.after.as_ref())
    }

    pub fn is_creation(&self) -> bool {
        self.before.is_none() && self.after.is_some()
    }

    pub fn is_removal(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }

    pub fn is_hide(&self) -> bool {
        let is_active = |person: &Option<Person>| person.as_ref().is_some_and(|person| person.is_active);
        is_active(&self.before) && !is_active(&self.after) && self.merged_into.is_none()
    }

    pub fn is_return(&self) -> bool {
        self.both().is_some_and(|(before, after)| !before.is_active && after.is_active)
    }

    pub fn is_update(&self) -> bool {
        self.both().is_some_and(|(before, after)| before.data != after.data)
    }

    pub fn is_renaming(&self) -> bool {
        self.both().is_some_and(|(before, after)| before.id != after.id)
    }
}

/// What a push comes to.
#[derive(Debug, Clone)]
pub struct Pending {
    /// `None` of an undo, and of an erasure.
    pub dialect: Option<&'static str>,
    pub kind: &'static str,
    pub base: usize,
    pub changes: Vec<Change>,
    /// Who is not missing any more.
    pub ended: Vec<usize>,
    /// Who is missing, from how many lists in a row, and whether that hides them.
    pub noted: Vec<(usize, u32, bool)>,
    /// Created, updated, activated, hidden, unchanged.
    pub counts: [u64; 5],
    pub employees: u64,
    /// How many employees it is applied without, if it is lenient.
    pub rejected: Option<u64>,
    pub tripped: Vec<Tripped>,
}

/// A push that was applied.
#[derive(Debug, Clone)]
pub struct Sync {
    pub pending: Pending,
    pub changes: Vec<(Change, Option<HiddenBy>)>,
    /// The plan that it was.
    pub plan: Option<usize>,
}

/// What an undo is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undone {
    /// The first and the last revision that it takes back.
    pub from: usize,
    pub to: usize,
    /// How many employees it leaves as they are.
    pub conflicts: usize,
    /// Whether it erases whom they had created.
    pub erases: bool,
}

/// A push that waits.
#[derive(Debug, Clone)]
pub struct Plan {
    pub pending: Pending,
    /// Why it waits: `dryRun`, `guards` or `undo`.
    pub why: &'static str,
    pub undo: Option<Undone>,
    pub is_waiting: bool,
    /// What the server calls it, once it has said so.
    pub id: Option<String>,
}

/// All that is known of an account. A revision is the number of the syncs that led to it.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// By position; whoever was removed is nobody.
    pub people: Vec<Option<Person>>,
    /// By position, the revision of the last change.
    pub changed: Vec<usize>,
    /// By position, from how many lists in a row somebody was missing, and whether that has hidden them.
    pub missing: BTreeMap<usize, (u32, bool)>,
    pub queue: Vec<Wanted>,
    pub syncs: Vec<Sync>,
    /// By revision, the roster.
    pub past: Vec<Vec<Option<Person>>>,
    pub plans: Vec<Plan>,
    /// The first revision that is known of as it was.
    pub start: usize,
    /// By position, the revision that erased somebody.
    pub erased: BTreeMap<usize, usize>,
    /// By position, the revisions at which somebody had the values of somebody else who was erased.
    pub emptied: Vec<(usize, Range<usize>)>,
}

impl Roster {
    /// Forgets what was before a revision. From how many lists somebody was missing then is not known any more, either.
    pub fn trim(&mut self, start: usize) {
        self.start = start;
    }

    pub fn revision(&self) -> usize {
        self.syncs.len()
    }

    /// Everybody who exists, by position.
    pub fn there(&self) -> impl Iterator<Item = (usize, &Person)> {
        self.people.iter().enumerate().filter_map(|(number, person)| Some((number, person.as_ref()?)))
    }

    pub fn position(&self, id: &str) -> Option<usize> {
        self.there().find(|(_, person)| person.id == id).map(|(number, _)| number)
    }

    /// The position of the employee into whom another was merged by the last of the syncs up to a revision that changed it.
    pub fn merged_into(&self, number: usize, revision: usize) -> Option<usize> {
        let mut changes = self.syncs[..revision].iter().rev().flat_map(|sync| &sync.changes);
        changes.find(|(change, _)| change.number == number)?.0.merged_into
    }

    pub fn is_active(&self, number: usize) -> bool {
        self.people[number].as_ref().is_some_and(|person| person.is_active)
    }

    /// Applies what a push or a plan comes to.
    pub fn apply(&mut self, pending: Pending, plan: Option<usize>) {
        let revision = self.revision() + 1;
        let mut recorded = Vec::new();
        for change in &pending.changes {
            let Change { number, before, after, missing, .. } = change;
            let is_active = |person: &Option<Person>| person.as_ref().map(|person| person.is_active);
            if is_active(before) != is_active(after) {
                self.missing.remove(number);
            }
            if *number == self.people.len() {
                self.people.push(None);
                self.changed.push(0);
            }
            self.people[*number].clone_from(after);
            self.changed[*number] = revision;
            let hidden_by = match (plan, missing) {
                (Some(plan), _) if self.plans[plan].undo.is_some() => HiddenBy::Undo,
                (Some(_), lists) => HiddenBy::Plan(*lists),
                (None, Some(lists)) => HiddenBy::Absence(*lists),
                (None, None) if pending.kind == "rename" => HiddenBy::Rename,
                (None, None) if pending.kind == "erase" => HiddenBy::Erasure,
                (None, None) => HiddenBy::Push,
            };
            recorded.push((change.clone(), change.is_hide().then_some(hidden_by)));
        }
        self.missing.retain(|number, _| !pending.ended.contains(number));
        self.missing.extend(pending.noted.iter().map(|(number, lists, is_hidden)| (*number, (*lists, *is_hidden))));
        self.syncs.push(Sync { pending, changes: recorded, plan });
        self.past.push(self.people.clone());
        self.wipe(&self.wiped_by(plan));
    }
}

/// Created, updated, activated, hidden; the last one is left to the caller.
pub fn counts(changes: &[Change]) -> [u64; 5] {
    let count = |is: fn(&Change) -> bool| changes.iter().filter(|change| is(change)).count() as u64;
    [
        count(|change| change.before.is_none()),
        count(Change::is_update),
        count(Change::is_return),
        count(Change::is_hide),
        0,
    ]
}

/// Returns the places of those whom the rules of the whole roster would not have; `None` if there is somebody without a place among them.
pub fn broken_rules(people: &[Option<Person>], changes: &[(Change, Option<usize>)]) -> Option<BTreeSet<usize>> {
    let mut after: BTreeMap<usize, &Option<Person>> = people.iter().enumerate().collect();
    after.extend(changes.iter().map(|(change, _)| (change.number, &change.after)));
    let after: BTreeMap<usize, &Person> =
        after.into_iter().filter_map(|(number, person)| Some((number, person.as_ref()?))).collect();
    let mut in_order: Vec<&(Change, Option<usize>)> = changes.iter().collect();
    in_order.sort_by_key(|(change, place)| (place.is_none(), *place, change.number));
    let is_changed = |number: usize| changes.iter().any(|(change, _)| change.number == number);
    let mut broken = Vec::new();
    for field in [EMAIL, super::fields::BADGE] {
        let holds =
            |person: &Person| (field != EMAIL || person.is_active).then(|| person.data.get(&field)).flatten().cloned();
        let mut held: BTreeSet<String> =
            after.iter().filter(|(number, _)| !is_changed(**number)).filter_map(|(_, person)| holds(person)).collect();
        // Who had a value keeps it before all who come to it.
        let keeps = |change: &Change| {
            change
                .before
                .as_ref()
                .and_then(holds)
                .filter(|had| change.after.as_ref().and_then(holds).as_ref() == Some(had))
        };
        held.extend(in_order.iter().filter_map(|(change, _)| keeps(change)));
        for (change, place) in &in_order {
            if let Some(value) = change.after.as_ref().and_then(holds).filter(|_| keeps(change).is_none())
                && !held.insert(value)
            {
                broken.push(*place);
            }
        }
    }
    for (change, place) in &in_order {
        let new = |field: Field| {
            let had = change.before.as_ref().and_then(|before| before.data.get(&field));
            change.after.as_ref()?.data.get(&field).filter(|value| had != Some(*value))
        };
        let is_unknown = |manager: &String| after.values().all(|person| person.id != *manager);
        let is_hidden =
            |mentor: &String| after.values().all(|person| !person.is_active || person.data.get(&EMAIL) != Some(mentor));
        if new(MANAGER).is_some_and(is_unknown) || new(MENTOR).is_some_and(is_hidden) {
            broken.push(*place);
        }
    }
    for circle in circles(&after, &in_order) {
        let first = in_order.iter().find(|(change, place)| place.is_some() && circle.contains(&change.number));
        broken.push(first.and_then(|(_, place)| *place));
    }
    broken.into_iter().collect()
}

/// Returns the circles of managers that somebody who was changed is in.
fn circles(after: &BTreeMap<usize, &Person>, changes: &[&(Change, Option<usize>)]) -> BTreeSet<BTreeSet<usize>> {
    let leads_to = |number: usize| {
        let manager = after.get(&number)?.data.get(&MANAGER)?;
        after.iter().find(|(_, person)| person.id == *manager).map(|(number, _)| *number)
    };
    let mut circles = BTreeSet::new();
    for (change, _) in changes {
        let (mut chain, mut at) = (Vec::new(), Some(change.number));
        while let Some(number) = at {
            if let Some(first) = chain.iter().position(|other| *other == number) {
                circles.insert(chain[first..].iter().copied().collect());
                break;
            }
            chain.push(number);
            at = leads_to(number);
        }
    }
    circles
}
