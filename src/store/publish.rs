//! Publishing a version of a profile: one function for the commands, the API and the page.

use super::sqlite::{NewVersion, Placed, Written};
use super::{Error, Profiles, Store, StoredProfile};
use crate::profile::{Profile, TextError, parse, read_text, text_hash, write_file};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publisher<'a> {
    /// A command on the server.
    Command,
    /// Who has shown a key of an account: only profiles of that account alone.
    Key {
        /// The number of the key.
        id: i64,
        /// Its account.
        account: i64,
    },
    /// A user of the page: every profile, or only those of the user's account alone.
    User {
        /// The name.
        name: &'a str,
        /// The account; `None` if all.
        account: Option<i64>,
    },
}

impl Publisher<'_> {
    /// Returns the account whose profiles only may be published; `None` if all.
    fn account(self) -> Option<i64> {
        match self {
            Publisher::Command => None,
            Publisher::Key { account, .. } => Some(account),
            Publisher::User { account, .. } => account,
        }
    }
}

impl Publisher<'_> {
    /// Returns what it is, without a name: for the log.
    pub fn kind(self) -> &'static str {
        match self {
            Publisher::Command => "command",
            Publisher::Key { .. } => "key",
            Publisher::User { .. } => "user",
        }
    }
}

impl fmt::Display for Publisher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Publisher::Command => f.write_str("command"),
            Publisher::Key { id, account } => write!(f, "key {id} of account {account}"),
            Publisher::User { name, .. } => write!(f, "user {name}"),
        }
    }
}

/// What must be in force for a version to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Based {
    /// Whatever is.
    OnAny,
    /// The version of this number.
    On(u64),
    /// Nothing.
    OnNothing,
}

/// What is to be published.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// The text.
    pub text: &'a str,
    /// The id that it must have, if that is known.
    pub id: Option<Uuid>,
    /// Who publishes it.
    pub who: Publisher<'a>,
    /// Why, if that is said.
    pub why: Option<&'a str>,
    /// What it is based on.
    pub based: Based,
    /// The file that it comes from, if it does.
    pub file: Option<&'a Path>,
    /// How many profiles may be in force that are of one account alone, if a key or a user of the account publishes.
    pub account_profiles_max: u64,
}

