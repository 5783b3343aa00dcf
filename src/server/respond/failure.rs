//! What fails below, as a refusal: HTTP only chooses the status.

use super::refusal::{Held, Refusal, Rejected};
use super::{location, suspects_header};
use crate::dialect::JSON;
use crate::export;
use crate::roster::{Counts, Tripped};
use crate::server::authenticate;
use crate::store::{self, MomentError};
use crate::sync::{BodyError, Failure, LeftOut, MovedPerson, PlanFailure, RenameFailure, UndoFailure};
use hyper::StatusCode;
use hyper::header::LOCATION;
use serde_json::{Value, json};

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Refusal {
        let internal = Some(error.to_string());
        match error {
            store::Error::Write(_) | store::Error::ReadOnly(_) => disk(error),
            store::Error::Busy(_) => {
                let message =
                    "the account's roster is in use by another program on the server; send this again in a moment";
                Refusal { internal, ..Refusal::new(StatusCode::CONFLICT, message) }.retry_after(10)
            }
            store::Error::Replaced(_) => {
                let message = "the account's roster was replaced on the server meanwhile, and nothing was stored; send this again";
                Refusal { internal, ..Refusal::new(StatusCode::CONFLICT, message) }.retry_after(1)
            }
            store::Error::Changed { .. } => {
                let message = "the account's roster was changed meanwhile by another program on the server, and nothing was stored; \
                               send this again";
                Refusal { internal, ..Refusal::new(StatusCode::CONFLICT, message) }.retry_after(1)
            }
            store::Error::PlansFull { limit, max } => {
                let message = format!(
                    "the plans that wait leave no room for another (limit {limit}, which is {max}), and nothing was stored; apply or \
                     discard some: GET /v1/plans lists them"
                );
                Refusal::new(StatusCode::CONFLICT, message)
            }
            store::Error::NoWebhook { .. }
            | store::Error::NoDelivery { .. }
            | store::Error::WebhookDisabled { .. }
            | store::Error::WebhooksFull { .. }
            | store::Error::DeliveriesFull { .. } => webhook(&error),
            store::Error::Moment(error) => error.into(),
            store::Error::Feed(error) => Refusal::new(StatusCode::GONE, error.to_string()),
            store::Error::LongLog { log_bytes_max, .. } => {
                let message = format!(
                    "more than {log_bytes_max} bytes were pushed while exports of this account are under way \
                     (limit log_bytes_max); ask again when they have ended"
                );
                Refusal { internal, ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message) }.retry_after(30)
            }
            store::Error::FilesOpen { .. } => {
                let message =
                    "the server has as many files open as it may, and nothing was stored; send this again in a moment";
                Refusal { internal, ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message) }.retry_after(10)
            }
            store::Error::AccountGone(account) => {
                let message =
                    format!("account {account} was removed while this request was under way; nothing was stored");
                Refusal::new(StatusCode::FORBIDDEN, message)
            }
            _ => Refusal::internal(error),
        }
    }
}

/// What cannot be done with a webhook, in the words of the API.
fn webhook(error: &store::Error) -> Refusal {
    let (status, message) = match error {
        store::Error::WebhookDisabled { id, .. } => {
            let message = "is disabled, because its receiver answered 410 (gone); remove it, and add another";
            (StatusCode::CONFLICT, format!("webhook {id} {message}"))
        }
        store::Error::WebhooksFull { max, .. } => (
            StatusCode::CONFLICT,
            format!("the account has {max} webhooks already, which is the most; remove one first"),
        ),
        store::Error::DeliveriesFull { id, max, .. } => {
            let message =
                format!("{max} deliveries to webhook {id} wait already, which is the most; wait until they are sent");
            (StatusCode::CONFLICT, message)
        }
        store::Error::NoDelivery { .. } => {
            let message = "the webhook has no delivery of this number, or it is not kept any more";
            (StatusCode::NOT_FOUND, message.to_owned())
        }
        _ => {
            (StatusCode::NOT_FOUND, "the account has no webhook of this number; GET /v1/webhooks lists all".to_owned())
        }
    };
    Refusal::new(status, message)
}

impl From<MomentError> for Refusal {
    fn from(error: MomentError) -> Refusal {
        let status = match error {
            MomentError::ToCome { .. } | MomentError::Lost { .. } => StatusCode::NOT_FOUND,
            MomentError::NotKept { .. } => StatusCode::GONE,
        };
        Refusal::new(status, error.to_string())
    }
}

