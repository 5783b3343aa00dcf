//! The model: a roster of plain maps, and what each push makes of it by rules of its own.

use super::fields::{EMAIL, FIRST, Field, MANAGER, MENTOR, canonical};
use super::guard::{self, Tripped};
use std::collections::{BTreeMap, BTreeSet};

/// From how many lists in a row somebody may be missing without being hidden.
pub const GRACE: u32 = 1;

/// How often a lenient push is looked at again without those who break a rule.
const ROUNDS_MAX: usize = 16;

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
        is_active(&self.before) && !is_active(&self.after)
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

/// How much of an employee's data is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    All,
    Some,
    Nothing,
}

/// What a push asks for one employee, in any dialect.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The id, if there is a usable one.
    pub id: Option<String>,
    /// The e-mail address, if it finds employees.
    pub key: Option<String>,
    pub is_active: Option<bool>,
    pub extent: Extent,
    pub values: BTreeMap<Field, Result<Option<String>, ()>>,
    pub must_exist: bool,
    /// Whether something else is wrong with it.
    pub is_wrong: bool,
}

/// What a push is beside its employees.
#[derive(Debug, Clone, Copy)]
pub struct Push {
    /// The dialect, and `push` or `patch`.
    pub dialect: &'static str,
    /// Whether it is a list of everybody; then whether the absent are hidden, if it carries somebody or may be empty.
    pub hides: Option<bool>,
    pub may_be_empty: bool,
    pub lenient: bool,
}

/// What a push comes to.
#[derive(Debug, Clone)]
pub struct Pending {
    /// `None` of an undo.
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

/// A push that waits.
#[derive(Debug, Clone)]
pub struct Plan {
    pub pending: Pending,
    /// Why it waits: `dryRun`, `guards` or `undo`.
    pub why: &'static str,
    /// The revisions that it takes back, and how many employees it leaves as they are.
    pub undo: Option<(usize, usize, usize)>,
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
}

/// The employees of a push, each with the position in the roster that it means, if it is stored.
struct Carried {
    wanted: Vec<(Wanted, Option<usize>, String)>,
    /// The places of those that are wrong by themselves.
    wrong: BTreeSet<usize>,
}

impl Roster {
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

    fn is_active(&self, number: usize) -> bool {
        self.people[number].as_ref().is_some_and(|person| person.is_active)
    }

    /// Returns what a push comes to; `None` if it is refused because employees are rejected.
    pub fn push(&self, push: Push, wanted: Vec<Wanted>) -> Option<Pending> {
        let employees = wanted.len() as u64;
        let carried = self.carried(push, wanted);
        let is_anonymous = carried.wrong.iter().any(|place| carried.wanted[*place].2.is_empty());
        let numbers: BTreeSet<usize> = carried.wanted.iter().filter_map(|(_, number, _)| *number).collect();
        let hides = push.hides == Some(true) && (employees > 0 || push.may_be_empty) && !(push.lenient && is_anonymous);
        let absent: Vec<(usize, u32)> = (0..self.people.len())
            .filter(|number| hides && self.is_active(*number) && !numbers.contains(number))
            .map(|number| (number, self.missing.get(&number).map_or(1, |(lists, _)| lists + 1)))
            .collect();
        let mut left_out = carried.wrong.clone();
        if !left_out.is_empty() && !push.lenient {
            return None;
        }
        let mut changes = Vec::new();
        let mut broken = BTreeSet::new();
        for round in 0..=ROUNDS_MAX {
            if round == 0 && !left_out.is_empty() {
                continue;
            }
            left_out.append(&mut broken);
            changes = self.changes(&carried, &left_out, &absent);
            broken = broken_rules(&self.people, &changes)?;
            if broken.is_empty() || !push.lenient {
                break;
            }
        }
        if !broken.is_empty() {
            return None;
        }
        let changes: Vec<Change> = changes.into_iter().map(|(change, _)| change).collect();
        let is_changed = |number: usize| changes.iter().any(|change| change.number == number);
        let accepted = || (0..).zip(&carried.wanted).filter(|(place, _)| !left_out.contains(place));
        let stays = accepted().filter_map(|(_, (_, number, _))| *number).filter(|number| !is_changed(*number));
        let mut counts = counts(&changes);
        counts[4] = stays.count() as u64;
        let again = self
            .missing
            .iter()
            .filter(|(number, (_, is_hidden))| push.hides.is_some() && !is_hidden && numbers.contains(number));
        let mut ended: Vec<usize> = again.map(|(number, _)| *number).collect();
        let on_purpose = accepted().filter(|(_, (wanted, ..))| wanted.is_active == Some(false));
        let on_purpose = on_purpose.filter_map(|(_, (_, number, _))| *number);
        ended.extend(on_purpose.filter(|number| !self.is_active(*number)));
        let rejected = push.lenient.then_some(left_out.len() as u64);
        let mut pending = Pending {
            dialect: Some(push.dialect),
            kind: if push.hides.is_some() { "push" } else { "patch" },
            base: self.revision(),
            changes,
            ended,
            noted: absent.into_iter().map(|(number, lists)| (number, lists, lists > GRACE)).collect(),
            counts,
            employees,
            rejected,
            tripped: Vec::new(),
        };
        pending.tripped = guard::check(self, &pending);
        Some(pending)
    }

