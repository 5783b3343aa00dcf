//! Respond: what happened becomes a status, a message that says what to do, and headers.

pub mod content;

use crate::dialect::{Dialect, JSON};
use crate::export;
use crate::limits::IGNORED_HEADER_BYTES_MAX;
use crate::rejection::{Cause, Rejection};
use crate::server::respond::content::Content;
use crate::store;
use crate::sync::{BodyError, Failure, Receipt};
use hyper::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// An answer.
pub type Answer = Response<Content>;

/// The request's id in the log; every answer carries it.
pub const REQUEST: HeaderName = HeaderName::from_static("rollcall-request");
/// The roster's revision after a push.
pub const REVISION: HeaderName = HeaderName::from_static("rollcall-revision");

/// A request turned away.
#[derive(Debug)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// What to do, for the client.
    pub message: String,
    /// What happened, for the log, where that is more than the message.
    pub internal: Option<String>,
    /// What is wrong with the employees of a push.
    pub rejected: Option<Box<Rejected>>,
    /// Headers of the answer beside those that every answer has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, where a dialect has another form for it: its type, and itself.
    body: Option<Box<(&'static str, String)>>,
}

/// What a 400 lists.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// How many rejections there are, listed or not.
    pub error_count: u64,
    /// The first of them.
    pub errors: Vec<Rejection>,
    /// All of them by field and rule.
    pub causes: Vec<Cause>,
}

#[derive(Serialize)]
struct RefusalBody<'a> {
    message: &'a str,
    #[serde(flatten)]
    rejected: Option<&'a Rejected>,
}

impl Rejected {
    /// How many rejections there are of which field and rule, for the log: the most frequent. A name that only the client has is not
    /// logged.
    pub fn summary(&self) -> String {
        let causes = self.causes.iter().take(5).map(|Cause { field, known, rule, count, .. }| match (known, *rule) {
            (true, _) => format!("{field} {rule}: {count}"),
            (false, "unknown") => format!("a field that the profile does not have: {count}"),
            (false, _) => format!("a field, {rule}: {count}"),
        });
        causes.collect::<Vec<_>>().join("; ")
    }
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), internal: None, rejected: None, headers: Vec::new(), body: None }
    }

    /// A failure of the server's own.
    pub fn internal(what: impl ToString) -> Refusal {
        let message = "the server failed, and nothing was stored; send the request again later, \
                       and if it fails again, tell the server's operator the id in the header Rollcall-Request";
        Refusal { internal: Some(what.to_string()), ..Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, message) }
    }

    pub fn retry_after(mut self, seconds: u64) -> Refusal {
        self.headers.push((RETRY_AFTER, seconds.into()));
        self
    }

    /// The same, saying which content codings would be taken (RFC 7694).
    pub fn accept_encoding(mut self, codings: &'static str) -> Refusal {
        self.headers.push((ACCEPT_ENCODING, HeaderValue::from_static(codings)));
        self
    }

    /// A request with another method than those that its path takes.
    pub fn allow(methods: &str) -> Refusal {
        let message = format!("this path takes {methods} only");
        let mut refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message);
        refusal.headers.push((ALLOW, HeaderValue::from_str(methods).expect("methods are ASCII")));
        refusal
    }

    /// The same with another status.
    pub fn with_status(self, status: StatusCode) -> Refusal {
        Refusal { status, ..self }
    }

    /// The same with a body in a dialect's form.
    pub fn in_form(mut self, content_type: &'static str, body: String) -> Refusal {
        self.body = Some(Box::new((content_type, body)));
        self
    }

    /// The same with its message in the form of a dialect, unless it has a body in that form already.
    pub fn in_form_of(self, dialect: Dialect) -> Refusal {
        match &dialect.facts().refusal {
            Some(form) if self.body.is_none() => {
                let body = (form.body)(&self.message);
                self.in_form(form.media_type, body)
            }
            _ => self,
        }
    }

    pub fn answer(&self) -> Answer {
        let mut answer = match self.body.as_deref() {
            Some((content_type, body)) => text(self.status, content_type, body.clone()),
            None => json(self.status, &RefusalBody { message: &self.message, rejected: self.rejected.as_deref() }),
        };
        answer.headers_mut().extend(self.headers.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
        answer
    }
}

/// An answer in JSON, indented by two spaces.
pub fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let body = serde_json::to_string_pretty(body).expect("answers are maps with string keys");
    json_text(status, body)
}

/// An answer whose JSON is written already.
pub fn json_text(status: StatusCode, body: String) -> Answer {
    text(status, JSON, body)
}

