//! The feed of an account: all changes in their order, for followers that keep a cursor.

use super::RecordedChange;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A place in the feed: what a follower has seen of it. It is written like `412-9f86d081884c7d65`, `412-9f86d081884c7d65-1000`
/// or `412-9f86d081884c7d65-1000-e500`.
///
/// Only the roster that it comes from goes on from there: the stamp tells its sync from one that another roster, such as the same one before
/// a backup was restored, has under this revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedCursor {
    /// The last revision that was seen; 0 is before the first.
    pub revision: u64,
    /// The beginning of the stamp of its sync; 0 if it has none.
    pub stamp: u64,
    /// The number of the last employee whose change in it was seen; `None` if all of them were.
    pub number: Option<u32>,
    /// The last erasure that left no trace of whom to remove, if it came after the revision and the follower began after it; 0 if not.
    pub erasure: u64,
}

/// From where on the feed is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedStart {
    /// From the first change that is kept.
    Beginning,
    /// From the next change on.
    End,
    /// From behind a cursor.
    After(FeedCursor),
}

/// Some changes of a feed.
#[derive(Debug)]
pub struct FeedPage {
    /// The changes, by revision and then by the number of the employee.
    pub changes: Vec<FeedChange>,
    /// The place behind them.
    pub cursor: FeedCursor,
    /// Whether there may be more already.
    pub has_more: bool,
}

/// A change of a feed.
#[derive(Debug)]
pub struct FeedChange {
    /// The sync that made it.
    pub sync: Arc<FeedSync>,
    /// The change.
    pub recorded: RecordedChange,
}

/// A sync whose changes are in a feed.
#[derive(Debug)]
pub struct FeedSync {
    /// The roster's revision after it.
    pub revision: u64,
    /// When it ended, RFC 3339 in UTC.
    pub finished_at: String,
    /// How it came to be, by its name; `None` if that was not recorded.
    pub kind: Option<&'static str>,
}

/// Why a feed does not go on from a cursor. The follower has to begin anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// Changes behind the cursor are not kept any more.
    #[error(
        "changes that come after this cursor are not kept any more: the history begins with revision {first}; take an export anew, and go on \
         from the cursor in its header Rollcall-Cursor"
    )]
    NotKept {
        /// The revision that the history begins with.
        first: u64,
    },
    /// The roster never was at the cursor.
    #[error(
        "this roster does not have the revision of the cursor: a backup was restored, or the roster was made anew, and what was pushed since \
         is lost; take an export anew, and go on from the cursor in its header Rollcall-Cursor"
    )]
    OtherRoster,
    /// Somebody was erased whom the follower may know by an id, or with values, that nothing tells any more.
    #[error(
        "revision {revision} has erased somebody whose id the history does not have any more, or what somebody was for a while, so the changes that \
         come after this cursor cannot say whom to remove; take an export anew, forget whoever is not in it, and go on from the cursor in its \
         header Rollcall-Cursor"
    )]
    Erased {
        /// The revision of the erasure.
        revision: u64,
    },
}

impl fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FeedCursor { revision, stamp, number, erasure } = self;
        write!(f, "{revision}-{stamp:016x}")?;
        number.map_or(Ok(()), |number| write!(f, "-{number}"))?;
        if *erasure > 0 { write!(f, "-e{erasure}") } else { Ok(()) }
    }
}

impl FromStr for FeedCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<FeedCursor, ()> {
        let mut parts = text.split('-');
        let revision: u32 = parts.next().ok_or(())?.parse().map_err(|_| ())?;
        let stamp = parts.next().filter(|stamp| stamp.len() == 16).ok_or(())?;
        let stamp = u64::from_str_radix(stamp, 16).map_err(|_| ())?;
        let mut cursor = FeedCursor { revision: revision.into(), stamp, number: None, erasure: 0 };
        let mut part = parts.next();
        if let Some(number) = part.filter(|part| !part.starts_with('e')) {
            cursor.number = Some(number.parse().map_err(|_| ())?);
            part = parts.next();
        }
        if let Some(erasure) = part {
            let erasure: u32 = erasure.strip_prefix('e').ok_or(())?.parse().map_err(|_| ())?;
            cursor.erasure = erasure.into();
        }
        if parts.next().is_none() { Ok(cursor) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for text in [
            "0-0000000000000000",
            "412-9f86d081884c7d65",
            "412-9f86d081884c7d65-1000",
            "412-9f86d081884c7d65-e500",
            "412-9f86d081884c7d65-1000-e500",
        ] {
            assert_eq!(text.parse::<FeedCursor>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "7",
            "7-",
            "-1-9f86d081884c7d65",
            "7-9f86",
            "7-9f86d081884c7d6g",
            "7-9f86d081884c7d65-1-2",
            "7-9f86d081884c7d65-e",
            "7-9f86d081884c7d65-e1-2",
            "7-9f86d081884c7d65-1-e1-e1",
        ] {
            assert!(text.parse::<FeedCursor>().is_err(), "{text}");
        }
    }
}
