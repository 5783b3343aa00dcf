//! Check: one employee's bytes against the profile, and what came of it against the index.

use super::Format;
use super::recognise::{Batch, Unknown};
use crate::json::{NotJson, Scratch};
use crate::limits::Limits;
use crate::profile::Profile;
use crate::rejection::Fault;
use crate::roster::{Data, Index, Pushed, Status, data_hash, hash};
use rayon::prelude::*;

/// How many employees a thread takes at a time.
const CHUNK_EMPLOYEES: usize = 128;

/// What every employee of a push is checked by.
pub struct Rulebook<'a> {
    /// The wire format of the employee's bytes.
    pub format: &'a Format,
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

/// A checked employee.
#[derive(Debug)]
pub struct Checked {
    /// The employee's place in the push, counted from 0.
    pub index: u64,
    /// The hash of its bytes.
    pub bytes: u128,
    /// The id, where the push has a usable one and it is needed: not for an unchanged employee.
    pub id: Option<String>,
    /// The hash of the id; 0 without a usable one.
    pub id_hash: u128,
    /// What the check found.
    pub finding: Finding,
}

/// What the check of an employee found.
#[derive(Debug)]
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
        /// The pushed data and its hash; none says that what is stored is kept.
        data: Option<(Data, u128)>,
    },
}

/// Memory that one thread uses again for each employee.
#[derive(Default)]
struct Desk {
    scratch: Scratch,
    data: Data,
}

impl Rulebook<'_> {
    /// Checks the employees of a batch side by side. Gives them in the order of the push.
    pub fn check_all(&self, batch: &Batch, index: &Index) -> Vec<Vec<Checked>> {
        let chunks = batch.unknown.par_chunks(CHUNK_EMPLOYEES);
        let check = |desk: &mut Desk, chunk: &[Unknown]| {
            chunk
                .iter()
                .map(|unknown| self.check(unknown, &batch.bytes[unknown.element.clone()], index, desk))
                .collect()
        };
        chunks.map_init(Desk::default, check).collect()
    }

    fn check(&self, unknown: &Unknown, element: &[u8], index: &Index, desk: &mut Desk) -> Checked {
        let Desk { scratch, data } = desk;
        let &Unknown { index: number, bytes, position, .. } = unknown;
        let (pushed, mut faults) = match (self.format.employee)(element, self.limits, scratch) {
            Ok(parsed) => parsed,
            Err(NotJson { at, message }) => {
                let finding = Finding::NotJson(NotJson { at: position + at, message });
                return Checked { index: number, bytes, id: None, id_hash: 0, finding };
            }
        };
        let id_hash = pushed.id.as_ref().map_or(0, |id| hash(self.seed, id.as_bytes()));
        let place = pushed.id.as_ref().and_then(|_| index.find(id_hash));
        let is_leaver = pushed.status == Some(Status::Hidden) && pushed.data.is_empty() && faults.is_empty();
        if !is_leaver {
            self.validate(&pushed, data, &mut faults);
        }
        let finding = match pushed.status {
            Some(status) if faults.is_empty() => self.compare(place, status, (!is_leaver).then_some(&*data), index),
            _ => Finding::Invalid(faults),
        };
        let id = match finding {
            Finding::Unchanged(_) => None,
            _ => pushed.id.map(|id| id.into_owned()),
        };
        Checked { index: number, bytes, id, id_hash, finding }
    }

    /// Brings the data rows to canonical form.
    fn validate(&self, pushed: &Pushed, data: &mut Data, faults: &mut Vec<Fault>) {
        data.clear();
        let fields = &self.profile.fields;
        let mut values = vec![None; fields.len()];
        let mut guess = 0;
        for (name, value) in &pushed.data {
            // Rows mostly come in the order of the profile.
            let position = match fields.get(guess) {
                Some(field) if field.name == **name => Some(guess),
                _ => self.profile.position(name),
            };
            match position {
                None => faults.push(self.unknown_field(name)),
                Some(position) if values[position].is_some() => {
                    faults.push(Fault::new(
                        name,
                        "twice",
                        "the field stands twice in this employee's data; send it once",
                    ));
                }
                Some(position) => {
                    guess = position + 1;
                    values[position] = Some(value.as_ref());
                }
            }
        }
        let mut canonical = Vec::with_capacity(fields.len());
        for (position, field) in fields.iter().enumerate() {
            match field.canonical(values[position].unwrap_or_default()) {
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

    fn unknown_field(&self, name: &str) -> Fault {
        let alike = self.profile.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name.trim()));
        let mend = match alike {
            Some(field) => format!("did you mean {:?}?", field.name),
            None => "remove it, or ask the profile's administrator to add it".into(),
        };
        Fault::new(name, "unknown", format!("the profile {:?} has no such field; {mend}", self.profile.name))
    }

    fn compare(&self, place: Option<u32>, status: Status, data: Option<&Data>, index: &Index) -> Finding {
        let data_hash = data.map(|data| data_hash(self.seed, self.profile_number, data));
        if let Some(place) = place {
            let entry = index.get(place);
            if entry.status == status && data_hash.is_none_or(|hash| hash == entry.data) {
                return Finding::Unchanged(place);
            }
        }
        Finding::Different { place, status, data: data.cloned().zip(data_hash) }
    }
}
