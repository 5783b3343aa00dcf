//! Comma-separated values, none of which a spreadsheet runs as a formula.

use super::{Columns, Error};
use crate::formula::guard;
use crate::roster::Employee;
use std::io::{self, Write};

/// A CSV that is being written.
pub struct Writer<W: Write> {
    inner: csv::Writer<W>,
}

impl<W: Write> Writer<W> {
    /// Begins a CSV in `out` with the headings.
    pub fn new(out: W, columns: &Columns) -> Result<Writer<W>, Error> {
        let mut inner = csv::Writer::from_writer(out);
        inner.write_record(columns.headings().map(|heading| guard(heading).into_owned())).map_err(io::Error::from)?;
        Ok(Writer { inner })
    }

    /// Writes an employee.
    pub fn write(&mut self, employee: &Employee, columns: &Columns) -> Result<(), Error> {
        let values = columns.values(employee);
        let cells = values.into_iter().map(|value| guard(value).into_owned());
        Ok(self.inner.write_record(cells).map_err(io::Error::from)?)
    }
}
