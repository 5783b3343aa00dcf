//! Nonces: a request that is signed by RFC 9421 is taken once.

use crate::token::Hash;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Mutex;

/// How many nonces that are over one request forgets at most, so that none takes long. It adds one.
const FORGOTTEN_MAX: usize = 100;

/// The nonces of requests whose signatures are still good, in memory, within a limit. Those of pushes are stored, too.
pub struct Nonces {
    seen: Mutex<Seen>,
    account_max: usize,
}

#[derive(Default)]
struct Seen {
    nonces: HashSet<Hash>,
    /// When each is over, in seconds of Unix time, and of which account it is.
    ends: BTreeSet<(i64, i64, Hash)>,
    by_account: HashMap<i64, usize>,
}

/// A nonce that came again, or cannot be remembered.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// It was seen before.
    Again,
    /// As many are remembered of the account as may be.
    TooMany,
}

impl Nonces {
    /// Remembers so many nonces of an account.
    pub fn new(account_max: usize) -> Nonces {
        Nonces { seen: Mutex::default(), account_max }
    }

    /// Notes a nonce of an account, whose signature is good until that second of Unix time. `hash` is of both.
    pub fn note(&self, account: i64, hash: Hash, good_until: i64, now: i64) -> Result<(), Refused> {
        let mut seen = self.seen.lock().expect("no holder of the lock panics");
        seen.forget(now);
        let count = seen.by_account.get(&account).copied().unwrap_or_default();
        if seen.nonces.contains(&hash) {
            return Err(Refused::Again);
        }
        if count >= self.account_max {
            return Err(Refused::TooMany);
        }
        seen.nonces.insert(hash);
        seen.ends.insert((good_until, account, hash));
        seen.by_account.insert(account, count + 1);
        Ok(())
    }
}

impl Seen {
    fn forget(&mut self, now: i64) {
        for _ in 0..FORGOTTEN_MAX {
            let Some(&(end, account, hash)) = self.ends.first().filter(|(end, ..)| *end < now) else {
                return;
            };
            self.ends.remove(&(end, account, hash));
            self.nonces.remove(&hash);
            let count = self.by_account.get_mut(&account).expect("it was counted");
            *count -= 1;
            if *count == 0 {
                self.by_account.remove(&account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_taken_once_while_its_signature_is_good() {
        let nonces = Nonces::new(2);
        assert_eq!(nonces.note(99, [1; 32], 100, 50), Ok(()));
        assert_eq!(nonces.note(99, [1; 32], 100, 100), Err(Refused::Again));
        assert_eq!(nonces.note(99, [2; 32], 120, 100), Ok(()));
        assert_eq!(nonces.note(99, [3; 32], 120, 100), Err(Refused::TooMany));
        assert_eq!(nonces.note(98, [4; 32], 120, 100), Ok(()));
        assert_eq!(nonces.note(99, [3; 32], 120, 101), Ok(()));
    }
}
