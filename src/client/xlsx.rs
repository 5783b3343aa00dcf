//! An Excel workbook becomes a StartExam body: every sheet that has anything, its first row the headings.

use super::InputError;
use super::rows::{Columns, Employees, Places};
use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx};
use std::fs::File;
use std::io::{BufReader, Write};

/// The most columns that are read: a sheet has room for more, but nobody has so many fields.
const COLUMNS_MAX: u32 = 2_000;

/// Writes the rows of a workbook to `out` as a body. `tell` hears of each row.
pub fn convert(
    file: File,
    columns: &Columns,
    out: &mut impl Write,
    tell: impl FnMut(u64),
) -> Result<Places, InputError> {
    let mut workbook = Xlsx::new(BufReader::new(file))?;
    let mut employees = Employees::new(out, &columns.profile, tell)?;
    let sheets = workbook.sheet_names();
    let several = sheets.len() > 1;
    let mut any = false;
    for sheet in sheets {
        let of_sheet = if several { format!("sheet {sheet:?}, row 1") } else { "row 1".to_owned() };
        if several {
            employees.sheet(&sheet);
        }
        let mut cells = workbook.worksheet_cells_reader(&sheet)?;
        let mut row: Vec<String> = Vec::new();
        let mut number = None;
        let mut has_headings = false;
        loop {
            let cell = cells.next_cell()?;
            let position = cell.as_ref().map(|cell| cell.get_position());
            // A row is whole when a cell of another comes, or none.
            if let Some(number) = number.filter(|number| position.is_none_or(|(other, _)| other != *number))
                && row.iter().any(|cell| !cell.trim().is_empty())
            {
                if has_headings {
                    let values: Vec<&str> = row.iter().map(String::as_str).collect();
                    employees.write(&values, u64::from(number) + 1)?;
                } else {
                    employees.headings(&of_sheet, &row, columns)?;
                    (has_headings, any) = (true, true);
                }
            }
            let (Some(cell), Some((cell_row, column))) = (cell, position) else {
                break;
            };
            if number != Some(cell_row) {
                row.clear();
                number = Some(cell_row);
            }
            let place = || format!("row {}, column {}", cell_row + 1, column + 1);
            if column >= COLUMNS_MAX {
                return Err(InputError::Wrong(format!("{}: there are more than {COLUMNS_MAX} columns", place())));
            }
            row.resize(row.len().max(column as usize + 1), String::new());
            row[column as usize] = text(cell.get_value()).map_err(|what| {
                InputError::Wrong(format!("{}: the cell holds {what}; mend it in the workbook", place()))
            })?;
        }
    }
    match any {
        true => employees.end(),
        false => Err(InputError::Wrong("the workbook has no rows".into())),
    }
}

/// A cell as text. The error is what it holds that is none.
fn text(value: &DataRef) -> Result<String, String> {
    Ok(match value {
        DataRef::Empty => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(date) => date_text(date),
        DataRef::Error(error) => return Err(format!("an error, {error}")),
    })
}

fn date_text(date: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    match (date.is_duration(), (hour, minute, second)) {
        (true, _) => date.as_f64().to_string(),
        (false, (0, 0, 0)) => format!("{year:04}-{month:02}-{day:02}"),
        (false, _) => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
    }
}
