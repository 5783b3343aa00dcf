//! The rows of a roster that is being written.

use super::Error;
use crate::roster::{Data, Employee, Status};
use rusqlite::{Connection, OptionalExtension as _, Row, Statement, ToSql, params, params_from_iter};

/// How many unique values one statement adds: adding them one by one takes twice the time.
const UNIQUES_AT_ONCE: usize = 32;

/// Statements on the rows of employees and unique values, prepared once for a push.
pub struct Rows<'t> {
    revision: u64,
    insert: Statement<'t>,
    update: Statement<'t>,
    update_data: Statement<'t>,
    read: Statement<'t>,
    id: Statement<'t>,
    find: Statement<'t>,
    rename: Statement<'t>,
    insert_unique: Statement<'t>,
    insert_uniques: Statement<'t>,
    delete_unique: Statement<'t>,
    holder: Statement<'t>,
    last_holder: Statement<'t>,
    /// Whether anybody may hold a unique value.
    any_held: bool,
}

impl<'t> Rows<'t> {
    pub(super) fn new(connection: &'t Connection, revision: u64) -> Result<Rows<'t>, Error> {
        Ok(Rows {
            revision,
            any_held: connection.query_row("SELECT EXISTS (SELECT 1 FROM unique_value)", [], |row| row.get(0))?,
            insert: connection.prepare("INSERT INTO employee VALUES (?, ?, ?, ?, ?, ?)")?,
            update: connection
                .prepare("UPDATE employee SET status = ?, profile = ?, data = ?, revision = ? WHERE number = ?")?,
            // What does not set the status need not look into the index of the hidden.
            update_data: connection
                .prepare("UPDATE employee SET profile = ?, data = ?, revision = ? WHERE number = ?")?,
            read: connection.prepare("SELECT id, status, profile, data FROM employee WHERE number = ?")?,
            id: connection.prepare("SELECT id FROM employee WHERE number = ?")?,
            find: connection.prepare("SELECT number, id, status, profile, data FROM employee WHERE id = ?")?,
            rename: connection.prepare("UPDATE employee SET id = ? WHERE number = ?")?,
            insert_unique: connection.prepare("INSERT INTO unique_value VALUES (?, ?, ?)")?,
            insert_uniques: connection.prepare(&format!(
                "INSERT INTO unique_value VALUES (?, ?, ?){}",
                ", (?, ?, ?)".repeat(UNIQUES_AT_ONCE - 1)
            ))?,
            delete_unique: connection
                .prepare("DELETE FROM unique_value WHERE field = ? AND hash = ? AND employee = ?")?,
            holder: connection.prepare("SELECT employee FROM unique_value WHERE field = ? AND hash = ? LIMIT 2")?,
            last_holder: connection.prepare(
                "SELECT number FROM unique_value JOIN employee ON number = employee WHERE field = ? AND hash = ?
                 ORDER BY revision DESC, number DESC LIMIT 1",
            )?,
        })
    }

    /// Adds an employee under a number that is free.
    pub fn insert(
        &mut self,
        number: u32,
        id: &str,
        status: Status,
        profile: u32,
        data: &Data<&[u8]>,
    ) -> Result<(), Error> {
        self.insert.execute(params![number, id, status as u8, profile, data.as_bytes(), self.revision])?;
        Ok(())
    }

    /// Sets the profile and the data of the employee with this number, and the status unless it stays.
    pub fn update(
        &mut self,
        number: u32,
        status: Option<Status>,
        profile: u32,
        data: &Data<&[u8]>,
    ) -> Result<(), Error> {
        let (data, revision) = (data.as_bytes(), self.revision);
        match status {
            Some(status) => self.update.execute(params![status as u8, profile, data, revision, number])?,
            None => self.update_data.execute(params![profile, data, revision, number])?,
        };
        Ok(())
    }

    /// The employee with this number.
    pub fn read(&mut self, number: u32) -> Result<Employee, Error> {
        Ok(self.read.query_row([number], |row| employee(row, 0))?)
    }

    /// The employee with this number, where there is one.
    pub fn read_any(&mut self, number: u32) -> Result<Option<Employee>, Error> {
        Ok(self.read.query_row([number], |row| employee(row, 0)).optional()?)
    }

    /// The number of the employee with this id, and the employee.
    pub fn find(&mut self, id: &str) -> Result<Option<(u32, Employee)>, Error> {
        Ok(self.find.query_row([id], |row| Ok((row.get(0)?, employee(row, 1)?))).optional()?)
    }

    /// Gives the employee with this number another id.
    pub fn rename(&mut self, number: u32, id: &str) -> Result<(), Error> {
        self.rename.execute(params![id, number])?;
        Ok(())
    }

    /// The id of the employee with this number.
    pub fn id(&mut self, number: u32) -> Result<String, Error> {
        Ok(self.id.query_row([number], |row| row.get(0))?)
    }

    /// Says which employees hold which unique values: field, hash, the employee's number.
    pub fn insert_uniques(&mut self, held: impl IntoIterator<Item = (u32, u128, u32)>) -> Result<(), Error> {
        self.any_held = true;
        let mut group: [_; UNIQUES_AT_ONCE] = Default::default();
        let mut filled = 0;
        for (field, hash, number) in held {
            group[filled] = (field, hash.to_be_bytes(), number);
            filled += 1;
            if filled == UNIQUES_AT_ONCE {
                let values = group.iter().flat_map(|(field, hash, number)| [field as &dyn ToSql, hash, number]);
                self.insert_uniques.execute(params_from_iter(values))?;
                filled = 0;
            }
        }
        for (field, hash, number) in &group[..filled] {
            self.insert_unique.execute(params![field, hash, number])?;
        }
        Ok(())
    }

    /// Says that an employee holds a unique value no longer.
    pub fn delete_unique(&mut self, field: u32, hash: u128, number: u32) -> Result<(), Error> {
        self.delete_unique.execute(params![field, hash.to_be_bytes(), number])?;
        Ok(())
    }

    /// An employee that held a unique value before the push, and has not lost it by [`Rows::delete_unique`].
    pub fn holder(&mut self, field: u32, hash: u128) -> Result<Option<u32>, Error> {
        if !self.any_held {
            return Ok(None);
        }
        Ok(self.holders(field, hash)?.first().copied())
    }

    /// Of the employees that hold a value the one that was changed last; the one that came last if several were changed together.
    pub fn last_holder(&mut self, field: u32, hash: u128) -> Result<Option<u32>, Error> {
        Ok(self.last_holder.query_row(params![field, hash.to_be_bytes()], |row| row.get(0)).optional()?)
    }

    /// Employees that hold a value, two of them at most.
    pub fn holders(&mut self, field: u32, hash: u128) -> Result<Vec<u32>, Error> {
        let holders = self.holder.query_map(params![field, hash.to_be_bytes()], |row| row.get(0))?;
        Ok(holders.collect::<Result<_, _>>()?)
    }
}

/// Calls `each` with every employee and its number, in the order of the numbers, until it fails.
pub(super) fn for_each(
    connection: &Connection,
    mut each: impl FnMut(u32, Employee) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut select = connection.prepare("SELECT number, id, status, profile, data FROM employee ORDER BY number")?;
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
