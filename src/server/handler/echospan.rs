//! EchoSpan's `/echotools7/api/api_import_emps.asp`: a command a request.

use crate::dialect::echospan::{self, Code, Command, EMAIL, Form, ID, Record};
use crate::dialect::{Dialect, TEXT};
use crate::profile::Profile;
use crate::role::Role;
use crate::roster::Coverage;
use crate::server::Server;
use crate::server::authenticate::{permit, token_holder};
use crate::server::body::collect::collect;
use crate::server::body::form::{FormField, boundary, fields};
use crate::server::body::{Body, BytesMax};
use crate::server::call::Call;
use crate::server::observe::log::Event;
use crate::server::push::asked::{Asked, Carries};
use crate::server::push::import::{Carried, Import, run, served, wire_field};
use crate::server::push::turn::Turn;
use crate::server::respond::{Answer, Refusal, note, text};
use crate::server::share::disk::look_up;
use crate::server::share::pace::Pace;
use crate::store::{self, Admitted, Ended};
use crate::sync::{Failure, Receipt};
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use hyper::http::request::Parts;
use jiff::Timestamp;
use std::sync::Arc;

const DIALECT: Dialect = Dialect::EchoSpan;

/// A refusal in the dialect: a code, if there is one, and what to do, for the answer in words and for the log.
struct Refused {
    code: Option<Code>,
    refusal: Refusal,
}

impl Refused {
    fn new(code: Code, advice: impl Into<String>) -> Refused {
        Refused { code: Some(code), refusal: Refusal::new(status(code), advice) }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        let code = match refusal.status {
            StatusCode::CONFLICT if refusal.may_pass() => Code::Waiting,
            StatusCode::FORBIDDEN => Code::BadKey,
            // Trying again would not help.
            StatusCode::INTERNAL_SERVER_ERROR => return Refused { code: None, refusal },
            status if status.is_server_error() => Code::Busy,
            _ => Code::BadRecord,
        };
        Refused { code: Some(code), refusal: refusal.with_status(status(code)) }
    }
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Refused {
        Refusal::from(error).into()
    }
}

/// A command as it was sent.
struct Sent<'a> {
    form: &'a Form,
    body: &'a [u8],
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code as u16).expect("the codes have three digits")
}

/// Answers a command: the status is its code, and the body has the words if the request asks for them.
pub async fn command(call: Call<'_>) -> Result<Answer, Refusal> {
    let Call { server, role, head, body, event, .. } = call;
    let (form, sent) = match read_form(server, &head.headers, body).await {
        Ok(read) => read,
        Err(Refused { refusal, .. }) => return Err(refusal),
    };
    let words = |code: Option<Code>, advice: Option<&str>| match code {
        _ if !form.is_test() => String::new(),
        Some(code) => echospan::answer(code, advice),
        None => advice.unwrap_or_default().to_owned(),
    };
    match carry_out(server, &head, role, &Sent { form: &form, body: &sent }, event).await {
        Ok(receipt) => {
            let mut answer = text(StatusCode::OK, TEXT, words(Some(Code::Successful), None));
            if let Some(receipt) = receipt {
                note(&mut answer, &receipt);
            }
            Ok(answer)
        }
        Err(Refused { code, refusal }) => {
            let body = words(code, Some(&refusal.message));
            Err(refusal.in_form(TEXT, body))
        }
    }
}

/// Reads a form. Returns it, and the body as it was sent.
async fn read_form(server: &Server, headers: &HeaderMap, body: Body) -> Result<(Form, Vec<u8>), Refused> {
    let max = BytesMax { limit: "form_bytes_max", bytes: server.limits.form_bytes_max as u64 };
    let body = collect(server, headers, body, max, &mut server.collected.nothing(None)).await?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|of| of.to_str().ok()).unwrap_or_default();
    if content_type.contains("json") && boundary(headers).is_none() {
        return Err(Refused::new(Code::BadRecord, "send the fields form-encoded, not as JSON"));
    }
    let mut form = Form::default();
    let fields = fields(headers, body.clone()).await.map_err(|wrong| Refused::new(Code::BadRecord, wrong))?;
    fields.iter().for_each(|field| add(&mut form, field));
    Ok((form, body))
}

/// Adds a field, whose value is in UTF-8 or in the charset that the request names.
fn add(form: &mut Form, FormField { name, value, charset }: &FormField) {
    let encoding = match charset {
        Some(label) if !value.is_ascii() => encoding_rs::Encoding::for_label(label.as_bytes()),
        _ => Some(encoding_rs::UTF_8),
    };
    match encoding.and_then(|encoding| encoding.decode_without_bom_handling_and_without_replacement(value)) {
        Some(value) => form.add(name, &value),
        None => {
            form.add(name, "");
            let name = Form::known(name).unwrap_or("a field");
            form.wrong(format!("{name} is not in UTF-8, nor in the charset that the request names"));
        }
    }
}

