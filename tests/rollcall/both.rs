//! One account whose pushes are applied twice: by the program, the fast way, and by a map, the plain way.

use super::plain::{self, Outcome};
use bytes::Bytes;
use rollcall::dialect::Dialect;
use rollcall::limits::Limits;
use rollcall::profile::Profile;
use rollcall::roster::{Coverage, GuardSettings, Intent, Status};
use rollcall::server::STARTEXAM;
use rollcall::store::{Profiles, Store};
use rollcall::sync::{Body, Conditions, Failure, Push, Source, Trace, sync};
use std::sync::Arc;
use tempfile::TempDir;

pub const PROFILE: &str = "d51b5efd-fb21-4cb8-94e2-145014839465";
const FIELDS: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Equal"
    [[field]]
    name = "A"
    type = "text"
    required = true
    max_length = 5
    wire = { springest = "first_name" }
    [[field]]
    name = "N"
    type = "number"
    [[field]]
    name = "D"
    type = "date"
    formats = ["yyyy-mm-dd", "dd.mm.yyyy"]
"#;

/// An account of the program, and the roster that the plain way makes of the same pushes.
pub struct Both {
    folder: TempDir,
    store: Store,
    profiles: Profiles,
    profile: Arc<Profile>,
    limits: Limits,
    plain: plain::Roster,
}

impl Both {
    pub fn new() -> Both {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("profiles")).unwrap();
        std::fs::write(folder.path().join("profiles/equal.toml"), FIELDS).unwrap();
        let store = Store::open(folder.path(), None).unwrap();
        store.add_account(1, "", "secret", None).unwrap();
        let profiles = Profiles::open(&store, &folder.path().join("profiles")).unwrap().0;
        let profile = profiles.of_account(1).remove(0);
        let limits = Limits { employee_bytes_max: 4_000, depth_max: 12, data_rows_max: 6, ..Limits::default() };
        Both { folder, store, profiles, profile, limits, plain: plain::Roster::new() }
    }

    /// Empties the roster.
    #[allow(dead_code, reason = "only the fuzz target starts anew")]
    pub fn clear(&mut self) {
        self.store.remove_account(1).unwrap();
        self.store.add_account(1, "", "secret", None).unwrap();
        self.plain.clear();
    }

    /// Forgets what is held in memory, as a restart does.
    pub fn restart(&mut self) {
        self.store = Store::open(self.folder.path(), None).unwrap();
    }

    /// Patches the text of an employee, and its status if one is given, both ways. Does nothing if the employee is not stored.
    pub fn patch(&mut self, id: &str, text: &str, status: Option<Status>) {
        let Some((stored_status, data)) = self.plain.get_mut(id) else {
            return;
        };
        *stored_status = status.unwrap_or(*stored_status);
        data.insert("A".into(), text.into());
        let push = Push {
            dialect: Dialect::Springest,
            limits: &self.limits,
            spool_dir: self.folder.path(),
            coverage: Coverage::Some,
            guards: GuardSettings::new(),
            conditions: Conditions::default(),
        };
        let data = vec![("first_name".into(), text.to_owned().into())];
        let intent = Intent { id: Some(id.to_owned().into()), status, data, must_exist: true, ..Intent::default() };
        let intents = Box::new(std::iter::once(Ok(intent)));
        let mut roster = self.store.roster(&self.store.key(1).unwrap().unwrap()).unwrap();
        let source = Source::Intents { profile: self.profile.clone(), intents };
        sync(&push, source, || roster.begin(), &mut Trace::default()).unwrap();
    }

    /// Pushes a body that comes in pieces of `size` bytes, and checks that both ways have the same outcome and store the same.
    pub fn push(&mut self, body: &[u8], size: usize) {
        let expected = plain::push(&mut self.plain, &self.profile, &self.limits, body);
        let mut roster = self.store.roster(&self.store.key(1).unwrap().unwrap()).unwrap();
        let push = Push {
            dialect: Dialect::StartExam,
            limits: &self.limits,
            spool_dir: self.folder.path(),
            coverage: Coverage::STAY,
            guards: GuardSettings::new(),
            conditions: Conditions::default(),
        };
        let mut pieces = body.chunks(size.max(1)).map(Bytes::copy_from_slice).collect::<Vec<_>>().into_iter();
        let pieces = Box::new(move || Ok(pieces.next()));
        let body_of_all = Body { account: 1, format: &STARTEXAM, profiles: &self.profiles, pieces };
        let outcome = match sync(&push, Source::Body(body_of_all), || roster.begin(), &mut Trace::default()) {
            Ok(receipt) => Outcome::Applied(receipt.counts),
            Err(Failure::Rejected(rejections)) => {
                let (listed, _) = rejections.into_parts();
                let rejected = |r: rollcall::rejection::Rejection| (r.index.unwrap(), r.field, r.rule.into_owned());
                Outcome::Rejected(listed.into_iter().map(rejected).collect())
            }
            Err(Failure::NotJson { .. } | Failure::Wrong(_) | Failure::OverLimit { .. } | Failure::UnknownProfile) => {
                Outcome::Refused
            }
            Err(failure) => panic!("{failure:?}"),
        };
        assert_eq!(outcome, expected, "in pieces of {size}: {}", String::from_utf8_lossy(body));
        let roster = self.store.reader(&self.store.key(1).unwrap().unwrap()).unwrap();
        let stored = roster.page(None, 0, usize::MAX, usize::MAX).unwrap().employees;
        let names = roster.names().unwrap();
        let stored: plain::Roster = stored
            .into_iter()
            .map(|employee| {
                let data =
                    employee.data.iter().map(|(number, value)| (names.fields[&number].clone(), value.to_owned()));
                (employee.id.clone(), (employee.status, data.collect()))
            })
            .collect();
        assert_eq!(stored, self.plain, "after {}", String::from_utf8_lossy(body));
    }
}
