//! Who is due to be erased: hidden employees whose date is long enough ago.

use super::{Error, Reader, rows};
use crate::roster::{Employee, Status};
use jiff::civil::Date;
use uuid::Uuid;

/// How many hidden employees are looked at at a time.
const LOOKED_AT: usize = 10_000;

/// When hidden employees are due: the last day of a date field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The account's number of the profile.
    profile: u32,
    /// The account's number of the field.
    field: u32,
    /// Whose date is this day or before it.
    last: Date,
}

impl Due {
    /// Whether an employee is due. Somebody active never is.
    pub fn is(&self, employee: &Employee) -> bool {
        let date = || employee.data.lend().text(self.field)?.parse::<Date>().ok();
        (employee.status, employee.profile) == (Status::Hidden, self.profile)
            && date().is_some_and(|date| date <= self.last)
    }
}

impl Reader {
    /// Returns how to tell who of a profile is due, if the account has ever used the profile and the field.
    pub fn due(&self, profile: Uuid, field: &str, last: Date) -> Result<Option<Due>, Error> {
        let names = self.names()?;
        let profile = names.profiles.iter().find(|(_, id)| **id == profile).map(|(number, _)| *number);
        let field = names.fields.iter().find(|(_, name)| *name == field).map(|(number, _)| *number);
        Ok(profile.zip(field).map(|(profile, field)| Due { profile, field, last }))
    }

    /// Returns the numbers of those who are due among the next hidden employees with a number above `after`, and where to go on; `None` if all
    /// were looked at.
    pub fn all_due(&self, due: &Due, after: u32) -> Result<(Vec<u32>, Option<u32>), Error> {
        self.find_due(due, after).map_err(|error| error.of(self.account))
    }

    fn find_due(&self, due: &Due, after: u32) -> Result<(Vec<u32>, Option<u32>), Error> {
        let mut select = self.connection.prepare_cached(
            "SELECT number, id, status, profile, data FROM hidden CROSS JOIN roster USING (number)
             WHERE hidden.number > ? ORDER BY hidden.number LIMIT ?",
        )?;
        let mut employees = select.query(rusqlite::params![after, LOOKED_AT])?;
        let (mut numbers, mut looked_at, mut last) = (Vec::new(), 0, after);
        while let Some(row) = employees.next()? {
            last = row.get(0)?;
            looked_at += 1;
            numbers.extend(due.is(&rows::employee(row, 1)?).then_some(last));
        }
        Ok((numbers, (looked_at == LOOKED_AT).then_some(last)))
    }
}
