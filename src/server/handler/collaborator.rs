//! LMS Collaborator's `/api/v2/users-import/…` and its older paths: one user, a batch, a CSV, or an image.

use crate::dialect::Dialect;
use crate::dialect::collaborator;
use crate::dialect::collaborator::csv::{self, Csv, KnownBy};
use crate::json::{Elements, Unreadable};
use crate::profile::Profile;
use crate::rejection::Rejection;
use crate::roster::Absent;
use crate::server::Server;
use crate::server::body::Body;
use crate::server::handler::read::looked_up;
use crate::server::observe::log::Event;
use crate::server::push::import::{self, Carried, Import, Intents, parameter, unreadable, wire_field};
use crate::server::push::turn::Turn;
use crate::server::respond::{Answer, JSON, Refusal, json_text, note};
use crate::store::Key;
use crate::sync::Failure;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use jiff::Timestamp;
use multer::Multipart;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tokio::runtime::Handle;

const DIALECT: Dialect = Dialect::Collaborator;

/// Says of an answer to a CSV how its columns were known: `position` or `name`.
const COLUMNS: HeaderName = HeaderName::from_static("rollcall-columns");

/// What an import carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One user.
    Single,
    /// An array of users, or a CSV.
    Batch,
    /// A CSV.
    Csv,
}

/// What the older clients ask for, who have one path for all imports.
fn kind_of_action(head: &Parts) -> Result<Kind, Refusal> {
    match parameter(head, "action").as_deref() {
        Some("single-import") => Ok(Kind::Single),
        Some("import") => Ok(Kind::Csv),
        _ => {
            let message = "the query must have action=single-import, for one user as JSON, or action=import, for a CSV";
            Err(Refusal::new(StatusCode::BAD_REQUEST, message))
        }
    }
}

/// The older log-in, which the vendor has replaced by tokens.
pub fn log_in() -> Refusal {
    let message = "nobody logs in here by e-mail and password; take the log-in out of the client and send the header \
                   Authorization: Bearer TOKEN with each import, with a token of `rollcall key add`";
    Refusal::new(StatusCode::UNAUTHORIZED, message)
}

/// Answers an import; without a kind the query says it.
pub async fn import(
    server: &Arc<Server>,
    kind: Option<Kind>,
    request: Request<Body>,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let (key, head) = looked_up(server, move |server| Ok((authenticate(server, &head.headers)?, head))).await?;
    event.account = Some(key.account);
    let kind = kind.map_or_else(|| kind_of_action(&head), Ok)?;
    let mut turn = server.turns.take(key.account, body.pace()).await?;
    let limit = ("import_bytes_max", server.limits.import_bytes_max);
    let body = import::body(server, &head.headers, body, limit, turn.reserving(&server.collected)).await?;
    carry_out(server, (key, turn), kind, &head, body, event).await
}

/// What opens the roster of the account whose token is in one of the two headers; without a good one 401.
pub(super) fn authenticate(server: &Server, headers: &HeaderMap) -> Result<Key, Refusal> {
    let bearers = ["x-cbr-authorization", AUTHORIZATION.as_str()].into_iter().filter_map(|name| {
        let (scheme, token) = headers.get(name)?.to_str().ok()?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
    });
    let mut message = "the request has no token; send the header Authorization: Bearer TOKEN".to_owned();
    for token in bearers {
        message = match import::holder(server, DIALECT, token)?.map(|token| token.holder.admit(Timestamp::now())) {
            Some(Ok(key)) => return Ok(key),
            Some(Err(ended)) => ended.to_string(),
            None => "no account has this token, or it was revoked".to_owned(),
        };
    }
    Err(Refusal::new(StatusCode::UNAUTHORIZED, message))
}

/// Where the users of a batch or a CSV are in it; of a single user nothing is known.
#[derive(Debug, Default)]
struct Rows {
    /// The rows, counted from 1, of those users that do not follow the one before, each with the user's index in the push.
    starts: Vec<(u64, u64)>,
    /// How the columns are known, in a CSV.
    known_by: Option<KnownBy>,
}

impl Rows {
    fn note(&mut self, index: u64, row: u64) {
        if self.row(index) != Some(row) {
            self.starts.push((index, row));
        }
    }

    fn row(&self, index: u64) -> Option<u64> {
        let before = self.starts.partition_point(|(from, _)| *from <= index);
        let (from, row) = self.starts[before.checked_sub(1)?];
        Some(row + (index - from))
    }

