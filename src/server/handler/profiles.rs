//! The versions of the profiles that an account alone may use: they are read, and another is published.

use super::paging::Paging;
use crate::dialect::JSON;
use crate::profile::decode;
use crate::server::Server;
use crate::server::authenticate::{Caller, again};
use crate::server::body::BytesMax;
use crate::server::body::collect::collect;
use crate::server::call::{Call, only_parameters, parameter};
use crate::server::respond::{Answer, Refusal, json, text};
use crate::server::share::disk;
use crate::store::{Based, Key, Mark, ProfileVersion, Publication, PublishError, Published, Publisher};
use hyper::StatusCode;
use hyper::header::{ACCEPT, ETAG, HeaderMap, HeaderValue, IF_MATCH};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// The media type of a text.
const TOML: &str = "application/toml; charset=utf-8";

/// `GET /v1/profiles/{id}/versions?cursor=&limit=`: the versions, the latest first, without their texts.
pub async fn versions(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = id(&call)?;
    only_parameters(&call.head, &["cursor", "limit"])?;
    let mut paging = Paging::<u64>::first(call.server.limits.page_employees_max);
    for name in ["cursor", "limit"] {
        if let Some(value) = parameter(&call.head, name) {
            let set = paging.set(name, &value).unwrap_or(Ok(()));
            set.map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
        }
    }
    let Paging { after: before, limit, .. } = paging;
    disk::look_up(call.server, move |server| {
        let before = (before > 0).then_some(before);
        let mut versions = server.store.profile_versions(id, Some(key.account), before, limit + 1)?;
        if versions.is_empty() && before.is_none() {
            return Err(not_own());
        }
        let has_more = versions.len() > limit;
        versions.truncate(limit);
        let next = versions.last().filter(|_| has_more).map(|last| last.number.to_string());
        let shown = versions.iter().map(shown);
        Ok(json(StatusCode::OK, &json!({ "versions": Value::from_iter(shown), "nextCursor": next })))
    })
    .await
}

/// `GET /v1/profiles/{id}/versions/{number}`: a version with its text, or only the text if TOML is accepted rather than JSON.
pub async fn version(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let (id, number) = (id(&call)?, call.part("number")?.parse::<u64>());
    only_parameters(&call.head, &[])?;
    let as_toml =
        call.head.headers.get_all(ACCEPT).iter().any(|accepted| accepted.as_bytes().starts_with(b"application/toml"));
    disk::look_up(call.server, move |server| {
        let found = match number {
            Ok(number) => server.store.profile_version(id, number, Some(key.account))?,
            Err(_) => None,
        };
        let (version, toml) = found.ok_or_else(not_own)?;
        let mut answer = if as_toml {
            text(StatusCode::OK, TOML, toml)
        } else {
            let mut shown = shown(&version);
            shown["text"] = toml.into();
            json(StatusCode::OK, &shown)
        };
        answer.headers_mut().insert(ETAG, tag(version.number));
        Ok(answer)
    })
    .await
}

/// `PUT /v1/profiles/{id}?why=`: publishes the body, which is based on the version in `If-Match`.
pub async fn publish(call: Call<'_>, caller: Caller) -> Result<Answer, Refusal> {
    let id = id(&call)?;
    only_parameters(&call.head, &["why"])?;
    let (why, based) = (parameter(&call.head, "why"), based(&call.head.headers)?);
    let Call { server, body, event, head, .. } = call;
    let account = caller.key.account;
    let max = BytesMax { limit: "profile_bytes_max", bytes: server.limits.profile_bytes_max as u64 };
    let sent = collect(server, &head.headers, body, max, &mut server.collected.nothing(Some(account))).await?;
    let who = Publisher::Key { id: event.key.unwrap_or_default(), account };
    disk::read(server, account, move |server| {
        if let Some(mark) = caller.mark.filter(|mark| !mark.is_nonce) {
            note(server, account, &mark)?;
        }
        let wrong = |mistake| refused(PublishError::Wrong(vec![mistake]), server);
        let text = decode(sent).map_err(wrong)?;
        let publication = Publication {
            text: &text,
            id: Some(id),
            who,
            why: why.as_deref(),
            based,
            file: None,
            account_profiles_max: server.limits.account_profiles_max,
        };
        let published = server.publish(&publication).map_err(|error| refused(error, server))?;
        let Published { profile, number, is_new, file } = published;
        let mut shown = json!({
            "id": id,
            "name": profile.name,
            "number": number,
            "version": profile.short_version(),
            "isNew": is_new,
            "hasFile": file.is_ok(),
        });
        if file.is_err() {
            shown["message"] =
                "the version is in force, but no file on the server has it; the server's log says why".into();
        }
        let mut answer = json(StatusCode::OK, &shown);
        answer.headers_mut().insert(ETAG, tag(number));
        Ok(answer)
    })
    .await
}

