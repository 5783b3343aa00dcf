//! A server that is killed at any moment of a push has the roster from before it or the one from after it.

use super::world::{Answer, Request, World};
use rollcall::sample::{PROFILE_TOML, write_body};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

const EMPLOYEES: u64 = 5_000;
const MOMENTS: u32 = 25;

fn body(version: u32) -> Vec<u8> {
    let mut body = Vec::new();
    let status = if version.is_multiple_of(2) { "active" } else { "hidden" };
    write_body(&mut body, 0..EMPLOYEES, |n| (version, if n.is_multiple_of(3) { status } else { "active" })).unwrap();
    body
}

fn of_account(account: u32, request: Request) -> Request {
    let authorization = request.headers.iter().find(|(name, _)| name == "Authorization").unwrap().1.clone();
    request.header("Authorization", &authorization.replace("SharedKey 99:", &format!("SharedKey {account}:")))
}

/// Returns the distinct versions of the stored employees: one version, or none if the roster is empty.
fn versions(world: &World, account: u32) -> Vec<u32> {
    let (mut cursor, mut versions, mut employees) = (String::new(), Vec::new(), 0);
    loop {
        let path = format!("/v1/employees?limit=1000&cursor={cursor}");
        let page = of_account(account, Request::new("GET", &path, b"")).send(world).json();
        for employee in page["employees"].as_array().unwrap() {
            let number: u64 = employee["id"].as_str().unwrap().parse().unwrap();
            let data = employee["data"].as_array().unwrap();
            let department = &data.iter().find(|row| row["name"] == "Department").unwrap()["value"];
            let version = (0..8).find(|&version| {
                let mut expected = Vec::new();
                rollcall::sample::write_employee(&mut expected, number, version, "").unwrap();
                String::from_utf8(expected).unwrap().contains(&format!("{department}"))
            });
            let hidden = employee["status"] == "hidden";
            let version = version.unwrap();
            assert_eq!(hidden, number.is_multiple_of(3) && version % 2 == 1, "status and data are of one version");
            if !versions.contains(&version) {
                versions.push(version);
            }
            employees += 1;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert!(employees == 0 || employees == EMPLOYEES, "all or none, not {employees}");
    versions
}

/// Pushes, and kills the server after `moment`. Returns whether the push was answered 200 by then.
fn push_and_kill(world: &mut World, account: u32, version: u32, moment: Duration) -> bool {
    let request = of_account(account, Request::new("POST", "/v1/employees", &body(version)));
    let mut stream = world.connect();
    let sender = std::thread::spawn({
        let mut stream = stream.try_clone().unwrap();
        move || drop(stream.write_all(&request.head()).and_then(|()| stream.write_all(&request.body)))
    });
    std::thread::sleep(moment);
    world.kill();
    sender.join().unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer.starts_with(b"HTTP/1.1 200")
}

/// Returns a random moment between the beginning of a push and after its end. The last digits of the clock are the dice.
fn moment(longest: Duration) -> Duration {
    let dice = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    longest.mul_f64(f64::from(dice.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24))
}

#[test]
fn killed_at_fifty_moments_it_has_one_version_or_the_other() {
    let mut world = World::stopped(PROFILE_TOML, "");
    for account in 1_000..1_000 + MOMENTS {
        world.add_account(account.into(), super::world::SECRET);
    }
    world = world.started();
    let started = Instant::now();
    let first = Request::new("POST", "/v1/employees", &body(0)).send(&world);
    assert_eq!(first.status, 200);
    let longest = started.elapsed().mul_f64(1.3);

    let (mut before, mut after) = (0, 0);
    for account in 1_000..1_000 + MOMENTS {
        let answered = push_and_kill(&mut world, account, 0, moment(longest));
        world = world.started();
        let found = versions(&world, account);
        assert!(found.is_empty() && !answered || found == [0], "first load, answered {answered}: {found:?}");
        if found.is_empty() { before += 1 } else { after += 1 }
    }
    let mut stored = 0;
    for _ in 0..MOMENTS {
        let pushed = (stored + 1) % 8;
        let answered = push_and_kill(&mut world, 99, pushed, moment(longest));
        world = world.started();
        let found = versions(&world, 99);
        assert!(found == [stored] && !answered || found == [pushed], "changes, answered {answered}: {found:?}");
        if found == [stored] {
            before += 1;
        } else {
            after += 1;
        }
        stored = found[0];
    }
    eprintln!(
        "killed at {} moments of {longest:?}: {before} times the roster from before, {after} times from after",
        before + after
    );
    let again: Answer = Request::new("POST", "/v1/employees", &body(stored)).send(&world);
    assert_eq!(again.counts(), [0, 0, 0, 0, EMPLOYEES]);
}
