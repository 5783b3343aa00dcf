//! Erasing after a part of the history was trimmed, and while the server is killed: no byte of the employee is left either way.

use super::erase::{EVERYTHING, ada, erase, filled, found, others, picture, traces};
use super::files::command;
use super::trim::aged;
use super::world::{Request, World, employee};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn what_was_trimmed_of_an_erased_employee_is_overwritten_as_well() {
    let (world, badges) = (filled(), |takes: &[u32]| -> Vec<Vec<u8>> {
        takes.iter().map(|take| picture(*take).as_bytes()[30_000..30_048].to_vec()).collect()
    });
    let data = world.folder.path().join("data");
    let world = aged(world, 6, 500);
    world.wait_for_log("old history removed");
    // Its first row is the version of revision 6 now, and what was before is in pages that are free.
    assert_eq!(world.get("/v1/employees/4711?at=5").status, 410);
    let export = world.get("/v1/employees/4711/export").text;
    assert!(export.contains("ZQX-777-4") && export.contains("ZQX-777-5") && !export.contains("ZQX-777-3"));
    assert!(!found(&data, &badges(&[0, 1, 2, 3])).is_empty());
    assert_eq!(found(&data, &badges(&[4])).len(), 1);

    let answer = erase(&world, "4711");
    assert_eq!(answer.json(), json!({ "erased": 1, "revision": 9, "overwritten": true }), "{}", answer.text);
    assert_eq!(found(&data, &traces()), Vec::<String>::new());
    command(&world, &["account", "check", "99"], 0);
    let life = world.get("/v1/employees/4711/history").json();
    let events: Vec<&Value> = life["history"].as_array().unwrap().iter().map(|event| &event["revision"]).collect();
    assert_eq!(events, [9, 7, 6]);
    assert_eq!(world.get("/v1/employees/4711?at=6").json()["data"], json!([]));

    // Then the erasure itself is trimmed; the plans are not, and go.
    for plan in world.get("/v1/plans").json()["plans"].as_array().unwrap() {
        let discarded = world.request("DELETE", &format!("/v1/plans/{}", plan["id"].as_str().unwrap()), None);
        assert_eq!(discarded.status, 204, "{}", discarded.text);
    }
    assert_eq!(world.push_employees(others(200).into()).counts(), [0, 0, 0, 0, 200]);
    let world = aged(world, 10, 450);
    world.wait_for_log("old history removed");
    assert_eq!(world.get("/v1/employees/4711").status, 404);
    assert_eq!((erase(&world, "4711").status, world.roster().len()), (404, 200), "nobody knows the id any more");
    command(&world, &["account", "check", "99"], 0);
    assert_eq!(found(&data, &traces()), Vec::<String>::new());
    assert_eq!(world.push_employees(json!([ada("active", 8)])).counts(), [1, 0, 0, 0, 0]);
    assert_eq!(world.push_employees(others(200).into()).counts(), [0, 0, 0, 0, 200]);
    command(&world, &["account", "check", "99"], 0);
}

#[test]
fn somebody_of_whom_only_one_version_is_kept_is_erased() {
    let world = World::with(EVERYTHING, "");
    for take in 0..4 {
        assert_eq!(world.push_employees(json!([ada("active", take), others(1)[0]])).status, 200);
    }
    let data = world.folder.path().join("data");
    let world = aged(world, 4, 500);
    world.wait_for_log("old history removed");
    assert_eq!(world.get("/v1/employees/4711/export").json()["history"].as_array().unwrap().len(), 1);
    assert!(!found(&data, &traces()).is_empty());
    assert_eq!(erase(&world, "4711").status, 200);
    assert_eq!(found(&data, &traces()), Vec::<String>::new());
    command(&world, &["account", "check", "99"], 0);
    assert_eq!(world.push_employees(others(1).into()).counts(), [0, 0, 0, 0, 1]);
}

/// How many times a server is killed while it erases.
const KILLS: u32 = 24;

