//! What waits, or is remembered, of employees beside the roster: queued records, and why pushes were applied without them.

use super::{Error, Reader, set_aside};
use crate::dialect::echospan;
use crate::rejection::Rejection;
use rusqlite::Connection;
use std::collections::HashSet;

/// Returns the records of the queue that are of employees with these ids, with their positions.
pub(super) fn queued(connection: &Connection, ids: &HashSet<String>) -> Result<Vec<(i64, Vec<u8>)>, Error> {
    let mut select = connection.prepare_cached("SELECT position, record FROM queue")?;
    let (mut rows, mut records) = (select.query([])?, Vec::new());
    while let Some(row) = rows.next()? {
        let record = row.get_ref(1)?.as_blob().unwrap_or_default();
        if echospan::queued(record).id.is_some_and(|id| ids.contains(&*id)) {
            records.push((row.get(0)?, record.to_vec()));
        }
    }
    Ok(records)
}

impl Reader {
    /// Returns the records of the queue that are of employees with these ids.
    pub fn queued(&self, ids: &HashSet<String>) -> Result<Vec<Vec<u8>>, Error> {
        let queued = queued(&self.connection, ids).map_err(|error| error.of(self.account))?;
        Ok(queued.into_iter().map(|(_, record)| record).collect())
    }

    /// Returns why pushes were applied without employees with these ids, as far as that is remembered.
    pub fn rejections(&self, ids: &HashSet<String>) -> Result<Vec<Rejection>, Error> {
        let find = || {
            let mut select = self
                .connection
                .prepare_cached("SELECT set_aside FROM retry WHERE set_aside IS NOT NULL ORDER BY number")?;
            let (mut rows, mut rejections) = (select.query([])?, Vec::new());
            while let Some(row) = rows.next()? {
                let remembered = set_aside::of_text(row.get_ref(0)?.as_str().unwrap_or_default()).unwrap_or_default();
                let of_them = |error: &Rejection| error.id.as_ref().is_some_and(|id| ids.contains(id));
                rejections.extend(remembered.errors.into_iter().filter(of_them));
            }
            Ok(rejections)
        };
        find().map_err(|error: Error| error.of(self.account))
    }
}
