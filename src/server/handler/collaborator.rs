//! LMS Collaborator's `/api/v2/users-import/…` and its older paths: one user, a batch, a CSV, or an image.

pub mod photo;
mod upload;

use crate::dialect::collaborator;
use crate::dialect::collaborator::csv::{self, Csv};
use crate::dialect::collaborator::headings::KnownBy;
use crate::dialect::{Dialect, JSON};
use crate::json::{Elements, Unreadable};
use crate::profile::Profile;
use crate::rejection::{Fault, Rejection};
use crate::roster::{Absent, Coverage, Intent};
use crate::server::Server;
use crate::server::authenticate::{Caller, Shown, token_holder};
use crate::server::body::BytesMax;
use crate::server::body::form::boundary;
use crate::server::call::{Call, parameter};
use crate::server::push::asked::{Carries, everybody};
use crate::server::push::import::{Carried, Import, Intents, Received, receive, run, served, unreadable, wire_field};
use crate::server::respond::{Answer, Refusal, json_text, note};
use crate::sync::{Failure, Handling};
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use jiff::Timestamp;
use std::sync::{Arc, Mutex};

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

/// Returns the key whose token is in one of the two headers; without a good one 401.
pub fn key(server: &Server, head: &Parts) -> Result<Shown, Refusal> {
    let bearers = ["x-cbr-authorization", AUTHORIZATION.as_str()].into_iter().filter_map(|name| {
        let (scheme, token) = head.headers.get(name)?.to_str().ok()?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
    });
    let mut message = "the request has no token; send the header Authorization: Bearer TOKEN".to_owned();
    for token in bearers {
        message = match token_holder(server, DIALECT, token)?.map(|token| token.holder.admit(Timestamp::now())) {
            Some(Ok(admitted)) => return Ok(admitted.into()),
            Some(Err(ended)) => ended.to_string(),
            None => "no account has this token, or it was revoked".to_owned(),
        };
    }
    Err(Refusal::new(StatusCode::UNAUTHORIZED, message))
}

/// The older log-in, which the vendor has replaced by tokens.
pub async fn log_in(_: Call<'_>) -> Result<Answer, Refusal> {
    let message = "nobody logs in here by e-mail and password; take the log-in out of the client and send the header \
                   Authorization: Bearer TOKEN with each import, with a token of `rollcall key add`";
    Err(Refusal::new(StatusCode::UNAUTHORIZED, message))
}

/// An import of the older clients, who have one path for all kinds and say in the query which it is.
pub async fn older_import(call: Call<'_>, caller: Caller) -> Result<Answer, Refusal> {
    let kind = match parameter(&call.head, "action").as_deref() {
        Some("single-import") => Kind::Single,
        Some("import") => Kind::Csv,
        _ => {
            let message = "the query must have action=single-import, for one user as JSON, or action=import, for a CSV";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
        }
    };
    import(call, caller, kind).await
}

/// An import of some users, or of all.
pub async fn import(call: Call<'_>, caller: Caller, kind: Kind) -> Result<Answer, Refusal> {
    let Call { server, head, body, event, .. } = call;
    let account = caller.key.account;
    let max = BytesMax { limit: "import_bytes_max", bytes: server.limits.import_bytes_max as u64 };
    let is_csv = kind == Kind::Csv || boundary(&head.headers).is_some();
    let carries = match kind {
        _ if is_csv => Carries::Everybody,
        Kind::Single => Carries::One,
        Kind::Batch | Kind::Csv => Carries::Some,
    };
    let Received { turn, body, conditions, guards } = receive(server, caller, &head, body, max, carries).await?;
    let users = Users::of(kind, &head.headers, body).await?;
    let served = served(server, account, DIALECT).await?;
    // A CSV is the whole list, unless the operator has said otherwise.
    let coverage = match users {
        Users::Csv(_) => everybody(&head, served.absent, Absent::Hide)?,
        Users::Single(_) | Users::Batch(_) => Coverage::Some,
    };
    let profile = served.profile;
    let handling = conditions.handling;
    let import =
        Import { dialect: DIALECT, profile: profile.clone(), coverage, body_bytes: users.bytes(), conditions, guards };
    let rows: Arc<Mutex<Rows>> = Arc::default();
    let carried = users.carried(server.limits.columns_max, coverage, handling, rows.clone());
    let result = run(server, turn, import, carried, event).await?;
    let rows = rows.lock().expect("no holder of the lock panics");
    let mut receipt = result.map_err(|failure| refused(failure, &profile, &rows))?;
    if parameter(&head, "prefix").is_some() {
        receipt.ignored.add("prefix");
    }
    let rejected = receipt.set_aside.as_deref().filter(|set_aside| set_aside.employees > 0);
    let rejected = rejected.map(|set_aside| {
        let errors = set_aside.errors.iter().map(|error| in_words(error, &profile, &rows)).collect();
        let more = set_aside.error_count - set_aside.errors.len() as u64;
        collaborator::Rejected { users: set_aside.employees, errors, more }
    });
    let mut answer = json_text(StatusCode::OK, collaborator::answer(&receipt.counts, rejected));
    answer.headers_mut().extend(rows.columns());
    note(&mut answer, &receipt);
    Ok(answer)
}

