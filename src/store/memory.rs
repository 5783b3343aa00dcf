//! The backend of plain maps: nothing is indexed, nothing is remembered of bytes. It is what the other backends are compared with.

use super::{
    Commit, Earlier, Error, Held, Mark, NewPlan, Numbers, Plan, PlanState, PlannedChange, Remember, STATUS_CHANGES_MAX,
    Sync, SyncKind, Undoable, Undone, UniqueValue, VersionAt, Why,
};
use crate::dialect::echospan;
use crate::digest::Fingerprint;
use crate::profile::{Profile, Unique};
use crate::roster::{
    Absences, Change, Counts, Employee, Entry, FieldValue, Index, Missing, OwnedChange, Tally, data_hash, hash,
    merged_into,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use uuid::Uuid;

/// The roster of one account. Clones are the same roster.
#[derive(Debug, Clone, Default)]
pub struct Roster(Arc<Mutex<Maps>>);

/// What is known of an account.
#[derive(Debug, Clone, Default)]
struct Maps {
    revision: u64,
    /// The profiles that pushes have named, each with its unique fields.
    profiles: Vec<(Uuid, BTreeMap<u32, Unique>)>,
    /// The guarded fields of each profile.
    guarded: BTreeMap<Uuid, Vec<u32>>,
    fields: Vec<String>,
    /// Employees by number, each with the revision of its last change.
    employees: BTreeMap<u32, (Employee, u64)>,
    held: BTreeSet<Held>,
    queue: BTreeMap<u64, Vec<u8>>,
    missing: BTreeMap<u32, Missing>,
    syncs: Vec<Sync>,
    /// The changes of each sync.
    history: Vec<Vec<OwnedChange>>,
    /// From how many lists in a row employees were absent whom absence has hidden, by revision and number.
    absent: BTreeMap<(u64, u32), u32>,
    /// What is remembered of pushes by their keys, forever.
    remembered: BTreeMap<String, Earlier>,
    seen: BTreeMap<Fingerprint, Fingerprint>,
    plans: Vec<KeptPlan>,
    /// For each employee the revisions at which the status changed.
    turned: BTreeMap<u32, BTreeSet<u64>>,
    /// The revision that erased an employee last.
    erased: BTreeMap<u32, u64>,
    /// Versions that have no data any more because they had that of somebody else who was erased: by number, the revisions that made them.
    emptied: Vec<(u32, Range<u64>)>,
}

/// A plan with all that it does.
#[derive(Debug, Clone)]
struct KeptPlan {
    plan: Plan,
    changes: Vec<PlannedChange>,
    absences: Absences,
}

/// See [`super::Draft`].
pub struct Draft<'a> {
    roster: &'a Roster,
    next: Maps,
    /// What the employees that were changed had been.
    before: BTreeMap<u32, Option<Employee>>,
}

/// The seed of the hashes. Nobody outside can choose what meets in a map that is ordered.
const SEED: u64 = 1;

impl Roster {
    /// Begins to change the roster. Any number of drafts may be open; of those at one revision, one can be committed.
    pub fn begin(&self) -> super::Draft<'_> {
        super::Draft::Memory(Draft { roster: self, next: self.maps().clone(), before: BTreeMap::new() })
    }

    /// Returns all employees by number.
    pub fn employees(&self) -> Vec<(u32, Employee)> {
        self.maps().employees.iter().map(|(number, (employee, _))| (*number, employee.clone())).collect()
    }

    /// Returns what the account's fields are called, in the order of their numbers, which begin with 1.
    pub fn fields(&self) -> Vec<String> {
        self.maps().fields.clone()
    }

    /// Returns the record of every sync, the first one first.
    pub fn syncs(&self) -> Vec<Sync> {
        self.maps().syncs.clone()
    }

    /// Adds a record to the queue.
    pub fn enqueue(&self, record: &[u8]) {
        let mut maps = self.maps();
        let last = maps.queue.last_key_value().map_or(0, |(position, _)| *position);
        maps.queue.insert(last + 1, record.to_vec());
    }

    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.0.lock().expect("no holder of the lock panics")
    }
}

