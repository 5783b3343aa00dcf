//! Shapes of references: the cost of chains, circles and crowds grows with their length, and no faster.

use super::world::{PROFILE, World, employee};
use serde_json::json;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const MANAGERS: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Managers"
    guards = { update = "off" }
    [[field]]
    name = "Manager"
    type = "reference"
    to = "id"
    unknown = "keep"
    acyclic = true
    [[field]]
    name = "Team"
    type = "reference"
    to = "id"
    many = true
"#;

const PEOPLE: usize = 200_000;

/// Returns a body of people, each with the row that `row` returns.
fn body(people: usize, row: impl Fn(usize) -> (&'static str, String)) -> String {
    let mut body = format!(r#"{{"profileId":"{PROFILE}","employees":["#);
    for n in 0..people {
        let (name, value) = row(n);
        let comma = if n == 0 { "" } else { "," };
        write!(body, r#"{comma}{{"id":"{n}","status":"active","data":[{{"name":"{name}","value":"{value}"}}]}}"#)
            .unwrap();
    }
    body + "]}"
}

fn managers(manager: impl Fn(usize) -> usize) -> String {
    body(PEOPLE, |n| ("Manager", manager(n).to_string()))
}

fn timed(world: &World, body: &str) -> (super::world::Answer, Duration) {
    let started = Instant::now();
    (world.push(body), started.elapsed())
}

#[test]
fn circles_and_chains_of_all_lengths() {
    let world = World::with(MANAGERS, "");
    // The measure: everybody has a manager whom nobody knows.
    let (plain, measure) = timed(&world, &managers(|n| n + PEOPLE * 2));
    assert_eq!(plain.counts()[0], PEOPLE as u64);
    let circles = |name: &str, body: String, count: usize| {
        let (answer, took) = timed(&world, &body);
        assert_eq!((answer.status, answer.json()["errorCount"].as_u64()), (400, Some(count as u64)), "{name}");
        assert!(took < measure * 8 + Duration::from_secs(2), "{name} took {took:?}, and without circles {measure:?}");
        answer
    };
    let own = circles("everybody their own manager", managers(|n| n), PEOPLE);
    assert!(own.message().contains("\"0\" → \"0\""), "{}", own.message());
    assert_eq!(own.errors()[999], "999 999 Manager circle");
    circles("pairs", managers(|n| n ^ 1), PEOPLE / 2);
    let ring = circles("one circle of all", managers(|n| (n + 1) % PEOPLE), 1);
    assert!(ring.message().contains("and 199990 more"), "{}", ring.message());
    circles("a circle at the end of a chain", managers(|n| (n + 1).min(PEOPLE - 1)), 1);
    circles("a crowd before a circle", managers(|_| 7), 1);
    circles("circles of a thousand", managers(|n| if n % 1_000 == 999 { n - 999 } else { n + 1 }), PEOPLE / 1_000);
    let (chain, took) = timed(&world, &managers(|n| n + 1));
    assert_eq!(chain.counts()[1], PEOPLE as u64);
    assert!(took < measure * 8 + Duration::from_secs(2), "a chain of all took {took:?}, and {measure:?} without it");
}

#[test]
fn a_crowd_of_unknown_names_is_counted_and_few_are_told() {
    let world = World::with(MANAGERS, "");
    let team = |n: usize| (0..1_000).map(|k| (1_000_000 + n * 1_000 + k).to_string()).collect::<Vec<_>>().join(",");
    let body = body(2_000, |n| ("Team", team(n)));
    let refused = world.push(&body);
    assert_eq!(
        (refused.status, refused.json()["errorCount"].as_u64()),
        (400, Some(2_000_000)),
        "{}",
        &refused.text[..300]
    );
    assert_eq!(refused.errors().len(), 1_000);
    assert_eq!(refused.json()["causes"][0]["count"], 2_000_000);
    #[cfg(target_os = "linux")]
    {
        let peak = world.peak_memory_mib();
        assert!(peak < 200, "{peak} MiB for a body of {} bytes", body.len());
    }
    let bounded = World::with(MANAGERS, "references_bytes_max = 10_000");
    let refused = bounded.push(&body);
    assert_eq!((refused.status, refused.message().contains("references_bytes_max")), (413, true), "{}", refused.text);
}

#[test]
fn a_circle_that_somebody_else_closes_by_giving_up_a_value() {
    let profile = r#"
        id = "d51b5efd-fb21-4cb8-94e2-145014839465"
        name = "Bosses"
        [[field]]
        name = "Email"
        type = "email"
        unique = "active"
        [[field]]
        name = "Boss"
        type = "reference"
        to = "Email"
        unknown = "keep"
        acyclic = true
    "#;
    let world = World::with(profile, "");
    let leaver = employee("L", "hidden", &[("Email", "x@x.com"), ("Boss", "a@x.com")]);
    let holder = employee("H", "active", &[("Email", "x@x.com")]);
    let boss_of_nobody = employee("A", "active", &[("Email", "a@x.com")]);
    let named = employee("A", "active", &[("Email", "a@x.com"), ("Boss", "x@x.com")]);
    assert_eq!(world.push_employees(json!([leaver, holder, named])).counts(), [3, 0, 0, 0, 0]);
    // x@x.com would mean the leaver again, whose boss is A.
    for gives_up in [employee("H", "active", &[("Email", "z@x.com")]), employee("H", "active", &[])] {
        let refused = world.push_employees(json!([gives_up]));
        assert_eq!(refused.errors(), ["0 H Email circle"]);
        assert!(refused.message().contains(r#""L" → "A" → "L""#), "{}", refused.text);
        // That the push carries another member of the circle, unchanged, changes nothing.
        assert_eq!(world.push_employees(json!([gives_up, named])).errors(), ["0 H Email circle"]);
        let other = employee("A", "active", &[("Email", "a@x.com"), ("Boss", " x@x.com")]);
        assert_eq!(world.push_employees(json!([gives_up, other])).errors(), ["0 H Email circle"]);
    }
    let gives_up = employee("H", "active", &[("Email", "z@x.com")]);
    assert_eq!(world.push_employees(json!([gives_up, boss_of_nobody])).counts(), [0, 2, 0, 0, 0]);
    // A swap gives up nothing that anybody else gets.
    let swapped = [
        employee("H", "active", &[("Email", "a@x.com")]),
        employee("A", "active", &[("Email", "z@x.com"), ("Boss", "a@x.com")]),
    ];
    assert_eq!(world.push_employees(json!(swapped)).counts(), [0, 2, 0, 0, 0]);
}

#[test]
fn a_misspelt_property_is_named_where_it_is_missed() {
    let world = World::new();
    for (employee, expected) in [
        (
            r#"{"id":"1","status":"active","dat":[]}"#,
            "at index 0: data: an active employee needs the property data; [] says that every field is empty; beside it there is \"dat\",",
        ),
        (r#"{"id":"1","stat":"active","data":[]}"#, "beside it there is \"stat\", which means nothing here"),
        (r#"{"ID2":"1","status":"active","data":[]}"#, "beside it there is \"ID2\", which means nothing here"),
        (
            r#"{"id":"1","status":"active","data":[{"nam":"City","value":"x"}]}"#,
            "a row of data has no name; beside it there is \"nam\",",
        ),
        (
            r#"{"id":"1","status":"active","data":[{"name":"First Name","val":"x"}]}"#,
            "First Name: the row has no property value; send \"value\": null if the field is empty; beside it there is \"val\",",
        ),
    ] {
        let answer = world.push(format!("{{\"profileId\":\"{PROFILE}\",\"employees\":[{employee}]}}"));
        assert_eq!(answer.status, 400, "{employee}: {}", answer.text);
        assert!(answer.message().contains(expected), "{employee}: {}", answer.message());
    }
}
