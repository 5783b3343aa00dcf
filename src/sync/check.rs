//! Check: one employee's bytes against the profile, and what came of it against the index.

use super::Format;
use super::recognise::{Batch, Unknown};
use crate::json::{NotJson, Scratch};
use crate::limits::Limits;
use crate::profile::Profile;
use crate::rejection::Fault;
use crate::roster::{Data, Employee, Ignored, Index, Pushed, Status, data_hash, hash};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// How many employees a thread takes at a time.
const CHUNK_EMPLOYEES: usize = 128;

/// What every employee of a push is checked by.
pub struct Rulebook<'a> {
    /// The profile of the push.
    pub profile: &'a Profile,
    /// The account's number of the profile.
    pub profile_number: u32,
    /// The account's number of each field of the profile.
    pub field_numbers: &'a [u32],
    /// The server's limits.
    pub limits: &'a Limits,
    /// The seed of the store's hashes.
    pub seed: u64,
}

/// Employees that one thread has checked, in the order of the push.
#[derive(Default)]
pub struct Chunk {
    /// What the check found.
    pub checked: Vec<Checked>,
    /// The names of what they carry and means nothing.
    pub ignored: Ignored,
    /// Ids and data of them all.
    bytes: Vec<u8>,
}

/// Bytes of a [`Chunk`].
type Lent = Range<usize>;

/// A patch, and the employee that it is of.
pub struct Found {
    /// Its place in the push, counted from 0.
    pub index: u64,
    /// The id that the employee will have; empty if there is no usable one.
    pub id: String,
    /// See [`crate::roster::Patch::status`].
    pub status: Option<Status>,
    /// The values, by their fields' places in the profile.
    pub sent: Vec<(usize, String)>,
    /// What is wrong with it already.
    pub faults: Vec<Fault>,
    /// The place in the index, and the employee, where it is stored.
    pub stored: Option<(u32, Employee)>,
}

/// A checked employee.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The employee's place in the push, counted from 0.
    pub index: u64,
    /// The hash of its bytes.
    pub bytes: u128,
    /// The id, where the push has a usable one; see [`Chunk::id`].
    id: Option<Lent>,
    /// The hash of the id; 0 without a usable one.
    pub id_hash: u128,
    /// What the check found.
    pub finding: Finding,
}

/// What the check of an employee found.
#[derive(Debug, Clone)]
pub enum Finding {
    /// The bytes are not JSON; the place is counted from the beginning of the body.
    NotJson(NotJson),
    /// The employee breaks rules.
    Invalid(Vec<Fault>),
    /// Stored at this place of the index, and the same.
    Unchanged(u32),
    /// Not stored, or stored and different.
    Different {
        /// The place in the index, where it is stored.
        place: Option<u32>,
        /// The pushed status.
        status: Status,
        /// The pushed data and its hash, see [`Chunk::data`]; `None` keeps what is stored.
        data: Option<(Lent, u128)>,
    },
}

impl Chunk {
    /// The id of one of its employees, where the push has a usable one and it is needed: not for an unchanged employee.
    pub fn id(&self, checked: &Checked) -> Option<&str> {
        let id = checked.id.clone()?;
        Some(std::str::from_utf8(&self.bytes[id]).expect("an id is text"))
    }

    /// The data of one of its employees.
    pub fn data(&self, data: &Lent) -> Data<&[u8]> {
        Data::from_bytes(&self.bytes[data.clone()])
    }

    fn keep(&mut self, bytes: &[u8]) -> Lent {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}

/// Memory that one thread uses again for each employee.
#[derive(Default)]
struct Desk {
    scratch: Scratch,
    data: Data,
    /// For each field of the profile 1 + its row in the push, or 0 without one.
    rows: Vec<usize>,
}

impl Rulebook<'_> {
    /// Checks the employees of a batch, which are of this format, side by side. Returns them in the order of the push.
    pub fn check_all(&self, format: &Format, batch: &Batch, index: &Index) -> Vec<Chunk> {
        let chunks = batch.unknown.par_chunks(CHUNK_EMPLOYEES);
        let check = |desk: &mut Desk, employees: &[Unknown]| {
            let mut chunk = Chunk::default();
            chunk.checked.reserve_exact(employees.len());
            for unknown in employees {
                let element = &batch.bytes[unknown.element.clone()];
                let checked = self.check(format, unknown, element, index, desk, &mut chunk);
                chunk.checked.push(checked);
            }
            chunk
        };
        chunks.map_init(Desk::default, check).collect()
    }

