//! The screen of one account: what to do now, its nights, and its pushes.

use super::facts::{counts_in_words, facts, pushes};
use super::form::Form;
use super::nights::Nights;
use super::session::Visitor;
use super::{Screen, number, see, time};
use crate::roster::{Guard, Guards, Tripped};
use crate::server::Server;
use crate::server::call::{Call, parameter};
use crate::server::respond::{Answer, Refusal};
use crate::server::share::disk;
use crate::store::{Deed, Key, Plan, Reader, Summary, SyncFilter, SyncPage, SyncPlace, Why};
use hyper::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};

/// How many pushes a screen shows.
const PUSHES_SHOWN: usize = 40;

/// How many deeds of users it shows.
const DEEDS_SHOWN: usize = 10;

struct Shown {
    name: String,
    summary: Summary,
    nights: Nights,
    hide_limit: Option<u64>,
    plans: Vec<Plan>,
    page: SyncPage,
    deeds: Vec<Deed>,
}

/// `GET /accounts/{account}?before=`: an account. `before` is where an earlier page of pushes begins.
pub async fn account(call: Call<'_>, visitor: Visitor) -> Result<Answer, Refusal> {
    let account = call.account()?;
    call.event.account = Some(account);
    let before = parameter(&call.head, "before");
    let from = before.as_deref().and_then(place).unwrap_or_default();
    let (shown, visitor) = disk::read(call.server, account, move |server| {
        let key = visitor.key(server, account)?;
        Ok((read(server, &key, from)?, visitor))
    })
    .await?;
    let Shown { name, summary, nights, hide_limit, plans, page, deeds } = &shown;
    let is_first = before.is_none();
    let content = html! {
        @if is_first {
            (to_do(account, plans))
            (facts([
                ("Active", Some(html! { (number(summary.active)) })),
                ("Hidden", Some(html! { (number(summary.hidden)) })),
                ("Last sync", Some(html! { @match &summary.last_sync { Some(last) => (time(last)), None => "none yet" } })),
                ("Revision", Some(html! { (summary.revision) })),
            ]))
            (find_form(account, None))
            section { h2 { "Thirty nights" } (nights.chart(*hide_limit)) }
        }
        section {
            h2 { "Pushes" }
            @if page.syncs.is_empty() { p { "Nothing was pushed yet." } }
            @else { (pushes(account, &page.syncs)) }
            @if let Some(next) = page.next { p { a href={ "/accounts/" (account) "?before=" (next.revision) "-" (next.refusal) } { "Earlier pushes" } } }
        }
        @if is_first && !deeds.is_empty() {
            section {
                h2 { "What people did here" }
                ul { @for Deed { at, user, what, .. } in deeds { li { (time(at)) ": " (user) " " (what) } } }
            }
        }
    };
    let trail = if visitor.user.account.is_none() { vec![("Accounts".to_owned(), "/".to_owned())] } else { Vec::new() };
    Ok(Screen { title: format!("{name} ({account})"), user: Some(&visitor.user), trail, content }.answer())
}

fn read(server: &Server, key: &Key, from: SyncPlace) -> Result<Shown, Refusal> {
    let reader = server.store.history_reader(key)?;
    let summary = reader.summary()?;
    Ok(Shown {
        name: name(server, key.account)?,
        hide_limit: hide_limit(server, key.account, summary.active)?,
        nights: Nights::read(&reader, Timestamp::now())?,
        plans: reader.plans()?,
        page: reader.syncs(&SyncFilter::default(), from, PUSHES_SHOWN)?,
        deeds: server.store.deeds(Some(key.account), DEEDS_SHOWN)?,
        summary,
    })
}

/// Returns the name of an account.
pub fn name(server: &Server, account: i64) -> Result<String, Refusal> {
    let found = server.store.accounts()?.into_iter().find(|one| one.id == account);
    Ok(found.map(|one| one.name).unwrap_or_default())
}