impl Maps {
    fn unique(&self) -> BTreeMap<u32, Unique> {
        let mut unique = BTreeMap::new();
        for (field, demand) in self.profiles.iter().flat_map(|(_, fields)| fields) {
            let widest = unique.entry(*field).or_insert(*demand);
            *widest = if *widest == Unique::Roster { Unique::Roster } else { *demand };
        }
        unique
    }

    /// Returns whom an employee was merged into, each with the revisions of the merge and of its end.
    fn merges(&self, number: u32) -> Vec<(u32, Range<u64>)> {
        let (mut merges, mut last) = (Vec::new(), None);
        for (revision, changes) in (1..).zip(&self.history) {
            for change in changes.iter().filter(|change| change.number == number) {
                merges.extend(last.take().map(|(into, since)| (into, since..revision)));
                let into = change.after.as_ref().and_then(|after| merged_into(&after.id));
                last = into.map(|into| (into, revision));
            }
        }
        merges.extend(last.map(|(into, since)| (into, since..self.revision + 1)));
        merges
    }

    /// Returns what others than these employees got while one of these was merged into them: by number, the revisions that made it. What somebody
    /// is now is not among it.
    fn lent(&self, numbers: &[u32]) -> Vec<(u32, Range<u64>)> {
        let mut owners: Vec<(u32, Range<u64>)> = numbers.iter().map(|number| (*number, 0..u64::MAX)).collect();
        let mut lent: Vec<(u32, Range<u64>)> = Vec::new();
        while let Some((owner, span)) = owners.pop() {
            for (number, merged) in self.merges(owner) {
                let is_known = lent.iter().any(|(other, known)| (*other, known.start) == (number, merged.start));
                if !is_known && !numbers.contains(&number) && span.contains(&merged.start) {
                    owners.push((number, merged.clone()));
                    let now = self.employees.get(&number).map_or(0, |(_, revision)| *revision);
                    lent.push((number, merged.start..merged.end.min(now)));
                }
            }
        }
        lent
    }

    fn field(&mut self, name: &str) -> u32 {
        let place = self.fields.iter().position(|field| field == name).unwrap_or_else(|| {
            self.fields.push(name.into());
            self.fields.len() - 1
        });
        number(place + 1)
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a model has few")
}

impl Draft<'_> {
    pub(super) fn seed(&self) -> u64 {
        SEED
    }

    pub(super) fn enter_profile(&mut self, profile: &Profile) -> Result<Numbers, Error> {
        let before = self.next.unique();
        let fields: Vec<u32> = profile.fields.iter().map(|field| self.next.field(&field.name)).collect();
        let demands = profile.fields.iter().zip(&fields).filter(|(field, _)| field.unique != Unique::No);
        let demands: BTreeMap<u32, Unique> = demands.map(|(field, number)| (*number, field.unique)).collect();
        let place = self.next.profiles.iter().position(|(id, _)| *id == profile.id).unwrap_or_else(|| {
            self.next.profiles.push((profile.id, BTreeMap::new()));
            self.next.profiles.len() - 1
        });
        self.next.profiles[place].1 = demands;
        let unique = self.next.unique();
        let unique_changed = unique != before;
        if unique_changed {
            self.next.held.clear();
        }
        let guarded = profile.fields.iter().zip(&fields).filter(|(field, _)| field.guard).map(|(_, number)| *number);
        self.next.guarded.insert(profile.id, guarded.collect());
        let guarded: BTreeSet<u32> = self.next.guarded.values().flatten().copied().collect();
        let guarded = guarded.into_iter().collect();
        let names = (1..).zip(self.next.fields.iter().cloned()).collect();
        let next = self.next.employees.last_key_value().map_or(0, |(number, _)| *number) + 1;
        Ok(Numbers { profile: number(place + 1), fields, names, unique, guarded, unique_changed, next })
    }

