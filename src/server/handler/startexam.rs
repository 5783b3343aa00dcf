//! `POST /v1/employees`: the nightly push.

use crate::dialect::{Dialect, startexam};
use crate::roster::{Absent, Coverage, GuardSettings};
use crate::server::Server;
use crate::server::authenticate::{Caller, content_length};
use crate::server::body::unpack::{Packing, unpack_beside};
use crate::server::body::{BytesMax, receive};
use crate::server::call::{Call, only_parameters, parameter};
use crate::server::push::apply::apply;
use crate::server::push::asked::{Asked, Carries, everybody};
use crate::server::respond::{
    Answer, Besides, Refusal, answer_with, location, note, note_ignored, note_set_aside, note_suspects,
};
use crate::store::Roster;
use crate::sync::{self, Body, Conditions, Failure, Format, Pieces, Planned, Push, Receipt, Source, Trace, sync};
use hyper::StatusCode;
use hyper::header::LOCATION;
use hyper::http::request::Parts;

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
    only_parameters(&head, &["dryRun", "absent", "empty", "expected"])?;
    let packing = Packing::of(&head.headers)?;
    let mut asked = Asked::of(&head, &caller, Carries::Everybody)?;
    let dry_run = is_dry_run(&head)?;
    event.is_dry_run = dry_run;
    if dry_run {
        // What is not applied may be sent again in any case.
        asked.conditions.idempotency_key = None;
    }
    let one_at_a_time = server.under_way.begin(caller.key.account, &asked)?;
    let Asked { conditions, digests, fingerprinting } = asked;
    let guards = caller.settings.guards.clone();
    let coverage = everybody(&head, None, Absent::Stay)?;
    let turn = server.turns.take(caller.key, body.pace()).await?.holding(one_at_a_time);

    let (sender, pieces) = receive::channel();
    let mut pieces = receive::digested(pieces, digests);
    if let Some(fingerprinting) = fingerprinting {
        pieces = receive::fingerprinted(pieces, fingerprinting, conditions.fingerprint.clone());
    }
    if packing != Packing::None {
        pieces = unpack_beside(pieces, packing, max);
    }
    let body_bytes = usize::try_from(content_length).unwrap_or(usize::MAX);
    let carried = Carried { account: turn.key.account, coverage, guards, conditions, pieces };
    if dry_run {
        let applying =
            apply(server, turn, event, body_bytes, |server, roster, trace| carried.plan(server, roster, trace));
        receive::receive(body, &server.limits, sender).await;
        return Ok(planned(&applying.result(event).await??));
    }
    let applying = apply(server, turn, event, body_bytes, |server, roster, trace| carried.sync(server, roster, trace));
    receive::receive(body, &server.limits, sender).await;
    let receipt = applying.result(event).await??;
    let besides = Besides { set_aside: receipt.set_aside.as_deref(), tripped: &[] };
    let mut answer = answer_with(startexam::answer(&receipt.counts), &besides);
    note(&mut answer, &receipt);
    Ok(answer)
}

/// Whether a push only asks what it would do.
fn is_dry_run(head: &Parts) -> Result<bool, Refusal> {
    match parameter(head, "dryRun").as_deref() {
        Some("true") => Ok(true),
        None | Some("false") => Ok(false),
        Some(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "dryRun must be true or false")),
    }
}

/// What a push carries, for the thread that carries it out.
struct Carried {
    account: i64,
    coverage: Coverage,
    guards: GuardSettings,
    conditions: Conditions,
    pieces: Box<Pieces<'static>>,
}

impl Carried {
    fn sync(self, server: &Server, roster: &mut Roster, trace: &mut Trace) -> Result<Receipt, Failure> {
        self.carry_out(server, roster, |push, source, roster| sync(push, source, || roster.begin(), trace))
    }

    fn plan(self, server: &Server, roster: &mut Roster, trace: &mut Trace) -> Result<Planned, Failure> {
        self.carry_out(server, roster, |push, source, roster| sync::plan(push, source, || roster.begin(), trace))
    }

    fn carry_out<T>(
        self,
        server: &Server,
        roster: &mut Roster,
        carry_out: impl FnOnce(&Push, Source, &mut Roster) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Carried { account, coverage, guards, conditions, pieces } = self;
        let push = Push {
            dialect: Dialect::StartExam,
            limits: &server.limits,
            spool_dir: &server.spool_dir,
            coverage,
            guards,
            conditions,
        };
        let body = Body { account, format: &STARTEXAM, profiles: &server.profiles, pieces };
        let result = carry_out(&push, Source::Body(body), roster);
        if let (Err(_), Some(seen)) = (&result, push.conditions.seen(server.limits.signatures_kept_max)) {
            roster.note_seen(&seen)?;
        }
        result
    }
}

/// The answer to a push that was kept as a plan: what it would do, which guards would stop it, and where the plan is.
fn planned(planned: &Planned) -> Answer {
    let Planned { plan, ignored, set_aside, .. } = planned;
    let besides = Besides { set_aside: set_aside.as_deref(), tripped: plan.why.guards() };
    let mut answer = answer_with(startexam::answer(&plan.counts), &besides);
    answer.headers_mut().insert(LOCATION, location(&plan.id));
    note_ignored(&mut answer, ignored);
    note_set_aside(&mut answer, set_aside.as_deref());
    note_suspects(&mut answer, &plan.suspects);
    answer
}
