//! Rows of a table become the employees of a body.

use super::places::{Places, letters};
use super::{InputError, ProfileField, PushError};
use crate::spelling::nearest;
use serde_json::json;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

/// The most headings that a message lists.
const HEADINGS_LISTED_MAX: usize = 20;

/// What the columns of a table mean, and how much of it is read.
pub struct Columns {
    /// The profile to check the rows by.
    pub profile: String,
    /// What headings of the file mean if not what they say: heading → `id`, `status` or a field.
    pub map: BTreeMap<String, String>,
    /// Whether to read a CSV as LMS Collaborator's even if its header does not show that it is.
    pub collaborator: bool,
    /// Whether a CSV of LMS Collaborator's may empty the fields that it has no column for.
    pub empty_missing: bool,
    /// The sheet of a workbook to read, or `None` for all visible ones.
    pub sheet: Option<String>,
    /// The most columns of a table; see [`crate::limits::Limits::columns_max`].
    pub columns_max: usize,
    /// The longest row of a table, in bytes; see [`crate::limits::Limits::employee_bytes_max`].
    pub row_bytes_max: usize,
    /// Asks the server for the fields of the profile.
    pub fields: Box<dyn Fn() -> Result<Vec<ProfileField>, PushError>>,
}

/// The heading of the column that says why an employee was rejected. It is passed over, so that a corrected file can be pushed again.
pub const REASON: &str = "rejected because";

enum Heading {
    /// What a client before has written, see [`REASON`].
    Reason,
    Id,
    Status,
    /// A field's name, as JSON.
    Field(String),
    /// There is no heading, so the column must be empty.
    Empty,
}

/// A body that is being written.
pub struct Employees<'o, W, F> {
    out: &'o mut W,
    tell: F,
    columns: &'o Columns,
    /// The fields of the profile, once the server was asked; `None` if it does not serve them.
    known: OnceCell<Option<Vec<String>>>,
    headings: Vec<Heading>,
    places: Places,
    written: u64,
}

/// Returns a cell or a heading without the characters around it that nobody sees: white space, no-break spaces and byte order marks.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

impl<'o, W: Write, F: FnMut(u64)> Employees<'o, W, F> {
    /// Begins a body in `out`. `tell` is called with the number of employees written so far.
    pub fn new(out: &'o mut W, columns: &'o Columns, tell: F) -> Result<Self, InputError> {
        write!(out, "{{\"profileId\":{},\"employees\":[", json!(columns.profile))?;
        let (headings, places) = (Vec::new(), Places::of_tables());
        Ok(Employees { out, tell, columns, known: OnceCell::new(), headings, places, written: 0 })
    }

    /// Begins a table. `sheet` is its name if there are several.
    pub fn begin(&mut self, sheet: Option<String>) {
        self.headings.clear();
        self.places.begin(sheet);
    }

    /// Returns the places of the rows that were written.
    pub fn places(&mut self) -> &mut Places {
        &mut self.places
    }

    /// Returns the position of the column that holds the ids.
    #[cfg(feature = "workbooks")]
    pub fn id_column(&self) -> Option<usize> {
        self.headings.iter().position(|heading| matches!(heading, Heading::Id))
    }

    /// Takes the headings of the table, which are in `row`.
    pub fn headings(&mut self, headings: &[String], row: u64) -> Result<(), InputError> {
        let headings: Vec<&str> = headings.iter().map(|heading| trimmed(heading)).collect();
        let map: HashMap<&str, &str> = self.columns.map.iter().map(|(from, to)| (trimmed(from), trimmed(to))).collect();
        let names: Vec<&str> = headings.iter().map(|heading| *map.get(heading).unwrap_or(heading)).collect();
        let checked = unambiguous(&names)
            .and_then(|positions| match map.keys().find(|from| !headings.contains(from)) {
                Some(from) => Err(format!("--map names a column {from:?}, but the file has {}", listed(&headings))),
                None => Ok(positions),
            })
            .and_then(|positions| match positions.get("id") {
                Some(_) => Ok(()),
                None => Err(without_id(&names, self.places.is_of_several())),
            });
        let place = self.places.of_row(row);
        let wrong = |message| InputError::Wrong(format!("{place}: {message}"));
        checked.map_err(wrong)?;
        if self.known.get().is_none() {
            let known = self.ask_fields()?;
            self.known.get_or_init(|| known);
        }
        self.check_all_known(&names).map_err(wrong)?;
        let is_passed_over = |name: &str| name.is_empty() || name == REASON && !self.has_field(REASON);
        let held: Vec<(usize, &str)> =
            names.iter().copied().enumerate().filter(|(_, name)| !is_passed_over(name)).collect();
        for (position, name) in held {
            self.places.note_column(position, headings[position], name);
        }
        let heading = |name: &&str| match *name {
            "" => Heading::Empty,
            "id" => Heading::Id,
            "status" => Heading::Status,
            REASON if !self.has_field(REASON) => Heading::Reason,
            name => Heading::Field(json!(name).to_string()),
        };
        self.headings = names.iter().map(heading).collect();
        Ok(())
    }

    /// Asks for the fields of the profile. A server that refuses to say them would refuse the push, too. One that does not serve
    /// profiles reports unknown fields when the rows are pushed.
    fn ask_fields(&self) -> Result<Option<Vec<String>>, InputError> {
        match (self.columns.fields)() {
            Ok(fields) => Ok(Some(fields.into_iter().map(|field| field.name).collect())),
            Err(PushError::NotServed { .. }) => Ok(None),
            Err(error) => Err(InputError::Server(Box::new(error))),
        }
    }

