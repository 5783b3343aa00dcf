//! Every route on one page.

use super::authenticate::authenticate;
use super::collaborator::Kind;
use super::log::Event;
use super::respond::{Answer, REQUEST, Refusal};
use super::{Server, collaborator, echospan, export, push, read, springest};
use crate::export::Form;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use std::net::SocketAddr;
use std::sync::Arc;

enum Route<'a> {
    Health,
    Signed(Signed<'a>),
    Springest,
    Collaborator(Kind),
    EchoSpan,
}

/// A route whose requests are signed by SharedKey.
enum Signed<'a> {
    Employees,
    Employee(&'a str),
    Export(Form),
    Profiles,
    Profile(&'a str),
}

impl Route<'_> {
    /// The route of a path: its fixed parts in any case, an id as it is.
    fn of(path: &str) -> Option<Route<'_>> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let is = |fixed: &[&str]| fixed.iter().zip(&parts).all(|(fixed, part)| part.eq_ignore_ascii_case(fixed));
        match parts[..] {
            [_] if is(&["health"]) => Some(Route::Health),
            [_, _] if is(&["v1", "employees"]) => Some(Route::Signed(Signed::Employees)),
            [_, file] if is(&["v1"]) && file.to_ascii_lowercase().starts_with("employees.") => Form::of(file)
                .filter(|form| file.len() == "employees.".len() + form.ending().len())
                .map(|form| Route::Signed(Signed::Export(form))),
            [_, _, id] if is(&["v1", "employees"]) => Some(Route::Signed(Signed::Employee(id))),
            [_, _] if is(&["v1", "profiles"]) => Some(Route::Signed(Signed::Profiles)),
            [_, _, id] if is(&["v1", "profiles"]) => Some(Route::Signed(Signed::Profile(id))),
            [_] if is(&["users.json"]) => Some(Route::Springest),
            [_, _, _, _] if is(&["api", "v2", "users-import", "single"]) => Some(Route::Collaborator(Kind::Single)),
            [_, _, _, _] if is(&["api", "v2", "users-import", "batch"]) => Some(Route::Collaborator(Kind::Batch)),
            [_, _, _, _] if is(&["api", "v2", "users-import", "csv"]) => Some(Route::Collaborator(Kind::Csv)),
            [_, _, _] if is(&["echotools7", "api", "api_import_emps.asp"]) => Some(Route::EchoSpan),
            _ => None,
        }
    }

    fn pattern(&self) -> &'static str {
        match self {
            Route::Health => "/health",
            Route::Signed(Signed::Employees) => "/v1/employees",
            Route::Signed(Signed::Employee(_)) => "/v1/employees/{id}",
            Route::Signed(Signed::Export(Form::Csv)) => "/v1/employees.csv",
            Route::Signed(Signed::Export(Form::Xlsx)) => "/v1/employees.xlsx",
            Route::Signed(Signed::Export(Form::Ndjson)) => "/v1/employees.ndjson",
            Route::Signed(Signed::Profiles) => "/v1/profiles",
            Route::Signed(Signed::Profile(_)) => "/v1/profiles/{id}",
            Route::Springest => "/users.json",
            Route::Collaborator(Kind::Single) => "/api/v2/users-import/single",
            Route::Collaborator(Kind::Batch) => "/api/v2/users-import/batch",
            Route::Collaborator(Kind::Csv) => "/api/v2/users-import/csv",
            Route::EchoSpan => "/echotools7/api/api_import_emps.asp",
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Route::Signed(Signed::Employees) | Route::Springest => "GET, HEAD, POST",
            Route::Collaborator(_) | Route::EchoSpan => "POST",
            _ => "GET, HEAD",
        }
    }
}

/// Answers a request, and logs it.
pub async fn answer(server: Arc<Server>, request: Request<Incoming>, peer: SocketAddr) -> Answer {
    let path = request.uri().path().to_owned();
    let route = Route::of(&path);
    let pattern = route.as_ref().map_or("none", Route::pattern);
    let content_length = push::content_length(request.headers()).ok();
    let mut event = Event::new(request.method().as_str(), pattern, peer, content_length);
    let result = dispatch(&server, route, request, &mut event).await;
    let (mut answer, refusal) = match result {
        Ok(answer) => (answer, None),
        Err(refusal) => (refusal.answer(), Some(refusal)),
    };
    event.answered(answer.status(), refusal.as_ref());
    let id = HeaderValue::from_str(&event.id.to_string()).expect("a UUID is ASCII");
    answer.headers_mut().insert(REQUEST, id);
    answer
}

async fn dispatch(
    server: &Arc<Server>,
    route: Option<Route<'_>>,
    request: Request<Incoming>,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let Some(route) = route else {
        let message = "there is nothing at this path; there are /v1/employees (also .csv, .xlsx and .ndjson), /v1/profiles, /health, /users.json, \
                       /api/v2/users-import/{single,batch,csv} and /echotools7/api/api_import_emps.asp";
        return Err(Refusal::new(StatusCode::NOT_FOUND, message));
    };
    let allowed = route.methods();
    let method = request.method().as_str();
    if !allowed.split(", ").any(|allowed| allowed == method) {
        return Err(Refusal::allow(allowed));
    }
    match route {
        Route::Health => read::health(server).await,
        Route::Signed(route) => signed(server, route, request, event).await,
        Route::Springest => springest::users(server, request, event).await,
        Route::Collaborator(kind) => collaborator::import(server, kind, request, event).await,
        Route::EchoSpan => echospan::command(server, request, event).await,
    }
}

async fn signed(
    server: &Arc<Server>,
    route: Signed<'_>,
    request: Request<Incoming>,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let posts = *request.method() == Method::POST;
    if posts {
        push::content_length(request.headers())?;
    }
    let (head, body) = request.into_parts();
    let key = authenticate(server, &head)?;
    event.account = Some(key.account);
    match route {
        Signed::Employees if posts => push::push(server, key, Request::from_parts(head, body), event).await,
        Signed::Employees => read::employees(server, key, head.uri.query().unwrap_or_default().to_owned()).await,
        Signed::Employee(id) => read::employee(server, key, decoded(id)?).await,
        Signed::Export(form) => export::export(server, key, form, head.uri.query().unwrap_or_default()).await,
        Signed::Profiles => Ok(read::profiles(server, key.account)),
        Signed::Profile(id) => read::profile(server, key.account, &decoded(id)?),
    }
}

fn decoded(part: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded
        .map(|id| id.into_owned())
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the id in the path must be percent-encoded UTF-8"))
}
