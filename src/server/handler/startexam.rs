//! `POST /v1/employees`: the nightly push.

use crate::dialect::{Dialect, startexam};
use crate::digest::ContentDigest;
use crate::roster::Absent;
use crate::server::authenticate::{Caller, content_length};
use crate::server::body::unpack::{Packing, unpack_beside};
use crate::server::body::{BytesMax, receive};
use crate::server::call::Call;
use crate::server::push::apply::apply;
use crate::server::respond::{Answer, Refusal, json_text, note};
use crate::sync::{Body, Format, Push, Source, sync};
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue};

/// StartExam's pushes, as the steps of a push read them.
pub const STARTEXAM: Format =
    Format { employees: startexam::EMPLOYEES, envelope: startexam::envelope, employee: startexam::employee };

/// Carries out a push of the account: receives its body here while a thread of its own synchronises.
pub async fn push(call: Call<'_>, caller: Caller) -> Result<Answer, Refusal> {
    let Call { server, head, body, event, .. } = call;
    let content_length = content_length(&head.headers)?;
    let max = BytesMax { limit: "body_bytes_max", bytes: server.limits.body_bytes_max };
    if content_length > max.bytes {
        let BytesMax { limit, bytes } = max;
        let message = format!("the body has {content_length} bytes; the server takes at most {bytes} (limit {limit})");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    let packing = Packing::of(&head.headers)?;
    let digests = content_digests(&head.headers)?;
    let turn = server.turns.take(caller.key, body.pace()).await?;

    let (sender, pieces) = receive::channel();
    let mut pieces = receive::digested(pieces, digests);
    if packing != Packing::None {
        pieces = unpack_beside(pieces, packing, max);
    }
    let account = turn.key.account;
    let body_bytes = usize::try_from(content_length).unwrap_or(usize::MAX);
    let applying = apply(server, turn, event, body_bytes, move |server, roster, trace| {
        let push = Push {
            dialect: Dialect::StartExam,
            limits: &server.limits,
            spool_dir: &server.spool_dir,
            absent: Absent::Stay,
        };
        let body = Body { account, format: &STARTEXAM, profiles: &server.profiles, pieces };
        sync(&push, Source::Body(body), || roster.begin(), trace)
    });
    receive::receive(body, &server.limits, sender).await;
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
