//! `rollcall key`

use super::ends;
use super::folder::{IfMissing, StoreFolder};
use super::{Failed, out};
use crate::config::Config;
use crate::dialect::Dialect;
use crate::role::{Role, Roles};
use crate::store::{Credential, Error, ListedKey, Store};
use crate::token;
use crate::until::Until;
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Add, list and revoke the keys of accounts, and replace the server key; a running server knows at once
#[derive(Args)]
pub struct Key {
    #[command(flatten)]
    store: StoreFolder,
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
        /// With echospan: the four digits that every request must name beside the key
        #[arg(long, env = "ROLLCALL_CLIENT_ID", value_name = "NNNN")]
        client_id: Option<String>,
        /// With springest: the host that requests with this key must name, like one of Springest's sites
        #[arg(long, env = "ROLLCALL_SITE", value_name = "HOST")]
        site: Option<String>,
        /// What it may do: push, read, release, follow (learn who changes, without values), administer (publish profiles); can be given several times
        /// [default: what its dialect can do, without administer, which is push, read, release and follow for startexam, push and read for springest, and push for the others]
        #[arg(long = "role", env = "ROLLCALL_ROLE", value_name = "ROLE", value_delimiter = ',', value_parser = role)]
        roles: Vec<Role>,
        /// When it ends: a day, which counts until its end in UTC, or a time (2027-01-31T18:00:00Z)
        #[arg(long, env = "ROLLCALL_UNTIL", value_name = "DATE", value_parser = Until::parse)]
        until: Option<Until>,
    },
    /// List the keys of an account, or of all, and which have ended or end within three days; secrets are never shown
    List {
        /// The account
        account: Option<i64>,
        /// Print a JSON array
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// Revoke a key; the next request with it is refused
    Revoke {
        /// The account
        account: i64,
        /// The number of the key, as `list` shows it
        key: i64,
    },
    /// Replace the server key, which seals the secrets in the database; a server may be running
    ///
    /// The accounts' secrets stay the same. Keep the old server key as long as older copies of the database: only it opens them.
    Rewrap,
}

/// Reads a dialect's name.
pub fn dialect(name: &str) -> Result<Dialect, String> {
    let names = Dialect::ALL.map(Dialect::name).join(", ");
    Dialect::parse(name).ok_or_else(|| format!("there are {names}"))
}

fn role(name: &str) -> Result<Role, String> {
    let names = Role::ALL.map(Role::name).join(", ");
    Role::parse(name).ok_or_else(|| format!("there are {names}"))
}

impl Key {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        match self.action {
            Action::Add { account, dialect, client_id, site, roles, until } => {
                check_options(dialect, client_id.as_deref(), site.as_deref())?;
                let roles = roles_of(dialect, roles)?;
                let random = if dialect == Dialect::EchoSpan { token::random_guid() } else { token::random() };
                let secret = random.map_err(Failed::refused)?;
                let (client_id, site) = (client_id.as_deref(), site.as_deref());
                let credential = match dialect {
                    Dialect::StartExam => Credential::Secret(&secret),
                    _ => Credential::Token { dialect, hash: token::hash(&secret), client_id, site },
                };
                let key = store.add_key(account, &credential, roles, ends::to_come(until)?)?;
                let name = if dialect == Dialect::StartExam { "secret" } else { "token" };
                let roles = names(roles);
                let added =
                    json!({ "account": account, "key": key, "dialect": dialect.name(), "roles": roles, name: secret });
                out!("{added}")?;
                Ok(())
            }
            Action::List { account, json } => list(&store, account, json),
            Action::Revoke { account, key } => {
                store.revoke_key(account, key)?;
                out!("key {key} of account {account} revoked")?;
                Ok(())
            }
            Action::Rewrap => {
                let secrets = store.rewrap()?;
                let file = store.key_file().display();
                out!("{secrets} secrets are sealed with a new server key; back up {file}, apart from the database")?;
                Ok(())
            }
        }
    }
}

/// Returns the roles of a new key: those that were asked for, or else all that the dialect has requests for, but not to administer.
fn roles_of(dialect: Dialect, asked: Vec<Role>) -> Result<Roles, Failed> {
    let of_dialect = dialect.facts().roles;
    match asked.iter().find(|role| !of_dialect.contains(role)) {
        Some(role) => {
            let (dialect, only) = (dialect.name(), Roles::of(of_dialect.iter().copied()));
            Err(Failed::Usage(format!("a key for {dialect} cannot {}; it can {only}", role.name())))
        }
        None if asked.is_empty() => Ok(Roles::of(of_dialect.iter().copied().filter(|role| *role != Role::Administer))),
        None => Ok(Roles::of(asked)),
    }
}

fn names(roles: Roles) -> Vec<&'static str> {
    roles.iter().map(Role::name).collect()
}

/// Checks that a key of this dialect can have these options, and has those that it needs.
fn check_options(dialect: Dialect, client_id: Option<&str>, site: Option<&str>) -> Result<(), Failed> {
    let usage = |message: &str| Err(Failed::Usage(message.into()));
    match (dialect, client_id, site) {
        (Dialect::EchoSpan, None, _) => usage("an echospan key needs --client-id NNNN, four digits"),
        (Dialect::EchoSpan, Some(id), _) if id.len() != 4 || !id.bytes().all(|digit| digit.is_ascii_digit()) => {
            usage("--client-id must be four digits")
        }
        (Dialect::EchoSpan, _, None) | (Dialect::Springest, None, _) | (_, None, None) => Ok(()),
        (_, Some(_), _) => usage("--client-id goes with --dialect echospan"),
        (_, _, Some(_)) => usage("--site goes with --dialect springest"),
    }
}

fn list(store: &Store, account: Option<i64>, as_json: bool) -> Result<(), Failed> {
    if let Some(account) = account {
        store.key(account)?.ok_or(Error::NoAccount(account))?;
    }
    let keys = store.keys(account)?;
    if as_json {
        out!("{:#}", json!(keys.iter().map(in_json).collect::<Vec<_>>()))?;
        return Ok(());
    }
    out!(
        "{:>10}  {:>6}  {:<12}  {:<19}  {:<20}  {:<9}  {}  site",
        "account",
        "key",
        "dialect",
        "roles",
        "added",
        "client id",
        ends::headings()
    )?;
    for key in keys {
        let (client_id, site) = (key.client_id.unwrap_or_default(), key.site.unwrap_or_default());
        let ends = ends::columns(key.until);
        out!(
            "{:>10}  {:>6}  {:<12}  {:<19}  {:<20}  {client_id:<9}  {ends}  {site}",
            key.account,
            key.id,
            key.dialect,
            key.roles.to_string(),
            key.created_at
        )?;
    }
    Ok(())
}

fn in_json(key: &ListedKey) -> Value {
    json!({
        "account": key.account,
        "key": key.id,
        "dialect": key.dialect,
        "roles": names(key.roles),
        "createdAt": key.created_at,
        "clientId": key.client_id,
        "site": key.site,
        "until": key.until.map(Until::moment),
        "state": ends::state(key.until),
    })
}
