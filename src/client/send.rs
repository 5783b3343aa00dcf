//! A body is signed and sent once, and the answer read.

use super::body::Payload;
use super::connection::{Broken, Sent, agent};
use super::retry::Patience;
use crate::signature::{Head, format_date, parse_date};
use jiff::Timestamp;
use serde::Deserialize;
use std::cell::Cell;
use std::io::{self, Read};
use std::time::Duration;
use ureq::http::Uri;

/// Where to push, and as whom.
#[derive(Clone)]
pub struct Target {
    pub(super) url: String,
    path: String,
    pub(super) account: i64,
    secret: String,
}

/// The longest answer that is read, in bytes: a refusal lists what is wrong with up to a thousand employees.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What a server says to a push, whatever it says.
pub struct Answer {
    /// Whether the push was applied.
    pub ok: bool,
    /// The status.
    pub status: u16,
    /// The body, as it was sent.
    pub text: String,
    /// The request's id in the server's log; `None` if it was no rollcall server that answered.
    pub request: Option<String>,
    /// Where the server says that the push belongs, if it redirects.
    pub location: Option<String>,
    /// The server's clock.
    pub date: Option<Timestamp>,
    /// How long the server asks to wait before the next attempt: seconds, or a date.
    pub retry_after: Option<String>,
    /// The clock of this machine when the answer came.
    pub received: Timestamp,
    /// How many attempts there were.
    pub tries: u32,
    /// Whether an attempt before had sent everything, but got no answer: it may have been applied.
    pub sent_before: bool,
}

/// The members of an answer to a push that was applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerCounts {
    /// Had not existed.
    pub employees_created: u64,
    /// Had existed, and the data changed.
    pub employees_data_updated: u64,
    /// Had existed, and became active.
    pub employees_status_changed_to_active: u64,
    /// Had existed, and became hidden.
    pub employees_status_changed_to_hidden: u64,
    /// Had existed, and did not change.
    pub employees_not_changed: u64,
}

/// The members of an answer to a push that was refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerRefusal {
    /// What to do.
    pub message: String,
    /// How many rejections there are.
    #[serde(default)]
    pub error_count: u64,
    /// The first of them.
    #[serde(default)]
    pub errors: Vec<AnswerRejection>,
    /// All of them by field and rule, the most frequent first.
    #[serde(default)]
    pub causes: Vec<AnswerCause>,
}

/// One of the causes of a refusal.
#[derive(Debug, Deserialize)]
pub struct AnswerCause {
    /// The field.
    pub field: String,
    /// The rule.
    pub rule: String,
    /// The number of rejections that have it.
    pub count: u64,
}

/// One of the errors of a refusal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerRejection {
    /// The place in the push, counted from 0.
    pub index: Option<u64>,
    /// The employee's id.
    pub id: Option<String>,
    /// The field.
    pub field: String,
    /// The rule.
    pub rule: String,
    /// What to do.
    pub message: String,
    /// The place in the push of the other employee that the message speaks of.
    pub other_index: Option<u64>,
}

