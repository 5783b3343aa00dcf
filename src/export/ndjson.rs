//! A line of JSON for each employee.

use super::Error;
use crate::dialect::startexam;
use crate::roster::{Employee, Names};
use std::io::{self, Write};

/// Writes an employee, images included, so that it can be pushed again.
pub fn write(out: &mut impl Write, employee: &Employee, names: &Names) -> Result<(), Error> {
    serde_json::to_writer(&mut *out, &startexam::shown(employee, names, |_| false, None)).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}
