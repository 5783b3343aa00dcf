//! A profile: the fields that an account's employees have, and the rules of their values.

mod date;
mod email;
mod file;
mod folder;
mod image;
mod number;
mod phone;
mod rules;
mod url;

pub use file::{ProfileError, read};
pub use folder::Folder;
pub use rules::{Broken, Rules};

use std::borrow::Cow;
use std::collections::HashMap;
use uuid::Uuid;

/// Whether two employees may have the same value in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// Any number of employees may.
    No,
    /// No two employees of the account may.
    Roster,
    /// No two active employees of the account may.
    Active,
}

/// One field of a profile.
#[derive(Debug)]
pub struct Field {
    /// What a push calls it.
    pub name: String,
    /// Whether every employee must have a value.
    pub required: bool,
    /// Whether two employees may have the same value.
    pub unique: Unique,
    /// The type, with its own rules.
    pub rules: Rules,
}

impl Field {
    /// Brings a pushed value to its canonical form; none where it is empty.
    pub fn canonical<'v>(&self, value: &'v str) -> Result<Option<Cow<'v, str>>, Broken> {
        let value = if self.rules.trims() { value.trim() } else { value };
        match value {
            "" => Ok(None),
            value => self.rules.canonical(value).map(Some),
        }
    }
}

/// A profile, as its file defines it.
#[derive(Debug)]
pub struct Profile {
    /// The GUID that a push names it by.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// The accounts whose it is; none means everybody's. To other accounts it does not exist.
    pub accounts: Option<Vec<i64>>,
    /// The fields, in the order of the file.
    pub fields: Vec<Field>,
    /// Tells this definition from any other: what was valid by the same version still is.
    pub version: u128,
    /// The definition as JSON, the way `GET /v1/profiles/{id}` shows it.
    pub definition: serde_json::Value,
    by_name: HashMap<String, usize>,
}

impl Profile {
    /// The place of the field of this name in [`Profile::fields`].
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Whether the profile exists for this account.
    pub fn belongs_to(&self, account: i64) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(&account))
    }
}