    /// The header that says how the columns are known.
    fn columns(&self) -> Option<(HeaderName, HeaderValue)> {
        Some((COLUMNS, HeaderValue::from_static(self.known_by?.as_str())))
    }
}

async fn carry_out(
    server: &Arc<Server>,
    (key, turn): (Key, Turn),
    kind: Kind,
    head: &Parts,
    body: Vec<u8>,
    event: &mut Event,
) -> Result<Answer, Refusal> {
    let bad = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, message);
    let (body, is_csv) = match boundary(&head.headers) {
        Some(boundary) if kind != Kind::Single => {
            let Form { file, .. } = form(body, boundary).await?;
            let missing = || bad("the body has no part that is called file; send the CSV in it");
            (file.ok_or_else(missing)?.bytes, true)
        }
        Some(_) => return Err(bad("a single user is sent as JSON, not as multipart/form-data")),
        None if kind == Kind::Csv => {
            return Err(bad("a CSV is sent as multipart/form-data, in a part that is called file"));
        }
        None => (body, false),
    };
    let body_bytes = body.len();
    let profile = import::profile(server, key.account, DIALECT).await?;
    let account = key.account;
    let setting = looked_up(server, move |server| Ok(server.store.setting(account, DIALECT, "absent")?)).await?;
    let absent = if is_csv && setting.as_deref() != Some("stay") { Absent::Hide } else { Absent::Stay };
    let rows: Arc<Mutex<Rows>> = Arc::default();
    let noted = rows.clone();
    let columns_max = server.limits.columns_max;
    let read = move || -> Result<Intents, Failure> {
        if is_csv {
            return csv_users(body, columns_max, noted);
        }
        match kind {
            Kind::Single => Ok(Box::new(std::iter::once(collaborator::user(&body).map_err(unreadable)))),
            _ => batch(body, noted),
        }
    };
    let import = Import { dialect: DIALECT, profile: profile.clone(), absent, find_by: None, body_bytes };
    let result = import::run(server, (key, turn), import, Carried::Intents(Box::new(read)), event).await?;
    let rows = rows.lock().expect("no holder of the lock panics");
    let mut receipt = result.map_err(|failure| refused(failure, &profile, &rows))?;
    if parameter(head, "prefix").is_some() {
        receipt.ignored.add("prefix");
    }
    let mut answer = json_text(StatusCode::OK, collaborator::answer(&receipt.counts));
    answer.headers_mut().extend(rows.columns());
    note(&mut answer, &receipt);
    Ok(answer)
}

/// What a multipart body carries.
#[derive(Default)]
pub(super) struct Form {
    /// The part `file`.
    pub file: Option<File>,
    /// The part `uid`.
    pub uid: Option<String>,
}

/// A file in a multipart body.
pub(super) struct File {
    /// Its name, where it was sent with one.
    pub name: Option<String>,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The boundary between the parts of a body, if it is multipart/form-data.
pub(super) fn boundary(headers: &HeaderMap) -> Option<String> {
    multer::parse_boundary(headers.get(CONTENT_TYPE)?.to_str().ok()?).ok()
}

/// How much of a multipart body is parsed at a time, in bytes.
const PARSED_BYTES: usize = 1 << 16;

/// Reads a multipart body. The error is what is wrong with it.
pub(super) async fn form(body: Vec<u8>, boundary: String) -> Result<Form, Refusal> {
    // It waits for nothing, but a large one takes its time: too long for a thread that serves connections.
    let runtime = Handle::current();
    let read = tokio::task::spawn_blocking(move || runtime.block_on(parts_of(body, boundary)));
    let form = read.await.map_err(|_| Refusal::internal("a thread that reads a form panicked"))?;
    form.map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))
}

