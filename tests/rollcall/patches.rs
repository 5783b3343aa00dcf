//! Patches and whole pushes by turns: both backends and a plain map agree about acceptance, counts and the stored roster.

use super::world::cases;
use bytes::Bytes;
use proptest::prelude::*;
use rollcall::dialect::Dialect;
use rollcall::limits::Limits;
use rollcall::profile::Profile;
use rollcall::roster::{Absent, Counts, Coverage, Employee, GuardSettings, Intent, Status};
use rollcall::server::STARTEXAM;
use rollcall::store::{Draft, Error, Profiles, Roster, Store, memory};
use rollcall::sync::{
    ApplyPlan, Body, Conditions, Failure, LeftOut, Moved, Push, Receipt, Source, Trace, apply_plan, plan, sync,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tempfile::TempDir;

const PROFILE: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Patched"
    grace = 1
    [[field]]
    name = "A"
    type = "text"
    required = true
    max_length = 3
    wire = { collaborator = "firstname" }
    [[field]]
    name = "E"
    type = "email"
    unique = "active"
    wire = { collaborator = "email" }
    [[field]]
    name = "M"
    type = "reference"
    to = "id"
    acyclic = true
    wire = { collaborator = "manager_uid" }
"#;

const GRACE: u32 = 1;

const HIDE: Coverage = Coverage::Everybody { absent: Some(Absent::Hide), otherwise: Absent::Stay, may_be_empty: false };

const WIRE: [(&str, &str); 3] = [("A", "firstname"), ("E", "email"), ("M", "manager_uid")];

/// One employee of a push: id, status, values by field.
#[derive(Debug, Clone)]
struct Row {
    id: String,
    status: Option<Status>,
    data: BTreeMap<&'static str, String>,
    must_exist: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Patch(Vec<Row>, bool, Way),
    Whole(Vec<Row>, bool, Way),
    Restart,
}

/// How a push is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Directly,
    AfterDryRun,
    AsPlan,
}

/// A roster that is pushed to.
enum Backend {
    Stored(Roster),
    Model(memory::Roster),
}

impl Backend {
    fn begin(&mut self) -> Result<Draft<'_>, Error> {
        match self {
            Backend::Stored(roster) => roster.begin(),
            Backend::Model(roster) => Ok(roster.begin()),
        }
    }
}

