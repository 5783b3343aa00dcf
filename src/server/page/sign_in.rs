//! Signing in and out, and choosing a password.

use super::form::Form;
use super::session::{COOKIE_NAME, SESSION_TIME, Visitor, check_origin, token_of};
use super::{Screen, see};
use crate::password;
use crate::server::call::{Call, parameter};
use crate::server::respond::{Answer, Refusal};
use crate::server::share::disk::look_up;
use crate::store::User;
use crate::token;
use hyper::StatusCode;
use hyper::header::{HeaderValue, SET_COOKIE};
use jiff::Timestamp;
use maud::{Markup, html};

/// A hash that no password has. Who names no user waits as long as somebody who names one.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cm9sbGNhbGxyb2xsY2FsbA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// `GET /sign-in?next=`: the form.
pub async fn sign_in_form(call: Call<'_>) -> Result<Answer, Refusal> {
    let next = parameter(&call.head, "next").unwrap_or_default();
    Ok(form(&next, "", None).answer())
}

/// `POST /sign-in`: begins a session.
pub async fn sign_in(call: Call<'_>) -> Result<Answer, Refusal> {
    check_origin(&call.head.headers)?;
    let peer = call.event.peer();
    let Call { server, head, body, event, .. } = call;
    let sent = Form::receive(server, &head.headers, body, None).await?;
    let (name, next) = (sent.value("name").trim().to_owned(), sent.value("next").to_owned());
    let password = sent.value("password").to_owned();
    let attempt = server.attempts.begin(&name, peer).map_err(|seconds| {
        let message = format!("there were too many attempts to sign in; try again in {} minutes", seconds.div_ceil(60));
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(seconds)
    })?;
    let checked = {
        let name = name.clone();
        // Hashing takes memory and time on purpose, so only some are done at once.
        let _hashing = server.attempts.hashing().await;
        look_up(server, move |server| {
            let found = server.store.user(&name)?;
            let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
            let is_right = password::matches(&password, hash.as_deref().unwrap_or(NOBODY));
            Ok(user.filter(|_| is_right))
        })
        .await?
    };
    match checked {
        Some(user) => {
            attempt.succeeded();
            event.user = Some(user.id);
            begin(server, user, &next).await
        }
        None => {
            let message = "No user has this name and password. If you have forgotten it, ask the server's operator for another link.";
            Ok(form(&next, &name, Some(message)).answer_with(StatusCode::FORBIDDEN))
        }
    }
}

/// Begins a session, and sends the browser to where it was going.
async fn begin(server: &std::sync::Arc<crate::server::Server>, user: User, next: &str) -> Result<Answer, Refusal> {
    let token = token::random().map_err(Refusal::internal)?;
    let hash = token::hash(&token);
    look_up(server, move |server| {
        let now = Timestamp::now();
        server.store.begin_session(&hash, user.id, now, now + SESSION_TIME)?;
        Ok(server.store.note_deed(&user, user.account, "signed in", None)?)
    })
    .await?;
    let mut answer = see(if is_local(next) { next } else { "/" });
    let cookie =
        format!("{COOKIE_NAME}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}", SESSION_TIME.as_secs());
    answer.headers_mut().insert(SET_COOKIE, HeaderValue::from_str(&cookie).expect("a token is ASCII"));
    Ok(answer)
}

