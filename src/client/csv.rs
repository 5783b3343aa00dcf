//! A CSV (RFC 4180) becomes a StartExam body, row by row.
//!
//! It has a parser of its own because the csv crate accepts what is not well-formed: with it a quote that never closes makes one cell
//! of the rest of the file, and text behind a closing quote becomes part of the cell. Either would silently change people.

use super::InputError;
use super::places::{Places, letters};
use super::rows::{Columns, Employees, trimmed};
use crate::formula::unguard;
use std::io::{self, BufRead, Read, Write};

/// Writes the rows of `input`, whose first bytes are `start`, to `out` as a body. `tell` is called with the number of rows so far.
/// Returns where the employees are in the file.
pub fn convert(
    mut input: impl BufRead,
    start: &[u8],
    columns: &Columns,
    out: &mut impl Write,
    tell: impl FnMut(u64),
) -> Result<Places, InputError> {
    let (passed_over, delimiter) = beginning(start);
    io::copy(&mut input.by_ref().take(passed_over as u64), &mut io::sink())?;
    let mut rows = Rows { input, columns, delimiter, row: 0, is_after_return: false, record: Record::default() };
    let mut employees = Employees::new(out, columns, tell)?;
    employees.begin(None);
    let mut count = None;
    while rows.read()? {
        let (row, cells) = (rows.row, rows.cells()?);
        if cells.iter().all(|cell| trimmed(cell).is_empty()) {
            continue;
        }
        let Some(count) = count else {
            let headings: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
            employees.headings(&headings, row)?;
            count = Some(headings.len());
            continue;
        };
        if cells.len() > count && cells[count..].iter().any(|cell| !trimmed(cell).is_empty()) {
            return Err(InputError::Wrong(format!(
                "row {row}: it has {} cells, the headings have {count}; a separator that is part of a value seems to stand without \
                 quotes: put quotes around the cell",
                cells.len()
            )));
        }
        if cells.len() < count {
            return Err(InputError::Wrong(format!(
                "row {row}: it has {} cells, the headings have {count}; if this is the last row, the file was cut off; \
                 else a separator or the end of a quote is missing here",
                cells.len()
            )));
        }
        employees.write(&cells[..count], row)?;
    }
    match count {
        Some(_) => employees.end(),
        None => Err(InputError::Wrong("the file has no rows; the first must hold the headings".into())),
    }
}

/// Returns how many bytes precede the headings, and the separator of the cells: the one that a spreadsheet's line `sep=;` names, else
/// [`delimiter`]'s.
pub fn beginning(start: &[u8]) -> (usize, u8) {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let length = text.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(text.len());
    let line = &text[..length];
    let unquoted = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] = *unquoted {
        let ends = if text[length..].starts_with(b"\r\n") { 2 } else { text[length..].len().min(1) };
        return (start.len() - text.len() + length + ends, delimiter);
    }
    (start.len() - text.len(), delimiter(text))
}

/// Returns the separator that is most frequent, outside of quotes, in the first line that is not blank. Spreadsheets of some countries
/// write a semicolon instead of a comma.
fn delimiter(text: &[u8]) -> u8 {
    let mut lines = text.split(|byte| matches!(byte, b'\r' | b'\n'));
    let line = lines.find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let unquoted = || line.split(|&byte| byte == b'"').step_by(2).flatten();
    let count = |delimiter: u8| unquoted().filter(|&&byte| byte == delimiter).count();
    [b'\t', b';', b','].into_iter().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',')
}

/// The rows of a CSV, one at a time.
struct Rows<'c, R> {
    input: R,
    columns: &'c Columns,
    delimiter: u8,
    /// The number of the row that was read last, as a spreadsheet counts: a blank line is a row, a line break within a cell is not.
    row: u64,
    /// Whether a line feed that comes next belongs to the carriage return before it.
    is_after_return: bool,
    record: Record,
}

/// The cells of a row, as far as it was read.
#[derive(Default)]
struct Record {
    bytes: Vec<u8>,
    /// Where each cell ends.
    ends: Vec<usize>,
    at: At,
}

/// Where in a row the next byte is.
#[derive(Default, Clone, Copy, PartialEq)]
enum At {
    /// At the beginning of a cell.
    #[default]
    Start,
    /// In a cell without quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote within quotes: it closes the cell, or is the first of two that mean one.
    Quote,
    /// In blanks behind a closing quote.
    Behind,
}

