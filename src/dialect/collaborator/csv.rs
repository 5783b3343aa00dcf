//! Collaborator's CSV: all users, one a row.

use super::headings::{Columns, KnownBy, REQUIRED, is_collaborators};
use super::{REQUIRED_RULE, User};
use crate::json::without_bom;
use crate::rejection::Fault;
use crate::roster::Intent;
use std::borrow::Cow;
use std::ops::Range;

/// A CSV whose header was read. It yields its users one by one.
#[derive(Debug)]
pub struct Csv {
    rows: Rows,
    columns: Columns,
    /// Whether the last row has a cell that begins with a quote and does not end with one.
    quote_is_open: bool,
}

/// The rows that have something in a cell.
#[derive(Debug)]
struct Rows {
    text: String,
    /// How many bytes of the text were read.
    at: usize,
    /// How many rows were read, with those that have nothing.
    row: u64,
}

/// Returns the text of a CSV, which is UTF-8, or cp1251 as older files have it. The error says what is wrong with the bytes.
pub fn text(bytes: Vec<u8>) -> Result<String, String> {
    if is_utf16(&bytes) {
        return Err("the CSV is in UTF-16; save it as UTF-8".into());
    }
    let bytes = match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with('\u{feff}') {
                text.remove(0);
            }
            return Ok(text);
        }
        Err(error) => error.into_bytes(),
    };
    // A file that is UTF-8 but for a few bytes is a damaged one, and would become nonsense.
    let (mut letters, mut invalid, mut rows, mut row) = (0, 0, 1, None);
    for chunk in bytes.utf8_chunks() {
        letters += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        rows += chunk.valid().bytes().filter(|byte| *byte == b'\n').count();
        if !chunk.invalid().is_empty() {
            invalid += 1;
            row.get_or_insert(rows);
        }
    }
    if letters > invalid {
        return Err(format!("row {} is not UTF-8, as the others are; the file was damaged", row.unwrap_or(1)));
    }
    Ok(encoding_rs::WINDOWS_1251.decode_without_bom_handling(&bytes).0.into_owned())
}

/// Whether a text begins as UTF-16 does: with its mark, or with an ASCII character in two bytes.
pub fn is_utf16(start: &[u8]) -> bool {
    matches!(start, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=255, ..] | [1..=255, 0, ..])
}

/// Returns the header of a file that begins so, if it shows that the file is one of Collaborator's: the columns are separated by
/// semicolons and begin with `uid` exactly, or with the headings of the system's own documents.
pub fn known_header(start: &[u8]) -> Option<Vec<String>> {
    let mut lines =
        without_bom(start).split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.trim_ascii().is_empty());
    let line = lines.find(|line| !is_instruction(&String::from_utf8_lossy(line)))?;
    let line = match std::str::from_utf8(line) {
        Ok(line) => Cow::Borrowed(line),
        Err(_) => encoding_rs::WINDOWS_1251.decode_without_bom_handling(line).0,
    };
    let header: Vec<String> = Cells::of(&line).map(Cow::into_owned).collect();
    is_collaborators(&header).then_some(header)
}

/// Whether a line says how the cells are separated: a spreadsheet takes it as an instruction, and counts the rows behind it.
fn is_instruction(line: &str) -> bool {
    line.trim().trim_matches('"').eq_ignore_ascii_case("sep=;")
}

impl Csv {
    /// Reads the header of a CSV, of at most `columns_max` columns. The error says what is wrong with it, and quotes nothing of it: a
    /// file without a header begins with a person.
    pub fn new(text: String, columns_max: usize) -> Result<Csv, String> {
        const EMPTY: &str = "the CSV is empty; it begins with a header, such as uid;secondname;firstname;login;…";
        let mut rows = Rows { text, at: 0, row: 0 };
        let mut line = rows.next().ok_or(EMPTY)?;
        if is_instruction(&rows.text[line.clone()]) {
            rows.row = 0;
            line = rows.next().ok_or(EMPTY)?;
        }
        let line = &rows.text[line];
        let header: Vec<String> = Cells::of(line).take(columns_max + 1).map(Cow::into_owned).collect();
        if header.len() > columns_max {
            return Err(format!(
                "the header has more columns than the limit columns_max allows, which is {columns_max}"
            ));
        }
        if header.len() == 1 && line.contains([',', '\t']) {
            return Err("the first row has one column; the cells are separated by semicolons".into());
        }
        Ok(Csv { rows, columns: Columns::of(header)?, quote_is_open: false })
    }

