//! Metrics: what the operator's monitoring reads, as OpenMetrics text.
//!
//! Every label is the server's own (dialects, outcomes, rules, steps) or the operator's (accounts); a client cannot make one.

use crate::dialect::Dialect;
use crate::roster::Counts;
use crate::server::Server;
use crate::store::Times;
use crate::sync::{Receipt, Trace};
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;

/// What has been counted since the server started.
pub struct Metrics {
    registry: Registry,
    pushes: Family<OfPush, Counter>,
    employees: Family<OfChange, Counter>,
    rejections: Family<OfRule, Counter>,
    held: Family<OfGuard, Counter>,
    bytes: Family<OfBytes, Counter>,
    steps: Family<OfStep, Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPush {
    /// `None` if the request showed no good key.
    account: Option<i64>,
    dialect: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChange {
    account: i64,
    change: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRule {
    rule: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfGuard {
    account: Option<i64>,
    guard: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfBytes {
    account: i64,
    dialect: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStep {
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAccount {
    account: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDatabase {
    database: String,
}

/// A millisecond to a little over a minute, and more.
fn step_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}

impl Metrics {
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("rollcall");
        let pushes = Family::default();
        let employees = Family::default();
        let rejections = Family::default();
        let held = Family::default();
        let bytes = Family::default();
        let steps: Family<OfStep, Histogram> = Family::new_with_constructor(step_histogram);
        registry.register(
            "pushes",
            "Pushes by account (empty: no good key), dialect and outcome: applied, unchanged, repeated (of a push with an \
             Idempotency-Key), planned (a dry run), queued (EchoSpan), rejected \
             (employees were), held (by a guard), refused_4xx, refused_5xx, gone (the client)",
            pushes.clone(),
        );
        registry.register("employees", "Employees of applied pushes by what became of them", employees.clone());
        registry.register("rejections", "Rejections of employees by rule", rejections.clone());
        registry.register("held", "Pushes that a guard stopped, by guard; a push counts for each", held.clone());
        let help = "Bodies of applied pushes as they were sent";
        registry.register_with_unit("push", help, Unit::Bytes, bytes.clone());
        let help = "What the steps of a push took: receive (waiting for the body), check, write, commit";
        registry.register_with_unit("push_step", help, Unit::Seconds, steps.clone());
        Metrics { registry, pushes, employees, rejections, held, bytes, steps }
    }

    /// Counts a push that was applied, and whatever was noted about it.
    pub fn applied(&self, account: i64, trace: &Trace, receipt: &Receipt) {
        let dialect = trace.sender.dialect.map_or("", Dialect::name);
        if receipt.is_repeated {
            self.pushes.get_or_create(&OfPush { account: Some(account), dialect, outcome: "repeated" }).inc();
            return;
        }
        let Counts { created, updated, activated, hidden, unchanged } = receipt.counts;
        let changed = created + updated + activated + hidden;
        let outcome = if changed == 0 { "unchanged" } else { "applied" };
        self.pushes.get_or_create(&OfPush { account: Some(account), dialect, outcome }).inc();
        let changes = [
            ("created", created),
            ("updated", updated),
            ("activated", activated),
            ("hidden", hidden),
            ("unchanged", unchanged),
        ];
        for (change, count) in changes {
            self.employees.get_or_create(&OfChange { account, change }).inc_by(count);
        }
        self.bytes.get_or_create(&OfBytes { account, dialect }).inc_by(trace.sender.bytes.unwrap_or_default());
    }

    /// Counts how long the steps of a push took, whatever came of it.
    pub fn carried_out(&self, times: &Times) {
        let Times { receive, check, write, commit } = *times;
        for (step, time) in [("receive", receive), ("check", check), ("write", write), ("commit", commit)] {
            self.steps.get_or_create(&OfStep { step }).observe(time.as_secs_f64());
        }
    }

    /// Counts a push that was not applied.
    pub fn refused(&self, account: Option<i64>, dialect: Dialect, outcome: &'static str) {
        self.pushes.get_or_create(&OfPush { account, dialect: dialect.name(), outcome }).inc();
    }

    /// Counts a push that guards with these names stopped.
    pub fn held(&self, account: Option<i64>, guards: &[&'static str]) {
        for guard in guards {
            self.held.get_or_create(&OfGuard { account, guard }).inc();
        }
    }

    /// Counts rejections: all, and those whose rule is known by it.
    pub fn rejections(&self, count: u64, rules: &BTreeMap<&'static str, u64>) {
        for (rule, count) in rules {
            self.rejections.get_or_create(&OfRule { rule }).inc_by(*count);
        }
        let known: u64 = rules.values().sum();
        if let Some(others @ 1..) = count.checked_sub(known) {
            self.rejections.get_or_create(&OfRule { rule: "other" }).inc_by(others);
        }
    }
}

/// Returns when the last push of an account was applied. It is read from the store each time, since a restore changes it, too.
fn last_push(server: &Server, account: i64) -> Option<Timestamp> {
    let stored = server.store.last_sync(account);
    let stored = stored.inspect_err(|error| tracing::warn!(account, "metrics: {error}")).ok()?;
    stored.and_then(|time| time.parse().ok())
}

/// Returns all metrics as OpenMetrics text: the counters, and the state at this moment, for which it reads the store.
pub fn text(server: &Server) -> String {
    let mut text = String::new();
    let written = encode_registry(&mut text, &server.metrics.registry)
        .and_then(|()| encode_registry(&mut text, &moment(server)))
        .and_then(|()| encode_eof(&mut text));
    written.expect("a string takes what is written to it");
    text
}

/// Returns which of the accounts that have a schedule are late.
fn late(server: &Server, now: Timestamp) -> Family<OfAccount, Gauge> {
    let family = Family::<OfAccount, Gauge>::default();
    let read = || Ok((server.store.scheduled(None, now)?, server.store.alarms(None)?));
    let read = read().inspect_err(|error: &crate::store::Error| tracing::warn!("metrics: {error}"));
    let (scheduled, alarms) = read.unwrap_or_default();
    let late: BTreeSet<i64> = alarms.iter().map(|alarm| alarm.account).collect();
    for account in scheduled.iter().map(|scheduled| scheduled.account) {
        family.get_or_create(&OfAccount { account }).set(i64::from(late.contains(&account)));
    }
    family
}

fn moment(server: &Server) -> Registry {
    let mut registry = Registry::with_prefix("rollcall");
    let gauge = |value: usize| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge
    };
    registry.register("pushes_waiting", "Pushes that wait for their turn", gauge(server.turns.waiting()));
    registry.register("pushes_under_way", "Pushes that have their turn", gauge(server.turns.under_way()));
    registry.register("reads_waiting", "Requests that wait to read a roster", gauge(server.reads.waiting()));
    registry.register("followers", "Requests that wait for changes of a roster", gauge(server.followers.inside()));
    registry.register("reads_under_way", "Requests that read a roster", gauge(server.reads.inside()));
    let exports = server.exports.inside() + server.sending.inside();
    registry.register("exports_under_way", "Exports that are written or sent", gauge(exports));
    let help = "Memory of the indexes that wait for their account's next push";
    registry.register_with_unit("index_memory", help, Unit::Bytes, gauge(server.store.index_bytes()));

    let ages = Family::<OfAccount, Gauge<f64, AtomicU64>>::default();
    let logs = Family::<OfDatabase, Gauge>::default();
    let log = |account: Option<i64>| {
        let database = account.map_or("rollcall".to_owned(), |account| account.to_string());
        logs.get_or_create(&OfDatabase { database }).set(server.store.log_bytes(account).cast_signed());
    };
    log(None);
    let accounts = server.store.accounts().inspect_err(|error| tracing::warn!("metrics: {error}")).unwrap_or_default();
    let now = Timestamp::now();
    for account in &accounts {
        log(Some(account.id));
        if let Some(last) = last_push(server, account.id) {
            let age = now.duration_since(last).as_secs_f64().max(0.0);
            ages.get_or_create(&OfAccount { account: account.id }).set(age);
        }
    }
    let help = "The age of the last push that was applied; an account that none was applied of has none";
    registry.register_with_unit("last_push_age", help, Unit::Seconds, ages);
    let help = "1 if the push of an account that has a schedule is late, else 0";
    registry.register("push_late", help, late(server, now));
    registry.register_with_unit("wal", "The length of the write-ahead logs", Unit::Bytes, logs);
    registry
}
