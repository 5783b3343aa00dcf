//! An Excel workbook becomes a StartExam body: every visible sheet that is not empty, or the one that is named. The first row of each
//! sheet holds the headings.

use super::InputError;
use super::places::{Places, letters};
use super::rows::{Columns, Employees, trimmed};
use calamine::{DataRef, ExcelDateTime, Reader as _, SheetType, SheetVisible, Style, Xlsx, XlsxError};
use std::fs::File;
use std::io::{BufReader, Write};

/// How many digits of a number a spreadsheet keeps; the others become zeros.
const DIGITS_KEPT: i32 = 15;

type Workbook = Xlsx<BufReader<File>>;

/// Writes the rows of a workbook to `out` as a body. `tell` is called with the number of rows so far. Returns where the employees are in
/// the file, and what to tell the user about hidden sheets that were left out.
pub fn convert(
    file: File,
    columns: &Columns,
    out: &mut impl Write,
    tell: impl FnMut(u64),
) -> Result<(Places, Option<String>), InputError> {
    let mut workbook = Xlsx::new(BufReader::new(file))?;
    let mut employees = Employees::new(out, columns, tell)?;
    let sheets = workbook.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
    let mut sheets: Vec<String> = sheets.map(|sheet| sheet.name.clone()).collect();
    let several = sheets.len() > 1;
    if let Some(name) = &columns.sheet {
        if !sheets.contains(name) {
            let sheets = sheets.iter().map(|sheet| format!("{sheet:?}")).collect::<Vec<_>>().join(", ");
            return Err(InputError::Wrong(format!("the workbook has no sheet {name:?}; it has {sheets}")));
        }
        sheets.retain(|sheet| sheet == name);
    }
    let left_out = if columns.sheet.is_some() { None } else { hide(&workbook, &mut sheets) };
    let mut any = false;
    for name in sheets {
        let place = if several { format!("sheet {name:?}, ") } else { String::new() };
        employees.begin(several.then(|| name.clone()));
        let mut sheet = Sheet { place, row: Row::default(), has_headings: false, has_empty_cells: false };
        let read = sheet.read(&mut workbook, &name, columns, &mut employees);
        // A formula without a value looks like an empty cell, so it may be why the sheet could not be read.
        if sheet.has_empty_cells
            && let Some(cell) = uncalculated(&mut workbook, &name)?
        {
            return Err(InputError::Wrong(format!(
                "{}cell {cell}: it holds a formula whose value was not saved; open the workbook in a spreadsheet, and save it",
                sheet.place
            )));
        }
        read?;
        any |= sheet.has_headings;
    }
    if !any {
        let left_out = left_out.map(|left_out| format!("; {left_out}")).unwrap_or_default();
        let message = format!("the workbook has no rows; the first must hold the headings{left_out}");
        return Err(InputError::Wrong(message));
    }
    Ok((employees.end()?, left_out))
}

/// Removes the hidden sheets, and returns what to tell the user about them.
fn hide(workbook: &Workbook, sheets: &mut Vec<String>) -> Option<String> {
    let hidden = workbook.sheets_metadata().iter().filter(|sheet| sheet.visible != SheetVisible::Visible);
    let hidden: Vec<&String> = hidden.map(|sheet| &sheet.name).filter(|name| sheets.contains(name)).collect();
    sheets.retain(|sheet| !hidden.contains(&sheet));
    let listed = hidden.iter().map(|sheet| format!("{sheet:?}")).collect::<Vec<_>>().join(", ");
    (!hidden.is_empty()).then(|| format!("left out what is hidden: {listed}; push such a sheet with --sheet NAME"))
}

/// A sheet that is being read.
struct Sheet {
    /// How messages begin, if there are several sheets.
    place: String,
    row: Row,
    has_headings: bool,
    has_empty_cells: bool,
}

/// The cells of a row, as far as it was read.
#[derive(Default)]
struct Row {
    /// Counted from 0.
    number: u32,
    cells: Vec<String>,
    /// The columns whose cell could not be an id, and why.
    doubts: Vec<(usize, &'static str)>,
}

impl Sheet {
    fn read<W: Write, F: FnMut(u64)>(
        &mut self,
        workbook: &mut Workbook,
        name: &str,
        columns: &Columns,
        employees: &mut Employees<W, F>,
    ) -> Result<(), InputError> {
        let mut cells = workbook.worksheet_cells_reader(name)?;
        let codes: Vec<Option<Code>> = cells.styles().iter().map(Code::of).collect();
        while let Some((cell, style)) = cells.next_cell_with_style_id()? {
            let (row, column) = cell.get_position();
            let column = column as usize;
            // A cell of another row ends this one.
            if row != self.row.number {
                self.write(employees)?;
                self.row = Row { number: row, ..Row::default() };
            }
            if column >= columns.columns_max {
                let max = columns.columns_max;
                return Err(self.wrong(row, column, format!("there are more than {max} columns (limit columns_max)")));
            }
            let value = cell.get_value();
            self.has_empty_cells |= *value == DataRef::Empty;
            let code = codes.get(style).and_then(Option::as_ref);
            let text = text(value, code)
                .map_err(|what| self.wrong(row, column, format!("it holds {what}; correct it in the workbook")))?;
            self.row.doubts.extend(doubt(value).map(|doubt| (column, doubt)));
            self.row.cells.resize(self.row.cells.len().max(column + 1), String::new());
            self.row.cells[column] = text;
        }
        self.write(employees)
    }

