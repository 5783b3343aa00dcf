//! Undo: what syncs have changed is taken back, employee by employee and field by field. It becomes a plan, which is applied as any other.
//!
//! Whoever was changed again since, in what the syncs had changed, is a conflict: left as it is, unless the request names it. So is whoever
//! would get an id or a unique value that somebody else has by now, or a value that the profile refuses today.

mod conflict;
mod inverse;
mod today;

pub use conflict::{Conflict, ConflictCause, Conflicts, UndoFailure};

use super::carried::Indexed;
use super::marks::Marks;
use super::outcome::Outcome;
use super::reference::{References, Target};
use super::trace::timed;
use super::verdict::Verdict;
use super::{Failure, Planned, Trace, rules};
use crate::limits::{LENIENT_ROUNDS_MAX, Limits};
use crate::profile::Profile;
use crate::roster::{Absences, Change, ChangeSet, Counts, Employee, Ignored, Index, OwnedChange, Suspects};
use crate::store::{Created, Draft, NewPlan, Numbers, PlannedUndo, Profiles, Sync, SyncKind, Undoable, Undone, Why};
use inverse::{Found, Inverse, inverse};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use today::Today;

/// How many bytes of changes are kept in memory; more go through a file.
const SPOOLED_IN_MEMORY_BYTES: usize = 1 << 20;

/// How many employees are read, or changed, at a time.
const BATCH: usize = 1_024;

/// Which syncs are taken back, and how.
pub struct Undo<'a> {
    /// The account.
    pub account: i64,
    /// The revision of the last sync that is taken back.
    pub revision: u64,
    /// The revision before the first that is taken back; `None` takes back one sync.
    pub back_to: Option<u64>,
    /// The ids of employees that are taken back though they were changed again since.
    pub anyway: &'a BTreeSet<String>,
    /// What becomes of the employees that the syncs had created.
    pub created: Created,
    /// The profiles in force.
    pub profiles: &'a Profiles,
    /// The server's limits.
    pub limits: &'a Limits,
    /// Where many changes wait while they are moved.
    pub spool_dir: &'a Path,
}

impl Undo<'_> {
    /// Returns the syncs that are taken back.
    fn undone(&self) -> Result<Undone, UndoFailure> {
        let Undo { revision, back_to, .. } = *self;
        match back_to {
            Some(back_to) if back_to >= revision => Err(UndoFailure::Backwards { back_to, revision }),
            Some(back_to) => Ok(Undone { from: back_to + 1, to: revision }),
            None => Ok(Undone { from: revision, to: revision }),
        }
    }

    /// Returns the profile that the changes are checked by. Syncs that have changed nobody need none of their own.
    fn profile(&self, undone: Undone, draft: &mut Draft) -> Result<Arc<Profile>, Failure> {
        let Undoable { is_kept, restored, profiles } = draft.undoable(undone)?;
        if !is_kept {
            return Err(UndoFailure::Unknown(undone).into());
        }
        if let Some(revision) = restored {
            return Err(UndoFailure::Restored { revision }.into());
        }
        match profiles[..] {
            [id] => Ok(self.profiles.get(id, self.account).ok_or(UndoFailure::NoProfile(id))?),
            [] => Ok(self.profiles.of_account(self.account).into_iter().next().ok_or(Failure::UnknownProfile)?),
            _ => Err(UndoFailure::SeveralProfiles(profiles).into()),
        }
    }
}

/// Makes a plan that takes syncs back. Nothing is applied. Returns it, with whom it leaves as they are.
pub fn plan_undo(undo: &Undo, mut draft: Draft, trace: &mut Trace) -> Result<(Planned, Conflicts), Failure> {
    let started = Instant::now();
    let received = trace.times.receive;
    let undone = undo.undone()?;
    let profile = undo.profile(undone, &mut draft)?;
    let numbers = draft.enter_profile(&profile)?;
    let mut today = Today::new(undo, &profile, &numbers);
    let mut taken_back = TakenBack::find(undo, undone, &mut today, &mut draft)?;
    let counts = taken_back.append(undo, &profile, &numbers, &mut draft, trace)?;
    taken_back.check_named(undo)?;
    let duration = started.elapsed();
    trace.times.rest_is_check(received + duration);
    let TakenBack { conflicts, absences, appended: employees, .. } = taken_back;
    let sync = Sync {
        // A plan has no kind of its own: its reason says what it becomes.
        kind: SyncKind::Patch,
        profile: numbers.profile,
        rules: profile.version,
        created: 0..0,
        employees,
        counts,
        set_aside: None,
        suspects: Suspects::default(),
        duration,
        times: trace.times,
        sender: trace.sender,
        as_of: None,
        is_usual: false,
    };
    // Nothing is known of the bytes that they were accepted with, so the next push reads them.
    let accepted = Vec::new();
    let why = Why::Undo(PlannedUndo { undone, conflicts: conflicts.count, created: undo.created });
    let (limits, spool_dir) = (undo.limits, undo.spool_dir);
    let plan = NewPlan { sync, why, profile: &profile, numbers: &numbers, accepted, absences, limits, spool_dir };
    let plan = timed(&mut trace.times.commit, || draft.keep_as_plan(plan))?;
    Ok((Planned { plan, duration, ignored: Ignored::default(), set_aside: None }, conflicts))
}

