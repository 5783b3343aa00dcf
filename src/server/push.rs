//! `POST /v1/employees`: the nightly push.

use super::Server;
use super::log::Event;
use super::memory;
use super::receive;
use super::respond::{Answer, Refusal, json_text, note};
use crate::dialect::startexam;
use crate::digest::ContentDigest;
use crate::store::Key;
use crate::sync::{Format, Push, sync};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use hyper::{Request, StatusCode};
use std::sync::Arc;
use tokio::sync::oneshot;

/// StartExam's pushes, as the steps of a push read them.
pub const STARTEXAM: Format =
    Format { employees: startexam::EMPLOYEES, envelope: startexam::envelope, employee: startexam::employee };

/// How many employees a push must have written to leave memory behind that is worth the time to give back.
const WROTE_MUCH: u64 = 5_000;

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
    if request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        let message = "the body must not be compressed; send it without a Content-Encoding";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let digests = content_digests(request.headers())?;
    let turn = server.turns.take(key.account).await?;

    let (sender, pieces) = receive::channel();
    let (answer, result) = oneshot::channel();
    let on_thread = server.clone();
    let thread = tokio::task::spawn_blocking(move || {
        let server = on_thread;
        let mut roster = match server.store.roster(&key) {
            Ok(roster) => roster,
            Err(error) => return drop(answer.send(Err(error.into()))),
        };
        let push = Push {
            account: key.account,
            format: &STARTEXAM,
            profiles: &server.profiles,
            limits: &server.limits,
            spool_dir: server.store.dir(),
        };
        let result = sync(&push, &mut roster, pieces);
        let wrote = result.as_ref().map_or(0, |receipt| receipt.employees - receipt.counts.unchanged);
        if let Err(Ok(receipt)) = answer.send(result) {
            tracing::warn!(account = key.account, ?receipt, "a push was applied, but its client had gone");
        }
        // The client has its answer; the account's next push waits for this.
        if let Err(error) = roster.checkpoint() {
            tracing::error!(account = key.account, "checkpoint: {error}");
        }
        drop(roster);
        if wrote >= WROTE_MUCH {
            memory::give_back();
        }
        drop(turn);
    });
    receive::receive(request.into_body(), digests, &server.limits, sender).await;
    let Ok(result) = result.await else {
        let panic = thread.await.err().map(|error| error.to_string());
        return Err(Refusal::internal(panic.unwrap_or_default()));
    };
    let receipt = result.map_err(Refusal::from)?;
    event.receipt = Some(receipt.clone());
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
