//! The keys of accounts, and what is set for their dialects.

use super::server_key::Of;
use super::{Error, Key, Store};
use crate::dialect::Dialect;
use crate::role::Roles;
use crate::store::settings::{AccountSetting, AccountSettings, DialectSettings, Setting};
use crate::token::{self, Hash};
use crate::until::Until;
use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};
use std::fmt;

/// How many SharedKey secrets with the same roles an account may have at once: the old one and the new one, while a key is changed.
const SECRETS_MAX: u32 = 2;

/// What a new key is.
pub enum Credential<'a> {
    /// A SharedKey secret, which is kept sealed: without it no signature could be verified.
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
    /// What it may do.
    pub roles: Roles,
    /// When it was added, RFC 3339 in UTC.
    pub created_at: String,
    /// When it ends, if it does.
    pub until: Option<Until>,
}

/// An account or a key that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The account.
    pub account: i64,
    /// The number of the key, if it is not the account that ends.
    pub key: Option<i64>,
    /// When it does, or did.
    pub until: Until,
}

/// Whose a credential is. Only a request that has proved it may be told what [`Holder::admit`] says.
pub struct Holder {
    account: i64,
    generation: i64,
    account_until: Option<Until>,
    id: i64,
    until: Option<Until>,
    roles: Roles,
}

/// A key that was shown and has not ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Admitted {
    /// What opens the roster of its account.
    pub key: Key,
    /// The number of the key.
    pub id: i64,
    /// What it may do.
    pub roles: Roles,
}

/// What has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The account, with all its keys.
    Account {
        /// Its id.
        id: i64,
        /// When it has.
        until: Until,
    },
    /// A key of the account.
    Key {
        /// The key's number.
        id: i64,
        /// The account.
        account: i64,
        /// When it has.
        until: Until,
    },
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Ended::Account { id, until } => write!(
                f,
                "account {id} has ended, it was valid until {until} (UTC); ask the server's operator to extend it \
                 (rollcall account set {id} --until DATE)"
            ),
            Ended::Key { id, account, until } => write!(
                f,
                "key {id} of account {account} has ended, it was valid until {until} (UTC); ask the server's operator for \
                 another (rollcall key add {account})"
            ),
        }
    }
}

impl Holder {
    /// Reads the first six columns: the account's id, generation and end, the key's number, end and roles.
    pub(super) fn of(row: &Row) -> rusqlite::Result<Holder> {
        Ok(Holder {
            account: row.get(0)?,
            generation: row.get(1)?,
            account_until: row.get::<_, Option<i64>>(2)?.map(Until::from_second),
            id: row.get(3)?,
            until: row.get::<_, Option<i64>>(4)?.map(Until::from_second),
            roles: roles(row, 5)?,
        })
    }

    /// The number of the key.
    pub(super) fn id(&self) -> i64 {
        self.id
    }

    /// Returns the key, unless the account or the key has ended.
    pub fn admit(&self, now: Timestamp) -> Result<Admitted, Ended> {
        let Holder { account, generation, id, roles, .. } = *self;
        let passed = |until: Option<Until>| until.filter(|until| until.has_passed(now));
        match (passed(self.account_until), passed(self.until)) {
            (Some(until), _) => Err(Ended::Account { id: account, until }),
            (None, Some(until)) => Err(Ended::Key { id, account, until }),
            (None, None) => Ok(Admitted { key: Key { account, generation }, id, roles }),
        }
    }
}

/// Whose token it is, and what a request with it must say beside.
pub struct TokenHolder {
    /// The account and the key.
    pub holder: Holder,
    /// The number that goes with it.
    pub client_id: Option<String>,
    /// The host that requests with it must name.
    pub site: Option<String>,
}

impl Store {
    /// Adds a key with some roles to an account, and returns its number. A server that runs knows it at once.
    pub fn add_key(
        &self,
        account: i64,
        credential: &Credential,
        roles: Roles,
        until: Option<Until>,
    ) -> Result<i64, Error> {
        self.write(|transaction| {
            let exists = "SELECT EXISTS (SELECT 1 FROM account WHERE id = ?)";
            if !transaction.query_row(exists, [account], |row| row.get::<_, bool>(0))? {
                return Err(Error::NoAccount(account));
            }
            if let Credential::Secret(_) = credential {
                let secrets = "SELECT count(*) FROM key
                     WHERE account = ?1 AND sealed_secret IS NOT NULL AND coalesce(roles, ?2) = ?3";
                let of = params![account, Roles::USUAL.to_string(), roles.to_string()];
                if transaction.query_row(secrets, of, |row| row.get::<_, u32>(0))? >= SECRETS_MAX {
                    return Err(Error::TwoSecrets { account, roles });
                }
            }
            self.insert_key(transaction, account, credential, roles, until)
        })
    }

