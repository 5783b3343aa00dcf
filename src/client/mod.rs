//! The client of a push: a file becomes a body of known length, which is signed and sent.

mod body;
mod csv;
mod send;

pub use body::{Body, InputError};
pub use csv::Columns;
pub use send::{Answer, AnswerCounts, AnswerRefusal, PushError, Target, push};
