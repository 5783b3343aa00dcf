//! Four dialects, one roster: an employee that one has written, every other reads and changes.

use super::golden::Keyed;
use super::world::{Answer, PROFILE, Request, employee, run};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub const ECHOSPAN: &str = "/echotools7/api/api_import_emps.asp";

impl Keyed {
    pub fn springest(&self, user: &Value) -> Answer {
        let path = format!("/users.json?api_key={}", self.springest);
        unsigned("POST", &path, user.to_string().as_bytes()).send(&self.world)
    }

    pub fn collaborator(&self, kind: &str, body: &Value) -> Answer {
        let path = format!("/api/v2/users-import/{kind}");
        self.with_token(unsigned("POST", &path, body.to_string().as_bytes())).send(&self.world)
    }

    fn with_token(&self, request: Request) -> Request {
        request.header("Authorization", &format!("Bearer {}", self.collaborator))
    }

    pub fn csv(&self, csv: &[u8]) -> Answer {
        let part = b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"u.csv\"\r\n\r\n";
        let body = [&part[..], csv, b"\r\n--XX--\r\n"].concat();
        let request = unsigned("POST", "/api/v2/users-import/csv", &body);
        self.with_token(request.header("Content-Type", "multipart/form-data; boundary=XX")).send(&self.world)
    }

    pub fn echospan(&self, fields: &[(&str, &str)]) -> Answer {
        self.echospan_request(fields).send(&self.world)
    }

    fn echospan_request(&self, fields: &[(&str, &str)]) -> Request {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Key", &self.echospan).append_pair("ClientID", "1234").extend_pairs(fields);
        let request = unsigned("POST", ECHOSPAN, form.finish().as_bytes());
        request.header("Content-Type", "application/x-www-form-urlencoded")
    }

    fn queue(&self, number: u32) {
        let (id, name) = (number.to_string(), format!("Name {number}"));
        let email = format!("p{number}@example.com");
        let fields = [("Cmd", "I"), ("Fname", &name), ("Lname", "X"), ("Email", &email), ("EmpIDNumber", &id)];
        assert_eq!(self.echospan(&fields).status, 200);
    }
}

pub fn unsigned(method: &str, path: &str, body: &[u8]) -> Request {
    Request::new(method, path, body).without("Authorization").without("Date")
}

#[test]
fn ten_people_through_all_four_are_one_roster() {
    let rosters = [0, 1, 2, 3].map(|dialect| {
        let keyed = Keyed::new();
        let people: Vec<(String, String, String)> =
            (0..10).map(|n| (format!("{n:02}"), format!("Name {n}"), format!("p{n}@example.com"))).collect();
        match dialect {
            0 => {
                let row = |(id, name, email): &(String, String, String)| {
                    let data = [("First Name", name.as_str()), ("Last Name", "X"), ("Email", email), ("Department", "D")];
                    employee(id, "active", &data)
                };
                let pushed = keyed.world.push_employees(people.iter().map(row).collect());
                assert_eq!(pushed.counts(), [10, 0, 0, 0, 0]);
            }
            1 => {
                for (id, name, email) in &people {
                    let user = json!({ "external_id": id, "first_name": name, "last_name": "X", "email": email, "department_name": "D" });
                    assert_eq!(keyed.springest(&user).status, 201);
                }
            }
            2 => {
                let user = |(id, name, email): &(String, String, String)| {
                    json!({ "uid": id, "firstname": name, "secondname": "X", "login": "x", "email": email, "position": "y", "department": "D" })
                };
                let answer = keyed.collaborator("batch", &people.iter().map(user).collect());
                assert!(answer.text.contains("\"created_count\":10"), "{}", answer.text);
                // What the others do not have is taken away again, to compare.
                let bare = |(id, name, email): &(String, String, String)| {
                    employee(id, "active", &[("First Name", name.as_str()), ("Last Name", "X"), ("Email", email), ("Department", "D")])
                };
                let pushed = keyed.world.push_employees(people.iter().map(bare).collect());
                assert_eq!(pushed.counts(), [0, 10, 0, 0, 0]);
            }
            _ => {
                for (id, name, email) in &people {
                    let fields = [("Cmd", "U"), ("Fname", name), ("Lname", "X"), ("Email", email), ("EmpIDNumber", id), ("Department", "D")];
                    assert_eq!(keyed.echospan(&fields).status, 200);
                }
                assert_eq!(keyed.roster(), [""; 0]);
                assert_eq!(keyed.echospan(&[("Cmd", "P")]).status, 200);
            }
        }
        keyed.roster().iter().map(|line| line.replace(" | Is Manager: false", "")).collect::<Vec<_>>()
    });
    assert_eq!(rosters[0].len(), 10);
    for roster in &rosters[1..] {
        assert_eq!(*roster, rosters[0]);
    }
}

