//! The client of a push: a file becomes a body of known length, which is compressed, signed and sent.

mod advice;
mod body;
mod collaborator;
mod connection;
mod csv;
mod places;
mod retry;
mod rows;
mod send;
mod xlsx;

pub use advice::{advice, is_replaced};
pub use body::{Body, InputError};
pub use connection::{Broken, Sent, tried};
pub use retry::{Patience, Progress, ask, push};
pub use rows::Columns;
pub use send::{Answer, AnswerCounts, AnswerRefusal, AnswerRejection, ProfileField, PushError, Target, profile_fields};
