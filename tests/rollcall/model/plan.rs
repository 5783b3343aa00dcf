//! Plans of the model: pushes that wait.

use super::roster::{Change, Pending, Plan, Roster, Undone, broken_rules, counts};
use std::collections::BTreeSet;

/// How many plans may wait.
pub const PLANS_MAX: usize = 4;

/// What becomes of a push that is to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is a plan of its own, or the one that waits with the same changes: these are the positions that it may have.
    As(usize),
    /// There is no room.
    NoRoom,
}

/// What the application of a plan comes to.
#[derive(Debug, Clone)]
pub enum Applying {
    /// It does not wait any more.
    Ended,
    /// So many of its employees were changed since, and perhaps only others.
    Stale(usize),
    /// Without those it breaks a rule.
    Rejected,
    /// It is applied without so many.
    Applied(Box<Pending>, usize),
}

impl Roster {
    /// The positions of the plans that wait, the latest first.
    pub fn waiting(&self) -> Vec<usize> {
        (0..self.plans.len()).rev().filter(|plan| self.plans[*plan].is_waiting).collect()
    }

    /// Keeps a push as a plan.
    pub fn keep(&mut self, pending: Pending, why: &'static str, undo: Option<Undone>) -> Kept {
        let waiting = self.waiting();
        let is_same = |plan: &&usize| {
            let Pending { base, employees, changes, ended, noted, .. } = &self.plans[**plan].pending;
            let sorted = |ended: &[usize]| ended.iter().copied().collect::<BTreeSet<_>>();
            (*base, *employees, changes, noted) == (pending.base, pending.employees, &pending.changes, &pending.noted)
                && sorted(ended) == sorted(&pending.ended)
                && self.plans[**plan].undo == undo
        };
        if let Some(same) = waiting.iter().find(is_same) {
            let plan = &mut self.plans[*same];
            plan.why = if plan.why == "guards" { plan.why } else { why };
            plan.pending.tripped = pending.tripped;
            return Kept::As(*same);
        }
        if waiting.len() == PLANS_MAX {
            let Some(oldest) = waiting.iter().rev().find(|plan| self.plans[**plan].why != "guards") else {
                return Kept::NoRoom;
            };
            self.plans[*oldest].is_waiting = false;
        }
        self.plans.push(Plan { pending, why, undo, is_waiting: true, id: None });
        Kept::As(self.plans.len() - 1)
    }

    /// Returns what the application of a plan comes to.
    pub fn applying(&self, plan: usize, rebase: bool) -> Applying {
        let Plan { pending, is_waiting, .. } = &self.plans[plan];
        if !is_waiting {
            return Applying::Ended;
        }
        let base = pending.base;
        let has_changed = |number: usize| self.changed.get(number).is_some_and(|changed| *changed > base);
        let was_moved = |change: &&Change| {
            let id = change.after.as_ref().map(|after| &after.id);
            let has_another_id = id != change.before.as_ref().map(|before| &before.id);
            let holder = id.filter(|_| has_another_id).and_then(|id| self.position(id));
            let own = Some(change.number).filter(|_| !change.is_new);
            match holder.filter(|holder| Some(*holder) != own) {
                Some(_) => true,
                None => own.is_some_and(has_changed),
            }
        };
        let has_moved = self.changed.iter().any(|changed| *changed > base);
        let moved = if has_moved { pending.changes.iter().filter(was_moved).count() } else { 0 };
        if has_moved && !rebase {
            return Applying::Stale(moved);
        }
        let mut rest = pending.clone();
        rest.changes.retain(|change| !has_moved || !was_moved(&change));
        let created = rest.changes.iter_mut().filter(|change| change.is_new);
        (self.people.len()..).zip(created).for_each(|(number, change)| change.number = number);
        let placed: Vec<(Change, Option<usize>)> =
            rest.changes.iter().cloned().enumerate().map(|(place, change)| (change, Some(place))).collect();
        if broken_rules(&self.people, &placed).is_none_or(|broken| !broken.is_empty()) {
            return Applying::Rejected;
        }
        rest.ended.retain(|number| !has_changed(*number));
        rest.noted.retain(|(number, ..)| !has_changed(*number));
        rest.counts = counts(&rest.changes);
        rest.counts[4] = pending.counts[4];
        rest.kind = match self.plans[plan].undo {
            Some(_) => "undo",
            None if rebase && has_moved => "rebasedPlan",
            None => "plan",
        };
        Applying::Applied(Box::new(rest), moved)
    }
}
