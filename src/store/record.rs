//! What is recorded of a sync beside its changes.

use super::Error;
use crate::rejection::{Cause, SetAside};
use crate::roster::{Counts, Employee, HiddenBy, OwnedChange, Tripped};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use uuid::Uuid;

/// How a sync came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncKind {
    /// A list of everybody was pushed.
    Push,
    /// Some employees were pushed.
    Patch,
    /// A plan was applied.
    Plan(AppliedPlan),
    /// The roster was restored from a backup.
    Restore,
    /// An employee was given another id.
    Rename,
    /// What syncs had changed was taken back.
    Undo(AppliedUndo),
    /// The personal data of employees was erased. It counts nobody as changed.
    Erase,
}

/// The syncs that an undo takes back: from one revision to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The revision of the first.
    pub from: u64,
    /// The revision of the last.
    pub to: u64,
}

/// `revision 7`, or `revisions 7 to 9`.
impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Undone { from, to } = self;
        if from == to { write!(f, "revision {to}") } else { write!(f, "revisions {from} to {to}") }
    }
}

/// An undo that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedUndo {
    /// The id of the plan that it was.
    pub plan: String,
    /// What it has taken back.
    pub undone: Undone,
}

/// Whether syncs can be taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undoable {
    /// Whether the record of each of them is kept.
    pub is_kept: bool,
    /// One of them that restored a backup. What it has replaced is not recorded.
    pub restored: Option<u64>,
    /// The profiles of all that have changed somebody, or may have changed ids.
    pub profiles: Vec<Uuid>,
}

/// An employee as it was at a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionAt {
    /// The employee.
    pub employee: Employee,
    /// The revision that made this version.
    pub since: u64,
    /// From how many lists in a row the employee had been absent, if absence has hidden it.
    pub absent: Option<u32>,
}

/// A plan that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedPlan {
    /// Its id.
    pub id: String,
    /// Whether employees had changed since it was made, so that it was applied without them.
    pub is_rebased: bool,
    /// The guards that had held it, without the ids of people. A dry run was held by none.
    pub tripped: Vec<Tripped>,
}

/// How many employees were rejected, and by which rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectionCounts {
    /// How many employees were rejected.
    pub employees: u64,
    /// How many rejections there were of each rule. An employee may break several.
    pub by_rule: BTreeMap<String, u64>,
}

/// How long the steps of a push took. Together they are the time from the first look at the body until the commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Waiting for the body.
    pub receive: Duration,
    /// Reading the index, splitting, recognising, checking, and the rules of the whole roster: mostly the processor.
    pub check: Duration,
    /// Writing into the open transaction.
    pub write: Duration,
    /// Making it durable, with the index. The record of a sync is part of what is made durable, so its own `commit` ends before the last
    /// write to the disk.
    pub commit: Duration,
}

impl Times {
    /// Sets `check` to what the other steps have left of `elapsed`, the time since the first look at the body.
    pub fn rest_is_check(&mut self, elapsed: Duration) {
        self.check = elapsed.saturating_sub(self.receive + self.write + self.commit);
    }
}

/// A push that guards stopped, without people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPush {
    /// The id of the plan that it became; `None` if there was no room for one.
    pub plan: Option<String>,
    /// The guards that stopped it, without the ids of people.
    pub tripped: Vec<Tripped>,
    /// The five counts, as if it had been applied.
    pub counts: Counts,
}

impl HeldPush {
    /// Returns what is recorded of a push that these guards stopped.
    pub fn new(tripped: &[Tripped], plan: Option<String>, counts: Counts) -> HeldPush {
        HeldPush { plan, tripped: without_people(tripped), counts }
    }
}

/// A change of a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedChange {
    /// The employee before and after.
    pub change: OwnedChange,
    /// Why the employee was hidden, if the change hides one.
    pub hidden_by: Option<HiddenBy>,
}

impl SyncKind {
    /// Its name in the store and in answers.
    pub fn name(&self) -> &'static str {
        match self {
            SyncKind::Push => "push",
            SyncKind::Patch => "patch",
            SyncKind::Plan(AppliedPlan { is_rebased: false, .. }) => "plan",
            SyncKind::Plan(AppliedPlan { is_rebased: true, .. }) => "rebasedPlan",
            SyncKind::Restore => "restore",
            SyncKind::Rename => "rename",
            SyncKind::Undo(_) => "undo",
            SyncKind::Erase => "erase",
        }
    }

    /// Returns the id of the plan that was applied, if it was one.
    pub fn plan(&self) -> Option<&str> {
        match self {
            SyncKind::Plan(AppliedPlan { id, .. }) | SyncKind::Undo(AppliedUndo { plan: id, .. }) => Some(id),
            SyncKind::Push | SyncKind::Patch | SyncKind::Restore | SyncKind::Rename | SyncKind::Erase => None,
        }
    }

    /// Returns the kind of a name. A plan has this id and these guards, an undo took these syncs back.
    pub(super) fn of_name(
        name: &str,
        id: String,
        tripped: Vec<Tripped>,
        undone: Option<Undone>,
    ) -> Result<SyncKind, Error> {
        Ok(match name {
            "push" => SyncKind::Push,
            "patch" => SyncKind::Patch,
            "plan" | "rebasedPlan" => SyncKind::Plan(AppliedPlan { id, is_rebased: name == "rebasedPlan", tripped }),
            "restore" => SyncKind::Restore,
            "rename" => SyncKind::Rename,
            "erase" => SyncKind::Erase,
            "undo" => {
                let undone = undone.ok_or_else(|| Error::damaged("an undo does not say what it has taken back"))?;
                SyncKind::Undo(AppliedUndo { plan: id, undone })
            }
            _ => return Err(Error::damaged("the kind of a sync is not one of those that there are")),
        })
    }

    /// Returns why a sync of this kind hid an employee, who was absent from so many lists in a row if that was the reason.
    pub(super) fn hides_by(&self, absent_lists: Option<u32>) -> HiddenBy {
        match (self, absent_lists) {
            (SyncKind::Plan(_), lists) => HiddenBy::Plan { lists },
            (SyncKind::Undo(_), _) => HiddenBy::Undo,
            (SyncKind::Erase, _) => HiddenBy::Erasure,
            (_, Some(lists)) => HiddenBy::Absence { lists },
            (SyncKind::Rename, None) => HiddenBy::Rename,
            (SyncKind::Push | SyncKind::Patch | SyncKind::Restore, None) => HiddenBy::Push,
        }
    }
}

impl From<&SetAside> for RejectionCounts {
    fn from(SetAside { employees, causes, .. }: &SetAside) -> RejectionCounts {
        let mut by_rule = BTreeMap::new();
        for Cause { rule, count, .. } in causes {
            *by_rule.entry(rule.clone().into_owned()).or_default() += count;
        }
        RejectionCounts { employees: *employees, by_rule }
    }
}

/// Returns the same guards without the ids of people.
pub fn without_people(tripped: &[Tripped]) -> Vec<Tripped> {
    tripped.iter().map(|one| Tripped { ids: Vec::new(), ..one.clone() }).collect()
}
