//! The keys of accounts, and what is set for their dialects.

use super::{Error, Key, Store};
use crate::dialect::Dialect;
use crate::token::{self, Hash};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

/// How many SharedKey secrets an account may have at once: the old one and the new one, while a key is changed.
const SECRETS_MAX: u32 = 2;

/// What a new key is.
pub enum Credential<'a> {
    /// A SharedKey secret, which is kept as it is: without it no signature could be verified.
    Secret(&'a str),
    /// A token, of which the hash is kept.
    Token {
        /// Which requests it is for.
        dialect: Dialect,
        /// Its hash.
        hash: Hash,
        /// The number that goes with it, where the dialect has one.
        client_id: Option<&'a str>,
        /// The host that requests with it must name, if any.
        site: Option<&'a str>,
    },
}

/// A key as it is listed: without what is secret of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// The number by which it is revoked.
    pub id: i64,
    /// Whose it is.
    pub account: i64,
    /// Which requests it is for.
    pub dialect: String,
    /// The number that goes with it.
    pub client_id: Option<String>,
    /// The host that requests with it must name.
    pub site: Option<String>,
    /// When it was added, RFC 3339 in UTC.
    pub created_at: String,
}

/// Whose token it is, and what a request with it must say beside.
pub struct TokenHolder {
    /// The account's key.
    pub key: Key,
    /// The number that goes with it.
    pub client_id: Option<String>,
    /// The host that requests with it must name.
    pub site: Option<String>,
}

impl Store {
    /// Adds a key to an account, and gives its number. A server that runs knows it at once.
    pub fn add_key(&self, account: i64, credential: &Credential) -> Result<i64, Error> {
        let mut shared = self.shared();
        let transaction = shared.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let exists = transaction
            .query_row("SELECT EXISTS (SELECT 1 FROM account WHERE id = ?)", [account], |row| row.get::<_, bool>(0))?;
        if !exists {
            return Err(Error::NoAccount(account));
        }
        if let Credential::Secret(_) = credential {
            let secrets: u32 = transaction.query_row(
                "SELECT count(*) FROM key WHERE account = ? AND secret IS NOT NULL",
                [account],
                |row| row.get(0),
            )?;
            if secrets >= SECRETS_MAX {
                return Err(Error::TwoSecrets(account));
            }
        }
        let id = insert(&transaction, account, credential)?;
        transaction.commit()?;
        Ok(id)
    }

    /// The keys of an account, or of all, in the order in which they were added.
    pub fn keys(&self, account: Option<i64>) -> Result<Vec<ListedKey>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT id, account, dialect, client_id, site, created_at FROM key
             WHERE ?1 IS NULL OR account = ?1 ORDER BY account, id",
        )?;
        let listed = |row: &Row| {
            Ok(ListedKey {
                id: row.get(0)?,
                account: row.get(1)?,
                dialect: row.get(2)?,
                client_id: row.get(3)?,
                site: row.get(4)?,
                created_at: row.get(5)?,
            })
        };
        Ok(select.query_map([account], listed)?.collect::<Result<_, _>>()?)
    }

    /// Revokes a key: the next request with it is refused.
    pub fn revoke_key(&self, account: i64, id: i64) -> Result<(), Error> {
        match self.shared().execute("DELETE FROM key WHERE id = ? AND account = ?", [id, account])? {
            0 => Err(Error::NoKey { account, id }),
            _ => Ok(()),
        }
    }

    /// The SharedKey secrets of an account: none, one or two.
    pub fn secrets(&self, account: i64) -> Result<Vec<String>, Error> {
        let shared = self.shared();
        let mut select =
            shared.prepare_cached("SELECT secret FROM key WHERE account = ? AND secret IS NOT NULL ORDER BY id")?;
        Ok(select.query_map([account], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Whose token of a dialect this is, by its hash.
    pub fn token_holder(&self, dialect: Dialect, hash: &Hash) -> Result<Option<TokenHolder>, Error> {
        let shared = self.shared();
        // A few bytes of the hash find it; whether it is the same is decided without telling how nearly.
        let mut select = shared.prepare_cached(
            "SELECT key.hash, account.id, account.generation, client_id, site
             FROM key JOIN account ON account.id = key.account WHERE found_by = ? AND dialect = ?",
        )?;
        let found = select.query_map(params![found_by(hash), dialect.name()], |row| {
            let key = Key { account: row.get(1)?, generation: row.get(2)? };
            let holder = TokenHolder { key, client_id: row.get(3)?, site: row.get(4)? };
            Ok((row.get::<_, Vec<u8>>(0)?, holder))
        })?;
        for found in found {
            let (stored, holder) = found?;
            if token::same(hash, &stored) {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }

    /// Sets something for a dialect of an account: `profile` to a GUID, `absent` to `hide` or `stay`.
    pub fn set(&self, account: i64, dialect: Dialect, name: &str, value: &str) -> Result<(), Error> {
        let set = self.shared().execute(
            "INSERT INTO dialect_setting SELECT id, ?2, ?3, ?4 FROM account WHERE id = ?1
             ON CONFLICT DO UPDATE SET value = excluded.value",
            params![account, dialect.name(), name, value],
        )?;
        if set == 0 { Err(Error::NoAccount(account)) } else { Ok(()) }
    }

    /// What was set for a dialect of an account, if anything.
    pub fn setting(&self, account: i64, dialect: Dialect, name: &str) -> Result<Option<String>, Error> {
        let shared = self.shared();
        let mut select = shared
            .prepare_cached("SELECT value FROM dialect_setting WHERE account = ? AND dialect = ? AND name = ?")?;
        Ok(select.query_row(params![account, dialect.name(), name], |row| row.get(0)).optional()?)
    }
}

/// Adds a key to an account that exists.
pub(super) fn insert(connection: &Connection, account: i64, credential: &Credential) -> Result<i64, Error> {
    let (dialect, secret, hash, client_id, site) = match credential {
        Credential::Secret(secret) => (Dialect::StartExam, Some(*secret), None, None, None),
        Credential::Token { dialect, hash, client_id, site } => (*dialect, None, Some(hash), *client_id, *site),
    };
    connection.execute(
        "INSERT INTO key (account, dialect, secret, hash, found_by, client_id, site, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ'))",
        params![account, dialect.name(), secret, hash, hash.map(found_by), client_id, site],
    )?;
    Ok(connection.last_insert_rowid())
}

fn found_by(hash: &Hash) -> i64 {
    i64::from_le_bytes(hash[..8].try_into().expect("eight bytes"))
}
