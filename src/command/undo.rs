//! `rollcall undo`

use super::changes::{self, Document, Removed};
use super::folder::{IfMissing, StoreFolder};
use super::output::{Decision, decide};
use super::plan::{carry_out, explained};
use super::serve::profiles_in_force;
use super::{Failed, complain, out, setting};
use crate::config::Config;
use crate::server::shown_undo;
use crate::store::{Created, Error, Plan, Reader};
use crate::sync::{ApplyPlan, Conflicts, Failure, Moved, Trace, Undo as Undoing, plan_undo};
use clap::Args;
use clap::builder::FalseyValueParser;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// How many changes are shown to people. `rollcall plan show` shows all.
const SHOWN_MAX: u64 = 1_000;

/// Undo a sync: show what would be taken back, ask, and apply it; a server may be running
///
/// Each employee whom the sync changed becomes what it was before, field by field; whoever it created is removed. An employee that was changed again
/// since in the same fields is a conflict, and stays as it is, unless it is named by --override. An undo is a sync of its own, which can be
/// undone.
///
/// Exit codes: 0 if it was applied, or waits as a plan because nobody could be asked; 1 if it cannot be done, or everybody is in conflict; 2 if the
/// command line or the configuration is wrong; 4 as 0, but without employees who are in conflict.
#[derive(Args)]
pub struct Undo {
    /// The account
    account: i64,
    /// The revision that the sync made, as `rollcall history` and /v1/syncs show it
    revision: u64,
    /// Undo all syncs after this revision as well, as far as that one
    #[arg(long, env = "ROLLCALL_TO", value_name = "REVISION")]
    to: Option<u64>,
    /// The id of an employee who is taken back in spite of a conflict; may be given several times
    #[arg(long = "override", env = "ROLLCALL_OVERRIDE", value_name = "ID", value_delimiter = ',')]
    anyway: Vec<String>,
    /// What becomes of the employees that the syncs created: `hide` removes them from the roster and can be undone, `erase` also erases
    /// their values for good
    #[arg(long, env = "ROLLCALL_CREATED", value_name = "hide|erase", default_value = "hide", value_parser = created)]
    created: Created,
    /// Apply it without asking
    #[arg(long, env = "ROLLCALL_YES", value_parser = FalseyValueParser::new())]
    yes: bool,
    /// Print a JSON object: the plan, the conflicts, and all changes. Nothing is applied without --yes
    #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    /// The folder of the profiles, which is read if no server has run on the store yet [default: ./profiles]
    #[arg(long, env = "ROLLCALL_PROFILES", value_name = "DIR")]
    profiles: Option<PathBuf>,
    #[command(flatten)]
    store: StoreFolder,
}

