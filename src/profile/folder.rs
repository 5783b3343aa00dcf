//! The folder of the profiles' files.

use super::{Profile, ProfileError, parse, read_text};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

/// A file that defines a profile.
#[derive(Debug)]
pub struct ReadFile {
    /// Its path.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
    /// The profile that it defines.
    pub profile: Profile,
}

/// What the files of a folder define.
#[derive(Debug, Default)]
pub struct ReadFolder {
    /// The files that are right, in the order of their names.
    pub files: Vec<ReadFile>,
    /// What is wrong with the others.
    pub errors: Vec<ProfileError>,
    /// What looks like a profile but is not read as one.
    pub passed_over: Vec<PassedOver>,
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

/// Reads every `.toml` file of a folder. A file that `is_known` is read before the others: a copy that still has its original's id must not
/// take the original's place.
pub fn read_folder(dir: &Path, is_known: impl Fn(&Path) -> bool) -> io::Result<ReadFolder> {
    let Listed { mut files, passed_over } = list_folder(dir)?;
    files.sort_by_key(|file| !is_known(file));
    let mut read = ReadFolder { passed_over, ..ReadFolder::default() };
    let mut holders: HashMap<Uuid, PathBuf> = HashMap::new();
    for path in files {
        let parsed = read_text(&path).and_then(|text| match parse(&text) {
            Ok(profile) => Ok((text, profile)),
            Err(mistakes) => Err(mistakes.into_iter().map(|mistake| mistake.of(&path)).collect()),
        });
        match parsed {
            Ok((text, profile)) => match holders.get(&profile.id) {
                None => {
                    holders.insert(profile.id, path.clone());
                    read.files.push(ReadFile { path, text, profile });
                }
                Some(other) => {
                    read.errors.push(ProfileError { line: None, message: same_id(other), file: path });
                }
            },
            Err(wrong) => read.errors.extend(wrong),
        }
    }
    read.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(read)
}

/// Returns the hash by which it is noticed that the text of a file has changed.
pub fn text_hash(text: &str) -> [u8; 16] {
    xxh3_128(text.as_bytes()).to_le_bytes()
}

/// Replaces a file by a text, or makes it: whoever reads it sees the old text or the new one, whole. A file that is there keeps its mode and,
/// where that is allowed, its owner.
pub fn write_file(path: &Path, text: &str) -> io::Result<()> {
    // A symbolic link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".rollcall-").tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    like(file.as_file(), &path, dir)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    // A name is on the disk when its folder is.
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    Ok(())
}

/// Gives a file the mode and the owner of the one that it replaces; a new one those of its folder, without the right to execute.
#[cfg(unix)]
fn like(file: &File, path: &Path, dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
    let (model, mode) = match fs::metadata(path) {
        Ok(there) => {
            let mode = there.permissions().mode() & 0o777;
            (there, mode)
        }
        Err(_) => {
            let folder = fs::metadata(dir)?;
            let mode = folder.permissions().mode() & 0o666;
            (folder, mode)
        }
    };
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    match fchown(file, Some(model.uid()), Some(model.gid())) {
        // Only root may give files away.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        result => result,
    }
}

#[cfg(not(unix))]
fn like(_: &File, _: &Path, _: &Path) -> io::Result<()> {
    Ok(())
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
    for entry in fs::read_dir(dir)? {
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
