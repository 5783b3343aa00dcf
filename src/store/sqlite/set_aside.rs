//! Whom a lenient push was applied without, as it is remembered for a request that comes again: JSON.

use crate::rejection::{Cause, Rejection, SetAside};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Stored {
    employees: u64,
    error_count: u64,
    errors: Vec<StoredRejection>,
    causes: Vec<StoredCause>,
}

#[derive(Serialize, Deserialize)]
struct StoredRejection {
    index: Option<u64>,
    id: Option<String>,
    field: String,
    rule: String,
    message: String,
    other_index: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredCause {
    field: String,
    known: bool,
    rule: String,
    count: u64,
    message: String,
}

/// Returns the text of it.
pub(super) fn to_text(set_aside: &SetAside) -> String {
    let SetAside { employees, error_count, errors, causes } = set_aside.clone();
    let errors = errors.into_iter().map(|Rejection { index, id, field, rule, message, other_index }| StoredRejection {
        index,
        id,
        field,
        rule: rule.into_owned(),
        message,
        other_index,
    });
    let causes = causes.into_iter().map(|Cause { field, known, rule, count, message }| StoredCause {
        field,
        known,
        rule: rule.into_owned(),
        count,
        message,
    });
    let stored = Stored { employees, error_count, errors: errors.collect(), causes: causes.collect() };
    serde_json::to_string(&stored).expect("it is text and numbers")
}

/// Reads such a text; `None` if it is damaged.
pub(super) fn of_text(text: &str) -> Option<SetAside> {
    let Stored { employees, error_count, errors, causes } = serde_json::from_str(text).ok()?;
    let errors = errors.into_iter().map(|StoredRejection { index, id, field, rule, message, other_index }| Rejection {
        index,
        id,
        field,
        rule: rule.into(),
        message,
        other_index,
    });
    let causes = causes.into_iter().map(|StoredCause { field, known, rule, count, message }| Cause {
        field,
        known,
        rule: rule.into(),
        count,
        message,
    });
    Some(SetAside { employees, error_count, errors: errors.collect(), causes: causes.collect() })
}