impl<R: BufRead> Rows<'_, R> {
    /// Reads the next row. Returns `false` at the end of the file.
    fn read(&mut self) -> Result<bool, InputError> {
        self.record.bytes.clear();
        self.record.ends.clear();
        self.record.at = At::Start;
        self.row += 1;
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return self.end();
            }
            let mut used = 0;
            let mut outcome = Ok(false);
            for &byte in buffer {
                used += 1;
                if std::mem::take(&mut self.is_after_return) && byte == b'\n' {
                    continue;
                }
                self.is_after_return = byte == b'\r' && self.record.at != At::Quoted;
                outcome = self.record.take(byte, self.delimiter);
                if !matches!(outcome, Ok(false)) {
                    break;
                }
            }
            self.input.consume(used);
            let ended = outcome.map_err(|message| self.wrong(message))?;
            let columns = self.record.ends.len() + usize::from(!ended);
            let Columns { columns_max, row_bytes_max, .. } = self.columns;
            if columns > *columns_max {
                return Err(self.over(format!("more than {columns_max} columns (limit columns_max)")));
            }
            if self.record.bytes.len() > *row_bytes_max {
                return Err(self.over(format!("more than {row_bytes_max} bytes (limit employee_bytes_max)")));
            }
            if ended {
                return Ok(true);
            }
        }
    }

    /// Ends the last row of the file.
    fn end(&mut self) -> Result<bool, InputError> {
        match self.record.at {
            At::Quoted => {
                Err(self.wrong("a quote opens here and never closes; close it, or double it if it is part of the text"))
            }
            At::Start if self.record.ends.is_empty() => Ok(false),
            _ => {
                self.record.close();
                Ok(true)
            }
        }
    }

    fn wrong(&self, message: &str) -> InputError {
        let column = letters(self.record.ends.len());
        InputError::Wrong(format!("row {}, column {column}: {message}", self.row))
    }

    fn over(&self, what: String) -> InputError {
        let quote = match self.record.at {
            At::Quoted => {
                format!("; the quote that opens in column {} may never close", letters(self.record.ends.len()))
            }
            _ => String::new(),
        };
        InputError::Wrong(format!("row {}: it has {what}{quote}", self.row))
    }

    /// Returns the cells of the row that was read last.
    fn cells(&self) -> Result<Vec<&str>, InputError> {
        let starts = std::iter::once(0).chain(self.record.ends.iter().copied());
        let cells = starts.zip(&self.record.ends).enumerate().map(|(position, (start, end))| {
            let cell = std::str::from_utf8(&self.record.bytes[start..*end]).map_err(|_| {
                let (row, column) = (self.row, letters(position));
                InputError::Wrong(format!("row {row}, column {column}: the cell is not UTF-8; save the file as UTF-8"))
            })?;
            Ok(unguard(cell))
        });
        cells.collect()
    }
}