/// What was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// The profile.
    pub profile: Arc<Profile>,
    /// The number of its version.
    pub number: u64,
    /// Whether that version is a new one. It is not if its text was in force already.
    pub is_new: bool,
    /// Its file, or why none has the text.
    pub file: Result<PathBuf, String>,
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The text is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<TextError>),
    /// It is another profile's.
    #[error("the text has the id {found}, and the profile that is to be published is {expected}; correct its id")]
    OtherId {
        /// The id that it must have.
        expected: Uuid,
        /// The one that it has.
        found: Uuid,
    },
    /// Why it is published is said at too great length.
    #[error("why it is published is longer than {WHY_CHARS_MAX} characters; shorten it")]
    LongWhy,
    /// Another version is in force than the one that it is based on.
    #[error(
        "{} of the profile is in force, and this one is based on {}; take over what has changed, and publish it based on that; \
         nothing was published",
        .in_force.map_or("no version".to_owned(), |number| format!("version {number}")),
        .based.map_or("none".to_owned(), |number| format!("version {number}"))
    )]
    Moved {
        /// The version that is in force, if one is.
        in_force: Option<u64>,
        /// The one that it is based on, if on one.
        based: Option<u64>,
    },
    /// Whoever publishes may not publish it.
    #[error(
        "who administers the profiles of account {account} may publish those that have accounts = [{account}] and had that before; \
         others are published by an operator, with `rollcall profile put`"
    )]
    NotOfAccount {
        /// The account.
        account: i64,
    },
    /// The account has as many profiles as it may.
    #[error(
        "account {account} has as many profiles of its own as it may (limit account_profiles_max, which is {max}); publish another \
         version of one of them"
    )]
    TooMany {
        /// The account.
        account: i64,
        /// The limit.
        max: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// The longest reason, in characters.
const WHY_CHARS_MAX: usize = 1_000;

impl Profiles {
    /// Publishes a version, and writes it to the file of the profile, if that can be done. It is in force when this returns `Ok`.
    pub fn publish(&self, store: &Store, publication: &Publication) -> Result<Published, PublishError> {
        let Publication { text, id, who, why, based, file, account_profiles_max } = *publication;
        let profile = parse(text).map_err(PublishError::Wrong)?;
        if let Some(expected) = id.filter(|expected| *expected != profile.id) {
            return Err(PublishError::OtherId { expected, found: profile.id });
        }
        let why = why.map(str::trim).filter(|why| !why.is_empty());
        if why.is_some_and(|why| why.chars().count() > WHY_CHARS_MAX) {
            return Err(PublishError::LongWhy);
        }
        let based_on = match based {
            Based::OnAny => None,
            Based::On(number) => Some(Some(number)),
            Based::OnNothing => Some(None),
        };
        let (id, account, who_it_is) = (profile.id, profile.sole_account(), who.to_string());
        let of_account = who.account().map(|account| (account, account_profiles_max));
        let new = NewVersion {
            id,
            text,
            who: &who_it_is,
            why,
            accounts: profile.accounts.as_deref(),
            account,
            based_on,
            of_account,
        };
        let (number, is_new) = match (store.publish_version(&new)?, of_account) {
            (Placed::Published(number), _) => (number, true),
            (Placed::Same(number), _) => (number, false),
            (Placed::NotOfAccount, Some((account, _))) => return Err(PublishError::NotOfAccount { account }),
            (Placed::TooMany, Some((account, max))) => return Err(PublishError::TooMany { account, max }),
            (Placed::Moved(in_force), _) => {
                return Err(PublishError::Moved { in_force, based: based_on.flatten() });
            }
            (Placed::NotOfAccount | Placed::TooMany, None) => {
                unreachable!("who publishes for no account may publish all")
            }
        };
        let file = self.write(store, id, number, text, file)?;
        self.refresh(store)?;
        Ok(Published { profile: Arc::new(profile), number, is_new, file })
    }

    /// Writes the version in force to the file of its profile. Returns the file, or why it was not written.
    fn write(
        &self,
        store: &Store,
        id: Uuid,
        number: u64,
        text: &str,
        from: Option<&Path>,
    ) -> Result<Result<PathBuf, String>, Error> {
        let known = store.stored_profile(id)?.and_then(|there| there.file);
        // A text that comes from a file of the folder stays in that file.
        let from = from.and_then(|from| fs::canonicalize(from).ok()).filter(|from| from.parent() == Some(&self.dir));
        let path = known.map(|known| known.path).or(from).unwrap_or_else(|| self.dir.join(format!("{id}.toml")));
        let written = store.write_profile_file(id, number, &path, |there| write_over(&path, text, there))?;
        Ok(match written {
            Ok(Written::Done) => Ok(path),
            Ok(Written::Overtaken) => Err("another version was published meanwhile".into()),
            Err(why) => Err(format!("{}: {why}", path.display())),
        })
    }
}

/// Writes a text to the file of a profile, unless somebody has changed the file since it was last read. The error says why it was not written.
fn write_over(path: &Path, text: &str, there: &StoredProfile) -> Result<(), String> {
    if path.symlink_metadata().is_ok() {
        let on_disk =
            read_text(path).map_err(|errors| errors.first().map(|error| error.message.clone()).unwrap_or_default())?;
        if on_disk == text {
            return Ok(());
        }
        let is_as_it_was =
            there.file.as_ref().is_some_and(|file| file.path == path && file.hash == text_hash(&on_disk));
        if !is_as_it_was {
            return Err(
                "it has changed since it was last read, so it stays as it is; see `rollcall profile diff`".into()
            );
        }
    }
    write_file(path, text).map_err(|error| format!("it cannot be written: {error}"))
}