    /// Writes the row that was read, unless it is empty.
    fn write<W: Write, F: FnMut(u64)>(&mut self, employees: &mut Employees<W, F>) -> Result<(), InputError> {
        let Row { number, cells, doubts } = &self.row;
        if cells.iter().all(|cell| trimmed(cell).is_empty()) {
            return Ok(());
        }
        if !self.has_headings {
            self.has_headings = true;
            return employees.headings(cells, u64::from(*number) + 1);
        }
        if let Some(id) = employees.id_column()
            && let Some((_, doubt)) = doubts.iter().find(|(column, _)| *column == id)
        {
            let message = format!("an id cannot be {doubt}; format the column as text, and write the ids as they are");
            return Err(self.wrong(*number, id, message));
        }
        let values: Vec<&str> = cells.iter().map(String::as_str).collect();
        employees.write(&values, u64::from(*number) + 1)
    }

    fn wrong(&self, row: u32, column: usize, message: String) -> InputError {
        InputError::Wrong(format!("{}cell {}{}: {message}", self.place, letters(column), row + 1))
    }
}

/// Returns the first cell with a formula that has no value.
fn uncalculated(workbook: &mut Workbook, sheet: &str) -> Result<Option<String>, XlsxError> {
    let mut cells = workbook.worksheet_cells_reader(sheet)?;
    while let Some(cell) = cells.next_cell_with_formula_metadata()? {
        if cell.formula.is_some() && cell.value == DataRef::Empty {
            return Ok(Some(format!("{}{}", letters(cell.pos.1 as usize), cell.pos.0 + 1)));
        }
    }
    Ok(None)
}

/// Returns why a value cannot be an id: there would be several ways to write it.
fn doubt(value: &DataRef) -> Option<&'static str> {
    match value {
        DataRef::Float(number) if number.fract() != 0.0 => Some("a number with a fraction"),
        DataRef::Float(number) if number.abs() >= 10f64.powi(DIGITS_KEPT) => {
            Some("a number of more than 15 digits, of which a spreadsheet keeps 15")
        }
        DataRef::DateTime(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) => Some("a date or a time"),
        DataRef::Bool(_) => Some("TRUE or FALSE"),
        _ => None,
    }
}

/// Returns a cell as text, a whole number as its code shows it. The error says what it holds that has no text.
fn text(value: &DataRef, code: Option<&Code>) -> Result<String, String> {
    Ok(match value {
        DataRef::Empty => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => match code.filter(|_| *number >= 0.0 && doubt(value).is_none()) {
            Some(code) => code.shown(&number.to_string()),
            None => number.to_string(),
        },
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

/// A number format that shows a number as a code: zeros, which digits fill from the right, and other characters between them, as in
/// `00000` or `000-00`. The code is what people see and write, so it is the value.
#[derive(Debug)]
struct Code(Vec<Option<char>>);

impl Code {
    /// Returns the code of a style, or `None` if it shows numbers as numbers.
    fn of(style: &Style) -> Option<Code> {
        let mut characters = Vec::new();
        let mut format = style.number_format.as_ref()?.format_code.chars();
        while let Some(character) = format.next() {
            match character {
                '0' => characters.push(None),
                '-' | ' ' | '(' | ')' => characters.push(Some(character)),
                '\\' => characters.push(Some(format.next()?)),
                '"' => characters.extend(format.by_ref().take_while(|character| *character != '"').map(Some)),
                // The formats of negative numbers and of texts.
                ';' => break,
                _ => return None,
            }
        }
        let zeros = characters.iter().filter(|character| character.is_none()).count();
        (zeros > 1).then_some(Code(characters))
    }

    /// Returns the number with these digits as the code shows it.
    fn shown(&self, digits: &str) -> String {
        let zeros = self.0.iter().filter(|character| character.is_none()).count();
        let padded = format!("{digits:0>zeros$}");
        let (beyond, mut places) = (&padded[..padded.len() - zeros], padded[padded.len() - zeros..].chars());
        let mut text = String::new();
        let mut is_first = true;
        for character in &self.0 {
            match character {
                Some(character) => text.push(*character),
                None => {
                    if std::mem::take(&mut is_first) {
                        text.push_str(beyond);
                    }
                    text.extend(places.next());
                }
            }
        }
        text
    }
}
