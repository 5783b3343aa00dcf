//! The endpoint for nightly employee lists.
//!
//! A push travels through the modules in this order:
//!
//! 1. [`command`] starts the program; [`config`] and [`limits`] say how, and [`spelling`] what a wrong name was meant to be.
//! 2. [`server`] listens, routes, authenticates ([`signature`], [`token`], [`until`]) and receives ([`digest`]).
//! 3. [`dialect`] knows the wire format: it turns an element of the body ([`json`]) into an [`employee off the wire`](roster::Pushed).
//! 4. [`sync`] is the push itself: split, recognise, check, write, check the roster, commit.
//! 5. [`profile`] has the fields of an employee and the rules of their values; what breaks them is a [`rejection`].
//! 6. [`store`] keeps the [`roster`]; [`export`] writes it out.
//! 7. [`client`] pushes to such a server, and [`sample`] makes rosters to push.

pub mod client;
pub mod command;
pub mod config;
pub mod dialect;
pub mod digest;
pub mod export;
pub mod formula;
pub mod json;
pub mod limits;
pub mod profile;
pub mod rejection;
pub mod roster;
pub mod sample;
pub mod server;
pub mod signature;
pub mod spelling;
pub mod store;
pub mod sync;
pub mod token;
pub mod until;
