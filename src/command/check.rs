//! `rollcall account check`

use super::{Failed, out};
use crate::store::{Checkup, Error, Store};
use clap::Args;
use clap::builder::FalseyValueParser;

/// Check the file of an account: the database, its rows, and what is derived from them; a server may be running
///
/// Exit codes: 0 if nothing is wrong or everything was repaired, 1 if something is wrong.
#[derive(Args)]
pub struct Check {
    /// The account
    id: i64,
    /// Rebuild what is derived from the rows: indexes and unique values; the rows stay as they are
    #[arg(long, env = "ROLLCALL_REPAIR", value_parser = FalseyValueParser::new())]
    repair: bool,
}

impl Check {
    pub fn run(self, store: &Store) -> Result<(), Failed> {
        let id = self.id;
        let key = store.key(id)?.ok_or(Error::NoAccount(id))?;
        let mut checkup = store.check(&key)?;
        print(id, &checkup)?;
        if checkup.rows_wrong > 0 {
            let unrepaired = if self.repair { "nothing was repaired, since " } else { "" };
            return Err(Failed::Refused(format!(
                "{unrepaired}rows of account {id} are damaged, and cannot be made anew; take it from a backup: \
                 `rollcall restore DIR {id} --replace`"
            )));
        }
        if checkup.derived_wrong == 0 {
            return Ok(());
        }
        if !self.repair {
            return Err(Failed::Refused(format!("`rollcall account check {id} --repair` makes anew what is wrong")));
        }
        let left = match store.repair(&key) {
            Ok(()) => {
                out!("account {id}: what is derived from the rows was made anew")?;
                checkup = store.check(&key)?;
                print(id, &checkup)?;
                if checkup.derived_wrong + checkup.rows_wrong == 0 {
                    return Ok(());
                }
                "what is listed last is left".to_owned()
            }
            Err(Error::Damaged { what, .. }) => format!("all is as it was ({what})"),
            Err(error) => return Err(error.into()),
        };
        Err(Failed::Refused(format!(
            "the repair of account {id} did not help: {left}; take it from a backup: `rollcall restore DIR {id} --replace`"
        )))
    }
}

fn print(id: i64, checkup: &Checkup) -> Result<(), Failed> {
    for problem in &checkup.problems {
        out!("account {id}: {problem}")?;
    }
    match checkup.derived_wrong + checkup.rows_wrong {
        0 if checkup.only_database => out!(
            "account {id}: {} employees, nothing is wrong with the database itself; the rows were not checked, since the file is \
             of an earlier version until the next push",
            checkup.employees
        ),
        0 => out!("account {id}: {} employees, nothing is wrong", checkup.employees),
        1 => out!("account {id}: 1 problem"),
        count => out!("account {id}: {count} problems"),
    }
}
