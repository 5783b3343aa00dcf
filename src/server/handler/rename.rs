//! Rename: an employee gets another id, and may be the same person as the one who has it.

use crate::dialect::{Dialect, startexam};
use crate::roster::Counts;
use crate::server::authenticate::Caller;
use crate::server::body::BytesMax;
use crate::server::call::{Call, only_parameters};
use crate::server::handler::plans::shown::add_counts;
use crate::server::push::apply::apply;
use crate::server::push::asked::Carries;
use crate::server::push::import::{Received, receive, unreadable};
use crate::server::respond::{Answer, Refusal, json, note};
use crate::sync::{Conditions, Receipt, Rename};
use hyper::StatusCode;
use serde_json::json;

/// `POST /v1/employees/{id}/rename`: gives the employee the id in the body.
pub async fn rename(call: Call<'_>, caller: Caller) -> Result<Answer, Refusal> {
    let from = call.part("id")?.trim().to_owned();
    only_parameters(&call.head, &[])?;
    let Call { server, head, body, event, .. } = call;
    let account = caller.key.account;
    let max = BytesMax { limit: "form_bytes_max", bytes: server.limits.form_bytes_max as u64 };
    let Received { turn, body, conditions, .. } = receive(server, caller, &head, body, max, Carries::One).await?;
    let startexam::Renaming { id: to, merge } = startexam::renaming(&body).map_err(unreadable)?;
    // What a list says of itself means nothing here.
    let conditions = Conditions { expected: None, as_of: None, ..conditions };
    let asked = (from.clone(), to.clone());
    let applying = apply(server, turn, event, body.len(), move |server, roster, trace| {
        trace.sender.dialect = Some(Dialect::StartExam);
        let seen = conditions.seen(server.limits.signatures_kept_max);
        let (from, to) = (&*asked.0, &*asked.1);
        let (profiles, limits) = (&server.profiles, &server.limits);
        let rename = Rename { account, from, to, merge, profiles, limits, conditions };
        let result = crate::sync::rename(&rename, roster.begin()?, trace);
        if let (Err(_), Some(seen)) = (&result, seen) {
            roster.note_seen(&seen)?;
        }
        result
    });
    let receipt: Receipt = applying.result(event).await??;
    let mut renamed = json!({ "id": to.trim(), "formerId": from, "merged": receipt.employees == 2 });
    let counts: &Counts = &receipt.counts;
    add_counts(&mut renamed, counts);
    let mut answer = json(StatusCode::OK, &renamed);
    note(&mut answer, &receipt);
    Ok(answer)
}
