//! One wide log line a request. It names the account and the counts, and nothing in a client's own words.

use crate::dialect::Dialect;
use crate::server::Server;
use crate::server::respond::{Held, Refusal};
use crate::store::{HeldPush, Refused, Sender};
use crate::sync::{Receipt, Trace};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long the reason of a refusal may be in the log, in characters.
const REFUSED_CHARS_MAX: usize = 1_000;

/// The methods that are logged.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// Why a request has no answer.
pub const CLIENT_GONE: &str = "the client went away, or the server stopped, before the answer";

/// What is known of a request, filled in on its way. When it is dropped, after the answer or with the connection, it is logged, and
/// a push is counted.
pub struct Event {
    /// The request's id, which the answer carries.
    pub id: Uuid,
    /// The account, once a key was shown.
    pub account: Option<i64>,
    /// The number of that key among the account's.
    pub key: Option<i64>,
    /// The number of the user who has signed in, if the request is for the page.
    pub user: Option<i64>,
    /// What a push did.
    pub receipt: Option<Receipt>,
    /// What was noted about a push while it was carried out.
    pub trace: Option<Trace>,
    /// Whether a push only asks what it would do. Then it is not in the history of its account.
    pub is_dry_run: bool,
    /// Whether a thread carries out a push and has not said what came of it.
    pub under_way: bool,
    server: Arc<Server>,
    arrival: Arrival,
    /// What was answered; `None` if the client went away before.
    status: Option<StatusCode>,
    /// How many rejections there were, and of which rule as far as that is known.
    rejections: Option<(u64, BTreeMap<&'static str, u64>)>,
    /// What stopped a push that guards stopped.
    held: Option<HeldPush>,
    refused: Option<String>,
    started: Instant,
}

/// What is known of a request when its head has come.
pub struct Arrival {
    /// See [`Arrival::known_method`].
    pub method: &'static str,
    /// The path, as the table of routes has it.
    pub route: &'static str,
    /// The dialect of a push; `None` if the request is no push.
    pub push: Option<Dialect>,
    /// Who sends it.
    pub peer: IpAddr,
    /// The length of the body, if the head says it, in bytes.
    pub content_length: Option<u64>,
}

impl Arrival {
    /// The method if it is one of HTTP's. Any other is a client's own text, which is not logged.
    pub fn known_method(method: &Method) -> &'static str {
        METHODS.into_iter().find(|known| known == method).unwrap_or("another")
    }
}

impl Event {
    /// A request whose head has just come.
    pub fn new(server: Arc<Server>, arrival: Arrival) -> Event {
        Event {
            id: Uuid::now_v7(),
            account: None,
            key: None,
            user: None,
            receipt: None,
            trace: None,
            is_dry_run: false,
            under_way: false,
            server,
            arrival,
            status: None,
            rejections: None,
            held: None,
            refused: Some(CLIENT_GONE.into()),
            started: Instant::now(),
        }
    }

    /// The sender, as the account's history has it.
    pub fn sender(&self) -> Sender {
        let Arrival { push, peer, content_length, .. } = self.arrival;
        Sender { dialect: push, key: self.key, peer: Some(peer), bytes: content_length }
    }

    /// Returns who sends the request.
    pub fn peer(&self) -> IpAddr {
        self.arrival.peer
    }

    /// Notes the answer.
    pub fn answered(&mut self, status: StatusCode, refusal: Option<&Refusal>) {
        self.status = Some(status);
        self.rejections = refusal.and_then(|refusal| refusal.rejected.as_ref()).map(|rejected| {
            let mut rules = BTreeMap::new();
            for cause in &rejected.causes {
                if let Cow::Borrowed(rule) = cause.rule {
                    *rules.entry(rule).or_default() += cause.count;
                }
            }
            (rejected.error_count, rules)
        });
        let held = refusal.and_then(|refusal| refusal.held.as_deref());
        self.held = held.map(|Held { tripped, plan, counts }| HeldPush::new(tripped, plan.clone(), *counts));
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

    /// The names of the guards that stopped a push.
    fn guards(&self) -> Vec<&'static str> {
        let tripped = self.held.iter().flat_map(|held| &held.tripped);
        let mut guards: Vec<&str> = tripped.map(|tripped| tripped.guard.name()).collect();
        guards.dedup();
        guards
    }

