//! `POST /v1/employees`: the nightly push.

use super::Server;
use super::apply::apply;
use super::log::Event;
use super::receive;
use super::respond::{Answer, Refusal, json_text, note};
use crate::dialect::startexam;
use crate::digest::ContentDigest;
use crate::store::{Key, Roster};
use crate::sync::{Format, Push, sync};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use hyper::{Request, StatusCode};
use std::sync::Arc;

/// StartExam's pushes, as the steps of a push read them.
pub const STARTEXAM: Format =
    Format { employees: startexam::EMPLOYEES, envelope: startexam::envelope, employee: startexam::employee };

/// The length that the head of a push says; without one nothing could be signed.
pub fn content_length(headers: &HeaderMap) -> Result<u64, Refusal> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.ok_or_else(|| {
        let message =
            "a push needs the header Content-Length, which is signed; send the body with a known length, not chunked";
        Refusal::new(StatusCode::LENGTH_REQUIRED, message)
    })
}

/// Carries out a push of the account: receives its body here while a thread of its own synchronises.
pub async fn push(
    server: &Arc<Server>,
    key: Key,
    request: Request<Incoming>,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let content_length = content_length(request.headers())?;
    let limit = server.limits.body_bytes_max;
    if content_length > limit {
        let message =
            format!("the body has {content_length} bytes; the server takes at most {limit} (limit body_bytes_max)");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    receive::refuse_compressed(request.headers())?;
    let digests = content_digests(request.headers())?;
    let account = key.account;
    let turn = server.turns.take(account).await?;

    let (sender, pieces) = receive::channel();
    let applying = apply(server, (key, turn), Roster::checkpoint, move |server, roster| {
        let push = Push {
            account,
            format: &STARTEXAM,
            profiles: &server.profiles,
            limits: &server.limits,
            spool_dir: server.store.dir(),
        };
        sync(&push, roster, pieces)
    });
    receive::receive(request.into_body(), digests, &server.limits, sender).await;
    let receipt = applying.result(event).await??;
    let mut answer = json_text(StatusCode::OK, startexam::answer(&receipt.counts));
    note(&mut answer, &receipt);
    Ok(answer)
}

fn content_digests(headers: &HeaderMap) -> Result<Vec<ContentDigest>, Refusal> {
    let mut digests = Vec::new();
    for value in headers.get_all("content-digest") {
        let parsed = value.to_str().map_err(|_| "it must be ASCII").and_then(ContentDigest::parse);
        digests.extend(parsed.map_err(|cause| {
            let message = format!("HTTP header 'Content-Digest' is incorrect: {cause}");
            Refusal::new(StatusCode::BAD_REQUEST, message)
        })?);
    }
    Ok(digests)
}
