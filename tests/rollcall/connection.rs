//! Clients that stall, hang up, come by the thousand, or speak HTTP/2; and a server that is told to stop.

use super::world::{Answer, PEOPLE, PROFILE, Request, World, employee, empty_push};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

fn some() -> String {
    json!({ "profileId": PROFILE, "employees": [employee("1", "active", &[("First Name", "A")])] }).to_string()
}

#[test]
fn a_body_that_stalls_or_trickles_is_given_up() {
    let limits = "body_pause_seconds_max = 1\nbody_grace_seconds = 1\nbody_bytes_per_second_min = 1000";
    let world = World::with(PEOPLE, limits);
    let body = some();
    let request = Request::new("POST", "/v1/employees", body.as_bytes());
    let mut stalls = world.connect();
    stalls.write_all(&request.head()).unwrap();
    stalls.write_all(&request.body[..20]).unwrap();
    let answer = Answer::read(&mut stalls);
    assert_eq!(answer.status, 408);
    assert!(answer.message().contains("body_pause_seconds_max, which is 1"), "{}", answer.text);

    let mut trickles = world.connect();
    trickles.write_all(&request.head()).unwrap();
    for byte in &request.body[..30] {
        if trickles.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let answer = Answer::read(&mut trickles);
    assert_eq!(answer.status, 408);
    assert!(answer.message().contains("body_bytes_per_second_min, which is 1000"), "{}", answer.text);
    assert!(world.roster().is_empty());
    assert_eq!(world.push(some()).counts(), [1, 0, 0, 0, 0]);
}

#[test]
fn a_head_that_does_not_end_is_given_up() {
    let world = World::with(PEOPLE, "head_seconds_max = 1");
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    for start in ["", "P", "POST /v1/employees HTTP/1.1\r\nHost: x\r\n", "PRI * HTTP", preface] {
        let started = Instant::now();
        let mut stream = world.connect();
        stream.write_all(start.as_bytes()).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(started.elapsed() < Duration::from_secs(10), "{start:?} was let go after {:?}", started.elapsed());
    }
    assert_eq!(world.push(empty_push()).status, 200);
}

#[test]
fn a_client_that_hangs_up_half_way_changes_nothing() {
    let world = World::new();
    let body = some();
    let request = Request::new("POST", "/v1/employees", body.as_bytes());
    for sent in [0, 1, body.len() / 2, body.len() - 1] {
        let mut stream = world.connect();
        stream.write_all(&request.head()).unwrap();
        stream.write_all(&request.body[..sent]).unwrap();
        drop(stream);
    }
    // One that only stops sending, as a body shorter than it was said to be, hears of it.
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    stream.write_all(&request.body[..body.len() - 1]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status, 400);
    assert!(answer.message().contains("before its Content-Length"), "{}", answer.text);
    assert!(world.roster().is_empty());
    assert_eq!(world.push(&body).counts(), [1, 0, 0, 0, 0]);
}

#[test]
fn a_body_longer_than_it_was_said_to_be_is_not_pushed() {
    let world = World::new();
    let body = some();
    let short = Request::new("POST", "/v1/employees", &body.as_bytes()[..body.len() - 1]);
    let mut stream = world.connect();
    stream.write_all(&short.head()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 400, "what was said is cut JSON");
    assert!(world.roster().is_empty());
}

#[test]
fn a_thousand_connections() {
    let world = World::with(PEOPLE, "connections_max = 1010");
    let mut idle: Vec<_> = (0..1_010).map(|_| world.connect()).collect();
    std::thread::sleep(Duration::from_millis(300));
    // Who has said nothing loses the place to who has something to say.
    for _ in 0..20 {
        assert_eq!(world.push(empty_push()).status, 200, "others are served meanwhile");
    }
    idle.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    let let_go = idle.iter_mut().filter_map(|stream| stream.read(&mut [0]).ok()).count();
    assert!((1..=21).contains(&let_go), "{let_go} were let go");
}

#[test]
fn one_connection_too_many_hears_of_it() {
    let world = World::with(PEOPLE, "connections_max = 1");
    // The one connection keeps nobody waiting: its push has come, and waits for the account's file.
    let database = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let request = Request::new("POST", "/v1/employees", some().as_bytes());
    let mut busy = world.connect();
    busy.write_all(&[request.head(), request.body.clone()].concat()).unwrap();
    let mut stream = world.connect();
    let mut first = [0; 12];
    let heard = stream.read_exact(&mut first).ok().map(|()| String::from_utf8(first.to_vec()).unwrap());
    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(Answer::read(&mut busy).status, 200);
    assert_eq!(heard.as_deref(), Some("HTTP/1.1 503"));
}

#[test]
fn http2_with_prior_knowledge() {
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let big = json!({ "profileId": PROFILE, "employees": (0..20_000).map(|n| employee(&n.to_string(), "active", &[("First Name", "A")])).collect::<Vec<_>>() });
    let bodies = [(some(), 200), (big.to_string(), 200), ("{".to_owned(), 400)];
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        for (body, status) in bodies {
            let signed = Request::new("POST", "/v1/employees", body.as_bytes());
            let mut request = hyper::Request::builder().method("POST").uri("http://localhost/v1/employees");
            for (name, value) in signed.headers.iter().filter(|(name, _)| name != "Host") {
                request = request.header(name, value);
            }
            let answer = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
            assert_eq!(answer.status(), status);
            let text = answer.into_body().collect().await.unwrap().to_bytes();
            assert!(!text.is_empty());
        }
    });
    assert_eq!(world.roster().len(), 20_000);
}

