//! Guard: whether a push does so much that somebody has to look at it first. Pure: figures in, guards that tripped out.

use crate::roster::{Change, Data, Edit, FieldValue, Guard, Guards, Kinds, Status, Tally, Version, hash, is_garbled};
use std::collections::{BTreeMap, HashMap};

/// How many employees are named whom a guard is about.
const NAMED_MAX: usize = 10;

/// How many employees something happens to, and the numbers of the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Happens {
    count: u64,
    first: Vec<u32>,
}

impl Happens {
    /// Counts one more employee.
    pub fn add(&mut self, number: u32) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(number);
        }
    }
}

/// What a push does, as guards see it.
pub struct Figures {
    seed: u64,
    /// By the account's number of a field, whether it is unique.
    unique: Vec<bool>,
    /// The numbers of the guarded fields.
    guarded: Vec<u32>,
    hidden: Happens,
    activated: Happens,
    updated: Happens,
    created: Happens,
    garbled: Happens,
    rejected: Happens,
    /// By the account's number of the field.
    fields: Vec<OfField>,
    /// Active employees who leave a value of a guarded field, less those who come to it.
    values: HashMap<FieldValue, Leaving>,
    stored: i64,
    active: i64,
}

/// What happens to one field.
#[derive(Clone, Default)]
struct OfField {
    filled: i64,
    emptied: Happens,
    changed: Happens,
}

/// What happens to a value of a guarded field.
#[derive(Default)]
struct Leaving {
    more: i64,
    left: Happens,
}

/// What the guards compare the figures with: the roster before the push.
pub struct Before {
    /// How many employees there were; of values only those that [`Figures::emptied_values`] names.
    pub tally: Tally,
    /// How many the last lists have hidden at most.
    pub usually_hidden: u64,
    /// Whose ids the push swaps.
    pub swapped: Happens,
    /// How many employees the push carries.
    pub carried: u64,
}

/// A guard that tripped, before its employees have their ids.
pub struct Stop {
    /// The guard.
    pub guard: Guard,
    /// The account's number of the field that it is about, if it is about one.
    pub field: Option<u32>,
    /// To how many it happens.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// To how many it may.
    pub limit: u64,
    /// The numbers of the first of them.
    pub first: Vec<u32>,
}

impl Figures {
    /// Nothing yet. `unique` and `guarded` are the account's numbers of fields.
    pub fn new(seed: u64, unique: impl Iterator<Item = u32>, guarded: Vec<u32>) -> Figures {
        let mut is_unique = Vec::new();
        for field in unique {
            let field = field as usize;
            is_unique.resize(is_unique.len().max(field + 1), false);
            is_unique[field] = true;
        }
        Figures {
            seed,
            unique: is_unique,
            guarded,
            hidden: Happens::default(),
            activated: Happens::default(),
            updated: Happens::default(),
            created: Happens::default(),
            garbled: Happens::default(),
            rejected: Happens::default(),
            fields: Vec::new(),
            values: HashMap::new(),
            stored: 0,
            active: 0,
        }
    }

    /// Notes a change, which does this to the employee.
    pub fn note(&mut self, change: &Change, kinds: &Kinds) {
        let Change { number, before, after } = change.seen();
        for (happens, is_so) in [
            (&mut self.hidden, kinds.hidden),
            (&mut self.activated, kinds.activated),
            (&mut self.updated, kinds.updated),
            (&mut self.created, kinds.created),
        ] {
            if is_so {
                happens.add(number);
            }
        }
        let active =
            |version: &Option<Version>| i64::from(version.is_some_and(|version| version.status == Status::Active));
        self.stored += i64::from(after.is_some()) - i64::from(before.is_some());
        self.active += active(&after) - active(&before);
        if kinds.updated || kinds.created || kinds.removed {
            let none = Data::from_bytes(&[][..]);
            let [before, after] = [before, after].map(|version| version.map_or(none, |version| version.data));
            self.note_data(number, before, after);
        }
        if !self.guarded.is_empty() {
            self.note_values(number, before, after);
        }
    }

    fn note_data(&mut self, number: u32, before: Data<&[u8]>, after: Data<&[u8]>) {
        let (mut before, mut after) = (before.values().peekable(), after.values().peekable());
        let mut edits = Vec::new();
        loop {
            let (had, has) = (before.peek().copied(), after.peek().copied());
            match (had, has) {
                (None, None) => break,
                (Some((field, had)), Some((other, has))) if field == other => {
                    if had != has {
                        edits.push(Edit { before: had, after: has });
                        if self.unique.get(field as usize) == Some(&true) {
                            self.field(field).changed.add(number);
                        }
                    }
                    before.next();
                    after.next();
                }
                (Some((field, _)), other) if other.is_none_or(|(other, _)| field < other) => {
                    let field = self.field(field);
                    field.filled -= 1;
                    field.emptied.add(number);
                    before.next();
                }
                (_, Some((field, _))) => {
                    self.field(field).filled += 1;
                    after.next();
                }
                (Some(_), None) => unreachable!("a field that is behind nothing comes before"),
            }
        }
        if is_garbled(&mut edits) {
            self.garbled.add(number);
        }
    }