/// Returns how many employees a push may hide, if all profiles of the account agree.
fn hide_limit(server: &Server, account: i64, active: u64) -> Result<Option<u64>, Refusal> {
    let settings = server.store.account_settings(account)?;
    let limits = server.profiles.of_account(account).into_iter().map(|profile| {
        let guards = Guards::default().with(&profile.guards).with(&settings.guards);
        guards.get(Guard::Hide).map(|bounds| bounds.limit(active, 0))
    });
    let mut limits: Vec<Option<u64>> = limits.collect();
    limits.dedup();
    Ok(if let [limit] = limits[..] { limit } else { None })
}

fn to_do(account: i64, plans: &[Plan]) -> Markup {
    let (held, others): (Vec<&Plan>, Vec<&Plan>) = plans.iter().partition(|plan| matches!(plan.why, Why::Guards(_)));
    let link = |plan: &Plan, text: &str| html! { a href={ "/accounts/" (account) "/plans/" (plan.id) } { (text) } };
    html! {
        section .todo {
            h2 { "To do" }
            @if plans.is_empty() { p { "Nothing waits." } }
            ul {
                @for plan in &held {
                    li .held {
                        "A push of " (time(&plan.made_at)) " is held: " (plan.why.guards().first().map(Tripped::figures).unwrap_or_default()) ". "
                        (link(plan, "Look at it"))
                    }
                }
                @for plan in &others {
                    li {
                        @match &plan.why { Why::Undo(undo) => { "An undo of " (undo.undone) } _ => "A dry run" }
                        " of " (time(&plan.made_at)) " waits (" (counts_in_words(&plan.counts)) "). " (link(plan, "Look at it"))
                    }
                }
            }
        }
    }
}

/// Reads where an earlier page of pushes begins, such as `412-87`.
fn place(text: &str) -> Option<SyncPlace> {
    let (revision, refusal) = text.split_once('-')?;
    Some(SyncPlace { revision: revision.parse::<u32>().ok()?.into(), refusal: refusal.parse::<u32>().ok()?.into() })
}

fn find_form(account: i64, sought: Option<&str>) -> Markup {
    html! {
        form .search role="search" method="post" action={ "/accounts/" (account) "/find" } {
            label for="sought" { "Find an employee by the id, or the value of a unique field" }
            input #sought type="search" name="sought" value=(sought.unwrap_or_default()) required;
            button { "Find" }
        }
    }
}

/// `POST /accounts/{account}/find`: the employee with an id, or with a value of a unique field. It is a POST because values of people do not
/// belong into URLs.
pub async fn find(call: Call<'_>, visitor: Visitor) -> Result<Answer, Refusal> {
    let account = call.account()?;
    let Call { server, head, body, event, .. } = call;
    event.account = Some(account);
    let sent = Form::receive(server, &head.headers, body, Some(account)).await?;
    let sought = sent.value("sought").trim().to_owned();
    let (found, visitor, name, sought) = disk::read(server, account, move |server| {
        let key = visitor.key(server, account)?;
        let found = find_number(server, &server.store.history_reader(&key)?, account, &sought)?;
        Ok((found, visitor, name(server, account)?, sought))
    })
    .await?;
    if let Some(number) = found {
        return Ok(see(&format!("/accounts/{account}/people/{number}")));
    }
    let content = html! {
        p role="alert" { "The account has nobody with this id, and nobody with this value in a unique field. Ids are compared as they are, case and all." }
        (find_form(account, Some(&sought)))
    };
    let trail = vec![(format!("{name} ({account})"), format!("/accounts/{account}"))];
    let screen = Screen { title: "Nobody was found".into(), user: Some(&visitor.user), trail, content };
    Ok(screen.answer_with(StatusCode::NOT_FOUND))
}

fn find_number(server: &Server, reader: &Reader, account: i64, sought: &str) -> Result<Option<u32>, Refusal> {
    if let Some(person) = reader.person(sought)? {
        return Ok(Some(person.number));
    }
    for profile in server.profiles.of_account(account) {
        for field in profile.fields.iter().filter(|field| field.unique != crate::profile::Unique::No) {
            let Ok(Some(value)) = field.canonical(sought) else { continue };
            if let Some(number) = reader.holder(&field.name, &value)? {
                return Ok(Some(number));
            }
        }
    }
    Ok(None)
}