#[test]
fn one_person_goes_from_dialect_to_dialect() {
    let keyed = Keyed::new();
    let roster = |expected: &str| assert_eq!(keyed.roster(), [expected]);
    let pushed = |data: &[(&str, &str)]| keyed.world.push_employees(json!([employee("7", "active", data)])).counts();

    assert_eq!(
        keyed.springest(&json!({ "external_id": "7", "email": "a@x.com", "city": "Rome", "tags": ["B", "a"] })).status,
        201
    );
    roster("7 active | Email: a@x.com | City: Rome | Tags: a,b");
    let user = json!({ "uid": "7", "login": "l", "email": "A@X.com", "firstname": "F", "secondname": "S", "position": "P", "is_active": 0 });
    assert_eq!(
        keyed.collaborator("single", &user).text,
        r#"{"created_count":0,"updated_count":1,"blocked_count":1,"unblocked_count":0}"#
    );
    roster(
        "7 hidden | First Name: F | Last Name: S | Email: a@x.com | Login: l | City: Rome | Position: P | Tags: a,b",
    );
    let fields =
        [("Cmd", "I"), ("Fname", "G"), ("Lname", "S"), ("Email", "a@x.com"), ("EmpIDNumber", "7"), ("Phone", "1")];
    assert_eq!((keyed.echospan(&fields).status, keyed.echospan(&[("Cmd", "P")]).status), (200, 200));
    roster(
        "7 active | First Name: G | Last Name: S | Email: a@x.com | Login: l | Phone: 1 | City: Rome | Position: P | Is Manager: false | Tags: a,b",
    );
    // The whole employee at once: what is not sent is gone.
    let data = [("First Name", "H"), ("Email", "a@x.com"), ("Tags", "[\"A, b\", \"c\"]")];
    assert_eq!(pushed(&data), [0, 1, 0, 0, 0]);
    assert_eq!(pushed(&data), [0, 0, 0, 0, 1]);
    roster(r#"7 active | First Name: H | Email: a@x.com | Tags: ["a, b","c"]"#);
    // Unchanged by another: it is still known by its bytes; changed, it is not.
    let user = json!({ "external_id": "7", "first_name": "H" });
    assert_eq!(keyed.springest(&user).header("Rollcall-Revision").as_deref(), Some("6"));
    assert_eq!(pushed(&data), [0, 0, 0, 0, 1]);
    assert_eq!(keyed.springest(&json!({ "external_id": "7", "first_name": "I", "active": false })).status, 201);
    assert_eq!(pushed(&data), [0, 1, 1, 0, 0]);
    let path = format!("/users.json?api_key={}&external_id=7", keyed.springest);
    let read = unsigned("GET", &path, b"").send(&keyed.world);
    assert_eq!(read.json()["user_email"], "a@x.com");
}

#[test]
fn the_index_follows_patches_also_over_a_restart() {
    let mut keyed = Keyed::new();
    let everybody = |status: &str| -> Value {
        (0..300).map(|n| employee(&n.to_string(), status, &[("Email", &format!("p{n}@x.com"))])).collect()
    };
    assert_eq!(keyed.world.push_employees(everybody("active")).counts(), [300, 0, 0, 0, 0]);
    for round in 0..3 {
        for n in [5, 7, 299] {
            let user = json!({ "external_id": n.to_string(), "city": format!("City {round}") });
            assert_eq!(keyed.springest(&user).status, 201);
        }
        assert_eq!(keyed.springest(&json!({ "external_id": format!("new {round}"), "city": "A" })).status, 201);
        if round > 0 {
            keyed.world.kill();
            keyed.world = keyed.world.started();
        }
        assert_eq!(keyed.world.push_employees(everybody("active")).counts(), [0, 3, 0, 0, 297]);
        assert_eq!(keyed.world.push_employees(everybody("active")).counts(), [0, 0, 0, 0, 300]);
    }
    assert_eq!(keyed.roster().len(), 303);
    let database = rusqlite::Connection::open(keyed.world.path("data/accounts/99.db")).unwrap();
    let index: (u64, u64) = database
        .query_row("SELECT employees, (SELECT max(revision) FROM sync) - revision FROM index_state", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(index, (303, 0));
}

#[test]
fn an_employee_that_gets_another_id_is_found_by_it() {
    let mut keyed = Keyed::new();
    assert_eq!(keyed.springest(&json!({ "email": "a@x.com" })).status, 201);
    let data = [("Email", "a@x.com")];
    assert_eq!(keyed.world.push_employees(json!([employee("a@x.com", "active", &data)])).counts(), [0, 0, 0, 0, 1]);
    assert_eq!(keyed.springest(&json!({ "email": "a@x.com", "external_id": "8" })).status, 201);
    assert_eq!(keyed.world.push_employees(json!([employee("8", "active", &data)])).counts(), [0, 0, 0, 0, 1]);
    keyed.world.kill();
    keyed.world = keyed.world.started();
    assert_eq!(keyed.world.push_employees(json!([employee("8", "active", &data)])).counts(), [0, 0, 0, 0, 1]);
    assert_eq!(keyed.roster(), ["8 active | Email: a@x.com"]);
}

#[test]
fn keys_are_added_listed_and_revoked_while_the_server_runs() {
    let keyed = Keyed::new();
    let data = keyed.world.path("data");
    let key = |args: &[&str]| run(&[&["key"], args, &["--data", &data]].concat());
    let listed = String::from_utf8(key(&["list", "99"]).stdout).unwrap();
    for secret in [&keyed.springest, &keyed.collaborator, &keyed.echospan, &super::world::SECRET.to_owned()] {
        assert!(!listed.contains(secret.as_str()), "{listed}");
        let store = std::fs::read(keyed.world.path("data/rollcall.db")).unwrap();
        assert!(!store.windows(secret.len()).any(|window| window == secret.as_bytes()), "no secret is kept as it is");
    }
    let number = |dialect: &str| {
        let line = listed.lines().find(|line| line.contains(dialect)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    for dialect in ["springest", "collaborator", "echospan"] {
        assert!(key(&["revoke", "99", &number(dialect)]).status.success());
    }
    assert_eq!(keyed.springest(&json!({ "email": "a@x.com" })).status, 403);
    assert_eq!(keyed.collaborator("batch", &json!([])).status, 401);
    assert_eq!(keyed.echospan(&[("Cmd", "P")]).status, 455);
    assert_eq!(key(&["revoke", "99", "4711"]).status.code(), Some(1));
    assert_eq!(key(&["add", "98", "--dialect", "springest"]).status.code(), Some(1));
    for usage in [&["add", "99"][..], &["add", "99", "--dialect", "moodle"], &["add", "99", "--dialect", "echospan"]] {
        assert_eq!(key(usage).status.code(), Some(2), "{usage:?}");
    }
    let letters = key(&["add", "99", "--dialect", "echospan", "--client-id", "12a4"]);
    assert!(String::from_utf8(letters.stderr).unwrap().contains("four digits"));
}

#[test]
fn a_secret_is_changed_without_a_failed_night() {
    let keyed = Keyed::new();
    let data = keyed.world.path("data");
    let added = run(&["key", "add", "99", "--dialect", "startexam", "--data", &data]);
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let secret = added["secret"].as_str().unwrap().to_owned();
    let push = || Request::push_signed_by(&secret).send(&keyed.world).status;
    assert_eq!((push(), Request::push().send(&keyed.world).status), (200, 200));
    let third = run(&["key", "add", "99", "--dialect", "startexam", "--data", &data]);
    assert!(String::from_utf8(third.stderr).unwrap().contains("has two SharedKey secrets already"));
    let old = String::from_utf8(run(&["key", "list", "--data", &data]).stdout).unwrap();
    let old =
        old.lines().find(|line| line.contains("startexam")).unwrap().split_whitespace().nth(1).unwrap().to_owned();
    assert!(run(&["key", "revoke", "99", &old, "--data", &data]).status.success());
    assert_eq!((push(), Request::push().send(&keyed.world).status), (200, 403));
}

#[test]
fn a_key_opens_its_own_account_and_site_only() {
    let keyed = Keyed::new();
    let data = keyed.world.path("data");
    assert!(run(&["account", "add", "7", "--data", &data]).status.success());
    let added = run(&["key", "add", "7", "--dialect", "springest", "--site", "acme.example.com", "--data", &data]);
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let token = added["token"].as_str().unwrap();
    assert_eq!(keyed.springest(&json!({ "external_id": "1", "email": "a@x.com" })).status, 201);
    let get = |host: &str| {
        let path = format!("/users.json?api_key={token}&external_id=1");
        unsigned("GET", &path, b"").header("Host", host).send(&keyed.world)
    };
    assert_eq!(get("acme.example.com").status, 404, "the other account's user is not seen");
    assert_eq!(get("ACME.example.com:8080").status, 404);
    assert_eq!(get("other.example.com").status, 403);
    keyed.world.wait_for_log("/users.json");
    assert!(!keyed.world.log().contains(token) && !keyed.world.log().contains(&keyed.springest));
}

#[test]
fn an_account_names_the_profile_of_a_dialect() {
    let keyed = Keyed::new();
    let other = "5a0c6c0e-8a51-4f0e-9d0b-6f1f6f5a2b11";
    let profile = format!(
        "id = \"{other}\"\nname = \"Mails\"\n[[field]]\nname = \"Mail\"\ntype = \"email\"\nunique = true\nwire = {{ springest = \"email\" }}\n"
    );
    std::fs::write(keyed.world.path("profiles/mails.toml"), profile).unwrap();
    keyed.world.signal("-HUP");
    keyed.world.wait_for_log("profiles read again");
    let user = json!({ "external_id": "1", "email": "a@x.com", "city": "Rome" });
    let refused = keyed.springest(&user);
    assert_eq!(refused.status, 500);
    assert!(refused.text.contains("several profiles serve springest"), "{}", refused.text);
    let data = keyed.world.path("data");
    assert!(run(&["account", "profile", "99", "springest", other, "--data", &data]).status.success());
    let pushed = keyed.springest(&user);
    assert_eq!((pushed.status, pushed.header("Rollcall-Ignored").as_deref()), (201, Some("city")));
    assert_eq!(keyed.roster(), ["1 active | Mail: a@x.com"]);
    assert!(run(&["account", "profile", "99", "springest", PROFILE, "--data", &data]).status.success());
    assert_eq!(keyed.springest(&user).status, 201);
    assert_eq!(keyed.roster(), ["1 active | Mail: a@x.com | Email: a@x.com | City: Rome"]);
    assert_eq!(run(&["account", "profile", "98", "springest", other, "--data", &data]).status.code(), Some(1));
}

#[test]
fn lists_in_parts_block_nobody_and_old_files_are_read() {
    let keyed = Keyed::new();
    let header = "uid;secondname;firstname;login;email;position\n";
    let row = |n: u32| format!("{n};B;A;l{n};p{n}@x.com;C\n");
    assert!(keyed.csv(format!("{header}{}{}", row(1), row(2)).as_bytes()).text.contains("\"created_count\":2"));
    let data = keyed.world.path("data");
    assert!(run(&["account", "absent", "99", "stay", "--data", &data]).status.success());
    assert!(keyed.csv(format!("{header}{}", row(3)).as_bytes()).text.contains("\"blocked_count\":0"));
    assert!(run(&["account", "absent", "99", "hide", "--data", &data]).status.success());
    let cyrillic = [header.as_bytes(), b"2;\xcf\xe5\xf2\xf0\xee;A;l2;p2@x.com;C\n"].concat();
    assert_eq!(
        keyed.csv(&cyrillic).text,
        r#"{"created_count":0,"updated_count":1,"blocked_count":2,"unblocked_count":0}"#
    );
    assert!(keyed.roster()[1].contains("Last Name: Петро"), "{:?}", keyed.roster());
    // The same e-mail as one who is blocked by the same list is free.
    let swap = format!("{header}9;B;A;l;p2@x.com;C\n");
    assert!(keyed.csv(swap.as_bytes()).text.contains("\"created_count\":1"), "{:?}", keyed.roster());
}

#[test]
fn bodies_are_bounded_and_whole() {
    let keyed = Keyed::with("import_bytes_max = 1000\nemployee_bytes_max = 1000\nform_bytes_max = 1000");
    let long = keyed.springest(&json!({ "email": "a@x.com", "city": "x".repeat(1000) }));
    assert_eq!(long.status, 413);
    assert!(long.text.contains("employee_bytes_max"), "{}", long.text);
    assert_eq!(keyed.collaborator("batch", &json!([{ "uid": "x".repeat(1000) }])).status, 413);
    assert_eq!(keyed.echospan(&[("Cmd", &"x".repeat(1000))]).status, 451);
    let mut cut = unsigned("POST", &format!("/users.json?api_key={}", keyed.springest), b"{\"email\":\"a@x.com\"}");
    cut.body.truncate(5);
    let mut stream = keyed.world.connect();
    std::io::Write::write_all(&mut stream, &[cut.head(), cut.body].concat()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 400);
    let compressed = unsigned("POST", "/api/v2/users-import/single", b"{}").header("Content-Encoding", "br");
    assert_eq!(keyed.with_token(compressed).send(&keyed.world).status, 415);
    assert_eq!(keyed.roster(), [""; 0]);
}

#[test]
fn a_day_has_so_many_records() {
    let keyed = Keyed::with("queued_per_day_max = 2");
    keyed.queue(1);
    keyed.queue(2);
    let fields = [
        ("Cmd", "I"),
        ("Fname", "A"),
        ("Lname", "X"),
        ("Email", "a@x.com"),
        ("EmpIDNumber", "3"),
        ("APITestForm", "1"),
    ];
    let third = keyed.echospan(&fields);
    assert_eq!(third.status, 452);
    assert!(third.text.starts_with("452 Daily limit on API requests reached."), "{}", third.text);
    assert_eq!(keyed.echospan(&[("Cmd", "P")]).status, 200);
    assert_eq!(keyed.roster().len(), 2);
}

#[test]
fn the_queue_survives_a_restart_and_one_p_runs_at_a_time() {
    let mut keyed = Keyed::with("push_wait_seconds_max = 0");
    for number in 0..20 {
        keyed.queue(number);
    }
    keyed.world.kill();
    keyed.world = keyed.world.started();
    assert_eq!(keyed.roster(), [""; 0]);
    // A push of the account that does not end holds its turn; one that comes while a P has it is turned away itself.
    let body = format!("{{\"profileId\":\"{PROFILE}\",\"employees\":[");
    let push = Request::new("POST", "/v1/employees", &[body.as_bytes(), &[b' '; 100]].concat());
    let waiting = Instant::now();
    let (stream, refused) = loop {
        let mut stream = keyed.world.connect();
        std::io::Write::write_all(&mut stream, &[push.head(), body.clone().into_bytes()].concat()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let answer = keyed.echospan(&[("Cmd", "P"), ("APITestForm", "1")]);
        if answer.status == 454 || waiting.elapsed() > Duration::from_secs(10) {
            break (stream, answer);
        }
    };
    assert!(refused.text.starts_with("454 Waiting for another call from your account"), "{}", refused.text);
    drop(stream);
    let waiting = Instant::now();
    while keyed.echospan(&[("Cmd", "P")]).status != 200 {
        assert!(waiting.elapsed() < Duration::from_secs(10));
    }
    assert!(keyed.roster().len() >= 20);
}

const QUEUED: u64 = 2_000;

#[test]
fn killed_during_p_it_has_the_queue_or_the_roster() {
    let mut keyed = Keyed::new();
    let (mut queued, mut applied) = (0, 0);
    let mut next = 0;
    for moment in 0..12 {
        let database = rusqlite::Connection::open(keyed.world.path("data/accounts/99.db")).unwrap();
        database.execute_batch("BEGIN").unwrap();
        for number in next..next + QUEUED {
            let record = json!({ "command": "I", "fields": [["EmpIDNumber", number.to_string()], ["Fname", "A"]] });
            database.execute("INSERT INTO queue (record) VALUES (?)", [record.to_string().into_bytes()]).unwrap();
        }
        database.execute_batch("COMMIT").unwrap();
        drop(database);
        let request = keyed.echospan_request(&[("Cmd", "P")]);
        let mut stream = keyed.world.connect();
        std::io::Write::write_all(&mut stream, &[request.head(), request.body].concat()).unwrap();
        std::thread::sleep(Duration::from_millis(moment * 5));
        keyed.world.kill();
        keyed.world = keyed.world.started();
        let database = rusqlite::Connection::open(keyed.world.path("data/accounts/99.db")).unwrap();
        let count = |table: &str| -> u64 {
            database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        match (count("queue"), count("employee")) {
            (QUEUED, employees) if employees == next => queued += 1,
            (0, employees) if employees == next + QUEUED => {
                applied += 1;
                next += QUEUED;
            }
            (queue, employees) => panic!("{queue} in the queue, {employees} in the roster, before it {next}"),
        }
        database.execute("DELETE FROM queue", []).unwrap();
    }
    eprintln!("killed at 12 moments of a P: {queued} times the queue was there, {applied} times the roster");
}

#[test]
fn a_form_is_in_utf8_or_in_the_charset_that_it_names() {
    let keyed = Keyed::new();
    let form = |names: &str| {
        format!("Key={}&ClientID=1234&Cmd=I&Email=a%40x.com&EmpIDNumber=1&APITestForm=1&{names}", keyed.echospan)
    };
    let post = |content_type: &str, names: &str| {
        unsigned("POST", ECHOSPAN, form(names).as_bytes()).header("Content-Type", content_type).send(&keyed.world)
    };
    let latin = "Fname=Jos%E9&Lname=M%FCller+X";
    let refused = post("application/x-www-form-urlencoded", latin);
    assert_eq!(refused.status, 451);
    assert!(
        refused.text.ends_with("Fname is not in UTF-8, nor in the charset that the request names"),
        "{}",
        refused.text
    );
    assert_eq!(post("application/x-www-form-urlencoded; charset=no-such", latin).status, 451);
    assert_eq!(post("application/x-www-form-urlencoded; charset=ISO-8859-1", latin).status, 200);
    assert_eq!(keyed.echospan(&[("Cmd", "P")]).status, 200);
    assert_eq!(
        keyed.roster(),
        ["1 active | First Name: José | Last Name: Müller X | Email: a@x.com | Is Manager: false"]
    );
}

#[test]
fn what_becomes_unique_is_found_at_once() {
    let keyed = Keyed::new();
    for (id, login) in [("1", "a"), ("2", "b"), ("3", "b")] {
        let data = [("Email", format!("p{id}@x.com")), ("Login", login.to_owned())];
        let data: Vec<(&str, &str)> = data.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(keyed.world.push_employees(json!([employee(id, "active", &data)])).counts(), [1, 0, 0, 0, 0]);
    }
    let profile = rollcall::sample::PROFILE_TOML.replace("name = \"Login\"", "name = \"Login\"\nunique = true");
    std::fs::write(keyed.world.path("profiles/people.toml"), profile).unwrap();
    keyed.world.signal("-HUP");
    keyed.world.wait_for_log("profiles read again");
    // Two have what only one may have now: told until it is mended, by whatever push.
    let refused = keyed.springest(&json!({ "email": "p1@x.com", "city": "Rome" }));
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("\"login\"") || refused.text.contains("Login"), "{}", refused.text);
    let user =
        json!({ "uid": "3", "login": "c", "email": "p3@x.com", "firstname": "F", "secondname": "S", "position": "P" });
    assert_eq!(keyed.collaborator("single", &user).status, 200);
    assert_eq!(keyed.springest(&json!({ "email": "p1@x.com", "city": "Rome" })).status, 201);
    assert_eq!(keyed.roster()[0], "1 active | Email: p1@x.com | Login: a | City: Rome");
    assert_eq!(keyed.roster().len(), 3);
}
