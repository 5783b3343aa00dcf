//! HTTP: listen, route, authenticate, receive, respond. Nothing below this module knows of it.

mod apply;
mod authenticate;
mod collaborator;
mod echospan;
mod export;
mod import;
mod listen;
mod log;
mod memory;
mod push;
mod read;
mod receive;
mod respond;
mod route;
mod springest;
mod turn;

pub use listen::{raise_file_limit, serve};
pub use memory::share;
pub use push::STARTEXAM;

use crate::limits::Limits;
use crate::profile::Folder;
use crate::store::{Lock, Store};
use std::sync::Arc;
use tokio::sync::Semaphore;
use turn::Turns;

/// What a server serves from; one for all its connections.
pub struct Server {
    store: Store,
    profiles: Folder,
    limits: Limits,
    turns: Turns,
    exports: Arc<Semaphore>,
    _lock: Lock,
}

impl Server {
    /// A server of the store, which no other process may serve from, with the profiles, within the limits.
    pub fn new(store: Store, profiles: Folder, limits: Limits) -> Result<Server, crate::store::Error> {
        let lock = store.lock()?;
        let turns = Turns::new(&limits);
        let exports = Arc::new(Semaphore::new(limits.exports_max));
        Ok(Server { store, profiles, limits, turns, exports, _lock: lock })
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
