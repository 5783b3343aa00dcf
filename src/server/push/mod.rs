//! A push in its account's turn.

pub mod apply;
pub mod asked;
pub mod import;
pub mod turn;
