//! Find: which stored employee an intent is of. What the store must be asked for a batch is collected first, and asked at once.

use super::check::Rulebook;
use crate::rejection::Fault;
use crate::roster::{Employee, Entry, Index, Intent, Status, data_hash, hash, valid_id};
use crate::store::{OF_HIDDEN, UniqueValue};

/// An intent, and what its employee is found by.
pub struct Sought {
    intent: Intent<'static>,
    /// The account's number of the field that finds an employee, and the intent's canonical value of it.
    key: Option<(u32, String)>,
}

/// An intent, and the employee that it is of.
pub struct Found {
    /// Its place in the push, counted from 0.
    pub place: u64,
    /// What is asked.
    pub intent: Intent<'static>,
    /// The id that the employee will have; empty if there is no usable one.
    pub id: String,
    /// The slot in the index, and the employee, if it is stored.
    pub stored: Option<(u32, Employee)>,
    /// What is wrong with whom it names.
    pub faults: Vec<Fault>,
}

/// Finds the employees of intents, batch by batch.
pub struct Finder<'a> {
    rulebook: &'a Rulebook<'a>,
    /// What the dialect calls the field that finds an employee whose id is not stored, and its position in the profile.
    by: Option<(&'a str, usize)>,
    /// The number of the first employee that the push creates: who has it or a later one was not stored before the push.
    first_created: u32,
    /// How many intents there were before.
    intents: u64,
}

impl<'a> Finder<'a> {
    /// A finder for a push. `find_by` is what the dialect calls the field that finds an employee whose id is not stored, if there is one.
    pub fn new(rulebook: &'a Rulebook, find_by: Option<&'a str>, first_created: u32) -> Finder<'a> {
        let by = find_by.and_then(|name| Some((name, rulebook.profile.wire_position(rulebook.dialect, name)?)));
        Finder { rulebook, by, first_created, intents: 0 }
    }

    /// Says what the intents' employees are found by.
    pub fn seek(&self, intents: Vec<Intent<'static>>) -> Vec<Sought> {
        let key = |intent: &Intent| {
            let (name, position) = self.by?;
            let (_, value) = intent.data.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
            let value = self.rulebook.profile.fields[position].canonical(value).ok()??;
            Some((self.rulebook.field_numbers[position], value.into_owned()))
        };
        intents.into_iter().map(|intent| Sought { key: key(&intent), intent }).collect()
    }

    /// Returns which employee each intent is of. `by_id` says who has each [`Sought::id`], `by_value` who holds the values that an intent
    /// is sought by, if it is. An employee that has no slot in the index gets one.
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
        let named = intent.id.is_some();
        let by_id = by_id.filter(|(number, _)| *number < self.first_created);
        let (by_own_id, by_key_as_id) = if named { (by_id, None) } else { (None, by_id) };
        let mut stored = by_own_id;
        if let (None, Some((_, value))) = (&stored, &key) {
            // A leaver with an id of their own is not the colleague who came after, with another id and the same address.
            stored =
                by_value.filter(|(_, employee)| !named || employee.status == Status::Active || employee.id == *value);
        }
        // Who is known by nothing else is known by that field's value, as long as it has no other.
        if let (None, false, Some((field, value))) = (&stored, named, &key) {
            stored = by_key_as_id;
            let has_another =
                |(_, employee): &(u32, Employee)| employee.data.get(*field).is_some_and(|has| has != value.as_bytes());
            if stored.as_ref().is_some_and(has_another) {
                let message = "is the id of an employee who has another address by now; send an id, too";
                faults.push(Fault::new(self.by.map_or("", |(name, _)| name), "unique", message));
            }
        }
        let id = match (&intent.id, &stored, key) {
            (Some(id), _, _) => id.clone().into_owned(),
            (None, Some((_, employee)), _) => employee.id.clone(),
            (None, None, Some((_, value))) => value,
            (None, None, None) => String::new(),
        };
        // An address need not be an id.
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
            index.insert(Entry { id, data, bytes: 0, number, status: employee.status });
            slot
        })
    }
}

impl Sought {
    /// Returns the id that the intent names, or else the value that its employee is found by, which may be one's id; empty if it has neither.
    pub fn id(&self) -> &str {
        match (&self.intent.id, &self.key) {
            (Some(id), _) => id,
            (None, Some((_, value))) => value,
            (None, None) => "",
        }
    }

    /// Returns the value that the employee is found by, as somebody active holds it and as somebody hidden does.
    pub fn values(&self, seed: u64) -> Option<[UniqueValue; 2]> {
        let (field, value) = self.key.as_ref()?;
        let hash = hash(seed, value.as_bytes());
        Some([UniqueValue { field: *field, hash }, UniqueValue { field: *field | OF_HIDDEN, hash }])
    }

    /// Chooses the employee among the holders of these two values, of which each list has the one that was changed last first. Of several it
    /// is that one, who mostly is who left last, if the intent has no other way to say whom it means.
    pub fn choose(&self, [active, hidden]: [&[u32]; 2]) -> Option<u32> {
        [active, hidden].into_iter().find_map(|holders| match holders[..] {
            [only] => Some(only),
            [last, ..] if self.intent.id.is_none() => Some(last),
            _ => None,
        })
    }
}
