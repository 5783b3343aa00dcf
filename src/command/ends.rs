//! Ends of accounts and keys, as options and in lists.

use super::Failed;
use crate::until::Until;
use jiff::Timestamp;

/// Returns the end of something that is added. An end in the past is an error.
pub fn to_come(until: Option<Until>) -> Result<Option<Until>, Failed> {
    match until.filter(|until| until.has_passed(Timestamp::now())) {
        Some(until) => Err(Failed::Usage(format!("--until {until} has passed already; name a later day"))),
        None => Ok(until),
    }
}

/// What `account set` takes: a day, a time, or `never`.
#[derive(Debug, Clone, Copy)]
pub struct End(pub Option<Until>);

impl End {
    pub fn parse(text: &str) -> Result<End, String> {
        match text {
            "never" => Ok(End(None)),
            _ => Until::parse(text).map(|until| End(Some(until))).map_err(|error| format!("{error}, or never")),
        }
    }
}

/// Returns the state of something that ends at `until`: `valid`, `ends soon` or `ended`.
pub fn state(until: Option<Until>) -> &'static str {
    let now = Timestamp::now();
    match until {
        Some(until) if until.has_passed(now) => "ended",
        Some(until) if until.is_near(now) => "ends soon",
        _ => "valid",
    }
}

/// Returns the columns `until` and `state` of a list.
pub fn columns(until: Option<Until>) -> String {
    let shown = until.map_or_else(|| "never".to_owned(), |until| until.to_string());
    format!("{shown:<20}  {:<9}", state(until))
}

/// Returns the headings of [`columns`].
pub fn headings() -> String {
    format!("{:<20}  {:<9}", "until", "state")
}
