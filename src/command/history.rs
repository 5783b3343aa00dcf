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
/// The latest comes first. Only pushes with a good key are recorded; others are in the server's log.
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
            pushes.sort_by(|(_, a), (_, b)| b.finished_at.cmp(&a.finished_at));
            pushes.truncate(last);
        }
        if self.json {
            let pushes: Vec<Value> = pushes.iter().map(|(account, past)| as_json(*account, past)).collect();
            out!("{:#}", Value::from(pushes))?;
        } else {
            print(&pushes)?;
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

fn print(pushes: &[(i64, Past)]) -> Result<(), Failed> {
    out!(
        "{:<20}  {:>8}  {:<12}  {:>6}  {:<15}  {:>6}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}  {:>8}  {:>12}  {:>9}  cause",
        "time",
        "account",
        "dialect",
        "key",
        "peer",
        "status",
        "created",
        "updated",
        "activated",
        "hidden",
        "unchanged",
        "rejected",
        "bytes",
        "seconds"
    )?;
    let shown = |Counts { created, updated, activated, hidden, unchanged }: &Counts| {
        [created, updated, activated, hidden, unchanged].map(u64::to_string)
    };
    for (account, past) in pushes {
        let (status, counts, rejected, cause) = match &past.outcome {
            Outcome::Applied(Applied { counts, set_aside, .. }) => {
                let status = applied_status(past).map_or("-".into(), |status| status.to_string());
                let rejected = set_aside.as_ref().map_or(0, |set_aside| set_aside.employees);
                (status, shown(counts), rejected.to_string(), String::new())
            }
            Outcome::Refused { requests, status, rejections, held, cause, .. } => {
                let status = status.map_or("-".into(), |status| status.to_string());
                let times = if *requests > 1 { format!("{requests} times: ") } else { String::new() };
                let plan = held.as_ref().and_then(|held| held.plan.as_ref());
                let plan = plan.map(|plan| format!("; it waits as the plan {plan}")).unwrap_or_default();
                let counts = held.as_ref().map_or([const { String::new() }; 5], |held| shown(&held.counts));
                (status, counts, rejections.to_string(), format!("{times}{cause}{plan}"))
            }
        };
        let [created, updated, activated, hidden, unchanged] = counts;
        let (dialect, peer) = (past.dialect.as_deref().unwrap_or("-"), past.peer.as_deref().unwrap_or("-"));
        let bytes = past.bytes.map_or("-".into(), |bytes| bytes.to_string());
        let key = past.key.map_or("-".into(), |key| key.to_string());
        let (time, seconds) = (&past.finished_at, past.duration_ms as f64 / 1e3);
        let line = format!(
            "{time:<20}  {account:>8}  {dialect:<12}  {key:>6}  {peer:<15}  {status:>6}  {created:>9}  {updated:>9}  {activated:>9}  \
             {hidden:>9}  {unchanged:>9}  {rejected:>8}  {bytes:>12}  {seconds:>9.3}  {cause}"
        );
        out!("{}", line.trim_end())?;
    }
    Ok(())
}
