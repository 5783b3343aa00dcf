//! `rollcall history`

use super::folder::{IfMissing, StoreFolder};
use super::{Failed, out};
use crate::config::Config;
use crate::roster::Counts;
use crate::store::{Applied, Error, HeldPush, Outcome, Past, RESTORE, SyncKind};
use clap::Args;
use serde_json::{Value, json};

/// Show the last pushes and restores: what they did, or why they were refused or held
///
/// The latest comes first. `rollcall show` shows more of the one that made a revision, and --json of all. Only pushes with a good key are
/// recorded; others are in the server's log.
#[derive(Args)]
pub struct History {
    /// The account [default: all]
    account: Option<i64>,
    /// How many pushes to show
    #[arg(long, env = "ROLLCALL_LAST", value_name = "N", default_value_t = 20)]
    last: u32,
    /// Print a JSON array
    #[arg(long, env = "ROLLCALL_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    json: bool,
    #[command(flatten)]
    store: StoreFolder,
}

impl History {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        let accounts = match self.account {
            Some(account) => vec![account],
            None => store.accounts()?.into_iter().map(|account| account.id).collect(),
        };
        let last = self.last as usize;
        let mut pushes = Vec::new();
        for account in accounts {
            let key = store.key(account)?.ok_or(Error::NoAccount(account))?;
            pushes.extend(store.roster(&key)?.history(last)?.into_iter().map(|past| (account, past)));
            // So that the pushes of a thousand accounts are never in memory together.
            pushes.sort_by(|(_, a), (_, b)| b.when().cmp(&a.when()));
            pushes.truncate(last);
        }
        if self.json {
            let pushes: Vec<Value> = pushes.iter().map(|(account, past)| as_json(*account, past)).collect();
            out!("{:#}", Value::from(pushes))?;
        } else {
            print(&pushes, self.account.is_some())?;
        }
        Ok(())
    }
}

/// Returns the status that answered a push, or `None` for a restore.
fn applied_status(past: &Past) -> Option<u16> {
    match past.dialect.as_deref() {
        Some(RESTORE) => None,
        Some("springest") => Some(201),
        _ => Some(200),
    }
}

fn as_json(account: i64, past: &Past) -> Value {
    let mut shown = json!({
        "time": past.finished_at,
        "account": account,
        "dialect": past.dialect,
        "key": past.key,
        "peer": past.peer,
        "bytes": past.bytes,
        "durationMs": past.duration_ms,
    });
    let outcome = match &past.outcome {
        Outcome::Applied(Applied { revision, kind, employees, counts, set_aside, .. }) => json!({
            "outcome": "applied",
            "kind": kind.as_ref().map(SyncKind::name),
            "status": applied_status(past),
            "revision": revision,
            "employees": employees,
            "created": counts.created,
            "updated": counts.updated,
            "activated": counts.activated,
            "hidden": counts.hidden,
            "unchanged": counts.unchanged,
            "setAside": set_aside.as_ref().map(|set_aside| set_aside.employees),
        }),
        Outcome::Refused { requests, status, rejections, by_rule, held, cause } => {
            let mut refused = json!({
                "outcome": past.outcome.name(),
                "status": status,
                "requests": requests,
                "rejections": rejections,
                "rejectionsByRule": by_rule,
                "cause": cause,
            });
            if let Some(HeldPush { plan, tripped, counts }) = held {
                refused["plan"] = json!(plan);
                refused["guards"] = tripped.iter().map(|tripped| tripped.guard.name()).collect();
                refused["created"] = counts.created.into();
                refused["updated"] = counts.updated.into();
                refused["activated"] = counts.activated.into();
                refused["hidden"] = counts.hidden.into();
                refused["unchanged"] = counts.unchanged.into();
            }
            refused
        }
    };
    if let (Value::Object(shown), Value::Object(outcome)) = (&mut shown, outcome) {
        shown.extend(outcome);
    }
    shown
}

/// The columns of the table; the account is left out if one was asked for.
const COLUMNS: [&str; 11] =
    ["time", "account", "revision", "kind", "key", "created", "updated", "activated", "hidden", "unchanged", "seconds"];

/// Prints a line for each push, of at most 100 characters if no count is longer than its heading, and below it why the push was not applied.
fn print(pushes: &[(i64, Past)], is_of_one_account: bool) -> Result<(), Failed> {
    let row = |cells: [&str; 11]| {
        let [time, account, revision, kind, key, created, updated, activated, hidden, unchanged, seconds] = cells;
        let account = if is_of_one_account { String::new() } else { format!("{account:>7} ") };
        format!(
            "{time:<20} {account}{revision:>8} {kind:<7} {key:>3} {created:>7} {updated:>7} {activated:>9} {hidden:>6} {unchanged:>9} {seconds:>7}"
        )
    };
    out!("{}", row(COLUMNS))?;
    for (account, past) in pushes {
        let (revision, kind, counts) = match &past.outcome {
            Outcome::Applied(Applied { revision, kind, counts, .. }) => {
                // Whether a plan was rebased, `rollcall show` says.
                let kind =
                    kind.as_ref().map_or("-", |kind| if let SyncKind::Plan(_) = kind { "plan" } else { kind.name() });
                (revision.to_string(), kind, Some(counts))
            }
            Outcome::Refused { held, .. } => ("-".into(), past.outcome.name(), held.as_ref().map(|held| &held.counts)),
        };
        let [created, updated, activated, hidden, unchanged] = counts.map_or([const { String::new() }; 5], shown);
        let (account, key) = (account.to_string(), past.key.map_or("-".into(), |key| key.to_string()));
        let seconds = format!("{:.3}", past.duration_ms as f64 / 1e3);
        out!(
            "{}",
            row([
                &past.finished_at,
                &account,
                &revision,
                kind,
                &key,
                &created,
                &updated,
                &activated,
                &hidden,
                &unchanged,
                &seconds
            ])
        )?;
        print_besides(past)?;
    }
    Ok(())
}

fn shown(Counts { created, updated, activated, hidden, unchanged }: &Counts) -> [String; 5] {
    [created, updated, activated, hidden, unchanged].map(u64::to_string)
}

/// Prints whom a push was applied without, or why it was not applied.
fn print_besides(past: &Past) -> Result<(), Failed> {
    match &past.outcome {
        Outcome::Applied(Applied { set_aside, .. }) => {
            match set_aside.as_ref().map_or(0, |set_aside| set_aside.employees) {
                0 => Ok(()),
                1 => out!("    without 1 employee, who was rejected"),
                many => out!("    without {many} employees, who were rejected"),
            }
        }
        Outcome::Refused { requests, status, held, cause, .. } => {
            let status = status.map(|status| format!("{status}: ")).unwrap_or_default();
            let times = if *requests > 1 { format!("{requests} times ") } else { String::new() };
            out!("    {times}{status}{cause}")?;
            match held.as_ref().and_then(|held| held.plan.as_ref()) {
                Some(plan) => out!("    it waits as the plan {plan}"),
                None => Ok(()),
            }
        }
    }
}