/// `POST /sign-out`: ends the session.
pub async fn sign_out(call: Call<'_>, _: Visitor) -> Result<Answer, Refusal> {
    if let Some(token) = token_of(&call.head.headers) {
        look_up(call.server, move |server| Ok(server.store.end_session(&token)?)).await?;
    }
    let mut answer = see("/sign-in");
    let cookie = format!("{COOKIE_NAME}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    answer.headers_mut().insert(SET_COOKIE, HeaderValue::from_str(&cookie).expect("it is ASCII"));
    Ok(answer)
}

/// `GET /join/{token}`: the form in which somebody who was invited chooses a password.
pub async fn invitation(call: Call<'_>) -> Result<Answer, Refusal> {
    let token = token::hash(&call.part("token")?);
    let user = look_up(call.server, move |server| Ok(server.store.invited(&token, Timestamp::now())?)).await?;
    Ok(choose(&user.ok_or_else(no_invitation)?, None).answer())
}

/// `POST /join/{token}`: sets the password, and signs in.
pub async fn accept(call: Call<'_>) -> Result<Answer, Refusal> {
    check_origin(&call.head.headers)?;
    let token = token::hash(&call.part("token")?);
    let Call { server, head, body, event, .. } = call;
    let sent = Form::receive(server, &head.headers, body, None).await?;
    let user = look_up(server, move |server| Ok(server.store.invited(&token, Timestamp::now())?)).await?;
    let user = user.ok_or_else(no_invitation)?;
    let chosen = sent.value("password").to_owned();
    let wrong = match password::wrong(&chosen, &user.name) {
        None if chosen != sent.value("again") => Some("The two passwords are not the same.".to_owned()),
        wrong => wrong,
    };
    if let Some(wrong) = wrong {
        return Ok(choose(&user, Some(&wrong)).answer_with(StatusCode::BAD_REQUEST));
    }
    let accepted = {
        let _hashing = server.attempts.hashing().await;
        look_up(server, move |server| {
            let hash = password::hash(&chosen).map_err(Refusal::internal)?;
            Ok(server.store.accept_invitation(&token, &hash, Timestamp::now())?)
        })
        .await?
    };
    let user = accepted.ok_or_else(no_invitation)?;
    event.user = Some(user.id);
    begin(server, user, "/").await
}

fn no_invitation() -> Refusal {
    let message = "this link was used already, or has ended; if you have no password yet, ask the server's operator for another link \
                   (rollcall user invite NAME)";
    Refusal::new(StatusCode::NOT_FOUND, message)
}

/// Whether a URL is a path of this server: a link that leads elsewhere after signing in would be good for fishing.
fn is_local(next: &str) -> bool {
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.starts_with("/\\");
    is_path && next.bytes().all(|byte| byte.is_ascii_graphic())
}

fn form(next: &str, name: &str, wrong: Option<&str>) -> Screen<'static> {
    let content = html! {
        (alert(wrong))
        form .narrow method="post" action="/sign-in" {
            input type="hidden" name="next" value=(next);
            label for="name" { "Name" }
            input #name name="name" value=(name) autocomplete="username" required autofocus;
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="current-password" required;
            button .main { "Sign in" }
        }
    };
    Screen { title: "Sign in".into(), user: None, trail: Vec::new(), content }
}

fn choose(user: &User, wrong: Option<&str>) -> Screen<'static> {
    let content = html! {
        (alert(wrong))
        p { "You sign in as " strong { (user.name) } ". Choose a password of " (password::CHARS_MIN) " characters or more; a few words will do." }
        form .narrow method="post" {
            input type="hidden" name="username" autocomplete="username" value=(user.name);
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="new-password" minlength=(password::CHARS_MIN) required autofocus;
            label for="again" { "The same again" }
            input #again name="again" type="password" autocomplete="new-password" required;
            button .main { "Set the password and sign in" }
        }
    };
    Screen { title: "Welcome to rollcall".into(), user: None, trail: Vec::new(), content }
}

fn alert(wrong: Option<&str>) -> Markup {
    html! { @if let Some(wrong) = wrong { p .wrong role="alert" { (wrong) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_are_local() {
        for (next, local) in [
            ("/", true),
            ("/accounts/99?cursor=7", true),
            ("", false),
            ("accounts", false),
            ("//example.com", false),
            ("/\\example.com", false),
            ("https://example.com", false),
            ("/a\r\nSet-Cookie: b", false),
        ] {
            assert_eq!(is_local(next), local, "{next}");
        }
    }

    #[test]
    fn nobody_has_a_hash_that_can_be_checked() {
        assert!(!password::matches("", NOBODY));
        assert!(NOBODY.starts_with("$argon2id$"), "checking it takes as long as checking a real one");
    }
}
