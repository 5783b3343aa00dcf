//! Exports: what is written is what is stored, and can be pushed again.

use super::dialects::unsigned;
use super::golden::Keyed;
use super::world::{PROFILE, Request, World, employee, rollcall, run};
use calamine::{DataType as _, Reader as _, Xlsx};
use serde_json::{Value, json};
use std::io::Cursor;

/// Returns a world with employees whose values are difficult in a table.
fn filled() -> World {
    let world = Keyed::new().world;
    let hard = [
        "=HYPERLINK(\"http://x\")",
        "+1-2",
        "@x",
        "-1",
        "a,b;c",
        "\"quoted\"",
        "two\nlines",
        "'t Hooft",
        "'=1",
        "Čapek",
        "007",
    ];
    let mut employees: Vec<Value> = Vec::new();
    for (number, value) in hard.into_iter().enumerate() {
        let data = [("Last Name", value), ("Field 1", value), ("Tags", "b,a")];
        employees.push(employee(&format!("{number:03}"), if number % 4 == 3 { "hidden" } else { "active" }, &data));
    }
    assert_eq!(world.push_employees(json!(employees)).counts(), [11, 0, 0, 0, 0]);
    world
}

#[test]
fn every_form_holds_what_is_stored_and_can_be_pushed_again() {
    let world = filled();
    let csv = world.get("/v1/employees.csv");
    assert_eq!(csv.header("Content-Type").as_deref(), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.header("Content-Disposition").as_deref(), Some("attachment; filename=\"employees-99.csv\""));
    assert!(csv.text.starts_with("id,status,Last Name,Tags,Field 1\n000,active,\"'=HYPERLINK"), "{}", csv.text);
    assert!(csv.text.contains("\n003,hidden,-1,"), "{}", csv.text);
    let lines = world.get("/v1/employees.ndjson").text;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, world.roster());
    let xlsx = world.get("/v1/employees.xlsx").bytes;
    let mut workbook = Xlsx::new(Cursor::new(&xlsx)).unwrap();
    let range = workbook.worksheet_range("Employees").unwrap();
    let rows: Vec<Vec<String>> =
        range.rows().map(|row| row.iter().map(|cell| cell.as_string().unwrap_or_default()).collect()).collect();
    assert_eq!(rows.len(), 12);
    assert_eq!(rows[1], ["000", "active", "=HYPERLINK(\"http://x\")", "a,b", "=HYPERLINK(\"http://x\")"]);
    assert!(workbook.worksheet_formula("Employees").unwrap().is_empty());

    for (name, bytes) in [("again.csv", csv.bytes), ("again.xlsx", xlsx)] {
        let pushed = world.push_file(&world.file(name, bytes), &["--profile", PROFILE, "--json"]);
        assert!(pushed.status.success(), "{pushed:?}");
        let counts: Value = serde_json::from_slice(&pushed.stdout).unwrap();
        assert_eq!(counts["employeesNotChanged"], 11, "{name}");
    }
}

#[test]
fn the_command_writes_the_same_file() {
    let world = filled();
    let data = world.path("data");
    for (form, file) in [("csv", "all.csv"), ("ndjson", "all.ndjson"), ("xlsx", "all.xlsx")] {
        let path = world.path(file);
        let exported = run(&["export", "99", &path, "--data", &data]);
        assert!(String::from_utf8(exported.stdout).unwrap().starts_with("11 employees written to "));
        let served = world.get(&format!("/v1/employees.{form}")).bytes;
        match form {
            // A workbook says when it was made.
            "xlsx" => assert_eq!(&std::fs::read(path).unwrap()[..4], b"PK\x03\x04"),
            _ => assert_eq!(std::fs::read(path).unwrap(), served),
        }
    }
    let printed =
        rollcall().args(["export", "99", "-", "--form", "csv", "--status", "hidden", "--data", &data]).output();
    assert_eq!(String::from_utf8(printed.unwrap().stdout).unwrap().lines().count(), 3);
    for (args, code) in [
        (&["98", "x.csv"][..], 1),
        (&["99", "x.txt"], 2),
        (&["99", "x.csv", "--status", "gone"], 2),
        (&["99", "/no/such/folder/x.csv"], 1),
    ] {
        let refused = run(&[&["export"], args, &["--data", &data]].concat());
        assert_eq!(refused.status.code(), Some(code), "{refused:?}");
    }
}

