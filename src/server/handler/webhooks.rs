//! Webhooks: whom an account has told what happens, and what came of it.

pub mod shown;

use super::paging::Paging;
use crate::server::Server;
use crate::server::body::BytesMax;
use crate::server::body::collect::collect;
use crate::server::call::{Call, only_parameters};
use crate::server::respond::content::Content;
use crate::server::respond::{Answer, Refusal, json};
use crate::server::share::disk;
use crate::server::tell::{address, payload};
use crate::signature::webhook::{OLD_SECRET_TIME, random_secret};
use crate::store::{EventType, Key};
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The body of a request for a webhook.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    url: String,
    #[serde(default)]
    events: Vec<String>,
}

/// `GET /v1/webhooks`: the webhooks of the account.
pub async fn list(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    only_parameters(&call.head, &[])?;
    disk::look_up(call.server, move |server| {
        let webhooks = server.store.webhooks(Some(key.account))?;
        Ok(json(StatusCode::OK, &json!({ "webhooks": Value::from_iter(webhooks.iter().map(shown::webhook)) })))
    })
    .await
}

/// `POST /v1/webhooks`: adds the webhook that is in the body. The answer has its secret.
pub async fn add(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    only_parameters(&call.head, &[])?;
    let Call { server, body, head, .. } = call;
    let max = BytesMax { limit: "form_bytes_max", bytes: server.limits.form_bytes_max as u64 };
    let mut reserved = server.collected.nothing(Some(key.account));
    let sent = collect(server, &head.headers, body, max, &mut reserved).await?;
    let Asked { url, events } = serde_json::from_slice(&sent).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        bad(format!(
            "the body must be like {{\"url\": \"https://example.com/events\", \"events\": [\"plan.held\"]}}; nothing was stored (line \
             {line}, column {column})"
        ))
    })?;
    let events = events.iter().map(|name| EventType::to_choose(name)).collect::<Result<_, _>>();
    let events = events.map_err(|names| bad(format!("events has a type that is not known; {names}")))?;
    disk::look_up(server, move |server| {
        let (id, secret) = add_webhook(server, key.account, &url, &events)?;
        Ok(json(StatusCode::CREATED, &json!({ "webhook": id, "secret": secret })))
    })
    .await
}

/// Adds a webhook. Returns its number and its secret.
pub fn add_webhook(
    server: &Server,
    account: i64,
    url: &str,
    events: &BTreeSet<EventType>,
) -> Result<(i64, String), Refusal> {
    if cfg!(not(feature = "webhooks")) {
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, "this server was built without webhooks"));
    }
    address::check_url(url, &server.webhooks_allow).map_err(bad)?;
    let secret = random_secret().map_err(Refusal::internal)?;
    Ok((server.store.add_webhook(account, url, events, &secret)?, secret))
}

/// `DELETE /v1/webhooks/{id}`: removes a webhook.
pub async fn remove(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    only_parameters(&call.head, &[])?;
    let id = number(&call, "id")?;
    disk::look_up(call.server, move |server| Ok(server.store.remove_webhook(key.account, id)?)).await?;
    let mut answer = Response::new(Content::whole(String::new()));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}

/// `POST /v1/webhooks/{id}/rotate`: replaces the secret of a webhook. The answer has the new one.
pub async fn rotate(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    only_parameters(&call.head, &[])?;
    let id = number(&call, "id")?;
    disk::look_up(call.server, move |server| {
        let (secret, until) = rotate_webhook(server, key.account, id)?;
        let until = shown::time(until);
        Ok(json(StatusCode::OK, &json!({ "webhook": id, "secret": secret, "oldSecretUntil": until })))
    })
    .await
}

/// Replaces the secret of a webhook. Returns the new one, and until when the old one signs, too.
pub fn rotate_webhook(server: &Server, account: i64, id: i64) -> Result<(String, Timestamp), Refusal> {
    let (secret, until) = (random_secret().map_err(Refusal::internal)?, Timestamp::now() + OLD_SECRET_TIME);
    server.store.rotate_webhook(account, id, &secret, until)?;
    Ok((secret, until))
}

/// `POST /v1/webhooks/{id}/test`: sends an event of the type `test`.
pub async fn test(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    only_parameters(&call.head, &[])?;
    let id = number(&call, "id")?;
    disk::look_up(call.server, move |server| {
        let delivery = server.store.announce_to(key.account, id, &payload::test(key.account, id))?;
        server.news.due.notify_one();
        Ok(json(StatusCode::ACCEPTED, &json!({ "delivery": delivery })))
    })
    .await
}

/// `GET /v1/webhooks/{id}/deliveries?cursor=&limit=`: what was sent, or is to be sent, the latest first.
pub async fn deliveries(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    only_parameters(&call.head, &["cursor", "limit"])?;
    let id = number(&call, "id")?;
    let mut paging: Paging<i64> = Paging::first(call.server.limits.page_employees_max);
    for (name, value) in form_urlencoded::parse(call.query().as_bytes()) {
        paging.set(&name.to_ascii_lowercase(), &value).unwrap_or(Ok(())).map_err(bad)?;
    }
    // The numbers of deliveries begin with 1.
    let before = Some(paging.after).filter(|before| *before > 0);
    disk::look_up(call.server, move |server| {
        let deliveries = server.store.deliveries(key.account, Some(id), before, paging.limit)?;
        let next = deliveries.last().filter(|_| deliveries.len() == paging.limit);
        let next = next.map(|delivery| delivery.number.to_string());
        let deliveries = Value::from_iter(deliveries.iter().map(shown::delivery));
        Ok(json(StatusCode::OK, &json!({ "deliveries": deliveries, "nextCursor": next })))
    })
    .await
}

/// `POST /v1/webhooks/{id}/deliveries/{delivery}/resend`: sends a delivery again, as the same message.
pub async fn resend(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    only_parameters(&call.head, &[])?;
    let (id, delivery) = (number(&call, "id")?, number(&call, "delivery")?);
    disk::look_up(call.server, move |server| {
        server.store.resend(key.account, Some(id), delivery)?;
        server.news.due.notify_one();
        Ok(json(StatusCode::ACCEPTED, &json!({ "delivery": delivery })))
    })
    .await
}

/// Returns a number in the path.
fn number(call: &Call<'_>, part: &str) -> Result<i64, Refusal> {
    let wrong = |_| bad("the numbers in the path must be numbers, like 3");
    call.part(part)?.parse().map_err(wrong)
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, message)
}