/// An answer of another type.
pub fn text(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Content::whole(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// The names of what a push carried and means nothing here.
const IGNORED: HeaderName = HeaderName::from_static("rollcall-ignored");

/// Notes in the headers of an answer what a push did.
pub fn note(answer: &mut Answer, receipt: &Receipt) {
    answer.headers_mut().insert(REVISION, receipt.revision.into());
    let mut names = String::new();
    for name in receipt.ignored.names() {
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

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Refusal {
        let internal = Some(error.to_string());
        match error {
            store::Error::Write(_) | store::Error::ReadOnly(_) => disk(error),
            store::Error::Busy(_) => {
                let message =
                    "the account's roster is in use by another program on the server; send this again in a moment";
                Refusal { internal, ..Refusal::new(StatusCode::CONFLICT, message) }.retry_after(10)
            }
            store::Error::Replaced(_) => {
                let message = "the account's roster was replaced on the server meanwhile, and nothing was stored; send this again";
                Refusal { internal, ..Refusal::new(StatusCode::CONFLICT, message) }.retry_after(1)
            }
            store::Error::LongLog { log_bytes_max, .. } => {
                let message = format!(
                    "more than {log_bytes_max} bytes were pushed while exports of this account are under way \
                     (limit log_bytes_max); ask again when they have ended"
                );
                Refusal { internal, ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message) }.retry_after(30)
            }
            store::Error::FilesOpen { .. } => {
                let message =
                    "the server has as many files open as it may, and nothing was stored; send this again in a moment";
                Refusal { internal, ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message) }.retry_after(10)
            }
            store::Error::AccountGone(account) => {
                let message =
                    format!("account {account} was removed while this request was under way; nothing was stored");
                Refusal::new(StatusCode::FORBIDDEN, message)
            }
            _ => Refusal::internal(error),
        }
    }
}

impl From<export::Error> for Refusal {
    fn from(error: export::Error) -> Refusal {
        match error {
            export::Error::Store(error) => error.into(),
            error => disk(error),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        let bad = |message: String| Refusal::new(StatusCode::BAD_REQUEST, message);
        match failure {
            Failure::Body(error) => error.into(),
            Failure::NotJson { index, at, message } => {
                let place = index.map(|index| format!(", in the employee at index {index}")).unwrap_or_default();
                bad(format!("the body is not JSON: {message}, at byte {at}{place}; nothing was stored"))
            }
            Failure::Wrong(message) => bad(format!("{message}; nothing was stored")),
            Failure::OverLimit { limit, max } => {
                let message =
                    format!("the body is over the server's limit {limit}, which is {max}; nothing was stored");
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            Failure::UnknownProfile => {
                let message = "the account has no profile with this profileId; GET /v1/profiles lists those it has";
                Refusal::new(StatusCode::NOT_FOUND, message)
            }
            Failure::Rejected(rejections) => {
                let error_count = rejections.count();
                let (errors, causes) = rejections.into_parts();
                let first = errors.first().map(|first| {
                    let who = match (&first.id, first.index) {
                        (Some(id), Some(index)) => format!("employee {id:?} at index {index}"),
                        (None, Some(index)) => format!("the employee at index {index}"),
                        (Some(id), None) => format!("employee {id:?}, who is stored already"),
                        (None, None) => "an employee".into(),
                    };
                    let other = first.other_index.map(|index| format!(" (the other is at index {index})"));
                    format!("{who}: {}: {}{}", first.field, first.message, other.unwrap_or_default())
                });
                let problems = if error_count == 1 { "1 problem".into() } else { format!("{error_count} problems") };
                let message = format!("nothing was stored: {problems}; the first is {}", first.unwrap_or_default());
                Refusal { rejected: Some(Box::new(Rejected { error_count, errors, causes })), ..bad(message) }
            }
            Failure::Spool(error) => disk(error),
            Failure::Store(error) => error.into(),
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Refusal {
        match error {
            BodyError::Cut { received } => Refusal::new(
                StatusCode::BAD_REQUEST,
                format!(
                    "the body ended after {received} bytes, before its Content-Length; nothing was stored; send it whole"
                ),
            ),
            BodyError::Slow { limit, max } => Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body came too slowly (limit {limit}, which is {max}); nothing was stored; send it again"),
            ),
            BodyError::GaveWay { limit, max } => Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                format!(
                    "the body came slowly while other pushes waited for a place (limit {limit}, which is {max}); \
                     nothing was stored; send it again"
                ),
            ),
            BodyError::NotPacked { coding, message } => Refusal::new(
                StatusCode::BAD_REQUEST,
                format!(
                    "the body is not {coding} as its Content-Encoding says, or it was cut or damaged on its way: {message}; \
                     nothing was stored"
                ),
            ),
            BodyError::OverLimit { limit, max } => Failure::OverLimit { limit, max }.into(),
            BodyError::Digest => Refusal::new(
                StatusCode::BAD_REQUEST,
                "the body does not have the digest that its Content-Digest says: it was damaged on its way, \
                 or the digest is of other bytes; nothing was stored",
            ),
            BodyError::Spool(error) => disk(error),
        }
    }
}

/// The disk did not take what it was given.
fn disk(error: impl ToString) -> Refusal {
    let message = "the server could not write to its disk, and nothing was stored; tell its operator \
                   (is the disk full, or the folder read-only?), then send the request again";
    Refusal { internal: Some(error.to_string()), ..Refusal::new(StatusCode::INSUFFICIENT_STORAGE, message) }
}
