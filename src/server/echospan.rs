//! EchoSpan's `/echotools7/api/api_import_emps.asp`: a command a request.

use super::Server;
use super::import::{self, Carried, Import, wire_field};
use super::log::Event;
use super::read::blocking;
use super::respond::{Answer, Refusal, TEXT, note, text};
use crate::dialect::Dialect;
use crate::dialect::echospan::{self, Code, Command, Form, Record};
use crate::profile::Profile;
use crate::store::{self, Key};
use crate::sync::{Absent, Failure};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use multer::Multipart;
use std::convert::Infallible;
use std::sync::Arc;

const DIALECT: Dialect = Dialect::EchoSpan;

/// A refusal as the dialect has it: a code, and what to do, for the answer in words and the log.
struct Refused {
    code: Code,
    refusal: Refusal,
}

impl Refused {
    fn new(code: Code, mend: impl Into<String>) -> Refused {
        Refused { code, refusal: Refusal::new(status(code), mend) }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        let code = match refusal.status {
            StatusCode::CONFLICT => Code::Waiting,
            status if status.is_server_error() => Code::Busy,
            _ => Code::BadRecord,
        };
        Refused { code, refusal: refusal.with_status(status(code)) }
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
pub async fn command(server: &Arc<Server>, request: Request<Incoming>, event: &mut Event) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let form = match read_form(server, &head, body).await {
        Ok(form) => form,
        Err(Refused { refusal, .. }) => return Err(refusal.in_form(TEXT, String::new())),
    };
    let words = |code, mend: Option<&str>| if form.is_test() { echospan::answer(code, mend) } else { String::new() };
    match carry_out(server, &head, &form, event).await {
        Ok(Some(receipt)) => {
            let mut answer = text(StatusCode::OK, TEXT, words(Code::Successful, None));
            note(&mut answer, &receipt);
            Ok(answer)
        }
        Ok(None) => Ok(text(StatusCode::OK, TEXT, words(Code::Successful, None))),
        Err(Refused { code, refusal }) => {
            let body = words(code, Some(&refusal.message));
            Err(refusal.in_form(TEXT, body))
        }
    }
}

async fn read_form(server: &Server, head: &Parts, body: Incoming) -> Result<Form, Refused> {
    let body = import::body(server, &head.headers, body).await?;
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|of| of.to_str().ok()).unwrap_or_default();
    let mut form = Form::default();
    let Ok(boundary) = multer::parse_boundary(content_type) else {
        if content_type.contains("json") {
            return Err(Refused::new(Code::BadRecord, "send the fields form-encoded, not as JSON"));
        }
        form_urlencoded::parse(&body).for_each(|(name, value)| form.add(&name, &value));
        return Ok(form);
    };
    let body = Bytes::from(body);
    let mut parts = Multipart::new(futures_util::stream::iter([Ok::<_, Infallible>(body)]), boundary);
    let wrong = |error: multer::Error| {
        Refused::new(Code::BadRecord, format!("the body is not whole multipart/form-data: {error}"))
    };
    while let Some(part) = parts.next_field().await.map_err(wrong)? {
        let name = part.name().unwrap_or_default().to_owned();
        form.add(&name, &part.text().await.map_err(wrong)?);
    }
    Ok(form)
}

/// Whose key and client id these are; the key stands in the form, or bare in a header.
fn authenticate(server: &Server, head: &Parts, form: &Form) -> Result<Key, Refused> {
    let in_header = head.headers.get(AUTHORIZATION).and_then(|key| key.to_str().ok());
    let holder = match form.get("Key").or(in_header.map(str::trim)) {
        Some(key) => import::holder(server, DIALECT, key)?,
        None => None,
    };
    match holder {
        Some(holder) if holder.client_id.as_deref() == form.get("ClientID") => Ok(holder.key),
        _ => Err(Refused::new(Code::BadKey, "Send the pair that `rollcall key add` has printed and was given.")),
    }
}

async fn carry_out(
    server: &Arc<Server>,
    head: &Parts,
    form: &Form,
    event: &mut Event,
) -> Result<Option<crate::sync::Receipt>, Refused> {
    let key = authenticate(server, head, form)?;
    event.account = Some(key.account);
    let command = form.command().map_err(|mend| Refused::new(Code::BadRecord, mend))?;
    let profile = import::profile(server, key.account, DIALECT)?;
    match command {
        Command::Queue(record) => {
            check(form, record, &profile)?;
            let record = form.record(record);
            let queued = blocking(server, move |server| {
                Ok(server.store.roster(&key)?.enqueue(&record, server.limits.queued_per_day_max)?)
            });
            match queued.await? {
                true => Ok(None),
                false => {
                    Err(Refused::new(Code::DailyLimit, "The limit is queued_per_day_max; it begins anew at 0:00 UTC."))
                }
            }
        }
        Command::Delete => {
            blocking(server, move |server| Ok(server.store.roster(&key)?.empty_queue()?)).await?;
            Ok(None)
        }
        Command::Process => {
            let import = Import { dialect: DIALECT, profile: profile.clone(), absent: Absent::Stay, find_by: None };
            let result = import::run(server, key, import, Carried::Queue(echospan::queued), event).await?;
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
    let is = |field: &str, rule: &str| {
        rejected
            .errors
            .iter()
            .find(|error| error.rule == rule && wire_field(profile, DIALECT, "EmpIDNumber", &error.field) == field)
    };
    let (code, first) = match (is("EmpIDNumber", "twice"), is("Email", "unique")) {
        (Some(first), _) => (Code::DuplicateIds, Some(first)),
        (None, Some(first)) => (Code::DuplicateEmails, Some(first)),
        (None, None) => (Code::BadRecord, rejected.errors.first()),
    };
    let told = first.map(|error| {
        let field = wire_field(profile, DIALECT, "EmpIDNumber", &error.field);
        let id = error.id.as_deref().map(|id| format!("EmpIDNumber {id:?}: ")).unwrap_or_default();
        format!("{id}{field} {}; nothing was stored, and the queue stays", error.message)
    });
    let mut refusal = refusal.with_status(status(code));
    refusal.message = told.unwrap_or_default();
    Refused { code, refusal }
}
