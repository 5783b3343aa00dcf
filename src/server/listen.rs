//! Listen: connections, from the first byte to a graceful end.

use super::respond::Refusal;
use super::{Server, route};
use crate::limits::Limits;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The most that is read from a connection at a time, in bytes: a piece of a body that still fits a core's cache.
const PIECE_BYTES_MAX: usize = 1 << 19;

/// How HTTP/2 begins with prior knowledge (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a connection stays open for a client that has its answer and pauses in a body nobody wants.
const LINGER: Duration = Duration::from_secs(5);

/// How many clients beyond the limit of connections are told so at a time; others are just closed.
const TURNED_AWAY_MAX: usize = 64;

/// Serves connections until `stop` is done; then takes no new ones, and lets requests under way finish within the limit.
pub async fn serve(server: Arc<Server>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(server.limits.connections_max));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_MAX));
    let (stopping, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
            Some(_) = tasks.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!("cannot accept a connection: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        drop(stream.set_nodelay(true));
        if let Ok(permit) = connections.clone().try_acquire_owned() {
            let connection = connection(server.clone(), stream, peer, stopped.clone());
            tasks.spawn(async move {
                connection.await;
                drop(permit);
            });
        } else if let Ok(permit) = turned_away.clone().try_acquire_owned() {
            let limits = server.limits.clone();
            tasks.spawn(async move {
                turn_away(stream, &limits).await;
                drop(permit);
            });
        }
    }
    drop(listener);
    tracing::info!(connections = tasks.len(), "stopping: no new connections, requests under way may finish");
    stopping.send_replace(true);
    let all = async { while tasks.join_next().await.is_some() {} };
    let limit = Duration::from_secs(server.limits.stop_seconds_max);
    if timeout(limit, all).await.is_err() {
        tracing::error!("requests were still under way after {} seconds (limit stop_seconds_max)", limit.as_secs());
        tasks.shutdown().await;
    }
}

async fn connection(server: Arc<Server>, mut stream: TcpStream, peer: SocketAddr, stopping: watch::Receiver<bool>) {
    let head = Duration::from_secs(server.limits.head_seconds_max);
    let http2 = tokio::select! {
        http2 = timeout(head, begins_with(&mut stream, HTTP2_PREFACE)) => http2,
        () = told_to_stop(stopping.clone()) => return,
    };
    let served = match http2 {
        Ok(Ok(true)) => serve_http2(server, stream, peer, stopping).await,
        Ok(Ok(false)) => serve_http1(server, stream, peer, stopping).await,
        Ok(Err(_)) | Err(_) => return,
    };
    if let Err(error) = served {
        tracing::debug!(peer = %peer.ip(), "connection: {error}");
    }
}

async fn serve_http1(
    server: Arc<Server>,
    stream: TcpStream,
    peer: SocketAddr,
    stopping: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let limits = server.limits.clone();
    let service = service_fn(move |request| handle(server.clone(), request, peer));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.head_seconds_max))
        .half_close(true)
        .max_buf_size(PIECE_BYTES_MAX)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut stop = pin!(told_to_stop(stopping.clone()));
    let served = tokio::select! {
        served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => served,
        () = &mut stop => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|cx| connection.poll_without_shutdown(cx)).await
        }
    };
    tokio::select! {
        () = linger(connection.into_parts().io.into_inner(), &limits) => {}
        () = told_to_stop(stopping) => {}
    }
    served
}

async fn serve_http2(
    server: Arc<Server>,
    stream: TcpStream,
    peer: SocketAddr,
    stopping: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let head = Duration::from_secs(server.limits.head_seconds_max);
    let streams_max = server.limits.pushes_max as u32;
    let (requests, under_way) = watch::channel(0);
    let service = service_fn(move |request| {
        let under_way = UnderWay::new(requests.clone());
        let handled = handle(server.clone(), request, peer);
        async move {
            let answer = handled.await;
            drop(under_way);
            answer
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(head)
        .keep_alive_timeout(head)
        .max_concurrent_streams(streams_max)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served,
        () = told_to_stop(stopping) => {}
        () = idle(under_way, head) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// A request of a connection, counted while it is under way.
struct UnderWay(watch::Sender<usize>);

impl UnderWay {
    fn new(requests: watch::Sender<usize>) -> UnderWay {
        requests.send_modify(|under_way| *under_way += 1);
        UnderWay(requests)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|under_way| *under_way -= 1);
    }
}

/// Done when there has been no request for this long.
async fn idle(mut under_way: watch::Receiver<usize>, limit: Duration) {
    loop {
        drop(under_way.wait_for(|under_way| *under_way == 0).await);
        if timeout(limit, under_way.changed()).await.is_err() {
            return;
        }
    }
}

type Handled = Pin<Box<dyn Future<Output = Result<super::respond::Answer, Infallible>> + Send>>;

fn handle(server: Arc<Server>, request: Request<Incoming>, peer: SocketAddr) -> Handled {
    Box::pin(async move { Ok(route::answer(server, request, peer).await) })
}

async fn told_to_stop(mut stopping: watch::Receiver<bool>) {
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// Whether the first bytes of a connection are `expected`; it does not take them.
async fn begins_with(stream: &mut TcpStream, expected: &[u8]) -> io::Result<bool> {
    let mut first = [0; HTTP2_PREFACE.len()];
    loop {
        let length = stream.peek(&mut first).await?;
        if length == 0 || first[..length] != expected[..length] {
            return Ok(false);
        }
        if length == expected.len() {
            return Ok(true);
        }
        // Part of it has come, and would be shown again at once.
        sleep(Duration::from_millis(5)).await;
    }
}

/// Closes a connection so that the last answer arrives: a socket that is closed with bytes unread takes its answer back. So a
/// client that sends on is heard out, within the limits of a body.
async fn linger(mut stream: TcpStream, limits: &Limits) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut bytes = vec![0; 64 << 10];
    let (started, mut received) = (Instant::now(), 0);
    while let Ok(Ok(length @ 1..)) = timeout(LINGER, stream.read(&mut bytes)).await {
        received += length as u64;
        let seconds = started.elapsed().saturating_sub(LINGER).as_secs();
        if received > limits.body_bytes_max || received < seconds * limits.body_bytes_per_second_min {
            return;
        }
    }
}

/// Tells a client that there are too many connections.
async fn turn_away(mut stream: TcpStream, limits: &Limits) {
    let message = format!(
        "the server has {} connections, the most that it takes (limit connections_max); \
         try again in a moment",
        limits.connections_max
    );
    let answer = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).answer();
    let body = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let bytes = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\
         Retry-After: 10\r\nConnection: close\r\n\r\n{}",
        body.len(),
        String::from_utf8_lossy(&body)
    );
    if timeout(LINGER, stream.write_all(bytes.as_bytes())).await.is_ok_and(|written| written.is_ok()) {
        linger(stream, limits).await;
    }
}

/// Lets the process have as many files open as it may, for the connections.
pub fn raise_file_limit(limits: &Limits) {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        // Beside its connections a server opens three files a push, and a few of its own.
        let needed = (limits.connections_max + 3 * limits.pushes_max + 100) as u64;
        if let Some(maximum) = maximum.filter(|maximum| *maximum < needed) {
            tracing::warn!(
                "the system lets this process open {maximum} files, fewer than {needed} for connections_max; \
                 was {current:?}; raise it (ulimit -n) or lower connections_max"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = limits;
}