/// The users of an import, as they were sent.
enum Users {
    /// One, in JSON.
    Single(Vec<u8>),
    /// Several, in a JSON array.
    Batch(Vec<u8>),
    /// All, in a CSV.
    Csv(Vec<u8>),
}

impl Users {
    async fn of(kind: Kind, headers: &HeaderMap, body: Vec<u8>) -> Result<Users, Refusal> {
        let bad = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, message);
        match (kind, boundary(headers)) {
            (Kind::Single, Some(_)) => Err(bad("a single user is sent as JSON, not as multipart/form-data")),
            (Kind::Single, None) => Ok(Users::Single(body)),
            (Kind::Batch, None) => Ok(Users::Batch(body)),
            (Kind::Csv, None) => Err(bad("a CSV is sent as multipart/form-data, in a part that is called file")),
            (Kind::Batch | Kind::Csv, Some(boundary)) => {
                let file = upload::read(body, boundary).await?.file;
                let file = file.ok_or_else(|| bad("the body has no part that is called file; send the CSV in it"))?;
                Ok(Users::Csv(file.bytes))
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Users::Single(body) | Users::Batch(body) | Users::Csv(body) => body.len(),
        }
    }

    /// The users as intents. Where they are in the import is noted in `rows` as they are read.
    fn carried(self, columns_max: usize, coverage: Coverage, handling: Handling, rows: Arc<Mutex<Rows>>) -> Carried {
        match self {
            Users::Single(body) => Carried::one(move || collaborator::user(&body).map_err(unreadable)),
            Users::Batch(body) => Carried::Intents(Box::new(move || batch(body, handling, rows))),
            Users::Csv(csv) => Carried::Intents(Box::new(move || csv_users(csv, columns_max, coverage, rows))),
        }
    }
}

/// In which rows of a batch or a CSV its users are. Empty for a single user.
#[derive(Debug, Default)]
struct Rows {
    /// Pairs of a user's index in the push and its row, counted from 1, for users whose row does not directly follow the previous user's.
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

fn csv_users(csv: Vec<u8>, columns_max: usize, coverage: Coverage, rows: Arc<Mutex<Rows>>) -> Result<Intents, Failure> {
    let csv = csv::text(csv).and_then(|text| Csv::new(text, columns_max)).map_err(Failure::Wrong)?;
    rows.lock().expect("no holder of the lock panics").known_by = Some(csv.known_by());
    let mut users = (0..).zip(csv).peekable();
    let may_be_empty = matches!(coverage, Coverage::Everybody { may_be_empty: true, .. });
    if users.peek().is_none() && !may_be_empty {
        let message = "the CSV has a header and no users; it is the whole list, so everybody would be blocked";
        return Err(Failure::Wrong(message.into()));
    }
    Ok(Box::new(users.map(move |(index, (row, user))| {
        rows.lock().expect("no holder of the lock panics").note(index, row);
        Ok(user)
    })))
}

fn batch(body: Vec<u8>, handling: Handling, rows: Arc<Mutex<Rows>>) -> Result<Intents, Failure> {
    let mut users = Elements::new(body).map_err(|error| match error {
        Unreadable::Wrong(_) => Failure::Wrong("a batch must be a JSON array of users".into()),
        not_json @ Unreadable::NotJson(_) => unreadable(not_json),
    })?;
    rows.lock().expect("no holder of the lock panics").note(0, 1);
    let mut row = 0;
    Ok(Box::new(std::iter::from_fn(move || {
        row += 1;
        let user = users.next(collaborator::user)?;
        Some(match user {
            Ok(user) => Ok(user),
            Err(Unreadable::Wrong(message)) if handling == Handling::Lenient => {
                let fault = Fault::new("", "object", format!("it {message}"));
                Ok(Intent { faults: vec![fault], ..Intent::default() })
            }
            Err(Unreadable::Wrong(message)) => Err(Failure::Wrong(format!("row {row}: it {message}"))),
            Err(not_json @ Unreadable::NotJson(_)) => Err(unreadable(not_json)),
        })
    })))
}

/// Says what is wrong with a user, and in which row.
fn in_words(error: &Rejection, profile: &Profile, rows: &Rows) -> String {
    let row = |index: Option<u64>| index.and_then(|index| rows.row(index));
    let field = wire_field(profile, DIALECT, &error.field);
    collaborator::rejected(field, error, row(error.index), row(error.other_index))
}

/// Makes the refusal of an import, in the dialect's form: the first thing that is wrong, and how many more there are.
fn refused(failure: Failure, profile: &Profile, rows: &Rows) -> Refusal {
    let mut refusal = Refusal::from(failure);
    refusal.headers.extend(rows.columns());
    let Some(rejected) = &refusal.rejected else {
        return refusal;
    };
    let in_words = |error: &Rejection| in_words(error, profile, rows);
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
