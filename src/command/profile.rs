//! `rollcall profile`

mod check;
mod versions;

use super::folder::{IfMissing, StoreFolder};
use super::{Failed, setting};
use crate::config::Config;
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use uuid::Uuid;

/// Check profiles, and list, compare and publish their versions; a running server knows at once
#[derive(Args)]
pub struct Profile {
    #[command(flatten)]
    store: StoreFolder,
    /// The folder of the profiles [default: ./profiles]
    #[arg(long, global = true, env = "ROLLCALL_PROFILES", value_name = "DIR")]
    profiles: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Report every mistake in profiles, with its file, line, rule and what to do, and which systems each profile serves
    Check {
        /// Files, or folders of them
        #[arg(required = true, value_name = "FILE|FOLDER")]
        paths: Vec<PathBuf>,
    },
    /// List the profiles that are in force, with their versions and files
    List {
        /// Print a JSON array
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// List the versions of a profile: when each was published, by whom, and why
    Log {
        /// The GUID of the profile
        id: Uuid,
        /// Print a JSON array
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// Print the text of the version in force, or of another
    Show {
        /// The GUID of the profile
        id: Uuid,
        /// The number of the version, as `log` shows it
        #[arg(long, env = "ROLLCALL_VERSION", value_name = "N")]
        version: Option<u64>,
    },
    /// Publish a file as the next version of the profile that has its id, and write it to the profile's file
    Put {
        /// The text of the profile (TOML)
        file: PathBuf,
        /// Why, for `log`
        #[arg(long, env = "ROLLCALL_WHY", value_name = "TEXT")]
        why: Option<String>,
    },
    /// Compare what is in force with the files, or two versions of a profile
    Diff {
        /// The GUID of a profile [default: all that have a file]
        id: Option<Uuid>,
        /// The number of the version that is compared [default: the one before]
        #[arg(long, env = "ROLLCALL_FROM", value_name = "N", requires = "id")]
        from: Option<u64>,
        /// The number of the version that it is compared with [default: the one in force]
        #[arg(long, env = "ROLLCALL_TO", value_name = "N", requires = "id")]
        to: Option<u64>,
    },
}

impl Profile {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        if let Action::Check { paths } = self.action {
            return check::run(paths);
        }
        let dir = setting(self.profiles, config.profiles.clone(), || PathBuf::from("./profiles"));
        let store = self.store.open(&config, IfMissing::Fail)?;
        match self.action {
            Action::Check { .. } => Ok(()),
            Action::List { json } => versions::list(&store, json),
            Action::Log { id, json } => versions::log(&store, id, json),
            Action::Show { id, version } => versions::show(&store, id, version),
            Action::Put { file, why } => {
                versions::put(&store, &dir, &file, why.as_deref(), config.limits.account_profiles_max)
            }
            Action::Diff { id, from: None, to: None } => versions::compare_files(&store, id),
            Action::Diff { id, from, to } => versions::compare(&store, id, from, to),
        }
    }
}
