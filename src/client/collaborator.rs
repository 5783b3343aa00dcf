//! LMS Collaborator's CSV becomes a StartExam body; what its columns are in the profile, the server tells.

use super::InputError;
use super::rows::{Columns, Employees, Places};
use crate::dialect::collaborator::{Csv, csv_text};
use crate::roster::Status;
use std::io::{BufRead, Write};

/// Whether a file that begins so is one: it has a column uid, and none that is called id.
pub fn is_one(start: &[u8]) -> bool {
    let first_line = start.split(|&b| b == b'\n').next().unwrap_or_default();
    let first_line = first_line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first_line);
    let is = |name: &[u8]| first_line.split(|&b| b == b';').any(|cell| cell.trim_ascii().eq_ignore_ascii_case(name));
    is(b"uid") && !is(b"id")
}

/// Writes the users of `input`, which fits into memory, to `out` as a body. `tell` hears of each.
pub fn convert(
    mut input: impl BufRead,
    columns: &Columns,
    out: &mut impl Write,
    tell: impl FnMut(u64),
) -> Result<Places, InputError> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    let text = csv_text(bytes).map_err(InputError::Wrong)?;
    let fields = (columns.collaborator)().map_err(|error| InputError::Server(Box::new(error)))?;
    let field = |column: &str| {
        let found = fields.iter().find(|(wire, _)| wire.eq_ignore_ascii_case(column));
        found.map(|(_, name)| columns.map.get(name).unwrap_or(name).as_str())
    };
    let mut employees = Employees::new(out, &columns.profile, tell)?;
    for (row, user) in Csv::new(text).map_err(InputError::Wrong)? {
        if let Some(fault) = user.faults.first() {
            return Err(InputError::Wrong(format!("row {row}: {}", fault.message)));
        }
        let data: Vec<(&str, &str)> = user
            .data
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(column, value)| Some((field(column)?, value.as_str())))
            .collect();
        let status = user.status.unwrap_or(Status::Active).as_str();
        employees.write_named(user.id.as_deref().unwrap_or_default(), status, &data, row)?;
    }
    employees.end()
}
