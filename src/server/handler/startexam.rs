//! `POST /v1/employees`: the nightly push.

use crate::dialect::{Dialect, startexam};
use crate::roster::Absent;
use crate::server::authenticate::{Caller, content_length};
use crate::server::body::unpack::{Packing, unpack_beside};
use crate::server::body::{BytesMax, receive};
use crate::server::call::Call;
use crate::server::push::apply::apply;
use crate::server::push::asked::{Asked, Carries};
use crate::server::respond::{Answer, Refusal, json_text, note};
use crate::sync::{Body, Format, Push, Source, sync};
use hyper::StatusCode;

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
    let asked = Asked::of(&head, &caller, Carries::Everybody)?;
    let one_at_a_time = server.under_way.begin(caller.key.account, &asked)?;
    let Asked { conditions, digests, fingerprinting } = asked;
    let turn = server.turns.take(caller.key, body.pace()).await?.holding(one_at_a_time);

    let (sender, pieces) = receive::channel();
    let mut pieces = receive::digested(pieces, digests);
    if let Some(fingerprinting) = fingerprinting {
        pieces = receive::fingerprinted(pieces, fingerprinting, conditions.fingerprint.clone());
    }
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
            conditions,
        };
        let body = Body { account, format: &STARTEXAM, profiles: &server.profiles, pieces };
        let result = sync(&push, Source::Body(body), || roster.begin(), trace);
        if let (Err(_), Some(seen)) = (&result, push.conditions.seen(server.limits.signatures_kept_max)) {
            roster.note_seen(&seen)?;
        }
        result
    });
    receive::receive(body, &server.limits, sender).await;
    let receipt = applying.result(event).await??;
    let mut answer = json_text(StatusCode::OK, startexam::answer(&receipt.counts));
    note(&mut answer, &receipt);
    Ok(answer)
}
