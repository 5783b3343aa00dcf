//! The push, step by step, from its body to its receipt.
//!
//! Whole pushes and patches are one push. What differs is where intents come from ([`Source`]), and that a whole push is recognised first.
//! A step is a plain function over a batch, which neither asks the store nor calls another step; this file asks the store once before the
//! steps of a batch and once after them.

mod absence;
mod blocks;
mod carried;
mod check;
mod conditions;
mod ending;
mod failure;
mod find;
mod guard;
mod intake;
mod lenient;
mod marks;
mod outcome;
mod plan;
mod recognise;
mod reference;
mod rename;
mod rules;
mod scan;
mod source;
mod split;
mod suspect;
mod trace;
mod trial;
mod twice;
mod undo;
mod unique;
mod verdict;

pub use check::{Checked, Chunk, Finding, Rulebook};
pub use conditions::{Conditions, Handling};
pub use failure::{BodyError, Failure};
pub use intake::{Intake, Pieces, Split};
pub use plan::{ApplyPlan, LeftOut, Moved, MovedPerson, PlanFailure, apply_plan};
pub use recognise::{Batch, Recogniser, Unknown};
pub use rename::{Rename, RenameFailure, check_rename, rename};
pub use source::{Body, Format, Parsed, Source};
pub use split::{SplitError, Splitter};
pub use trace::Trace;
pub use trial::{Break, Few, IDS_LISTED_MAX, Lacking, Trial, Tried, try_on};
pub use undo::{Conflict, ConflictCause, Conflicts, Undo, UndoFailure, plan_undo};

use crate::dialect::Dialect;
use crate::limits::Limits;
use crate::profile::Profile;
use crate::rejection::SetAside;
use crate::roster::{Counts, Coverage, GuardSettings, Guards, Ignored, Index, Intent, Suspects, Tripped};
use crate::store::{self, Draft, Earlier, Numbers, Plan, Times, Why};
use absence::Hiding;
use carried::Indexed;
use ending::Ready;
use find::{Finder, Found};
use guard::Figures;
use lenient::Rest;
use outcome::{Beginning, Outcome};
use rayon::in_place_scope;
use reference::References;
use source::{Arriving, Intents, Whole};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use suspect::Watch;
use trace::timed;
use unique::Uniques;

/// How many bytes of employees that were not recognised are checked at a time.
const BATCH_BYTES: usize = 256 << 10;

/// A push, before its body has come.
pub struct Push<'a> {
    /// In whose words it is.
    pub dialect: Dialect,
    /// The server's limits.
    pub limits: &'a Limits,
    /// Where a body may wait whose profile is not known before its end.
    pub spool_dir: &'a Path,
    /// Whom it carries, and so what becomes of the others.
    pub coverage: Coverage,
    /// What is set for the guards of the account.
    pub guards: GuardSettings,
    /// What its request demands of it, or says about it, beside the body.
    pub conditions: Conditions,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The five counts.
    pub counts: Counts,
    /// How many employees the push carried.
    pub employees: u64,
    /// The roster's revision after it.
    pub revision: u64,
    /// From the first look at the body until the commit.
    pub duration: Duration,
    /// What the push carried and means nothing here. An employee that is recognised is not read, so what it has of that is not among it.
    pub ignored: Ignored,
    /// The number of its first employee, if its intents came one by one.
    pub first: Option<u32>,
    /// The employees that it was applied without; `None` if it was not lenient.
    pub set_aside: Option<Box<SetAside>>,
    /// What in it looks odd.
    pub suspects: Suspects,
    /// Whether an earlier request did this, and this one nothing.
    pub is_repeated: bool,
}

impl From<Earlier> for Receipt {
    fn from(earlier: Earlier) -> Receipt {
        let Earlier { counts, employees, revision, duration, ignored, first, set_aside, suspects, .. } = earlier;
        Receipt { counts, employees, revision, duration, ignored, first, set_aside, suspects, is_repeated: true }
    }
}

/// A push that waits as a plan instead of being applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The plan: a new one, or the one that waits with the same changes.
    pub plan: Plan,
    /// From the first look at the body until the plan was kept.
    pub duration: Duration,
    /// What the push carried and means nothing here, see [`Receipt::ignored`].
    pub ignored: Ignored,
    /// The employees that the plan leaves out; `None` if the push was not lenient.
    pub set_aside: Option<Box<SetAside>>,
}

