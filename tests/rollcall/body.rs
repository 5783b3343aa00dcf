//! Wrong bodies: how each is answered, and that nothing of it is stored.

use super::world::{PROFILE, World, employee};
use serde_json::json;

/// Returns a body of one good employee and `rest`.
fn with(rest: &str) -> String {
    format!(
        r#"{{"profileId":"{PROFILE}","employees":[{{"id":"1","status":"active","data":[{{"name":"First Name","value":"A"}}]}}{rest}"#
    )
}

#[test]
fn what_is_not_json_or_not_a_push_is_refused_whole() {
    let world = World::new();
    let depth = with(&format!(",{{\"x\":{}{}}}]}}", "[".repeat(70), "]".repeat(70)));
    let long_envelope = with(&format!("],\"x\":\"{}\"}}", "x".repeat(2 << 20)));
    let mut invalid = with(r#",{"id":"#).into_bytes();
    invalid.extend_from_slice(b"\"\xff\",\"status\":\"active\"}]}");
    let cases: Vec<(Vec<u8>, u16, &str)> = [
        ("", 400, "the body is not JSON"),
        (" ", 400, "the body is not JSON"),
        ("hello", 400, "the body is not JSON: expected value, at byte 0"),
        ("[]", 400, "the body must be a JSON object"),
        ("3", 400, "the body must be a JSON object"),
        ("null", 400, "the body must be a JSON object"),
        ("{}", 400, "employees is missing or null"),
        (&with("]}{}"), 400, "the body is not JSON: trailing characters, at byte 138"),
        (&with("]} x"), 400, "the body is not JSON: trailing characters"),
        (&with("]}]"), 400, "the body is not JSON: trailing characters, at byte 138"),
        (&with("]}{\"employees\":[]}"), 400, "the body is not JSON: trailing characters, at byte 138"),
        (&with(&format!("]}} {}", "[".repeat(100))), 400, "the body is not JSON: trailing characters, at byte 139"),
        (&format!("hello{}", " ".repeat(2 << 20)), 400, "the body is not JSON: expected value, at byte 0"),
        (&format!("<p>{}", "<".repeat(2 << 20)), 400, "the body is not JSON: expected value, at byte 0"),
        (&format!("{{\"x\" {}", "[".repeat(100)), 400, "the body is not JSON: expected `:`, at byte 5"),
        (&format!("{{\"x\":[1}}{}", "]".repeat(100)), 400, "the body is not JSON: expected `,` or `]`, at byte 7"),
        (&with(&format!(",{{\"id\" {}", "[".repeat(100))), 400, "the body is not JSON: expected `:`, at byte 143, in the employee at index 1"),
        (&with(&format!(",{{\"id\" {}}}]}}", "x".repeat(17 << 20))), 400, "the body is not JSON: expected `:`, at byte 143, in the employee at index 1"),
        (&with("]"), 400, "the body is not JSON: EOF"),
        (&with(""), 400, "the body is not JSON: the body ends too early"),
        (&with(","), 400, "the body is not JSON: the body ends too early"),
        (&with(",]}"), 400, "the body is not JSON: expected an employee, at byte 137"),
        (&with("{}]}"), 400, "the body is not JSON: expected `,` or `]` after an employee, at byte 136"),
        (&with(",,{}]}"), 400, "the body is not JSON: expected an employee, at byte 137"),
        (&with(r#",{"id":"2""#), 400, "the body is not JSON: the body ends within an employee; it was cut off, at byte 146, in the employee at index 1"),
        (&with(r#",{"id":"2}]}"#), 400, "the body is not JSON: the body ends within an employee; it was cut off"),
        (&with(r#",{"id":2 3}]}"#), 400, "the body is not JSON: expected `,` or `}`, at byte 145, in the employee at index 1"),
        (&with(r#",{"id":["2"}]}"#), 400, "the body is not JSON: expected `,` or `]`, at byte 147, in the employee at index 1"),
        (&with(r#",{"id":"2",}]}"#), 400, "the body is not JSON: trailing comma"),
        (&with(r#",nul]}"#), 400, "the body is not JSON: EOF while parsing a value"),
        (&with(r#",{'id':'2'}]}"#), 400, "the body is not JSON: key must be a string"),
        (&with(",{\"id\":\"a\nb\"}]}"), 400, "the body is not JSON: control character"),
        (&with(r#",{"id":"\x"}]}"#), 400, "the body is not JSON: invalid escape"),
        (&depth, 413, "the body is over the server's limit depth_max, which is 64"),
        (&long_envelope, 413, "the body is over the server's limit envelope_bytes_max"),
        (&with("],\"employees\":[]}"), 400, "employees appears twice"),
        (&with("],\"Employees\":[]}"), 400, "employees appears twice"),
        (&with(&format!("],\"profileId\":\"{PROFILE}\"}}")), 400, "profileId appears twice in the body; send it once"),
        (&format!(r#"{{"profileId":"{PROFILE}"}}"#), 400, "employees is missing or null"),
        (&format!(r#"{{"profileId":"{PROFILE}","employees":null}}"#), 400, "employees is missing or null"),
        (&format!(r#"{{"profileId":"{PROFILE}","employees":{{}}}}"#), 400, "employees must be an array"),
        (&format!(r#"{{"profileId":"{PROFILE}","employees":"[]"}}"#), 400, "employees must be an array"),
        (r#"{"employees":[]}"#, 400, "profileId is missing"),
        (r#"{"profileId":null,"employees":[]}"#, 400, "profileId is missing"),
        (r#"{"profileId":7,"employees":[]}"#, 400, "profileId must be a string, not a number"),
        (r#"{"profileId":"People","employees":[]}"#, 400, "profileId must be a GUID"),
        (r#"{"profileId":"00000000-0000-0000-0000-000000000000","employees":[]}"#, 404, "the account has no profile with this profileId; GET /v1/profiles"),
        (r#"{"profileId":"00000000-0000-0000-0000-000000000000","employees":[{"id":"1","status":"active"}]}"#, 404, "the account has no profile"),
    ]
    .into_iter()
    .map(|(body, status, message)| (body.as_bytes().to_vec(), status, message))
    .chain([(invalid, 400, "the body is not JSON: invalid UTF-8, at byte 144, in the employee at index 1")])
    .collect();
    for (body, status, message) in &cases {
        let answer = world.push(body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]);
        assert_eq!(answer.status, *status, "{shown}: {}", answer.text);
        assert!(answer.message().starts_with(message), "{shown}: {}", answer.text);
    }
    assert_eq!(world.roster(), Vec::<serde_json::Value>::new());
    // A byte order mark is accepted.
    assert_eq!(world.push(format!("\u{feff}{}", with("]}"))).counts(), [1, 0, 0, 0, 0]);
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    let world = World::new();
    let body = with(r#",{"id":"2","status":"hidden","data":[{"name":"Last Name","value":"\u00e9\\\""}]}]}"#);
    for length in 0..body.len() {
        let answer = world.push(&body.as_bytes()[..length]);
        assert_eq!(answer.status, 400, "cut after {length}: {}", answer.text);
        assert!(answer.message().starts_with("the body is not JSON"), "cut after {length}: {}", answer.text);
    }
    assert!(world.roster().is_empty());
}

#[test]
fn each_thing_wrong_with_the_form_of_an_employee_is_told() {
    let world = World::new();
    let long = |c: char, n: usize| c.to_string().repeat(n);
    let data = r#""data":[{"name":"First Name","value":"A"}]"#;
    let active = format!(r#""status":"active",{data}"#);
    for (element, errors) in [
        ("5".to_owned(), vec!["0 - employee object"]),
        ("null".to_owned(), vec!["0 - employee object"]),
        ("\"x\"".to_owned(), vec!["0 - employee object"]),
        ("[\"1\",\"active\",[]]".to_owned(), vec!["0 - employee object"]),
        ("{}".to_owned(), vec!["0 - id required", "0 - status required"]),
        (format!("{{{active}}}"), vec!["0 - id required"]),
        (format!(r#"{{"id":"",{active}}}"#), vec!["0 - id required"]),
        (format!(r#"{{"id":null,{active}}}"#), vec!["0 - id required"]),
        (format!(r#"{{"id":" \u00a0",{active}}}"#), vec!["0 - id required"]),
        (format!(r#"{{"id":true,{active}}}"#), vec!["0 - id text"]),
        (format!(r#"{{"id":["7"],{active}}}"#), vec!["0 - id text"]),
        (format!(r#"{{"id":"{}",{active}}}"#, long('ж', 251)), vec!["0 - id max_length"]),
        (format!(r#"{{"id":"a\u0000",{active}}}"#), vec!["0 - id text"]),
        (format!(r#"{{"id":"a\ud800",{active}}}"#), vec!["0 - id text"]),
        (format!(r#"{{"id":"7","id":"8",{active}}}"#), vec!["0 - employee object"]),
        (format!(r#"{{"id":"7","Id":"8",{active}}}"#), vec!["0 - employee object"]),
        (format!(r#"{{"id":"7",{data}}}"#), vec!["0 7 status required"]),
        (format!(r#"{{"id":"7","status":null,{data}}}"#), vec!["0 7 status required"]),
        (format!(r#"{{"id":"7","status":"fired",{data}}}"#), vec!["0 7 status options"]),
        (format!(r#"{{"id":"7","status":"",{data}}}"#), vec!["0 7 status options"]),
        (format!(r#"{{"id":"7","status":true,{data}}}"#), vec!["0 7 status text"]),
        (r#"{"id":"7","status":"active"}"#.to_owned(), vec!["0 7 data required"]),
        (r#"{"id":"7","status":"active","data":null}"#.to_owned(), vec!["0 7 data required"]),
        (r#"{"id":"7","status":"active","dat":[{"name":"First Name","value":"A"}]}"#.to_owned(), vec!["0 7 data required"]),
        (r#"{"id":"7","status":"active","data":[{"name":"First Name","value":"A"},{"name":"Last Name"}]}"#.to_owned(), vec!["0 7 Last Name required"]),
        (r#"{"id":"7","status":"active","data":[{"name":"First Name","val":"A"}]}"#.to_owned(), vec!["0 7 First Name required"]),
        (r#"{"id":"7","status":"active","data":{"First Name":"A"}}"#.to_owned(), vec!["0 7 data array"]),
        (r#"{"id":"7","status":"active","data":"A"}"#.to_owned(), vec!["0 7 data array"]),
        (r#"{"id":"7","status":"active","data":[7]}"#.to_owned(), vec!["0 7 data object"]),
        (r#"{"id":"7","status":"active","data":[["First Name","A"]]}"#.to_owned(), vec!["0 7 data object"]),
        (r#"{"id":"7","status":"active","data":[{"value":"A"}]}"#.to_owned(), vec!["0 7 data required"]),
        (r#"{"id":"7","status":"active","data":[{"name":1,"value":"A"}]}"#.to_owned(), vec!["0 7 data text"]),
        (r#"{"id":"7","status":"active","data":[{"name":"First Name","value":"A"},{"name":"Nickname","value":"A"}]}"#.to_owned(), vec!["0 7 Nickname unknown"]),
        (r#"{"id":"7","status":"active","data":[{"name":"first name","value":"A"}]}"#.to_owned(), vec!["0 7 first name unknown", "0 7 First Name required"]),
        (r#"{"id":"7","status":"active","data":[{"name":"First Name","value":"A"},{"name":"First Name","value":"A"}]}"#.to_owned(), vec!["0 7 First Name twice"]),
        (r#"{"id":"7","status":"active","data":[{"name":"First Name","value":{"x":1}}]}"#.to_owned(), vec!["0 7 First Name text"]),
        (r#"{"id":"7","status":"active","data":[{"name":"First Name","value":"A","value":"B"}]}"#.to_owned(), vec!["0 7 data object"]),
        (r#"{"id":"7","status":"active","data":[{"name":"First Name","value":""}]}"#.to_owned(), vec!["0 7 First Name required"]),
        (r#"{"id":"7","status":"active","data":[{"name":"First Name","value":"a\u0000"}]}"#.to_owned(), vec!["0 7 First Name text"]),
        (r#"{"id":"7","status":"active","data":[{"name":"First Name","value":"\udc00"}]}"#.to_owned(), vec!["0 7 First Name text"]),
    ] {
        let answer = world.push(format!(r#"{{"profileId":"{PROFILE}","employees":[{element}]}}"#));
        assert_eq!((answer.status, answer.errors()), (400, errors.iter().map(ToString::to_string).collect()), "{element}");
        assert_eq!(answer.json()["errorCount"], errors.len(), "{element}");
    }
    assert!(world.roster().is_empty());

    for id in [long('ж', 250), "x".into()] {
        let body = format!(r#"{{"profileId":"{PROFILE}","employees":[{{"id":"{id}","status":"ACTIVE",{data}}}]}}"#);
        assert_eq!(world.push(body).counts(), [1, 0, 0, 0, 0]);
    }
}

#[test]
fn the_same_id_twice_is_told_wherever_it_stands() {
    let world = World::new();
    let one = |id: &str| employee(id, "active", &[("First Name", "A")]).to_string();
    let push = |elements: Vec<String>| {
        world.push(format!(r#"{{"profileId":"{PROFILE}","employees":[{}]}}"#, elements.join(",")))
    };
    assert_eq!(push(vec![one("1"), one("2"), one("1")]).errors(), ["2 1 id twice"]);
    assert_eq!(push(vec![one("1"), one("1").replace(r#""1""#, r#""\u0031""#)]).errors(), ["1 1 id twice"]);
    // Far apart, and also when one of the two is wrong for another reason.
    let mut far: Vec<String> = (0..30_000).map(|n| one(&n.to_string())).collect();
    far.push(one("17"));
    let answer = push(far.clone());
    assert_eq!(answer.errors(), ["30000 17 id twice"]);
    assert!(answer.message().contains("(the other is at index 17)"), "{}", answer.text);
    far[17] = far[17].replace("active", "gone");
    assert_eq!(push(far.clone()).errors(), ["17 17 status options", "30000 17 id twice"]);
    // Against an employee that is stored already, unchanged and changed.
    far[17] = one("17");
    far.pop();
    assert_eq!(push(far.clone()).counts(), [30_000, 0, 0, 0, 0]);
    far.push(one("17"));
    assert_eq!(push(far.clone()).errors(), ["30000 17 id twice"]);
    far[30_000] = one("17").replace("\"A\"", "\"B\"");
    assert_eq!(push(far).errors(), ["30000 17 id twice"]);
}

#[test]
fn the_first_thousand_errors_are_listed_and_all_are_counted() {
    let world = World::new();
    let employees: Vec<_> = (0..5_000)
        .map(|n| {
            let email = if n % 5 == 0 { "n.body@" } else { "nobody@example.com" };
            employee(&n.to_string(), "active", &[("Email", email)])
        })
        .collect();
    let answer = world.push_employees(json!(employees));
    let body = answer.json();
    assert_eq!((answer.status, body["errorCount"].as_u64()), (400, Some(6_000)));
    let errors = answer.errors();
    assert_eq!(errors.len(), 1_000);
    assert_eq!(errors[..3], ["0 0 First Name required", "0 0 Email email", "1 1 First Name required"]);
    let causes = json!([
        {"field": "First Name", "rule": "required", "count": 5_000, "message": "a value is required; none was sent"},
        {"field": "Email", "rule": "email", "count": 1_000, "message": "must be an e-mail address like name@example.com"},
    ]);
    assert_eq!(body["causes"], causes);
    assert!(!answer.text.contains("n.body@"), "no value of a person is told");
    world.wait_for_log("\"rejections\":6000");
    assert!(!world.log().contains("n.body@"), "nor logged");
}

#[test]
fn limits_of_employees_and_rows() {
    let world = World::with(super::world::PEOPLE, "employees_max = 3\ndata_rows_max = 2\nemployee_bytes_max = 1000");
    let one = |id: &str| employee(id, "active", &[("First Name", "A")]);
    assert_eq!(world.push_employees(json!([one("1"), one("2"), one("3")])).counts(), [3, 0, 0, 0, 0]);
    let many = world.push_employees(json!([one("1"), one("2"), one("3"), one("4")]));
    assert_eq!((many.status, many.message().contains("employees_max, which is 3")), (413, true), "{}", many.text);
    let rows = world.push_employees(json!([employee(
        "1",
        "active",
        &[("First Name", "A"), ("Last Name", "B"), ("Email", "")]
    )]));
    assert_eq!(rows.errors(), ["0 1 data array"]);
    let long = world.push_employees(json!([employee("1", "active", &[("First Name", &"x".repeat(2_000))])]));
    assert_eq!((long.status, long.message().contains("employee_bytes_max")), (413, true), "{}", long.text);
}

#[test]
fn an_employee_may_be_longer_than_what_is_read_at_a_time() {
    let world = World::with(rollcall::sample::PROFILE_TOML, "");
    let photo = |kib: usize| format!("data:image/gif;base64,{}", "R0lGODlh".repeat(kib * 128));
    let names = [("First Name", "A"), ("Last Name", "B")];
    let person = |n: usize, kib: usize| {
        let mut data = names.to_vec();
        let photo = photo(kib);
        data.push(("Photo", &photo));
        employee(&n.to_string(), "active", &data).to_string()
    };
    let first_long: Vec<String> = [900, 1, 1, 900, 700, 1].iter().enumerate().map(|(n, kib)| person(n, *kib)).collect();
    let space = " ".repeat(3 << 20);
    let list = first_long.join(&format!("{space},{space}"));
    let early = format!("{{\"profileId\":\"{PROFILE}\",\"employees\":[{space}{list}{space}]}}");
    assert_eq!(world.push(&early).counts(), [6, 0, 0, 0, 0]);
    let late = format!("{{\"employees\":[{space}{list}{space}],\"profileId\":\"{PROFILE}\"}}");
    assert_eq!(world.push(&late).counts(), [0, 0, 0, 0, 6]);
    // A page of such people ends before its limit, and the rest follows.
    let page = world.get("/v1/employees?limit=1000");
    assert_eq!((page.status, world.roster().len()), (200, 6));
}

#[test]
fn the_place_of_an_error_is_right_far_into_a_body() {
    let world = World::new();
    let one = |n: usize| employee(&format!("{n:06}"), "active", &[("First Name", "A")]).to_string();
    let mut list: Vec<String> = (0..40_000).map(one).collect();
    let length = list[0].len() + 1;
    let head = format!("{{\"profileId\":\"{PROFILE}\",\"employees\":[");
    let push = |list: &[String]| world.push(format!("{head}{}]}}", list.join(","))).message();
    let at = |n: usize, offset: usize| {
        format!("at byte {}, in the employee at index {n};", head.len() + n * length + offset)
    };
    list[25_000].pop();
    list[25_000].push(']');
    let told = push(&list);
    assert!(told.contains(&at(25_000, length - 2)), "{told} {}", at(25_000, length - 2));
    list[25_000] = one(25_000);
    list[30_000] = list[30_000].replace("\"id\"", "'id' ");
    let told = push(&list);
    assert!(told.contains(&at(30_000, 1)), "{told}");
    list[30_000] = one(30_000);
    let joined = list.join(",");
    let comma = 35_000 * length - 1;
    let told = world.push(format!("{head}{} {}]}}", &joined[..comma], &joined[comma + 1..])).message();
    assert!(told.contains(&at(35_000, 0)), "{told}");
}

#[test]
fn what_is_pushed_in_place_of_an_employee_is_not_told_back() {
    let world = World::new();
    for element in [
        r#""Ada Lovelace""#,
        r#"{"id":"1","status":"active","data":"Ada Lovelace"}"#,
        r#"{"id":"1","status":"active","data":["Ada Lovelace"]}"#,
        r#"{"id":"1","status":"Ada Lovelace"}"#,
        r#"{"id":["Ada Lovelace"],"status":"active"}"#,
    ] {
        let answer = world.push(format!(r#"{{"profileId":"{PROFILE}","employees":[{element}]}}"#));
        assert_eq!(answer.status, 400);
        assert!(!answer.text.contains("Lovelace"), "{}", answer.text);
    }
    let many = "1,".repeat(2_000_000);
    let answer = world
        .push(format!(r#"{{"profileId":"{PROFILE}","employees":[{{"id":"1","status":"active","data":[{many}1]}}]}}"#));
    assert_eq!(answer.errors(), ["0 1 data array"]);
}
