//! `Prefer: handling=lenient` and `Idempotency-Key` in the words of other systems: one bad row stops nobody else.

use super::dialects::{ECHOSPAN, unsigned};
use super::golden::Keyed;
use super::world::{Answer, Request, employee};
use serde_json::{Value, json};

const LENIENT: (&str, &str) = ("Prefer", "handling=lenient");

fn send(keyed: &Keyed, request: Request, headers: &[(&str, &str)]) -> Answer {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send(&keyed.world)
}

fn collaborator(keyed: &Keyed, kind: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let request = unsigned("POST", &format!("/api/v2/users-import/{kind}"), body.to_string().as_bytes());
    send(keyed, request.header("Authorization", &format!("Bearer {}", keyed.collaborator)), headers)
}

fn csv(keyed: &Keyed, rows: &[&str], headers: &[(&str, &str)]) -> Answer {
    let rows = rows.join("\r\n");
    let body = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"u.csv\"\r\n\r\n\
         uid;secondname;firstname;login;email;position;manager_uid\r\n{rows}\r\n--XX--\r\n"
    );
    let request = unsigned("POST", "/api/v2/users-import/csv", body.as_bytes())
        .header("Authorization", &format!("Bearer {}", keyed.collaborator))
        .header("Content-Type", "multipart/form-data; boundary=XX");
    send(keyed, request, headers)
}

fn echospan(keyed: &Keyed, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Key", &keyed.echospan).append_pair("ClientID", "1234").append_pair("APITestForm", "1");
    let body = form.extend_pairs(fields).finish();
    let request = unsigned("POST", ECHOSPAN, body.as_bytes());
    send(keyed, request.header("Content-Type", "application/x-www-form-urlencoded"), headers)
}

/// Who is active, by id.
fn active(keyed: &Keyed) -> Vec<String> {
    let roster = keyed.world.roster();
    let active = roster.iter().filter(|employee| employee["status"] == "active");
    active.map(|employee| employee["id"].as_str().unwrap().to_owned()).collect()
}

fn noted(answer: &Answer) -> [Option<String>; 2] {
    [answer.header("preference-applied"), answer.header("rollcall-rejected")]
}

fn lenient(rejected: &str) -> [Option<String>; 2] {
    [Some("handling=lenient".into()), Some(rejected.into())]
}

const ADA: &str = "1;Lovelace;Ada;ada;ada@example.com;Analyst;";
const BOB: &str = "2;Bell;Bob;bob;bob@example.com;Clerk;1";
const CY: &str = "3;Chen;Cy;cy;cy@example.com;Clerk;1";

#[test]
fn a_bad_row_of_a_csv_stops_nobody_else_and_nobody_in_it_is_absent() {
    let keyed = Keyed::new();
    assert_eq!(csv(&keyed, &[ADA, BOB, CY], &[LENIENT]).json(), csv_counts([3, 0, 0, 0]));
    let rows = [
        "1;Lovelace;Ada;ada;ada@example.com;Countess;",
        "2;Bell;Bob;bob;nobody;Clerk;1",
        "4;Diaz;Dee;dee;dee@example.com;Clerk;",
        "5;Eco;Eve;eve;eve@example.com;Clerk;6",
        "6;Fox;Fay;;fay@example.com;Clerk;",
        "4;Diaz;Dee;dee;dee@example.com;Clerk;",
    ];
    let refused = csv(&keyed, &rows, &[]);
    assert_eq!((refused.status, noted(&refused)), (400, [None, None]), "{}", refused.text);
    assert_eq!(active(&keyed), ["1", "2", "3"]);

    let key = ("Idempotency-Key", "tonight");
    let answer = csv(&keyed, &rows, &[LENIENT, key]);
    assert_eq!((answer.status, noted(&answer)), (200, lenient("4")), "{}", answer.text);
    let mut body = answer.json();
    let errors = body["errors"].take();
    body.as_object_mut().unwrap().remove("errors");
    let mut expected = csv_counts([1, 1, 1, 0]);
    expected["rejected_count"] = json!(4);
    assert_eq!(body, expected, "{}", answer.text);
    let errors: Vec<&str> = errors.as_array().unwrap().iter().map(|error| error.as_str().unwrap()).collect();
    assert!(errors[0].starts_with("row 3: email: must be"), "{errors:?}");
    assert!(errors[1].starts_with("row 6: column 4 (login) is empty"), "{errors:?}");
    let twice = "row 7: uid: appears twice in the import; send each user once; the other is in row 4 (uid \"4\")";
    assert_eq!(errors[2..], [twice]);
    assert_eq!(active(&keyed), ["1", "2", "5"]);

    let again = csv(&keyed, &rows, &[LENIENT, key]);
    assert_eq!((again.header("idempotent-replayed").as_deref(), again.text), (Some("true"), answer.text));
    assert_eq!(csv(&keyed, &rows, &[key]).status, 422, "the same key with another preference");
}

