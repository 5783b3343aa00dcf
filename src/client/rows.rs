//! Rows of a table become the employees of a body.

use super::{InputError, PushError};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;

/// What the columns of a table mean.
pub struct Columns {
    /// The profile to check the rows by.
    pub profile: String,
    /// Headings of the file that stand for others: heading → `id`, `status` or a field.
    pub map: BTreeMap<String, String>,
    /// Asks what the profile calls the fields of Collaborator's CSV.
    pub collaborator: Box<dyn Fn() -> Result<BTreeMap<String, String>, PushError>>,
}

/// Where the employees of a body stand in the file, whose headings are row 1.
#[derive(Debug, Default)]
pub struct Places {
    /// Where rows follow one another without a gap.
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    /// The first employee of it.
    index: u64,
    /// Its row.
    row: u64,
    /// The sheet, where there are several.
    sheet: Option<String>,
}

impl Places {
    /// Where the employee at this index of the push stands.
    pub fn place(&self, index: u64) -> String {
        let before = self.runs.partition_point(|run| run.index <= index);
        let Some(run) = before.checked_sub(1).map(|last| &self.runs[last]) else {
            return format!("employee {}", index + 1);
        };
        let sheet = run.sheet.as_ref().map(|sheet| format!("sheet {sheet:?}, ")).unwrap_or_default();
        format!("{sheet}row {}", run.row + (index - run.index))
    }
}

enum Heading {
    Id,
    Status,
    /// A field's name, as JSON.
    Field(String),
}

/// A body that is being written.
pub struct Employees<'o, W, F> {
    out: &'o mut W,
    tell: F,
    headings: Vec<Heading>,
    sheet: Option<String>,
    places: Places,
    written: u64,
    next_row: u64,
}

impl<'o, W: Write, F: FnMut(u64)> Employees<'o, W, F> {
    /// Begins a body. `tell` hears how many employees were written.
    pub fn new(out: &'o mut W, profile: &str, tell: F) -> Result<Self, InputError> {
        write!(out, "{{\"profileId\":{},\"employees\":[", json!(profile))?;
        let (headings, places) = (Vec::new(), Places::default());
        Ok(Employees { out, tell, headings, sheet: None, places, written: 0, next_row: 0 })
    }

    /// Says what the columns of the next rows are called; `place` is where that stands.
    pub fn headings(&mut self, place: &str, headings: &[String], columns: &Columns) -> Result<(), InputError> {
        let wrong = |message: String| Err(InputError::Wrong(format!("{place}: {message}")));
        let mut names: Vec<&str> = Vec::new();
        for heading in headings {
            let name = columns.map.get(heading).unwrap_or(heading);
            if names.contains(&name.as_str()) {
                return wrong(format!("two columns are called {name:?}; rename one, or map it with --map"));
            }
            names.push(name);
        }
        if let Some(missing) =
            columns.map.iter().find(|(_, name)| !names.contains(&name.as_str())).map(|(from, _)| from)
        {
            return wrong(format!("--map names a column {missing:?}, but the file has {}", names.join(", ")));
        }
        if !names.contains(&"id") {
            let alike = names.iter().find(|name| name.trim().eq_ignore_ascii_case("id")).unwrap_or(&"HEADING");
            let mend = format!("name the one that holds the ids with --map '{alike}=id'");
            return wrong(format!("no column is called id; {mend}; the file has {}", names.join(", ")));
        }
        let heading = |name: &&str| match *name {
            "id" => Heading::Id,
            "status" => Heading::Status,
            name => Heading::Field(json!(name).to_string()),
        };
        self.headings = names.iter().map(heading).collect();
        Ok(())
    }

    /// Says that the next rows are of another sheet.
    pub fn sheet(&mut self, name: &str) {
        self.sheet = Some(name.to_owned());
        self.next_row = 0;
    }

    /// Writes the employee of a row.
    pub fn write(&mut self, cells: &[&str], row: u64) -> Result<(), InputError> {
        let (mut id, mut status) = ("", "active");
        let mut data = Vec::new();
        for (heading, cell) in self.headings.iter().zip(cells) {
            match heading {
                Heading::Id => id = cell,
                Heading::Status => status = cell,
                Heading::Field(_) if cell.is_empty() => {}
                Heading::Field(name) => add(&mut data, name, cell)?,
            }
        }
        self.employee(id, status, &data, row)
    }

    /// Writes an employee by the names of its fields.
    pub fn write_named(&mut self, id: &str, status: &str, named: &[(&str, &str)], row: u64) -> Result<(), InputError> {
        let mut data = Vec::new();
        named.iter().try_for_each(|(name, value)| add(&mut data, &json!(name).to_string(), value))?;
        self.employee(id, status, &data, row)
    }

    fn employee(&mut self, id: &str, status: &str, data: &[u8], row: u64) -> Result<(), InputError> {
        if row != self.next_row {
            self.places.runs.push(Run { index: self.written, row, sheet: self.sheet.clone() });
        }
        self.next_row = row + 1;
        let comma = if self.written > 0 { ",\n" } else { "" };
        write!(self.out, "{comma}{{\"id\":{},\"status\":{},\"data\":[", json!(id), json!(status))?;
        self.out.write_all(data)?;
        self.out.write_all(b"]}")?;
        self.written += 1;
        (self.tell)(self.written);
        Ok(())
    }

    /// Ends the body, and gives where its employees stand in the file.
    pub fn end(self) -> Result<Places, InputError> {
        self.out.write_all(b"]}")?;
        Ok(self.places)
    }
}

/// Adds a row of data; the name is JSON already.
fn add(data: &mut Vec<u8>, name: &str, value: &str) -> Result<(), InputError> {
    let comma = if data.is_empty() { "" } else { "," };
    write!(data, "{comma}{{\"name\":{name},\"value\":")?;
    serde_json::to_writer(&mut *data, value).map_err(std::io::Error::from)?;
    data.push(b'}');
    Ok(())
}
