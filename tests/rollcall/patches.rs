//! Patches and whole pushes by turns: both backends and a plain map agree about acceptance, counts and the stored roster.

use bytes::Bytes;
use proptest::prelude::*;
use rollcall::dialect::Dialect;
use rollcall::limits::Limits;
use rollcall::profile::{Folder, Profile};
use rollcall::roster::{Absent, Counts, Employee, Intent, Status};
use rollcall::server::STARTEXAM;
use rollcall::store::{Draft, Error, Store, memory};
use rollcall::sync::{Body, Conditions, Failure, Push, Receipt, Source, Trace, sync};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tempfile::TempDir;

const PROFILE: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Patched"
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
    Patch(Vec<Row>, bool),
    Whole(Vec<Row>),
    Restart,
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
    prop_oneof![
        6 => (prop::collection::vec(row(), 1..4), prop::bool::weighted(0.2)).prop_map(|(rows, hide)| Step::Patch(rows, hide)),
        2 => prop::collection::vec(row(), 1..5).prop_map(Step::Whole),
        1 => Just(Step::Restart),
    ]
}

/// Returns the roster and the counts that a push leads to; `None` if it is refused.
fn plain(before: &Plain, rows: &[Row], whole: bool, hide_absent: bool) -> Option<(Plain, Counts)> {
    let (mut after, mut counts, mut carried) = (before.clone(), Counts::default(), BTreeSet::new());
    for row in rows {
        let stored = before.get(&row.id);
        if !carried.insert(row.id.clone()) || (row.must_exist && !whole && stored.is_none()) {
            return None;
        }
        let status = match row.status {
            Some(status) => status,
            None if whole => Status::Active,
            None => stored.map_or(Status::Active, |(status, _)| *status),
        };
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
        for (_, (status, _)) in after.iter_mut().filter(|(id, _)| !carried.contains(*id)) {
            counts.hidden += u64::from(*status == Status::Active);
            *status = Status::Hidden;
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
    Some((after, counts))
}

struct Patched {
    folder: TempDir,
    store: Store,
    profiles: Folder,
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
        let profiles = Folder::open(&folder.path().join("profiles")).unwrap();
        let profile = profiles.of(1).remove(0);
        Patched { folder, store, profiles, profile, limits: Limits::default(), model: memory::Roster::default() }
    }

    fn push(&self, dialect: Dialect, absent: Absent) -> Push<'_> {
        Push { dialect, limits: &self.limits, spool_dir: self.folder.path(), absent, conditions: Conditions::default() }
    }

    fn patch<'d>(
        &self,
        rows: &[Row],
        hide_absent: bool,
        open: impl FnOnce() -> Result<Draft<'d>, Error>,
    ) -> Result<Receipt, Failure> {
        let wire = |field: &str| WIRE.iter().find(|(name, _)| *name == field).unwrap().1;
        let intents = rows.iter().map(|row| {
            let data = row.data.iter().map(|(field, value)| (wire(field).into(), value.clone().into())).collect();
            let (id, status, must_exist) = (Some(row.id.clone().into()), row.status, row.must_exist);
            Ok(Intent { id, status, data, must_exist, ..Intent::default() })
        });
        let absent = if hide_absent { Absent::Hide } else { Absent::Stay };
        let source = Source::Intents { profile: self.profile.clone(), intents: Box::new(intents) };
        sync(&self.push(Dialect::Collaborator, absent), source, open, &mut Trace::default())
    }

    fn whole<'d>(&self, rows: &[Row], open: impl FnOnce() -> Result<Draft<'d>, Error>) -> Result<Receipt, Failure> {
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
        let body = Body { account: 1, format: &STARTEXAM, profiles: &self.profiles, pieces };
        sync(&self.push(Dialect::StartExam, Absent::Stay), Source::Body(body), open, &mut Trace::default())
    }

    /// Carries out a step on both backends, whose results must be the same.
    fn step(&self, step: &Step) -> Result<Receipt, Failure> {
        let mut roster = self.store.roster(&self.store.key(1).unwrap().unwrap()).unwrap();
        let (outcome, model) = match step {
            Step::Restart => unreachable!("a restart is no push"),
            Step::Patch(rows, hide) => {
                (self.patch(rows, *hide, || roster.begin()), self.patch(rows, *hide, || Ok(self.model.begin())))
            }
            Step::Whole(rows) => (self.whole(rows, || roster.begin()), self.whole(rows, || Ok(self.model.begin()))),
        };
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
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn patches_and_whole_pushes_do_what_a_map_would(steps in prop::collection::vec(step(), 1..14)) {
        let mut patched = Patched::new();
        let mut expected = Plain::new();
        for step in steps {
            let (rows, planned) = match &step {
                Step::Restart => {
                    patched.store = Store::open(patched.folder.path(), None).unwrap();
                    continue;
                }
                Step::Patch(rows, hide) => (rows, plain(&expected, rows, false, *hide)),
                Step::Whole(rows) => (rows, plain(&expected, rows, true, false)),
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
            for _ in 0..2 {
                let receipt = patched.step(&Step::Whole(all.clone())).unwrap();
                prop_assert_eq!(receipt.counts, Counts { unchanged: all.len() as u64, ..Counts::default() });
            }
        }
    }
}
