//! Receive: a body as it comes, within the limits of time and rate, handed on piece by piece.

use super::respond::Refusal;
use crate::digest::{ContentDigest, Digesting};
use crate::limits::Limits;
use crate::sync::{BodyError, Pieces};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How many pieces may wait for the push; a piece is at most what hyper reads at a time, some 400 KiB.
const PIECES_WAITING_MAX: usize = 8;

/// A body must come as it is.
pub fn refuse_compressed(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        let message = "the body must not be compressed; send it without a Content-Encoding";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(())
}

/// What comes of a body: bytes, and at its good end none.
type Piece = Result<Option<Bytes>, BodyError>;

/// Where a body comes in, and where the push takes it from. The push waits for it on a thread of its own.
pub fn channel() -> (mpsc::Sender<Piece>, Box<Pieces<'static>>) {
    let (sender, mut receiver) = mpsc::channel::<Piece>(PIECES_WAITING_MAX);
    let mut received = 0;
    let pieces = move || match receiver.blocking_recv() {
        Some(Ok(Some(piece))) => {
            received += piece.len() as u64;
            Ok(Some(piece))
        }
        Some(end) => end,
        // A connection that breaks takes the sender with it, and so does a stop that waits no longer.
        None => Err(BodyError::Cut { received }),
    };
    (sender, Box::new(pieces))
}

/// Receives a body and sends it on, until it ends, breaks a limit, or nobody wants more of it.
pub async fn receive(body: Incoming, digests: Vec<ContentDigest>, limits: &Limits, sender: mpsc::Sender<Piece>) {
    let mut receiving = Receiving::new(body, limits);
    let mut digests: Vec<Digesting> = digests.into_iter().map(Digesting::new).collect();
    loop {
        let next = tokio::select! {
            next = receiving.next() => next,
            () = sender.closed() => return,
        };
        let piece = match next {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(error) => return drop(sender.send(Err(error)).await),
        };
        digests.iter_mut().for_each(|digest| digest.update(&piece));
        if sender.send(Ok(Some(piece))).await.is_err() {
            return;
        }
    }
    let end = if digests.into_iter().all(Digesting::matches) { Ok(None) } else { Err(BodyError::Digest) };
    drop(sender.send(end).await);
}

/// Receives all of a body that may have `bytes_max`; none is one that has more.
pub async fn collect(body: Incoming, bytes_max: usize, limits: &Limits) -> Result<Option<Vec<u8>>, BodyError> {
    let mut receiving = Receiving::new(body, limits);
    let mut collected = Vec::new();
    while let Some(piece) = receiving.next().await? {
        if collected.len() + piece.len() > bytes_max {
            return Ok(None);
        }
        collected.extend_from_slice(&piece);
    }
    Ok(Some(collected))
}

/// A body on its way in, within the limits of time and rate.
struct Receiving<'a> {
    body: Incoming,
    limits: &'a Limits,
    started: Instant,
    received: u64,
}

impl<'a> Receiving<'a> {
    fn new(body: Incoming, limits: &'a Limits) -> Receiving<'a> {
        Receiving { body, limits, started: Instant::now(), received: 0 }
    }

    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Limits { body_pause_seconds_max, body_grace_seconds, body_bytes_per_second_min, .. } = *self.limits;
        loop {
            let frame = match timeout(Duration::from_secs(body_pause_seconds_max), self.body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => return Err(BodyError::Cut { received: self.received }),
                Ok(None) => return Ok(None),
                Err(_) => return Err(BodyError::Slow { limit: "body_pause_seconds_max", max: body_pause_seconds_max }),
            };
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            self.received += piece.len() as u64;
            let elapsed = self.started.elapsed();
            let least = body_bytes_per_second_min as f64 * elapsed.as_secs_f64();
            if elapsed > Duration::from_secs(body_grace_seconds) && (self.received as f64) < least {
                return Err(BodyError::Slow { limit: "body_bytes_per_second_min", max: body_bytes_per_second_min });
            }
            return Ok(Some(piece));
        }
    }
}
