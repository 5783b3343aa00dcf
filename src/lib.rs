//! The endpoint for nightly employee lists.
//!
//! The modules in reading order, which is the order in which a push meets them:
//!
//! 1. [`command`] starts the program, as [`config`] and [`limits`] say; [`spelling`] guesses what a misspelt name was meant to be.
//! 2. [`server`] listens, routes, authenticates ([`signature`], [`token`], [`until`], [`role`]; people by [`password`]) and receives the body ([`digest`]).
//! 3. [`dialect`] knows the wire formats: it turns an element of the body ([`json`]) into what a push says about an employee.
//! 4. [`sync`] is the push itself, from splitting the body to the commit.
//! 5. [`profile`] has the fields of an employee and the rules for their values; a value that breaks one becomes a [`rejection`].
//! 6. [`roster`] is all employees of an account, [`store`] keeps it, and [`export`] writes it to a file, safe from [`formula`]s.
//! 7. [`schedule`] says when the pushes of an account are expected; [`server`] tells people if one is late.
//! 8. `client` (with the feature of that name) pushes to a server, and [`sample`] invents rosters to push.

#[cfg(feature = "client")]
pub mod client;
pub mod command;
pub mod config;
pub mod dialect;
pub mod digest;
pub mod export;
pub mod formula;
pub mod json;
pub mod limits;
pub mod password;
pub mod profile;
pub mod rejection;
pub mod role;
pub mod roster;
pub mod sample;
pub mod schedule;
pub mod server;
pub mod signature;
pub mod spelling;
#[expect(unused_qualifications, reason = "two paths, in sqlite/accounts.rs and suite.rs, are longer than they need be")]
pub mod store;
pub mod sync;
pub mod token;
pub mod until;
