//! The versions of profiles: their texts, which is in force, and what is known of the files that define them.

use super::{Announcement, Error, EventType, Store, webhooks};
use crate::profile::{ReadFile, text_hash};
use crate::store::Change;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde_json::json;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// How many versions of a profile are kept. The oldest go first.
const VERSIONS_MAX: u64 = 1_000;

/// A profile that is in force, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProfile {
    /// Its GUID.
    pub id: Uuid,
    /// The number of the version in force.
    pub number: u64,
    /// The text of that version.
    pub text: String,
    /// The file that defines it, if one does.
    pub file: Option<ProfileFile>,
}

/// What is known of the file that defines a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileFile {
    /// Its path.
    pub path: PathBuf,
    /// The hash of its text when it was last read or written.
    pub hash: [u8; 16],
    /// The number of the version that it was then.
    pub number: u64,
}

/// How the text of a file compares with the version in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They are the same.
    Same,
    /// The file has changed since it was last read; the version is the one that it was then.
    FileChanged,
    /// The file is as it was last read; another version was published since.
    StoreChanged,
    /// Both have changed since.
    BothChanged,
}

impl StoredProfile {
    /// Compares the text of a file.
    pub fn standing(&self, text: &str) -> Standing {
        if self.text == text {
            return Standing::Same;
        }
        match &self.file {
            Some(file) if file.hash == text_hash(text) => Standing::StoreChanged,
            Some(file) if file.number == self.number => Standing::FileChanged,
            _ => Standing::BothChanged,
        }
    }
}

/// A version of a profile, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileVersion {
    /// Its number: 1, 2, 3 … of the profile.
    pub number: u64,
    /// When it was published, RFC 3339 in UTC.
    pub published_at: String,
    /// Who published it, as [`crate::store::Publisher`] displays it.
    pub who: String,
    /// Why, if that was said.
    pub why: Option<String>,
    /// The account that alone may use it, if there is exactly one.
    pub account: Option<i64>,
    /// Whether it is in force.
    pub is_in_force: bool,
}

/// A version to be published.
#[derive(Debug, Clone, Copy)]
pub struct NewVersion<'a> {
    /// The profile.
    pub id: Uuid,
    /// Its text, which was checked.
    pub text: &'a str,
    /// Who publishes it.
    pub who: &'a str,
    /// Why, if that is said.
    pub why: Option<&'a str>,
    /// The accounts that may use it; `None` if all may.
    pub accounts: Option<&'a [i64]>,
    /// The account that alone may use it, if there is exactly one.
    pub account: Option<i64>,
    /// The version that must be in force; `Some(None)` if none may be; `None` if it does not matter.
    pub based_on: Option<Option<u64>>,
    /// The account whose profiles only may be published, and how many it may have; `None` if all may.
    pub of_account: Option<(i64, u64)>,
}

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It is in force, with this number.
    Published(u64),
    /// Its text is that of the version in force, which has this number.
    Same(u64),
    /// Another version is in force than the one that it was based on, or none.
    Moved(Option<u64>),
    /// The profile, or this version of it, is not of the account alone.
    NotOfAccount,
    /// The account has as many profiles as it may.
    TooMany,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It has the text of the version in force.
    Done,
    /// Another version came into force meanwhile, which is written by whoever published it.
    Overtaken,
}

const IN_FORCE: &str = "SELECT profile.id, in_force, text, file, file_hash, file_number
     FROM profile JOIN profile_version ON profile = profile.id AND number = in_force";

const VERSION: &str = "SELECT number, published_at, who, why, account, number IS profile.in_force, text
     FROM profile_version JOIN profile ON profile.id = profile";

impl Store {
    /// Returns a number that is another one whenever what is in force has changed.
    pub fn profiles_stamp(&self) -> Result<i64, Error> {
        stamp(&self.shared())
    }

