//! What answers the requests: a file for each dialect and each kind of read.

pub mod account;
mod changes;
pub mod collaborator;
pub mod echospan;
pub mod erase;
pub mod export;
pub mod feed;
pub mod health;
mod paging;
pub mod plans;
pub mod profiles;
pub mod read;
pub mod rename;
pub mod springest;
pub mod startexam;
pub mod suspects;
pub mod syncs;
pub mod undo;
pub mod webhooks;
