//! Collect: a body that is read as a whole, within the memory that all such bodies may take.

use super::receive::{Receiving, check_digests, content_digests};
use super::unpack::{Packing, unpack};
use super::{Body, BytesMax};
use crate::server::Server;
use crate::server::respond::Refusal;
use crate::server::share::budget::Reserved;
use crate::sync::BodyError;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use std::time::Duration;

/// How late a client must be in sending a body before it loses its connection, if too many bodies are held.
const LATE: Duration = Duration::from_secs(1);

/// Receives all of a body, checks its digest if the head has one, and unpacks it. `max` is the limit of its length, both as it is sent and unpacked. Its bytes are added to
/// `reserved`, which the caller keeps for as long as it keeps what it makes of the body.
pub async fn collect(
    server: &Server,
    headers: &HeaderMap,
    body: Body,
    max: BytesMax,
    reserved: &mut Reserved,
) -> Result<Vec<u8>, Refusal> {
    let packing = Packing::of(headers)?;
    let digests = content_digests(headers)?;
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max.bytes) {
        return Err(too_large(max));
    }
    let packed = receive(server, body, max, reserved).await?;
    check_digests(&packed, digests)?;
    if packing == Packing::None { Ok(packed) } else { unpack_all(packed, packing, max, reserved).await }
}

async fn receive(server: &Server, body: Body, max: BytesMax, reserved: &mut Reserved) -> Result<Vec<u8>, Refusal> {
    let mut receiving = Receiving::new(body, &server.limits);
    let mut received = Vec::new();
    while let Some(piece) = receiving.next().await? {
        if (received.len() + piece.len()) as u64 > max.bytes {
            return Err(too_large(max));
        }
        if !reserved.add(piece.len()) {
            // Whoever is slowest to send a body gives way, not the newcomer.
            if !server.connections.close_latest_body(LATE) {
                return Err(held_too_many());
            }
            reserved.add_beyond(piece.len());
        }
        received.extend_from_slice(&piece);
    }
    Ok(received)
}

async fn unpack_all(
    packed: Vec<u8>,
    packing: Packing,
    max: BytesMax,
    reserved: &mut Reserved,
) -> Result<Vec<u8>, Refusal> {
    let mut pieces = Some(Bytes::from(packed));
    let mut held = reserved.take();
    let unpacked = tokio::task::spawn_blocking(move || {
        let (mut unpacked, mut too_many) = (Vec::new(), false);
        unpack(Box::new(move || Ok(pieces.take())), packing, max, |piece| {
            too_many = !held.add(piece.len());
            unpacked.extend_from_slice(&piece);
            !too_many
        })?;
        Ok((unpacked, held, too_many))
    });
    let (unpacked, held, too_many) = unpacked.await.map_err(Refusal::internal)?.map_err(|error| match error {
        BodyError::OverLimit { .. } => too_large(max),
        error => error.into(),
    })?;
    *reserved = held;
    if too_many { Err(held_too_many()) } else { Ok(unpacked) }
}

fn too_large(BytesMax { limit, bytes }: BytesMax) -> Refusal {
    let message = format!("the body is over the server's limit {limit}, which is {bytes} bytes; send less at a time");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

fn held_too_many() -> Refusal {
    let message = "the server holds as many bodies as it may (limit collected_bytes_max); send this again in a moment";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(10)
}
