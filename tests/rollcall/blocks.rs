//! A roster that changes a little from push to push: blocks of it are recognised, and the outcome is that of the plain way.

use super::both::{Both, PROFILE};
use super::world::{Request, World, employee};
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
struct Person {
    id: u32,
    version: u8,
    /// White space before and behind the comma in front of the employee.
    spaces: [&'static str; 2],
}

#[derive(Debug, Clone)]
enum Edit {
    Insert { at: usize, length: usize },
    Remove { at: usize, length: usize },
    Change { at: usize, length: usize },
    Space { at: usize, spaces: [&'static str; 2] },
    Rotate { by: usize },
}

#[derive(Debug, Clone)]
enum Step {
    Edit(Vec<Edit>),
    /// Pushes all, in pieces of this size.
    Push {
        piece_bytes: usize,
        late: bool,
    },
    /// Pushes some of them, twice.
    PushSome {
        at: usize,
        length: usize,
    },
    /// Pushes all, one of them twice, which is refused.
    PushTwice {
        at: usize,
    },
    /// Pushes a body with a wrong byte, or one that is cut off.
    PushDamaged {
        at: prop::sample::Index,
        byte: Option<u8>,
    },
    Patch {
        at: usize,
        version: u8,
    },
    Restart,
}

fn edit() -> impl Strategy<Value = Edit> {
    let space = || prop::sample::select(vec!["", " ", "\n\t"]);
    prop_oneof![
        1 => (0usize..120, 1usize..5).prop_map(|(at, length)| Edit::Insert { at, length }),
        1 => (0usize..120, 1usize..9).prop_map(|(at, length)| Edit::Remove { at, length }),
        3 => (0usize..120, 1usize..4).prop_map(|(at, length)| Edit::Change { at, length }),
        1 => (0usize..120, space(), space()).prop_map(|(at, a, b)| Edit::Space { at, spaces: [a, b] }),
        1 => (0usize..120).prop_map(|by| Edit::Rotate { by }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(edit(), 1..4).prop_map(Step::Edit),
        8 => (1usize..3_000, prop::bool::weighted(0.1)).prop_map(|(piece_bytes, late)| Step::Push { piece_bytes, late }),
        1 => (0usize..120, 0usize..60).prop_map(|(at, length)| Step::PushSome { at, length }),
        1 => (0usize..120).prop_map(|at| Step::PushTwice { at }),
        1 => (any::<prop::sample::Index>(), prop::option::of(prop::sample::select(b"\"{}[], x".to_vec())))
            .prop_map(|(at, byte)| Step::PushDamaged { at, byte }),
        2 => (0usize..120, 0u8..4).prop_map(|(at, version)| Step::Patch { at, version }),
        1 => Just(Step::Restart),
    ]
}

fn apply(edit: &Edit, people: &mut Vec<Person>, next_id: &mut u32) {
    let within = |at: usize, length: usize| at.min(people.len())..(at + length).min(people.len());
    match *edit {
        Edit::Insert { at, length } => {
            for _ in 0..length {
                *next_id += 1;
                people.insert(at.min(people.len()), Person { id: *next_id, version: 0, spaces: ["", ""] });
            }
        }
        Edit::Remove { at, length } => drop(people.drain(within(at, length))),
        Edit::Change { at, length } => {
            let range = within(at, length);
            people[range].iter_mut().for_each(|person| person.version = (person.version + 1) % 4);
        }
        Edit::Space { at, spaces } => {
            let range = within(at, 1);
            people[range].iter_mut().for_each(|person| person.spaces = spaces);
        }
        Edit::Rotate { by } => {
            let by = by.min(people.len());
            people.rotate_left(by);
        }
    }
}

fn body(people: &[Person], late: bool) -> Vec<u8> {
    let mut list = String::new();
    for (number, Person { id, version, spaces: [before, behind] }) in people.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        list += &format!(
            r#"{before}{comma}{behind}{{"id":"{id}","status":"active","data":[{{"name":"A","value":"v{version}"}}]}}"#
        );
    }
    if late {
        format!(r#"{{"employees":[{list} ],"profileId":"{PROFILE}"}}"#).into_bytes()
    } else {
        format!(r#"{{"profileId":"{PROFILE}","employees":[{list}]}}"#).into_bytes()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_roster_that_changes_a_little(count in 0u32..100, steps in prop::collection::vec(step(), 1..24)) {
        let mut both = Both::new();
        let mut people: Vec<Person> = (0..count).map(|id| Person { id, version: 0, spaces: ["", ""] }).collect();
        let mut next_id = count;
        both.push(&body(&people, false), 1_000);
        for step in &steps {
            match step {
                Step::Edit(edits) => edits.iter().for_each(|edit| apply(edit, &mut people, &mut next_id)),
                Step::Push { piece_bytes, late } => both.push(&body(&people, *late), *piece_bytes),
                Step::PushSome { at, length } => {
                    let some = &people[(*at).min(people.len())..(at + length).min(people.len())];
                    both.push(&body(some, false), 500);
                    both.push(&body(some, false), 100);
                }
                Step::PushTwice { at } => {
                    let mut twice = people.clone();
                    twice.extend(people.get(*at).cloned());
                    both.push(&body(&twice, false), 700);
                }
                Step::PushDamaged { at, byte } => {
                    let mut damaged = body(&people, false);
                    let at = at.index(damaged.len());
                    match byte {
                        Some(byte) => damaged[at] = *byte,
                        None => damaged.truncate(at),
                    }
                    both.push(&damaged, 300);
                }
                Step::Patch { at, version } => {
                    if let Some(Person { id, .. }) = people.get(*at) {
                        both.patch(&id.to_string(), &format!("v{version}"), None);
                    }
                }
                Step::Restart => both.restart(),
            }
        }
        both.push(&body(&people, false), 400);
        both.push(&body(&people, false), 401);
    }
}

#[test]
fn pieces_end_at_every_byte() {
    let people: Vec<Person> = (0..9).map(|id| Person { id, version: 0, spaces: [" ", "\n"] }).collect();
    let mut changed = people.clone();
    changed[4].version = 1;
    changed[6].spaces = ["", "  "];
    let mut both = Both::new();
    for size in 1..=body(&people, false).len() {
        both.push(&body(&people, false), size);
        both.push(&body(&people, false), size);
        both.push(&body(&changed, false), size);
    }
}

/// A list is recognised only as long as nobody in it has changed since, whatever has changed them: here a lenient push that leaves somebody
/// out, and a plan.
#[test]
fn what_a_lenient_push_or_a_plan_has_changed_is_not_taken_for_unchanged() {
    const PEOPLE: u64 = 70;
    let named = |id: &str, status: &str| employee(id, status, &[("First Name", id)]);
    let all: Vec<Value> = (0..PEOPLE).map(|n| named(&n.to_string(), "active")).collect();
    let with_hidden = |id: usize| {
        let mut list = all.clone();
        list[id] = named(&id.to_string(), "hidden");
        list
    };
    let body = |list: &[Value]| json!({ "profileId": PROFILE, "employees": list }).to_string();
    for restarts in [false, true] {
        let mut world = World::new();
        let restart = |world: &mut World| {
            if restarts {
                world.kill();
                world.start();
            }
        };
        assert_eq!(world.push(body(&all)).counts(), [PEOPLE, 0, 0, 0, 0]);
        assert_eq!(world.push(body(&all)).counts(), [0, 0, 0, 0, PEOPLE]);
        let nameless = employee("new", "active", &[]);
        let lenient = body(&[&with_hidden(3)[..], &[nameless]].concat());
        let lenient = Request::new("POST", "/v1/employees", lenient.as_bytes()).header("Prefer", "handling=lenient");
        assert_eq!(lenient.send(&world).counts(), [0, 0, 0, 1, PEOPLE - 1]);
        restart(&mut world);
        assert_eq!(world.push(body(&all)).counts(), [0, 0, 1, 0, PEOPLE - 1], "restarts: {restarts}");

        let planned = world.request("POST", "/v1/employees?dryRun=true", Some(body(&with_hidden(40)).as_bytes()));
        let plan = planned.header("location").unwrap();
        assert_eq!(world.request("POST", &format!("{plan}/apply"), Some(b"")).counts(), [0, 0, 0, 1, PEOPLE - 1]);
        restart(&mut world);
        assert_eq!(world.push(body(&all)).counts(), [0, 0, 1, 0, PEOPLE - 1], "restarts: {restarts}");
        restart(&mut world);
        assert_eq!(world.push(body(&all)).counts(), [0, 0, 0, 0, PEOPLE]);
    }
}
