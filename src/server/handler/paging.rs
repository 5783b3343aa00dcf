//! Which page of a list a query asks for.

use std::str::FromStr;

/// Where a page begins, and how long it is. The default of `C` is where the first page begins.
pub struct Paging<C = u32> {
    /// Where the page begins, which the page before said.
    pub after: C,
    /// How many entries it has at most.
    pub limit: usize,
    limit_max: usize,
}

impl<C: Default + FromStr> Paging<C> {
    /// The first page, of up to 100 entries.
    pub fn first(limit_max: usize) -> Paging<C> {
        Paging { after: C::default(), limit: limit_max.min(100), limit_max }
    }

    /// Reads `cursor` or `limit`; `None` if the parameter is another one. The error is what is wrong with its value.
    pub fn set(&mut self, name: &str, value: &str) -> Option<Result<(), String>> {
        match name {
            "cursor" => Some(value.parse().map_or_else(
                |_| Err("cursor must be the nextCursor of the page before".into()),
                |after| {
                    self.after = after;
                    Ok(())
                },
            )),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=self.limit_max).contains(limit));
                self.limit = limit.unwrap_or(self.limit);
                Some(limit.map(drop).ok_or_else(|| format!("limit must be a number from 1 to {}", self.limit_max)))
            }
            _ => None,
        }
    }
}
