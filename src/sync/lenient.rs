//! Lenient: a push is applied without the employees that were rejected, who stay as they are stored.
//!
//! What was appended is dropped, and the changes of the others are appended again, because new employees get numbers without a gap. Without
//! some of the employees others may break a rule of the whole roster: they refer to somebody who was not created, or want a value that
//! somebody keeps. They are set aside as well, until nobody breaks a rule.

use super::carried::{CarriedBefore, Indexed, Place, Slots};
use super::marks::Marks;
use super::outcome::Outcome;
use super::rules;
use super::{Failure, Run};
use crate::limits::LENIENT_ROUNDS_MAX;
use crate::rejection::SetAside;
use crate::roster::{Change, ChangeSet, Entry, Index, OwnedChange};
use crate::store::Draft;

/// How many bytes of changes are kept in memory; more go through a file.
const SPOOLED_IN_MEMORY_BYTES: usize = 1 << 20;

/// How many changes are read from the draft, or appended to it, at a time.
const BATCH: usize = 1_024;

/// What a push comes to without those who were rejected.
pub struct Rest<'a> {
    pub outcome: Outcome<'a>,
    pub set_aside: SetAside,
}

/// Drops what a push has appended, and appends again what is left of it without those who were rejected. `index` becomes the index of
/// those who are left. Fails with the rejections if somebody breaks a rule who was not changed by the push, or if after
/// [`LENIENT_ROUNDS_MAX`] rounds still somebody breaks one.
pub fn set_aside<'a>(
    run: &Run<'a>,
    mut outcome: Outcome<'a>,
    draft: &mut Draft,
    index: &mut Index,
) -> Result<Rest<'a>, Failure> {
    let (seed, employees) = (draft.seed(), outcome.employees);
    let slots = Slots::new(index, run.indexed);
    let mut applied = Applied::take(run, &mut outcome, draft, index, &slots)?;
    if run.indexed == Indexed::Everybody {
        // What is left replaces little of the index of everybody, which is amended by it.
        draft.return_index(std::mem::take(index), run.push.limits.index_bytes_max);
    }
    let Outcome { carried, mut verdict, mut absences, hidden_again, .. } = outcome;
    let carried_stored = carried.stored_len();
    let mut carried = Some(CarriedBefore { carried, slots });
    let mut left_out = verdict.take_rejected();
    let mut broken = verdict.take_broken();
    for _ in 0..LENIENT_ROUNDS_MAX {
        if broken.iter().any(|number| !applied.carried.contains(number)) {
            break;
        }
        broken.iter().for_each(|number| left_out.insert(number));
        draft.start_over(run.profile)?;
        let mut outcome = super::outcome_of_nobody(run.profile, run.numbers, seed, run.push.limits);
        (outcome.employees, outcome.verdict, outcome.carried_before) = (employees, verdict, carried);
        outcome.absences = absences;
        *index = Index::default();
        if run.numbers.unique_changed {
            rules::enter_uniques(&mut outcome, draft, Indexed::Carried)?;
        }
        let created = applied.append_again(&left_out, &mut outcome, draft, index)?;
        rules::check(&mut outcome, draft, index, Indexed::Carried)?;
        broken = as_numbered_before(&outcome.verdict.take_broken(), outcome.first_created(), &created);
        if broken.len() == 0 {
            let first_created = u64::from(outcome.first_created());
            let left_out_stored = left_out.iter().take_while(|number| *number < first_created).count() as u64;
            outcome.counts.unchanged = carried_stored - left_out_stored - outcome.carried.stored_len();
            applied.accept(&left_out, &mut outcome, index);
            let employees = outcome.verdict.employees();
            outcome.figures.reject(employees);
            outcome.hidden_again = hidden_again;
            outcome.hidden_again.retain(|number| !left_out.contains((*number).into()));
            let rejections = outcome.verdict.take_rejections().expect("somebody was rejected");
            return Ok(Rest { outcome, set_aside: SetAside::new(employees, rejections) });
        }
        (verdict, carried, absences) = (outcome.verdict, outcome.carried_before, outcome.absences);
    }
    Err(Failure::Rejected(Box::new(verdict.take_rejections().expect("somebody was rejected"))))
}

