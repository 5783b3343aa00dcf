//! Receive: a body as it comes, within the limits of time and rate, handed on piece by piece.

use crate::digest::{ContentDigest, Digesting};
use crate::limits::Limits;
use crate::server::body::unpack::{Packing, unpack};
use crate::server::body::{Body, Broken};
use crate::server::respond::Refusal;
use crate::server::share::budget::Reserved;
use crate::server::share::pace::Places;
use crate::sync::{BodyError, Pieces};
use bytes::Bytes;
use hyper::StatusCode;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How late a client must be in sending a body to lose its connection where too many bodies are held.
const LATE: Duration = Duration::from_secs(1);

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

/// The same pieces; at their end they must have these digests. Hashing is for the thread that takes them.
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

/// Receives a body and sends it on, until it ends, breaks a limit, or nobody wants more of it.
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

/// How a body is collected.
pub struct Collecting<'a> {
    /// The name of the limit of its length, and the limit, in bytes: as it is sent, and unpacked.
    pub limit: (&'static str, usize),
    /// How it is compressed.
    pub packing: Packing,
    /// Its bytes in the budget of all collected bodies; they are given back by whoever is done with the body.
    pub reserved: &'a mut Reserved,
    /// All connections: if the budget is used up, the one that is slowest to send a body is closed.
    pub connections: &'a Places,
    /// The limits of time and rate.
    pub limits: &'a Limits,
}

/// The refusal of a body that is longer than the limit of this name.
pub fn too_large((limit, bytes_max): (&'static str, usize)) -> Refusal {
    let message =
        format!("the body is over the server's limit {limit}, which is {bytes_max} bytes; send less at a time");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// Receives all of a body, and unpacks it.
pub async fn collect(body: Body, collecting: Collecting<'_>) -> Result<Vec<u8>, Refusal> {
    let Collecting { limit: (limit, bytes_max), packing, reserved, connections, limits } = collecting;
    let mut receiving = Receiving::new(body, limits);
    let mut collected = Vec::new();
    while let Some(piece) = receiving.next().await? {
        if collected.len() + piece.len() > bytes_max {
            return Err(too_large((limit, bytes_max)));
        }
        if !reserved.add(piece.len()) {
            // Whoever is slowest to send a body gives way, not the newcomer.
            if !connections.close_latest_body(LATE) {
                return Err(held_too_many());
            }
            reserved.add_beyond(piece.len());
        }
        collected.extend_from_slice(&piece);
    }
    if packing == Packing::None {
        return Ok(collected);
    }
    let mut pieces = Some(Bytes::from(collected));
    let mut held = reserved.take();
    let unpacked = tokio::task::spawn_blocking(move || {
        let (mut unpacked, mut too_many) = (Vec::new(), false);
        unpack(Box::new(move || Ok(pieces.take())), packing, (limit, bytes_max as u64), |piece| {
            too_many = !held.add(piece.len());
            unpacked.extend_from_slice(&piece);
            !too_many
        })?;
        Ok((unpacked, held, too_many))
    });
    let (unpacked, held, too_many) = unpacked.await.map_err(Refusal::internal)?.map_err(|error| match error {
        BodyError::OverLimit { .. } => too_large((limit, bytes_max)),
        error => error.into(),
    })?;
    *reserved = held;
    if too_many { Err(held_too_many()) } else { Ok(unpacked) }
}

fn held_too_many() -> Refusal {
    let message = "the server holds as many bodies as it may (limit collected_bytes_max); send this again in a moment";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(10)
}

/// A body on its way in, within the limits of time and rate.
struct Receiving<'a> {
    body: Body,
    limits: &'a Limits,
    started: Instant,
    received: u64,
}

impl<'a> Receiving<'a> {
    fn new(body: Body, limits: &'a Limits) -> Receiving<'a> {
        Receiving { body, limits, started: Instant::now(), received: 0 }
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
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
