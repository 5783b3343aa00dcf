//! A moment in the life of a roster, and why the roster of one cannot be shown.

use jiff::Timestamp;

/// A moment that somebody asks for the roster of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After the sync that made this revision; 0 is before the first.
    Revision(u64),
    /// After the last sync that had ended by this time.
    Time(Timestamp),
}

/// Why there is no roster of a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// It is still to come.
    #[error("at is later than the roster, which is at revision {last}; leave it out for the roster as it is now")]
    ToCome {
        /// The roster's revision.
        last: u64,
    },
    /// No sync made the revision.
    #[error(
        "no sync of this roster made revision {revision}: a backup was restored, and what had been pushed after it is lost; GET /v1/syncs \
         lists the revisions that there are"
    )]
    Lost {
        /// The revision.
        revision: u64,
    },
    /// The history does not go back that far.
    #[error(
        "the history is kept from revision {first} on{}; ask for the roster as it was then, or later",
        time.as_ref().map(|time| format!(", which was made at {time}")).unwrap_or_default()
    )]
    NotKept {
        /// The first revision that the roster is known of.
        first: u64,
        /// When its sync ended, RFC 3339 in UTC, if that is known.
        time: Option<String>,
    },
}

impl Moment {
    /// Reads a revision or a time; the error is what is wrong.
    pub fn parse(text: &str) -> Result<Moment, String> {
        let revision = text.parse::<u32>().ok().map(|revision| Moment::Revision(revision.into()));
        let time = || text.parse().ok().map(Moment::Time);
        let wrong = "at must be a revision, like 7, or a time, like 2026-01-31T00:00:00Z";
        revision.or_else(time).ok_or_else(|| wrong.to_owned())
    }
}
