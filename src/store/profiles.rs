//! The profiles in force: what the store says, read from the files of a folder, or published.

use super::sqlite::{NewVersion, Placed, Written};
use super::{Error, Standing, Store, StoredProfile};
use crate::profile::{
    PassedOver, Profile, ProfileError, ReadFolder, TextError, no_profile, parse, read_folder, read_text, text_hash,
    write_file,
};
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use uuid::Uuid;

/// The profiles in force, and the folder that they can be defined in.
pub struct Profiles {
    dir: PathBuf,
    in_force: RwLock<Arc<Loaded>>,
    /// Held while they are loaded, so that what is loaded later is later.
    loading: Mutex<()>,
}

/// What is in force, with its stamp in the store.
#[derive(Default)]
struct Loaded {
    stamp: Option<i64>,
    /// In the order of their files; those without one come last.
    profiles: Vec<InForce>,
}

/// A profile in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The profile.
    pub profile: Arc<Profile>,
    /// The number of its version.
    pub number: u64,
    /// The file that defines it, if one does.
    pub file: Option<PathBuf>,
    /// Whether that file has an older version, since a later one could not be written to it.
    pub is_file_older: bool,
    hash: [u8; 16],
}

/// The result of reading the folder.
#[derive(Debug, Default)]
pub struct Reading {
    /// What is wrong with the files, or with what the store has.
    pub errors: Vec<ProfileError>,
    /// What looks like a profile but is not read as one.
    pub passed_over: Vec<PassedOver>,
    /// The profiles that are or were in force, in the order of their files.
    pub profiles: Vec<(InForce, Change)>,
}

/// What a reading did with a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not in force before.
    Added,
    /// Its file has changed, and is a new version.
    Changed,
    /// It did not change.
    Unchanged,
    /// It is no longer in force.
    Removed,
    /// No readable file defines it, but it stays in force because a file is broken, which may be its own.
    Kept,
    /// Its file has changed, and so has the version in force, which stays.
    Conflict,
}

impl Change {
    /// Returns its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Changed => "changed",
            Change::Unchanged => "unchanged",
            Change::Removed => "removed",
            Change::Kept => "kept, since a file is broken",
            Change::Conflict => "kept, since both its file and the store have changed",
        }
    }
}

