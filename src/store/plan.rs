//! Plans: changes that a push would make, kept until somebody applies or discards them.

use super::{Error, Numbers, Sender, Sync, Undone};
use crate::limits::Limits;
use crate::profile::Profile;
use crate::roster::{Absences, Counts, Guard, OwnedChange, Suspects, Tripped};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use uuid::Uuid;

/// A plan, without its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// 128 random bits in hexadecimal.
    pub id: String,
    /// The account's number for it, which no other plan of the account ever gets.
    pub number: u32,
    /// When it was made, RFC 3339 in UTC, to the second.
    pub made_at: String,
    /// When it expires.
    pub expires_at: String,
    /// What became of it.
    pub state: PlanState,
    /// Why it waits.
    pub why: Why,
    /// What it was made against.
    pub base: Base,
    /// The GUID of the profile.
    pub profile: Uuid,
    /// Who sent the push.
    pub sender: Sender,
    /// When the list was made that the push carried, if it said so.
    pub as_of: Option<Timestamp>,
    /// How many employees the push carried.
    pub employees: u64,
    /// The five counts, as if it had been applied.
    pub counts: Counts,
    /// How many employees it changes.
    pub changes: u64,
    /// What in it looks odd.
    pub suspects: Suspects,
}

/// What became of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanState {
    /// It can be applied.
    Waiting,
    /// Its time is over.
    Expired,
    /// It was discarded, or had to make room for another.
    Discarded,
    /// It was applied.
    Applied {
        /// The roster's revision after it.
        revision: u64,
    },
}

/// Why a plan waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The push only asked what it would do. These guards would stop it.
    DryRun(Vec<Tripped>),
    /// Guards stopped the push.
    Guards(Vec<Tripped>),
    /// It is an undo.
    Undo(PlannedUndo),
}

/// What is known of an undo that is a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedUndo {
    /// What it takes back.
    #[serde(flatten)]
    pub undone: Undone,
    /// How many employees it leaves as they are, though the syncs had changed them.
    pub conflicts: u64,
    /// What becomes of the employees that the syncs had created.
    pub created: Created,
}

/// What an undo does with the employees that the syncs had created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Created {
    /// They are removed. Their history stays, so that this can be undone.
    #[default]
    Hide,
    /// They are removed, and their values are erased for good.
    Erase,
}

impl Created {
    /// Reads `hide` or `erase`.
    pub fn parse(text: &str) -> Option<Created> {
        [Created::Hide, Created::Erase].into_iter().find(|created| created.as_str() == text)
    }

    /// `hide` or `erase`.
    pub fn as_str(self) -> &'static str {
        match self {
            Created::Hide => "hide",
            Created::Erase => "erase",
        }
    }
}

/// Why a plan waits, as it is stored: JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StoredWhy {
    /// The guards that stopped the push; `None` for a dry run.
    pub guards: Option<String>,
    /// The guards that would stop a push that was a dry run; `None` if none would.
    pub would_trip: Option<String>,
    /// What an undo takes back; `None` of a push.
    pub undo: Option<String>,
}

/// What a plan was made against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// The roster's revision.
    pub revision: u64,
    /// The number of the next new employee.
    pub next: u32,
    /// The account's number of the profile.
    pub profile: u32,
    /// The version of the profile's rules.
    pub rules: u128,
}

/// What of a draft becomes a plan, beside what was appended.
pub struct NewPlan<'a> {
    /// The record of the push, as if it had been applied.
    pub sync: Sync,
    /// Why it waits.
    pub why: Why,
    /// The profile that the push named.
    pub profile: &'a Profile,
    /// What [`super::Draft::enter_profile`] returned for it.
    pub numbers: &'a Numbers,
    /// By number the hash of the bytes that each changed employee was accepted with, in ascending order. Who is not among them has none.
    pub accepted: Vec<(u32, u128)>,
    /// What the push says about who is missing.
    pub absences: Absences,
    /// The limits of plans.
    pub limits: &'a Limits,
    /// Where many changes wait while they are moved.
    pub spool_dir: &'a Path,
}

/// A change of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedChange {
    /// The change.
    pub change: OwnedChange,
    /// The hash of the bytes that the employee was accepted with, or 0 if they are not known.
    pub bytes: u128,
}

