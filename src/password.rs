//! Passwords of people who sign in to the page. The store keeps their argon2id hashes (RFC 9106), with the salt and the cost in them.
//!
//! ```
//! use rollcall::password;
//!
//! let hash = password::hash("correct horse battery")?;
//! assert!(password::matches("correct horse battery", &hash));
//! assert!(!password::matches("correct horse batterie", &hash));
//! assert!(password::wrong("short", "ada").is_some());
//! # Ok::<(), String>(())
//! ```

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};

/// The shortest password, in characters. Length is what counts (NIST SP 800-63B), so there are no rules of signs and digits.
pub const CHARS_MIN: usize = 12;

/// The longest password, in bytes, so that nobody has the server hash a book.
pub const BYTES_MAX: usize = 256;

/// Returns what is wrong with a new password of the person with a name, or `None` if it will do.
pub fn wrong(password: &str, name: &str) -> Option<String> {
    let repeats = password.chars().collect::<std::collections::HashSet<_>>().len() < 4;
    if password.chars().count() < CHARS_MIN {
        Some(format!("The password must have {CHARS_MIN} characters or more; a few words will do."))
    } else if password.len() > BYTES_MAX {
        Some(format!("The password must have no more than {BYTES_MAX} bytes."))
    } else if repeats || password.to_lowercase().contains(&name.to_lowercase()) {
        Some("The password is too easy to guess: it repeats a few characters, or has your name in it.".into())
    } else {
        None
    }
}

/// Hashes a password, which takes some 20 ms and 19 MiB on purpose. It fails if the system has no random bits for the salt.
pub fn hash(password: &str) -> Result<String, String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// Returns whether a hash is that of a password. It takes as long as [`hash`].
pub fn matches(password: &str, hash: &str) -> bool {
    let parsed = PasswordHash::new(hash);
    parsed.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}
