//! `rollcall user`

use super::folder::{IfMissing, StoreFolder};
use super::{Failed, out};
use crate::config::Config;
use crate::role::UserRole;
use crate::store::{Store, User as Stored};
use crate::token;
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How long an invitation is good.
const INVITATION_TIME: SignedDuration = SignedDuration::from_hours(72);

/// The longest name of a user, in characters.
const NAME_CHARS_MAX: usize = 100;

/// Add, list, invite and remove the people who sign in to the page; a running server knows at once
#[derive(Args)]
pub struct User {
    #[command(flatten)]
    store: StoreFolder,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add somebody, and print a link with which a password can be chosen once, within three days
    Add {
        /// The name to sign in with, such as an e-mail address
        #[arg(value_parser = name)]
        name: String,
        /// The account whose people and pushes are shown, or `all` for an operator
        #[arg(long, env = "ROLLCALL_ACCOUNT", value_parser = account)]
        account: Account,
        /// What the user may do: read; release (and read): apply or discard a held push, undo; administrator (and all that)
        #[arg(long, env = "ROLLCALL_ROLE", default_value = "read", value_parser = role)]
        role: UserRole,
        /// Where the page is
        #[arg(long, env = "ROLLCALL_URL", default_value = "http://127.0.0.1:8080")]
        url: String,
    },
    /// Print another link for somebody who has lost the first one, or forgotten the password
    Invite {
        /// The user
        name: String,
        /// Where the page is
        #[arg(long, env = "ROLLCALL_URL", default_value = "http://127.0.0.1:8080")]
        url: String,
    },
    /// List the users
    List {
        /// Print a JSON array
        #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
        json: bool,
    },
    /// End all sessions of a user
    SignOut {
        /// The user
        name: String,
    },
    /// Remove a user, whose sessions end at once; what the user did stays recorded
    Remove {
        /// The user
        name: String,
    },
}

/// Whose people a user may see.
#[derive(Debug, Clone, Copy)]
struct Account(Option<i64>);

fn account(text: &str) -> Result<Account, String> {
    match text {
        "all" => Ok(Account(None)),
        _ => {
            text.parse().map(|id| Account(Some(id))).map_err(|_| "it must be the number of an account, or `all`".into())
        }
    }
}

fn role(name: &str) -> Result<UserRole, String> {
    let names = UserRole::ALL.map(UserRole::name).join(", ");
    UserRole::parse(name).ok_or_else(|| format!("there are {names}"))
}

fn name(name: &str) -> Result<String, String> {
    let trimmed = name.trim();
    if trimmed.is_empty() || trimmed.chars().count() > NAME_CHARS_MAX || trimmed.chars().any(char::is_control) {
        return Err(format!("it must have 1 to {NAME_CHARS_MAX} characters, and no control characters"));
    }
    Ok(trimmed.to_owned())
}

impl User {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        match self.action {
            Action::Add { name, account: Account(account), role, url } => {
                let (token, until) = invitation()?;
                store.add_user(&name, account, role, &token::hash(&token), until)?;
                link(&url, &token, until)
            }
            Action::Invite { name, url } => {
                let (token, until) = invitation()?;
                store.invite_user(&name, &token::hash(&token), until)?;
                link(&url, &token, until)
            }
            Action::List { json } => list(&store, json),
            Action::SignOut { name } => {
                let sessions = store.sign_out_user(&name)?;
                out!("{sessions} sessions of {name} ended")
            }
            Action::Remove { name } => {
                store.remove_user(&name)?;
                out!("user {name} removed")
            }
        }
    }
}

fn invitation() -> Result<(String, Timestamp), Failed> {
    Ok((token::random().map_err(Failed::refused)?, Timestamp::now() + INVITATION_TIME))
}

fn link(url: &str, token: &str, until: Timestamp) -> Result<(), Failed> {
    out!("{}/join/{token}", url.trim_end_matches('/'))?;
    out!("The link works once, until {}.", until.strftime("%Y-%m-%d %H:%M UTC"))
}

fn list(store: &Store, as_json: bool) -> Result<(), Failed> {
    let users = store.users(None)?;
    if as_json {
        return out!("{:#}", Value::from_iter(users.iter().map(in_json)));
    }
    out!("{:<30}  {:>10}  {:<13}  {:<20}  password", "user", "account", "role", "added")?;
    for Stored { name, account, role, created_at, has_password, .. } in users {
        let account = account.map_or_else(|| "all".to_owned(), |account| account.to_string());
        let password = if has_password { "chosen" } else { "not yet" };
        out!("{name:<30}  {account:>10}  {:<13}  {created_at:<20}  {password}", role.name())?;
    }
    Ok(())
}

fn in_json(user: &Stored) -> Value {
    let Stored { id, name, account, role, created_at, has_password } = user;
    json!({
        "user": id,
        "name": name,
        "account": account,
        "role": role.name(),
        "createdAt": created_at,
        "hasPassword": has_password,
    })
}
