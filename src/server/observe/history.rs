//! History: refused pushes are written to their account's file once a second, equal ones of a second as one. However many a client
//! sends, that is one small transaction a second and account.

use crate::server::Server;
use crate::store::{self, Refused};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// How often refused pushes are written.
const PAUSE: Duration = Duration::from_secs(1);

/// How many different refusals of an account are kept until then; more are counted together.
const DIFFERENT_MAX: usize = 20;

/// The longest cause that is kept, in characters.
const CAUSE_CHARS_MAX: usize = 500;

/// Refused pushes that are to be written.
#[derive(Default)]
pub struct History {
    waiting: Mutex<BTreeMap<i64, Vec<Refused>>>,
    more: Notify,
    /// Held while they are written, so that a stop does not overtake that.
    writing: Mutex<()>,
}

impl History {
    /// Notes a refused push of an account. It does not wait for anything.
    pub fn note(&self, account: i64, mut refused: Refused) {
        if let Some((end, _)) = refused.cause.char_indices().nth(CAUSE_CHARS_MAX) {
            refused.cause.truncate(end);
            refused.cause.push('…');
        }
        let mut waiting = self.waiting.lock().expect("no holder of the lock panics");
        let waiting = waiting.entry(account).or_default();
        if waiting.len() >= DIFFERENT_MAX && !waiting.iter().any(|other| is_same(other, &refused)) {
            refused.cause = "other causes: more were refused within a second than are told apart".into();
            (refused.status, refused.rejections, refused.held) = (None, 0, None);
            refused.by_rule.clear();
        }
        // They are kept in the order of their times.
        if let Some(at) = waiting.iter().position(|other| is_same(other, &refused)) {
            refused.requests += waiting.remove(at).requests;
        }
        waiting.push(refused);
        self.more.notify_one();
    }

    /// Writes what was noted. What cannot be written because the account's roster is in use stays for the next time.
    pub fn write(&self, server: &Server) {
        let _writing = self.writing.lock().expect("no holder of the lock panics");
        let noted = std::mem::take(&mut *self.waiting.lock().expect("no holder of the lock panics"));
        for (account, refused) in noted {
            match write_account(server, account, &refused) {
                Ok(()) => server.news.note(account),
                Err(store::Error::Busy(_)) => {
                    let mut waiting = self.waiting.lock().expect("no holder of the lock panics");
                    let later = waiting.entry(account).or_default();
                    later.splice(0..0, refused);
                    later.truncate(DIFFERENT_MAX + 1);
                    self.more.notify_one();
                }
                Err(error) => tracing::warn!(account, "refused pushes could not be recorded: {error}"),
            }
        }
    }
}

fn is_same(one: &Refused, other: &Refused) -> bool {
    let key = |refused: &Refused| (refused.dialect, refused.sender.key, refused.status);
    (key(one), &one.cause, &one.held) == (key(other), &other.cause, &other.held)
}

fn write_account(server: &Server, account: i64, refused: &[Refused]) -> Result<(), store::Error> {
    let Some(key) = server.store.key(account)? else {
        return Ok(());
    };
    let mut roster = server.store.roster(&key)?;
    roster.record_refused(refused, server.limits.refusals_kept_max)?;
    roster.checkpoint_if_large()
}

/// Writes refused pushes as they come, until it is dropped.
pub async fn keep(server: Arc<Server>) {
    loop {
        server.history.more.notified().await;
        sleep(PAUSE).await;
        let writing = server.clone();
        drop(tokio::task::spawn_blocking(move || writing.history.write(&writing)).await);
    }
}
