//! SharedKey secrets: sealed in the database, opened to verify signatures.

use super::folder::checkpoint;
use super::keys::Holder;
use super::server_key::{Of, ServerKey};
use super::webhooks;
use super::{Error, Store};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::sync::Arc;

/// How often secrets are read again because their server key was replaced meanwhile. Each time takes a `rollcall key rewrap`
/// between the reading of the database and that of the key file.
pub(super) const READ_AGAIN_MAX: u32 = 5;

/// A SharedKey secret of an account.
pub struct Secret {
    /// What requests are signed with.
    pub text: String,
    /// Whose it is.
    pub holder: Holder,
}

/// A secret as the database has it.
struct Sealed {
    secret: Vec<u8>,
    holder: Holder,
}

impl Store {
    /// The SharedKey secrets of an account, ended ones too: none, one or two. Whoever has signed with one of them has its holder.
    pub fn secrets(&self, account: i64) -> Result<Vec<Secret>, Error> {
        for _ in 0..READ_AGAIN_MAX {
            let (server_key, sealed) = self.sealed_secrets(account)?;
            if sealed.is_empty() {
                return Ok(Vec::new());
            }
            let Some(server_key) = self.key_file.find(server_key)? else {
                continue;
            };
            let open = |Sealed { secret, holder }| match server_key.open(&secret, account, Of::Key(holder.id())) {
                Some(text) => Ok(Secret { text, holder }),
                None => Err(Error::DamagedSecret { account, id: holder.id() }),
            };
            return sealed.into_iter().map(open).collect();
        }
        Err(self.not_in_the_file()?)
    }

