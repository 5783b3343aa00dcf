//! A CSV (RFC 4180) becomes a StartExam body, row by row.

use super::InputError;
use super::rows::{Columns, Employees, Places};
use crate::formula::unguard;
use ::csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};
use std::io::{BufRead, Read, Write};

/// Writes the rows of `input` to `out` as a body. `tell` hears of each row.
pub fn convert(
    mut input: impl BufRead,
    columns: &Columns,
    out: &mut impl Write,
    tell: impl FnMut(u64),
) -> Result<Places, InputError> {
    let delimiter = delimiter(input.fill_buf()?);
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(input);
    let headings = headings(reader.byte_headers()?)?;
    let mut employees = Employees::new(out, &columns.profile, tell)?;
    employees.headings("line 1", &headings, columns)?;
    let mut record = ByteRecord::new();
    let (mut row, mut line) = (2, reader.position().line());
    while read_row(&mut reader, &mut record, row)? {
        // What the reader has passed beside the row and the lines within its cells was blank.
        let passed = reader.position().line() - line;
        let own = 1 + record.iter().flatten().filter(|&&byte| byte == b'\n').count() as u64;
        row += passed.saturating_sub(own);
        let cell = |cell| std::str::from_utf8(cell).map(unguard);
        let cells: Result<Vec<&str>, _> = record.iter().map(cell).collect();
        let not_text = |_| InputError::Wrong(format!("row {row}: a cell is not UTF-8; save the file as UTF-8"));
        employees.write(&cells.map_err(not_text)?, row)?;
        line = reader.position().line();
        row += 1;
    }
    employees.end()
}

fn read_row(reader: &mut Reader<impl Read>, record: &mut ByteRecord, row: u64) -> Result<bool, InputError> {
    reader.read_byte_record(record).map_err(|error| match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => InputError::Wrong(format!(
            "row {row}: it has {len} cells, the headings have {expected_len}; if this is the last row, the file was cut off; \
             else a separator or the end of a quote is missing here"
        )),
        _ => error.into(),
    })
}

fn headings(record: &ByteRecord) -> Result<Vec<String>, InputError> {
    let text = |(place, heading): (usize, &[u8])| {
        let heading = if place == 0 { heading.strip_prefix(b"\xef\xbb\xbf").unwrap_or(heading) } else { heading };
        std::str::from_utf8(heading).map(|heading| unguard(heading).to_owned())
    };
    let headings: Result<Vec<String>, _> = record.iter().enumerate().map(text).collect();
    headings.map_err(|_| InputError::Wrong("line 1: the headings are not UTF-8; save the file as UTF-8".into()))
}

/// The separator that the first line has most of: a comma, or what spreadsheets of some countries write for it.
fn delimiter(start: &[u8]) -> u8 {
    let first_line = start.split(|&b| b == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| first_line.iter().filter(|&&b| b == delimiter).count();
    [b'\t', b';', b','].into_iter().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(csv: &str, map: &[(&str, &str)]) -> Result<String, String> {
        let map = map.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        let columns = Columns { profile: "P".into(), map, collaborator: Box::new(|| unreachable!()) };
        let mut out = Vec::new();
        convert(csv.as_bytes(), &columns, &mut out, |_| {}).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn rows_become_employees() {
        let csv = "\u{feff}Emp No;status;Name\n1;hidden;\"A \"\"B\"\"\nC\"\n\n2;active;\n3;active;d\n";
        let body = converted(csv, &[("Emp No", "id")]).unwrap();
        assert_eq!(
            body,
            "{\"profileId\":\"P\",\"employees\":[{\"id\":\"1\",\"status\":\"hidden\",\"data\":[{\"name\":\"Name\",\
             \"value\":\"A \\\"B\\\"\\nC\"}]},\n{\"id\":\"2\",\"status\":\"active\",\"data\":[]},\n\
             {\"id\":\"3\",\"status\":\"active\",\"data\":[{\"name\":\"Name\",\"value\":\"d\"}]}]}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (csv, map, expected) in [
            ("no,name\n1,a\n", vec![], "line 1: no column is called id"),
            ("id,name,name\n", vec![], "line 1: two columns are called \"name\""),
            ("id,name\n", vec![("Emp", "id2")], "line 1: --map names a column \"Emp\""),
            ("id,name\n1,a\n2\n", vec![], "row 3: it has 1 cells, the headings have 2"),
        ] {
            let error = converted(csv, &map).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
