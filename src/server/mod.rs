//! HTTP: listen, route, authenticate, receive, respond. Nothing below this module knows of it.

mod apply;
mod authenticate;
mod body;
mod budget;
mod collaborator;
mod connection;
mod content;
mod echospan;
mod ends;
mod export;
mod gate;
mod import;
mod listen;
mod log;
mod memory;
mod pace;
mod photo;
mod push;
mod read;
mod receive;
mod respond;
mod route;
mod springest;
mod stream;
mod turn;
mod unpack;

pub use ends::warn_of_ends;
pub use listen::{raise_file_limit, serve};
pub use memory::share;
pub use push::STARTEXAM;

use crate::limits::Limits;
use crate::profile::Folder;
use crate::store::{Lock, Store};
use budget::Budget;
use gate::Gate;
use ipnet::IpNet;
use pace::Places;
use std::sync::Arc;
use turn::Turns;

/// What a server serves from; one for all its connections.
pub struct Server {
    store: Store,
    profiles: Folder,
    limits: Limits,
    /// The proxies whose `X-Forwarded-For` is believed.
    trusted_proxies: Vec<IpNet>,
    connections: Arc<Places>,
    turns: Turns,
    reads: Gate,
    exports: Gate,
    /// Exports that are being sent.
    sending: Arc<Places>,
    /// The bytes of unfinished heads, of collected bodies, of answers.
    heads: Arc<Budget>,
    collected: Arc<Budget>,
    answers: Arc<Budget>,
    lock: Lock,
}

impl Server {
    /// A server of the store, which no other process may serve from, with the profiles, within the limits. It believes the
    /// `X-Forwarded-For` of these proxies.
    pub fn new(
        store: Store,
        profiles: Folder,
        limits: Limits,
        trusted_proxies: Vec<IpNet>,
    ) -> Result<Server, crate::store::Error> {
        let lock = store.lock()?;
        store.check_server_key()?;
        Ok(Server {
            trusted_proxies,
            connections: Arc::default(),
            turns: Turns::new(&limits),
            reads: Gate::new(limits.reads_max, limits.account_reads_max, limits.account_waiting_max),
            exports: Gate::new(limits.exports_max, limits.exports_max.div_ceil(2), limits.account_waiting_max),
            sending: Arc::default(),
            heads: Budget::new(limits.heads_bytes_max),
            collected: Budget::new(limits.collected_bytes_max),
            answers: Budget::new(limits.answers_bytes_max),
            store,
            profiles,
            limits,
            lock,
        })
    }

    /// Leaves the data folder as a stopped server does: the log of `rollcall.db` is empty, and the lock file names nobody.
    pub fn leave(&self) -> Result<(), crate::store::Error> {
        self.store.checkpoint()?;
        self.lock.clear()
    }

    /// Reads the profiles again, and logs what is wrong with them: there the old version stays in force.
    pub fn reload_profiles(&self) {
        let errors = self.profiles.reload();
        for error in &errors {
            tracing::error!("{error}; what was in force stays in force");
        }
        tracing::info!(errors = errors.len(), "profiles read again");
    }
}
