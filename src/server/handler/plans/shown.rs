//! Plans as they are read back.

use crate::dialect::Dialect;
use crate::roster::{Counts, Tripped};
use crate::server::handler::suspects;
use crate::store::{Plan, PlanState, Sender, Why};
use serde_json::{Value, json};

/// Shows a plan without its changes.
pub fn plan(plan: &Plan) -> Value {
    let Plan {
        id, made_at, expires_at, state, why, base, profile, sender, employees, counts, changes, suspects, ..
    } = plan;
    let Sender { dialect, key, peer, bytes } = sender;
    let mut shown = json!({
        "id": id,
        "state": match state {
            PlanState::Waiting => "waiting",
            PlanState::Expired => "expired",
            PlanState::Discarded => "discarded",
            PlanState::Applied { .. } => "applied",
        },
        "madeAt": made_at,
        "expiresAt": expires_at,
        "why": match why {
            Why::DryRun(_) => "dryRun",
            Why::Guards(_) => "guards",
            Why::Undo(_) => "undo",
        },
        "guards": why.guards().iter().map(guard).collect::<Value>(),
        "revision": base.revision,
        "profileId": profile,
        "dialect": dialect.map(Dialect::name),
        "key": key,
        "peer": peer,
        "bytes": bytes,
        "employees": employees,
        "changes": changes,
        "suspects": suspects::shown(suspects),
    });
    if let Why::Undo(undo) = why {
        shown["undo"] = json!({ "from": undo.undone.from, "to": undo.undone.to, "conflicts": undo.conflicts, "created": undo.created.as_str() });
    }
    if let PlanState::Applied { revision } = state {
        shown["appliedAs"] = (*revision).into();
    }
    add_counts(&mut shown, counts);
    shown
}

fn guard(tripped: &Tripped) -> Value {
    let Tripped { guard, field, count, of, limit, ids } = tripped;
    let message = tripped.figures();
    json!({
        "guard": guard.name(), "field": field, "count": count, "of": of, "limit": limit, "ids": ids, "message": message,
    })
}

/// Adds the five counts, named as in the answer to a push.
pub fn add_counts(shown: &mut Value, counts: &Counts) {
    let Counts { created, updated, activated, hidden, unchanged } = counts;
    shown["employeesCreated"] = json!(created);
    shown["employeesDataUpdated"] = json!(updated);
    shown["employeesStatusChangedToActive"] = json!(activated);
    shown["employeesStatusChangedToHidden"] = json!(hidden);
    shown["employeesNotChanged"] = json!(unchanged);
}
