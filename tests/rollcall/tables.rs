//! Tables: CSVs and workbooks, pushed by the command line and imported by Collaborator's endpoints.

use super::dialects::unsigned;
use super::golden::{Keyed, same_or_written};
use super::world::{Answer, PROFILE, World, employee};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Pushes a file that must be refused, and returns what is printed about it.
#[track_caller]
fn refused(world: &World, file: &str, args: &[&str]) -> String {
    let output = world.push_file(file, &[&["--profile", PROFILE], args].concat());
    let printed = err(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    printed
}

#[track_caller]
fn pushed(world: &World, file: &str, args: &[&str]) -> Output {
    let output = world.push_file(file, &[&["--profile", PROFILE], args].concat());
    assert!(output.status.success(), "{}", err(&output));
    output
}

/// Imports a CSV by Collaborator's endpoint of this kind.
pub fn import(keyed: &Keyed, kind: &str, csv: &[u8]) -> Answer {
    let part = b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"u.csv\"\r\n\r\n";
    let body = [&part[..], csv, b"\r\n--XX--\r\n"].concat();
    unsigned("POST", &format!("/api/v2/users-import/{kind}"), &body)
        .header("Authorization", &format!("Bearer {}", keyed.collaborator))
        .header("Content-Type", "multipart/form-data; boundary=XX")
        .send(&keyed.world)
}

/// The tables of `tests/golden/tables`: CSVs as Collaborator's clients send them.
fn collaborator_tables() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tables");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let csvs = files.filter(|file| file.extension().is_some_and(|ending| ending == "csv"));
    csvs.map(|csv| (csv.clone(), std::fs::read(&csv).unwrap())).collect()
}

#[test]
fn golden_tables_are_understood_at_every_door() {
    let tables = collaborator_tables();
    assert!(tables.len() >= 5);
    let mut keyed = Keyed::new();
    for (file, csv) in tables {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let known_by = if name == "named" { "name" } else { "position" };
        for kind in ["csv", "batch"] {
            keyed = Keyed::new();
            let answer = import(&keyed, kind, &csv);
            assert_eq!(answer.status, 200, "{name} at {kind}: {}", answer.text);
            assert_eq!(answer.header("Rollcall-Columns").as_deref(), Some(known_by), "{name} at {kind}");
            let roster: String = keyed.roster().iter().map(|employee| format!("{employee}\n")).collect();
            same_or_written(&file.with_extension("txt"), &roster);
        }
        // Pushed after it was imported, nothing changes.
        let shown: &[&str] = if name == "other-words" { &["--columns", "collaborator"] } else { &[] };
        let args = [shown, &["--json", "--empty-missing"]].concat();
        let output = pushed(&keyed.world, file.to_str().unwrap(), &args);
        let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(counts["employeesNotChanged"], keyed.roster().len(), "{name}: {counts}");
        let note = format!("read as LMS Collaborator's CSV, its columns known by {known_by}");
        assert!(err(&output).contains(&note), "{name}: {}", err(&output));
    }
    // The words of another header show nothing, and no column is called id.
    let other = collaborator_tables().into_iter().find(|(file, _)| file.ends_with("other-words.csv")).unwrap().0;
    let printed = refused(&keyed.world, other.to_str().unwrap(), &[]);
    assert!(printed.contains("no column is called id") && printed.contains("--columns collaborator"), "{printed}");
}

