//! What the client knows about a refusal and the server does not: the secret that was used, two clocks, a proxy, a redirect.

use super::connection::proxy;
use super::{Answer, Target};
use crate::signature::DATE_SECONDS_MAX;
use ureq::http::Uri;
use ureq::http::uri::Authority;

/// How much of a `Location` a message repeats, in characters.
const LOCATION_CHARS_MAX: usize = 500;

/// Returns what to do about an answer that is not a success, or `None` if the client has nothing to add to it. `secret_variable` is the
/// environment variable that the secret came from.
pub fn advice(answer: &Answer, target: &Target, secret_variable: &str) -> Option<String> {
    match answer.status {
        300..400 => Some(redirect(answer, target)),
        403 => Some(forbidden(answer, target, secret_variable)),
        // This is how nginx and others refuse HTTP at a port for TLS.
        400 if target.url.starts_with("http:") && answer.text.contains("HTTPS") => {
            Some("the port speaks TLS: write https:// instead of http://".into())
        }
        _ if is_from_rollcall(answer) => None,
        _ => Some(match proxy(&target.url) {
            Some(proxy) => format!("this is not rollcall's answer; the push passed through {proxy}"),
            None => "this is not rollcall's answer but another program's; check the URL".into(),
        }),
    }
}

/// Returns whether the advice makes the answer's own words superfluous. The page of a redirect says less than its target, and what the
/// server says about a signature is meant for people who write a client.
pub fn is_replaced(answer: &Answer) -> bool {
    (300..400).contains(&answer.status) || is_wrong_signature(answer)
}

fn is_wrong_signature(answer: &Answer) -> bool {
    answer.status == 403 && answer.text.contains("'Authorization' is incorrect: no such account has this signature")
}

/// Returns whether an answer has a request's id, or the form of rollcall's refusals.
fn is_from_rollcall(answer: &Answer) -> bool {
    answer.request.is_some() || answer.refusal().is_some()
}

fn redirect(answer: &Answer, target: &Target) -> String {
    let Some(location) = &answer.location else {
        return "the server redirects the push, but does not say where to; check the URL".into();
    };
    let location: String = location.chars().take(LOCATION_CHARS_MAX).collect();
    let moved = match location.starts_with('/').then(|| target.url.parse::<Uri>()) {
        Some(Ok(uri)) => {
            let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority());
            format!("{scheme}://{}{location}", authority.map(Authority::as_str).unwrap_or_default())
        }
        _ => location,
    };
    let base = moved.trim_end_matches('/');
    let base =
        ["/v1/employees", "/v1/profiles"].iter().find_map(|path| Some(base.rsplit_once(path)?.0)).unwrap_or(base);
    format!("the server redirects to {moved}; nothing was stored; a push does not follow, change the URL to {base}")
}

fn forbidden(answer: &Answer, target: &Target, secret_variable: &str) -> String {
    let Target { account, .. } = target;
    if is_wrong_signature(answer) {
        let server = answer.date.map(|date| format!(", the server's {date:.0}")).unwrap_or_default();
        return format!(
            "the secret in {secret_variable} is not one of account {account}'s, or there is no such account; \
             the clock of this machine says {:.0}{server}",
            answer.received
        );
    }
    let signed = format!("the push was signed for account {account} with the secret in {secret_variable}");
    let Some(server) = answer.date else {
        return signed;
    };
    let ahead = answer.received.as_second() - server.as_second();
    if ahead.abs() <= DATE_SECONDS_MAX && !answer.text.contains("'Date'") {
        return signed;
    }
    let direction = if ahead < 0 { "behind" } else { "ahead of" };
    let minutes = ahead.abs() / 60;
    format!(
        "the clock of this machine says {:.0}, the server's {server:.0}: it is {minutes} minutes {direction} the server's; \
         set the one that is wrong",
        answer.received
    )
}
