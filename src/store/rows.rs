//! The rows of a roster that is being written.

use super::Error;
use crate::roster::{Data, Employee, Status};
use rusqlite::{Connection, OptionalExtension as _, Row, Statement, params};

/// Statements on the rows of employees and unique values, prepared once for a push.
pub struct Rows<'t> {
    revision: u64,
    insert: Statement<'t>,
    update: Statement<'t>,
    read: Statement<'t>,
    id: Statement<'t>,
    insert_unique: Statement<'t>,
    delete_unique: Statement<'t>,
    holder: Statement<'t>,
}

impl<'t> Rows<'t> {
    pub(super) fn new(connection: &'t Connection, revision: u64) -> Result<Rows<'t>, Error> {
        Ok(Rows {
            revision,
            insert: connection.prepare("INSERT INTO employee VALUES (?, ?, ?, ?, ?, ?)")?,
            update: connection
                .prepare("UPDATE employee SET status = ?, profile = ?, data = ?, revision = ? WHERE number = ?")?,
            read: connection.prepare("SELECT id, status, profile, data FROM employee WHERE number = ?")?,
            id: connection.prepare("SELECT id FROM employee WHERE number = ?")?,
            insert_unique: connection.prepare("INSERT INTO unique_value VALUES (?, ?, ?)")?,
            delete_unique: connection
                .prepare("DELETE FROM unique_value WHERE field = ? AND hash = ? AND employee = ?")?,
            holder: connection.prepare("SELECT employee FROM unique_value WHERE field = ? AND hash = ? LIMIT 1")?,
        })
    }

    /// Adds an employee under a number that is free.
    pub fn insert(&mut self, number: u32, employee: &Employee) -> Result<(), Error> {
        let Employee { id, status, profile, data } = employee;
        self.insert.execute(params![number, id, *status as u8, profile, data.as_bytes(), self.revision])?;
        Ok(())
    }

    /// Gives the employee with this number another status, profile and data.
    pub fn update(&mut self, number: u32, employee: &Employee) -> Result<(), Error> {
        let Employee { id: _, status, profile, data } = employee;
        self.update.execute(params![*status as u8, profile, data.as_bytes(), self.revision, number])?;
        Ok(())
    }

    /// The employee with this number.
    pub fn read(&mut self, number: u32) -> Result<Employee, Error> {
        Ok(self.read.query_row([number], |row| employee(row, 0))?)
    }

    /// The id of the employee with this number.
    pub fn id(&mut self, number: u32) -> Result<String, Error> {
        Ok(self.id.query_row([number], |row| row.get(0))?)
    }

    /// Says that an employee holds a unique value.
    pub fn insert_unique(&mut self, field: u32, hash: u128, number: u32) -> Result<(), Error> {
        self.insert_unique.execute(params![field, hash.to_be_bytes(), number])?;
        Ok(())
    }

    /// Says that an employee holds a unique value no longer.
    pub fn delete_unique(&mut self, field: u32, hash: u128, number: u32) -> Result<(), Error> {
        self.delete_unique.execute(params![field, hash.to_be_bytes(), number])?;
        Ok(())
    }

    /// An employee that holds a unique value.
    pub fn holder(&mut self, field: u32, hash: u128) -> Result<Option<u32>, Error> {
        Ok(self.holder.query_row(params![field, hash.to_be_bytes()], |row| row.get(0)).optional()?)
    }
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
