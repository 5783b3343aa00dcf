//! HTTP: the only part that knows of it. A request goes through these:
//!
//! 1. `connection` listens, serves each connection, and turns it away if there are too many.
//! 2. `answer` takes it from its head to its answer: `route` has every route as a row of one table, `authenticate` finds out who sends it,
//!    and `call` is what the handler gets.
//! 3. `handler` has what answers it, a file for each dialect and each kind of read.
//! 4. `body` receives and unpacks what the client sends, within the limits of size, time and rate.
//! 5. `push` waits for the account's turn and carries a push out on a thread of its own.
//! 6. `respond` turns what happened into a status, a message and headers.
//!
//! `page` is what people see in a browser. `trim` removes old history in the background, and `noticing` sees what other programs change. `tell`
//! finds out what people are to be told, and `webhook` sends it to them.
//!
//! On its way, `share` keeps one client from taking the others' share, and `observe` tells the operator.

mod answer;
mod authenticate;
mod body;
mod call;
mod connection;
mod erasing;
mod handler;
mod memory;
mod noticing;
mod observe;
mod page;
mod push;
mod respond;
#[expect(unused_qualifications, reason = "four paths are longer than they need be")]
mod route;
mod share;
mod tell;
mod trim;
#[cfg(feature = "webhooks")]
mod webhook;

pub use connection::listen::{raise_file_limit, serve};
pub use handler::plans::shown::plan as shown_plan;
pub use handler::startexam::STARTEXAM;
pub use handler::syncs::shown::{event as shown_event, person as shown_person, sync as shown_sync};
pub use handler::undo::shown as shown_undo;
pub use handler::webhooks::shown::{delivery as shown_delivery, webhook as shown_webhook};
pub use memory::share_arenas;
pub use observe::ends::warn_of_ends;
pub use observe::scrape::serve_metrics;
pub use tell::address::check_url as check_webhook_url;
pub use tell::late::Standing;
pub use tell::payload::test as announced_test;

use crate::limits::Limits;
use crate::store::{Change, Error, InForce, Lock, Profiles, Reading, Store};
use handler::export;
use handler::health::Readiness;
use ipnet::IpNet;
use observe::history::History;
use observe::metrics::Metrics;
use push::asked::UnderWay;
use push::turn::Turns;
use share::attempts::Attempts;
use share::budget::Budget;
use share::followers::Followers;
use share::gate::Gate;
use share::nonces::Nonces;
use share::pace::Places;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The memory for bodies and for answers has this many equal shares. An account may have one, and so may all requests whose account is
/// not known yet.
const SHARES: usize = 4;

/// Everything that the connections of a server share.
pub struct Server {
    store: Store,
    profiles: Profiles,
    limits: Limits,
    /// The proxies whose `X-Forwarded-For` is believed.
    trusted_proxies: Vec<IpNet>,
    connections: Arc<Places>,
    turns: Turns,
    under_way: Arc<UnderWay>,
    nonces: Nonces,
    attempts: Attempts,
    reads: Gate,
    followers: Followers,
    news: tell::News,
    /// The private addresses that webhooks may lead to.
    webhooks_allow: Vec<IpNet>,
    exports: Gate,
    /// The gate of exports that are sent, and those under way.
    sending: Gate,
    sent: Arc<Places>,
    /// The bytes of unfinished heads, of collected bodies, of answers.
    heads: Arc<Budget>,
    collected: Arc<Budget>,
    answers: Arc<Budget>,
    metrics: Metrics,
    history: History,
    readiness: Readiness,
    /// Where a body waits whose profile is not known before its end.
    spool_dir: PathBuf,
    lock: Lock,
}

impl Server {
    /// Makes a server of the store, which no other process may serve from. It believes the `X-Forwarded-For` of the trusted proxies.
    pub fn new(store: Store, profiles: Profiles, limits: Limits, trusted_proxies: Vec<IpNet>) -> Result<Server, Error> {
        let lock = store.lock()?;
        store.check_server_key()?;
        Ok(Server {
            trusted_proxies,
            connections: Arc::default(),
            turns: Turns::new(&limits),
            under_way: Arc::default(),
            nonces: Nonces::new(limits.signatures_kept_max),
            attempts: Attempts::default(),
            reads: Gate::new(limits.reads_max, limits.account_reads_max, limits.account_waiting_max),
            followers: Followers::new(&limits),
            news: tell::News::default(),
            webhooks_allow: Vec::new(),
            exports: Gate::new(limits.exports_max, limits.exports_max.div_ceil(2), limits.account_waiting_max),
            sending: export::gate_of_sent(&limits),
            sent: Arc::default(),
            heads: Budget::new(limits.heads_bytes_max, 1),
            collected: Budget::new(limits.collected_bytes_max, SHARES),
            answers: Budget::new(limits.answers_bytes_max, SHARES),
            metrics: Metrics::new(),
            history: History::default(),
            readiness: Readiness::default(),
            spool_dir: store.dir().to_owned(),
            store,
            profiles,
            limits,
            lock,
        })
    }

