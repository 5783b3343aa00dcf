//! One attempt: a body is signed and sent, and the answer is read.

use super::body::Payload;
use super::connection::{Broken, Sent, agent};
use crate::digest::content_digest;
use crate::signature::message::{self, Message};
use crate::signature::{Head, format_date, parse_date};
use crate::token;
use jiff::Timestamp;
use serde::Deserialize;
use std::cell::Cell;
use std::io::{self, Read};
use std::time::Duration;
use ureq::http::{Response, Uri};

/// Where to push, and as whom.
#[derive(Clone)]
pub struct Target {
    pub(super) url: String,
    path: String,
    pub(super) account: i64,
    secret: String,
    /// How requests are signed.
    pub signing: Signing,
    /// Whether a push only asks what it would do. The server keeps what it would change as a plan then.
    pub dry_run: bool,
}

/// How requests are signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Signing {
    /// By SharedKey, which covers the head.
    #[default]
    SharedKey,
    /// By RFC 9421, which covers the query and the digest of the body, too.
    Rfc9421,
}

/// A request that is to be signed.
struct Unsigned<'a> {
    verb: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    /// The length and the digest of its body, if it has one.
    body: Option<(&'a str, &'a str)>,
}

/// The longest answer that is read, in bytes. A refusal lists the faults of up to a thousand employees.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// The time limit for an answer about profiles, in seconds.
const PROFILE_SECONDS_MAX: u64 = 30;

/// The most profiles that a message lists.
const PROFILES_LISTED_MAX: usize = 20;

/// The answer to a push, whether it was applied or not.
#[derive(Debug)]
pub struct Answer {
    /// Whether the push was applied.
    pub ok: bool,
    /// The status.
    pub status: u16,
    /// The body, as it was sent.
    pub text: String,
    /// The request's id in the server's log, or `None` if another program answered.
    pub request: Option<String>,
    /// Where the server redirects to, or the plan that it has made.
    pub location: Option<String>,
    /// The revision of the roster after a push that was applied.
    pub revision: Option<u64>,
    /// How many suspects of each kind the push has, by the names of the kinds.
    pub suspects: Vec<(String, u64)>,
    /// The server's clock.
    pub date: Option<Timestamp>,
    /// How long the server asks to wait before the next attempt: seconds, or a date.
    pub retry_after: Option<String>,
    /// The clock of this machine when the answer arrived.
    pub received: Timestamp,
    /// How many attempts there were.
    pub tries: u32,
    /// Whether an earlier attempt sent everything but got no answer, so it may have been applied.
    pub sent_before: bool,
    /// Whether an earlier attempt was applied, and this is its answer again.
    pub is_repeated: bool,
}

impl Answer {
    /// Returns the five counts, or `None` if the push was not applied.
    pub fn counts(&self) -> Option<AnswerCounts> {
        serde_json::from_str(&self.text).ok().filter(|_| self.ok)
    }

    /// Returns the id of the plan that the push became; `None` if it became none.
    pub fn plan(&self) -> Option<&str> {
        let (_, id) = self.location.as_ref()?.rsplit_once("/plans/")?;
        id.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(id)
    }

    /// Returns the employees that a lenient push was applied without; `None` if there are none.
    pub fn rejected(&self) -> Option<AnswerRejected> {
        #[derive(Deserialize)]
        struct Applied {
            rejected: AnswerRejected,
        }
        serde_json::from_str::<Applied>(&self.text).ok().filter(|_| self.ok).map(|applied| applied.rejected)
    }

    /// Returns why the push was refused, or `None` if this is not one of rollcall's refusals.
    pub fn refusal(&self) -> Option<AnswerRefusal> {
        serde_json::from_str(&self.text).ok()
    }
}

/// The employees that a lenient push was applied without.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerRejected {
    /// How many there are.
    pub employees: u64,
    /// How many rejections there are, listed or not.
    pub error_count: u64,
    /// The first rejections, in the order of the push.
    pub errors: Vec<AnswerRejection>,
    /// All rejections by field and rule, the most frequent first.
    pub causes: Vec<AnswerCause>,
}