impl NewPlan<'_> {
    /// Returns what the plan was made against: the roster at a revision.
    pub(super) fn base(&self, revision: u64) -> Base {
        let Numbers { profile, next, .. } = *self.numbers;
        Base { revision, next, profile, rules: self.profile.version }
    }

    /// Returns the hash of the bytes that an employee was accepted with, or 0 if they are not known.
    pub fn accepted(&self, number: u32) -> u128 {
        let found = self.accepted.binary_search_by_key(&number, |(number, _)| *number);
        found.map_or(0, |found| self.accepted[found].1)
    }
}

impl Why {
    /// Returns the guards that stopped the push, or would stop it.
    pub fn guards(&self) -> &[Tripped] {
        match self {
            Why::DryRun(tripped) | Why::Guards(tripped) => tripped,
            Why::Undo(_) => &[],
        }
    }

    /// Returns the form in which it is stored.
    pub(super) fn to_stored(&self) -> StoredWhy {
        match self {
            Why::DryRun(tripped) if tripped.is_empty() => StoredWhy::default(),
            Why::DryRun(tripped) => StoredWhy { would_trip: Some(guards_to_text(tripped)), ..StoredWhy::default() },
            Why::Guards(tripped) => StoredWhy { guards: Some(guards_to_text(tripped)), ..StoredWhy::default() },
            Why::Undo(undo) => {
                let undo = serde_json::to_string(undo).expect("numbers with names are JSON");
                StoredWhy { undo: Some(undo), ..StoredWhy::default() }
            }
        }
    }

    /// Reads the form in which it is stored.
    pub(super) fn of_stored(stored: &StoredWhy) -> Result<Why, Error> {
        match stored {
            StoredWhy { undo: Some(text), .. } => Ok(Why::Undo(serde_json::from_str(text).map_err(Error::damaged)?)),
            StoredWhy { guards: Some(text), .. } => Ok(Why::Guards(guards_of_text(text)?)),
            StoredWhy { would_trip: Some(text), .. } => Ok(Why::DryRun(guards_of_text(text)?)),
            StoredWhy { .. } => Ok(Why::DryRun(Vec::new())),
        }
    }
}

/// Returns the form in which guards are stored that stopped a push.
pub(super) fn guards_to_text(tripped: &[Tripped]) -> String {
    let tripped = tripped.iter().map(|Tripped { guard, field, count, of, limit, ids }| {
        json!({ "guard": guard.name(), "field": field, "count": count, "of": of, "limit": limit, "ids": ids })
    });
    Value::from_iter(tripped).to_string()
}

/// Reads the form in which guards are stored.
pub(super) fn guards_of_text(text: &str) -> Result<Vec<Tripped>, Error> {
    let stored: Vec<Value> = serde_json::from_str(text).map_err(Error::damaged)?;
    let tripped = |stored: &Value| {
        let text = |name: &str| stored[name].as_str().map(str::to_owned);
        let number = |name: &str| stored[name].as_u64().unwrap_or_default();
        let ids = stored["ids"].as_array().into_iter().flatten();
        let guard =
            Guard::parse(&text("guard").unwrap_or_default()).ok_or_else(|| Error::damaged("a guard of a plan"))?;
        Ok(Tripped {
            guard,
            field: text("field"),
            count: number("count"),
            of: number("of"),
            limit: number("limit"),
            ids: ids.filter_map(|id| Some(id.as_str()?.to_owned())).collect(),
        })
    };
    stored.iter().map(tripped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_plan_waits_survives_being_stored() {
        let (guard, field, ids) = (Guard::Empty, Some("E-mail".to_owned()), vec!["7".to_owned()]);
        let tripped = vec![Tripped { guard, field, count: 30, of: 100, limit: 25, ids }];
        for tripped in [Vec::new(), tripped] {
            for why in [Why::DryRun(tripped.clone()), Why::Guards(tripped)] {
                assert_eq!(Why::of_stored(&why.to_stored()).unwrap(), why);
            }
        }
        let undo = Why::Undo(PlannedUndo { undone: Undone { from: 3, to: 4 }, conflicts: 5, created: Created::Erase });
        assert_eq!(Why::of_stored(&undo.to_stored()).unwrap(), undo);
    }
}
