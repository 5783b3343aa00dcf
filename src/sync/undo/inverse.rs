//! What becomes of one employee by an undo. Pure: it reads nothing but its arguments.

use crate::roster::{Change, Data, Employee, Missing, OwnedChange, Status};
use crate::store::VersionAt;
use std::collections::BTreeMap;

/// An employee at three moments; `None` if it did not exist.
pub struct Found {
    /// The number in the store.
    pub number: u32,
    /// Before the syncs that are taken back.
    pub before: Option<VersionAt>,
    /// After them.
    pub after: Option<VersionAt>,
    /// Now.
    pub now: Option<VersionAt>,
}

/// What becomes of an employee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inverse {
    /// It is as it was before.
    Nothing,
    /// It is taken back.
    Change(OwnedChange),
    /// Something that the syncs had changed was changed again since. This would take it back nevertheless.
    Conflict(OwnedChange),
}

impl Found {
    /// Returns the ids that it had at the three moments.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let versions = [&self.before, &self.after, &self.now].into_iter().flatten();
        versions.map(|version| version.employee.id.as_str())
    }

    /// Returns what is said about the employee as one who is missing from lists, once it is taken back by a change: who was hidden by
    /// absence is again; who was hidden by the last of several lists was missing from the others.
    pub fn missing_again(&self, change: &OwnedChange) -> Option<Missing> {
        let Change { number, after, .. } = change.lend().seen();
        let status = after?.status;
        let absent = |version: &Option<VersionAt>| version.as_ref().and_then(|version| version.absent);
        match (status, absent(&self.before), absent(&self.after)) {
            (Status::Hidden, Some(pushes), _) => Some(Missing { number, pushes, is_hidden: true }),
            (Status::Active, _, Some(pushes)) if pushes > 1 => {
                Some(Missing { number, pushes: pushes - 1, is_hidden: false })
            }
            _ => None,
        }
    }
}

/// Returns what becomes of an employee: what the syncs have changed is as it was before them, and what they left is as it is now.
pub fn inverse(found: &Found) -> Inverse {
    let number = found.number;
    let there = |version: &'_ Option<VersionAt>| {
        version.as_ref().map(|version| &version.employee).filter(|employee| !employee.is_removed()).cloned()
    };
    let now_or_removed = found.now.as_ref().map(|now| now.employee.clone());
    // Whoever was merged into another is again, and not only removed.
    let removed = || match &found.before {
        Some(before) => before.employee.clone(),
        None => Employee::removed(number),
    };
    let change = |to: Employee| OwnedChange { number, before: now_or_removed.clone(), after: Some(to) };
    match (there(&found.before), there(&found.after), there(&found.now)) {
        (None, None, _) | (None, Some(_), None) => Inverse::Nothing,
        (None, Some(after), Some(now)) if now == after => Inverse::Change(change(removed())),
        (None, Some(_), Some(_)) => Inverse::Conflict(change(removed())),
        (Some(before), None, None) => Inverse::Change(change(before)),
        (Some(before), None, Some(now)) if now == before => Inverse::Nothing,
        (Some(before), _, None) | (Some(before), None, Some(_)) => Inverse::Conflict(change(before)),
        (Some(before), Some(after), Some(now)) => {
            let (to, is_in_conflict) = merge(&before, &after, &now);
            match is_in_conflict {
                _ if to == now => Inverse::Nothing,
                true => Inverse::Conflict(change(to)),
                false => Inverse::Change(change(to)),
            }
        }
    }
}

/// Returns the employee with what was changed as it was before, and whether some of that was changed again since.
fn merge(before: &Employee, after: &Employee, now: &Employee) -> (Employee, bool) {
    let mut is_in_conflict = false;
    let [mut before_values, mut after_values, mut values] =
        [before, after, now].map(|employee| employee.data.iter().collect::<BTreeMap<u32, &str>>());
    let mut pick = |before: Option<&str>, after: Option<&str>, now: Option<&str>| -> bool {
        let is_changed = before != after && now != before;
        is_in_conflict |= is_changed && now != after;
        is_changed
    };
    let mut to = now.clone();
    if pick(Some(&before.id), Some(&after.id), Some(&now.id)) {
        to.id.clone_from(&before.id);
    }
    let [of_before, of_after, of_now] = [before, after, now].map(|employee| Some(employee.status.as_str()));
    if pick(of_before, of_after, of_now) {
        to.status = before.status;
    }
    let profiles = [before, after, now].map(|employee| employee.profile.to_string());
    if pick(Some(&profiles[0]), Some(&profiles[1]), Some(&profiles[2])) {
        to.profile = before.profile;
    }
    let numbers: Vec<u32> = before_values.keys().chain(after_values.keys()).copied().collect();
    for number in numbers {
        let [before, after] = [&mut before_values, &mut after_values].map(|values| values.get(&number).copied());
        if pick(before, after, values.get(&number).copied()) {
            match before {
                Some(value) => drop(values.insert(number, value)),
                None => drop(values.remove(&number)),
            }
        }
    }
    let mut data = Data::default();
    values.into_iter().for_each(|(number, value)| data.push(number, value));
    to.data = data;
    (to, is_in_conflict)
}