/// Carries out a push: all of it, or nothing. `open` opens the roster, once the profile of the push is known. What is noted about the push
/// goes into `trace`, also if it fails.
pub fn sync<'d>(
    push: &Push,
    source: Source,
    open: impl FnOnce() -> Result<Draft<'d>, store::Error>,
    trace: &mut Trace,
) -> Result<Receipt, Failure> {
    carry_out(push, source, open, trace, |reached, trace| match reached {
        Reached::Ending(ready) if ready.applied.tripped.is_empty() => ready.commit(trace),
        Reached::Ending(ready) => Err(ready.hold(trace)),
        Reached::Repeated(earlier) => Ok(earlier.into()),
    })
}

/// As [`sync`], but nothing is applied: what the push would change is kept as a plan.
pub fn plan<'d>(
    push: &Push,
    source: Source,
    open: impl FnOnce() -> Result<Draft<'d>, store::Error>,
    trace: &mut Trace,
) -> Result<Planned, Failure> {
    carry_out(push, source, open, trace, |reached, trace| match reached {
        Reached::Ending(mut ready) => {
            let tripped = std::mem::take(&mut ready.applied.tripped);
            ready.keep(Why::DryRun(tripped), trace)
        }
        // The push that had this key was applied.
        Reached::Repeated(_) => Err(Failure::OtherBody),
    })
}

/// Carries out a push up to its ending, and measures it.
fn carry_out<'d, T>(
    push: &Push,
    source: Source,
    open: impl FnOnce() -> Result<Draft<'d>, store::Error>,
    trace: &mut Trace,
    ending: impl FnOnce(Reached<'_, 'd>, &mut Trace) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (started, waited) = (Instant::now(), AtomicU64::new(0));
    let before = trace.times.receive;
    let note_times = |trace: &mut Trace| {
        trace.times.receive += Duration::from_nanos(waited.swap(0, Ordering::Relaxed));
        trace.times.rest_is_check(before + started.elapsed());
    };
    let ending = |reached: Reached<'_, 'd>, trace: &mut Trace| {
        note_times(trace);
        ending(reached, trace)
    };
    let result = carry_out_timed(push, source.timed(&waited), open, trace, started, ending);
    note_times(trace);
    result
}

fn carry_out_timed<'d, T>(
    push: &Push,
    source: Source,
    open: impl FnOnce() -> Result<Draft<'d>, store::Error>,
    trace: &mut Trace,
    started: Instant,
    ending: impl FnOnce(Reached<'_, 'd>, &mut Trace) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (profile, arriving) = source.begin(push)?;
    let mut draft = open()?;
    if let Some(earlier) = push.conditions.begin(&mut draft)? {
        // Nobody needs to wait for the rest of a body that changes nothing.
        drop(draft);
        push.conditions.repeat(arriving, &earlier)?;
        return ending(Reached::Repeated(earlier), trace);
    }
    let numbers = draft.enter_profile(&profile)?;
    let (indexed, mut index) = match arriving {
        Arriving::Whole(_) => (Indexed::Everybody, draft.index()?),
        Arriving::Intents(_) => (Indexed::Carried, Index::default()),
    };
    let run = Run { push, profile: &profile, numbers: &numbers, indexed };
    match apply(&run, arriving, &mut draft, &mut index, &mut trace.times) {
        Ok(applied) => ending(Reached::Ending(Ready { run: &run, draft, index, applied, started }), trace),
        Err(failure) => {
            if indexed == Indexed::Everybody {
                draft.return_index(index, push.limits.index_bytes_max);
            }
            Err(failure)
        }
    }
}

/// How far a push came.
#[expect(clippy::large_enum_variant, reason = "there is one at a time in a push, and it is moved once")]
enum Reached<'r, 'd> {
    /// It can be applied.
    Ending(Ready<'r, 'd>),
    /// An earlier request did what it asks for.
    Repeated(Earlier),
}

/// By what a push is carried out, once its profile is known.
struct Run<'a> {
    push: &'a Push<'a>,
    profile: &'a Profile,
    numbers: &'a Numbers,
    indexed: Indexed,
}

/// A push that was appended to the draft, and is right.
struct Applied<'a> {
    outcome: Outcome<'a>,
    /// Whom its index has.
    indexed: Indexed,
    ignored: Ignored,
    first: Option<u32>,
    empties_queue: bool,
    /// The guards that it trips.
    tripped: Vec<Tripped>,
    set_aside: Option<Box<SetAside>>,
    /// What in it looks odd.
    suspects: Suspects,
}

