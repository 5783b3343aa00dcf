//! Verdict: what is wrong with the employees of a push so far.

use super::carried::Twice;
use super::marks::Marks;
use super::reference::What;
use crate::rejection::{Fault, Rejections};
use std::collections::HashMap;

const TWICE: &str = "another employee of this push has the same id; send each employee once";
const SAME_VALUE: &str = "another employee has the same value";
const UNKNOWN_BY_UNDO: &str =
    "by the undo, names somebody who is not in the roster any more; push them first, and undo then";

/// What the messages speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Push,
    Undo,
}

/// The rejections of a push, or of an undo.
pub struct Verdict {
    of: Of,
    listed_max: usize,
    rejections: Rejections,
    /// The numbers of the employees whose own values were rejected.
    rejected: Marks,
    /// The numbers of the employees that were carried twice.
    twice: Marks,
    /// The numbers of the employees that break a rule of the whole roster.
    broken: Marks,
    /// The places of all that were rejected.
    places: Marks,
    /// Whether a rejected employee has no usable id, so that it may be anybody.
    has_unidentified: bool,
    /// Rejections whose texts name employees, the first in the push first. Their ids are read at the end, for those that are listed.
    unnamed: Vec<Unnamed>,
}

/// A rejection of an employee that is known by its number.
struct Unnamed {
    place: Option<u64>,
    number: u32,
    field: String,
    what: Wrong,
    other_place: Option<u64>,
}

/// What is wrong with an employee beside others.
pub enum Wrong {
    /// Another employee of the push has the same id.
    Twice,
    /// Another employee, which has this number, has the same unique value.
    SameValue(u32),
    /// A reference may not be.
    Reference(What),
}

impl Wrong {
    fn rule(&self) -> &'static str {
        match self {
            Wrong::Twice => "twice",
            Wrong::SameValue(_) => "unique",
            Wrong::Reference(what) => what.rule(),
        }
    }

    /// Returns what to do about all that is wrong in this way.
    fn advice(&self, of: Of) -> &'static str {
        match self {
            Wrong::Twice => TWICE,
            Wrong::SameValue(_) => SAME_VALUE,
            Wrong::Reference(What::Unknown) if of == Of::Undo => UNKNOWN_BY_UNDO,
            Wrong::Reference(what) => what.advice(),
        }
    }

    fn numbers(&self) -> &[u32] {
        match self {
            Wrong::Twice => &[],
            Wrong::SameValue(other) => std::slice::from_ref(other),
            Wrong::Reference(what) => what.named(),
        }
    }

    /// Returns what is wrong with this employee. `id` returns the id of a number.
    fn message(&self, of: Of, other_is_pushed: bool, id: impl Fn(u32) -> String) -> String {
        match self {
            Wrong::Twice => TWICE.into(),
            Wrong::SameValue(other) => {
                let other = id(*other);
                let has = match (of, other_is_pushed) {
                    (Of::Push, true) => format!("the employee {other:?} of this push has the same value"),
                    (Of::Push, false) => {
                        format!("the stored employee {other:?}, who is not in this push, has the same value")
                    }
                    (Of::Undo, true) => format!("by the undo, the employee {other:?} gets the same value back"),
                    (Of::Undo, false) => {
                        format!("the employee {other:?} has by now the value that the undo would put back")
                    }
                };
                let hint = match (of, other_is_pushed) {
                    (Of::Push, false) => {
                        "; if both are one person, rename that one first: POST /v1/employees/{id}/rename, or `rollcall rename`"
                    }
                    _ => "",
                };
                format!("{has}, and only one may have it{hint}")
            }
            Wrong::Reference(What::Unknown) if of == Of::Undo => UNKNOWN_BY_UNDO.into(),
            Wrong::Reference(what) => what.message(id),
        }
    }
}

impl Verdict {
    /// Nothing is wrong yet; at most `listed_max` rejections will be listed.
    pub fn new(listed_max: usize) -> Verdict {
        let rejections = Rejections::new(listed_max);
        let [rejected, twice, broken, places] = std::array::from_fn(|_| Marks::default());
        Verdict {
            of: Of::Push,
            listed_max,
            rejections,
            rejected,
            twice,
            broken,
            places,
            has_unidentified: false,
            unnamed: Vec::new(),
        }
    }

    /// The same of an undo.
    pub fn of_undo(listed_max: usize) -> Verdict {
        Verdict { of: Of::Undo, ..Verdict::new(listed_max) }
    }

    /// Adds the faults of the employee at a place, which has this id if it has a usable one.
    pub fn invalid(&mut self, place: u64, id: Option<&str>, faults: &[Fault]) {
        self.places.insert(place);
        self.has_unidentified |= id.is_none();
        for fault in faults {
            self.rejections.add(Some(place), id, fault.clone());
        }
    }

    /// Notes the number of an employee that was rejected.
    pub fn rejected(&mut self, number: u32) {
        self.rejected.insert(number.into());
    }

