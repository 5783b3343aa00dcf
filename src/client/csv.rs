//! A CSV (RFC 4180) becomes a StartExam body, row by row.

use super::InputError;
use ::csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};

/// What the columns of a CSV mean.
pub struct Columns {
    /// The profile to check the rows by.
    pub profile: String,
    /// Headings of the file that stand for others: heading → `id`, `status` or a field.
    pub map: BTreeMap<String, String>,
}

/// The rows of a CSV by its employees: the headings are row 1, the first employee is row 2, and each blank line is a row.
#[derive(Default)]
pub struct Rows {
    /// From which employee on how many blank lines were passed.
    blank: Vec<(u64, u64)>,
}

impl Rows {
    /// The row of the employee at this index of the push.
    pub fn row(&self, index: u64) -> u64 {
        let before = self.blank.partition_point(|(from, _)| *from <= index);
        index + 2 + before.checked_sub(1).map_or(0, |last| self.blank[last].1)
    }
}

/// Writes the rows of `input` to `out` as a body. `tell` hears of each row.
pub fn convert(
    mut input: impl BufRead,
    columns: &Columns,
    out: &mut impl Write,
    mut tell: impl FnMut(u64),
) -> Result<Rows, InputError> {
    let start = input.fill_buf()?;
    if start.is_empty() {
        return Err(InputError::Wrong("the file is empty".into()));
    }
    if start.starts_with(b"PK\x03\x04") {
        return Err(InputError::Wrong("this is an Excel workbook or a ZIP; save it as CSV in UTF-8".into()));
    }
    let delimiter = delimiter(start);
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(input);
    let headings = headings(reader.byte_headers()?, columns)?;
    write!(out, "{{\"profileId\":{},\"employees\":[", json!(columns.profile))?;
    let mut rows = Rows::default();
    let (mut read, mut blank) = (0, 0);
    let mut record = ByteRecord::new();
    let mut line = reader.position().line();
    while read_row(&mut reader, &mut record, read + 2 + blank)? {
        if read > 0 {
            out.write_all(b",\n")?;
        }
        write_row(out, &headings, &record, read + 2 + blank)?;
        // What the reader has passed beside the row and the lines within its cells was blank.
        let passed = reader.position().line() - line;
        let own = 1 + record.iter().flatten().filter(|&&byte| byte == b'\n').count() as u64;
        if passed > own {
            blank += passed - own;
            rows.blank.push((read, blank));
        }
        line = reader.position().line();
        read += 1;
        tell(read);
    }
    out.write_all(b"]}")?;
    Ok(rows)
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

enum Heading {
    Id,
    Status,
    /// A field's name, as JSON.
    Field(String),
}

fn headings(record: &ByteRecord, columns: &Columns) -> Result<Vec<Heading>, InputError> {
    let wrong = |message: String| Err(InputError::Wrong(message));
    let mut names = Vec::new();
    for (place, heading) in record.iter().enumerate() {
        let heading = if place == 0 { heading.strip_prefix(b"\xef\xbb\xbf").unwrap_or(heading) } else { heading };
        let Ok(heading) = std::str::from_utf8(heading) else {
            return wrong("line 1: the headings are not UTF-8; save the file as UTF-8".into());
        };
        let name = columns.map.get(heading).map_or(heading, String::as_str);
        if names.contains(&name) {
            return wrong(format!("line 1: two columns are called {name:?}; rename one, or map it with --map"));
        }
        names.push(name);
    }
    if let Some(missing) = columns.map.iter().find(|(_, name)| !names.contains(&name.as_str())).map(|(from, _)| from) {
        return wrong(format!("line 1: --map names a column {missing:?}, but the file has {}", names.join(", ")));
    }
    if !names.contains(&"id") {
        let alike = names.iter().find(|name| name.trim().eq_ignore_ascii_case("id")).unwrap_or(&"HEADING");
        let mend = format!("name the one that holds the ids with --map '{alike}=id'");
        return wrong(format!("line 1: no column is called id; {mend}; the file has {}", names.join(", ")));
    }
    let heading = |name: &&str| match *name {
        "id" => Heading::Id,
        "status" => Heading::Status,
        name => Heading::Field(json!(name).to_string()),
    };
    Ok(names.iter().map(heading).collect())
}

fn write_row(out: &mut impl Write, headings: &[Heading], record: &ByteRecord, row: u64) -> Result<(), InputError> {
    let (mut id, mut status) = ("", "active");
    let mut data = Vec::new();
    for (heading, cell) in headings.iter().zip(record) {
        let cell = std::str::from_utf8(cell)
            .map_err(|_| InputError::Wrong(format!("row {row}: a cell is not UTF-8; save the file as UTF-8")))?;
        match heading {
            Heading::Id => id = cell,
            Heading::Status => status = cell,
            Heading::Field(_) if cell.is_empty() => {}
            Heading::Field(name) => {
                let comma = if data.is_empty() { "" } else { "," };
                write!(data, "{comma}{{\"name\":{name},\"value\":")?;
                serde_json::to_writer(&mut data, cell).map_err(std::io::Error::from)?;
                data.push(b'}');
            }
        }
    }
    write!(out, "{{\"id\":{},\"status\":{},\"data\":[", json!(id), json!(status))?;
    out.write_all(&data)?;
    out.write_all(b"]}")?;
    Ok(())
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
        let columns = Columns { profile: "P".into(), map };
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
