//! Applying a plan: the push again, with the changes of the plan in place of a body.
//!
//! A plan is applied exactly as it was made, or not at all, unless its caller allows to leave out who has changed since.

use super::carried::Indexed;
use super::outcome::Outcome;
use super::rules;
use super::trace::timed;
use super::verdict::Verdict;
use super::{Failure, Receipt, Trace, absence};
use crate::limits::Limits;
use crate::profile::Profile;
use crate::roster::{Change, Counts, Ignored, Index, Version, merged_into};
use crate::store::{
    self, AppliedPlan, AppliedUndo, Commit, Created, Draft, IndexUpdate, Numbers, Plan, PlanState, PlannedChange,
    PlannedUndo, Profiles, Sender, Sync, SyncKind, Why, without_people,
};
use std::fmt;
use std::time::Instant;

/// Which plan is applied, and how.
pub struct ApplyPlan<'a> {
    /// The account.
    pub account: i64,
    /// The plan's id.
    pub id: &'a str,
    /// What becomes of employees that have changed since the plan was made.
    pub moved: Moved,
    /// The profiles in force.
    pub profiles: &'a Profiles,
    /// The server's limits.
    pub limits: &'a Limits,
}

/// What becomes of employees of a plan that have changed since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// Nothing of the plan is applied, also if only others have changed.
    Refuse,
    /// They stay as they are, and the rest of the plan is applied.
    LeaveOut,
}

/// The employees of a plan that have changed since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many there are.
    pub count: u64,
    /// The first of them: as many as the limit `errors_listed_max` allows.
    pub people: Vec<MovedPerson>,
}

/// An employee of a plan that has changed since it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedPerson {
    /// The id in the corporate system, as the plan has it.
    pub id: String,
    /// The revision that changed the employee last.
    pub revision: u64,
    /// When that was, RFC 3339 in UTC.
    pub changed_at: Option<String>,
}

/// Why a plan cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanFailure {
    /// The account has no such plan.
    Unknown,
    /// It does not wait any more.
    Ended(PlanState),
    /// The profile that it was checked by is not in force any more, or has other rules.
    OtherRules,
    /// The roster has changed since it was made.
    Stale {
        /// The revision that it was made against.
        made: u64,
        /// The revision that the roster has.
        found: u64,
        /// When it was made, RFC 3339 in UTC.
        found_at: Option<String>,
        /// The employees of the plan that have changed.
        moved: LeftOut,
    },
}

/// Says why. What can be done about a stale plan is for whoever knows how it was to be applied.
impl fmt::Display for PlanFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanFailure::Unknown => f.write_str("the account has no plan with this id"),
            PlanFailure::Ended(PlanState::Applied { revision }) => {
                write!(f, "the plan was applied already, as revision {revision}")
            }
            PlanFailure::Ended(PlanState::Discarded) => f.write_str("the plan was discarded; push the list again"),
            PlanFailure::Ended(PlanState::Expired | PlanState::Waiting) => {
                f.write_str("the plan has expired; push the list again")
            }
            PlanFailure::OtherRules => f.write_str(
                "the plan was checked by a profile that has changed since, or is gone; nothing was applied; push the list again",
            ),
            PlanFailure::Stale { made, found, found_at, moved } => {
                let since = found_at.as_ref().map(|at| format!(" since {at}")).unwrap_or_default();
                write!(
                    f,
                    "the roster has changed since the plan was made: the plan is for revision {made}, the roster has revision \
                     {found}{since}, and {} employees of the plan have changed; nothing was applied",
                    moved.count
                )
            }
        }
    }
}

impl From<PlanFailure> for Failure {
    fn from(failure: PlanFailure) -> Failure {
        Failure::Plan(Box::new(failure))
    }
}

/// How a plan is applied once everything it needs is known.
struct Run<'a> {
    plan: Plan,
    moved: Moved,
    profile: &'a Profile,
    numbers: Numbers,
    limits: &'a Limits,
}

/// Applies a plan that waits: all of it, or nothing. With [`Moved::LeaveOut`] those who have changed since are left out and returned. Unique
/// values, references and the rules of the whole roster are checked again.
pub fn apply_plan(apply: &ApplyPlan, mut draft: Draft, trace: &mut Trace) -> Result<(Receipt, LeftOut), Failure> {
    let started = Instant::now();
    let received = trace.times.receive;
    let plan = draft.plan(apply.id)?.ok_or(PlanFailure::Unknown)?;
    if plan.state != PlanState::Waiting {
        return Err(PlanFailure::Ended(plan.state).into());
    }
    let profile = apply.profiles.get(plan.profile, apply.account);
    let profile = profile.filter(|profile| profile.version == plan.base.rules).ok_or(PlanFailure::OtherRules)?;
    trace.sender = Sender { dialect: plan.sender.dialect, bytes: None, ..trace.sender };
    let numbers = draft.enter_profile(&profile)?;
    let run = Run { plan, moved: apply.moved, profile: &profile, numbers, limits: apply.limits };
    let result = run.carry_out(draft, trace, started);
    trace.times.rest_is_check(received + started.elapsed());
    result
}

