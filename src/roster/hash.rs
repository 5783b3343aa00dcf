//! The hashes by which ids, values and bytes are compared.

use super::Data;
use crate::limits::Limits;
use xxhash_rust::xxh3::{xxh3_128_with_secret, xxh3_128_with_seed};

/// The hash of an id or of a value, under the store's secret seed. With 128 bits two different inputs out of a billion meet with
/// a probability of less than 10⁻²⁰.
pub fn hash(seed: u64, bytes: &[u8]) -> u128 {
    xxh3_128_with_seed(bytes, seed)
}

/// The hash of an employee's data together with the account's number of the profile that it was checked by.
pub fn data_hash(seed: u64, profile: u32, data: &Data<impl AsRef<[u8]>>) -> u128 {
    hash(seed.wrapping_add(u64::from(profile)), data.as_bytes())
}

/// The version of the rules that the program itself has for an employee's form. Whoever changes what is accepted increases it, so that
/// bytes which were accepted by other rules are checked anew.
const FORM_VERSION: u128 = 2;

/// Hashes bytes of a push together with the version of the rules that they are checked by, the program's and the profile's.
pub struct BytesHasher([u8; 192]);

impl BytesHasher {
    /// Returns the hasher of single employees for a store and a version of a profile.
    pub fn new(seed: u64, version: u128) -> BytesHasher {
        BytesHasher::with(seed, &[version, FORM_VERSION])
    }

    /// Returns the hasher of blocks. A block is not split, so it was also accepted under the limits that splitting holds.
    pub fn of_blocks(seed: u64, version: u128, limits: &Limits) -> BytesHasher {
        let Limits { depth_max, employee_bytes_max, .. } = *limits;
        BytesHasher::with(seed, &[version, FORM_VERSION, depth_max.into(), employee_bytes_max as u128])
    }

    fn with(seed: u64, rules: &[u128]) -> BytesHasher {
        let mut secret = [0; 192];
        for (number, part) in (0u128..).zip(secret.chunks_exact_mut(16)) {
            let (version, rest) = rules.split_at(2);
            let input = [version, &[number], rest].concat();
            let input: Vec<u8> = input.into_iter().flat_map(u128::to_le_bytes).collect();
            part.copy_from_slice(&hash(seed, &input).to_le_bytes());
        }
        BytesHasher(secret)
    }

    /// Returns the hash of bytes; never 0, which stands for no bytes.
    pub fn hash(&self, bytes: &[u8]) -> u128 {
        xxh3_128_with_secret(bytes, &self.0).max(1)
    }
}