/// What an undo changes, as far as nothing is in the way.
struct TakenBack {
    /// The changes, from what employees are now to what they were before.
    changes: ChangeSet,
    /// The numbers of those whom they change.
    numbers: Marks,
    /// The numbers of those who stay as they are though they are among the changes.
    left_out: Marks,
    /// Who gets an id that another has now: the number, by that of the other.
    takers: BTreeMap<u32, Vec<u32>>,
    /// Whether somebody is removed.
    removes: bool,
    /// Who is missing from lists again.
    absences: Absences,
    /// How many employees the undo changes.
    appended: u64,
    /// The ids that the request names and that are in a conflict which that decides.
    decided: BTreeSet<String>,
    /// The others who have, or had, an id that the request names: the id, by the number.
    named: BTreeMap<u32, String>,
    conflicts: Conflicts,
    listed_max: usize,
}

impl TakenBack {
    /// Compares what the employees were before the syncs, after them, and are now.
    fn find(undo: &Undo, undone: Undone, today: &mut Today, draft: &mut Draft) -> Result<TakenBack, Failure> {
        let mut taken_back = TakenBack {
            changes: ChangeSet::new(SPOOLED_IN_MEMORY_BYTES, undo.spool_dir),
            numbers: Marks::default(),
            left_out: Marks::default(),
            takers: BTreeMap::new(),
            removes: false,
            absences: Absences::default(),
            appended: 0,
            decided: BTreeSet::new(),
            named: BTreeMap::new(),
            conflicts: Conflicts::default(),
            listed_max: undo.limits.errors_listed_max,
        };
        let mut numbers = draft.changed_in(undone)?;
        // Of whoever was erased since nothing can be brought back.
        let (all, mut is_emptied) = (numbers.len(), draft.is_emptied(&numbers, undone)?.into_iter());
        numbers.retain(|_| is_emptied.next() == Some(false));
        taken_back.conflicts.erased = (all - numbers.len()) as u64;
        for numbers in numbers.chunks(BATCH) {
            let before = draft.read_at(numbers, undone.from - 1)?;
            let after = draft.read_at(numbers, undone.to)?;
            let now = draft.read_at(numbers, draft.revision())?;
            let versions = before.into_iter().zip(after).zip(now).zip(numbers);
            let found = versions.map(|(((before, after), now), number)| Found { number: *number, before, after, now });
            let mut taking_ids = Vec::new();
            for found in found {
                for version in [&found.before, &found.now].into_iter().flatten() {
                    today.look_up(version.employee.profile, draft)?;
                }
                taken_back.note(&found, undo.anyway, today, &mut taking_ids)?;
            }
            let ids: Vec<&str> = taking_ids.iter().map(|(_, id)| id.as_str()).collect();
            for ((number, _), holder) in taking_ids.iter().zip(draft.find_ids(&ids)?) {
                if let Some((holder, _)) = holder {
                    taken_back.takers.entry(holder).or_default().push(*number);
                }
            }
        }
        let holders = taken_back.takers.keys().filter(|holder| !taken_back.numbers.contains(u64::from(**holder)));
        let holders: Vec<u32> = holders.copied().collect();
        taken_back.leave_out(Vec::new(), holders)?;
        Ok(taken_back)
    }

