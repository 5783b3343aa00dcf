//! The server key: SharedKey secrets are sealed with it (XChaCha20-Poly1305), and it lies in a file outside the database, so that
//! a copy of the database alone opens nothing.

use super::{Error, private};
use crate::token;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::NamedTempFile;

/// The most bytes of a key file: room for the key of each of a thousand replacements that were killed one after the other.
const FILE_BYTES_MAX: u64 = 65_536;

const NONCE_BYTES: usize = 24;

/// What a temporary file begins with that becomes the key file.
const TEMPORARY: &str = ".server-key-";

/// A server key.
pub struct ServerKey {
    /// As the file has it: 64 hexadecimal digits.
    digits: String,
    cipher: XChaCha20Poly1305,
}

impl ServerKey {
    /// A new one.
    pub fn random() -> Result<ServerKey, Error> {
        let digits = token::random().map_err(Error::random)?;
        Ok(ServerKey::parse(&digits).expect("64 random digits are a key"))
    }

    fn parse(digits: &str) -> Option<ServerKey> {
        let pairs: Vec<&[u8]> = digits.as_bytes().chunks(2).collect();
        let byte = |pair: &&[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
        let is_key = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let cipher = XChaCha20Poly1305::new_from_slice(&bytes).ok().filter(|_| is_key)?;
        Some(ServerKey { digits: digits.to_ascii_lowercase(), cipher })
    }

    /// What the database knows the key by. It tells nothing of the key.
    pub fn id(&self) -> i64 {
        let hash = token::hash(&format!("rollcall server key {}", self.digits));
        i64::from_le_bytes(hash[..8].try_into().expect("eight bytes"))
    }

    /// Seals the secret of a key, or of a webhook, of an account. Sealed, it cannot pass for another's.
    pub fn seal(&self, secret: &str, account: i64, of: Of) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(Error::random)?;
        let payload = Payload { msg: secret.as_bytes(), aad: &of.belongs_to(account) };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).expect("a secret is not too long to be sealed");
        Ok([&nonce[..], &sealed].concat())
    }

    /// The secret of a key, or of a webhook, of an account; `None` if it was not sealed for it with this server key.
    pub fn open(&self, sealed: &[u8], account: i64, of: Of) -> Option<String> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: &of.belongs_to(account) };
        let secret = self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
        String::from_utf8(secret).ok()
    }
}

/// What a sealed secret is the secret of, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A key.
    Key(i64),
    /// A webhook.
    Webhook(i64),
}

impl Of {
    /// The associated data of the sealed secret.
    fn belongs_to(self, account: i64) -> Vec<u8> {
        let (what, number) = match self {
            Of::Key(number) => (b"rollcall secret".as_slice(), number),
            Of::Webhook(number) => (b"rollcall webhook".as_slice(), number),
        };
        [what, &account.to_le_bytes(), &number.to_le_bytes()].concat()
    }
}

/// The file of the server key. It has one key; while the key is being replaced, and after a replacement that was killed, it has the old ones and
/// the new one, and the database says which of them its secrets are sealed with. It is written only by the holder of the write lock of
/// `rollcall.db`.
pub struct KeyFile {
    path: PathBuf,
    /// The key that was needed last.
    known: Mutex<Option<Arc<ServerKey>>>,
}

impl KeyFile {
    pub fn new(path: PathBuf) -> KeyFile {
        KeyFile { path, known: Mutex::default() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key that the database knows by `id`; `None` if it is not in the file, or there is no file.
    pub fn find(&self, id: i64) -> Result<Option<Arc<ServerKey>>, Error> {
        let mut known = self.known.lock().expect("no holder of the lock panics");
        if let Some(key) = known.as_ref().filter(|key| key.id() == id) {
            return Ok(Some(key.clone()));
        }
        let found = self.read()?.into_iter().find(|key| key.id() == id).map(Arc::new);
        if found.is_some() {
            known.clone_from(&found);
        }
        Ok(found)
    }

    /// The keys in the file; none if there is no file.
    pub fn read(&self) -> Result<Vec<ServerKey>, Error> {
        let wrong = || Error::DamagedKeyFile { path: self.path.clone() };
        let text = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Ok(file) if file.len() > FILE_BYTES_MAX => return Err(wrong()),
            _ => fs::read_to_string(&self.path),
        };
        let text = match text {
            Err(error) if error.kind() == ErrorKind::InvalidData => return Err(wrong()),
            text => text.map_err(|source| self.failed(source))?,
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys: Vec<ServerKey> = lines.map(ServerKey::parse).collect::<Option<_>>().ok_or_else(wrong)?;
        if keys.is_empty() { Err(wrong()) } else { Ok(keys) }
    }

    /// Makes the file with a new key, for the owner of the data folder. A file that is there is never overwritten.
    pub fn create(&self, data: &Path) -> Result<ServerKey, Error> {
        let key = ServerKey::random()?;
        let written = temporary(&self.path, &[&key], data).and_then(|file| {
            file.persist_noclobber(&self.path).map_err(|error| error.error)?;
            sync_folder(&self.path)
        });
        written.map_err(|source| self.failed(source))?;
        Ok(key)
    }

    /// Replaces what the file has, all at once.
    pub fn replace(&self, keys: &[&ServerKey]) -> Result<(), Error> {
        let written = fs::canonicalize(&self.path).and_then(|path| {
            let file = temporary(&path, keys, &path)?;
            file.as_file().set_permissions(fs::metadata(&path)?.permissions())?;
            file.persist(&path).map_err(|error| error.error)?;
            sync_folder(&path)
        });
        written.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::KeyFile { path: self.path.clone(), source }
    }
}

/// Writes keys to a temporary file beside the key file, for the owner of `owned`.
fn temporary(key_file: &Path, keys: &[&ServerKey], owned: &Path) -> io::Result<NamedTempFile> {
    let folder = private::folder_of(key_file);
    // One that is there was left behind by a program that was killed.
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_file(entry.path())?;
        }
    }
    let make = |path: &Path| private::make_file(path, owned);
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).make_in(folder, make)?;
    writeln!(file, "# The server key of a rollcall store: keep a copy of it, apart from the copies of the database.")?;
    keys.iter().try_for_each(|key| writeln!(file, "{}", key.digits))?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes the names of a folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(private::folder_of(path))?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_for_its_key_only() {
        let (key, other) = (ServerKey::random().unwrap(), ServerKey::random().unwrap());
        let of = Of::Key(3);
        let sealed = key.seal("correct horse", 99, of).unwrap();
        assert_eq!(key.open(&sealed, 99, of).as_deref(), Some("correct horse"));
        assert_ne!(sealed, key.seal("correct horse", 99, of).unwrap());
        for (key, account, of) in [(&other, 99, of), (&key, 98, of), (&key, 99, Of::Key(4)), (&key, 99, Of::Webhook(3))]
        {
            assert_eq!(key.open(&sealed, account, of), None);
        }
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(key.open(&damaged, 99, of), None);
            assert_eq!(key.open(&sealed[..at], 99, of), None);
        }
    }

    #[test]
    fn a_key_is_64_digits() {
        let key = ServerKey::random().unwrap();
        assert_eq!(ServerKey::parse(&key.digits.to_uppercase()).unwrap().id(), key.id());
        for wrong in ["", "ab", &key.digits[1..], &format!("{}0", key.digits), &"+1".repeat(32), &"é".repeat(32)] {
            assert!(ServerKey::parse(wrong).is_none(), "{wrong}");
        }
    }
}
