//! The people who sign in to the page: what they may do, their sessions, and what they did.

use super::{Error, Store};
use crate::role::UserRole;
use crate::token::Hash;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// How many sessions a user may have at once. One more ends the oldest.
const SESSIONS_MAX: u32 = 20;

/// How many deeds are kept, of all accounts together. The oldest go first.
const DEEDS_MAX: i64 = 100_000;

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The number, which no other user ever gets.
    pub id: i64,
    /// The name, which no other user has in any case.
    pub name: String,
    /// The account; `None` if all.
    pub account: Option<i64>,
    /// What the user may do there.
    pub role: UserRole,
    /// When the user was added, RFC 3339 in UTC.
    pub created_at: String,
    /// Whether the user has chosen a password.
    pub has_password: bool,
}

/// Something that a user did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The name of the user, who may have been removed since.
    pub user: String,
    /// The account that it concerns; `None` if none or all.
    pub account: Option<i64>,
    /// What: a few words without values of people, such as `applied plan 3f…`.
    pub what: String,
    /// The revision that it made, if it made one.
    pub revision: Option<u64>,
}

const USER: &str = "SELECT user.id, name, account, role, user.created_at, password IS NOT NULL FROM user";

impl Store {
    /// Adds a user, who can choose a password with the invitation of this hash until it ends.
    pub fn add_user(
        &self,
        name: &str,
        account: Option<i64>,
        role: UserRole,
        invitation: &Hash,
        until: Timestamp,
    ) -> Result<(), Error> {
        self.write(|transaction| {
            let exists = "SELECT ?1 IS NULL OR EXISTS (SELECT 1 FROM account WHERE id = ?1)";
            if !transaction.query_row(exists, [account], |row| row.get::<_, bool>(0))? {
                return Err(Error::NoAccount(account.unwrap_or_default()));
            }
            let added = transaction.execute(
                "INSERT INTO user (name, account, role, invitation, invited_until, created_at)
                 VALUES (?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ')) ON CONFLICT DO NOTHING",
                params![name, account, role.name(), invitation, until.as_second()],
            )?;
            if added == 0 { Err(Error::UserExists(name.into())) } else { Ok(()) }
        })
    }

    /// Gives a user another invitation, which is good for one new password. The old password and the sessions are good until then.
    pub fn invite_user(&self, name: &str, invitation: &Hash, until: Timestamp) -> Result<(), Error> {
        self.write(|transaction| {
            let set = "UPDATE user SET invitation = ?, invited_until = ? WHERE name = ?";
            some_user(transaction.execute(set, params![invitation, until.as_second(), name])?, name)
        })
    }

    /// All users, or those who may sign in for an account, by name.
    pub fn users(&self, account: Option<i64>) -> Result<Vec<User>, Error> {
        let shared = self.shared();
        let of_account = format!("{USER} WHERE ?1 IS NULL OR account IS NULL OR account = ?1 ORDER BY name");
        let mut select = shared.prepare_cached(&of_account)?;
        let users = select.query_map([account], |row| Ok(user(row)))?;
        users.map(|user| user?).collect()
    }

    /// Removes a user. The next request of any of the user's sessions is turned away.
    pub fn remove_user(&self, name: &str) -> Result<(), Error> {
        self.write(|transaction| {
            end_sessions(transaction, name)?;
            some_user(transaction.execute("DELETE FROM user WHERE name = ?", [name])?, name)
        })
    }

    /// Ends all sessions of a user. Returns how many there were.
    pub fn sign_out_user(&self, name: &str) -> Result<usize, Error> {
        self.write(|transaction| {
            let is_user = "SELECT EXISTS (SELECT 1 FROM user WHERE name = ?)";
            let known: usize = transaction.query_row(is_user, [name], |row| row.get(0))?;
            some_user(known, name)?;
            Ok(end_sessions(transaction, name)?)
        })
    }

    /// Returns the user whom an invitation is for, if it is good.
    pub fn invited(&self, invitation: &Hash, now: Timestamp) -> Result<Option<User>, Error> {
        invited(&self.shared(), invitation, now)
    }

    /// Sets the password of whom an invitation is for, which is used up then, and ends the user's sessions. `None` if it is not good.
    pub fn accept_invitation(
        &self,
        invitation: &Hash,
        password_hash: &str,
        now: Timestamp,
    ) -> Result<Option<User>, Error> {
        self.write(|transaction| {
            let Some(user) = invited(transaction, invitation, now)? else {
                return Ok(None);
            };
            transaction.execute(
                "UPDATE user SET password = ?, invitation = NULL, invited_until = NULL WHERE id = ?",
                params![password_hash, user.id],
            )?;
            transaction.execute("DELETE FROM session WHERE user = ?", [user.id])?;
            Ok(Some(user))
        })
    }

    /// Returns the user with a name, and the hash of the password, if there is one.
    pub fn user(&self, name: &str) -> Result<Option<(User, Option<String>)>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT id, name, account, role, created_at, password IS NOT NULL, password FROM user WHERE name = ?",
        )?;
        let found = select.query_row([name], |row| Ok((user(row), row.get(6)?))).optional()?;
        found.map(|(user, password)| Ok((user?, password))).transpose()
    }

    /// Begins a session, which the token with this hash continues until it ends.
    pub fn begin_session(&self, token: &Hash, user: i64, now: Timestamp, until: Timestamp) -> Result<(), Error> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM session WHERE ends_at <= ?", [now.as_second()])?;
            transaction.execute(
                "INSERT INTO session (token, user, started_at, ends_at) VALUES (?, ?, ?, ?)",
                params![token, user, now.as_second(), until.as_second()],
            )?;
            transaction.execute(
                "DELETE FROM session WHERE user = ?1 AND token NOT IN
                 (SELECT token FROM session WHERE user = ?1 ORDER BY started_at DESC, rowid DESC LIMIT ?2)",
                params![user, SESSIONS_MAX],
            )?;
            Ok(())
        })
    }

    /// Returns whose session a token continues; `None` if it has ended.
    pub fn session(&self, token: &Hash, now: Timestamp) -> Result<Option<User>, Error> {
        let shared = self.shared();
        let of_token = format!("{USER} JOIN session ON session.user = user.id WHERE token = ? AND ends_at > ?");
        let mut select = shared.prepare_cached(&of_token)?;
        select.query_row(params![token, now.as_second()], |row| Ok(user(row))).optional()?.transpose()
    }

    /// Ends a session.
    pub fn end_session(&self, token: &Hash) -> Result<(), Error> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM session WHERE token = ?", [token])?;
            Ok(())
        })
    }

    /// Records what a user did.
    pub fn note_deed(&self, user: &User, account: Option<i64>, what: &str, revision: Option<u64>) -> Result<(), Error> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO deed (at, user, account, what, revision) VALUES (strftime('%Y-%m-%dT%H:%M:%SZ'), ?, ?, ?, ?)",
                params![user.name, account, what, revision],
            )?;
            let first_kept = transaction.last_insert_rowid() - DEEDS_MAX;
            transaction.execute("DELETE FROM deed WHERE number <= ?", [first_kept])?;
            Ok(())
        })
    }

    /// Returns what users did in an account, or in all, the latest first.
    pub fn deeds(&self, account: Option<i64>, limit: usize) -> Result<Vec<Deed>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT at, user, account, what, revision FROM deed WHERE ?1 IS NULL OR account = ?1
             ORDER BY number DESC LIMIT ?2",
        )?;
        let deed = |row: &Row| {
            Ok(Deed {
                at: row.get(0)?,
                user: row.get(1)?,
                account: row.get(2)?,
                what: row.get(3)?,
                revision: row.get(4)?,
            })
        };
        Ok(select.query_map(params![account, limit], deed)?.collect::<Result<_, _>>()?)
    }

    /// Returns what the user did who made a revision of an account; `None` if no user did.
    pub fn deed_of(&self, account: i64, revision: u64) -> Result<Option<Deed>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached("SELECT at, user, what FROM deed WHERE account = ? AND revision = ?")?;
        let deed = |row: &Row| {
            let (at, user, what) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Deed { at, user, account: Some(account), what, revision: Some(revision) })
        };
        Ok(select.query_row(params![account, revision], deed).optional()?)
    }
}

