//! What answers the requests: a file for each dialect and each kind of read.

pub mod collaborator;
pub mod echospan;
pub mod export;
pub mod photo;
pub mod read;
pub mod ready;
pub mod springest;
pub mod startexam;