    pub(super) fn profile_id(&mut self, number: u32) -> Result<Option<Uuid>, Error> {
        let place = (number as usize).checked_sub(1);
        Ok(place.and_then(|place| self.next.profiles.get(place)).map(|(id, _)| *id))
    }

    pub(super) fn index(&mut self) -> Result<Index, Error> {
        let mut index = Index::default();
        for (number, (employee, _)) in &self.next.employees {
            let id = hash(SEED, employee.id.as_bytes());
            let data = data_hash(SEED, employee.profile, &employee.data);
            index.insert(Entry {
                id,
                data,
                bytes: 0,
                number: *number,
                profile: employee.profile,
                status: employee.status,
            });
        }
        index.set_order(Vec::new());
        index.settle();
        Ok(index)
    }

    pub(super) fn find_ids(&mut self, ids: &[&str]) -> Result<Vec<Option<(u32, Employee)>>, Error> {
        let find = |id: &&str| {
            let (number, (employee, _)) = self.next.employees.iter().find(|(_, (employee, _))| employee.id == *id)?;
            Some((*number, employee.clone()))
        };
        Ok(ids.iter().map(find).collect())
    }

    pub(super) fn holders(&mut self, values: &[UniqueValue]) -> Result<Vec<Vec<u32>>, Error> {
        let holders = |value: &UniqueValue| {
            let held = self.next.held.range(Held::new(*value, 0)..=Held::new(*value, u32::MAX));
            let mut holders: Vec<u32> = held.map(|held| held.number).collect();
            let revision = |number: &u32| self.next.employees.get(number).map(|(_, revision)| *revision);
            holders.sort_by_key(|number| std::cmp::Reverse((revision(number), *number)));
            holders.truncate(2);
            holders
        };
        Ok(values.iter().map(holders).collect())
    }

    pub(super) fn read(&mut self, numbers: &[u32]) -> Result<Vec<Option<Employee>>, Error> {
        let read = |number: &u32| self.next.employees.get(number).map(|(employee, _)| employee.clone());
        Ok(numbers.iter().map(read).collect())
    }

    pub(super) fn scan(&mut self, after: u32, limit: usize) -> Result<Vec<(u32, Employee)>, Error> {
        let employees = self.next.employees.range(after + 1..).take(limit);
        Ok(employees.map(|(number, (employee, _))| (*number, employee.clone())).collect())
    }

    pub(super) fn active_of(&mut self, profile: u32, after: u32, limit: usize) -> Result<Vec<u32>, Error> {
        let employees = self.next.employees.range(after + 1..);
        let active = employees.filter(|(_, (employee, _))| {
            (employee.status, employee.profile) == (crate::roster::Status::Active, profile)
        });
        Ok(active.map(|(number, _)| *number).take(limit).collect())
    }

    pub(super) fn queued(&mut self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        let records = self.next.queue.range(after + 1..).take(limit);
        Ok(records.map(|(position, record)| (*position, record.clone())).collect())
    }

    pub(super) fn earlier(&mut self, key: &str) -> Result<Option<Earlier>, Error> {
        Ok(self.next.remembered.get(key).cloned())
    }

    pub(super) fn seen(&mut self, mark: &Mark) -> Result<Option<Fingerprint>, Error> {
        Ok(self.next.seen.get(&mark.hash).copied())
    }

    pub(super) fn last_as_of(&mut self) -> Result<Option<Timestamp>, Error> {
        Ok(self.next.syncs.iter().rev().find_map(|sync| sync.as_of))
    }

