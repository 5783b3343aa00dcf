//! Who is missing from lists that hide the absent.

use super::{Draft, Error};
use crate::roster::Missing;
use rusqlite::{OptionalExtension as _, params};

impl Draft<'_> {
    pub(in crate::store) fn any_missing(&self) -> bool {
        self.any_missing
    }

    pub(in crate::store) fn missing(&mut self) -> Result<Vec<Missing>, Error> {
        let mut select = self.prepared("SELECT number, pushes FROM missing WHERE is_hidden = 0 ORDER BY number")?;
        let missing =
            select.query_map([], |row| Ok(Missing { number: row.get(0)?, pushes: row.get(1)?, is_hidden: false }))?;
        Ok(missing.collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn hidden_by_absence(&mut self, numbers: &[u32]) -> Result<Vec<bool>, Error> {
        let mut select = self.prepared("SELECT is_hidden FROM missing WHERE number = ?")?;
        let is_hidden = |number: &u32| Ok(select.query_row([number], |row| row.get(0)).optional()?.unwrap_or(false));
        numbers.iter().map(is_hidden).collect()
    }

    pub(in crate::store) fn note_missing(&mut self, missing: &[Missing]) -> Result<(), Error> {
        self.any_missing |= !missing.is_empty();
        let mut note = self.prepared("INSERT OR REPLACE INTO missing VALUES (?, ?, ?)")?;
        let mut mark = self.prepared("UPDATE version SET absent = ?3 WHERE place = ?1 << 32 | ?2 AND status = 0")?;
        for Missing { number, pushes, is_hidden } in missing {
            note.execute(params![number, pushes, is_hidden])?;
            if *is_hidden {
                mark.execute(params![self.revision, number, pushes])?;
            }
        }
        Ok(())
    }

    pub(in crate::store) fn forget_missing(&mut self, numbers: &[u32]) -> Result<(), Error> {
        if !self.any_missing {
            return Ok(());
        }
        let mut forget = self.prepared("DELETE FROM missing WHERE number = ?")?;
        numbers.iter().try_for_each(|number| forget.execute([number]).map(drop))?;
        Ok(())
    }
}
