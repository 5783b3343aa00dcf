//! Respond: what happened becomes a status, a message that says what to do, and headers.

pub mod content;
mod failure;
mod refusal;

pub use failure::shown_left_out;
pub use refusal::{Held, Refusal};

use crate::dialect::JSON;
use crate::limits::IGNORED_HEADER_BYTES_MAX;
use crate::rejection::SetAside;
use crate::roster::{Ignored, Suspects, Tripped};
use crate::sync::Receipt;
use content::Content;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

/// An answer.
pub type Answer = Response<Content>;

/// The request's id in the log; every answer carries it.
pub const REQUEST: HeaderName = HeaderName::from_static("rollcall-request");

/// The roster's revision after a push.
pub const REVISION: HeaderName = HeaderName::from_static("rollcall-revision");

/// The place in the feed of changes that belongs to an export.
pub const CURSOR: HeaderName = HeaderName::from_static("rollcall-cursor");

/// The names of what a push carried that means nothing here.
const IGNORED: HeaderName = HeaderName::from_static("rollcall-ignored");

/// Says which preference of the client was applied (RFC 7240).
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How many employees a lenient push was applied without.
const REJECTED: HeaderName = HeaderName::from_static("rollcall-rejected");

/// How many suspects a push has, and how many of each kind: `3;same-person=1;moved-value=2`.
const SUSPECTS: HeaderName = HeaderName::from_static("rollcall-suspects");

/// Says that an earlier request did what the answer says, and this one nothing.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Makes an answer in JSON, indented by two spaces.
pub fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let body = serde_json::to_string_pretty(body).expect("answers are maps with string keys");
    json_text(status, body)
}

/// Makes an answer of JSON that is written already.
pub fn json_text(status: StatusCode, body: String) -> Answer {
    text(status, JSON, body)
}

/// Makes an answer of another media type.
pub fn text(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Content::whole(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// Adds to an answer the headers that say what a push did.
pub fn note(answer: &mut Answer, receipt: &Receipt) {
    answer.headers_mut().insert(REVISION, receipt.revision.into());
    note_repeated(answer, receipt.is_repeated);
    note_ignored(answer, &receipt.ignored);
    note_set_aside(answer, receipt.set_aside.as_deref());
    note_suspects(answer, &receipt.suspects);
}

/// Adds to an answer the header that says how many suspects there are, if there are any.
pub fn note_suspects(answer: &mut Answer, suspects: &Suspects) {
    answer.headers_mut().extend(suspects_header(suspects));
}

/// Returns the header that says how many suspects there are, if there are any.
fn suspects_header(suspects: &Suspects) -> Option<(HeaderName, HeaderValue)> {
    let kinds = suspects.counts().into_iter().filter(|(_, count)| *count > 0);
    let kinds: String = kinds.map(|(kind, count)| format!(";{kind}={count}")).collect();
    let value = HeaderValue::from_str(&format!("{}{kinds}", suspects.count()));
    (!kinds.is_empty()).then(|| (SUSPECTS, value.expect("names and numbers are ASCII")))
}

/// Adds to an answer the header that says so if an earlier request did what it says.
pub fn note_repeated(answer: &mut Answer, is_repeated: bool) {
    if is_repeated {
        answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
}

/// Adds to the answer to a lenient push the headers that say so, and how many employees were rejected.
pub fn note_set_aside(answer: &mut Answer, set_aside: Option<&SetAside>) {
    if let Some(SetAside { employees, .. }) = set_aside {
        answer.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static("handling=lenient"));
        answer.headers_mut().insert(REJECTED, (*employees).into());
    }
}

/// What an answer says beside the counts.
pub struct Besides<'a> {
    /// The employees that a lenient push leaves out.
    pub set_aside: Option<&'a SetAside>,
    /// The guards that would stop a push that was a dry run.
    pub tripped: &'a [Tripped],
}

/// Makes an answer of counts, which are a JSON object, and of what there is besides. If there is nothing, the counts are all of it.
pub fn answer_with(counts: String, besides: &Besides) -> Answer {
    let set_aside = besides.set_aside.filter(|set_aside| set_aside.employees > 0);
    if set_aside.is_none() && besides.tripped.is_empty() {
        return json_text(StatusCode::OK, counts);
    }
    let mut body: Value = serde_json::from_str(&counts).expect("counts are JSON");
    if let Some(set_aside) = set_aside {
        body["rejected"] = refusal::shown(set_aside);
    }
    if !besides.tripped.is_empty() {
        body["guards"] = refusal::shown_guards(besides.tripped);
    }
    json(StatusCode::OK, &body)
}

/// Returns the path of the plan with this id, for the header `Location`.
pub fn location(plan: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("/v1/plans/{plan}")).expect("a plan's id is hexadecimal")
}

/// Adds to an answer the header that names what a push carried and means nothing here.
pub fn note_ignored(answer: &mut Answer, ignored: &Ignored) {
    let mut names = String::new();
    for name in ignored.names() {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC_BUT_UNDERSCORE).to_string();
        if names.len() + name.len() + 2 > IGNORED_HEADER_BYTES_MAX {
            break;
        }
        names = if names.is_empty() { name } else { format!("{names}, {name}") };
    }
    if !names.is_empty() {
        let names = HeaderValue::from_str(&names).expect("percent-encoded text is ASCII");
        answer.headers_mut().insert(IGNORED, names);
    }
}

const NON_ALPHANUMERIC_BUT_UNDERSCORE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');