impl From<export::Error> for Refusal {
    fn from(error: export::Error) -> Refusal {
        match error {
            export::Error::Store(error) => error.into(),
            error => disk(error),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        let bad = |message: String| Refusal::new(StatusCode::BAD_REQUEST, message);
        match failure {
            Failure::Body(error) => error.into(),
            Failure::NotJson { index, at, message } => {
                let place = index.map(|index| format!(", in the employee at index {index}")).unwrap_or_default();
                bad(format!("the body is not JSON: {message}, at byte {at}{place}; nothing was stored"))
            }
            Failure::Wrong(message) => bad(format!("{message}; nothing was stored")),
            Failure::OverLimit { limit, max } => {
                let message =
                    format!("the body is over the server's limit {limit}, which is {max}; nothing was stored");
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            Failure::UnknownProfile => {
                let message = "the account has no profile with this profileId; GET /v1/profiles lists those it has";
                Refusal::new(StatusCode::NOT_FOUND, message)
            }
            Failure::Incomplete { expected, carried } => {
                let message = format!(
                    "the push says that it carries {expected} employees, and it carries {carried}; nothing was stored; \
                     push the whole list, or say how many there are"
                );
                Refusal::new(StatusCode::PRECONDITION_FAILED, message)
            }
            Failure::Older { as_of, last } => {
                let message = format!(
                    "the list is as of {as_of} (Rollcall-As-Of), and one as of {last} was applied already; nothing was stored; \
                     push a newer list"
                );
                Refusal::new(StatusCode::CONFLICT, message)
            }
            Failure::Replayed { is_nonce: true } => authenticate::again(),
            Failure::Replayed { is_nonce: false } => {
                let message = "HTTP header 'Authorization' is incorrect: this signature came before with another body, and the account \
                               refuses that; nothing was stored; sign the push with a new Date";
                Refusal::new(StatusCode::FORBIDDEN, message)
            }
            Failure::OtherBody => {
                let message = "another push had this Idempotency-Key, and another body or URL; nothing was stored; \
                               send each push with a key of its own";
                Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
            }
            Failure::Held { tripped, plan, counts, suspects } => {
                let mut refusal = held(tripped, plan, counts);
                refusal.headers.extend(suspects_header(&suspects));
                refusal
            }
            Failure::Rejected(rejections) => {
                let error_count = rejections.count();
                let (errors, causes) = rejections.into_parts();
                let first = errors.first().map(|first| {
                    let who = match (&first.id, first.index) {
                        (Some(id), Some(index)) => format!("employee {id:?} at index {index}"),
                        (None, Some(index)) => format!("the employee at index {index}"),
                        (Some(id), None) => format!("employee {id:?}, who is stored already"),
                        (None, None) => "an employee".into(),
                    };
                    let other = first.other_index.map(|index| format!(" (the other is at index {index})"));
                    format!("{who}: {}: {}{}", first.field, first.message, other.unwrap_or_default())
                });
                let problems = if error_count == 1 { "1 problem".into() } else { format!("{error_count} problems") };
                let message = format!("nothing was stored: {problems}; the first is {}", first.unwrap_or_default());
                Refusal { rejected: Some(Box::new(Rejected { error_count, errors, causes })), ..bad(message) }
            }
            Failure::Plan(failure) => (*failure).into(),
            Failure::Rename(failure) => failure.into(),
            Failure::Undo(failure) => (*failure).into(),
            Failure::Spool(error) => disk(error),
            Failure::Store(error) => error.into(),
        }
    }
}

/// A push that guards stopped. The ids are for the client only.
fn held(tripped: Vec<Tripped>, plan: Option<String>, counts: Counts) -> Refusal {
    let named = |tripped: &Tripped| {
        if tripped.ids.is_empty() {
            return tripped.figures();
        }
        let ids: Vec<String> = tripped.ids.iter().map(|id| format!("{id:?}")).collect();
        let more = if tripped.count > ids.len() as u64 { ", …" } else { "" };
        format!("{} ({}{more})", tripped.figures(), ids.join(", "))
    };
    let figures = |of: &dyn Fn(&Tripped) -> String| tripped.iter().map(of).collect::<Vec<_>>().join("; ");
    let release = match &plan {
        Some(plan) => format!(
            "it waits as the plan {plan}: look at it with GET /v1/plans/{plan}/changes or `rollcall plan show`, and apply it with \
             POST /v1/plans/{plan}/apply or `rollcall plan apply`"
        ),
        None => "there is no room for another plan; discard one (GET /v1/plans lists them), and push it again".into(),
    };
    let message = format!(
        "nothing was stored, because somebody should look at this push first: {}. If the list is wrong, push the right one. If it is \
         right, {release}",
        figures(&named),
    );
    let internal = Some(format!("guards stopped the push: {}", figures(&Tripped::figures)));
    let headers = plan.iter().map(|plan| (LOCATION, location(plan))).collect();
    let held = Some(Box::new(Held { tripped, plan, counts }));
    Refusal { internal, held, headers, ..Refusal::new(StatusCode::CONFLICT, message) }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Refusal {
        match error {
            BodyError::Cut { received } => Refusal::new(
                StatusCode::BAD_REQUEST,
                format!(
                    "the body ended after {received} bytes, before its Content-Length; nothing was stored; send it whole"
                ),
            ),
            BodyError::Slow { limit, max } => Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body came too slowly (limit {limit}, which is {max}); nothing was stored; send it again"),
            ),
            BodyError::GaveWay { limit, max } => Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                format!(
                    "the body came slowly while other pushes waited for a place (limit {limit}, which is {max}); \
                     nothing was stored; send it again"
                ),
            ),
            BodyError::NotPacked { coding, message } => Refusal::new(
                StatusCode::BAD_REQUEST,
                format!(
                    "the body is not {coding} as its Content-Encoding says, or it was cut or damaged on its way: {message}; \
                     nothing was stored"
                ),
            ),
            BodyError::OverLimit { limit, max } => Failure::OverLimit { limit, max }.into(),
            BodyError::Digest => Refusal::new(
                StatusCode::BAD_REQUEST,
                "the body does not have the digest that its Content-Digest says: it was damaged on its way, \
                 or the digest is of other bytes; nothing was stored",
            ),
            BodyError::Spool(error) => disk(error),
        }
    }
}

