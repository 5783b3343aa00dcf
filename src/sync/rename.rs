//! Rename: an employee gets another id. Whoever has that id already is the same person: what is stored for the new id then goes to the
//! employee who was there first, whose history goes on, and the other is removed (see [`Employee::merged`]).
//!
//! It is a push without a body. Unique values, references and the rules of the whole roster are checked as for any other.

use super::carried::Indexed;
use super::outcome::Outcome;
use super::rules;
use super::suspect::told_by;
use super::trace::timed;
use super::{Conditions, Failure, Receipt, Trace};
use crate::limits::Limits;
use crate::profile::Profile;
use crate::rejection::{Fault, Rejections};
use crate::roster::{Change, Employee, Ignored, Index, Missing, OwnedChange, Status, Suspects, valid_id};
use crate::store::{
    Commit, Draft, IndexUpdate, Numbers, OF_HIDDEN, Profiles, Remember, Sync, SyncKind, UniqueValue, unique_values,
};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Who gets which id.
pub struct Rename<'a> {
    /// The account.
    pub account: i64,
    /// The id that the employee has.
    pub from: &'a str,
    /// The id that the employee gets.
    pub to: &'a str,
    /// Whether two employees are one person also if nothing else says so.
    pub merge: bool,
    /// The profiles in force.
    pub profiles: &'a Profiles,
    /// The server's limits.
    pub limits: &'a Limits,
    /// What its request demands of it, or says about it.
    pub conditions: Conditions,
}

/// Why an employee does not get another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenameFailure {
    /// Nobody has the id.
    Unknown,
    /// The employee has the id already.
    Same,
    /// The profile that the employee is checked by is not in force any more.
    NoProfile,
    /// Somebody has the id already who was stored before the employee, so this would be the wrong way round.
    Older,
    /// Somebody has the id already, and may be somebody else.
    Others,
}

/// Says why, and what to do about it. What says that two employees are one is for whoever knows how it was to be said.
impl fmt::Display for RenameFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RenameFailure::Unknown => {
                "the account has no employee with this id; ids are compared as they are, case and all, and the history of the id \
                 says who had it before"
            }
            RenameFailure::Same => "the employee has this id already",
            RenameFailure::NoProfile => {
                "the profile that the employee is checked by is not in force any more; put it into force, or push the employee by \
                 another, and rename then"
            }
            RenameFailure::Older => {
                "the employee who has the new id was stored before the one who has the old id; if they are one person, this should \
                 be the other way round, since the history of the one who is renamed goes on"
            }
            RenameFailure::Others => {
                "somebody else has the new id: the one who has the old id is active and was in the last list, and the two share \
                 neither a unique value nor what the profile tells people by, so they may be two people"
            }
        })
    }
}

/// Gives an employee another id: all of it, or nothing. What is noted about it goes into `trace`.
pub fn rename(rename: &Rename, mut draft: Draft, trace: &mut Trace) -> Result<Receipt, Failure> {
    let started = Instant::now();
    let received = trace.times.receive;
    let conditions = &rename.conditions;
    if let Some(earlier) = conditions.begin(&mut draft)? {
        return conditions.is_same(&earlier).map(|()| earlier.into());
    }
    let Checked { pair, missing, profile, numbers } = Checked::find(rename, &mut draft)?;
    let run = Run { rename, pair: &pair, profile: &profile, numbers: &numbers };
    let result = run.carry_out(draft, &missing, trace, started);
    trace.times.rest_is_check(received + started.elapsed());
    result
}

/// Checks whether an employee may get another id, and returns what that changes. The rules of the whole roster are not checked, and nothing is
/// changed.
pub fn check_rename(rename: &Rename, mut draft: Draft) -> Result<Vec<OwnedChange>, Failure> {
    let Pair { old, new, to } = Checked::find(rename, &mut draft)?.pair;
    Ok(renaming(&old, new.as_ref(), &to))
}

/// A rename that may be, and what it needs.
struct Checked {
    pair: Pair,
    missing: PairMissing,
    profile: Arc<Profile>,
    numbers: Numbers,
}

