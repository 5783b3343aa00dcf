//! LMS Collaborator's CSV becomes a StartExam body. The profile, which the server is asked for, says what its columns mean.

use super::places::{Places, letters};
use super::rows::{Columns, Employees};
use super::{InputError, ProfileField};
use crate::dialect::collaborator::csv::{Csv, known_header, text};
use crate::dialect::collaborator::headings::KnownBy;
use crate::dialect::collaborator::is_known;
use crate::roster::{Intent, Status};
use crate::spelling::nearest;
use serde_json::json;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{BufRead, Write};

/// The most fields that a message lists.
const FIELDS_LISTED_MAX: usize = 40;

/// Returns whether a file that begins with `start` is one of Collaborator's: its header is one that Collaborator is known to write, and
/// has no column `id`, which any other CSV must have.
pub fn is_one(start: &[u8], columns: &Columns) -> bool {
    let is_id = |heading: &String| columns.map.get(heading).unwrap_or(heading) == "id";
    known_header(start).is_some_and(|header| !header.iter().any(is_id))
}

/// Writes the users of `input`, all of which is read into memory, to `out` as a body. `tell` is called with the number of users so far.
/// Returns where they are in the file, and what to tell the user about how the columns were understood.
pub fn convert(
    mut input: impl BufRead,
    columns: &Columns,
    out: &mut impl Write,
    tell: impl FnMut(u64),
) -> Result<(Places, String), InputError> {
    if !columns.map.is_empty() {
        let message = "the columns of LMS Collaborator's CSV are what the profile's wire names say; leave out --map";
        return Err(InputError::Wrong(message.into()));
    }
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    let csv = text(bytes).and_then(|text| Csv::new(text, columns.columns_max)).map_err(InputError::Wrong)?;
    let known_by = csv.known_by().as_str();
    let fields = (columns.fields)().map_err(|error| InputError::Server(Box::new(error)))?;
    if !columns.empty_missing {
        check_no_field_is_lost(&csv, &fields).map_err(InputError::Wrong)?;
    }
    let fields: HashMap<String, String> = fields.into_iter().filter_map(by_wire_name).collect();
    if csv.known_by() == KnownBy::Name {
        check_all_known(&csv, &fields).map_err(InputError::Wrong)?;
    }
    // A row may be shorter than the header. One that reaches the last column of a field has all of them.
    let last = csv.columns().iter().rfind(|column| fields.contains_key(&column.to_ascii_lowercase())).cloned();
    let last = last.filter(|_| !columns.empty_missing);
    let mut employees = Employees::new(out, columns, tell)?;
    employees.begin(None);
    for (position, column) in csv.columns().iter().enumerate().filter(|(_, column)| !column.is_empty()) {
        let name = column.to_ascii_lowercase();
        let field = match name.as_str() {
            "uid" => "id",
            "status" | "is_active" => "status",
            name => fields.get(name).map_or(name, String::as_str),
        };
        employees.places().note_column(position, column, field);
    }
    let json: HashMap<&str, String> =
        fields.iter().map(|(wire, name)| (wire.as_str(), json!(name).to_string())).collect();
    let mut ignored = BTreeSet::new();
    let mut faulty: Option<(String, u64)> = None;
    for (row, user) in csv {
        if let Some(message) = fault(&user) {
            let (_, more) = faulty.get_or_insert_with(|| (format!("row {row}: {message}"), 0));
            *more += 1;
            continue;
        }
        if let Some(last) = last.as_ref().filter(|last| user.data.iter().all(|(name, _)| name != *last)) {
            return Err(InputError::Wrong(format!(
                "row {row}: it ends before the column {last}, and the fields that it has no cells for would be emptied; give it \
                 all cells, import the file at the server's users-import/csv, or push with --empty-missing"
            )));
        }
        let mut data: Vec<(&str, &str)> = Vec::new();
        for (column, value) in user.data.iter().filter(|(_, value)| !value.is_empty()) {
            match json.get(column.to_ascii_lowercase().as_str()) {
                Some(name) => data.push((name, value)),
                None => drop(ignored.insert(column.clone())),
            }
        }
        let status = user.status.unwrap_or(Status::Active).as_str();
        employees.write_named(user.id.as_deref().unwrap_or_default(), status, &data, row)?;
    }
    if let Some((message, rows)) = faulty {
        let more = if rows > 1 { format!("; and {} more rows", rows - 1) } else { String::new() };
        return Err(InputError::Wrong(format!("{message}{more}")));
    }
    let ignored = if ignored.is_empty() {
        String::new()
    } else {
        format!("; the profile has no field for {}", ignored.into_iter().collect::<Vec<_>>().join(", "))
    };
    Ok((employees.end()?, format!("read as LMS Collaborator's CSV, its columns known by {known_by}{ignored}")))
}

/// Checks that the file has a column for every field of the profile. A push carries all data of an employee, so the others would be
/// emptied; an import at Collaborator's own endpoint keeps what is stored. The error lists the fields.
fn check_no_field_is_lost(csv: &Csv, fields: &[ProfileField]) -> Result<(), String> {
    let columns: HashSet<String> = csv.columns().iter().map(|column| column.to_ascii_lowercase()).collect();
    let has_column = |wire: &String| columns.contains(&wire.to_ascii_lowercase());
    let missing = fields.iter().filter(|field| !field.collaborator.as_ref().is_some_and(has_column));
    let missing: Vec<&str> = missing.map(|field| field.name.as_str()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let more = missing.len().saturating_sub(FIELDS_LISTED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(format!(
        "this is LMS Collaborator's CSV, and a push of it would empty the fields that it has no column for: {}{more}. To keep them, \
         import the file at the server's users-import/csv; to empty them, push with --empty-missing",
        missing[..missing.len().min(FIELDS_LISTED_MAX)].join(", ")
    ))
}

/// Checks that the profile or Collaborator knows every heading. The error names one that neither knows.
fn check_all_known(csv: &Csv, fields: &HashMap<String, String>) -> Result<(), String> {
    let is_unknown =
        |column: &str| !column.is_empty() && !is_known(column) && !fields.contains_key(&column.to_ascii_lowercase());
    let Some((position, column)) = csv.columns().iter().enumerate().find(|(_, column)| is_unknown(column)) else {
        return Ok(());
    };
    let alike = nearest(column, fields.keys().map(String::as_str));
    let alike = alike.map(|name| format!(" (did you mean {name:?}?)")).unwrap_or_default();
    Err(format!(
        "the profile has no such field: column {} {column:?}{alike}; rename the column, or remove it",
        letters(position)
    ))
}

fn by_wire_name(field: ProfileField) -> Option<(String, String)> {
    Some((field.collaborator?.to_ascii_lowercase(), field.name))
}

fn fault(user: &Intent<'static>) -> Option<String> {
    let fault = user.faults.first()?;
    Some(match fault.field.as_str() {
        "" => fault.message.clone(),
        field => format!("{field}: {}", fault.message),
    })
}
