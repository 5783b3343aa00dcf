//! Payloads: what receivers of webhooks get. Ids, names that the profile has, and counts; no values of people, which a receiver that may
//! know them reads with a key.

use super::late::text;
use crate::schedule::Schedule;
use crate::server::handler::plans::shown::add_counts;
use crate::store::{Alarm, Announcement, Applied, EventType, HeldPush, Outcome, Past, SyncKind};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Returns the announcement of a push of the past.
pub fn push(account: i64, past: &Past) -> Announcement {
    let (event, data) = match &past.outcome {
        Outcome::Applied(applied) => (EventType::SyncApplied, sync(account, past, applied)),
        Outcome::Refused { held: Some(held), .. } => (EventType::PlanHeld, plan(account, past, held)),
        Outcome::Refused { held: None, requests, status, rejections, by_rule, .. } => {
            let data = json!({
                "account": account,
                "dialect": past.dialect,
                "key": past.key,
                "status": status,
                "requests": requests,
                "rejections": rejections,
                "rejectionsByRule": by_rule,
            });
            (EventType::PushRefused, data)
        }
    };
    Announcement::new(event, &past.finished_at, &data)
}

fn sync(account: i64, past: &Past, applied: &Applied) -> Value {
    let mut data = json!({
        "account": account,
        "revision": applied.revision,
        "kind": applied.kind.as_ref().map(SyncKind::name),
        "dialect": past.dialect,
        "key": past.key,
        "profileId": applied.profile,
        "employees": applied.employees,
        "setAside": applied.set_aside.as_ref().map(|set_aside| set_aside.employees),
        "suspects": applied.suspects.count(),
    });
    add_counts(&mut data, &applied.counts);
    data
}

fn plan(account: i64, past: &Past, held: &HeldPush) -> Value {
    let guards: BTreeSet<&str> = held.tripped.iter().map(|tripped| tripped.guard.name()).collect();
    let mut data = json!({
        "account": account,
        "plan": held.plan,
        "dialect": past.dialect,
        "key": past.key,
        "guards": guards,
    });
    add_counts(&mut data, &held.counts);
    data
}

/// Returns the announcement that a push is late.
pub fn missed(alarm: &Alarm, schedule: &Schedule) -> Announcement {
    let data = json!({
        "account": alarm.account,
        "schedule": schedule.to_string(),
        "due": alarm.due_at,
        "lastPush": alarm.last_push,
    });
    Announcement::new(EventType::PushMissed, &alarm.raised_at, &data)
}

/// Returns the announcement of a test.
pub fn test(account: i64, webhook: i64) -> Announcement {
    let data = json!({ "account": account, "webhook": webhook });
    Announcement::new(EventType::Test, &text(Timestamp::now()), &data)
}
