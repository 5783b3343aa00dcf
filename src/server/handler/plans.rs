//! Plans: pushes that wait to be applied.

pub mod shown;

use super::changes::Page;
use crate::dialect::startexam;
use crate::server::Server;
use crate::server::call::{Call, only_parameters, parameter};
use crate::server::observe::log::Event;
use crate::server::push::apply::apply as carry_out;
use crate::server::respond::content::Content;
use crate::server::respond::{Answer, Refusal, json, json_text, note, shown_left_out};
use crate::server::share::disk;
use crate::server::share::pace::Pace;
use crate::store::{Key, Plan, PlanState, PlannedChange, Reader, RecordedChange};
use crate::sync::{ApplyPlan, LeftOut, Moved, PlanFailure, Receipt, apply_plan};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// `GET /v1/plans`: the plans that wait, the latest first.
pub async fn plans(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    disk::read(call.server, key.account, move |server| {
        let plans = server.store.reader(&key)?.plans()?;
        Ok(json(StatusCode::OK, &json!({ "plans": Value::from_iter(plans.iter().map(shown::plan)) })))
    })
    .await
}

/// `GET /v1/plans/{id}`: a plan, also if it was applied, discarded or has expired not long ago.
pub async fn plan(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = call.part("id")?;
    disk::read(call.server, key.account, move |server| {
        let plan = found(&server.store.reader(&key)?, &id)?;
        Ok(json(StatusCode::OK, &shown::plan(&plan)))
    })
    .await
}

/// Returns the plan with an id: 404 if there is none.
pub fn found(reader: &Reader, id: &str) -> Result<Plan, Refusal> {
    reader.plan(id)?.ok_or_else(|| PlanFailure::Unknown.into())
}

/// `GET /v1/plans/{id}/changes?kind=&field=&id=&cursor=&limit=`: what a plan that waits changes, in pages.
pub async fn changes(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = call.part("id")?;
    let page = Page::parse(call.query(), call.server.limits.page_employees_max)?;
    disk::read(call.server, key.account, move |server| {
        let reader = server.store.reader(&key)?;
        let plan = found(&reader, &id)?;
        if plan.state != PlanState::Waiting {
            return Err(PlanFailure::Ended(plan.state).into());
        }
        page.read(server, &reader.names()?, |after| {
            let part = reader.plan_part(plan.number, after)?.into_iter();
            Ok(part.map(|PlannedChange { change, .. }| RecordedChange { change, hidden_by: None }).collect())
        })
    })
    .await
}

/// `DELETE /v1/plans/{id}`: discards a plan that waits.
pub async fn discard(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = call.part("id")?;
    discard_plan(call.server, key, id, call.body.pace()).await?;
    let mut answer = Response::new(Content::whole(String::new()));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}

/// Discards a plan that waits, in its account's turn.
pub async fn discard_plan(server: &Arc<Server>, key: Key, id: String, pace: &Arc<Pace>) -> Result<(), Refusal> {
    let turn = server.turns.take(key, pace).await?;
    let plan = disk::look_up(server, move |server| {
        let mut roster = server.store.roster(&turn.key)?;
        let plan = roster.discard_plan(&id)?.ok_or(PlanFailure::Unknown)?;
        server.store.keep_open(roster, server.limits.rosters_open_max);
        Ok(plan)
    })
    .await?;
    match plan.state {
        PlanState::Waiting => Ok(()),
        ended => Err(PlanFailure::Ended(ended).into()),
    }
}

/// `POST /v1/plans/{id}/apply?rebase=`: applies a plan that waits.
pub async fn apply(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = call.part("id")?;
    only_parameters(&call.head, &["rebase"])?;
    let moved = match parameter(&call.head, "rebase").as_deref() {
        Some("true") => Moved::LeaveOut,
        None | Some("false") => Moved::Refuse,
        Some(_) => return Err(Refusal::new(StatusCode::BAD_REQUEST, "rebase must be true or false")),
    };
    let Call { server, body, event, .. } = call;
    let (receipt, left_out) = apply_waiting(server, key, id, moved, body.pace(), event).await?;
    let mut answer = match moved {
        Moved::Refuse => json_text(StatusCode::OK, startexam::answer(&receipt.counts)),
        Moved::LeaveOut => {
            let mut applied = json!({});
            shown::add_counts(&mut applied, &receipt.counts);
            applied["leftOut"] = shown_left_out(&left_out);
            json(StatusCode::OK, &applied)
        }
    };
    note(&mut answer, &receipt);
    Ok(answer)
}

/// Applies a plan that waits, in its account's turn.
pub async fn apply_waiting(
    server: &Arc<Server>,
    key: Key,
    id: String,
    moved: Moved,
    pace: &Arc<Pace>,
    event: &mut Event,
) -> Result<(Receipt, LeftOut), Refusal> {
    let turn = server.turns.take(key, pace).await?;
    let account = turn.key.account;
    let applying = carry_out(server, turn, event, 0, move |server, roster, trace| {
        let (profiles, limits) = (&server.profiles, &server.limits);
        let applied = apply_plan(&ApplyPlan { account, id: &id, moved, profiles, limits }, roster.begin()?, trace)?;
        // An undo may have erased whom the syncs had created. What readers hold back is overwritten when they have ended.
        roster.scrub(Instant::now());
        Ok(applied)
    });
    Ok(applying.result(event).await??)
}