impl Server {
    /// Publishes a version of a profile, and logs it.
    pub fn publish(&self, publication: &Publication) -> Result<Published, PublishError> {
        let published = self.profiles.publish(&self.store, publication)?;
        let Published { profile, number, is_new, file } = &published;
        let (id, name, who) = (profile.id, &profile.name, publication.who.kind());
        tracing::info!(profile = %id, name, number, is_new, who, "profile published");
        if let Err(why) = file {
            tracing::warn!(profile = %id, number, "the version is in force, but no file has it: {why}");
        }
        Ok(published)
    }
}

fn id(call: &Call) -> Result<Uuid, Refusal> {
    let wrong = |_| {
        Refusal::new(StatusCode::NOT_FOUND, "a profile's id is a GUID; GET /v1/profiles lists those that there are")
    };
    Uuid::parse_str(&call.part("id")?).map_err(wrong)
}

/// The version of a profile as a header names it.
pub fn tag(number: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{number}\"")).expect("digits are ASCII")
}

/// Returns what a request is based on.
fn based(headers: &HeaderMap) -> Result<Based, Refusal> {
    let Some(tag) = headers.get(IF_MATCH) else {
        return Ok(Based::OnNothing);
    };
    let number = tag.to_str().ok().and_then(|tag| tag.trim().trim_matches('"').parse().ok());
    let wrong = || {
        let message = "If-Match must be the number of the version that this one is based on, like \"3\"; GET /v1/profiles/{id} has it as \
                       ETag; nothing was published";
        Refusal::new(StatusCode::BAD_REQUEST, message)
    };
    number.map(Based::On).ok_or_else(wrong)
}

/// Refuses a signature that came before, where the account wants that.
fn note(server: &Server, account: i64, mark: &Mark) -> Result<(), Refusal> {
    let noted = server.nonces.note(account, mark.hash, mark.good_until, Timestamp::now().as_second());
    noted.map_err(|_| again())
}

fn shown(version: &ProfileVersion) -> Value {
    let ProfileVersion { number, published_at, who, why, is_in_force, .. } = version;
    json!({ "number": number, "publishedAt": published_at, "who": who, "why": why, "inForce": is_in_force })
}

fn not_own() -> Refusal {
    let message = "there is no such version of a profile that this account alone may use (accounts = [ID]); those of profiles that accounts share \
                   are shown on the server, by `rollcall profile log`";
    Refusal::new(StatusCode::NOT_FOUND, message)
}

fn refused(error: PublishError, server: &Server) -> Refusal {
    let status = match &error {
        PublishError::Wrong(mistakes) => {
            let listed = mistakes.iter().take(server.limits.errors_listed_max);
            let errors = listed.map(|mistake| json!({ "line": mistake.line, "message": mistake.message }));
            let message = "the profile is not right, and nothing was published; see errors";
            let body = json!({ "message": message, "errorCount": mistakes.len(), "errors": Value::from_iter(errors) });
            return Refusal::new(StatusCode::BAD_REQUEST, message).in_form(JSON, format!("{body:#}"));
        }
        PublishError::OtherId { .. } | PublishError::LongWhy => StatusCode::BAD_REQUEST,
        PublishError::Moved { in_force: Some(number), based: None } => {
            let message = format!(
                "version {number} of the profile is in force; send If-Match with the version that this one is based on, like \"{number}\"; \
                 nothing was published"
            );
            return Refusal::new(StatusCode::PRECONDITION_REQUIRED, message);
        }
        PublishError::Moved { .. } | PublishError::TooMany { .. } => StatusCode::CONFLICT,
        PublishError::NotOfAccount { .. } => StatusCode::FORBIDDEN,
        PublishError::Store(_) => {
            return match error {
                PublishError::Store(error) => error.into(),
                other => Refusal::internal(other),
            };
        }
    };
    Refusal::new(status, error.to_string())
}
