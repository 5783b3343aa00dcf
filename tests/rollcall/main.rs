//! Everything through the real door: the program as a process, signed requests over a socket, files through the command line.

mod authenticate;
mod body;
mod both;
mod command;
mod connection;
mod crash;
mod dialects;
mod equal;
mod export;
mod golden;
mod index;
mod patches;
mod plain;
mod profile;
mod push;
mod read;
mod register;
mod rules;
mod structure;
mod trouble;
mod unique;
mod world;
