//! A push is sent again after a failure that may pass. Its key tells the server that it is the same push.

use super::connection::{Broken, Sent};
use super::send::{Asks, send};
use super::{Answer, Body, PushError, Target};
use crate::roster::Absent;
use crate::signature::parse_date;
use crate::token;
use std::io;
use std::thread::sleep;
use std::time::Duration;

/// How long the client waits for an answer, and how often it tries again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The longest wait for the answer, once the body has been sent.
    pub answer: Duration,
    /// How many attempts may follow the first.
    pub retries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { answer: Duration::from_secs(300), retries: 3 }
    }
}

/// The waits before further attempts if the server does not ask for one, in seconds. The last is repeated.
const WAITS_SECONDS: [u64; 4] = [1, 4, 16, 60];

/// The longest wait that a server may ask for, in seconds.
const RETRY_AFTER_SECONDS_MAX: u64 = 300;

/// The statuses after which another attempt may succeed: the server is busy (503), or a proxy did not reach it (502, 504). So may one after
/// 409 with `Retry-After`: another push is under way.
const PASSING: [u16; 3] = [502, 503, 504];

/// What happens during a push.
pub enum Progress<'a> {
    /// Bytes of the body were sent.
    Sent {
        /// How many so far.
        bytes: u64,
        /// How many there are.
        length: u64,
    },
    /// The push is sent again after a wait.
    Retry {
        /// What was wrong with the last attempt.
        why: &'a str,
        /// How long the wait is.
        wait: Duration,
        /// Which retry it is, from 1.
        retry: u32,
    },
}

/// Sends a body, compressed unless the server refuses that, and again after a failure that may pass. `tell` is called with the
/// progress. The answer may be a refusal; an error means that there is no answer.
pub fn push(
    target: &Target,
    body: &Body,
    patience: Patience,
    mut tell: impl FnMut(Progress<'_>),
) -> Result<Answer, PushError> {
    let asks = asks(target, body)?;
    let mut payload = body.compressed()?;
    let (mut tries, mut sent_before) = (0, false);
    loop {
        payload.rewind()?;
        let mut sent = |bytes, length| tell(Progress::Sent { bytes, length });
        let result = send(target, &payload, &asks, patience.answer, &mut sent);
        if payload.encoding.is_some() && result.as_ref().is_ok_and(|answer| answer.status == 415) {
            payload = body.plain()?;
            continue;
        }
        tries += 1;
        if tries > patience.retries || !passing(&result) {
            return finished(result, tries, sent_before);
        }
        sent_before |= result.as_ref().is_err_and(|broken| broken.sent == Sent::All);
        let (why, asked) = match &result {
            Ok(answer) => (format!("the server answered {}", answer.status), asked(answer)),
            Err(broken) => (broken.to_string(), None),
        };
        let asked = asked.map(|seconds| Duration::from_secs(seconds.min(RETRY_AFTER_SECONDS_MAX)));
        let wait = asked.unwrap_or_else(|| growing(tries));
        tell(Progress::Retry { why: &why, wait, retry: tries });
        sleep(wait);
    }
}

/// Returns what every attempt asks of the server, and says about the body. All attempts have the same key.
fn asks(target: &Target, body: &Body) -> io::Result<Asks> {
    let dry_run = target.dry_run.then_some("dryRun=true");
    let absent = body.absent.map(|absent| match absent {
        Absent::Hide => "absent=hide",
        Absent::Stay => "absent=keep",
    });
    let empty = body.may_be_empty.then_some("empty=allow");
    let query: Vec<&str> = [dry_run, absent, empty].into_iter().flatten().collect();
    let query = (!query.is_empty()).then(|| query.join("&"));
    let key = token::random().map_err(io::Error::other)?;
    let expected = body.employees.map(|employees| ("Rollcall-Expected", employees.to_string()));
    let as_of = body.as_of.map(|as_of| ("Rollcall-As-Of", as_of.to_string()));
    let prefer = body.is_lenient.then(|| ("Prefer", "handling=lenient".to_owned()));
    let headers = [Some(("Idempotency-Key", format!("{key:?}"))), expected, as_of, prefer];
    Ok(Asks { query, headers: headers.into_iter().flatten().collect() })
}

/// Calls `ask`, and again as often as `patience` says if the connection breaks.
pub fn ask<T>(patience: Patience, ask: impl Fn() -> Result<T, PushError>) -> Result<T, PushError> {
    let mut tries = 1;
    loop {
        match ask() {
            Err(PushError::Broken(broken)) if broken.transient && tries <= patience.retries => sleep(growing(tries)),
            Err(PushError::Broken(mut broken)) => {
                broken.tries = tries;
                return Err(broken.into());
            }
            result => return result,
        }
        tries += 1;
    }
}

/// Returns how long to wait after this many attempts if the server does not ask for a wait.
fn growing(tries: u32) -> Duration {
    Duration::from_secs(WAITS_SECONDS[(tries as usize).min(WAITS_SECONDS.len()) - 1])
}

fn passing(result: &Result<Answer, Box<Broken>>) -> bool {
    match result {
        // A conflict that does not pass, such as with a later list, names no time.
        Ok(answer) if answer.status == 409 => answer.retry_after.is_some(),
        Ok(answer) => PASSING.contains(&answer.status),
        Err(broken) => broken.transient,
    }
}

/// Returns how many seconds the server asks to wait.
fn asked(answer: &Answer) -> Option<u64> {
    let value = answer.retry_after.as_deref()?.trim();
    let until = |date: jiff::Timestamp| (date.as_second() - answer.received.as_second()).max(0).unsigned_abs();
    value.parse().ok().or_else(|| parse_date(value).map(until))
}

fn finished(result: Result<Answer, Box<Broken>>, tries: u32, sent_before: bool) -> Result<Answer, PushError> {
    match result {
        Ok(answer) => Ok(Answer { tries, sent_before, ..answer }),
        Err(mut broken) => {
            broken.tries = tries;
            if sent_before {
                broken.sent = Sent::All;
            }
            Err(broken.into())
        }
    }
}
