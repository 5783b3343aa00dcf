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

type Piece = Result<Bytes, BodyError>;

/// Where a body comes in, and where the push takes it from. The push waits for it on a thread of its own.
pub fn channel(content_length: u64) -> (mpsc::Sender<Piece>, Box<Pieces<'static>>) {
    let (sender, mut receiver) = mpsc::channel::<Piece>(PIECES_WAITING_MAX);
    let mut received = 0;
    let pieces = move || match receiver.blocking_recv() {
        Some(Ok(piece)) => {
            received += piece.len() as u64;
            Ok(Some(piece))
        }
        Some(Err(error)) => Err(error),
        // A connection that breaks takes the sender with it.
        None if received < content_length => Err(BodyError::Cut { received }),
        None => Ok(None),
    };
    (sender, Box::new(pieces))
}

/// Receives a body and sends it on, until it ends, breaks a limit, or nobody wants more of it.
pub async fn receive(mut body: Incoming, digest: Option<ContentDigest>, limits: &Limits, sender: mpsc::Sender<Piece>) {
    let started = Instant::now();
    let pause = Duration::from_secs(limits.body_pause_seconds_max);
    let grace = Duration::from_secs(limits.body_grace_seconds);
    let mut digest = digest.map(Digesting::new);
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
        if let Some(digest) = &mut digest {
            digest.update(&piece);
        }
        if sender.send(Ok(piece)).await.is_err() {
            return;
        }
    }
    if digest.is_some_and(|digest| !digest.matches()) {
        drop(sender.send(Err(BodyError::Digest)).await);
    }
}
