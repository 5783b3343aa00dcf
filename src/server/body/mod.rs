//! The body of a request, on its way in.

pub mod collect;
pub mod form;
pub mod receive;
pub mod unpack;

use crate::server::share::pace::Pace;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long a client may pause in a body that nobody wants before it is answered.
const DRAIN_PAUSE: Duration = Duration::from_millis(300);

/// The body of a request. When it is dropped, what was not read of it goes to its [`Unread`].
pub struct Body {
    incoming: Option<Incoming>,
    unread: Unread,
    connection: Arc<Pace>,
    pace: Arc<Pace>,
}

/// Holds a body that was not read to its end.
#[derive(Clone, Default)]
pub struct Unread(Arc<Mutex<Option<Incoming>>>);

/// The connection broke, or the body ended before its length.
pub struct Broken;

/// How long a body may be.
#[derive(Debug, Clone, Copy)]
pub struct BytesMax {
    /// The limit's name in the configuration.
    pub limit: &'static str,
    /// Its value.
    pub bytes: u64,
}

impl Body {
    /// The body of a request on a connection of this pace.
    pub fn new(incoming: Incoming, connection: Arc<Pace>) -> (Body, Unread) {
        let unread = Unread::default();
        let pace = Pace::of_request();
        (Body { incoming: Some(incoming), unread: unread.clone(), connection, pace }, unread)
    }

    /// Returns the pace of the connection on which it comes.
    pub fn connection_pace(&self) -> &Arc<Pace> {
        &self.connection
    }

    /// Returns its own pace.
    pub fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// Waits for the next piece, and returns `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        let incoming = self.incoming.as_mut()?;
        loop {
            let frame = {
                let _turns = (self.connection.clients_turn(), self.pace.clients_turn());
                incoming.frame().await
            };
            match frame?.map(hyper::body::Frame::into_data) {
                Ok(Ok(piece)) => {
                    self.connection.moved_of_body(piece.len());
                    self.pace.received(piece.len());
                    return Some(Ok(piece));
                }
                Ok(Err(_trailers)) => {}
                Err(_) => return Some(Err(Broken)),
            }
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) {
            *self.unread.0.lock().expect("no holder of the lock panics") = Some(incoming);
        }
    }
}

impl Unread {
    /// Takes what was not read.
    pub fn take(&self) -> Option<Incoming> {
        self.0.lock().expect("no holder of the lock panics").take()
    }
}

/// Receives the rest of a body that nobody wants, for as long as `limit`. A client of HTTP/2 may lose an answer that comes before it has
/// sent everything, or the next answer on the connection. After a pause the answer is sent, and the rest is received at the same time.
/// Meanwhile it is the client's turn on the `connection`, which may lose its place.
pub async fn drain(mut body: Incoming, limit: Duration, connection: &Pace) {
    let started = Instant::now();
    let comes = async {
        let _turn = connection.clients_turn();
        loop {
            match timeout(DRAIN_PAUSE, body.frame()).await {
                Ok(Some(Ok(frame))) => connection.moved_of_body(frame.data_ref().map_or(0, Bytes::len)),
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    };
    if !matches!(timeout(limit, comes).await, Ok(true)) {
        let rest = async move { while let Some(Ok(_)) = body.frame().await {} };
        tokio::spawn(timeout(limit.saturating_sub(started.elapsed()), rest));
    }
}
