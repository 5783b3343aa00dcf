//! A change as it is read back: of a plan, of a sync, in the life of an employee.

use crate::roster::{Change, HiddenBy, Kinds, Names, OwnedChange, Version};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The longest value of a field that is shown, in bytes; of a longer one, as an image is, only its length is.
const VALUE_BYTES_MAX: usize = 4_096;

/// Says whether a change does something.
pub type IsKind = fn(Kinds) -> bool;

/// What a change may do, by name.
pub const KINDS: [(&str, IsKind); 7] = [
    ("created", |kinds| kinds.created),
    ("updated", |kinds| kinds.updated),
    ("activated", |kinds| kinds.activated),
    ("hidden", |kinds| kinds.hidden),
    ("renamed", |kinds| kinds.renamed),
    ("removed", |kinds| kinds.removed),
    ("merged", |kinds| kinds.merged),
];

/// Shows a change: who, what it does, before and after of what is different, and why it hides the employee, if that is known. Null stands for
/// what is not there, and for an employee that was removed.
pub fn shown_change(change: &Change, hidden_by: Option<HiddenBy>, names: &Names) -> Value {
    let Change { before, after, .. } = change.seen();
    let kinds = change.kinds();
    let kinds: Vec<&str> = KINDS.iter().filter(|(_, is)| is(kinds)).map(|(name, _)| *name).collect();
    let mut shown = json!({ "id": after.or(before).map(|version| version.id), "kinds": kinds });
    let mut show = |name: &str, of: &dyn Fn(Version) -> Value| {
        let (before, after) = (before.map_or(Value::Null, of), after.map_or(Value::Null, of));
        if before != after {
            shown[name] = json!({ "before": before, "after": after });
        }
    };
    if before.is_some() && after.is_some() {
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
    if let Some(hidden_by) = hidden_by {
        shown["hiddenBy"] = shown_hidden_by(hidden_by);
    }
    shown
}

/// Shows why an employee was hidden.
pub fn shown_hidden_by(hidden_by: HiddenBy) -> Value {
    match hidden_by {
        HiddenBy::Push | HiddenBy::Rename | HiddenBy::Undo | HiddenBy::Erasure | HiddenBy::Plan { lists: None } => {
            json!({ "cause": hidden_by.name() })
        }
        HiddenBy::Absence { lists } | HiddenBy::Plan { lists: Some(lists) } => {
            json!({ "cause": hidden_by.name(), "lists": lists })
        }
    }
}

fn shown_value(value: Option<Vec<u8>>) -> Value {
    match value.map(String::from_utf8) {
        Some(Ok(text)) if text.len() <= VALUE_BYTES_MAX => text.into(),
        Some(Ok(text)) => json!({ "bytes": text.len() }),
        Some(Err(_)) | None => Value::Null,
    }
}

/// Returns about how many bytes the data of a change has.
pub fn change_bytes(change: &OwnedChange) -> usize {
    let data = change.before.iter().chain(&change.after);
    data.map(|employee| employee.id.len() + employee.data.as_bytes().len()).sum()
}
