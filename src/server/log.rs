//! One wide log line a request. It names the account and the counts, and no value of a person.

use super::respond::Refusal;
use crate::sync::Receipt;
use hyper::StatusCode;
use std::net::SocketAddr;
use std::time::Instant;
use uuid::Uuid;

/// What is known of a request, filled in on its way.
pub struct Event {
    /// The request's id, which the client is told.
    pub id: Uuid,
    /// Whose it is, once that is known.
    pub account: Option<i64>,
    /// What a push did.
    pub receipt: Option<Receipt>,
    method: String,
    route: &'static str,
    peer: SocketAddr,
    content_length: Option<u64>,
    started: Instant,
}

impl Event {
    pub fn new(method: &str, route: &'static str, peer: SocketAddr, content_length: Option<u64>) -> Event {
        Event {
            id: Uuid::now_v7(),
            account: None,
            receipt: None,
            method: method.to_owned(),
            route,
            peer,
            content_length,
            started: Instant::now(),
        }
    }

    /// Writes the line.
    pub fn log(&self, status: StatusCode, refusal: Option<&Refusal>) {
        let receipt = self.receipt.as_ref();
        let counts = receipt.map(|receipt| receipt.counts);
        // A rejection's message has an employee's id in it, and the count and the causes say more.
        let refused = refusal.map(|refusal| match &refusal.rejected {
            Some(_) => "employees were rejected",
            None => refusal.internal.as_deref().unwrap_or(&refusal.message),
        });
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request = %self.id,
                    method = self.method,
                    route = self.route,
                    status = status.as_u16(),
                    account = self.account,
                    peer = %self.peer.ip(),
                    bytes = self.content_length,
                    duration_ms = self.started.elapsed().as_millis() as u64,
                    revision = receipt.map(|receipt| receipt.revision),
                    employees = receipt.map(|receipt| receipt.employees),
                    created = counts.map(|counts| counts.created),
                    updated = counts.map(|counts| counts.updated),
                    activated = counts.map(|counts| counts.activated),
                    hidden = counts.map(|counts| counts.hidden),
                    unchanged = counts.map(|counts| counts.unchanged),
                    rejections = refusal.and_then(|refusal| Some(refusal.rejected.as_ref()?.error_count)),
                    refused,
                )
            };
        }
        match status.is_server_error() {
            true => line!(error),
            false => line!(info),
        }
    }
}