    fn check(
        &self,
        format: &Format,
        unknown: &Unknown,
        element: &[u8],
        index: &Index,
        desk: &mut Desk,
        chunk: &mut Chunk,
    ) -> Checked {
        let Desk { scratch, data, rows } = desk;
        let &Unknown { index: number, bytes, position, .. } = unknown;
        let (pushed, mut faults) = match (format.employee)(element, self.limits, scratch) {
            Ok(parsed) => parsed,
            Err(NotJson { at, message }) => {
                let finding = Finding::NotJson(NotJson { at: position + at, message });
                return Checked { index: number, bytes, id: None, id_hash: 0, finding };
            }
        };
        pushed.ignored.iter().for_each(|name| chunk.ignored.add(name));
        let id_hash = pushed.id.as_ref().map_or(0, |id| hash(self.seed, id.as_bytes()));
        let place = pushed.id.as_ref().and_then(|_| index.find(id_hash));
        let is_leaver = pushed.status == Some(Status::Hidden) && pushed.data.is_empty() && faults.is_empty();
        if !is_leaver {
            for fault in &mut faults {
                fault.known = fault.known || self.profile.position(&fault.field).is_some();
            }
            self.validate(&pushed, rows, data, &mut faults);
        }
        let finding = match pushed.status {
            Some(status) if faults.is_empty() => {
                self.compare(place, status, (!is_leaver).then_some(&*data), index, chunk)
            }
            _ => Finding::Invalid(faults),
        };
        let id = match finding {
            Finding::Unchanged(_) => None,
            _ => pushed.id.map(|id| chunk.keep(id.as_bytes())),
        };
        Checked { index: number, bytes, id, id_hash, finding }
    }

    /// Brings the data rows to canonical form.
    fn validate(&self, pushed: &Pushed, rows: &mut Vec<usize>, data: &mut Data, faults: &mut Vec<Fault>) {
        data.clear();
        let fields = &self.profile.fields;
        rows.clear();
        rows.resize(fields.len(), 0);
        let mut guess = 0;
        for (row, (name, _)) in pushed.data.iter().enumerate() {
            // Rows mostly come in the order of the profile.
            let position = match fields.get(guess) {
                Some(field) if field.name == **name => Some(guess),
                _ => self.profile.position(name),
            };
            match position {
                None => faults.push(self.unknown_field(name)),
                Some(position) if rows[position] != 0 => {
                    faults.push(Fault::new(
                        name,
                        "twice",
                        "the field appears twice in this employee's data; send it once",
                    ));
                }
                Some(position) => {
                    guess = position + 1;
                    rows[position] = row + 1;
                }
            }
        }
        let mut canonical = Vec::with_capacity(fields.len());
        for (position, field) in fields.iter().enumerate() {
            let sent = rows[position].checked_sub(1);
            if sent.is_none() && !field.required {
                continue;
            }
            match field.canonical(sent.map_or("", |row| &pushed.data[row].1)) {
                Ok(Some(value)) => canonical.push((self.field_numbers[position], value)),
                Ok(None) if field.required && pushed.whole => {
                    faults.push(Fault::new(&field.name, "required", "a value is required; none was sent"));
                }
                Ok(None) => {}
                Err(broken) => faults.push(Fault::new(&field.name, broken.rule, broken.message)),
            }
        }
        canonical.sort_unstable_by_key(|(number, _)| *number);
        for (number, value) in &canonical {
            data.push(*number, value);
        }
    }

