//! EchoSpan's `/echotools7/api/api_import_emps.asp`: a command a request.

use crate::dialect::Dialect;
use crate::dialect::echospan::{self, Code, Command, Form, Record};
use crate::profile::Profile;
use crate::roster::Absent;
use crate::server::Server;
use crate::server::body::Body;
use crate::server::handler::read::looked_up;
use crate::server::observe::log::Event;
use crate::server::push::import::{self, Carried, Import, wire_field};
use crate::server::respond::{Answer, Refusal, TEXT, note, text};
use crate::server::share::pace::Pace;
use crate::store::{self, Ended, Key};
use crate::sync::Failure;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use jiff::Timestamp;
use multer::Multipart;
use percent_encoding::percent_decode;
use std::convert::Infallible;
use std::sync::Arc;

const DIALECT: Dialect = Dialect::EchoSpan;

/// A refusal as the dialect has it: a code, where there is one, and what to do, for the answer in words and the log.
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
            StatusCode::CONFLICT => Code::Waiting,
            StatusCode::FORBIDDEN => Code::BadKey,
            // To try again would not help.
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

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code as u16).expect("the codes have three digits")
}

/// Answers a command: the status is its code, and the body says it in words where the request asks for that.
pub async fn command(server: &Arc<Server>, request: Request<Body>, event: &mut Event) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let form = match read_form(server, &head, body).await {
        Ok(form) => form,
        Err(Refused { refusal, .. }) => return Err(refusal),
    };
    let words = |code: Option<Code>, advice: Option<&str>| match (form.is_test(), code) {
        (false, _) => String::new(),
        (true, Some(code)) => echospan::answer(code, advice),
        (true, None) => advice.unwrap_or_default().to_owned(),
    };
    match carry_out(server, &head, &form, event).await {
        Ok(Some(receipt)) => {
            let mut answer = text(StatusCode::OK, TEXT, words(Some(Code::Successful), None));
            note(&mut answer, &receipt);
            Ok(answer)
        }
        Ok(None) => Ok(text(StatusCode::OK, TEXT, words(Some(Code::Successful), None))),
        Err(Refused { code, refusal }) => {
            let body = words(code, Some(&refusal.message));
            Err(refusal.in_form(TEXT, body))
        }
    }
}

async fn read_form(server: &Server, head: &Parts, body: Body) -> Result<Form, Refused> {
    let limit = ("form_bytes_max", server.limits.form_bytes_max);
    let body = import::body(server, &head.headers, body, limit, &mut server.collected.nothing(None)).await?;
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|of| of.to_str().ok()).unwrap_or_default();
    let mut form = Form::default();
    let Ok(boundary) = multer::parse_boundary(content_type) else {
        if content_type.contains("json") {
            return Err(Refused::new(Code::BadRecord, "send the fields form-encoded, not as JSON"));
        }
        let charset = content_type.split_once("charset=").map(|(_, charset)| charset);
        for field in body.split(|byte| *byte == b'&').filter(|field| !field.is_empty()) {
            let at = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
            let decoded = |part: &[u8]| {
                let spaced: Vec<u8> = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
                percent_decode(&spaced).collect::<Vec<u8>>()
            };
            let value = decoded(field.get(at + 1..).unwrap_or_default());
            add(&mut form, &String::from_utf8_lossy(&decoded(&field[..at])), &value, charset);
        }
        return Ok(form);
    };
    let body = Bytes::from(body);
    let mut parts = Multipart::new(futures_util::stream::iter([Ok::<_, Infallible>(body)]), boundary);
    // What the parser says may quote the body, and this is logged.
    let wrong = |_| Refused::new(Code::BadRecord, import::NOT_WHOLE);
    while let Some(part) = parts.next_field().await.map_err(wrong)? {
        let name = part.name().unwrap_or_default().to_owned();
        let charset = part.headers().get(CONTENT_TYPE).and_then(|of| of.to_str().ok()?.split_once("charset="));
        let charset = charset.map(|(_, charset)| charset.to_owned());
        add(&mut form, &name, &part.bytes().await.map_err(wrong)?, charset.as_deref());
    }
    Ok(form)
}

/// Adds a field, whose value is in UTF-8 or in the charset that the request names.
fn add(form: &mut Form, name: &str, value: &[u8], charset: Option<&str>) {
    let label = charset.map(|charset| charset.trim_matches([' ', '"', '\'']));
    let encoding = label.map_or(Some(encoding_rs::UTF_8), |label| encoding_rs::Encoding::for_label(label.as_bytes()));
    let encoding = if value.is_ascii() { Some(encoding_rs::UTF_8) } else { encoding };
    match encoding.and_then(|encoding| encoding.decode_without_bom_handling_and_without_replacement(value)) {
        Some(value) => form.add(name, &value),
        None => {
            form.add(name, "");
            let name = Form::known(name).unwrap_or("a field");
            form.wrong(format!("{name} is not in UTF-8, nor in the charset that the request names"));
        }
    }
}