impl Run<'_> {
    fn carry_out(&self, mut draft: Draft, trace: &mut Trace, started: Instant) -> Result<(Receipt, LeftOut), Failure> {
        let Run { plan, numbers, limits, profile, .. } = self;
        let received = trace.times.receive;
        let is_rebased = self.moved == Moved::LeaveOut && draft.has_moved_since(plan.base.revision, plan.base.next)?;
        let last = draft.last_as_of()?;
        // A plan that others have overtaken does not make the roster older.
        let as_of = plan.as_of.filter(|as_of| last.is_none_or(|last| *as_of >= last));
        let mut index = Index::default();
        let (outcome, moved) = self.replay(&mut draft, &mut index, trace)?;
        let created = outcome.created();
        let Outcome { counts, delta, figures, .. } = outcome;
        let counts = Counts { unchanged: plan.counts.unchanged, ..counts };
        let (employees, duration) = (plan.employees, started.elapsed());
        trace.times.rest_is_check(received + duration);
        let id = plan.id.clone();
        let kind = match &plan.why {
            Why::DryRun(_) => SyncKind::Plan(AppliedPlan { id, is_rebased, tripped: Vec::new() }),
            Why::Guards(tripped) => SyncKind::Plan(AppliedPlan { id, is_rebased, tripped: without_people(tripped) }),
            Why::Undo(undo) => SyncKind::Undo(AppliedUndo { plan: id, undone: undo.undone }),
        };
        let sync = Sync {
            kind,
            profile: numbers.profile,
            rules: profile.version,
            created,
            employees,
            counts,
            set_aside: None,
            duration,
            times: trace.times,
            sender: trace.sender,
            as_of,
            is_usual: false,
            suspects: plan.suspects.clone(),
        };
        let index = IndexUpdate::Entries(delta.entries(&index));
        let index_bytes_max = limits.index_bytes_max;
        let tally = figures.tally();
        let commit = Commit {
            sync,
            index,
            index_bytes_max,
            tally,
            empties_queue: false,
            remember: None,
            seen: None,
            plan: Some(plan.number),
        };
        let revision = timed(&mut trace.times.commit, || draft.commit(commit))?;
        Ok((
            Receipt {
                counts,
                employees,
                revision,
                duration,
                ignored: Ignored::default(),
                first: None,
                set_aside: None,
                suspects: plan.suspects.clone(),
                is_repeated: false,
            },
            moved,
        ))
    }

    /// Appends the changes of the plan to the draft, and checks the roster that comes of it.
    fn replay(
        &self,
        draft: &mut Draft,
        index: &mut Index,
        trace: &mut Trace,
    ) -> Result<(Outcome<'_>, LeftOut), Failure> {
        let Run { plan, moved, profile, numbers, limits } = self;
        let (made, found) = (plan.base.revision, draft.revision());
        let has_moved = draft.has_moved_since(made, plan.base.next)?;
        if has_moved && *moved == Moved::Refuse {
            let moved = self.moved(draft)?;
            let found_at = draft.synced_at(&[found])?.pop().flatten();
            return Err(PlanFailure::Stale { made, found, found_at, moved }.into());
        }
        let mut outcome = super::outcome_of_nobody(profile, numbers, draft.seed(), limits);
        if matches!(plan.why, Why::Undo(_)) {
            outcome.verdict = Verdict::of_undo(limits.errors_listed_max);
        }
        if numbers.unique_changed {
            rules::enter_uniques(&mut outcome, draft, Indexed::Carried)?;
        }
        let (mut left_out, mut erased, mut after) = (LeftOut::default(), Vec::new(), 0);
        let erases = matches!(plan.why, Why::Undo(PlannedUndo { created: Created::Erase, .. }));
        loop {
            let mut part = draft.plan_part(plan.number, after)?;
            let Some(last) = part.last() else {
                break;
            };
            after = last.change.number;
            if has_moved {
                let revisions = self.revisions(&part, draft)?;
                left_out.add(&part, &revisions, limits.errors_listed_max);
                let mut revisions = revisions.iter();
                part.retain(|_| revisions.next().is_some_and(Option::is_none));
            }
            let planned = part.iter().map(|planned| (planned.change.lend(), planned.bytes));
            let changes = outcome.replay(planned, index)?;
            timed(&mut trace.times.write, || draft.append(&changes))?;
            // Who is merged again is still somebody.
            let is_nobody = |after: Version| after.is_removed() && merged_into(after.id).is_none();
            let is_erased = |change: &&Change| erases && change.after.is_some_and(is_nobody);
            erased.extend(changes.iter().filter(is_erased).map(|change| change.number));
        }
        if !erased.is_empty() {
            let erased = draft.with_merged(&erased)?;
            draft.wipe(&erased)?;
        }
        left_out.date(draft)?;
        self.replay_absences(draft, has_moved)?;
        rules::check(&mut outcome, draft, index, Indexed::Carried)?;
        match outcome.verdict.take_rejections() {
            Some(rejections) => Err(Failure::Rejected(Box::new(rejections))),
            None => Ok((outcome, left_out)),
        }
    }

    /// Notes who is missing, as the push would have. Whoever has changed since the plan was made is as that change says.
    fn replay_absences(&self, draft: &mut Draft, has_moved: bool) -> Result<(), Failure> {
        let (made, found) = (self.plan.base.revision, draft.revision());
        for part in 0.. {
            let mut absences = draft.plan_absences(self.plan.number, part)?;
            if absences.is_empty() {
                break;
            }
            if has_moved {
                // What the plan itself changes has a revision that is not committed yet.
                let has_moved = |revision: u64| revision > made && revision <= found;
                let numbers: Vec<u32> = absences.noted.iter().map(|missing| missing.number).collect();
                let mut revisions = draft.revisions(&numbers)?.into_iter();
                absences.noted.retain(|_| !revisions.next().flatten().is_none_or(has_moved));
                let mut revisions = draft.revisions(&absences.ended)?.into_iter();
                absences.ended.retain(|_| !revisions.next().flatten().is_none_or(has_moved));
            }
            absence::remember(&absences, draft)?;
        }
        Ok(())
    }

    /// Returns who has changed since the plan was made.
    fn moved(&self, draft: &mut Draft) -> Result<LeftOut, Failure> {
        let (mut left_out, mut after) = (LeftOut::default(), 0);
        loop {
            let part = draft.plan_part(self.plan.number, after)?;
            let Some(last) = part.last() else {
                left_out.date(draft)?;
                return Ok(left_out);
            };
            after = last.change.number;
            let revisions = self.revisions(&part, draft)?;
            left_out.add(&part, &revisions, self.limits.errors_listed_max);
        }
    }

    /// Returns for each change the revision that changed its employee since the plan was made, or `None` if none has. Whoever has by now the
    /// id that a change wants counts as well.
    fn revisions(&self, part: &[PlannedChange], draft: &mut Draft) -> Result<Vec<Option<u64>>, store::Error> {
        let changes: Vec<Change> = part.iter().map(|planned| planned.change.lend()).collect();
        let wanted = |change: &&Change| change.before.is_none() || change.is_renaming();
        let ids: Vec<&str> = changes.iter().filter(wanted).filter_map(|change| Some(change.after?.id)).collect();
        let mut holders = draft.find_ids(&ids)?.into_iter();
        // Of a stored employee its own number counts, unless somebody else has the id; of a new one that of whoever has the id.
        let numbers: Vec<Option<u32>> = changes
            .iter()
            .map(|change| {
                let own = change.before.map(|_| change.number);
                let holder = if wanted(&change) { holders.next().flatten() } else { None };
                holder.map(|(number, _)| number).or(own)
            })
            .collect();
        let asked: Vec<u32> = numbers.iter().flatten().copied().collect();
        let mut revisions = draft.revisions(&asked)?.into_iter();
        let made = self.plan.base.revision;
        let moved = changes.iter().zip(numbers).map(|(change, number)| {
            let number = number?;
            let revision = revisions.next().flatten();
            let is_another = change.before.is_none() || number != change.number;
            revision.filter(|revision| is_another || *revision > made)
        });
        Ok(moved.collect())
    }
}

impl LeftOut {
    /// Adds those of a part of a plan that have a revision here, of which `listed_max` are listed in all.
    fn add(&mut self, part: &[PlannedChange], revisions: &[Option<u64>], listed_max: usize) {
        for (planned, revision) in part.iter().zip(revisions) {
            let Some(revision) = *revision else {
                continue;
            };
            self.count += 1;
            let change = &planned.change;
            if let Some(employee) =
                change.before.as_ref().or(change.after.as_ref()).filter(|_| self.people.len() < listed_max)
            {
                self.people.push(MovedPerson { id: employee.id.clone(), revision, changed_at: None });
            }
        }
    }

    /// Says of those who are listed when they were changed.
    fn date(&mut self, draft: &mut Draft) -> Result<(), store::Error> {
        let revisions: Vec<u64> = self.people.iter().map(|person| person.revision).collect();
        for (person, changed_at) in self.people.iter_mut().zip(draft.synced_at(&revisions)?) {
            person.changed_at = changed_at;
        }
        Ok(())
    }
}
