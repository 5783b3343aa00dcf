//! Uniqueness: whether two employees of the roster, as the push leaves it, have the same value where a profile forbids it.

use super::carried::Place;
use super::guard::Happens;
use crate::profile::Unique;
use crate::roster::Version;
use crate::store::{Held, OF_HIDDEN, UniqueValue, unique_values};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The unique values that a push adds to the roster and takes from it. Nothing is decided before the end of the push, so the
/// order of its employees does not matter.
pub struct Uniques {
    seed: u64,
    /// The unique fields of the account's profiles, by the account's numbers.
    fields: BTreeMap<u32, Unique>,
    names: HashMap<u32, String>,
    added: Vec<Added>,
    removed: Vec<Held>,
    /// Values that several stored employees had when the fields became unique.
    suspected: Vec<Held>,
}

/// A value that an employee comes to hold, and the employee's place in the push, if it carries it.
#[derive(Clone, Copy)]
pub struct Added {
    held: Held,
    place: Option<Place>,
}

/// A value that an employee had, and that another has now.
#[derive(Clone, Copy)]
pub struct HandedOn {
    /// The account's number of the field.
    pub field: u32,
    /// The number of the employee that had it.
    pub from: u32,
    /// The number of the employee that has it now.
    pub to: u32,
    /// Whether the one that had it is hidden now, and had it until then.
    pub from_is_hidden: bool,
}

/// Two employees with the same value.
pub struct Conflict {
    /// The field's name.
    pub field: String,
    /// The number of the employee that must give way.
    pub number: u32,
    /// Its place in the push.
    pub place: Option<u64>,
    /// The number of the employee that holds the value.
    pub other: u32,
}

impl Uniques {
    /// No values yet. `fields` are those that some profile of the account wants to be unique, `names` what the account's fields are called.
    pub fn new(seed: u64, fields: BTreeMap<u32, Unique>, names: HashMap<u32, String>) -> Uniques {
        Uniques { seed, fields, names, added: Vec::new(), removed: Vec::new(), suspected: Vec::new() }
    }

    /// Adds the values of an employee that was stored before its fields were unique.
    pub fn enter(&mut self, number: u32, employee: Version) {
        self.added.extend(held(&self.fields, self.seed, number, employee).map(|held| Added { held, place: None }));
    }

    /// Takes the values that were entered. Those that several employees hold are looked at again at the end.
    pub fn take_entered(&mut self) -> Vec<Held> {
        self.sort();
        for group in self.added.chunk_by(same_value).filter(|group| group.len() > 1) {
            self.suspected.extend(group.iter().map(|added| added.held));
        }
        self.added.drain(..).map(|added| added.held).collect()
    }

    /// Adds and takes away the values of an employee that was changed or created.
    pub fn change(&mut self, number: u32, place: Option<u64>, before: Option<Version>, after: Version) {
        let place = place.map(Place::new);
        let earlier = self.removed.len();
        self.removed.extend(before.into_iter().flat_map(|before| held(&self.fields, self.seed, number, before)));
        for held in held(&self.fields, self.seed, number, after) {
            match self.removed[earlier..].iter().position(|before| *before == held) {
                Some(kept) => drop(self.removed.swap_remove(earlier + kept)),
                None => self.added.push(Added { held, place }),
            }
        }
    }

    /// Leaves out what was noted of some employees.
    pub fn leave_out(&mut self, is_left_out: impl Fn(u32) -> bool) {
        self.added.retain(|added| !is_left_out(added.held.number));
        self.removed.retain(|held| !is_left_out(held.number));
    }

    /// Brings the values into the order of the store's keys; what an employee takes from itself and gets back counts as nothing.
    pub fn sort(&mut self) {
        self.removed.sort_unstable();
        let removed = &self.removed;
        self.added.retain(|added| removed.binary_search(&added.held).is_err());
        self.added
            .par_sort_unstable_by_key(|Added { held, place }| (held.value(), place.is_none(), *place, held.number));
    }

    /// Returns the values that employees had and have no longer, or have only while they are hidden.
    pub fn removed(&self) -> &[Held] {
        &self.removed
    }

    /// Returns the values that employees come to hold.
    pub fn added(&self) -> impl Iterator<Item = Held> {
        self.added.iter().map(|added| added.held)
    }

