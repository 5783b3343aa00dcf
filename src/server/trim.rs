//! Trim: what is older of each account's history than the account keeps goes in the background, a piece at a time.

use crate::server::Server;
use crate::store::{Error, Key, Roster};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How long after its start a server looks for old history the first time.
const FIRST: Duration = Duration::from_secs(1);

/// How often it does.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// How long an account's roster is left to others between two pieces, or after it was found in use.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_IN_USE: Duration = Duration::from_millis(200);

/// How long the work for one account takes at a time; then the others have their turn.
const ACCOUNT_TIME_MAX: Duration = Duration::from_secs(30);

/// Removes old history as long as the server runs.
pub async fn keep_trimming(server: Arc<Server>) {
    let mut pause = FIRST;
    loop {
        sleep(pause).await;
        let has_more = match in_background(&server, |server| server.store.accounts()).await {
            Ok(accounts) => {
                let mut has_more = false;
                for account in accounts {
                    has_more |= trim_account(&server, account.id).await;
                }
                has_more
            }
            Err(error) => {
                tracing::warn!("the history could not be trimmed: {error}");
                false
            }
        };
        pause = if has_more { FIRST } else { EVERY };
    }
}

/// Removes what is old of an account's history, for a while. Returns whether there is more.
async fn trim_account(server: &Arc<Server>, account: i64) -> bool {
    let (began, mut rows, mut open) = (Instant::now(), 0, None);
    let has_more = loop {
        match in_background(server, move |server| trim_piece(server, account, open)).await {
            Ok(Piece { rows: removed, open: roster }) => {
                rows += removed;
                if roster.is_none() || began.elapsed() > ACCOUNT_TIME_MAX {
                    break roster.is_some();
                }
                open = roster;
                sleep(PAUSE).await;
            }
            Err(Error::Busy(_)) if began.elapsed() <= ACCOUNT_TIME_MAX => {
                open = None;
                sleep(PAUSE_IN_USE).await;
            }
            Err(Error::Busy(_)) => break true,
            Err(error) => {
                tracing::warn!(account, "the history could not be trimmed: {error}");
                break false;
            }
        }
    };
    if rows > 0 {
        let ms = began.elapsed().as_millis();
        tracing::info!(account, rows, has_more, ms, "old history removed");
    }
    has_more
}

/// What a piece of the work has come to.
#[derive(Default)]
struct Piece {
    /// How many rows went.
    rows: usize,
    /// The roster, open for the next piece; `None` if nothing is left to do.
    open: Option<Box<Roster>>,
}

fn trim_piece(server: &Server, account: i64, open: Option<Box<Roster>>) -> Result<Piece, Error> {
    let Some(key) = server.store.key(account)? else {
        return Ok(Piece::default());
    };
    let before = before(server, &key)?;
    let mut roster = match open {
        Some(roster) => roster,
        // To look costs nobody anything, so the roster is only opened to write if there is something to do.
        None if !server.store.reader(&key)?.has_history_before(before)? => return Ok(Piece::default()),
        None => Box::new(server.store.roster(&key)?),
    };
    let trimmed = roster.trim(before)?;
    roster.checkpoint_if_large()?;
    Ok(Piece { rows: trimmed.rows, open: Some(roster).filter(|_| trimmed.has_more) })
}

/// Returns the time before which the history of an account goes.
fn before(server: &Server, key: &Key) -> Result<Timestamp, Error> {
    let settings = server.store.account_settings(key.account)?;
    let days = settings.history_days.unwrap_or(server.limits.history_days);
    let kept = SignedDuration::from_hours(24 * i64::from(days));
    Ok(Timestamp::now().checked_sub(kept).unwrap_or(Timestamp::MIN))
}

async fn in_background<T: Send + 'static>(
    server: &Arc<Server>,
    work: impl FnOnce(&Server) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let server = server.clone();
    // A panic has been reported by then.
    let panicked = |_| Err(Error::Backend("a thread of the server panicked".into()));
    spawn_blocking(move || work(&server)).await.unwrap_or_else(panicked)
}