    /// Notes what becomes of an employee, and whoever gets another id by it. `anyway` are the ids that the request names.
    fn note(
        &mut self,
        found: &Found,
        anyway: &BTreeSet<String>,
        today: &Today,
        taking_ids: &mut Vec<(u32, String)>,
    ) -> Result<(), Failure> {
        let named: Vec<&str> = found.ids().filter(|id| anyway.contains(*id)).collect();
        let mut change = match inverse(found) {
            Inverse::Nothing => return Ok(()),
            Inverse::Change(change) => {
                self.named.extend(named.first().map(|id| (found.number, (*id).to_owned())));
                change
            }
            Inverse::Conflict(change) if named.is_empty() => {
                let revision = found.now.as_ref().map_or(0, |now| now.since);
                self.conflict(change, ConflictCause::ChangedSince { revision });
                return Ok(());
            }
            Inverse::Conflict(change) => {
                self.decided.extend(named.into_iter().map(str::to_owned));
                change
            }
        };
        match today.check(&mut change) {
            Ok(()) if change.before == change.after => Ok(()),
            Ok(()) => self.add(found, change, taking_ids),
            Err(cause) => {
                self.left_out.insert(found.number.into());
                self.conflict(change, cause);
                Ok(())
            }
        }
    }

    /// Checks that naming somebody in the request has decided a conflict.
    fn check_named(&self, undo: &Undo) -> Result<(), UndoFailure> {
        let (mut of_nobody, mut by_rule) = (undo.anyway - &self.decided, BTreeSet::new());
        for (number, id) in &self.named {
            if self.left_out.contains(u64::from(*number)) && of_nobody.remove(id) {
                by_rule.insert(id.clone());
            }
        }
        match (by_rule.is_empty(), of_nobody.is_empty()) {
            (false, _) => Err(UndoFailure::ByRule(by_rule.into_iter().collect())),
            (true, false) => Err(UndoFailure::NotInConflict(of_nobody.into_iter().collect())),
            (true, true) => Ok(()),
        }
    }

    /// Adds a change, and whoever gets another id by it.
    fn add(&mut self, found: &Found, change: OwnedChange, taking_ids: &mut Vec<(u32, String)>) -> Result<(), Failure> {
        let number = change.number;
        self.removes |= change.after.as_ref().is_some_and(Employee::is_removed);
        if let Some(after) = change.after.as_ref().filter(|after| change.lend().is_renaming() && !after.is_removed()) {
            taking_ids.push((number, after.id.clone()));
        }
        self.absences.noted.extend(found.missing_again(&change));
        self.numbers.insert(number.into());
        Ok(self.changes.push(&change.lend())?)
    }

    /// Notes that an employee stays as it is.
    fn conflict(&mut self, change: OwnedChange, cause: ConflictCause) {
        self.conflicts.count += 1;
        if self.conflicts.listed.len() < self.listed_max {
            self.conflicts.listed.push(Conflict { change, cause });
        }
    }

    /// Leaves employees out for these causes. Whoever would get the id of one of them, or of one of the `holders`, who keep theirs, is left out
    /// as well.
    fn leave_out(&mut self, causes: Vec<(u32, ConflictCause)>, mut holders: Vec<u32>) -> Result<(), Failure> {
        let mut left_out: BTreeMap<u32, ConflictCause> = causes.into_iter().collect();
        left_out.keys().for_each(|number| self.left_out.insert((*number).into()));
        holders.extend(left_out.keys());
        while let Some(holder) = holders.pop() {
            for taker in self.takers.remove(&holder).unwrap_or_default() {
                if !self.left_out.contains(taker.into()) {
                    self.left_out.insert(taker.into());
                    left_out.insert(taker, ConflictCause::IdTaken);
                    holders.push(taker);
                }
            }
        }
        let mut conflicts: Vec<(OwnedChange, ConflictCause)> = Vec::new();
        let (many, room) = (left_out.len() as u64, self.listed_max - self.conflicts.listed.len());
        if many > 0 {
            self.changes.for_each(|change| -> Result<(), Failure> {
                if let Some(cause) = left_out.remove(&change.number).filter(|_| conflicts.len() < room) {
                    conflicts.push((change.to_owned(), cause));
                }
                Ok(())
            })?;
        }
        self.conflicts.count += many - conflicts.len() as u64;
        conflicts.into_iter().for_each(|(change, cause)| self.conflict(change, cause));
        Ok(())
    }

