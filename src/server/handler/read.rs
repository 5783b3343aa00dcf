//! What is read back by `GET /v1/…`: employees, their images, profiles.

use super::paging::Paging;
use super::profiles::tag;
use crate::dialect::startexam;
use crate::profile::{Rules, decode_image};
use crate::roster::{Employee, Names, Status};
use crate::server::Server;
use crate::server::call::{Call, parameter};
use crate::server::respond::content::Content;
use crate::server::respond::{Answer, REVISION, Refusal, json};
use crate::server::share::disk;
use crate::store::{Key, Moment, Reader};
use hyper::header::{CONTENT_TYPE, ETAG, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use uuid::Uuid;

/// `GET /v1/employees/{id}?at=`: one employee.
pub async fn employee(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = call.part("id")?;
    with_employee(&call, key, id, |Found { employee, names, is_image, at }| {
        let shown = startexam::shown(employee, names, |number| is_image.contains(&number), at);
        let mut answer = json(StatusCode::OK, &shown);
        note_revision(&mut answer, at);
        Ok(answer)
    })
    .await
}

/// `GET /v1/employees/{id}/image/{field}?at=`: an image that an employee has in a field.
pub async fn image(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let (id, field) = (call.part("id")?, call.part("field")?);
    with_employee(&call, key, id, move |Found { employee, names, is_image, at }| {
        let value = employee.data.iter().find(|(number, _)| is_image.contains(number) && names.fields[number] == field);
        let Some((media_type, bytes)) = value.and_then(|(_, value)| decode_image(value)) else {
            let message =
                "the employee has no image in a field of this name; GET /v1/employees/{id} shows links to all images";
            return Err(Refusal::new(StatusCode::NOT_FOUND, message));
        };
        let mut answer = Response::new(Content::whole(bytes));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        note_revision(&mut answer, at);
        Ok(answer)
    })
    .await
}

/// An employee that was found.
struct Found<'a> {
    employee: &'a Employee,
    /// The account's names.
    names: &'a Names,
    /// The numbers of the fields that hold images.
    is_image: &'a HashSet<u32>,
    /// The revision that the employee is shown of, if it is not the last one.
    at: Option<u64>,
}

/// Reads the employee that has an id, or had it at the moment `at` of the query, and calls `show` with it.
async fn with_employee(
    call: &Call<'_>,
    key: Key,
    id: String,
    show: impl FnOnce(Found) -> Result<Answer, Refusal> + Send + 'static,
) -> Result<Answer, Refusal> {
    let at = parameter(&call.head, "at").map(|at| Moment::parse(&at)).transpose();
    let at = at.map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    disk::read(call.server, key.account, move |server| {
        let roster = reader(server, &key, at.is_some())?;
        let snapshot = roster.snapshot()?;
        let at = at.map(|at| snapshot.revision_at(at)).transpose()?;
        let found = match at {
            None => roster.employee(id.trim())?.map(|(_, employee)| employee),
            Some(revision) => snapshot.employee_at(revision, id.trim())?,
        };
        let employee = found.ok_or_else(|| {
            let when = at.map(|revision| format!(" at revision {revision}")).unwrap_or_default();
            let message =
                format!("the account has no employee with this id{when}; ids are compared as they are, case and all");
            Refusal::new(StatusCode::NOT_FOUND, message)
        })?;
        let names = roster.names()?;
        let mut images = Images::new(server, key.account, &names);
        let is_image = images.of(employee.profile);
        show(Found { employee: &employee, names: &names, is_image, at })
    })
    .await
}

/// Opens a roster to read. What it was is kept by a file of the current version only.
fn reader(server: &Server, key: &Key, is_of_the_past: bool) -> Result<Reader, Refusal> {
    Ok(if is_of_the_past { server.store.history_reader(key)? } else { server.store.reader(key)? })
}