/// Removes the users, and the record of the deeds, of an account that is removed.
pub(super) fn remove_of_account(transaction: &Transaction, account: i64) -> rusqlite::Result<()> {
    let of_account = "DELETE FROM session WHERE user IN (SELECT id FROM user WHERE account = ?)";
    transaction.execute(of_account, [account])?;
    transaction.execute("DELETE FROM user WHERE account = ?", [account])?;
    transaction.execute("DELETE FROM deed WHERE account = ?", [account])?;
    Ok(())
}

fn invited(connection: &Connection, invitation: &Hash, now: Timestamp) -> Result<Option<User>, Error> {
    let mut select = connection.prepare_cached(&format!("{USER} WHERE invitation = ? AND invited_until > ?"))?;
    select.query_row(params![invitation, now.as_second()], |row| Ok(user(row))).optional()?.transpose()
}

fn end_sessions(transaction: &Transaction, name: &str) -> rusqlite::Result<usize> {
    transaction.execute("DELETE FROM session WHERE user = (SELECT id FROM user WHERE name = ?)", [name])
}

fn some_user(changed: usize, name: &str) -> Result<(), Error> {
    if changed == 0 { Err(Error::NoUser(name.into())) } else { Ok(()) }
}

/// Reads the first six columns of [`USER`].
fn user(row: &Row) -> Result<User, Error> {
    let role: String = row.get(3)?;
    let role = UserRole::parse(&role)
        .ok_or_else(|| Error::damaged("the role of a user is not one of those that there are"))?;
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        account: row.get(2)?,
        role,
        created_at: row.get(4)?,
        has_password: row.get(5)?,
    })
}
