//! What is wrong with the employees of a push: data, not an error.

use serde::Serialize;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// One thing wrong with one employee's value or with the employee itself, before it is known whose.
///
/// Nothing in it quotes a value: it names the field, the rule and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field as the push calls it, or the employee's own `id`, `status` or `data`.
    pub field: String,
    /// The rule that is broken, by the name that it has in a profile.
    pub rule: &'static str,
    /// What to do about it.
    pub message: String,
    /// The index in the push of the other employee that the message speaks of. `None` if it speaks of none, or of one that the
    /// push does not carry.
    pub other_index: Option<u64>,
}

impl Fault {
    /// A fault of `field` against `rule`; the message says what to do.
    pub fn new(field: &str, rule: &'static str, message: impl Into<String>) -> Fault {
        let mut field = field.to_owned();
        if let Some((end, _)) = field.char_indices().nth(100) {
            field.truncate(end);
            field.push('…');
        }
        Fault { field, rule, message: message.into(), other_index: None }
    }

    /// The same fault with the index in the push of the other employee that its message speaks of.
    pub fn with_other(self, other_index: Option<u64>) -> Fault {
        Fault { other_index, ..self }
    }
}

/// One thing wrong with one employee, as an answer lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// The employee's place in the push, counted from 0; none for an employee that the push did not carry.
    pub index: Option<u64>,
    /// The employee's id, where it has a usable one.
    pub id: Option<String>,
    /// See [`Fault::field`].
    pub field: String,
    /// See [`Fault::rule`].
    pub rule: &'static str,
    /// See [`Fault::message`].
    pub message: String,
    /// See [`Fault::other_index`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_index: Option<u64>,
}

/// Rejections of one field and one rule, taken together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// See [`Fault::field`].
    pub field: String,
    /// See [`Fault::rule`].
    pub rule: &'static str,
    /// How many rejections have this cause.
    pub count: u64,
    /// The message of one of them.
    pub message: String,
}

/// The rejections of one push: all counted, the first ones kept.
#[derive(Debug)]
pub struct Rejections {
    listed_max: usize,
    listed: Vec<Rejection>,
    count: u64,
    causes: HashMap<(String, &'static str), Cause>,
}

impl Rejections {
    /// No rejections yet; at most `listed_max` of them, and of causes, will be kept.
    pub fn new(listed_max: usize) -> Rejections {
        Rejections { listed_max, listed: Vec::new(), count: 0, causes: HashMap::new() }
    }

    /// How many there were, kept or not.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether a rejection of the employee at `index` would be among the kept ones.
    pub fn lists(&self, index: Option<u64>) -> bool {
        let full = self.listed.len() >= self.listed_max;
        !full || self.listed.last().is_some_and(|last| order(index) < order(last.index))
    }

    /// Adds a fault of the employee at `index` of the push.
    pub fn add(&mut self, index: Option<u64>, id: Option<&str>, fault: Fault) {
        self.count += 1;
        let causes = self.causes.len();
        match self.causes.entry((fault.field.clone(), fault.rule)) {
            Entry::Occupied(mut cause) => cause.get_mut().count += 1,
            Entry::Vacant(place) if causes < self.listed_max => {
                place.insert(Cause {
                    field: fault.field.clone(),
                    rule: fault.rule,
                    count: 1,
                    message: fault.message.clone(),
                });
            }
            Entry::Vacant(_) => {}
        }
        if !self.lists(index) {
            return;
        }
        if self.listed.len() == self.listed_max {
            self.listed.pop();
        }
        let place = self.listed.partition_point(|listed| order(listed.index) <= order(index));
        let Fault { field, rule, message, other_index } = fault;
        let id = id.map(str::to_owned);
        self.listed.insert(place, Rejection { index, id, field, rule, message, other_index });
    }

    /// The kept rejections in the order of the push, and the causes, the most frequent first.
    pub fn into_parts(self) -> (Vec<Rejection>, Vec<Cause>) {
        let mut causes: Vec<Cause> = self.causes.into_values().collect();
        causes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| (&a.field, a.rule).cmp(&(&b.field, b.rule))));
        (self.listed, causes)
    }
}

/// Employees that the push did not carry come last.
fn order(index: Option<u64>) -> u64 {
    index.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_in_the_order_of_the_push_and_all_are_counted() {
        let mut rejections = Rejections::new(2);
        for (index, field) in [(7, "a"), (3, "b"), (9, "a"), (5, "a")] {
            rejections.add(Some(index), None, Fault::new(field, "required", ""));
        }
        assert_eq!(rejections.count(), 4);
        let (listed, causes) = rejections.into_parts();
        assert_eq!(listed.iter().map(|r| r.index).collect::<Vec<_>>(), [Some(3), Some(5)]);
        let causes: Vec<_> = causes.iter().map(|c| (c.field.as_str(), c.count)).collect();
        assert_eq!(causes, [("a", 3), ("b", 1)]);
    }
}