/// Returns the outcome of a push that has carried nobody yet.
fn outcome_of_nobody<'a>(profile: &'a Profile, numbers: &Numbers, seed: u64, limits: &Limits) -> Outcome<'a> {
    Outcome::new(Beginning {
        profile: numbers.profile,
        seed,
        first_created: numbers.next,
        uniques: Uniques::new(seed, numbers.unique.clone(), numbers.names.clone()),
        references: References::new(profile, &numbers.fields, seed, limits.references_bytes_max),
        figures: Figures::new(seed, numbers.unique.keys().copied(), numbers.guarded.clone()),
        watch: Watch::new(seed, profile.same_person.iter().map(|at| numbers.fields[*at]).collect(), numbers.next == 1),
        listed_max: limits.errors_listed_max,
    })
}

/// Recognises, reads, finds, checks and appends the employees of a push, then checks the roster that comes of it.
fn apply<'a>(
    run: &Run<'a>,
    arriving: Arriving,
    draft: &mut Draft,
    index: &mut Index,
    times: &mut Times,
) -> Result<Applied<'a>, Failure> {
    let Run { push, profile, numbers, indexed } = *run;
    let (seed, limits) = (draft.seed(), push.limits);
    let (profile_number, field_numbers) = (numbers.profile, &numbers.fields[..]);
    let rulebook = Rulebook { dialect: push.dialect, profile, profile_number, field_numbers, limits, seed };
    let mut outcome = outcome_of_nobody(profile, numbers, seed, limits);
    if numbers.unique_changed {
        rules::enter_uniques(&mut outcome, draft, indexed)?;
    }
    let mut stage = Stage { rulebook: &rulebook, outcome: &mut outcome, draft, index, times };
    let (ignored, first, empties_queue) = match arriving {
        Arriving::Whole(whole) => (stage.whole(*whole)?, None, false),
        Arriving::Intents(intents) => stage.intents(push, intents)?,
    };
    outcome.end(index);
    push.conditions.end(outcome.employees, draft)?;
    let is_lenient = push.conditions.handling == Handling::Lenient;
    // Whoever was rejected without a usable id may be any of the absent.
    let may_hide = !is_lenient || !outcome.verdict.has_unidentified();
    let hides = may_hide && push.coverage.hides(profile.absent, outcome.employees);
    let hiding = hides.then_some(Hiding { profile: numbers.profile, grace: profile.grace });
    if push.coverage.is_everybody() {
        absence::end(hiding.as_ref(), &mut outcome, draft, index, indexed)?;
    }
    // What a rejected employee wanted stands in nobody's way: it is taken back before the rules of the whole roster are checked.
    if !(is_lenient && outcome.verdict.has_rejections()) {
        if outcome.verdict.has_any_twice() {
            twice::leave_out(&mut outcome, draft, index)?;
        }
        rules::check(&mut outcome, draft, index, indexed)?;
    }
    let (outcome, indexed, set_aside) = if is_lenient && outcome.verdict.has_rejections() {
        let Rest { outcome, set_aside } = timed(&mut times.write, || lenient::set_aside(run, outcome, draft, index))?;
        (outcome, Indexed::Carried, Some(Box::new(set_aside)))
    } else if let Some(rejections) = outcome.verdict.take_rejections() {
        return Err(Failure::Rejected(Box::new(rejections)));
    } else {
        (outcome, indexed, is_lenient.then(Box::default))
    };
    let guards = Guards::default().with(&profile.guards).with(&push.guards);
    let tripped = rules::guard(&outcome, &guards, &numbers.names, draft)?;
    let suspects = suspect::look(&outcome, &numbers.names, draft)?;
    Ok(Applied { outcome, indexed, ignored, first, empties_queue, set_aside, tripped, suspects })
}

/// What the steps of a push work with, batch by batch.
struct Stage<'s, 'a, 'd> {
    rulebook: &'s Rulebook<'a>,
    outcome: &'s mut Outcome<'a>,
    draft: &'s mut Draft<'d>,
    index: &'s mut Index,
    times: &'s mut Times,
}