    pub(super) fn tally(&mut self, values: &[FieldValue]) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        let fields: Vec<u32> = values.iter().map(|value| value.field).collect();
        let maps = self.roster.maps();
        maps.employees
            .values()
            .for_each(|(employee, _)| tally.add(employee.version(), &fields, |value| hash(SEED, value)));
        tally.values.retain(|value, _| values.contains(value));
        Ok(tally)
    }

    pub(super) fn usually_hidden(&mut self, lists: usize) -> Result<u64, Error> {
        let usual = self.next.syncs.iter().rev().filter(|sync| sync.is_usual).take(lists);
        Ok(usual.map(|sync| sync.counts.hidden).max().unwrap_or(0))
    }

    pub(super) fn any_missing(&self) -> bool {
        !self.next.missing.is_empty()
    }

    pub(super) fn missing(&mut self) -> Result<Vec<Missing>, Error> {
        Ok(self.next.missing.values().filter(|missing| !missing.is_hidden).copied().collect())
    }

    pub(super) fn hidden_by_absence(&mut self, numbers: &[u32]) -> Result<Vec<bool>, Error> {
        let is_hidden = |number: &u32| self.next.missing.get(number).is_some_and(|missing| missing.is_hidden);
        Ok(numbers.iter().map(is_hidden).collect())
    }

    pub(super) fn note_missing(&mut self, missing: &[Missing]) -> Result<(), Error> {
        self.next.missing.extend(missing.iter().map(|missing| (missing.number, *missing)));
        let revision = self.next.revision + 1;
        let hidden = missing.iter().filter(|missing| missing.is_hidden && self.before.contains_key(&missing.number));
        self.next.absent.extend(hidden.map(|missing| ((revision, missing.number), missing.pushes)));
        Ok(())
    }

    pub(super) fn forget_missing(&mut self, numbers: &[u32]) -> Result<(), Error> {
        self.next.missing.retain(|number, _| !numbers.contains(number));
        Ok(())
    }

    pub(super) fn append(&mut self, changes: &[Change]) -> Result<(), Error> {
        let revision = self.next.revision + 1;
        for change in changes {
            self.before.entry(change.number).or_insert_with(|| change.before.map(|before| before.to_employee()));
            let is_removed = change.after.is_some_and(|after| after.is_removed());
            if is_removed || change.before.map(|before| before.status) != change.after.map(|after| after.status) {
                self.next.missing.remove(&change.number);
            }
            if let (Some(before), Some(after)) = (change.before, change.after)
                && before.status != after.status
            {
                self.next.turned.entry(change.number).or_default().insert(revision);
            }
            match change.after {
                Some(after) => drop(self.next.employees.insert(change.number, (after.to_employee(), revision))),
                None => drop(self.next.employees.remove(&change.number)),
            }
        }
        Ok(())
    }

    pub(super) fn release(&mut self, held: &[Held]) -> Result<(), Error> {
        self.next.held.retain(|one| !held.contains(one));
        Ok(())
    }

    pub(super) fn hold(&mut self, held: &mut dyn Iterator<Item = Held>) -> Result<(), Error> {
        self.next.held.extend(held);
        Ok(())
    }

    pub(super) fn commit(mut self, commit: Commit) -> Result<u64, Error> {
        let mut maps = self.roster.maps();
        if maps.revision != self.next.revision {
            return Err(Error::Changed { expected: self.next.revision, found: maps.revision });
        }
        if commit.empties_queue {
            self.next.queue.clear();
        }
        if let Some(plan) = commit.plan.and_then(|number| self.next.plans.get_mut(number as usize)) {
            plan.plan.state = PlanState::Applied { revision: self.next.revision + 1 };
        }
        let changes = self.changes(0, usize::MAX)?;
        self.next.history.push(changes);
        self.next.syncs.push(commit.sync.clone());
        self.next.revision += 1;
        if let Some(seen) = commit.seen {
            self.next.seen.entry(seen.mark.hash).or_insert(seen.fingerprint);
        }
        if let Some(Remember { retry, first, ignored, set_aside, .. }) = commit.remember {
            let (fingerprint, revision) = (retry.fingerprint, self.next.revision);
            let Sync { employees, counts, duration, suspects, .. } = commit.sync;
            let earlier =
                Earlier { fingerprint, revision, first, ignored, set_aside, employees, counts, duration, suspects };
            self.next.remembered.insert(retry.key, earlier);
        }
        let revision = self.next.revision;
        *maps = self.next;
        Ok(revision)
    }

    pub(super) fn changes(&mut self, after: u32, limit: usize) -> Result<Vec<OwnedChange>, Error> {
        let changed = self.before.range(after + 1..).take(limit);
        Ok(changed
            .map(|(number, before)| {
                let after = self.next.employees.get(number).map(|(employee, _)| employee.clone());
                OwnedChange { number: *number, before: before.clone(), after }
            })
            .collect())
    }

    pub(super) fn start_over(&mut self, profile: &Profile) -> Result<(), Error> {
        let maps = self.roster.maps().clone();
        if maps.revision != self.next.revision {
            return Err(Error::Changed { expected: self.next.revision, found: maps.revision });
        }
        (self.next, self.before) = (maps, BTreeMap::new());
        self.enter_profile(profile)?;
        Ok(())
    }

    pub(super) fn revisions(&mut self, numbers: &[u32]) -> Result<Vec<Option<u64>>, Error> {
        let revision = |number: &u32| self.next.employees.get(number).map(|(_, revision)| *revision);
        Ok(numbers.iter().map(revision).collect())
    }

    /// No clock is asked: all changes are counted.
    pub(super) fn status_changes(&mut self, numbers: &[u32], _: Timestamp) -> Result<Vec<u32>, Error> {
        let committed = |number: &u32| {
            let turned = self.next.turned.get(number).map_or(0, |turned| turned.range(..=self.next.revision).count());
            u32::try_from(turned).unwrap_or(u32::MAX).min(STATUS_CHANGES_MAX)
        };
        Ok(numbers.iter().map(committed).collect())
    }

    pub(super) fn synced_at(&mut self, revisions: &[u64]) -> Result<Vec<Option<String>>, Error> {
        // No clock is asked, so that a model does the same each time.
        Ok(vec![None; revisions.len()])
    }

    pub(super) fn guarded(&mut self) -> Result<Vec<u32>, Error> {
        let fields: BTreeSet<u32> = self.next.guarded.values().flatten().copied().collect();
        Ok(fields.into_iter().collect())
    }

    pub(super) fn with_merged(&mut self, numbers: &[u32]) -> Result<Vec<u32>, Error> {
        let employees = &self.next.employees;
        let person = |mut number: u32| {
            while let Some(into) = employees.get(&number).and_then(|(employee, _)| merged_into(&employee.id)) {
                number = into;
            }
            number
        };
        let people: BTreeSet<u32> = numbers.iter().map(|number| person(*number)).collect();
        let merged = employees.keys().copied().filter(|number| people.contains(&person(*number)));
        Ok(merged.chain(numbers.iter().copied()).collect::<BTreeSet<u32>>().into_iter().collect())
    }

    pub(super) fn wipe(&mut self, numbers: &[u32]) -> Result<(), Error> {
        let revision = self.next.revision + 1;
        let lent = self.next.lent(numbers);
        let is_lent =
            |number: u32, revision: u64| lent.iter().any(|(other, span)| *other == number && span.contains(&revision));
        let Maps { history, held, plans, queue, remembered, erased, .. } = &mut self.next;
        let is_wiped = |change: &OwnedChange| numbers.contains(&change.number);
        let past = || {
            history
                .iter()
                .flatten()
                .filter(|change| is_wiped(change))
                .flat_map(|change| [&change.before, &change.after])
        };
        let ids: BTreeSet<String> = past().flatten().map(|version| version.id.clone()).collect();
        let values: BTreeSet<Vec<u8>> = past()
            .flatten()
            .flat_map(|version| version.data.iter().map(|(_, value)| value.to_ascii_lowercase().into()))
            .collect();
        let alias = |id: &mut String, number: u32| {
            if values.contains(id.to_ascii_lowercase().as_bytes()) {
                *id = format!("erased-{number}");
            }
        };
        let wipe = |number: u32, version: &mut Option<Employee>| {
            if let Some(version) = version {
                version.data.clear();
                alias(&mut version.id, number);
            }
        };
        for change in history.iter_mut().flatten().filter(|change| is_wiped(change)) {
            wipe(change.number, &mut change.before);
            wipe(change.number, &mut change.after);
        }
        let mut since: BTreeMap<u32, u64> = BTreeMap::new();
        for (revision, changes) in (1..).zip(history.iter_mut()) {
            for change in changes {
                let before = since.insert(change.number, revision).unwrap_or(0);
                if is_lent(change.number, before) {
                    wipe(change.number, &mut change.before);
                }
                if is_lent(change.number, revision) {
                    wipe(change.number, &mut change.after);
                }
            }
        }
        for number in numbers {
            self.before.get_mut(number).into_iter().for_each(|before| wipe(*number, before));
            erased.insert(*number, revision);
        }
        held.retain(|held| !numbers.contains(&held.number));
        for plan in plans {
            let back_to = match &plan.plan.why {
                Why::Undo(undo) => Some(undo.undone.from - 1),
                _ => None,
            };
            let revision = plan.plan.base.revision;
            let has_lent =
                |number| is_lent(number, revision) || back_to.is_some_and(|back_to| is_lent(number, back_to));
            plan.changes.retain(|planned| !has_lent(planned.change.number));
            plan.changes.retain(|planned| match (&planned.change.before, &planned.change.after) {
                (None, Some(after)) => !ids.contains(&after.id),
                _ => !is_wiped(&planned.change),
            });
        }
        queue.retain(|_, record| echospan::queued(record).id.is_none_or(|id| !ids.contains(&*id)));
        for set_aside in remembered.values_mut().filter_map(|earlier| earlier.set_aside.as_deref_mut()) {
            set_aside.errors.retain(|error| error.id.as_ref().is_none_or(|id| !ids.contains(id)));
        }
        self.next.emptied.extend(lent);
        Ok(())
    }

    pub(super) fn is_emptied(&mut self, numbers: &[u32], undone: Undone) -> Result<Vec<bool>, Error> {
        let Maps { erased, emptied, .. } = &self.next;
        let is_emptied = |number: &u32| {
            let spans = || emptied.iter().filter(|(other, _)| other == number).map(|(_, span)| span);
            erased.get(number).is_some_and(|erased| *erased >= undone.from)
                || spans().any(|span| span.contains(&(undone.from - 1)) || span.contains(&undone.to))
        };
        Ok(numbers.iter().map(is_emptied).collect())
    }

    pub(super) fn erased(&mut self, numbers: &[u32]) -> Result<Vec<Option<u64>>, Error> {
        Ok(numbers.iter().map(|number| self.next.erased.get(number).copied()).collect())
    }

    pub(super) fn revision(&self) -> u64 {
        self.next.revision
    }

    pub(super) fn has_moved_since(&mut self, revision: u64, _: u32) -> Result<bool, Error> {
        Ok(self.next.employees.values().any(|(_, of_change)| *of_change > revision))
    }

    pub(super) fn undoable(&mut self, Undone { from, to }: Undone) -> Result<Undoable, Error> {
        let mut profiles = BTreeSet::new();
        for revision in from..=to {
            let Some(sync) = self.sync(revision) else {
                return Ok(Undoable::default());
            };
            let Counts { created, updated, activated, hidden, .. } = sync.counts;
            if created + updated + activated + hidden > 0 || matches!(sync.kind, SyncKind::Rename | SyncKind::Undo(_)) {
                profiles.extend(self.next.profiles.get(sync.profile as usize - 1).map(|(id, _)| *id));
            }
        }
        Ok(Undoable { is_kept: true, restored: None, profiles: profiles.into_iter().collect() })
    }

    fn sync(&self, revision: u64) -> Option<&Sync> {
        self.next.syncs.get(usize::try_from(revision).ok()?.checked_sub(1)?)
    }

    pub(super) fn changed_in(&mut self, Undone { from, to }: Undone) -> Result<Vec<u32>, Error> {
        let changes = (1..).zip(&self.next.history).filter(|(revision, _)| (from..=to).contains(revision));
        let numbers: BTreeSet<u32> =
            changes.flat_map(|(_, changes)| changes.iter().map(|change| change.number)).collect();
        Ok(numbers.into_iter().collect())
    }

    pub(super) fn read_at(&mut self, numbers: &[u32], revision: u64) -> Result<Vec<Option<VersionAt>>, Error> {
        let at = |number: &u32| {
            let changes = (1..=revision).zip(&self.next.history).flat_map(|(revision, changes)| {
                changes.iter().map(move |change| (revision, change)).filter(|(_, change)| change.number == *number)
            });
            let (since, last) = changes.last()?;
            let absent = self.next.absent.get(&(since, *number)).copied();
            Some(VersionAt { employee: last.after.clone()?, since, absent })
        };
        Ok(numbers.iter().map(at).collect())
    }

    pub(super) fn plan(&mut self, id: &str) -> Result<Option<Plan>, Error> {
        Ok(self.next.plans.iter().map(|kept| &kept.plan).find(|plan| plan.id == id).cloned())
    }

    pub(super) fn plan_part(&mut self, plan: u32, after: u32) -> Result<Vec<PlannedChange>, Error> {
        let changes = self.next.plans.get(plan as usize).into_iter().flat_map(|kept| &kept.changes);
        Ok(changes.filter(|planned| planned.change.number > after).take(2).cloned().collect())
    }

    pub(super) fn plan_absences(&mut self, plan: u32, part: u32) -> Result<Absences, Error> {
        let kept = self.next.plans.get(plan as usize).filter(|_| part == 0);
        Ok(kept.map(|kept| kept.absences.clone()).unwrap_or_default())
    }

    pub(super) fn keep_as_plan(mut self, plan: NewPlan) -> Result<Plan, Error> {
        let changes = self.changes(0, usize::MAX)?.into_iter();
        let changes: Vec<PlannedChange> =
            changes.map(|change| PlannedChange { bytes: plan.accepted(change.number), change }).collect();
        let mut maps = self.roster.maps();
        if maps.revision != self.next.revision {
            return Err(Error::Changed { expected: self.next.revision, found: maps.revision });
        }
        plan.profile.fields.iter().for_each(|field| {
            maps.field(&field.name);
        });
        if maps.profiles.iter().all(|(id, _)| *id != plan.profile.id) {
            maps.profiles.push((plan.profile.id, BTreeMap::new()));
        }
        let base = plan.base(maps.revision);
        let absences = plan.absences;
        let is_same = |other: &&mut KeptPlan| {
            other.plan.state == PlanState::Waiting
                && other.plan.base == base
                && (&other.changes, &other.absences) == (&changes, &absences)
        };
        if let Some(same) = maps.plans.iter_mut().find(is_same) {
            if let (Why::DryRun(_), _) | (_, Why::Guards(_)) = (&same.plan.why, &plan.why) {
                same.plan.why = plan.why;
            }
            return Ok(same.plan.clone());
        }
        let number = number(maps.plans.len());
        let kept = Plan {
            id: format!("{number:032x}"),
            number,
            made_at: String::new(),
            expires_at: String::new(),
            state: PlanState::Waiting,
            why: plan.why,
            base,
            profile: plan.profile.id,
            sender: plan.sync.sender,
            as_of: plan.sync.as_of,
            employees: plan.sync.employees,
            counts: plan.sync.counts,
            changes: changes.len() as u64,
            suspects: plan.sync.suspects,
        };
        maps.plans.push(KeptPlan { plan: kept.clone(), changes, absences });
        Ok(kept)
    }

    pub(super) fn return_index(&mut self, _: Index, _: usize) {}
}
