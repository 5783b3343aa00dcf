//! The nouns of a roster: an employee, as it comes off the wire and as it is stored, and what a sync counts.

mod absent;
mod change;
mod change_set;
mod data;
mod delta;
mod garble;
mod guard;
mod hash;
mod id;
mod ignored;
mod index;
mod intent;
mod merged;
mod packed;
mod profiles;
mod suspect;
mod table;
mod tally;

pub use absent::{Absences, Absent, Coverage, Missing};
pub use change::{Change, HiddenBy, Kinds, OwnedChange, Version, is_of_removed};
pub use change_set::ChangeSet;
pub use data::Data;
pub use delta::Delta;
pub use garble::{Edit, is_garbled};
pub use guard::{Bounds, Guard, GuardSetting, GuardSettings, Guards, Percent, Tripped, USUAL_LISTS};
pub use hash::{BytesHasher, data_hash, hash};
pub use id::valid_id;
pub use ignored::Ignored;
pub use index::{Block, Entry, Index};
pub use intent::{Extent, Intent};
pub use merged::{merged_into, merged_prefix};
pub use packed::{pack, unpack};
pub use suspect::{
    EmptyShare, FLAPPING_DAYS, FLAPPING_MIN, Flapping, Listed, MovedValue, SUSPECTS_LISTED_MAX, SamePerson, Share,
    Suspects,
};
pub use tally::{FieldValue, Tally};

use std::collections::HashMap;
use uuid::Uuid;

/// Whether an employee works here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A leaver: kept, not shown.
    Hidden = 0,
    /// Works here.
    Active = 1,
}

impl Status {
    /// Reads `active` or `hidden`, in any case.
    pub fn parse(text: &str) -> Option<Status> {
        [Status::Active, Status::Hidden].into_iter().find(|status| text.eq_ignore_ascii_case(status.as_str()))
    }

    /// `active` or `hidden`.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Hidden => "hidden",
        }
    }
}

/// A push without its employees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The profile that it names, if it does.
    pub profile: Option<Uuid>,
    /// What it has beside that and the employees.
    pub ignored: Ignored,
}

/// What a sync did with the employees of its push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Had not existed.
    pub created: u64,
    /// Had existed, and the data changed.
    pub updated: u64,
    /// Had existed, and is active now but was not.
    pub activated: u64,
    /// Had existed, and is hidden now but was not.
    pub hidden: u64,
    /// Had existed, and neither data nor status changed.
    pub unchanged: u64,
}

/// An employee as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Employee {
    /// The id in the corporate system.
    pub id: String,
    /// Whether the employee works here.
    pub status: Status,
    /// The account's number of the profile that the data was checked by.
    pub profile: u32,
    /// The values, in canonical form.
    pub data: Data,
}

/// What the account's numbers stand for.
#[derive(Debug, Default)]
pub struct Names {
    /// Profiles by number.
    pub profiles: HashMap<u32, Uuid>,
    /// Field names by number.
    pub fields: HashMap<u32, String>,
}
