//! Check: checks an intent against the profile, and compares the result with what is stored. Pure: it reads nothing but its arguments.

use super::Format;
use super::find::Found;
use super::recognise::{Batch, Unknown};
use crate::dialect::Dialect;
use crate::json::{NotJson, Scratch};
use crate::limits::Limits;
use crate::profile::{Profile, Rules};
use crate::rejection::Fault;
use crate::roster::{Data, Employee, Extent, Ignored, Index, Intent, Status, data_hash, hash};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// How many employees a thread takes at a time.
const CHUNK_EMPLOYEES: usize = 128;

/// What every intent of a push is checked against.
pub struct Rulebook<'a> {
    /// The dialect of the intents.
    pub dialect: Dialect,
    /// The profile of the push.
    pub profile: &'a Profile,
    /// The account's number of the profile.
    pub profile_number: u32,
    /// The account's number of each field of the profile.
    pub field_numbers: &'a [u32],
    /// The server's limits.
    pub limits: &'a Limits,
    /// The seed of the account's hashes.
    pub seed: u64,
}

/// Employees that one thread checked, in the order of the push.
#[derive(Default)]
pub struct Chunk {
    /// What the check found.
    pub checked: Vec<Checked>,
    /// The names of their members that mean nothing.
    pub ignored: Ignored,
    /// The ids and data of all of them.
    bytes: Vec<u8>,
}

/// A range of the bytes of a [`Chunk`].
type Lent = Range<usize>;

/// A checked employee.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The employee's place in the push, counted from 0.
    pub place: u64,
    /// The hash of its bytes; `None` if it did not come as bytes of its own.
    pub bytes: Option<u128>,
    /// The id, if the push has a usable one; see [`Chunk::id`].
    id: Option<Lent>,
    /// The hash of the id; 0 without a usable one.
    pub id_hash: u128,
    /// What the check found.
    pub finding: Finding,
}

/// What the check of an employee found.
#[derive(Debug, Clone)]
pub enum Finding {
    /// The bytes are not JSON. The position is counted from the beginning of the body.
    NotJson(NotJson),
    /// The employee breaks rules.
    Invalid {
        /// The slot in the index, if the employee is stored.
        slot: Option<u32>,
        /// The rules that it breaks.
        faults: Vec<Fault>,
    },
    /// The employee is stored in this slot of the index, and the push does not change it.
    Unchanged(u32),
    /// The employee is not stored, or the push changes it.
    Different {
        /// The slot in the index, if the employee is stored.
        slot: Option<u32>,
        /// The new status.
        status: Status,
        /// The new data, see [`Chunk::data`], and its hash; `None` keeps what is stored.
        data: Option<(Lent, u128)>,
    },
}

impl Chunk {
    /// Returns the id of one of its employees; `None` if the push has no usable one, or the employee is unchanged.
    pub fn id(&self, checked: &Checked) -> Option<&str> {
        let id = checked.id.clone()?;
        Some(std::str::from_utf8(&self.bytes[id]).expect("an id is text"))
    }

    /// Returns the data of one of its employees.
    pub fn data(&self, data: &Lent) -> Data<&[u8]> {
        Data::from_bytes(&self.bytes[data.clone()])
    }

    fn keep(&mut self, bytes: &[u8]) -> Lent {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}

/// Memory that a thread uses again for each employee.
#[derive(Default)]
struct Desk {
    data: Data,
    /// For each field of the profile, which row of the intent has its value.
    rows: Vec<Option<usize>>,
}

/// An intent, and the employee that it means.
struct Asked<'i> {
    place: u64,
    bytes: Option<u128>,
    intent: &'i Intent<'i>,
    /// The id that the employee will have; `None` if there is no usable one.
    id: Option<&'i str>,
    id_hash: u128,
    /// The slot in the index, if the employee is stored.
    slot: Option<u32>,
    /// What is stored, if the intent was looked up. An intent with only some of the data is merged with it.
    before: Option<&'i Employee>,
    /// What is wrong with the way it names the employee.
    faults: &'i [Fault],
}

