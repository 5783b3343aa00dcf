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
//! A name in braces means a key of the account; `signed` in place of headers signs the request. An answer's body may be left out, or
//! end in `…`. Lines that begin with `=` are the whole roster at that moment; `=` alone is an empty one.
//!
//! With `ROLLCALL_GOLDEN=write` the files are written as the program answers now.

use super::world::{Answer, Request, World, run};
use rollcall::sample::PROFILE_TOML;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::iter::Peekable;
use std::path::Path;
use std::str::Lines;

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

    /// The roster as golden cases show it.
    pub fn roster(&self) -> Vec<String> {
        self.world.roster().iter().map(shown).collect()
    }

    fn keys(&self) -> [(&'static str, &str); 3] {
        [("{springest}", &self.springest), ("{collaborator}", &self.collaborator), ("{echospan}", &self.echospan)]
    }

    /// Puts the keys in place of their names.
    fn named_to_keys(&self, text: &str) -> String {
        self.keys().into_iter().fold(text.to_owned(), |text, (name, key)| text.replace(name, key))
    }

    /// Puts the names in place of the keys.
    fn keys_to_names(&self, text: &str) -> String {
        self.keys().into_iter().fold(text.to_owned(), |text, (name, key)| text.replace(key, name))
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
            threads.spawn(move || {
                for case in cases {
                    same_or_written(case, &replayed(case));
                }
            });
        }
    });
}

/// Compares a golden file with what it should be now, or writes that with `ROLLCALL_GOLDEN=write`.
#[track_caller]
pub fn same_or_written(file: &Path, now: &str) {
    let written = fs::read_to_string(file).unwrap();
    if written == now {
        return;
    }
    if std::env::var_os("ROLLCALL_GOLDEN").is_some_and(|value| value == "write") {
        return fs::write(file, now).unwrap();
    }
    let (before, after): (Vec<&str>, Vec<&str>) = (written.lines().collect(), now.lines().collect());
    let same = before.iter().zip(&after).take_while(|(before, after)| before == after).count();
    let line = |lines: &[&str]| lines.get(same).copied().unwrap_or("(the end)").to_owned();
    panic!(
        "{}:{}\n  was {}\n  is  {}\nIf that is right: ROLLCALL_GOLDEN=write cargo test golden",
        file.display(),
        same + 1,
        line(&before),
        line(&after)
    );
}

/// The text of a case with the answers and rosters of today.
fn replayed(case: &Path) -> String {
    let keyed = Keyed::new();
    let text = fs::read_to_string(case).unwrap();
    let mut lines = text.lines().peekable();
    let (mut now, mut answers) = (String::new(), 0);
    while let Some(line) = lines.peek().copied() {
        if line.starts_with('=') {
            while lines.next_if(|line| line.starts_with('=')).is_some() {}
            let roster: String = keyed.roster().iter().map(|employee| format!("= {employee}\n")).collect();
            now.push_str(if roster.is_empty() { "=\n" } else { &roster });
        } else if line.starts_with("> ") {
            let place = format!("{}, at {line:?}", case.display());
            let answer = ask(&keyed, &mut lines, &mut now, &place);
            write_answer(&keyed, &answer, &mut lines, &mut now, &place);
            answers += 1;
        } else {
            assert!(line.trim().is_empty() || line.starts_with('#'), "{}: {line:?} is no request", case.display());
            now.push_str(lines.next().unwrap());
            now.push('\n');
        }
    }
    assert!(answers > 0, "{} has no request", case.display());
    now
}

/// Copies the next request of a case and sends it.
fn ask(keyed: &Keyed, lines: &mut Peekable<Lines>, now: &mut String, place: &str) -> Answer {
    let mut copied = || {
        let line = lines.next_if(|line| !line.starts_with("< "))?;
        writeln!(now, "{line}").unwrap();
        Some(keyed.named_to_keys(line))
    };
    let (mut head, mut body) = (Vec::new(), Vec::new());
    while let Some(line) = copied() {
        match line.strip_prefix("> ") {
            Some(line) if body.is_empty() => head.push(line.to_owned()),
            _ => body.push(line),
        }
    }
    assert!(lines.peek().is_some(), "{place}: no answer");
    send(&keyed.world, &head[0], &head[1..], body.join("\n").trim())
}

/// Writes an answer in place of the next one of the case, which is kept word for word where it is right.
fn write_answer(keyed: &Keyed, answer: &Answer, lines: &mut Peekable<Lines>, now: &mut String, place: &str) {
    lines.next();
    writeln!(now, "< {}", answer.status).unwrap();
    while let Some(header) = lines.next_if(|line| line.starts_with("< ")) {
        let (name, _) = header[2..].split_once(": ").unwrap_or_else(|| panic!("{place}: {header:?} is no header"));
        match answer.header(name) {
            Some(value) => writeln!(now, "< {name}: {}", keyed.keys_to_names(&value)).unwrap(),
            None => writeln!(now, "< {name}: (absent)").unwrap(),
        }
    }
    let of_answer = |line: &&str| !["> ", "="].iter().any(|other| line.starts_with(other));
    let written: Vec<&str> = std::iter::from_fn(|| lines.next_if(of_answer)).collect();
    let expected: Vec<&str> = written.iter().copied().filter(|line| !line.starts_with('#')).collect();
    let expected = keyed.named_to_keys(expected.join("\n").trim());
    let is_right = match expected.strip_suffix('…') {
        Some(beginning) => answer.text.starts_with(beginning),
        None if expected == "(empty)" => answer.text.is_empty(),
        None => expected.is_empty() || answer.text == expected,
    };
    if is_right {
        written.iter().for_each(|line| writeln!(now, "{line}").unwrap());
        return;
    }
    let text = keyed.keys_to_names(&answer.text);
    match expected.strip_suffix('…') {
        _ if text.is_empty() => writeln!(now, "\n(empty)\n").unwrap(),
        Some(beginning) => {
            let kept: String = text.chars().take(beginning.chars().count()).collect();
            writeln!(now, "\n{kept}…\n").unwrap();
        }
        None => writeln!(now, "\n{text}\n").unwrap(),
    }
    written.iter().filter(|line| line.starts_with('#')).for_each(|line| writeln!(now, "{line}").unwrap());
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