/// What a push that was applied did: numbers of employees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerCounts {
    /// Were not stored before.
    pub employees_created: u64,
    /// Were stored, and their data changed.
    pub employees_data_updated: u64,
    /// Were hidden, and became active.
    pub employees_status_changed_to_active: u64,
    /// Were active, and became hidden.
    pub employees_status_changed_to_hidden: u64,
    /// Were stored, and did not change.
    pub employees_not_changed: u64,
}

/// Why a push was refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerRefusal {
    /// What to do.
    pub message: String,
    /// The guards that stopped the push.
    #[serde(default)]
    pub guards: Vec<AnswerGuard>,
    /// How many rejections there are, listed or not.
    #[serde(default)]
    pub error_count: u64,
    /// The first rejections, in the order of the push.
    #[serde(default)]
    pub errors: Vec<AnswerRejection>,
    /// All rejections by field and rule, the most frequent first.
    #[serde(default)]
    pub causes: Vec<AnswerCause>,
}

/// A guard that stopped a push.
#[derive(Debug, Deserialize)]
pub struct AnswerGuard {
    /// Its name.
    pub guard: String,
    /// The field that it is about, if it is about one.
    pub field: Option<String>,
    /// To how many employees the push would do this.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// To how many it may.
    pub limit: u64,
    /// The ids of the first of them.
    pub ids: Vec<String>,
}

/// Rejections of the same field and rule.
#[derive(Debug, Deserialize)]
pub struct AnswerCause {
    /// The field.
    pub field: String,
    /// The rule.
    pub rule: String,
    /// How many rejections there are.
    pub count: u64,
}

/// One thing wrong with one employee.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerRejection {
    /// The employee's place in the push, counted from 0, or `None` if the push does not carry it.
    pub index: Option<u64>,
    /// The employee's id.
    pub id: Option<String>,
    /// The field.
    pub field: String,
    /// The rule.
    pub rule: String,
    /// What to do.
    pub message: String,
    /// The place in the push of the other employee that the message is about, if there is one.
    pub other_index: Option<u64>,
}

/// A field of a profile.
#[derive(Debug, Clone)]
pub struct ProfileField {
    /// What a push calls it.
    pub name: String,
    /// What LMS Collaborator calls it, if it has such a field.
    pub collaborator: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The URL cannot be pushed to.
    #[error("{0:?} is not the URL of a server; write one like http://127.0.0.1:8080")]
    Url(String),
    /// The URL has an impossible port.
    #[error("{0:?}: there is no port {1:?}; ports are from 1 to 65535")]
    Port(String, String),
    /// The server refuses the profile, as it would refuse the push.
    #[error("{url}: the server does not return the profile: {message}; nothing was sent")]
    NoProfile {
        /// The URL.
        url: String,
        /// What the server said, in words.
        message: String,
        /// What it answered.
        answer: Box<Answer>,
    },
    /// The server does not serve profiles. It may still accept the push.
    #[error("{url}: the server does not say which fields the profile has, but answers {status}; nothing was sent")]
    NotServed {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
    },
    /// The server cannot be reached, or the connection broke.
    #[error("{0}")]
    Broken(#[from] Box<Broken>),
    /// The body cannot be read back from its temporary file.
    #[error("the body cannot be read back from its temporary file: {0}; nothing was sent")]
    Body(#[from] io::Error),
}

impl Target {
    /// Makes the target of pushes to the server at `url`, for an account with this SharedKey secret. The error says what is wrong with the URL.
    pub fn new(url: &str, account: i64, secret: &str) -> Result<Target, PushError> {
        let wrong = || PushError::Url(url.to_owned());
        let trimmed = url.trim_end_matches('/');
        let is_full = trimmed.to_ascii_lowercase().ends_with("/v1/employees");
        let full = if is_full { trimmed.to_owned() } else { format!("{trimmed}/v1/employees") };
        let uri: Uri = full.parse().map_err(|_| wrong())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(wrong());
        }
        let port = uri.authority().and_then(|authority| authority.as_str().rsplit('@').next()?.rsplit_once(':'));
        let port = port.map(|(_, port)| port).filter(|port| !port.ends_with(']'));
        if let Some(port) = port.filter(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
            return Err(PushError::Port(url.to_owned(), port.to_owned()));
        }
        Ok(Target {
            path: uri.path().to_owned(),
            url: full,
            account,
            secret: secret.to_owned(),
            signing: Signing::SharedKey,
            dry_run: false,
        })
    }
}

impl Target {
    /// The account that is pushed for.
    pub fn account(&self) -> i64 {
        self.account
    }

