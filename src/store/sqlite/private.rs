//! Private files: what the store makes can be read and written by one user only, the owner of its folder.
//!
//! SQLite gives the log and the shared memory of a database the mode and the owner of the database itself. So a database is made
//! here, empty, before SQLite opens it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Makes a folder, with the folders that lead to it, if it is not there.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match private(&mut DirBuilder::new()).create(path) {
        Ok(()) => give(path, None, folder_of(path)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound && !folder_of(path).exists() => {
            make_folder(folder_of(path))?;
            make_folder(path)
        }
        Err(error) => Err(error),
    }
}

/// Makes an empty file, which must not be there, for the owner of `folder`.
pub fn make_file(path: &Path, folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    give(path, Some(&file), folder)?;
    Ok(file)
}

/// Makes an empty file if there is none, for the owner of the folder that it is in.
pub fn make_file_if_absent(path: &Path) -> io::Result<()> {
    match make_file(path, folder_of(path)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Closes a store to other users of the machine: its folders and files, by whomever they were made.
pub fn tighten_store(dir: &Path) -> io::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let mut is_only_ours = true;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        is_only_ours &= is_ours(&name) || goes_with_a_store(&name);
        if is_ours(&name) && entry.file_type()?.is_file() {
            tighten(&entry.path())?;
        }
    }
    // Who names /var/lib as the data folder must not close it to everybody else. The store's own files are closed all the same.
    if is_only_ours {
        tighten(dir)?;
    }
    let accounts = dir.join("accounts");
    if !accounts.is_dir() {
        return Ok(());
    }
    tighten(&accounts)?;
    for entry in fs::read_dir(&accounts)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            tighten(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether a name in the data folder is one that the store gives.
fn is_ours(name: &str) -> bool {
    matches!(name, "rollcall.db" | "rollcall.db-wal" | "rollcall.db-shm" | "rollcall.lock" | "server.key")
}

/// Whether a name is usual beside the files of a store: what it was set up with, or what a new file system begins with.
fn goes_with_a_store(name: &str) -> bool {
    matches!(name, "accounts" | "profiles" | "lost+found") || name.starts_with('.') || name.ends_with(".toml")
}

/// The folder that a path lies in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Takes the rights of other users away. By the path: to close a file that SQLite has open would end SQLite's locks on it.
#[cfg(unix)]
pub fn tighten(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match fs::metadata(path) {
        // A log is removed when the last program closes its database.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => metadata?.permissions().mode(),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(mode & !0o077)) {
        // Another user's, like the root of a volume, is theirs to close; what matters in it is closed by itself.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => Ok(()),
        result => result,
    }
}

#[cfg(not(unix))]
pub fn tighten(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn private(builder: &mut DirBuilder) -> &mut DirBuilder {
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700)
}

#[cfg(not(unix))]
fn private(builder: &mut DirBuilder) -> &mut DirBuilder {
    builder
}

/// Gives what was made to the owner of `folder`: what root makes beside a service must be the service's.
#[cfg(unix)]
pub fn give(path: &Path, file: Option<&File>, folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown, lchown};
    let owner = fs::metadata(folder)?;
    let made = file.map_or_else(|| fs::symlink_metadata(path), File::metadata)?;
    if made.uid() == owner.uid() {
        return Ok(());
    }
    let (user, group) = (Some(owner.uid()), Some(owner.gid()));
    match file.map_or_else(|| lchown(path, user, group), |file| fchown(file, user, group)) {
        // Only root may give files away; anybody else works in the folder by the rights of a group, and keeps what they make.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        result => result,
    }
}

#[cfg(not(unix))]
pub fn give(_: &Path, _: Option<&File>, _: &Path) -> io::Result<()> {
    Ok(())
}