    /// Whether the employee with this number was rejected before the rules of the whole roster were checked.
    pub fn has_rejected(&self, number: u32) -> bool {
        self.rejected.contains(number.into()) || self.has_twice(number)
    }

    /// Whether the employee with this number was carried twice.
    pub fn has_twice(&self, number: u32) -> bool {
        self.twice.contains(number.into())
    }

    /// Whether anybody was carried twice.
    pub fn has_any_twice(&self) -> bool {
        self.twice.len() > 0
    }

    /// Whether a rejected employee has no usable id, so that it may be anybody.
    pub fn has_unidentified(&self) -> bool {
        self.has_unidentified
    }

    /// Whether anybody was rejected.
    pub fn has_rejections(&self) -> bool {
        self.rejections.count() > 0 || !self.unnamed.is_empty()
    }

    /// Adds that a new employee, which has this id, was carried twice.
    pub fn created_twice(&mut self, twice: Twice, number: u32, id: &str) {
        self.note_twice(twice, number);
        if self.rejections.lists(Some(twice.second)) {
            let fault = Fault::new("id", "twice", TWICE).with_other(Some(twice.first));
            self.rejections.add(Some(twice.second), Some(id), fault);
        } else {
            self.rejections.count_one("id", "twice", TWICE);
        }
    }

    /// Adds that a stored employee was carried twice.
    pub fn stored_twice(&mut self, twice: Twice, number: u32) {
        self.note_twice(twice, number);
        self.add_unnamed(Some(twice.second), number, "id", Wrong::Twice, Some(twice.first));
    }

    /// Which of the two is right nobody can tell, so both are rejected.
    fn note_twice(&mut self, twice: Twice, number: u32) {
        self.twice.insert(number.into());
        self.places.insert(twice.first);
        self.places.insert(twice.second);
    }

    /// Adds that an employee breaks a rule of the whole roster: its number, and its place if the push carries it. `other_place` is the
    /// place of the employee that the message speaks of, if the push carries that one.
    pub fn add(&mut self, place: Option<u64>, number: u32, field: &str, what: Wrong, other_place: Option<u64>) {
        self.broken.insert(number.into());
        place.into_iter().for_each(|place| self.places.insert(place));
        self.add_unnamed(place, number, field, what, other_place);
    }

    fn add_unnamed(&mut self, place: Option<u64>, number: u32, field: &str, what: Wrong, other_place: Option<u64>) {
        let order = |place: Option<u64>| place.unwrap_or(u64::MAX);
        let is_full = self.unnamed.len() >= self.listed_max;
        let is_behind = is_full && self.unnamed.last().is_none_or(|last| order(last.place) <= order(place));
        if is_behind || !self.rejections.lists(place) {
            return self.rejections.count_one(field, what.rule(), what.advice(self.of));
        }
        let at = self.unnamed.partition_point(|unnamed| order(unnamed.place) <= order(place));
        self.unnamed.insert(at, Unnamed { place, number, field: field.into(), what, other_place });
        if self.unnamed.len() > self.listed_max {
            let last = self.unnamed.pop().expect("one was added");
            self.rejections.count_one(&last.field, last.what.rule(), last.what.advice(self.of));
        }
    }

    /// Returns the numbers of the employees whose ids are needed for [`Verdict::name`].
    pub fn unnamed(&self) -> Vec<u32> {
        self.unnamed.iter().flat_map(|unnamed| [&[unnamed.number], unnamed.what.numbers()].concat()).collect()
    }

    /// Takes the ids of [`Verdict::unnamed`], by number.
    pub fn name(&mut self, ids: &HashMap<u32, String>) {
        let id = |number: u32| ids.get(&number).cloned().unwrap_or_default();
        for Unnamed { place, number, field, what, other_place } in self.unnamed.drain(..) {
            let message = what.message(self.of, other_place.is_some(), id);
            // The places of an undo mean nothing to anybody.
            let [place, other_place] = [place, other_place].map(|place| place.filter(|_| self.of == Of::Push));
            let fault = Fault::new(&field, what.rule(), message).with_other(other_place);
            self.rejections.add(place, Some(&id(number)), fault);
        }
    }

    /// Takes the numbers of the employees that were rejected before the rules of the whole roster were checked.
    pub fn take_rejected(&mut self) -> Marks {
        let mut rejected = std::mem::take(&mut self.rejected);
        std::mem::take(&mut self.twice).iter().for_each(|number| rejected.insert(number));
        rejected
    }

    /// Takes the numbers of the employees that break a rule of the whole roster.
    pub fn take_broken(&mut self) -> Marks {
        std::mem::take(&mut self.broken)
    }

    /// Returns how many employees of the push were rejected.
    pub fn employees(&self) -> u64 {
        self.places.len()
    }

    /// Takes the rejections, if there are any.
    pub fn take_rejections(&mut self) -> Option<Rejections> {
        let taken = std::mem::replace(&mut self.rejections, Rejections::new(self.listed_max));
        (taken.count() > 0).then_some(taken)
    }
}
