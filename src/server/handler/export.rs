//! `GET /v1/employees.csv`, `.xlsx` and `.ndjson`: the whole roster in one file; and `GET /v1/syncs/{revision}/changes.csv` and so on: what a sync
//! changed.

use super::syncs::found_with_changes;
use crate::dialect::JSON;
use crate::export::{self, Form, Written};
use crate::limits::Limits;
use crate::server::Server;
use crate::server::call::Call;
use crate::server::respond::content::Content;
use crate::server::respond::{Answer, CURSOR, REVISION, Refusal};
use crate::server::share::disk::look_up;
use crate::server::share::gate::{Gate, Shut, Ticket};
use crate::server::share::pace::Place;
use crate::store::{FeedCursor, Filter, Key};
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use hyper::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use std::fs::File;
use std::io::{self, Read as _};
use std::time::Duration;
use tokio::time::timeout;

/// How much of a file is sent at a time, in bytes.
const PIECE_BYTES: usize = 1 << 17;

/// How many exports may be sent at a time for each that may be written: they wait in files, and cost nothing but disk.
const SENT_FOR_EACH_WRITTEN: usize = 16;

/// How long a client must have kept the server waiting before it loses its export, if too many are being sent.
const LATE: Duration = Duration::from_secs(1);

/// Makes the gate of exports that are sent, of which an account may have a quarter.
pub fn gate_of_sent(limits: &Limits) -> Gate {
    let sent_max = limits.exports_max * SENT_FOR_EACH_WRITTEN;
    Gate::new(sent_max, sent_max.div_ceil(4), limits.account_waiting_max)
}

/// Exports the roster.
pub async fn export(call: Call<'_>, key: Key, form: Form) -> Result<Answer, Refusal> {
    let mut filter = Filter::default();
    for (name, value) in form_urlencoded::parse(call.query().as_bytes()).filter(|(_, value)| !value.is_empty()) {
        filter.set(&name, &value).map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
    }
    let name = format!("employees-{}", key.account);
    send_file(call, key, form, &name, move |server, key, file| {
        // What the roster was is kept by a file of the current version only.
        let reader = if filter.at.is_some() { server.store.history_reader(key)? } else { server.store.reader(key)? };
        reader.refuse_if_log_is_long(server.limits.log_bytes_max)?;
        let Written { revision, cursor, .. } = export::write(&reader, &filter, form, file, server.store.dir())?;
        Ok(Exported { revision, cursor })
    })
    .await
}

/// Exports what a sync changed.
pub async fn changes(call: Call<'_>, key: Key, form: Form) -> Result<Answer, Refusal> {
    let revision = call.part("revision")?;
    if let Some((name, _)) = form_urlencoded::parse(call.query().as_bytes()).find(|(_, value)| !value.is_empty()) {
        let message = format!("this export has no parameters, such as {name:?}");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    }
    let name = format!("changes-{}", key.account);
    send_file(call, key, form, &name, move |server, key, file| {
        let reader = server.store.history_reader(key)?;
        reader.refuse_if_log_is_long(server.limits.log_bytes_max)?;
        let (past, sync) = found_with_changes(&reader, &revision)?;
        export::write_changes(&reader, &past, &sync, form, file, server.store.dir())?;
        Ok(Exported { revision: sync.revision, cursor: None })
    })
    .await
}

/// `GET /v1/employees/{id}/export`: everything that is stored about an employee, as one JSON document.
pub async fn person(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = call.part("id")?;
    if call.head.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "this export has no parameters"));
    }
    let name = format!("employee-{}", key.account);
    send_file(call, key, Document::PERSON, &name, move |server, key, file| {
        let reader = server.store.history_reader(key)?;
        reader.refuse_if_log_is_long(server.limits.log_bytes_max)?;
        let person = reader.person(id.trim())?.ok_or_else(|| {
            let message =
                "the account has no employee who has or had this id; ids are compared as they are, case and all";
            Refusal::new(StatusCode::NOT_FOUND, message)
        })?;
        let revision = export::write_person(&reader, &person, key.account, file)?;
        Ok(Exported { revision, cursor: None })
    })
    .await
}

