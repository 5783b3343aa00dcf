//! Small parts that several screens show: counts, guards, suspects, how a push ended.

use super::{number, time};
use crate::roster::{Counts, Suspects, Tripped};
use crate::store::{Applied, Outcome, Past, SyncKind};
use maud::{Markup, html};

/// A list of names and values; what has no value is left out.
pub fn facts<const N: usize>(facts: [(&str, Option<Markup>); N]) -> Markup {
    html! {
        dl .facts {
            @for (name, value) in &facts {
                @if let Some(value) = value { div { dt { (name) } dd { (value) } } }
            }
        }
    }
}

/// The five counts.
pub fn counts(counts: &Counts) -> Markup {
    let Counts { created, updated, activated, hidden, unchanged } = *counts;
    let all = [
        ("created", created),
        ("updated", updated),
        ("activated", activated),
        ("hidden", hidden),
        ("unchanged", unchanged),
    ];
    html! {
        ul .counts {
            @for (name, count) in all {
                li .(name) .none[count == 0] { strong { (number(count)) } " " (name) }
            }
        }
    }
}

/// The same in a sentence, without those that are 0: `3 created, 1 hidden`.
pub fn counts_in_words(counts: &Counts) -> String {
    let Counts { created, updated, activated, hidden, .. } = *counts;
    let all = [("created", created), ("updated", updated), ("activated", activated), ("hidden", hidden)];
    let some = all.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{} {name}", number(*count)));
    let words = some.collect::<Vec<_>>().join(", ");
    if words.is_empty() { "nobody changed".into() } else { words }
}

/// The guards that stopped a push, with their figures, and the first whom it is about.
pub fn guards(tripped: &[Tripped]) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Guard" } th scope="col" { "Field" } th .number scope="col" { "Found" } th .number scope="col" { "Of" } th .number scope="col" { "Allowed" } th scope="col" { "For example" } } }
            tbody {
                @for Tripped { guard, field, count, of, limit, ids } in tripped {
                    tr {
                        th scope="row" { (guard.name()) }
                        td { (field.as_deref().unwrap_or("")) }
                        td .number { (number(*count)) }
                        td .number { (number(*of)) }
                        td .number { (number(*limit)) }
                        td { (ids.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ")) }
                    }
                }
            }
        }
    }
}

/// What looks odd. Nothing if nothing does.
pub fn suspects(suspects: &Suspects) -> Markup {
    if suspects.count() == 0 {
        return html! {};
    }
    html! {
        section {
            h2 { "Suspects: " (number(suspects.count())) }
            p { "Nothing was changed because of these. They are worth a look." }
            ul {
                @for same in &suspects.same_person.first {
                    li { "New " code { (same.new) } " may be the same person as missing " code { (same.missing) } ": same " (same.by.join(", ")) "." }
                }
                @for flapping in &suspects.flapping.first {
                    li { "The status of " code { (flapping.id) } " has changed " (flapping.times) " times in thirty days." }
                }
                @for share in &suspects.empty_share.first {
                    li { "The field " strong { (share.field) } " is empty for " (share.after.percent()) " % of the employees; before it was " (share.before.percent()) " %." }
                }
                @for moved in &suspects.moved_value.first {
                    li { "The value of " strong { (moved.field) } " of " code { (moved.from) } " belongs to " code { (moved.to) } " now." }
                }
            }
        }
    }
}

/// A table of rules and how often each was broken. Nothing if none was.
pub fn rules<'a>(by_rule: impl Iterator<Item = (&'a String, &'a u64)>) -> Markup {
    let by_rule: Vec<_> = by_rule.collect();
    if by_rule.is_empty() {
        return html! {};
    }
    html! {
        table {
            thead { tr { th scope="col" { "Rule" } th .number scope="col" { "Rejections" } } }
            tbody { @for (rule, count) in by_rule { tr { th scope="row" { (rule) } td .number { (number(*count)) } } } }
        }
    }
}

/// Pushes of the past as a table.
pub fn pushes(account: i64, pushes: &[Past]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "From" }
                th .number scope="col" { "Created" } th .number scope="col" { "Updated" } th .number scope="col" { "Activated" } th .number scope="col" { "Hidden" } th .number scope="col" { "Unchanged" }
            } }
            tbody { @for past in pushes { (push(account, past)) } }
        }
    }
}

fn push(account: i64, past: &Past) -> Markup {
    let from = [past.dialect.clone(), past.key.map(|key| format!("key {key}"))].into_iter().flatten();
    let from = from.collect::<Vec<_>>().join(", ");
    let figures = |counts: &Counts| {
        let Counts { created, updated, activated, hidden, unchanged } = *counts;
        html! { @for count in [created, updated, activated, hidden, unchanged] { td .number .none[count == 0] { (number(count)) } } }
    };
    html! {
        @match &past.outcome {
            Outcome::Applied(Applied { revision, kind, counts, .. }) => tr {
                th scope="row" { a href={ "/accounts/" (account) "/syncs/" (revision) } { (time(&past.finished_at)) } }
                td { (kind.as_ref().map_or("sync", SyncKind::name)) }
                td { (from) }
                (figures(counts))
            }
            Outcome::Refused { held: Some(held), .. } => tr .held {
                th scope="row" {
                    @if let Some(plan) = &held.plan { a href={ "/accounts/" (account) "/plans/" (plan) } { (time(&past.finished_at)) } }
                    @else { (time(&past.finished_at)) }
                }
                td { "held by " (held.tripped.iter().map(|one| one.guard.name()).collect::<Vec<_>>().join(", ")) }
                td { (from) }
                (figures(&held.counts))
            }
            Outcome::Refused { requests, cause, .. } => tr .refused {
                th scope="row" { (time(&past.finished_at)) }
                td { "refused" @if *requests > 1 { " (" (requests) " times)" } }
                td { (from) }
                td colspan="5" { (cause) }
            }
        }
    }
}
