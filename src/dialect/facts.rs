//! What is particular to a dialect: each has these facts as a constant in its file.

use crate::role::Role;

/// What is particular to a dialect.
#[derive(Debug)]
pub struct Facts {
    /// The name that profiles, keys and commands have for it.
    pub name: &'static str,
    /// How its requests show whose they are, as people call it.
    pub credential: &'static str,
    /// What the routes at its paths need of a key. A key that is added without roles gets these, but never [`Role::Administer`].
    pub roles: &'static [Role],
    /// What its paths begin with, in any case. A path that begins with no dialect's is StartExam's.
    pub paths: &'static [&'static str],
    /// What it calls the employee's id.
    pub id: &'static str,
    /// What its documents call the fields that a profile can have, beside the employee's id and status. StartExam has none of its own:
    /// there a field is called as the profile calls it.
    pub fields: &'static [&'static str],
    /// Those of its fields that a profile must have for the dialect to be served.
    pub required: &'static [&'static str],
    /// The one of its fields that a profile must make unique.
    pub unique: Option<&'static str>,
    /// The one of its fields that finds an employee whose id is not stored.
    pub find_by: Option<&'static str>,
    /// The one of its fields that a profile must make an image.
    pub image: Option<&'static str>,
    /// The form of a refusal, where it is not StartExam's.
    pub refusal: Option<RefusalForm>,
}

/// How a dialect says that a request was refused as a whole.
#[derive(Debug)]
pub struct RefusalForm {
    /// The media type of the body.
    pub media_type: &'static str,
    /// Makes the body of a message that says what to do.
    pub body: fn(&str) -> String,
}

/// The media type of an answer in JSON.
pub const JSON: &str = "application/json; charset=utf-8";

/// The media type of an answer in words.
pub const TEXT: &str = "text/plain; charset=utf-8";
