//! Authentication: whatever is wrong with the head is answered 403 with the name of the header, and nothing is stored.

use super::world::{Answer, Request, SECRET, World, employee, empty_push};
use jiff::{SignedDuration, Timestamp};
use rollcall::signature::{Head, format_date};
use serde_json::json;
use std::io::{Read as _, Write as _};

fn signed(date: &str, path: &str, length: &str, secret: &str) -> String {
    let head = Head { verb: "POST", path, date, content_length: length };
    format!("SharedKey 99:{}", head.sign(secret.as_bytes()))
}

#[test]
fn a_bad_head_is_refused_by_the_name_of_the_header() {
    let world = World::new();
    world.add_account(100, "another");
    let now = format_date(Timestamp::now());
    let at = |minutes: i64| format_date(Timestamp::now() + SignedDuration::from_mins(minutes));
    let length = empty_push().len().to_string();
    let route = "/v1/employees";
    let authorized = |value: &str| Request::push().header("Date", &now).header("Authorization", value);
    let dated = |date: &str| {
        Request::push().header("Date", date).header("Authorization", &signed(date, route, &length, SECRET))
    };
    let good = signed(&now, route, &length, SECRET);
    assert_eq!(authorized(&good).send(&world).status, 200);
    assert_eq!(dated(&at(14)).send(&world).status, 200);
    assert_eq!(dated(&at(-14)).send(&world).status, 200);

    let wrong = "HTTP header 'Authorization' is incorrect: no such account has this signature";
    for (request, message) in [
        (Request::push().without("Authorization"), "HTTP header 'Authorization' is incorrect: it's missing"),
        (authorized("SharedKey"), "HTTP header 'Authorization' is incorrect: it must read"),
        (authorized("Bearer 99:AAAA"), "HTTP header 'Authorization' is incorrect: its scheme must be SharedKey"),
        (authorized("SharedKey 99"), "HTTP header 'Authorization' is incorrect: a colon must stand"),
        (
            authorized("SharedKey ninety:AAAA"),
            "HTTP header 'Authorization' is incorrect: the account id must be an integer",
        ),
        (authorized("SharedKey 99:!"), "HTTP header 'Authorization' is incorrect: the signature must be base64"),
        (authorized("SharedKey 99:"), wrong),
        (authorized("SharedKey 99:AAAA"), wrong),
        (authorized(&good.replace("99:", "12345:")), wrong),
        (authorized(&good.replace("99:", "100:")), wrong),
        (authorized(&signed(&now, route, &length, "another")), wrong),
        (authorized(&signed(&now, route, "1", SECRET)), wrong),
        (authorized(&signed(&now, "/v1/profiles", &length, SECRET)), wrong),
        (Request::push().header("Date", &at(1)), wrong),
        (Request::push().without("Date"), "HTTP header 'Date' is incorrect: it's missing"),
        (dated("yesterday"), "HTTP header 'Date' is incorrect: it must be a date of RFC 1123"),
        (dated("2026-01-01T00:00:00Z"), "HTTP header 'Date' is incorrect: it must be a date of RFC 1123"),
        (dated(&at(16)), "HTTP header 'Date' is incorrect: it's more than 15 minutes in the future"),
    ] {
        let answer = request.send(&world);
        assert_eq!(answer.status, 403, "{message}: {}", answer.text);
        assert!(answer.message().starts_with(message), "{message}: {}", answer.text);
    }
    let old = dated(&at(-16)).send(&world);
    let documented = json!({ "message": "HTTP header 'Date' is incorrect: it's older than 15 minutes" });
    assert_eq!((old.status, old.json()), (403, documented));
    let log = world.log();
    assert!(!log.contains(SECRET) && !log.contains("SharedKey 99:"), "{log}");
}

#[test]
fn the_path_is_signed_in_lower_case_and_routed_in_any() {
    let world = World::new();
    assert_eq!(Request::new("POST", "/V1/Employees", empty_push().as_bytes()).send(&world).status, 200);
    let push = json!([employee("AbC", "active", &[("First Name", "x")])]);
    assert_eq!(world.push_employees(push).counts(), [1, 0, 0, 0, 0]);
    assert_eq!(world.get("/v1/employees/AbC").status, 200);
    assert_eq!(world.get("/v1/employees/abc").status, 404);
}

#[test]
fn a_push_without_its_length_cannot_be_signed() {
    let world = World::new();
    let chunked = Request::push().without("Content-Length").header("Transfer-Encoding", "chunked");
    let mut stream = world.connect();
    stream.write_all(&chunked.head()).unwrap();
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status, 411);
    assert!(answer.message().contains("Content-Length"), "{}", answer.text);
}

#[test]
fn a_refused_head_is_refused_before_the_body_is_sent() {
    let world = World::with(super::world::PEOPLE, "body_bytes_max = 1000");
    let bad = Request::push().without("Authorization").header("Expect", "100-continue");
    let mut stream = world.connect();
    stream.write_all(&bad.head()).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 403);

    // Over the limit: refused by the head, though two gigabytes of body were said to come.
    let date = format_date(Timestamp::now());
    let long = Request::push().header("Date", &date).header("Content-Length", "2000000000");
    let long = long.header("Authorization", &signed(&date, "/v1/employees", "2000000000", SECRET));
    let mut stream = world.connect();
    stream.write_all(&long.head()).unwrap();
    let answer = Answer::read(&mut stream);
    assert_eq!(answer.status, 413);
    assert!(answer.message().contains("at most 1000 (limit body_bytes_max)"), "{}", answer.text);
}

#[test]
fn a_good_head_is_told_to_go_on() {
    let world = World::new();
    let request = Request::push().header("Expect", "100-continue");
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&request.body).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 200);
}

#[test]
fn an_answer_reaches_a_client_that_is_still_sending() {
    let world = World::new();
    let body = vec![b' '; 20_000_000];
    let mut request = Request::new("POST", "/v1/employees", &body);
    request = request.header("Authorization", "SharedKey 99:AAAA");
    let mut stream = world.connect();
    stream.write_all(&request.head()).unwrap();
    stream.write_all(&request.body).expect("the server takes what is under way");
    assert_eq!(Answer::read(&mut stream).status, 403);
}