impl Record {
    /// Takes the next byte of the row, and returns whether the row ends with it. The error says what is wrong with the cell.
    fn take(&mut self, byte: u8, delimiter: u8) -> Result<bool, &'static str> {
        match (self.at, byte) {
            (At::Quoted, b'"') => self.at = At::Quote,
            (At::Quoted, _) => self.bytes.push(byte),
            (_, byte) if byte == delimiter => self.close(),
            (_, b'\r' | b'\n') => {
                self.close();
                return Ok(true);
            }
            (At::Start, b'"') => self.at = At::Quoted,
            (At::Start | At::Plain, _) => {
                self.at = At::Plain;
                self.bytes.push(byte);
            }
            (At::Quote, b'"') => {
                self.at = At::Quoted;
                self.bytes.push(byte);
            }
            (At::Quote | At::Behind, b' ' | b'\t') => self.at = At::Behind,
            (At::Quote | At::Behind, _) => {
                return Err(
                    "there is text behind the quote that closes the cell; double the quotes that are part of the text",
                );
            }
        }
        Ok(false)
    }

    /// Ends a cell.
    fn close(&mut self) {
        self.ends.push(self.bytes.len());
        self.at = At::Start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ProfileField;
    use proptest::prelude::*;

    fn columns(map: &[(&str, &str)], fields: &'static [&str]) -> Columns {
        let field = |name: &&str| ProfileField { name: (*name).to_owned(), collaborator: None };
        Columns {
            profile: "P".into(),
            map: map.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            collaborator: false,
            empty_missing: false,
            sheet: None,
            columns_max: 100,
            row_bytes_max: 1_000,
            fields: Box::new(move || Ok(fields.iter().map(field).collect())),
        }
    }

    fn converted(csv: &[u8], columns: &Columns) -> Result<String, String> {
        let mut out = Vec::new();
        // Small pieces, so that each state meets the end of a piece.
        let input = io::BufReader::with_capacity(3, csv);
        convert(input, csv, columns, &mut out, |_| {}).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn rows_become_employees() {
        let csv = "\u{feff}Emp No;status;\u{a0}Name ;\n\u{a0}1 ;hidden;\"A \"\"B\"\"\nC\" ;\n\n;;\" \";\n2;active;;;\n3; active;d;\n";
        let body = converted(csv.as_bytes(), &columns(&[("Emp No", "id")], &["Name"])).unwrap();
        assert_eq!(
            body,
            "{\"profileId\":\"P\",\"employees\":[{\"id\":\"1\",\"status\":\"hidden\",\"data\":[{\"name\":\"Name\",\
             \"value\":\"A \\\"B\\\"\\nC\"}]},\n{\"id\":\"2\",\"status\":\"active\",\"data\":[]},\n\
             {\"id\":\"3\",\"status\":\"active\",\"data\":[{\"name\":\"Name\",\"value\":\"d\"}]}]}"
        );
        for csv in [
            "sep=|\r\nid|a,b,c\r\n1|x;y,z\r\n",
            "\u{feff}\"sep=\t\"\nid\ta,b,c\n1\tx;y,z",
            "\n\"id\";\"a,b,c\"\n1;\"x;y,z\"\n",
        ] {
            let body = converted(csv.as_bytes(), &columns(&[], &["a,b,c"])).unwrap();
            assert!(
                body.ends_with(r#"[{"id":"1","status":"active","data":[{"name":"a,b,c","value":"x;y,z"}]}]}"#),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_row_and_column() {
        let long = format!("id,name\n1,\"{}", "x,".repeat(1_000));
        for (csv, map, expected) in [
            ("no,name\n1,a\n", vec![], "row 1: no column is called id"),
            ("\nid,name,name\n", vec![], "row 2: columns B and C are both called \"name\""),
            ("id,name\n", vec![("Emp", "id2")], "row 1: --map names a column \"Emp\""),
            ("id,name\n1,a\n2\n", vec![], "row 3: it has 1 cells, the headings have 2"),
            ("id,name\n1,a,\n2,a,x\n", vec![], "row 3: it has 3 cells, the headings have 2"),
            ("id,,name\n1,,a\n2,x,a\n", vec![], "row 3: column B has a value here and no heading"),
            ("id,name\n1,\"a\n2,b\n", vec![], "row 2, column B: a quote opens here and never closes"),
            (
                "id,name\n1,\"a\"b\n2,b\n",
                vec![],
                "row 2, column B: there is text behind the quote that closes the cell",
            ),
            ("id,name\n1,\"a\"\"\n2,b\n", vec![], "row 2, column B: a quote opens here and never closes"),
            (",\n\n", vec![], "the file has no rows"),
            (&",".repeat(100), vec![], "row 1: it has more than 100 columns (limit columns_max)"),
            (
                &long,
                vec![],
                "row 2: it has more than 1000 bytes (limit employee_bytes_max); the quote that opens in column B",
            ),
            (
                "id,Name,shoe\n1,a,b\n",
                vec![],
                "no such field: column B \"Name\" (did you mean \"name\"?), column C \"shoe\"; rename",
            ),
        ] {
            let error = converted(csv.as_bytes(), &columns(&map, &["name"])).unwrap_err();
            assert!(error.contains(expected), "{csv}: {error}");
        }
        let error = converted(b"id,name\n1,\xff\n", &columns(&[], &["name"])).unwrap_err();
        assert!(error.contains("row 2, column B: the cell is not UTF-8"), "{error}");
    }

    proptest! {
        /// Whatever the csv crate writes is read as it was.
        #[test]
        fn what_is_well_formed_is_read_as_it_was_written(
            table in prop::collection::vec(prop::collection::vec("[a\",;\n\r ]{0,4}", 3), 1..5),
            returns in any::<bool>()
        ) {
            let terminator = if returns { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
            table.iter().for_each(|row| writer.write_record(row).unwrap());
            let csv = writer.into_inner().unwrap();
            let input = io::BufReader::with_capacity(3, &csv[..]);
            let columns = columns(&[], &[]);
            let record = Record::default();
            let mut rows = Rows { input, columns: &columns, delimiter: b',', row: 0, is_after_return: false, record };
            let mut read = Vec::new();
            while rows.read().unwrap() {
                read.push(rows.cells().unwrap().iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
            }
            prop_assert_eq!(read, table.iter().map(|row| row.iter().map(|cell| unguard(cell).to_owned()).collect()).collect::<Vec<Vec<_>>>());
        }
    }
}
