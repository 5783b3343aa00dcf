//! LMS Collaborator's users-import: one user, several, or a CSV of all.
//!
//! ```json
//! {"uid": "…", "secondname": "…", "firstname": "…", "login": "…", "email": "…", "position": "…", "is_active": 1, "tags": "a,b"}
//! ```

use super::Dialect;
use crate::json::{self, Unreadable};
use crate::rejection::{Fault, Rejection};
use crate::roster::{Counts, ID_CHARS_MAX, Patch, Status};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashSet;

/// What every user must have; told as the documents tell it.
const REQUIRED: [&str; 6] = ["uid", "login", "email", "firstname", "secondname", "position"];

/// The rule that says so, in rejections.
pub const REQUIRED_RULE: &str = "required";

/// The members that are no field of a profile.
const OWN: [&str; 4] = ["uid", "is_active", "status", "password"];

/// Reads one user.
pub fn user(body: &[u8]) -> Result<Patch, Unreadable> {
    let mut user = User::default();
    for (name, raw) in json::members(body)? {
        match text(&name, raw) {
            Ok(Some(value)) => user.set(&name, value),
            Ok(None) => {}
            Err(message) => user.patch.faults.push(Fault::new(&name, "text", message)),
        }
    }
    Ok(user.finish(None))
}

/// A value as text; none where it was not sent.
fn text(name: &str, raw: &RawValue) -> Result<Option<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    let is_own = OWN.iter().any(|own| own.eq_ignore_ascii_case(name));
    if !is_own && Dialect::Collaborator.fields().iter().all(|field| !field.eq_ignore_ascii_case(name)) {
        // It is ignored, whatever its form.
        return Ok(Some(String::new()));
    }
    match serde_json::from_str::<Value>(raw.get()) {
        _ if name.eq_ignore_ascii_case("password") => Ok(None),
        Ok(Value::Null) => Ok(None),
        Ok(Value::Array(values)) if values.is_empty() || values == [Value::Null] => Ok(None),
        // Tags are the one list; what is no list may stand in an array alone.
        Ok(Value::Array(values)) if name.eq_ignore_ascii_case("tags") => {
            let tags: Option<Vec<String>> = values.iter().map(one).collect();
            let tags = tags.ok_or("must be an array of strings, or a string with commas")?;
            Ok(Some(serde_json::to_string(&tags).expect("strings are JSON")))
        }
        Ok(Value::Array(values)) => match &values[..] {
            [value] => Ok(Some(one(value).ok_or("must be a string or a number")?)),
            _ => Err("must be one value, not several".into()),
        },
        _ => Ok(Some(json::scalar(raw)?.into_owned())),
    }
}

#[derive(Default)]
struct User {
    patch: Patch,
    given: Vec<&'static str>,
    names: HashSet<String>,
}

impl User {
    fn set(&mut self, name: &str, value: String) {
        let value = value.trim();
        if !self.names.insert(name.to_ascii_lowercase()) {
            return self.patch.faults.push(Fault::new(name, "twice", "stands twice, in two spellings; send it once"));
        }
        if let Some(required) =
            REQUIRED.iter().find(|required| required.eq_ignore_ascii_case(name) && !value.is_empty())
        {
            self.given.push(required);
        }
        let own = OWN.iter().find(|own| own.eq_ignore_ascii_case(name));
        let blocks = |blocked| Some(if blocked { Status::Hidden } else { Status::Active });
        let status = match own {
            None => return self.patch.data.push((name.to_owned(), value.to_owned())),
            Some(&"uid") => {
                self.patch.id = Some(value.to_owned()).filter(|id| !id.is_empty());
                return;
            }
            Some(&"is_active") => match value.to_ascii_lowercase().as_str() {
                "" => None,
                "1" | "true" => blocks(false),
                "0" | "false" => blocks(true),
                _ => return self.patch.faults.push(Fault::new("is_active", "boolean", "must be 1 or 0")),
            },
            Some(&"status") => blocks(!matches!(value, "" | "0")),
            // Nobody signs in here: a password is not kept.
            Some(_) => return,
        };
        // Of two that say something, the one that blocks counts.
        if self.patch.status != Some(Status::Hidden) {
            self.patch.status = status.or(self.patch.status);
        }
    }

    fn finish(mut self, status: Option<Status>) -> Patch {
        self.patch.status = self.patch.status.or(status);
        if REQUIRED.iter().any(|required| !self.given.contains(required)) {
            let message = format!("Required fields: {}", REQUIRED.join(", "));
            self.patch.faults = vec![Fault::new("", REQUIRED_RULE, message)];
        }
        if self.patch.id.as_ref().is_some_and(|id| id.chars().count() > ID_CHARS_MAX || id.contains('\0')) {
            let message = format!("must have at most {ID_CHARS_MAX} characters, and none that is U+0000");
            self.patch.faults.push(Fault::new("uid", "max_length", message));
            self.patch.id = None;
        }
        self.patch
    }
}

