//! Signatures by RFC 9421 beside SharedKey, and signatures that come again.

use super::world::{ACCOUNT, Answer, PROFILE, Request, SECRET, World, employee, rollcall, run};
use jiff::{SignedDuration, Timestamp};
use rollcall::digest::content_digest;
use rollcall::signature::format_date;
use rollcall::signature::message::{Message, sign};
use serde_json::json;

fn body(name: &str) -> Vec<u8> {
    let employees = json!([employee("1", "active", &[("First Name", name)])]);
    json!({ "profileId": PROFILE, "employees": employees }).to_string().into_bytes()
}

/// A request that is signed by RFC 9421 at a time.
fn signed_at(now: Timestamp, secret: &str, method: &str, target: &str, body: &[u8]) -> Request {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let (date, digest) = (format_date(now), content_digest(body).unwrap());
    let header = |name: &str| Some(if name == "date" { date.clone() } else { digest.clone() });
    let nonce = uuid::Uuid::now_v7().to_string();
    let message = Message { method, path, query, header: &header, has_body: method == "POST" };
    let signed = sign(&message, ACCOUNT, now, &nonce, secret.as_bytes());
    let request = Request::new(method, target, body).without("Authorization").header("Date", &date);
    let request = request.header("Signature-Input", &signed.input).header("Signature", &signed.signature);
    if method == "POST" { request.header("Content-Digest", &digest) } else { request }
}

fn signed(method: &str, target: &str, body: &[u8]) -> Request {
    signed_at(Timestamp::now(), SECRET, method, target, body)
}

fn set(world: &World, args: &[&str]) {
    let set = run(&[&["account", "set", "99", "--data", &world.path("data")], args].concat());
    assert!(set.status.success(), "{set:?}");
}

#[test]
fn a_message_signature_covers_the_query_and_the_body() {
    let world = World::new();
    assert_eq!(signed("POST", "/v1/employees?expected=1", &body("A")).send(&world).counts(), [1, 0, 0, 0, 0]);
    assert_eq!(signed("GET", "/v1/employees?limit=1", b"").send(&world).status, 200);
    assert_eq!(signed("GET", "/v1/employees/1", b"").send(&world).status, 200);
    let with_path = |path: &str| {
        let request = signed("POST", "/v1/employees?expected=1", &body("A"));
        Request { path: path.into(), ..request }.send(&world)
    };
    let other_body = Request { body: body("B"), ..signed("POST", "/v1/employees", &body("A")) }.send(&world);
    assert_eq!(other_body.status, 400);
    assert!(other_body.message().contains("Content-Digest"), "{}", other_body.text);
    let of_other = content_digest(&body("B")[..]).unwrap();
    let other_digest = Request { body: body("B"), ..signed("POST", "/v1/employees", &body("A")) };
    let input = |from: &str, to: &str| {
        let request = signed("POST", "/v1/employees", &body("A"));
        let value = request.headers.iter().find(|(name, _)| name == "Signature-Input").unwrap().1.replace(from, to);
        request.header("Signature-Input", &value).send(&world)
    };
    let old = Timestamp::now() - SignedDuration::from_mins(16);
    for (answer, told) in [
        (with_path("/v1/employees?expected=2"), "'Signature' is incorrect: no such account has this signature"),
        (other_digest.header("Content-Digest", &of_other).send(&world), "no such account has this signature"),
        (signed_at(Timestamp::now(), "another", "POST", "/v1/employees", &body("A")).send(&world), "no such account"),
        (signed_at(old, SECRET, "POST", "/v1/employees", &body("A")).send(&world), "created more than 15 minutes ago"),
        (input(" \"content-digest\"", ""), "it must cover \"content-digest\""),
        (input("\"@query\"", "\"@status\""), "it must cover \"@query\""),
        (input("keyid=\"99\"", "keyid=\"98\""), "no such account has this signature"),
        (input("hmac-sha256", "rsa-pss-sha512"), "its alg must be \"hmac-sha256\""),
        (input(";nonce=", ";nonsense="), "it must have a nonce"),
        (input("sig=", "other="), "with the same label"),
        (
            signed("POST", "/v1/employees", &body("A")).without("Signature").send(&world),
            "'Signature' is incorrect: it's missing",
        ),
    ] {
        assert_eq!(answer.status, 403, "{told}: {}", answer.text);
        assert!(answer.message().contains(told), "{told}: {}", answer.text);
    }
}

