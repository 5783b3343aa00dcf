//! Tokens: keys that a request carries as they are. The store keeps only their hashes.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// The SHA-256 of a token. Salt and a slow hash would add nothing, since a token has too many random bits to be guessed.
pub type Hash = [u8; 32];

/// Returns a new token: 256 random bits, in hexadecimal. It fails if the system has no random bits.
pub fn random() -> Result<String, getrandom::Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns a new token of 36 characters in the form of a GUID: 122 random bits. It fails if the system has no random bits.
pub fn random_guid() -> Result<String, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(uuid::Builder::from_random_bytes(bits).into_uuid().to_string().to_uppercase())
}

/// Returns the hash of a token. The case of a GUID does not matter.
pub fn hash(token: &str) -> Hash {
    let token = if Uuid::parse_str(token).is_ok() { token.to_uppercase() } else { token.to_owned() };
    Sha256::digest(token).into()
}

/// Returns whether two hashes are the same. The time does not depend on how much of them is.
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
