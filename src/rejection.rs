//! What is wrong with the employees of a push: data, not an error.

use std::borrow::Cow;
use std::collections::HashMap;

/// How long the name of a field may be in an answer, in characters; longer ones are cut.
const FIELD_CHARS_MAX: usize = 100;

/// One thing wrong with an employee's value or with the employee itself, before it is known which employee it is.
///
/// It names the field, the rule and what to do, and never quotes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field as the push calls it, or the employee's own `id`, `status` or `data`.
    pub field: String,
    /// Whether the profile or the dialect has a field of that name. A name that only the client has may be anything, even a person's, and
    /// is never logged.
    pub known: bool,
    /// The rule that is broken, as a profile names it.
    pub rule: &'static str,
    /// What to do about it.
    pub message: String,
    /// The place in the push of the other employee that the message is about, or `None` if there is none or the push does not carry it.
    pub other_index: Option<u64>,
}

impl Fault {
    /// Makes a fault of a value of a known `field` that breaks `rule`. The message says what to do.
    pub fn new(field: &str, rule: &'static str, message: impl Into<String>) -> Fault {
        let mut field = field.to_owned();
        if let Some((end, _)) = field.char_indices().nth(FIELD_CHARS_MAX) {
            field.truncate(end);
            field.push('…');
        }
        Fault { field, known: true, rule, message: message.into(), other_index: None }
    }

    /// Makes such a fault of a field whose name may come from the client alone.
    pub fn of_client(field: &str, rule: &'static str, message: impl Into<String>) -> Fault {
        Fault { known: false, ..Fault::new(field, rule, message) }
    }

    /// Returns the fault with the place in the push of the other employee that its message is about.
    pub fn with_other(self, other_index: Option<u64>) -> Fault {
        Fault { other_index, ..self }
    }
}

/// One thing wrong with one employee, as an answer lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The employee's place in the push, counted from 0; `None` for an employee that the push did not carry.
    pub index: Option<u64>,
    /// The employee's id, or `None` if it has no usable one.
    pub id: Option<String>,
    /// See [`Fault::field`].
    pub field: String,
    /// See [`Fault::rule`].
    pub rule: Cow<'static, str>,
    /// See [`Fault::message`].
    pub message: String,
    /// See [`Fault::other_index`].
    pub other_index: Option<u64>,
}

/// Rejections of one field and one rule, taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// See [`Fault::field`].
    pub field: String,
    /// See [`Fault::known`].
    pub known: bool,
    /// See [`Fault::rule`].
    pub rule: Cow<'static, str>,
    /// How many rejections have this cause.
    pub count: u64,
    /// The message of one of them.
    pub message: String,
}

/// The employees that a lenient push was applied without. The default is nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetAside {
    /// How many employees of the push there are.
    pub employees: u64,
    /// How many rejections there are, kept or not.
    pub error_count: u64,
    /// The first of them, in the order of the push.
    pub errors: Vec<Rejection>,
    /// All of them by field and rule, the most frequent first.
    pub causes: Vec<Cause>,
}

impl SetAside {
    /// Makes it of the rejections of so many employees.
    pub fn new(employees: u64, rejections: Rejections) -> SetAside {
        let error_count = rejections.count();
        let (errors, causes) = rejections.into_parts();
        SetAside { employees, error_count, errors, causes }
    }
}

/// The rejections of one push. All are counted, and the first are kept.
#[derive(Debug, Clone)]
pub struct Rejections {
    listed_max: usize,
    listed: Vec<Rejection>,
    count: u64,
    /// By rule, then by field.
    causes: HashMap<&'static str, HashMap<String, Cause>>,
    cause_count: usize,
}

impl Rejections {
    /// Begins without rejections. At most `listed_max` of them, and as many causes, will be kept.
    pub fn new(listed_max: usize) -> Rejections {
        Rejections { listed_max, listed: Vec::new(), count: 0, causes: HashMap::new(), cause_count: 0 }
    }

    /// Returns how many there are, kept or not.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns whether a rejection of the employee at `index` would be kept.
    pub fn lists(&self, index: Option<u64>) -> bool {
        let full = self.listed.len() >= self.listed_max;
        !full || self.listed.last().is_some_and(|last| order(index) < order(last.index))
    }

    /// Counts a rejection without keeping it. `message` must be the same for all rejections of this field and rule.
    pub fn count_one(&mut self, field: &str, rule: &'static str, message: &str) {
        self.count_cause(field, true, rule, message);
    }

    /// Adds a fault of the employee at `index` of the push.
    pub fn add(&mut self, index: Option<u64>, id: Option<&str>, fault: Fault) {
        self.count_cause(&fault.field, fault.known, fault.rule, &fault.message);
        if !self.lists(index) {
            return;
        }
        if self.listed.len() == self.listed_max {
            self.listed.pop();
        }
        let place = self.listed.partition_point(|listed| order(listed.index) <= order(index));
        let Fault { field, rule, message, other_index, .. } = fault;
        let id = id.map(str::to_owned);
        self.listed.insert(place, Rejection { index, id, field, rule: rule.into(), message, other_index });
    }

    fn count_cause(&mut self, field: &str, known: bool, rule: &'static str, message: &str) {
        self.count += 1;
        let of_rule = self.causes.entry(rule).or_default();
        if let Some(cause) = of_rule.get_mut(field) {
            cause.count += 1;
            cause.known &= known;
        } else if self.cause_count < self.listed_max {
            self.cause_count += 1;
            let (field, message) = (field.to_owned(), message.to_owned());
            of_rule.insert(field.clone(), Cause { field, known, rule: rule.into(), count: 1, message });
        }
    }

    /// Returns the kept rejections in the order of the push, and the causes, the most frequent first.
    pub fn into_parts(self) -> (Vec<Rejection>, Vec<Cause>) {
        let mut causes: Vec<Cause> = self.causes.into_values().flat_map(HashMap::into_values).collect();
        causes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| (&a.field, &a.rule).cmp(&(&b.field, &b.rule))));
        (self.listed, causes)
    }
}

/// Returns the key by which rejections are sorted: employees that the push does not carry come last.
fn order(index: Option<u64>) -> (bool, Option<u64>) {
    (index.is_none(), index)
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