    fn note_values(&mut self, number: u32, before: Option<Version>, after: Option<Version>) {
        for &field in &self.guarded {
            let value = |version: Option<Version>| {
                let version = version.filter(|version| version.status == Status::Active)?;
                version.data.get(field).map(|value| FieldValue { field, hash: hash(self.seed, value) })
            };
            let (before, after) = (value(before), value(after));
            if before == after {
                continue;
            }
            if let Some(before) = before {
                let leaving = self.values.entry(before).or_default();
                leaving.more -= 1;
                leaving.left.add(number);
            }
            if let Some(after) = after {
                self.values.entry(after).or_default().more += 1;
            }
        }
    }

    fn field(&mut self, field: u32) -> &mut OfField {
        let field = field as usize;
        if self.fields.len() <= field {
            self.fields.resize(field + 1, OfField::default());
        }
        &mut self.fields[field]
    }

    /// Notes how many employees a push is applied without.
    pub fn reject(&mut self, employees: u64) {
        self.rejected.count = employees;
    }

    /// Returns what the push makes of the tally.
    pub fn tally(&self) -> Tally {
        let fields = (0..).zip(&self.fields).map(|(field, of)| (field, of.filled));
        let values = self.values.iter().map(|(value, leaving)| (*value, leaving.more));
        let mut tally =
            Tally { stored: self.stored, active: self.active, fields: fields.collect(), values: values.collect() };
        tally.tidy();
        tally
    }

    /// Whether any guard can trip: if not, nothing else needs to be known.
    pub fn is_much(&self, guards: &Guards) -> bool {
        let exceeds = |guard: Guard, count: u64| guards.get(guard).is_some_and(|bounds| count > bounds.least());
        exceeds(Guard::Hide, self.hidden.count)
            || exceeds(Guard::Activate, self.activated.count)
            || exceeds(Guard::Update, self.updated.count)
            || exceeds(Guard::Garble, self.garbled.count)
            || exceeds(Guard::Create, self.created.count)
            || exceeds(Guard::Reject, self.rejected.count)
            || exceeds(Guard::Swap, self.created.count.min(self.hidden.count))
            || self
                .fields
                .iter()
                .any(|field| exceeds(Guard::Empty, field.emptied.count) || exceeds(Guard::Unique, field.changed.count))
            || self.values.values().any(|leaving| exceeds(Guard::Value, leaving.more.min(0).unsigned_abs()))
    }

    /// Returns the values of guarded fields that fewer active employees have than before.
    pub fn emptied_values(&self) -> Vec<FieldValue> {
        let fewer = self.values.iter().filter(|(_, leaving)| leaving.more < 0);
        fewer.map(|(value, _)| *value).collect()
    }

    /// Returns the guards that trip.
    pub fn check(&self, guards: &Guards, before: &Before) -> Vec<Stop> {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let (stored, active) = (count(before.tally.stored), count(before.tally.active));
        let mut stops = Vec::new();
        let mut check = |guard: Guard, field: Option<u32>, happens: &Happens, of: u64| {
            let Some(bounds) = guards.get(guard) else {
                return;
            };
            let limit = bounds.limit(of, before.usually_hidden);
            if happens.count > limit {
                let (count, first) = (happens.count, happens.first.clone());
                stops.push(Stop { guard, field, count, of, limit, first });
            }
        };
        check(Guard::Hide, None, &self.hidden, active);
        check(Guard::Activate, None, &self.activated, stored.saturating_sub(active));
        check(Guard::Update, None, &self.updated, stored);
        for (field, of) in (0..).zip(&self.fields) {
            let have = count(before.tally.fields.get(&field).copied().unwrap_or(0));
            check(Guard::Empty, Some(field), &of.emptied, have);
            check(Guard::Unique, Some(field), &of.changed, have);
        }
        check(Guard::Garble, None, &self.garbled, stored);
        check(Guard::Swap, None, &before.swapped, stored);
        if stored > 0 {
            check(Guard::Create, None, &self.created, stored);
        }
        // In the order of the fields, whatever the hashes are.
        let values: BTreeMap<FieldValue, &Leaving> =
            self.values.iter().map(|(value, leaving)| (*value, leaving)).collect();
        for (value, leaving) in values {
            let had = before.tally.values.get(&value).copied().unwrap_or(0);
            if leaving.more < 0 && had + leaving.more <= 0 {
                let lost = Happens { count: count(had), first: leaving.left.first.clone() };
                check(Guard::Value, Some(value.field), &lost, count(had));
            }
        }
        check(Guard::Reject, None, &self.rejected, before.carried);
        stops
    }
}
