//! A connection, from its first byte to its end.

pub mod listen;
pub mod stream;

use crate::server::Server;
use crate::server::answer::answer;
use crate::server::connection::stream::Stream;
use crate::server::memory;
use crate::server::respond::Answer;
use crate::server::share::pace::{Pace, Place};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

/// The most that is read from a connection at a time, in bytes: a piece of a body that still fits a core's cache.
const PIECE_BYTES_MAX: usize = 1 << 19;

/// About how much memory a connection leaves behind, in bytes.
const CONNECTION_BYTES: usize = 1 << 13;

/// How long a client whose answer was sent may pause in a body that nobody wants.
const LINGER_PAUSE: Duration = Duration::from_secs(5);

/// How much of an HTTP/2 answer may wait in memory for its client, in bytes.
const HTTP2_SEND_BYTES: usize = 1 << 16;

/// Serves a connection, which has a place, until it ends, its client keeps the server waiting too long, or the place is taken.
pub async fn serve(
    server: Arc<Server>,
    socket: TcpStream,
    peer: SocketAddr,
    stopping: watch::Receiver<bool>,
    place: Place,
) {
    let pace = place.pace().clone();
    let mut stream = Stream::new(socket, pace.clone(), server.heads.nothing(None), server.connections.clone());
    let http2 = tokio::select! {
        http2 = stream.begins_http2() => http2,
        () = pace.run_out(&server.limits) => return,
        () = told_to_stop(stopping.clone()) => return,
    };
    let served = match http2 {
        Ok(true) => serve_http2(server, stream, peer, stopping, pace).await,
        Ok(false) => serve_http1(server, stream, peer, stopping, pace).await,
        Err(_) => return,
    };
    memory::done_with(CONNECTION_BYTES);
    if let Err(error) = served {
        tracing::debug!(peer = %peer.ip(), "connection: {error}");
    }
}

async fn serve_http1(
    server: Arc<Server>,
    stream: Stream,
    peer: SocketAddr,
    stopping: watch::Receiver<bool>,
    pace: Arc<Pace>,
) -> hyper::Result<()> {
    let service = {
        let (server, pace) = (server.clone(), pace.clone());
        service_fn(move |request| handle(server.clone(), request, peer, &pace))
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .half_close(true)
        .max_header_size(server.limits.head_bytes_max)
        .max_buf_size(PIECE_BYTES_MAX.max(server.limits.head_bytes_max))
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let served = {
        let mut run_out = pin!(pace.run_out(&server.limits));
        let mut stop = pin!(told_to_stop(stopping.clone()));
        let first = tokio::select! {
            served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => Some(served),
            () = &mut run_out => return Ok(()),
            () = &mut stop => None,
        };
        match first {
            Some(served) => served,
            None => {
                Pin::new(&mut connection).graceful_shutdown();
                tokio::select! {
                    served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => served,
                    () = &mut run_out => return Ok(()),
                }
            }
        }
    };
    tokio::select! {
        () = linger(connection.into_parts().io.into_inner().into_socket(), Duration::from_secs(server.limits.drain_seconds_max)) => {}
        () = pace.closed() => {}
        () = told_to_stop(stopping) => {}
    }
    served
}

async fn serve_http2(
    server: Arc<Server>,
    stream: Stream,
    peer: SocketAddr,
    stopping: watch::Receiver<bool>,
    pace: Arc<Pace>,
) -> hyper::Result<()> {
    let limits = server.limits.clone();
    let alive = Duration::from_secs(limits.head_seconds_max);
    pace.count_bodies_only();
    let service = {
        let pace = pace.clone();
        service_fn(move |request| handle(server.clone(), request, peer, &pace))
    };
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(alive)
        .keep_alive_timeout(alive)
        .max_concurrent_streams(u32::try_from(limits.pushes_max).unwrap_or(u32::MAX))
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_send_buf_size(HTTP2_SEND_BYTES)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return served,
        () = told_to_stop(stopping) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection.as_mut() => return served,
                () = pace.run_out(&limits) => {}
            }
        }
        () = pace.run_out(&limits) => connection.as_mut().graceful_shutdown(),
    }
    // A client that was let go hears of it, if it listens.
    timeout(Duration::from_secs(1), connection).await.unwrap_or(Ok(()))
}

type Handled = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

fn handle(server: Arc<Server>, request: Request<Incoming>, peer: SocketAddr, pace: &Arc<Pace>) -> Handled {
    let under_way = pace.request();
    Box::pin(async move { Ok(answer(server, request, peer, under_way).await) })
}

async fn told_to_stop(mut stopping: watch::Receiver<bool>) {
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// Closes a connection so that its last answer arrives. If a socket is closed while bytes are unread, the client may lose the answer, so
/// what it still sends is read for as long as `limit`.
pub async fn linger(mut socket: TcpStream, limit: Duration) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut bytes = vec![0; 64 << 10];
    let heard_out = async { while let Ok(Ok(1..)) = timeout(LINGER_PAUSE, socket.read(&mut bytes)).await {} };
    drop(timeout(limit, heard_out).await);
}