    /// Counts a push that was not applied, and notes it for the history of its account. One that was applied was counted then.
    fn count_refused(&self, dialect: Dialect) {
        let status = self.status.map(|status| status.as_u16());
        let outcome = match status {
            None => "gone",
            Some(200..300) if self.is_dry_run => "planned",
            Some(200..300) => "queued",
            Some(_) if self.rejections.is_some() => "rejected",
            Some(_) if self.held.is_some() => "held",
            Some(400..500) => "refused_4xx",
            Some(_) => "refused_5xx",
        };
        self.server.metrics.refused(self.account, dialect, outcome);
        self.server.metrics.held(self.account, &self.guards());
        if let Some((count, rules)) = &self.rejections {
            self.server.metrics.rejections(*count, rules);
        }
        if let (Some(account), Some(cause), false) = (self.account, &self.refused, self.is_dry_run) {
            let refused = Refused {
                finished_at: Timestamp::now(),
                requests: 1,
                dialect,
                sender: self.sender(),
                status,
                rejections: self.rejections.as_ref().map_or(0, |(count, _)| *count),
                by_rule: self
                    .rejections
                    .iter()
                    .flat_map(|(_, rules)| rules)
                    .map(|(rule, n)| ((*rule).into(), *n))
                    .collect(),
                held: self.held.clone(),
                duration: self.started.elapsed(),
                cause: cause.clone(),
            };
            self.server.history.note(account, refused);
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // What came of a push under way is counted by the thread that carries it out.
        if let (Some(dialect), None, false) = (self.arrival.push, &self.receipt, self.under_way) {
            self.count_refused(dialect);
        }
        let receipt = self.receipt.as_ref();
        let counts = receipt.map(|receipt| receipt.counts);
        let times = self.trace.as_ref().map(|trace| trace.times);
        let milliseconds = |time: Duration| time.as_micros() as f64 / 1e3;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request = %self.id,
                    method = self.arrival.method,
                    route = self.arrival.route,
                    status = self.status.map(|status| status.as_u16()),
                    account = self.account,
                    key = self.key,
                    user = self.user,
                    peer = %self.arrival.peer,
                    bytes = self.arrival.content_length,
                    duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
                    receive_ms = times.map(|times| milliseconds(times.receive)),
                    check_ms = times.map(|times| milliseconds(times.check)),
                    write_ms = times.map(|times| milliseconds(times.write)),
                    commit_ms = times.map(|times| milliseconds(times.commit)),
                    revision = receipt.map(|receipt| receipt.revision),
                    dry_run = self.is_dry_run.then_some(true),
                    repeated = receipt.is_some_and(|receipt| receipt.is_repeated).then_some(true),
                    employees = receipt.map(|receipt| receipt.employees),
                    set_aside = receipt.and_then(|receipt| Some(receipt.set_aside.as_ref()?.employees)),
                    suspects = receipt.map(|receipt| receipt.suspects.count()).filter(|count| *count > 0),
                    created = counts.map(|counts| counts.created),
                    updated = counts.map(|counts| counts.updated),
                    activated = counts.map(|counts| counts.activated),
                    hidden = counts.map(|counts| counts.hidden),
                    unchanged = counts.map(|counts| counts.unchanged),
                    rejections = self.rejections.as_ref().map(|(count, _)| count),
                    held = self.held.is_some().then(|| self.guards().join(" ")),
                    refused = self.refused,
                )
            };
        }
        if self.status.is_some_and(|status| status.is_server_error()) {
            line!(error);
        } else if self.held.is_some() {
            line!(warn);
        } else {
            line!(info);
        }
    }
}
