//! Webhooks and their deliveries as they are shown.

use crate::store::{Delivery, EventType, Webhook};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Shows a webhook, without its secret.
pub fn webhook(webhook: &Webhook) -> Value {
    let old_secret = webhook.old_secret_until.filter(|until| *until > Timestamp::now());
    json!({
        "account": webhook.account,
        "webhook": webhook.id,
        "url": webhook.url,
        "events": webhook.events.iter().map(|event| EventType::name(*event)).collect::<Vec<_>>(),
        "createdAt": webhook.created_at,
        "state": webhook.state(),
        "disabledAt": webhook.disabled_at,
        "oldSecretUntil": old_secret.map(time),
        "pending": webhook.pending,
    })
}

/// Shows a delivery, without what is sent.
pub fn delivery(delivery: &Delivery) -> Value {
    let last = delivery
        .last
        .as_ref()
        .map(|last| json!({ "time": last.at, "status": last.status, "failure": last.failure, "durationMs": last.ms }));
    json!({
        "delivery": delivery.number,
        "webhook": delivery.webhook,
        "message": delivery.message,
        "event": delivery.event,
        "createdAt": delivery.created_at,
        "state": delivery.state(),
        "attempts": delivery.attempts,
        "nextAt": delivery.next_at.map(time),
        "last": last,
    })
}

/// Shows a time, RFC 3339 in UTC.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
