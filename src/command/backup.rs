//! `rollcall backup`

use super::folder::{IfMissing, StoreFolder};
use super::{Failed, complain, out};
use crate::config::Config;
use crate::store::{Copied, Error};
use clap::Args;
use clap::builder::FalseyValueParser;
use std::fs;
use std::path::PathBuf;

/// Copy accounts to a folder; a server may be running
///
/// Each database is copied as it is at one moment, and checked. The folder is laid out like the data folder. Unless accounts are named,
/// all are copied, and rollcall.db with their names and keys.
#[derive(Args)]
pub struct Backup {
    /// The folder; it is made if it does not exist
    dir: PathBuf,
    /// The accounts [default: all]
    accounts: Vec<i64>,
    #[command(flatten)]
    store: StoreFolder,
    /// Replace an earlier backup in the folder
    #[arg(long, env = "ROLLCALL_REPLACE", value_parser = FalseyValueParser::new())]
    replace: bool,
    /// Copy the server key as well, which opens the secrets in rollcall.db
    #[arg(long, env = "ROLLCALL_WITH_KEY", value_parser = FalseyValueParser::new())]
    with_key: bool,
}

impl Backup {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        let dir = &self.dir;
        if fs::canonicalize(dir).is_ok_and(|dir| fs::canonicalize(store.dir()).is_ok_and(|data| dir == data)) {
            return Err(Failed::Usage(format!("{} is the data folder itself; choose another folder", dir.display())));
        }
        let all = self.accounts.is_empty();
        if all {
            let bytes = store.back_up_shared(dir, self.replace)?;
            out!("accounts and keys: {}, {bytes} bytes", dir.join("rollcall.db").display())?;
        }
        let server_key = store.key_file();
        if self.with_key {
            store.back_up_server_key(dir, self.replace)?;
            out!("server key: it is in the backup, so whoever has the backup can open its secrets")?;
        } else if all && server_key.exists() {
            out!(
                "server key: not in the backup, which cannot be served without; keep a copy of {} apart from it, or add --with-key",
                server_key.display()
            )?;
        }
        let accounts = if all { store.accounts()?.iter().map(|account| account.id).collect() } else { self.accounts };
        let copy = |account: &i64| -> Result<Copied, Error> {
            let key = store.key(*account)?.ok_or(Error::NoAccount(*account))?;
            store.back_up_account(&key, dir, self.replace)
        };
        each(&accounts, copy)
    }
}

/// Copies accounts one by one and reports each. If one fails, the others are still copied.
pub fn each(accounts: &[i64], copy: impl Fn(&i64) -> Result<Copied, Error>) -> Result<(), Failed> {
    let mut failed = 0;
    for account in accounts {
        match copy(account) {
            Ok(Copied { path, bytes, summary, erased }) => out!(
                "account {account}: {} employees at revision {}: {}, {bytes} bytes{}",
                summary.active + summary.hidden,
                summary.revision,
                path.display(),
                if erased > 0 { format!("; {erased} who were erased since are erased from it") } else { String::new() }
            )?,
            Err(error) => {
                failed += 1;
                complain!("rollcall: account {account}: {error}");
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failed::Refused(format!("{failed} of {} accounts failed, see above", accounts.len()))),
    }
}
