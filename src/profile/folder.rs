//! The profiles of a server: a folder of files that is read at the start and whenever the operator asks for it.

use super::{Profile, ProfileError, read};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use uuid::Uuid;

/// The profiles in force.
pub struct Folder {
    dir: PathBuf,
    by_file: RwLock<BTreeMap<PathBuf, Arc<Profile>>>,
}

/// The result of reading a folder.
#[derive(Debug)]
pub struct Reading {
    /// What is wrong with the files.
    pub errors: Vec<ProfileError>,
    /// What looks like a profile but is not read as one.
    pub passed_over: Vec<PassedOver>,
    /// The profiles that are or were in force, in the order of their files.
    pub profiles: Vec<(PathBuf, Arc<Profile>, Change)>,
}

/// What a reading did with a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not in force before.
    Added,
    /// Its definition, name or accounts changed.
    Changed,
    /// It did not change.
    Unchanged,
    /// It is no longer in force.
    Removed,
    /// No readable file defines it, but it stays in force because a file is broken, which may be its own.
    Kept,
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
        }
    }
}

/// A file or folder that looks like a profile but is not read as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Its path.
    pub path: PathBuf,
    /// Why it is not read.
    pub why: &'static str,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: passed over: {}", self.path.display(), self.why)
    }
}

impl Folder {
    /// Reads every `.toml` file of the folder, of which there must be one at least. The errors are those of all files.
    pub fn open(dir: &Path) -> Result<Folder, Vec<ProfileError>> {
        let folder = Folder { dir: dir.to_owned(), by_file: RwLock::default() };
        let errors = folder.reload().errors;
        if errors.is_empty() { Ok(folder) } else { Err(errors) }
    }

    /// Reads the folder again. If a file is broken, no profile that was in force is removed.
    pub fn reload(&self) -> Reading {
        let error = |file: &Path, message| ProfileError { file: file.to_owned(), line: None, message };
        let before = self.read();
        let failed = |message: String, passed_over: Vec<PassedOver>| {
            let profiles = before.iter().map(|(file, profile)| (file.clone(), profile.clone(), Change::Kept)).collect();
            Reading { errors: vec![error(&self.dir, message)], passed_over, profiles }
        };
        let Listed { mut files, passed_over } = match list_folder(&self.dir) {
            Ok(listed) => listed,
            Err(cause) => return failed(format!("cannot be read: {cause}"), Vec::new()),
        };
        if files.is_empty() {
            return failed(no_profile(&passed_over), passed_over);
        }
        // A copy that still has its original's id must not take the original's place.
        files.sort_by_key(|file| !before.contains_key(file));
        let mut errors = Vec::new();
        let mut after: BTreeMap<PathBuf, Arc<Profile>> = BTreeMap::new();
        for file in files {
            match read(&file) {
                Ok(profile) => match holder(&after, profile.id) {
                    None => {
                        after.insert(file, Arc::new(profile));
                    }
                    Some((other, _)) => errors.push(error(&file, same_id(other))),
                },
                Err(wrong) => errors.extend(wrong),
            }
        }
        let mut profiles = Vec::new();
        for (file, profile) in &after {
            let change = match holder(&before, profile.id) {
                None => Change::Added,
                Some((_, was)) if is_same(was, profile) => Change::Unchanged,
                Some(_) => Change::Changed,
            };
            profiles.push((file.clone(), profile.clone(), change));
        }
        for (file, profile) in before {
            if holder(&after, profile.id).is_some() {
                continue;
            }
            let change = if errors.is_empty() { Change::Removed } else { Change::Kept };
            profiles.push((file.clone(), profile.clone(), change));
            if change == Change::Kept {
                after.insert(file, profile);
            }
        }
        profiles.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        *self.by_file.write().expect("no holder of the lock panics") = after;
        Reading { errors, passed_over, profiles }
    }

    /// Returns the profile with this id, if it exists for the account.
    pub fn get(&self, id: Uuid, account: i64) -> Option<Arc<Profile>> {
        self.of(account).into_iter().find(|profile| profile.id == id)
    }

    /// Returns all profiles that exist for the account, in the order of their files.
    pub fn of(&self, account: i64) -> Vec<Arc<Profile>> {
        self.read().into_values().filter(|profile| profile.belongs_to(account)).collect()
    }

    /// Returns the profiles in force with their files, and what is passed over in the folder.
    pub fn in_force(&self) -> (BTreeMap<PathBuf, Arc<Profile>>, Vec<PassedOver>) {
        // If the folder cannot be read now, nothing is known to be passed over.
        (self.read(), list_folder(&self.dir).map(|listed| listed.passed_over).unwrap_or_default())
    }

    fn read(&self) -> BTreeMap<PathBuf, Arc<Profile>> {
        self.by_file.read().expect("no holder of the lock panics").clone()
    }
}

/// Returns what to say about a folder without a profile.
pub fn no_profile(passed_over: &[PassedOver]) -> String {
    let mut message = "holds no profile; put a .toml file there, see the README's section on profiles".to_owned();
    if let Some(first) = passed_over.first() {
        message.push_str(&format!("; {first}"));
    }
    message
}

/// Returns what to say about a file whose profile has the same id as the one in `other`.
pub fn same_id(other: &Path) -> String {
    format!("has the same id as {}; every profile needs its own", other.display())
}

fn holder(profiles: &BTreeMap<PathBuf, Arc<Profile>>, id: Uuid) -> Option<(&Path, &Profile)> {
    profiles.iter().find(|(_, profile)| profile.id == id).map(|(file, profile)| (file.as_path(), &**profile))
}

fn is_same(one: &Profile, other: &Profile) -> bool {
    (one.version, &one.accounts, &one.definition) == (other.version, &other.accounts, &other.definition)
}

/// Returns why no server reads a file with this name, or `None` if servers read it.
pub fn wrong_name(file: &Path) -> Option<&'static str> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('.') {
        Some("it is hidden, since its name begins with a dot; rename it, if it is meant to be in force")
    } else if file.extension() == Some(OsStr::new("toml")) {
        None
    } else if name.to_lowercase().ends_with(".toml") {
        Some("its name must end in .toml, in small letters; rename it")
    } else {
        Some("its name must end in .toml; rename it, if it is meant to be in force")
    }
}

/// What is in a folder of profiles.
#[derive(Debug, Default)]
pub struct Listed {
    /// The files whose names are those of profiles, sorted.
    pub files: Vec<PathBuf>,
    /// What somebody could take for a profile, sorted.
    pub passed_over: Vec<PassedOver>,
}

/// Lists a folder of profiles. Anything else, like a text about the profiles or a hidden folder, is not mentioned.
pub fn list_folder(dir: &Path) -> io::Result<Listed> {
    let mut listed = Listed::default();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let why = if path.is_dir() {
            (!name.starts_with('.'))
                .then_some("it is a folder; profiles are read from this one only, so move them here")
        } else {
            let Some(why) = wrong_name(&path) else {
                listed.files.push(path);
                continue;
            };
            name.contains(".toml").then_some(why)
        };
        listed.passed_over.extend(why.map(|why| PassedOver { path, why }));
    }
    listed.files.sort();
    listed.passed_over.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listed)
}