    fn has_field(&self, name: &str) -> bool {
        self.known.get().is_some_and(|known| known.iter().flatten().any(|field| field == name))
    }

    /// Checks that every heading is a field of the profile, if the server serves that. The error lists those that are not.
    fn check_all_known(&self, names: &[&str]) -> Result<(), String> {
        let Some(Some(fields)) = self.known.get() else {
            return Ok(());
        };
        let is_unknown =
            |name: &str| !matches!(name, "" | "id" | "status" | REASON) && fields.iter().all(|field| field != name);
        let unknown: Vec<(usize, &&str)> = names.iter().enumerate().filter(|(_, name)| is_unknown(name)).collect();
        let first = unknown.iter().take(HEADINGS_LISTED_MAX).map(|(position, name)| {
            let alike = nearest(name, fields.iter().map(String::as_str));
            let alike = alike.map(|field| format!(" (did you mean {field:?}?)")).unwrap_or_default();
            format!("column {} {name:?}{alike}", letters(*position))
        });
        let first: Vec<String> = first.collect();
        let more = and_more(unknown.len());
        if first.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the profile has no such field: {}{more}; rename the column, map it with --map 'HEADING=FIELD', or remove it",
            first.join(", ")
        ))
    }

    /// Writes the employee of a row, unless all its cells are empty.
    pub fn write(&mut self, cells: &[&str], row: u64) -> Result<(), InputError> {
        if cells.iter().all(|cell| trimmed(cell).is_empty()) {
            return Ok(());
        }
        let (mut id, mut status) = ("", "active");
        let mut data = Vec::new();
        for (position, cell) in cells.iter().enumerate() {
            match self.headings.get(position) {
                Some(Heading::Id) => id = cell,
                Some(Heading::Status) => status = trimmed(cell),
                Some(Heading::Reason) => {}
                Some(Heading::Field(_)) if cell.is_empty() => {}
                Some(Heading::Field(name)) => add(&mut data, name, cell)?,
                Some(Heading::Empty) | None if trimmed(cell).is_empty() => {}
                Some(Heading::Empty) | None => {
                    let (place, column) = (self.places.of_row(row), letters(position));
                    return Err(InputError::Wrong(format!(
                        "{place}: column {column} has a value here and no heading; give it one, or remove the value"
                    )));
                }
            }
        }
        self.employee(id, status, &data, row)
    }

    /// Writes an employee whose data is pairs of a field's name, as JSON, and a value.
    pub fn write_named(&mut self, id: &str, status: &str, named: &[(&str, &str)], row: u64) -> Result<(), InputError> {
        let mut data = Vec::new();
        named.iter().try_for_each(|(name, value)| add(&mut data, name, value))?;
        self.employee(id, status, &data, row)
    }

    fn employee(&mut self, id: &str, status: &str, data: &[u8], row: u64) -> Result<(), InputError> {
        self.places.note_row(self.written, row);
        let comma = if self.written > 0 { ",\n" } else { "" };
        write!(self.out, "{comma}{{\"id\":{},\"status\":{},\"data\":[", json!(trimmed(id)), json!(status))?;
        self.out.write_all(data)?;
        self.out.write_all(b"]}")?;
        self.written += 1;
        (self.tell)(self.written);
        Ok(())
    }

    /// Ends the body, and returns where its employees are in the file.
    pub fn end(self) -> Result<Places, InputError> {
        self.out.write_all(b"]}")?;
        Ok(self.places)
    }
}

/// Returns the positions of the columns that have a name. The error names two columns with the same name.
fn unambiguous<'n>(names: &[&'n str]) -> Result<HashMap<&'n str, usize>, String> {
    let mut positions = HashMap::new();
    for (position, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if let Some(other) = positions.insert(*name, position) {
            let (other, column) = (letters(other), letters(position));
            return Err(format!(
                "columns {other} and {column} are both called {name:?}; rename one, or map it with --map"
            ));
        }
    }
    Ok(positions)
}

fn without_id(names: &[&str], is_of_several: bool) -> String {
    let otherwise = if is_of_several {
        "if other sheets hold the employees, push one with --sheet NAME"
    } else {
        "if this is a CSV of LMS Collaborator's, add --columns collaborator"
    };
    let alike = names.iter().find(|name| name.eq_ignore_ascii_case("id")).unwrap_or(&"HEADING");
    let listed = listed(names);
    format!(
        "no column is called id; name the one that holds the ids with --map '{alike}=id', or {otherwise}; the file has {listed}"
    )
}

fn listed(names: &[&str]) -> String {
    format!("{}{}", names[..names.len().min(HEADINGS_LISTED_MAX)].join(", "), and_more(names.len()))
}

/// Returns how many of `count` headings a message does not list, as in ` and 3 more`.
fn and_more(count: usize) -> String {
    match count.saturating_sub(HEADINGS_LISTED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    }
}

/// Adds a row of data. The name is JSON already.
fn add(data: &mut Vec<u8>, name: &str, value: &str) -> Result<(), InputError> {
    let comma = if data.is_empty() { "" } else { "," };
    write!(data, "{comma}{{\"name\":{name},\"value\":")?;
    serde_json::to_writer(&mut *data, value).map_err(std::io::Error::from)?;
    data.push(b'}');
    Ok(())
}
