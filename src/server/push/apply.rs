//! Apply: a push in its account's turn, on a thread of its own.

use crate::roster::Counts;
use crate::server::Server;
use crate::server::memory;
use crate::server::observe::log::{CLIENT_GONE, Event};
use crate::server::push::turn::Turn;
use crate::server::respond::Refusal;
use crate::store::{HeldPush, Refused, Roster, Times};
use crate::sync::{Conflicts, Failure, LeftOut, Planned, Receipt, Trace};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// About how much memory a push leaves behind for each employee that it changed, in bytes.
const EMPLOYEE_BYTES: usize = 1 << 12;

/// A push under way.
pub struct Applying<T> {
    thread: JoinHandle<()>,
    result: oneshot::Receiver<Applied<T>>,
}

/// What came of a push, and what was noted about it.
type Applied<T> = (Result<T, Failure>, Trace);

/// What comes of a push that is not refused.
pub trait Done: Send + 'static {
    /// Returns what it did; `None` if nothing was applied.
    fn receipt(&self) -> Option<&Receipt>;
}

impl Done for Receipt {
    fn receipt(&self) -> Option<&Receipt> {
        Some(self)
    }
}

/// A plan that was applied, and whom it left out.
impl Done for (Receipt, LeftOut) {
    fn receipt(&self) -> Option<&Receipt> {
        Some(&self.0)
    }
}

/// An undo that became a plan, and whom it leaves as they are.
impl Done for (Planned, Conflicts) {
    fn receipt(&self) -> Option<&Receipt> {
        None
    }
}

impl Done for Planned {
    fn receipt(&self) -> Option<&Receipt> {
        None
    }
}

/// Opens the roster of the account whose turn it is, and does `work` with it. When the result is on its way and the account's next push
/// may begin, a log that is large is moved into the database; a small one is when the last who has the database open closes it.
/// `body_bytes` is about how much memory the push leaves behind if it is refused.
pub fn apply<T: Done>(
    server: &Arc<Server>,
    mut turn: Turn,
    event: &mut Event,
    body_bytes: usize,
    work: impl FnOnce(&Server, &mut Roster, &mut Trace) -> Result<T, Failure> + Send + 'static,
) -> Applying<T> {
    let (answer, result) = oneshot::channel();
    let server = server.clone();
    // The body of an import was received before, in its turn.
    let times = Times { receive: turn.taken.elapsed(), ..Times::default() };
    let mut trace = Trace { sender: event.sender(), times };
    event.under_way = true;
    let thread = tokio::task::spawn_blocking(move || {
        let account = turn.key.account;
        let mut roster = match server.store.roster(&turn.key) {
            Ok(roster) => roster,
            Err(error) => return answer_with(answer, &server, account, (Err(error.into()), trace)),
        };
        let result = work(&server, &mut roster, &mut trace).map_err(|failure| failure.of(account));
        server.metrics.carried_out(&trace.times);
        let receipt = result.as_ref().ok().and_then(Done::receipt);
        if let Some(receipt) = receipt {
            server.metrics.applied(account, &trace, receipt);
            server.followers.wake(account);
            server.news.note(account);
        }
        // Who is unchanged leaves nothing behind: the body of such a push goes by.
        let left_bytes = match receipt {
            Some(receipt) if !receipt.is_repeated => {
                let Counts { created, updated, activated, hidden, .. } = receipt.counts;
                let changed = created + updated + activated + hidden;
                usize::try_from(changed).unwrap_or(usize::MAX).saturating_mul(EMPLOYEE_BYTES)
            }
            _ => body_bytes,
        };
        // What the store failed with may be the connection's own trouble, which the next push need not share.
        let is_sound = !matches!(result, Err(Failure::Store(_)));
        drop(turn.one_at_a_time.take());
        answer_with(answer, &server, account, (result, trace));
        drop(turn);
        if let Err(error) = roster.checkpoint_if_large() {
            tracing::error!(account, "checkpoint: {error}");
        }
        if is_sound {
            server.store.keep_open(roster, server.limits.rosters_open_max);
        }
        memory::done_with(left_bytes);
    });
    Applying { thread, result }
}

/// Hands the result to the task that waits for it. If its client has gone, a refusal is counted and noted here.
fn answer_with<T: Done>(answer: oneshot::Sender<Applied<T>>, server: &Server, account: i64, result: Applied<T>) {
    let Err((result, trace)) = answer.send(result) else {
        return;
    };
    match (result, trace.sender.dialect) {
        (Ok(done), _) => {
            if let Some(receipt) = done.receipt() {
                tracing::warn!(account, ?receipt, "a push was applied, but its client had gone");
            }
        }
        (Err(failure), Some(dialect)) => {
            server.metrics.refused(Some(account), dialect, "gone");
            let Times { receive, check, write, commit } = trace.times;
            let refused = Refused {
                finished_at: Timestamp::now(),
                requests: 1,
                dialect,
                sender: trace.sender,
                status: None,
                rejections: 0,
                by_rule: BTreeMap::new(),
                held: match failure {
                    Failure::Held { tripped, plan, counts, .. } => Some(HeldPush::new(&tripped, plan, counts)),
                    _ => None,
                },
                duration: receive + check + write + commit,
                cause: CLIENT_GONE.into(),
            };
            server.history.note(account, refused);
        }
        (Err(_), None) => {}
    }
}

impl<T: Done> Applying<T> {
    /// Waits for the outcome, and notes it for the log.
    pub async fn result(self, event: &mut Event) -> Result<Result<T, Failure>, Refusal> {
        let result = self.result.await;
        event.under_way = false;
        let Ok((result, trace)) = result else {
            // The message of a panic may quote anything, so it is not the log's.
            drop(self.thread.await);
            return Err(Refusal::internal("a thread of the server panicked"));
        };
        event.trace = Some(trace);
        event.receipt = result.as_ref().ok().and_then(Done::receipt).cloned();
        Ok(result)
    }
}