#[test]
fn filters_choose_whom_to_export() {
    let world = filled();
    let ids = |query: &str| -> Vec<String> {
        let answer = world.get(&format!("/v1/employees.csv?{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text);
        let mut reader = csv::Reader::from_reader(&answer.bytes[..]);
        reader.records().map(|record| record.unwrap()[0].to_owned()).collect()
    };
    assert_eq!(ids("status=hidden"), ["003", "007"]);
    assert_eq!(ids(&format!("profile={PROFILE}")).len(), 11);
    assert_eq!(ids("profile=5a0c6c0e-8a51-4f0e-9d0b-6f1f6f5a2b11").len(), 0);
    assert_eq!(ids("changed-since=1").len(), 0);
    assert_eq!(
        world.push_employees(json!([employee("002", "active", &[("Last Name", "new")])])).counts(),
        [0, 1, 0, 0, 0]
    );
    assert_eq!(ids("changed-since=1"), ["002"]);
    assert_eq!(ids("changed-since=1&status=hidden").len(), 0);
    assert_eq!(ids("changed-since=2000-01-01T00:00:00Z").len(), 11);
    assert_eq!(ids("changed-since=2999-01-01T00:00:00Z").len(), 0);
    for wrong in ["status=gone", "profile=x", "changed-since=yesterday", "limit=1"] {
        assert_eq!(world.get(&format!("/v1/employees.csv?{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(unsigned("GET", "/v1/employees.csv", b"").send(&world).status, 403);
    assert_eq!(Request::new("POST", "/v1/employees.csv", b"").send(&world).status, 405);
    assert_eq!(world.get("/v1/employees.txt").status, 404);
}

#[test]
fn a_workbook_is_pushed_sheet_by_sheet() {
    let world = Keyed::new().world;
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let date = rust_xlsxwriter::Format::new().set_num_format("yyyy-mm-dd");
    let sheet = workbook.add_worksheet();
    for (column, heading) in ["Emp No", "status", "Birth Date", "Weekly Hours", "Remote"].into_iter().enumerate() {
        sheet.write_string(0, column as u16, heading).unwrap();
    }
    sheet.write_number(1, 0, 4711).unwrap();
    sheet.write_string(1, 1, "hidden").unwrap();
    let birth = rust_xlsxwriter::ExcelDateTime::from_ymd(1988, 7, 26).unwrap();
    sheet.write_datetime_with_format(1, 2, &birth, &date).unwrap();
    sheet.write_number(1, 3, 37.5).unwrap();
    sheet.write_boolean(1, 4, true).unwrap();
    let second = workbook.add_worksheet().set_name("More").unwrap();
    second.write_string(0, 0, "Emp No").unwrap();
    second.write_string(0, 1, "Email").unwrap();
    second.write_string(3, 0, "4712").unwrap();
    second.write_string(3, 1, "nobody").unwrap();
    let path = world.path("team.xlsx");
    workbook.save(&path).unwrap();
    let refused = world.push_file(&path, &["--profile", PROFILE, "--map", "Emp No=id"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("sheet \"More\", row 4, column B: id \"4712\": Email: must be an e-mail address"), "{told}");
    workbook.worksheet_from_index(1).unwrap().write_string(3, 1, "a@x.com").unwrap();
    workbook.save(&path).unwrap();
    assert!(world.push_file(&path, &["--profile", PROFILE, "--map", "Emp No=id"]).status.success());
    let roster = serde_json::to_string(&world.roster()).unwrap();
    for value in ["4711", "hidden", "1988-07-26", "37.5", "\"true\"", "4712", "a@x.com"] {
        assert!(roster.contains(value), "{roster}");
    }
    let damaged = world.file("damaged.xlsx", b"PK\x03\x04nothing");
    let refused = world.push_file(&damaged, &["--profile", PROFILE]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("not an Excel workbook (.xlsx), or a damaged one"));
}

#[test]
fn a_csv_of_collaborators_is_pushed_as_its_profile_has_it() {
    let world = Keyed::new().world;
    let csv = "uid;secondname;firstname;login;email;password;position;status;gender\n\
               1;B;A;a;a@x.com;secret;C;0;0\n2;B;A;b;b@x.com;;C;1;1\n";
    let path = world.file("users.csv", csv);
    let pushed = world.push_file(&path, &["--profile", PROFILE, "--empty-missing"]);
    assert!(pushed.status.success(), "{pushed:?}");
    let roster = serde_json::to_string(&world.roster()).unwrap();
    assert!(roster.contains("\"hidden\"") && roster.contains("{\"name\":\"Gender\",\"value\":\"f\"}"), "{roster}");
    assert!(!roster.contains("secret"), "{roster}");
    let short = world.file("short.csv", "uid;login\n1;a\n");
    let refused = world.push_file(&short, &["--profile", PROFILE]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("the header names no column secondname"));
    let refused = world.push_file(&path, &["--profile", "5a0c6c0e-8a51-4f0e-9d0b-6f1f6f5a2b11"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("the account has no profile with this id"));
}
