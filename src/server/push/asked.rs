//! What the head of a push asks beside its body: how many employees there must be, how old the list is, whether it came before.

use crate::digest::{ContentDigest, Fingerprinting};
use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use crate::roster::{Absent, Coverage};
use crate::server::authenticate::Caller;
use crate::server::body::receive::content_digests;
use crate::server::call::parameter;
use crate::server::respond::Refusal;
use crate::signature::{DATE_SECONDS_MAX, parse_date};
use crate::store::Demand;
use crate::sync::{Conditions, Handling};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use jiff::Timestamp;
use sfv::{BareItem, Item, Parser};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

/// Whom a push carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// Everybody: the account may demand that the push says how many.
    Everybody,
    /// Some.
    Some,
    /// One: there is nothing to apply without it.
    One,
}

/// What the head of a push asks.
pub struct Asked {
    /// What becomes of it in the push.
    pub conditions: Conditions,
    /// The digests that the body must have.
    pub digests: Vec<ContentDigest>,
    /// The fingerprint of the request, without its body; `None` if nothing needs it.
    pub fingerprinting: Option<Fingerprinting>,
}

impl Asked {
    /// Reads the head of a push: 400 if something in it is wrong, or missing though the account demands it.
    pub fn of(head: &Parts, caller: &Caller, carries: Carries) -> Result<Asked, Refusal> {
        let demands = |demand| carries == Carries::Everybody && caller.settings.require.contains(&demand);
        let account = caller.key.account;
        let expected = expected(head)?;
        if demands(Demand::Expected) && expected.is_none() {
            return Err(bad(format!(
                "account {account} requires that a push says how many employees it carries; add the header Rollcall-Expected, \
                 or ?expected=N to the URL"
            )));
        }
        let digests = content_digests(&head.headers)?;
        if demands(Demand::Digest) && digests.is_empty() {
            return Err(bad(format!(
                "account {account} requires a digest of the body; add the header Content-Digest (RFC 9530), by sha-256 or sha-512"
            )));
        }
        let idempotency_key = idempotency_key(&head.headers)?;
        let mark = caller.mark;
        let is_needed = idempotency_key.is_some() || mark.is_some();
        let handling = if carries == Carries::One { Handling::Strict } else { handling(&head.headers) };
        let fingerprinting = is_needed.then(|| Fingerprinting::new(&target(head, handling)));
        let as_of = as_of(&head.headers)?;
        let conditions = Conditions { expected, as_of, idempotency_key, mark, handling, ..Conditions::default() };
        Ok(Asked { conditions, digests, fingerprinting })
    }

    /// Returns the conditions of a push whose body has come whole.
    pub fn of_body(self, body: &[u8]) -> Conditions {
        let Asked { conditions, fingerprinting, .. } = self;
        if let Some(mut fingerprinting) = fingerprinting {
            fingerprinting.update(body);
            conditions.fingerprint.get_or_init(|| fingerprinting.finish());
        }
        conditions
    }
}

/// Reads whom a push of everybody leaves out on purpose: `absent` in the URL (hide or keep), or else what is set for the account or holds
/// `otherwise`, and `empty=allow`, by which a list of nobody hides everybody. 400 if they say something else.
pub fn everybody(head: &Parts, set: Option<Absent>, otherwise: Absent) -> Result<Coverage, Refusal> {
    let absent = parameter(head, "absent").map(|absent| {
        Absent::parse(&absent)
            .ok_or_else(|| bad("absent in the URL must be hide or keep: what becomes of whoever is not in the list"))
    });
    let may_be_empty = match parameter(head, "empty").as_deref() {
        None => false,
        Some("allow") => true,
        Some(_) => return Err(bad("empty in the URL can only be allow: then a list of nobody hides everybody")),
    };
    Ok(Coverage::Everybody { absent: absent.transpose()?.or(set), otherwise, may_be_empty })
}

/// What a request asks for. Two requests with the same body may ask for two things.
fn target(head: &Parts, handling: Handling) -> String {
    let query = head.uri.query().unwrap_or_default();
    let handling = match handling {
        Handling::Strict => "",
        Handling::Lenient => " lenient",
    };
    format!("{} {}?{query}{handling}", head.method, head.uri.path().to_ascii_lowercase())
}

