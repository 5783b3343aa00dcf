//! What a push carries and rollcall has no use for.

use crate::limits::{IGNORED_NAME_CHARS_MAX, IGNORED_NAMES_MAX};
use std::collections::BTreeSet;
use std::fmt;

/// The names of members and fields that a push carries and that mean nothing here, to be named in the answer: each once, in
/// alphabetical order, the first [`IGNORED_NAMES_MAX`] that came, long ones cut.
///
/// They are a client's text, so they are not for the log: the `Debug` form has only their count.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ignored(BTreeSet<String>);

impl Ignored {
    /// Returns the set of these names.
    pub fn of(names: &[String]) -> Ignored {
        let mut ignored = Ignored::default();
        names.iter().for_each(|name| ignored.add(name));
        ignored
    }

    /// Adds a name.
    pub fn add(&mut self, name: &str) {
        let cut = name.char_indices().nth(IGNORED_NAME_CHARS_MAX).map(|(end, _)| format!("{}…", &name[..end]));
        let name = cut.as_deref().unwrap_or(name);
        if self.0.len() < IGNORED_NAMES_MAX && !self.0.contains(name) {
            self.0.insert(name.to_owned());
        }
    }

    /// Adds the names of another push, or of a part of the same.
    pub fn add_all(&mut self, other: &Ignored) {
        other.names().for_each(|name| self.add(name));
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Debug for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} names", self.0.len())
    }
}
