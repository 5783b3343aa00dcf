//! A real roster, if `ROLLCALL_REGISTER` names its folder: three weeks of it, and the accidents that can happen to its file.

use super::world::{Answer, PROFILE, World, register};
use csv::StringRecord;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

const REGISTER: &str = r#"
    id = "d51b5efd-fb21-4cb8-94e2-145014839465"
    name = "Register"
    [[field]]
    name = "First Name"
    type = "text"
    [[field]]
    name = "Last Name"
    type = "text"
    [[field]]
    name = "Given Name"
    type = "text"
    trim = false      # the counts were made by comparing cells as they are
    [[field]]
    name = "Suffix"
    type = "text"
    [[field]]
    name = "Birth Year"
    type = "number"
    integer = true
    [[field]]
    name = "Birth Month"
    type = "number"
    integer = true
    max = 12
    [[field]]
    name = "Birth Day"
    type = "number"
    integer = true
    max = 31
    [[field]]
    name = "Last Played"
    type = "number"
    integer = true
    [[field]]
    name = "MLBAM Id"
    type = "number"
    integer = true
"#;

/// The columns of its files.
const COLUMNS: [&str; 11] = [
    "id",
    "status",
    "First Name",
    "Last Name",
    "Given Name",
    "Suffix",
    "Birth Year",
    "Birth Month",
    "Birth Day",
    "Last Played",
    "MLBAM Id",
];

/// To how many of its people accidents happen of which there are few, and many.
const PART: usize = 30_000;
const SMALL_PART: usize = 4_000;

#[test]
fn three_weeks_have_their_counts() {
    if let Some(folder) = register_folder() {
        push_three_weeks(&World::with(REGISTER, ""), &folder, &[], 0, 0);
    }
}

#[test]
fn three_weeks_hide_the_absent() {
    if let Some(folder) = register_folder() {
        let world = World::with(REGISTER, "");
        push_three_weeks(&world, &folder, &["--absent", "hide"], 3, 2);
        assert_eq!(world.get("/v1/plans").json()["plans"], serde_json::json!([]), "no guard stopped any");
        // One percent of all hides a little more than is usual, and a wrong encoding changes one in ninety.
        let people = people(&folder);
        let register = Register { before: world.get("/v1/employees.csv").bytes, world };
        let part = &people[..people.len() * 99 / 100];
        register.stops("cut at 99 %", &table(&COLUMNS, part), &[], "the guard hide lets 282 pass");
        let latin1 = read_as_latin1(&table(&COLUMNS, &people));
        register.stops("read as Latin-1", &latin1, &[], "the guard garble lets 25 pass");
    }
}

/// Three weeks, of which each hides the absent, undone one by one, and done again by undoing the undo.
#[test]
fn three_weeks_are_undone_one_by_one_and_redone() {
    let Some(folder) = register_folder() else {
        return;
    };
    let world = World::with(REGISTER, "");
    let export = |query: &str| world.get(&format!("/v1/employees.csv{query}")).bytes;
    let mut exports = vec![export("")];
    for file in ["2025-01-05.csv.zst", "2025-01-12.csv.zst", "2025-01-19.csv.zst"] {
        let file = folder.join(file);
        let pushed = world.push_file(file.to_str().unwrap(), &["--profile", PROFILE, "--absent", "hide"]);
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
        exports.push(export(""));
    }
    let undo = |revision: u64| {
        let plan = world.request("POST", &format!("/v1/syncs/{revision}/revert"), Some(b""));
        assert_eq!(plan.json()["conflicts"]["count"], 0, "{}", plan.text);
        let applied = world.request("POST", &format!("{}/apply", plan.header("location").unwrap()), Some(b""));
        assert_eq!(applied.status, 200, "{}", applied.text);
    };
    // Exports are compared without being printed: they have half a million lines.
    for (sync, week) in [(3, 2), (2, 1), (5, 2), (4, 3), (3, 2), (2, 1), (1, 0), (10, 1)] {
        undo(sync);
        assert!(export("") == exports[week], "after the undo of revision {sync}, week {week}");
    }
    for (revision, week) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 2), (5, 1), (6, 2), (7, 3)] {
        assert!(export(&format!("?at={revision}")) == exports[week], "as of revision {revision}, week {week}");
    }
    let checked = super::world::run(&["account", "check", "99", "--data", &world.path("data")]);
    assert!(checked.status.success(), "{checked:?}");
}

fn register_folder() -> Option<std::path::PathBuf> {
    let folder = register();
    if folder.is_none() {
        eprintln!("left out: ROLLCALL_REGISTER does not name the register's folder");
    }
    folder
}

