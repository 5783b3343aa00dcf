//! Warnings in the log, before an account or a key ends.

use crate::server::Server;
use crate::store::Ending;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// How often accounts and keys are checked. A warning comes at most this much too late.
const CHECKED_EVERY: Duration = Duration::from_secs(60 * 60);

/// How long after a warning the next one about the same end comes.
const SILENCE: SignedDuration = SignedDuration::from_hours(24);

/// An account, or the number of one of its keys.
type Named = (i64, Option<i64>);

/// Logs a warning of each account and key that is to end soon: at once, and then once a day.
pub async fn warn_of_ends(server: Arc<Server>) {
    let mut warned = HashMap::new();
    loop {
        let server = server.clone();
        match spawn_blocking(move || server.store.endings()).await {
            Ok(Ok(endings)) => due(&mut warned, &endings, Timestamp::now()).into_iter().for_each(warn),
            Ok(Err(error)) => tracing::error!("cannot see which accounts and keys end soon: {error}"),
            Err(panic) => tracing::error!("cannot see which accounts and keys end soon: {panic}"),
        }
        tokio::time::sleep(CHECKED_EVERY).await;
    }
}

/// Returns the accounts and keys that are near their end and that no warning was about within a day, and notes them in `warned`.
fn due(warned: &mut HashMap<Named, Timestamp>, endings: &[Ending], now: Timestamp) -> Vec<Ending> {
    warned.retain(|_, at| now.duration_since(*at) < SILENCE);
    let near = endings.iter().copied().filter(|ending| ending.until.is_near(now));
    let due: Vec<Ending> = near.filter(|ending| !warned.contains_key(&(ending.account, ending.key))).collect();
    warned.extend(due.iter().map(|ending| ((ending.account, ending.key), now)));
    due
}

fn warn(Ending { account, key, until }: Ending) {
    let until = until.to_string();
    match key {
        None => tracing::warn!(
            account,
            until,
            "account {account} ends soon: after {until} (UTC) its requests are refused; \
             extend it with `rollcall account set {account} --until DATE`"
        ),
        Some(key) => tracing::warn!(
            account,
            key,
            until,
            "key {key} of account {account} ends soon: after {until} (UTC) requests with it are refused; \
             add another with `rollcall key add {account}`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::until::Until;

    #[test]
    fn each_is_warned_of_three_days_ahead_and_once_a_day() {
        let now: Timestamp = "2027-01-28T12:00:00Z".parse().unwrap();
        let at = |hours: i64| now + SignedDuration::from_hours(hours);
        let ending = |key, day| Ending { account: 99, key, until: Until::parse(day).unwrap() };
        let (account, key) = (ending(None, "2027-01-31"), ending(Some(3), "2027-01-30"));
        let mut warned = HashMap::new();
        let mut due = |hours| due(&mut warned, &[account, key], at(hours));
        assert_eq!(due(0), [key]);
        assert_eq!(due(11), []);
        assert_eq!(due(12), [account]);
        assert_eq!(due(23), []);
        assert_eq!(due(24), [key]);
        assert_eq!(due(36), [account]);
        assert_eq!(due(61), [account], "the key has ended");
    }
}
