//! `GET /v1/account`: how an account stands.

use crate::server::call::{Call, only_parameters};
use crate::server::respond::{Answer, Refusal, json};
use crate::server::share::disk;
use crate::server::tell::late::{Standing, text};
use crate::store::Key;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::json;

/// `GET /v1/account`: when the last push was applied, when the next one is expected, and whether it is late.
pub async fn account(call: Call<'_>, key: Key) -> Result<Answer, Refusal> {
    only_parameters(&call.head, &[])?;
    disk::read(call.server, key.account, move |server| {
        let now = Timestamp::now();
        let scheduled = server.store.scheduled(Some(key.account), now)?.pop();
        let mut shown = json!({ "account": key.account });
        let Some(scheduled) = scheduled else {
            shown["lastPush"] = json!(server.store.last_sync(key.account)?);
            shown["schedule"] = json!(null);
            return Ok(json(StatusCode::OK, &shown));
        };
        let Standing { last_push, expected } = Standing::of(&server.store, &scheduled)?;
        shown["lastPush"] = json!(last_push);
        shown["schedule"] = json!(scheduled.schedule.to_string());
        shown["due"] = json!(text(expected.due));
        shown["lateFrom"] = json!(text(expected.late_from));
        shown["late"] = json!(expected.is_late(now));
        Ok(json(StatusCode::OK, &shown))
    })
    .await
}