impl Stage<'_, '_, '_> {
    /// The steps of a body that carries everybody. While the pool checks a batch, this thread appends the one before and recognises what
    /// comes for the one after.
    fn whole(&mut self, mut whole: Whole) -> Result<Ignored, Failure> {
        let Stage { rulebook, outcome, draft, index, times } = self;
        outcome.carried.grow(index);
        index.forget_outdated_blocks();
        let mut recogniser = Recogniser::new(rulebook.seed, rulebook.profile.version, rulebook.limits);
        let (mut filling, mut checking) = (Batch::default(), Batch::default());
        let (mut checked, mut ignored) = (Vec::new(), Ignored::default());
        let mut more = Ok(true);
        while matches!(more, Ok(true)) || !filling.unknown.is_empty() {
            std::mem::swap(&mut filling, &mut checking);
            filling.clear();
            checked = in_place_scope(|pool| -> Result<_, Failure> {
                let (found, outcome_of_check) = std::sync::mpsc::channel();
                let (batch, format, index) = (&checking, whole.format, &**index);
                if !batch.unknown.is_empty() {
                    let rulebook = *rulebook;
                    pool.spawn(move |_| drop(found.send(rulebook.check_all(format, batch, index))));
                }
                timed(&mut times.write, || append(outcome, &checked, index, draft))?;
                while matches!(more, Ok(true)) && filling.bytes.len() < BATCH_BYTES {
                    let recognised = |place, slot| outcome.recognised(place, slot);
                    more = whole.intake.receive(&mut recogniser.over(index, &mut filling, recognised));
                }
                if batch.unknown.is_empty() {
                    return Ok(Vec::new());
                }
                Ok(outcome_of_check.recv().expect("the pool gives an answer or panics"))
            })?;
            checked.iter().for_each(|chunk: &Chunk| ignored.add_all(&chunk.ignored));
            outcome.settle(index);
        }
        timed(&mut times.write, || append(outcome, &checked, index, draft))?;
        outcome.settle(index);
        // What is wrong with an employee is reported before what is wrong behind it.
        more?;
        ignored.add_all(&whole.end(rulebook.profile)?);
        outcome.delta.set_blocks(recogniser.into_blocks());
        Ok(ignored)
    }

    /// The steps of intents that come one by one. Returns what they carry and means nothing, the number of the first employee, and whether
    /// the account's queue was read.
    fn intents(&mut self, push: &Push, mut intents: Intents) -> Result<(Ignored, Option<u32>, bool), Failure> {
        let mut finder = Finder::new(self.rulebook, self.outcome.first_created());
        let (mut ignored, mut first, mut carried) = (Ignored::default(), None, 0);
        loop {
            let batch = intents.next(self.draft)?;
            if batch.is_empty() {
                break;
            }
            carried += batch.len() as u64;
            if carried > push.limits.employees_max {
                return Err(Failure::OverLimit { limit: "employees_max", max: push.limits.employees_max });
            }
            let mut found = self.find(&mut finder, batch)?;
            let is_list = push.coverage.is_everybody();
            let hidden_again = absence::bring_back(&mut found, is_list, self.draft, self.index)?;
            self.outcome.hidden_again.extend(hidden_again);
            first = first.or_else(|| {
                let stored = found.first()?.stored.as_ref();
                Some(stored.map_or(self.outcome.first_created(), |(slot, _)| self.index.get(*slot).number))
            });
            let checked = self.rulebook.check_found(&found, self.index);
            checked.iter().for_each(|chunk| ignored.add_all(&chunk.ignored));
            let Stage { outcome, draft, index, times, .. } = self;
            timed(&mut times.write, || append(outcome, &checked, index, draft))?;
            outcome.settle(index);
        }
        Ok((ignored, first, intents.is_queue()))
    }

    /// Asks the store whom a batch of intents is of.
    fn find(&mut self, finder: &mut Finder, batch: Vec<Intent<'static>>) -> Result<Vec<Found>, Failure> {
        let sought = finder.seek(batch);
        let ids: Vec<&str> = sought.iter().map(find::Sought::id).collect();
        let by_id = self.draft.find_ids(&ids)?;
        let values: Vec<_> = sought.iter().map(|sought| sought.values(self.rulebook.seed)).collect();
        let flat: Vec<_> = values.iter().flatten().flatten().copied().collect();
        let holders = self.draft.holders(&flat)?;
        let mut pairs = holders.chunks_exact(2);
        let chosen = sought.iter().zip(&values).map(|(sought, values)| {
            values.as_ref().and_then(|_| pairs.next()).and_then(|pair| sought.choose([&pair[0], &pair[1]]))
        });
        let chosen: Vec<Option<u32>> = chosen.collect();
        let numbers: Vec<u32> = chosen.iter().flatten().copied().collect();
        let mut employees = self.draft.read(&numbers)?.into_iter();
        let by_value =
            chosen.iter().map(|chosen| chosen.and_then(|number| Some((number, employees.next()??)))).collect();
        let found = finder.found(sought, by_id, by_value, self.index);
        self.outcome.carried.grow(self.index);
        Ok(found)
    }
}

/// Notes a checked batch, and appends its changes to the draft.
fn append(outcome: &mut Outcome, checked: &[Chunk], index: &Index, draft: &mut Draft) -> Result<(), Failure> {
    let stored = draft.read(&Outcome::changed(checked, index))?;
    let changes = outcome.note(checked, &stored, index)?;
    Ok(draft.append(&changes)?)
}
