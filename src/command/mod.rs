//! The program: one file for each subcommand.

mod account;
mod adopt;
mod backup;
mod changes;
mod check;
#[cfg(feature = "client")]
mod demo;
mod ends;
mod erase;
mod export;
mod folder;
mod history;
mod key;
mod manual;
mod output;
mod plan;
mod profile;
#[cfg(feature = "client")]
mod push;
#[cfg(feature = "client")]
mod push_plan;
#[cfg(feature = "client")]
mod refused;
mod rename;
mod restore;
mod serve;
mod show;
mod undo;
mod user;
#[cfg(feature = "webhooks")]
mod webhook;
mod why;
#[cfg(not(feature = "client"))]
mod without_client;

use crate::config::{self, Config};
use clap::{Parser, Subcommand};
use output::{complain, out};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
#[cfg(not(feature = "client"))]
use without_client::{Demo, Push};
#[cfg(feature = "client")]
use {demo::Demo, push::Push};

/// The endpoint for nightly employee lists.
///
/// One signed POST carries the whole roster. Every employee is checked against the account's profile, only what differs is written,
/// in one transaction, and the answer is five counts: created, updated, activated, hidden, unchanged.
///
/// Every option can also be set by an environment variable, and most by the configuration file. What is typed wins over the
/// environment, and the environment wins over the file.
///
/// Exit codes: 0 if everything was done; 1 if the server, the data or the system refused it, or the result could not be written;
/// 2 if the command line or the configuration is wrong; 3 if a guard stopped a push; 4 if a push was applied without some employees.
#[derive(Parser)]
#[command(name = "rollcall", version, max_term_width = 100)]
struct Cli {
    /// The configuration file (TOML) [default: ./rollcall.toml, if there is one]
    #[arg(long, global = true, env = "ROLLCALL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// The configuration file that is read if no other is named.
const CONFIG_FILE: &str = "rollcall.toml";

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Demo(Demo),
    Account(account::Account),
    Key(key::Key),
    User(user::User),
    #[cfg(feature = "webhooks")]
    Webhook(webhook::Webhook),
    History(history::History),
    Show(show::Show),
    Why(why::Why),
    Rename(rename::Rename),
    Undo(undo::Undo),
    Profile(profile::Profile),
    Push(Push),
    Plan(plan::Plan),
    Export(export::Export),
    Erase(erase::Erase),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Completions(manual::Completions),
    #[command(name = "man")]
    ManPage(manual::ManPage),
}

/// Why a subcommand failed.
enum Failed {
    /// The command line or the configuration is wrong: exit code 2.
    Usage(String),
    /// The server, the data or the system refused it: exit code 1.
    Refused(String),
    /// Nobody reads the standard output any more, such as `head`: exit code 1, and nothing needs to be said.
    Unread,
    /// A guard stopped a push: exit code 3.
    #[cfg(feature = "client")]
    Held(String),
    /// A lenient push, or an undo, was applied without some employees: exit code 4.
    Rejected(String),
}

impl Failed {
    fn refused(error: impl ToString) -> Failed {
        Failed::Refused(error.to_string())
    }

    /// Returns the same failure with what was done before it.
    #[cfg(feature = "client")]
    fn after(self, done: &str) -> Failed {
        match self {
            Failed::Usage(message) => Failed::Usage(format!("{done} {message}")),
            Failed::Refused(message) => Failed::Refused(format!("{done} {message}")),
            Failed::Unread => Failed::Refused(format!("{done} nobody reads the standard output any more")),
            Failed::Held(message) => Failed::Held(format!("{done} {message}")),
            Failed::Rejected(message) => Failed::Rejected(format!("{done} {message}")),
        }
    }
}

impl From<crate::store::Error> for Failed {
    fn from(error: crate::store::Error) -> Failed {
        Failed::refused(error)
    }
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => carry_out(cli),
        Err(error) if error.use_stderr() => {
            // If this cannot be written, there is nowhere to say so.
            let _ = error.print();
            return ExitCode::from(2);
        }
        // The help or the version was asked for.
        Err(help) => output::written(|_| help.print()),
    };
    let (code, message) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failed::Usage(message)) => (2, message),
        Err(Failed::Refused(message)) => (1, message),
        Err(Failed::Unread) => return ExitCode::FAILURE,
        #[cfg(feature = "client")]
        Err(Failed::Held(message)) => (3, message),
        Err(Failed::Rejected(message)) => (4, message),
    };
    complain!("rollcall: {message}");
    ExitCode::from(code)
}

fn carry_out(cli: Cli) -> Result<(), Failed> {
    let config = || configured(cli.config);
    match cli.command {
        Command::Serve(command) => command.run(config()?),
        Command::Demo(command) => command.run(config()?),
        Command::Account(command) => command.run(config()?),
        Command::Key(command) => command.run(config()?),
        Command::User(command) => command.run(config()?),
        #[cfg(feature = "webhooks")]
        Command::Webhook(command) => command.run(config()?),
        Command::Profile(command) => command.run(config()?),
        Command::Push(command) => command.run(config()?),
        Command::Plan(command) => command.run(config()?),
        Command::Export(command) => command.run(config()?),
        Command::Erase(command) => command.run(config()?),
        Command::History(command) => command.run(config()?),
        Command::Show(command) => command.run(config()?),
        Command::Why(command) => command.run(config()?),
        Command::Rename(command) => command.run(config()?),
        Command::Undo(command) => command.run(config()?),
        Command::Backup(command) => command.run(config()?),
        Command::Restore(command) => command.run(config()?),
        Command::Completions(command) => command.run(),
        Command::ManPage(command) => command.run(),
    }
}

/// Reads the named configuration file, or else the one in the working folder, if there is one.
fn configured(named: Option<PathBuf>) -> Result<Config, Failed> {
    let found = Path::new(CONFIG_FILE).symlink_metadata().is_ok().then(|| PathBuf::from(CONFIG_FILE));
    match named.or(found) {
        Some(file) => config::read(&file).map_err(Failed::Usage),
        None => Ok(Config::default()),
    }
}

/// Returns the option, or else what the configuration file says, or else the default.
fn setting<T>(option: Option<T>, configured: Option<T>, default: impl FnOnce() -> T) -> T {
    option.or(configured).unwrap_or_else(default)
}
