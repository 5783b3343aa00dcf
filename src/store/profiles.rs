//! The profiles in force: what the store says, which has read them from the files of a folder unless they were published.

use super::{Error, Standing, Store, StoredProfile};
use crate::profile::{
    PassedOver, Profile, ProfileError, ReadFolder, TextError, no_profile, parse, read_folder, text_hash,
};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use uuid::Uuid;

/// The profiles in force, and the folder that they can be defined in.
pub struct Profiles {
    pub(super) dir: PathBuf,
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
