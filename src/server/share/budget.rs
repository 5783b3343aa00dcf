//! Budgets: how many bytes all connections together may hold of something, and how many of those one account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A number of bytes that may be held in all, and by one account.
#[derive(Debug)]
pub struct Budget {
    bytes_max: usize,
    account_bytes_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    /// All requests whose account is not known share one entry.
    by_account: HashMap<Option<i64>, usize>,
}

/// Bytes taken from a budget. They are given back when this is dropped.
#[derive(Debug)]
pub struct Reserved {
    budget: Arc<Budget>,
    account: Option<i64>,
    bytes: usize,
}

impl Budget {
    /// Makes a budget of `bytes_max` bytes, of which an account may have one of `shares` equal parts.
    pub fn new(bytes_max: usize, shares: usize) -> Arc<Budget> {
        Arc::new(Budget { bytes_max, account_bytes_max: bytes_max / shares, held: Mutex::default() })
    }

    /// Returns an empty reservation for an account, or for a request whose account is not known.
    pub fn nothing(self: &Arc<Budget>, account: Option<i64>) -> Reserved {
        Reserved { budget: self.clone(), account, bytes: 0 }
    }

    /// Reserves bytes, even if there are not that many left.
    pub fn reserve_beyond(self: &Arc<Budget>, account: Option<i64>, bytes: usize) -> Reserved {
        let mut reserved = self.nothing(account);
        reserved.add_beyond(bytes);
        reserved
    }

    /// Reserves bytes. Returns `None` if the budget, or the account's share of it, is used up.
    pub fn reserve(self: &Arc<Budget>, account: Option<i64>, bytes: usize) -> Option<Reserved> {
        let mut reserved = self.nothing(account);
        reserved.add(bytes).then_some(reserved)
    }
}

impl Reserved {
    /// Takes what is reserved, and leaves an empty reservation.
    pub fn take(&mut self) -> Reserved {
        let nothing = self.budget.nothing(self.account);
        std::mem::replace(self, nothing)
    }

    /// Reserves more, even if there are not that many bytes left.
    pub fn add_beyond(&mut self, bytes: usize) {
        let mut held = self.budget.held.lock().expect("no holder of the lock panics");
        held.bytes += bytes;
        *held.by_account.entry(self.account).or_default() += bytes;
        self.bytes += bytes;
    }

    /// Reserves more. Returns whether there were that many bytes left.
    pub fn add(&mut self, bytes: usize) -> bool {
        let mut held = self.budget.held.lock().expect("no holder of the lock panics");
        let of_account = held.by_account.get(&self.account).copied().unwrap_or_default();
        // A single reservation may be larger than the share.
        let within_share = of_account == self.bytes || of_account + bytes <= self.budget.account_bytes_max;
        if held.bytes + bytes > self.budget.bytes_max || !within_share {
            return false;
        }
        held.bytes += bytes;
        held.by_account.insert(self.account, of_account + bytes);
        self.bytes += bytes;
        true
    }
}

impl Reserved {
    /// Gives all bytes back.
    pub fn give_back(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.budget.held.lock().expect("no holder of the lock panics");
        held.bytes -= self.bytes;
        if let Some(of_account) = held.by_account.get_mut(&self.account) {
            *of_account -= self.bytes;
            if *of_account == 0 {
                held.by_account.remove(&self.account);
            }
        }
        self.bytes = 0;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_gets_its_share_and_gives_it_back() {
        let budget = Budget::new(100, 4);
        let first = budget.reserve(Some(1), 20).unwrap();
        assert!(budget.reserve(Some(1), 6).is_none(), "over a quarter");
        let mut others: Vec<Reserved> = (2..5).map(|account| budget.reserve(Some(account), 25).unwrap()).collect();
        assert!(others[0].add(1) && !others[1].add(5), "one alone may grow, until all is used up");
        others.swap_remove(0);
        assert!(budget.reserve(None, 31).is_none(), "over all");
        assert!(budget.reserve(None, 26).is_some(), "one alone, whose account is not known");
        drop(others);
        assert!(budget.reserve(Some(5), 80).is_some(), "one that is larger than the share");
        drop(first);
        assert!(budget.reserve(Some(1), 25).is_some());
    }
}
