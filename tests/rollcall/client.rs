//! `rollcall push` and servers that are slow, busy, gone, somewhere else or another program: what it does and says.

use super::world::{PROFILE, SECRET, World, employee, empty_push, rollcall};
use rollcall::signature::{Head, format_date};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread::JoinHandle;

/// What a server does with a connection after it has read a head.
enum Act {
    /// Answers at once, without reading the body.
    Refuse(String),
    /// Asks for the body, reads it and answers.
    Answer(String),
    /// Closes the connection without reading the body.
    Close,
    /// Asks for the body and closes in the middle of it.
    CloseInBody,
    /// Reads the body and closes.
    CloseAfterBody,
    /// Reads the body and never answers.
    Silence,
}

/// A request as a server received it.
struct Heard {
    head: String,
    body: Vec<u8>,
}

impl Heard {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A server that treats its connections in the given ways, one after another.
struct Script {
    address: SocketAddr,
    server: JoinHandle<Vec<Heard>>,
}

impl Script {
    fn new(acts: impl IntoIterator<Item = Act> + Send + 'static) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let acts: Vec<Act> = acts.into_iter().collect();
        let server = std::thread::spawn(move || acts.into_iter().map(|act| heard(&listener, act)).collect());
        Script { address, server }
    }

    fn push(&self, file: &str, args: &[&str]) -> Output {
        push_to(&format!("http://{}", self.address), file, args).output().unwrap()
    }

    fn heard(self) -> Vec<Heard> {
        self.server.join().unwrap()
    }
}

fn heard(listener: &TcpListener, act: Act) -> Heard {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "a head ended early: {head}");
    }
    let mut heard = Heard { head, body: Vec::new() };
    let length: usize = heard.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut receive = |stream: &mut TcpStream, length: usize| {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        heard.body = vec![0; length];
        reader.read_exact(&mut heard.body).unwrap();
    };
    match act {
        Act::Close => {}
        Act::Refuse(answer) => stream.write_all(answer.as_bytes()).unwrap(),
        Act::CloseInBody => receive(&mut stream, 1_000),
        Act::CloseAfterBody => receive(&mut stream, length),
        Act::Answer(answer) => {
            receive(&mut stream, length);
            stream.write_all(answer.as_bytes()).unwrap();
        }
        Act::Silence => {
            receive(&mut stream, length);
            assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the client is the one that gives up");
        }
    }
    heard
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn counted() -> String {
    let counts = json!({
        "employeesCreated": 7, "employeesDataUpdated": 0, "employeesStatusChangedToActive": 0,
        "employeesStatusChangedToHidden": 0, "employeesNotChanged": 0,
    });
    answer("200 OK", "Rollcall-Request: r-1\r\n", &counts.to_string())
}

