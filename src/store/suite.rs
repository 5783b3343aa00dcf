//! One suite of tests for the port, run over each backend.

use super::{
    Commit, Draft, Earlier, Error, Held, IndexUpdate, Mark, NewPlan, OF_HIDDEN, PlanState, PlannedChange, Remember,
    Retry, Seen, Sender, Sync, SyncKind, Times, Undone, UniqueValue, Why,
};
use crate::limits::Limits;
use crate::profile::{self, Profile};
use crate::rejection::{Fault, Rejections, SetAside};
use crate::roster::{Absences, Change, Counts, Data, Employee, Flapping, Ignored, Missing, Status, Suspects, Tally};
use jiff::Timestamp;
use std::time::Duration;

const PROFILE: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Suite"
    [[field]]
    name = "A"
    type = "text"
    [[field]]
    name = "Badge"
    type = "text"
    unique = "active"
"#;

/// A roster whose drafts are tested.
trait Backend {
    fn new() -> Self;
    fn begin(&mut self) -> Result<Draft<'_>, Error>;
}

struct Sqlite {
    _folder: tempfile::TempDir,
    roster: super::Roster,
}

impl Backend for Sqlite {
    fn new() -> Sqlite {
        let folder = tempfile::tempdir().unwrap();
        let store = super::Store::open(folder.path(), None).unwrap();
        store.add_account(1, "", "secret", None).unwrap();
        let roster = store.roster(&store.key(1).unwrap().unwrap()).unwrap();
        Sqlite { _folder: folder, roster }
    }

    fn begin(&mut self) -> Result<Draft<'_>, Error> {
        self.roster.begin()
    }
}

impl Backend for super::memory::Roster {
    fn new() -> super::memory::Roster {
        super::memory::Roster::default()
    }

    fn begin(&mut self) -> Result<Draft<'_>, Error> {
        Ok(super::memory::Roster::begin(self))
    }
}

fn suite_profile() -> Profile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.toml");
    std::fs::write(&path, PROFILE).unwrap();
    profile::read(&path).unwrap()
}

fn person(id: &str, a: &str) -> Employee {
    let mut data = Data::default();
    data.push(1, a);
    Employee { id: id.into(), status: Status::Active, profile: 1, data }
}

fn created(number: u32, employee: &Employee) -> Change<'_> {
    Change { number, before: None, after: Some(employee.version()) }
}

fn changed<'a>(number: u32, before: &'a Employee, after: &'a Employee) -> Change<'a> {
    Change { number, before: Some(before.version()), after: Some(after.version()) }
}

fn commit() -> Commit {
    let (counts, sender) = (Counts::default(), Sender::default());
    let sync = Sync {
        kind: SyncKind::Push,
        profile: 1,
        rules: 1,
        created: 1..1,
        employees: 0,
        counts,
        set_aside: None,
        duration: Duration::ZERO,
        times: Times::default(),
        sender,
        as_of: None,
        is_usual: true,
        suspects: Suspects::default(),
    };
    Commit {
        sync,
        index: IndexUpdate::Entries(Vec::new()),
        index_bytes_max: 0,
        tally: Tally::default(),
        empties_queue: false,
        remember: None,
        seen: None,
        plan: None,
    }
}

/// Appends changes in a draft of their own, and commits them.
fn apply(backend: &mut impl Backend, changes: &[Change]) -> u64 {
    let mut draft = backend.begin().unwrap();
    draft.enter_profile(&suite_profile()).unwrap();
    draft.append(changes).unwrap();
    draft.commit(commit()).unwrap()
}

