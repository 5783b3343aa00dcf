//! Versions of employees: what an employee becomes is appended, and what it was stays.

use super::{Draft, Error, STATUS_CHANGES_MAX};
use crate::roster::{Change, Status, Version};
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

/// How many versions of an employee are looked at to count how often its status changed.
const VERSIONS_LOOKED_AT_MAX: u32 = 100;

/// Removes an employee with all its versions.
const ERASE: &[&str] = &[
    "DELETE FROM version WHERE place IN (
         WITH RECURSIVE of_employee (revision) AS (
             SELECT revision FROM latest WHERE number = ?1
             UNION ALL
             SELECT previous FROM of_employee JOIN version ON place = revision << 32 | ?1 WHERE previous > 0
         )
         SELECT revision << 32 | ?1 FROM of_employee
     )",
    "DELETE FROM latest WHERE number = ?1",
    "DELETE FROM hidden WHERE number = ?1",
    "DELETE FROM former_id WHERE number = ?1",
    "DELETE FROM forgotten_id WHERE number = ?1",
    "DELETE FROM missing WHERE number = ?1",
    "DELETE FROM employee WHERE number = ?1",
];

impl Draft<'_> {
    pub(in crate::store) fn append(&mut self, changes: &[Change]) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        for change in changes.iter().filter(|change| change.is_renaming()) {
            if let (Some(before), Some(after)) = (change.before, change.after) {
                self.rename(change.number, before.id, after.id)?;
            }
        }
        let revision = self.revision;
        let mut create = self
            .prepared("INSERT INTO employee (number, id, status, profile, data, revision) VALUES (?, ?, ?, ?, ?, ?)")?;
        // Whoever changes twice in one revision has one version of it.
        let mut append = self.prepared(
            "INSERT INTO version (place, previous, status, profile, data) VALUES (?1 << 32 | ?2, coalesce((SELECT revision FROM latest WHERE number = ?2), 0), ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET status = ?3, profile = ?4, data = ?5, absent = NULL",
        )?;
        let mut point = self.prepared("INSERT OR REPLACE INTO latest VALUES (?, ?)")?;
        for Change { number, before, after } in changes {
            match (before, after) {
                (None, Some(Version { id, status, profile, data })) => {
                    create.execute(params![number, id, *status as u8, profile, data.as_bytes(), revision])?;
                    if *status == Status::Hidden {
                        self.set_status(*number, *status)?;
                    }
                }
                (Some(before), Some(after)) => {
                    append.execute(params![
                        revision,
                        number,
                        after.status as u8,
                        after.profile,
                        after.data.as_bytes()
                    ])?;
                    point.execute(params![number, revision])?;
                    if before.status != after.status {
                        self.set_status(*number, after.status)?;
                    }
                    if after.is_removed() {
                        self.not_missing(*number)?;
                    }
                }
                (_, None) => self.erase(*number)?,
            }
        }
        Ok(())
    }

    pub(in crate::store) fn revisions(&mut self, numbers: &[u32]) -> Result<Vec<Option<u64>>, Error> {
        let mut select = self.prepared("SELECT revision FROM roster WHERE number = ?")?;
        let revision = |number| select.query_row([number], |row| row.get(0)).optional();
        Ok(numbers.iter().map(revision).collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn status_changes(&mut self, numbers: &[u32], since: Timestamp) -> Result<Vec<u32>, Error> {
        let since = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        // A version of this draft comes before the committed ones.
        let mut latest = self.prepared(
            "SELECT iif(revision = ?2, (SELECT previous FROM version WHERE place = ?2 << 32 | ?1), revision)
             FROM latest WHERE number = ?1",
        )?;
        let mut turned = self.prepared(
            "SELECT previous, version.status <> coalesce(
                 (SELECT status FROM version AS former WHERE former.place = version.previous << 32 | ?2), employee.status),
                 (SELECT finished_at FROM sync WHERE revision = ?1) >= ?3
             FROM version CROSS JOIN employee ON number = ?2 WHERE place = ?1 << 32 | ?2",
        )?;
        let mut count = |number: &u32| -> Result<u32, Error> {
            let first: Option<u64> = latest.query_row(params![number, self.revision], |row| row.get(0)).optional()?;
            let (mut revision, mut changes) = (first.unwrap_or(0), 0);
            for _ in 0..VERSIONS_LOOKED_AT_MAX {
                let version = turned.query_row(params![revision, number, since], |row| {
                    Ok((row.get(0)?, row.get::<_, bool>(1)?, row.get::<_, Option<bool>>(2)?))
                });
                let Some((previous, has_turned, is_recent)) = version.optional()? else {
                    break;
                };
                if is_recent != Some(true) || changes == STATUS_CHANGES_MAX {
                    break;
                }
                changes += u32::from(has_turned);
                revision = previous;
            }
            Ok(changes)
        };
        numbers.iter().map(&mut count).collect()
    }

    pub(in crate::store) fn synced_at(&mut self, revisions: &[u64]) -> Result<Vec<Option<String>>, Error> {
        let mut select = self.prepared("SELECT finished_at FROM sync WHERE revision = ?")?;
        let finished_at = |revision| select.query_row([revision], |row| row.get(0)).optional();
        Ok(revisions.iter().map(finished_at).collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn revision(&self) -> u64 {
        self.revision - 1
    }

    pub(in crate::store) fn has_moved_since(&mut self, revision: u64, next: u32) -> Result<bool, Error> {
        let moved = "SELECT EXISTS (SELECT 1 FROM version WHERE place >= (?1 + 1) << 32)
            OR EXISTS (SELECT 1 FROM employee WHERE number >= ?2)";
        Ok(self.prepared(moved)?.query_row(params![revision, next], |row| row.get(0))?)
    }

    fn erase(&self, number: u32) -> Result<(), Error> {
        for sql in ERASE {
            self.prepared(sql)?.execute([number])?;
        }
        Ok(())
    }

    fn set_status(&self, number: u32, status: Status) -> Result<(), Error> {
        let mut set = self.prepared(match status {
            Status::Hidden => "INSERT OR IGNORE INTO hidden VALUES (?)",
            Status::Active => "DELETE FROM hidden WHERE number = ?",
        })?;
        set.execute([number])?;
        self.not_missing(number)
    }

    fn not_missing(&self, number: u32) -> Result<(), Error> {
        if self.any_missing {
            self.prepared("DELETE FROM missing WHERE number = ?")?.execute([number])?;
        }
        Ok(())
    }

    /// Gives an employee another id. Whoever has that id, and was not given it by this draft, gives it up and gets another later.
    fn rename(&mut self, number: u32, before: &str, after: &str) -> Result<(), Error> {
        self.note_former_id(number, before)?;
        let holder = self
            .prepared("SELECT number FROM employee WHERE id = ?")?
            .query_row([after], |row| row.get(0))
            .optional()?;
        if let Some(holder) = holder.filter(|holder| *holder != number && !self.renamed.contains(holder)) {
            self.note_former_id(holder, after)?;
            self.prepared("UPDATE employee SET id = char(0) || number WHERE number = ?")?.execute([holder])?;
            self.without_id.insert(holder);
        }
        self.prepared("UPDATE employee SET id = ? WHERE number = ?")?.execute(params![after, number])?;
        self.without_id.remove(&number);
        self.renamed.insert(number);
        Ok(())
    }

    /// Notes the id that an employee has before this revision.
    fn note_former_id(&self, number: u32, id: &str) -> Result<(), Error> {
        let mut note = self.prepared("INSERT OR IGNORE INTO former_id VALUES (?, ?, ?)")?;
        note.execute(params![number, self.revision, id])?;
        Ok(())
    }
}
