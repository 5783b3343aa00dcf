//! `rollcall key`

use super::serve::default_data;
use super::{Failed, setting};
use crate::config::Config;
use crate::dialect::Dialect;
use crate::store::{Credential, Store};
use crate::token;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

/// Add, list and revoke the keys of accounts; a server that is running knows of it at once
#[derive(Args)]
pub struct Key {
    /// The folder of the store [default: ./data]
    #[arg(long, global = true, env = "ROLLCALL_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a key to an account and print it as JSON; it is not shown again
    Add {
        /// The account
        account: i64,
        /// What it is for: startexam, springest, collaborator or echospan
        #[arg(long, env = "ROLLCALL_DIALECT", value_parser = dialect)]
        dialect: Dialect,
        /// With echospan: the four digits that every request names beside the key
        #[arg(long, env = "ROLLCALL_CLIENT_ID", value_name = "NNNN")]
        client_id: Option<String>,
        /// With springest: the host that requests with this key must name, as its sites do
        #[arg(long, env = "ROLLCALL_SITE", value_name = "HOST")]
        site: Option<String>,
    },
    /// List the keys of an account, or of all, without what is secret of them
    List {
        /// The account
        account: Option<i64>,
    },
    /// Revoke a key: the next request with it is refused
    Revoke {
        /// The account
        account: i64,
        /// The number of the key, as `list` shows it
        key: i64,
    },
}

/// Reads a dialect's name.
pub fn dialect(name: &str) -> Result<Dialect, String> {
    let names = Dialect::ALL.map(Dialect::name).join(", ");
    Dialect::parse(name).ok_or_else(|| format!("there are {names}"))
}

impl Key {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = Store::open_existing(&setting(self.data, config.data, default_data))?;
        match self.action {
            Action::Add { account, dialect, client_id, site } => {
                add(&store, account, dialect, client_id.as_deref(), site.as_deref())
            }
            Action::List { account } => list(&store, account),
            Action::Revoke { account, key } => {
                store.revoke_key(account, key)?;
                println!("key {key} of account {account} revoked");
                Ok(())
            }
        }
    }
}

fn add(
    store: &Store,
    account: i64,
    dialect: Dialect,
    client_id: Option<&str>,
    site: Option<&str>,
) -> Result<(), Failed> {
    let usage = |message: &str| Err(Failed::Usage(message.into()));
    match (dialect, client_id, site) {
        (Dialect::EchoSpan, None, _) => return usage("an echospan key needs --client-id NNNN, four digits"),
        (Dialect::EchoSpan, Some(id), _) if id.len() != 4 || !id.bytes().all(|digit| digit.is_ascii_digit()) => {
            return usage("--client-id must be four digits");
        }
        (Dialect::EchoSpan, _, None) | (Dialect::Springest, None, _) | (_, None, None) => {}
        (_, Some(_), _) => return usage("--client-id goes with --dialect echospan"),
        (_, _, Some(_)) => return usage("--site goes with --dialect springest"),
    }
    let random = if dialect == Dialect::EchoSpan { token::random_guid() } else { token::random() };
    let secret = random.map_err(Failed::refused)?;
    let credential = match dialect {
        Dialect::StartExam => Credential::Secret(&secret),
        _ => Credential::Token { dialect, hash: token::hash(&secret), client_id, site },
    };
    let id = store.add_key(account, &credential)?;
    let name = if dialect == Dialect::StartExam { "secret" } else { "token" };
    println!("{}", json!({ "account": account, "key": id, "dialect": dialect.name(), name: secret }));
    Ok(())
}

fn list(store: &Store, account: Option<i64>) -> Result<(), Failed> {
    println!("{:>10}  {:>6}  {:<12}  {:<20}  {:<9}  site", "account", "key", "dialect", "added", "client id");
    for key in store.keys(account)? {
        let (client_id, site) = (key.client_id.unwrap_or_default(), key.site.unwrap_or_default());
        println!(
            "{:>10}  {:>6}  {:<12}  {:<20}  {client_id:<9}  {site}",
            key.account, key.id, key.dialect, key.created_at
        );
    }
    Ok(())
}
