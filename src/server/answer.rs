//! Answer: one request from its head to its answer, which is logged.

use super::Server;
use super::authenticate::{content_length, permit};
use super::body::{Body, drain};
use super::call::Call;
use super::observe::log::{Arrival, Event};
use super::page;
use super::respond::{Answer, REQUEST, Refusal};
use super::route::{Found, Who};
use super::share::disk::look_up;
use super::share::pace::UnderWay;
use crate::dialect::Dialect;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONNECTION, HOST, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode, Version};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The longest answer that is sent even if unread answers take all they may, in bytes.
const SMALL_BYTES: usize = 16 << 10;

/// Answers a request, and logs it.
pub async fn answer(
    server: Arc<Server>,
    request: Request<Incoming>,
    peer: SocketAddr,
    mut under_way: UnderWay,
) -> Answer {
    let (head, incoming) = request.into_parts();
    let (version, dialect) = (head.version, Dialect::of_path(head.uri.path()));
    let found = Found::of(&head.method, head.uri.path());
    let arrival = Arrival {
        method: Arrival::known_method(&head.method),
        route: found.path(),
        push: found.push(),
        peer: peer_of(&server, &head.headers, peer),
        content_length: content_length(&head.headers).ok(),
    };
    let mut event = Event::new(server.clone(), arrival);
    let (body, unread) = Body::new(incoming, under_way.pace().clone());
    let result = match check_host(version, &head.headers) {
        Ok(()) => dispatch(&server, &found, head, body, &mut event).await,
        Err(refusal) => Err(refusal),
    };
    let (mut answer, mut refusal) = match result {
        Ok(answer) => (answer, None),
        Err(refusal) => {
            let refusal = refusal.in_form_of(dialect);
            let answer = if found.is_of_page() { page::refused(&refusal) } else { refusal.answer() };
            (answer, Some(refusal))
        }
    };
    if let Err(full) = reserve(&server, &event, &mut answer) {
        let full = full.in_form_of(dialect);
        answer = full.answer();
        refusal = Some(full);
    }
    event.answered(answer.status(), refusal.as_ref());
    let headers = answer.headers_mut();
    headers.insert(REQUEST, HeaderValue::from_str(&event.id.to_string()).expect("a UUID is ASCII"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
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

/// Checks who sends the request, and has its route's handler answer it.
async fn dispatch(
    server: &Arc<Server>,
    found: &Found,
    head: Parts,
    body: Body,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let route = found.route()?;
    let (path, role) = (route.path, route.role);
    match route.who {
        Who::Anybody(handler) | Who::OnPage(handler) | Who::KeyInBody(handler) => {
            handler(Call { server, route: path, role, head, body, event }).await
        }
        Who::SignedIn(handler) => {
            if head.method == Method::POST {
                page::session::check_origin(&head.headers)?;
            }
            let (visitor, head) = look_up(server, |server| Ok((page::session::visitor(server, &head)?, head))).await?;
            let Some(visitor) = visitor else {
                return page::sign_in_first(&head);
            };
            event.user = Some(visitor.user.id);
            visitor.permit(role)?;
            handler(Call { server, route: path, role, head, body, event }, visitor).await
        }
        Who::KeyInHead(key_of, handler) => {
            let dialect = Dialect::of_path(path);
            let (account, key, caller, head) = look_up(server, move |server| {
                let shown = key_of(server, &head)?;
                let (account, key) = (shown.admitted.key.account, shown.admitted.id);
                Ok((account, key, permit(server, dialect, shown, role), head))
            })
            .await?;
            (event.account, event.key) = (Some(account), Some(key));
            handler(Call { server, route: path, role, head, body, event }, caller?).await
        }
    }
}

/// Reserves the memory that an answer takes until its client has it.
fn reserve(server: &Server, event: &Event, answer: &mut Answer) -> Result<(), Refusal> {
    let held = answer.body().held_bytes();
    // A push that was applied is answered in any case, and a few bytes are nobody's trouble.
    let reserved = if event.receipt.is_some() || held <= SMALL_BYTES {
        server.answers.reserve_beyond(event.account, held)
    } else {
        server.answers.reserve(event.account, held).ok_or_else(|| {
            let message = "answers that nobody has read take all the memory they may (limit answers_bytes_max); \
                           read those, then ask again";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(5)
        })?
    };
    answer.body_mut().reserved = Some(reserved);
    Ok(())
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