fn push_to(url: &str, file: &str, args: &[&str]) -> Command {
    let mut command = rollcall();
    command.args(["push", file, "--url", url, "--account", "99"]).args(args).env("ROLLCALL_SECRET", SECRET);
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Returns a world for the files of a test, without a server.
fn folder() -> World {
    World::stopped(super::world::PEOPLE, "")
}

#[test]
fn a_body_is_sent_compressed_and_its_length_is_the_signed_one() {
    let folder = folder();
    let text = format!("{{\"profileId\":\"{PROFILE}\",\"employees\":[{}]}}", " ".repeat(100_000));
    let packed = zstd::stream::encode_all(text.as_bytes(), 19).unwrap();
    for file in [folder.file("x.json", &text), folder.file("x.json.zst", packed)] {
        let script = Script::new([Act::Answer(counted())]);
        let pushed = script.push(&file, &[]);
        assert!(pushed.status.success(), "{}", err(&pushed));
        assert!(out(&pushed).contains("created             7"), "{}", out(&pushed));
        let heard = script.heard().remove(0);
        assert_eq!(heard.header("content-encoding"), Some("zstd"));
        assert!(heard.body.len() < 1_000, "{} bytes", heard.body.len());
        assert_eq!(zstd::stream::decode_all(&heard.body[..]).unwrap(), text.as_bytes());
        let (date, length) = (heard.header("date").unwrap(), heard.header("content-length").unwrap());
        let head = Head { verb: "POST", path: "/v1/employees", date, content_length: length };
        let expected = format!("SharedKey 99:{}", head.sign(SECRET.as_bytes()));
        assert_eq!(heard.header("authorization"), Some(expected.as_str()));
    }
}

#[test]
fn a_rollcall_server_takes_it_compressed() {
    let world = World::new();
    let employees =
        (0..5_000).map(|n| employee(&n.to_string(), "active", &[("First Name", "Ada"), ("Last Name", "Lovelace")]));
    let text = json!({ "profileId": PROFILE, "employees": employees.collect::<Vec<_>>() }).to_string();
    let pushed = world.push_file(&world.file("x.json", &text), &["--json"]);
    assert!(out(&pushed).contains("\"employeesCreated\": 5000"), "{}{}", out(&pushed), err(&pushed));
    world.wait_for_log("\"created\":5000");
    let log = world.log();
    let line: serde_json::Value =
        log.lines().find_map(|line| line.contains("5000").then(|| serde_json::from_str(line).unwrap())).unwrap();
    let sent = line["bytes"].as_u64().unwrap();
    assert!(sent * 5 < text.len() as u64, "{sent} of {} bytes were sent", text.len());
    assert!(!log.contains("415"), "{log}");
}

#[test]
fn a_server_that_takes_no_compressed_body_gets_a_plain_one() {
    let folder = folder();
    let file = folder.file("x.json", empty_push());
    let refusal = answer("415 Unsupported Media Type", "Rollcall-Request: r\r\n", "{\"message\":\"not compressed\"}");
    let script = Script::new([Act::Refuse(refusal.clone()), Act::Answer(counted())]);
    let pushed = script.push(&file, &["--retry", "0"]);
    assert!(pushed.status.success(), "{}", err(&pushed));
    let heard = script.heard();
    assert_eq!(heard[0].header("content-encoding"), Some("zstd"));
    assert_eq!(heard[1].header("content-encoding"), None);
    assert_eq!(heard[1].body, empty_push().into_bytes());
    // A server that takes nothing at all is not asked forever.
    let script = Script::new([Act::Refuse(refusal.clone()), Act::Refuse(refusal)]);
    let pushed = script.push(&file, &[]);
    assert_eq!(pushed.status.code(), Some(1));
    assert!(err(&pushed).contains("the server answered 415 (request r): not compressed"), "{}", err(&pushed));
}

#[test]
fn a_push_that_fails_for_a_passing_reason_is_sent_again() {
    let folder = folder();
    let file = folder.file("x.json", empty_push());
    let busy = |status: &str| answer(status, "Retry-After: 0\r\n", "{\"message\":\"busy\"}");
    let past = format!("Retry-After: {}\r\n", format_date(jiff::Timestamp::UNIX_EPOCH));
    let script = Script::new([
        Act::CloseAfterBody,
        Act::Refuse(busy("409 Conflict")),
        Act::Answer(answer("503 Service Unavailable", &past, "{\"message\":\"busy\"}")),
        Act::Answer(busy("502 Bad Gateway")),
        Act::Answer(counted()),
    ]);
    let pushed = script.push(&file, &["--retry", "4"]);
    assert!(pushed.status.success(), "{}", err(&pushed));
    let told = err(&pushed);
    for expected in [
        "it may have been applied; push the file again: a second time does no harm; trying again in 1 s (1 of 4)",
        "the server answered 409; trying again in 0 s (2 of 4)",
        "the server answered 503; trying again in 0 s (3 of 4)",
        "(4 of 4)",
        "an earlier attempt may have been applied",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert_eq!(script.heard().len(), 5);

    let script = Script::new([Act::Refuse(busy("409 Conflict")), Act::Refuse(busy("409 Conflict"))]);
    let pushed = script.push(&file, &["--retry", "1", "--quiet"]);
    assert_eq!(pushed.status.code(), Some(1));
    assert!(err(&pushed).contains("the server answered 409: busy"), "{}", err(&pushed));
    assert!(err(&pushed).contains("(tried 2 times)") && err(&pushed).lines().count() == 1, "{}", err(&pushed));
    script.heard();

    // What would fail again is not sent again.
    let refused = answer("400 Bad Request", "Rollcall-Request: r\r\n", "{\"message\":\"no\"}");
    let script = Script::new([Act::Answer(refused)]);
    let pushed = script.push(&file, &["--retry", "9"]);
    assert_eq!((pushed.status.code(), script.heard().len()), (Some(1), 1), "{}", err(&pushed));
}

#[test]
fn what_is_asked_before_the_push_is_asked_again_too() {
    let folder = folder();
    let file = folder
        .file("users.csv", "uid;secondname;firstname;login;email;position\n4712;Smith;John;js;js@example.com;CEO\n");
    let profile = json!({ "fields": [{ "name": "Last Name", "wire": { "collaborator": "secondname" } }] }).to_string();
    let profile = answer("200 OK", "Rollcall-Request: r\r\n", &profile);
    let script = Script::new([Act::Close, Act::Refuse(profile), Act::Answer(counted())]);
    let pushed = script.push(&file, &["--profile", PROFILE]);
    assert!(pushed.status.success(), "{}", err(&pushed));
    let heard = script.heard();
    assert!(heard[1].head.starts_with(&format!("GET /v1/profiles/{PROFILE} ")), "{}", heard[1].head);
    let body = String::from_utf8(zstd::stream::decode_all(&heard[2].body[..]).unwrap()).unwrap();
    assert!(body.contains("\"Smith\""), "{body}");
    let pushed = push_to("http://127.0.0.1:1", &file, &["--profile", PROFILE, "--retry", "1"]).output().unwrap();
    assert!(
        err(&pushed).contains("nobody listens there") && err(&pushed).contains("(tried 2 times)"),
        "{}",
        err(&pushed)
    );
    assert_eq!(err(&pushed).matches("nothing was sent").count(), 1, "{}", err(&pushed));
}

#[test]
fn a_url_that_leads_nowhere_is_named_by_its_cause() {
    let folder = folder();
    let file = folder.file("x.json", empty_push());
    for port in ["99999", "0"] {
        let pushed = push_to(&format!("http://127.0.0.1:{port}"), &file, &[]).output().unwrap();
        assert_eq!(pushed.status.code(), Some(2));
        assert!(err(&pushed).contains(&format!("there is no port \"{port}\"; ports are from 1")), "{}", err(&pushed));
    }
    let pushed = push_to("http://no-such-host.invalid", &file, &["--retry", "0"]).output().unwrap();
    assert!(err(&pushed).contains("; nothing was sent") && !err(&pushed).contains("lookup"), "{}", err(&pushed));
}

#[test]
fn the_question_before_the_push_ends_with_its_timeout() {
    let folder = folder();
    let file = folder.file("x.csv", "id,First Name\n1,A\n");
    // Nobody accepts: the connection is made, and nothing comes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let args = ["--profile", PROFILE, "--timeout", "1", "--retry", "0"];
    let pushed = push_to(&url, &file, &args).output().unwrap();
    assert_eq!(pushed.status.code(), Some(1));
    assert!(
        err(&pushed).contains("there was no answer within 1 seconds (--timeout); nothing was sent"),
        "{}",
        err(&pushed)
    );
}

#[test]
fn what_the_server_says_to_the_question_before_the_push_counts() {
    let folder = folder();
    let file = folder.file("x.csv", "id,First Name\n1,A\n");
    let ours = |message: &str| json!({ "message": message }).to_string();
    for (status, headers, body, expected) in [
        (
            "301 Moved",
            format!("Location: https://new.example.com/v1/profiles/{PROFILE}\r\n"),
            String::new(),
            "change the URL to https://new.example.com; nothing was sent",
        ),
        ("308 Moved", "Location: /hr/v1/employees\r\n".into(), String::new(), "change the URL to http://127.0.0.1:"),
        ("401 Unauthorized", String::new(), ours("log in"), "does not return the profile: log in"),
        (
            "403 Forbidden",
            "Rollcall-Request: r\r\n".into(),
            ours("the account has ended"),
            "403: the account has ended",
        ),
    ] {
        let script = Script::new([Act::Refuse(answer(status, &headers, &body))]);
        let pushed = script.push(&file, &["--profile", PROFILE]);
        assert_eq!((pushed.status.code(), script.heard().len()), (Some(1), 1), "{}", err(&pushed));
        assert!(err(&pushed).contains(expected) && err(&pushed).contains("; nothing was sent"), "{}", err(&pushed));
    }
    for status in ["404 Not Found", "405 Method Not Allowed", "501 Not Implemented"] {
        let script = Script::new([Act::Refuse(answer(status, "", "<html>")), Act::Answer(counted())]);
        let pushed = script.push(&file, &["--profile", PROFILE]);
        assert!(pushed.status.success(), "{}", err(&pushed));
        script.heard();
    }
    let world = World::new();
    let file = world.file("x.csv", "id,First Name\n1,A\n");
    let pushed = world.push_file(&file, &["--profile", "5a0c6c0e-8a51-4f0e-9d0b-6f1f6f5a2b11"]);
    let told = err(&pushed);
    assert!(told.contains("the account has no profile with this id") && told.contains("; nothing was sent"), "{told}");
    assert!(told.contains(&format!("; account 99 has {PROFILE} (")), "{told}");
}

#[test]
fn nothing_sent_and_may_have_been_applied_are_told_apart() {
    let folder = folder();
    let small = folder.file("x.json", empty_push());
    // More than the sockets of both sides take, and hardly to be compressed.
    let mut random = 1u64;
    let mut noise = String::new();
    while noise.len() < 40_000_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push_str(&format!("{:08x}", random >> 32));
    }
    let large = folder.file("large.json", format!("{{\"x\":\"{noise}\",{}", &empty_push()[1..]));
    for (act, file, expected) in [
        (Act::Close, &small, "; nothing was sent"),
        (Act::CloseInBody, &large, " bytes were sent, so nothing was applied"),
        (Act::CloseAfterBody, &small, "the whole push was sent, so it may have been applied"),
        (
            Act::Silence,
            &small,
            "no answer within 1 seconds (--timeout); the whole push was sent, so it may have been applied",
        ),
    ] {
        let script = Script::new([act]);
        let pushed = script.push(file, &["--retry", "0", "--timeout", "1"]);
        assert_eq!(pushed.status.code(), Some(1));
        assert!(err(&pushed).contains(expected), "{expected}: {}", err(&pushed));
        script.heard();
    }
    // What an earlier attempt may have done is not forgotten when the last one reaches nobody.
    let script = Script::new([Act::CloseAfterBody]);
    let pushed = script.push(&small, &["--retry", "1"]);
    let told = err(&pushed);
    let last = told.lines().last().unwrap();
    assert!(last.contains("nobody listens there") && last.contains("(tried 2 times)"), "{told}");
    assert!(last.contains("may have been applied"), "{told}");
}

#[test]
fn a_redirect_says_where_to() {
    let folder = folder();
    let file = folder.file("x.json", empty_push());
    for (status, location, expected) in [
        (
            "301 Moved",
            "https://new.example.com/v1/employees",
            "redirects to https://new.example.com/v1/employees; nothing was stored; a push does not follow, change the URL to https://new.example.com\n",
        ),
        ("302 Found", "https://new.example.com/login", "change the URL to https://new.example.com/login\n"),
        (
            "307 Temporary",
            "/hr/v1/employees",
            "/hr/v1/employees; nothing was stored; a push does not follow, change the URL to http://127.0.0.1:",
        ),
        ("308 Permanent", "https://new.example.com/v1/employees/", "change the URL to https://new.example.com\n"),
    ] {
        let script = Script::new([Act::Refuse(answer(status, &format!("Location: {location}\r\n"), "<html>"))]);
        let pushed = script.push(&file, &[]);
        assert_eq!(pushed.status.code(), Some(1));
        assert!(err(&pushed).contains(expected) && !err(&pushed).contains("<html>"), "{expected}: {}", err(&pushed));
        script.heard();
    }
}

#[test]
fn tls_at_a_plain_port_and_the_other_way_round_are_named() {
    let world = World::new();
    let file = world.file("x.json", empty_push());
    let pushed = push_to(&format!("https://{}", world.address), &file, &[]).output().unwrap();
    assert_eq!(pushed.status.code(), Some(1));
    assert!(err(&pushed).contains("the port does not speak TLS; write http://"), "{}", err(&pushed));
    assert!(err(&pushed).contains("nothing was sent") && !err(&pushed).contains("trying again"), "{}", err(&pushed));
    let alert = "\u{15}\u{3}\u{3}\0\u{2}\u{2}\u{a}".to_owned();
    let nginx = answer("400 Bad Request", "", "<title>400 The plain HTTP request was sent to HTTPS port</title>");
    for reply in [alert, nginx] {
        let script = Script::new([Act::Refuse(reply)]);
        let pushed = script.push(&file, &[]);
        assert_eq!(pushed.status.code(), Some(1));
        assert!(err(&pushed).contains("write https:// instead of http://"), "{}", err(&pushed));
        script.heard();
    }
}

#[test]
fn a_403_names_the_secret_and_both_clocks() {
    let world = World::new();
    let file = world.file("x.json", empty_push());
    let mut push = push_to(&format!("http://{}", world.address), &file, &["--secret-env", "OTHER"]);
    let pushed = push.env("OTHER", "wrong").output().unwrap();
    let told = err(&pushed);
    assert_eq!(pushed.status.code(), Some(1));
    assert!(told.contains("the secret in OTHER is not one of account 99's"), "{told}");
    assert!(told.contains("the clock of this machine says ") && told.contains(", the server's "), "{told}");
    assert!(!told.contains("HMAC") && !told.contains("wrong"), "{told}");
    // The same is said where the profile is asked for first.
    let csv = world.file("x.csv", "id,First Name\n1,A\n");
    let url = format!("http://{}", world.address);
    let told = err(&push_to(&url, &csv, &["--profile", PROFILE]).env("ROLLCALL_SECRET", "other").output().unwrap());
    assert!(told.contains("the secret in ROLLCALL_SECRET is not one of account 99's"), "{told}");
    assert!(told.ends_with("; nothing was sent\n"), "{told}");
    for secret in [" a", "a\n", "a\r\n"] {
        let pushed = push_to(&url, &file, &[]).env("ROLLCALL_SECRET", secret).output().unwrap();
        assert_eq!(pushed.status.code(), Some(2));
        assert!(
            err(&pushed).contains("the secret in ROLLCALL_SECRET begins or ends with white space"),
            "{}",
            err(&pushed)
        );
    }

    let now = jiff::Timestamp::now().as_second();
    for (offset, expected) in
        [(-3 * 3600, "180 minutes ahead of the server's"), (3600, "60 minutes behind the server's")]
    {
        let date = jiff::Timestamp::from_second(now + offset + offset.signum() * 5).unwrap();
        let headers = format!("Date: {}\r\nRollcall-Request: r\r\n", format_date(date));
        let message = "{\"message\":\"HTTP header 'Date' is incorrect: it's older than 15 minutes\"}";
        let script = Script::new([Act::Refuse(answer("403 Forbidden", &headers, message))]);
        let pushed = script.push(&file, &[]);
        let told = err(&pushed);
        assert!(told.contains(expected) && told.contains(&date.to_string()), "{told}");
        script.heard();
    }
}

#[test]
fn another_profile_than_the_file_names_is_refused_before_anything_is_sent() {
    let world = World::new();
    let other = "00000000-0000-0000-0000-000000000001";
    let last = format!("\u{feff}{{\"employees\":[{{\"profileId\":1}}],\"ProfileId\":\"{}\"}}", PROFILE.to_uppercase());
    for (name, text) in [("x.json", empty_push()), ("last.json", last)] {
        let file = world.file(name, text);
        let pushed = push_to("http://127.0.0.1:1", &file, &["--profile", other]).output().unwrap();
        assert_eq!(pushed.status.code(), Some(1));
        let expected = format!("the file names the profile {PROFILE}, but --profile");
        assert!(err(&pushed).contains(&expected) && err(&pushed).contains("nothing was sent"), "{}", err(&pushed));
    }
    let file = world.file("x.json", empty_push());
    for profile in [PROFILE.to_owned(), PROFILE.to_uppercase()] {
        let pushed = world.push_file(&file, &["--profile", &profile]);
        assert!(pushed.status.success(), "{}", err(&pushed));
    }
}

#[test]
fn a_proxy_is_named_without_its_password() {
    let world = World::new();
    let file = world.file("x.json", empty_push());
    let url = format!("http://{}", world.address);
    for variable in ["ALL_PROXY", "HTTPS_PROXY", "http_proxy"] {
        let mut push = push_to(&url, &file, &["--retry", "0"]);
        let pushed = push.env(variable, "http://user:pass@127.0.0.1:1").output().unwrap();
        let told = err(&pushed);
        assert_eq!(pushed.status.code(), Some(1));
        assert!(told.contains(&format!("(through the proxy http://127.0.0.1:1 of {variable};")), "{told}");
        assert!(told.contains("nothing was sent") && !told.contains("pass"), "{told}");
        let pushed = push.env("NO_PROXY", "127.0.0.1").output().unwrap();
        assert!(pushed.status.success(), "{}", err(&pushed));
    }
    // One that refuses to connect.
    let proxy = Script::new([Act::Refuse("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".into())]);
    let mut push = push_to(&url, &file, &[]);
    let pushed = push.env("HTTP_PROXY", format!("http://{}", proxy.address)).output().unwrap();
    assert!(err(&pushed).contains("the proxy makes no connection") && err(&pushed).contains("403"), "{}", err(&pushed));
    proxy.heard();
}

#[test]
fn quiet_is_quiet_until_something_is_wrong() {
    let world = World::new();
    let file = world.file("x.csv", "id,First Name\n1,A\n");
    let pushed = world.push_file(&file, &["--profile", PROFILE, "--quiet"]);
    assert!(pushed.status.success());
    assert_eq!((out(&pushed), err(&pushed)), (String::new(), String::new()));
    let pushed = world.push_file(&file, &["--profile", PROFILE, "-q", "--json"]);
    assert!(out(&pushed).contains("\"employeesNotChanged\": 1"), "{}", out(&pushed));
    let file = world.file("x.csv", "id,First Name\n1,\n");
    let pushed = world.push_file(&file, &["--profile", PROFILE, "--quiet"]);
    assert_eq!((pushed.status.code(), out(&pushed)), (Some(1), String::new()));
    assert!(err(&pushed).contains("row 2"), "{}", err(&pushed));
}

#[test]
fn the_patience_of_a_push_is_configured() {
    let folder = folder();
    let file = folder.file("x.json", empty_push());
    for (text, expected) in [
        ("retry = 0\ntimeout_seconds = 1\nquiet = true\n", "no answer within 1 seconds"),
        ("retry = 101\n", "[push] retry is 101 in the configuration; it must be from 0 to 100"),
        ("timeout_seconds = 0\n", "it must be from 1 to 86400"),
    ] {
        let config = folder.file("push.toml", format!("[push]\n{text}"));
        let script = Script::new(expected.starts_with("no").then_some(Act::Silence));
        let pushed = script.push(&file, &["--config", &config]);
        assert!(err(&pushed).contains(expected), "{expected}: {}", err(&pushed));
        script.heard();
    }
    for args in [["--timeout", "0"], ["--retry", "101"], ["--retry", "-1"]] {
        let pushed = push_to("http://127.0.0.1:1", &file, &args).output().unwrap();
        assert_eq!(pushed.status.code(), Some(2), "{args:?}: {}", err(&pushed));
    }
}