/// Why the profiles could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// They are not right.
    #[error("{}", lines(.0))]
    Profiles(Vec<ProfileError>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

fn lines(errors: &[ProfileError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

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
    /// Takes what the files of a folder define into the store, and loads what is in force. Fails if a file is broken, or if no profile is in
    /// force; then nothing has changed.
    pub fn open(store: &Store, dir: &Path) -> Result<(Profiles, Reading), OpenError> {
        let profiles = Profiles::new(dir);
        let read = profiles.read(&store.stored_profiles()?.1);
        let read = read.map_err(|(error, _)| OpenError::Profiles(vec![error]))?;
        if !read.errors.is_empty() {
            return Err(OpenError::Profiles(read.errors));
        }
        let reading = profiles.take(store, read)?;
        if reading.errors.is_empty() { Ok((profiles, reading)) } else { Err(OpenError::Profiles(reading.errors)) }
    }

    /// Loads what is in force in a store, as commands need it beside a server. If the store has no profile yet, because no server has run, the
    /// files of the folder are taken first.
    pub fn of_store(store: &Store, dir: &Path) -> Result<Profiles, OpenError> {
        if store.stored_profiles()?.1.is_empty() {
            return Ok(Profiles::open(store, dir)?.0);
        }
        let profiles = Profiles::new(dir);
        let errors = profiles.load(store)?;
        if errors.is_empty() { Ok(profiles) } else { Err(OpenError::Profiles(errors)) }
    }

    /// The profiles of a folder, before anything is loaded.
    pub fn new(dir: &Path) -> Profiles {
        // The store knows files by paths that do not depend on where a program was started.
        let dir = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        Profiles { dir, in_force: RwLock::default(), loading: Mutex::default() }
    }

    /// Reads the folder again. If a file is broken, no profile that was in force is removed.
    pub fn reload(&self, store: &Store) -> Result<Reading, Error> {
        match self.read(&store.stored_profiles()?.1) {
            Ok(read) => self.take(store, read),
            Err((error, passed_over)) => {
                let mut errors = self.load(store)?;
                errors.push(error);
                let profiles = self.all().into_iter().map(|profile| (profile, Change::Kept)).collect();
                Ok(Reading { errors, passed_over, profiles })
            }
        }
    }

    /// Loads what is in force if that has changed: another program may have published. Returns what has changed since, and what is wrong with it.
    pub fn refresh(&self, store: &Store) -> Result<Reading, Error> {
        let before = self.loaded();
        if before.stamp == Some(store.profiles_stamp()?) {
            return Ok(Reading::default());
        }
        let errors = self.load(store)?;
        let now = self.loaded();
        let find = |of: &Loaded, id| of.profiles.iter().find(|in_force| in_force.profile.id == id).cloned();
        let mut profiles = Vec::new();
        for in_force in &now.profiles {
            match find(&before, in_force.profile.id) {
                None => profiles.push((in_force.clone(), Change::Added)),
                Some(was) if was.number != in_force.number => profiles.push((in_force.clone(), Change::Changed)),
                Some(_) => {}
            }
        }
        let gone = before.profiles.iter().filter(|was| find(&now, was.profile.id).is_none());
        profiles.extend(gone.map(|was| (was.clone(), Change::Removed)));
        Ok(Reading { errors, passed_over: Vec::new(), profiles })
    }

    /// Returns the profile with this id, if it exists for the account.
    pub fn get(&self, id: Uuid, account: i64) -> Option<Arc<Profile>> {
        self.find(id).map(|found| found.profile).filter(|profile| profile.belongs_to(account))
    }

    /// Returns all profiles that exist for the account, in the order of their files.
    pub fn of_account(&self, account: i64) -> Vec<Arc<Profile>> {
        let loaded = self.loaded();
        let profiles = loaded.profiles.iter().map(|in_force| &in_force.profile);
        profiles.filter(|profile| profile.belongs_to(account)).cloned().collect()
    }

    /// Returns the profile with this id, if it is in force.
    pub fn find(&self, id: Uuid) -> Option<InForce> {
        self.loaded().profiles.iter().find(|in_force| in_force.profile.id == id).cloned()
    }

    /// Returns every profile in force, in the order of their files.
    pub fn all(&self) -> Vec<InForce> {
        self.loaded().profiles.clone()
    }

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
        let new = NewVersion { id, text, who: &who_it_is, why, account, based_on, of_account };
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

    fn loaded(&self) -> Arc<Loaded> {
        self.in_force.read().expect("no holder of the lock panics").clone()
    }

    /// Reads the files of the folder. Without any, they are not read as a folder of none, unless the store has profiles that no file defines: a
    /// folder may be empty because it is the wrong one.
    fn read(&self, stored: &[StoredProfile]) -> Result<ReadFolder, (ProfileError, Vec<PassedOver>)> {
        let error = |message| ProfileError { file: self.dir.clone(), line: None, message };
        let known: Vec<&Path> = stored.iter().filter_map(|stored| Some(stored.file.as_ref()?.path.as_path())).collect();
        let read = read_folder(&self.dir, |file| known.contains(&file));
        let read = read.map_err(|cause| (error(format!("cannot be read: {cause}")), Vec::new()))?;
        let is_complete_without = !stored.is_empty() && known.is_empty();
        if read.files.is_empty() && read.errors.is_empty() && !is_complete_without {
            return Err((error(no_profile(&read.passed_over)), read.passed_over));
        }
        Ok(read)
    }

    /// Takes what the files define into the store, and loads what is in force then.
    fn take(&self, store: &Store, read: ReadFolder) -> Result<Reading, Error> {
        let ReadFolder { files, mut errors, passed_over } = read;
        let before = self.all();
        let changes = store.take_profile_files(&files, &self.dir, errors.is_empty())?;
        let changes: HashMap<Uuid, Change> = changes.into_iter().collect();
        errors.extend(self.load(store)?);
        let mut profiles: Vec<(InForce, Change)> = Vec::new();
        for in_force in self.all() {
            let change = changes.get(&in_force.profile.id).copied().unwrap_or(Change::Unchanged);
            profiles.push((in_force, change));
        }
        for was in before {
            if changes.get(&was.profile.id) == Some(&Change::Removed) {
                profiles.push((was, Change::Removed));
            }
        }
        profiles.sort_by(|(a, _), (b, _)| a.place().cmp(&b.place()));
        Ok(Reading { errors, passed_over, profiles })
    }

    /// Loads what is in force. What this program cannot read stays as it was; returns what is wrong with it.
    fn load(&self, store: &Store) -> Result<Vec<ProfileError>, Error> {
        let _alone = self.loading.lock().expect("no holder of the lock panics");
        let (stamp, stored) = store.stored_profiles()?;
        let before = self.loaded();
        let (mut profiles, mut errors) = (Vec::new(), Vec::new());
        for StoredProfile { id, number, text, file } in stored {
            let hash = text_hash(&text);
            let was = before.profiles.iter().find(|was| was.profile.id == id);
            let profile = match was.filter(|was| was.hash == hash) {
                Some(was) => Ok(was.profile.clone()),
                None => parse(&text).map(Arc::new),
            };
            let is_file_older = file.as_ref().is_some_and(|file| file.number != number);
            let file = file.map(|file| file.path);
            match profile {
                Ok(profile) => profiles.push(InForce { profile, number, file, is_file_older, hash }),
                Err(mistakes) => {
                    errors.push(unreadable(id, number, file, &mistakes));
                    profiles.extend(was.cloned());
                }
            }
        }
        profiles.sort_by(|a, b| a.place().cmp(&b.place()));
        *self.in_force.write().expect("no holder of the lock panics") =
            Arc::new(Loaded { stamp: Some(stamp), profiles });
        Ok(errors)
    }
}

impl InForce {
    /// What orders profiles: their files, and for those without one their ids.
    fn place(&self) -> (bool, Option<&Path>, Uuid) {
        (self.file.is_none(), self.file.as_deref(), self.profile.id)
    }
}

/// Says that a version in the store cannot be read, as if it were a file.
fn unreadable(id: Uuid, number: u64, file: Option<PathBuf>, mistakes: &[TextError]) -> ProfileError {
    let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
    let message = format!(
        "version {number} in the store is not right for this program: {first}; correct it in the file, or publish another with \
         `rollcall profile put`"
    );
    ProfileError { file: file.unwrap_or_else(|| id.to_string().into()), line: None, message }
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

impl Standing {
    /// Returns what to say of a file that is not the version in force, or `None` if it is.
    pub fn told(self) -> Option<&'static str> {
        match self {
            Standing::Same => None,
            Standing::FileChanged => {
                Some("the file has changed since it was read; the server takes it when it starts or gets SIGHUP")
            }
            Standing::StoreChanged => Some("the file is older than the version in force"),
            Standing::BothChanged => {
                Some("the file and the version in force have both changed since the file was read")
            }
        }
    }
}
