//! The table of changes that a sync or a plan shows: who, what, and each field before and after.

use crate::dialect::startexam::KINDS;
use crate::roster::{Change, Kinds, Names, Status, Version};
use crate::server::call::parameter;
use crate::server::respond::Refusal;
use crate::store::RecordedChange;
use hyper::http::request::Parts;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// How many changes a screen shows.
const SHOWN_MAX: usize = 100;

/// How many changes may be passed over to find those that are asked for.
const PASSED_OVER_MAX: usize = 20_000;

/// How much of a value is shown, in characters.
const VALUE_CHARS_MAX: usize = 200;

/// Which changes are shown.
pub struct Shown {
    kind: String,
    field: String,
    after: u32,
}

/// Changes that were found.
pub struct Found {
    changes: Vec<RecordedChange>,
    next: Option<u32>,
}

impl Shown {
    /// Reads the query. What it cannot read shows all.
    pub fn of(head: &Parts) -> Shown {
        let text = |name: &str| parameter(head, name).unwrap_or_default();
        let after = text("after").parse().unwrap_or(0);
        Shown { kind: text("kind"), field: text("field"), after }
    }

    /// Finds the changes. `part` returns some changes of employees with a number above the one that it gets; none at the end.
    pub fn find(
        &self,
        names: &Names,
        mut part: impl FnMut(u32) -> Result<Vec<RecordedChange>, Refusal>,
    ) -> Result<Found, Refusal> {
        let kind = KINDS.iter().find(|(name, _)| *name == self.kind).map(|(_, is_kind)| is_kind);
        let field = names.fields.iter().find(|(_, name)| **name == self.field).map(|(number, _)| *number);
        let (mut changes, mut after, mut passed_over) = (Vec::new(), self.after, 0);
        loop {
            let part = part(after)?;
            if part.is_empty() {
                return Ok(Found { changes, next: None });
            }
            for recorded in part {
                if changes.len() == SHOWN_MAX || passed_over == PASSED_OVER_MAX {
                    return Ok(Found { changes, next: Some(after) });
                }
                after = recorded.change.number;
                let change = recorded.change.lend();
                if kind.is_none_or(|is_kind| is_kind(change.kinds()))
                    && field.is_none_or(|field| changes_field(&change, field))
                {
                    changes.push(recorded);
                } else {
                    passed_over += 1;
                }
            }
        }
    }

    /// The form that filters, and the changes that were found.
    pub fn table(&self, account: i64, url: &str, found: &Found, names: &Names) -> Markup {
        let fields: BTreeSet<&String> = names.fields.values().collect();
        html! {
            form .search method="get" action=(url) {
                label for="kind" { "Kind" }
                select #kind name="kind" {
                    option value="" { "all" }
                    @for (name, _) in KINDS { option value=(name) selected[name == self.kind] { (name) } }
                }
                label for="field" { "Field" }
                select #field name="field" {
                    option value="" { "all" }
                    @for name in fields { option value=(name) selected[*name == self.field] { (name) } }
                }
                button { "Show" }
            }
            @if found.changes.is_empty() { p { "There are no such changes." } }
            @else {
                table .changes {
                    thead { tr { th scope="col" { "Employee" } th scope="col" { "What" } th scope="col" { "Field" } th scope="col" { "Before" } th scope="col" { "After" } } }
                    @for recorded in &found.changes { (one(account, recorded, names)) }
                }
            }
            @if let Some(next) = found.next {
                @let query = form_urlencoded::Serializer::new(String::new()).append_pair("kind", &self.kind).append_pair("field", &self.field).append_pair("after", &next.to_string()).finish();
                p { a href={ (url) "?" (query) } { "More changes" } }
            }
        }
    }
}

/// A change: a row for each field that it changes, in a group of its own.
fn one(account: i64, recorded: &RecordedChange, names: &Names) -> Markup {
    let change = recorded.change.lend();
    let fields = fields(&change, names);
    let id = change.seen().after.or(change.seen().before).map_or("removed", |version| version.id);
    let rows = fields.len().max(1);
    html! {
        tbody {
            @for place in 0..rows {
                tr {
                    @if place == 0 {
                        th scope="rowgroup" rowspan=(rows) {
                            // Whom a plan creates has no screen yet.
                            @if change.before.is_some() || recorded.change.after.is_some() { a href={ "/accounts/" (account) "/people/" (change.number) } { (id) } }
                            @else { (id) }
                        }
                        td rowspan=(rows) { (kinds(change.kinds())) @if let Some(by) = recorded.hidden_by { " (by " (by.name()) ")" } }
                    }
                    @match fields.get(place) {
                        Some((name, before, after)) => { td { (name) } td .before { (value(before)) } td .after { (value(after)) } }
                        None => { td {} td {} td {} }
                    }
                }
            }
        }
    }
}

/// Returns what a change does, in words.
pub fn kinds(kinds: Kinds) -> String {
    let names = KINDS.iter().filter(|(_, is_kind)| is_kind(kinds)).map(|(name, _)| *name);
    names.collect::<Vec<_>>().join(", ")
}

/// Returns each field that a change gives another value, with both.
pub fn fields(change: &Change, names: &Names) -> Vec<(String, Option<String>, Option<String>)> {
    let seen = change.seen();
    let text =
        |version: Option<Version>, field| version.and_then(|version| version.data.text(field).map(str::to_owned));
    let mut rows = Vec::new();
    let status = |version: Option<Version>| version.map(|version| version.status.as_str().to_owned());
    let id = |version: Option<Version>| version.map(|version| version.id.to_owned());
    if seen.before.is_some() && id(seen.before) != id(seen.after) {
        rows.push(("id".to_owned(), id(seen.before), id(seen.after)));
    }
    let is_new_and_active = seen.before.is_none() && seen.after.is_some_and(|after| after.status == Status::Active);
    if status(seen.before) != status(seen.after) && !is_new_and_active {
        rows.push(("status".to_owned(), status(seen.before), status(seen.after)));
    }
    let versions = [seen.before, seen.after].into_iter().flatten();
    let numbers: BTreeSet<u32> = versions.flat_map(|version| version.data.texts().map(|(number, _)| number)).collect();
    for number in numbers {
        let (before, after) = (text(seen.before, number), text(seen.after, number));
        if before != after {
            let name = names.fields.get(&number).cloned().unwrap_or_default();
            rows.push((name, before, after));
        }
    }
    rows
}

/// A value, shortened: an image is not shown as text.
pub fn value(value: &Option<String>) -> Markup {
    let shortened = |value: &str| match value.char_indices().nth(VALUE_CHARS_MAX) {
        Some(_) if value.starts_with("data:") => format!("an image of {} bytes", value.len() * 3 / 4),
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    };
    html! { @match value { Some(value) => (shortened(value)), None => span .none { "empty" } } }
}

fn changes_field(change: &Change, field: u32) -> bool {
    let value = |version: Option<Version>| version.and_then(|version| version.data.text(field).map(str::to_owned));
    value(change.before) != value(change.after)
}
