//! The digest of a body: the header `Content-Digest` (RFC 9530), by which damage to the body is found, since SharedKey does not sign it.
//!
//! ```
//! use rollcall::digest::{ContentDigest, Digesting};
//!
//! let mut digests = ContentDigest::parse("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:")?;
//! let mut digesting = Digesting::new(digests.remove(0));
//! digesting.update(b"{\"hello\": ");
//! digesting.update(b"\"world\"}\n");
//! assert!(digesting.matches());
//! # Ok::<(), &str>(())
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sfv::{BareItem, Dictionary, Item, ListEntry, Parser};
use sha2::{Digest as _, Sha256, Sha512};
use std::io::{self, Read};

/// The value of a `Content-Digest` header (RFC 9530) that this server can check.
pub enum ContentDigest {
    /// By SHA-256.
    Sha256(Vec<u8>),
    /// By SHA-512.
    Sha512(Vec<u8>),
}

impl ContentDigest {
    /// Reads the header's value, a dictionary of structured fields (RFC 9651), whose lines are joined by commas. Returns every digest that
    /// can be checked, at least one. The error says what is wrong with the value.
    pub fn parse(value: &str) -> Result<Vec<ContentDigest>, &'static str> {
        let members: Dictionary = Parser::new(value).parse().map_err(|_| "it must read 'sha-256=:…base64…:'")?;
        let mut found = Vec::new();
        for (algorithm, member) in members {
            let (length, digest): (_, fn(Vec<u8>) -> ContentDigest) = match algorithm.as_str() {
                "sha-256" => (32, ContentDigest::Sha256),
                "sha-512" => (64, ContentDigest::Sha512),
                _ => continue,
            };
            match member {
                ListEntry::Item(Item { bare_item: BareItem::ByteSequence(bytes), .. }) if bytes.len() == length => {
                    found.push(digest(bytes));
                }
                // A member without a value says nothing.
                ListEntry::Item(Item { bare_item: BareItem::Boolean(_), .. }) => {}
                _ => return Err("its digest must be base64 between colons, of the algorithm's length"),
            }
        }
        if found.is_empty() { Err("it must have a digest by sha-256 or sha-512") } else { Ok(found) }
    }
}

/// A digest that is being computed while the bytes arrive.
pub enum Digesting {
    /// The expected digest, and the hash of the bytes so far.
    Sha256(Vec<u8>, Sha256),
    /// The same with SHA-512.
    Sha512(Vec<u8>, Sha512),
}

impl Digesting {
    /// Begins a digest, which is expected to become `digest`.
    pub fn new(digest: ContentDigest) -> Digesting {
        match digest {
            ContentDigest::Sha256(expected) => Digesting::Sha256(expected, Sha256::new()),
            ContentDigest::Sha512(expected) => Digesting::Sha512(expected, Sha512::new()),
        }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, piece: &[u8]) {
        match self {
            Digesting::Sha256(_, hash) => hash.update(piece),
            Digesting::Sha512(_, hash) => hash.update(piece),
        }
    }

    /// Returns whether the bytes have the expected digest.
    pub fn matches(self) -> bool {
        match self {
            Digesting::Sha256(expected, hash) => hash.finalize()[..] == expected,
            Digesting::Sha512(expected, hash) => hash.finalize()[..] == expected,
        }
    }
}

/// Returns the value of a `Content-Digest` header for all bytes of a reader: their SHA-256.
pub fn content_digest(mut bytes: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match bytes.read(&mut buffer)? {
            0 => return Ok(format!("sha-256=:{}:", STANDARD.encode(hash.finalize()))),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// What tells two requests apart: the SHA-256 of what they ask for and of their body.
pub type Fingerprint = [u8; 32];

/// A fingerprint that is being computed while the bytes of the body arrive.
#[derive(Debug, Clone)]
pub struct Fingerprinting(Sha256);

impl Fingerprinting {
    /// Begins the fingerprint of a request for `target`.
    pub fn new(target: &str) -> Fingerprinting {
        Fingerprinting(Sha256::new().chain_update((target.len() as u64).to_le_bytes()).chain_update(target))
    }

    /// Adds the next bytes of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Returns the fingerprint.
    pub fn finish(self) -> Fingerprint {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_structured_fields_allow() {
        let digest = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
        for header in [
            format!("{digest};p=1"),
            format!("sha-512, {digest}"),
            format!("unixsum=30637,{digest}"),
            format!("x=\"a, b\" ,\t{digest}"),
            format!("sha-256=:AAAA:, {digest}"),
        ] {
            assert_eq!(ContentDigest::parse(&header).map(|found| found.len()), Ok(1), "{header}");
        }
        for header in
            ["", "sha-256", "sha-256=1", "sha-256=:AAAA:", "md5=:AAAA:", "sha-256=RK/0qy18", &format!("{digest},")]
        {
            assert!(ContentDigest::parse(header).is_err(), "{header}");
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 9530, appendix D: the digests of {"hello": "world"} and a line feed.
        for header in [
            "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
            "md5=:AAAA:, sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:",
        ] {
            let mut digesting = Digesting::new(ContentDigest::parse(header).unwrap().remove(0));
            digesting.update(b"{\"hello\": ");
            digesting.update(b"\"world\"}\n");
            assert!(digesting.matches(), "{header}");
        }
    }
}
