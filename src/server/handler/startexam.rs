//! `POST /v1/employees`: the nightly push.

use crate::dialect::{Dialect, startexam};
use crate::digest::ContentDigest;
use crate::roster::Absent;
use crate::server::Server;
use crate::server::body::Body;
use crate::server::body::receive;
use crate::server::body::unpack::{Packing, unpack_beside};
use crate::server::observe::log::Event;
use crate::server::push::apply::apply;
use crate::server::respond::{Answer, Refusal, json_text, note};
use crate::store::Key;
use crate::sync::{Body as PushBody, Format, Push, Source, sync};
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
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
    request: Request<Body>,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let content_length = content_length(request.headers())?;
    let limit = server.limits.body_bytes_max;
    if content_length > limit {
        let message =
            format!("the body has {content_length} bytes; the server takes at most {limit} (limit body_bytes_max)");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let packing = Packing::of(request.headers())?;
    let digests = content_digests(request.headers())?;
    let account = key.account;
    let turn = server.turns.take(account, request.body().pace()).await?;

    let (sender, pieces) = receive::channel();
    let mut pieces = receive::digested(pieces, digests);
    if packing != Packing::None {
        pieces = unpack_beside(pieces, packing, ("body_bytes_max", limit));
    }
    let body_bytes = content_length as usize;
    let applying = apply(server, (key, turn), event, body_bytes, move |server, roster, trace| {
        let push = Push {
            dialect: Dialect::StartExam,
            limits: &server.limits,
            spool_dir: server.store.dir(),
            absent: Absent::Stay,
            find_by: None,
        };
        let body = PushBody { account, format: &STARTEXAM, profiles: &server.profiles, pieces };
        sync(&push, Source::Body(body), || roster.begin(), trace)
    });
    receive::receive(request.into_body(), &server.limits, sender).await;
    let receipt = applying.result(event).await??;
    let mut answer = json_text(StatusCode::OK, startexam::answer(&receipt.counts));
    note(&mut answer, &receipt);
    Ok(answer)
}

fn content_digests(headers: &HeaderMap) -> Result<Vec<ContentDigest>, Refusal> {
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
