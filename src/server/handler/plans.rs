//! Plans: pushes that wait to be applied.

pub mod shown;

use super::paging::Paging;
use crate::dialect::startexam;
use crate::roster::{Change, Version};
use crate::server::Server;
use crate::server::call::{Call, only_parameters, parameter};
use crate::server::push::apply::apply as carry_out;
use crate::server::respond::content::Content;
use crate::server::respond::{Answer, Refusal, json, json_text, note, shown_left_out};
use crate::server::share::disk;
use crate::store::{Key, Plan, PlanState, Reader};
use crate::sync::{ApplyPlan, Moved, PlanFailure, apply_plan};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// How many changes a page may pass over, looking for those that it is asked for.
const PASSED_OVER_MAX: usize = 10_000;

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

fn found(reader: &Reader, id: &str) -> Result<Plan, Refusal> {
    reader.plan(id)?.ok_or_else(|| PlanFailure::Unknown.into())
}

/// `GET /v1/plans/{id}/changes?kind=&field=&cursor=&limit=`: what a plan that waits changes, in pages.
pub async fn changes(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = call.part("id")?;
    let page = Page::parse(call.query(), call.server.limits.page_employees_max)
        .map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    disk::read(call.server, key.account, move |server| {
        let reader = server.store.reader(&key)?;
        let plan = found(&reader, &id)?;
        if plan.state != PlanState::Waiting {
            return Err(PlanFailure::Ended(plan.state).into());
        }
        page.read(server, &reader, &plan)
    })
    .await
}

/// `DELETE /v1/plans/{id}`: discards a plan that waits.
pub async fn discard(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let Call { server, ref body, .. } = call;
    let id = call.part("id")?;
    let turn = server.turns.take(key, body.pace()).await?;
    let plan = disk::look_up(server, move |server| {
        let mut roster = server.store.roster(&turn.key)?;
        let plan = roster.discard_plan(&id)?.ok_or(PlanFailure::Unknown)?;
        server.store.keep_open(roster, server.limits.rosters_open_max);
        Ok(plan)
    })
    .await?;
    match plan.state {
        PlanState::Waiting => {
            let mut answer = Response::new(Content::whole(String::new()));
            *answer.status_mut() = StatusCode::NO_CONTENT;
            Ok(answer)
        }
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
    let turn = server.turns.take(key, body.pace()).await?;
    let account = turn.key.account;
    let applying = carry_out(server, turn, event, 0, move |server, roster, trace| {
        let (profiles, limits) = (&server.profiles, &server.limits);
        apply_plan(&ApplyPlan { account, id: &id, moved, profiles, limits }, roster.begin()?, trace)
    });
    let (receipt, left_out) = applying.result(event).await??;
    let mut answer = match moved {
        Moved::Refuse => json_text(StatusCode::OK, startexam::answer(&receipt.counts)),
        Moved::LeaveOut => {
            let mut applied = shown::counts(&receipt.counts);
            applied["leftOut"] = shown_left_out(&left_out);
            json(StatusCode::OK, &applied)
        }
    };
    note(&mut answer, &receipt);
    Ok(answer)
}

/// Which changes of a plan are asked for.
struct Page {
    kind: Option<shown::IsKind>,
    field: Option<String>,
    paging: Paging,
}

impl Page {
    fn parse(query: &str, limit_max: usize) -> Result<Page, String> {
        let mut page = Page { kind: None, field: None, paging: Paging::first(limit_max) };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                _ if value.is_empty() => {}
                "kind" => {
                    let kind = shown::KINDS.iter().find(|(name, _)| *name == value);
                    let names = || shown::KINDS.map(|(name, _)| name).join(", ");
                    page.kind = Some(kind.ok_or_else(|| format!("kind must be one of {}", names()))?.1);
                }
                "field" => page.field = Some(value.into_owned()),
                other => {
                    let unknown =
                        || Err("there are the parameters kind, field, cursor and limit, and no others".into());
                    page.paging.set(other, &value).unwrap_or_else(unknown)?;
                }
            }
        }
        Ok(page)
    }

    fn read(&self, server: &Server, reader: &Reader, plan: &Plan) -> Result<Answer, Refusal> {
        let names = reader.names()?;
        let field = self.field.as_ref().map(|name| {
            let named = names.fields.iter().find(|(_, other)| *other == name);
            named.map(|(number, _)| *number).ok_or_else(|| {
                let message = "the account has no field of this name; names are compared as they are, case and all";
                Refusal::new(StatusCode::BAD_REQUEST, message)
            })
        });
        let field = field.transpose()?;
        let is_wanted = |change: &Change| {
            self.kind.is_none_or(|kind| kind(change.kinds())) && field.is_none_or(|field| changes_field(change, field))
        };
        let (mut shown, mut after, mut next) = (Vec::new(), self.paging.after, None);
        let (mut bytes, mut passed_over) = (0, 0);
        'page: loop {
            let part = reader.plan_part(plan.number, after)?;
            if part.is_empty() {
                break;
            }
            for planned in &part {
                if shown.len() == self.paging.limit
                    || bytes >= server.limits.page_bytes_max
                    || passed_over == PASSED_OVER_MAX
                {
                    next = Some(after.to_string());
                    break 'page;
                }
                let change = planned.change.lend();
                after = change.number;
                if is_wanted(&change) {
                    let change = shown::change(&change, &names);
                    bytes += shown::bytes(&planned.change);
                    shown.push(change);
                } else {
                    passed_over += 1;
                }
            }
        }
        Ok(json(StatusCode::OK, &json!({ "changes": shown, "nextCursor": next })))
    }
}

/// Whether a change gives a field another value.
fn changes_field(change: &Change, field: u32) -> bool {
    let value = |version: Option<Version>| version.and_then(|version| version.data.text(field).map(str::to_owned));
    value(change.before) != value(change.after)
}