impl Checked {
    fn find(rename: &Rename, draft: &mut Draft) -> Result<Checked, Failure> {
        let pair = Pair::find(rename, draft)?;
        let profile = draft.profile_id(pair.profile())?.and_then(|id| rename.profiles.get(id, rename.account));
        let profile = profile.ok_or(RenameFailure::NoProfile)?;
        let numbers = draft.enter_profile(&profile)?;
        let missing = pair.missing(draft)?;
        if !rename.merge {
            let telling: Vec<u32> = profile.same_person.iter().map(|at| numbers.fields[*at]).collect();
            pair.check(&missing, &numbers, &telling, draft.seed())?;
        }
        Ok(Checked { pair, missing, profile, numbers })
    }
}

/// Returns what a rename changes: the employee with a number gets an id, and what is stored for the one who has the id already.
fn renaming(old: &(u32, Employee), new: Option<&(u32, Employee)>, to: &str) -> Vec<OwnedChange> {
    let (number, before) = old;
    let after = Employee { id: to.to_owned(), ..new.map_or(before, |(_, new)| new).clone() };
    let renamed = OwnedChange { number: *number, before: Some(before.clone()), after: Some(after) };
    let merged = new.map(|(other, before)| OwnedChange {
        number: *other,
        before: Some(before.clone()),
        after: Some(Employee::merged(*other, *number)),
    });
    let mut changes: Vec<OwnedChange> = std::iter::once(renamed).chain(merged).collect();
    changes.sort_by_key(|change| change.number);
    changes
}

/// The employee who gets an id, and the one who has it already, with their numbers.
struct Pair {
    old: (u32, Employee),
    new: Option<(u32, Employee)>,
    to: String,
}

/// How often lists have not carried the two of a pair, if the last did not.
#[derive(Default)]
struct PairMissing {
    old: Option<Missing>,
    new: Option<Missing>,
}

impl Pair {
    fn find(rename: &Rename, draft: &mut Draft) -> Result<Pair, Failure> {
        let to = valid_id(rename.to).map_err(malformed)?;
        // An id that cannot be is nobody's.
        let from = valid_id(rename.from).map_err(|_| RenameFailure::Unknown)?;
        let mut found = draft.find_ids(&[from, to])?.into_iter();
        let old = found.next().flatten().ok_or(RenameFailure::Unknown)?;
        if from == to {
            return Err(RenameFailure::Same.into());
        }
        Ok(Pair { old, new: found.next().flatten(), to: to.to_owned() })
    }

    /// The account's number of the profile by which the employee is checked then.
    fn profile(&self) -> u32 {
        self.new.as_ref().map_or(self.old.1.profile, |(_, new)| new.profile)
    }

    fn missing(&self, draft: &mut Draft) -> Result<PairMissing, Failure> {
        if !draft.any_missing() {
            return Ok(PairMissing::default());
        }
        let in_grace = draft.missing()?;
        let numbers = [Some(self.old.0), self.new.as_ref().map(|(number, _)| *number)];
        let mut missing = [None, None];
        for (missing, number) in missing.iter_mut().zip(numbers) {
            let Some(number) = number else {
                continue;
            };
            let found = in_grace.iter().find(|missing| missing.number == number).copied();
            let is_hidden = draft.hidden_by_absence(&[number])? == [true];
            *missing = found.or(is_hidden.then_some(Missing { number, pushes: 1, is_hidden }));
        }
        let [old, new] = missing;
        Ok(PairMissing { old, new })
    }

    /// Checks that whoever has the id already can be the same person: the employee has gone, or the two share what nobody else has, or the
    /// fields `telling`, by which the profile tells people apart.
    fn check(&self, missing: &PairMissing, numbers: &Numbers, telling: &[u32], seed: u64) -> Result<(), RenameFailure> {
        let (number, old) = &self.old;
        let Some((other, new)) = &self.new else {
            return Ok(());
        };
        if other < number {
            return Err(RenameFailure::Older);
        }
        let is_gone = old.status == Status::Hidden || missing.old.is_some();
        let told_by = |employee: &Employee| told_by(seed, telling, employee.version());
        let is_same =
            shares_unique(numbers, seed, old, new) || told_by(old).is_some_and(|told| told_by(new) == Some(told));
        if is_gone || is_same { Ok(()) } else { Err(RenameFailure::Others) }
    }
}