    /// Returns who would be removed though somebody who stays names them, in a field that must name somebody. Whoever stays for that reason names
    /// others in turn.
    fn named(&mut self, references: &References, draft: &mut Draft) -> Result<Vec<(u32, ConflictCause)>, Failure> {
        if !self.removes || !references.must_exist() {
            return Ok(Vec::new());
        }
        let left_out = &self.left_out;
        let (mut names, mut removed) = (HashMap::new(), HashMap::new());
        self.changes.for_each(|change| -> Result<(), Failure> {
            if let Change { number, before: Some(before), after: Some(after) } = change
                && after.is_removed()
                && !left_out.contains(number.into())
            {
                names.extend(references.names_of(number, before).into_iter().map(|target| (target, number)));
                removed.insert(number, (before.id.to_owned(), references.named_by(before)));
            }
            Ok(())
        })?;
        let mut named = BTreeMap::new();
        let mut stays = |by: &str, names_others: &[(&str, Target)]| {
            let mut others = Vec::new();
            for (field, target) in names_others {
                if let Some(number) = names.get(target)
                    && let Entry::Vacant(entry) = named.entry(*number)
                {
                    entry.insert(ConflictCause::Named { by: by.to_owned(), field: (*field).to_owned() });
                    others.push(*number);
                }
            }
            others
        };
        let (mut staying, mut after) = (Vec::new(), 0);
        loop {
            let batch = draft.scan(after, BATCH)?;
            let Some((last, _)) = batch.last() else {
                break;
            };
            after = *last;
            for (_, employee) in &batch {
                staying.extend(stays(&employee.id, &references.named_by(employee.version())));
            }
        }
        while let Some(number) = staying.pop() {
            if let Some((id, names_others)) = removed.get(&number) {
                staying.extend(stays(id, names_others));
            }
        }
        Ok(named.into_iter().collect())
    }

    /// Appends the changes, and leaves out who would break a rule of the whole roster, until nobody does. Returns what the changes come to.
    fn append(
        &mut self,
        undo: &Undo,
        profile: &Profile,
        numbers: &Numbers,
        draft: &mut Draft,
        trace: &mut Trace,
    ) -> Result<Counts, Failure> {
        let mut verdict: Option<Verdict> = None;
        for _ in 0..LENIENT_ROUNDS_MAX {
            let mut outcome = super::outcome_of_nobody(profile, numbers, draft.seed(), undo.limits);
            outcome.verdict = verdict.take().unwrap_or_else(|| Verdict::of_undo(undo.limits.errors_listed_max));
            let mut index = Index::default();
            if numbers.unique_changed {
                rules::enter_uniques(&mut outcome, draft, Indexed::Carried)?;
            }
            timed(&mut trace.times.write, || self.append_once(&mut outcome, draft, &mut index))?;
            rules::check(&mut outcome, draft, &index, Indexed::Carried)?;
            let broken = outcome.verdict.take_broken();
            let named = self.named(&outcome.references, draft)?;
            if broken.len() == 0 && named.is_empty() {
                let rejections = outcome.verdict.take_rejections();
                self.conflicts.rejected = rejections.map_or_else(Vec::new, |rejections| rejections.into_parts().0);
                let left_out = &self.left_out;
                self.absences.noted.retain(|missing| !left_out.contains(missing.number.into()));
                return Ok(outcome.counts);
            }
            if broken.iter().any(|number| !self.numbers.contains(number)) {
                verdict = Some(outcome.verdict);
                break;
            }
            self.conflicts.count += broken.len();
            broken.iter().for_each(|number| self.left_out.insert(number));
            self.leave_out(named, broken.iter().filter_map(|number| u32::try_from(number).ok()).collect())?;
            verdict = Some(outcome.verdict);
            draft.start_over(profile)?;
        }
        match verdict.and_then(|mut verdict| verdict.take_rejections()) {
            Some(rejections) => Err(Failure::Rejected(Box::new(rejections))),
            None => Err(UndoFailure::Entangled.into()),
        }
    }

    fn append_once(&mut self, outcome: &mut Outcome, draft: &mut Draft, index: &mut Index) -> Result<(), Failure> {
        let (left_out, appended) = (&self.left_out, &mut self.appended);
        *appended = 0;
        let mut batch: Vec<OwnedChange> = Vec::new();
        let mut append = |batch: &mut Vec<OwnedChange>| -> Result<(), Failure> {
            let changes: Vec<Change> = outcome.replay(batch.iter().map(|change| (change.lend(), 0)), index)?;
            draft.append(&changes)?;
            batch.clear();
            Ok(())
        };
        self.changes.for_each(|change| -> Result<(), Failure> {
            if left_out.contains(change.number.into()) {
                return Ok(());
            }
            *appended += 1;
            batch.push(change.to_owned());
            if batch.len() == BATCH { append(&mut batch) } else { Ok(()) }
        })?;
        append(&mut batch)
    }
}
