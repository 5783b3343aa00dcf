//! Imports: what the dialects that carry some employees have in common.

use crate::dialect::Dialect;
use crate::json::{NotJson, Unreadable};
use crate::profile::Profile;
use crate::roster::{Absent, Intent};
use crate::server::Server;
use crate::server::body::Body;
use crate::server::body::receive::{Collecting, collect, too_large};
use crate::server::body::unpack::Packing;
use crate::server::handler::read::looked_up;
use crate::server::observe::log::Event;
use crate::server::push::apply::apply;
use crate::server::push::turn::Turn;
use crate::server::respond::Refusal;
use crate::server::share::budget::Reserved;
use crate::store::{Key, Roster, TokenHolder};
use crate::sync::{Failure, Push, Receipt, Source, Trace, sync};
use crate::token;
use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use hyper::http::request::Parts;
use std::sync::Arc;

/// What to do about a multipart body that cannot be read.
pub const NOT_WHOLE: &str =
    "the body is not whole multipart/form-data: it ends before its last boundary, or the head of a part is wrong";

/// Whose token of a dialect this is.
pub fn holder(server: &Server, dialect: Dialect, token: &str) -> Result<Option<TokenHolder>, Refusal> {
    Ok(server.store.token_holder(dialect, &token::hash(token))?)
}

/// Receives the whole body of an import, within the limits: `limit` is the name of that of its length, and its value in bytes. `reserved` is to be
/// kept for as long as what is made of the body.
pub async fn body(
    server: &Server,
    headers: &HeaderMap,
    body: Body,
    limit: (&'static str, usize),
    reserved: &mut Reserved,
) -> Result<Vec<u8>, Refusal> {
    let packing = Packing::of(headers)?;
    let collecting = Collecting { limit, packing, reserved, connections: &server.connections, limits: &server.limits };
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit.1) {
        return Err(too_large(limit));
    }
    collect(body, collecting).await
}

/// The value of a parameter of a query, if it has one that is not empty.
pub fn parameter(head: &Parts, name: &str) -> Option<String> {
    let query = head.uri.query().unwrap_or_default();
    let found = form_urlencoded::parse(query.as_bytes()).find(|(other, _)| other == name);
    found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
}

/// The profile that a dialect of an account uses: the one that was named, else the only one that serves it.
pub async fn profile(server: &Arc<Server>, account: i64, dialect: Dialect) -> Result<Arc<Profile>, Refusal> {
    looked_up(server, move |server| profile_of(server, account, dialect)).await
}

fn profile_of(server: &Server, account: i64, dialect: Dialect) -> Result<Arc<Profile>, Refusal> {
    let name = dialect.name();
    let operator = |message: String| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, message);
    let profile = match server.store.setting(account, dialect, "profile")?.and_then(|id| id.parse().ok()) {
        Some(id) => server.profiles.get(id, account).ok_or_else(|| {
            operator(format!(
                "account {account} uses profile {id} for {name}, and there is none; tell the server's operator"
            ))
        })?,
        None => {
            let profiles = server.profiles.of(account);
            let mut serving = profiles.into_iter().filter(|profile| profile.serves(dialect).is_ok());
            match (serving.next(), serving.next()) {
                (Some(only), None) => only,
                (found, _) => {
                    let how_many = if found.is_some() { "several profiles serve" } else { "no profile serves" };
                    return Err(operator(format!(
                        "{how_many} {name}; the server's operator names one with `rollcall account profile {account} {name} GUID`"
                    )));
                }
            }
        }
    };
    match profile.serves(dialect) {
        Ok(_) => Ok(profile),
        Err(hindrance) => Err(operator(format!("the profile {:?} does not serve {name}: {hindrance}", profile.name))),
    }
}

/// What an import is, beside what it carries.
pub struct Import {
    /// In whose words it is.
    pub dialect: Dialect,
    /// By what it is checked.
    pub profile: Arc<Profile>,
    /// What becomes of employees that it does not carry.
    pub absent: Absent,
    /// See [`Push::find_by`].
    pub find_by: Option<&'static str>,
    /// How long its body is, in bytes.
    pub body_bytes: usize,
}

/// Intents, one by one as they are read.
pub type Intents = Box<dyn Iterator<Item = Result<Intent<'static>, Failure>>>;

/// What an import carries.
pub enum Carried {
    /// Intents.
    Intents(Box<dyn FnOnce() -> Result<Intents, Failure> + Send>),
    /// The account's queue, of which each record is read so.
    Queue(fn(&[u8]) -> Intent<'static>),
}

/// Carries out an import in the account's turn, on a thread of its own.
pub async fn run(
    server: &Arc<Server>,
    (key, turn): (Key, Turn),
    import: Import,
    carried: Carried,
    event: &mut Event,
) -> Result<Result<Receipt, Failure>, Refusal> {
    let body_bytes = import.body_bytes;
    let work = move |server: &Server, roster: &mut Roster, trace: &mut Trace| {
        carry_out(server, roster, &import, carried, trace)
    };
    apply(server, (key, turn), event, body_bytes, work).result(event).await
}

fn carry_out(
    server: &Server,
    roster: &mut Roster,
    import: &Import,
    carried: Carried,
    trace: &mut Trace,
) -> Result<Receipt, Failure> {
    let Import { dialect, ref profile, absent, find_by, .. } = *import;
    let push = Push { dialect, limits: &server.limits, spool_dir: server.store.dir(), absent, find_by };
    let profile = profile.clone();
    let source = match carried {
        Carried::Intents(read) => Source::Intents { profile, intents: read()? },
        Carried::Queue(read) => Source::Queue { profile, read },
    };
    sync(&push, source, || roster.begin(), trace)
}

/// Bytes that cannot be read, as a failure.
pub fn unreadable(error: Unreadable) -> Failure {
    match error {
        Unreadable::NotJson(NotJson { at, message }) => Failure::NotJson { index: None, at, message },
        Unreadable::Wrong(message) => Failure::Wrong(format!("the body {message}")),
    }
}

/// What the dialect calls the field of a rejection.
pub fn wire_field<'a>(profile: &'a Profile, dialect: Dialect, id: &'static str, field: &'a str) -> &'a str {
    match profile.position(field) {
        Some(position) => profile.fields[position].wire_name(dialect).unwrap_or(field),
        None if field == "id" => id,
        None => field,
    }
}
