//! Find: which stored employee an intent means.
//!
//! Some dialects may name an employee by a unique field, the key, instead of the id. What the store must look up for a batch is collected
//! first ([`Finder::seek`]), so that the store is asked once; its answers are then combined ([`Finder::found`]).

use super::check::Rulebook;
use crate::rejection::Fault;
use crate::roster::{Employee, Entry, Index, Intent, Status, data_hash, hash, valid_id};
use crate::store::{OF_HIDDEN, UniqueValue};

/// An intent whose employee is to be looked up.
pub struct Sought {
    intent: Intent<'static>,
    key: Option<Key>,
}

/// An intent's value of the field that finds employees.
struct Key {
    /// The account's number of the field.
    field: u32,
    /// The value in canonical form.
    value: String,
}

/// An intent, and the employee that it means.
pub struct Found {
    /// Its place in the push, counted from 0.
    pub place: u64,
    /// What the push asks for the employee.
    pub intent: Intent<'static>,
    /// The id that the employee will have; empty if there is no usable one.
    pub id: String,
    /// The slot in the index, and the employee; `None` if it is not stored.
    pub stored: Option<(u32, Employee)>,
    /// What is wrong with the way the intent names the employee.
    pub faults: Vec<Fault>,
}

/// Finds the employees of intents, batch by batch.
pub struct Finder<'a> {
    rulebook: &'a Rulebook<'a>,
    key_field: Option<KeyField>,
    /// The number of the first employee that the push creates. Employees with this number or a later one are the push's own, and are not
    /// found again.
    first_created: u32,
    /// How many intents earlier batches had.
    intents: u64,
}

/// The field by which a dialect finds an employee whose id is not stored.
struct KeyField {
    /// What the dialect calls it.
    name: &'static str,
    /// Its position in the profile.
    position: usize,
}

impl<'a> Finder<'a> {
    /// Returns the finder of a push. `first_created` is the number of the first employee that the push creates.
    pub fn new(rulebook: &'a Rulebook, first_created: u32) -> Finder<'a> {
        let key_field = rulebook.dialect.facts().find_by.and_then(|name| {
            let position = rulebook.profile.wire_position(rulebook.dialect, name)?;
            Some(KeyField { name, position })
        });
        Finder { rulebook, key_field, first_created, intents: 0 }
    }

    /// Returns what the store must look up for each intent.
    pub fn seek(&self, intents: Vec<Intent<'static>>) -> Vec<Sought> {
        let key = |intent: &Intent| {
            let &KeyField { name, position } = self.key_field.as_ref()?;
            let (_, value) = intent.data.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
            let value = self.rulebook.profile.fields[position].canonical(value).ok()??.into_owned();
            Some(Key { field: self.rulebook.field_numbers[position], value })
        };
        intents.into_iter().map(|intent| Sought { key: key(&intent), intent }).collect()
    }

    /// Returns which employee each intent means. `by_id` has the owner of each [`Sought::id`], and `by_value` the choice among the holders
    /// of each [`Sought::values`]. An employee that has no slot in the index is added to it.
    pub fn found(
        &mut self,
        sought: Vec<Sought>,
        by_id: Vec<Option<(u32, Employee)>>,
        by_value: Vec<Option<(u32, Employee)>>,
        index: &mut Index,
    ) -> Vec<Found> {
        let stored = by_id.into_iter().zip(by_value);
        sought
            .into_iter()
            .zip(stored)
            .map(|(sought, (by_id, by_value))| self.one(sought, by_id, by_value, index))
            .collect()
    }

    fn one(
        &mut self,
        sought: Sought,
        by_id: Option<(u32, Employee)>,
        by_value: Option<(u32, Employee)>,
        index: &mut Index,
    ) -> Found {
        let Sought { intent, key } = sought;
        let mut faults = Vec::new();
        let has_id = intent.id.is_some();
        let by_id = by_id.filter(|(number, _)| *number < self.first_created);
        let (by_own_id, by_key_as_id) = if has_id { (by_id, None) } else { (None, by_id) };
        let mut stored = by_own_id;
        if let (None, Some(key)) = (&stored, &key) {
            // A leaver who had an id is not the colleague who came later, with another id and the same address.
            stored = by_value
                .filter(|(_, employee)| !has_id || employee.status == Status::Active || employee.id == key.value);
        }
        // An employee who was created without an id has the key's value as the id, and is found by it until the value is somebody else's.
        if let (None, false, Some(key), Some(KeyField { name, .. })) = (&stored, has_id, &key, &self.key_field) {
            stored = by_key_as_id;
            let value = stored.as_ref().and_then(|(_, employee)| employee.data.get(key.field));
            if value.is_some_and(|value| value != key.value.as_bytes()) {
                let message = "is the id of an employee who has another address by now; send an id, too";
                faults.push(Fault::new(name, "unique", message));
            }
        }
        let id = match (&intent.id, &stored, key) {
            (Some(id), _, _) => id.clone().into_owned(),
            (None, Some((_, employee)), _) => employee.id.clone(),
            (None, None, Some(key)) => key.value,
            (None, None, None) => String::new(),
        };
        // A key's value may be too long for an id, for example.
        if !id.is_empty() {
            faults.extend(valid_id(&id).err());
        }
        if stored.is_none() && intent.must_exist {
            faults.push(Fault::new("id", "unknown", "nobody in the roster has this id"));
        }
        let place = self.intents;
        self.intents += 1;
        let stored = stored.map(|(number, employee)| (self.slot(number, &employee, index), employee));
        Found { place, intent, id, stored, faults }
    }

    fn slot(&self, number: u32, employee: &Employee, index: &mut Index) -> u32 {
        let seed = self.rulebook.seed;
        let id = hash(seed, employee.id.as_bytes());
        index.find(id).unwrap_or_else(|| {
            let data = data_hash(seed, employee.profile, &employee.data);
            let slot = u32::try_from(index.len()).expect("a roster has fewer than 2³² employees");
            index.insert(Entry { id, data, bytes: 0, number, profile: employee.profile, status: employee.status });
            slot
        })
    }
}

impl Sought {
    /// Returns the id of the intent. Without one it is the key's value, which is the id of an employee that was created without one. Empty
    /// if the intent has neither.
    pub fn id(&self) -> &str {
        match (&self.intent.id, &self.key) {
            (Some(id), _) => id,
            (None, Some(key)) => &key.value,
            (None, None) => "",
        }
    }

    /// Returns the unique values by which the employee may be found: the key of an active employee, and that of a hidden one. `None` if the
    /// intent has no key.
    pub fn values(&self, seed: u64) -> Option<[UniqueValue; 2]> {
        let Key { field, value } = self.key.as_ref()?;
        let hash = hash(seed, value.as_bytes());
        Some([UniqueValue { field: *field, hash }, UniqueValue { field: *field | OF_HIDDEN, hash }])
    }

    /// Chooses the employee among the holders of the two [`Sought::values`]. Each list begins with the employee that was changed last. If
    /// there are several, that one is chosen, mostly the last leaver, but only for an intent without an id: one with an id means somebody
    /// new.
    pub fn choose(&self, [active, hidden]: [&[u32]; 2]) -> Option<u32> {
        [active, hidden].into_iter().find_map(|holders| match holders[..] {
            [only] => Some(only),
            [last, ..] if self.intent.id.is_none() => Some(last),
            _ => None,
        })
    }
}