    /// Finds whom a push means, and what is wrong with its employees by themselves.
    fn carried(&self, push: Push, wanted: Vec<Wanted>) -> Carried {
        let mut carried = Carried { wanted: Vec::new(), wrong: BTreeSet::new() };
        for (place, mut wanted) in wanted.into_iter().enumerate() {
            let (number, id) = self.find(&wanted);
            let stored = number.and_then(|number| self.people[number].as_ref());
            let key_is_of_another = wanted.id.is_none()
                && stored.zip(wanted.key.as_ref()).is_some_and(|(person, key)| {
                    *key == person.id && person.data.get(&EMAIL).is_some_and(|email| email != key)
                });
            if wanted.extent == Extent::Some && wanted.is_active.is_none() && push.hides.is_some() {
                // Whom absence has hidden a list brings back.
                let is_hidden = number.and_then(|number| self.missing.get(&number)).is_some_and(|(_, hidden)| *hidden);
                wanted.is_active = is_hidden.then_some(true);
            }
            if wanted.is_wrong
                || id.is_empty()
                || key_is_of_another
                || wanted.must_exist && stored.is_none()
                || person(&wanted, stored, &id).is_none()
            {
                carried.wrong.insert(place);
            }
            carried.wanted.push((wanted, number, id));
        }
        // Of two rows of one employee nobody can tell which is right.
        for (place, (_, number, id)) in carried.wanted.iter().enumerate().filter(|(_, (.., id))| !id.is_empty()) {
            let is_same = |(other, (_, of_other, other_id)): &(usize, &(Wanted, Option<usize>, String))| {
                *other != place && number == of_other && (number.is_some() || id == other_id)
            };
            if carried.wanted.iter().enumerate().any(|other| is_same(&other)) {
                carried.wrong.insert(place);
            }
        }
        carried
    }

    /// Returns the stored employee that is meant, and the id that it will have; empty without a usable one.
    fn find(&self, wanted: &Wanted) -> (Option<usize>, String) {
        let by_id = |id: &String| self.position(id);
        let Wanted { id, key, .. } = wanted;
        if let Some(number) = id.as_ref().and_then(by_id) {
            return (Some(number), id.clone().unwrap());
        }
        let Some(key) = key else {
            return (None, id.clone().unwrap_or_default());
        };
        let holders: Vec<(usize, &Person)> =
            self.there().filter(|(_, person)| person.data.get(&EMAIL) == Some(key)).collect();
        let active = holders.iter().find(|(_, person)| person.is_active).map(|(number, _)| *number);
        let last_leaver =
            holders.iter().map(|(number, _)| *number).max_by_key(|number| (self.changed[*number], *number));
        match id {
            // Somebody new with the address of a leaver is not the leaver.
            Some(id) => {
                let only = if let [(number, person)] = holders[..] { Some((number, person)) } else { None };
                let had_no_id = only.filter(|(_, person)| person.id == *key).map(|(number, _)| number);
                (active.or(had_no_id), id.clone())
            }
            None => {
                let number = active.or(last_leaver).or_else(|| by_id(key));
                let person = number.and_then(|number| self.people[number].as_ref());
                (number, person.map_or(key, |person| &person.id).clone())
            }
        }
    }

    /// Returns the changes of a push without some of its employees, in the order of the roster, each with its place in the push.
    fn changes(
        &self,
        carried: &Carried,
        left_out: &BTreeSet<usize>,
        absent: &[(usize, u32)],
    ) -> Vec<(Change, Option<usize>)> {
        let mut changes = Vec::new();
        let mut next = self.people.len();
        for (place, (wanted, number, id)) in carried.wanted.iter().enumerate() {
            if left_out.contains(&place) {
                continue;
            }
            let before = number.and_then(|number| self.people[number].clone());
            let after = person(wanted, before.as_ref(), id);
            if before == after {
                continue;
            }
            let is_new = number.is_none();
            let number = number.unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            changes.push((Change { number, is_new, before, after, missing: None }, Some(place)));
        }
        for &(number, lists) in absent.iter().filter(|(_, lists)| *lists > GRACE) {
            let before = self.people[number].clone();
            let after = before.clone().map(|before| Person { is_active: false, ..before });
            changes.push((Change { number, is_new: false, before, after, missing: Some(lists) }, None));
        }
        changes.sort_by_key(|(change, _)| change.number);
        changes
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
                (None, None) => HiddenBy::Push,
            };
            recorded.push((change.clone(), change.is_hide().then_some(hidden_by)));
        }
        self.missing.retain(|number, _| !pending.ended.contains(number));
        self.missing.extend(pending.noted.iter().map(|(number, lists, is_hidden)| (*number, (*lists, *is_hidden))));
        self.syncs.push(Sync { pending, changes: recorded, plan });
        self.past.push(self.people.clone());
    }
}

/// Returns the employee as a push leaves it; `None` if its values break a rule.
fn person(wanted: &Wanted, stored: Option<&Person>, id: &str) -> Option<Person> {
    let is_active = wanted.is_active.or(stored.map(|stored| stored.is_active)).unwrap_or(true);
    let stored_data = || stored.map(|stored| stored.data.clone()).unwrap_or_default();
    let mut data = if wanted.extent == Extent::All { BTreeMap::new() } else { stored_data() };
    for (field, value) in &wanted.values {
        match value.clone().ok()? {
            Some(value) => drop(data.insert(*field, value)),
            None => drop(data.remove(field)),
        }
    }
    let comes = stored.is_none_or(|stored| !stored.is_active && is_active);
    let is_required = match wanted.extent {
        Extent::All => true,
        Extent::Some => comes || wanted.values.contains_key(&FIRST),
        Extent::Nothing => false,
    };
    (!is_required || data.contains_key(&FIRST)).then(|| Person { id: id.into(), is_active, data })
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

/// Reads the values of a row.
pub fn values(row: &[(Field, String)]) -> BTreeMap<Field, Result<Option<String>, ()>> {
    row.iter().map(|(field, value)| (*field, canonical(*field, value))).collect()
}