fn everybody(draft: &mut Draft) -> Vec<(u32, Employee)> {
    let mut all = Vec::new();
    loop {
        let last = all.last().map_or(0, |(number, _)| *number);
        let page = draft.scan(last, 2).unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn what_is_committed_is_there<B: Backend>() {
    let mut backend = B::new();
    let (ada, bob, eve) = (person("ada", "x"), person("bob", "y"), person("eve", "z"));
    assert_eq!(apply(&mut backend, &[created(1, &ada), created(2, &bob), created(3, &eve)]), 1);
    let mut draft = backend.begin().unwrap();
    assert_eq!(everybody(&mut draft), [(1, ada.clone()), (2, bob.clone()), (3, eve)]);
    assert_eq!(draft.find_ids(&["bob", "nobody"]).unwrap(), [Some((2, bob)), None]);
    assert_eq!(draft.read(&[1, 9]).unwrap(), [Some(ada), None]);
    assert_eq!(draft.active_of(1, 1, 1).unwrap(), [2]);
    assert!(draft.active_of(2, 0, 9).unwrap().is_empty());
    let numbers = draft.enter_profile(&suite_profile()).unwrap();
    assert_eq!(
        (numbers.profile, &numbers.fields[..], numbers.unique_changed, numbers.next),
        (1, &[1, 2][..], false, 4)
    );
    assert_eq!(draft.index().unwrap().len(), 3);
    assert_eq!(draft.profile_id(1).unwrap(), Some(suite_profile().id));
    assert_eq!((draft.profile_id(0).unwrap(), draft.profile_id(2).unwrap()), (None, None));
}

fn what_is_appended_is_seen_by_its_draft_only<B: Backend>() {
    let mut backend = B::new();
    let (before, after) = (person("ada", "x"), Employee { status: Status::Hidden, ..person("lovelace", "y") });
    apply(&mut backend, &[created(1, &before)]);
    let mut draft = backend.begin().unwrap();
    draft.append(&[changed(1, &before, &after)]).unwrap();
    assert_eq!(draft.read(&[1]).unwrap(), [Some(after.clone())]);
    assert_eq!(draft.find_ids(&["ada", "lovelace"]).unwrap(), [None, Some((1, after))]);
    assert!(draft.active_of(1, 0, 9).unwrap().is_empty());
    drop(draft);
    assert_eq!(everybody(&mut backend.begin().unwrap()), [(1, before)]);
}

fn a_merge_is_taken_back<B: Backend>() {
    let mut backend = B::new();
    let (old, new) = (Employee { status: Status::Hidden, ..person("ada", "x") }, person("lovelace", "y"));
    apply(&mut backend, &[created(1, &old), created(2, &new)]);
    let nobody = Employee::merged(2, 1);
    let changes = [changed(1, &old, &new), changed(2, &new, &nobody)];
    apply(&mut backend, &changes);
    let mut draft = backend.begin().unwrap();
    assert_eq!(draft.find_ids(&["ada", "lovelace"]).unwrap(), [None, Some((1, new.clone()))]);
    assert_eq!(draft.read(&[2]).unwrap(), [Some(nobody.clone())]);
    drop(draft);
    apply(&mut backend, &changes.map(Change::inverse));
    assert_eq!(everybody(&mut backend.begin().unwrap()), [(1, old.clone()), (2, new.clone())]);
}

fn changes_of_a_status_are_counted<B: Backend>() {
    let mut backend = B::new();
    let [(ada, away), (bob, _)] = ["ada", "bob"].map(|id| {
        let person = person(id, id);
        (person.clone(), Employee { status: Status::Hidden, ..person })
    });
    let moved = person("ada", "moved");
    apply(&mut backend, &[created(1, &ada), created(2, &bob)]);
    apply(&mut backend, &[changed(1, &ada, &away)]);
    apply(&mut backend, &[changed(1, &away, &ada)]);
    apply(&mut backend, &[changed(1, &ada, &moved)]);
    let mut draft = backend.begin().unwrap();
    draft.enter_profile(&suite_profile()).unwrap();
    draft.append(&[changed(1, &moved, &away)]).unwrap();
    assert_eq!(draft.status_changes(&[1, 2, 9], Timestamp::UNIX_EPOCH).unwrap(), [2, 0, 0]);
}

fn ids_are_exchanged<B: Backend>() {
    let mut backend = B::new();
    let (ada, bob) = (person("ada", "x"), person("bob", "y"));
    apply(&mut backend, &[created(1, &ada), created(2, &bob)]);
    let (one, two) = (person("bob", "x"), person("ada", "y"));
    apply(&mut backend, &[changed(1, &ada, &one), changed(2, &bob, &two)]);
    assert_eq!(everybody(&mut backend.begin().unwrap()), [(1, one), (2, two)]);
}

fn an_inverse_takes_back<B: Backend>() {
    let mut backend = B::new();
    let (ada, bob, later) = (person("ada", "x"), person("bob", "y"), person("augusta", "z"));
    apply(&mut backend, &[created(1, &ada)]);
    let changes = [changed(1, &ada, &later), created(2, &bob)];
    apply(&mut backend, &changes);
    apply(&mut backend, &changes.map(Change::inverse));
    assert_eq!(everybody(&mut backend.begin().unwrap()), [(1, ada)]);
}

fn the_one_who_changed_last_holds_a_value_first<B: Backend>() {
    let mut backend = B::new();
    let people = ["a", "b", "c"].map(|id| person(id, id));
    let value = UniqueValue { field: 2 | OF_HIDDEN, hash: 7 << 70 | 5 };
    let other = UniqueValue { hash: 8, ..value };
    let mut draft = backend.begin().unwrap();
    draft.enter_profile(&suite_profile()).unwrap();
    assert_eq!(draft.holders(&[value]).unwrap(), [Vec::<u32>::new()]);
    let numbered: Vec<Change> = (1..).zip(&people).map(|(number, person)| created(number, person)).collect();
    draft.append(&numbered).unwrap();
    draft.hold(&mut [1, 2, 3].map(|number| Held::new(value, number)).into_iter()).unwrap();
    draft.hold(&mut std::iter::once(Held::new(other, 1))).unwrap();
    draft.commit(commit()).unwrap();
    let moved = person("b", "moved");
    apply(&mut backend, &[changed(2, &people[1], &moved)]);
    let mut draft = backend.begin().unwrap();
    assert_eq!(draft.holders(&[value, other]).unwrap(), [vec![2, 3], vec![1]]);
    draft.release(&[Held::new(value, 2)]).unwrap();
    assert_eq!(draft.holders(&[value]).unwrap(), [[3, 1]]);
}

fn other_unique_fields_mean_that_nobody_holds_anything<B: Backend>() {
    let mut backend = B::new();
    let mut draft = backend.begin().unwrap();
    let profile = suite_profile();
    assert!(draft.enter_profile(&profile).unwrap().unique_changed);
    let value = UniqueValue { field: 2, hash: 5 };
    draft.append(&[created(1, &person("ada", "x"))]).unwrap();
    draft.hold(&mut std::iter::once(Held::new(value, 1))).unwrap();
    draft.commit(commit()).unwrap();
    let mut profile = profile;
    profile.fields[0].unique = crate::profile::Unique::Roster;
    let mut draft = backend.begin().unwrap();
    assert_eq!(draft.holders(&[value]).unwrap(), [[1]]);
    let numbers = draft.enter_profile(&profile).unwrap();
    assert!(numbers.unique_changed && numbers.unique.len() == 2);
    assert_eq!(draft.holders(&[value]).unwrap(), [Vec::<u32>::new()]);
}

const SEEN: Seen =
    Seen { mark: Mark { hash: [5; 32], good_until: i64::MAX, is_nonce: false }, fingerprint: [6; 32], kept_max: 9 };

fn set_aside() -> Box<SetAside> {
    let (rule, message) = ("max", "is too long".to_owned());
    let mut rejections = Rejections::new(1);
    (0..2).for_each(|index| rejections.add(Some(index), Some("7"), Fault::of_client("A", rule, message.clone())));
    Box::new(SetAside::new(2, rejections))
}

fn suspects() -> Suspects {
    let mut suspects = Suspects::default();
    suspects.flapping.add(|| Flapping { id: "7".into(), times: 3 });
    suspects
}

fn a_push_with_a_key_and_a_time_is_remembered_once_it_is_committed<B: Backend>() {
    let mut backend = B::new();
    let as_of = Some("2026-01-31T06:00:00.25Z".parse().unwrap());
    let counts = Counts { created: 2, ..Counts::default() };
    let keyed = |key: &str| {
        let retry = Retry { key: key.into(), fingerprint: [7; 32] };
        let remember = Remember {
            retry,
            first: Some(3),
            ignored: Ignored::of(&["a\nb".into()]),
            set_aside: Some(set_aside()),
            kept_max: 2,
        };
        let commit = commit();
        Commit {
            sync: Sync { counts, employees: 2, as_of, suspects: suspects(), ..commit.sync },
            remember: Some(remember),
            seen: Some(SEEN),
            ..commit
        }
    };
    let mut draft = backend.begin().unwrap();
    draft.enter_profile(&suite_profile()).unwrap();
    assert_eq!((draft.earlier("one").unwrap(), draft.last_as_of().unwrap()), (None, None));
    draft.commit(keyed("one")).unwrap();
    apply(&mut backend, &[]);
    let mut draft = backend.begin().unwrap();
    let earlier = Earlier {
        fingerprint: [7; 32],
        revision: 1,
        first: Some(3),
        ignored: Ignored::of(&["a\nb".into()]),
        set_aside: Some(set_aside()),
        employees: 2,
        counts,
        duration: Duration::ZERO,
        suspects: suspects(),
    };
    assert_eq!(draft.earlier("one").unwrap(), Some(earlier));
    assert_eq!((draft.earlier("two").unwrap(), draft.last_as_of().unwrap()), (None, as_of));
    assert_eq!(draft.seen(&SEEN.mark).unwrap(), Some([6; 32]));
    assert_eq!(draft.seen(&Mark { hash: [1; 32], ..SEEN.mark }).unwrap(), None);
}

fn absences() -> Absences {
    Absences { ended: vec![9], noted: vec![Missing { number: 2, pushes: 1, is_hidden: false }] }
}

fn a_plan_is_what_was_appended_and_the_roster_stays<B: Backend>() {
    let mut backend = B::new();
    let (ada, bob) = (person("ada", "x"), person("bob", "y"));
    apply(&mut backend, &[created(1, &ada), created(2, &bob)]);
    let (renamed, eve) = (Employee { status: Status::Hidden, ..person("lovelace", "z") }, person("eve", "e"));
    let profile = suite_profile();
    let limits = Limits::default();
    let keep = |backend: &mut B| {
        let mut draft = backend.begin().unwrap();
        let numbers = draft.enter_profile(&profile).unwrap();
        draft.append(&[changed(1, &ada, &renamed), created(3, &eve)]).unwrap();
        let expected = [changed(1, &ada, &renamed), created(3, &eve)].map(|change| change.to_owned());
        assert_eq!(draft.changes(0, 9).unwrap(), expected);
        assert_eq!(draft.changes(0, 1).unwrap(), expected[..1]);
        assert_eq!(draft.changes(1, 9).unwrap(), expected[1..]);
        let (sync, spool_dir) = (commit().sync, &std::env::temp_dir());
        let (why, accepted) = (Why::DryRun(Vec::new()), vec![(3, 7)]);
        let absences = absences();
        let plan =
            NewPlan { sync, why, profile: &profile, numbers: &numbers, accepted, absences, limits: &limits, spool_dir };
        draft.keep_as_plan(plan).unwrap()
    };
    let plan = keep(&mut backend);
    assert_eq!(keep(&mut backend).id, plan.id, "the same changes make no other plan");
    let mut draft = backend.begin().unwrap();
    let numbers = draft.enter_profile(&profile).unwrap();
    draft.append(&[changed(1, &ada, &renamed), created(3, &eve)]).unwrap();
    draft.start_over(&profile).unwrap();
    assert!(draft.changes(0, 9).unwrap().is_empty());
    assert_eq!(draft.enter_profile(&profile).unwrap(), numbers);
    assert_eq!(everybody(&mut draft), [(1, ada.clone()), (2, bob.clone())]);
    assert_eq!((draft.revision(), draft.revisions(&[2, 9]).unwrap()), (1, vec![Some(1), None]));
    assert_eq!(draft.plan(&plan.id).unwrap(), Some(plan.clone()));
    assert_eq!(draft.plan("another").unwrap(), None);
    let part = draft.plan_part(plan.number, 0).unwrap();
    let changes = [changed(1, &ada, &renamed), created(3, &eve)].map(|change| change.to_owned());
    assert_eq!(
        part,
        changes.into_iter().zip([0, 7]).map(|(change, bytes)| PlannedChange { change, bytes }).collect::<Vec<_>>()
    );
    assert!(draft.plan_part(plan.number, 3).unwrap().is_empty());
    assert_eq!(draft.plan_absences(plan.number, 0).unwrap(), absences());
    assert!(draft.plan_absences(plan.number, 1).unwrap().is_empty());
    assert!(!draft.has_moved_since(1, 3).unwrap());
    draft.enter_profile(&profile).unwrap();
    draft.append(&[changed(1, &ada, &renamed)]).unwrap();
    assert_eq!(draft.commit(Commit { plan: Some(plan.number), ..commit() }).unwrap(), 2);
    let mut draft = backend.begin().unwrap();
    assert_eq!(draft.plan(&plan.id).unwrap().unwrap().state, PlanState::Applied { revision: 2 });
    assert!(draft.has_moved_since(1, 3).unwrap() && !draft.has_moved_since(2, 3).unwrap());
}

fn who_is_missing_is_noted_until_they_come_back<B: Backend>() {
    let mut backend = B::new();
    let people = ["a", "b", "c"].map(|id| person(id, id));
    let numbered: Vec<Change> = (1..).zip(&people).map(|(number, person)| created(number, person)).collect();
    apply(&mut backend, &numbered);
    let hidden = people.clone().map(|person| Employee { status: Status::Hidden, ..person });
    let missing = |number, is_hidden| Missing { number, pushes: 1, is_hidden };
    let mut draft = backend.begin().unwrap();
    draft.enter_profile(&suite_profile()).unwrap();
    assert!(!draft.any_missing());
    draft.append(&[changed(1, &people[0], &hidden[0])]).unwrap();
    draft.note_missing(&[missing(1, true), missing(2, false), missing(3, false)]).unwrap();
    draft.note_missing(&[Missing { pushes: 2, ..missing(3, false) }]).unwrap();
    draft.commit(commit()).unwrap();
    let mut draft = backend.begin().unwrap();
    draft.enter_profile(&suite_profile()).unwrap();
    assert!(draft.any_missing());
    assert_eq!(draft.missing().unwrap(), [missing(2, false), Missing { pushes: 2, ..missing(3, false) }]);
    assert_eq!(draft.hidden_by_absence(&[1, 2, 9]).unwrap(), [true, false, false]);
    draft.append(&[changed(1, &hidden[0], &people[0]), changed(2, &people[1], &hidden[1])]).unwrap();
    draft.forget_missing(&[3]).unwrap();
    draft.commit(commit()).unwrap();
    let mut draft = backend.begin().unwrap();
    assert!(!draft.any_missing() && draft.missing().unwrap().is_empty());
    assert_eq!(draft.hidden_by_absence(&[1, 2]).unwrap(), [false, false]);
}

fn who_is_removed_gives_up_the_id_and_can_come_back<B: Backend>() {
    let mut backend = B::new();
    let (ada, bob) = (person("ada", "x"), person("bob", "y"));
    let mut draft = backend.begin().unwrap();
    draft.enter_profile(&suite_profile()).unwrap();
    draft.append(&[created(1, &ada), created(2, &bob)]).unwrap();
    let sync = Sync { created: 1..3, ..commit().sync };
    draft.commit(Commit { sync, ..commit() }).unwrap();
    let (removed, bob_as_ada) = (Employee::removed(1), Employee { id: "ada".into(), ..bob.clone() });
    apply(&mut backend, &[changed(2, &bob, &bob_as_ada), changed(1, &ada, &removed)]);
    let mut draft = backend.begin().unwrap();
    assert_eq!(draft.find_ids(&["ada", "bob"]).unwrap(), [Some((2, bob_as_ada.clone())), None]);
    draft.enter_profile(&suite_profile()).unwrap();
    draft.append(&[changed(1, &removed, &ada), changed(2, &bob_as_ada, &bob)]).unwrap();
    assert_eq!(draft.commit(commit()).unwrap(), 3);
    let mut draft = backend.begin().unwrap();
    assert_eq!(draft.find_ids(&["ada", "bob"]).unwrap(), [Some((1, ada.clone())), Some((2, bob.clone()))]);
    let at = |draft: &mut Draft, revision| {
        let versions = draft.read_at(&[1, 2, 3], revision).unwrap().into_iter();
        versions.map(|version| version.map(|version| (version.employee, version.since))).collect::<Vec<_>>()
    };
    assert_eq!(at(&mut draft, 0), [None, None, None]);
    assert_eq!(at(&mut draft, 1), [Some((ada.clone(), 1)), Some((bob.clone(), 1)), None]);
    assert_eq!(at(&mut draft, 2), [Some((removed, 2)), Some((bob_as_ada, 2)), None]);
    assert_eq!(at(&mut draft, 3), [Some((ada, 3)), Some((bob, 3)), None]);
    for (undone, numbers) in [((1, 1), vec![1, 2]), ((2, 2), vec![1, 2]), ((4, 4), Vec::new())] {
        assert_eq!(draft.changed_in(Undone { from: undone.0, to: undone.1 }).unwrap(), numbers);
    }
    assert!(!draft.undoable(Undone { from: 3, to: 4 }).unwrap().is_kept);
    assert!(draft.undoable(Undone { from: 1, to: 3 }).unwrap().is_kept);
}

fn who_is_wiped_has_no_values_and_stays_known<B: Backend>() {
    let mut backend = B::new();
    let (ada, bob, later) = (person("ada", "x"), person("bob", "y"), person("ada", "z"));
    apply(&mut backend, &[created(1, &ada), created(2, &bob)]);
    let value = UniqueValue { field: 1, hash: 5 };
    let mut draft = backend.begin().unwrap();
    let numbers = draft.enter_profile(&suite_profile()).unwrap();
    draft.append(&[changed(1, &ada, &later), changed(2, &bob, &person("bob", "z"))]).unwrap();
    let (sync, spool_dir, profile) = (commit().sync, &std::env::temp_dir(), &suite_profile());
    let (why, accepted, limits) = (Why::DryRun(Vec::new()), Vec::new(), &Limits::default());
    let plan = NewPlan { sync, why, profile, numbers: &numbers, accepted, absences: absences(), limits, spool_dir };
    let plan = draft.keep_as_plan(plan).unwrap();
    let mut draft = backend.begin().unwrap();
    draft.enter_profile(&suite_profile()).unwrap();
    draft.append(&[changed(1, &ada, &later)]).unwrap();
    draft.hold(&mut std::iter::once(Held::new(value, 2))).unwrap();
    draft.commit(commit()).unwrap();

    let mut draft = backend.begin().unwrap();
    assert_eq!(draft.erased(&[1, 2]).unwrap(), [None, None]);
    let removed = Employee::removed(1);
    draft.append(&[changed(1, &later, &removed)]).unwrap();
    draft.wipe(&[1]).unwrap();
    assert_eq!(draft.commit(commit()).unwrap(), 3);
    let mut draft = backend.begin().unwrap();
    assert_eq!(draft.erased(&[1, 2]).unwrap(), [Some(3), None]);
    assert_eq!(draft.read(&[1, 2]).unwrap(), [Some(removed.clone()), Some(bob.clone())]);
    let mut at = |revision| draft.read_at(&[1], revision).unwrap().remove(0).unwrap().employee;
    let without_values = Employee { data: Data::default(), ..ada };
    assert_eq!((at(1), at(2), at(3)), (without_values.clone(), without_values, removed));
    assert_eq!(draft.holders(&[value]).unwrap(), [[2]]);
    let planned: Vec<u32> =
        draft.plan_part(plan.number, 0).unwrap().iter().map(|planned| planned.change.number).collect();
    assert_eq!(planned, [2]);
}

fn who_was_merged_is_the_same_person<B: Backend>() {
    let mut backend = B::new();
    let people: Vec<Employee> = (1..=5).map(|n| person(&n.to_string(), &n.to_string())).collect();
    let all: Vec<Change> = (1..).zip(&people).map(|(number, person)| created(number, person)).collect();
    apply(&mut backend, &all);
    // 4 is merged into 2, and 2 into 1.
    for (number, into) in [(4, 2), (2, 1)] {
        apply(&mut backend, &[changed(number, &people[number as usize - 1], &Employee::merged(number, into))]);
    }
    let mut draft = backend.begin().unwrap();
    for number in [1, 2, 4] {
        assert_eq!(draft.with_merged(&[number]).unwrap(), [1, 2, 4], "{number}");
    }
    assert_eq!(draft.with_merged(&[5, 4]).unwrap(), [1, 2, 4, 5]);
    assert_eq!(draft.with_merged(&[3]).unwrap(), [3]);
    assert!(draft.with_merged(&[]).unwrap().is_empty());
    draft.enter_profile(&suite_profile()).unwrap();
    draft.append(&[changed(1, &people[0], &Employee::removed(1))]).unwrap();
    draft.wipe(&[1, 2, 4]).unwrap();
    draft.commit(commit()).unwrap();
    let mut draft = backend.begin().unwrap();
    let data = |employee: &Employee| employee.data.as_bytes().len();
    let first: Vec<usize> =
        draft.read_at(&[1, 2, 4, 5], 1).unwrap().iter().flatten().map(|then| data(&then.employee)).collect();
    assert_eq!(first, [0, 0, 0, data(&people[4])]);
    // They stay one person.
    assert_eq!(draft.with_merged(&[4]).unwrap(), [1, 2, 4]);
}

fn who_was_one_with_a_wiped_employee_keeps_none_of_its_values<B: Backend>() {
    let mut backend = B::new();
    let (ada, eve) = (person("ada", "x"), person("eve", "y"));
    apply(&mut backend, &[created(1, &ada), created(2, &eve)]);
    // Eve is merged into Ada, who is changed under her id, and the two are two again.
    let (both, later, merged) = (person("eve", "y"), person("eve", "z"), Employee::merged(2, 1));
    apply(&mut backend, &[changed(1, &ada, &both), changed(2, &eve, &merged)]);
    apply(&mut backend, &[changed(1, &both, &later)]);
    apply(&mut backend, &[changed(1, &later, &ada), changed(2, &merged, &eve)]);
    let grown = person("ada", "w");
    apply(&mut backend, &[changed(1, &ada, &grown)]);
    let mut draft = backend.begin().unwrap();
    let undone = |from, to| Undone { from, to };
    assert_eq!(draft.is_emptied(&[1, 2], undone(2, 2)).unwrap(), [false, false]);
    draft.append(&[changed(2, &eve, &Employee::removed(2))]).unwrap();
    draft.wipe(&[2]).unwrap();
    assert_eq!(draft.commit(commit()).unwrap(), 6);
    let mut draft = backend.begin().unwrap();
    assert_eq!(draft.read(&[1]).unwrap(), [Some(grown)]);
    let values = |employee: Employee| employee.data.iter().map(|(_, value)| value.to_owned()).collect::<Vec<_>>();
    let mut at = |revision| values(draft.read_at(&[1], revision).unwrap().remove(0).unwrap().employee);
    assert_eq!(
        [1, 2, 3, 4, 5].map(&mut at),
        [vec!["x"], vec![], vec![], vec!["x"], vec!["w"]]
            .map(|of| of.into_iter().map(str::to_owned).collect::<Vec<_>>())
    );
    for (from, to, emptied) in [(1, 1, false), (2, 2, true), (3, 3, true), (4, 4, true), (5, 5, false), (2, 4, false)] {
        assert_eq!(draft.is_emptied(&[1], undone(from, to)).unwrap(), [emptied], "{from} to {to}");
    }
    assert_eq!(draft.is_emptied(&[2], undone(5, 5)).unwrap(), [true]);
}

macro_rules! suite {
    ($($backend:ident: $type:ty),*) => {
        $(mod $backend {
            suite!(@tests $type: a_merge_is_taken_back, changes_of_a_status_are_counted, a_plan_is_what_was_appended_and_the_roster_stays, what_is_committed_is_there, what_is_appended_is_seen_by_its_draft_only, ids_are_exchanged, who_is_missing_is_noted_until_they_come_back,
                who_is_removed_gives_up_the_id_and_can_come_back,
                who_is_wiped_has_no_values_and_stays_known,
                who_was_one_with_a_wiped_employee_keeps_none_of_its_values, who_was_merged_is_the_same_person,
                an_inverse_takes_back, the_one_who_changed_last_holds_a_value_first,
                other_unique_fields_mean_that_nobody_holds_anything,
                a_push_with_a_key_and_a_time_is_remembered_once_it_is_committed);
        })*
    };
    (@tests $type:ty: $($test:ident),*) => {
        $(#[test]
        fn $test() {
            super::$test::<$type>();
        })*
    };
}

suite!(sqlite: super::Sqlite, memory: crate::store::memory::Roster);

#[test]
fn of_two_drafts_at_one_revision_one_is_committed() {
    let roster = super::memory::Roster::default();
    let (one, other) = (roster.begin(), roster.begin());
    assert_eq!(one.commit(commit()).unwrap(), 1);
    assert!(matches!(other.commit(commit()), Err(Error::Changed { expected: 0, found: 1 })));
}
