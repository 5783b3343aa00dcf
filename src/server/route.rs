//! Every route on one page.

use super::authenticate::authenticate;
use super::log::Event;
use super::respond::{Answer, REQUEST, Refusal};
use super::{Server, push, read};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use std::net::SocketAddr;
use std::sync::Arc;

enum Route<'a> {
    Health,
    Employees,
    Employee(&'a str),
    Profiles,
    Profile(&'a str),
}

impl Route<'_> {
    /// The route of a path: its fixed parts in any case, an id as it is.
    fn of(path: &str) -> Option<Route<'_>> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let is = |part: &str, name: &str| part.eq_ignore_ascii_case(name);
        match parts[..] {
            [health] if is(health, "health") => Some(Route::Health),
            [v1, employees] if is(v1, "v1") && is(employees, "employees") => Some(Route::Employees),
            [v1, employees, id] if is(v1, "v1") && is(employees, "employees") => Some(Route::Employee(id)),
            [v1, profiles] if is(v1, "v1") && is(profiles, "profiles") => Some(Route::Profiles),
            [v1, profiles, id] if is(v1, "v1") && is(profiles, "profiles") => Some(Route::Profile(id)),
            _ => None,
        }
    }

    fn pattern(&self) -> &'static str {
        match self {
            Route::Health => "/health",
            Route::Employees => "/v1/employees",
            Route::Employee(_) => "/v1/employees/{id}",
            Route::Profiles => "/v1/profiles",
            Route::Profile(_) => "/v1/profiles/{id}",
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
        let message = "there is nothing at this path; there are /v1/employees, /v1/profiles and /health";
        return Err(Refusal::new(StatusCode::NOT_FOUND, message));
    };
    let allowed = match route {
        Route::Employees => "GET, HEAD, POST",
        _ => "GET, HEAD",
    };
    let method = request.method().as_str();
    if !allowed.split(", ").any(|allowed| allowed == method) {
        return Err(Refusal::allow(allowed));
    }
    if let Route::Health = route {
        return read::health(server).await;
    }
    let posts = *request.method() == Method::POST;
    if posts {
        push::content_length(request.headers())?;
    }
    let (head, body) = request.into_parts();
    let key = authenticate(server, &head)?;
    event.account = Some(key.account);
    match route {
        Route::Employees if posts => push::push(server, key, Request::from_parts(head, body), event).await,
        Route::Employees => read::employees(server, key, head.uri.query().unwrap_or_default().to_owned()).await,
        Route::Employee(id) => read::employee(server, key, decoded(id)?).await,
        Route::Profiles => Ok(read::profiles(server, key.account)),
        Route::Profile(id) => read::profile(server, key.account, &decoded(id)?),
        Route::Health => read::health(server).await,
    }
}

fn decoded(part: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded
        .map(|id| id.into_owned())
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the id in the path must be percent-encoded UTF-8"))
}
