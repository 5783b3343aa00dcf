//! What the operator has set for a dialect of an account.

use crate::roster::Absent;
use uuid::Uuid;

/// What is set for a dialect of an account. `None` means that the dialect's default holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DialectSettings {
    /// The profile that employees are checked against.
    pub profile: Option<Uuid>,
    /// What becomes of employees whom a whole list does not carry.
    pub absent: Option<Absent>,
}

/// One setting, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// See [`DialectSettings::profile`].
    Profile(Uuid),
    /// See [`DialectSettings::absent`].
    Absent(Absent),
}

impl Setting {
    /// Reads a setting as it is stored, or returns `None` if it is no setting or its value is none.
    pub(super) fn parse(name: &str, value: &str) -> Option<Setting> {
        match name {
            "profile" => value.parse().ok().map(Setting::Profile),
            "absent" => Absent::parse(value).map(Setting::Absent),
            _ => None,
        }
    }

    /// The name by which it is stored.
    pub(super) fn name(self) -> &'static str {
        match self {
            Setting::Profile(_) => "profile",
            Setting::Absent(_) => "absent",
        }
    }

    /// The value as it is stored.
    pub(super) fn value(self) -> String {
        match self {
            Setting::Profile(id) => id.to_string(),
            Setting::Absent(absent) => absent.as_str().to_owned(),
        }
    }
}

impl DialectSettings {
    pub(super) fn add(&mut self, setting: Setting) {
        match setting {
            Setting::Profile(id) => self.profile = Some(id),
            Setting::Absent(absent) => self.absent = Some(absent),
        }
    }
}
