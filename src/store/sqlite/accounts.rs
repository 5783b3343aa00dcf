//! The accounts.

use super::keys::Credential;
use super::{Error, Store, schema, users, webhooks};
use crate::role::Roles;
use crate::until::Until;
use rusqlite::{OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// An account, without its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The integer that a request names it by.
    pub id: i64,
    /// What people call it.
    pub name: String,
    /// When it was added, RFC 3339 in UTC.
    pub created_at: String,
    /// When it ends, if it does.
    pub until: Option<Until>,
}

/// What opens the roster of an account; who has shown a key of the account gets it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The account.
    pub account: i64,
    /// Tells this account from another that had its id before.
    pub(super) generation: i64,
}

impl Store {
    /// Adds an account with its SharedKey secret, and makes its roster. A server that runs knows it at once.
    pub fn add_account(&self, id: i64, name: &str, secret: &str, until: Option<Until>) -> Result<(), Error> {
        self.write(|transaction| {
            self.insert_account(transaction, id, name, until)?;
            self.refuse_if_somebody_is_in_the_file(id)?;
            // What an interrupted removal or addition has left is not the new account's.
            erase(&self.roster_path(id))?;
            self.insert_key(transaction, id, &Credential::Secret(secret), Roles::USUAL, None)?;
            schema::open_roster(&self.roster_path(id), true, self.seed())?;
            Ok(())
        })
    }

    pub(super) fn insert_account(
        &self,
        transaction: &Transaction,
        id: i64,
        name: &str,
        until: Option<Until>,
    ) -> Result<(), Error> {
        let added = transaction.execute(
            "INSERT INTO account (id, name, generation, created_at, ends_at)
             VALUES (?, ?, random(), strftime('%Y-%m-%dT%H:%M:%SZ'), ?) ON CONFLICT DO NOTHING",
            params![id, name, until.map(Until::as_second)],
        )?;
        if added == 0 { Err(Error::AccountExists(id)) } else { Ok(()) }
    }

    /// Sets when an account ends, or that it does not. A server that runs knows it at once.
    pub fn set_until(&self, id: i64, until: Option<Until>) -> Result<(), Error> {
        self.write(|transaction| {
            let until = until.map(Until::as_second);
            match transaction.execute("UPDATE account SET ends_at = ? WHERE id = ?", params![until, id])? {
                0 => Err(Error::NoAccount(id)),
                _ => Ok(()),
            }
        })
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> Result<Vec<Account>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached("SELECT id, name, created_at, ends_at FROM account ORDER BY id")?;
        let account = |row: &Row| {
            Ok(Account {
                id: row.get(0)?,
                name: row.get(1)?,
                created_at: row.get(2)?,
                until: row.get::<_, Option<i64>>(3)?.map(Until::from_second),
            })
        };
        Ok(select.query_map([], account)?.collect::<Result<_, _>>()?)
    }

    /// What opens the roster of an account.
    pub fn key(&self, id: i64) -> Result<Option<Key>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached("SELECT id, generation FROM account WHERE id = ?")?;
        let key = |row: &rusqlite::Row| Ok(Key { account: row.get(0)?, generation: row.get(1)? });
        Ok(select.query_row([id], key).optional()?)
    }

    /// Removes an account with its keys and its roster, also where an earlier removal was interrupted. Waits a moment for a push
    /// that is under way.
    pub fn remove_account(&self, id: i64) -> Result<(), Error> {
        let path = self.roster_path(id);
        let exists = path.exists();
        // A file that is damaged can be erased as well.
        let mut roster = schema::open_roster(&path, false, self.seed()).ok();
        // A push holds this while it writes, and looks for the account when it has it.
        let nobody_writes = roster
            .as_mut()
            .map(|roster| roster.transaction_with_behavior(TransactionBehavior::Immediate))
            .transpose()?;
        let removed = self.write(|transaction| {
            transaction.execute("DELETE FROM key WHERE account = ?", [id])?;
            transaction.execute("DELETE FROM dialect_setting WHERE account = ?", [id])?;
            transaction.execute("DELETE FROM account_setting WHERE account = ?", [id])?;
            users::remove_of_account(transaction, id)?;
            webhooks::remove_of_account(transaction, id)?;
            Ok(transaction.execute("DELETE FROM account WHERE id = ?", [id])?)
        })?;
        if removed == 0 && !exists {
            return Err(Error::NoAccount(id));
        }
        erase(&self.roster_path(id))?;
        drop(nobody_writes);
        Ok(())
    }
}

/// Erases a database with its log, if it is there.
pub(super) fn erase(path: &Path) -> Result<(), Error> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.to_owned().into_os_string();
        file.push(suffix);
        match fs::remove_file(&file) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(Error::Folder { path: file.into(), source });
            }
            _ => {}
        }
    }
    Ok(())
}
