//! Undo of the model: what syncs have changed is as it was before them, unless it was changed again since.

use super::fields::{EMAIL, Field, MANAGER, MENTOR};
use super::roster::{Change, Pending, Person, Roster, broken_rules, counts};
use std::collections::BTreeSet;

/// How often an undo is looked at again without those who break a rule.
const ROUNDS_MAX: usize = 16;

/// What becomes of something that syncs have changed.
#[derive(PartialEq, Eq)]
enum Back {
    /// They have not changed it, or it is as it was before.
    Stays,
    Restored,
    /// It was changed again since.
    Conflict,
}

fn back<T: PartialEq>(before: &T, after: &T, now: &T) -> Back {
    match () {
        () if before == after || now == before => Back::Stays,
        () if now == after => Back::Restored,
        () => Back::Conflict,
    }
}

impl Roster {
    /// Returns the plan that takes the syncs from one revision to another back, and how many employees it leaves as they are; `None` if it
    /// is refused.
    pub fn undoing(&self, first: usize, last: usize, anyway: &[String]) -> Option<(Pending, usize)> {
        let (mut changes, mut noted, mut conflicts) = (Vec::new(), Vec::new(), 0);
        let mut unneeded: BTreeSet<&String> = anyway.iter().collect();
        for number in 0..self.people.len() {
            if !self.syncs[first - 1..last]
                .iter()
                .any(|sync| sync.changes.iter().any(|(change, _)| change.number == number))
            {
                continue;
            }
            // Of whoever was erased since nothing comes back.
            if self.erased.get(&number).is_some_and(|erased| *erased >= first) {
                continue;
            }
            let mut emptied = self.emptied.iter().filter(|(of, _)| *of == number);
            if emptied.any(|(_, span)| span.contains(&(first - 1)) || span.contains(&last)) {
                continue;
            }
            let at = |revision: usize| self.past[revision].get(number).cloned().flatten();
            let (before, after, now) = (at(first - 1), at(last), self.people[number].clone());
            let (to, is_in_conflict) = taken_back(&before, &after, &now);
            if to == now {
                continue;
            }
            if is_in_conflict {
                let ids = [&before, &after, &now].map(|person| person.as_ref().map(|person| person.id.clone()));
                let named: Vec<String> = ids.into_iter().flatten().filter(|id| anyway.contains(id)).collect();
                unneeded.retain(|id| !named.contains(id));
                if named.is_empty() {
                    conflicts += 1;
                    continue;
                }
            }
            let missing = self.missing_again(number, first, last, to.as_ref());
            noted.extend(missing.map(|(lists, is_hidden)| (number, lists, is_hidden)));
            let missing = missing.filter(|(_, is_hidden)| *is_hidden).map(|(lists, _)| lists);
            let merged_into = if to.is_none() { self.merged_into(number, first - 1) } else { None };
            changes.push(Change { number, is_new: false, before: now, after: to, missing, merged_into });
        }
        if !unneeded.is_empty() {
            return None;
        }
        let all = changes.len();
        self.leave_out(&mut changes)?;
        conflicts += all - changes.len();
        noted.retain(|(number, ..)| changes.iter().any(|change| change.number == *number));
        let (counts, employees) = (counts(&changes), changes.len() as u64);
        let pending = Pending {
            dialect: None,
            kind: "undo",
            base: self.revision(),
            changes,
            ended: Vec::new(),
            noted,
            counts,
            employees,
            rejected: None,
            tripped: Vec::new(),
        };
        Some((pending, conflicts))
    }

    /// Leaves out whoever would get an id that another keeps, or break a rule of the whole roster; `None` if that does not come to an end.
    fn leave_out(&self, changes: &mut Vec<Change>) -> Option<()> {
        for _ in 0..ROUNDS_MAX {
            loop {
                let keeps = |number: usize| changes.iter().all(|change| change.number != number);
                let is_taken = |change: &Change| {
                    let holder = change.after.as_ref().and_then(|after| self.position(&after.id));
                    holder.is_some_and(|holder| holder != change.number && keeps(holder))
                };
                let taken: Vec<usize> =
                    changes.iter().filter(|change| is_taken(change)).map(|change| change.number).collect();
                if taken.is_empty() {
                    break;
                }
                changes.retain(|change| !taken.contains(&change.number));
            }
            let placed: Vec<(Change, Option<usize>)> =
                changes.iter().cloned().enumerate().map(|(place, change)| (change, Some(place))).collect();
            let mut left_out = broken_rules(&self.people, &placed)?;
            left_out.extend(self.named(changes));
            if left_out.is_empty() {
                return Some(());
            }
            let mut place = 0..;
            changes.retain(|_| !left_out.contains(&place.next().unwrap()));
        }
        None
    }

    /// Returns the places of changes by which somebody would be removed whom somebody else names.
    fn named(&self, changes: &[Change]) -> Vec<usize> {
        let mut after = self.people.clone();
        changes.iter().for_each(|change| after[change.number].clone_from(&change.after));
        let names = |person: &Person| {
            let names = |field: Field, name: Option<&String>| {
                let mut named = after.iter().flatten().filter_map(|other| other.data.get(&field));
                name.is_some_and(|name| named.any(|named| named == name))
            };
            names(MANAGER, Some(&person.id)) || names(MENTOR, person.data.get(&EMAIL))
        };
        let is_named = |change: &Change| change.after.is_none() && change.before.as_ref().is_some_and(names);
        (0..).zip(changes).filter(|(_, change)| is_named(change)).map(|(place, _)| place).collect()
    }

    /// Returns from how many lists somebody was missing who is taken back, and whether that hides them.
    fn missing_again(&self, number: usize, first: usize, last: usize, to: Option<&Person>) -> Option<(u32, bool)> {
        let lists = |revision: usize| {
            let changes = self.syncs[..revision].iter().rev().flat_map(|sync| &sync.changes);
            changes.into_iter().find(|(change, _)| change.number == number)?.0.missing
        };
        match (to?.is_active, lists(first - 1), lists(last)) {
            (false, Some(lists), _) => Some((lists, true)),
            (true, _, Some(lists)) if lists > 1 => Some((lists - 1, false)),
            _ => None,
        }
    }
}

/// Returns what becomes of an employee, and whether something is in the way.
fn taken_back(before: &Option<Person>, after: &Option<Person>, now: &Option<Person>) -> (Option<Person>, bool) {
    let (Some(was), Some(became), Some(is)) = (before, after, now) else {
        return match (before, after) {
            (None, None) => (now.clone(), false),
            _ => match back(before, after, now) {
                Back::Stays => (now.clone(), false),
                Back::Restored => (before.clone(), false),
                // Whoever was created, and is removed by now, stays so.
                Back::Conflict => (before.clone(), true),
            },
        };
    };
    let mut to = is.clone();
    let mut is_in_conflict = false;
    let mut is_back = |back: Back| {
        is_in_conflict |= back == Back::Conflict;
        back != Back::Stays
    };
    if is_back(back(&was.id, &became.id, &is.id)) {
        to.id.clone_from(&was.id);
    }
    if is_back(back(&was.is_active, &became.is_active, &is.is_active)) {
        to.is_active = was.is_active;
    }
    for field in 0..super::fields::FIELDS.len() {
        let [had, got, has] = [was, became, is].map(|person| person.data.get(&field));
        if is_back(back(&had, &got, &has)) {
            match had {
                Some(value) => drop(to.data.insert(field, value.clone())),
                None => drop(to.data.remove(&field)),
            }
        }
    }
    (Some(to), is_in_conflict)
}
