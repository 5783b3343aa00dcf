//! Imports: what the dialects that carry some employees share.

use super::apply::apply;
use super::asked::{Asked, Carries};
use super::turn::Turn;
use crate::dialect::Dialect;
use crate::json::{NotJson, Unreadable};
use crate::profile::Profile;
use crate::roster::{Absent, Coverage, GuardSettings, Intent};
use crate::server::Server;
use crate::server::authenticate::Caller;
use crate::server::body::collect::collect;
use crate::server::body::{Body, BytesMax};
use crate::server::observe::log::Event;
use crate::server::respond::Refusal;
use crate::server::share::disk::look_up;
use crate::store::Roster;
use crate::sync::{Conditions, Failure, Push, Receipt, Source, Trace, sync};
use hyper::StatusCode;
use hyper::http::request::Parts;
use std::sync::Arc;

/// The whole body of an import, in its account's turn.
pub struct Received {
    /// The turn. What the body takes of the memory for all such bodies is given back with it.
    pub turn: Turn,
    /// The body, unpacked.
    pub body: Vec<u8>,
    /// What the request demands of the push beside the body.
    pub conditions: Conditions,
    /// What is set for the guards of the account.
    pub guards: GuardSettings,
}

/// Waits for the account's turn, and receives the whole body.
pub async fn receive(
    server: &Server,
    caller: Caller,
    head: &Parts,
    body: Body,
    max: BytesMax,
    carries: Carries,
) -> Result<Received, Refusal> {
    let asked = Asked::of(head, &caller, carries)?;
    let one_at_a_time = server.under_way.begin(caller.key.account, &asked)?;
    let guards = caller.settings.guards;
    let mut turn = server.turns.take(caller.key, body.pace()).await?.holding(one_at_a_time);
    let body = collect(server, &head.headers, body, max, turn.reserving(&server.collected)).await?;
    let conditions = asked.of_body(&body);
    Ok(Received { turn, body, conditions, guards })
}

/// How a dialect is served to an account.
pub struct Served {
    /// What employees are checked against: the profile that the operator has named, else the only one that serves the dialect.
    pub profile: Arc<Profile>,
    /// What the operator has said about employees whom a whole list does not carry.
    pub absent: Option<Absent>,
}

/// Reads how a dialect is served to an account. If it is not, that is for the server's operator to change: 500.
pub async fn served(server: &Arc<Server>, account: i64, dialect: Dialect) -> Result<Served, Refusal> {
    look_up(server, move |server| {
        let settings = server.store.settings(account, dialect)?;
        let name = dialect.name();
        let profile = match settings.profile {
            Some(id) => server.profiles.get(id, account).ok_or_else(|| {
                format!("account {account} uses profile {id} for {name}, and there is none; tell the server's operator")
            }),
            None => only_profile(server, account, dialect),
        };
        let served = profile.and_then(|profile| match profile.serves(dialect) {
            Ok(_) => Ok(Served { profile, absent: settings.absent }),
            Err(hindrance) => Err(format!("the profile {:?} does not serve {name}: {hindrance}", profile.name)),
        });
        served.map_err(|message| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, message))
    })
    .await
}

/// Returns the only profile of the account that serves the dialect. The error says what the operator has to do.
fn only_profile(server: &Server, account: i64, dialect: Dialect) -> Result<Arc<Profile>, String> {
    let name = dialect.name();
    let profiles = server.profiles.of_account(account);
    let mut serving = profiles.into_iter().filter(|profile| profile.serves(dialect).is_ok());
    let how_many = match (serving.next(), serving.next()) {
        (Some(only), None) => return Ok(only),
        (Some(_), Some(_)) => "several profiles serve",
        (None, _) => "no profile serves",
    };
    Err(format!(
        "{how_many} {name}; the server's operator names one with `rollcall account profile {account} {name} GUID`"
    ))
}

/// What an import is, beside what it carries.
pub struct Import {
    /// The dialect.
    pub dialect: Dialect,
    /// What employees are checked against.
    pub profile: Arc<Profile>,
    /// Whom it carries, and so what becomes of the others.
    pub coverage: Coverage,
    /// What is set for the guards of the account.
    pub guards: GuardSettings,
    /// How long its body is, in bytes.
    pub body_bytes: usize,
    /// What its request demands of it beside the body.
    pub conditions: Conditions,
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

impl Carried {
    /// One intent, which is read so.
    pub fn one(read: impl FnOnce() -> Result<Intent<'static>, Failure> + Send + 'static) -> Carried {
        Carried::Intents(Box::new(|| Ok(Box::new(std::iter::once(read())))))
    }
}

/// Carries out an import in the account's turn, on a thread of its own.
pub async fn run(
    server: &Arc<Server>,
    turn: Turn,
    import: Import,
    carried: Carried,
    event: &mut Event,
) -> Result<Result<Receipt, Failure>, Refusal> {
    let body_bytes = import.body_bytes;
    let work = move |server: &Server, roster: &mut Roster, trace: &mut Trace| {
        let Import { dialect, profile, coverage, guards, conditions, .. } = import;
        let (limits, spool_dir) = (&server.limits, &server.spool_dir);
        let push = Push { dialect, limits, spool_dir, coverage, guards, conditions };
        let source = match carried {
            Carried::Intents(read) => Source::Intents { profile, intents: read()? },
            Carried::Queue(read) => Source::Queue { profile, read },
        };
        sync(&push, source, || roster.begin(), trace)
    };
    apply(server, turn, event, body_bytes, work).result(event).await
}

/// Makes a failure of bytes that cannot be read.
pub fn unreadable(error: Unreadable) -> Failure {
    match error {
        Unreadable::NotJson(NotJson { at, message }) => Failure::NotJson { index: None, at, message },
        Unreadable::Wrong(message) => Failure::Wrong(format!("the body {message}")),
    }
}

/// Returns what the dialect calls the field of a rejection.
pub fn wire_field<'a>(profile: &'a Profile, dialect: Dialect, field: &'a str) -> &'a str {
    match profile.position(field) {
        Some(position) => profile.fields[position].wire_name(dialect).unwrap_or(field),
        None if field == "id" => dialect.facts().id,
        None => field,
    }
}
