//! The requests that read: employees, profiles, health.

use crate::dialect::startexam;
use crate::profile::{Rules, decode_image};
use crate::roster::{Names, Status};
use crate::server::Server;
use crate::server::respond::content::Content;
use crate::server::respond::{Answer, Refusal, json};
use crate::server::share::gate::Shut;
use crate::store::Key;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Looks something up in what accounts share, on a thread that may wait for the disk. It takes so little time that nobody waits for
/// another's.
pub async fn looked_up<T: Send + 'static>(
    server: &Arc<Server>,
    look_up: impl FnOnce(&Server) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let server = server.clone();
    // The message of a panic may quote anything, so it is not the log's.
    let panicked = |_| Err(Refusal::internal("a thread of the server panicked"));
    tokio::task::spawn_blocking(move || look_up(&server)).await.unwrap_or_else(panicked)
}

/// Reads from an account's roster, on a thread that may wait for the disk; so many at a time.
pub async fn reading<T: Send + 'static>(
    server: &Arc<Server>,
    account: i64,
    read: impl FnOnce(&Server) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let seconds = server.limits.push_wait_seconds_max;
    let ticket = server.reads.enter(account, Duration::from_secs(seconds)).await.map_err(|shut| {
        let limit = match shut {
            Shut::Account => "account_reads_max",
            Shut::All => "reads_max",
        };
        let message =
            format!("as many requests read from the server as may at a time (limit {limit}); ask again in a moment");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(seconds.max(1))
    })?;
    looked_up(server, move |server| {
        let read = read(server);
        drop(ticket);
        read
    })
    .await
}

/// `GET /v1/employees/{id}`.
pub async fn employee(server: &Arc<Server>, key: Key, id: String) -> Result<Answer, Refusal> {
    reading(server, key.account, move |server| {
        let roster = server.store.reader(&key)?;
        let (_, employee) = roster.employee(id.trim())?.ok_or_else(no_employee)?;
        let names = roster.names()?;
        let mut images = Images::new(server, key.account, &names);
        let is_image = images.of(employee.profile);
        Ok(json(StatusCode::OK, &startexam::shown(&employee, &names, |number| is_image.contains(&number))))
    })
    .await
}

fn no_employee() -> Refusal {
    let message = "the account has no employee with this id; ids are compared as they are, case and all";
    Refusal::new(StatusCode::NOT_FOUND, message)
}

/// `GET /v1/employees/{id}/image/{field}`: the image itself.
pub async fn image(server: &Arc<Server>, key: Key, id: String, field: String) -> Result<Answer, Refusal> {
    reading(server, key.account, move |server| {
        let roster = server.store.reader(&key)?;
        let (_, employee) = roster.employee(id.trim())?.ok_or_else(no_employee)?;
        let names = roster.names()?;
        let mut images = Images::new(server, key.account, &names);
        let is_image = images.of(employee.profile);
        let value = employee.data.iter().find(|(number, _)| is_image.contains(number) && names.fields[number] == field);
        let Some((media_type, bytes)) = value.and_then(|(_, value)| decode_image(value)) else {
            let message =
                "the employee has no image in a field of this name; GET /v1/employees/{id} shows links to all images";
            return Err(Refusal::new(StatusCode::NOT_FOUND, message));
        };
        let mut answer = Response::new(Content::whole(bytes));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        Ok(answer)
    })
    .await
}

/// Which fields hold images, by the profiles in force.
struct Images<'s> {
    server: &'s Server,
    account: i64,
    names: &'s Names,
    /// The numbers of the fields, by the number of the profile.
    fields: HashMap<u32, HashSet<u32>>,
}

impl<'s> Images<'s> {
    fn new(server: &'s Server, account: i64, names: &'s Names) -> Images<'s> {
        Images { server, account, names, fields: HashMap::new() }
    }

    /// The numbers of the fields that hold images in employees of a profile, which has this number.
    fn of(&mut self, profile: u32) -> &HashSet<u32> {
        let Images { server, account, names, ref mut fields } = *self;
        fields.entry(profile).or_insert_with(|| {
            let in_force = names.profiles.get(&profile).and_then(|id| server.profiles.get(*id, account));
            let is_image = |name: &String| {
                let profile = in_force.as_ref()?;
                Some(matches!(profile.fields[profile.position(name)?].rules, Rules::Image { .. }))
            };
            let numbers = names.fields.iter().filter(|(_, name)| is_image(name) == Some(true));
            numbers.map(|(number, _)| *number).collect()
        })
    }
}

/// `GET /v1/employees?status=&cursor=&limit=`: in the order of arrival.
pub async fn employees(server: &Arc<Server>, key: Key, query: String) -> Result<Answer, Refusal> {
    let page = Page::parse(&query, server.limits.page_employees_max)
        .map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    reading(server, key.account, move |server| {
        let roster = server.store.reader(&key)?;
        let found = roster.page(page.status, page.after, page.limit, server.limits.page_bytes_max)?;
        let next_cursor = found.next.map(|number| number.to_string());
        let names = roster.names()?;
        let mut images = Images::new(server, key.account, &names);
        let employees = found.employees.iter().map(|employee| {
            let is_image = images.of(employee.profile);
            startexam::shown(employee, &names, |number| is_image.contains(&number))
        });
        let employees = employees.collect();
        Ok(json(StatusCode::OK, &ShownPage { employees, next_cursor }))
    })
    .await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownPage<'a> {
    employees: Vec<startexam::Shown<'a>>,
    next_cursor: Option<String>,
}

struct Page {
    status: Option<Status>,
    after: u32,
    limit: usize,
}

impl Page {
    fn parse(query: &str, limit_max: usize) -> Result<Page, String> {
        let mut page = Page { status: None, after: 0, limit: limit_max.min(100) };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                _ if value.is_empty() => {}
                "status" => page.status = Some(Status::parse(&value).ok_or("status must be active or hidden")?),
                "cursor" => {
                    let cursor = value.parse();
                    page.after = cursor.map_err(|_| "cursor must be the nextCursor of the page before")?;
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=limit_max).contains(limit));
                    page.limit = limit.ok_or_else(|| format!("limit must be a number from 1 to {limit_max}"))?;
                }
                _ => return Err("there are the parameters status, cursor and limit, and no others".into()),
            }
        }
        Ok(page)
    }
}

/// `GET /v1/profiles`.
pub fn profiles(server: &Server, account: i64) -> Answer {
    let profiles = server.profiles.of(account);
    let profiles: Vec<_> = profiles.iter().map(|profile| json!({ "id": profile.id, "name": profile.name })).collect();
    json(StatusCode::OK, &json!({ "profiles": profiles }))
}

/// `GET /v1/profiles/{id}`.
pub fn profile(server: &Server, account: i64, id: &str) -> Result<Answer, Refusal> {
    let profile = Uuid::parse_str(id).ok().and_then(|id| server.profiles.get(id, account));
    match profile {
        Some(profile) => Ok(json(StatusCode::OK, &profile.definition)),
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "the account has no profile with this id; GET /v1/profiles lists those it has",
        )),
    }
}

/// `GET /health`: whether the server can read its store.
pub async fn health(server: &Arc<Server>) -> Result<Answer, Refusal> {
    looked_up(server, |server| {
        server.store.key(0)?;
        Ok(json(StatusCode::OK, &json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })))
    })
    .await
}