/// Adds to an answer the revision that it shows, if it is not the last one.
fn note_revision(answer: &mut Answer, at: Option<u64>) {
    if let Some(revision) = at {
        answer.headers_mut().insert(REVISION, revision.into());
    }
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

/// `GET /v1/employees?status=&at=&cursor=&limit=`: a page of employees, in the order in which they were created.
pub async fn employees(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let page = Page::parse(call.query(), call.server.limits.page_employees_max)
        .map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    disk::read(call.server, key.account, move |server| {
        let Page { status, at, paging: Paging { after: Cursor { after, revision }, limit, .. } } = page;
        let bytes_max = server.limits.page_bytes_max;
        let roster = reader(server, &key, at.is_some() || revision.is_some())?;
        let snapshot = roster.snapshot()?;
        // The next pages are of the same revision, also if a time would be another one by then.
        let at = revision.map(Moment::Revision).or(at).map(|at| snapshot.revision_at(at)).transpose()?;
        let found = match at {
            None => roster.page(status, after, limit, bytes_max)?,
            Some(revision) => snapshot.page_at(revision, status, after, limit, bytes_max)?,
        };
        let next_cursor = found.next.map(|after| Cursor { after, revision: at }.to_string());
        let names = roster.names()?;
        let mut images = Images::new(server, key.account, &names);
        let employees = found.employees.iter().map(|employee| {
            let is_image = images.of(employee.profile);
            startexam::shown(employee, &names, |number| is_image.contains(&number), at)
        });
        let employees = employees.collect();
        let mut answer = json(StatusCode::OK, &ShownPage { employees, next_cursor });
        note_revision(&mut answer, at);
        Ok(answer)
    })
    .await
}

/// The employee that a page comes after, and the revision that it shows, if it is not the last one: `412`, or `412@7`.
#[derive(Default)]
struct Cursor {
    after: u32,
    revision: Option<u64>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cursor { after, revision } = self;
        write!(f, "{after}")?;
        revision.map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

impl FromStr for Cursor {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Cursor, ParseIntError> {
        let (after, revision) = text.split_once('@').map_or((text, None), |(after, revision)| (after, Some(revision)));
        let revision = revision.map(str::parse::<u32>).transpose()?.map(u64::from);
        Ok(Cursor { after: after.parse()?, revision })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownPage<'a> {
    employees: Vec<startexam::Shown<'a>>,
    next_cursor: Option<String>,
}

struct Page {
    status: Option<Status>,
    at: Option<Moment>,
    paging: Paging<Cursor>,
}

impl Page {
    fn parse(query: &str, limit_max: usize) -> Result<Page, String> {
        let mut page = Page { status: None, at: None, paging: Paging::first(limit_max) };
        let mut is_first = true;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                _ if value.is_empty() => {}
                "status" => page.status = Some(Status::parse(&value).ok_or("status must be active or hidden")?),
                "at" => page.at = Some(Moment::parse(&value)?),
                other => {
                    let unknown = || Err("there are the parameters status, at, cursor and limit, and no others".into());
                    page.paging.set(other, &value).unwrap_or_else(unknown)?;
                    is_first &= other != "cursor";
                }
            }
        }
        if page.at.is_some() && !is_first && page.paging.after.revision.is_none() {
            return Err("the cursor is of a list without at; begin the list again to see it as it was".into());
        }
        Ok(page)
    }
}

/// `GET /v1/profiles`: the profiles of the account.
pub async fn profiles(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let profiles = call.server.profiles.of_account(key.account);
    let profiles: Vec<_> = profiles.iter().map(|profile| json!({ "id": profile.id, "name": profile.name })).collect();
    Ok(json(StatusCode::OK, &json!({ "profiles": profiles })))
}

/// `GET /v1/profiles/{id}`: the definition of a profile.
pub async fn profile(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = Uuid::parse_str(&call.part("id")?);
    let found = id.ok().and_then(|id| call.server.profiles.find(id));
    let found = found.filter(|found| found.profile.belongs_to(key.account)).ok_or_else(|| {
        let message = "the account has no profile with this id; GET /v1/profiles lists those it has";
        Refusal::new(StatusCode::NOT_FOUND, message)
    })?;
    let mut answer = json(StatusCode::OK, &found.profile.definition);
    answer.headers_mut().insert(ETAG, tag(found.number));
    Ok(answer)
}
