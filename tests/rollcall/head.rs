//! Heads of requests and answers: hosts, paths, the peer behind a proxy, and the headers of every answer.

use super::world::{Answer, PEOPLE, PROFILE, World, employee, empty_push};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

fn raw(world: &World, request: &str) -> Answer {
    let mut stream = world.connect();
    stream.write_all(request.as_bytes()).unwrap();
    Answer::read(&mut stream)
}

#[test]
fn a_request_names_one_host() {
    let world = World::new();
    for (head, status) in [
        ("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("GET /health HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200),
        ("GET /health HTTP/1.0\r\n\r\n", 200),
        ("GET /health HTTP/1.1\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost: x@a\r\n\r\n", 400),
        ("GET /health HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ] {
        let answer = raw(&world, head);
        assert_eq!(answer.status, status, "{head:?}: {}", answer.text);
        assert_eq!(answer.message().contains("HTTP header 'Host' is "), status == 400, "{}", answer.text);
    }
}

#[test]
fn a_slash_at_the_end_of_a_path_means_nothing() {
    let world = World::new();
    let one = json!({ "profileId": PROFILE, "employees": [employee("a/", "active", &[("First Name", "A")])] });
    let pushed = world.request("POST", "/v1/employees/", Some(one.to_string().as_bytes()));
    assert_eq!(pushed.counts(), [1, 0, 0, 0, 0]);
    for path in ["/v1/employees/", "/v1/employees/a%2F", "/v1/employees/a%2F/", "/v1/employees.csv/", "/health/"] {
        assert_eq!(world.get(path).status, 200, "{path}");
    }
    assert_eq!(world.get("/v1/employees//").status, 404);
    assert_eq!((world.get("/").status, world.get("//").status), (303, 303), "both are the page's first screen");
}

#[test]
fn nothing_is_sniffed_or_stored() {
    let world = World::new();
    for path in ["/health", "/v1/employees", "/v1/employees.csv", "/nowhere", "/users.json"] {
        let answer = world.get(path);
        assert_eq!(answer.header("X-Content-Type-Options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(answer.header("Cache-Control").as_deref(), Some("no-store"), "{path}");
    }
}

#[test]
fn a_head_has_a_longest_length() {
    let world = World::new();
    for (length, status) in [(60_000, 200), (70_000, 431)] {
        let head = format!("GET /health HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(length));
        let mut stream = world.connect();
        let _ = stream.write_all(head.as_bytes());
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(String::from_utf8_lossy(&first), format!("HTTP/1.1 {status}"));
    }
}

#[test]
fn heads_that_do_not_end_take_no_more_than_all_may() {
    let world = World::with(PEOPLE, "heads_bytes_max = 1000000");
    let silent: Vec<_> = (0..50).map(|_| world.connect()).collect();
    std::thread::sleep(Duration::from_millis(100));
    let head = format!("GET /health HTTP/1.1\r\nX: {}", "x".repeat(50_000));
    let mut unfinished: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = world.connect();
            let _ = stream.write_all(head.as_bytes());
            stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            stream
        })
        .collect();
    let ended =
        |error: std::io::Error| !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
    // A million bytes are twenty of them; whoever is told to give way needs a moment for it.
    let started = Instant::now();
    while unfinished.len() > 20 {
        assert!(started.elapsed() < Duration::from_secs(20), "{} hold their heads", unfinished.len());
        unfinished.retain_mut(|stream| match stream.read(&mut [0]) {
            Ok(_) => false,
            Err(error) => !ended(error),
        });
    }
    assert!(!unfinished.is_empty(), "there is room for some");
    assert_eq!(world.push(empty_push()).status, 200, "the ones that have been at it longest made room");
    for mut stream in silent {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(Answer::read(&mut stream).status, 200, "who holds nothing loses nothing");
    }
}

#[test]
fn an_idle_connection_has_a_limit_of_its_own() {
    let world = World::with(PEOPLE, "head_seconds_max = 1\nidle_seconds_max = 3");
    let request = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut stream = world.connect();
    stream.write_all(request).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 200);
    std::thread::sleep(Duration::from_millis(2_000));
    stream.write_all(request).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 200, "idle for longer than a head may take");
    // A head that has begun has the time of a head.
    stream.write_all(b"GET ").unwrap();
    let started = Instant::now();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(started.elapsed() < Duration::from_millis(2_800), "{:?}", started.elapsed());
    let mut stream = world.connect();
    stream.write_all(request).unwrap();
    Answer::read(&mut stream);
    let started = Instant::now();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(started.elapsed() > Duration::from_millis(2_500), "{:?}", started.elapsed());
}

/// On HTTP/2, meaningless frames without a request do not count as heads and do not keep a connection open.
#[test]
fn frames_of_no_use_on_http2_are_nobodys_trouble() {
    let world = World::with(PEOPLE, "heads_bytes_max = 100000\nhead_seconds_max = 2\nidle_seconds_max = 2");
    let mut frame = vec![0, 0x3e, 0x80, 0xfa, 0, 0, 0, 0, 0];
    frame.resize(9 + 16_000, 0);
    let mut stream = world.connect();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let started = Instant::now();
    let mut sent = 0;
    while stream.write_all(&frame).is_ok() {
        sent += 1;
        if sent % 50 == 0 {
            assert_eq!(world.push(empty_push()).status, 200, "after {sent} frames");
        }
        assert!(started.elapsed() < Duration::from_secs(10), "the connection is let go");
    }
    assert!(sent > 20, "{sent} frames were taken");
}

#[test]
fn a_trusted_proxy_says_for_whom_it_asks() {
    let peer = |trusted: &str, forwarded: &[&str]| {
        let world = World::stopped(PEOPLE, "");
        world.file("rollcall.toml", format!("trusted_proxies = {trusted}"));
        let world = world.started();
        let lines: String = forwarded.iter().map(|value| format!("X-Forwarded-For: {value}\r\n")).collect();
        raw(&world, &format!("GET /nowhere HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
        world.wait_for_log("\"route\":\"none\"");
        let log = world.log();
        let line = log.lines().find(|line| line.contains("\"route\":\"none\"")).unwrap();
        serde_json::from_str::<serde_json::Value>(line).unwrap()["peer"].as_str().unwrap().to_owned()
    };
    assert_eq!(peer("[]", &["192.0.2.1"]), "127.0.0.1", "nobody is believed");
    assert_eq!(peer("[\"127.0.0.0/8\"]", &["192.0.2.1"]), "192.0.2.1");
    assert_eq!(peer("[\"127.0.0.1/32\"]", &["192.0.2.9, 192.0.2.1"]), "192.0.2.1", "what came before may be invented");
    assert_eq!(peer("[\"127.0.0.1/32\", \"192.0.2.0/24\"]", &["2001:db8::1", "192.0.2.1"]), "2001:db8::1");
    assert_eq!(peer("[\"127.0.0.1/32\"]", &["nonsense"]), "127.0.0.1");
    assert_eq!(peer("[\"127.0.0.1/32\"]", &[]), "127.0.0.1");
}
