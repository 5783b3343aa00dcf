//! `GET /v1/changes`: the feed that other systems follow.

use crate::dialect::startexam::{KINDS, shown_change};
use crate::limits::Limits;
use crate::role::Role;
use crate::roster::Names;
use crate::server::Server;
use crate::server::authenticate::Caller;
use crate::server::call::Call;
use crate::server::respond::{Answer, Refusal, json};
use crate::server::share::disk::look_up;
use crate::server::share::followers::Woken;
use crate::server::share::gate::Shut;
use crate::store::{FeedChange, FeedPage, FeedStart, FeedSync, Key};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// `GET /v1/changes?after=&wait=&limit=`: the changes that come after a cursor. If there are none, it waits for some.
pub async fn follow(call: Call<'_>, caller: Caller) -> Result<Answer, Refusal> {
    let server = call.server;
    let asked = Asked::parse(call.query(), &server.limits)
        .map_err(|message: String| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    let (key, is_thin) = (caller.key, !caller.roles.has(Role::Read));
    let until = Instant::now() + asked.wait;
    let _place = if asked.wait.is_zero() {
        None
    } else {
        Some(server.followers.enter(key.account).await.map_err(|shut| too_many(shut, &server.limits))?)
    };
    let mut watch = server.followers.watch(key.account);
    let (mut from, mut woken) = (asked.from, Woken::Changed);
    loop {
        let (page, answer) = read(server, &key, from, asked.limit, is_thin).await?;
        if !page.is_empty || woken != Woken::Changed || Instant::now() >= until {
            return Ok(answer);
        }
        from = page.from;
        woken = watch.changed(until).await;
        if woken == Woken::Stopping {
            return Ok(answer);
        }
        // Another program may have changed the roster a moment ago, so the last look comes at the end of the time.
    }
}

/// What is asked for.
struct Asked {
    from: FeedStart,
    wait: Duration,
    limit: usize,
}

impl Asked {
    fn parse(query: &str, limits: &Limits) -> Result<Asked, String> {
        let Limits { page_employees_max, follow_seconds_max, .. } = *limits;
        let mut asked = Asked { from: FeedStart::Beginning, wait: Duration::ZERO, limit: page_employees_max.min(100) };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                (_, "") => {}
                ("after", "now") => asked.from = FeedStart::End,
                ("after", cursor) => {
                    let wrong =
                        "after must be the cursor of an answer or of an export's header Rollcall-Cursor, or now";
                    asked.from = FeedStart::After(cursor.parse().map_err(|()| wrong)?);
                }
                ("wait", seconds) => {
                    let seconds = seconds.parse().ok().filter(|seconds| *seconds <= follow_seconds_max);
                    let wrong = || {
                        format!(
                            "wait must be a number of seconds from 0 to {follow_seconds_max} (limit follow_seconds_max)"
                        )
                    };
                    asked.wait = Duration::from_secs(seconds.ok_or_else(wrong)?);
                }
                ("limit", limit) => {
                    let limit = limit.parse().ok().filter(|limit| (1..=page_employees_max).contains(limit));
                    asked.limit =
                        limit.ok_or_else(|| format!("limit must be a number from 1 to {page_employees_max}"))?;
                }
                _ => return Err("there are the parameters after, wait and limit, and no others".into()),
            }
        }
        Ok(asked)
    }
}

/// What a page has come to.
struct Read {
    /// Whether there is nothing on it, nor behind it yet.
    is_empty: bool,
    /// The place behind it.
    from: FeedStart,
}

/// Reads a page, and makes the answer of it.
async fn read(
    server: &Arc<Server>,
    key: &Key,
    from: FeedStart,
    limit: usize,
    is_thin: bool,
) -> Result<(Read, Answer), Refusal> {
    let turn = server.followers.read(key.account).await.map_err(too_many_read)?;
    let key = key.clone();
    look_up(server, move |server| {
        let reader = server.store.history_reader(&key)?;
        let page = reader.feed(from, limit, server.limits.page_bytes_max)?;
        let names = if is_thin || page.changes.is_empty() { Names::default() } else { reader.names()? };
        drop((reader, turn));
        let FeedPage { changes, cursor, has_more } = &page;
        let shown = changes.iter().map(|change| if is_thin { thin(change) } else { shown(change, &names) });
        let body = json!({ "changes": Value::from_iter(shown), "cursor": cursor.to_string(), "more": has_more });
        let read = Read { is_empty: changes.is_empty() && !has_more, from: FeedStart::After(*cursor) };
        Ok((read, json(StatusCode::OK, &body)))
    })
    .await
}

/// Shows a change with the sync that made it.
fn shown(FeedChange { sync, recorded }: &FeedChange, names: &Names) -> Value {
    let mut shown = shown_change(&recorded.change.lend(), recorded.hidden_by, names);
    shown["sync"] = shown_sync(sync);
    shown
}

/// Shows a change without any value: who, and what it does.
fn thin(FeedChange { sync, recorded }: &FeedChange) -> Value {
    let kinds = recorded.change.lend().kinds();
    let change = recorded.change.lend().seen();
    let names = KINDS.iter().filter(|(_, is)| is(kinds)).map(|(name, _)| *name);
    let id = change.after.or(change.before).map(|version| version.id);
    let mut shown = json!({ "id": id, "kinds": Value::from_iter(names), "sync": shown_sync(sync) });
    if let (true, Some(before)) = (change.is_renaming(), change.before) {
        shown["idChange"] = json!({ "before": before.id, "after": id });
    }
    shown
}

fn shown_sync(FeedSync { revision, finished_at, kind }: &FeedSync) -> Value {
    json!({ "revision": revision, "time": finished_at, "kind": kind })
}

fn too_many(shut: Shut, limits: &Limits) -> Refusal {
    let whose = match shut {
        Shut::Account => "of this account ",
        Shut::All => "",
    };
    let message = format!(
        "as many requests {whose}wait for changes as may (limit followers_max, which is {}, half of it for one account); ask again later, \
         or without wait",
        limits.followers_max
    );
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(5)
}

fn too_many_read(shut: Shut) -> Refusal {
    let limit = match shut {
        Shut::Account => "account_reads_max",
        Shut::All => "reads_max",
    };
    let message = format!("as many followers read at a time as may (limit {limit}); ask again in a moment");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(5)
}
