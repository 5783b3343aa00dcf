//! The attacks: each is called again and again, by a thread of its own.

use super::target::{ATTACKERS, Target, VICTIM};
use rollcall::sample::PROFILE_ID;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

type Attack = fn(&Target);

pub const ALL: [(&str, Attack); 14] = [
    ("bodies that trickle", bodies_that_trickle),
    ("heads that do not end", heads_that_do_not_end),
    ("connect, P, close", connect_and_close),
    ("idle connections", idle_connections),
    ("pages that nobody reads", pages_that_nobody_reads),
    ("one hidden employee", one_hidden_employee),
    ("exports, slowly", exports_slowly),
    ("bombs", bombs),
    ("forms without a key", forms_without_a_key),
    ("wrong keys, large bodies", wrong_keys),
    ("a CSV of many columns", csv_of_many_columns),
    ("a row of many cells", row_of_many_cells),
    ("everybody their own manager", own_managers),
    ("unknown fields", unknown_fields),
];

fn pause(target: &Target, time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time && !target.stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(50).min(time));
    }
}

fn opened(target: &Target, count: usize, each: impl Fn(usize, &mut TcpStream)) -> Vec<TcpStream> {
    let opened = (0..count).filter_map(|number| {
        let mut stream = target.connect().ok()?;
        each(number, &mut stream);
        target.count(true);
        (!target.stop.load(Ordering::Relaxed)).then_some(stream)
    });
    opened.collect()
}

/// A push of each of many accounts, a little at a time.
fn bodies_that_trickle(target: &Target) {
    let start = format!("{{\"profileId\":\"{PROFILE_ID}\",\"employees\":[");
    let mut pushes = opened(target, ATTACKERS.count(), |number, stream| {
        let account = ATTACKERS.start + number as i64;
        let head = target.head(account, "POST", "/v1/employees", 200 << 20, "");
        let _ = stream.write_all(format!("{head}{start}").as_bytes());
    });
    for _ in 0..20 {
        pushes.retain_mut(|stream| {
            let cut = stream.write_all(&[b' '; 1_500]).is_err();
            if cut {
                target.count(false);
            }
            !cut
        });
        pause(target, Duration::from_secs(1));
    }
}

fn heads_that_do_not_end(target: &Target) {
    let head = format!("GET /health HTTP/1.1\r\nX: {}", "x".repeat(60_000));
    let held = opened(target, 300, |_, stream| drop(stream.write_all(head.as_bytes())));
    pause(target, Duration::from_secs(10));
    drop(held);
}

fn connect_and_close(target: &Target) {
    drop(opened(target, 200, |_, stream| drop(stream.write_all(b"P"))));
    pause(target, Duration::from_secs(1));
}

fn idle_connections(target: &Target) {
    let held = opened(target, 4_200, |_, _| ());
    pause(target, Duration::from_secs(20));
    drop(held);
}

fn pages_that_nobody_reads(target: &Target) {
    let held = opened(target, 60, |_, stream| {
        let head = target.head(VICTIM, "GET", "/v1/employees?limit=1000", 0, "");
        let _ = stream.write_all(head.as_bytes());
    });
    pause(target, Duration::from_secs(5));
    drop(held);
}

fn one_hidden_employee(target: &Target) {
    let held = opened(target, 100, |_, stream| {
        let head = target.head(VICTIM, "GET", "/v1/employees?status=hidden&limit=1", 0, "");
        let _ = stream.write_all(head.as_bytes());
    });
    for mut stream in held {
        target.count(matches!(stream.read(&mut [0; 1_000]), Ok(1..)));
    }
    pause(target, Duration::from_secs(1));
}

fn exports_slowly(target: &Target) {
    let mut held = opened(target, 6, |number, stream| {
        let form = ["xlsx", "csv"][number % 2];
        let head = target.head(VICTIM, "GET", &format!("/v1/employees.{form}"), 0, "");
        let _ = stream.write_all(head.as_bytes());
    });
    for _ in 0..40 {
        for stream in &mut held {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
            let _ = stream.read(&mut [0; 1_000]);
        }
        pause(target, Duration::from_secs(1));
    }
}

fn bombs(target: &Target) {
    let start = format!("{{\"profileId\":\"{PROFILE_ID}\",\"employees\":[");
    let spaces = zstd::stream::encode_all(&vec![b' '; 64 << 20][..], 1).unwrap();
    let bomb = [zstd::stream::encode_all(start.as_bytes(), 1).unwrap(), spaces.repeat(100)].concat();
    let account = ATTACKERS.end - 1;
    let head = target.head(account, "POST", "/v1/employees", bomb.len(), "Content-Encoding: zstd\r\n");
    target.count(target.send(&head, &bomb).0 == 200);
    pause(target, Duration::from_secs(2));
}

fn forms_without_a_key(target: &Target) {
    let head = "POST /echotools7/api/api_import_emps.asp HTTP/1.1\r\nHost: soak\r\nContent-Length: 65000\r\n\r\n";
    let held = opened(target, 300, |_, stream| {
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&[b'x'; 64_000]));
    });
    pause(target, Duration::from_secs(10));
    drop(held);
}

fn wrong_keys(target: &Target) {
    let body = vec![b' '; 5 << 20];
    let head = target.head(GOOD_FOR_NOTHING, "POST", "/v1/employees", body.len(), "");
    target.count(target.send(&head, &body).0 == 200);
    pause(target, Duration::from_millis(200));
}

/// An account that does not exist.
const GOOD_FOR_NOTHING: i64 = 4_711;

fn csv(target: &Target, csv: &[u8]) {
    let start = b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"u.csv\"\r\n\r\n";
    let body = [&start[..], csv, b"\r\n--XX--\r\n"].concat();
    let head = format!(
        "POST /api/v2/users-import/csv HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=XX\r\n\r\n",
        target.collaborator,
        body.len()
    );
    target.count(target.send(&head, &body).0 == 200);
    pause(target, Duration::from_secs(5));
}

fn csv_of_many_columns(target: &Target) {
    let columns: String = (0..80_000).map(|column| format!("c{column};")).collect();
    csv(target, format!("uid;{columns}\n1;2\n").as_bytes());
}

fn row_of_many_cells(target: &Target) {
    let header = "uid;secondname;firstname;login\n";
    csv(target, &[header.as_bytes(), &vec![b';'; 40 << 20]].concat());
}

fn own_managers(target: &Target) {
    let employees: Vec<String> = (0..50_000)
        .map(|n| {
            format!("{{\"id\":\"{n}\",\"status\":\"active\",\"data\":[{{\"name\":\"Manager\",\"value\":\"{n}\"}}]}}")
        })
        .collect();
    let body = format!("{{\"profileId\":\"{PROFILE_ID}\",\"employees\":[{}]}}", employees.join(","));
    target.count(target.push(ATTACKERS.end - 2, body.as_bytes()).0 == 200);
    pause(target, Duration::from_secs(5));
}

fn unknown_fields(target: &Target) {
    let employees: Vec<String> = (0..20_000)
        .map(|n| {
            format!("{{\"id\":\"{n}\",\"status\":\"active\",\"data\":[{{\"name\":\"Nobody {n}\",\"value\":\"x\"}}]}}")
        })
        .collect();
    let body = format!("{{\"profileId\":\"{PROFILE_ID}\",\"employees\":[{}]}}", employees.join(","));
    target.count(target.push(ATTACKERS.end - 3, body.as_bytes()).0 == 200);
    pause(target, Duration::from_secs(5));
}
