//! The program: one file a subcommand.

mod account;
mod adopt;
mod backup;
mod check;
mod demo;
mod ends;
mod export;
mod history;
mod key;
mod profile;
mod push;
mod refused;
mod restore;
mod serve;

use crate::config::{self, Config};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The endpoint for nightly employee lists.
///
/// One signed POST takes the whole roster; every employee is checked against the account's profile, only what differs is
/// written, in one transaction, and the answer is five counts: created, updated, activated, hidden, unchanged.
///
/// Exit codes: 0 done, 1 the server or the data refused it, 2 usage.
#[derive(Parser)]
#[command(name = "rollcall", version, max_term_width = 100)]
struct Cli {
    /// The configuration file (TOML); an option that is typed, or in the environment, goes before it
    #[arg(long, global = true, env = "ROLLCALL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file of the server key, with which secrets are sealed; it is made if there is none [default: server.key in the data folder]
    #[arg(long, global = true, env = "ROLLCALL_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

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
}

impl From<crate::store::Error> for Failed {
    fn from(error: crate::store::Error) -> Failed {
        Failed::refused(error)
    }
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let config = match &cli.config {
        Some(file) => config::read(file).map_err(Failed::Usage),
        None => Ok(Config::default()),
    };
    let result = config.map(|config| Config { key_file: cli.key_file.or(config.key_file), ..config });
    let result = result.and_then(|config| match cli.command {
        Command::Serve(command) => command.run(config),
        Command::Demo(command) => command.run(config),
        Command::Account(command) => command.run(config),
        Command::Key(command) => command.run(config),
        Command::History(command) => command.run(config),
        Command::Profile(command) => command.run(),
        Command::Push(command) => command.run(config),
        Command::Export(command) => command.run(config),
        Command::Backup(command) => command.run(config),
        Command::Restore(command) => command.run(config),
    });
    let (code, message) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failed::Usage(message)) => (2, message),
        Err(Failed::Refused(message)) => (1, message),
    };
    eprintln!("rollcall: {message}");
    ExitCode::from(code)
}

/// The option, else what the configuration file says, else the default.
fn setting<T>(option: Option<T>, configured: Option<T>, default: impl FnOnce() -> T) -> T {
    option.or(configured).unwrap_or_else(default)
}