    /// Returns which of the created employees get a value from somebody who is hidden. Numbers of created employees begin with
    /// `first_created`. The values must be in order.
    pub fn swapped(&self, first_created: u32) -> Happens {
        let has_from_somebody =
            |added: &&Added| added.held.field & OF_HIDDEN == 0 && self.givers(added).any(|giver| self.is_hidden(giver));
        let created = self.added.iter().filter(|added| added.held.number >= first_created);
        let numbers: BTreeSet<u32> = created.filter(has_from_somebody).map(|added| added.held.number).collect();
        let mut swapped = Happens::default();
        numbers.into_iter().for_each(|number| swapped.add(number));
        swapped
    }

    /// Returns the values that employees get from others who have given them up. The values must be in order.
    pub fn handed_on(&self) -> impl Iterator<Item = HandedOn> {
        // Of a first load nothing is removed.
        let added = if self.removed.is_empty() { &[][..] } else { &self.added[..] };
        added.iter().filter(|added| added.held.field & OF_HIDDEN == 0).filter_map(|added| {
            let to = added.held.number;
            let from = self.givers(added).find(|giver| giver.number != to)?;
            Some(HandedOn { field: added.held.field, from: from.number, to, from_is_hidden: self.is_hidden(from) })
        })
    }

    /// Returns the values that only the active may not share, and that employees of the push get who do not get them from others of it. The
    /// values must be in order.
    pub fn got_from_nobody(&self) -> impl Iterator<Item = Held> {
        // Whoever is entered because other fields have become unique is at no place of the push, and gets nothing.
        let may_be_of_hidden =
            |added: &&Added| added.place.is_some() && self.fields.get(&added.held.field) == Some(&Unique::Active);
        let added = self.added.iter().filter(may_be_of_hidden);
        added.filter(|added| self.givers(added).next().is_none()).map(|added| added.held)
    }

    /// Returns who has given up a value that somebody comes to hold.
    fn givers(&self, added: &Added) -> impl Iterator<Item = &Held> {
        let value = added.value();
        let from = self.removed.partition_point(|removed| removed.value() < value);
        self.removed[from..].iter().take_while(move |removed| removed.value() == value)
    }

    /// Whether an employee that has given up a value holds it still, as one who is hidden.
    fn is_hidden(&self, giver: &Held) -> bool {
        let aside = UniqueValue { field: giver.field | OF_HIDDEN, ..giver.value() };
        let of_value = self.added.partition_point(|added| added.value() < aside);
        let mut holders = self.added[of_value..].iter().take_while(|added| added.value() == aside);
        holders.any(|added| added.held.number == giver.number)
    }

    /// Returns the values that employees come to hold and nobody else may, each with all who come to hold it.
    pub fn contested(&self) -> impl Iterator<Item = &[Added]> {
        self.added.chunk_by(same_value).filter(|group| group[0].held.field & OF_HIDDEN == 0)
    }

    /// Returns the conflicts of a value of [`Uniques::contested`], which `stored` holds already, if somebody does.
    pub fn conflicts(&self, group: &[Added], stored: Option<u32>) -> impl Iterator<Item = Conflict> {
        let (other, losers) = match stored {
            Some(stored) => (stored, group),
            None => (group[0].held.number, &group[1..]),
        };
        losers.iter().map(move |Added { held, place }| Conflict {
            field: self.names.get(&held.field).cloned().unwrap_or_default(),
            number: held.number,
            place: place.map(Place::get),
            other,
        })
    }

    /// Returns the values that several employees had when the fields became unique.
    pub fn suspected(&self) -> Vec<UniqueValue> {
        let groups = self.suspected.chunk_by(|a, b| a.value() == b.value());
        groups.map(|group| group[0].value()).filter(|value| value.field & OF_HIDDEN == 0).collect()
    }

    /// Returns the conflict of a suspected value, which these employees hold at the end of the push.
    pub fn conflict_of_suspected(&self, value: UniqueValue, holders: &[u32]) -> Option<Conflict> {
        let [one, other] = holders[..] else {
            return None;
        };
        let field = self.names.get(&value.field).cloned().unwrap_or_default();
        Some(Conflict { field, number: one.max(other), place: None, other: one.min(other) })
    }
}

impl Added {
    /// Returns the value.
    pub fn value(&self) -> UniqueValue {
        self.held.value()
    }
}

fn same_value(one: &Added, other: &Added) -> bool {
    one.held.value() == other.held.value()
}

fn held<'a>(
    fields: &'a BTreeMap<u32, Unique>,
    seed: u64,
    number: u32,
    employee: Version<'a>,
) -> impl Iterator<Item = Held> + 'a {
    let values = unique_values(fields, seed, employee.status, employee.data);
    values.map(move |value| Held::new(value, number))
}
