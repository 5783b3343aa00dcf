//! The program: one file a subcommand.

// These panic if nobody reads what they write; `out!` and `complain!` do not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod account;
mod adopt;
mod backup;
mod check;
mod demo;
mod ends;
mod export;
mod folder;
mod history;
mod key;
mod manual;
mod output;
mod profile;
mod push;
mod refused;
mod restore;
mod serve;

use crate::config::{self, Config};
use clap::{Parser, Subcommand};
use output::{complain, out};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The endpoint for nightly employee lists.
///
/// One signed POST carries the whole roster. Every employee is checked against the account's profile, only what differs is written,
/// in one transaction, and the answer is five counts: created, updated, activated, hidden, unchanged.
///
/// Every option can also be set by an environment variable, and most by the configuration file. What is typed wins over the
/// environment, and the environment wins over the file.
///
/// Exit codes: 0 if everything was done; 1 if the server, the data or the system refused it, or the result could not be written;
/// 2 if the command line or the configuration is wrong.
#[derive(Parser)]
#[command(name = "rollcall", version, max_term_width = 100)]
struct Cli {
    /// The configuration file (TOML) [default: ./rollcall.toml, if there is one]
    #[arg(long, global = true, env = "ROLLCALL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration is looked for if no other place is named.
const CONFIG_FILE: &str = "rollcall.toml";

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Account(account::Account),
    Key(key::Key),
    History(history::History),
    Profile(profile::Profile),
    Push(push::Push),
    Export(export::Export),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Completions(manual::Completions),
    #[command(name = "man")]
    ManPage(manual::ManPage),
}

/// Why a subcommand did not do what it was asked to.
enum Failed {
    /// What was typed or configured cannot be: exit code 2.
    Usage(String),
    /// The server or the data refused it: exit code 1.
    Refused(String),
}

impl Failed {
    fn refused(error: impl ToString) -> Failed {
        Failed::Refused(error.to_string())
    }

    /// The same failure, with what was done before it.
    fn after(self, done: &str) -> Failed {
        match self {
            Failed::Usage(message) => Failed::Usage(format!("{done} {message}")),
            Failed::Refused(message) => Failed::Refused(format!("{done} {message}")),
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
            // Nobody is left to hear that this cannot be written.
            let _ = error.print();
            return ExitCode::from(2);
        }
        // What was asked for is the help, or the version.
        Err(help) => output::written(|_| help.print()),
    };
    let (code, message) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failed::Usage(message)) => (2, message),
        Err(Failed::Refused(message)) => (1, message),
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
        Command::Profile(command) => config().and_then(|_| command.run()),
        Command::Push(command) => command.run(config()?),
        Command::Export(command) => command.run(config()?),
        Command::History(command) => command.run(config()?),
        Command::Backup(command) => command.run(config()?),
        Command::Restore(command) => command.run(config()?),
        Command::Completions(command) => command.run(),
        Command::ManPage(command) => command.run(),
    }
}

/// What the named file says, else the one in the working folder, if it exists.
fn configured(named: Option<PathBuf>) -> Result<Config, Failed> {
    let found = Path::new(CONFIG_FILE).symlink_metadata().is_ok().then(|| PathBuf::from(CONFIG_FILE));
    match named.or(found) {
        Some(file) => config::read(&file).map_err(Failed::Usage),
        None => Ok(Config::default()),
    }
}

/// The option, else what the configuration file says, else the default.
fn setting<T>(option: Option<T>, configured: Option<T>, default: impl FnOnce() -> T) -> T {
    option.or(configured).unwrap_or_else(default)
}
