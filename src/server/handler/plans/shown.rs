//! Plans and their changes, as they are read back.

use crate::dialect::Dialect;
use crate::roster::{Change, Counts, Kinds, Names, OwnedChange, Tripped, Version};
use crate::store::{Plan, PlanState, Sender, Why};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The longest value of a field that is shown, in bytes; of a longer one, as an image is, only its length is.
const VALUE_BYTES_MAX: usize = 4_096;

/// Whether a change does something.
pub type IsKind = fn(Kinds) -> bool;

/// What a change may do, by name.
pub const KINDS: [(&str, IsKind); 6] = [
    ("created", |kinds| kinds.created),
    ("updated", |kinds| kinds.updated),
    ("activated", |kinds| kinds.activated),
    ("hidden", |kinds| kinds.hidden),
    ("renamed", |kinds| kinds.renamed),
    ("erased", |kinds| kinds.erased),
];

/// Shows a plan without its changes.
pub fn plan(plan: &Plan) -> Value {
    let Plan {
        id, made_at, expires_at, state, why, base, profile, sender, employees, counts: of_plan, changes, ..
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
    });
    if let PlanState::Applied { revision } = state {
        shown["appliedAs"] = (*revision).into();
    }
    for (name, count) in counts(of_plan).as_object().into_iter().flatten() {
        shown[name] = count.clone();
    }
    shown
}

fn guard(tripped: &Tripped) -> Value {
    let Tripped { guard, field, count, of, limit, ids } = tripped;
    let message = tripped.figures();
    json!({
        "guard": guard.name(), "field": field, "count": count, "of": of, "limit": limit, "ids": ids, "message": message,
    })
}

/// Shows the five counts, named as in the answer to a push.
pub fn counts(counts: &Counts) -> Value {
    let Counts { created, updated, activated, hidden, unchanged } = counts;
    json!({
        "employeesCreated": created,
        "employeesDataUpdated": updated,
        "employeesStatusChangedToActive": activated,
        "employeesStatusChangedToHidden": hidden,
        "employeesNotChanged": unchanged,
    })
}

/// Shows a change: who, what it does, and before and after of what is different. Null stands for what is not there.
pub fn change(change: &Change, names: &Names) -> Value {
    let Change { before, after, .. } = *change;
    let kinds = change.kinds();
    let kinds: Vec<&str> = KINDS.iter().filter(|(_, is)| is(kinds)).map(|(name, _)| *name).collect();
    let mut shown = json!({ "id": after.or(before).map(|version| version.id), "kinds": kinds });
    let mut show = |name: &str, of: &dyn Fn(Version) -> Value| {
        let (before, after) = (before.map_or(Value::Null, of), after.map_or(Value::Null, of));
        if before != after {
            shown[name] = json!({ "before": before, "after": after });
        }
    };
    if before.is_some() {
        show("idChange", &|version| version.id.into());
    }
    show("status", &|version| version.status.as_str().into());
    show("profileId", &|version| json!(names.profiles.get(&version.profile)));
    let versions = before.iter().chain(&after);
    let numbers: BTreeSet<u32> = versions.flat_map(|version| version.data.iter().map(|(number, _)| number)).collect();
    let mut fields = Vec::new();
    for number in numbers {
        let value = |version: Option<Version>| version.and_then(|version| version.data.get(number).map(<[u8]>::to_vec));
        let (before, after) = (value(before), value(after));
        if before != after {
            let mut field = Map::new();
            field.insert("name".into(), json!(names.fields.get(&number)));
            field.insert("before".into(), shown_value(before));
            field.insert("after".into(), shown_value(after));
            fields.push(field);
        }
    }
    shown["fields"] = json!(fields);
    shown
}

fn shown_value(value: Option<Vec<u8>>) -> Value {
    match value.map(String::from_utf8) {
        Some(Ok(text)) if text.len() <= VALUE_BYTES_MAX => text.into(),
        Some(Ok(text)) => json!({ "bytes": text.len() }),
        Some(Err(_)) | None => Value::Null,
    }
}

/// About how many bytes the data of a change has.
pub fn bytes(change: &OwnedChange) -> usize {
    let data = change.before.iter().chain(&change.after);
    data.map(|employee| employee.id.len() + employee.data.as_bytes().len()).sum()
}
