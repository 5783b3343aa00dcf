//! Making anew what is derived from the rows of an account.

use super::{Error, Key, Store, derived, log, roster::State, schema};
use rusqlite::{Connection, TransactionBehavior};

impl Store {
    /// Makes anew what is derived from the rows of an account: SQLite's indexes, the index of the roster, the unique values. The
    /// record of refused pushes is emptied if it is damaged. The rows of the other tables stay as they are. Waits a moment for a
    /// push that is under way; a server that runs notices.
    pub fn repair(&self, key: &Key) -> Result<(), Error> {
        let path = self.roster_path(key.account);
        let repaired = || {
            let mut connection = schema::open_roster(&path, false, self.seed())?;
            if is_sound(&connection, "")? {
                make_anew(&mut connection)?;
            } else {
                forget(&mut connection)?;
                // Takes back the pages that what was forgotten had, and those that nothing is in.
                connection.execute_batch("VACUUM")?;
                make_anew(&mut connection)?;
            }
            log::fold(&connection)
        };
        repaired().map_err(|error: Error| error.of(key.account))
    }
}

/// Whether SQLite finds nothing wrong with the database, or with one table and its indexes.
fn is_sound(connection: &Connection, table: &str) -> Result<bool, Error> {
    let argument = if table.is_empty() { "1" } else { table };
    let first = connection.query_row(&format!("PRAGMA integrity_check({argument})"), [], |row| row.get::<_, String>(0));
    match first.map_err(Error::from) {
        Err(Error::Damaged { .. }) => Ok(false),
        first => Ok(first? == "ok"),
    }
}

/// Makes SQLite's indexes, and the tables of what is derived, anew and the tables empty. What is there is not looked at: pages that
/// are damaged keep a table or an index from being emptied.
fn forget(connection: &mut Connection) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut tables = Vec::new();
    for table in derived::TABLES {
        if *table != derived::REFUSALS || !is_sound(&transaction, table)? {
            tables.push(format!("'{table}'"));
        }
    }
    // The indexes that a table has of itself go with it, or stay.
    let forgotten = format!("(type = 'index' AND sql IS NOT NULL) OR tbl_name IN ({})", tables.join(", "));
    let made: Vec<String> = transaction
        .prepare(&format!("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND ({forgotten}) ORDER BY type DESC"))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    transaction.execute_batch(&format!(
        "PRAGMA writable_schema = ON;
         DELETE FROM sqlite_schema WHERE {forgotten};
         PRAGMA writable_schema = RESET"
    ))?;
    made.iter().try_for_each(|sql| transaction.execute_batch(sql))?;
    Ok(transaction.commit()?)
}

fn make_anew(connection: &mut Connection) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch("REINDEX")?;
    derived::rebuild(&transaction, State::of(&transaction)?.seed)?;
    Ok(transaction.commit()?)
}