    /// Returns the headers that sign a request of now.
    fn sign(&self, request: &Unsigned) -> io::Result<Vec<(&'static str, String)>> {
        let now = Timestamp::now();
        let date = format_date(now);
        let Unsigned { verb, path, query, body } = *request;
        let (account, secret) = (self.account, self.secret.as_bytes());
        let mut headers = match self.signing {
            Signing::SharedKey => {
                let content_length = body.map_or("0", |(length, _)| length);
                let signature = Head { verb, path, date: &date, content_length }.sign(secret);
                vec![("Authorization", format!("SharedKey {account}:{signature}"))]
            }
            Signing::Rfc9421 => {
                let header = |name: &str| match name {
                    "date" => Some(date.clone()),
                    _ => body.map(|(_, digest)| digest.to_owned()),
                };
                let message = Message { method: verb, path, query, header: &header, has_body: body.is_some() };
                let nonce = token::random().map_err(io::Error::other)?;
                let signed = message::sign(&message, account, now, &nonce, secret);
                vec![("Signature-Input", signed.input), ("Signature", signed.signature)]
            }
        };
        headers.push(("Date", date));
        Ok(headers)
    }
}

/// Asks the server for the fields of a profile by a signed request. Waits at most `wait` for the answer, and at most 30 seconds.
pub fn profile_fields(target: &Target, profile: &str, wait: Duration) -> Result<Vec<ProfileField>, PushError> {
    let wait = wait.min(Duration::from_secs(PROFILE_SECONDS_MAX));
    let (url, answer) = get(target, &format!("profiles/{profile}"), wait)?;
    let definition: serde_json::Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let Some(fields) = definition["fields"].as_array().filter(|_| answer.ok) else {
        let message = definition["message"].as_str();
        let status = answer.status;
        let message = match (status, message) {
            (404, Some(message)) => format!("{message}{}", profiles(target, wait)),
            (301 | 302 | 307 | 308 | 401 | 403, message) => {
                message.map_or_else(|| format!("it answered {status}"), str::to_owned)
            }
            _ => return Err(PushError::NotServed { url, status }),
        };
        return Err(PushError::NoProfile { url, message, answer: Box::new(answer) });
    };
    let field = |field: &serde_json::Value| {
        let collaborator = field["wire"]["collaborator"].as_str().map(str::to_owned);
        Some(ProfileField { name: field["name"].as_str()?.to_owned(), collaborator })
    };
    Ok(fields.iter().filter_map(field).collect())
}

/// Returns the profiles that the account has for the end of a message, or nothing if the server does not say.
fn profiles(target: &Target, wait: Duration) -> String {
    let listed = || {
        let (_, answer) = get(target, "profiles", wait).ok()?;
        let answer: serde_json::Value = serde_json::from_str(&answer.text).ok()?;
        let profile =
            |profile: &serde_json::Value| Some(format!("{} ({})", profile["id"].as_str()?, profile["name"].as_str()?));
        let profiles = answer["profiles"].as_array()?;
        let mut texts: Vec<String> = profiles.iter().take(PROFILES_LISTED_MAX).filter_map(profile).collect();
        if profiles.len() > PROFILES_LISTED_MAX {
            texts.push("…".into());
        }
        (!texts.is_empty()).then(|| format!("; account {} has {}", target.account, texts.join(", ")))
    };
    listed().unwrap_or_default()
}

/// Asks the server by a signed request for `name`, which is beside `employees` in its URL. Returns the whole URL and the answer.
fn get(target: &Target, name: &str, wait: Duration) -> Result<(String, Answer), Box<Broken>> {
    request(target, Verb::Get, name, wait)
}

/// What a request without a body asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Delete,
}

