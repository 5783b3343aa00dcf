//! Scrape: `GET /metrics`, on a listener of its own, which only the operator's monitoring should reach.

use crate::dialect::TEXT;
use crate::server::Server;
use crate::server::observe::metrics;
use crate::server::respond::text;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// How many connections there are at a time; more are closed.
const CONNECTIONS_MAX: usize = 8;

/// How long a connection may last: it carries one request.
const CONNECTION: Duration = Duration::from_secs(30);

/// The type of OpenMetrics text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the metrics until it is dropped.
pub async fn serve_metrics(server: Arc<Server>, listener: TcpListener) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!("metrics: cannot accept a connection: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Ok(permit) = connections.clone().try_acquire_owned() {
            let server = server.clone();
            tokio::spawn(async move {
                drop(timeout(CONNECTION, connection(server, stream)).await);
                drop(permit);
            });
        }
    }
}

async fn connection(server: Arc<Server>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(answer(server, &request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).keep_alive(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!("metrics: {error}");
    }
}

async fn answer(server: Arc<Server>, request: &Request<Incoming>) -> crate::server::respond::Answer {
    if request.uri().path() != "/metrics" {
        return text(StatusCode::NOT_FOUND, TEXT, "there is /metrics here, and nothing else\n".into());
    }
    if *request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, TEXT, "/metrics takes GET only\n".into());
    }
    match tokio::task::spawn_blocking(move || metrics::text(&server)).await {
        Ok(metrics) => text(StatusCode::OK, OPEN_METRICS, metrics),
        Err(panic) => {
            tracing::error!("metrics: {panic}");
            text(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the metrics could not be read; the log says why\n".into())
        }
    }
}