    /// How its columns are known.
    pub fn known_by(&self) -> KnownBy {
        self.columns.known_by
    }

    /// The names of its columns, by position; empty for a column without a name, whose cells mean nothing.
    pub fn columns(&self) -> &[String] {
        &self.columns.names
    }
}

impl Iterator for Rows {
    /// Where the row is in the text.
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let rest = &self.text[self.at..];
            if rest.is_empty() {
                return None;
            }
            let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
            let ends = if rest[length..].starts_with("\r\n") { 2 } else { rest[length..].len().min(1) };
            let start = self.at;
            self.at += length + ends;
            self.row += 1;
            if rest[..length].contains(|c: char| !matches!(c, ';' | '"' | '\u{feff}') && !c.is_whitespace()) {
                return Some(start..start + length);
            }
        }
    }
}

impl Iterator for Csv {
    /// A user, and the row that it is in, counted from 1.
    type Item = (u64, Intent<'static>);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.rows.next()?;
        let line = &self.rows.text[line];
        let columns = &self.columns.names;
        let mut user = User::default();
        if self.quote_is_open && ends_a_cell(line) {
            let message = "a quoted cell of the row before seems to go on here; a cell stands in one row: \
                           remove the line break in it, or its quote";
            user.patch.faults.push(Fault::new("", "quote", message));
        }
        let mut cells = Cells::of(line);
        for column in columns {
            match cells.next() {
                Some(cell) if !column.is_empty() => user.set(column, &cell),
                Some(_) => {}
                None => break,
            }
        }
        if cells.any(|cell| !cell.is_empty()) {
            let message = format!("the row has a cell behind the last of the header's {} columns", columns.len());
            user.patch.faults.push(Fault::new("", "cells", message));
        }
        self.quote_is_open = cells.has_open_quote;
        let empty = REQUIRED.iter().find(|required| !user.given.contains(required));
        let lacking = empty.map(|empty| {
            let column = columns.iter().position(|column| column.eq_ignore_ascii_case(empty)).unwrap_or(0);
            let message = format!("column {} ({empty}) is empty; {} are required", column + 1, REQUIRED.join(", "));
            Fault::new("", REQUIRED_RULE, message)
        });
        // A CSV is the whole list: who is in it works here.
        Some((self.rows.row, user.finish(lacking)))
    }
}

/// Whether the first quote of a row ends a cell that it did not begin, as in the last line of a cell with line breaks.
fn ends_a_cell(line: &str) -> bool {
    let Some((before, behind)) = line.split_once('"') else {
        return false;
    };
    let cell = before.rsplit(';').next().unwrap_or_default();
    let behind = behind.trim_start();
    !cell.trim().is_empty() && (behind.is_empty() || behind.starts_with(';'))
}

/// The cells of a row, without outer spaces. A quote that does not close its cell is a character like any other, so that it
/// swallows nobody.
struct Cells<'t> {
    rest: Option<&'t str>,
    /// Whether a cell so far begins with a quote that is not closed.
    has_open_quote: bool,
}

/// What is behind a quote that begins a cell.
enum Quoted<'t> {
    /// The cell, and what comes behind its semicolon.
    Closed(String, Option<&'t str>),
    /// No quote that could close the cell.
    Open,
    /// Text behind the next quote.
    Text,
}

impl<'t> Cells<'t> {
    fn of(line: &'t str) -> Cells<'t> {
        Cells { rest: Some(line), has_open_quote: false }
    }
}

impl<'t> Iterator for Cells<'t> {
    type Item = Cow<'t, str>;

