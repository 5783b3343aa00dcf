//! One wide log line a request. It names the account and the counts, and nothing in a client's own words.

use super::respond::Refusal;
use crate::sync::Receipt;
use hyper::StatusCode;
use std::net::IpAddr;
use std::time::Instant;
use uuid::Uuid;

/// How long the reason of a refusal may be in the log, in characters.
const REFUSED_CHARS_MAX: usize = 1_000;

/// The methods that are logged; any other is a client's own text.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// What is known of a request, filled in on its way, and logged when it is dropped: after the answer, or with the connection.
pub struct Event {
    /// The request's id, which the client is told.
    pub id: Uuid,
    /// Whose it is, once that is known.
    pub account: Option<i64>,
    /// What a push did.
    pub receipt: Option<Receipt>,
    /// What was answered; none where the client went away before.
    status: Option<StatusCode>,
    rejections: Option<u64>,
    refused: Option<String>,
    method: &'static str,
    route: &'static str,
    peer: IpAddr,
    content_length: Option<u64>,
    started: Instant,
}

impl Event {
    pub fn new(method: &str, route: &'static str, peer: IpAddr, content_length: Option<u64>) -> Event {
        Event {
            id: Uuid::now_v7(),
            account: None,
            receipt: None,
            status: None,
            rejections: None,
            refused: Some("the client went away, or the server stopped, before the answer".into()),
            method: METHODS.into_iter().find(|known| *known == method).unwrap_or("another"),
            route,
            peer,
            content_length,
            started: Instant::now(),
        }
    }

    /// Notes what is answered.
    pub fn answered(&mut self, status: StatusCode, refusal: Option<&Refusal>) {
        self.status = Some(status);
        self.rejections = refusal.and_then(|refusal| Some(refusal.rejected.as_ref()?.error_count));
        // A rejection's message has an employee's id in it, and the count says more.
        let refused = refusal.map(|refusal| match &refusal.rejected {
            Some(rejected) => format!("employees were rejected: {}", rejected.summary()),
            None => refusal.internal.clone().unwrap_or_else(|| refusal.message.clone()),
        });
        self.refused = refused.map(|refused| match refused.char_indices().nth(REFUSED_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &refused[..end]),
            None => refused,
        });
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let receipt = self.receipt.as_ref();
        let counts = receipt.map(|receipt| receipt.counts);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request = %self.id,
                    method = self.method,
                    route = self.route,
                    status = self.status.map(|status| status.as_u16()),
                    account = self.account,
                    peer = %self.peer,
                    bytes = self.content_length,
                    duration_ms = self.started.elapsed().as_millis() as u64,
                    revision = receipt.map(|receipt| receipt.revision),
                    employees = receipt.map(|receipt| receipt.employees),
                    created = counts.map(|counts| counts.created),
                    updated = counts.map(|counts| counts.updated),
                    activated = counts.map(|counts| counts.activated),
                    hidden = counts.map(|counts| counts.hidden),
                    unchanged = counts.map(|counts| counts.unchanged),
                    rejections = self.rejections,
                    refused = self.refused,
                )
            };
        }
        match self.status.is_some_and(|status| status.is_server_error()) {
            true => line!(error),
            false => line!(info),
        }
    }
}
