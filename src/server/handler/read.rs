//! What is read back by `GET /v1/…`: employees, their images, profiles.

use super::paging::Paging;
use crate::dialect::startexam;
use crate::profile::{Rules, decode_image};
use crate::roster::{Employee, Names, Status};
use crate::server::Server;
use crate::server::call::Call;
use crate::server::respond::content::Content;
use crate::server::respond::{Answer, Refusal, json};
use crate::server::share::disk;
use crate::store::Key;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// `GET /v1/employees/{id}`: one employee.
pub async fn employee(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = call.part("id")?;
    with_employee(call.server, key, id, |employee, names, is_image| {
        Ok(json(StatusCode::OK, &startexam::shown(employee, names, |number| is_image.contains(&number))))
    })
    .await
}

/// `GET /v1/employees/{id}/image/{field}`: an image that an employee has in a field.
pub async fn image(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let (id, field) = (call.part("id")?, call.part("field")?);
    with_employee(call.server, key, id, move |employee, names, is_image| {
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

/// Reads an employee and calls `show` with it, the account's names, and the numbers of the fields that hold images.
async fn with_employee(
    server: &Arc<Server>,
    key: Key,
    id: String,
    show: impl FnOnce(&Employee, &Names, &HashSet<u32>) -> Result<Answer, Refusal> + Send + 'static,
) -> Result<Answer, Refusal> {
    disk::read(server, key.account, move |server| {
        let roster = server.store.reader(&key)?;
        let (_, employee) = roster.employee(id.trim())?.ok_or_else(|| {
            let message = "the account has no employee with this id; ids are compared as they are, case and all";
            Refusal::new(StatusCode::NOT_FOUND, message)
        })?;
        let names = roster.names()?;
        let mut images = Images::new(server, key.account, &names);
        show(&employee, &names, images.of(employee.profile))
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

    /// Returns the numbers of the fields that hold images in employees of the profile with this number.
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

/// `GET /v1/employees?status=&cursor=&limit=`: a page of employees, in the order in which they were created.
pub async fn employees(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let page = Page::parse(call.query(), call.server.limits.page_employees_max)
        .map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    disk::read(call.server, key.account, move |server| {
        let roster = server.store.reader(&key)?;
        let found = roster.page(page.status, page.paging.after, page.paging.limit, server.limits.page_bytes_max)?;
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
    paging: Paging,
}

impl Page {
    fn parse(query: &str, limit_max: usize) -> Result<Page, String> {
        let mut page = Page { status: None, paging: Paging::first(limit_max) };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                _ if value.is_empty() => {}
                "status" => page.status = Some(Status::parse(&value).ok_or("status must be active or hidden")?),
                other => {
                    let unknown = || Err("there are the parameters status, cursor and limit, and no others".into());
                    page.paging.set(other, &value).unwrap_or_else(unknown)?;
                }
            }
        }
        Ok(page)
    }
}

/// `GET /v1/profiles`: the profiles of the account.
pub async fn profiles(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let profiles = call.server.profiles.of(key.account);
    let profiles: Vec<_> = profiles.iter().map(|profile| json!({ "id": profile.id, "name": profile.name })).collect();
    Ok(json(StatusCode::OK, &json!({ "profiles": profiles })))
}

/// `GET /v1/profiles/{id}`: the definition of a profile.
pub async fn profile(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = Uuid::parse_str(&call.part("id")?);
    let profile = id.ok().and_then(|id| call.server.profiles.get(id, key.account));
    let profile = profile.ok_or_else(|| {
        let message = "the account has no profile with this id; GET /v1/profiles lists those it has";
        Refusal::new(StatusCode::NOT_FOUND, message)
    })?;
    Ok(json(StatusCode::OK, &profile.definition))
}
