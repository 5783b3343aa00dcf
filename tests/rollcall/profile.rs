//! Profiles as their administrator sees them: the mistakes in a file, and a new version while the server runs.

use super::world::{PEOPLE, PROFILE, World, employee, run};
use serde_json::json;

const HEAD: &str = "id = \"d51b5efd-fb21-4cb8-94e2-145014839465\"\nname = \"P\"\n[[field]]\nname = \"F\"\n";

#[test]
fn what_is_wrong_with_a_file_is_reported_with_its_line_and_what_to_do() {
    let world = World::stopped(PEOPLE, "");
    for (profile, expected) in [
        ("", "bad.toml:1: id is missing, above the first [[field]]"),
        ("id = ", "bad.toml:1: "),
        ("id = \"x\"\nname = \"P\"\n[[field]]\nname=\"F\"\ntype=\"text\"", "bad.toml:1: id must be a GUID"),
        ("id = \"d51b5efd-fb21-4cb8-94e2-145014839465\"\nname = \"P\"", "a profile needs at least one [[field]]"),
        (
            &format!("{HEAD}type = \"texts\""),
            "bad.toml:5: field \"F\": type: there is no \"texts\" here; there are text, email",
        ),
        (&format!("{HEAD}type = text"), "bad.toml:5: "),
        (&format!("{HEAD}type = text"), "text stands in quotes"),
        (&format!("{HEAD}type = \"text\"\nrequired = yes"), "true and false are small and without"),
        (&format!("{HEAD}type = \"text\"\npattern = \"\\d\""), "a pattern stands in single quotes"),
        (&format!("{HEAD}type = \"text\"\nname = \"G\""), "is the line [[field]] missing above it?"),
        (&HEAD.replace("[[field]]", "[field]"), "a field begins with the line [[field]], with two brackets"),
        (
            &format!("{HEAD}type = \"text\"\nmax_length = \"9\""),
            "bad.toml:6: field \"F\": max_length: must be a whole number from 0 on, without quotes, and is the text \"9\"",
        ),
        (&format!("{HEAD}type = \"date\"\nformats = \"dd.mm.yyyy\""), "formats: must be a list in square brackets"),
        (&format!("{HEAD}type = \"text\"\naccounts = [9]"), "accounts belongs above the first [[field]]"),
        (&format!("type = \"text\"\n{HEAD}type = \"text\""), "bad.toml:1: type belongs to a field: write it below"),
        (&format!("nmae = \"P\"\n{HEAD}type = \"text\""), "bad.toml:1: there is no \"nmae\" here; did you mean name?"),
        (&format!("field = 7\n{}", HEAD.split("[[").next().unwrap()), "a field begins with the line [[field]]"),
        (&format!("{HEAD}type = \"txt\""), "did you mean \"text\"?"),
        (&format!("{HEAD}type = \"text\"\nmax_length = 0"), "bad.toml:6: field \"F\": max_length must be at least 1"),
        (&format!("{HEAD}type = \"url\"\nmax_length = 0"), "bad.toml:6: field \"F\": max_length must be at least 1"),
        (&format!("{HEAD}type = \"list\"\nmax_length = 0"), "bad.toml:6: field \"F\": max_length must be at least 1"),
        (&format!("{HEAD}type = \"image\"\nmax_bytes = 0"), "bad.toml:6: field \"F\": max_bytes must be at least 1"),
        (&format!("{}type = \"text\"", HEAD.replace("\"F\"", "\"id\"")), "bad.toml:4: a field cannot be called \"id\""),
        (
            &format!("{}type = \"text\"", HEAD.replace("\"F\"", "\"Status\"")),
            "bad.toml:4: a field cannot be called \"Status\"",
        ),
        (
            &format!("{HEAD}type = \"text\"\n[[field]]\nname = \"f\"\ntype = \"text\""),
            "bad.toml:7: fields \"F\" and \"f\" differ only in case; rename one",
        ),
        (
            &format!("{HEAD}type = \"text\"\nrequird = true"),
            "bad.toml:6: field \"F\": there is no \"requird\" here; did you mean required?",
        ),
        (
            &format!("{HEAD}type = \"email\"\nmax_length = 3"),
            "bad.toml:6: field \"F\": max_length is not a rule of type email; it has none but required and unique",
        ),
        (
            &format!("{HEAD}type = \"text\"\nformats = [\"x\"]"),
            "bad.toml:6: field \"F\": formats is not a rule of type text; it has min_length, max_length, pattern, trim, case",
        ),
        (
            &format!("{HEAD}type = \"text\"\nmin_length = 3\nmax_length = 2"),
            "bad.toml:6: field \"F\": the smallest allowed is above the largest",
        ),
        (
            &format!("{HEAD}type = \"text\"\npattern = '('"),
            "bad.toml:6: field \"F\": pattern is no regular expression: unclosed group",
        ),
        (
            &format!("{HEAD}type = \"text\"\npattern = \"{}\"", "a".repeat(2_000)),
            "bad.toml:6: field \"F\": pattern is longer than 1000",
        ),
        (
            &format!("{HEAD}type = \"text\"\npattern = '\\w{{1000}}'"),
            "bad.toml:6: field \"F\": pattern is no regular expression: ",
        ),
        (
            &format!("{HEAD}type = \"date\"\nformats = [\"dd/mm/yy\"]"),
            "bad.toml:6: field \"F\": \"dd/mm/yy\" is not a date format; there are yyyy-mm-dd, dd.mm.yyyy, mm/dd/yyyy",
        ),
        (&format!("{HEAD}type = \"date\"\nformats = []"), "bad.toml:6: field \"F\": formats is empty"),
        (
            &format!("{HEAD}type = \"date\"\nmin = \"2023-02-29\""),
            "bad.toml:6: field \"F\": min and max must be a date that exists",
        ),
        (
            &format!("{HEAD}type = \"date\"\nmin = \"2023-03-01\"\nmax = 2023-02-01"),
            "bad.toml:6: field \"F\": the smallest allowed is above",
        ),
        (&format!("{HEAD}type = \"number\"\nmin = \"one\""), "bad.toml:6: field \"F\": min and max must be a number"),
        (
            &format!("{HEAD}type = \"number\"\nmin = 10\nmax = 9.5"),
            "bad.toml:6: field \"F\": the smallest allowed is above",
        ),
        (&format!("{HEAD}type = \"choice\""), "bad.toml:5: field \"F\": a choice needs options"),
        (&format!("{HEAD}type = \"choice\"\noptions = []"), "bad.toml:6: field \"F\": options is empty"),
        (
            &format!("{HEAD}type = \"choice\"\noptions = [\"a \"]"),
            "bad.toml:6: field \"F\": option \"a \" must not be empty",
        ),
        (
            &format!(
                "{HEAD}type = \"choice\"\noptions = [{{ value = \"a\", also = [\"x\"] }}, {{ value = \"b\", also = [\"X\"] }}]"
            ),
            "bad.toml:6: field \"F\": \"X\" would mean two options",
        ),
        (
            &format!("{HEAD}type = \"choice\"\noptions = 7"),
            "bad.toml:6: field \"F\": options: must be a list in square brackets, like [99] or [\"dd.mm.yyyy\"], and is 7",
        ),
        (&format!("{HEAD}type = \"choice\"\noptions = [7]"), "bad.toml:6: field \"F\": options: it is a list like"),
        (
            &format!("{HEAD}type = \"text\"\nwire = {{ springest = \"frist_name\" }}"),
            "bad.toml:6: field \"F\": springest has no field \"frist_name\"; it has email, gender",
        ),
        (
            &format!("{HEAD}type = \"text\"\nwire = {{ moodle = \"x\" }}"),
            "bad.toml:6: field \"F\": wire says what springest, collaborator and echospan call the field",
        ),
        (
            &format!(
                "{HEAD}type = \"text\"\nwire = {{ springest = \"city\" }}\n[[field]]\nname = \"G\"\ntype = \"text\"\n\
                 wire = {{ springest = \"city\" }}"
            ),
            "bad.toml:10: field \"G\": city is \"F\" already",
        ),
        (&format!("{HEAD}type = \"reference\""), "bad.toml:5: field \"F\": a reference needs to"),
        (
            &format!("{HEAD}type = \"reference\"\nto = \"Email\""),
            "bad.toml:6: field \"F\": to must be \"id\", \"number\" or the name of a unique field; \"Email\" is none",
        ),
        (
            &format!("{HEAD}type = \"reference\"\nto = \"id\"\nmany = true\nacyclic = true"),
            "bad.toml:8: field \"F\": acyclic goes with a reference to one employee",
        ),
        (
            &format!("{HEAD}type = \"list\"\nunique = true"),
            "bad.toml:6: field \"F\": a field of type list cannot be unique",
        ),
        (
            &format!("{HEAD}type = \"list\"\nmany = true"),
            "many is not a rule of type list; it has ordered, case, max_length",
        ),
        (
            &format!("{HEAD}type = \"text\"\nunique = \"all\""),
            "bad.toml:6: field \"F\": unique: it is true, false or \"active\"",
        ),
        (
            &format!("{HEAD}type = \"text\"\n[[field]]\nname = \"F\"\ntype = \"text\""),
            "bad.toml:7: field \"F\" is defined twice",
        ),
        (
            &format!("{HEAD}type = \"text\"\n[[field]]\nname = \" G\"\ntype = \"text\""),
            "bad.toml:7: a field's name must not be empty, nor begin",
        ),
    ] {
        let file = world.file("bad.toml", profile);
        let checked = run(&["profile", "check", &file]);
        let told = String::from_utf8(checked.stdout).unwrap();
        assert!(told.contains(expected), "{profile}:\n{told}");
        assert_eq!(checked.status.code(), Some(1));
    }
    let missing = run(&["profile", "check", "/no/such.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8(missing.stdout).unwrap().contains("cannot be read"));
}

#[test]
fn all_mistakes_of_a_file_are_reported_in_the_order_of_its_lines() {
    let world = World::stopped(PEOPLE, "");
    let file = world.file(
        "bad.toml",
        r#"id = "no guid"
acounts = [99]

[[field]]
name = "Badge"
type = "text"
max_length = "9"
min_length = -1
pattern = '('
requird = true

[[field]]
name = "Shift"
type = "choise"
options = ["early", 7, 8]

[[field]]
name = "Boss"
type = "reference"
to = "Shift"
acyclic = "yes"

[[field]]
name = "Start
type = "date"
formats = ["dd/mm/yy"]

[[field]]
type = "number"
min = 3
max = 2

[field]
name = "Brackets"

[[fiel
name = "Open"
type = "choice"
options = ["a", "b"
trim = 1

[[field]]
name = "badge"
type = "email"
wire = { springest = 7, moodle = "x", collaborator = "emial" }
"#,
    );
    let checked = run(&["profile", "check", &file]);
    let told = String::from_utf8(checked.stdout).unwrap();
    let expected = [
        (1, "name is missing"),
        (1, "id must be a GUID"),
        (2, "there is no \"acounts\" here; did you mean accounts?"),
        (7, "field \"Badge\": max_length: must be a whole number"),
        (8, "field \"Badge\": min_length: must be a whole number from 0 on"),
        (9, "field \"Badge\": pattern is no regular expression"),
        (10, "field \"Badge\": there is no \"requird\" here; did you mean required?"),
        (14, "field \"Shift\": type: there is no \"choise\" here"),
        (15, "field \"Shift\": options: it is a list"),
        (15, "field \"Shift\": options: it is a list"),
        (21, "field \"Boss\": acyclic: must be true or false"),
        (24, "the closing quote is missing"),
        (26, "\"dd/mm/yy\" is not a date format"),
        (28, "the field that begins here has no name"),
        (30, "the smallest allowed is above the largest"),
        (33, "a field begins with the line [[field]], with two brackets"),
        (33, "the field that begins here has no type"),
        (36, "a field begins with the line [[field]]"),
        (40, "missing comma"),
        (43, "fields \"Badge\" and \"badge\" differ only in case"),
        (45, "field \"badge\": wire: must be a text in quotes"),
        (45, "field \"badge\": wire says what springest"),
        (45, "field \"badge\": collaborator has no field \"emial\""),
    ];
    let lines: Vec<&str> = told.lines().collect();
    for (line, expected) in lines.iter().zip(&expected) {
        let start = format!("{file}:{}: ", expected.0);
        assert!(line.starts_with(&start) && line.contains(expected.1), "{line}\nis not {expected:?} in\n{told}");
    }
    assert_eq!(lines.len(), expected.len(), "{told}");
    assert_eq!(checked.status.code(), Some(1));
}

#[test]
fn one_mistake_hides_no_other() {
    let world = World::stopped(PEOPLE, "");
    let options = "[\n\"a\",\n\"A\",\n{ value = \"b\", alsoo = [\"c\"] },\n{ value = \"c\", also = [\"x\", 7], more = 1 },\n\
                   { value = \"d\" },\n{ also = [\"B\"] },\n\" e\",\n7,\n{ value = \"f\", also = [\"a\"] }]";
    for (profile, expected) in [
        (
            // An unknown table beside what is no TOML.
            format!(
                "{HEAD}type = \"text\"\n[[feild]]\nname = \"G\"\n[name]\nof = 1\n[[field]]\nname = \"H\ntype = \"text\"\n[colour]"
            ),
            vec![
                (6, "there is no \"feild\" here; did you mean field?"),
                (8, "name belongs above the first [[field]]"),
                (11, "the closing quote is missing"),
                (13, "there is no \"colour\" here"),
            ],
        ),
        (
            format!("{HEAD}type = \"choice\"\noptions = {options}"),
            vec![
                (8, "field \"F\": \"A\" would mean two options"),
                (9, "field \"F\": options: there is no \"alsoo\" here; did you mean also?"),
                (10, "field \"F\": options: also: must be a text in quotes, like \"text\", and is 7"),
                (10, "field \"F\": options: there is no \"more\" here"),
                (11, "field \"F\": options: an option with other spellings has a value and also"),
                (12, "field \"F\": options: an option with other spellings has a value and also"),
                (13, "field \"F\": option \" e\" must not be empty"),
                (14, "field \"F\": options: it is a list like"),
                (15, "field \"F\": \"a\" would mean two options"),
            ],
        ),
        (
            // A known member too many was taken without a word.
            format!("{HEAD}type = \"choice\"\noptions = [{{ value = \"a\", also = [\"x\"], als = [] }}]"),
            vec![(6, "field \"F\": options: there is no \"als\" here; did you mean also?")],
        ),
    ] {
        let file = world.file("bad.toml", &profile);
        let checked = run(&["profile", "check", &file]);
        let told = String::from_utf8(checked.stdout).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{told}");
        for (line, (number, expected)) in lines.iter().zip(expected) {
            assert!(line.starts_with(&format!("{file}:{number}: ")) && line.contains(expected), "{expected}:\n{told}");
        }
    }
}

#[test]
fn a_folder_is_checked_and_what_is_passed_over_is_named() {
    let world = World::stopped(PEOPLE, "");
    let folder = world.path("profiles");
    world.file("profiles/UPPER.TOML", PEOPLE);
    world.file("profiles/people.toml.txt", PEOPLE);
    world.file("profiles/notes.md", "About the profiles");
    std::fs::create_dir(world.path("profiles/old")).unwrap();
    let passed_over = [
        "UPPER.TOML: passed over: its name must end in .toml, in small letters",
        "old: passed over: it is a folder",
        "people.toml.txt: passed over: its name must end in .toml",
    ];
    let checked = run(&["profile", "check", &folder]);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{told}");
    assert!(passed_over.iter().all(|expected| told.contains(expected)), "{told}");
    assert!(told.contains("people.toml: ok: \"People\"") && !told.contains("notes"), "{told}");
    // A server says so, too, when it starts and when it reads them again.
    let world = world.started();
    world.wait_for_log("profile in force");
    world.signal("-HUP");
    world.wait_for_log("profiles read again");
    let log = world.log();
    assert!(passed_over.iter().all(|expected| log.matches(expected).count() == 2), "{log}");
    std::fs::remove_file(world.path("profiles/people.toml")).unwrap();
    let checked = run(&["profile", "check", &folder]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8(checked.stdout).unwrap().contains("holds no profile"));
    // What somebody took for a profile is named where a server does not start for want of one.
    let told = String::from_utf8(world.serve().output().unwrap().stderr).unwrap();
    assert!(told.contains("holds no profile") && told.contains(passed_over[0]), "{told}");
    let both = run(&["profile", "check", &world.file("a.toml", PEOPLE), &world.file("b.toml", PEOPLE)]);
    assert!(String::from_utf8(both.stdout).unwrap().contains("b.toml: has the same id as"));
}

#[test]
fn hidden_files_and_wrong_names_are_not_read_and_that_is_said() {
    let world = World::stopped(PEOPLE, "");
    let hidden = ["._people.toml", ".hidden.toml", ".toml"];
    for name in hidden {
        world.file(&format!("profiles/{name}"), "\0no TOML");
    }
    let checked = run(&["profile", "check", &world.path("profiles")]);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{told}");
    let upper = world.file("X.TOML", PEOPLE);
    let secret = world.file(".x.toml", PEOPLE);
    for (file, expected) in [
        (upper, Some("no server reads it under this name: its name must end in .toml, in small letters")),
        (secret, Some("no server reads it under this name: it is hidden")),
        (world.path("profiles/people.toml"), None),
    ] {
        let checked = run(&["profile", "check", &file]);
        let told = String::from_utf8(checked.stdout).unwrap();
        assert!(checked.status.success() && told.contains(": ok: \"People\""), "{told}");
        assert_eq!(told.contains("no server reads it"), expected.is_some(), "{told}");
        assert!(expected.is_none_or(|expected| told.contains(expected)), "{told}");
    }
    let world = world.started();
    world.wait_for_log("profile in force");
    for name in hidden {
        let expected = format!("/{name}: passed over: it is hidden");
        assert!(told.contains(&expected) && world.log().contains(&expected), "{told}\n{}", world.log());
    }
}

#[test]
fn a_file_that_is_not_utf_8_is_said_to_be_saved_as_that() {
    let world = World::stopped(PEOPLE, "");
    let utf_16 = |start: &[u8]| -> Vec<u8> {
        start.iter().copied().chain(PEOPLE.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    };
    let latin_1 = [b"id = 1\nname = \"J\xfcrgen\"\n", PEOPLE.as_bytes()].concat();
    for (bytes, expected) in [
        (utf_16(&[0xff, 0xfe]), "bad.toml: is not UTF-8 but, as it seems, UTF-16; save it as UTF-8"),
        (utf_16(&[]), "bad.toml: is not UTF-8 but, as it seems, UTF-16; save it as UTF-8"),
        (latin_1, "bad.toml:2: is not UTF-8; save the file as UTF-8"),
    ] {
        let checked = run(&["profile", "check", &world.file("bad.toml", bytes)]);
        let told = String::from_utf8(checked.stdout).unwrap();
        assert!(told.contains(expected) && told.lines().count() == 1, "{told}");
        assert_eq!(checked.status.code(), Some(1));
    }
}

#[test]
fn the_log_says_which_profiles_are_in_force_and_what_changed() {
    let world = World::stopped(PEOPLE, "");
    let other = PEOPLE.replace(PROFILE, "33333333-3333-3333-3333-333333333333").replace("People", "Others");
    let third = PEOPLE.replace(PROFILE, "44444444-4444-4444-4444-444444444444").replace("People", "Third");
    world.file("profiles/others.toml", &other);
    world.file("profiles/third.toml", &third);
    let checked = String::from_utf8(run(&["profile", "check", &world.path("profiles/people.toml")]).stdout).unwrap();
    let version = checked.split("version ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let world = world.started();
    world.wait_for_log("third.toml");
    let states = |log: &str| -> Vec<String> {
        let lines = log.lines().filter(|line| line.contains("\"profile\":"));
        let line = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{} {}", line["name"].as_str().unwrap(), line["state"].as_str().unwrap())
        };
        lines.map(line).collect()
    };
    let log = world.log();
    assert_eq!(states(&log), ["Others in force", "People in force", "Third in force"]);
    assert!(log.contains(&format!("\"version\":\"{version}\"")) && version.len() == 8, "{version}: {log}");
    std::fs::remove_file(world.path("profiles/third.toml")).unwrap();
    world.file("profiles/others.toml", other.replace("required = true", ""));
    world.file("profiles/new.toml", third.replace("44444444", "55555555").replace("Third", "New"));
    world.signal("-HUP");
    world.wait_for_log("profiles read again");
    let after = world.log()[log.len()..].to_owned();
    assert_eq!(states(&after), ["New added", "Others changed", "People unchanged", "Third removed"]);
    assert!(after.contains("\"added\":1,\"changed\":1,\"unchanged\":1,\"removed\":1,\"kept\":0"), "{after}");
    let log = world.log();
    world.file("profiles/new.toml", "id = 7");
    world.signal("-HUP");
    world.wait_for_log("\"kept\":1");
    assert_eq!(
        states(&world.log()[log.len()..]),
        ["New kept, since a file is broken", "Others unchanged", "People unchanged"]
    );
}

#[test]
fn the_profile_that_is_shipped_is_right() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/employees.toml");
    let checked = run(&["profile", "check", file]);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success() && told.contains("ok: \"Employees\", d51b5efd"), "{told}");
}

#[test]
fn a_server_does_not_start_on_a_broken_profile() {
    let world = World::stopped(PEOPLE, "");
    world.file("profiles/other.toml", format!("{HEAD}type = \"texts\""));
    let output = world.serve().output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("other.toml:5: field \"F\": type: there is no"), "{told}");
    // The same id in two files, and no file at all.
    world.file("profiles/other.toml", PEOPLE);
    let told = String::from_utf8(world.serve().output().unwrap().stderr).unwrap();
    assert!(told.contains("has the same id as"), "{told}");
    std::fs::remove_file(world.path("profiles/other.toml")).unwrap();
    std::fs::remove_file(world.path("profiles/people.toml")).unwrap();
    let told = String::from_utf8(world.serve().output().unwrap().stderr).unwrap();
    assert!(told.contains("holds no profile"), "{told}");
}

#[test]
fn a_hangup_reads_the_profiles_again() {
    let world = World::new();
    let ada = json!([employee("1", "active", &[("First Name", "Ada")])]);
    assert_eq!(world.push_employees(ada.clone()).counts(), [1, 0, 0, 0, 0]);
    // Broken: the old version stays in force, and the log says why.
    world.file("profiles/people.toml", PEOPLE.replace("\"text\"", "\"texts\""));
    world.signal("-HUP");
    world.wait_for_log("people.toml: what was in force of it stays in force");
    for expected in ["people.toml:7: field", "people.toml:11: field", "type: there is no \\\"texts\\\" here"] {
        assert!(world.log().contains(expected), "{}", world.log());
    }
    assert_eq!(world.push_employees(ada.clone()).counts(), [0, 0, 0, 0, 1]);
    // A copy that still has the original's id does not take its place.
    let copy = PEOPLE.replace("People", "Copy");
    world.file("profiles/people.toml", PEOPLE);
    world.file("profiles/a-copy.toml", &copy);
    world.signal("-HUP");
    world.wait_for_log("a-copy.toml: has the same id as");
    assert!(world.get("/v1/profiles").text.contains("People"));
    std::fs::remove_file(world.path("profiles/a-copy.toml")).unwrap();
    world.file("profiles/people.toml", PEOPLE.replace("\"text\"", "\"texts\""));
    // Broken under another name, or all gone: the same.
    std::fs::rename(world.path("profiles/people.toml"), world.path("profiles/staff.toml")).unwrap();
    world.signal("-HUP");
    world.wait_for_log("staff.toml:7: field");
    assert_eq!(world.push_employees(ada.clone()).counts(), [0, 0, 0, 0, 1]);
    std::fs::remove_file(world.path("profiles/staff.toml")).unwrap();
    world.signal("-HUP");
    world.wait_for_log("holds no profile");
    assert_eq!(world.push_employees(ada.clone()).counts(), [0, 0, 0, 0, 1]);
    // Once for a file with two mistakes and once for the folder; nothing of the copy or of the new name was in force.
    world.wait_for_log("profiles: what was in force of it stays in force");
    assert_eq!(world.log().matches("stays in force").count(), 2, "{}", world.log());
    // Fixed and stricter: everything is checked anew.
    world.file("profiles/people.toml", PEOPLE.replacen("required = true", "required = true\nmin_length = 5", 1));
    world.signal("-HUP");
    world.wait_for_log("\"errors\":0");
    assert_eq!(world.push_employees(ada).errors(), ["0 1 First Name min_length"]);
    // A file that is gone takes its profile with it, and a new one brings one.
    std::fs::remove_file(world.path("profiles/people.toml")).unwrap();
    world.file("profiles/new.toml", PEOPLE.replace(PROFILE, "33333333-3333-3333-3333-333333333333"));
    world.signal("-HUP");
    let started = std::time::Instant::now();
    while world.push_employees(json!([])).status != 404 {
        assert!(started.elapsed().as_secs() < 10);
    }
    assert!(world.get("/v1/profiles").text.contains("33333333-3333"));
}
