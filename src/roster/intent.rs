//! Intents: what a push asks for one employee, whatever the dialect.

use super::Status;
use crate::rejection::Fault;
use std::borrow::Cow;

/// What a push asks for one employee: well-formed, not yet checked against a profile.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Intent<'a> {
    /// The id, see [`super::valid_id`]; `None` if the push has no usable one, or names the employee by a field.
    pub id: Option<Cow<'a, str>>,
    /// The status; without one it stays as it is, and a new employee is active.
    pub status: Option<Status>,
    /// Values, each with what the dialect calls its field, in the order of the push. An empty value empties the field.
    pub data: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// How much of the employee's data that is.
    pub extent: Extent,
    /// The fields, by what the dialect calls them, that were sent several values in a JSON array of strings.
    pub several: Vec<String>,
    /// Whether the employee must be stored already.
    pub must_exist: bool,
    /// The names of members that mean nothing here, of the employee and of its data.
    pub ignored: Vec<Cow<'a, str>>,
    /// What is wrong with its form.
    pub faults: Vec<Fault>,
}

/// How much of an employee's data an intent carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it: a field without a value becomes empty.
    All,
    /// All of it, but some could not be read, so nobody knows which fields are empty.
    Unreadable,
    /// Some of it: a field without a value stays as it is.
    #[default]
    Some,
    /// None of it: only the status is meant, and what is stored is not checked.
    Nothing,
}
