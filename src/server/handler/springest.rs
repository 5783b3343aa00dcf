//! Springest's `/users.json`: one user pushed, or read back.

use crate::dialect::{Dialect, JSON, springest};
use crate::profile::Profile;
use crate::roster::Coverage;
use crate::server::Server;
use crate::server::authenticate::{Caller, Shown, token_holder};
use crate::server::body::BytesMax;
use crate::server::call::{Call, parameter};
use crate::server::push::asked::Carries;
use crate::server::push::import::{Carried, Import, Received, Served, receive, run, served, unreadable, wire_field};
use crate::server::respond::{Answer, Refusal, json_text, note};
use crate::server::share::disk;
use crate::store::Key;
use crate::sync::Failure;
use hyper::StatusCode;
use hyper::header::HOST;
use hyper::http::request::Parts;
use jiff::Timestamp;

const DIALECT: Dialect = Dialect::Springest;

/// Returns the key that is in the query: 401 without one, 403 with a wrong or ended one, or with another site's host.
pub fn key(server: &Server, head: &Parts) -> Result<Shown, Refusal> {
    let Some(key) = parameter(head, "api_key") else {
        let message = "the request has no key; send it to /users.json?api_key=YOUR_PRIVATE_API_KEY";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
    };
    let wrong = |message: &str| Err(Refusal::new(StatusCode::FORBIDDEN, message));
    let Some(token) = token_holder(server, DIALECT, &key)? else {
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
    token.holder.admit(Timestamp::now()).map(Shown::from).or_else(|ended| wrong(&ended.to_string()))
}

/// `POST`: stores what a user sends.
pub async fn push(call: Call<'_>, caller: Caller) -> Result<Answer, Refusal> {
    let Call { server, head, body, event, .. } = call;
    let account = caller.key.account;
    let max = BytesMax { limit: "employee_bytes_max", bytes: server.limits.employee_bytes_max as u64 };
    let Received { turn, body, conditions, guards } = receive(server, caller, &head, body, max, Carries::One).await?;
    let Served { profile, .. } = served(server, account, DIALECT).await?;
    let import = Import {
        dialect: DIALECT,
        profile: profile.clone(),
        coverage: Coverage::Some,
        body_bytes: body.len(),
        conditions,
        guards,
    };
    let user = Carried::one(move || springest::user(&body).map_err(unreadable));
    let result = run(server, turn, import, user, event).await?;
    let receipt = result.map_err(|failure| refused(failure, &profile))?;
    let number = receipt.first.unwrap_or_default();
    let mut answer = json_text(StatusCode::CREATED, springest::answer(number));
    note(&mut answer, &receipt);
    Ok(answer)
}

/// Makes the refusal of a user, in the dialect's form: what is wrong with each field.
fn refused(failure: Failure, profile: &Profile) -> Refusal {
    let refusal = Refusal::from(failure);
    let Some(rejected) = &refusal.rejected else {
        return refusal;
    };
    let named = rejected.errors.iter().map(|error| (wire_field(profile, DIALECT, &error.field), error));
    let body = springest::errors(named);
    refusal.in_form(JSON, body)
}

/// `GET`: shows a user.
pub async fn user(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let Some(id) = parameter(&call.head, "external_id") else {
        let message = "external_id is missing; ask for /users.json?api_key=…&external_id=…";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    };
    let Served { profile, .. } = served(call.server, key.account, DIALECT).await?;
    disk::read(call.server, key.account, move |server| {
        let roster = server.store.reader(&key)?;
        let Some((number, employee)) = roster.employee(id.trim())? else {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "no user has this external_id"));
        };
        let names = roster.names()?;
        let email = profile.wire_position(DIALECT, springest::EMAIL).map(|place| profile.fields[place].name.as_str());
        let email = employee.data.iter().find(|(number, _)| names.fields.get(number).map(String::as_str) == email);
        Ok(json_text(StatusCode::OK, springest::shown(number, &employee, email.map(|(_, value)| value))))
    })
    .await
}