/// Returns the key that has this token and client id; the token is in the form, or bare in a header.
async fn authenticate(server: &Arc<Server>, head: &Parts, form: &Form) -> Result<Admitted, Refused> {
    let in_header = head.headers.get(AUTHORIZATION).and_then(|key| key.to_str().ok());
    let in_form = form.get("Key").filter(|key| !key.is_empty());
    let holder = match in_form.or(in_header.map(str::trim)).map(str::to_owned) {
        Some(key) => look_up(server, move |server| token_holder(server, DIALECT, &key)).await?,
        None => None,
    };
    let Some(token) = holder.filter(|token| token.client_id.as_deref() == form.get("ClientID")) else {
        return Err(Refused::new(Code::BadKey, "Send the pair that `rollcall key add` has printed and was given."));
    };
    token.holder.admit(Timestamp::now()).map_err(|ended| {
        let code = match ended {
            Ended::Account { .. } => Code::Expired,
            Ended::Key { .. } => Code::BadKey,
        };
        Refused::new(code, ended.to_string())
    })
}

/// Carries out the command of a form. Returns what a P did.
async fn carry_out(
    server: &Arc<Server>,
    head: &Parts,
    role: Option<Role>,
    sent: &Sent<'_>,
    event: &mut Event,
) -> Result<Option<Receipt>, Refused> {
    let Sent { form, body } = *sent;
    let admitted = authenticate(server, head, form).await?;
    let account = admitted.key.account;
    (event.account, event.key) = (Some(account), Some(admitted.id));
    let caller = look_up(server, move |server| permit(server, DIALECT, admitted.into(), role)).await?;
    let asked = Asked::of(head, &caller, Carries::Some)?;
    let one_at_a_time = server.under_way.begin(account, &asked)?;
    let conditions = asked.of_body(body);
    let guards = caller.settings.guards.clone();
    let command = form.command().map_err(|advice| Refused::new(Code::BadRecord, advice))?;
    let profile = served(server, account, DIALECT).await?.profile;
    if let Command::Queue(record) = command {
        check(form, record, &profile)?;
    }
    // Who waits for a P waits here, and not on a thread.
    let turn = server.turns.take(caller.key, &Pace::of_request()).await?.holding(one_at_a_time);
    match command {
        Command::Queue(record) => {
            enqueue(server, turn, form.record(record)).await?;
            Ok(None)
        }
        Command::Delete => {
            look_up(server, move |server| {
                server.store.roster(&turn.key)?.empty_queue()?;
                Ok(())
            })
            .await?;
            Ok(None)
        }
        Command::Process => {
            let (profile, coverage) = (profile.clone(), Coverage::Some);
            let import =
                Import { dialect: DIALECT, profile: profile.clone(), coverage, body_bytes: 0, conditions, guards };
            let result = run(server, turn, import, Carried::Queue(echospan::queued), event).await?;
            result.map(Some).map_err(|failure| refused(failure, &profile))
        }
    }
}

async fn enqueue(server: &Arc<Server>, turn: Turn, record: Vec<u8>) -> Result<(), Refused> {
    let queued = look_up(server, move |server| {
        let mut roster = server.store.roster(&turn.key)?;
        let queued = roster.enqueue(&record, server.limits.queued_per_day_max)?;
        drop(turn);
        roster.checkpoint_if_large()?;
        server.store.keep_open(roster, server.limits.rosters_open_max);
        Ok(queued)
    });
    if !queued.await? {
        return Err(Refused::new(Code::DailyLimit, "The limit is queued_per_day_max; it begins anew at 0:00 UTC."));
    }
    Ok(())
}

/// Checks the values of a record before it is queued, as far as that can be done without the roster.
fn check(form: &Form, record: Record, profile: &Profile) -> Result<(), Refused> {
    if record == Record::T {
        return Ok(());
    }
    for name in DIALECT.facts().fields {
        if let Some((value, place)) = form.get(name).zip(profile.wire_position(DIALECT, name))
            && let Err(broken) = profile.fields[place].canonical(value)
        {
            return Err(Refused::new(Code::BadRecord, format!("{name} {}", broken.message)));
        }
    }
    Ok(())
}

/// Makes the refusal of a P: a code, and the first thing that is wrong.
fn refused(failure: Failure, profile: &Profile) -> Refused {
    let refusal = Refusal::from(failure);
    let Some(rejected) = &refusal.rejected else {
        return refusal.into();
    };
    let called = |field| wire_field(profile, DIALECT, field);
    // Not every rejection is listed, but every cause is.
    let is = |field: &str, rule: &str| {
        rejected.causes.iter().any(|cause| cause.rule == rule && called(&cause.field) == field)
    };
    let first = |field: &str, rule: &str| {
        rejected.errors.iter().find(|error| error.rule == rule && called(&error.field) == field)
    };
    let (code, first) = if is(ID, "twice") {
        (Code::DuplicateIds, first(ID, "twice"))
    } else if is(EMAIL, "unique") {
        (Code::DuplicateEmails, first(EMAIL, "unique"))
    } else {
        (Code::BadRecord, rejected.errors.first())
    };
    let message = first.map(|error| {
        let id = error.id.as_deref().map(|id| format!("{ID} {id:?}: ")).unwrap_or_default();
        let what = match (called(&error.field), &*error.rule) {
            (ID, "twice") => "is queued twice; queue each employee once".to_owned(),
            (ID, _) => error.message.clone(),
            (field, _) => format!("{field} {}", error.message),
        };
        format!("{id}{what}; nothing was stored, and the queue stays")
    });
    let mut refusal = refusal.with_status(status(code));
    refusal.message = message.unwrap_or_default();
    Refused { code: Some(code), refusal }
}
