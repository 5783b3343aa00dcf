//! One client leaves room for others: places, memory and time are shared, and clients that keep the server waiting give way.

use super::world::{Answer, PEOPLE, PROFILE, Request, SECRET, World, employee, empty_push};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rollcall::signature::Head;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A push of nobody for another account of the world, which has the same secret.
fn push_of(world: &World, account: i64) -> Request {
    of(world, account, Request::push())
}

/// A request for another account of the world, which has the same secret; the account is added if it is not there.
fn of(world: &World, account: i64, request: Request) -> Request {
    if !std::fs::exists(world.path(&format!("data/accounts/{account}.db"))).unwrap() {
        world.add_account(account, SECRET);
    }
    let authorization = request.headers.iter().find(|(name, _)| name == "Authorization").unwrap().1.clone();
    request.header("Authorization", &authorization.replace(" 99:", &format!(" {account}:")))
}

fn begin(world: &World, request: &Request) -> TcpStream {
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    stream.write_all(&request.body[..1]).unwrap();
    stream
}

#[test]
fn who_is_slow_to_send_a_body_gives_way_to_others() {
    let world = World::with(PEOPLE, "pushes_max = 2");
    let mut slow: Vec<TcpStream> = [1, 2].map(|account| begin(&world, &push_of(&world, account))).into();
    std::thread::sleep(Duration::from_millis(700));
    let started = Instant::now();
    assert_eq!(world.push(empty_push()).status, 200);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let told = slow.iter_mut().find_map(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        stream.peek(&mut [0]).ok().map(|_| Answer::read(stream))
    });
    let told = told.expect("one of them was told");
    assert_eq!(told.status, 408);
    assert!(told.message().contains("limit pushes_max, which is 2"), "{}", told.text);
}