impl Rulebook<'_> {
    /// Parses and checks the employees of a batch in parallel. The index must have every employee that is stored. The result is in the
    /// order of the push.
    pub fn check_all(&self, format: &Format, batch: &Batch, index: &Index) -> Vec<Chunk> {
        let chunks = batch.unknown.par_chunks(CHUNK_EMPLOYEES);
        let check = |(desk, scratch): &mut (Desk, Scratch), employees: &[Unknown]| {
            let mut chunk = Chunk::default();
            chunk.checked.reserve_exact(employees.len());
            for unknown in employees {
                let &Unknown { place, bytes, position, .. } = unknown;
                let element = &batch.bytes[unknown.element.clone()];
                let checked = match (format.employee)(element, self.limits, scratch) {
                    Ok(intent) => {
                        let id = intent.id.as_deref();
                        let id_hash = id.map_or(0, |id| hash(self.seed, id.as_bytes()));
                        let slot = id.and_then(|_| index.find(id_hash));
                        let (bytes, intent) = (Some(bytes), &intent);
                        let asked = Asked { place, bytes, intent, id, id_hash, slot, before: None, faults: &[] };
                        self.check(&asked, index, desk, &mut chunk)
                    }
                    Err(NotJson { at, message }) => {
                        let finding = Finding::NotJson(NotJson { at: position + at, message });
                        Checked { place, bytes: Some(bytes), id: None, id_hash: 0, finding }
                    }
                };
                chunk.checked.push(checked);
            }
            chunk
        };
        chunks.map_init(<(Desk, Scratch)>::default, check).collect()
    }

    /// Checks intents whose employees were looked up, in parallel. The result is in the order of the push.
    pub fn check_found(&self, found: &[Found], index: &Index) -> Vec<Chunk> {
        let check = |desk: &mut Desk, found: &[Found]| {
            let mut chunk = Chunk::default();
            for Found { place, intent, id, stored, faults } in found {
                let id = (!id.is_empty()).then_some(id.as_str());
                let id_hash = id.map_or(0, |id| hash(self.seed, id.as_bytes()));
                let (slot, before) = match stored {
                    Some((slot, employee)) => (Some(*slot), Some(employee)),
                    None => (None, None),
                };
                let asked = Asked { place: *place, bytes: None, intent, id, id_hash, slot, before, faults };
                let checked = self.check(&asked, index, desk, &mut chunk);
                chunk.checked.push(checked);
            }
            chunk
        };
        found.par_chunks(CHUNK_EMPLOYEES).map_init(Desk::default, check).collect()
    }

    fn check(&self, asked: &Asked, index: &Index, desk: &mut Desk, chunk: &mut Chunk) -> Checked {
        let &Asked { place, bytes, intent, id, id_hash, slot, before, .. } = asked;
        intent.ignored.iter().for_each(|name| chunk.ignored.add(name));
        let mut faults = intent.faults.clone();
        faults.extend_from_slice(asked.faults);
        let status = intent.status.or(before.map(|before| before.status)).unwrap_or(Status::Active);
        if intent.extent != Extent::Nothing {
            self.find_rows(intent, &mut desk.rows, &mut faults, &mut chunk.ignored);
            self.merge(asked, status, desk, &mut faults);
        }
        let finding = if faults.is_empty() {
            let data = (intent.extent != Extent::Nothing).then_some(&desk.data);
            self.compare(asked, status, data, index, chunk)
        } else {
            Finding::Invalid { slot, faults }
        };
        let id = if matches!(finding, Finding::Unchanged(_)) { None } else { id.map(|id| chunk.keep(id.as_bytes())) };
        Checked { place, bytes, id, id_hash, finding }
    }

    /// Finds which row of the intent has the value of each field of the profile.
    fn find_rows(
        &self,
        intent: &Intent,
        rows: &mut Vec<Option<usize>>,
        faults: &mut Vec<Fault>,
        ignored: &mut Ignored,
    ) {
        let fields = &self.profile.fields;
        rows.clear();
        rows.resize(fields.len(), None);
        let mut guess = 0;
        for (row, (name, _)) in intent.data.iter().enumerate() {
            // Rows usually come in the order of the profile.
            let position = match fields.get(guess) {
                Some(field) if self.dialect == Dialect::StartExam && field.name == **name => Some(guess),
                _ if self.dialect == Dialect::StartExam => self.profile.position(name),
                _ => self.profile.wire_position(self.dialect, name),
            };
            let Some(position) = position else {
                // StartExam's names are the profile's, so an unknown one is a mistake. Other dialects have fields that a profile may leave
                // out.
                if self.dialect == Dialect::StartExam {
                    faults.push(self.unknown_field(name));
                } else {
                    ignored.add(name);
                }
                continue;
            };
            guess = position + 1;
            let field = &fields[position];
            if rows[position].is_some() {
                faults.push(Fault::new(
                    &field.name,
                    "twice",
                    "the field appears twice in this employee's data; send it once",
                ));
            } else if intent.several.iter().any(|several| several == name) && !holds_several(&field.rules) {
                let message = "was sent several values, and the profile has one; send one, or let the profile's administrator \
                               make it a list (type = \"list\", ordered = true)";
                faults.push(Fault::new(&field.name, "list", message));
            } else {
                rows[position] = Some(row);
            }
        }
    }

    /// Brings the values to canonical form. If the intent carries some of the data, they are merged with what is stored.
    fn merge(&self, asked: &Asked, status: Status, desk: &mut Desk, faults: &mut Vec<Fault>) {
        let Asked { intent, before, .. } = *asked;
        let Desk { data, rows } = desk;
        let mut values: Values = match (intent.extent, before) {
            (Extent::Some, Some(before)) => Values::over(before),
            _ => Values::none(self.profile.fields.len()),
        };
        // A leaver may lack required values, but not someone who is active again.
        let becomes_active = before.is_none_or(|before| before.status == Status::Hidden && status == Status::Active);
        // If only some of the values were sent, faults are reported in their order, and otherwise in that of the profile.
        let mut found: Vec<(Option<usize>, Fault)> = Vec::new();
        let order = |position: usize| if intent.extent == Extent::Some { rows[position] } else { Some(position) };
        for (position, field) in self.profile.fields.iter().enumerate() {
            let (row, number) = (rows[position], self.field_numbers[position]);
            if row.is_none() && !field.required {
                continue;
            }
            let broken = match row.map(|row| field.canonical(&intent.data[row].1)) {
                None => false,
                Some(Ok(value)) => {
                    values.set(number, value);
                    false
                }
                Some(Err(broken)) => {
                    found.push((order(position), Fault::new(&field.name, broken.rule, broken.message)));
                    true
                }
            };
            let must_be_there = match intent.extent {
                Extent::All => true,
                Extent::Some => {
                    (becomes_active || row.is_some()) && faults.iter().all(|fault| fault.field != field.name)
                }
                Extent::Unreadable | Extent::Nothing => false,
            };
            if !broken && field.required && must_be_there && !values.has(number) {
                let fault = Fault::new(&field.name, "required", "a value is required; none was sent");
                found.push(((intent.extent != Extent::Some).then_some(position), fault));
            }
        }
        // What no value has caused comes last.
        found.sort_by_key(|(order, _)| (order.is_none(), *order));
        faults.extend(found.into_iter().map(|(_, fault)| fault));
        data.clear();
        values.pack(data);
    }

    fn unknown_field(&self, name: &str) -> Fault {
        let alike = self.profile.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name.trim()));
        let advice = match alike {
            Some(field) => format!("did you mean {:?}?", field.name),
            None => "remove it, or ask the profile's administrator to add it".into(),
        };
        Fault::of_client(name, "unknown", format!("the profile {:?} has no such field; {advice}", self.profile.name))
    }

    /// Compares the intent with what is stored. Data that stays the same is not compared by its hash, which depends on the profile that it
    /// was checked by.
    fn compare(&self, asked: &Asked, status: Status, data: Option<&Data>, index: &Index, chunk: &mut Chunk) -> Finding {
        let Asked { id_hash, slot, before, .. } = *asked;
        let data = data.filter(|data| before.is_none_or(|before| before.data != **data));
        let hash = data.map(|data| data_hash(self.seed, self.profile_number, data));
        if let Some(slot) = slot {
            let entry = index.get(slot);
            if entry.id == id_hash && entry.status == status && hash.is_none_or(|hash| hash == entry.data) {
                return Finding::Unchanged(slot);
            }
        }
        let data = data.map(|data| chunk.keep(data.as_bytes()));
        Finding::Different { slot, status, data: data.zip(hash) }
    }
}

