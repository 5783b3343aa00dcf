//! Golden cases: `tests/golden/<dialect>/<case>.txt` has requests, their answers, and the roster after them.
//!
//! ```text
//! > POST /users.json?api_key={springest}
//! > Content-Type: application/json
//!
//! {"external_id": "4711"}
//!
//! < 201
//!
//! {"id":"1"}
//!
//! = 4711 active | Email: …
//! ```
//!
//! What stands in braces is a key of the account, or with `signed` in place of headers the request is signed. An answer's body may
//! be left out, or end in `…`; lines that begin with `=` are the whole roster at that moment, `=` alone is nobody.

use super::world::{Answer, Request, World, run};
use rollcall::sample::PROFILE_TOML;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A world with the shipped profile and a key for every dialect.
pub struct Keyed {
    pub world: World,
    pub springest: String,
    pub collaborator: String,
    pub echospan: String,
}

impl Keyed {
    pub fn new() -> Keyed {
        Keyed::with("")
    }

    pub fn with(limits: &str) -> Keyed {
        let world = World::with(PROFILE_TOML, limits);
        let key = |dialect: &str, more: &[&str]| add_key(&world, dialect, more);
        let (springest, collaborator) = (key("springest", &[]), key("collaborator", &[]));
        let echospan = key("echospan", &["--client-id", "1234"]);
        Keyed { world, springest, collaborator, echospan }
    }

    /// The roster as golden cases have it.
    pub fn roster(&self) -> Vec<String> {
        self.world.roster().iter().map(shown).collect()
    }
}

pub fn add_key(world: &World, dialect: &str, more: &[&str]) -> String {
    let data = world.path("data");
    let added = run(&[&["key", "add", "99", "--dialect", dialect, "--data", &data], more].concat());
    assert!(added.status.success(), "{added:?}");
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    added["token"].as_str().unwrap().to_owned()
}

fn shown(employee: &Value) -> String {
    let data = employee["data"].as_array().unwrap().iter();
    let data = data.map(|row| format!(" | {}: {}", row["name"].as_str().unwrap(), row["value"].as_str().unwrap()));
    format!("{} {}{}", employee["id"].as_str().unwrap(), employee["status"].as_str().unwrap(), data.collect::<String>())
}

#[test]
fn every_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = Vec::new();
    for dialect in ["startexam", "springest", "collaborator", "echospan"] {
        let before = cases.len();
        for case in fs::read_dir(root.join(dialect)).unwrap() {
            cases.push(case.unwrap().path());
        }
        assert!(cases.len() > before, "{dialect} has no cases");
    }
    cases.sort();
    std::thread::scope(|threads| {
        for cases in cases.chunks(cases.len().div_ceil(2)) {
            threads.spawn(move || cases.iter().for_each(|case| check(case)));
        }
    });
}

fn check(case: &Path) {
    let keyed = Keyed::new();
    let text = fs::read_to_string(case).unwrap();
    let text = text.replace("{springest}", &keyed.springest).replace("{collaborator}", &keyed.collaborator);
    let text = text.replace("{echospan}", &keyed.echospan);
    let mut lines = text.lines().peekable();
    let mut answers = 0;
    while let Some(line) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{}, at {line:?}", case.display());
        if line.starts_with('=') {
            let mut expected = vec![line];
            expected.extend(std::iter::from_fn(|| lines.next_if(|line| line.starts_with('='))));
            let expected: Vec<&str> =
                expected.iter().map(|line| line[1..].trim()).filter(|line| !line.is_empty()).collect();
            assert_eq!(keyed.roster(), expected, "{place}");
            continue;
        }
        let request = line.strip_prefix("> ").unwrap_or_else(|| panic!("{place}: not a request"));
        let mut headers = Vec::new();
        while let Some(header) = lines.next_if(|line| line.starts_with("> ")) {
            headers.push(header[2..].to_owned());
        }
        let mut body = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("< ")) {
            body.push(line);
        }
        let body = body.join("\n").trim().to_owned();
        let answer = send(&keyed.world, request, &headers, &body);
        let expected_status = lines.next().unwrap_or_else(|| panic!("{place}: no answer"));
        assert_eq!(format!("< {}", answer.status), expected_status, "{place}: {}", answer.text);
        while let Some(header) = lines.next_if(|line| line.starts_with("< ")) {
            let (name, value) = header[2..].split_once(": ").unwrap();
            assert_eq!(answer.header(name).as_deref(), Some(value), "{place}");
        }
        let ends = |line: &&str| !["> ", "="].iter().any(|other| line.starts_with(other));
        let expected: Vec<&str> =
            std::iter::from_fn(|| lines.next_if(ends)).filter(|line| !line.starts_with('#')).collect();
        let expected = expected.join("\n").trim().to_owned();
        match expected.strip_suffix('…') {
            Some(beginning) => assert!(answer.text.starts_with(beginning), "{place}: {}", answer.text),
            None if expected.is_empty() => {}
            None if expected == "(empty)" => assert_eq!(answer.text, "", "{place}"),
            None => assert_eq!(answer.text, expected, "{place}"),
        }
        answers += 1;
    }
    assert!(answers > 0, "{} has no request", case.display());
}

fn send(world: &World, request: &str, headers: &[String], body: &str) -> Answer {
    let (method, path) = request.split_once(' ').unwrap();
    // Multipart wants its lines ended as the network has them.
    let multipart = headers.iter().any(|header| header.contains("multipart/"));
    let body = if multipart { format!("{}\r\n", body.replace('\n', "\r\n")) } else { body.to_owned() };
    let mut request = Request::new(method, path, body.as_bytes());
    if headers != ["signed"] {
        request = request.without("Authorization").without("Date");
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap_or_else(|| panic!("{header:?} is no header"));
            request = request.header(name, value);
        }
    }
    request.send(world)
}
