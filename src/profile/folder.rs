//! The profiles of a server: a folder of files, read at the start and again when the operator asks for it.

use super::{Profile, ProfileError, read};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use uuid::Uuid;

/// The profiles in force.
pub struct Folder {
    dir: PathBuf,
    by_file: RwLock<BTreeMap<PathBuf, Arc<Profile>>>,
}

impl Folder {
    /// Reads every `.toml` file of the folder. The errors are those of all files; a folder without a profile is one, too.
    pub fn open(dir: &Path) -> Result<Folder, Vec<ProfileError>> {
        let folder = Folder { dir: dir.to_owned(), by_file: RwLock::default() };
        let errors = folder.reload();
        if errors.is_empty() { Ok(folder) } else { Err(errors) }
    }

    /// Reads the folder again. Where a file is broken, no profile that was in force goes out of it.
    pub fn reload(&self) -> Vec<ProfileError> {
        let error = |file: &Path, message| ProfileError { file: file.to_owned(), line: None, message };
        let mut files = match list(&self.dir) {
            Ok(files) => files,
            Err(cause) => return vec![error(&self.dir, format!("cannot be read: {cause}"))],
        };
        if files.is_empty() {
            let message = "holds no profile; put a .toml file there, see the README's section on profiles";
            return vec![error(&self.dir, message.into())];
        }
        // A copy that still has its original's id must not take the original's place.
        let before = self.read();
        files.sort_by_key(|file| !before.contains_key(file));
        let mut errors = Vec::new();
        let mut after: BTreeMap<PathBuf, Arc<Profile>> = BTreeMap::new();
        for file in files {
            match read(&file) {
                Ok(profile) => match holder(&after, profile.id) {
                    None => {
                        after.insert(file, Arc::new(profile));
                    }
                    Some(other) => {
                        let message = format!("has the same id as {}; every profile needs its own", other.display());
                        errors.push(error(&file, message));
                    }
                },
                Err(wrong) => errors.extend(wrong),
            }
        }
        if !errors.is_empty() {
            for (file, profile) in before {
                if holder(&after, profile.id).is_none() {
                    after.insert(file, profile);
                }
            }
        }
        *self.by_file.write().expect("no holder of the lock panics") = after;
        errors
    }

    /// The profile with this id, where it exists for the account.
    pub fn get(&self, id: Uuid, account: i64) -> Option<Arc<Profile>> {
        self.of(account).into_iter().find(|profile| profile.id == id)
    }

    /// All profiles that exist for the account, in the order of their files.
    pub fn of(&self, account: i64) -> Vec<Arc<Profile>> {
        self.read().into_values().filter(|profile| profile.belongs_to(account)).collect()
    }

    fn read(&self) -> BTreeMap<PathBuf, Arc<Profile>> {
        self.by_file.read().expect("no holder of the lock panics").clone()
    }
}

fn holder(profiles: &BTreeMap<PathBuf, Arc<Profile>>, id: Uuid) -> Option<&Path> {
    profiles.iter().find(|(_, profile)| profile.id == id).map(|(file, _)| file.as_path())
}

fn list(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