    /// Checks patches side by side, which were found in the index or not. Returns them in the order of the push.
    pub fn check_patches(&self, patches: &[Found], index: &Index) -> Vec<Chunk> {
        let check = |patches: &[Found]| {
            let mut chunk = Chunk::default();
            for found in patches {
                let checked = self.check_patch(found, index, &mut chunk);
                chunk.checked.push(checked);
            }
            chunk
        };
        patches.par_chunks(CHUNK_EMPLOYEES).map(check).collect()
    }

    fn check_patch(&self, found: &Found, index: &Index, chunk: &mut Chunk) -> Checked {
        let mut faults = found.faults.clone();
        let id_hash = hash(self.seed, found.id.as_bytes());
        let before = found.stored.as_ref().map(|(_, employee)| employee);
        let status = found.status.or(before.map(|before| before.status)).unwrap_or(Status::Active);
        let data = self.merge(found, before, status, &mut faults);
        let kept = before.is_some_and(|before| before.data == data);
        let finding = match found.stored {
            _ if !faults.is_empty() => Finding::Invalid(faults),
            Some((place, _)) if kept && index.get(place).id == id_hash && index.get(place).status == status => {
                Finding::Unchanged(place)
            }
            _ => {
                let data_hash = data_hash(self.seed, self.profile_number, &data);
                let data = (!kept).then(|| (chunk.keep(data.as_bytes()), data_hash));
                Finding::Different { place: found.stored.as_ref().map(|(place, _)| *place), status, data }
            }
        };
        let id = (!found.id.is_empty()).then(|| chunk.keep(found.id.as_bytes()));
        Checked { index: found.index, bytes: 0, id, id_hash, finding }
    }

    /// The stored data with what was sent in canonical form.
    fn merge(&self, found: &Found, before: Option<&Employee>, status: Status, faults: &mut Vec<Fault>) -> Data {
        let mut values: BTreeMap<u32, Cow<str>> = BTreeMap::new();
        if let Some(before) = before {
            values.extend(before.data.iter().map(|(number, value)| (number, Cow::Borrowed(value))));
        }
        for (position, value) in &found.sent {
            let (field, number) = (&self.profile.fields[*position], self.field_numbers[*position]);
            match field.canonical(value) {
                Ok(Some(value)) => drop(values.insert(number, value)),
                Ok(None) => drop(values.remove(&number)),
                Err(broken) => faults.push(Fault::new(&field.name, broken.rule, broken.message)),
            }
        }
        // Who was stored without a value, as a leaver is, needs it to come back.
        let comes = before.is_none_or(|before| before.status == Status::Hidden && status == Status::Active);
        let was_sent = |position| found.sent.iter().any(|(sent, _)| *sent == position);
        for (position, field) in self.profile.fields.iter().enumerate() {
            let empty = field.required && !values.contains_key(&self.field_numbers[position]);
            if empty && (comes || was_sent(position)) && faults.iter().all(|fault| fault.field != field.name) {
                faults.push(Fault::new(&field.name, "required", "a value is required; none was sent"));
            }
        }
        let mut data = Data::default();
        for (number, value) in &values {
            data.push(*number, value);
        }
        data
    }

    fn unknown_field(&self, name: &str) -> Fault {
        let alike = self.profile.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name.trim()));
        let advice = match alike {
            Some(field) => format!("did you mean {:?}?", field.name),
            None => "remove it, or ask the profile's administrator to add it".into(),
        };
        Fault::of_client(name, "unknown", format!("the profile {:?} has no such field; {advice}", self.profile.name))
    }

    fn compare(
        &self,
        place: Option<u32>,
        status: Status,
        data: Option<&Data>,
        index: &Index,
        chunk: &mut Chunk,
    ) -> Finding {
        let data_hash = data.map(|data| data_hash(self.seed, self.profile_number, data));
        if let Some(place) = place {
            let entry = index.get(place);
            if entry.status == status && data_hash.is_none_or(|hash| hash == entry.data) {
                return Finding::Unchanged(place);
            }
        }
        let data = data.map(|data| chunk.keep(data.as_bytes()));
        Finding::Different { place, status, data: data.zip(data_hash) }
    }
}
