//! History: what syncs did, why other pushes were refused or held, and the lives of employees.

pub mod shown;

use super::changes::Page;
use super::paging::Paging;
use crate::dialect::Dialect;
use crate::server::call::Call;
use crate::server::respond::{Answer, Refusal, json};
use crate::server::share::disk;
use crate::store::{Applied, Key, MomentError, OutcomeFilter, Past, RESTORE, Reader, SyncFilter, SyncPlace};
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::str::FromStr;

/// How many changes of a sync are read at a time.
const PART: usize = 256;

/// How many employees may be found by an id that all of them had at some time.
const SAME_ID_MAX: usize = 1_000;

/// `GET /v1/syncs?from=&to=&dialect=&outcome=&changes=&cursor=&limit=`: the pushes of the past, the latest first.
pub async fn syncs(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let page = SyncsPage::parse(call.query(), call.server.limits.page_employees_max)
        .map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    disk::read(call.server, key.account, move |server| {
        let reader = server.store.history_reader(&key)?;
        let found = reader.syncs(&page.filter, page.paging.after.0, page.paging.limit)?;
        let next = found.next.map(|next| Cursor(next).to_string());
        let syncs = Value::from_iter(found.syncs.iter().map(shown::sync));
        Ok(json(StatusCode::OK, &json!({ "syncs": syncs, "nextCursor": next })))
    })
    .await
}

/// `GET /v1/syncs/{revision}`: what a sync did, in figures.
pub async fn sync(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let revision = call.part("revision")?;
    disk::read(call.server, key.account, move |server| {
        let (past, _) = found(&server.store.history_reader(&key)?, &revision)?;
        Ok(json(StatusCode::OK, &shown::sync(&past)))
    })
    .await
}

/// Returns the sync that made a revision, twice: as it is listed, and what it did.
pub fn found(reader: &Reader, revision: &str) -> Result<(Past, Applied), Refusal> {
    let revision: u32 = revision
        .parse()
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the revision in the path must be a number, like 412"))?;
    let past = reader.sync(revision.into())?;
    past.and_then(|past| past.applied().cloned().map(|applied| (past, applied))).ok_or_else(|| {
        let message = "no sync of the account made this revision, or its record is not kept any more; GET /v1/syncs lists those that there are";
        Refusal::new(StatusCode::NOT_FOUND, message)
    })
}

/// Does the same for its changes: 410 if the history begins later.
pub fn found_with_changes(reader: &Reader, revision: &str) -> Result<(Past, Applied), Refusal> {
    let (past, applied) = found(reader, revision)?;
    let (first, time) = reader.history_start()?;
    if first > 0 && applied.revision <= first {
        return Err(MomentError::NotKept { first, time }.into());
    }
    Ok((past, applied))
}

/// `GET /v1/syncs/{revision}/changes?kind=&field=&id=&cursor=&limit=`: what a sync changed, in pages.
pub async fn changes(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let revision = call.part("revision")?;
    let page = Page::parse(call.query(), call.server.limits.page_employees_max)?;
    disk::read(call.server, key.account, move |server| {
        let reader = server.store.history_reader(&key)?;
        let (_, applied) = found_with_changes(&reader, &revision)?;
        let numbers = page.id.as_ref().map(|id| reader.numbers(id, SAME_ID_MAX)).transpose()?;
        page.read(server, &reader.names()?, |after| match &numbers {
            None => Ok(reader.changes(&applied, after, PART)?),
            // Only these employees can have the id, so nobody else is read.
            Some(numbers) => {
                let mut found = Vec::new();
                for number in numbers.iter().filter(|number| **number > after) {
                    let change = reader.changes(&applied, number - 1, 1)?;
                    found.extend(change.into_iter().filter(|recorded| recorded.change.number == *number));
                }
                Ok(found)
            }
        })
    })
    .await
}