fn csv_counts([created, updated, blocked, unblocked]: [u64; 4]) -> Value {
    json!({ "created_count": created, "updated_count": updated, "blocked_count": blocked, "unblocked_count": unblocked })
}

#[test]
fn a_bad_user_of_a_batch_stops_nobody_else_and_a_single_one_is_refused() {
    let keyed = Keyed::new();
    let user = |uid: &str, email: &str| json!({ "uid": uid, "firstname": "F", "secondname": "L", "login": uid, "email": email, "position": "Clerk" });
    let batch = json!([user("1", "a@example.com"), user("2", "nobody"), 3, user("4", "a@example.com")]);
    let refused = collaborator(&keyed, "batch", &batch, &[]);
    assert_eq!((refused.status, noted(&refused)), (400, [None, None]), "{}", refused.text);
    let answer = collaborator(&keyed, "batch", &batch, &[LENIENT]);
    assert_eq!((answer.status, noted(&answer)), (200, lenient("3")), "{}", answer.text);
    let body = answer.json();
    assert_eq!((&body["created_count"], &body["rejected_count"]), (&json!(1), &json!(3)));
    let errors: Vec<&str> = body["errors"].as_array().unwrap().iter().map(|error| error.as_str().unwrap()).collect();
    for (error, expected) in errors.iter().zip(["row 2: email: must be", "row 3: it must be", "row 4: email: "]) {
        assert!(error.starts_with(expected), "{errors:?}");
    }
    assert_eq!((errors.len(), active(&keyed)), (3, vec!["1".to_owned()]));

    let single = collaborator(&keyed, "single", &user("2", "nobody"), &[LENIENT]);
    assert_eq!((single.status, noted(&single)), (400, [None, None]), "{}", single.text);
    let springest = json!({ "external_id": "9", "email": "nobody" }).to_string();
    let springest = unsigned("POST", &format!("/users.json?api_key={}", keyed.springest), springest.as_bytes());
    let springest = send(&keyed, springest, &[LENIENT]);
    assert_eq!((springest.status, noted(&springest)), (400, [None, None]), "{}", springest.text);
}

#[test]
fn a_lenient_csv_remembers_who_was_hidden_on_purpose() {
    let keyed = Keyed::new();
    let (hidden, wrong) = ("2;Bell;Bob;bob;bob@example.com;Clerk;1", "3;Chen;Cy;cy;nobody;Clerk;1");
    csv(&keyed, &[ADA, BOB, CY], &[]);
    assert_eq!(csv(&keyed, &[ADA, CY], &[]).json()["blocked_count"], 1);
    let on_purpose = json!([employee("2", "hidden", &[])]);
    assert_eq!(keyed.world.push_employees(on_purpose).counts(), [0, 0, 0, 0, 1]);
    let answer = csv(&keyed, &[ADA, hidden, wrong], &[LENIENT]);
    assert_eq!((noted(&answer), &answer.json()["unblocked_count"]), (lenient("1"), &json!(0)), "{}", answer.text);
    assert_eq!(active(&keyed), ["1", "3"]);
}

