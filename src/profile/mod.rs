//! A profile: the fields that an account's employees have, and the rules for their values.
//!
//! ```
//! use rollcall::profile;
//!
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("people.toml");
//! std::fs::write(
//!     &file,
//!     r#"
//!     id = "5a0c6c0e-8a51-4f0e-9d0b-6f1f6f5a2b11"
//!     name = "People"
//!     [[field]]
//!     name = "Birth Date"
//!     type = "date"
//!     formats = ["yyyy-mm-dd", "dd.mm.yyyy"]
//!     "#,
//! )?;
//! let profile = profile::read(&file).map_err(|errors| errors[0].to_string())?;
//! let birth_date = &profile.fields[profile.position("Birth Date").unwrap()];
//! assert_eq!(birth_date.canonical("26.07.1988").unwrap().as_deref(), Some("1988-07-26"));
//! assert_eq!(birth_date.canonical("").unwrap(), None);
//! assert_eq!(birth_date.canonical("31.02.1988").unwrap_err().rule, "date");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod date;
mod difference;
mod email;
mod file;
mod folder;
mod image;
mod list;
mod number;
mod object;
mod phone;
mod reference;
mod rules;
mod url;

pub use difference::{Line, lines as differing_lines};
pub use file::{ProfileError, TextError, decode, parse, read, read_text};
pub use folder::{
    Listed, PassedOver, ReadFile, ReadFolder, list_folder, no_profile, read_folder, same_id, text_hash, write_file,
    wrong_name,
};
pub use image::{Picture, decode as decode_image};
pub use reference::{Reference, To};
pub use rules::{Broken, Pattern, Rules};

use crate::dialect::{Dialect, Facts};
use crate::roster::{Absent, GuardSettings};
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
    /// Its name, by which a push carries its value.
    pub name: String,
    /// Whether every employee must have a value.
    pub required: bool,
    /// Whether two employees may have the same value.
    pub unique: Unique,
    /// The type, with its own rules.
    pub rules: Rules,
    /// Whether a push waits by which a value of the field, such as a department, would lose everybody.
    pub guard: bool,
    /// What the dialects that have the field call it.
    pub wire: Vec<(Dialect, String)>,
}

impl Field {
    /// Returns the canonical form of a pushed value, or `None` if it is empty. The error is the rule that it breaks.
    pub fn canonical<'v>(&self, value: &'v str) -> Result<Option<Cow<'v, str>>, Broken> {
        let value = if self.rules.trims() { value.trim() } else { value };
        match value {
            "" => Ok(None),
            value => self.rules.canonical(value).map(|value| (!value.is_empty()).then_some(value)),
        }
    }

    /// Returns the canonical form of a value that was in canonical form by this profile or by an earlier version of it, or `None` if it is empty
    /// today. The error is the rule that it breaks.
    pub fn of_stored<'v>(&self, value: &'v str) -> Result<Option<Cow<'v, str>>, Broken> {
        match self.rules.date_of_stored(value) {
            Some(date) => date.map(Some),
            None => self.canonical(value),
        }
    }

    /// Returns what the dialect calls the field, or `None` if the dialect does not have it.
    pub fn wire_name(&self, dialect: Dialect) -> Option<&str> {
        match dialect {
            Dialect::StartExam => Some(&self.name),
            _ => self.wire.iter().find(|(of, _)| *of == dialect).map(|(_, name)| name.as_str()),
        }
    }
}

/// When the personal data of a hidden employee is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasing {
    /// The name of the date field that it depends on.
    pub field: String,
    /// How many days after the date.
    pub days: u32,
}

/// A profile, as its file defines it.
#[derive(Debug)]
pub struct Profile {
    /// The GUID that a push names it by.
    pub id: Uuid,
    /// Its name, for people.
    pub name: String,
    /// The accounts that may use it, or `None` for all. To other accounts it does not exist.
    pub accounts: Option<Vec<i64>>,
    /// The fields, in the order of the file.
    pub fields: Vec<Field>,
    /// What becomes of employees whom a push does not carry, unless the push or the operator says it.
    pub absent: Option<Absent>,
    /// From how many pushes in a row an employee may be missing without being hidden.
    pub grace: u32,
    /// The positions of the fields by which two employees are taken for the same person if they have the same values in all of them; empty if
    /// the profile names none.
    pub same_person: Vec<usize>,
    /// When the personal data of hidden employees is erased, if it ever is.
    pub erase: Option<Erasing>,
    /// What is set for the guards of its pushes.
    pub guards: GuardSettings,
    /// A hash of the definition: what was valid by the same version still is.
    pub version: u128,
    /// The definition as JSON, the way `GET /v1/profiles/{id}` shows it.
    pub definition: serde_json::Value,
    by_name: HashMap<String, usize>,
}

impl Profile {
    /// Returns the position in [`Profile::fields`] of the field with this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the position in [`Profile::fields`] of the field that the dialect calls `name`. Case does not matter.
    pub fn wire_position(&self, dialect: Dialect, name: &str) -> Option<usize> {
        let called = |field: &Field| field.wire_name(dialect).is_some_and(|wire| wire.eq_ignore_ascii_case(name));
        self.fields.iter().position(called)
    }

    /// Returns which of the dialect's fields this profile leaves out. The error says why the profile cannot serve the dialect at all.
    pub fn serves(&self, dialect: Dialect) -> Result<Vec<&'static str>, String> {
        let Facts { name, fields, required, unique, image, .. } = dialect.facts();
        let unmapped = |name: &&str| self.wire_position(dialect, name).is_none();
        if let Some(missing) = required.iter().copied().find(unmapped) {
            return Err(format!("no field has wire = {{ {name} = \"{missing}\" }}"));
        }
        if let Some(field) = self.fields.iter().find(|field| field.required && field.wire_name(dialect).is_none()) {
            return Err(format!("field {:?} is required, and {name} has nothing for it", field.name));
        }
        let field_of = |wire: &str| self.wire_position(dialect, wire).map(|place| &self.fields[place]);
        if let Some(wire) = image
            && let Some(field) = field_of(wire).filter(|field| !matches!(field.rules, Rules::Image { .. }))
        {
            return Err(format!("field {:?} must be of type image, since {name} calls it {wire}", field.name));
        }
        if let Some(field) = unique.and_then(field_of).filter(|field| field.unique == Unique::No) {
            return Err(format!(
                "field {:?} must be unique: no two employees of {name}'s may have the same",
                field.name
            ));
        }
        Ok(fields.iter().copied().filter(unmapped).collect())
    }

    /// Returns the version as people compare it: its first eight hexadecimal digits.
    pub fn short_version(&self) -> String {
        format!("{:08x}", self.version >> 96)
    }

    /// Returns the account that alone may use the profile, if there is exactly one.
    pub fn sole_account(&self) -> Option<i64> {
        match self.accounts.as_deref() {
            Some([account]) => Some(*account),
            _ => None,
        }
    }

    /// Returns whether the profile exists for this account.
    pub fn belongs_to(&self, account: i64) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(&account))
    }
}
