//! Attempts to sign in: only so many with one name, and from one address, in a while, so that passwords cannot be guessed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many attempts with one name may fail in [`WHILE`] to twice that.
const NAME_MAX: u32 = 10;

/// How many attempts from one address may fail in that time. Many people may share one.
const ADDRESS_MAX: u32 = 50;

/// After this time attempts begin to be forgotten.
const WHILE: Duration = Duration::from_secs(15 * 60);

/// How many names and addresses are remembered; then the older half is forgotten.
const REMEMBERED_MAX: usize = 100_000;

/// How many passwords are hashed at a time: each takes a core for some 20 ms, and 19 MiB.
const HASHING_MAX: usize = 2;

/// The attempts of the last while.
pub struct Attempts {
    counts: Mutex<Counts>,
    hashing: Arc<Semaphore>,
}

/// How often each name and address was tried; the key is a hash. What is older than [`WHILE`] moves to `older`, and is forgotten after as long.
struct Counts {
    newer: HashMap<u64, u32>,
    older: HashMap<u64, u32>,
    since: Instant,
}

/// An attempt that counts as failed unless it succeeds.
pub struct Attempt<'a> {
    attempts: &'a Attempts,
    name: u64,
    address: u64,
}

impl Default for Attempts {
    fn default() -> Attempts {
        let counts = Counts { newer: HashMap::new(), older: HashMap::new(), since: Instant::now() };
        Attempts { counts: Mutex::new(counts), hashing: Arc::new(Semaphore::new(HASHING_MAX)) }
    }
}

impl Attempts {
    /// Counts an attempt with a name from an address. If there were too many, the error says after how many seconds to try again.
    pub fn begin(&self, name: &str, address: IpAddr) -> Result<Attempt<'_>, u64> {
        // Whoever has an IPv6 address has 2⁶⁴ of them.
        let network = match address {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => address.segments()[..4].iter().fold(0, |bits, part| bits << 16 | u64::from(*part)),
        };
        let (name, address) = (key("name", name.to_lowercase()), key("address", network));
        let mut counts = self.counts.lock().expect("no holder of the lock panics");
        counts.turn(Instant::now());
        if counts.of(name) >= NAME_MAX || counts.of(address) >= ADDRESS_MAX {
            let passed = counts.since.elapsed();
            return Err((WHILE * 2).saturating_sub(passed).as_secs().max(1));
        }
        for key in [name, address] {
            *counts.newer.entry(key).or_default() += 1;
        }
        Ok(Attempt { attempts: self, name, address })
    }

    /// Waits until a password may be hashed.
    pub async fn hashing(&self) -> OwnedSemaphorePermit {
        self.hashing.clone().acquire_owned().await.expect("nobody closes it")
    }
}

impl Attempt<'_> {
    /// Notes that it was right: the attempts with its name before were of somebody who knows the password.
    pub fn succeeded(self) {
        let mut counts = self.attempts.counts.lock().expect("no holder of the lock panics");
        counts.newer.remove(&self.name);
        counts.older.remove(&self.name);
        if let Some(count) = counts.newer.get_mut(&self.address) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Counts {
    fn of(&self, key: u64) -> u32 {
        [&self.newer, &self.older].into_iter().filter_map(|counts| counts.get(&key)).sum()
    }

    fn turn(&mut self, now: Instant) {
        if now.duration_since(self.since) >= WHILE || self.newer.len() >= REMEMBERED_MAX / 2 {
            self.older = std::mem::take(&mut self.newer);
            if now.duration_since(self.since) >= WHILE * 2 {
                self.older.clear();
            }
            self.since = now;
        }
    }
}

fn key(kind: &str, of: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, of).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_an_address_have_so_many_attempts() {
        let attempts = Attempts::default();
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        for attempt in 0..NAME_MAX {
            assert!(attempts.begin("Ada", address(attempt.try_into().unwrap())).is_ok());
        }
        assert!(attempts.begin("ada", address(99)).is_err(), "the name was tried often enough");
        for _ in 0..ADDRESS_MAX {
            attempts.begin("Bob", address(1)).into_iter().for_each(Attempt::succeeded);
        }
        for attempt in 1..ADDRESS_MAX {
            assert!(attempts.begin(&format!("name {attempt}"), address(1)).is_ok(), "{attempt}");
        }
        assert!(attempts.begin("one more", address(1)).is_err(), "the address has tried often enough");
        assert!(attempts.begin("one more", address(2)).is_ok());
    }

    #[test]
    fn attempts_are_forgotten_after_a_while() {
        let attempts = Attempts::default();
        for _ in 0..NAME_MAX {
            assert!(attempts.begin("Ada", IpAddr::from([192, 0, 2, 1])).is_ok());
        }
        let mut counts = attempts.counts.lock().unwrap();
        let ada = key("name", "ada".to_owned());
        let began = counts.since;
        counts.turn(began + WHILE);
        assert_eq!(counts.of(ada), NAME_MAX);
        counts.turn(began + WHILE * 2);
        assert_eq!(counts.of(ada), 0);
    }
}
