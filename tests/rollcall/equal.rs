//! The fast way equals the plain way: the same acceptance, counts, rejections and stored roster, for rosters and for mutated bytes.

use super::plain::{self, Outcome};
use bytes::Bytes;
use proptest::prelude::*;
use rollcall::dialect::startexam;
use rollcall::limits::Limits;
use rollcall::profile::{Folder, Profile};
use rollcall::store::Store;
use rollcall::sync::{Failure, Format, Push, sync};
use std::sync::Arc;
use tempfile::TempDir;

const PROFILE: &str = "d51b5efd-fb21-4cb8-94e2-145014839465";
const FIELDS: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Equal"
    [[field]]
    name = "A"
    type = "text"
    required = true
    max_length = 5
    [[field]]
    name = "N"
    type = "number"
    [[field]]
    name = "D"
    type = "date"
    formats = ["yyyy-mm-dd", "dd.mm.yyyy"]
"#;
const FORMAT: Format =
    Format { employees: startexam::EMPLOYEES, envelope: startexam::envelope, employee: startexam::employee };

/// One account, pushed to both ways.
pub struct Both {
    folder: TempDir,
    store: Store,
    profiles: Folder,
    profile: Arc<Profile>,
    limits: Limits,
    plain: plain::Roster,
}

impl Both {
    pub fn new() -> Both {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("profiles")).unwrap();
        std::fs::write(folder.path().join("profiles/equal.toml"), FIELDS).unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.add_account(1, "", "secret").unwrap();
        let profiles = Folder::open(&folder.path().join("profiles")).unwrap();
        let profile = profiles.of(1).remove(0);
        let limits = Limits { employee_bytes_max: 4_000, depth_max: 12, data_rows_max: 6, ..Limits::default() };
        Both { folder, store, profiles, profile, limits, plain: plain::Roster::new() }
    }

    /// Empties the roster.
    #[allow(dead_code, reason = "the fuzz target does, to start anew")]
    pub fn clear(&mut self) {
        self.store.remove_account(1).unwrap();
        self.store.add_account(1, "", "secret").unwrap();
        self.plain.clear();
    }

    /// Forgets what is held in memory, as a restart does.
    pub fn restart(&mut self) {
        self.store = Store::open(self.folder.path()).unwrap();
    }

    /// Pushes a body that comes in pieces of `size` bytes, and checks that both ways say the same and store the same.
    pub fn push(&mut self, body: &[u8], size: usize) {
        let expected = plain::push(&mut self.plain, &self.profile, &self.limits, body);
        let mut roster = self.store.roster(&self.store.key(1).unwrap().unwrap()).unwrap();
        let push = Push {
            account: 1,
            format: &FORMAT,
            profiles: &self.profiles,
            limits: &self.limits,
            spool_dir: self.folder.path(),
        };
        let mut pieces = body.chunks(size.max(1)).map(Bytes::copy_from_slice).collect::<Vec<_>>().into_iter();
        let outcome = match sync(&push, &mut roster, Box::new(move || Ok(pieces.next()))) {
            Ok(receipt) => Outcome::Applied(receipt.counts),
            Err(Failure::Rejected(rejections)) => {
                let (listed, _) = rejections.into_parts();
                let told = |r: rollcall::rejection::Rejection| (r.index.unwrap(), r.field, r.rule.to_owned());
                Outcome::Rejected(listed.into_iter().map(told).collect())
            }
            Err(
                Failure::NotJson { .. } | Failure::Wrong(_) | Failure::OverLimit { .. } | Failure::UnknownProfile,
            ) => Outcome::Refused,
            Err(failure) => panic!("{failure:?}"),
        };
        assert_eq!(outcome, expected, "in pieces of {size}: {}", String::from_utf8_lossy(body));
        let (stored, _) = roster.page(None, 0, usize::MAX, usize::MAX).unwrap();
        let names = roster.names().unwrap();
        let stored: plain::Roster = stored
            .into_iter()
            .map(|(_, employee)| {
                let data = employee.data.iter().map(|(number, value)| (names.fields[&number].clone(), value.to_owned()));
                (employee.id.clone(), (employee.status, data.collect()))
            })
            .collect();
        assert_eq!(stored, self.plain, "after {}", String::from_utf8_lossy(body));
    }
}