impl From<PlanFailure> for Refusal {
    fn from(failure: PlanFailure) -> Refusal {
        match &failure {
            PlanFailure::Unknown => {
                let message = format!("{failure}; GET /v1/plans lists those that wait");
                Refusal::new(StatusCode::NOT_FOUND, message)
            }
            PlanFailure::Ended(_) => Refusal::new(StatusCode::GONE, failure.to_string()),
            PlanFailure::OtherRules => Refusal::new(StatusCode::PRECONDITION_FAILED, failure.to_string()),
            PlanFailure::Stale { found, found_at, moved, .. } => {
                let message = format!(
                    "{failure}; push the list again, or add ?rebase=true to leave those employees out and apply the rest"
                );
                let body = json!({
                    "message": message,
                    "revision": found,
                    "changedAt": found_at,
                    "moved": shown_left_out(moved),
                });
                let text = format!("{body:#}");
                Refusal::new(StatusCode::PRECONDITION_FAILED, message).in_form(JSON, text)
            }
        }
    }
}

impl From<RenameFailure> for Refusal {
    fn from(failure: RenameFailure) -> Refusal {
        let (status, advice) = match failure {
            RenameFailure::Unknown => (StatusCode::NOT_FOUND, ": GET /v1/employees/{id}/history"),
            RenameFailure::Same => (StatusCode::BAD_REQUEST, ""),
            RenameFailure::NoProfile => (StatusCode::CONFLICT, ""),
            RenameFailure::Older | RenameFailure::Others => (
                StatusCode::CONFLICT,
                "; nothing was changed; add \"merge\": true to the body if this is what you mean",
            ),
        };
        Refusal::new(status, format!("{failure}{advice}"))
    }
}

impl From<UndoFailure> for Refusal {
    fn from(failure: UndoFailure) -> Refusal {
        let status = match failure {
            UndoFailure::Unknown(_) => StatusCode::NOT_FOUND,
            UndoFailure::Backwards { .. } | UndoFailure::NotInConflict(_) | UndoFailure::ByRule(_) => {
                StatusCode::BAD_REQUEST
            }
            UndoFailure::Restored { .. }
            | UndoFailure::SeveralProfiles(_)
            | UndoFailure::NoProfile(_)
            | UndoFailure::Entangled => StatusCode::CONFLICT,
        };
        // The ids that were named are for the client only.
        let internal = Some("syncs cannot be undone".to_owned());
        Refusal { internal, ..Refusal::new(status, format!("{failure}; nothing was stored")) }
    }
}

/// Shows who has changed since a plan was made: how many, and the first of them, each with the revision that changed it last, and when.
pub fn shown_left_out(moved: &LeftOut) -> Value {
    let person = |MovedPerson { id, revision, changed_at }: &MovedPerson| json!({ "id": id, "revision": revision, "changedAt": changed_at });
    json!({ "count": moved.count, "employees": Value::from_iter(moved.people.iter().map(person)) })
}

/// The disk took no more.
fn disk(error: impl ToString) -> Refusal {
    let message = "the server could not write to its disk, and nothing was stored; tell its operator \
                   (is the disk full, or the folder read-only?), then send the request again";
    Refusal { internal: Some(error.to_string()), ..Refusal::new(StatusCode::INSUFFICIENT_STORAGE, message) }
}