/// Sends a signed request without a body to `name`, which is beside `employees` in the server's URL and may have a query. Returns the whole
/// URL and the answer.
pub(super) fn request(
    target: &Target,
    verb: Verb,
    name: &str,
    wait: Duration,
) -> Result<(String, Answer), Box<Broken>> {
    let beside = |employees: &str| format!("{}{name}", &employees[..employees.len() - "employees".len()]);
    let (url, asked) = (beside(&target.url), beside(&target.path));
    let (path, query) = asked.split_once('?').map_or((&*asked, None), |(path, query)| (path, Some(query)));
    let broken = |error| Box::new(Broken::new(&url, &error, Sent::Nothing, wait));
    let digest = content_digest(io::empty()).map_err(|error| broken(error.into()))?;
    let (name, body) = match verb {
        Verb::Get => ("GET", None),
        Verb::Post => ("POST", Some(("0", digest.as_str()))),
        Verb::Delete => ("DELETE", None),
    };
    let signed = target.sign(&Unsigned { verb: name, path, query, body }).map_err(|error| broken(error.into()))?;
    let agent = agent(wait);
    let response = match verb {
        Verb::Get => signed.iter().fold(agent.get(&url), |request, (name, value)| request.header(*name, value)).call(),
        Verb::Delete => {
            signed.iter().fold(agent.delete(&url), |request, (name, value)| request.header(*name, value)).call()
        }
        Verb::Post => {
            let request = agent.post(&url).header("Content-Length", "0").header("Content-Digest", &digest);
            signed.iter().fold(request, |request, (name, value)| request.header(*name, value)).send_empty()
        }
    };
    let answer = read(response.map_err(broken)?).map_err(broken)?;
    Ok((url, answer))
}

/// Reads an answer.
fn read(mut response: Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
    let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    Ok(Answer {
        ok: response.status().is_success(),
        status: response.status().as_u16(),
        text,
        request: header("Rollcall-Request"),
        location: header("Location"),
        revision: header("Rollcall-Revision").and_then(|revision| revision.parse().ok()),
        suspects: header("Rollcall-Suspects").map(|header| suspects(&header)).unwrap_or_default(),
        date: header("Date").and_then(|date| parse_date(&date)),
        retry_after: header("Retry-After"),
        received: Timestamp::now(),
        tries: 1,
        sent_before: false,
        is_repeated: header("Idempotent-Replayed").is_some(),
    })
}

/// Reads the numbers by kind of a header like `3;same-person=1;moved-value=2`.
fn suspects(header: &str) -> Vec<(String, u64)> {
    let of_kind = |part: &str| {
        let (kind, count) = part.split_once('=')?;
        Some((kind.trim().to_owned(), count.trim().parse().ok()?))
    };
    header.split(';').skip(1).filter_map(of_kind).collect()
}

/// What a push asks beside its body, the same in each attempt.
pub struct Asks {
    /// The query of its URL, without a question mark.
    pub query: Option<String>,
    /// Headers beside those that the body has.
    pub headers: Vec<(&'static str, String)>,
}

/// Sends a body once. `tell` is called with the number of bytes sent so far and of all.
pub fn send(
    target: &Target,
    body: &Payload,
    asks: &Asks,
    answer: Duration,
    mut tell: impl FnMut(u64, u64),
) -> Result<Answer, Box<Broken>> {
    let length = body.length.to_string();
    let query = asks.query.as_deref();
    let url = query.map_or_else(|| target.url.clone(), |query| format!("{}?{query}", target.url));
    let body_signed = Some((&*length, &*body.digest));
    let signed = target.sign(&Unsigned { verb: "POST", path: &target.path, query, body: body_signed });
    let signed = signed.map_err(|error| Box::new(Broken::new(&target.url, &error.into(), Sent::Nothing, answer)))?;
    let sent = Cell::new(0);
    let mut reader = Told {
        inner: &body.file,
        tell: |bytes| {
            sent.set(sent.get() + bytes);
            tell(sent.get(), body.length);
        },
    };
    let mut request = agent(answer)
        .post(&url)
        .header("Accept", "application/json; charset=utf-8")
        .header("Content-Type", "application/json; charset=utf-8")
        .header("Content-Length", &length)
        .header("Content-Digest", &body.digest)
        .header("Expect", "100-continue");
    for (name, value) in signed.iter().chain(&asks.headers) {
        request = request.header(*name, value);
    }
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
    let response = request.send(ureq::SendBody::from_reader(&mut reader)).map_err(broken)?;
    read(response).map_err(broken)
}

/// A reader that reports how much was read.
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
