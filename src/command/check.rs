//! `rollcall account check`

use super::{Failed, out};
use crate::store::{Checkup, Error, Store};
use clap::Args;
use clap::builder::FalseyValueParser;

/// Check the file of an account: the database, its rows, and what is derived from them; also beside a running server
///
/// Exit codes: 0 all is well (or was repaired), 1 something is wrong.
#[derive(Args)]
pub struct Check {
    /// The account
    id: i64,
    /// Make anew what is derived from the rows: indexes and unique values; the rows stay as they are
    #[arg(long, env = "ROLLCALL_REPAIR", value_parser = FalseyValueParser::new())]
    repair: bool,
}

impl Check {
    pub fn run(self, store: &Store) -> Result<(), Failed> {
        let id = self.id;
        let key = store.key(id)?.ok_or(Error::NoAccount(id))?;
        let mut checkup = store.check(&key)?;
        print(id, &checkup)?;
        let repairable = checkup.derived_wrong > 0 && checkup.rows_wrong == 0;
        if self.repair && repairable {
            store.repair(&key)?;
            out!("account {id}: what is derived from the rows was made anew")?;
            checkup = store.check(&key)?;
            print(id, &checkup)?;
        }
        match checkup.derived_wrong + checkup.rows_wrong {
            0 => Ok(()),
            _ if repairable && !self.repair => {
                Err(Failed::Refused(format!("`rollcall account check {id} --repair` makes anew what is wrong")))
            }
            _ => Err(Failed::Refused(format!(
                "rows of account {id} are damaged; take it from a backup: `rollcall restore DIR {id} --replace`"
            ))),
        }
    }
}

fn print(id: i64, checkup: &Checkup) -> Result<(), Failed> {
    for problem in &checkup.problems {
        out!("account {id}: {problem}")?;
    }
    match checkup.derived_wrong + checkup.rows_wrong {
        0 => out!("account {id}: {} employees, nothing is wrong", checkup.employees),
        1 => out!("account {id}: 1 problem"),
        count => out!("account {id}: {count} problems"),
    }
}