/// Pushes three weeks. So many are hidden in the second and the third.
fn push_three_weeks(world: &World, folder: &Path, args: &[&str], second: u64, third: u64) {
    for (file, counts) in [
        ("2025-01-05.csv.zst", [494_632, 0, 0, 0, 0]),
        ("2025-01-12.csv.zst", [215, 86, 5, second, 494_524]),
        ("2025-01-19.csv.zst", [215, 154, 3, third, 494_668]),
        ("2025-01-19.csv.zst", [0, 0, 0, 0, 495_037]),
    ] {
        let file = folder.join(file);
        let pushed = world.push_file(file.to_str().unwrap(), &[&["--profile", PROFILE, "--json"], args].concat());
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
        let text = String::from_utf8(pushed.stdout).unwrap();
        let answer = Answer { status: 200, head: String::new(), text, bytes: Vec::new() };
        assert_eq!(answer.counts(), counts, "{}", file.display());
    }
}

/// The people of the third week.
fn people(folder: &Path) -> Vec<StringRecord> {
    let file = zstd::stream::Decoder::new(File::open(folder.join("2025-01-19.csv.zst")).unwrap()).unwrap();
    let mut reader = csv::Reader::from_reader(file);
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), COLUMNS);
    reader.records().map(Result::unwrap).collect()
}

/// A CSV of people.
fn table(headings: &[&str], people: &[StringRecord]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    writer.write_record(headings).unwrap();
    people.iter().for_each(|person| writer.write_record(person).unwrap());
    writer.into_inner().unwrap()
}

/// A CSV whose column `to` has what the column `from` of each person has.
fn moved(people: &[StringRecord], from: impl Fn(usize) -> usize) -> Vec<u8> {
    let move_cells = |person: &StringRecord| (0..COLUMNS.len()).map(|to| person[from(to)].to_owned()).collect();
    table(&COLUMNS, &people.iter().map(move_cells).collect::<Vec<StringRecord>>())
}

/// The characters that the bytes of a text are in Latin-1.
fn read_as_latin1(csv: &[u8]) -> Vec<u8> {
    csv.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes()
}

/// A server that has the register, and all of it before an accident.
struct Register {
    world: World,
    before: Vec<u8>,
}

impl Register {
    /// A server that has these people, and their file.
    fn of(people: &[StringRecord]) -> (Register, Vec<u8>) {
        let (world, whole) = (World::with(REGISTER, ""), table(&COLUMNS, people));
        assert!(world.push_file(&world.file("whole.csv", &whole), &["--profile", PROFILE]).status.success());
        (Register { before: world.get("/v1/employees.csv").bytes, world }, whole)
    }

    /// Pushes a file that hides the absent. Returns the exit code and what was said. Nothing may have changed.
    fn push(&self, name: &str, csv: &[u8], args: &[&str]) -> (i32, String) {
        let started = Instant::now();
        let file = self.world.file("accident.csv", csv);
        let pushed =
            self.world.push_file(&file, &[&["--profile", PROFILE, "--absent", "hide", "--quiet"], args].concat());
        let (code, said) = (pushed.status.code().unwrap(), String::from_utf8(pushed.stderr).unwrap());
        assert!(self.world.get("/v1/employees.csv").bytes == self.before, "{name} changed somebody: {said}");
        let start: String = said.lines().next_back().unwrap_or_default().chars().take(200).collect();
        eprintln!("{name}: {code}, {:.1} s: {start}", started.elapsed().as_secs_f64());
        (code, said)
    }

