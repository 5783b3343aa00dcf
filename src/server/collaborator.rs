//! LMS Collaborator's `/api/v2/users-import/…`: one user, a batch, or a CSV.

use super::Server;
use super::import::{self, Carried, Import, wire_field};
use super::log::Event;
use super::respond::{Answer, JSON, Refusal, json_text, note};
use crate::dialect::{Dialect, collaborator};
use crate::json::{NotJson, Unreadable};
use crate::profile::Profile;
use crate::rejection::Rejection;
use crate::roster::Patch;
use crate::store::Key;
use crate::sync::{Absent, Failure};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use hyper::{Request, StatusCode};
use multer::Multipart;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

const DIALECT: Dialect = Dialect::Collaborator;

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One user.
    Single,
    /// An array of users, or a CSV.
    Batch,
    /// A CSV.
    Csv,
}

/// Answers an import, also a refused one in the dialect's form.
pub async fn import(
    server: &Arc<Server>,
    kind: Kind,
    request: Request<Incoming>,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let answer = async {
        let key = authenticate(server, &head.headers)?;
        event.account = Some(key.account);
        let body = import::body(server, &head.headers, body).await?;
        carry_out(server, key, kind, &head.headers, body, event).await
    };
    answer.await.map_err(|refusal| match refusal.has_form() {
        true => refusal,
        false => {
            let body = collaborator::refused(&refusal.message);
            refusal.in_form(JSON, body)
        }
    })
}

/// Whose token stands in one of the two headers; without a good one 401.
fn authenticate(server: &Server, headers: &HeaderMap) -> Result<Key, Refusal> {
    let bearers = ["x-cbr-authorization", AUTHORIZATION.as_str()].into_iter().filter_map(|name| {
        let (scheme, token) = headers.get(name)?.to_str().ok()?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
    });
    let mut message = "the request has no token; send the header Authorization: Bearer TOKEN";
    for token in bearers {
        if let Some(holder) = import::holder(server, DIALECT, token)? {
            return Ok(holder.key);
        }
        message = "no account has this token, or it was revoked";
    }
    Err(Refusal::new(StatusCode::UNAUTHORIZED, message))
}

/// The row of each user of a batch; a push of one has none.
type Rows = Arc<Mutex<Vec<u64>>>;

async fn carry_out(
    server: &Arc<Server>,
    key: Key,
    kind: Kind,
    headers: &HeaderMap,
    body: Vec<u8>,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let bad = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, message);
    let csv =
        match multer::parse_boundary(headers.get(CONTENT_TYPE).and_then(|of| of.to_str().ok()).unwrap_or_default()) {
            Ok(boundary) if kind != Kind::Single => Some(file(&body, boundary).await.map_err(|message| bad(&message))?),
            Ok(_) => return Err(bad("a single user is sent as JSON, not as multipart/form-data")),
            Err(_) if kind == Kind::Csv => {
                return Err(bad("a CSV is sent as multipart/form-data, in a part that is called file"));
            }
            Err(_) => None,
        };
    let profile = import::profile(server, key.account, DIALECT)?;
    let absent = match csv.is_some() && server.store.setting(key.account, DIALECT, "absent")?.as_deref() != Some("stay")
    {
        true => Absent::Hide,
        false => Absent::Stay,
    };
    let rows: Rows = Arc::default();
    let on_thread = rows.clone();
    let read = move || {
        let mut rows = on_thread.lock().expect("no holder of the lock panics");
        match csv {
            Some(csv) => csv_users(&csv, &mut rows),
            None if kind == Kind::Single => Ok(vec![collaborator::user(&body).map_err(unreadable)?]),
            None => batch(&body, &mut rows),
        }
    };
    let import = Import { dialect: DIALECT, profile: profile.clone(), absent, find_by: None };
    let result = import::run(server, key, import, Carried::Patches(Box::new(read)), event).await?;
    let rows = rows.lock().expect("no holder of the lock panics");
    let receipt = result.map_err(|failure| refused(failure, &profile, &rows))?;
    let mut answer = json_text(StatusCode::OK, collaborator::answer(&receipt.counts));
    note(&mut answer, &receipt);
    Ok(answer)
}

/// The part `file` of a multipart body. The error is what is wrong with it.
async fn file(body: &[u8], boundary: String) -> Result<Vec<u8>, String> {
    let body = Bytes::copy_from_slice(body);
    let mut parts = Multipart::new(futures_util::stream::iter([Ok::<_, Infallible>(body)]), boundary);
    let wrong = |error: multer::Error| format!("the body is not whole multipart/form-data: {error}");
    let mut file = None;
    while let Some(part) = parts.next_field().await.map_err(wrong)? {
        let is_file = part.name() == Some("file");
        let bytes = part.bytes().await.map_err(wrong)?;
        if is_file && file.replace(bytes.to_vec()).is_some() {
            return Err("the part file stands twice in the body; send one CSV".into());
        }
    }
    file.ok_or_else(|| "the body has no part that is called file; send the CSV in it".into())
}

fn csv_users(csv: &[u8], rows: &mut Vec<u64>) -> Result<Vec<Patch>, Failure> {
    let text = collaborator::csv_text(csv);
    let mut users = Vec::new();
    for (row, user) in collaborator::Csv::new(&text).map_err(Failure::Wrong)? {
        rows.push(row as u64);
        users.push(user);
    }
    match users.is_empty() {
        false => Ok(users),
        true => Err(Failure::Wrong(
            "the CSV has a header and no users; it is the whole list, so everybody would be blocked".into(),
        )),
    }
}

fn batch(body: &[u8], rows: &mut Vec<u64>) -> Result<Vec<Patch>, Failure> {
    let users = collaborator::users(body).map_err(unreadable)?;
    let mut patches = Vec::with_capacity(users.len());
    for (place, user) in users.into_iter().enumerate() {
        rows.push(place as u64 + 1);
        let patch = collaborator::user(user.get().as_bytes());
        patches.push(patch.map_err(|error| match error {
            Unreadable::Wrong(message) => Failure::Wrong(format!("row {}: {message}", place + 1)),
            not_json => unreadable(not_json),
        })?);
    }
    Ok(patches)
}

fn unreadable(error: Unreadable) -> Failure {
    match error {
        Unreadable::NotJson(NotJson { at, message }) => Failure::NotJson { index: None, at, message },
        Unreadable::Wrong(message) => Failure::Wrong(message),
    }
}

/// A refused import, in the dialect's form: the first thing that is wrong, and how many more there are.
fn refused(failure: Failure, profile: &Profile, rows: &[u64]) -> Refusal {
    let refusal = Refusal::from(failure);
    let Some(rejected) = &refusal.rejected else {
        return refusal;
    };
    let told = |error: &Rejection| {
        let row = error.index.and_then(|index| rows.get(index as usize).copied());
        let message = collaborator::rejected(wire_field(profile, DIALECT, "uid", &error.field), error, row);
        match (&error.id, row) {
            (Some(id), Some(_)) => format!("{message} (uid {id:?})"),
            _ => message,
        }
    };
    let mut message = rejected.errors.first().map(told).unwrap_or_default();
    if rejected.error_count > 1 {
        message = format!("{message}; and {} more", rejected.error_count - 1);
    }
    let body = collaborator::refused(&message);
    refusal.in_form(JSON, body)
}
