//! Comma-separated values, none of which a spreadsheet runs as a formula.

use super::Error;
use crate::formula::guard;
use std::io::{self, Write};

/// A CSV that is being written.
pub struct Writer<W: Write> {
    inner: csv::Writer<W>,
}

impl<W: Write> Writer<W> {
    /// Begins a CSV in `out` with the headings.
    pub fn new<'h>(out: W, headings: impl Iterator<Item = &'h str>) -> Result<Writer<W>, Error> {
        let mut inner = csv::Writer::from_writer(out);
        inner.write_record(headings.map(|heading| guard(heading).into_owned())).map_err(io::Error::from)?;
        Ok(Writer { inner })
    }

    /// Writes a row.
    pub fn write(&mut self, values: &[&str]) -> Result<(), Error> {
        let cells = values.iter().map(|value| guard(value).into_owned());
        Ok(self.inner.write_record(cells).map_err(io::Error::from)?)
    }
}