#[test]
fn a_byte_now_and_then_is_no_progress() {
    let world = World::with(PEOPLE, "pushes_max = 2\nconnections_max = 30");
    let trickle = |stop: &AtomicBool, mut streams: Vec<TcpStream>| {
        while !stop.load(Ordering::Relaxed) {
            streams.iter_mut().for_each(|stream| drop(stream.write_all(b" ")));
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let pushes: Vec<TcpStream> = [1, 2]
        .map(|account| {
            let mut request = push_of(&world, account);
            request.body = vec![b' '; 900_000];
            let length = request.body.len().to_string();
            let date = request.headers.iter().find(|(name, _)| name == "Date").unwrap().1.clone();
            let head = Head { verb: "POST", path: "/v1/employees", date: &date, content_length: &length };
            let signature = format!("SharedKey {account}:{}", head.sign(SECRET.as_bytes()));
            let request = request.header("Content-Length", &length).header("Authorization", &signature);
            begin(&world, &request)
        })
        .into();
    let form = Request::new("POST", "/echotools7/api/api_import_emps.asp", &[b'x'; 60_000]);
    let forms: Vec<TcpStream> = (0..28).map(|_| begin(&world, &form)).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| trickle(&stop, pushes));
        threads.spawn(|| trickle(&stop, forms));
        std::thread::sleep(Duration::from_millis(1_500));
        for _ in 0..5 {
            assert_eq!(world.push(empty_push()).status, 200);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn who_waits_for_a_push_of_its_own_account_takes_nobody_elses_place() {
    let world = World::with(PEOPLE, "pushes_max = 2\npush_wait_seconds_max = 2");
    let _first = begin(&world, &push_of(&world, 1));
    let mut other = begin(&world, &push_of(&world, 2));
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(push_of(&world, 1).send(&world).status, 409);
    other.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(other.peek(&mut [0]).is_err(), "nothing was said to the other");
    other.write_all(&empty_push().as_bytes()[1..]).unwrap();
    other.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(Answer::read(&mut other).status, 200);
}

#[test]
fn pushes_at_once_are_limited() {
    let world = World::with(PEOPLE, "pushes_max = 1\npush_wait_seconds_max = 1");
    let other = push_of(&world, 5);
    // This one has sent all of its body, and waits for another program's write.
    let database = rusqlite::Connection::open(world.path("data/accounts/99.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut first = world.connect();
    first.write_all(&[Request::push().head(), empty_push().into_bytes()].concat()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let second = other.send(&world);
    assert_eq!((second.status, second.header("retry-after").as_deref()), (503, Some("1")));
    assert!(second.message().contains("limit pushes_max"), "{}", second.text);
    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(Answer::read(&mut first).status, 200);
}

#[test]
fn so_many_of_an_account_wait_for_their_turn() {
    let world = World::with(PEOPLE, "account_waiting_max = 3");
    let first = begin(&world, &Request::push());
    std::thread::sleep(Duration::from_millis(200));
    let waiting: Vec<TcpStream> = (0..8).map(|_| begin(&world, &Request::push())).collect();
    std::thread::sleep(Duration::from_millis(500));
    let told: Vec<u16> = waiting
        .iter()
        .filter_map(|stream| {
            stream.set_nonblocking(true).unwrap();
            let told = stream.peek(&mut [0]).is_ok();
            stream.set_nonblocking(false).unwrap();
            told.then(|| Answer::read(&mut stream.try_clone().unwrap()).status)
        })
        .collect();
    assert_eq!(told, [409; 5]);
    drop((first, waiting));
}

/// A world whose first page is some four megabytes, and its employees' bodies.
fn heavy(limits: &str) -> World {
    heavier(limits, 4_000)
}

fn heavier(limits: &str, name_chars: usize) -> World {
    let world = World::with(PEOPLE, limits);
    let name = "N".repeat(name_chars);
    let employees: Vec<_> = (0..1_000).map(|n| employee(&n.to_string(), "active", &[("First Name", &name)])).collect();
    assert_eq!(world.push_employees(json!(employees)).counts(), [1_000, 0, 0, 0, 0]);
    world
}

#[test]
fn an_answer_that_nobody_reads_is_given_up() {
    // More than the system takes on its own for a socket.
    let world = heavier("body_pause_seconds_max = 1\npage_bytes_max = 67108864", 24_000);
    let request = Request::new("GET", "/v1/employees?limit=1000", b"");
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    std::thread::sleep(Duration::from_secs(4));
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read);
    assert!(read.len() < 20_000_000, "{} bytes arrived all the same", read.len());
    let answer = request.send(&world);
    assert_eq!((answer.status, answer.bytes.len() > 20_000_000), (200, true));
}

#[test]
fn what_a_push_did_is_said_though_answers_take_all_they_may() {
    let world = World::with(PEOPLE, "answers_bytes_max = 1");
    assert_eq!(
        world.push_employees(json!([employee("1", "active", &[("First Name", "A")])])).counts(),
        [1, 0, 0, 0, 0]
    );
    assert_eq!(world.get("/v1/employees/1").status, 200, "a few bytes are nobody's trouble");
}

#[test]
#[cfg(target_os = "linux")]
fn answers_that_nobody_reads_take_so_much_memory_and_no_more() {
    let world = heavy("answers_bytes_max = 40000000");
    let request = Request::new("GET", "/v1/employees?limit=1000", b"");
    let mut unread: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = world.connect();
            stream.write_all(&request.head()).unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(world.push(empty_push()).status, 200, "a push needs none of it");
    let full = unread.iter_mut().any(|stream| {
        let mut first = [0; 12];
        stream.read_exact(&mut first).is_ok() && &first == b"HTTP/1.1 503"
    });
    assert!(full, "not all of them were answered");
    drop(unread);
    let started = Instant::now();
    while request.send(&world).status != 200 {
        assert!(started.elapsed() < Duration::from_secs(10), "what nobody reads is given back");
    }
    assert!(world.peak_memory_mib() < 160, "{} MiB", world.peak_memory_mib());
}

#[test]
#[cfg(target_os = "linux")]
fn on_http2_too() {
    let world = heavy("body_pause_seconds_max = 1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(1_000).initial_connection_window_size(65_535);
        let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut unread = Vec::new();
        for _ in 0..4 {
            let signed = Request::new("GET", "/v1/employees?limit=1000", b"");
            let mut request = hyper::Request::builder().uri("http://localhost/v1/employees?limit=1000");
            for (name, value) in signed.headers.iter().filter(|(name, _)| name != "Host") {
                request = request.header(name, value);
            }
            let body = http_body_util::Empty::<bytes::Bytes>::new();
            let answer = sender.send_request(request.body(body).unwrap()).await.unwrap();
            assert_eq!(answer.status(), 200);
            unread.push(answer);
        }
        let ended = tokio::time::timeout(Duration::from_secs(10), connection).await;
        assert!(ended.is_ok(), "the connection is let go, though its pings are answered");
    });
    assert_eq!(world.push(empty_push()).status, 200);
}

#[test]
#[cfg(target_os = "linux")]
fn a_preface_that_ends_early_costs_nothing() {
    let world = World::new();
    for _ in 0..500 {
        let mut stream = world.connect();
        stream.write_all(b"P").unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    let before = world.cpu_time();
    std::thread::sleep(Duration::from_secs(1));
    let used = world.cpu_time() - before;
    assert!(used < Duration::from_millis(300), "{used:?} of a second in which nobody asked for anything");
    // The preface may come byte by byte, and so may a request that begins like it.
    let mut stream = world.connect();
    for byte in b"PRI" {
        stream.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    stream.write_all(b"NT /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(Answer::read(&mut stream).status, 405);
}

#[test]
#[cfg(target_os = "linux")]
fn many_reads_take_their_turns() {
    let world = heavy("reads_max = 4\naccount_reads_max = 2\naccount_waiting_max = 1000");
    let mut reads: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = world.connect();
            stream.write_all(&Request::new("GET", "/v1/employees?status=hidden&limit=1", b"").head()).unwrap();
            stream
        })
        .collect();
    let started = Instant::now();
    assert_eq!(world.request("GET", "/health", None).status, 200);
    assert!(started.elapsed() < Duration::from_secs(2), "/health waits for no read: {:?}", started.elapsed());
    assert_eq!(push_of(&world, 5).send(&world).status, 200);
    for stream in &mut reads {
        assert_eq!(Answer::read(stream).status, 200);
    }
    assert!(world.peak_memory_mib() < 120, "{} MiB", world.peak_memory_mib());
}

#[test]
fn slow_exports_of_one_account_are_not_everybodys() {
    let world = heavy("exports_max = 1\nbody_pause_seconds_max = 20");
    let export = Request::new("GET", "/v1/employees.csv", b"");
    let _slow: Vec<TcpStream> = (0..10)
        .map(|_| {
            let mut stream = world.connect();
            stream.write_all(&export.head()).unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_secs(2));
    let answer = of(&world, 5, export).send(&world);
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[test]
#[cfg(target_os = "linux")]
fn memory_goes_back_after_a_push_also_a_refused_one() {
    let world = World::new();
    let name = "N".repeat(300);
    let mut employees: Vec<_> =
        (0..100_000).map(|n| employee(&n.to_string(), "active", &[("First Name", &name)])).collect();
    employees.push(employee("x", "active", &[("Email", "none")]));
    let refused = world.push(json!({ "profileId": PROFILE, "employees": employees }).to_string());
    assert_eq!(refused.status, 400);
    let started = Instant::now();
    while world.current_memory_mib() > 60 {
        assert!(started.elapsed() < Duration::from_secs(10), "{} MiB are held", world.current_memory_mib());
        std::thread::sleep(Duration::from_millis(100));
    }
}
