//! One client cannot take the others' share: of connections, threads, memory and time.

pub mod attempts;
pub mod budget;
pub mod disk;
pub mod followers;
pub mod gate;
pub mod nonces;
pub mod pace;
