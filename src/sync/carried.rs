//! Carried: whom a push has carried so far, and at which place, so that nobody is carried twice.

use crate::roster::Index;
use std::collections::HashMap;
use std::num::NonZeroU32;

/// A place in the push, counted from 0, in four bytes also where there may be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(NonZeroU32);

impl Place {
    /// The place of an employee, which must be one of fewer than 2³² − 1.
    pub fn new(place: u64) -> Place {
        let next = u32::try_from(place + 1).ok().and_then(NonZeroU32::new);
        Place(next.expect("a push carries fewer than 2³² employees"))
    }

    /// Returns the place, counted from 0.
    pub fn get(self) -> u64 {
        u64::from(self.0.get()) - 1
    }
}

/// The employees that a push has carried.
#[derive(Default)]
pub struct Carried {
    /// By slot in the index, the first place of each.
    stored: Vec<Option<Place>>,
    /// How many of them there are.
    stored_len: usize,
    /// Of the employees that the push has created, in their order.
    created: Vec<Place>,
    /// Employees that were stored and are carried more than once: each place but the first, and the slot in the index.
    again: Vec<(Place, u32)>,
}

/// Whom a push had carried before some employees were set aside.
pub struct CarriedBefore {
    pub carried: Carried,
    pub slots: Slots,
}

impl CarriedBefore {
    /// Returns the place of a stored employee; `None` if the push had not carried it.
    pub fn place_of(&self, number: u32) -> Option<u64> {
        self.carried.place_of_stored(self.slots.of(number)?)
    }
}

/// In which slots of the index of a push stored employees are.
pub enum Slots {
    /// The index has everybody. The slot is the number less one.
    Everybody,
    /// The index has only some, by number.
    Some(HashMap<u32, u32>),
}

impl Slots {
    /// Returns the slots of an index that has everybody, or only some.
    pub fn new(index: &Index, indexed: Indexed) -> Slots {
        match indexed {
            Indexed::Everybody => Slots::Everybody,
            Indexed::Carried => Slots::Some((0..index.slots()).map(|slot| (index.get(slot).number, slot)).collect()),
        }
    }

    /// Returns the slot of a stored employee; `None` if the index does not have it.
    pub fn of(&self, number: u32) -> Option<u32> {
        match self {
            Slots::Everybody => Some(number - 1),
            Slots::Some(slots) => slots.get(&number).copied(),
        }
    }
}

/// Which employees the index of a push has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexed {
    /// Everybody who was stored before the push. An employee's slot is its number less one.
    Everybody,
    /// Only those that the push carries.
    Carried,
}

/// An employee that was carried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twice {
    /// The earlier place in the push.
    pub first: u64,
    /// The later one.
    pub second: u64,
}

impl Carried {
    /// Makes room for all employees of an index.
    pub fn grow(&mut self, index: &Index) {
        self.stored.resize(index.len().max(self.stored.len()), None);
    }

    /// Notes that the employee in a slot was recognised. Returns false if it had been carried before.
    pub fn recognised(&mut self, place: u64, slot: u32) -> bool {
        let (place, before) = (Place::new(place), &mut self.stored[slot as usize]);
        match before {
            None => *before = Some(place),
            // Recognising is ahead of all that is noted, so the place of before is the first.
            Some(_) => {
                self.again.push((place, slot));
                return false;
            }
        }
        self.stored_len += 1;
        true
    }

    /// Takes the employees that were stored and are carried more than once, with their slots. To be called when all have come: an employee
    /// that is recognised is ahead of those that have to be checked, so only then the first place is known.
    pub fn take_again(&mut self) -> Vec<(Twice, u32)> {
        let again = std::mem::take(&mut self.again);
        again
            .into_iter()
            .filter_map(|(place, slot)| Some((self.twice(self.stored[slot as usize]?, place), slot)))
            .collect()
    }

    /// Notes that the employee in a slot is carried at a place. Returns false if it had been carried before.
    pub fn stored(&mut self, place: u64, slot: u32) -> bool {
        let (place, before) = (Place::new(place), &mut self.stored[slot as usize]);
        match *before {
            None => *before = Some(place),
            Some(other) => {
                *before = Some(place.min(other));
                self.again.push((place.max(other), slot));
                return false;
            }
        }
        self.stored_len += 1;
        true
    }

    /// Notes that a new employee is carried at a place; its slot among the created is the next one.
    pub fn created(&mut self, place: u64) {
        self.created.push(Place::new(place));
    }

    /// The error for a new employee that was created before, in this slot among the created.
    pub fn created_before(&self, place: u64, slot: u32) -> Twice {
        self.twice(self.created[slot as usize], Place::new(place))
    }

    fn twice(&self, one: Place, other: Place) -> Twice {
        Twice { first: one.min(other).get(), second: one.max(other).get() }
    }

    /// Returns the place of the employee in a slot of the index; `None` if the push has not carried it.
    pub fn place_of_stored(&self, slot: u32) -> Option<u64> {
        self.stored[slot as usize].map(Place::get)
    }

    /// Returns the place of a created employee, by its slot among the created.
    pub fn place_of_created(&self, slot: u32) -> u64 {
        self.created[slot as usize].get()
    }

    /// Returns how many employees the push has carried that were stored.
    pub fn stored_len(&self) -> u64 {
        self.stored_len as u64
    }

    /// Returns how many employees the push has created.
    pub fn created_len(&self) -> u32 {
        u32::try_from(self.created.len()).expect("a roster has fewer than 2³² employees")
    }
}
