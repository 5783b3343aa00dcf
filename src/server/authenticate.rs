//! Authenticate: who sends a request.

use super::Server;
use super::respond::Refusal;
use super::share::nonces;
use crate::dialect::Dialect;
use crate::role::{Role, Roles};
use crate::signature::message::{Claim, Message};
use crate::signature::{DATE_SECONDS_MAX, Head, check_date, parse_authorization, parse_date};
use crate::store::{AccountSettings, Admitted, Demand, Ended, Key, Mark, Replay, Secret, TokenHolder};
use crate::token;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, DATE, HeaderName};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use std::hint::black_box;

/// Who sends a request, with a key that may do what its route needs.
pub struct Caller {
    /// What opens the roster of the account.
    pub key: Key,
    /// What the key may do.
    pub roles: Roles,
    /// What is set for the account.
    pub settings: AccountSettings,
    /// What the request was signed with, if it must not come again.
    pub mark: Option<Mark>,
}

/// A key that a request shows.
pub struct Shown {
    /// The key.
    pub admitted: Admitted,
    /// What the request was signed with; `None` if it carries a token.
    pub mark: Option<Mark>,
}

impl From<Admitted> for Shown {
    fn from(admitted: Admitted) -> Shown {
        Shown { admitted, mark: None }
    }
}

/// Checks that a key may do what a route of the dialect needs: 403 if it may not. Returns who sends the request.
pub fn permit(server: &Server, dialect: Dialect, shown: Shown, needed: Option<Role>) -> Result<Caller, Refusal> {
    let Shown { admitted: Admitted { key, id, roles }, mark } = shown;
    if let Some(needed) = needed.filter(|needed| !roles.has(*needed)) {
        let (account, needed, dialect) = (key.account, needed.name(), dialect.name());
        let message = format!(
            "this request needs the role {needed}, and key {id} of account {account} may only {roles}; ask the server's operator \
             for a key that has the role (rollcall key add {account} --dialect {dialect} --role {needed})"
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    let settings = server.store.account_settings(key.account)?;
    server.refresh_profiles()?;
    let is_shared_key = mark.as_ref().is_some_and(|mark| !mark.is_nonce);
    if is_shared_key && settings.require.contains(&Demand::Rfc9421) {
        let account = key.account;
        let cause = format!(
            "account {account} requires that requests are signed by RFC 9421 (Signature-Input and Signature); \
             `rollcall push --sign rfc9421` does that"
        );
        return Err(incorrect("Authorization", &cause));
    }
    let mark = mark.filter(|mark| mark.is_nonce || settings.replay == Replay::Refuse);
    Ok(Caller { key, roles, settings, mark })
}

/// Returns the key of the account whose secret signed the request: by RFC 9421 if the request says so, else by SharedKey. Every failure is
/// 403 and names the header, but that a POST or PUT without a length is 411.
pub fn signed(server: &Server, head: &Parts) -> Result<Shown, Refusal> {
    if has_body(&head.method) {
        content_length(&head.headers)?;
    }
    if head.headers.contains_key("signature-input") {
        message_signature(server, head)
    } else {
        shared_key(server, head)
    }
}

fn has_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT)
}

fn message_signature(server: &Server, head: &Parts) -> Result<Shown, Refusal> {
    let wrong = |cause: &str| incorrect("Signature-Input", cause);
    let lines = |name: &str| {
        let lines = head.headers.get_all(name).iter().map(|line| line.to_str().map(str::trim));
        let lines: Vec<&str> = lines.collect::<Result<_, _>>().ok()?;
        (!lines.is_empty()).then(|| lines.join(", "))
    };
    let header = |name: &str| match name {
        "host" => lines(name).or_else(|| Some(head.uri.authority()?.to_string())),
        _ => lines(name),
    };
    let input = lines("signature-input").ok_or_else(|| wrong("it must be ASCII"))?;
    let signature = lines("signature").ok_or_else(|| missing("Signature"))?;
    let claim = Claim::parse(&input, &signature).map_err(|cause: String| wrong(&cause))?;
    let (now, has_body) = (Timestamp::now(), has_body(&head.method));
    claim.check(now, has_body).map_err(|cause: String| wrong(&cause))?;
    let date = text(&head.headers, DATE)?.ok_or_else(|| missing("Date"))?;
    check_date(date, now).map_err(|cause| incorrect("Date", cause))?;
    let (method, path, query) = (head.method.as_str(), head.uri.path(), head.uri.query());
    let message = Message { method, path, query, header: &header, has_body };
    let base = claim.base(&message).map_err(|cause: String| wrong(&cause))?;
    let admitted = admitted(server, claim.account, |secret| claim.verify(&base, secret)).map_err(|unsigned| {
        let cause = "no such account has this signature; sign the signature base of RFC 9421 with the account's secret, HMAC-SHA256";
        unsigned.refusal("Signature", claim.account, cause)
    })?;
    let hash = token::hash(&format!("{} {}", claim.account, claim.nonce));
    match server.nonces.note(claim.account, hash, claim.good_until(), now.as_second()) {
        Ok(()) => Ok(Shown { admitted, mark: Some(Mark { hash, good_until: claim.good_until(), is_nonce: true }) }),
        Err(nonces::Refused::Again) => Err(again()),
        Err(nonces::Refused::TooMany) => {
            let message = "the server remembers as many signatures of the account as it may (limit signatures_kept_max); ask again later";
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(60))
        }
    }
}