#[test]
fn told_to_stop_it_finishes_what_is_under_way() {
    let mut world = World::new();
    let body = some();
    let request = Request::new("POST", "/v1/employees", body.as_bytes());
    let mut idle = world.connect();
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    stream.write_all(&request.body[..10]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    world.signal("-TERM");
    world.wait_for_log("no new connections");
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0, "an idle connection is closed");
    assert!(std::net::TcpStream::connect(world.address).is_err());
    stream.write_all(&request.body[10..]).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 200);
    drop(stream);
    assert!(world.wait().success());
    let world = world.started();
    assert_eq!(world.roster().len(), 1);
}

#[test]
fn a_push_that_does_not_end_does_not_hold_up_the_stop() {
    let mut world = World::with(PEOPLE, "stop_seconds_max = 1");
    let request = Request::new("POST", "/v1/employees", some().as_bytes());
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    stream.write_all(&request.body[..10]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    world.signal("-TERM");
    assert!(world.wait().success());
    world.wait_for_log("limit stop_seconds_max");
    assert!(world.started().roster().is_empty());
}

#[test]
fn a_body_with_a_wrong_digest_is_not_stored_even_if_the_server_stops_meanwhile() {
    let mut world = World::with(PEOPLE, "stop_seconds_max = 1");
    let database = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let many: Vec<_> = (0..20_000).map(|n| employee(&n.to_string(), "active", &[("First Name", "A")])).collect();
    let body = json!({ "profileId": PROFILE, "employees": many }).to_string();
    let request = Request::new("POST", "/v1/employees", body.as_bytes());
    let request = request.header("Content-Digest", "sha-256=:WPgQSXQkyUgHjK/rpGgJqQTrg8/kAMHzwyfBw4HjkRw=:");
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    stream.write_all(&request.body).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    world.signal("-TERM");
    world.wait_for_log("limit stop_seconds_max");
    database.execute_batch("ROLLBACK").unwrap();
    assert!(world.wait().success());
    world.wait_for_log("the client went away, or the server stopped");
    assert!(world.started().roster().is_empty());
}

#[test]
fn a_push_that_waits_its_turn_gets_it() {
    let world = World::new();
    let slow = Request::push();
    let mut first = world.connect();
    first.write_all(&slow.head()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let mut second = world.connect();
    second.write_all(&slow.head()).unwrap();
    second.write_all(&slow.body).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    first.write_all(&slow.body).unwrap();
    assert_eq!(Answer::read(&mut first).status, 200);
    assert_eq!(Answer::read(&mut second).status, 200);
}
