//! `rollcall plan`

use super::changes::{self, Document, Removed};
use super::erase::OVERWRITING_WAIT;
use super::folder::{IfMissing, StoreFolder};
use super::output::{Decision, decide, is_at_terminal};
use super::serve::profiles_in_force;
use super::{Failed, complain, out, setting};
use crate::config::Config;
use crate::roster::{Counts, Tripped};
use crate::server::shown_plan;
use crate::store::{self, Error, Key, PlanState, Store};
use crate::sync::{ApplyPlan, Failure, LeftOut, Moved, MovedPerson, PlanFailure, Receipt, Trace, apply_plan};
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Instant;

/// How many employees a message names who have changed since a plan was made.
const MOVED_NAMED_MAX: usize = 10;

/// List, show, apply and discard pushes that wait to be applied; a server may be running
///
/// A dry run (`rollcall push --plan`) leaves a plan. It waits for a day (limit plan_seconds_max), and is applied exactly as it is shown, or not
/// at all.
///
/// Exit codes: 0 if it was done; 1 if the plan cannot be applied, or there is none; 2 if the command line or the configuration is wrong.
#[derive(Args)]
pub struct Plan {
    #[command(flatten)]
    store: StoreFolder,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the plans that wait, the latest of each account first
    List {
        /// The account [default: all]
        account: Option<i64>,
        /// Print a JSON array
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// Show what a plan changes: + created, ~ updated, ! hidden, - removed, and each field before and after
    Show {
        /// The account
        account: i64,
        /// The plan's id
        plan: String,
        /// Print a JSON object
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// Apply a plan and print what it did. At a terminal it asks first
    Apply {
        /// The account
        account: i64,
        /// The plan's id
        plan: String,
        /// Leave out employees who have changed since the plan was made, and apply the rest
        #[arg(long, env = "ROLLCALL_REBASE", value_parser = FalseyValueParser::new())]
        rebase: bool,
        /// Do not ask
        #[arg(long, env = "ROLLCALL_YES", value_parser = FalseyValueParser::new())]
        yes: bool,
        /// The folder of the profiles, which is read if no server has run on the store yet [default: ./profiles]
        #[arg(long, env = "ROLLCALL_PROFILES", value_name = "DIR")]
        profiles: Option<PathBuf>,
    },
    /// Discard a plan
    Discard {
        /// The account
        account: i64,
        /// The plan's id
        plan: String,
    },
}

impl Plan {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        match self.action {
            Action::List { account, json } => list(&store, account, json),
            Action::Show { account, plan, json } => show(&store, account, &plan, json),
            Action::Apply { account, plan, rebase, yes, profiles } => {
                let profiles = setting(profiles, config.profiles, || PathBuf::from("./profiles"));
                let moved = if rebase { Moved::LeaveOut } else { Moved::Refuse };
                let profiles = profiles_in_force(&store, &profiles)?;
                let apply = ApplyPlan { account, id: &plan, moved, profiles: &profiles, limits: &config.limits };
                if !yes && !is_meant(&store, &apply)? {
                    complain!("rollcall: nothing was applied; the plan waits as before");
                    return Ok(());
                }
                let receipt = carry_out(&store, &apply)?;
                print_counts(&receipt.counts)?;
                out!("applied as revision {}", receipt.revision)
            }
            Action::Discard { account, plan } => {
                let found = store.roster(&key(&store, account)?)?.discard_plan(&plan)?;
                match found.map(|found| found.state) {
                    Some(PlanState::Waiting) => out!("plan {plan} of account {account} was discarded"),
                    Some(ended) => Err(Failed::refused(PlanFailure::Ended(ended))),
                    None => Err(Failed::refused(PlanFailure::Unknown)),
                }
            }
        }
    }
}

/// Shows what a plan comes to, and asks whether it is to be applied. If nobody can be asked, it is.
fn is_meant(store: &Store, apply: &ApplyPlan) -> Result<bool, Failed> {
    let found = store.reader(&key(store, apply.account)?)?.plan(apply.id)?;
    // Whatever else is wrong with the plan, its application says.
    if let Some(plan) = found.filter(|plan| plan.state == PlanState::Waiting && is_at_terminal()) {
        changes::print_plan(&shown_plan(&plan))?;
        print_counts(&plan.counts)?;
        return Ok(decide(false)? != Decision::Refuse);
    }
    Ok(true)
}

fn key(store: &Store, account: i64) -> Result<Key, Failed> {
    Ok(store.key(account)?.ok_or(Error::NoAccount(account))?)
}

fn list(store: &Store, account: Option<i64>, json: bool) -> Result<(), Failed> {
    let accounts = match account {
        Some(account) => vec![account],
        None => store.accounts()?.into_iter().map(|account| account.id).collect(),
    };
    let mut listed = Vec::new();
    for account in accounts {
        for plan in store.reader(&key(store, account)?)?.plans()? {
            if json {
                let mut shown = shown_plan(&plan);
                shown["account"] = account.into();
                listed.push(shown);
            } else {
                let store::Plan { id, made_at, expires_at, counts, .. } = &plan;
                let why = match &plan.why {
                    store::Why::DryRun(tripped) if tripped.is_empty() => "dry run".to_owned(),
                    store::Why::DryRun(tripped) => format!("dry run, would be held: {}", names(tripped)),
                    store::Why::Guards(tripped) => format!("held: {}", names(tripped)),
                    store::Why::Undo(undo) => format!("undo of {}", undo.undone),
                };
                let Counts { created, updated, activated, hidden, .. } = counts;
                out!(
                    "{made_at}  {account:>6}  {id}  +{created} ~{updated} activated {activated} !{hidden}  until {expires_at}  {why}"
                )?;
            }
        }
    }
    if json { out!("{:#}", Value::from(listed)) } else { Ok(()) }
}

fn names(tripped: &[Tripped]) -> String {
    tripped.iter().map(|one| one.guard.name()).collect::<Vec<_>>().join(", ")
}

fn show(store: &Store, account: i64, id: &str, json: bool) -> Result<(), Failed> {
    let reader = store.reader(&key(store, account)?)?;
    let plan = reader.plan(id)?.ok_or(PlanFailure::Unknown).map_err(Failed::refused)?;
    if plan.state != PlanState::Waiting {
        return Err(Failed::refused(PlanFailure::Ended(plan.state)));
    }
    let shown = shown_plan(&plan);
    let mut document = if json { Some(Document::begin(&shown)?) } else { None };
    if !json {
        changes::print_plan(&shown)?;
    }
    let mut removed = Removed::default();
    changes::each(&reader, plan.number, |change| match &mut document {
        Some(document) => document.change(change),
        None => {
            removed.count(change);
            changes::print(change)
        }
    })?;
    match document {
        Some(document) => document.end(),
        None => {
            changes::print_guards(&shown)?;
            changes::print_suspects(account, &shown)?;
            match &plan.why {
                store::Why::Undo(undo) => removed.print_totals(&plan, undo.conflicts),
                store::Why::DryRun(_) | store::Why::Guards(_) => print_counts(&plan.counts),
            }
        }
    }
}

/// Prints the five counts.
pub fn print_counts(counts: &Counts) -> Result<(), Failed> {
    let Counts { created, updated, activated, hidden, unchanged } = counts;
    out!("created {created}, updated {updated}, activated {activated}, hidden {hidden}, unchanged {unchanged}")
}

/// Applies a plan, and complains about what it leaves out.
pub fn carry_out(store: &Store, apply: &ApplyPlan) -> Result<Receipt, Failed> {
    let mut roster = store.roster(&key(store, apply.account)?)?;
    let applied = apply_plan(apply, roster.begin()?, &mut Trace::default());
    let (receipt, left_out) = applied.map_err(|failure| explained(failure.of(apply.account)))?;
    // An undo may have erased whom the syncs had created.
    if !roster.scrub(Instant::now() + OVERWRITING_WAIT) {
        complain!(
            "rollcall: the file of the account still has what was erased, until those who read the roster now have ended"
        );
    }
    if left_out.count > 0 {
        complain!("rollcall: {} employees have changed since and were left out: {}", left_out.count, named(&left_out));
    }
    Ok(receipt)
}

/// Says why a plan was not applied.
pub fn explained(failure: Failure) -> Failed {
    match failure {
        Failure::Plan(failure) => match &*failure {
            PlanFailure::Stale { moved, .. } => {
                let who = if moved.count > 0 { format!(" ({})", named(moved)) } else { String::new() };
                Failed::refused(format!("{failure}{who}; push the list again, or apply the rest with --rebase"))
            }
            failure => Failed::refused(failure),
        },
        Failure::Store(error) => error.into(),
        Failure::Rejected(rejections) => {
            let (errors, _) = rejections.into_parts();
            let first = errors.first().map(|first| format!("{}: {}", first.field, first.message)).unwrap_or_default();
            Failed::Refused(format!(
                "the roster would break rules of its profiles, and nothing was applied; the first is {first}"
            ))
        }
        Failure::Spool(error) => Failed::Refused(format!("nothing was applied: a file could not be written: {error}")),
        _ => Failed::refused("nothing was applied"),
    }
}

fn named(moved: &LeftOut) -> String {
    let named = moved.people.iter().take(MOVED_NAMED_MAX);
    let mut named: Vec<String> = named
        .map(|MovedPerson { id, revision, changed_at }| {
            let at = changed_at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
            format!("{} by revision {revision}{at}", id.escape_debug())
        })
        .collect();
    if moved.count > named.len() as u64 {
        named.push("…".into());
    }
    named.join(", ")
}