fn element() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        8 => "[a-h]".prop_map(|id| format!("\"{id}\"")),
        1 => Just("\"\\u0061\"".to_owned()),
        1 => prop_oneof![Just("7".to_owned()), Just("null".into()), Just("\"\"".into()), Just("\"\\ud800\"".into())],
    ];
    let status = prop_oneof![10 => Just("\"active\""), 5 => Just("\"hidden\""), 1 => Just("\"Active\""), 1 => Just("\"x\"")];
    let value = prop_oneof![
        8 => "[xyz ]{1,4}".prop_map(|value| format!("\"{value}\"")),
        2 => Just("\"\\\"}]\\\\\"".to_owned()),
        1 => Just("\"é\\u00e9\"".to_owned()),
        1 => prop_oneof![Just("1.50".to_owned()), Just("true".into()), Just("null".into()), Just("{}".into()), Just("[1]".into())],
    ];
    let row = prop_oneof![
        8 => value.prop_map(|value| format!(r#"{{"name":"A","value":{value}}}"#)),
        3 => "-?[0-9]{1,3}(\\.[0-9]{1,2})?".prop_map(|n| format!(r#"{{"value":"{n}","name":"N"}}"#)),
        3 => prop_oneof![Just("2000-02-29"), Just("29.02.2000"), Just("2001-02-29")].prop_map(|d| format!(r#"{{ "name" : "D" , "value" : "{d}" }}"#)),
        1 => Just(r#"{"name":"Z","value":""}"#.to_owned()),
    ];
    let data = prop::collection::vec(row, 0..4);
    let extra = prop_oneof![9 => Just(""), 1 => Just(r#","x":{"employees":[{"id":"a"}]}"#), 1 => Just(r#","id":"z""#), 1 => Just(",\"Y\":[[\"}\"]]")];
    (id, status, data, extra, any::<bool>()).prop_map(|(id, status, data, extra, pascal)| {
        let data = data.join(", ");
        let [i, s, d] = if pascal { ["Id", "Status", "Data"] } else { ["id", "status", "data"] };
        format!(r#"{{"{i}":{id},"{s}":{status},"{d}":[{data}]{extra}}}"#)
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let space = "[ \n]{0,2}";
    let mutation = prop::option::weighted(0.3, (any::<prop::sample::Index>(), prop::sample::select(b"\"\\{}[],: 0x\xff\x00".to_vec()), 0u8..3));
    (prop::collection::vec(element(), 0..12), space, any::<bool>(), mutation).prop_map(|(elements, space, late, mutation)| {
        let list = elements.join(&format!("{space},{space}"));
        let mut body = match late {
            true => format!(r#"{{"employees":[{space}{list}{space}],"profileId":"{PROFILE}"}}"#),
            false => format!(r#"{{"profileId":"{PROFILE}",{space}"employees":[{list}]}}{space}"#),
        }
        .into_bytes();
        if let Some((at, byte, how)) = mutation {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => body.truncate(at),
            }
        }
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_pushed(pushes in prop::collection::vec((body(), 1usize..600, 0u8..8), 1..6)) {
        let mut both = Both::new();
        for (body, size, what) in &pushes {
            both.push(body, *size);
            if *what < 5 {
                // The same again, in other pieces: now it is recognised.
                both.push(body, size / 2 + 1);
            }
            if *what == 7 {
                both.restart();
            }
        }
    }
}

#[test]
fn orders_that_change_a_little_and_a_lot() {
    let mut both = Both::new();
    let one = |n: u32, version: u32| format!(r#"{{"id":"{n}","status":"active","data":[{{"name":"A","value":"v{version}"}}]}}"#);
    let mut push = |employees: &[(u32, u32)], size: usize| {
        let list: Vec<String> = employees.iter().map(|(n, version)| one(*n, *version)).collect();
        both.push(format!(r#"{{"profileId":"{PROFILE}","employees":[{}]}}"#, list.join(",")).as_bytes(), size);
    };
    let all: Vec<(u32, u32)> = (0..20_000).map(|n| (n, 0)).collect();
    push(&all, 100_000);
    let mut inserted = all.clone();
    inserted.insert(7_000, (90_000, 0));
    inserted.insert(0, (90_001, 0));
    push(&inserted, 33_333);
    push(&inserted, 1_000_000);
    let removed: Vec<_> = inserted.iter().copied().filter(|(n, _)| n % 700 != 3 && !(400..450).contains(n)).collect();
    push(&removed, 77_777);
    let changed: Vec<_> = removed.iter().map(|&(n, v)| if n % 900 == 1 { (n, 1) } else { (n, v) }).collect();
    push(&changed, 500_000);
    let mut shuffled = changed.clone();
    shuffled.sort_by_key(|(n, _)| n.wrapping_mul(2_654_435_761));
    push(&shuffled, 65_536);
    push(&shuffled, 65_535);
    push(&changed, 400_000);
    let mut twice = changed.clone();
    twice.push(changed[17]);
    twice.insert(3, (changed[9_000].0, 5));
    push(&twice, 9_999);
}