    /// Returns every profile that is in force, by id, with the stamp that goes with them.
    pub fn stored_profiles(&self) -> Result<(i64, Vec<StoredProfile>), Error> {
        let shared = self.shared();
        let moment = shared.unchecked_transaction()?;
        let mut select = moment.prepare_cached(&format!("{IN_FORCE} ORDER BY profile.id"))?;
        let profiles = select.query_map([], |row| Ok(stored(row)))?;
        let profiles = profiles.map(|profile| profile?).collect::<Result<_, Error>>()?;
        Ok((stamp(&moment)?, profiles))
    }

    /// Returns a profile that is in force.
    pub fn stored_profile(&self, id: Uuid) -> Result<Option<StoredProfile>, Error> {
        stored_profile(&self.shared(), id)
    }

    /// Takes what the files of the folder `dir` define: what is new or has changed becomes the next version of its profile, unless the store has
    /// another one since. If all files of the folder `are_right`, profiles whose files are gone are removed. Returns what was done with whom.
    pub fn take_profile_files(
        &self,
        files: &[ReadFile],
        dir: &Path,
        are_right: bool,
    ) -> Result<Vec<(Uuid, Change)>, Error> {
        self.write(|transaction| {
            let mut done = Vec::new();
            for file in files {
                done.push((file.profile.id, take(transaction, file)?));
            }
            let mut gone = transaction.prepare(&format!("{IN_FORCE} WHERE file IS NOT NULL"))?;
            let in_force = gone.query_map([], |row| Ok(stored(row)))?;
            for profile in in_force.collect::<Result<Vec<_>, _>>()? {
                let StoredProfile { id, file, .. } = profile?;
                // A profile from another folder has its file there.
                let was_here = file.is_some_and(|file| file.path.parent() == Some(dir));
                if !was_here || files.iter().any(|file| file.profile.id == id) {
                    continue;
                }
                done.push((id, if are_right { Change::Removed } else { Change::Kept }));
                if are_right {
                    let remove = "UPDATE profile SET in_force = NULL, file = NULL, file_hash = NULL, file_number = NULL WHERE id = ?";
                    transaction.execute(remove, [id.to_string()])?;
                }
            }
            drop(gone);
            if done.iter().any(|(_, change)| !matches!(change, Change::Unchanged | Change::Kept)) {
                renew_stamp(transaction)?;
            }
            Ok(done)
        })
    }

    /// Publishes a version: it is in force afterwards, or nothing has changed.
    pub fn publish_version(&self, new: &NewVersion) -> Result<Placed, Error> {
        self.write(|transaction| {
            let there = stored_profile(transaction, new.id)?;
            if let Some((account, max)) = new.of_account
                && let Some(refused) = is_refused(transaction, new, account, max)?
            {
                return Ok(refused);
            }
            let in_force = there.as_ref().map(|there| there.number);
            // Whoever publishes what is in force already has got what was asked for.
            if let Some(there) = there.filter(|there| there.text == new.text) {
                return Ok(Placed::Same(there.number));
            }
            if new.based_on.is_some_and(|based_on| based_on != in_force) {
                return Ok(Placed::Moved(in_force));
            }
            let number = insert(transaction, new)?;
            renew_stamp(transaction)?;
            Ok(Placed::Published(number))
        })
    }

    /// Lets `write` write the version in force to its file, unless it is another than `number`, and notes that the file has it. `write` gets
    /// what is known of the file. What it fails with is returned, and nothing is noted.
    pub fn write_profile_file<E>(
        &self,
        id: Uuid,
        number: u64,
        path: &Path,
        write: impl FnOnce(&StoredProfile) -> Result<(), E>,
    ) -> Result<Result<Written, E>, Error> {
        self.write(|transaction| {
            let Some(there) = stored_profile(transaction, id)?.filter(|there| there.number == number) else {
                return Ok(Ok(Written::Overtaken));
            };
            if let Err(failed) = write(&there) {
                return Ok(Err(failed));
            }
            note_file(transaction, id, path, &there.text, number)?;
            renew_stamp(transaction)?;
            Ok(Ok(Written::Done))
        })
    }

