//! The screen of an employee: the data, why hidden, and what happened before.

use super::changes::{fields, kinds, value};
use super::facts::facts;
use super::session::Visitor;
use super::sync::trail;
use super::{Screen, time};
use crate::roster::{Employee, Names};
use crate::server::call::{Call, parameter};
use crate::server::respond::{Answer, Refusal};
use crate::server::share::disk;
use crate::store::{Event, LifePage, Person};
use hyper::StatusCode;
use maud::{Markup, html};

/// How many events a screen shows.
const EVENTS_SHOWN: usize = 50;

/// `GET /accounts/{account}/people/{number}?from=`: an employee, by the number in the store, so that no URL has a value of a person.
pub async fn person(call: Call<'_>, visitor: Visitor) -> Result<Answer, Refusal> {
    let (account, number) = (call.account()?, call.part("number")?);
    call.event.account = Some(account);
    let from = parameter(&call.head, "from").and_then(|from| from.parse::<u32>().ok()).map(u64::from);
    disk::read(call.server, account, move |server| {
        let key = visitor.key(server, account)?;
        let reader = server.store.history_reader(&key)?;
        let nobody = || Refusal::new(StatusCode::NOT_FOUND, "the account has no such employee");
        let number: u32 = number.parse().map_err(|_| nobody())?;
        let person = reader.person_of(number)?.ok_or_else(nobody)?;
        let life = reader.life(person.number, from, EVENTS_SHOWN, server.limits.page_bytes_max)?;
        let names = reader.names()?;
        let missing = reader.missing(person.number)?;
        let former = person.former_ids.iter().map(|former| former.id.as_str()).collect::<Vec<_>>().join(", ");
        let content = html! {
            (facts([
                ("Status", Some(html! { strong .(person.status()) { (person.status()) } })),
                ("Missing", missing.map(|missing| html! { "from the last " (missing.pushes) " lists" })),
                ("Former ids", (!former.is_empty()).then(|| html! { (former) })),
                ("Profile", names.profiles.get(&person.employee.profile).and_then(|id| server.profiles.get(*id, account)).map(|profile| html! { (profile.name) })),
            ]))
            @if from.is_none() { section { h2 { "Data" } (data(&person.employee, &names)) } }
            section { h2 { "What happened" } (events(account, &person, &life, &names)) }
        };
        let title = format!("Employee {}", person.id());
        Ok(Screen { title, user: Some(&visitor.user), trail: trail(server, account)?, content }.answer())
    })
    .await
}

fn data(employee: &Employee, names: &Names) -> Markup {
    html! {
        @if employee.data.is_empty() { p { "Every field is empty." } }
        @else {
            table {
                thead { tr { th scope="col" { "Field" } th scope="col" { "Value" } } }
                tbody {
                    @for (number, text) in employee.data.iter() {
                        tr { th scope="row" { (names.fields.get(&number).map_or("", String::as_str)) } td { (value(&Some(text.to_owned()))) } }
                    }
                }
            }
        }
    }
}

fn events(account: i64, person: &Person, life: &LifePage, names: &Names) -> Markup {
    html! {
        ol .life {
            @for event in &life.events { li { (one(account, event, names)) } }
        }
        @if life.events.is_empty() { p { "Nothing is kept of what happened before." } }
        @if let Some(next) = life.next { p { a href={ "/accounts/" (account) "/people/" (person.number) "?from=" (next) } { "Earlier" } } }
    }
}

fn one(account: i64, event: &Event, names: &Names) -> Markup {
    let Event { revision, sync, recorded, is_before_known, erased_by } = event;
    let change = recorded.change.lend();
    let kind = sync.as_ref().and_then(|past| past.applied()).and_then(|applied| applied.kind.as_ref());
    html! {
        p {
            @if let Some(past) = sync { (time(&past.finished_at)) ": " }
            strong { (if *is_before_known { kinds(change.kinds()) } else { "first known".to_owned() }) }
            @if let Some(by) = recorded.hidden_by { " (by " (by.name()) ")" }
            " in " a href={ "/accounts/" (account) "/syncs/" (revision) } { "revision " (revision) }
            @if let Some(kind) = kind { ", a " (kind.name()) }
            @if let Some(erased_by) = erased_by { "; the values of that time were erased by revision " (erased_by) }
        }
        @if *is_before_known && change.before.is_some() {
            table {
                thead { tr { th scope="col" { "Field" } th scope="col" { "Before" } th scope="col" { "After" } } }
                tbody { @for (name, before, after) in fields(&change, names) { tr { th scope="row" { (name) } td .before { (value(&before)) } td .after { (value(&after)) } } } }
            }
        }
    }
}