/// Whether two employees have the same value in a unique field.
fn shares_unique(numbers: &Numbers, seed: u64, one: &Employee, other: &Employee) -> bool {
    let values = |employee: &Employee| -> Vec<UniqueValue> {
        let values = unique_values(&numbers.unique, seed, employee.status, employee.data.lend());
        values.map(|value| UniqueValue { field: value.field & !OF_HIDDEN, ..value }).collect()
    };
    let others = values(other);
    values(one).iter().any(|value| others.contains(value))
}

/// The rejection of an id that no employee can have.
fn malformed(fault: Fault) -> Failure {
    let mut rejections = Rejections::new(1);
    rejections.add(None, None, fault);
    Failure::Rejected(Box::new(rejections))
}

/// By what a rename is carried out.
struct Run<'a> {
    rename: &'a Rename<'a>,
    pair: &'a Pair,
    profile: &'a Profile,
    numbers: &'a Numbers,
}

impl Run<'_> {
    fn carry_out(
        &self,
        mut draft: Draft,
        missing: &PairMissing,
        trace: &mut Trace,
        started: Instant,
    ) -> Result<Receipt, Failure> {
        let Run { rename: Rename { limits, conditions, .. }, pair, profile, numbers } = self;
        let received = trace.times.receive;
        let changes = renaming(&pair.old, pair.new.as_ref(), &pair.to);
        let mut index = Index::default();
        let outcome = self.replay(&changes, missing, &mut draft, &mut index, trace)?;
        let employees = changes.len() as u64;
        conditions.end(employees, &mut draft)?;
        let Outcome { counts, delta, figures, .. } = outcome;
        let duration = started.elapsed();
        trace.times.rest_is_check(received + duration);
        let sync = Sync {
            kind: SyncKind::Rename,
            profile: numbers.profile,
            rules: profile.version,
            created: numbers.next..numbers.next,
            employees,
            counts,
            set_aside: None,
            duration,
            times: trace.times,
            sender: trace.sender,
            as_of: None,
            is_usual: false,
            suspects: Suspects::default(),
        };
        let remember = conditions.retry().map(|retry| Remember {
            retry,
            first: None,
            ignored: Ignored::default(),
            set_aside: None,
            kept_max: limits.retries_kept_max,
        });
        let commit = Commit {
            sync,
            index: IndexUpdate::Entries(delta.entries(&index)),
            index_bytes_max: limits.index_bytes_max,
            tally: figures.tally(),
            empties_queue: false,
            remember,
            seen: conditions.seen(limits.signatures_kept_max),
            plan: None,
        };
        let revision = timed(&mut trace.times.commit, || draft.commit(commit))?;
        let (ignored, first, set_aside) = (Ignored::default(), None, None);
        let (suspects, is_repeated) = (Suspects::default(), false);
        Ok(Receipt { counts, employees, revision, duration, ignored, first, set_aside, suspects, is_repeated })
    }

    /// Appends the changes to the draft, and checks the roster that comes of them.
    fn replay(
        &self,
        changes: &[OwnedChange],
        missing: &PairMissing,
        draft: &mut Draft,
        index: &mut Index,
        trace: &mut Trace,
    ) -> Result<Outcome<'_>, Failure> {
        let Run { rename, pair, profile, numbers } = self;
        let mut outcome = super::outcome_of_nobody(profile, numbers, draft.seed(), rename.limits);
        if numbers.unique_changed {
            rules::enter_uniques(&mut outcome, draft, Indexed::Carried)?;
        }
        let changes: Vec<Change> = changes.iter().map(OwnedChange::lend).collect();
        // Whom an employee named was right when it was pushed, also for the other id.
        let named = pair.new.as_ref().map_or(&pair.old.1, |(_, new)| new).data.lend();
        for change in &changes {
            outcome.rename(change, named, index)?;
        }
        timed(&mut trace.times.write, || draft.append(&changes))?;
        if let Some((other, _)) = pair.new {
            let number = pair.old.0;
            draft.forget_missing(&[number, other])?;
            if let Some(missing) = missing.new {
                draft.note_missing(&[Missing { number, ..missing }])?;
            }
        }
        rules::check(&mut outcome, draft, index, Indexed::Carried)?;
        match outcome.verdict.take_rejections() {
            Some(rejections) => Err(Failure::Rejected(Box::new(rejections))),
            None => Ok(outcome),
        }
    }
}