/// A CSV of all users, whose header was read; gives them one by one.
#[derive(Debug)]
pub struct Csv {
    text: String,
    /// How much of the text was read.
    at: usize,
    row: u64,
    columns: Vec<String>,
}

/// The text of a CSV: UTF-8, or cp1251 as older files have it. The error is what is wrong with another.
pub fn csv_text(bytes: Vec<u8>) -> Result<String, String> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
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
    match letters > invalid {
        true => Err(format!("row {} is not UTF-8, as the others are; the file was damaged", row.unwrap_or(1))),
        false => Ok(encoding_rs::WINDOWS_1251.decode_without_bom_handling(&bytes).0.into_owned()),
    }
}

impl Csv {
    /// Reads the header of a CSV. The error is what is wrong with it.
    pub fn new(text: String) -> Result<Csv, String> {
        let mut csv = Csv { text, at: 0, row: 0, columns: Vec::new() };
        let header = csv.next_row().ok_or("the CSV is empty; it begins with a header, uid;secondname;firstname;…")?;
        let columns = cells(header);
        if !columns.iter().any(|column| column.eq_ignore_ascii_case("uid")) {
            let message = match header.contains([',', '\t']) && !header.contains(';') {
                true => "the first row has no column uid; the cells are separated by semicolons",
                false => "the first row must be the header, with a column uid: uid;secondname;firstname;…",
            };
            return Err(message.into());
        }
        for (place, column) in columns.iter().enumerate().filter(|(_, column)| !column.is_empty()) {
            if let Some(other) = columns[..place].iter().position(|other| other.eq_ignore_ascii_case(column)) {
                return Err(format!("columns {} and {} of the header have one name", other + 1, place + 1));
            }
        }
        csv.columns = columns;
        Ok(csv)
    }

    /// The next row that has anything in a cell.
    fn next_row(&mut self) -> Option<&str> {
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
            if rest[..length].contains(|c: char| c != ';' && !c.is_whitespace()) {
                return Some(&self.text[start..start + length]);
            }
        }
    }
}

impl Iterator for Csv {
    /// A user, and the row that it stands in, counted from 1.
    type Item = (u64, Patch);

    fn next(&mut self) -> Option<Self::Item> {
        let cells = cells(self.next_row()?);
        let mut user = User::default();
        if cells.iter().skip(self.columns.len()).any(|cell| !cell.is_empty()) {
            let message = format!("the row has {} cells, and the header {}", cells.len(), self.columns.len());
            user.patch.faults.push(Fault::new("", "cells", message));
        }
        for (column, cell) in self.columns.iter().zip(cells).filter(|(column, _)| !column.is_empty()) {
            user.set(column, cell);
        }
        // A CSV is the whole list: who is in it works here.
        Some((self.row, user.finish(Some(Status::Active))))
    }
}

/// The cells of a row. A quote that does not close its cell is a character like any other, so that it swallows nobody.
fn cells(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let (cell, after) = match rest.trim_start().strip_prefix('"').and_then(quoted) {
            Some(quoted) => quoted,
            None => match rest.split_once(';') {
                Some((cell, after)) => (cell.trim().to_owned(), Some(after)),
                None => (rest.trim().to_owned(), None),
            },
        };
        cells.push(cell);
        match after {
            Some(after) => rest = after,
            None => return cells,
        }
    }
}

/// A cell behind its opening quote, and what comes after its semicolon.
fn quoted(behind: &str) -> Option<(String, Option<&str>)> {
    let mut cell = String::new();
    let mut rest = behind;
    loop {
        let (part, after) = rest.split_once('"')?;
        cell.push_str(part);
        if let Some(after) = after.strip_prefix('"') {
            cell.push('"');
            rest = after;
            continue;
        }
        let after = after.trim_start();
        return match after.strip_prefix(';') {
            Some(after) => Some((cell, Some(after))),
            None => after.is_empty().then_some((cell, None)),
        };
    }
}

/// The answer to an import.
pub fn answer(counts: &Counts) -> String {
    let Counts { created, updated, activated, hidden, .. } = counts;
    format!(
        "{{\"created_count\":{created},\"updated_count\":{updated},\"blocked_count\":{hidden},\
         \"unblocked_count\":{activated}}}"
    )
}

/// The answer to a refused import: what is wrong, in words.
pub fn refused(message: &str) -> String {
    json!({ "error": message }).to_string()
}

