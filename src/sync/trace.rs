//! Trace: what is noted about a push on its way, whatever comes of it.

use super::{BodyError, Pieces};
use crate::store::{Sender, Times};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is noted about a push for the log, the metrics and the account's history.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Who sent it, as far as that is known.
    pub sender: Sender,
    /// How long its steps took.
    pub times: Times,
}

/// Does `work` and adds its duration to `time`.
pub fn timed<T>(time: &mut Duration, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    *time += started.elapsed();
    done
}

/// The same pieces; how long each was waited for is added to `waited`, in nanoseconds. A piece is half a megabyte, so that the
/// clock costs nothing beside it.
pub fn waiting_for<'a>(mut pieces: Box<Pieces<'a>>, waited: &'a AtomicU64) -> Box<Pieces<'a>> {
    Box::new(move || -> Result<Option<Bytes>, BodyError> {
        let started = Instant::now();
        let piece = pieces();
        let nanoseconds = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        waited.fetch_add(nanoseconds, Ordering::Relaxed);
        piece
    })
}
