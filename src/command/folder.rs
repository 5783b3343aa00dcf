//! The options of the subcommands that open a store.

use super::{Failed, setting};
use crate::config::Config;
use crate::store::Store;
use clap::Args;
use std::path::PathBuf;

/// Where the store is, and its server key.
#[derive(Args)]
pub struct StoreFolder {
    /// The folder of the store [default: ./data]
    #[arg(long, global = true, env = "ROLLCALL_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The file of the server key, which seals the secrets; it is made if it does not exist [default: server.key in the data folder]
    #[arg(long, global = true, env = "ROLLCALL_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// What happens if there is no store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    /// It is made.
    Make,
    /// The subcommand fails.
    Fail,
}

impl StoreFolder {
    /// Opens the store that the options name, or else the configuration.
    pub fn open(&self, config: &Config, if_missing: IfMissing) -> Result<Store, Failed> {
        let data = setting(self.data.clone(), config.data.clone(), || PathBuf::from("./data"));
        let key_file = self.key_file.as_deref().or(config.key_file.as_deref());
        Ok(match if_missing {
            IfMissing::Make => Store::open(&data, key_file)?,
            IfMissing::Fail => Store::open_existing(&data, key_file)?,
        })
    }
}
