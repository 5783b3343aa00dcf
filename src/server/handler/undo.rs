//! Undo: a plan that takes syncs back.

use super::plans::shown::plan as shown_plan;
use crate::dialect::startexam::shown_change;
use crate::rejection::Rejection;
use crate::roster::Names;
use crate::server::Server;
use crate::server::body::BytesMax;
use crate::server::body::collect::collect;
use crate::server::call::{Call, only_parameters, parameter};
use crate::server::observe::log::Event;
use crate::server::push::apply::apply as carry_out;
use crate::server::respond::{Answer, Refusal, json, location};
use crate::server::share::disk;
use crate::server::share::pace::Pace;
use crate::store::{Created, Key, Plan};
use crate::sync::{Conflict, ConflictCause, Conflicts, Planned, Undo, plan_undo};
use hyper::StatusCode;
use hyper::header::LOCATION;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The body of a request, which may be empty.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// The ids of employees that are taken back though they were changed again since.
    #[serde(default, rename = "override")]
    anyway: BTreeSet<String>,
}

/// `POST /v1/syncs/{revision}/revert?to=&created=`: makes a plan that takes the sync back, or all syncs after the revision `to` as far as this one.
pub async fn revert(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let revision = number("the revision in the path", &call.part("revision")?)?;
    only_parameters(&call.head, &["to", "created"])?;
    let created = match parameter(&call.head, "created") {
        None => Created::default(),
        Some(created) => Created::parse(&created)
            .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "created must be hide or erase"))?,
    };
    let back_to = parameter(&call.head, "to").map(|to| number("to", &to)).transpose()?;
    let Call { server, body, event, head, .. } = call;
    let max = BytesMax { limit: "envelope_bytes_max", bytes: server.limits.envelope_bytes_max as u64 };
    let (pace, account) = (body.pace().clone(), key.account);
    // Whoever sends it slowly keeps nobody's turn.
    let sent = collect(server, &head.headers, body, max, &mut server.collected.nothing(Some(account))).await?;
    let Request { anyway } = if sent.is_empty() { Request::default() } else { parsed(&sent)? };
    let (planned, conflicts) =
        plan(server, key.clone(), Asked { revision, back_to, anyway, created }, &pace, event).await?;
    let names = disk::look_up(server, move |server| Ok(server.store.reader(&key)?.names()?)).await?;
    let mut answer = json(StatusCode::OK, &shown(&planned.plan, &conflicts, &names));
    answer.headers_mut().insert(LOCATION, location(&planned.plan.id));
    Ok(answer)
}

/// What is to be undone, and how. See [`Undo`].
pub struct Asked {
    /// The revision of the last sync.
    pub revision: u64,
    /// The revision before the first, if there are several.
    pub back_to: Option<u64>,
    /// The ids of employees that are taken back though they were changed again since.
    pub anyway: BTreeSet<String>,
    /// What becomes of whom the syncs had created.
    pub created: Created,
}

/// Makes a plan that undoes, in its account's turn.
pub async fn plan(
    server: &Arc<Server>,
    key: Key,
    asked: Asked,
    pace: &Arc<Pace>,
    event: &mut Event,
) -> Result<(Planned, Conflicts), Refusal> {
    let account = key.account;
    let turn = server.turns.take(key, pace).await?;
    let applying = carry_out(server, turn, event, 0, move |server, roster, trace| {
        let (profiles, limits, spool_dir) = (&server.profiles, &server.limits, &server.spool_dir);
        let Asked { revision, back_to, anyway, created } = asked;
        let undo = Undo { account, revision, back_to, anyway: &anyway, created, profiles, limits, spool_dir };
        plan_undo(&undo, roster.begin()?, trace)
    });
    Ok(applying.result(event).await??)
}

fn number(name: &str, value: &str) -> Result<u64, Refusal> {
    let wrong = |_| Refusal::new(StatusCode::BAD_REQUEST, format!("{name} must be a number, like 412"));
    value.parse::<u32>().map(u64::from).map_err(wrong)
}

fn parsed(sent: &[u8]) -> Result<Request, Refusal> {
    serde_json::from_slice(sent).map_err(|error| {
        let message = format!(
            "the body must be empty, or name employees that are taken back in spite of a conflict, like {{\"override\": [\"4711\"]}}; \
             nothing was stored (line {}, column {})",
            error.line(),
            error.column()
        );
        Refusal::new(StatusCode::BAD_REQUEST, message)
    })
}

/// Shows a plan that takes syncs back, and whom it leaves as they are.
pub fn shown(plan: &Plan, conflicts: &Conflicts, names: &Names) -> Value {
    let mut shown = shown_plan(plan);
    let Conflicts { count, listed, rejected } = conflicts;
    let changed = listed.iter().map(|Conflict { change, cause }| {
        let mut shown = shown_change(&change.lend(), None, names);
        shown["cause"] = cause.name().into();
        match cause {
            ConflictCause::ChangedSince { revision } => shown["changedBy"] = (*revision).into(),
            ConflictCause::Named { by, field } => shown["namedBy"] = json!({ "id": by, "field": field }),
            ConflictCause::IdTaken => {}
        }
        shown
    });
    let rejected = rejected.iter().map(|Rejection { id, field, rule, message, .. }| {
        json!({ "id": id, "cause": rule, "field": field, "message": message })
    });
    let employees = changed.chain(rejected);
    shown["conflicts"] = json!({ "count": count, "employees": Value::from_iter(employees) });
    shown
}
