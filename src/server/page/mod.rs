//! The page: what people see in a browser. HTML is rendered here, from the same reads and decisions as `/v1/…`, and every screen has a URL.
//!
//! 1. `session` finds out who visits, and that a form was sent by the page itself; `sign_in` begins and ends sessions.
//! 2. `accounts`, `account`, `sync`, `plan` and `person` are screens: what they show, and what their buttons do.
//! 3. `changes` is the table of changes that `sync` and `plan` show, and `nights` the chart of the last thirty.
//! 4. `assets` are the files that a screen needs: nothing comes from elsewhere, and no script is inline.

mod account;
mod accounts;
mod assets;
mod changes;
mod facts;
mod form;
mod nights;
mod person;
mod plan;
pub mod session;
mod sign_in;
mod sync;

pub use account::{account, find};
pub use accounts::accounts;
pub use assets::asset;
pub use person::person;
pub use plan::{apply, discard, plan};
pub use sign_in::{accept, invitation, sign_in, sign_in_form, sign_out};
pub use sync::{download, sync, undo};

use super::respond::{Answer, Refusal, text};
use crate::store::User;
use hyper::header::{HeaderName, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use maud::{DOCTYPE, Markup, html};

/// What the headers of every screen say: what a browser may load, and that nobody may frame it or learn its URL.
const HEADERS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// A screen.
struct Screen<'a> {
    /// What it is called in the title and the heading.
    title: String,
    /// Who looks at it; `None` before they have signed in.
    user: Option<&'a User>,
    /// The screens above it: what each is called, and its URL.
    trail: Vec<(String, String)>,
    /// What is below the heading.
    content: Markup,
}

impl Screen<'_> {
    fn answer(self) -> Answer {
        self.answer_with(StatusCode::OK)
    }

    fn answer_with(self, status: StatusCode) -> Answer {
        let Screen { title, user, trail, content } = self;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · rollcall" }
                    link rel="icon" href=(assets::url("icon.svg"));
                    link rel="stylesheet" href=(assets::url("page.css"));
                }
                body {
                    a .skip href="#content" { "Skip to the content" }
                    header {
                        a .brand href="/" { "rollcall" }
                        @if let Some(user) = user {
                            form method="post" action="/sign-out" {
                                span .user { (user.name) " (" (user.role.name()) ")" }
                                button { "Sign out" }
                            }
                        }
                    }
                    @if !trail.is_empty() {
                        nav aria-label="Where you are" {
                            ol .trail { @for (name, url) in &trail { li { a href=(url) { (name) } } } }
                        }
                    }
                    main #content tabindex="-1" {
                        h1 { (title) }
                        (content)
                    }
                }
            }
        };
        let mut answer = text(status, "text/html; charset=utf-8", page.into_string());
        for (name, value) in HEADERS {
            answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        answer
    }
}

/// Answers somebody who has not signed in: by the form for that, which leads back to the screen that was asked for.
pub fn sign_in_first(head: &Parts) -> Result<Answer, Refusal> {
    if head.method == Method::POST {
        let message = "you are signed out, and nothing was done; sign in, and do it again";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
    }
    let next: String = form_urlencoded::byte_serialize(head.uri.path().as_bytes()).collect();
    Ok(see(&if next == "%2F" { "/sign-in".to_owned() } else { format!("/sign-in?next={next}") }))
}

/// Shows a refusal as a screen.
pub fn refused(refusal: &Refusal) -> Answer {
    let title = match refusal.status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => "Not allowed",
        StatusCode::CONFLICT => "Not done",
        status if status.is_server_error() => "The server failed",
        _ => "That did not work",
    };
    let content = html! {
        p role="alert" { (sentence(&refusal.message)) }
        p { a href="/" { "To the first page" } }
    };
    let screen = Screen { title: title.into(), user: None, trail: Vec::new(), content };
    let mut answer = screen.answer_with(refusal.status);
    answer.headers_mut().extend(refusal.headers.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
    answer
}

/// Returns a message of the API as a sentence.
fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    let end = if message.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// Sends the browser to another screen, which it asks for by GET.
fn see(url: &str) -> Answer {
    let mut answer = text(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", String::new());
    answer.headers_mut().insert(LOCATION, HeaderValue::from_str(url).expect("our own URLs are ASCII"));
    answer
}

/// Writes a number with a thin space between thousands.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut shown = digits[..first].to_owned();
    for group in digits.as_bytes()[first..].chunks(3) {
        if !shown.is_empty() {
            shown.push('\u{202f}');
        }
        shown.extend(group.iter().map(|digit| char::from(*digit)));
    }
    shown
}

/// Writes a time of the store, RFC 3339 in UTC, so that a person can read it.
fn time(stored: &str) -> Markup {
    let shown = stored.replace('T', " ");
    let shown = shown.trim_end_matches('Z');
    html! { time datetime=(stored) { (shown.split('.').next().unwrap_or(shown)) " UTC" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_spaces_between_thousands() {
        for (plain, shown) in [(0, "0"), (999, "999"), (1_000, "1 000"), (494_632, "494 632"), (1_000_000, "1 000 000")]
        {
            assert_eq!(number(plain).replace('\u{202f}', " "), shown);
        }
    }

    #[test]
    fn a_message_becomes_a_sentence() {
        assert_eq!(sentence("there is none; add one"), "There is none; add one.");
        assert_eq!(sentence(""), ".");
    }
}
