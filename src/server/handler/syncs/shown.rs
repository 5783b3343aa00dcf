//! Syncs and the lives of employees as they are read back.

use crate::dialect::startexam::shown_change;
use crate::roster::{Names, Tripped};
use crate::server::handler::plans::shown::add_counts;
use crate::server::handler::suspects;
use crate::store::{
    Applied, AppliedPlan, AppliedUndo, Event, FormerId, HeldPush, Outcome, Past, Person, RejectionCounts, SyncKind,
    Times,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Shows a push of the past: what it did, or why it was refused or held. Null stands for what was not recorded.
pub fn sync(past: &Past) -> Value {
    let Past { finished_at, dialect, key, peer, bytes, duration_ms, outcome, .. } = past;
    let mut shown = json!({
        "outcome": outcome.name(),
        "time": finished_at,
        "dialect": dialect,
        "key": key,
        "peer": peer,
        "bytes": bytes,
        "durationMs": duration_ms,
    });
    match outcome {
        Outcome::Applied(of_sync) => applied(&mut shown, of_sync),
        Outcome::Refused { requests, status, rejections, by_rule, held, cause } => {
            shown["status"] = json!(status);
            shown["requests"] = json!(requests);
            shown["rejections"] = json!(rejections);
            shown["rejectionsByRule"] = json!(by_rule);
            shown["cause"] = json!(cause);
            if let Some(HeldPush { plan, tripped, counts }) = held {
                shown["plan"] = json!(plan);
                shown["guards"] = guards(tripped);
                add_counts(&mut shown, counts);
            }
        }
    }
    shown
}

fn applied(shown: &mut Value, applied: &Applied) {
    let Applied { revision, revision_before, kind, profile, rules, employees, set_aside, as_of, times, .. } = applied;
    shown["suspects"] = suspects::shown(&applied.suspects);
    shown["revision"] = json!(revision);
    shown["revisionBefore"] = json!(revision_before);
    shown["kind"] = json!(kind.as_ref().map(SyncKind::name));
    shown["profileId"] = json!(profile);
    shown["profileVersion"] = json!(rules.map(|rules| format!("{rules:032x}")));
    shown["employees"] = json!(employees);
    add_counts(shown, &applied.counts);
    if let Some(kind) = kind {
        of_kind(shown, kind);
    }
    if let Some(RejectionCounts { employees, by_rule }) = set_aside {
        shown["setAside"] = json!({ "employees": employees, "rejectionsByRule": by_rule });
    }
    if let Some(as_of) = as_of {
        shown["asOf"] = json!(as_of.to_string());
    }
    if let Some(Times { receive, check, write, commit }) = times {
        let milliseconds = |time: &Duration| time.as_micros() as f64 / 1e3;
        shown["stepsMs"] = json!({
            "receive": milliseconds(receive),
            "check": milliseconds(check),
            "write": milliseconds(write),
            "commit": milliseconds(commit),
        });
    }
}

/// Adds what is known of syncs of some kinds only.
fn of_kind(shown: &mut Value, kind: &SyncKind) {
    if let Some(plan) = kind.plan() {
        shown["plan"] = json!(plan);
    }
    match kind {
        SyncKind::Plan(AppliedPlan { tripped, .. }) => shown["guards"] = guards(tripped),
        SyncKind::Undo(AppliedUndo { undone, .. }) => shown["undone"] = json!({ "from": undone.from, "to": undone.to }),
        SyncKind::Push | SyncKind::Patch | SyncKind::Restore | SyncKind::Rename | SyncKind::Erase => {}
    }
}

fn guards(tripped: &[Tripped]) -> Value {
    let guard = |Tripped { guard, field, count, of, limit, ids: _ }: &Tripped| json!({ "guard": guard.name(), "field": field, "count": count, "of": of, "limit": limit });
    tripped.iter().map(guard).collect()
}

/// Shows an employee whose life is read: who it is now, and the ids that it had before.
pub fn person(person: &Person) -> Value {
    let Person { former_ids, is_former, .. } = person;
    let former = |FormerId { id, until }: &FormerId| json!({ "id": id, "untilRevision": until });
    json!({
        "id": person.id(),
        "status": person.status(),
        "formerIds": Value::from_iter(former_ids.iter().map(former)),
        "foundByFormerId": is_former,
    })
}

/// Shows an event of an employee's life: the sync, and the change as that sync shows it.
pub fn event(event: &Event, names: &Names) -> Value {
    let Event { revision, sync, recorded, is_before_known, erased_by } = event;
    let mut shown = json!({ "revision": revision });
    if let Some(Past { finished_at, dialect, key, peer, outcome, .. }) = sync {
        shown["time"] = json!(finished_at);
        shown["dialect"] = json!(dialect);
        shown["key"] = json!(key);
        shown["peer"] = json!(peer);
        if let Outcome::Applied(Applied { kind, .. }) = outcome {
            shown["kind"] = json!(kind.as_ref().map(SyncKind::name));
            if let Some(kind) = kind {
                of_kind(&mut shown, kind);
            }
        }
    }
    let mut change = shown_change(&recorded.change.lend(), recorded.hidden_by, names);
    if !is_before_known {
        change["kinds"] = json!([]);
        change["isBeforeKnown"] = json!(false);
    }
    if let Some(erased_by) = erased_by {
        shown["valuesErasedBy"] = json!(erased_by);
    }
    shown["change"] = change;
    shown
}