/// `GET /v1/employees/{id}/history?cursor=&limit=`: the life of an employee, the latest event first.
pub async fn life(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = call.part("id")?;
    let mut paging: Paging<Revision> = Paging::first(call.server.limits.page_employees_max);
    for (name, value) in form_urlencoded::parse(call.query().as_bytes()).filter(|(_, value)| !value.is_empty()) {
        let unknown = || Err("there are the parameters cursor and limit, and no others".into());
        let set = paging.set(&name, &value).unwrap_or_else(unknown);
        set.map_err(|message: String| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    }
    disk::read(call.server, key.account, move |server| {
        let reader = server.store.history_reader(&key)?;
        let person = reader.person(id.trim())?.ok_or_else(|| {
            let message =
                "the account has no employee who has or had this id; ids are compared as they are, case and all";
            Refusal::new(StatusCode::NOT_FOUND, message)
        })?;
        let page = reader.life(person.number, paging.after.0, paging.limit, server.limits.page_bytes_max)?;
        let names = reader.names()?;
        let mut shown = shown::person(&person);
        let (first, time) = reader.history_start()?;
        shown["historyStart"] = if first == 0 { Value::Null } else { json!({ "revision": first, "time": time }) };
        shown["history"] = page.events.iter().map(|event| shown::event(event, &names)).collect();
        shown["nextCursor"] = json!(page.next.map(|next| next.to_string()));
        Ok(json(StatusCode::OK, &shown))
    })
    .await
}

/// The revision with which a page of a life begins; the last one for the first page.
#[derive(Default)]
struct Revision(Option<u64>);

impl FromStr for Revision {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Revision, Self::Err> {
        let revision: u32 = text.parse()?;
        Ok(Revision(Some(revision.into())))
    }
}

/// A place in the list of pushes, as it is written in a cursor: `412-87`.
#[derive(Default)]
struct Cursor(SyncPlace);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0.revision, self.0.refusal)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Cursor, ()> {
        let (revision, refusal) = text.split_once('-').ok_or(())?;
        let number = |text: &str| text.parse::<u32>().map(u64::from).map_err(|_| ());
        Ok(Cursor(SyncPlace { revision: number(revision)?, refusal: number(refusal)? }))
    }
}

/// Reads the dialect that pushes are filtered by, which may be that of a restore.
fn dialect(name: &str) -> Result<String, String> {
    let names: Vec<&str> = Dialect::ALL.into_iter().map(Dialect::name).chain([RESTORE]).collect();
    if names.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("dialect must be one of {}", names.join(", ")))
    }
}

/// Which pushes are asked for.
struct SyncsPage {
    filter: SyncFilter,
    paging: Paging<Cursor>,
}

impl SyncsPage {
    fn parse(query: &str, limit_max: usize) -> Result<SyncsPage, String> {
        let mut page = SyncsPage { filter: SyncFilter::default(), paging: Paging::first(limit_max) };
        let time = |name: &str, value: &str| {
            let wrong = || format!("{name} must be a time, like 2026-01-31T00:00:00Z");
            value.parse::<Timestamp>().map(Some).map_err(|_| wrong())
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let filter = &mut page.filter;
            match &*name {
                _ if value.is_empty() => {}
                "from" => filter.from = time("from", &value)?,
                "to" => filter.to = time("to", &value)?,
                "dialect" => filter.dialect = Some(dialect(&value)?),
                "outcome" => {
                    let outcome = OutcomeFilter::parse(&value);
                    filter.outcome = Some(outcome.ok_or("outcome must be applied, refused or held")?);
                }
                "changes" => match &*value {
                    "true" => filter.has_changes = true,
                    "false" => {}
                    _ => return Err("changes must be true or false".into()),
                },
                other => {
                    let unknown = || {
                        Err("there are the parameters from, to, dialect, outcome, changes, cursor and limit, and no others"
                            .into())
                    };
                    page.paging.set(other, &value).unwrap_or_else(unknown)?;
                }
            }
        }
        Ok(page)
    }
}
