//! A refusal: a request turned away, with a status and two messages.

use super::{Answer, json, text};
use crate::dialect::Dialect;
use crate::rejection::{Cause, Rejection, SetAside};
use crate::roster::{Counts, Tripped};
use hyper::StatusCode;
use hyper::header::{ACCEPT_ENCODING, ALLOW, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use serde_json::Value;

/// A request turned away.
#[derive(Debug)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// What to do, for the client.
    pub message: String,
    /// What happened, for the log, if that is more than the message.
    pub internal: Option<String>,
    /// The guards that stopped a push.
    pub held: Option<Box<Held>>,
    /// What is wrong with the employees of a push.
    pub rejected: Option<Box<Rejected>>,
    /// Headers of the answer beside those that every answer has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, if a dialect has another form for it.
    pub(super) body: Option<Box<Body>>,
}

/// A body in the form of a dialect.
#[derive(Debug)]
pub(super) struct Body {
    media_type: &'static str,
    text: String,
}

/// What stopped a push that waits.
#[derive(Debug)]
pub struct Held {
    /// The guards.
    pub tripped: Vec<Tripped>,
    /// The id of the plan that it became; `None` if there was no room for one.
    pub plan: Option<String>,
    /// The five counts, as if it had been applied.
    pub counts: Counts,
}

/// What a 400 lists.
#[derive(Debug)]
pub struct Rejected {
    /// How many rejections there are, listed or not.
    pub error_count: u64,
    /// The first of them.
    pub errors: Vec<Rejection>,
    /// All of them by field and rule.
    pub causes: Vec<Cause>,
}

/// The body of a refusal.
#[derive(Serialize)]
struct RefusalBody<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    guards: Vec<TrippedBody<'a>>,
    #[serde(flatten)]
    rejected: Option<RejectedBody<'a>>,
}

#[derive(Serialize)]
struct TrippedBody<'a> {
    guard: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    count: u64,
    of: u64,
    limit: u64,
    ids: &'a [String],
}

impl<'a> From<&'a Tripped> for TrippedBody<'a> {
    fn from(Tripped { guard, field, count, of, limit, ids }: &'a Tripped) -> TrippedBody<'a> {
        TrippedBody { guard: guard.name(), field: field.as_deref(), count: *count, of: *of, limit: *limit, ids }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RejectedBody<'a> {
    error_count: u64,
    errors: Vec<RejectionBody<'a>>,
    causes: Vec<CauseBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RejectionBody<'a> {
    index: Option<u64>,
    id: Option<&'a str>,
    field: &'a str,
    rule: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_index: Option<u64>,
}

#[derive(Serialize)]
struct CauseBody<'a> {
    field: &'a str,
    rule: &'a str,
    count: u64,
    message: &'a str,
}

/// Whom a lenient push was applied without.
#[derive(Serialize)]
struct SetAsideBody<'a> {
    employees: u64,
    #[serde(flatten)]
    rejected: RejectedBody<'a>,
}

/// Shows whom a lenient push was applied without, and what is wrong with them in the form of a refusal.
pub fn shown(SetAside { employees, error_count, errors, causes }: &SetAside) -> Value {
    let body = SetAsideBody { employees: *employees, rejected: RejectedBody::new(*error_count, errors, causes) };
    serde_json::to_value(body).expect("answers are maps with string keys")
}

/// Shows guards in the form of a refusal.
pub fn shown_guards(tripped: &[Tripped]) -> Value {
    let guards: Vec<TrippedBody> = tripped.iter().map(TrippedBody::from).collect();
    serde_json::to_value(guards).expect("answers are maps with string keys")
}

impl<'a> RejectedBody<'a> {
    fn new(error_count: u64, errors: &'a [Rejection], causes: &'a [Cause]) -> RejectedBody<'a> {
        let error = |Rejection { index, id, field, rule, message, other_index }: &'a Rejection| RejectionBody {
            index: *index,
            id: id.as_deref(),
            field,
            rule,
            message,
            other_index: *other_index,
        };
        let cause =
            |Cause { field, rule, count, message, .. }: &'a Cause| CauseBody { field, rule, count: *count, message };
        RejectedBody {
            error_count,
            errors: errors.iter().map(error).collect(),
            causes: causes.iter().map(cause).collect(),
        }
    }
}

impl Rejected {
    /// Returns how many rejections there are by field and rule, for the log: the most frequent. A name that only the client has is not
    /// logged.
    pub fn summary(&self) -> String {
        let causes = self.causes.iter().take(5).map(|Cause { field, known, rule, count, .. }| match (known, &**rule) {
            (true, _) => format!("{field} {rule}: {count}"),
            (false, "unknown") => format!("a field that the profile does not have: {count}"),
            (false, _) => format!("a field, {rule}: {count}"),
        });
        causes.collect::<Vec<_>>().join("; ")
    }
}

impl Refusal {
    /// A refusal with this status. The message says what to do.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            message: message.into(),
            internal: None,
            held: None,
            rejected: None,
            headers: Vec::new(),
            body: None,
        }
    }

    /// A failure of the server's own; `what` happened is for the log.
    pub fn internal(what: impl ToString) -> Refusal {
        let message = "the server failed, and nothing was stored; send the request again later, \
                       and if it fails again, tell the server's operator the id in the header Rollcall-Request";
        Refusal { internal: Some(what.to_string()), ..Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, message) }
    }

    /// The same, saying when to send the request again.
    pub fn retry_after(mut self, seconds: u64) -> Refusal {
        self.headers.push((RETRY_AFTER, seconds.into()));
        self
    }

    /// Returns whether the request may succeed if it is sent again later as it is.
    pub fn may_pass(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == RETRY_AFTER)
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
    pub fn in_form(mut self, media_type: &'static str, text: String) -> Refusal {
        self.body = Some(Box::new(Body { media_type, text }));
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

    /// Makes the answer.
    pub fn answer(&self) -> Answer {
        let mut answer = match self.body.as_deref() {
            Some(body) => text(self.status, body.media_type, body.text.clone()),
            None => json(
                self.status,
                &RefusalBody {
                    message: &self.message,
                    guards: self.held.iter().flat_map(|held| &held.tripped).map(TrippedBody::from).collect(),
                    rejected: self
                        .rejected
                        .as_deref()
                        .map(|rejected| RejectedBody::new(rejected.error_count, &rejected.errors, &rejected.causes)),
                },
            ),
        };
        answer.headers_mut().extend(self.headers.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
        answer
    }
}
