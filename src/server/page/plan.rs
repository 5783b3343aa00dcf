//! The screen of a plan: what it would do, and applying or discarding it.

use super::changes::Shown as ShownChanges;
use super::facts::{counts, counts_in_words, facts, guards, suspects};
use super::form::Form;
use super::session::Visitor;
use super::sync::trail;
use super::{Screen, number, see, time};
use crate::dialect::Dialect;
use crate::role::Role;
use crate::server::call::Call;
use crate::server::handler::plans;
use crate::server::respond::{Answer, Refusal};
use crate::server::share::disk;
use crate::store::{Plan, PlanState, PlannedChange, RecordedChange, Why};
use crate::sync::Moved;
use hyper::StatusCode;
use maud::{Markup, html};

/// `GET /accounts/{account}/plans/{id}?kind=&field=&after=`: a plan.
pub async fn plan(call: Call<'_>, visitor: Visitor) -> Result<Answer, Refusal> {
    let (account, id) = (call.account()?, call.part("id")?);
    call.event.account = Some(account);
    let shown = ShownChanges::of(&call.head);
    disk::read(call.server, account, move |server| {
        let key = visitor.key(server, account)?;
        let reader = server.store.history_reader(&key)?;
        let plan = plans::found(&reader, &id)?;
        let names = reader.names()?;
        let revision = reader.summary()?.revision;
        let url = format!("/accounts/{account}/plans/{id}");
        let is_waiting = plan.state == PlanState::Waiting;
        let found = is_waiting
            .then(|| {
                shown.find(&names, |after| {
                    let part = reader.plan_part(plan.number, after)?.into_iter();
                    Ok(part.map(|PlannedChange { change, .. }| RecordedChange { change, hidden_by: None }).collect())
                })
            })
            .transpose()?;
        let content = html! {
            (state(account, &plan))
            (about(&plan))
            (counts(&plan.counts))
            @if !plan.why.guards().is_empty() {
                section {
                    h2 { @match plan.why { Why::DryRun(_) => "Guards that would stop it", _ => "Guards that stopped it" } }
                    (guards(plan.why.guards()))
                }
            }
            @if is_waiting && visitor.may(Role::Release) { (decide(&plan, &url, revision)) }
            (suspects(&plan.suspects))
            @if let Some(found) = &found { section { h2 { "Changes: " (number(plan.changes)) } (shown.table(account, &url, found, &names)) } }
        };
        let title = match &plan.why {
            Why::Guards(_) => "A push that is held".to_owned(),
            Why::DryRun(_) => "A dry run".to_owned(),
            Why::Undo(undo) => format!("Undo of {}", undo.undone),
        };
        Ok(Screen { title, user: Some(&visitor.user), trail: trail(server, account)?, content }.answer())
    })
    .await
}

fn state(account: i64, plan: &Plan) -> Markup {
    html! {
        @match plan.state {
            PlanState::Waiting => p { "It waits until " (time(&plan.expires_at)) ". Nothing of it is applied." },
            PlanState::Expired => p { "It has expired. Push the list again." },
            PlanState::Discarded => p { "It was discarded, or had to make room for another." },
            PlanState::Applied { revision } => p { "It was applied as " a href={ "/accounts/" (account) "/syncs/" (revision) } { "revision " (revision) } "." },
        }
    }
}

fn about(plan: &Plan) -> Markup {
    let sender = &plan.sender;
    facts([
        ("Made", Some(time(&plan.made_at))),
        ("Against", Some(html! { "revision " (plan.base.revision) })),
        ("Employees", Some(html! { (number(plan.employees)) })),
        ("Changes", Some(html! { (number(plan.changes)) })),
        (
            "Left as they are",
            match &plan.why {
                Why::Undo(undo) => Some(html! { (number(undo.conflicts)) }),
                _ => None,
            },
        ),
        ("System", sender.dialect.map(|dialect: Dialect| html! { (dialect.name()) })),
        ("Key", sender.key.map(|key| html! { (key) })),
        ("From", sender.peer.map(|peer| html! { (peer) })),
    ])
}

/// The buttons. Each repeats the numbers before it does anything.
fn decide(plan: &Plan, url: &str, revision: u64) -> Markup {
    let words = counts_in_words(&plan.counts);
    let verb = if matches!(plan.why, Why::Guards(_)) { "Release" } else { "Apply" };
    let has_moved = revision != plan.base.revision;
    html! {
        section .decide {
            h2 { "Decide" }
            @if has_moved {
                p { "The roster is at revision " (revision) " now, and the plan was made against " (plan.base.revision) ". It is applied only if nobody has changed since, or without those who have." }
            }
            details .act {
                summary { (verb) "…" }
                form method="post" action={ (url) "/apply" } {
                    p { "This changes the roster: " strong { (words) } "." }
                    @if has_moved { p { label { input type="checkbox" name="rebase" value="true"; " without employees who have changed since the plan was made" } } }
                    button .main { "Yes, " (verb.to_lowercase()) ": " (words) }
                }
            }
            details .act {
                summary { "Discard…" }
                form method="post" action={ (url) "/discard" } {
                    p { "The plan goes, and nobody is changed. The list can be pushed again." }
                    button { "Yes, discard" }
                }
            }
        }
    }
}

/// `POST /accounts/{account}/plans/{id}/apply`: applies a plan, with `rebase` without those who have changed since.
pub async fn apply(call: Call<'_>, visitor: Visitor) -> Result<Answer, Refusal> {
    let (account, id) = (call.account()?, call.part("id")?);
    let Call { server, head, body, event, .. } = call;
    event.account = Some(account);
    let pace = body.pace().clone();
    let sent = Form::receive(server, &head.headers, body, Some(account)).await?;
    let moved = if sent.value("rebase") == "true" { Moved::LeaveOut } else { Moved::Refuse };
    let (key, visitor) = disk::look_up(server, move |server| Ok((visitor.key(server, account)?, visitor))).await?;
    let (receipt, left_out) = plans::apply_waiting(server, key, id.clone(), moved, &pace, event).await?;
    let without =
        if left_out.count == 0 { String::new() } else { format!(" without {} who had changed", left_out.count) };
    let (what, revision) = (format!("applied plan {id}{without}"), receipt.revision);
    disk::look_up(server, move |server| {
        Ok(server.store.note_deed(&visitor.user, Some(account), &what, Some(revision))?)
    })
    .await?;
    Ok(see(&format!("/accounts/{account}/syncs/{revision}")))
}

/// `POST /accounts/{account}/plans/{id}/discard`: discards a plan.
pub async fn discard(call: Call<'_>, visitor: Visitor) -> Result<Answer, Refusal> {
    let (account, id) = (call.account()?, call.part("id")?);
    let Call { server, body, event, .. } = call;
    event.account = Some(account);
    let (key, visitor) = disk::look_up(server, move |server| Ok((visitor.key(server, account)?, visitor))).await?;
    plans::discard_plan(server, key, id.clone(), body.pace()).await?;
    let what = format!("discarded plan {id}");
    disk::look_up(server, move |server| Ok(server.store.note_deed(&visitor.user, Some(account), &what, None)?)).await?;
    let mut answer = see(&format!("/accounts/{account}"));
    *answer.status_mut() = StatusCode::SEE_OTHER;
    Ok(answer)
}
