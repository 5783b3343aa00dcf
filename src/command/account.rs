//! `rollcall account`

use super::key::dialect;
use super::serve::default_data;
use super::{Failed, adopt, check, setting};
use crate::config::Config;
use crate::dialect::Dialect;
use crate::store::{Store, Summary};
use crate::token;
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use uuid::Uuid;

/// Add, list and remove accounts; a server that is running knows of it at once
#[derive(Args)]
pub struct Account {
    /// The folder of the store [default: ./data]
    #[arg(long, global = true, env = "ROLLCALL_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add an account and print its id and its SharedKey secret, as JSON; the secret is not shown again
    Add {
        /// The id, a positive integer
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        id: i64,
        /// What people call it
        #[arg(long, env = "ROLLCALL_ACCOUNT_NAME", default_value = "")]
        name: String,
        /// Its secret [default: 256 random bits]
        #[arg(long, env = "ROLLCALL_ACCOUNT_SECRET", hide_env_values = true)]
        secret: Option<String>,
    },
    Adopt(adopt::Adopt),
    Check(check::Check),
    /// List the accounts
    List,
    /// Say which profile a dialect of an account uses; without, it is the account's only one
    Profile {
        /// The account
        id: i64,
        /// springest, collaborator or echospan; startexam names the profile in each push
        #[arg(value_parser = dialect)]
        dialect: Dialect,
        /// The profile's GUID
        profile: Uuid,
    },
    /// Say what becomes of employees whom a Collaborator CSV does not carry: hide (as a whole list has it) or stay (lists come in parts)
    Absent {
        /// The account
        id: i64,
        /// hide or stay
        #[arg(value_parser = ["hide", "stay"])]
        absent: String,
    },
    /// Remove an account: its key, its employees, its file
    Remove {
        /// The id
        id: i64,
        /// Do not ask
        #[arg(long, env = "ROLLCALL_YES", value_parser = FalseyValueParser::new())]
        yes: bool,
    },
}

impl Account {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let data = setting(self.data, config.data, default_data);
        match self.action {
            Action::Add { id, name, secret } => add(&Store::open(&data)?, id, &name, secret),
            Action::Profile { id, dialect, profile } => {
                Store::open_existing(&data)?.set(id, dialect, "profile", &profile.to_string())?;
                println!("account {id}: {} uses profile {profile}", dialect.name());
                Ok(())
            }
            Action::Absent { id, absent } => {
                Store::open_existing(&data)?.set(id, Dialect::Collaborator, "absent", &absent)?;
                println!("account {id}: {absent} who is absent from a CSV");
                Ok(())
            }
            Action::Adopt(adopt) => adopt.run(&Store::open_existing(&data)?),
            Action::Check(check) => check.run(&Store::open_existing(&data)?),
            Action::List => list(&Store::open_existing(&data)?),
            Action::Remove { id, yes } => remove(&Store::open_existing(&data)?, id, yes),
        }
    }
}

fn add(store: &Store, id: i64, name: &str, secret: Option<String>) -> Result<(), Failed> {
    let secret = match secret {
        Some(secret) if secret.is_empty() => return Err(Failed::Usage("the secret must not be empty".into())),
        Some(secret) => secret,
        None => token::random().map_err(Failed::refused)?,
    };
    store.add_account(id, name, &secret)?;
    println!("{}", json!({ "account": id, "secret": secret }));
    Ok(())
}

fn list(store: &Store) -> Result<(), Failed> {
    println!("{:>10}  {:>10}  {:>10}  {:<20}  name", "account", "active", "hidden", "last push");
    let mut unreadable = 0;
    for account in store.accounts()? {
        let summary = match summary(store, account.id) {
            Ok(summary) => summary,
            Err(Failed::Usage(error) | Failed::Refused(error)) => {
                unreadable += 1;
                println!("{:>10}  {error}", account.id);
                continue;
            }
        };
        let last = summary.last_sync.as_deref().unwrap_or("never");
        println!("{:>10}  {:>10}  {:>10}  {last:<20}  {}", account.id, summary.active, summary.hidden, account.name);
    }
    if unreadable > 0 {
        return Err(Failed::Refused(format!("{unreadable} of the accounts cannot be read")));
    }
    Ok(())
}

/// What an account has; nothing where its removal was interrupted.
fn summary(store: &Store, id: i64) -> Result<Summary, Failed> {
    match store.key(id)? {
        Some(key) => Ok(store.reader(&key)?.summary()?),
        None => Ok(Summary::default()),
    }
}

fn remove(store: &Store, id: i64, yes: bool) -> Result<(), Failed> {
    let employees = match summary(store, id) {
        Ok(summary) => (summary.active + summary.hidden).to_string(),
        Err(_) => "unreadable".into(),
    };
    if !yes {
        if !std::io::stdin().is_terminal() {
            let message =
                format!("account {id} has {employees} employees; to erase them without being asked, add --yes");
            return Err(Failed::Usage(message));
        }
        eprint!("Erase account {id} with its {employees} employees? There is no way back. Type the account's id: ");
        std::io::stderr().flush().map_err(Failed::refused)?;
        let mut typed = String::new();
        std::io::stdin().read_line(&mut typed).map_err(Failed::refused)?;
        if typed.trim() != id.to_string() {
            return Err(Failed::Refused("nothing was removed".into()));
        }
    }
    store.remove_account(id)?;
    println!("account {id} removed, with {employees} employees");
    Ok(())
}
