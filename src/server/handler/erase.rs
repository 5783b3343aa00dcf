//! `DELETE /v1/employees/{id}?erase=true`: the personal data of an employee is erased.

use crate::dialect::JSON;
use crate::server::Server;
use crate::server::call::{Call, only_parameters, parameter};
use crate::server::erasing::OVERWRITING_WAIT;
use crate::server::push::apply::{Done, apply};
use crate::server::respond::{Answer, REVISION, Refusal, json};
use crate::store::{Erased, Key, Roster};
use crate::sync::{Failure, Receipt, Trace};
use hyper::StatusCode;
use serde_json::json;
use std::time::Instant;

/// What came of a request.
enum Outcome {
    /// Nobody has or had the id.
    Nobody,
    /// The employee who had it has another one now.
    Renamed {
        /// That one.
        id: String,
    },
    /// Nothing is left to erase.
    Again,
    Erased {
        erased: Erased,
        /// Whether nothing is left in the file.
        is_overwritten: bool,
    },
}

impl Done for Outcome {
    fn receipt(&self) -> Option<&Receipt> {
        None
    }
}

/// Erases the employee who has an id, or had it last.
pub async fn employee(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    let id = call.part("id")?;
    only_parameters(&call.head, &["erase"])?;
    if parameter(&call.head, "erase").as_deref() != Some("true") {
        let message = "DELETE erases: with ?erase=true it takes the employee's values from the roster, the history, plans and backups that are \
                       restored, and nothing brings them back; to hide an employee, push it with the status hidden; nothing was changed";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    }
    let Call { server, body, event, .. } = call;
    let turn = server.turns.take(key.clone(), body.pace()).await?;
    let applying =
        apply(server, turn, event, 0, move |server, roster, trace| carry_out(server, &key, &id, roster, trace));
    match applying.result(event).await?? {
        Outcome::Nobody => {
            let message = "the account has no employee who has or had this id; ids are compared as they are, case and all; a plan goes with \
                 DELETE /v1/plans/{id}";
            Err(Refusal::new(StatusCode::NOT_FOUND, message))
        }
        Outcome::Renamed { id } => {
            let message = "the employee who had this id has another one now, which may be another person than you mean; nothing was erased; erase by \
                           the id that it has now";
            let text = format!("{:#}", json!({ "message": message, "id": id }));
            Err(Refusal::new(StatusCode::CONFLICT, message).in_form(JSON, text))
        }
        Outcome::Again => {
            let message =
                "the personal data of this employee was erased already; GET /v1/employees/{id}/history says when";
            Err(Refusal::new(StatusCode::GONE, message))
        }
        Outcome::Erased { erased: Erased { employees, revision }, is_overwritten } => {
            let mut shown = json!({ "erased": employees, "revision": revision, "overwritten": is_overwritten });
            if !is_overwritten {
                shown["message"] = "nobody can read the values any more, but the file of the account still has them; the server overwrites \
                                    them when those who read the roster now have ended"
                    .into();
            }
            let mut answer = json(if is_overwritten { StatusCode::OK } else { StatusCode::ACCEPTED }, &shown);
            answer.headers_mut().insert(REVISION, revision.into());
            Ok(answer)
        }
    }
}

fn carry_out(server: &Server, key: &Key, id: &str, roster: &mut Roster, trace: &mut Trace) -> Result<Outcome, Failure> {
    // Numbers never change, so it does not matter that the roster is not held yet.
    let Some(person) = server.store.history_reader(key)?.person(id.trim())? else {
        return Ok(Outcome::Nobody);
    };
    if person.is_former && !person.employee.is_removed() {
        return Ok(Outcome::Renamed { id: person.employee.id });
    }
    if person.employee.is_removed() && roster.begin()?.erased(&[person.number])?.iter().all(Option::is_some) {
        return Ok(Outcome::Again);
    }
    let erased = roster.begin()?.erase(&[person.number], trace.sender, server.limits.index_bytes_max)?;
    let is_overwritten = roster.scrub(Instant::now() + OVERWRITING_WAIT);
    Ok(Outcome::Erased { erased, is_overwritten })
}