    /// The sealed secrets of an account, and the id of the server key that they are sealed with.
    fn sealed_secrets(&self, account: i64) -> Result<(i64, Vec<Sealed>), Error> {
        let shared = self.shared();
        let mut select = shared.prepare_cached(
            "SELECT account.id, account.generation, account.ends_at, key.id, key.ends_at, key.roles, sealed_secret,
                    (SELECT value FROM setting WHERE name = 'server_key')
             FROM key JOIN account ON account.id = key.account
             WHERE account.id = ? AND sealed_secret IS NOT NULL ORDER BY key.id",
        )?;
        let mut rows = select.query([account])?;
        let (mut server_key, mut secrets) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            server_key = row.get::<_, Option<i64>>(7)?.unwrap_or_default();
            secrets.push(Sealed { secret: row.get(6)?, holder: Holder::of(row)? });
        }
        Ok((server_key, secrets))
    }

    /// Makes sure that secrets can be opened and sealed: fails if the server key is missing or another, and makes one if none was
    /// needed yet.
    pub fn check_server_key(&self) -> Result<(), Error> {
        let known = server_key_id(&self.shared())?;
        match known {
            Some(id) if self.key_file.find(id)?.is_some() => Ok(()),
            _ => self.write(|transaction| self.server_key(transaction).map(drop)),
        }
    }

    /// The server key to seal secrets with; a new one if no secret is sealed with the last.
    pub(super) fn server_key(&self, transaction: &Transaction) -> Result<Arc<ServerKey>, Error> {
        if let Some(id) = server_key_id(transaction)? {
            if let Some(key) = self.key_file.find(id)? {
                return Ok(key);
            }
            let needed =
                "SELECT EXISTS (SELECT 1 FROM key WHERE sealed_secret IS NOT NULL) OR EXISTS (SELECT 1 FROM webhook)";
            if transaction.query_row(needed, [], |row| row.get(0))? {
                return Err(self.not_in_the_file()?);
            }
        }
        // The file may be there: an operator has put it there, or its maker was killed before it could note the key.
        let key = match self.key_file.read()?.into_iter().next() {
            Some(key) => key,
            None => self.key_file.create(self.dir())?,
        };
        set_server_key(transaction, &key)?;
        Ok(Arc::new(key))
    }

    pub(super) fn not_in_the_file(&self) -> Result<Error, Error> {
        let path = self.key_file.path().to_owned();
        Ok(if self.key_file.read()?.is_empty() { Error::NoServerKey { path } } else { Error::WrongServerKey { path } })
    }

    /// Replaces the server key and seals every secret anew; returns how many there are. A server that runs reads the new key when
    /// it meets a secret that is sealed with it. If this process is killed, the file has the key that the database needs.
    pub fn rewrap(&self) -> Result<usize, Error> {
        let (secrets, before) = self.write(|transaction| {
            let (old, new) = (self.server_key(transaction)?, ServerKey::random()?);
            let mut select =
                transaction.prepare("SELECT account, id, sealed_secret FROM key WHERE sealed_secret IS NOT NULL")?;
            let sealed = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let sealed: Vec<(i64, i64, Vec<u8>)> = sealed.collect::<Result<_, _>>()?;
            for (account, id, secret) in &sealed {
                let secret = old
                    .open(secret, *account, Of::Key(*id))
                    .ok_or(Error::DamagedSecret { account: *account, id: *id })?;
                let secret = new.seal(&secret, *account, Of::Key(*id))?;
                transaction.execute("UPDATE key SET sealed_secret = ? WHERE id = ?", params![secret, id])?;
            }
            let webhooks = webhooks::rewrap(transaction, &old, &new)?;
            set_server_key(transaction, &new)?;
            // The file has the keys of before until the database has taken the new one, so that every state of the database finds its
            // key. Not only the last one: what a killed rewrap has written to the log may have become valid only when the next process
            // reads the log anew.
            let before = self.key_file.read()?;
            self.key_file.replace(&before.iter().chain([&new]).collect::<Vec<_>>())?;
            Ok((sealed.len() + webhooks, before))
        })?;
        // Under the write lock, as every change of the file. What was written over cannot become valid any more; the key of another rewrap,
        // which may have begun since, is not among those of before.
        self.write(|transaction| {
            let keys = self.key_file.read()?;
            let needed = server_key_id(transaction)?;
            let is_old = |key: &ServerKey| before.iter().any(|before| before.id() == key.id());
            let kept: Vec<&ServerKey> = keys.iter().filter(|key| !is_old(key) || Some(key.id()) == needed).collect();
            if kept.is_empty() || kept.len() == keys.len() { Ok(()) } else { self.key_file.replace(&kept) }
        })?;
        Ok(secrets)
    }

    /// Seals what an earlier version kept in plain text, and removes every trace of it from the database and its log.
    pub(super) fn seal_plain_secrets(&self) -> Result<(), Error> {
        let unscrubbed = "SELECT EXISTS (SELECT 1 FROM setting WHERE name = 'unscrubbed')";
        let mut shared = self.shared();
        if !shared.query_row(unscrubbed, [], |row| row.get::<_, bool>(0))? {
            return Ok(());
        }
        let transaction = shared.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let server_key = self.server_key(&transaction)?;
        let mut select =
            transaction.prepare("SELECT account, id, plain_secret FROM key WHERE plain_secret IS NOT NULL")?;
        let plain = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        for (account, id, secret) in plain.collect::<Result<Vec<(i64, i64, String)>, _>>()? {
            let sealed = server_key.seal(&secret, account, Of::Key(id))?;
            transaction
                .execute("UPDATE key SET plain_secret = NULL, sealed_secret = ? WHERE id = ?", params![sealed, id])?;
        }
        drop(select);
        transaction.commit()?;
        // The free space of the file may have what was revoked before.
        shared.execute_batch("VACUUM")?;
        if checkpoint(&shared)? {
            shared.execute("DELETE FROM setting WHERE name = 'unscrubbed'", [])?;
            checkpoint(&shared)?;
        }
        Ok(())
    }
}

/// What the database knows its server key by.
fn server_key_id(connection: &Connection) -> Result<Option<i64>, Error> {
    let mut select = connection.prepare_cached("SELECT value FROM setting WHERE name = 'server_key'")?;
    Ok(select.query_row([], |row| row.get(0)).optional()?)
}

fn set_server_key(transaction: &Transaction, key: &ServerKey) -> Result<(), Error> {
    transaction.execute(
        "INSERT INTO setting VALUES ('server_key', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        [key.id()],
    )?;
    Ok(())
}
