//! Receive: a body as it comes, within the limits of time and rate, handed on piece by piece.

use crate::digest::{ContentDigest, Digesting};
use crate::limits::Limits;
use crate::sync::{BodyError, Pieces};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How many pieces may wait for the push; a piece is at most what hyper reads at a time, some 400 KiB.
const PIECES_WAITING_MAX: usize = 8;

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
pub async fn receive(mut body: Incoming, digests: Vec<ContentDigest>, limits: &Limits, sender: mpsc::Sender<Piece>) {
    let started = Instant::now();
    let pause = Duration::from_secs(limits.body_pause_seconds_max);
    let grace = Duration::from_secs(limits.body_grace_seconds);
    let mut digests: Vec<Digesting> = digests.into_iter().map(Digesting::new).collect();
    let mut received = 0;
    loop {
        let next = tokio::select! {
            next = timeout(pause, body.frame()) => next,
            () = sender.closed() => return,
        };
        let frame = match next {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => {
                drop(sender.send(Err(BodyError::Cut { received })).await);
                return;
            }
            Ok(None) => break,
            Err(_) => {
                let error = BodyError::Slow { limit: "body_pause_seconds_max", max: limits.body_pause_seconds_max };
                drop(sender.send(Err(error)).await);
                return;
            }
        };
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        received += piece.len() as u64;
        let elapsed = started.elapsed();
        if elapsed > grace && (received as f64) < limits.body_bytes_per_second_min as f64 * elapsed.as_secs_f64() {
            let error = BodyError::Slow { limit: "body_bytes_per_second_min", max: limits.body_bytes_per_second_min };
            drop(sender.send(Err(error)).await);
            return;
        }
        digests.iter_mut().for_each(|digest| digest.update(&piece));
        if sender.send(Ok(Some(piece))).await.is_err() {
            return;
        }
    }
    let end = if digests.into_iter().all(Digesting::matches) { Ok(None) } else { Err(BodyError::Digest) };
    drop(sender.send(end).await);
}