/// What is wrong with a user, in words; `field` is what the dialect calls the rejection's field, `row` the row of a batch.
pub fn rejected(field: &str, rejection: &Rejection, row: Option<u64>) -> String {
    let place = row.map(|row| format!("row {row}: ")).unwrap_or_default();
    let message = match (field, rejection.rule) {
        // Where cells are missing or shifted, what stands for the uid may be another value.
        ("", _) => return format!("{place}{}", rejection.message),
        ("uid", "twice") => "stands twice in the import; send each user once",
        _ => &rejection.message,
    };
    let uid = rejection.id.as_ref().filter(|_| row.is_some()).map(|id| format!(" (uid {id:?})")).unwrap_or_default();
    format!("{place}{field}: {message}{uid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#""login":"l","email":"a@x.com","firstname":"A","secondname":"B","position":"C""#;

    #[test]
    fn values_come_in_several_forms() {
        for (members, id, status) in [
            (r#""uid":"1","is_active":"0""#, "1", Some(Status::Hidden)),
            (r#""uid":1,"is_active":1"#, "1", Some(Status::Active)),
            (r#""uid":"1","status":"2""#, "1", Some(Status::Hidden)),
            (r#""uid":"1","status":0"#, "1", Some(Status::Active)),
            (r#""uid":"1","status":null"#, "1", None),
            (r#""uid":"1","status":1,"is_active":1"#, "1", Some(Status::Hidden)),
            (r#""uid":"1","status":"0","is_active":"""#, "1", Some(Status::Active)),
            (r#""uid":"1","password":{}"#, "1", None),
        ] {
            let patch = user(format!("{{{members},{GOOD}}}").as_bytes()).unwrap();
            assert_eq!((patch.id.as_deref(), patch.status, patch.faults.len()), (Some(id), status, 0), "{members}");
            assert_eq!(patch.data.len(), 5, "{members}");
        }
        let patch =
            user(format!(r#"{{"uid":"1",{GOOD},"structure_uid":["x"],"tags":["a",2],"city":null}}"#).as_bytes());
        let data = patch.unwrap().data;
        assert_eq!(data[5..], [("structure_uid".into(), "x".into()), ("tags".into(), r#"["a","2"]"#.into())]);
    }

    #[test]
    fn what_is_required_is_told_as_documented() {
        for body in ["{}", r#"{"uid":"","city":{}}"#, &format!("{{{GOOD}}}"), &format!(r#"{{"uid":" ",{GOOD}}}"#)] {
            let patch = user(body.as_bytes()).unwrap();
            assert_eq!(patch.faults.len(), 1);
            assert_eq!(patch.faults[0].message, "Required fields: uid, login, email, firstname, secondname, position");
        }
    }

    #[test]
    fn a_csv_is_read_row_by_row() {
        let text = "uid;secondname;firstname;login;email;position;status;city\r\n\
                    1;B;A;l;a@x.com;\"Head; \"\"R&D\"\"\";0;Kyiv\r\n\
                    2;\"Stray;A;l;b@x.com;C;1\n\n\
                    3;B\"B;A;l;c@x.com;C";
        let users: Vec<_> = Csv::new(text.into()).unwrap().collect();
        assert_eq!(users.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [2, 3, 5]);
        let value = |user: usize, name: &str| {
            users[user].1.data.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
        };
        assert_eq!(value(0, "position"), Some("Head; \"R&D\""));
        assert_eq!((value(1, "secondname"), users[1].1.status), (Some("\"Stray"), Some(Status::Hidden)));
        assert_eq!((value(2, "secondname"), value(2, "city")), (Some("B\"B"), None));
        assert_eq!(users[2].1.status, Some(Status::Active));
        assert!(users.iter().all(|(_, patch)| patch.faults.is_empty()));
        for (text, expected) in [
            ("", "the CSV is empty"),
            ("uid,login\n1,a", "separated by semicolons"),
            ("1;B;A\n", "the first row must be the header"),
            ("uid;login;Login\n", "columns 2 and 3 of the header have one name"),
        ] {
            assert!(Csv::new(text.into()).unwrap_err().contains(expected), "{text}");
        }
        let long = "uid;login;email;firstname;secondname;position\n1;a;b;c;d;e;f\n";
        assert_eq!(Csv::new(long.into()).unwrap().next().unwrap().1.faults[0].rule, "cells");
        let mac = "uid;login\r1;a\r\r;;;\r2;b";
        assert_eq!(Csv::new(mac.into()).unwrap().map(|(row, _)| row).collect::<Vec<_>>(), [2, 5]);
    }

    #[test]
    fn a_csv_is_utf8_or_cp1251_and_no_mixture() {
        assert_eq!(csv_text(b"\xcf\xe5\xf2\xf0\xee".into()).unwrap(), "Петро");
        // R and i of this name would be one character of UTF-8.
        assert_eq!(csv_text(b"\xd0\xb3\xe7\xed\xe8\xea".into()).unwrap(), "Різник");
        assert_eq!(csv_text("\u{feff}Петро".into()).unwrap(), "Петро");
        let damaged = ["uid;Müller\nЙ".as_bytes(), b"\n\xff"].concat();
        assert_eq!(csv_text(damaged).unwrap_err(), "row 3 is not UTF-8, as the others are; the file was damaged");
    }
}
