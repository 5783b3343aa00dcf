//! Why a push did nothing.

use super::plan::PlanFailure;
use super::rename::RenameFailure;
use super::undo::UndoFailure;
use crate::rejection::Rejections;
use crate::roster::{Counts, Suspects, Tripped};
use crate::store;
use jiff::Timestamp;
use std::io;

/// Why a push did nothing.
#[derive(Debug)]
pub enum Failure {
    /// The body did not come as it should.
    Body(BodyError),
    /// The body is not JSON.
    NotJson {
        /// The employee in which it is not, where it is in one.
        index: Option<u64>,
        /// Where in the body, in bytes.
        at: u64,
        /// What is wrong there.
        message: String,
    },
    /// The body is JSON of another form; the message says what to do.
    Wrong(String),
    /// A limit was exceeded.
    OverLimit {
        /// The limit's name in the configuration.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The account has no such profile.
    UnknownProfile,
    /// The push carries another number of employees than it says.
    Incomplete {
        /// How many it says.
        expected: u64,
        /// How many it carries.
        carried: u64,
    },
    /// A later list was applied already.
    Older {
        /// When this list was made.
        as_of: Timestamp,
        /// When the last list was made that was applied.
        last: Timestamp,
    },
    /// The signature came before, with another body or as a nonce.
    Replayed {
        /// Whether it is the nonce that came before.
        is_nonce: bool,
    },
    /// Another push had the same idempotency key.
    OtherBody,
    /// Guards stopped it.
    Held {
        /// Which.
        tripped: Vec<Tripped>,
        /// The id of the plan that it became; `None` if there was no room for one.
        plan: Option<String>,
        /// The five counts, as if it had been applied.
        counts: Counts,
        /// What in it looked odd.
        suspects: Box<Suspects>,
    },
    /// Employees were rejected.
    Rejected(Box<Rejections>),
    /// A plan cannot be applied.
    Plan(Box<PlanFailure>),
    /// An employee does not get another id.
    Rename(RenameFailure),
    /// Syncs cannot be taken back.
    Undo(Box<UndoFailure>),
    /// A body, or changes, could not be kept in a file for a while.
    Spool(io::Error),
    /// The store failed.
    Store(store::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Spool(error)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Failure {
        Failure::Store(error)
    }
}

impl From<RenameFailure> for Failure {
    fn from(failure: RenameFailure) -> Failure {
        Failure::Rename(failure)
    }
}

impl Failure {
    /// The same, said of an account.
    #[must_use]
    pub fn of(self, account: i64) -> Failure {
        match self {
            Failure::Store(error) => Failure::Store(error.of(account)),
            other => other,
        }
    }
}

/// What can go wrong with a body on its way in.
#[derive(Debug)]
pub enum BodyError {
    /// It ended before its length, or the connection broke.
    Cut {
        /// How many bytes came.
        received: u64,
    },
    /// It paused longer, or came slower, than a limit allows.
    Slow {
        /// The limit's name in the configuration.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// It came slowly while others waited for a place, and there are only so many.
    GaveWay {
        /// The name of the limit of places in the configuration.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// It is not compressed as its head says, or was cut or damaged.
    NotPacked {
        /// How its head says that it is compressed.
        coding: &'static str,
        /// What is wrong.
        message: String,
    },
    /// It is longer than a limit allows once it is unpacked.
    OverLimit {
        /// The limit's name in the configuration.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// It does not have the digest that its head says.
    Digest,
    /// It could not be read back.
    Spool(io::Error),
}
