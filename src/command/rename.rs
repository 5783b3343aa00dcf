//! `rollcall rename`

use super::changes;
use super::folder::{IfMissing, StoreFolder};
use super::output::{Decision, decide, is_at_terminal};
use super::plan::explained;
use super::serve::profiles_in_force;
use super::{Failed, complain, out, setting};
use crate::config::Config;
use crate::dialect::startexam::shown_change;
use crate::store::{Error, Key, Store};
use crate::sync::{Conditions, Failure, Receipt, Rename as Renaming, RenameFailure, Trace, check_rename, rename};
use clap::Args;
use clap::builder::FalseyValueParser;
use serde_json::json;
use std::path::PathBuf;

/// Give an employee another id; whoever has it already is the same person, and their histories become one; a server may be running
///
/// It shows what changes and asks. The employee who has the old id keeps the history and takes what is stored for the new id.
#[derive(Args)]
pub struct Rename {
    /// The account
    account: i64,
    /// The id that the employee has
    old: String,
    /// The id that the employee gets
    new: String,
    /// Two employees are one person, though nothing says so but you
    #[arg(long, env = "ROLLCALL_MERGE", value_parser = FalseyValueParser::new())]
    merge: bool,
    /// Do not ask
    #[arg(long, env = "ROLLCALL_YES", value_parser = FalseyValueParser::new())]
    yes: bool,
    /// Print a JSON object
    #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    /// The folder of the profiles, which is read if no server has run on the store yet [default: ./profiles]
    #[arg(long, env = "ROLLCALL_PROFILES", value_name = "DIR")]
    profiles: Option<PathBuf>,
    #[command(flatten)]
    store: StoreFolder,
}

impl Rename {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        let key = store.key(self.account)?.ok_or(Error::NoAccount(self.account))?;
        if !self.yes && !is_at_terminal() {
            return Err(Failed::Usage("to rename an employee without being asked, add --yes".into()));
        }
        let profiles = setting(self.profiles.clone(), config.profiles, || PathBuf::from("./profiles"));
        let profiles = profiles_in_force(&store, &profiles)?;
        let renaming = Renaming {
            account: self.account,
            from: &self.old,
            to: &self.new,
            merge: self.merge,
            profiles: &profiles,
            limits: &config.limits,
            conditions: Conditions::default(),
        };
        if !self.yes && !self.is_meant(&store, &key, &renaming)? {
            complain!("rollcall: nothing was changed");
            return Ok(());
        }
        let mut roster = store.roster(&key)?;
        let renamed = rename(&renaming, roster.begin()?, &mut Trace::default());
        let receipt = renamed.map_err(|failure| refused(failure.of(self.account)))?;
        self.print(&receipt)
    }

    /// Shows what would change, and asks whether that is meant.
    fn is_meant(&self, store: &Store, key: &Key, renaming: &Renaming) -> Result<bool, Failed> {
        let changes = check_rename(renaming, store.roster(key)?.begin()?);
        let changes = changes.map_err(|failure| refused(failure.of(self.account)))?;
        let names = store.reader(key)?.names()?;
        for change in changes {
            changes::print(&shown_change(&change.lend(), None, &names))?;
        }
        Ok(decide(false)? == Decision::Apply)
    }

    fn print(&self, receipt: &Receipt) -> Result<(), Failed> {
        let (old, new, is_merged) = (self.old.trim(), self.new.trim(), receipt.employees == 2);
        if self.json {
            let renamed = json!({ "id": new, "formerId": old, "merged": is_merged, "revision": receipt.revision });
            return out!("{renamed:#}");
        }
        let merged = if is_merged { ", and both are one person now" } else { "" };
        let (old, new) = (old.escape_debug(), new.escape_debug());
        out!("employee {old} has the id {new}{merged}; applied as revision {}", receipt.revision)
    }
}

/// Says why an employee was not renamed.
fn refused(failure: Failure) -> Failed {
    match failure {
        Failure::Rename(failure @ (RenameFailure::Older | RenameFailure::Others)) => {
            Failed::Refused(format!("{failure}; nothing was changed; add --merge if this is what you mean"))
        }
        Failure::Rename(failure) => Failed::refused(failure),
        other => explained(other),
    }
}