/// Canonical values by the account's field numbers.
enum Values<'v> {
    /// All of the data, in any order.
    All(Vec<(u32, Cow<'v, str>)>),
    /// What is stored, with some of the data replaced.
    Over(BTreeMap<u32, Cow<'v, str>>),
}

impl<'v> Values<'v> {
    fn none(fields: usize) -> Values<'v> {
        Values::All(Vec::with_capacity(fields))
    }

    fn over(stored: &'v Employee) -> Values<'v> {
        Values::Over(stored.data.iter().map(|(number, value)| (number, Cow::Borrowed(value))).collect())
    }

    /// Sets a value that was not set yet; `None` empties the field.
    fn set(&mut self, number: u32, value: Option<Cow<'v, str>>) {
        match (self, value) {
            (Values::All(values), Some(value)) => values.push((number, value)),
            (Values::All(_), None) => {}
            (Values::Over(values), Some(value)) => drop(values.insert(number, value)),
            (Values::Over(values), None) => drop(values.remove(&number)),
        }
    }

    fn has(&self, number: u32) -> bool {
        match self {
            Values::All(values) => values.iter().any(|(other, _)| *other == number),
            Values::Over(values) => values.contains_key(&number),
        }
    }

    fn pack(self, data: &mut Data) {
        match self {
            Values::All(mut values) => {
                values.sort_unstable_by_key(|(number, _)| *number);
                values.iter().for_each(|(number, value)| data.push(*number, value));
            }
            Values::Over(values) => values.iter().for_each(|(number, value)| data.push(*number, value)),
        }
    }
}

fn holds_several(rules: &Rules) -> bool {
    match rules {
        Rules::List { .. } => true,
        Rules::Reference(reference) => reference.many,
        _ => false,
    }
}