    /// The same server; a body whose profile is not known before its end waits in this folder instead of the data folder.
    #[must_use]
    pub fn spooling_to(self, spool_dir: PathBuf) -> Server {
        Server { spool_dir, ..self }
    }

    /// The same server; webhooks may also lead to these private addresses.
    #[must_use]
    pub fn telling_also(self, webhooks_allow: Vec<IpNet>) -> Server {
        Server { webhooks_allow, ..self }
    }

    /// Leaves the data folder in order when the server stops: the log of `rollcall.db` is empty, and the lock file names nobody.
    pub fn leave(&self) -> Result<(), Error> {
        self.store.checkpoint()?;
        self.lock.clear()
    }

    /// Records the refused pushes that are still to be recorded.
    fn write_history(&self) {
        self.history.write(self);
    }

    /// Logs what the reading of the profiles at the start has found.
    pub fn log_profiles(&self, reading: &Reading) {
        reading.passed_over.iter().for_each(|passed_over| tracing::warn!("{passed_over}"));
        for (profile, change) in &reading.profiles {
            let state = if matches!(change, Change::Added | Change::Unchanged) { "in force" } else { change.name() };
            log_profile(profile, *change, state);
        }
    }

    /// Reads the profiles again, and logs what is wrong with them and which are in force. If one is broken, its old version stays.
    pub fn reload_profiles(&self) {
        let Reading { errors, passed_over, profiles } = match self.profiles.reload(&self.store) {
            Ok(reading) => reading,
            Err(error) => return tracing::error!("the profiles cannot be read again: {error}"),
        };
        for errors in errors.chunk_by(|a, b| a.file == b.file) {
            errors.iter().for_each(|error| tracing::error!("{error}"));
            let file = &errors[0].file;
            let is_kept = |of: &Path| of == file || of.parent() == Some(file.as_path());
            let mut kept = profiles.iter().filter(|(_, change)| *change == Change::Kept);
            if kept.any(|(profile, _)| profile.file.as_deref().is_some_and(is_kept)) {
                tracing::error!("{}: what was in force of it stays in force", file.display());
            }
        }
        passed_over.iter().for_each(|passed_over| tracing::warn!("{passed_over}"));
        for (profile, change) in &profiles {
            log_profile(profile, *change, change.name());
        }
        let count = |change| profiles.iter().filter(|(_, of)| *of == change).count();
        tracing::info!(
            errors = errors.len(),
            added = count(Change::Added),
            changed = count(Change::Changed),
            unchanged = count(Change::Unchanged),
            removed = count(Change::Removed),
            kept = count(Change::Kept) + count(Change::Conflict),
            "profiles read again"
        );
    }

    /// Sees to it that what another program has published is in force.
    fn refresh_profiles(&self) -> Result<(), Error> {
        let Reading { errors, profiles, .. } = self.profiles.refresh(&self.store)?;
        errors.iter().for_each(|error| tracing::error!("{error}"));
        for (profile, change) in &profiles {
            log_profile(profile, *change, change.name());
        }
        Ok(())
    }
}

fn log_profile(in_force: &InForce, change: Change, state: &str) {
    let InForce { profile, number, file, is_file_older, .. } = in_force;
    let (id, name, version) = (&profile.id, &profile.name, profile.short_version());
    let shown = file.as_ref().map_or("none".into(), |file| file.display().to_string());
    tracing::info!(profile = %id, name, version, number, state, file = %shown, "profile {state}");
    if change == Change::Conflict {
        tracing::error!(
            "{shown} has changed since it was read, and so has what is in force, which is version {number}; neither replaces the other: \
             `rollcall profile diff {id}` shows both, `rollcall profile put {shown}` publishes the file, and \
             `rollcall profile show {id} > {shown}` gives it up"
        );
    } else if *is_file_older && change != Change::Removed {
        tracing::warn!(
            "{shown} is older than what is in force, which is version {number}; `rollcall profile show {id} > {shown}` brings it up to date"
        );
    }
}