type Plain = BTreeMap<String, (Status, BTreeMap<&'static str, String>)>;

fn row() -> impl Strategy<Value = Row> {
    let id = "[a-f]";
    let status = prop::option::of(prop_oneof![3 => Just(Status::Active), 1 => Just(Status::Hidden)]);
    let a = prop::option::weighted(
        0.8,
        prop_oneof![9 => "[xy]{1,3}", 1 => Just(String::new()), 1 => Just("long".to_owned())],
    );
    let e = prop::option::weighted(
        0.4,
        prop_oneof![6 => "[a-f]@[x]", 1 => Just(String::new()), 1 => Just("bad".to_owned())],
    );
    let m = prop::option::weighted(0.3, prop_oneof!["[a-g]", Just(String::new())]);
    (id, status, a, e, m, prop::bool::weighted(0.1)).prop_map(|(id, status, a, e, m, must_exist)| {
        let data = [("A", a), ("E", e), ("M", m)];
        let data = data.into_iter().filter_map(|(field, value)| Some((field, value?))).collect();
        Row { id, status, data, must_exist }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let way = || prop_oneof![Just(Way::Directly), Just(Way::AfterDryRun), Just(Way::AsPlan)];
    prop_oneof![
        6 => (prop::collection::vec(row(), 1..4), prop::bool::weighted(0.2), way())
            .prop_map(|(rows, hide, way)| Step::Patch(rows, hide, way)),
        3 => (prop::collection::vec(row(), 1..5), prop::bool::weighted(0.4), way())
            .prop_map(|(rows, hide, way)| Step::Whole(rows, hide, way)),
        1 => Just(Step::Restart),
    ]
}

/// From how many lists in a row somebody was missing, and whether the last of them has hidden them.
type Absences = BTreeMap<String, (u32, bool)>;

/// Returns the roster and the counts that a push leads to; `None` if it is refused.
fn plain(
    before: &Plain,
    absences: &mut Absences,
    rows: &[Row],
    whole: bool,
    hide_absent: bool,
) -> Option<(Plain, Counts)> {
    let (mut after, mut counts, mut carried) = (before.clone(), Counts::default(), BTreeSet::new());
    let is_list = whole || hide_absent;
    let mut absent = absences.clone();
    for row in rows {
        let stored = before.get(&row.id);
        if !carried.insert(row.id.clone()) || (row.must_exist && !whole && stored.is_none()) {
            return None;
        }
        let status = match row.status {
            Some(status) => status,
            None if whole => Status::Active,
            None if hide_absent && absent.get(&row.id).is_some_and(|(_, is_hidden)| *is_hidden) => Status::Active,
            None => stored.map_or(Status::Active, |(status, _)| *status),
        };
        let is_named_hidden = status == Status::Hidden && (whole || row.status.is_some());
        if stored.is_some_and(|(before, _)| *before != status)
            || absent.get(&row.id).is_some_and(|(_, is_hidden)| if *is_hidden { is_named_hidden } else { is_list })
        {
            absent.remove(&row.id);
        }
        let leaver = whole && status == Status::Hidden && row.data.is_empty();
        let mut data = match stored {
            Some((_, data)) if !whole || leaver => data.clone(),
            _ => BTreeMap::new(),
        };
        for (field, value) in &row.data {
            match (*field, value.as_str()) {
                ("A", "long") | ("E", "bad") => return None,
                (_, "") => drop(data.remove(field)),
                _ => drop(data.insert(field, value.clone())),
            }
        }
        let comes = stored.is_none_or(|(before, _)| (*before, status) == (Status::Hidden, Status::Active));
        let required = !leaver && (whole || comes || row.data.contains_key("A"));
        if required && !data.contains_key("A") {
            return None;
        }
        match stored {
            None => counts.created += 1,
            Some((status_before, data_before)) => {
                counts.updated += u64::from(data != *data_before);
                counts.activated += u64::from((*status_before, status) == (Status::Hidden, Status::Active));
                counts.hidden += u64::from((*status_before, status) == (Status::Active, Status::Hidden));
                counts.unchanged += u64::from(data == *data_before && status == *status_before);
            }
        }
        after.insert(row.id.clone(), (status, data));
    }
    if hide_absent {
        let missing = after.iter_mut().filter(|(id, (status, _))| !carried.contains(*id) && *status == Status::Active);
        for (id, (status, _)) in missing {
            let (pushes, is_hidden) = absent.entry(id.clone()).or_default();
            *pushes += 1;
            *is_hidden = *pushes > GRACE;
            if *is_hidden {
                counts.hidden += 1;
                *status = Status::Hidden;
            }
        }
    }
    let mut mails = BTreeSet::new();
    for (id, (status, data)) in &after {
        let taken = data.get("E").is_some_and(|mail| *status == Status::Active && !mails.insert(mail));
        let mut chain = BTreeSet::from([id]);
        let mut at = data.get("M");
        while let Some(manager) = at {
            let (_, data) = after.get(manager)?;
            if !chain.insert(manager) {
                return None;
            }
            at = data.get("M");
        }
        if taken {
            return None;
        }
    }
    *absences = absent;
    Some((after, counts))
}

struct Patched {
    folder: TempDir,
    store: Store,
    profiles: Profiles,
    profile: Arc<Profile>,
    limits: Limits,
    model: memory::Roster,
}

impl Patched {
    fn new() -> Patched {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("profiles")).unwrap();
        std::fs::write(folder.path().join("profiles/patched.toml"), PROFILE).unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        store.add_account(1, "", "secret", None).unwrap();
        let profiles = Profiles::open(&store, &folder.path().join("profiles")).unwrap().0;
        let profile = profiles.of_account(1).remove(0);
        Patched { folder, store, profiles, profile, limits: Limits::default(), model: memory::Roster::default() }
    }

    fn push(&self, dialect: Dialect, coverage: Coverage) -> Push<'_> {
        let guards = GuardSettings::new();
        let (limits, spool_dir, conditions) = (&self.limits, self.folder.path(), Conditions::default());
        Push { dialect, limits, spool_dir, coverage, guards, conditions }
    }

    fn patch(&self, rows: &[Row]) -> Source<'_> {
        let wire = |field: &str| WIRE.iter().find(|(name, _)| *name == field).unwrap().1;
        let intents = rows.iter().map(|row| {
            let data = row.data.iter().map(|(field, value)| (wire(field).into(), value.clone().into())).collect();
            let (id, status, must_exist) = (Some(row.id.clone().into()), row.status, row.must_exist);
            Ok(Intent { id, status, data, must_exist, ..Intent::default() })
        });
        let intents: Vec<_> = intents.collect();
        Source::Intents { profile: self.profile.clone(), intents: Box::new(intents.into_iter()) }
    }

    fn whole(&self, rows: &[Row]) -> Source<'_> {
        let employees: Vec<_> = rows
            .iter()
            .map(|row| {
                let data: Vec<_> =
                    row.data.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
                json!({ "id": row.id, "status": row.status.unwrap_or(Status::Active).as_str(), "data": data })
            })
            .collect();
        let body = json!({ "profileId": self.profile.id, "employees": employees }).to_string();
        let mut pieces = Some(Bytes::from(body)).into_iter();
        let pieces = Box::new(move || Ok(pieces.next()));
        Source::Body(Body { account: 1, format: &STARTEXAM, profiles: &self.profiles, pieces })
    }

    /// Carries out a step on one backend. What a dry run says is what is done then.
    fn carry_out(&self, step: &Step, mut backend: Backend) -> Result<Receipt, Failure> {
        let (push, way) = match step {
            Step::Restart => unreachable!("a restart is no push"),
            Step::Patch(_, true, way) => (self.push(Dialect::Collaborator, HIDE), way),
            Step::Patch(_, false, way) => (self.push(Dialect::Collaborator, Coverage::Some), way),
            Step::Whole(_, true, way) => (self.push(Dialect::StartExam, HIDE), way),
            Step::Whole(_, false, way) => (self.push(Dialect::StartExam, Coverage::STAY), way),
        };
        let source = || match step {
            Step::Patch(rows, ..) => self.patch(rows),
            Step::Whole(rows, ..) => self.whole(rows),
            Step::Restart => unreachable!("a restart is no push"),
        };
        let mut trace = Trace::default();
        if let Way::Directly = way {
            return sync(&push, source(), || backend.begin(), &mut trace);
        }
        let planned = match plan(&push, source(), || backend.begin(), &mut trace) {
            Ok(planned) => planned.plan,
            Err(failure) => {
                assert!(sync(&push, source(), || backend.begin(), &mut trace).is_err(), "{step:?}: {failure:?}");
                return Err(failure);
            }
        };
        let receipt = match way {
            Way::AsPlan => {
                let again = plan(&push, source(), || backend.begin(), &mut trace)?.plan;
                assert_eq!(again.id, planned.id, "the same push makes no other plan");
                let (profiles, limits) = (&self.profiles, &self.limits);
                let apply = ApplyPlan { account: 1, id: &planned.id, moved: Moved::Refuse, profiles, limits };
                let (receipt, left_out) = apply_plan(&apply, backend.begin()?, &mut trace)?;
                assert_eq!(left_out, LeftOut::default());
                let again = apply_plan(&apply, backend.begin()?, &mut trace);
                assert!(matches!(again, Err(Failure::Plan(_))), "{again:?}");
                receipt
            }
            Way::AfterDryRun | Way::Directly => {
                Receipt { first: None, ..sync(&push, source(), || backend.begin(), &mut trace)? }
            }
        };
        assert_eq!((receipt.counts, receipt.employees), (planned.counts, planned.employees), "{step:?}");
        assert_eq!(receipt.revision, planned.base.revision + 1);
        Ok(receipt)
    }

    /// Carries out a step on both backends, whose results must be the same.
    fn step(&self, step: &Step) -> Result<Receipt, Failure> {
        let roster = self.store.roster(&self.store.key(1).unwrap().unwrap()).unwrap();
        let outcome = self.carry_out(step, Backend::Stored(roster));
        let model = self.carry_out(step, Backend::Model(self.model.clone()));
        match (outcome, model) {
            (Ok(receipt), Ok(model)) => {
                assert_eq!(Receipt { duration: model.duration, ..receipt.clone() }, model, "{step:?}");
                Ok(receipt)
            }
            (Err(Failure::Rejected(rejections)), Err(Failure::Rejected(model))) => {
                assert_eq!(rejections.clone().into_parts(), model.into_parts(), "{step:?}");
                Err(Failure::Rejected(rejections))
            }
            (outcome, model) => panic!("{step:?}: {outcome:?}, but {model:?}"),
        }
    }

    fn stored(&self) -> Plain {
        let roster = self.store.reader(&self.store.key(1).unwrap().unwrap()).unwrap();
        let stored = roster.page(None, 0, usize::MAX, usize::MAX).unwrap().employees;
        let names = roster.names().unwrap();
        let field = |number: &u32| WIRE.iter().find(|(name, _)| *name == names.fields[number]).unwrap().0;
        let modelled: Vec<Employee> = self.model.employees().into_iter().map(|(_, employee)| employee).collect();
        assert_eq!(stored, modelled, "the backends have the same");
        let stored = stored.into_iter().map(|employee| {
            let data = employee.data.iter().map(|(number, value)| (field(&number), value.to_owned())).collect();
            (employee.id.clone(), (employee.status, data))
        });
        stored.collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(120)))]

    #[test]
    fn patches_and_whole_pushes_do_what_a_map_would(steps in prop::collection::vec(step(), 1..14)) {
        let mut patched = Patched::new();
        let (mut expected, mut absences) = (Plain::new(), Absences::new());
        for step in steps {
            let (rows, planned) = match &step {
                Step::Restart => {
                    patched.store = Store::open(patched.folder.path(), None).unwrap();
                    continue;
                }
                Step::Patch(rows, hide, _) => (rows, plain(&expected, &mut absences, rows, false, *hide)),
                Step::Whole(rows, hide, _) => (rows, plain(&expected, &mut absences, rows, true, *hide)),
            };
            match (patched.step(&step), planned) {
                (Ok(receipt), Some((after, counts))) => {
                    prop_assert_eq!(receipt.counts, counts, "{:?}", step);
                    prop_assert_eq!(receipt.employees, rows.len() as u64);
                    expected = after;
                }
                (Err(Failure::Rejected(_)), None) => {}
                (outcome, planned) => prop_assert!(false, "{step:?}: {outcome:?}, planned {planned:?}"),
            }
            prop_assert_eq!(patched.stored(), expected.clone(), "{:?}", step);
        }
        // Everybody once more, as a whole push: if somebody counted as changed, the index would be wrong. A hidden employee may lack a
        // required value, and could not be pushed.
        let all: Vec<Row> = expected.iter().filter(|(_, (_, data))| data.is_empty() || data.contains_key("A")).map(|(id, (status, data))| {
            Row { id: id.clone(), status: Some(*status), data: data.clone(), must_exist: false }
        }).collect();
        if !all.is_empty() {
            for way in [Way::Directly, Way::AsPlan] {
                let receipt = patched.step(&Step::Whole(all.clone(), false, way)).unwrap();
                prop_assert_eq!(receipt.counts, Counts { unchanged: all.len() as u64, ..Counts::default() });
            }
        }
    }
    /// The same without a disk, so that there are ten thousand steps.
    #[test]
    fn a_dry_run_says_what_a_push_does(histories in prop::collection::vec(prop::collection::vec(step(), 1..14), 12)) {
        let mut patched = Patched::new();
        for steps in histories {
            patched.model = memory::Roster::default();
            for step in steps.iter().filter(|step| !matches!(step, Step::Restart)) {
                let _ = patched.carry_out(step, Backend::Model(patched.model.clone()));
            }
        }
    }
}
