//! Every route on one page.

use crate::dialect::{self, Dialect};
use crate::export::Form;
use crate::server::Server;
use crate::server::authenticate::authenticate;
use crate::server::body::{Body, drain};
use crate::server::handler::collaborator;
use crate::server::handler::collaborator::Kind;
use crate::server::handler::echospan;
use crate::server::handler::export;
use crate::server::handler::photo;
use crate::server::handler::read;
use crate::server::handler::ready;
use crate::server::handler::springest;
use crate::server::handler::startexam as push;
use crate::server::observe::log::Event;
use crate::server::respond::{Answer, JSON, REQUEST, Refusal, TEXT};
use crate::server::share::pace::UnderWay;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONNECTION, HOST, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode, Version};
use percent_encoding::percent_decode_str;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The longest answer that is sent even if unread answers take all they may, in bytes.
const SMALL_BYTES: usize = 16 << 10;

enum Route<'a> {
    Health,
    Ready,
    Signed(Signed<'a>),
    Springest,
    /// An import; the kind is in the path, or in the query.
    Collaborator(Option<Kind>),
    CollaboratorPhoto,
    CollaboratorLogIn,
    EchoSpan,
}

/// A route whose requests are signed by SharedKey.
enum Signed<'a> {
    Employees,
    Employee(&'a str),
    /// An image: the employee's id and the field.
    Image(&'a str, &'a str),
    Export(Form),
    Profiles,
    Profile(&'a str),
}

impl Route<'_> {
    /// The route of a path: its fixed parts in any case, an id as it is.
    fn of(path: &str) -> Option<Route<'_>> {
        let path = path.strip_prefix('/')?;
        // An id may end in a slash, which is percent-encoded then.
        let parts: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        let is = |fixed: &[&str]| fixed.iter().zip(&parts).all(|(fixed, part)| part.eq_ignore_ascii_case(fixed));
        match parts[..] {
            [_] if is(&["health"]) => Some(Route::Health),
            [_, _] if is(&["health", "ready"]) => Some(Route::Ready),
            [_, _] if is(&["v1", "employees"]) => Some(Route::Signed(Signed::Employees)),
            [_, file] if is(&["v1"]) && file.to_ascii_lowercase().starts_with("employees.") => Form::of(file)
                .filter(|form| file.len() == "employees.".len() + form.ending().len())
                .map(|form| Route::Signed(Signed::Export(form))),
            [_, _, id] if is(&["v1", "employees"]) => Some(Route::Signed(Signed::Employee(id))),
            [_, _, id, _, field] if is(&["v1", "employees", id, "image"]) => {
                Some(Route::Signed(Signed::Image(id, field)))
            }
            [_, _] if is(&["v1", "profiles"]) => Some(Route::Signed(Signed::Profiles)),
            [_, _, id] if is(&["v1", "profiles"]) => Some(Route::Signed(Signed::Profile(id))),
            [_] if is(&["users.json"]) => Some(Route::Springest),
            [_, _, _, _] if is(&["api", "v2", "users-import", "single"]) => {
                Some(Route::Collaborator(Some(Kind::Single)))
            }
            [_, _, _, _] if is(&["api", "v2", "users-import", "batch"]) => Some(Route::Collaborator(Some(Kind::Batch))),
            [_, _, _, _] if is(&["api", "v2", "users-import", "csv"]) => Some(Route::Collaborator(Some(Kind::Csv))),
            [_, _, _, _] if is(&["api", "v2", "users-import", "update-photo"]) => Some(Route::CollaboratorPhoto),
            [_, _, _] if is(&["api", "rest.php", "imports-user"]) => Some(Route::Collaborator(None)),
            [_, _, _, _] if is(&["api", "rest.php", "auth", "session"]) => Some(Route::CollaboratorLogIn),
            [_, _, _] if is(&["echotools7", "api", "api_import_emps.asp"]) => Some(Route::EchoSpan),
            _ => None,
        }
    }

    fn pattern(&self) -> &'static str {
        match self {
            Route::Health => "/health",
            Route::Ready => "/health/ready",
            Route::Signed(Signed::Employees) => "/v1/employees",
            Route::Signed(Signed::Employee(_)) => "/v1/employees/{id}",
            Route::Signed(Signed::Image(..)) => "/v1/employees/{id}/image/{field}",
            Route::Signed(Signed::Export(Form::Csv)) => "/v1/employees.csv",
            Route::Signed(Signed::Export(Form::Xlsx)) => "/v1/employees.xlsx",
            Route::Signed(Signed::Export(Form::Ndjson)) => "/v1/employees.ndjson",
            Route::Signed(Signed::Profiles) => "/v1/profiles",
            Route::Signed(Signed::Profile(_)) => "/v1/profiles/{id}",
            Route::Springest => "/users.json",
            Route::Collaborator(Some(Kind::Single)) => "/api/v2/users-import/single",
            Route::Collaborator(Some(Kind::Batch)) => "/api/v2/users-import/batch",
            Route::Collaborator(Some(Kind::Csv)) => "/api/v2/users-import/csv",
            Route::Collaborator(None) => "/api/rest.php/imports-user",
            Route::CollaboratorPhoto => "/api/v2/users-import/update-photo",
            Route::CollaboratorLogIn => "/api/rest.php/auth/session",
            Route::EchoSpan => "/echotools7/api/api_import_emps.asp",
        }
    }

    /// In whose words a request of this method is a push; `None` if it is none.
    fn push(&self, method: &Method) -> Option<Dialect> {
        match self {
            _ if *method != Method::POST => None,
            Route::Signed(Signed::Employees) => Some(Dialect::StartExam),
            Route::Springest => Some(Dialect::Springest),
            Route::Collaborator(_) | Route::CollaboratorPhoto => Some(Dialect::Collaborator),
            Route::EchoSpan => Some(Dialect::EchoSpan),
            _ => None,
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Route::Signed(Signed::Employees) | Route::Springest => "GET, HEAD, POST",
            Route::Collaborator(_) | Route::CollaboratorPhoto | Route::CollaboratorLogIn | Route::EchoSpan => "POST",
            _ => "GET, HEAD",
        }
    }
}

