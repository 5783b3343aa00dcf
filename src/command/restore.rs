//! `rollcall restore`

use super::folder::{IfMissing, StoreFolder};
use super::{Failed, backup, out};
use crate::config::Config;
use clap::Args;
use clap::builder::FalseyValueParser;
use std::path::PathBuf;

/// Restore accounts from a folder that `rollcall backup` has written; a server may be running
///
/// A backup is checked before anything is replaced, and each account is replaced as a whole or not at all. Unless accounts are named,
/// all are restored, with their names and keys; keys that were added since the backup are lost.
///
/// Whoever was erased after the backup was made is erased from it: rollcall.db has a list of them, without their names, and that of the backup is
/// added to it. If the data folder is lost, take the list from the last backup with --erased.
#[derive(Args)]
pub struct Restore {
    /// The folder of the backup
    dir: PathBuf,
    /// The accounts [default: all]
    accounts: Vec<i64>,
    #[command(flatten)]
    store: StoreFolder,
    /// Replace what is there
    #[arg(long, env = "ROLLCALL_REPLACE", value_parser = FalseyValueParser::new())]
    replace: bool,
    /// A rollcall.db that has a later list of who was erased than the data folder and the backup: of another data folder, or of a later backup
    #[arg(long, env = "ROLLCALL_ERASED", value_name = "FILE")]
    erased: Option<PathBuf>,
}

impl Restore {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let mut store = self.store.open(&config, IfMissing::Make)?;
        let mut accounts = self.accounts;
        let of_backup = Some(self.dir.join("rollcall.db")).filter(|list| list.exists());
        if let Some(list) = self.erased
            && !store.take_erasures(&list)?
        {
            let message = format!("{} is of an earlier version, which has no list of who was erased", list.display());
            return Err(Failed::Refused(message));
        }
        if let Some(list) = of_backup {
            store.take_erasures(&list)?;
        }
        if accounts.is_empty() {
            store.restore_shared(&self.dir, self.replace)?;
            drop(store);
            store = self.store.open(&config, IfMissing::Make)?;
            accounts = store.accounts()?.iter().map(|account| account.id).collect();
            out!("accounts and keys: {} accounts", accounts.len())?;
            if !store.restore_server_key(&self.dir)? {
                out!(
                    "server key: {} differs from the backup's, and stays; the restored secrets need the backup's",
                    store.key_file().display()
                )?;
            }
        }
        let restored = backup::each(&accounts, |account| store.restore_account(*account, &self.dir, self.replace));
        for account in store.files_without_account()? {
            out!(
                "account {account} has a file but does not exist: `rollcall account adopt {account}` makes it, \
                 `rollcall account remove {account}` erases the file"
            )?;
        }
        restored
    }
}