    fn next(&mut self) -> Option<Cow<'t, str>> {
        let rest = self.rest?;
        if let Some(behind) = rest.trim_start().strip_prefix('"') {
            match quoted(behind) {
                Quoted::Closed(cell, after) => {
                    self.rest = after;
                    return Some(Cow::Owned(cell.trim().to_owned()));
                }
                Quoted::Open => self.has_open_quote = true,
                Quoted::Text => {}
            }
        }
        let (cell, after) = match rest.split_once(';') {
            Some((cell, after)) => (cell, Some(after)),
            None => (rest, None),
        };
        self.rest = after;
        Some(Cow::Borrowed(cell.trim()))
    }
}

fn quoted(behind: &str) -> Quoted<'_> {
    let mut cell = String::new();
    let mut rest = behind;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Quoted::Open;
        };
        cell.push_str(part);
        if let Some(after) = after.strip_prefix('"') {
            cell.push('"');
            rest = after;
            continue;
        }
        let after = after.trim_start();
        return match after.strip_prefix(';') {
            Some(after) => Quoted::Closed(cell, Some(after)),
            None if after.is_empty() => Quoted::Closed(cell, None),
            None => Quoted::Text,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::Status;

    fn users(text: &str) -> Vec<(u64, Intent<'static>)> {
        Csv::new(text.into(), 100).unwrap().collect()
    }

    #[test]
    fn a_csv_is_read_row_by_row() {
        let users = users(
            "uid;secondname;firstname;login;email;position;status;city\r\n\
             1;B;A;l;a@x.com;\"Head; \"\"R&D\"\"\";0;Kyiv\r\n\
             2;\"Stray;A;l;b@x.com;C;1\n\n\
             3;B\"B;A;l;c@x.com;C",
        );
        assert_eq!(users.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [2, 3, 5]);
        let value = |user: usize, name: &str| {
            users[user].1.data.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
        };
        assert_eq!(value(0, "position"), Some("Head; \"R&D\""));
        assert_eq!((value(1, "secondname"), users[1].1.status), (Some("\"Stray"), Some(Status::Hidden)));
        assert_eq!((value(2, "secondname"), value(2, "city")), (Some("B\"B"), None));
        assert_eq!(users[2].1.status, None);
        assert!(users.iter().all(|(_, patch)| patch.faults.is_empty()));
        let rows = |text| self::users(text).iter().map(|(row, _)| *row).collect::<Vec<_>>();
        assert_eq!(rows("uid;secondname;firstname;login\r1;a\r\r;\"\";\r2;b"), [2, 5]);
        assert_eq!(rows("sep=;\nuid;secondname;firstname;login\n1;B;A;a\n"), [2]);
    }

    #[test]
    fn a_header_says_which_columns_there_are() {
        for (header, known_by, expected) in [
            (
                "ID;Last name;First name;Middle name;Login",
                KnownBy::Position,
                "uid secondname firstname patronymic login",
            ),
            (
                "Номер; Фамилия ;Имя;;Логин;Email (me@x.com)",
                KnownBy::Position,
                "uid secondname firstname patronymic login email",
            ),
            ("uid;login;secondname;;firstname", KnownBy::Name, "uid login secondname  firstname"),
        ] {
            let csv = Csv::new(header.into(), 100).unwrap();
            assert_eq!((csv.known_by(), csv.columns().join(" ").as_str()), (known_by, expected), "{header}");
        }
        let long = vec!["x"; 30].join(";");
        for (text, expected) in [
            ("", "the CSV is empty"),
            ("\n;;\n", "the CSV is empty"),
            ("uid,login\n1,a", "separated by semicolons"),
            ("ID;Last name;First name\n1;B;A\n", "the header has 3 columns"),
            (&long, "the header has 30 columns, and Collaborator's list has 29"),
            ("uid;login\n", "the header names no column secondname"),
            ("uid;secondname;firstname;login;Login\n", "columns 4 and 5 of the header have the same name"),
            (
                "ID;Last name;First name;Login;Email\n",
                "column 4 of the header is called login, and by its position it is patronymic",
            ),
            (
                "secondname;uid;firstname;x;login\n",
                "column 1 of the header is called secondname, and by its position it is uid",
            ),
            (
                "ID;First name;Last name;Middle name;Login\n",
                "column 2 of the header is called first name, and by its position it is secondname; move it to position 3",
            ),
            (
                "ИД;Имя;Фамилия;Отчество;Логин\n",
                "column 2 of the header is called имя, and by its position it is secondname",
            ),
            (
                "Код;Прізвище;Ім’я;Логін;Пошта (робоча)\n",
                "column 4 of the header is called логін, and by its position it is patronymic",
            ),
            ("2;B;A;;b\n", "its column 1 holds a number or a date"),
            ("ab;B;A;;b;b@example.com\n", "its column 6 holds an e-mail address"),
        ] {
            let error = Csv::new(text.into(), 100).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(Csv::new(";".repeat(101) + "x", 100).unwrap_err().contains("columns_max allows, which is 100"));
    }

    #[test]
    fn what_is_wrong_with_a_row_is_a_fault_of_it() {
        for (row, expected) in [
            ("1;B;A;;", "column 5 (login) is empty; uid, secondname, firstname, login are required"),
            (" ;B;A;;l", "column 1 (uid) is empty"),
            ("1;B", "column 3 (firstname) is empty"),
            ("1;B;A;;l;x", "the row has a cell behind the last of the header's 5 columns"),
        ] {
            let users = users(&format!("ID;Last name;First name;Middle name;Login\n{row}\n"));
            assert!(users[0].1.faults[0].message.starts_with(expected), "{row}: {:?}", users[0].1.faults);
        }
        // A cell with a line break would make two users of one.
        let broken =
            users("ID;Last;First;Middle;Login;Mail;P;B;G;City\n1;B;A;;l;;;;;\"Kyiv\ncity\";B;A;;l\n2;B;A;;m\n");
        let faults: Vec<usize> = broken.iter().map(|(_, user)| user.faults.len()).collect();
        assert_eq!(faults, [0, 1, 0], "{broken:?}");
        assert!(
            users("ID;Last;First;Middle;Login\n1;\"B;A;;l\n2;B\"B;A;;l\n")
                .iter()
                .all(|(_, user)| user.faults.is_empty())
        );
    }

    #[test]
    fn a_csv_is_utf8_or_cp1251_and_no_mixture() {
        assert_eq!(text(b"\xcf\xe5\xf2\xf0\xee".into()).unwrap(), "Петро");
        // R and i of this name would be one character of UTF-8.
        assert_eq!(text(b"\xd0\xb3\xe7\xed\xe8\xea".into()).unwrap(), "Різник");
        assert_eq!(text("\u{feff}Петро".into()).unwrap(), "Петро");
        let damaged = ["uid;Müller\nЙ".as_bytes(), b"\n\xff"].concat();
        assert_eq!(text(damaged).unwrap_err(), "row 3 is not UTF-8, as the others are; the file was damaged");
        assert!(text(b"\xff\xfeu\0i\0d\0".into()).unwrap_err().contains("UTF-16"));
    }

    #[test]
    fn a_file_shows_by_its_header_that_it_is_collaborators() {
        let cp1251 = encoding_rs::WINDOWS_1251.encode("ИД;Фамилия;Имя;Отчество;Логин\r\n").0;
        for known in [
            &b"uid;login"[..],
            b"sep=;\r\n\r\nuid;login",
            b"\xef\xbb\xbfID;Last name;First Name;Middle name;Login;Email\n1",
            &cp1251,
        ] {
            assert!(known_header(known).is_some_and(|header| header.len() > 1));
        }
        for other in ["uid", "uid,name\n", "UID;name", "id;Last name;First name", "Name;uid", "", "\n"] {
            assert_eq!(known_header(other.as_bytes()), None, "{other}");
        }
    }
}
