//! Apply: a push in its account's turn, on a thread of its own.

use super::log::Event;
use super::respond::Refusal;
use super::turn::Turn;
use super::{Server, memory};
use crate::store::{self, Key, Roster};
use crate::sync::{Failure, Receipt};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A push under way.
pub struct Applying {
    thread: JoinHandle<()>,
    result: oneshot::Receiver<Result<Receipt, Failure>>,
}

/// Opens the roster of the key and does `work` with it. When the result is on its way, `checkpoint` moves the log into the
/// database; the account's next push waits for that. `body_bytes` is about how much memory it leaves behind.
pub fn apply(
    server: &Arc<Server>,
    (key, turn): (Key, Turn),
    checkpoint: fn(&Roster) -> Result<(), store::Error>,
    body_bytes: usize,
    work: impl FnOnce(&Server, &mut Roster) -> Result<Receipt, Failure> + Send + 'static,
) -> Applying {
    let (answer, result) = oneshot::channel();
    let server = server.clone();
    let thread = tokio::task::spawn_blocking(move || {
        let mut roster = match server.store.roster(&key) {
            Ok(roster) => roster,
            Err(error) => return drop(answer.send(Err(error.into()))),
        };
        let result = work(&server, &mut roster);
        if let Err(Ok(receipt)) = answer.send(result) {
            tracing::warn!(account = key.account, ?receipt, "a push was applied, but its client had gone");
        }
        if let Err(error) = checkpoint(&roster) {
            tracing::error!(account = key.account, "checkpoint: {error}");
        }
        drop(roster);
        memory::done_with(body_bytes);
        drop(turn);
    });
    Applying { thread, result }
}

impl Applying {
    /// What came of it; a receipt is noted for the log.
    pub async fn result(self, event: &mut Event) -> Result<Result<Receipt, Failure>, Refusal> {
        let Ok(result) = self.result.await else {
            // The message of a panic may quote anything, so it is not the log's.
            drop(self.thread.await);
            return Err(Refusal::internal("a thread of the server panicked"));
        };
        if let Ok(receipt) = &result {
            event.receipt = Some(receipt.clone());
        }
        Ok(result)
    }
}
