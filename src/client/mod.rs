//! The client of a push: a file becomes a body of known length, which is signed and sent.

mod body;
mod collaborator;
mod csv;
mod places;
mod rows;
mod send;
mod xlsx;

pub use body::{Body, InputError};
pub use rows::Columns;
pub use send::{
    Answer, AnswerCounts, AnswerRefusal, AnswerRejection, ProfileField, PushError, Target, profile_fields, push,
};
