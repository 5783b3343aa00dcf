//! `GET /health` and `GET /health/ready`: whether the server answers, and whether a push could be stored.

use crate::server::Server;
use crate::server::call::Call;
use crate::server::respond::{Answer, Refusal, json};
use crate::server::share::disk::look_up;
use hyper::StatusCode;
use serde_json::json;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long an outcome holds. The disk is not written more often, no matter how often somebody asks.
const HOLDS: Duration = Duration::from_secs(1);

/// How long a write may take.
const WRITE: Duration = Duration::from_secs(5);

/// The last outcome, and the attempt that is under way.
#[derive(Default)]
pub struct Readiness(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<(Instant, Result<(), String>)>,
    under_way: Option<JoinHandle<io::Result<()>>>,
}

/// `GET /health`: whether the server can read its store.
pub async fn health(call: Call<'_>) -> Result<Answer, Refusal> {
    look_up(call.server, |server| {
        server.store.key(0)?;
        Ok(json(StatusCode::OK, &json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })))
    })
    .await
}

/// `GET /health/ready`: whether the store can be written, by writing a little.
pub async fn ready(call: Call<'_>) -> Result<Answer, Refusal> {
    outcome(call.server).await.map_err(|cause| {
        let message = format!(
            "the server cannot store a push, since it cannot write to its data folder: {cause}; \
             is the disk full, or the folder read-only or gone?"
        );
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(5)
    })?;
    Ok(json(StatusCode::OK, &json!({ "status": "ready", "version": env!("CARGO_PKG_VERSION") })))
}

async fn outcome(server: &Arc<Server>) -> Result<(), String> {
    // Whoever asks meanwhile waits here, and gets the same outcome.
    let mut state = server.readiness.0.lock().await;
    if let Some((at, outcome)) = &state.last
        && at.elapsed() < HOLDS
    {
        return outcome.clone();
    }
    // It is kept here while it is waited for: who goes away meanwhile leaves it to the next, instead of a disk that hangs to a
    // second attempt.
    let attempt = state.under_way.get_or_insert_with(|| {
        let server = server.clone();
        tokio::task::spawn_blocking(move || server.store.try_writing())
    });
    let outcome = match timeout(WRITE, attempt).await {
        Ok(ended) => {
            state.under_way = None;
            ended.map_err(|panic| panic.to_string()).and_then(|written| written.map_err(|error| error.to_string()))
        }
        Err(_) => Err(format!("a small write has not ended within {} seconds", WRITE.as_secs())),
    };
    state.last = Some((Instant::now(), outcome.clone()));
    outcome
}
