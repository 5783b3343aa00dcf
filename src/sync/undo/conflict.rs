//! What is in the way of an undo, or forbids it.

use crate::rejection::Rejection;
use crate::roster::OwnedChange;
use crate::store::Undone;
use crate::sync::Failure;
use std::fmt;
use uuid::Uuid;

/// Why syncs cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoFailure {
    /// There is no such sync, or its record is not kept any more.
    Unknown(Undone),
    /// The first revision is not before the last.
    Backwards {
        /// The revision that the roster was to be taken back to.
        back_to: u64,
        /// The revision of the last sync.
        revision: u64,
    },
    /// One of them restored a backup. What it has replaced is not recorded.
    Restored {
        /// Its revision.
        revision: u64,
    },
    /// They are of several profiles.
    SeveralProfiles(Vec<Uuid>),
    /// The profile is not in force any more.
    NoProfile(Uuid),
    /// One employee stands in the way of another, and so on, in too many steps.
    Entangled,
    /// These were named, and there is no conflict about them.
    NotInConflict(Vec<String>),
    /// These were named, and a rule is in the way, which holds for everybody.
    ByRule(Vec<String>),
}

/// Says why, and what to do.
impl fmt::Display for UndoFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UndoFailure::Unknown(Undone { from, to }) if from == to => {
                write!(f, "no sync of the account made revision {to}, or its record is not kept any more")
            }
            UndoFailure::Unknown(Undone { from, to }) => {
                write!(f, "not all of the syncs that made the revisions {from} to {to} are kept")
            }
            UndoFailure::Backwards { back_to, revision } => write!(
                f,
                "revision {back_to} is not before revision {revision}; name the last sync that is to be undone, and with `to` the \
                 revision before the first"
            ),
            UndoFailure::Restored { revision } => write!(
                f,
                "revision {revision} restored a backup, and what that has replaced is not recorded; undo syncs before or after it, or \
                 restore another backup"
            ),
            UndoFailure::SeveralProfiles(profiles) => {
                let profiles: Vec<String> = profiles.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "these syncs are of several profiles ({}); undo them one after the other, the last first",
                    profiles.join(", ")
                )
            }
            UndoFailure::NoProfile(profile) => write!(
                f,
                "the profile {profile} of this sync is not in force any more, and nothing can be checked by it; put its file back first"
            ),
            UndoFailure::Entangled => f.write_str(
                "so many employees stand in each other's way that it cannot be told in time who can be taken back; undo fewer syncs at \
                 once, the last first",
            ),
            UndoFailure::NotInConflict(ids) => {
                write!(
                    f,
                    "nothing is in the way of undoing {}; name only employees that are in conflict",
                    ids.join(", ")
                )
            }
            UndoFailure::ByRule(ids) => {
                write!(
                    f,
                    "a rule of the roster or of its profile is in the way of undoing {}, and naming them does not set it aside; the conflicts of the \
                     undo without these names say which rule",
                    ids.join(", ")
                )
            }
        }
    }
}

impl From<UndoFailure> for Failure {
    fn from(failure: UndoFailure) -> Failure {
        Failure::Undo(Box::new(failure))
    }
}

/// The employees that an undo leaves as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conflicts {
    /// How many there are.
    pub count: u64,
    /// How many were erased since, which cannot be undone. They are no conflicts.
    pub erased: u64,
    /// The first of those that break no rule of the whole roster, as many as the limit `errors_listed_max` allows.
    pub listed: Vec<Conflict>,
    /// The first that would break a rule of the whole roster, as many again.
    pub rejected: Vec<Rejection>,
}

/// An employee that an undo leaves as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// From what the employee is now to what the undo would make of it.
    pub change: OwnedChange,
    /// What is in the way.
    pub cause: ConflictCause,
}

/// What is in the way of taking an employee back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictCause {
    /// A later sync has changed the same things again.
    ChangedSince {
        /// The revision of the employee's last change.
        revision: u64,
    },
    /// Another employee has the id that this one would get back.
    IdTaken,
    /// The profile of today refuses what would be put back.
    Rule {
        /// The name of the field.
        field: String,
        /// The rule, as a profile names it.
        rule: &'static str,
        /// What is wrong. It quotes no value.
        message: String,
    },
    /// Somebody who stays names the employee, who would be removed.
    Named {
        /// The id of who names it.
        by: String,
        /// The field.
        field: String,
    },
}

impl ConflictCause {
    /// Its name in answers.
    pub fn name(&self) -> &'static str {
        match self {
            ConflictCause::ChangedSince { .. } => "changedSince",
            ConflictCause::IdTaken => "idTaken",
            ConflictCause::Rule { rule, .. } => rule,
            ConflictCause::Named { .. } => "named",
        }
    }
}
