//! Absence: what becomes of employees whom a list of everybody does not carry, and of those who come back.
//!
//! As [`super::rules`] it alternates between asking the store for a batch and computing on it. It takes time for those who are absent, not for
//! those who are carried.

use super::Failure;
use super::carried::{Indexed, Slots};
use super::find::Found;
use super::outcome::Outcome;
use super::rules::BATCH;
use crate::roster::{Absences, Employee, Index, Missing, Status};
use crate::store::{self, Draft};

/// Makes those active whom absence has hidden and whom a list carries again without a status. Returns the numbers of those whom absence has
/// hidden and who are carried as hidden: they are hidden on purpose from now on.
pub fn bring_back(
    found: &mut [Found],
    is_list: bool,
    draft: &mut Draft,
    index: &Index,
) -> Result<Vec<u32>, store::Error> {
    if !draft.any_missing() {
        return Ok(Vec::new());
    }
    let is_meant = |found: &Found| match found.intent.status {
        Some(status) => status == Status::Hidden,
        None => is_list,
    };
    let mut hidden: Vec<(u32, &mut Found)> = found
        .iter_mut()
        .filter(|found| is_meant(found))
        .filter_map(|found| {
            let slot = found.stored.as_ref().filter(|(_, stored)| stored.status == Status::Hidden)?.0;
            Some((index.get(slot).number, found))
        })
        .collect();
    let numbers: Vec<u32> = hidden.iter().map(|(number, _)| *number).collect();
    let by_absence = draft.hidden_by_absence(&numbers)?;
    let mut on_purpose = Vec::new();
    for ((number, found), _) in hidden.iter_mut().zip(by_absence).filter(|(_, by_absence)| *by_absence) {
        match found.intent.status {
            None => found.intent.status = Some(Status::Active),
            Some(_) => on_purpose.push(*number),
        }
    }
    Ok(on_purpose)
}

/// Takes what the push says about who is missing.
pub fn take(outcome: &mut Outcome, draft: &Draft) -> Absences {
    let mut absences = std::mem::take(&mut outcome.absences);
    if draft.any_missing() {
        absences.ended.append(&mut outcome.hidden_again);
    }
    absences
}

/// Remembers who is missing. It comes last, because a push may append its changes twice before.
pub fn remember(absences: &Absences, draft: &mut Draft) -> Result<(), store::Error> {
    draft.forget_missing(&absences.ended)?;
    draft.note_missing(&absences.noted)
}

/// A list of everybody that hides the absent.
pub struct Hiding {
    /// The account's number of the profile. Employees who were checked by another one are not absent.
    pub profile: u32,
    /// How many such lists in a row an employee may be missing from without being hidden.
    pub grace: u32,
}

/// Decides about those whom a list of everybody does not carry, once all of it has come: `hiding` says that they are hidden. Whoever is
/// carried is not missing any more.
pub fn end(
    hiding: Option<&Hiding>,
    outcome: &mut Outcome,
    draft: &mut Draft,
    index: &mut Index,
    indexed: Indexed,
) -> Result<(), Failure> {
    let has_everybody = indexed == Indexed::Everybody;
    if has_everybody && outcome.carried.stored_len() == index.len() as u64 && !draft.any_missing() {
        return Ok(());
    }
    let slots = Slots::new(index, indexed);
    let is_carried = |number: u32, outcome: &Outcome| {
        slots.of(number).is_some_and(|slot| outcome.carried.place_of_stored(slot).is_some())
    };
    let mut missing = Vec::new();
    if draft.any_missing() {
        let again: Vec<Missing>;
        (again, missing) = draft.missing()?.into_iter().partition(|missing| is_carried(missing.number, outcome));
        outcome.absences.ended = again.iter().map(|missing| missing.number).collect();
    }
    let Some(hiding) = hiding else {
        return Ok(());
    };
    match indexed {
        Indexed::Everybody => {
            let is_absent = |slot: &u32| {
                let is_carried = outcome.carried.place_of_stored(*slot).is_some();
                !is_carried && index.status(*slot) == Status::Active && index.profile(*slot) == hiding.profile
            };
            let absent: Vec<u32> = (0..index.slots()).filter(is_absent).map(|slot| slot + 1).collect();
            absent.chunks(BATCH).try_for_each(|numbers| hiding.hide(numbers, &missing, outcome, draft, index))?;
        }
        Indexed::Carried => {
            let mut after = 0;
            loop {
                let mut numbers = draft.active_of(hiding.profile, after, BATCH)?;
                let Some(last) = numbers.last() else {
                    break;
                };
                after = *last;
                numbers.retain(|number| *number < outcome.first_created() && !is_carried(*number, outcome));
                hiding.hide(&numbers, &missing, outcome, draft, index)?;
            }
        }
    }
    outcome.settle(index);
    Ok(())
}

impl Hiding {
    /// Hides the active employees with these numbers, whom the push does not carry, or notes that they were missing once more. `missing` says
    /// how often they were before, by number.
    fn hide(
        &self,
        numbers: &[u32],
        missing: &[Missing],
        outcome: &mut Outcome,
        draft: &mut Draft,
        index: &mut Index,
    ) -> Result<(), Failure> {
        let employees = numbers.iter().zip(draft.read(numbers)?);
        let (mut hidden, mut noted): (Vec<(u32, Employee)>, Vec<Missing>) = (Vec::new(), Vec::new());
        for (&number, employee) in employees {
            let Some(employee) = employee.filter(|employee| employee.profile == self.profile) else {
                continue;
            };
            let before = missing.binary_search_by_key(&number, |missing| missing.number);
            let pushes = before.map_or(1, |before| missing[before].pushes.saturating_add(1));
            let is_hidden = pushes > self.grace;
            noted.push(Missing { number, pushes, is_hidden });
            if is_hidden {
                hidden.push((number, employee));
            }
        }
        let changes = outcome.hide(&hidden, index)?;
        outcome.absences.noted.extend(noted);
        Ok(draft.append(&changes)?)
    }
}