    /// Adds a key to an account that exists.
    pub(super) fn insert_key(
        &self,
        transaction: &Transaction,
        account: i64,
        credential: &Credential,
        roles: Roles,
        until: Option<Until>,
    ) -> Result<i64, Error> {
        let (dialect, secret, hash, client_id, site) = match credential {
            Credential::Secret(secret) => (Dialect::StartExam, Some(*secret), None, None, None),
            Credential::Token { dialect, hash, client_id, site } => (*dialect, None, Some(hash), *client_id, *site),
        };
        transaction.execute(
            "INSERT INTO key (account, dialect, hash, found_by, client_id, site, created_at, ends_at, roles)
             VALUES (?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%SZ'), ?, ?)",
            params![
                account,
                dialect.name(),
                hash,
                hash.map(found_by),
                client_id,
                site,
                until.map(Until::as_second),
                roles.to_string()
            ],
        )?;
        let id = transaction.last_insert_rowid();
        if let Some(secret) = secret {
            let sealed = self.server_key(transaction)?.seal(secret, account, Of::Key(id))?;
            transaction.execute("UPDATE key SET sealed_secret = ? WHERE id = ?", params![sealed, id])?;
        }
        Ok(id)
    }

    /// The keys of an account, or of all, in the order in which they were added.
    pub fn keys(&self, account: Option<i64>) -> Result<Vec<ListedKey>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT id, account, dialect, client_id, site, created_at, ends_at, roles FROM key
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
                until: row.get::<_, Option<i64>>(6)?.map(Until::from_second),
                roles: roles(row, 7)?,
            })
        };
        Ok(select.query_map([account], listed)?.collect::<Result<_, _>>()?)
    }

    /// Every account and key that has an end.
    pub fn endings(&self) -> Result<Vec<Ending>, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT id, NULL, ends_at FROM account WHERE ends_at IS NOT NULL
             UNION ALL SELECT account, id, ends_at FROM key WHERE ends_at IS NOT NULL",
        )?;
        let ending =
            |row: &Row| Ok(Ending { account: row.get(0)?, key: row.get(1)?, until: Until::from_second(row.get(2)?) });
        Ok(select.query_map([], ending)?.collect::<Result<_, _>>()?)
    }

    /// Revokes a key: the next request with it is refused.
    pub fn revoke_key(&self, account: i64, id: i64) -> Result<(), Error> {
        self.write(|transaction| {
            match transaction.execute("DELETE FROM key WHERE id = ? AND account = ?", [id, account])? {
                0 => Err(Error::NoKey { account, id }),
                _ => Ok(()),
            }
        })
    }

    /// Whose token of a dialect this is, by its hash.
    pub fn token_holder(&self, dialect: Dialect, hash: &Hash) -> Result<Option<TokenHolder>, Error> {
        let shared = self.shared();
        // A few bytes of the hash find it; whether it is the same is decided without telling how nearly.
        let mut select = shared.prepare_cached(
            "SELECT account.id, account.generation, account.ends_at, key.id, key.ends_at, key.roles, key.hash, client_id, site
             FROM key JOIN account ON account.id = key.account WHERE found_by = ? AND dialect = ?",
        )?;
        let found = select.query_map(params![found_by(hash), dialect.name()], |row| {
            let holder = TokenHolder { holder: Holder::of(row)?, client_id: row.get(7)?, site: row.get(8)? };
            Ok((row.get::<_, Vec<u8>>(6)?, holder))
        })?;
        for found in found {
            let (stored, holder) = found?;
            if token::same(hash, &stored) {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }

    /// Sets something for a dialect of an account. A server that runs knows it at once.
    pub fn set(&self, account: i64, dialect: Dialect, setting: Setting) -> Result<(), Error> {
        self.write(|transaction| {
            let set = transaction.execute(
                "INSERT INTO dialect_setting SELECT id, ?2, ?3, ?4 FROM account WHERE id = ?1
                 ON CONFLICT DO UPDATE SET value = excluded.value",
                params![account, dialect.name(), setting.name(), setting.value()],
            )?;
            if set == 0 { Err(Error::NoAccount(account)) } else { Ok(()) }
        })
    }

    /// Returns what is set for a dialect of an account. A setting that cannot be read is an error that names it.
    pub fn settings(&self, account: i64, dialect: Dialect) -> Result<DialectSettings, Error> {
        let shared = self.shared();
        let mut select =
            shared.prepare_cached("SELECT name, value FROM dialect_setting WHERE account = ? AND dialect = ?")?;
        let mut rows = select.query(params![account, dialect.name()])?;
        let mut settings = DialectSettings::default();
        while let Some(row) = rows.next()? {
            let (name, value): (String, String) = (row.get(0)?, row.get(1)?);
            let unreadable = || Error::Setting { account, dialect: dialect.name(), name: name.clone() };
            settings.add(Setting::parse(&name, &value).ok_or_else(unreadable)?);
        }
        Ok(settings)
    }

    /// Sets something for an account, whatever the dialect. A server that runs knows it at once.
    pub fn set_account(&self, account: i64, setting: &AccountSetting) -> Result<(), Error> {
        self.write(|transaction| {
            let set = transaction.execute(
                "INSERT INTO account_setting SELECT id, ?2, ?3 FROM account WHERE id = ?1
                 ON CONFLICT DO UPDATE SET value = excluded.value",
                params![account, setting.name(), setting.value()],
            )?;
            if set == 0 { Err(Error::NoAccount(account)) } else { Ok(()) }
        })
    }

    /// Returns what is set for an account, whatever the dialect. A setting that cannot be read is an error that names it.
    pub fn account_settings(&self, account: i64) -> Result<AccountSettings, Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached("SELECT name, value FROM account_setting WHERE account = ?")?;
        let mut rows = select.query([account])?;
        let mut settings = AccountSettings::default();
        while let Some(row) = rows.next()? {
            let (name, value): (String, String) = (row.get(0)?, row.get(1)?);
            let unreadable = || Error::AccountSetting { account, name: name.clone() };
            settings.add(AccountSetting::parse(&name, &value).ok_or_else(unreadable)?);
        }
        Ok(settings)
    }
}

/// Reads the roles of a key. A key of an earlier version has the usual ones; one whose roles cannot be read has none.
fn roles(row: &Row, column: usize) -> rusqlite::Result<Roles> {
    let stored: Option<String> = row.get(column)?;
    Ok(stored.map_or(Roles::USUAL, |stored| Roles::parse(&stored).unwrap_or(Roles::of([]))))
}

fn found_by(hash: &Hash) -> i64 {
    i64::from_le_bytes(hash[..8].try_into().expect("eight bytes"))
}
