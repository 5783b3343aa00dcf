//! The rejections of a push, printed by the rows and columns of its file.

use super::{Failed, complain};
use crate::client::{Answer, AnswerCause, AnswerRejection, Body};
use std::collections::HashMap;

/// The most lines of rejections that are printed; `--json` has more.
const LINES_MAX: usize = 100;

/// The fewest rejections with the same field, rule and message that are printed as one line.
const GROUPED_MIN: usize = 10;

/// Prints the rejections of a push that was refused, and returns what to say of the push as a whole.
pub fn refused(answer: &Answer, body: &Body) -> Failed {
    let request = answer.request.as_ref().map(|id| format!(" (request {id})")).unwrap_or_default();
    let Some(refusal) = answer.refusal() else {
        let start: String = answer.text.chars().take(500).collect();
        return Failed::Refused(format!("the server answered {}{request}: {start}", answer.status));
    };
    if !refusal.guards.is_empty() {
        return Failed::Held(format!("the server answered {}{request}: {}", answer.status, refusal.message));
    }
    if refusal.errors.is_empty() {
        return Failed::Refused(format!("the server answered {}{request}: {}", answer.status, refusal.message));
    }
    print(&refusal.errors, &refusal.causes, body);
    let problems =
        if refusal.error_count == 1 { "1 problem".into() } else { format!("{} problems", refusal.error_count) };
    Failed::Refused(format!(
        "the server answered {}{request}: nothing was stored: {problems}, see above",
        answer.status
    ))
}

/// Prints rejections, and if they are many how many there are of each kind.
pub fn print(errors: &[AnswerRejection], causes: &[AnswerCause], body: &Body) {
    let lines = lines(errors, causes, body);
    for line in lines.iter().take(LINES_MAX) {
        complain!("{line}");
    }
    if lines.len() > LINES_MAX {
        complain!("… in all:");
        for cause in causes {
            complain!("{:>10} × {} [{}]", cause.count, cause.field, cause.rule);
        }
    }
}

/// Returns a line for each rejection, in the order of the push, or one line for many that say the same.
fn lines(errors: &[AnswerRejection], causes: &[AnswerCause], body: &Body) -> Vec<String> {
    let mut groups: HashMap<(&str, &str, &str), Vec<&AnswerRejection>> = HashMap::new();
    for error in errors {
        groups.entry(key(error)).or_default().push(error);
    }
    let mut lines = Vec::new();
    for error in errors {
        match groups.get(&key(error)) {
            Some(group) if group.len() < GROUPED_MIN => lines.push(line(error, body)),
            Some(_) => {
                let group = groups.remove(&key(error)).unwrap_or_default();
                lines.push(line_of_all(&group, errors, causes, body));
            }
            // Its group was printed.
            None => {}
        }
    }
    lines
}

fn key(error: &AnswerRejection) -> (&str, &str, &str) {
    (&error.field, &error.rule, &error.message)
}

fn line(error: &AnswerRejection, body: &Body) -> String {
    let AnswerRejection { field, rule, message, .. } = error;
    let place = error.index.map_or_else(|| "stored".into(), |index| body.places.place(index));
    let column = error.index.and_then(|index| body.places.column(index, field));
    let column = column.map(|column| format!(", {column}")).unwrap_or_default();
    let id = error.id.as_deref().map_or_else(|| "no id".into(), |id| format!("id {id:?}"));
    let other = error.other_index.map(|index| format!("; the other is {}", body.places.place(index)));
    format!("{place}{column}: {id}: {field}: {message}{} [{rule}]", other.unwrap_or_default())
}

/// Returns one line for rejections of the same field and rule with the same message.
fn line_of_all(group: &[&AnswerRejection], errors: &[AnswerRejection], causes: &[AnswerCause], body: &Body) -> String {
    let AnswerRejection { field, rule, message, .. } = group[0];
    let indexes: Vec<u64> = group.iter().filter_map(|error| error.index).collect();
    let place = if indexes.is_empty() { "stored".into() } else { body.places.list(&indexes) };
    let column = indexes.first().and_then(|index| body.places.column(*index, field));
    let column = column.map(|column| format!(", {column}")).unwrap_or_default();
    // The server lists the first rejections and counts all, by field and rule.
    let of_cause = |error: &&AnswerRejection| (&error.field, &error.rule) == (field, rule);
    let is_all_of_cause = errors.iter().filter(of_cause).count() == group.len();
    let cause = causes.iter().find(|cause| (&cause.field, &cause.rule) == (field, rule));
    let count = cause.filter(|_| is_all_of_cause).map_or(group.len() as u64, |cause| cause.count);
    let more = if count > group.len() as u64 { ", …" } else { "" };
    format!("{place}{more}{column}: {count} times: {field}: {message} [{rule}]")
}