async fn parts_of(body: Vec<u8>, boundary: String) -> Result<Form, &'static str> {
    // The file is written over what the parser has taken, so a large form is in memory once. It cannot get ahead of the parser: the
    // head of a part comes before what is in it.
    let body = Arc::new(Mutex::new(body));
    let (source, mut taken, mut pauses) = (body.clone(), 0, false);
    let pieces = futures_util::stream::poll_fn(move |context| {
        // The parser takes all that there is before it looks at any, so there is nothing behind each piece for a moment.
        pauses = !pauses;
        if !pauses {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let body = source.lock().expect("no holder of the lock panics");
        let piece = Bytes::copy_from_slice(&body[taken..body.len().min(taken + PARSED_BYTES)]);
        taken += piece.len();
        Poll::Ready((!piece.is_empty()).then_some(Ok::<_, Infallible>(piece)))
    });
    let mut parts = Multipart::new(pieces, boundary);
    // What the parser says may quote the body, and this is logged.
    let wrong = |_| import::NOT_WHOLE;
    let (mut form, mut file_bytes) = (Form::default(), 0);
    while let Some(mut part) = parts.next_field().await.map_err(wrong)? {
        let (part_name, name) = (part.name().map(str::to_owned), part.file_name().map(str::to_owned));
        match part_name.as_deref() {
            Some("file") if form.file.is_some() => {
                return Err("the part file appears twice in the body; send one file");
            }
            Some("file") => {
                let mut length = 0;
                while let Some(piece) = part.chunk().await.map_err(wrong)? {
                    let mut body = body.lock().expect("no holder of the lock panics");
                    body[length..length + piece.len()].copy_from_slice(&piece);
                    length += piece.len();
                }
                form.file = Some(File { name, bytes: Vec::new() });
                file_bytes = length;
            }
            Some("uid") => form.uid = Some(part.text().await.map_err(wrong)?),
            // Its end is where the next part begins.
            _ => {}
        }
    }
    drop(parts);
    if let Some(file) = &mut form.file {
        file.bytes = std::mem::take(&mut *body.lock().expect("no holder of the lock panics"));
        file.bytes.truncate(file_bytes);
    }
    Ok(form)
}

fn csv_users(csv: Vec<u8>, columns_max: usize, rows: Arc<Mutex<Rows>>) -> Result<Intents, Failure> {
    let csv = csv::text(csv).and_then(|text| Csv::new(text, columns_max)).map_err(Failure::Wrong)?;
    rows.lock().expect("no holder of the lock panics").known_by = Some(csv.known_by());
    let mut users = (0..).zip(csv).peekable();
    if users.peek().is_none() {
        let message = "the CSV has a header and no users; it is the whole list, so everybody would be blocked";
        return Err(Failure::Wrong(message.into()));
    }
    Ok(Box::new(users.map(move |(index, (row, user))| {
        rows.lock().expect("no holder of the lock panics").note(index, row);
        Ok(user)
    })))
}

fn batch(body: Vec<u8>, rows: Arc<Mutex<Rows>>) -> Result<Intents, Failure> {
    let mut users = Elements::new(body).map_err(|error| match error {
        Unreadable::Wrong(_) => Failure::Wrong("a batch must be a JSON array of users".into()),
        not_json => unreadable(not_json),
    })?;
    rows.lock().expect("no holder of the lock panics").note(0, 1);
    let mut row = 0;
    Ok(Box::new(std::iter::from_fn(move || {
        row += 1;
        let user = users.next(collaborator::user)?;
        Some(user.map_err(|error| match error {
            Unreadable::Wrong(message) => Failure::Wrong(format!("row {row}: it {message}")),
            not_json => unreadable(not_json),
        }))
    })))
}

/// A refused import, in the dialect's form: the first thing that is wrong, and how many more there are.
fn refused(failure: Failure, profile: &Profile, rows: &Rows) -> Refusal {
    let mut refusal = Refusal::from(failure);
    refusal.headers.extend(rows.columns());
    let Some(rejected) = &refusal.rejected else {
        return refusal;
    };
    let in_words = |error: &Rejection| {
        let row = |index: Option<u64>| index.and_then(|index| rows.row(index));
        let field = wire_field(profile, DIALECT, "uid", &error.field);
        collaborator::rejected(field, error, row(error.index), row(error.other_index))
    };
    // What a single user lacks is answered as the documents have it, and nothing else.
    let lacking =
        rejected.errors.iter().find(|error| error.field.is_empty() && error.rule == collaborator::REQUIRED_RULE);
    let is_single = rows.starts.is_empty();
    let mut message = lacking.filter(|_| is_single).or(rejected.errors.first()).map(in_words).unwrap_or_default();
    if rejected.error_count > 1 && !(is_single && lacking.is_some()) {
        message = format!("{message}; and {} more", rejected.error_count - 1);
    }
    let body = collaborator::refused(&message);
    refusal.in_form(JSON, body)
}