/// Makes the refusal of a request whose nonce was seen before.
pub fn again() -> Refusal {
    incorrect("Signature-Input", "its nonce was seen before; sign each request with a nonce of its own")
}

/// Why no secret of an account has signed a request.
enum Unsigned {
    /// None has.
    Nobody,
    /// One has, which has ended.
    Ended(Ended),
    /// The store failed.
    Refused(Refusal),
}

impl Unsigned {
    fn refusal(self, header: &str, account: i64, cause: &str) -> Refusal {
        match self {
            Unsigned::Nobody => {
                let internal = Some(format!("a signature that is not account {account}'s"));
                let mut refusal = incorrect(header, cause);
                refusal.internal = internal;
                refusal
            }
            Unsigned::Ended(ended) => incorrect(header, &ended.to_string()),
            Unsigned::Refused(refusal) => refusal,
        }
    }
}

/// Returns the key of the account whose secret `verify` finds to have signed a request.
fn admitted(server: &Server, account: i64, verify: impl Fn(&[u8]) -> bool) -> Result<Admitted, Unsigned> {
    let secrets = server.store.secrets(account).map_err(|error| Unsigned::Refused(error.into()))?;
    if secrets.is_empty() {
        // An account that does not exist is verified as well, and hears the same.
        black_box(verify(b""));
    }
    let mut ended = None;
    for secret in secrets.iter().filter(|secret: &&Secret| verify(secret.text.as_bytes())) {
        match secret.holder.admit(Timestamp::now()) {
            Ok(admitted) => return Ok(admitted),
            Err(what) => ended = Some(what),
        }
    }
    Err(ended.map_or(Unsigned::Nobody, Unsigned::Ended))
}

fn shared_key(server: &Server, head: &Parts) -> Result<Shown, Refusal> {
    let date = text(&head.headers, DATE)?.ok_or_else(|| missing("Date"))?;
    let authorization = text(&head.headers, AUTHORIZATION)?.ok_or_else(|| missing("Authorization"))?;
    let content_length = text(&head.headers, CONTENT_LENGTH)?.unwrap_or("0");
    check_date(date, Timestamp::now()).map_err(|cause| incorrect("Date", cause))?;
    let claimed = parse_authorization(authorization).map_err(|cause| incorrect("Authorization", cause))?;
    let head = Head { verb: head.method.as_str(), path: head.uri.path(), date, content_length };
    let admitted = admitted(server, claimed.account, |secret| head.verify(secret, &claimed.signature));
    let admitted = admitted.map_err(|unsigned| {
        let cause = "no such account has this signature; sign 'VERB path Date Content-Length' (the path in lower case, \
                     the two headers as they are sent) with the account's secret, HMAC-SHA256 in base64";
        unsigned.refusal("Authorization", claimed.account, cause)
    })?;
    let good_until = parse_date(date).map_or(0, Timestamp::as_second) + DATE_SECONDS_MAX;
    let hash = token::hash(&STANDARD.encode(&claimed.signature));
    Ok(Shown { admitted, mark: Some(Mark { hash, good_until, is_nonce: false }) })
}

/// Returns the length that the head of a push says. Without one nothing could be signed.
pub fn content_length(headers: &HeaderMap) -> Result<u64, Refusal> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.ok_or_else(|| {
        let message =
            "a push needs the header Content-Length, which is signed; send the body with a known length, not chunked";
        Refusal::new(StatusCode::LENGTH_REQUIRED, message)
    })
}

/// Returns whose token of a dialect this is, or `None` if it is nobody's.
pub fn token_holder(server: &Server, dialect: Dialect, token: &str) -> Result<Option<TokenHolder>, Refusal> {
    Ok(server.store.token_holder(dialect, &token::hash(token))?)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(&name).iter();
    let title = match name {
        DATE => "Date",
        AUTHORIZATION => "Authorization",
        _ => "Content-Length",
    };
    let value = values.next().map(|value| value.to_str());
    if values.next().is_some() {
        return Err(incorrect(title, "it appears twice"));
    }
    value.transpose().map_err(|_| incorrect(title, "it must be ASCII"))
}

fn missing(header: &str) -> Refusal {
    incorrect(header, "it's missing")
}

fn incorrect(header: &str, cause: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, format!("HTTP header '{header}' is incorrect: {cause}"))
}
