//! Tokens: keys that a request carries as they are. The store has their hashes only.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// The SHA-256 of a token. A token has so many random bits that nobody can guess one for a hash.
pub type Hash = [u8; 32];

/// A new token: 256 random bits, in hexadecimal.
pub fn random() -> Result<String, getrandom::Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A new token of 36 characters, in the form of a GUID: 122 random bits.
pub fn random_guid() -> Result<String, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(uuid::Builder::from_random_bytes(bits).into_uuid().to_string().to_uppercase())
}

/// The hash of a token; a GUID's in any case.
pub fn hash(token: &str) -> Hash {
    let token = if Uuid::parse_str(token).is_ok() { token.to_uppercase() } else { token.to_owned() };
    Sha256::digest(token).into()
}

/// Whether two hashes are one, in a time that does not tell how nearly.
pub fn same(one: &Hash, other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_known_by_their_hash() {
        let (one, other) = (random().unwrap(), random_guid().unwrap());
        assert_eq!((one.len(), other.len()), (64, 36));
        assert_ne!(one, random().unwrap());
        assert!(same(&hash(&one), &hash(&one)) && !same(&hash(&one), &hash(&other)));
        assert_eq!(hash(&other), hash(&other.to_lowercase()));
    }
}