/// Returns numbers as they were when everybody was appended. `created` are those that the employees had who are created now.
fn as_numbered_before(numbers: &Marks, first_created: u32, created: &[u32]) -> Marks {
    let mut before = Marks::default();
    for number in numbers.iter() {
        let slot = number.checked_sub(first_created.into()).and_then(|slot| usize::try_from(slot).ok());
        before.insert(slot.map_or(number, |slot| created[slot].into()));
    }
    before
}

/// What a push had appended before anybody was set aside.
struct Applied {
    changes: ChangeSet,
    /// For each of the changes where it came from.
    sources: Vec<Source>,
    /// The numbers of the employees whose changes the push carries.
    carried: Marks,
    /// Stored employees whose bytes are others than those that the index has, though their data is the same.
    accepted: Vec<Entry>,
}

/// Where a change came from.
struct Source {
    /// The place of its employee; `None` if the push does not carry it.
    place: Option<Place>,
    /// The hash of its bytes.
    bytes: u128,
}

impl Applied {
    fn take(
        run: &Run,
        outcome: &mut Outcome,
        draft: &mut Draft,
        index: &Index,
        slots: &Slots,
    ) -> Result<Applied, Failure> {
        let changes = ChangeSet::new(SPOOLED_IN_MEMORY_BYTES, run.push.spool_dir);
        let mut applied = Applied { changes, sources: Vec::new(), carried: Marks::default(), accepted: Vec::new() };
        let first_created = outcome.first_created();
        let (mut changed, mut after) = (Marks::default(), 0);
        loop {
            let batch = draft.changes(after, BATCH)?;
            let Some(last) = batch.last() else {
                break;
            };
            after = last.number;
            for OwnedChange { number, .. } in &batch {
                changed.insert((*number).into());
                let (place, bytes) = match number.checked_sub(first_created) {
                    Some(slot) => {
                        (Some(outcome.carried.place_of_created(slot)), outcome.delta.created().get(slot).bytes)
                    }
                    None => {
                        let slot = slots.of(*number).expect("whoever is changed is in the index");
                        (outcome.carried.place_of_stored(slot), index.get(slot).bytes)
                    }
                };
                if place.is_some() {
                    applied.carried.insert((*number).into());
                }
                applied.sources.push(Source { place: place.map(Place::new), bytes });
            }
            let spooled = batch.iter().try_for_each(|change| applied.changes.push(&change.lend()));
            spooled.map_err(Failure::Spool)?;
        }
        let replaced = outcome.delta.entries(index).into_iter();
        let is_unchanged = |entry: &Entry| entry.number < first_created && !changed.contains(entry.number.into());
        applied.accepted = replaced.filter(is_unchanged).collect();
        Ok(applied)
    }

    /// Appends the changes again, without those of the employees who are left out. Returns the numbers that the created employees had.
    fn append_again(
        &mut self,
        left_out: &Marks,
        outcome: &mut Outcome,
        draft: &mut Draft,
        index: &mut Index,
    ) -> Result<Vec<u32>, Failure> {
        let (mut sources, mut created) = (self.sources.iter(), Vec::new());
        let mut batch: Vec<(OwnedChange, &Source)> = Vec::new();
        self.changes.for_each(|change| -> Result<(), Failure> {
            let source = sources.next().expect("each change has a source");
            if left_out.contains(change.number.into()) {
                return Ok(());
            }
            if change.before.is_none() {
                created.push(change.number);
            }
            batch.push((change.to_owned(), source));
            if batch.len() < BATCH {
                return Ok(());
            }
            append(&batch, outcome, draft, index)?;
            batch.clear();
            Ok(())
        })?;
        append(&batch, outcome, draft, index)?;
        Ok(created)
    }

    /// Brings the bytes of unchanged employees into the index of those who are left.
    fn accept(self, left_out: &Marks, outcome: &mut Outcome, index: &mut Index) {
        let kept = self.accepted.into_iter().filter(|entry| !left_out.contains(entry.number.into()));
        kept.for_each(|entry| outcome.accept(entry, index));
    }
}

/// Notes changes again, each with its source, and appends them to the draft.
fn append(
    batch: &[(OwnedChange, &Source)],
    outcome: &mut Outcome,
    draft: &mut Draft,
    index: &mut Index,
) -> Result<(), Failure> {
    let mut changes: Vec<Change> = Vec::with_capacity(batch.len());
    for (change, Source { place, bytes }) in batch {
        changes.push(outcome.replay_one(place.map(Place::get), change.lend(), *bytes, index)?);
    }
    Ok(draft.append(&changes)?)
}