#[test]
fn a_nonce_is_taken_once_also_across_a_restart() {
    let mut world = World::new();
    let (push, read) = (signed("POST", "/v1/employees", &body("A")), signed("GET", "/v1/profiles", b""));
    let refused = signed("POST", "/v1/employees", &body(""));
    assert_eq!((push.send(&world).status, read.send(&world).status, refused.send(&world).status), (200, 200, 400));
    let again = |answer: &Answer| answer.status == 403 && answer.message().contains("its nonce was seen before");
    assert!(again(&push.send(&world)) && again(&read.send(&world)) && again(&refused.send(&world)));
    world.kill();
    world = world.started();
    assert!(again(&push.send(&world)));
    assert_eq!(signed("POST", "/v1/employees", &body("A")).send(&world).counts(), [0, 0, 0, 0, 1]);
}

#[test]
fn as_many_nonces_are_remembered_as_the_limit_says() {
    let world = World::with(super::world::PEOPLE, "signatures_kept_max = 2");
    let read = || signed("GET", "/v1/profiles", b"").send(&world);
    assert_eq!([read().status, read().status], [200, 200]);
    let third = read();
    assert_eq!((third.status, third.header("Retry-After").as_deref()), (503, Some("60")));
    assert!(third.message().contains("signatures_kept_max"), "{}", third.text);
    assert_eq!(world.get("/v1/profiles").status, 200);
}

#[test]
fn an_account_can_require_message_signatures_which_rollcall_push_makes() {
    let world = World::new();
    set(&world, &["--require", "rfc9421"]);
    let shared_key = world.get("/v1/profiles");
    assert_eq!(shared_key.status, 403);
    assert!(
        shared_key.message().contains("account 99 requires that requests are signed by RFC 9421"),
        "{}",
        shared_key.text
    );
    let file = world.file("x.csv", "id,First Name\nA,A\n");
    let push = |args: &[&str]| {
        let mut command = rollcall();
        command.args(["push", &file, "--url", &format!("http://{}", world.address), "--account", "99"]);
        command.args(["--profile", PROFILE]).args(args).env("ROLLCALL_SECRET", SECRET).output().unwrap()
    };
    assert_eq!(push(&[]).status.code(), Some(1));
    let pushed = push(&["--sign", "rfc9421"]);
    assert!(pushed.status.success(), "{pushed:?}");
    assert_eq!(signed("GET", "/v1/employees", b"").send(&world).json()["employees"].as_array().unwrap().len(), 1);
}

#[test]
fn a_shared_key_signature_with_other_bytes_is_refused_where_the_account_says_so() {
    let mut world = World::new();
    let push = |name: &str| Request::new("POST", "/v1/employees", &body(name));
    let with = |request: &Request, name: &str| Request {
        method: "POST".into(),
        path: "/v1/employees".into(),
        headers: request.headers.clone(),
        body: body(name),
    };
    let before = push("A");
    assert_eq!((before.send(&world).status, with(&before, "B").send(&world).status), (200, 200));
    set(&world, &["--replay", "refuse"]);
    let first = push("Cee");
    assert_eq!(first.send(&world).status, 200);
    // The same bytes are a retry.
    assert_eq!(first.send(&world).counts(), [0, 0, 0, 0, 1]);
    let told = "this signature came before with another body";
    let replayed = with(&first, "Dee").send(&world);
    assert!(replayed.status == 403 && replayed.message().contains(told), "{}", replayed.text);
    // One that was refused has come before, too.
    let refused = Request::new("POST", "/v1/employees", &body("")[..]);
    assert_eq!(refused.send(&world).status, 400);
    let sneaky = String::from_utf8(body("")).unwrap().replace("\"1\"", "\"2\"");
    let sneaky = Request { body: sneaky.into_bytes(), headers: refused.headers.clone(), ..push("") }.send(&world);
    assert!(sneaky.status == 403 || sneaky.status == 400, "{}", sneaky.text);
    world.kill();
    world = world.started();
    assert_eq!(with(&first, "Eee").send(&world).status, 403);
    assert_eq!(first.send(&world).counts(), [0, 0, 0, 0, 1]);
    set(&world, &["--replay", "allow"]);
    assert_eq!(with(&first, "Eee").send(&world).counts(), [0, 1, 0, 0, 0]);
}
