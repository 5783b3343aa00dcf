//! A call: a request that has a route, as its handler gets it.

use super::Server;
use super::authenticate::Caller;
use super::body::Body;
use super::observe::log::Event;
use super::page::session::Visitor;
use super::respond::{Answer, Refusal};
use crate::role::Role;
use hyper::StatusCode;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use std::pin::Pin;
use std::sync::Arc;

/// Answers a request.
pub type Handler = for<'a> fn(Call<'a>) -> Answering<'a>;

/// Answers a request of the account whose key was shown.
pub type KeyHandler = for<'a> fn(Call<'a>, Caller) -> Answering<'a>;

/// Answers a request for the page by somebody who has signed in.
pub type PageHandler = for<'a> fn(Call<'a>, Visitor) -> Answering<'a>;

/// What a handler returns.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send + 'a>>;

/// A request that has a route.
pub struct Call<'a> {
    /// The server.
    pub server: &'a Arc<Server>,
    /// The path of its route, in which the parts that are any have names in braces.
    pub route: &'static str,
    /// The role that its route needs of a key.
    pub role: Option<Role>,
    /// The head of the request.
    pub head: Parts,
    /// The body, on its way in.
    pub body: Body,
    /// The line that the log gets.
    pub event: &'a mut Event,
}

impl Call<'_> {
    /// Returns the part of the path that the route calls so in braces, decoded.
    pub fn part(&self, name: &str) -> Result<String, Refusal> {
        let is_called = |own: &str| own.strip_prefix('{').and_then(|own| own.strip_suffix('}')) == Some(name);
        let mut parts = parts_of(self.route).zip(parts_of(self.head.uri.path()));
        let (_, part) = parts.find(|(own, _)| is_called(own)).expect("the route's path has this part");
        let decoded = percent_decode_str(part).decode_utf8();
        let wrong = |_| Refusal::new(StatusCode::BAD_REQUEST, "the path must be percent-encoded UTF-8");
        decoded.map(std::borrow::Cow::into_owned).map_err(wrong)
    }

    /// Returns the account that the path names: 404 if it is no number.
    pub fn account(&self) -> Result<i64, Refusal> {
        let no_number = |_| Refusal::new(StatusCode::NOT_FOUND, "the number of an account is missing in the path");
        self.part("account")?.parse().map_err(no_number)
    }

    /// The query; empty without one.
    pub fn query(&self) -> &str {
        self.head.uri.query().unwrap_or_default()
    }
}

/// Checks that the query has no parameters but these, each once and with a value: 400 otherwise. A push with a parameter that is misspelt, such
/// as `dry-run`, would do what it was not meant to.
pub fn only_parameters(head: &Parts, known: &[&'static str]) -> Result<(), Refusal> {
    let query = head.uri.query().unwrap_or_default();
    let bad = |what: String| Err(Refusal::new(StatusCode::BAD_REQUEST, format!("{what}; nothing was stored")));
    let mut seen = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(known) = known.iter().find(|known| name.eq_ignore_ascii_case(known)) else {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return bad(format!("the URL has an unknown parameter; here it can have {known}"));
        };
        if value.is_empty() {
            return bad(format!("the parameter {known} of the URL has no value"));
        }
        if seen.contains(known) {
            return bad(format!("the parameter {known} appears twice in the URL"));
        }
        seen.push(*known);
    }
    Ok(())
}

/// Returns the value of a parameter of the query, if it has one that is not empty. Upper and lower case do not count in its name.
pub fn parameter(head: &Parts, name: &str) -> Option<String> {
    let query = head.uri.query().unwrap_or_default();
    let found = form_urlencoded::parse(query.as_bytes()).find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
}

/// Returns the parts of a path. An id may end in a slash, which is percent-encoded then.
pub fn parts_of(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path).split('/')
}