/// What kind of file is sent.
#[derive(Clone, Copy)]
struct Document {
    media_type: &'static str,
    ending: &'static str,
}

impl Document {
    const PERSON: Document = Document { media_type: JSON, ending: "json" };
}

impl From<Form> for Document {
    fn from(form: Form) -> Document {
        let media_type = match form {
            Form::Csv => "text/csv; charset=utf-8",
            Form::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Form::Ndjson => "application/x-ndjson",
        };
        Document { media_type, ending: form.ending() }
    }
}

/// What an export is of.
struct Exported {
    /// The revision.
    revision: u64,
    /// The place in the feed behind it, if it is the whole roster.
    cursor: Option<FeedCursor>,
}

/// Has `write` write an export to a file without a name, and sends that, so that a slow client does not hold the roster.
async fn send_file(
    call: Call<'_>,
    key: Key,
    document: impl Into<Document>,
    name: &str,
    write: impl FnOnce(&Server, &Key, &mut File) -> Result<Exported, Refusal> + Send + 'static,
) -> Result<Answer, Refusal> {
    let (server, Document { media_type, ending }) = (call.server, document.into());
    let too_many = |whose: &str| {
        let message = format!("as many exports are under way {whose} (limit exports_max); ask again in a moment");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(5)
    };
    let ticket = server.exports.enter(key.account, Duration::from_secs(server.limits.push_wait_seconds_max)).await;
    let ticket = ticket.map_err(|shut| match shut {
        Shut::Account => too_many("as an account may have at a time"),
        Shut::All => too_many("as this server takes at a time"),
    })?;
    let account = key.account;
    let (file, length, Exported { revision, cursor }) = look_up(server, move |server| {
        let dir = server.store.dir();
        let mut file = tempfile::tempfile_in(dir).map_err(export::Error::from)?;
        let exported = write(server, &key, &mut file)?;
        let length = export::rewind(&mut file).map_err(export::Error::from)?;
        drop(ticket);
        Ok((file, length, exported))
    })
    .await?;
    let make_room = async {
        loop {
            server.sent.close_latest(LATE);
            tokio::time::sleep(LATE).await;
        }
    };
    let ticket = server.sending.enter_making_room(account, LATE * 2, make_room).await;
    let ticket = ticket.map_err(|_| too_many("as this server sends to an account, or to all, at a time"))?;
    let place = (ticket, server.sent.take(call.body.connection_pace().clone()));
    let (sender, body) = Channel::new(2);
    tokio::spawn(send(file, sender, Duration::from_secs(server.limits.body_pause_seconds_max), place));
    let mut answer = Response::new(Content::file(body));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(REVISION, revision.into());
    if let Some(cursor) = cursor {
        headers.insert(CURSOR, HeaderValue::from_str(&cursor.to_string()).expect("a cursor is ASCII"));
    }
    let name = format!("attachment; filename=\"{name}.{ending}\"");
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_str(&name).expect("a number and an ending are ASCII"));
    Ok(answer)
}

/// Sends a file until its end, or until the client has taken nothing for `pause`.
async fn send(mut file: File, mut sender: Sender<Bytes, io::Error>, pause: Duration, place: (Ticket, Place)) {
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; PIECE_BYTES];
            let length = file.read(&mut piece)?;
            piece.truncate(length);
            Ok::<_, io::Error>((file, piece))
        });
        let piece = match read.await {
            Ok(Ok((again, piece))) => {
                file = again;
                piece
            }
            Ok(Err(error)) => return sender.abort(error),
            Err(_) => return,
        };
        if piece.is_empty() {
            drop(place);
            return;
        }
        match timeout(pause, sender.send_data(piece.into())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => return sender.abort(io::Error::from(io::ErrorKind::TimedOut)),
        }
    }
}
