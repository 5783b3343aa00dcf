//! LMS Collaborator's CSV becomes a StartExam body; the server tells what its columns are in the profile.

use super::places::Places;
use super::rows::{Columns, Employees};
use super::{InputError, ProfileField};
use crate::dialect::collaborator::csv::{Csv, known_header, text};
use crate::roster::{Patch, Status};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, Write};

/// Whether a file that begins so is read as one: its header is known to be one of Collaborator's, and no column is called `id`, as
/// one must be in any other CSV.
pub fn is_one(start: &[u8], columns: &Columns) -> bool {
    let is_id = |heading: &String| columns.map.get(heading).unwrap_or(heading) == "id";
    known_header(start).is_some_and(|header| !header.iter().any(is_id))
}

/// Writes the users of `input`, which fits into memory, to `out` as a body. `tell` is called with the number of users so far. Returns
/// also what to say of the way that the columns were understood.
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
    let fields: HashMap<String, String> = fields.into_iter().filter_map(by_wire_name).collect();
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
    let ignored = match ignored.is_empty() {
        true => String::new(),
        false => format!("; the profile has no field for {}", ignored.into_iter().collect::<Vec<_>>().join(", ")),
    };
    Ok((employees.end()?, format!("read as LMS Collaborator's CSV, its columns known by {known_by}{ignored}")))
}

fn by_wire_name(field: ProfileField) -> Option<(String, String)> {
    Some((field.collaborator?.to_ascii_lowercase(), field.name))
}

fn fault(user: &Patch) -> Option<String> {
    let fault = user.faults.first()?;
    Some(match fault.field.as_str() {
        "" => fault.message.clone(),
        field => format!("{field}: {}", fault.message),
    })
}
