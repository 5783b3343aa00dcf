//! Springest's `/users.json`: one user pushed, or read back.

use crate::dialect::{Dialect, springest};
use crate::profile::Profile;
use crate::roster::Absent;
use crate::server::Server;
use crate::server::body::Body;
use crate::server::handler::read::{looked_up, reading};
use crate::server::observe::log::Event;
use crate::server::push::import::{self, Carried, Import, parameter, wire_field};
use crate::server::respond::{Answer, JSON, Refusal, json_text, note};
use crate::store::Key;
use crate::sync::Failure;
use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use jiff::Timestamp;
use std::sync::Arc;

const DIALECT: Dialect = Dialect::Springest;

/// Answers a request to `/users.json`.
pub async fn users(server: &Arc<Server>, request: Request<Body>, event: &mut Event) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let (key, head) = looked_up(server, move |server| Ok((authenticate(server, &head)?, head))).await?;
    event.account = Some(key.account);
    match head.method {
        Method::POST => post(server, key, &head, body, event).await,
        _ => get(server, key, &head).await,
    }
}

/// What opens the roster of the account whose key is in the query: 401 without one, 403 with a wrong or ended one, or with another
/// site's host.
fn authenticate(server: &Server, head: &Parts) -> Result<Key, Refusal> {
    let Some(key) = parameter(head, "api_key") else {
        let message = "the request has no key; send it to /users.json?api_key=YOUR_PRIVATE_API_KEY";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
    };
    let wrong = |message: &str| Err(Refusal::new(StatusCode::FORBIDDEN, message));
    let Some(token) = import::holder(server, DIALECT, &key)? else {
        return wrong("no site has this api_key, or it was revoked");
    };
    if let Some(site) = token.site {
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or(head.uri.host()).unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        if !host.eq_ignore_ascii_case(&site) {
            return wrong("this api_key is another site's; send the request to the host of the key's own site");
        }
    }
    token.holder.admit(Timestamp::now()).or_else(|ended| wrong(&ended.to_string()))
}

async fn post(server: &Arc<Server>, key: Key, head: &Parts, body: Body, event: &mut Event) -> Result<Answer, Refusal> {
    let mut turn = server.turns.take(key.account, body.pace()).await?;
    let limit = ("employee_bytes_max", server.limits.employee_bytes_max);
    let body = import::body(server, &head.headers, body, limit, turn.reserving(&server.collected)).await?;
    let profile = import::profile(server, key.account, DIALECT).await?;
    let import = Import {
        dialect: DIALECT,
        profile: profile.clone(),
        absent: Absent::Stay,
        find_by: Some(springest::FIND_BY),
        body_bytes: body.len(),
    };
    let carried = Carried::Intents(Box::new(move || {
        let user = springest::user(&body).map_err(import::unreadable)?;
        Ok(Box::new(std::iter::once(Ok(user))))
    }));
    let result = import::run(server, (key, turn), import, carried, event).await?;
    let receipt = result.map_err(|failure| refused(failure, &profile))?;
    let number = receipt.first.unwrap_or_default();
    let mut answer = json_text(StatusCode::CREATED, springest::answer(number));
    note(&mut answer, &receipt);
    Ok(answer)
}

/// A refused user, in the dialect's form: what is wrong with each of its fields.
fn refused(failure: Failure, profile: &Profile) -> Refusal {
    let refusal = Refusal::from(failure);
    let Some(rejected) = &refusal.rejected else {
        return refusal;
    };
    let named = rejected.errors.iter().map(|error| (wire_field(profile, DIALECT, "external_id", &error.field), error));
    let body = springest::errors(named);
    refusal.in_form(JSON, body)
}

async fn get(server: &Arc<Server>, key: Key, head: &Parts) -> Result<Answer, Refusal> {
    let Some(id) = parameter(head, "external_id") else {
        let message = "external_id is missing; ask for /users.json?api_key=…&external_id=…";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    };
    let profile = import::profile(server, key.account, DIALECT).await?;
    reading(server, key.account, move |server| {
        let roster = server.store.reader(&key)?;
        let Some((number, employee)) = roster.employee(id.trim())? else {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "no user has this external_id"));
        };
        let names = roster.names()?;
        let email = profile.wire_position(DIALECT, springest::FIND_BY).map(|place| profile.fields[place].name.as_str());
        let email = employee.data.iter().find(|(number, _)| names.fields.get(number).map(String::as_str) == email);
        Ok(json_text(StatusCode::OK, springest::shown(number, &employee, email.map(|(_, value)| value))))
    })
    .await
}
