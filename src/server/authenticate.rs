//! Authenticate: who sends a request.

use super::Server;
use super::respond::Refusal;
use crate::dialect::Dialect;
use crate::role::Role;
use crate::signature::{Head, check_date, parse_authorization};
use crate::store::{AccountSettings, Admitted, Key, Secret, TokenHolder};
use crate::token;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, DATE, HeaderName};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use std::hint::black_box;

/// Who sends a request, with a key that may do what its route needs.
pub struct Caller {
    /// What opens the roster of the account.
    pub key: Key,
    /// What is set for the account.
    pub settings: AccountSettings,
}

/// Checks that a key may do what a route of the dialect needs: 403 if it may not. Returns who sends the request.
pub fn permit(server: &Server, dialect: Dialect, admitted: Admitted, needed: Option<Role>) -> Result<Caller, Refusal> {
    let Admitted { key, id, roles } = admitted;
    if let Some(needed) = needed.filter(|needed| !roles.has(*needed)) {
        let (account, needed, dialect) = (key.account, needed.name(), dialect.name());
        let message = format!(
            "this request needs the role {needed}, and key {id} of account {account} may only {roles}; ask the server's operator \
             for a key that has the role (rollcall key add {account} --dialect {dialect} --role {needed})"
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    let settings = server.store.account_settings(key.account)?;
    Ok(Caller { key, settings })
}

/// Returns the key of the account whose SharedKey secret signed the request. Every failure is 403 and names the header, but that a POST
/// without a length is 411.
pub fn shared_key(server: &Server, head: &Parts) -> Result<Admitted, Refusal> {
    if head.method == Method::POST {
        content_length(&head.headers)?;
    }
    let date = text(&head.headers, DATE)?.ok_or_else(|| missing("Date"))?;
    let authorization = text(&head.headers, AUTHORIZATION)?.ok_or_else(|| missing("Authorization"))?;
    let content_length = text(&head.headers, CONTENT_LENGTH)?.unwrap_or("0");
    check_date(date, Timestamp::now()).map_err(|cause| incorrect("Date", cause))?;
    let claimed = parse_authorization(authorization).map_err(|cause| incorrect("Authorization", cause))?;
    let head = Head { verb: head.method.as_str(), path: head.uri.path(), date, content_length };
    let secrets = server.store.secrets(claimed.account)?;
    if secrets.is_empty() {
        // An account that does not exist is verified as well, and hears the same.
        black_box(head.verify(b"", &claimed.signature));
    }
    let signed = |secret: &&Secret| head.verify(secret.text.as_bytes(), &claimed.signature);
    let mut ended = None;
    for secret in secrets.iter().filter(signed) {
        match secret.holder.admit(Timestamp::now()) {
            Ok(key) => return Ok(key),
            Err(what) => ended = Some(what),
        }
    }
    if let Some(ended) = ended {
        return Err(incorrect("Authorization", &ended.to_string()));
    }
    let cause = "no such account has this signature; sign 'VERB path Date Content-Length' (the path in lower case, \
                 the two headers as they are sent) with the account's secret, HMAC-SHA256 in base64";
    let mut refusal = incorrect("Authorization", cause);
    refusal.internal = Some(format!("a signature that is not account {}'s", claimed.account));
    Err(refusal)
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