/// A field of a profile.
#[derive(Debug, Clone)]
pub struct ProfileField {
    /// What a push calls it.
    pub name: String,
    /// What LMS Collaborator calls it, if it has it.
    pub collaborator: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The URL cannot be pushed to.
    #[error("{0:?} is not the URL of a server; write one like http://127.0.0.1:8080")]
    Url(String),
    /// The server does not return the profile.
    #[error("{url}: the server does not return the profile: {message}; nothing was sent")]
    NoProfile {
        /// The URL.
        url: String,
        /// What the server said.
        message: String,
    },
    /// The server cannot be reached, or the connection broke.
    #[error("{0}")]
    Broken(#[from] Box<Broken>),
    /// The body cannot be read back from its temporary file.
    #[error("the body cannot be read back from its temporary file: {0}; nothing was sent")]
    Body(#[from] io::Error),
}

impl Target {
    /// The server at `url`, with the account's id and secret.
    pub fn new(url: &str, account: i64, secret: &str) -> Result<Target, PushError> {
        let wrong = || PushError::Url(url.to_owned());
        let trimmed = url.trim_end_matches('/');
        let full = match trimmed.to_ascii_lowercase().ends_with("/v1/employees") {
            true => trimmed.to_owned(),
            false => format!("{trimmed}/v1/employees"),
        };
        let uri: Uri = full.parse().map_err(|_| wrong())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(wrong());
        }
        Ok(Target { path: uri.path().to_owned(), url: full, account, secret: secret.to_owned() })
    }
}

/// Asks the server for the fields of a profile, by a signed request.
pub fn profile_fields(target: &Target, profile: &str) -> Result<Vec<ProfileField>, PushError> {
    let base = target.url.len() - "employees".len();
    let path = target.path.len() - "employees".len();
    let (url, path) =
        (format!("{}profiles/{profile}", &target.url[..base]), format!("{}profiles/{profile}", &target.path[..path]));
    let answer = Patience::default().answer;
    let broken = |error| Box::new(Broken::new(&url, &error, Sent::Nothing, answer));
    let date = format_date(Timestamp::now());
    let head = Head { verb: "GET", path: &path, date: &date, content_length: "0" };
    let signature = head.sign(target.secret.as_bytes());
    let request = agent(answer).get(&url).header("Authorization", format!("SharedKey {}:{signature}", target.account));
    let mut response = request.header("Date", &date).call().map_err(broken)?;
    let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(broken)?;
    let definition: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(fields) = definition["fields"].as_array().filter(|_| response.status().is_success()) else {
        let message = definition["message"].as_str().unwrap_or("it sent no profile").to_owned();
        return Err(PushError::NoProfile { url, message });
    };
    let field = |field: &serde_json::Value| {
        let collaborator = field["wire"]["collaborator"].as_str().map(str::to_owned);
        Some(ProfileField { name: field["name"].as_str()?.to_owned(), collaborator })
    };
    Ok(fields.iter().filter_map(field).collect())
}

/// Sends a body once; `tell` hears how many of how many bytes were sent.
pub fn send(
    target: &Target,
    body: &Payload,
    answer: Duration,
    mut tell: impl FnMut(u64, u64),
) -> Result<Answer, Box<Broken>> {
    let date = format_date(Timestamp::now());
    let length = body.length.to_string();
    let head = Head { verb: "POST", path: &target.path, date: &date, content_length: &length };
    let signature = head.sign(target.secret.as_bytes());
    let sent = Cell::new(0);
    let mut reader = Told {
        inner: &body.file,
        tell: |bytes| {
            sent.set(sent.get() + bytes);
            tell(sent.get(), body.length);
        },
    };
    let mut request = agent(answer)
        .post(&target.url)
        .header("Accept", "application/json; charset=utf-8")
        .header("Authorization", format!("SharedKey {}:{signature}", target.account))
        .header("Content-Type", "application/json; charset=utf-8")
        .header("Content-Length", &length)
        .header("Date", &date)
        .header("Expect", "100-continue");
    if let Some(encoding) = body.encoding {
        request = request.header("Content-Encoding", encoding);
    }
    let broken = |error| {
        let sent = match sent.get() {
            0 => Sent::Nothing,
            bytes if bytes < body.length => Sent::Part { bytes, length: body.length },
            _ => Sent::All,
        };
        Box::new(Broken::new(&target.url, &error, sent, answer))
    };
    let mut response = request.send(ureq::SendBody::from_reader(&mut reader)).map_err(broken)?;
    let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(broken)?;
    let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    Ok(Answer {
        ok: response.status().is_success(),
        status: response.status().as_u16(),
        text,
        request: header("Rollcall-Request"),
        location: header("Location"),
        date: header("Date").and_then(|date| parse_date(&date)),
        retry_after: header("Retry-After"),
        received: Timestamp::now(),
        tries: 1,
        sent_before: false,
    })
}

/// A reader that tells how much was read.
struct Told<R, F> {
    inner: R,
    tell: F,
}

impl<R: Read, F: FnMut(u64)> Read for Told<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        (self.tell)(length as u64);
        Ok(length)
    }
}
