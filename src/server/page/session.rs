//! Who visits, and whether a form comes from the page itself.

use crate::role::Role;
use crate::server::Server;
use crate::server::respond::Refusal;
use crate::store::{Key, User};
use crate::token::{self, Hash};
use hyper::header::{COOKIE, HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};

/// How long a session lasts.
pub const SESSION_TIME: SignedDuration = SignedDuration::from_hours(12);

/// The cookie that continues a session. The prefix has browsers accept it over TLS only (or from this machine), for this host and all paths.
pub const COOKIE_NAME: &str = "__Host-rollcall";

/// Somebody who has signed in.
pub struct Visitor {
    /// Who it is.
    pub user: User,
}

impl Visitor {
    /// Returns what opens the roster of an account: 404 if it is not one of the visitor's, whether it exists or not.
    pub fn key(&self, server: &Server, account: i64) -> Result<Key, Refusal> {
        let is_own = self.user.account.is_none_or(|own| own == account);
        let key = if is_own { server.store.key(account)? } else { None };
        key.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "there is no such account, or it is not yours to see"))
    }

    /// Returns whether the visitor may do what a role is for.
    pub fn may(&self, role: Role) -> bool {
        self.user.role.roles().has(role)
    }

    /// Checks that the visitor may do what a role is for: 403 if not.
    pub fn permit(&self, needed: Option<Role>) -> Result<(), Refusal> {
        match needed.filter(|needed| !self.may(*needed)) {
            None => Ok(()),
            Some(needed) => {
                let message = format!(
                    "this needs a user who may {}, and you have the role {}; ask the server's operator for another one",
                    needed.name(),
                    self.user.role.name()
                );
                Err(Refusal::new(StatusCode::FORBIDDEN, message))
            }
        }
    }
}

/// Finds the session that a request continues; `None` if it has none, or it has ended.
pub fn visitor(server: &Server, head: &Parts) -> Result<Option<Visitor>, Refusal> {
    let Some(token) = token_of(&head.headers) else {
        return Ok(None);
    };
    let user = server.store.session(&token, Timestamp::now())?;
    server.refresh_profiles()?;
    Ok(user.map(|user| Visitor { user }))
}

/// Returns the hash of the token in a request's cookie.
pub fn token_of(headers: &HeaderMap) -> Option<Hash> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, token)| token::hash(token))
}

/// Checks that a form was sent by a screen of this server (CSRF): by `Sec-Fetch-Site`, and by `Origin`, which browsers send with every POST. A
/// request that has neither is refused.
pub fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let text =
        |value: Option<&hyper::header::HeaderValue>| value.and_then(|value| value.to_str().ok().map(str::to_owned));
    let site = text(headers.get("sec-fetch-site"));
    let origin = text(headers.get(ORIGIN));
    let host = text(headers.get(HOST));
    let is_own = |origin: &String| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.zip(host.as_deref()).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
    };
    let is_same_site = site.as_deref().is_none_or(|site| site == "same-origin");
    let is_same_origin = origin.as_ref().is_none_or(is_own);
    if is_same_site && is_same_origin && (site.is_some() || origin.is_some()) {
        return Ok(());
    }
    let message = "the form was not sent by a screen of this server; open the screen again and send it from there; a proxy in front of \
                   the server must pass on Host, Origin and Sec-Fetch-Site";
    Err(Refusal::new(StatusCode::FORBIDDEN, message))
}