/// What opens the roster of the account that has this key and client id; the key is in the form, or bare in a header.
async fn authenticate(server: &Arc<Server>, head: &Parts, form: &Form) -> Result<Key, Refused> {
    let in_header = head.headers.get(AUTHORIZATION).and_then(|key| key.to_str().ok());
    let in_form = form.get("Key").filter(|key| !key.is_empty());
    let holder = match in_form.or(in_header.map(str::trim)).map(str::to_owned) {
        Some(key) => looked_up(server, move |server| import::holder(server, DIALECT, &key)).await?,
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

async fn carry_out(
    server: &Arc<Server>,
    head: &Parts,
    form: &Form,
    event: &mut Event,
) -> Result<Option<crate::sync::Receipt>, Refused> {
    let key = authenticate(server, head, form).await?;
    event.account = Some(key.account);
    let command = form.command().map_err(|advice| Refused::new(Code::BadRecord, advice))?;
    let profile = import::profile(server, key.account, DIALECT).await?;
    match command {
        Command::Queue(record) => {
            check(form, record, &profile)?;
            let record = form.record(record);
            // Who waits for a P waits here, and not on a thread.
            let turn = server.turns.take(key.account, &Pace::of_request()).await?;
            let queued = looked_up(server, move |server| {
                let mut roster = server.store.roster(&key)?;
                let queued = roster.enqueue(&record, server.limits.queued_per_day_max)?;
                drop(turn);
                roster.checkpoint_if_large()?;
                server.store.keep_open(roster, server.limits.rosters_open_max);
                Ok(queued)
            });
            match queued.await? {
                true => Ok(None),
                false => {
                    Err(Refused::new(Code::DailyLimit, "The limit is queued_per_day_max; it begins anew at 0:00 UTC."))
                }
            }
        }
        Command::Delete => {
            let turn = server.turns.take(key.account, &Pace::of_request()).await?;
            looked_up(server, move |server| {
                server.store.roster(&key)?.empty_queue()?;
                drop(turn);
                Ok(())
            })
            .await?;
            Ok(None)
        }
        Command::Process => {
            let import = Import {
                dialect: DIALECT,
                profile: profile.clone(),
                absent: Absent::Stay,
                find_by: None,
                body_bytes: 0,
            };
            let turn = server.turns.take(key.account, &Pace::of_request()).await?;
            let result = import::run(server, (key, turn), import, Carried::Queue(echospan::queued), event).await?;
            result.map(Some).map_err(|failure| refused(failure, &profile))
        }
    }
}

/// Tells what is wrong with the values of a record before it is queued, as far as it can be told without the roster.
fn check(form: &Form, record: Record, profile: &Profile) -> Result<(), Refused> {
    if record == Record::T {
        return Ok(());
    }
    for name in DIALECT.fields() {
        if let Some((value, place)) = form.get(name).zip(profile.wire_position(DIALECT, name))
            && let Err(broken) = profile.fields[place].canonical(value)
        {
            return Err(Refused::new(Code::BadRecord, format!("{name} {}", broken.message)));
        }
    }
    Ok(())
}

/// A refused P: which code, and the first thing that is wrong.
fn refused(failure: Failure, profile: &Profile) -> Refused {
    let refusal = Refusal::from(failure);
    let Some(rejected) = &refusal.rejected else {
        return refusal.into();
    };
    let called = |field| wire_field(profile, DIALECT, "EmpIDNumber", field);
    // Not every rejection is listed, but every cause is.
    let is = |field: &str, rule: &str| {
        rejected.causes.iter().any(|cause| cause.rule == rule && called(&cause.field) == field)
    };
    let first = |field: &str, rule: &str| {
        rejected.errors.iter().find(|error| error.rule == rule && called(&error.field) == field)
    };
    let (code, first) = match (is("EmpIDNumber", "twice"), is("Email", "unique")) {
        (true, _) => (Code::DuplicateIds, first("EmpIDNumber", "twice")),
        (false, true) => (Code::DuplicateEmails, first("Email", "unique")),
        (false, false) => (Code::BadRecord, rejected.errors.first()),
    };
    let told = first.map(|error| {
        let id = error.id.as_deref().map(|id| format!("EmpIDNumber {id:?}: ")).unwrap_or_default();
        let what = match (called(&error.field), error.rule) {
            ("EmpIDNumber", "twice") => "is queued twice; queue each employee once".to_owned(),
            ("EmpIDNumber", _) => error.message.clone(),
            (field, _) => format!("{field} {}", error.message),
        };
        format!("{id}{what}; nothing was stored, and the queue stays")
    });
    let message = told.unwrap_or_default();
    let mut refusal = refusal.with_status(status(code));
    refusal.message = message;
    Refused { code: Some(code), refusal }
}
