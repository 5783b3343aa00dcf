//! Receive: a body as it comes, within the limits of time and rate, handed on piece by piece.

use crate::digest::{ContentDigest, Digesting, Fingerprint, Fingerprinting};
use crate::limits::Limits;
use crate::server::body::{Body, Broken};
use crate::server::respond::Refusal;
use crate::sync::{BodyError, Pieces};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How many pieces may wait for the push; a piece is at most what hyper reads at a time, some 400 KiB.
const PIECES_WAITING_MAX: usize = 8;

/// A piece of a body; `None` at its end, if it came whole.
type Piece = Result<Option<Bytes>, BodyError>;

/// Makes a channel that takes the pieces of a body to a push, which waits for them on a thread of its own.
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

/// Returns the same pieces, which are an error at their end if they do not have these digests. The thread that takes them hashes them.
pub fn digested(mut pieces: Box<Pieces<'static>>, digests: Vec<ContentDigest>) -> Box<Pieces<'static>> {
    if digests.is_empty() {
        return pieces;
    }
    let mut digesting: Vec<Digesting> = digests.into_iter().map(Digesting::new).collect();
    Box::new(move || match pieces()? {
        Some(piece) => {
            digesting.iter_mut().for_each(|digest| digest.update(&piece));
            Ok(Some(piece))
        }
        None if digesting.drain(..).all(Digesting::matches) => Ok(None),
        None => Err(BodyError::Digest),
    })
}

/// Returns the same pieces, whose fingerprint goes into `into` at their end. The thread that takes them hashes them.
pub fn fingerprinted(
    mut pieces: Box<Pieces<'static>>,
    fingerprinting: Fingerprinting,
    into: Arc<OnceLock<Fingerprint>>,
) -> Box<Pieces<'static>> {
    let mut fingerprinting = Some(fingerprinting);
    Box::new(move || {
        let piece = pieces()?;
        match (&piece, &mut fingerprinting) {
            (Some(piece), Some(fingerprinting)) => fingerprinting.update(piece),
            (None, fingerprinting) => {
                if let Some(fingerprinting) = fingerprinting.take() {
                    into.get_or_init(|| fingerprinting.finish());
                }
            }
            (Some(_), None) => {}
        }
        Ok(piece)
    })
}

/// Checks that a body that has come whole has these digests.
pub fn check_digests(body: &[u8], digests: Vec<ContentDigest>) -> Result<(), BodyError> {
    let matches = |digest| {
        let mut digesting = Digesting::new(digest);
        digesting.update(body);
        digesting.matches()
    };
    if digests.into_iter().all(matches) { Ok(()) } else { Err(BodyError::Digest) }
}

/// Returns the digests that the head says the body has: 400 if it has none that can be checked.
pub fn content_digests(headers: &HeaderMap) -> Result<Vec<ContentDigest>, Refusal> {
    // Several lines are one list (RFC 9110, 5.3).
    let lines = headers.get_all("content-digest").iter().map(HeaderValue::to_str);
    let lines: Result<Vec<&str>, _> = lines.collect();
    let parsed = match lines {
        Ok(lines) if lines.is_empty() => return Ok(Vec::new()),
        Ok(lines) => ContentDigest::parse(&lines.join(", ")),
        Err(_) => Err("it must be ASCII"),
    };
    parsed.map_err(|cause| {
        let message = format!("HTTP header 'Content-Digest' is incorrect: {cause}");
        Refusal::new(StatusCode::BAD_REQUEST, message)
    })
}

/// Receives a body and passes it on, until it ends or breaks a limit, or the push has stopped.
pub async fn receive(body: Body, limits: &Limits, sender: mpsc::Sender<Piece>) {
    let mut receiving = Receiving::new(body, limits);
    loop {
        let next = tokio::select! {
            next = receiving.next() => next,
            () = sender.closed() => return,
        };
        let ended = !matches!(next, Ok(Some(_)));
        if sender.send(next).await.is_err() || ended {
            return;
        }
    }
}

/// A body on its way in, within the limits of time and rate.
pub(super) struct Receiving<'a> {
    body: Body,
    limits: &'a Limits,
    started: Instant,
    received: u64,
}

impl<'a> Receiving<'a> {
    pub(super) fn new(body: Body, limits: &'a Limits) -> Receiving<'a> {
        Receiving { body, limits, started: Instant::now(), received: 0 }
    }

    /// Returns the next piece, or `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Limits { body_pause_seconds_max, body_grace_seconds, body_bytes_per_second_min, pushes_max, .. } =
            *self.limits;
        let pace = self.body.pace().clone();
        let next = tokio::select! {
            next = timeout(Duration::from_secs(body_pause_seconds_max), self.body.next()) => next,
            () = pace.closed() => return Err(BodyError::GaveWay { limit: "pushes_max", max: pushes_max as u64 }),
        };
        let piece = match next {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(Broken))) => return Err(BodyError::Cut { received: self.received }),
            Ok(None) => return Ok(None),
            Err(_) => return Err(BodyError::Slow { limit: "body_pause_seconds_max", max: body_pause_seconds_max }),
        };
        self.received += piece.len() as u64;
        let elapsed = self.started.elapsed();
        let least = body_bytes_per_second_min as f64 * elapsed.as_secs_f64();
        if elapsed > Duration::from_secs(body_grace_seconds) && (self.received as f64) < least {
            return Err(BodyError::Slow { limit: "body_bytes_per_second_min", max: body_bytes_per_second_min });
        }
        Ok(Some(piece))
    }
}
