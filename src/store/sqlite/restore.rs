//! The revision of a roster that was taken back from a backup.

use super::{Error, tally};
use rusqlite::{Connection, params};

/// What stands in the place of a dialect in the record of a restore.
pub const RESTORE: &str = "restore";

/// Sets a revision that neither had in the copy that is going to replace the roster `there`. Whoever knows one of the two by a
/// revision and asks what changed since gets everybody, see [`super::Snapshot`]. Nobody may write to `there`.
pub(super) fn give_revision(copy: &Connection, there: &Connection) -> Result<(), Error> {
    let last = "SELECT coalesce(max(revision), 0), coalesce(max(finished_at), '') FROM sync";
    let last = |of: &Connection| of.query_row(last, [], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)));
    let copied = last(copy)?;
    // What is damaged cannot say, and a new file has no table.
    let lost = last(there).unwrap_or_default();
    if (copied.0, lost.0) == (0, 0) {
        return Ok(());
    }
    let revision = copied.0.max(lost.0) + 1;
    let transaction = copy.unchecked_transaction()?;
    let (employees, _) = tally::stored(&transaction)?;
    transaction.execute(
        "INSERT INTO sync (revision, profile, employees, created, updated, activated, hidden, unchanged, duration_ms,
             dialect, finished_at, finished_us, stamp)
         VALUES (?, 0, ?, 0, 0, 0, 0, 0, 0, ?, max(strftime('%Y-%m-%dT%H:%M:%SZ'), ?, ?),
             CAST(1e6 * unixepoch('subsec') AS INTEGER), randomblob(16))",
        params![revision, employees, RESTORE, copied.1, lost.1],
    )?;
    transaction.execute("UPDATE index_state SET revision = ? WHERE revision = ?", [revision, copied.0])?;
    Ok(transaction.commit()?)
}
