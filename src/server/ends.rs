//! Warnings in the log, before an account or a key ends.

use super::Server;
use crate::store;
use crate::until::Until;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// How often the ends are looked at: who comes near one is warned this much too late at most.
const CHECKED_EVERY: Duration = Duration::from_secs(60 * 60);

/// How long nothing is said of an end that was warned of.
const SILENCE: SignedDuration = SignedDuration::from_hours(24);

/// An account, or one of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Ending {
    account: i64,
    key: Option<i64>,
}

/// Logs a warning of each account and key that is to end soon: at once, and then once a day.
pub async fn warn_of_ends(server: Arc<Server>) {
    let mut warned = HashMap::new();
    loop {
        let server = server.clone();
        match spawn_blocking(move || ends(&server.store)).await {
            Ok(Ok(ends)) => due(&mut warned, &ends, Timestamp::now()).into_iter().for_each(warn),
            Ok(Err(error)) => tracing::error!("cannot see which accounts and keys end soon: {error}"),
            Err(panic) => tracing::error!("cannot see which accounts and keys end soon: {panic}"),
        }
        tokio::time::sleep(CHECKED_EVERY).await;
    }
}

/// Everything that has an end.
fn ends(store: &store::Store) -> Result<Vec<(Ending, Until)>, store::Error> {
    let accounts = store.accounts()?.into_iter();
    let accounts = accounts.map(|account| (Ending { account: account.id, key: None }, account.until));
    let keys = store.keys(None)?.into_iter();
    let keys = keys.map(|key| (Ending { account: key.account, key: Some(key.id) }, key.until));
    Ok(accounts.chain(keys).filter_map(|(ending, until)| Some((ending, until?))).collect())
}

/// Those that are near their end and were not warned of within a day; they are noted in `warned`.
fn due(warned: &mut HashMap<Ending, Timestamp>, ends: &[(Ending, Until)], now: Timestamp) -> Vec<(Ending, Until)> {
    warned.retain(|_, at| now.duration_since(*at) < SILENCE);
    let due = ends.iter().copied().filter(|(ending, until)| until.is_near(now) && !warned.contains_key(ending));
    let due: Vec<_> = due.collect();
    warned.extend(due.iter().map(|(ending, _)| (*ending, now)));
    due
}

fn warn((Ending { account, key }, until): (Ending, Until)) {
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

    #[test]
    fn each_is_warned_of_three_days_ahead_and_once_a_day() {
        let now: Timestamp = "2027-01-28T12:00:00Z".parse().unwrap();
        let at = |hours: i64| now + SignedDuration::from_hours(hours);
        let account = (Ending { account: 99, key: None }, Until::parse("2027-01-31").unwrap());
        let key = (Ending { account: 99, key: Some(3) }, Until::parse("2027-01-30").unwrap());
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
