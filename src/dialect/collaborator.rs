//! LMS Collaborator's users-import: one user, several, or a CSV of all.
//!
//! ```json
//! {"uid": "…", "secondname": "…", "firstname": "…", "login": "…", "email": "…", "position": "…", "is_active": 1, "tags": "a,b"}
//! ```

use crate::json::{self, Unreadable};
use crate::rejection::{Fault, Rejection};
use crate::roster::{Counts, ID_CHARS_MAX, Patch, Status};
use serde_json::value::RawValue;
use serde_json::{Value, json};

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

/// Reads an array of users.
pub fn users(body: &[u8]) -> Result<Vec<&RawValue>, Unreadable> {
    json::exact::<Vec<&RawValue>>(body).map_err(|error| match error {
        Unreadable::Wrong(_) => Unreadable::Wrong("a batch must be a JSON array of users".into()),
        not_json => not_json,
    })
}

/// A value as text; none where it was not sent.
fn text(name: &str, raw: &RawValue) -> Result<Option<String>, String> {
    match serde_json::from_str::<Value>(raw.get()) {
        Ok(Value::Null) => Ok(None),
        Ok(Value::Array(values)) if values.is_empty() => Ok(None),
        // Tags are the one list; what is no list may stand in an array alone.
        Ok(Value::Array(values)) if name == "tags" && values.iter().all(Value::is_string) => {
            Ok(Some(raw.get().to_owned()))
        }
        Ok(Value::Array(values)) => match &values[..] {
            [Value::String(one)] => Ok(Some(one.clone())),
            [Value::Number(one)] => Ok(Some(one.to_string())),
            [Value::Null] => Ok(None),
            _ => Err("must be one value, not several".into()),
        },
        _ => Ok(Some(json::scalar(raw)?.into_owned())),
    }
}

#[derive(Default)]
struct User {
    patch: Patch,
    given: Vec<&'static str>,
}

impl User {
    fn set(&mut self, name: &str, value: String) {
        let value = value.trim();
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
        self.patch.status = if self.patch.status == Some(Status::Hidden) { self.patch.status } else { status };
    }

    fn finish(mut self, status: Option<Status>) -> Patch {
        self.patch.status = self.patch.status.or(status);
        if REQUIRED.iter().any(|required| !self.given.contains(required)) {
            let message = format!("Required fields: {}", REQUIRED.join(", "));
            self.patch.faults.push(Fault::new("", REQUIRED_RULE, message));
        }
        if self.patch.id.as_ref().is_some_and(|id| id.chars().count() > ID_CHARS_MAX || id.contains('\0')) {
            let message = format!("must have at most {ID_CHARS_MAX} characters, and none that is U+0000");
            self.patch.faults.push(Fault::new("uid", "max_length", message));
            self.patch.id = None;
        }
        self.patch
    }
}

/// A CSV of all users, whose header was read.
#[derive(Debug)]
pub struct Csv<'a> {
    columns: Vec<String>,
    rows: std::iter::Enumerate<std::str::Lines<'a>>,
}

/// The text of a CSV: UTF-8, else cp1251.
pub fn csv_text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).into(),
        Err(_) => encoding_rs::WINDOWS_1251.decode_without_bom_handling(bytes).0,
    }
}

impl<'a> Csv<'a> {
    /// Reads the header of a CSV. The error is what is wrong with it.
    pub fn new(text: &'a str) -> Result<Csv<'a>, String> {
        let mut rows = text.lines().enumerate();
        let header = rows.by_ref().map(|(_, line)| line).find(|line| !line.trim().is_empty());
        let header = header.ok_or("the CSV is empty; it begins with a header, uid;secondname;firstname;…")?;
        let columns = cells(header);
        if !columns.iter().any(|column| column.eq_ignore_ascii_case("uid")) {
            let message = match header.contains([',', '\t']) && !header.contains(';') {
                true => "the first row has no column uid; the cells are separated by semicolons",
                false => "the first row must be the header, with a column uid: uid;secondname;firstname;…",
            };
            return Err(message.into());
        }
        for (place, column) in columns.iter().enumerate() {
            if columns[..place].iter().any(|other| !column.is_empty() && other.eq_ignore_ascii_case(column)) {
                return Err(format!("the column {column:?} stands twice in the header"));
            }
        }
        Ok(Csv { columns, rows })
    }
}

impl Iterator for Csv<'_> {
    /// A user, and the row that it stands in, counted from 1.
    type Item = (usize, Patch);

    fn next(&mut self) -> Option<Self::Item> {
        let (row, line) = self.rows.by_ref().find(|(_, line)| !line.trim().is_empty())?;
        let mut user = User::default();
        let cells = cells(line);
        if cells.iter().skip(self.columns.len()).any(|cell| !cell.is_empty()) {
            let message = format!("the row has {} cells, and the header {}", cells.len(), self.columns.len());
            user.patch.faults.push(Fault::new("", "cells", message));
        }
        for (column, cell) in self.columns.iter().zip(cells).filter(|(column, _)| !column.is_empty()) {
            user.set(column, cell);
        }
        // A CSV is the whole list: who is in it works here.
        Some((row + 1, user.finish(Some(Status::Active))))
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
    let row = row.map(|row| format!("row {row}: ")).unwrap_or_default();
    match field {
        "" => format!("{row}{}", rejection.message),
        field => format!("{row}{field}: {}", rejection.message),
    }
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
            (r#""uid":"1","password":"secret""#, "1", None),
        ] {
            let patch = user(format!("{{{members},{GOOD}}}").as_bytes()).unwrap();
            assert_eq!((patch.id.as_deref(), patch.status, patch.faults.len()), (Some(id), status, 0), "{members}");
            assert_eq!(patch.data.len(), 5, "{members}");
        }
        let patch =
            user(format!(r#"{{"uid":"1",{GOOD},"structure_uid":["x"],"tags":["a","b"],"city":null}}"#).as_bytes());
        let data = patch.unwrap().data;
        assert_eq!(data[5..], [("structure_uid".into(), "x".into()), ("tags".into(), r#"["a","b"]"#.into())]);
    }

    #[test]
    fn what_is_required_is_told_as_documented() {
        for body in ["{}", r#"{"uid":""}"#, &format!("{{{GOOD}}}"), &format!(r#"{{"uid":" ",{GOOD}}}"#)] {
            let patch = user(body.as_bytes()).unwrap();
            assert_eq!(patch.faults[0].message, "Required fields: uid, login, email, firstname, secondname, position");
        }
    }

    #[test]
    fn a_csv_is_read_row_by_row() {
        let text = "uid;secondname;firstname;login;email;position;status;city\r\n\
                    1;B;A;l;a@x.com;\"Head; \"\"R&D\"\"\";0;Kyiv\r\n\
                    2;\"Stray;A;l;b@x.com;C;1\n\n\
                    3;B\"B;A;l;c@x.com;C";
        let users: Vec<_> = Csv::new(text).unwrap().collect();
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
            ("uid;login;Login\n", "stands twice"),
        ] {
            assert!(Csv::new(text).unwrap_err().contains(expected), "{text}");
        }
        let long = Csv::new("uid;login\n1;a;b\n").unwrap().next().unwrap().1;
        assert_eq!(long.faults[0].rule, "cells");
        assert_eq!(csv_text(b"\xcf\xe5\xf2\xf0\xee"), "Петро");
        assert_eq!(csv_text("\u{feff}Петро".as_bytes()), "Петро");
    }
}
