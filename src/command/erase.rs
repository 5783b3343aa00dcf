//! `rollcall erase`

use super::folder::{IfMissing, StoreFolder};
use super::{Failed, complain, out};
use crate::config::Config;
use crate::store::{Erased, Error, Sender};
use clap::Args;
use clap::builder::FalseyValueParser;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How long to wait for those who read or write.
pub const OVERWRITING_WAIT: Duration = Duration::from_secs(10);

/// Erase the personal data of an employee for good; a server may be running
///
/// The values go from the roster, the history, plans, the queue and the index, and their bytes are overwritten. The id, the status and the times of
/// changes stay. Neither an undo nor a backup that is restored brings the values back; a push that carries the employee again does.
#[derive(Args)]
pub struct Erase {
    /// The account
    account: i64,
    /// The employee's id in the corporate system
    id: String,
    /// Do not ask
    #[arg(long, env = "ROLLCALL_YES", value_parser = FalseyValueParser::new())]
    yes: bool,
    #[command(flatten)]
    store: StoreFolder,
}

impl Erase {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let Erase { account, id, yes, store } = self;
        let store = store.open(&config, IfMissing::Fail)?;
        let key = store.key(account)?.ok_or(Error::NoAccount(account))?;
        let person = store.history_reader(&key)?.person(id.trim())?.ok_or_else(|| {
            Failed::Refused(format!(
                "account {account} has no employee who has or had this id; ids are compared as they are"
            ))
        })?;
        if person.is_former && !person.employee.is_removed() {
            return Err(Failed::Refused(format!(
                "the employee who had this id is called {:?} now, and may be another person than you mean; erase by that id",
                person.id()
            )));
        }
        if !yes && !is_sure(account, person.id(), person.status())? {
            return Err(Failed::refused("nothing was erased"));
        }
        let mut roster = store.roster(&key)?;
        if person.employee.is_removed() && roster.begin()?.erased(&[person.number])?.iter().all(Option::is_some) {
            return Err(Failed::refused(
                "the personal data of this employee was erased already; `rollcall why` says when",
            ));
        }
        let erased = roster.begin()?.erase(&[person.number], Sender::default(), config.limits.index_bytes_max);
        let Erased { revision, .. } = erased.map_err(|error| error.of(account))?;
        out!("erased {:?} as revision {revision}", person.id())?;
        if !roster.scrub(Instant::now() + OVERWRITING_WAIT) {
            complain!(
                "rollcall: nobody can read the values any more, but the file of the account still has them: somebody reads the roster; they are \
                 overwritten by whoever reads last, by a server, or by the next command that opens the account"
            );
        }
        Ok(())
    }
}

/// Asks whether to go on.
fn is_sure(account: i64, id: &str, status: &str) -> Result<bool, Failed> {
    let who = format!("employee {id:?} of account {account}, who is {status}");
    if !std::io::stdin().is_terminal() {
        return Err(Failed::Usage(format!("to erase {who}, without being asked, add --yes")));
    }
    let question = "There is no way back. Type the employee's id:";
    write!(std::io::stderr(), "Erase the personal data of {who}? {question} ").map_err(Failed::refused)?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).map_err(Failed::refused)?;
    Ok(typed.trim() == id)
}