impl Undo {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        let profiles = setting(self.profiles.clone(), config.profiles.clone(), || PathBuf::from("./profiles"));
        let profiles = profiles_in_force(&store, &profiles)?;
        let key = store.key(self.account)?.ok_or(Error::NoAccount(self.account))?;
        let (anyway, limits) = (self.anyway.iter().cloned().collect::<BTreeSet<String>>(), &config.limits);
        let undo = Undoing {
            account: self.account,
            revision: self.revision,
            back_to: self.to,
            anyway: &anyway,
            created: self.created,
            profiles: &profiles,
            limits,
            spool_dir: store.dir(),
        };
        let made = plan_undo(&undo, store.roster(&key)?.begin()?, &mut Trace::default());
        let (planned, conflicts) = made.map_err(|failure| refused(failure.of(self.account)))?;
        let plan = planned.plan;
        self.print(&store.reader(&key)?, &plan, &conflicts)?;
        if plan.changes == 0 {
            store.roster(&key)?.discard_plan(&plan.id)?;
            return nothing(&conflicts);
        }
        let (account, id) = (self.account, &plan.id);
        let decision = if self.json && !self.yes { Decision::NobodyAsked } else { decide(self.yes)? };
        match decision {
            Decision::Apply => {
                let apply = ApplyPlan { account, id, moved: Moved::Refuse, profiles: &profiles, limits };
                let receipt = carry_out(&store, &apply)?;
                if !self.json {
                    out!("applied as revision {}", receipt.revision)?;
                }
            }
            Decision::Refuse => {
                store.roster(&key)?.discard_plan(id)?;
                complain!("rollcall: nothing was applied; the plan was discarded");
                return Ok(());
            }
            Decision::NobodyAsked => complain!(
                "rollcall: nothing was applied; plan {id} waits: `rollcall plan apply {account} {id}` applies it, or --yes at once"
            ),
        }
        match conflicts.count {
            0 => Ok(()),
            1 => Err(Failed::Rejected("the undo leaves 1 employee as it is, who is in conflict, see above".into())),
            many => Err(Failed::Rejected(format!(
                "the undo leaves {many} employees as they are, who are in conflict, see above"
            ))),
        }
    }

    /// Prints what would change, and who stays as it is.
    fn print(&self, reader: &Reader, plan: &Plan, conflicts: &Conflicts) -> Result<(), Failed> {
        let names = reader.names()?;
        let shown = shown_undo(plan, conflicts, &names);
        if self.json {
            let mut document = Document::begin(&shown)?;
            changes::each(reader, plan.number, |change| document.change(change))?;
            return document.end();
        }
        let (mut count, mut removed) = (0, Removed::default());
        changes::each(reader, plan.number, |change| {
            count += 1;
            removed.count(change);
            if count <= SHOWN_MAX { changes::print(change) } else { Ok(()) }
        })?;
        if count > SHOWN_MAX {
            out!("… and {} more, which `rollcall plan show {} {}` shows", count - SHOWN_MAX, self.account, plan.id)?;
        }
        print_conflicts(&shown["conflicts"])?;
        removed.print_totals(plan, conflicts.count)
    }
}

/// Says why nothing is undone.
fn nothing(conflicts: &Conflicts) -> Result<(), Failed> {
    let Conflicts { count, erased, .. } = *conflicts;
    match (count, erased) {
        (0, 0) => {
            complain!("rollcall: there is nothing to undo");
            Ok(())
        }
        (0, erased) => {
            let whom = if erased == 1 { "1 employee".into() } else { format!("{erased} employees") };
            Err(Failed::Refused(format!(
                "nothing was undone: the personal data of {whom} was erased, which cannot be undone, and there is nothing else to undo"
            )))
        }
        (count, _) => {
            let who = if count == 1 { "the employee is".into() } else { format!("all {count} employees are") };
            Err(Failed::Refused(format!("nothing was undone: {who} in conflict, see above")))
        }
    }
}

fn created(text: &str) -> Result<Created, String> {
    Created::parse(text).ok_or_else(|| "must be hide or erase".into())
}

/// Prints who stays as it is: each with what it would become, or with the rule that it would break.
fn print_conflicts(conflicts: &Value) -> Result<(), Failed> {
    let employees = conflicts["employees"].as_array().map(Vec::as_slice).unwrap_or_default();
    for conflict in employees {
        let id = conflict["id"].as_str().unwrap_or_default().escape_debug();
        match (&conflict["changedBy"], conflict["message"].as_str()) {
            (Value::Null, Some(message)) => {
                let field = conflict["field"].as_str().unwrap_or_default().escape_debug();
                // The ids in it are escaped already.
                out!("conflict: {id}: {field}: {message}")?;
            }
            (Value::Null, None) => match conflict["namedBy"]["id"].as_str() {
                Some(by) => {
                    let field = conflict["namedBy"]["field"].as_str().unwrap_or_default().escape_debug();
                    out!("conflict: {id} stays, because {} names it in {field}", by.escape_debug())?;
                }
                None => out!("conflict: {id}: its former id belongs to somebody else now")?,
            },
            (revision, _) => {
                out!(
                    "conflict: {id} was changed again by revision {revision}, and stays as it is; the undo would make this of it:"
                )?;
                changes::print(conflict)?;
            }
        }
    }
    let (count, listed) = (conflicts["count"].as_u64().unwrap_or_default(), employees.len() as u64);
    if count > listed {
        out!("… and {} more conflicts", count - listed)?;
    }
    Ok(())
}

fn refused(failure: Failure) -> Failed {
    match failure {
        Failure::Undo(failure) => Failed::refused(failure),
        failure => explained(failure),
    }
}