    /// Pushes a file that must be held or refused with these words.
    fn stops(&self, name: &str, csv: &[u8], args: &[&str], words: &str) {
        let (code, said) = self.push(name, csv, args);
        let is_held = said.contains("the server answered 409");
        assert_eq!(code, if is_held { 3 } else { 1 }, "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
    }
}

#[test]
fn no_accident_of_a_file_loses_anybody() {
    let Some(folder) = register_folder() else {
        return;
    };
    let mut people = people(&folder);
    people.truncate(PART);
    let (register, whole) = Register::of(&people);
    for percent in [99, 80] {
        let part = &people[..PART * percent / 100];
        let (hidden, all) = (active(&people) - active(part), active(&people));
        let figures = format!("it would hide {hidden} of {all} active employees");
        register.stops(&format!("cut at {percent} %"), &table(&COLUMNS, part), &[], &figures);
    }
    register.stops("cut in a row", &whole[..whole.len() * 4 / 5], &[], "");
    assert_eq!(register.push("header", &table(&COLUMNS, &[]), &[]).0, 0);
    register.stops("header, on purpose", &table(&COLUMNS, &[]), &["--empty", "allow"], "the guard hide lets");
    register.stops("nothing", b"", &["--empty", "allow"], "the file is empty; nothing was sent");
    accidents_of_encodings(&register, &whole);
    assert_eq!(register.push("whole", &whole, &[]).0, 0);

    people.truncate(SMALL_PART);
    let (register, whole) = Register::of(&people);
    accidents_of_columns(&register, &people);
    accidents_without_the_program(&register, &people);
    assert_eq!(register.push("whole", &whole, &[]).0, 0);
}

fn active(people: &[StringRecord]) -> usize {
    people.iter().filter(|person| &person[1] == "active").count()
}

/// Every two columns swapped, every one missing, and the ids from every other.
fn accidents_of_columns(register: &Register, people: &[StringRecord]) {
    for (first, name) in COLUMNS.iter().enumerate().skip(2) {
        for (second, other) in COLUMNS.iter().enumerate().skip(first + 1) {
            let swapped = moved(people, |to| match to {
                _ if to == first => second,
                _ if to == second => first,
                _ => to,
            });
            register.stops(&format!("{name} and {other} swapped"), &swapped, &[], "");
        }
    }
    for (missing, name) in COLUMNS.iter().enumerate() {
        let without = |person: &StringRecord| {
            person.iter().enumerate().filter(|(n, _)| *n != missing).map(|(_, cell)| cell).collect()
        };
        let headings: Vec<&str> = COLUMNS.iter().copied().filter(|heading| heading != name).collect();
        let csv = table(&headings, &people.iter().map(without).collect::<Vec<StringRecord>>());
        let words = match *name {
            "id" => "no column is called id",
            "status" => "hidden employees, and the guard activate lets",
            _ => "the guard empty lets",
        };
        register.stops(&format!("{name} missing"), &csv, &[], words);
    }
    for (from, name) in COLUMNS.iter().enumerate().skip(1) {
        let csv = moved(people, |to| if to == 0 { from } else { to });
        register.stops(&format!("ids from {name}"), &csv, &[], "");
        // Also of those whom it tells apart.
        let mut seen = std::collections::HashSet::new();
        let mut apart = people.to_vec();
        apart.retain(|person| !person[from].is_empty() && seen.insert(person[from].to_owned()));
        let csv = moved(&apart, |to| if to == 0 { from } else { to });
        register.stops(&format!("ids from {name}, each once"), &csv, &[], "the guard hide lets");
    }
}

fn accidents_of_encodings(register: &Register, whole: &[u8]) {
    let text = str::from_utf8(whole).unwrap();
    for (name, read) in [
        ("Latin-1", String::from_utf8(read_as_latin1(whole)).unwrap()),
        ("Windows-1252", encoding_rs::WINDOWS_1252.decode_without_bom_handling(whole).0.into_owned()),
        ("that of a Mac", encoding_rs::MACINTOSH.decode_without_bom_handling(whole).0.into_owned()),
        ("ASCII", text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()),
    ] {
        register.stops(&format!("read as {name}"), read.as_bytes(), &[], "text read in a wrong encoding");
    }
    let latin1: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    register.stops("written in Latin-1", &latin1, &[], "UTF-8");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    register.stops("written in UTF-16", &[&[0xff, 0xfe], &utf16[..]].concat(), &[], "UTF-16");
}

/// What `rollcall push` refuses to send, sent by another client.
fn accidents_without_the_program(register: &Register, people: &[StringRecord]) {
    let employee = |person: &StringRecord, has_id: bool| {
        let data = COLUMNS.iter().zip(person).skip(2).filter(|(_, value)| !value.is_empty());
        let data: Vec<_> = data.map(|(name, value)| serde_json::json!({ "name": name, "value": value })).collect();
        let id = has_id.then(|| person[0].to_owned());
        serde_json::json!({ "id": id, "status": person[1], "data": data })
    };
    let body = |has_id: bool| {
        let employees: Vec<_> = people.iter().map(|person| employee(person, has_id)).collect();
        serde_json::json!({ "profileId": PROFILE, "employees": employees }).to_string()
    };
    let whole = body(true);
    let latin1 = whole.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    for (name, body, words) in [
        ("nothing", Vec::new(), "the body is not JSON"),
        ("half of the body", whole.as_bytes()[..whole.len() / 2].to_vec(), "the body is not JSON"),
        ("no ids", body(false).into_bytes(), ""),
        ("written in Latin-1", latin1, ""),
    ] {
        for lenient in [false, true] {
            let mut request = super::world::Request::new("POST", "/v1/employees?absent=hide&empty=allow", &body);
            if lenient {
                request = request.header("Prefer", "handling=lenient");
            }
            let answer = request.send(&register.world);
            assert!([400, 409].contains(&answer.status), "{name}: {}", answer.text);
            assert!(answer.message().contains(words), "{name}: {}", answer.text);
            assert!(register.world.get("/v1/employees.csv").bytes == register.before, "{name} changed somebody");
        }
    }
}
