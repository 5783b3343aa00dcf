//! Noticing: what another program on the same folder changes, such as `rollcall undo`, wakes those who wait for it.

use crate::server::Server;
use crate::store::{Error, Touched};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How often the files of the accounts that somebody follows are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What was found of an account.
#[derive(PartialEq, Eq)]
struct Seen {
    touched: Touched,
    revision: u64,
}

/// Wakes followers as long as the server runs. A look costs two questions about files for each account that is followed, and only if they were
/// written since, the revision is read.
pub async fn keep_noticing(server: Arc<Server>) {
    let mut seen = HashMap::new();
    loop {
        sleep(EVERY).await;
        let followed = server.followers.followed();
        if followed.is_empty() {
            seen.clear();
            continue;
        }
        let looking = server.clone();
        let looked = spawn_blocking(move || look(&looking, followed, seen)).await;
        // A panic has been reported by then.
        seen = looked.unwrap_or_default();
    }
}

/// Wakes the followers of accounts with another revision than the last time. An account that is followed for the first time may have changed
/// before it was looked at, so its followers look, too.
fn look(server: &Server, followed: Vec<i64>, mut last: HashMap<i64, Seen>) -> HashMap<i64, Seen> {
    let mut seen = HashMap::new();
    for account in followed {
        let before = last.remove(&account);
        let touched = server.store.touched(account);
        if let Some(before) = before.as_ref().filter(|before| before.touched == touched) {
            let revision = before.revision;
            seen.insert(account, Seen { touched, revision });
            continue;
        }
        // What cannot be read now is looked at again.
        let Ok(Some(revision)) = revision(server, account) else {
            continue;
        };
        if before.is_none_or(|before| before.revision != revision) {
            server.followers.wake(account);
        }
        seen.insert(account, Seen { touched, revision });
    }
    seen
}

fn revision(server: &Server, account: i64) -> Result<Option<u64>, Error> {
    let Some(key) = server.store.key(account)? else {
        return Ok(None);
    };
    server.store.reader(&key)?.snapshot()?.revision().map(Some)
}
