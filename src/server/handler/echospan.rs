//! EchoSpan's `/echotools7/api/api_import_emps.asp`: a command a request.

use crate::dialect::echospan::{self, Code, Command, EMAIL, Form, ID, Record};
use crate::dialect::{Dialect, TEXT};
use crate::profile::Profile;
use crate::rejection::{Rejection, SetAside};
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
use crate::server::respond::{Answer, Refusal, note, note_repeated, text};
use crate::server::share::disk::look_up;
use crate::server::share::pace::Pace;
use crate::store::{self, Admitted, Came, Ended, Once};
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

/// What a command has done.
enum Done {
    /// It has changed the queue, unless it came before.
    Queue(Came),
    /// It has applied the queue.
    Processed {
        /// What that did.
        receipt: Box<Receipt>,
        /// What is wrong with employees that were left out, in words; `None` if nobody was.
        rejected: Option<String>,
    },
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
        Ok(Done::Queue(came)) => {
            let mut answer = text(StatusCode::OK, TEXT, words(Some(Code::Successful), None));
            note_repeated(&mut answer, came == Came::Again);
            Ok(answer)
        }
        Ok(Done::Processed { receipt, rejected }) => {
            let mut answer = text(StatusCode::OK, TEXT, words(Some(Code::Successful), rejected.as_deref()));
            note(&mut answer, &receipt);
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

/// Carries out the command of a form.
async fn carry_out(
    server: &Arc<Server>,
    head: &Parts,
    role: Option<Role>,
    sent: &Sent<'_>,
    event: &mut Event,
) -> Result<Done, Refused> {
    let Sent { form, body } = *sent;
    let admitted = authenticate(server, head, form).await?;
    let account = admitted.key.account;
    (event.account, event.key) = (Some(account), Some(admitted.id));
    let caller = look_up(server, move |server| permit(server, DIALECT, admitted.into(), role)).await?;
    let command = form.command();
    let carries = if command == Ok(Command::Process) { Carries::Some } else { Carries::One };
    let asked = Asked::of(head, &caller, carries)?;
    let one_at_a_time = server.under_way.begin(account, &asked)?;
    let conditions = asked.of_body(body);
    let guards = caller.settings.guards.clone();
    let command = command.map_err(|advice| Refused::new(Code::BadRecord, advice))?;
    let profile = served(server, account, DIALECT).await?.profile;
    if let Command::Queue(record) = command {
        check(form, record, &profile)?;
    }
    // Who waits for a P waits here, and not on a thread.
    let turn = server.turns.take(caller.key, &Pace::of_request()).await?.holding(one_at_a_time);
    let kept_max = server.limits.retries_kept_max;
    let once = conditions.retry().map(|retry| Once { retry, kept_max });
    match command {
        Command::Queue(record) => enqueue(server, turn, form.record(record), once).await.and_then(changed_queue),
        Command::Delete => {
            let emptied =
                look_up(server, move |server| Ok(server.store.roster(&turn.key)?.empty_queue(once.as_ref())?));
            changed_queue(emptied.await?)
        }
        Command::Process => {
            let (profile, coverage) = (profile.clone(), Coverage::Some);
            let import =
                Import { dialect: DIALECT, profile: profile.clone(), coverage, body_bytes: 0, conditions, guards };
            let result = run(server, turn, import, Carried::Queue(echospan::queued), event).await?;
            let receipt = Box::new(result.map_err(|failure| refused(failure, &profile))?);
            let rejected = receipt.set_aside.as_deref().and_then(|set_aside| left_out(set_aside, &profile));
            Ok(Done::Processed { receipt, rejected })
        }
    }
}

fn changed_queue(came: Came) -> Result<Done, Refused> {
    match came {
        Came::First | Came::Again => Ok(Done::Queue(came)),
        Came::AsAnother => Err(Refusal::from(Failure::OtherBody).into()),
    }
}

async fn enqueue(server: &Arc<Server>, turn: Turn, record: Vec<u8>, once: Option<Once>) -> Result<Came, Refused> {
    let queued = look_up(server, move |server| {
        let mut roster = server.store.roster(&turn.key)?;
        let queued = roster.enqueue(&record, server.limits.queued_per_day_max, once.as_ref())?;
        drop(turn);
        roster.checkpoint_if_large()?;
        server.store.keep_open(roster, server.limits.rosters_open_max);
        Ok(queued)
    });
    queued
        .await?
        .ok_or_else(|| Refused::new(Code::DailyLimit, "The limit is queued_per_day_max; it begins anew at 0:00 UTC."))
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
    let message = first.map(|error| format!("{}; nothing was stored, and the queue stays", in_words(error, profile)));
    let mut refusal = refusal.with_status(status(code));
    refusal.message = message.unwrap_or_default();
    Refused { code: Some(code), refusal }
}

/// Says what is wrong with a queued employee.
fn in_words(error: &Rejection, profile: &Profile) -> String {
    let id = error.id.as_deref().map(|id| format!("{ID} {id:?}: ")).unwrap_or_default();
    let what = match (wire_field(profile, DIALECT, &error.field), &*error.rule) {
        (ID, "twice") => "is queued twice; queue each employee once".to_owned(),
        (ID, _) => error.message.clone(),
        (field, _) => format!("{field} {}", error.message),
    };
    format!("{id}{what}")
}

/// Says whom a P has left out, a line for each thing that is wrong; `None` if nobody was.
fn left_out(set_aside: &SetAside, profile: &Profile) -> Option<String> {
    let SetAside { employees, error_count, errors, .. } = set_aside;
    if *employees == 0 {
        return None;
    }
    let mut lines = vec![format!("{employees} records were rejected and left out; correct them and queue them again:")];
    lines.extend(errors.iter().map(|error| in_words(error, profile)));
    let more = error_count - errors.len() as u64;
    lines.extend((more > 0).then(|| format!("and {more} more")));
    Some(lines.join("\n"))
}
