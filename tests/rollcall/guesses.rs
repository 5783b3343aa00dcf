//! Nothing is guessed: a typo empties nobody, an id is the same in every dialect, and ignored fields are named.

use super::dialects::unsigned;
use super::golden::Keyed;
use super::world::{Answer, PROFILE, World, employee};
use serde_json::{Value, json};

fn push(world: &World, employees: &str) -> Answer {
    world.push(format!(r#"{{"profileId":"{PROFILE}","employees":[{employees}]}}"#))
}

const ADA: &str =
    r#"{"id":"1","status":"active","data":[{"name":"First Name","value":"Ada"},{"name":"Last Name","value":"L"}]}"#;

#[test]
fn a_typo_empties_nobody() {
    let world = World::new();
    assert_eq!(push(&world, ADA).counts(), [1, 0, 0, 0, 0]);
    for (typo, error) in [
        (ADA.replace("\"data\"", "\"dat\""), "0 1 data required"),
        (ADA.replace(r#""value":"L""#, r#""val":"L""#), "0 1 Last Name required"),
        (ADA.replace(r#""name":"Last Name""#, r#""nam":"Last Name""#), "0 1 data required"),
        (r#"{"id":"1","status":"active"}"#.into(), "0 1 data required"),
        (r#"{"id":"1","status":"active","data":null}"#.into(), "0 1 data required"),
    ] {
        assert_eq!(push(&world, &typo).errors(), [error], "{typo}");
    }
    assert_eq!(push(&world, ADA).counts(), [0, 0, 0, 0, 1]);
    // A leaver arrives without data, and who has a row whose value is null says that the field is empty.
    assert_eq!(push(&world, r#"{"id":"1","status":"hidden"}"#).counts(), [0, 0, 0, 1, 0]);
    assert_eq!(push(&world, &ADA.replace(r#""L""#, "null")).counts(), [0, 1, 1, 0, 0]);
    // [] says that every field is empty, so only the required one is missing.
    assert_eq!(push(&world, r#"{"id":"1","status":"active","data":[]}"#).errors(), ["0 1 First Name required"]);
}

#[test]
fn what_means_nothing_is_named() {
    let world = World::new();
    let ignored = |answer: &Answer| answer.header("Rollcall-Ignored");
    let rows = r#"[{"name":"First Name","value":"A","Comment":"x"}]"#;
    let one = format!(r#"{{"id":"1","status":"active","data":{rows},"mail address":{{"id":"2"}}}}"#);
    let body = format!(r#"{{"source":"HR","profileId":"{PROFILE}","employees":[{one}],"Source":[1]}}"#);
    let first = world.push(&body);
    assert_eq!(first.counts(), [1, 0, 0, 0, 0]);
    assert_eq!(ignored(&first).as_deref(), Some("Comment, Source, mail%20address, source"));
    // Whoever is recognised by their bytes is not read; the envelope is.
    let again = world.push(&body);
    assert_eq!((again.counts(), ignored(&again).as_deref()), ([0, 0, 0, 0, 1], Some("Source, source")));
    // The exact way names them, too, and an answer stays small.
    let exact = format!(r#"{{"id":1.5,"status":"active","data":{rows},"x":0}}"#);
    assert_eq!(ignored(&push(&world, &exact)).as_deref(), Some("Comment, x"));
    let many: Vec<String> = (0..5_000).map(|n| format!("\"{n:04}{}\":0", "é".repeat(40))).collect();
    let answer = push(&world, &format!(r#"{{"id":"3","status":"active","data":{rows},{}}}"#, many.join(",")));
    assert_eq!(answer.counts(), [1, 0, 0, 0, 0]);
    let names = ignored(&answer).unwrap();
    assert!(names.starts_with("0000%C3%A9") && names.len() <= 2_000, "{names}");
    assert_eq!(ignored(&push(&world, ADA)), None);
}

#[test]
fn an_id_is_the_same_in_every_dialect() {
    let keyed = Keyed::new();
    let data = [("First Name", "A"), ("Last Name", "B"), ("Email", "a@x.com")];
    assert_eq!(keyed.world.push_employees(json!([employee("4711", "active", &data)])).counts(), [1, 0, 0, 0, 0]);
    let padded = "\u{a0}4711\u{2009}\t";
    for id in [json!(padded), json!(4711), json!(" 4711")] {
        let mut same = employee("", "active", &data);
        same["id"] = id;
        assert_eq!(keyed.world.push_employees(json!([same])).counts(), [0, 0, 0, 0, 1], "{same}");
    }
    let twice = [employee("4711", "active", &data), employee(padded, "active", &data)];
    assert_eq!(keyed.world.push_employees(json!(twice)).errors(), ["1 4711 id twice"]);

    for id in [json!(padded), json!(4711)] {
        assert_eq!(keyed.springest(&json!({ "external_id": id, "city": "Rome" })).status, 201);
    }
    let user = json!({ "uid": padded, "login": "l", "email": "a@x.com", "firstname": "A", "secondname": "B", "position": "P" });
    assert_eq!(keyed.collaborator("batch", &json!([user])).status, 200);
    assert!(
        keyed
            .csv(format!("uid;secondname;firstname;login;email;position\n{padded};B;A;l;a@x.com;P\n").as_bytes())
            .text
            .contains("\"created_count\":0")
    );
    let fields = [("Cmd", "I"), ("Fname", "A"), ("Lname", "B"), ("Email", "a@x.com"), ("EmpIDNumber", padded)];
    assert_eq!(keyed.echospan(&fields).status, 200);
    assert_eq!(keyed.echospan(&[("Cmd", "P")]).status, 200);
    assert_eq!(keyed.roster().len(), 1, "{:?}", keyed.roster());

    for path in ["4711", "%C2%A04711%20"] {
        assert_eq!(keyed.world.get(&format!("/v1/employees/{path}")).json()["id"], "4711");
        let path = format!("/users.json?api_key={}&external_id={path}", keyed.springest);
        assert_eq!(unsigned("GET", &path, b"").send(&keyed.world).json()["external_id"], "4711");
    }
}

#[test]
fn what_is_no_id_is_none_in_every_dialect() {
    let keyed = Keyed::new();
    for (id, rule) in [("ж".repeat(251), "at most 250 characters"), ("a\0b".into(), "U+0000")] {
        let pushed = keyed.world.push_employees(json!([employee(&id, "hidden", &[])]));
        let user = json!({ "uid": id, "login": "l", "email": "a@x.com", "firstname": "A", "secondname": "B", "position": "P" });
        let fields = [
            ("Cmd", "I"),
            ("Fname", "A"),
            ("Lname", "B"),
            ("Email", "a@x.com"),
            ("EmpIDNumber", &id),
            ("APITestForm", "1"),
        ];
        let answers: [(Answer, u16); 4] = [
            (pushed, 400),
            (keyed.springest(&json!({ "external_id": id, "email": "a@x.com" })), 400),
            (keyed.collaborator("single", &user), 400),
            (keyed.echospan(&fields), 451),
        ];
        for (answer, status) in answers {
            assert_eq!(answer.status, status, "{}", answer.text);
            assert!(answer.text.contains(rule), "{}", answer.text);
        }
    }
    // An address that finds a user becomes the id of a new one, so it must be one.
    let long =
        format!("{}@{}.{}", "a".repeat(60), "b".repeat(60), ["c".repeat(60), "d".repeat(60), "e".repeat(20)].join("."));
    let answer = keyed.springest(&json!({ "email": long }));
    assert_eq!((answer.status, answer.json()["errors"]["external_id"].is_array()), (400, true), "{}", answer.text);
    assert_eq!(keyed.roster(), Vec::<Value>::new());
}
