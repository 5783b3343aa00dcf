//! Everything through the real door: the program as a process, signed requests over a socket, files through the command line.

#![allow(
    clippy::cast_possible_truncation,
    clippy::mem_forget,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and its cases are data"
)]

mod absent;
mod at;
mod authenticate;
mod backup;
mod blocks;
mod body;
mod both;
mod browser;
mod client;
mod command;
mod compressed;
mod conditions;
mod confidential;
mod connection;
mod crash;
mod dialects;
mod ends;
mod equal;
mod erase;
mod erase_after;
mod erase_traces;
mod export;
mod feed;
mod files;
mod golden;
mod guards;
mod guesses;
mod head;
mod history;
mod index;
mod lenient;
mod lenient_dialects;
mod model;
mod operator;
mod page;
mod patches;
mod plain;
mod plans;
mod portal;
mod profile;
mod program;
mod proxy;
mod push;
mod read;
mod receiver;
mod refusal;
mod register;
mod rename;
mod repair;
mod roles;
mod rules;
mod schedule;
mod secrets;
mod server_key;
mod shapes;
mod shares;
mod signatures;
mod structure;
mod suspects;
mod tables;
#[cfg(target_os = "linux")]
mod terminal;
mod trial;
mod trim;
mod trouble;
mod undo;
mod undo_rules;
mod unique;
mod versions;
mod webhooks;
mod world;
