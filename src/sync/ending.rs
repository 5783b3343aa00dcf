//! Endings of a push that is right: it is applied, or kept as a plan.

use super::absence;
use super::carried::Indexed;
use super::outcome::Outcome;
use super::trace::timed;
use super::{Applied, Failure, Planned, Receipt, Run, Trace};
use crate::roster::Index;
use crate::store::{self, Commit, Draft, IndexUpdate, NewPlan, RejectionCounts, Remember, Sync, SyncKind, Why};
use std::time::Instant;

/// A push that is right, before its ending.
pub struct Ready<'r, 'd> {
    /// By what it was carried out.
    pub run: &'r Run<'r>,
    /// What it has appended.
    pub draft: Draft<'d>,
    /// Its index.
    pub index: Index,
    /// What it comes to.
    pub applied: Applied<'r>,
    /// When the first look at its body was.
    pub started: Instant,
}

impl Ready<'_, '_> {
    /// Applies the push.
    pub fn commit(mut self, trace: &mut Trace) -> Result<Receipt, Failure> {
        let absences = absence::take(&mut self.applied.outcome, &self.draft);
        absence::remember(&absences, &mut self.draft)?;
        let sync = self.record(trace);
        let Ready { run: &Run { push, .. }, draft, index, applied, .. } = self;
        let Applied { outcome, indexed, ignored, first, empties_queue, set_aside, suspects, .. } = applied;
        let Outcome { counts, employees, delta, figures, .. } = outcome;
        let duration = sync.duration;
        let index = match indexed {
            Indexed::Everybody => IndexUpdate::Whole(index, delta),
            Indexed::Carried => IndexUpdate::Entries(delta.entries(&index)),
        };
        let remember = push.conditions.retry().map(|retry| Remember {
            retry,
            first,
            ignored: ignored.clone(),
            set_aside: set_aside.clone(),
            kept_max: push.limits.retries_kept_max,
        });
        let seen = push.conditions.seen(push.limits.signatures_kept_max);
        let index_bytes_max = push.limits.index_bytes_max;
        let tally = figures.tally();
        let commit = Commit { sync, index, index_bytes_max, tally, empties_queue, remember, seen, plan: None };
        let revision = timed(&mut trace.times.commit, || draft.commit(commit))?;
        Ok(Receipt { counts, employees, revision, duration, ignored, first, set_aside, suspects, is_repeated: false })
    }

    /// Keeps a push that guards stopped as a plan, if there is room for one.
    pub fn hold(mut self, trace: &mut Trace) -> Failure {
        let (tripped, counts) = (std::mem::take(&mut self.applied.tripped), self.applied.outcome.counts);
        let suspects = Box::new(self.applied.suspects.clone());
        let plan = match self.keep(Why::Guards(tripped.clone()), trace) {
            Ok(planned) => Some(planned.plan.id),
            Err(Failure::Store(store::Error::PlansFull { .. })) => None,
            Err(failure) => return failure,
        };
        Failure::Held { tripped, plan, counts, suspects }
    }

    /// Keeps what the push would change as a plan, which waits for this reason. Nothing is applied.
    pub fn keep(mut self, why: Why, trace: &mut Trace) -> Result<Planned, Failure> {
        let absences = absence::take(&mut self.applied.outcome, &self.draft);
        let sync = self.record(trace);
        let Ready { run, mut draft, index, applied, .. } = self;
        let Run { push, profile, numbers, .. } = *run;
        let Applied { outcome: Outcome { delta, .. }, indexed, ignored, set_aside, .. } = applied;
        let duration = sync.duration;
        let mut accepted: Vec<(u32, u128)> =
            delta.entries(&index).into_iter().map(|entry| (entry.number, entry.bytes)).collect();
        drop(delta);
        let (limits, spool_dir) = (push.limits, push.spool_dir);
        if indexed == Indexed::Everybody {
            // The roster stays as it is, so the next push need not read the index again.
            draft.return_index(index, limits.index_bytes_max);
        }
        accepted.sort_unstable();
        let plan = NewPlan { sync, why, profile, numbers, accepted, absences, limits, spool_dir };
        let plan = timed(&mut trace.times.commit, || draft.keep_as_plan(plan))?;
        Ok(Planned { plan, duration, ignored, set_aside })
    }

    /// Returns the record of the push, or of the plan that it becomes.
    fn record(&self, trace: &Trace) -> Sync {
        let Run { push, profile, numbers, .. } = *self.run;
        let Applied { outcome, set_aside, suspects, .. } = &self.applied;
        let is_list = push.coverage.is_everybody();
        Sync {
            kind: if is_list { SyncKind::Push } else { SyncKind::Patch },
            profile: numbers.profile,
            rules: profile.version,
            created: outcome.created(),
            employees: outcome.employees,
            counts: outcome.counts,
            set_aside: set_aside.as_deref().map(RejectionCounts::from),
            duration: self.started.elapsed(),
            times: trace.times,
            sender: trace.sender,
            as_of: push.conditions.as_of,
            is_usual: is_list,
            suspects: suspects.clone(),
        }
    }
}