    /// Returns the versions of a profile below the number `before`, the latest first, and only those that the account `of` alone may use, if one
    /// is given.
    pub fn profile_versions(
        &self,
        id: Uuid,
        of: Option<i64>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<ProfileVersion>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(&format!(
            "{VERSION} WHERE profile = ?1 AND (?2 IS NULL OR account = ?2) AND (?3 IS NULL OR number < ?3) ORDER BY number DESC LIMIT ?4"
        ))?;
        let versions = select.query_map(params![id.to_string(), of, before, limit], version)?;
        Ok(versions.collect::<Result<_, _>>()?)
    }

    /// Returns a version of a profile with its text; `None` if there is none, or the account `of`, if one is given, is not the only one that may
    /// use it.
    pub fn profile_version(
        &self,
        id: Uuid,
        number: u64,
        of: Option<i64>,
    ) -> Result<Option<(ProfileVersion, String)>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(&format!(
            "{VERSION} WHERE profile = ?1 AND (?2 IS NULL OR account = ?2) AND number = ?3"
        ))?;
        let found = select.query_row(params![id.to_string(), of, number], |row| Ok((version(row)?, row.get(6)?)));
        Ok(found.optional()?)
    }
}

fn stamp(connection: &Connection) -> Result<i64, Error> {
    let mut select = connection.prepare_cached("SELECT value FROM setting WHERE name = 'profiles'")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

fn renew_stamp(transaction: &Transaction) -> Result<(), Error> {
    transaction.execute("UPDATE setting SET value = random() WHERE name = 'profiles'", [])?;
    Ok(())
}

fn stored_profile(connection: &Connection, id: Uuid) -> Result<Option<StoredProfile>, Error> {
    let mut select = connection.prepare_cached(&format!("{IN_FORCE} WHERE profile.id = ?"))?;
    select.query_row([id.to_string()], |row| Ok(stored(row))).optional()?.transpose()
}

/// Reads the columns of [`IN_FORCE`].
fn stored(row: &Row) -> Result<StoredProfile, Error> {
    let id: String = row.get(0)?;
    let path: Option<String> = row.get(3)?;
    let file = match path {
        None => None,
        Some(path) => Some(ProfileFile { path: path.into(), hash: row.get(4)?, number: row.get(5)? }),
    };
    let id = Uuid::parse_str(&id).map_err(|_| Error::damaged("the id of a profile in rollcall.db is no GUID"))?;
    Ok(StoredProfile { id, number: row.get(1)?, text: row.get(2)?, file })
}

/// Reads the columns of [`VERSION`] but the last.
fn version(row: &Row) -> rusqlite::Result<ProfileVersion> {
    Ok(ProfileVersion {
        number: row.get(0)?,
        published_at: row.get(1)?,
        who: row.get(2)?,
        why: row.get(3)?,
        account: row.get(4)?,
        is_in_force: row.get(5)?,
    })
}

/// Takes what a file defines.
fn take(transaction: &Transaction, file: &ReadFile) -> Result<Change, Error> {
    let ReadFile { path, text, profile } = file;
    let there = stored_profile(transaction, profile.id)?;
    // Whoever publishes writes the file while nobody else can write to the database: one that was written since it was read is not taken for an
    // edit.
    if there.as_ref().is_some_and(|there| there.text != *text)
        && !std::fs::read(path).is_ok_and(|now| now == text.as_bytes())
    {
        return Ok(Change::Unchanged);
    }
    let change = match there.as_ref().map(|there| there.standing(text)) {
        None => Change::Added,
        Some(Standing::FileChanged) => Change::Changed,
        Some(Standing::BothChanged) => return Ok(Change::Conflict),
        Some(Standing::Same | Standing::StoreChanged) => Change::Unchanged,
    };
    let number = match (change, there) {
        (Change::Unchanged, Some(there)) if there.text != *text => {
            let moved = "UPDATE profile SET file = ? WHERE id = ?";
            transaction.execute(moved, params![path.to_string_lossy(), profile.id.to_string()])?;
            return Ok(change);
        }
        (Change::Unchanged, Some(there)) => there.number,
        _ => take_text(transaction, file)?,
    };
    note_file(transaction, profile.id, path, text, number)?;
    Ok(change)
}

/// Makes the text of a file the version in force. One that was the last before its profile was removed is in force again.
fn take_text(transaction: &Transaction, file: &ReadFile) -> Result<u64, Error> {
    let ReadFile { path, text, profile } = file;
    let last = "SELECT number FROM profile_version JOIN profile ON profile.id = profile
         WHERE profile = ?1 AND text = ?2 AND in_force IS NULL
         AND number = (SELECT max(number) FROM profile_version WHERE profile = ?1)";
    let id = profile.id.to_string();
    if let Some(number) = transaction.query_row(last, params![id, text], |row| row.get(0)).optional()? {
        transaction.execute("UPDATE profile SET in_force = ? WHERE id = ?", params![number, id])?;
        return Ok(number);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let who = format!("file {name}");
    insert(
        transaction,
        &NewVersion {
            id: profile.id,
            text,
            who: &who,
            why: None,
            accounts: profile.accounts.as_deref(),
            account: profile.sole_account(),
            based_on: None,
            of_account: None,
        },
    )
}

fn note_file(transaction: &Transaction, id: Uuid, path: &Path, text: &str, number: u64) -> Result<(), Error> {
    transaction.execute(
        "UPDATE profile SET file = ?, file_hash = ?, file_number = ? WHERE id = ?",
        params![path.to_string_lossy(), text_hash(text), number, id.to_string()],
    )?;
    Ok(())
}

/// Adds a version, and puts it in force. Returns its number.
fn insert(transaction: &Transaction, new: &NewVersion) -> Result<u64, Error> {
    let id = new.id.to_string();
    let number: u64 = transaction.query_row(
        "SELECT coalesce(max(number), 0) + 1 FROM profile_version WHERE profile = ?",
        [&id],
        |row| row.get(0),
    )?;
    transaction.execute(
        "INSERT INTO profile_version (profile, number, text, published_at, who, why, account)
         VALUES (?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ'), ?, ?, ?)",
        params![id, number, new.text, new.who, new.why, new.account],
    )?;
    transaction.execute(
        "DELETE FROM profile_version WHERE profile = ? AND number <= ?",
        params![id, number.saturating_sub(VERSIONS_MAX)],
    )?;
    transaction.execute(
        "INSERT INTO profile (id, in_force) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET in_force = ?2",
        params![id, number],
    )?;
    announce(transaction, new, number)?;
    Ok(number)
}

/// Announces a version to the webhooks of the accounts that may use the profile.
fn announce(transaction: &Transaction, new: &NewVersion, number: u64) -> Result<(), Error> {
    let now = "SELECT strftime('%Y-%m-%dT%H:%M:%SZ')";
    let now: String = transaction.query_row(now, [], |row| row.get(0))?;
    let mut select = transaction.prepare("SELECT DISTINCT account FROM webhook")?;
    let accounts: Vec<i64> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for account in accounts {
        if new.accounts.is_none_or(|accounts| accounts.contains(&account)) {
            let data = json!({ "account": account, "profileId": new.id, "version": number });
            let announcement = Announcement::new(EventType::ProfilePublished, &now, &data);
            webhooks::announce(transaction, account, &announcement)?;
        }
    }
    Ok(())
}

/// Returns why an account may not publish a version, if it may not.
fn is_refused(transaction: &Transaction, new: &NewVersion, account: i64, max: u64) -> Result<Option<Placed>, Error> {
    let last = "SELECT account FROM profile_version WHERE profile = ? ORDER BY number DESC LIMIT 1";
    let last: Option<Option<i64>> = transaction.query_row(last, [new.id.to_string()], |row| row.get(0)).optional()?;
    if new.account != Some(account) || last.is_some_and(|last| last != Some(account)) {
        return Ok(Some(Placed::NotOfAccount));
    }
    let count = "SELECT count(*) FROM profile JOIN profile_version ON profile = profile.id AND number = in_force
         WHERE account = ? AND profile.id <> ?";
    let others: u64 = transaction.query_row(count, params![account, new.id.to_string()], |row| row.get(0))?;
    Ok((others >= max).then_some(Placed::TooMany))
}