/// Reads the preference `handling` of RFC 7240, of which the first counts. Who prefers what is not known gets what everybody gets.
fn handling(headers: &HeaderMap) -> Handling {
    let values = headers.get_all("Prefer").iter().filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| unquoted_split(value, ',')).filter_map(|preference| {
        let (name, value) = unquoted_split(preference, ';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("handling").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    match preferences.map(|value| value == "lenient").next() {
        Some(true) => Handling::Lenient,
        _ => Handling::Strict,
    }
}

/// Splits a header's value where it has a character that is not in a quoted string.
fn unquoted_split(value: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |c| {
        let was_escaped = std::mem::replace(&mut is_escaped, false);
        match c {
            '"' if !was_escaped => is_quoted = !is_quoted,
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            _ => {}
        }
        c == at && !is_quoted
    })
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, message)
}

fn incorrect(name: &str, cause: impl std::fmt::Display) -> Refusal {
    bad(format!("HTTP header '{name}' is incorrect: {cause}"))
}

/// Returns the value of a header that may appear once.
fn header<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().map_err(|_| incorrect(name, "it must be ASCII")));
    if values.next().is_some() {
        return Err(incorrect(name, "it appears twice"));
    }
    Ok(value.transpose()?.map(str::trim))
}

fn expected(head: &Parts) -> Result<Option<u64>, Refusal> {
    let in_header = header(&head.headers, "Rollcall-Expected")?.map(str::to_owned);
    let number = |text: String| {
        let wrong =
            || bad("Rollcall-Expected, or expected in the URL, must be how many employees the push carries, like 4711");
        text.parse::<u64>().map_err(|_| wrong())
    };
    let in_header = in_header.map(number).transpose()?;
    let in_query = parameter(head, "expected").map(number).transpose()?;
    match (in_header, in_query) {
        (Some(header), Some(query)) if header != query => Err(bad(format!(
            "Rollcall-Expected says {header} employees and expected in the URL {query}; send one of them"
        ))),
        _ => Ok(in_header.or(in_query)),
    }
}

fn as_of(headers: &HeaderMap) -> Result<Option<Timestamp>, Refusal> {
    const NAME: &str = "Rollcall-As-Of";
    let Some(value) = header(headers, NAME)? else {
        return Ok(None);
    };
    let time = value.parse().ok().or_else(|| parse_date(value));
    let time: Timestamp = time.ok_or_else(|| {
        incorrect(NAME, "it must be a time, like 2026-01-31T06:00:00Z or Sat, 31 Jan 2026 06:00:00 GMT")
    })?;
    if time.as_second() - Timestamp::now().as_second() > DATE_SECONDS_MAX {
        return Err(incorrect(NAME, "it's more than 15 minutes in the future"));
    }
    // The store keeps microseconds.
    Ok(Timestamp::from_microsecond(time.as_microsecond()).ok())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    const NAME: &str = "Idempotency-Key";
    let Some(value) = header(headers, NAME)? else {
        return Ok(None);
    };
    let key = if value.starts_with('"') {
        match Parser::new(value).parse::<Item>().map(|item| item.bare_item) {
            Ok(BareItem::String(key)) => key.as_str().to_owned(),
            _ => {
                return Err(incorrect(
                    NAME,
                    "it must be a string in double quotes, like \"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
                ));
            }
        }
    } else {
        value.to_owned()
    };
    match key.len() {
        0 => Err(incorrect(NAME, "it's empty")),
        1..=IDEMPOTENCY_KEY_BYTES_MAX => Ok(Some(key)),
        _ => Err(incorrect(NAME, format_args!("it's longer than {IDEMPOTENCY_KEY_BYTES_MAX} bytes"))),
    }
}

/// The idempotency keys of pushes that are under way, each with its account.
#[derive(Default)]
pub struct UnderWay(Mutex<HashSet<(i64, String)>>);

/// Says that a push with a key is under way, until it is dropped.
pub struct OneAtATime {
    under_way: Arc<UnderWay>,
    push: (i64, String),
}

impl UnderWay {
    /// Notes that a push of the account begins: 409 if one with the same key is under way. A push without a key is never the same.
    pub fn begin(self: &Arc<Self>, account: i64, asked: &Asked) -> Result<Option<OneAtATime>, Refusal> {
        let Some(key) = asked.conditions.idempotency_key.clone() else {
            return Ok(None);
        };
        let push = (account, key);
        if !self.pushes().insert(push.clone()) {
            let message = "a push with this Idempotency-Key is under way; send it again in a moment for its answer";
            return Err(Refusal::new(StatusCode::CONFLICT, message).retry_after(1));
        }
        Ok(Some(OneAtATime { under_way: self.clone(), push }))
    }

    fn pushes(&self) -> MutexGuard<'_, HashSet<(i64, String)>> {
        self.0.lock().expect("no holder of the lock panics")
    }
}

impl Drop for OneAtATime {
    fn drop(&mut self) {
        self.under_way.pushes().remove(&self.push);
    }
}
