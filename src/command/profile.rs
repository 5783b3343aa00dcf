//! `rollcall profile`

mod check;
mod trying;
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
    /// Try a file on all stored employees of the accounts that may use the profile: whom it would reject, by field and rule, whose values it
    /// would store in another form, and which values a choice lacks. Nothing is changed
    Try {
        #[command(flatten)]
        store: StoreFolder,
        /// The text of the profile (TOML)
        file: PathBuf,
        /// Only this account
        account: Option<i64>,
        /// Print a JSON array, an object for each account
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// List the profiles that are in force, with their versions and files
    List {
        #[command(flatten)]
        store: StoreFolder,
        /// Print a JSON array
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// List the versions of a profile: when each was published, by whom, and why
    Log {
        #[command(flatten)]
        store: StoreFolder,
        /// The GUID of the profile
        id: Uuid,
        /// Print a JSON array
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// Print the text of the version in force, or of another
    Show {
        #[command(flatten)]
        store: StoreFolder,
        /// The GUID of the profile
        id: Uuid,
        /// The number of the version, as `log` shows it
        #[arg(long, env = "ROLLCALL_VERSION", value_name = "N")]
        version: Option<u64>,
    },
    /// Publish a file as the next version of the profile that has its id, and write it to the profile's file
    Put {
        #[command(flatten)]
        store: StoreFolder,
        /// The folder of the profiles, where a new one gets its file [default: ./profiles]
        #[arg(long, env = "ROLLCALL_PROFILES", value_name = "DIR")]
        profiles: Option<PathBuf>,
        /// The text of the profile (TOML)
        file: PathBuf,
        /// Why, for `log`
        #[arg(long, env = "ROLLCALL_WHY", value_name = "TEXT")]
        why: Option<String>,
    },
    /// Compare what is in force with the files, or two versions of a profile
    Diff {
        #[command(flatten)]
        store: StoreFolder,
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
        let open = |store: StoreFolder| store.open(&config, IfMissing::Fail);
        match self.action {
            Action::Check { paths } => check::run(paths),
            Action::Try { store, file, account, json } => trying::run(&open(store)?, &file, account, json),
            Action::List { store, json } => versions::list(&open(store)?, json),
            Action::Log { store, id, json } => versions::log(&open(store)?, id, json),
            Action::Show { store, id, version } => versions::show(&open(store)?, id, version),
            Action::Put { store, profiles, file, why } => {
                let dir = setting(profiles, config.profiles.clone(), || PathBuf::from("./profiles"));
                let max = config.limits.account_profiles_max;
                versions::put(&open(store)?, &dir, &file, why.as_deref(), max)
            }
            Action::Diff { store, id, from: None, to: None } => versions::compare_files(&open(store)?, id),
            Action::Diff { store, id, from, to } => versions::compare(&open(store)?, id, from, to),
        }
    }
}
