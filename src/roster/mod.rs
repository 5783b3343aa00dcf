//! The nouns of a roster: an employee, as it comes off the wire and as it is stored, and what a sync counts.

mod data;
mod id;
mod ignored;
mod index;

pub use data::Data;
pub use id::valid_id;
pub use ignored::Ignored;
pub use index::{BytesHasher, Changes, Entry, Index, data_hash, hash};

use crate::rejection::Fault;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use uuid::Uuid;

/// Whether an employee works here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
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

/// An employee as a push carries it: well-formed, not yet checked against a profile.
#[derive(Debug, PartialEq, Eq)]
pub struct Pushed<'a> {
    /// The id, see [`valid_id`]; `None` if the push has no usable one.
    pub id: Option<Cow<'a, str>>,
    /// The status; `None` if the push has no usable one.
    pub status: Option<Status>,
    /// The data rows, name and value, in the order of the push.
    pub data: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Whether `data` is all of the data: not if it is missing, or a row of it could not be read.
    pub whole: bool,
    /// The names of members that mean nothing here, of the employee and of its rows.
    pub ignored: Vec<Cow<'a, str>>,
}

/// A change of one employee as a push carries it: what it does not say stays as it is stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// The id, see [`valid_id`]; `None` if the push names the employee by a field.
    pub id: Option<String>,
    /// The status; without one it stays, and a new employee is active.
    pub status: Option<Status>,
    /// Values, each with what the dialect calls its field; an empty one removes what is stored.
    pub data: Vec<(String, String)>,
    /// Which of these fields, by what the dialect calls them, were sent several values, as a JSON array of strings.
    pub several: Vec<String>,
    /// Whether the employee must be stored already.
    pub must_exist: bool,
    /// What is wrong with its form.
    pub faults: Vec<Fault>,
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