/// An employee of many, with a picture of its own.
fn one_of_many(n: u32, take: u32) -> Value {
    let name = format!("Wexcombe {n} {take}");
    employee(&format!("w{n}"), "active", &[("Name", &name), ("Photo", &picture(100 + 10 * n + take))])
}

/// What must not be found of that employee.
fn traces_of(n: u32) -> Vec<Vec<u8>> {
    let of_take = |take: u32| {
        let photo = picture(100 + 10 * n + take).into_bytes();
        [2_000, 20_000, 40_000]
            .map(|at| photo[at..at + 48].to_vec())
            .into_iter()
            .chain([format!("Wexcombe {n} {take}").into_bytes()])
    };
    (0..2).flat_map(of_take).collect()
}

/// Waits until nothing of an employee is in a folder.
#[track_caller]
fn wait_until_clean(data: &Path, traces: &[Vec<u8>]) {
    let began = Instant::now();
    while !found(data, traces).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", found(data, traces));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends an erasure, and kills the server after `moment`, or once it has answered. Returns what was answered by then.
fn erase_and_kill(world: &mut World, id: &str, moment: Option<Duration>) -> String {
    let request = Request::new("DELETE", &format!("/v1/employees/{id}?erase=true"), b"");
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    let mut answer = vec![0; 12];
    match moment {
        Some(moment) => std::thread::sleep(moment),
        None => stream.read_exact(&mut answer).unwrap(),
    }
    world.kill();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    if moment.is_some() {
        answer.clear();
    }
    String::from_utf8_lossy(&[answer, rest].concat()).into_owned()
}

#[test]
fn killed_at_any_moment_of_an_erasure_it_has_all_of_the_employee_or_nothing() {
    let mut world = World::with(EVERYTHING, "");
    for take in 0..2 {
        let all: Vec<Value> = (0..=KILLS + 1).map(|n| one_of_many(n, take)).collect();
        assert_eq!(world.push_employees(all.into()).status, 200);
    }
    let data = world.folder.path().join("data");
    let began = Instant::now();
    assert_eq!(erase(&world, &format!("w{}", KILLS + 1)).status, 200);
    let longest = began.elapsed().mul_f64(1.3);

    let (mut kept, mut erased, mut unanswered) = (Vec::new(), 0, 0);
    for n in 0..=KILLS {
        let (id, moment) = (format!("w{n}"), (n < KILLS).then(|| longest * n / KILLS));
        let export = world.get(&format!("/v1/employees/{id}/export")).json();
        let answer = erase_and_kill(&mut world, &id, moment);
        let is_answered = answer.starts_with("HTTP/1.1 200");
        assert!(is_answered || moment.is_some() && answer.is_empty(), "{answer}");
        if is_answered {
            // It says that nothing is left.
            assert_eq!(found(&data, &traces_of(n)), Vec::<String>::new());
        }
        world = world.started();
        match world.get(&format!("/v1/employees/{id}")).status {
            200 => {
                assert!(!is_answered);
                let mut then = world.get(&format!("/v1/employees/{id}/export")).json();
                then["revision"] = export["revision"].clone();
                assert_eq!(then, export);
                kept.push(n);
            }
            status => {
                assert_eq!(status, 404);
                wait_until_clean(&data, &traces_of(n));
                let life = world.get(&format!("/v1/employees/{id}/history")).text;
                assert!(life.contains("\"removed\"") && !life.contains("Wexcombe"), "{life}");
                erased += 1;
                unanswered += u32::from(!is_answered);
            }
        }
        command(&world, &["account", "check", "99"], 0);
    }
    eprintln!(
        "killed at {} moments of {longest:?}: {} times nothing was erased, {erased} times all, {unanswered} of them without an answer",
        KILLS + 1,
        kept.len()
    );
    assert!(erased > 0);
    let all: Vec<Value> = kept.iter().map(|n| one_of_many(*n, 1)).collect();
    assert_eq!(world.roster().len(), kept.len());
    assert_eq!(world.push_employees(all.into()).counts(), [0, 0, 0, 0, kept.len() as u64]);
}
