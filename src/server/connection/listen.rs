//! Listen: connections come, get a place or are turned away, and finish gracefully when the server stops.

use crate::limits::Limits;
use crate::server::Server;
use crate::server::connection::{linger, serve as serve_connection};
use crate::server::erasing::erase_daily;
use crate::server::memory;
use crate::server::noticing;
use crate::server::observe::history;
use crate::server::respond::Refusal;
use crate::server::share::pace::{Pace, Place};
use crate::server::tell::keep_telling;
use crate::server::trim;
#[cfg(feature = "webhooks")]
use crate::server::webhook::keep_sending;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long a client must have kept the server waiting to lose its connection to another when there are too many.
const LATE: Duration = Duration::from_millis(250);

/// How long a server that stops tries to empty the logs of the accounts that are still in use.
const FOLD: Duration = Duration::from_secs(5);

/// How often a connection that waits for a place looks for a client that is late.
const LOOK: Duration = Duration::from_millis(10);

/// How many connections that were accepted may wait to be served.
const ACCEPTED_MAX: usize = 4_096;

/// How long the server accepts nobody after the system has refused to, mostly because too many files are open.
const PAUSE: Duration = Duration::from_millis(50);

/// Which listener is asked first.
static NEXT_LISTENER: AtomicUsize = AtomicUsize::new(0);

/// How many clients beyond the limit of connections get an answer at a time; the connections of others are closed without one.
const TURNED_AWAY_MAX: usize = 64;

/// How long such a client has to take its answer.
const TURN_AWAY_TIME: Duration = Duration::from_secs(5);

/// Serves the connections of all listeners until `stop` is done; then takes no new ones, and lets requests under way finish within
/// the limit.
pub async fn serve(server: Arc<Server>, listeners: Vec<TcpListener>, stop: impl Future<Output = ()>) {
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_MAX));
    let (stopping, stopped) = watch::channel(false);
    let history = tokio::spawn(history::keep(server.clone()));
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    let tidying = tokio::spawn(memory::tidy(server.clone()));
    let erasing = tokio::spawn(erase_daily(server.clone()));
    let trimming = tokio::spawn(trim::keep_trimming(server.clone()));
    let telling = tokio::spawn(keep_telling(server.clone()));
    #[cfg(feature = "webhooks")]
    let sending = tokio::spawn(keep_sending(server.clone(), stopped.clone()));
    let noticing = tokio::spawn(noticing::keep_noticing(server.clone()));
    let mut accepting = accepting(listeners);
    loop {
        let accepted = tokio::select! {
            Some(accepted) = accepting.recv() => accepted,
            () = &mut stop => break,
            Some(_) = tasks.join_next() => continue,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!("cannot accept a connection: {error}");
                continue;
            }
        };
        drop(socket.set_nodelay(true));
        let place = place_for(&server).await;
        if let Some(place) = place {
            tasks.spawn(serve_connection(server.clone(), socket, peer, stopped.clone(), place));
        } else if let Ok(permit) = turned_away.clone().try_acquire_owned() {
            let connections_max = server.limits.connections_max;
            tasks.spawn(async move {
                turn_away(socket, connections_max).await;
                drop(permit);
            });
        }
    }
    drop(accepting);
    tidying.abort();
    erasing.abort();
    trimming.abort();
    telling.abort();
    noticing.abort();
    tracing::info!(connections = tasks.len(), "stopping: no new connections, requests under way may finish");
    stopping.send_replace(true);
    server.followers.stop();
    let all = async { while tasks.join_next().await.is_some() {} };
    let limit = Duration::from_secs(server.limits.stop_seconds_max);
    if timeout(limit, all).await.is_err() {
        tracing::error!("requests were still under way after {} seconds (limit stop_seconds_max)", limit.as_secs());
        tasks.shutdown().await;
    }
    #[cfg(feature = "webhooks")]
    drop(sending.await);
    history.abort();
    let folded = tokio::task::spawn_blocking(move || {
        server.write_history();
        server.store.fold_logs(Instant::now() + FOLD)
    });
    for log in folded.await.unwrap_or_default() {
        tracing::warn!("{} is still in use; back it up together with its database", log.display());
    }
}

/// Takes a place for a connection. If all are taken and nobody is late yet, but clients keep the server waiting, it waits until one is late.
async fn place_for(server: &Server) -> Option<Place> {
    let (connections, max) = (&server.connections, server.limits.connections_max);
    let (pace, started) = (Pace::of_connection(), Instant::now());
    loop {
        let place = connections.take_one_of(max, LATE, &pace);
        if place.is_some() || started.elapsed() > LATE || !connections.any_waits() {
            return place;
        }
        sleep(LOOK).await;
    }
}

/// Accepts connections on a thread that does nothing else, until the receiver is dropped. What the system holds ready overflows when some
/// thousand clients come at once, and whoever is dropped there tries again a second later; so there is more room here.
fn accepting(listeners: Vec<TcpListener>) -> mpsc::Receiver<io::Result<(TcpStream, SocketAddr)>> {
    let (sender, receiver) = mpsc::channel(ACCEPTED_MAX);
    let runtime = Handle::current();
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let accepted = tokio::select! {
                    accepted = accept(&listeners) => accepted,
                    () = sender.closed() => return,
                };
                if accepted.is_err() {
                    tokio::select! {
                        () = sleep(PAUSE) => {}
                        () = sender.closed() => return,
                    }
                }
                if sender.send(accepted).await.is_err() {
                    return;
                }
            }
        });
    });
    receiver
}

/// Accepts the next connection of any listener.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    // Each gets its turn to be the first: a busy one must not keep the others from being heard.
    let first = NEXT_LISTENER.fetch_add(1, Ordering::Relaxed) % listeners.len();
    poll_fn(|cx| {
        let in_turn = listeners[first..].iter().chain(&listeners[..first]);
        let mut accepted = in_turn.map(|listener| listener.poll_accept(cx));
        accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// Tells a client that there are too many connections.
async fn turn_away(mut socket: TcpStream, connections_max: usize) {
    let message = format!(
        "the server has {connections_max} connections, the most that it takes (limit connections_max), and all are in use; \
         try again in a moment"
    );
    let answer = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).answer();
    let body = answer.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let bytes = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\
         Retry-After: 10\r\nConnection: close\r\n\r\n{}",
        body.len(),
        String::from_utf8_lossy(&body)
    );
    if timeout(TURN_AWAY_TIME, socket.write_all(bytes.as_bytes())).await.is_ok_and(|written| written.is_ok()) {
        linger(socket, TURN_AWAY_TIME).await;
    }
}

/// Lets the process have as many files open as it may, for the connections.
pub fn raise_file_limit(limits: &Limits) {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        // Beside its connections, served and waiting, a server has three files open for each push, read, export and open roster, and a
        // few of its own.
        let databases = limits.pushes_max + limits.reads_max + limits.exports_max + limits.rosters_open_max;
        let needed = (limits.connections_max + ACCEPTED_MAX + 3 * databases + 100) as u64;
        if let Some(maximum) = maximum.filter(|maximum| *maximum < needed) {
            tracing::warn!(
                "the system lets this process open {maximum} files, fewer than the {needed} for connections_max; \
                 raise that (ulimit -n), or lower connections_max"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = limits;
}