/// A command that queues a record of this employee.
fn queue<'a>(cmd: &'a str, id: &'a str, email: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("Cmd", cmd), ("Fname", "Grace"), ("Lname", "Hopper"), ("Email", email), ("EmpIDNumber", id)]
}

#[test]
fn a_bad_record_of_the_queue_stops_nobody_else() {
    let keyed = Keyed::new();
    for record in [
        queue("I", "1", "grace@example.com"),
        queue("I", "2", "two@example.com"),
        queue("U", "2", "two@example.com"),
        queue("T", "3", "three@example.com"),
    ] {
        assert_eq!(echospan(&keyed, &record, &[LENIENT]).status, 200);
    }
    let process = [("Cmd", "P")];
    let refused = echospan(&keyed, &process, &[]);
    assert_eq!((refused.status, noted(&refused)), (456, [None, None]), "{}", refused.text);
    let answer = echospan(&keyed, &process, &[LENIENT, ("Idempotency-Key", "tonight")]);
    assert_eq!((answer.status, noted(&answer)), (200, lenient("3")), "{}", answer.text);
    let lines: Vec<&str> = answer.text.lines().collect();
    let first = "200 Request successful. 3 records were rejected and left out; correct them and queue them again:";
    assert_eq!(lines[0], first);
    assert_eq!(lines[1], "EmpIDNumber \"2\": is queued twice; queue each employee once");
    assert_eq!(lines[2], "EmpIDNumber \"3\": nobody in the roster has this id");
    assert_eq!((lines.len(), active(&keyed)), (3, vec!["1".to_owned()]));
    let again = echospan(&keyed, &process, &[LENIENT, ("Idempotency-Key", "tonight")]);
    assert_eq!((again.header("idempotent-replayed").as_deref(), again.text), (Some("true"), answer.text));
    let empty = echospan(&keyed, &process, &[LENIENT]);
    assert_eq!((empty.status, noted(&empty), empty.text.lines().count()), (200, lenient("0"), 1), "{}", empty.text);
}

#[test]
fn a_command_with_an_idempotency_key_changes_the_queue_once() {
    let mut keyed = Keyed::new();
    let key = |key: &'static str| [("Idempotency-Key", key)];
    let (grace, other) = (queue("I", "1", "grace@example.com"), queue("I", "2", "two@example.com"));
    let first = echospan(&keyed, &grace, &key("one"));
    assert_eq!((first.status, first.header("idempotent-replayed")), (200, None));
    keyed.world.stop();
    keyed.world = keyed.world.started();
    let again = echospan(&keyed, &grace, &key("one"));
    assert_eq!((again.status, again.header("idempotent-replayed").as_deref()), (200, Some("true")), "{}", again.text);
    assert_eq!(again.text, first.text);
    let another = echospan(&keyed, &other, &key("one"));
    assert!(another.status == 451 && another.text.contains("Idempotency-Key"), "{}", another.text);
    // Another employee queues by another key, and a deletion that comes again deletes nothing that was queued since.
    assert_eq!(echospan(&keyed, &[("Cmd", "D")], &key("two")).status, 200);
    assert_eq!(echospan(&keyed, &other, &key("three")).status, 200);
    assert_eq!(echospan(&keyed, &[("Cmd", "D")], &key("two")).header("idempotent-replayed").as_deref(), Some("true"));
    let process = echospan(&keyed, &[("Cmd", "P")], &key("three"));
    assert!(process.status == 451 && process.text.contains("Idempotency-Key"), "{}", process.text);
    assert_eq!(echospan(&keyed, &[("Cmd", "P")], &key("four")).status, 200);
    assert_eq!(active(&keyed), ["2"]);
    let queued = echospan(&keyed, &grace, &key("four"));
    assert!(queued.status == 451 && queued.text.contains("Idempotency-Key"), "{}", queued.text);
}
