//! The rows of employees.

use super::Error;
use crate::roster::{Data, Employee, Status};
use rusqlite::{Connection, Row};

/// Calls `each` with every employee and its number, in the order of the numbers, until it fails.
pub(super) fn for_each(
    connection: &Connection,
    mut each: impl FnMut(u32, Employee) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut select = connection.prepare("SELECT number, id, status, profile, data FROM roster ORDER BY number")?;
    let mut employees = select.query([])?;
    while let Some(row) = employees.next()? {
        each(row.get(0)?, employee(row, 1)?)?;
    }
    Ok(())
}

/// As [`employee`]; fails if the row is not as it was stored.
pub(super) fn whole_employee(row: &Row, column: usize) -> Result<Employee, Error> {
    let employee = employee(row, column)?;
    let status: u8 = row.get(column + 1)?;
    if status > Status::Active as u8 || !employee.data.is_whole() {
        return Err(Error::damaged("the row of an employee is not as it was stored"));
    }
    Ok(employee)
}

/// Reads an employee from the columns id, status, profile and data, the first of which is `column`.
pub(super) fn employee(row: &Row, column: usize) -> Result<Employee, rusqlite::Error> {
    let status: u8 = row.get(column + 1)?;
    Ok(Employee {
        id: row.get(column)?,
        status: if status == Status::Active as u8 { Status::Active } else { Status::Hidden },
        profile: row.get(column + 2)?,
        data: Data::from_bytes(row.get(column + 3)?),
    })
}
