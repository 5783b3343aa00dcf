//! Pushes of the model: what each makes of the roster, by rules of its own.

use super::fields::{EMAIL, FIRST, Field, canonical};
use super::guard;
use super::roster::{Change, GRACE, Pending, Person, Roster, broken_rules, counts};
use std::collections::{BTreeMap, BTreeSet};

/// How often a lenient push is looked at again without those who break a rule.
const ROUNDS_MAX: usize = 16;

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

/// The employees of a push, each with the position in the roster that it means, if it is stored.
struct Carried {
    wanted: Vec<(Wanted, Option<usize>, String)>,
    /// The places of those that are wrong by themselves.
    wrong: BTreeSet<usize>,
}

impl Roster {
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
            changes.push((Change { number, is_new, before, after, missing: None, merged_into: None }, Some(place)));
        }
        for &(number, lists) in absent.iter().filter(|(_, lists)| *lists > GRACE) {
            let before = self.people[number].clone();
            let after = before.clone().map(|before| Person { is_active: false, ..before });
            let missing = Some(lists);
            changes.push((Change { number, is_new: false, before, after, missing, merged_into: None }, None));
        }
        changes.sort_by_key(|(change, _)| change.number);
        changes
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

/// Reads the values of a row.
pub fn values(row: &[(Field, String)]) -> BTreeMap<Field, Result<Option<String>, ()>> {
    row.iter().map(|(field, value)| (*field, canonical(*field, value))).collect()
}
