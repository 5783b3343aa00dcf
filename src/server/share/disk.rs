//! Work that waits for the disk, on threads of its own.

use super::gate::Shut;
use crate::server::Server;
use crate::server::respond::Refusal;
use hyper::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// Looks something up in what accounts share. It takes so little time that nobody waits for another's.
pub async fn look_up<T: Send + 'static>(
    server: &Arc<Server>,
    look_up: impl FnOnce(&Server) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let server = server.clone();
    // The message of a panic may quote anything, so it is not logged.
    let panicked = |_| Err(Refusal::internal("a thread of the server panicked"));
    tokio::task::spawn_blocking(move || look_up(&server)).await.unwrap_or_else(panicked)
}

/// Reads from an account's roster. Only so many requests do at a time (limits `reads_max` and `account_reads_max`); others wait.
pub async fn read<T: Send + 'static>(
    server: &Arc<Server>,
    account: i64,
    read: impl FnOnce(&Server) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let seconds = server.limits.push_wait_seconds_max;
    let ticket = server.reads.enter(account, Duration::from_secs(seconds)).await.map_err(|shut| {
        let limit = match shut {
            Shut::Account => "account_reads_max",
            Shut::All => "reads_max",
        };
        let message =
            format!("as many requests read from the server as may at a time (limit {limit}); ask again in a moment");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(seconds.max(1))
    })?;
    look_up(server, move |server| {
        let read = read(server);
        drop(ticket);
        read
    })
    .await
}