/// Answers a request, and logs it.
pub async fn answer(
    server: Arc<Server>,
    request: Request<Incoming>,
    peer: SocketAddr,
    mut under_way: UnderWay,
) -> Answer {
    let (head, incoming) = request.into_parts();
    let path = head.uri.path().to_owned();
    let route = Route::of(&path);
    let pattern = route.as_ref().map_or("none", Route::pattern);
    let peer = peer_of(&server, &head.headers, peer);
    let push = route.as_ref().and_then(|route| route.push(&head.method));
    let content_length = push::content_length(&head.headers).ok();
    let mut event = Event::new(server.clone(), (head.method.as_str(), pattern), push, peer, content_length);
    let (body, unread) = Body::new(incoming, under_way.pace().clone());
    let version = head.version;
    let result = match check_host(version, &head.headers) {
        Ok(()) => dispatch(&server, route, Request::from_parts(head, body), &mut event).await,
        Err(refusal) => Err(refusal),
    };
    let (mut answer, mut refusal) = match result {
        Ok(answer) => (answer, None),
        Err(refusal) => {
            let refusal = in_form_of(&path, refusal);
            (refusal.answer(), Some(refusal))
        }
    };
    let held = answer.body().held_bytes();
    // What was done is said in any case, and a few bytes are nobody's trouble.
    let reserved = match event.receipt.is_some() || held <= SMALL_BYTES {
        true => Some(server.answers.reserve_beyond(event.account, held)),
        false => server.answers.reserve(event.account, held),
    };
    match reserved {
        Some(reserved) => answer.body_mut().reserved = Some(reserved),
        None => {
            let message = "answers that nobody has read take all the memory they may (limit answers_bytes_max); \
                           read those, then ask again";
            let full = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(5);
            let full = in_form_of(&path, full);
            answer = full.answer();
            refusal = Some(full);
        }
    }
    event.answered(answer.status(), refusal.as_ref());
    let headers = answer.headers_mut();
    headers.insert(REQUEST, HeaderValue::from_str(&event.id.to_string()).expect("a UUID is ASCII"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match unread.take() {
        None => {}
        Some(body) if version == Version::HTTP_2 => {
            drain(body, Duration::from_secs(server.limits.drain_seconds_max), under_way.pace()).await;
        }
        // Nobody knows where the next request would begin, so there must be none.
        Some(_) => drop(headers.insert(CONNECTION, HeaderValue::from_static("close"))),
    }
    under_way.answered();
    answer.body_mut().under_way = Some(under_way);
    answer
}

/// Checks that a request names one host (RFC 9112, 3.2); HTTP/1.0 need not.
fn check_host(version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let what = match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => "missing",
        (Some(_), Some(_)) => "there more than once",
        (Some(host), None) if host.as_bytes().contains(&b'@') || Authority::try_from(host.as_bytes()).is_err() => {
            "not a host name, with or without a port"
        }
        _ => return Ok(()),
    };
    Err(Refusal::new(
        StatusCode::BAD_REQUEST,
        format!("HTTP header 'Host' is {what}; send one, like 'Host: example.com'"),
    ))
}

/// Returns who sent a request: the other end of the connection, or, if that is a trusted proxy, the last address in
/// `X-Forwarded-For` that is not a trusted proxy itself.
fn peer_of(server: &Server, headers: &HeaderMap, peer: SocketAddr) -> IpAddr {
    let trusted = |address: &IpAddr| server.trusted_proxies.iter().any(|network| network.contains(address));
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let mut addresses: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut peer = peer.ip().to_canonical();
    while trusted(&peer)
        && let Some(Ok(address)) = addresses.pop().map(str::parse)
    {
        peer = address;
    }
    peer
}

/// The refusal in the form of the dialect whose path it is, if it has not got it yet.
fn in_form_of(path: &str, refusal: Refusal) -> Refusal {
    let begins = |prefix: &str| path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if begins("/api/v2/") || begins("/api/rest.php/") {
        refusal.in_form_by(JSON, dialect::collaborator::refused)
    } else if begins("/users.json") {
        refusal.in_form_by(JSON, dialect::springest::refused)
    } else if begins("/echotools7/") {
        refusal.in_form_by(TEXT, |_| String::new())
    } else {
        refusal
    }
}

async fn dispatch(
    server: &Arc<Server>,
    route: Option<Route<'_>>,
    request: Request<Body>,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let Some(route) = route else {
        let message = "there is nothing at this path; there are /v1/employees (also .csv, .xlsx and .ndjson), /v1/profiles, /health, /health/ready, /users.json, \
                       /api/v2/users-import/{single,batch,csv,update-photo} and /echotools7/api/api_import_emps.asp";
        return Err(Refusal::new(StatusCode::NOT_FOUND, message));
    };
    let allowed = route.methods();
    let method = request.method().as_str();
    if !allowed.split(", ").any(|allowed| allowed == method) {
        return Err(Refusal::allow(allowed));
    }
    match route {
        Route::Health => read::health(server).await,
        Route::Ready => ready::ready(server).await,
        Route::Signed(route) => signed(server, route, request, event).await,
        Route::Springest => springest::users(server, request, event).await,
        Route::Collaborator(kind) => collaborator::import(server, kind, request, event).await,
        Route::CollaboratorPhoto => photo::update(server, request, event).await,
        Route::CollaboratorLogIn => Err(collaborator::log_in()),
        Route::EchoSpan => echospan::command(server, request, event).await,
    }
}

async fn signed(
    server: &Arc<Server>,
    route: Signed<'_>,
    request: Request<Body>,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let posts = *request.method() == Method::POST;
    if posts {
        push::content_length(request.headers())?;
    }
    let (head, body) = request.into_parts();
    let (key, head) = read::looked_up(server, move |server| Ok((authenticate(server, &head)?, head))).await?;
    event.account = Some(key.account);
    match route {
        Signed::Employees if posts => push::push(server, key, Request::from_parts(head, body), event).await,
        Signed::Employees => read::employees(server, key, head.uri.query().unwrap_or_default().to_owned()).await,
        Signed::Employee(id) => read::employee(server, key, decoded(id)?).await,
        Signed::Image(id, field) => read::image(server, key, decoded(id)?, decoded(field)?).await,
        Signed::Export(form) => {
            let pace = body.connection_pace();
            export::export(server, key, form, head.uri.query().unwrap_or_default(), pace).await
        }
        Signed::Profiles => Ok(read::profiles(server, key.account)),
        Signed::Profile(id) => read::profile(server, key.account, &decoded(id)?),
    }
}

fn decoded(part: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded
        .map(|id| id.into_owned())
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the path must be percent-encoded UTF-8"))
}
