//! An Excel workbook.

use super::Error;
use rust_xlsxwriter::{Format, Worksheet};
use std::io::{Seek, Write};
use std::path::Path;

/// The most rows of a sheet in Excel, including the headings.
pub const ROWS_MAX: u32 = 1_048_576;

/// The most characters of a cell.
const CELL_CHARS_MAX: usize = 32_767;

/// A workbook that is being written. The rows so far are kept in a temporary file. A text in a cell is a text and never a formula,
/// whatever it begins with.
pub struct Workbook {
    inner: rust_xlsxwriter::Workbook,
    /// What its sheets are called; the second and later ones have a number behind it.
    sheet: &'static str,
    headings: Vec<String>,
    rows_max: u32,
    row: u32,
}

impl Workbook {
    /// Begins a workbook, whose temporary files are made in `dir`. After `rows_max` rows, headings included, another sheet begins.
    pub fn new(sheet: &'static str, headings: Vec<String>, dir: &Path, rows_max: u32) -> Result<Workbook, Error> {
        let mut inner = rust_xlsxwriter::Workbook::new();
        inner.set_tempdir(dir)?;
        let mut workbook = Workbook { inner, sheet, headings, rows_max, row: 0 };
        workbook.begin_sheet()?;
        Ok(workbook)
    }

    fn begin_sheet(&mut self) -> Result<(), Error> {
        let number = self.inner.worksheets().len() + 1;
        let sheet = self.inner.add_worksheet_with_constant_memory()?;
        sheet.set_name(if number == 1 { self.sheet.into() } else { format!("{} {number}", self.sheet) })?;
        sheet.set_freeze_panes(1, 0)?;
        let bold = Format::new().set_bold();
        for (column, heading) in (0..).zip(&self.headings) {
            sheet.write_string_with_format(0, column, as_cell(heading), &bold)?;
        }
        self.row = 1;
        Ok(())
    }

    /// Writes a row.
    pub fn write(&mut self, values: &[&str]) -> Result<(), Error> {
        if self.row == self.rows_max {
            self.begin_sheet()?;
        }
        let last = self.inner.worksheets().len() - 1;
        let sheet: &mut Worksheet = self.inner.worksheet_from_index(last)?;
        for (column, value) in (0..).zip(values) {
            if !value.is_empty() {
                sheet.write_string(self.row, column, as_cell(value))?;
            }
        }
        self.row += 1;
        Ok(())
    }

    /// Writes the workbook.
    pub fn save(mut self, out: &mut (impl Write + Seek + Send)) -> Result<(), Error> {
        Ok(self.inner.save_to_writer(out)?)
    }
}

/// Returns a value as a cell can hold it. An image, for example, is too long for a cell.
fn as_cell(value: &str) -> String {
    // There are at most as many units of UTF-16 as bytes, so most values need no counting.
    if value.len() > CELL_CHARS_MAX && value.chars().map(char::len_utf16).sum::<usize>() > CELL_CHARS_MAX {
        return format!("({} characters, more than a cell holds)", value.chars().count());
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::{DataType as _, Reader as _, Xlsx};
    use std::io::Cursor;

    #[test]
    fn what_one_sheet_does_not_hold_goes_on_in_another() {
        let headings = ["id", "status", "Note"].map(str::to_owned).to_vec();
        let mut workbook = Workbook::new("Employees", headings, &std::env::temp_dir(), 3).unwrap();
        for number in 0..5 {
            workbook.write(&[&number.to_string(), "active", if number == 4 { "=1+1" } else { "x" }]).unwrap();
        }
        workbook.write(&["5", "hidden", &"x".repeat(32_768)]).unwrap();
        let mut out = Cursor::new(Vec::new());
        workbook.save(&mut out).unwrap();
        let mut read = Xlsx::new(out).unwrap();
        let sheets = read.sheet_names();
        assert_eq!(sheets, ["Employees", "Employees 2", "Employees 3"]);
        let rows: Vec<Vec<String>> = sheets
            .iter()
            .flat_map(|sheet| {
                let range = read.worksheet_range(sheet).unwrap();
                range.rows().map(|row| row.iter().map(|cell| cell.as_string().unwrap()).collect()).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(rows.len(), 9);
        assert_eq!((&rows[0], &rows[3]), (&rows[6], &rows[6]));
        assert_eq!(rows[7], ["4", "active", "=1+1"]);
        assert_eq!(rows[8], ["5", "hidden", "(32768 characters, more than a cell holds)"]);
        for sheet in &sheets {
            assert!(read.worksheet_formula(sheet).unwrap().is_empty());
        }
    }
}
