//! The employees that a lenient push was applied without, written in the form of the file that they came from, each with what is wrong with
//! it, to be corrected and pushed again.

use super::body::{Body, Form};
use super::places::NamedColumn;
use super::rows::REASON;
use super::send::AnswerRejected;
use crate::formula::guard;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The member of an employee that says what is wrong with it.
const REASON_MEMBER: &str = "rejectedBecause";

/// An employee of a body that was made of a table.
#[derive(Deserialize)]
struct Row {
    id: String,
    status: String,
    data: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    name: String,
    value: String,
}

/// Writes the rejected employees that the answer lists: those of a body as a body, those of a table as CSV. Returns how many it wrote. The
/// answer may list fewer than there are. Of LMS Collaborator's CSV they are written as a CSV with the names of the profile's fields.
pub fn write_rejects(body: &Body, rejected: &AnswerRejected, mut out: impl Write) -> io::Result<u64> {
    let reasons = reasons(rejected);
    let mut employees = BTreeMap::new();
    let mut profile = None;
    body.for_each(
        |name, value| {
            if name.eq_ignore_ascii_case("profileId") {
                profile = Some(value.to_owned());
            }
        },
        |index, element| {
            if reasons.contains_key(&index) {
                employees.insert(index, element.to_owned());
            }
        },
    )?;
    let employees: Vec<(&str, &str)> =
        employees.iter().map(|(index, element)| (element.get(), reasons[index].as_str())).collect();
    match body.form {
        Form::Json => write_body(profile.as_deref(), &employees, &mut out)?,
        // A spreadsheet takes a CSV for UTF-8 if it has a mark.
        Form::Workbook => write_table(body, Cells { delimiter: b',', is_marked: true }, &employees, &mut out)?,
        Form::Csv { delimiter, is_marked } => {
            write_table(body, Cells { delimiter, is_marked }, &employees, &mut out)?;
        }
        Form::Collaborator => write_fields(&employees, &mut out)?,
    }
    out.flush()?;
    Ok(employees.len() as u64)
}

/// Returns what is wrong with each employee, by its place in the push.
fn reasons(rejected: &AnswerRejected) -> BTreeMap<u64, String> {
    let mut reasons: BTreeMap<u64, String> = BTreeMap::new();
    for error in &rejected.errors {
        // Of two employees with the same id neither was applied.
        let other = error.other_index.filter(|_| error.rule == "twice");
        for index in error.index.into_iter().chain(other) {
            let reason = reasons.entry(index).or_default();
            let separator = if reason.is_empty() { "" } else { "; " };
            reason.push_str(&format!("{separator}{}: {} [{}]", error.field, error.message, error.rule));
        }
    }
    reasons
}

fn write_body(profile: Option<&RawValue>, employees: &[(&str, &str)], out: &mut impl Write) -> io::Result<()> {
    let profile = profile.map_or("null", RawValue::get);
    write!(out, "{{\"profileId\":{profile},\"employees\":[")?;
    let mut comma = "";
    for (element, reason) in employees {
        let with_reason = match serde_json::from_str::<Map<String, Value>>(element) {
            Ok(mut employee) => {
                employee.insert(REASON_MEMBER.into(), (*reason).into());
                Value::Object(employee).to_string()
            }
            // It is no object, which is what is wrong with it.
            Err(_) => (*element).to_owned(),
        };
        write!(out, "{comma}\n{with_reason}")?;
        comma = ",";
    }
    writeln!(out, "\n]}}")
}

/// How the cells of a CSV are written.
#[derive(Clone, Copy)]
struct Cells {
    delimiter: u8,
    is_marked: bool,
}

fn write_table(body: &Body, cells: Cells, employees: &[(&str, &str)], out: &mut impl Write) -> io::Result<()> {
    let columns = body.places.columns();
    let Cells { delimiter, is_marked } = cells;
    if is_marked {
        out.write_all(b"\xef\xbb\xbf")?;
    }
    if !matches!(delimiter, b'\t' | b';' | b',') {
        writeln!(out, "sep={}", char::from(delimiter))?;
    }
    write_rows(&columns, delimiter, employees, out)
}

/// Writes the employees of LMS Collaborator's CSV with the names of the profile's fields: its own columns are known by their position, and
/// there is no place for one more.
fn write_fields(employees: &[(&str, &str)], out: &mut impl Write) -> io::Result<()> {
    let mut fields = vec!["id".to_owned(), "status".to_owned()];
    for (element, _) in employees {
        let row: Row = serde_json::from_str(element)?;
        for Cell { name, .. } in row.data {
            if !fields.contains(&name) {
                fields.push(name);
            }
        }
    }
    let columns: Vec<NamedColumn> = fields.iter().map(|field| NamedColumn { heading: field, field }).collect();
    write_rows(&columns, b',', employees, out)
}

fn write_rows(
    columns: &[NamedColumn],
    delimiter: u8,
    employees: &[(&str, &str)],
    out: &mut impl Write,
) -> io::Result<()> {
    let mut table = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out);
    table.write_record(columns.iter().map(|column| column.heading).chain([REASON]))?;
    for (element, reason) in employees {
        let row: Row = serde_json::from_str(element)?;
        let cell = |field: &str| match field {
            "id" => row.id.as_str(),
            "status" => row.status.as_str(),
            field => row.data.iter().find(|cell| cell.name == field).map_or("", |cell| cell.value.as_str()),
        };
        let cells = columns.iter().map(|column| guard(cell(column.field)));
        table.write_record(cells.chain([guard(reason)]).map(Cow::into_owned))?;
    }
    table.flush()
}
