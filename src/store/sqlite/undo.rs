//! What an undo asks of an account's file: whom syncs have changed, and what these were before.

use super::{Draft, Error, Undoable, Undone, VersionAt, at};
use rusqlite::params;
use uuid::Uuid;

impl Draft<'_> {
    pub(in crate::store) fn undoable(&mut self, Undone { from, to }: Undone) -> Result<Undoable, Error> {
        let counted =
            "SELECT count(*), max(iif(dialect = 'restore', revision, NULL)) FROM sync WHERE revision BETWEEN ? AND ?";
        let (kept, restored): (u64, Option<u64>) =
            self.prepared(counted)?.query_row([from, to], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let of_profiles = "SELECT DISTINCT profile.id FROM sync JOIN profile ON profile.number = sync.profile
            WHERE revision BETWEEN ? AND ? AND (created + updated + activated + hidden > 0 OR kind IN ('rename', 'undo'))";
        let mut select = self.prepared(of_profiles)?;
        let profiles = select.query_map([from, to], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        let profiles = profiles.iter().map(|id| Uuid::parse_str(id).map_err(Error::damaged));
        // A restore leaves revisions out.
        let (start, _) = at::history_start(&self.inner)?;
        let is_kept = restored.is_some() || (from > start && kept == (to + 1).saturating_sub(from));
        Ok(Undoable { is_kept, restored, profiles: profiles.collect::<Result<_, _>>()? })
    }

    pub(in crate::store) fn changed_in(&mut self, Undone { from, to }: Undone) -> Result<Vec<u32>, Error> {
        // Who was created has a row that says so.
        let changed = "SELECT place & 0xffffffff AS number FROM version WHERE place >= ?1 << 32 AND place < (?2 + 1) << 32
            UNION SELECT number FROM employee
                WHERE number BETWEEN (SELECT min(first_created) FROM sync WHERE revision BETWEEN ?1 AND ?2)
                    AND (SELECT max(first_created + coalesce(rows_created, created)) FROM sync WHERE revision BETWEEN ?1 AND ?2)
                    AND revision BETWEEN ?1 AND ?2
            ORDER BY number";
        let mut select = self.prepared(changed)?;
        Ok(select.query_map(params![from, to], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn read_at(
        &mut self,
        numbers: &[u32],
        revision: u64,
    ) -> Result<Vec<Option<VersionAt>>, Error> {
        let revision = revision.min(self.revision());
        numbers.iter().map(|number| at::then(&self.inner, revision, *number, &mut 0)).collect()
    }
}
