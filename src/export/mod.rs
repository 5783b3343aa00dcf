//! Exports: the whole roster in one file, for people to read or to be pushed again; and what a sync changed.

mod changes;
mod csv;
mod ndjson;
mod person;
mod xlsx;

pub use changes::write as write_changes;
pub use person::write_person;

use crate::roster::{Employee, Names};
use crate::store::{self, FeedCursor, Filter, Reader};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::path::Path;

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Comma-separated values (RFC 4180) in UTF-8, as `rollcall push` accepts them.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// A line of JSON for each employee, as `GET /v1/employees/{id}` shows it.
    Ndjson,
}

/// What was written.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// How many employees there are.
    pub employees: u64,
    /// The revision of the roster.
    pub revision: u64,
    /// The place in the feed of changes behind that revision; `None` if the file of the account has no feed yet.
    pub cursor: Option<FeedCursor>,
}

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It could not be written.
    #[error("the export could not be written: {0}; is the disk full?")]
    Write(#[from] io::Error),
    /// It could not be written as a workbook.
    #[error("the workbook could not be written: {0}; is the disk full?")]
    Xlsx(#[from] rust_xlsxwriter::XlsxError),
}

impl Form {
    /// Every form, by the ending of a file's name.
    pub const ENDINGS: [(&'static str, Form); 3] = [("csv", Form::Csv), ("xlsx", Form::Xlsx), ("ndjson", Form::Ndjson)];

    /// Returns the form of a file by the ending of its name.
    pub fn of(name: &str) -> Option<Form> {
        let (_, ending) = name.rsplit_once('.')?;
        Form::ENDINGS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, form)| form)
    }

    /// Returns the ending of such a file's name.
    pub fn ending(self) -> &'static str {
        Form::ENDINGS.into_iter().find(|(_, form)| *form == self).map_or("", |(ending, _)| ending)
    }
}

/// Writes the employees of a roster that the filter accepts to `file`, from its beginning, as they were at one moment. Temporary files are
/// made in `dir`.
pub fn write(roster: &Reader, filter: &Filter, form: Form, file: &mut File, dir: &Path) -> Result<Written, Error> {
    let snapshot = roster.snapshot()?;
    let revision = snapshot.revision_of(filter)?;
    let cursor = snapshot.cursor(revision)?;
    let names = snapshot.names()?;
    let mut count = 0;
    let mut out = BufWriter::with_capacity(1 << 17, file);
    match form {
        Form::Ndjson => snapshot.for_each(filter, |employee| {
            count += 1;
            ndjson::write(&mut out, &employee, &names)
        })?,
        Form::Csv => {
            let columns = Columns::used(&snapshot, filter, &names)?;
            let mut csv = csv::Writer::new(&mut out, columns.headings())?;
            snapshot.for_each(filter, |employee| {
                count += 1;
                csv.write(&columns.values(&employee))
            })?;
        }
        Form::Xlsx => {
            let columns = Columns::used(&snapshot, filter, &names)?;
            let mut workbook =
                xlsx::Workbook::new("Employees", columns.headings().map(str::to_owned).collect(), dir, xlsx::ROWS_MAX)?;
            snapshot.for_each(filter, |employee| {
                count += 1;
                workbook.write(&columns.values(&employee))
            })?;
            workbook.save(&mut out)?;
        }
    }
    out.flush()?;
    drop(out);
    Ok(Written { employees: count, revision, cursor })
}

/// Goes back to the beginning of a file that was written, and returns its length in bytes.
pub fn rewind(file: &mut File) -> io::Result<u64> {
    let length = file.stream_position()?;
    file.rewind()?;
    Ok(length)
}

/// The fields that somebody has a value in: their numbers and names, in the order in which the account came to have them.
pub struct Columns(Vec<(u32, String)>);

impl Columns {
    fn used(snapshot: &store::Snapshot, filter: &Filter, names: &Names) -> Result<Columns, Error> {
        let mut used = BTreeSet::new();
        snapshot.for_each(filter, |employee| {
            used.extend(employee.data.iter().map(|(number, _)| number));
            Ok::<_, Error>(())
        })?;
        let named = used.into_iter().filter_map(|number| Some((number, names.fields.get(&number)?.clone())));
        Ok(Columns(named.collect()))
    }

    /// Returns the headings of the columns: the id, the status, and the fields.
    fn headings(&self) -> impl Iterator<Item = &str> {
        ["id", "status"].into_iter().chain(self.0.iter().map(|(_, name)| name.as_str()))
    }

    /// Returns the values of an employee, one for each column.
    fn values<'e>(&self, employee: &'e Employee) -> Vec<&'e str> {
        let mut values = vec![""; self.0.len() + 2];
        (values[0], values[1]) = (&employee.id, employee.status.as_str());
        for (number, value) in employee.data.iter() {
            if let Ok(place) = self.0.binary_search_by_key(&number, |(number, _)| *number) {
                values[place + 2] = value;
            }
        }
        values
    }
}
