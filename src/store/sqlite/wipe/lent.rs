//! What others have of somebody who was merged into them and taken out again: the versions that they got while the two were one employee.

use super::{Draft, Error, Ids, Planned, Who};
use crate::roster::{Data, merged_into};
use rusqlite::params;
use std::collections::HashSet;
use std::ops::Range;

/// The versions of an employee that revisions of a span made.
const OF_SPAN: &str = "
    WITH RECURSIVE of_employee (revision) AS (
        SELECT revision FROM latest WHERE number = ?1
        UNION ALL
        SELECT previous FROM of_employee JOIN version ON place = revision << 32 | ?1 WHERE previous > 0
    )
    SELECT revision << 32 | ?1, data FROM of_employee JOIN version ON place = revision << 32 | ?1
    WHERE revision >= ?2 AND revision < ?3
    UNION ALL SELECT NULL, data FROM employee WHERE number = ?1 AND revision >= ?2 AND revision < ?3";

/// Versions of an employee that have data of somebody else.
pub struct Lent {
    /// The employee.
    pub number: u32,
    /// The revisions that made them. What the employee is now is not among them, since that is its own.
    made_by: Range<u64>,
    /// The revision at which the two were two again.
    parted: u64,
}

impl Lent {
    /// Whether it is nothing: the other has been nothing else since.
    pub fn is_empty(&self) -> bool {
        self.made_by.is_empty()
    }

    /// Whether a plan may have some of the data in a change of the employee.
    pub fn is_in(&self, planned: &Planned) -> bool {
        let has = |revision: &u64| self.made_by.contains(revision);
        has(&planned.revision) || planned.back_to.as_ref().is_some_and(has)
    }
}

impl Draft<'_> {
    /// Returns what others than `wiped` have of employees who are one person, also by way of others.
    pub(super) fn lent(&self, rows: &[u32], wiped: &HashSet<u32>) -> Result<Vec<Lent>, Error> {
        let mut current = self.prepared("SELECT revision FROM roster WHERE number = ?")?;
        let (mut lent, mut found) = (Vec::new(), HashSet::new());
        let mut owners: Vec<(u32, Range<u64>)> = rows.iter().map(|number| (*number, 0..u64::MAX)).collect();
        while let Some((owner, span)) = owners.pop() {
            for (number, merged) in self.merges(owner)? {
                let is_new =
                    !wiped.contains(&number) && span.contains(&merged.start) && found.insert((number, merged.start));
                if is_new {
                    let current: u64 = current.query_row([number], |row| row.get(0))?;
                    let made_by = merged.start..merged.end.min(current);
                    owners.push((number, merged.clone()));
                    lent.push(Lent { number, made_by, parted: merged.end });
                }
            }
        }
        Ok(lent)
    }

    /// Returns whom an employee was merged into, or is, each with the revisions of the merge and of its end.
    fn merges(&self, number: u32) -> Result<Vec<(u32, Range<u64>)>, Error> {
        let mut select = self.prepared(
            "SELECT revision, id FROM former_id WHERE number = ?1
             UNION ALL SELECT ?2, id FROM employee WHERE number = ?1 ORDER BY 1",
        )?;
        let mut ids = select.query(params![number, self.revision])?;
        // If the merge was trimmed, so was all that the other was before.
        let (mut since, mut merges) = (0, Vec::new());
        while let Some(row) = ids.next()? {
            let until: u64 = row.get(0)?;
            if let Some(into) = merged_into(row.get_ref(1)?.as_str().unwrap_or_default()) {
                merges.push((into, since..until));
            }
            since = until;
        }
        Ok(merges)
    }

    /// Returns the ids that others had while they were one with somebody who was merged into them.
    pub(super) fn ids_of_both(&self, lent: &[Lent]) -> Result<Ids, Error> {
        let mut select =
            self.prepared("SELECT id FROM former_id WHERE number = ? AND revision > ? AND revision <= ?")?;
        let mut ids = Ids::new();
        for Lent { number, made_by, parted } in lent {
            for id in select.query_map(params![number, made_by.start, parted], |row| row.get::<_, String>(0))? {
                let id = id?;
                ids.entry(id.to_ascii_lowercase().into()).or_default().push((*number, id));
            }
        }
        Ok(ids)
    }

    /// Takes the values from what somebody else has of an erased person, and notes which of `ids` are among them.
    pub(super) fn wipe_lent(&self, lent: &Lent, ids: [&Ids; 2], who: &mut Who) -> Result<(), Error> {
        let Lent { number, made_by: Range { start, end }, .. } = lent;
        let mut select = self.prepared(OF_SPAN)?;
        let mut versions = select.query(params![number, start, end])?;
        let mut places: Vec<Option<i64>> = Vec::new();
        while let Some(row) = versions.next()? {
            places.push(row.get(0)?);
            let data = Data::from_bytes(row.get_ref(1)?.as_blob().unwrap_or_default());
            for (_, value) in data.values() {
                ids.iter().for_each(|ids| who.note_value(value, ids));
            }
        }
        let mut empty = self.prepared("UPDATE version SET data = x'' WHERE place = ?")?;
        let mut empty_first = self.prepared("UPDATE employee SET data = x'' WHERE number = ?")?;
        for place in &places {
            match place {
                Some(place) => empty.execute([place])?,
                None => empty_first.execute([number])?,
            };
        }
        if !places.is_empty() {
            self.prepared("INSERT OR REPLACE INTO emptied VALUES (?, ?, ?, ?)")?.execute(params![
                number,
                start,
                end,
                self.revision
            ])?;
        }
        Ok(())
    }
}