#[test]
fn an_ordinary_csv_is_not_taken_for_collaborators() {
    let keyed = Keyed::new();
    let world = &keyed.world;
    let file = world.file("a.csv", "uid;id;First Name\nx;1;A\n");
    assert!(refused(world, &file, &[]).contains("the profile has no such field: column A \"uid\""));
    let file = world.file("a.csv", "uid;\"id\";First Name\nx;1;A\n");
    assert!(refused(world, &file, &[]).contains("the profile has no such field: column A \"uid\""));
    let file = world.file("b.csv", "ID;Last name;First name;Middle name;Login\n1;L;F;M;l\n");
    let map = ["ID=id", "Last name=Last Name", "First name=First Name", "Middle name=Middle Name"];
    let args: Vec<&str> = map.iter().flat_map(|map| ["--map", map]).collect();
    assert!(!err(&pushed(world, &file, &args)).contains("Collaborator"));
    let swapped = world.file("swapped.csv", "ID;First name;Last name;Middle name;Login\n1;F;L;M;l\n");
    let printed = refused(world, &swapped, &["--columns", "collaborator", "--empty-missing"]);
    assert!(printed.contains("column 2 of the header is called first name, and by its position"), "{printed}");
    let printed = refused(world, &file, &["--columns", "collaborator", "--map", "ID=id"]);
    assert!(printed.contains("leave out --map"), "{printed}");
    assert_eq!(keyed.roster(), ["1 active | First Name: F | Last Name: L | Middle Name: M | Login: l"]);
    let config = world.file("push.toml", "[push]\ncolumns = \"collaborator\"\n");
    let other = world.file("c.csv", "A;B;C;D;E\n2;L;F;;l\n");
    assert!(err(&pushed(world, &other, &["--config", &config, "--empty-missing"])).contains("known by position"));
    let usage = world.push_file(&other, &["--profile", PROFILE, "--columns", "excel"]);
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn a_push_of_collaborators_csv_empties_nothing_unasked() {
    let keyed = Keyed::new();
    let world = &keyed.world;
    let fields = [("First Name", "Ada"), ("Last Name", "Lovelace"), ("Address", "Here 1"), ("City", "London")];
    world.push_employees(json!([employee("1", "active", &fields)]));
    let before = keyed.roster();
    let csv = "uid;secondname;firstname;login;city\n1;Lovelace;Ada;ada;London\n";
    let printed = refused(world, &world.file("a.csv", csv), &[]);
    assert!(
        printed.contains("would empty the fields that it has no column for: ") && printed.contains("Address"),
        "{printed}"
    );
    assert!(!printed.contains("City") && printed.contains("--empty-missing; nothing was sent"), "{printed}");
    assert_eq!(keyed.roster(), before);
    let known = "uid;secondname;firstname;login;ciyt\n1;Lovelace;Ada;ada;London\n";
    let printed = refused(world, &world.file("a.csv", known), &["--empty-missing"]);
    assert!(printed.contains("no such field: column E \"ciyt\" (did you mean \"city\"?)"), "{printed}");
    pushed(world, &world.file("a.csv", csv), &["--empty-missing"]);
    assert_eq!(keyed.roster(), ["1 active | First Name: Ada | Last Name: Lovelace | Login: ada | City: London"]);

    // Where every field has a column, nobody can lose anything, but for a row that is shorter.
    let field = |name: &str, wire: &str| {
        format!("[[field]]\nname = {name:?}\ntype = \"text\"\nwire = {{ collaborator = {wire:?} }}\n")
    };
    let fields = [("A", "secondname"), ("B", "firstname"), ("C", "login"), ("D", "city")];
    let fields: String = fields.iter().map(|(name, wire)| field(name, wire)).collect();
    let world = World::with(&format!("id = \"{PROFILE}\"\nname = \"All\"\n{fields}"), "");
    pushed(&world, &world.file("a.csv", csv), &[]);
    let short = world.file("a.csv", "uid;secondname;firstname;login;city\n1;Lovelace;Ada;ada\n");
    let printed = refused(&world, &short, &[]);
    assert!(printed.contains("row 2: it ends before the column city"), "{printed}");
    assert!(world.roster()[0].to_string().contains("London"));
    pushed(&world, &short, &["--empty-missing"]);
}

#[test]
fn what_is_wrong_with_collaborators_csv_is_said_with_its_row_and_no_persons_name_is_logged() {
    let keyed = Keyed::new();
    let header = "ID;Last name;First name;Middle name;Login;Email\n";
    for (csv, expected) in [
        // Nobody is taken for a header.
        ("x77;Vandermeer;Zoya;;zoya;zoya@example.com\n".to_owned(), "its column 6 holds an e-mail address"),
        ("77;Vandermeer;Zoya;;zoya\n".to_owned(), "its column 1 holds a number"),
        ("Vandermeer;Zoya\nVandermeer;Zoya\n".to_owned(), "the header has 2 columns"),
        ("uid;Vandermeer;Zoya;z;vandermeer".to_owned(), "columns 2 and 5 of the header have the same name"),
        ("uid;login;firstname;Vandermeer\n".to_owned(), "the header names no column secondname"),
        (
            "login;uid;Vandermeer;Zoya;x\n".to_owned(),
            "column 1 of the header is called login, and by its position it is uid",
        ),
        (
            "ID;First name;Last name;Middle name;Login\n1;Zoya;Vandermeer;;z\n".to_owned(),
            "column 2 of the header is called first name, and by its position it is secondname; move it to position 3",
        ),
        // What is required of JSON is not required here, and an empty cell is reported with its row.
        (
            format!("{header}1;B;A;;a\n\n2;;A;;b\n3;B;;;c\n"),
            "row 4: column 2 (secondname) is empty; uid, secondname, firstname, login are required; and 1 more",
        ),
        (format!("{header}1;B;A;;a\n2;B\n"), "row 3: column 3 (firstname) is empty"),
        (
            format!("{header}1;B;A;;a\n2;B;A;;b;b@x.com;x\n"),
            "row 3: the row has a cell behind the last of the header's 6 columns",
        ),
        (format!("{header}1;B;A;;a;see below\n"), "row 2: email: must be an e-mail address"),
        (
            format!("{header}1;B;A;;a\n2;B;A;;b\n1;B;A;;c\n"),
            "row 4: uid: appears twice in the import; send each user once; the other is in row 2 (uid \\\"1\\\")",
        ),
        (format!("{header}1;B;A;;a;a@x.com\n\n2;B;A;;b;a@x.com\n"), "the other is in row 2 (uid \\\"2\\\")"),
        (format!("{header}1;B;\"A;;a\n2;B\";A;;b\n"), "row 3: a quoted cell of the row before seems to go on here"),
        (
            format!("{}x\n", ";".repeat(2_000)),
            "the header has more columns than the limit columns_max allows, which is 2000",
        ),
    ] {
        let answer = import(&keyed, "csv", csv.as_bytes());
        assert_eq!(answer.status, 400, "{csv}: {}", answer.text);
        assert!(answer.text.contains(expected), "{csv}: {}", answer.text);
        let of_rows = answer.text.contains("\"row ");
        assert_eq!(answer.header("Rollcall-Columns").is_some(), of_rows, "{csv}: {}", answer.head);
    }
    let utf16: Vec<u8> = "\u{feff}uid;login".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(import(&keyed, "csv", &utf16).text.contains("UTF-16"));
    assert_eq!(keyed.roster(), [""; 0]);
    let log = keyed.world.log().to_lowercase();
    for person in ["vandermeer", "zoya"] {
        assert!(!log.contains(person), "{log}");
    }
}

#[test]
fn a_csv_in_which_a_quote_does_not_close_is_refused_with_its_row() {
    let world = World::new();
    for (csv, expected) in [
        ("id,First Name\n1,A\n2,\"B\n3,C\n4,D\n", "row 3, column B: a quote opens here and never closes"),
        ("id,First Name\n1,\"A\"x\n2,B\n", "row 2, column B: there is text behind the quote that closes the cell"),
        ("id,First Name\n\"1\"1,A\n", "row 2, column A: there is text behind the quote"),
        ("\"id,First Name\n1,A\n", "row 1, column A: a quote opens here and never closes"),
    ] {
        let printed = refused(&world, &world.file("x.csv", csv), &[]);
        assert!(printed.contains(expected) && printed.contains("nothing was sent"), "{printed}");
    }
    assert!(world.roster().is_empty());
}

#[test]
fn what_spreadsheets_add_to_a_csv_means_nothing() {
    let world = World::new();
    let csv = "\u{feff}sep=;\r\nid;First Name; Last Name\u{a0};;\r\n\
               \u{a0}0017 ;A;X;;\r\n;;;;\r\n\"18\" ;\"B\"  ;;;\r\n \t;\u{a0};;;\r\n;;;;\r\n";
    pushed(&world, &world.file("x.csv", csv), &[]);
    let ids: Vec<Value> = world.roster().iter().map(|employee| employee["id"].clone()).collect();
    assert_eq!(ids, ["0017", "18"]);
    // The rows are those that a spreadsheet shows: the first line is none of them, an empty one is.
    let csv = "sep=;\r\nid;First Name;;Email\r\n1;A;;a@x.com\r\n;;;\r\n2;B;;see below\r\n";
    let printed = refused(&world, &world.file("x.csv", csv), &[]);
    assert!(printed.starts_with("row 4, column D: id \"2\": Email: must be an e-mail address"), "{printed}");
    let printed = refused(&world, &world.file("x.csv", csv.replace("B;;", "B;x;")), &[]);
    assert!(printed.contains("row 4: column C has a value here and no heading"), "{printed}");
    assert_eq!(world.roster().len(), 2);
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_what_to_do() {
    let world = World::new();
    let utf16 = |mark: &str| {
        format!("{mark}id,First Name\n1,A\n").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()
    };
    let big_endian = "\u{feff}id,First Name\n".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    for (name, content, expected) in [
        ("a.csv", utf16("\u{feff}"), "this text is in UTF-16; save it as UTF-8"),
        ("b.csv", utf16(""), "this text is in UTF-16; save it as UTF-8"),
        ("c.txt", big_endian, "this text is in UTF-16; save it as UTF-8"),
        ("d.json", utf16("\u{feff}"), "this text is in UTF-16; save it as UTF-8"),
        (
            "e.xls",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0".to_vec(),
            "this is an old Excel workbook (.xls), or one with a password; save it as",
        ),
        ("f.csv", b"\n,,\n".to_vec(), "the file has no rows"),
    ] {
        let printed = refused(&world, &world.file(name, content), &[]);
        assert!(printed.contains(expected), "{name}: {printed}");
    }
    let csv = world.file("x.csv", "id,First Name\n1,A\n");
    assert!(refused(&world, &csv, &["--sheet", "A"]).contains("--sheet is for a workbook"));
}

#[test]
fn an_error_speaks_of_rows_and_columns_also_of_the_other_employee() {
    let unique = super::world::PEOPLE.replace("name = \"Email\"", "name = \"Email\"\n    unique = true");
    let world = World::with(&unique, "");
    let csv = "No,First Name,Mail\n1,A,a@x.com\n\n2,B,b@x.com\n1,C,c@x.com\n3,D,B@x.com\n4,,d@x.com\n";
    let file = world.file("x.csv", csv);
    let printed = refused(&world, &file, &["--map", "No=id", "--map", "Mail=Email"]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        lines[0],
        "row 5, column A (\"No\"): id \"1\": id: another employee of this push has the same id; send each employee once; \
         the other is row 2 [twice]"
    );
    assert_eq!(
        lines[1],
        "row 6, column C (\"Mail\"): id \"3\": Email: the employee \"2\" of this push has the same value, and only one may have \
         it; the other is row 4 [unique]"
    );
    assert!(lines[2].starts_with("row 7, column B: id \"4\": First Name: a value is required"), "{printed}");
    assert!(!printed.contains("index"), "{printed}");
}

#[test]
fn a_heading_that_is_no_field_is_one_error() {
    let world = World::new();
    let rows: String = (0..2_000).map(|n| format!("{n},A,B,C\n")).collect();
    let file = world.file("x.csv", format!("id,Frist Name,Shoe size,Last name\n{rows}"));
    let printed = refused(&world, &file, &[]);
    assert_eq!(printed.lines().count(), 1, "{printed}");
    assert!(
        printed.contains(
            "row 1: the profile has no such field: column B \"Frist Name\" (did you mean \"First Name\"?), column C \"Shoe size\", \
             column D \"Last name\" (did you mean \"Last Name\"?); rename the column"
        ),
        "{printed}"
    );
    assert!(!world.log().contains("\"POST\""), "nothing was sent: {}", world.log());
    // The same in a StartExam body, which is not looked into: the server rejects each employee, and it is printed once.
    let everybody: Vec<Value> =
        (0..1_500).map(|n| employee(&n.to_string(), "active", &[("First Name", "A"), ("Nmae", "x")])).collect();
    let body = json!({ "profileId": PROFILE, "employees": everybody });
    let printed = refused(&world, &world.file("x.json", body.to_string()), &[]);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines[0].starts_with("employees 1–1000, …: 1500 times: Nmae: the profile \"People\" has no such field"),
        "{printed}"
    );
    assert!(lines.len() == 2 && lines[1].contains("nothing was stored: 1500 problems"), "{printed}");
    // So is whatever many rows have in common.
    let rows: String = (0..30).map(|n| format!("{n},{},B\n", if n % 3 == 0 { "" } else { "A" })).collect();
    let printed = refused(&world, &world.file("y.csv", format!("id,First Name,Last Name\n{rows}")), &[]);
    assert!(
        printed.starts_with("rows 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, column B: 10 times: First Name: a value"),
        "{printed}"
    );
}

#[test]
fn a_table_as_wide_as_the_limit_is_read_and_a_wider_one_is_refused() {
    let keyed = Keyed::new();
    let world = &keyed.world;
    let wide = |columns: usize| format!("id,City{}\n1,Rome{}\n", ",".repeat(columns - 2), ",".repeat(columns - 2));
    pushed(world, &world.file("x.csv", wide(2_000)), &[]);
    assert_eq!(keyed.roster(), ["1 active | City: Rome"]);
    for csv in [wide(2_001), ",".repeat(30 << 20), format!("id,City\n1,Rome{}", ",".repeat(30 << 20))] {
        let printed = refused(world, &world.file("x.csv", csv), &[]);
        assert!(printed.contains("it has more than 2000 columns (limit columns_max)"), "{printed}");
    }
    let printed = refused(world, &world.file("x.csv", format!("id,City\n1,\"{}", "x".repeat(17 << 20))), &[]);
    assert!(printed.contains("row 2: it has more than 16777216 bytes (limit employee_bytes_max)"), "{printed}");
    let headings: String = (0..1_999).map(|n| format!(",heading {n}")).collect();
    let printed = refused(world, &world.file("x.csv", format!("id{headings}\n")), &[]);
    assert!(printed.contains("column U \"heading 19\" and 1979 more; rename"), "{printed}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_row_of_separators_takes_no_more_memory_than_its_bytes() {
    let keyed = Keyed::new();
    let separators = ";".repeat(40 << 20);
    let header = "uid;secondname;firstname;login";
    let answer = import(&keyed, "csv", format!("x{separators}x\n").as_bytes());
    assert!(answer.text.contains("which is 2000"), "{}", answer.text);
    let answer = import(&keyed, "csv", format!("{header}\n1;B;A;a{separators}\n").as_bytes());
    assert_eq!(answer.status, 200, "empty cells behind the header mean nothing: {}", answer.text);
    let answer = import(&keyed, "csv", format!("{header}\n1;B;A;a{separators}x\n").as_bytes());
    assert!(answer.text.contains("row 2: the row has a cell behind"), "{}", answer.text);
    let peak = keyed.world.peak_memory_mib();
    assert!(peak < 400, "the server took {peak} MiB for a body of 40 MiB");
}

/// A workbook with one sheet per text, which is the XML of its rows; the second style is the number format `00000`, the third
/// `000\-00`.
fn workbook(sheets: &[(&str, &str)]) -> Vec<u8> {
    let numbered = || sheets.iter().enumerate().map(|(n, (name, rows))| (n + 1, name, rows));
    let types: String = numbered().map(|(n, ..)| format!(r#"<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>"#)).collect();
    let relations: String = numbered().map(|(n, ..)| format!(r#"<Relationship Id="rId{n}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet{n}.xml"/>"#)).collect();
    let names: String =
        numbered().map(|(n, name, _)| format!(r#"<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>"#)).collect();
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let packages = "http://schemas.openxmlformats.org/package/2006";
    let documents = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let mut files = vec![
        (
            "[Content_Types].xml".to_owned(),
            format!(
                r#"<Types xmlns="{packages}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>{types}</Types>"#
            ),
        ),
        (
            "_rels/.rels".to_owned(),
            format!(
                r#"<Relationships xmlns="{packages}/relationships"><Relationship Id="rId1" Type="{documents}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml".to_owned(),
            format!(r#"<workbook xmlns="{main}" xmlns:r="{documents}"><sheets>{names}</sheets></workbook>"#),
        ),
        (
            "xl/_rels/workbook.xml.rels".to_owned(),
            format!(r#"<Relationships xmlns="{packages}/relationships">{relations}</Relationships>"#),
        ),
        (
            "xl/styles.xml".to_owned(),
            format!(
                r#"<styleSheet xmlns="{main}"><numFmts count="2"><numFmt numFmtId="164" formatCode="00000"/><numFmt numFmtId="165" formatCode="000\-00"/></numFmts><cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="164" applyNumberFormat="1"/><xf numFmtId="165" applyNumberFormat="1"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>"#
            ),
        ),
    ];
    files.extend(numbered().map(|(n, _, rows)| {
        (
            format!("xl/worksheets/sheet{n}.xml"),
            format!(r#"<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>"#),
        )
    }));
    stored_zip(&files)
}

/// A ZIP of files that are not compressed.
fn stored_zip(files: &[(String, String)]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut sum = flate2::Crc::new();
        sum.update(content.as_bytes());
        let (offset, size) = (zip.len() as u32, content.len() as u32);
        let mut common = Vec::new();
        for number in [20u16, 0, 0, 0, 0x21] {
            common.extend(number.to_le_bytes());
        }
        for number in [sum.sum(), size, size] {
            common.extend(number.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        zip.write_all(&[b"PK\x03\x04", &common[..], name.as_bytes(), content.as_bytes()].concat()).unwrap();
        directory.write_all(&[b"PK\x01\x02\x14\0", &common[..], &[0; 10]].concat()).unwrap();
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, size, count) = (zip.len() as u32, directory.len() as u32, files.len() as u16);
    zip.extend(directory);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    zip.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    zip.extend([0, 0]);
    zip
}

/// A row of a sheet whose first cell is `id` in XML, and whose second is a text.
fn row(number: u32, id: &str, text: &str) -> String {
    format!(r#"<row r="{number}">{id}<c r="B{number}" t="inlineStr"><is><t>{text}</t></is></c></row>"#)
}

const HEADINGS: &str = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>id </t></is></c><c r="B1" t="inlineStr"><is><t>First Name</t></is></c></row>"#;

#[test]
fn an_id_in_a_workbook_is_what_it_shows_or_an_error() {
    let world = World::new();
    let good = [
        HEADINGS.to_owned(),
        row(2, r#"<c r="A2" s="1"><v>123</v></c>"#, "A"),
        row(3, r#"<c r="A3" s="2"><v>1234567</v></c>"#, "B"),
        row(4, r#"<c r="A4"><v>123456789012345</v></c>"#, "C"),
        row(5, r#"<c r="A5" t="str"><f>"x"&amp;1</f><v> x1&#160;</v></c>"#, "D"),
        // An empty cell with a style, and a row of such cells, are nothing.
        r#"<row r="6"><c r="A6" s="1"/><c r="B6" s="2"/></row>"#.to_owned(),
        row(7, r#"<c r="A7"><f>B1</f><v>7</v></c>"#, "E"),
    ];
    pushed(&world, &world.file("good.xlsx", workbook(&[("Staff", &good.concat())])), &[]);
    let ids: Vec<Value> = world.roster().iter().map(|employee| employee["id"].clone()).collect();
    assert_eq!(ids, ["00123", "12345-67", "123456789012345", "x1", "7"]);
    for (cell, expected) in [
        (r#"<c r="A3"><v>1.5</v></c>"#, "cell A3: an id cannot be a number with a fraction"),
        (r#"<c r="A3"><v>1234567890123456</v></c>"#, "cell A3: an id cannot be a number of more than 15 digits"),
        (r#"<c r="A3" s="3"><v>45000</v></c>"#, "cell A3: an id cannot be a date or a time"),
        (r#"<c r="A3" t="b"><v>1</v></c>"#, "cell A3: an id cannot be TRUE or FALSE"),
        (r#"<c r="A3"><f>A2+1</f></c>"#, "cell A3: it holds a formula whose value was not saved"),
        (r#"<c r="A3"><f>A2+1</f><v></v></c>"#, "cell A3: it holds a formula whose value was not saved"),
        (r##"<c r="A3" t="e"><v>#N/A</v></c>"##, "cell A3: it holds an error, #N/A"),
    ] {
        let rows = [HEADINGS.to_owned(), row(2, r#"<c r="A2"><v>1</v></c>"#, "A"), row(3, cell, "B")].concat();
        let printed = refused(&world, &world.file("bad.xlsx", workbook(&[("Staff", &rows)])), &[]);
        assert!(printed.contains(expected) && printed.contains("nothing was sent"), "{cell}: {printed}");
    }
    let heading = r#"<row r="1"><c r="A1"><f>"id"</f></c></row>"#;
    let printed = refused(&world, &world.file("bad.xlsx", workbook(&[("Staff", heading)])), &[]);
    assert!(printed.contains("cell A1: it holds a formula"), "{printed}");
}

#[test]
fn a_hidden_sheet_is_pushed_only_by_its_name() {
    let world = World::new();
    let sheet = |id: &str| [HEADINGS.to_owned(), row(2, &format!("<c r=\"A2\"><v>{id}</v></c>"), "A")].concat();
    // The name ends its attribute, and begins another.
    for state in ["hidden", "veryHidden"] {
        let (hidden, staff, old) = (format!("Old\" state=\"{state}"), sheet("7"), sheet("8"));
        let file = world.file("x.xlsx", workbook(&[("Staff", &staff), (&hidden, &old)]));
        let told = err(&pushed(&world, &file, &[]));
        assert!(told.contains("left out what is hidden: \"Old\"; push such a sheet with --sheet NAME"), "{told}");
        assert_eq!(world.roster().len(), 1);
    }
    let file = world.file("x.xlsx", workbook(&[("Old\" state=\"hidden", &sheet("8"))]));
    assert!(refused(&world, &file, &[]).contains("the workbook has no rows"));
    assert!(!err(&pushed(&world, &file, &["--sheet", "Old"])).contains("left out"));
    assert_eq!(world.roster().len(), 2);
}

#[test]
fn what_cuts_or_shifts_a_table_is_said_by_its_cause() {
    let world = World::new();
    let csv = "id,First Name\n1,Lovelace, Ada\n";
    let printed = refused(&world, &world.file("x.csv", csv), &[]);
    assert!(printed.contains("row 2: it has 3 cells") && printed.contains("put quotes around the cell"), "{printed}");
    assert!(!printed.contains("cut off"), "{printed}");
    let text: String = (0..20_000).map(|n| format!("{n},A{}\n", n * 7919 % 1000)).collect();
    let text = format!("id,First Name\n{text}");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    for (name, whole) in
        [("x.csv.gz", gzip.finish().unwrap()), ("x.csv.zst", zstd::stream::encode_all(text.as_bytes(), 1).unwrap())]
    {
        let printed = refused(&world, &world.file(name, &whole[..whole.len() * 3 / 4]), &[]);
        assert!(printed.contains("the file was cut off; copy it again; nothing was sent"), "{printed}");
    }
    let printed = refused(&world, &world.file("x.csv", "id,First Name\n1,A\n"), &["--map", "Emp No=id"]);
    assert!(printed.contains("--map names a column \"Emp No\", but the file has id, First Name"), "{printed}");
}

#[test]
fn one_sheet_of_a_workbook_is_pushed_by_its_name() {
    let world = World::new();
    let staff = [HEADINGS.to_owned(), row(2, r#"<c r="A2" s="1"><v>7</v></c>"#, "A")].concat();
    let notes = r#"<row r="3"><c r="C3" t="inlineStr"><is><t>read me</t></is></c></row>"#;
    let file = world.file("x.xlsx", workbook(&[("Notes", notes), ("Staff", &staff)]));
    let printed = refused(&world, &file, &[]);
    assert!(printed.contains("sheet \"Notes\", row 3: no column is called id"), "{printed}");
    assert!(printed.contains("push one with --sheet NAME"), "{printed}");
    let printed = refused(&world, &file, &["--sheet", "staff"]);
    assert!(printed.contains("the workbook has no sheet \"staff\"; it has \"Notes\", \"Staff\""), "{printed}");
    pushed(&world, &file, &["--sheet", "Staff"]);
    assert_eq!(world.roster()[0]["id"], "00007");
    let formula = [HEADINGS, r#"<row r="7"><c r="A7"><v>1</v></c><c r="B7"><f>A7</f></c></row>"#].concat();
    let file = world.file("x.xlsx", workbook(&[("Notes", notes), ("Staff", &formula)]));
    let printed = refused(&world, &file, &["--sheet", "Staff"]);
    assert!(printed.contains("sheet \"Staff\", cell B7: it holds a formula"), "{printed}");
    assert!(refused(&world, &file, &["--columns", "collaborator"]).contains("--columns collaborator is for a CSV"));
}
