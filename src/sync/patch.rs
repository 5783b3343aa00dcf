//! Patch: a push of some employees, of which only what it carries changes.

use super::check::{Found, Rulebook};
use super::trace::{Times, Trace, timed};
use super::unique::OF_HIDDEN;
use super::write::Writer;
use super::{Failure, Receipt};
use crate::dialect::Dialect;
use crate::limits::Limits;
use crate::profile::{Profile, Rules};
use crate::rejection::Fault;
use crate::roster::{Employee, Entry, Ignored, Index, Patch, Status, data_hash, hash, valid_id};
use crate::store::{Numbers, Roster, Sender, Sync, Transaction};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How many patches are checked at a time.
const BATCH_PATCHES: usize = 1_024;

/// How many names of members are looked up in the profile once and then remembered: more than a dialect has.
const POSITIONS_MAX: usize = 1_024;

/// A push of patches.
pub struct PatchPush<'a> {
    /// In whose words the patches are.
    pub dialect: Dialect,
    /// By what they are checked.
    pub profile: &'a Profile,
    /// The server's limits.
    pub limits: &'a Limits,
    /// What becomes of employees that the push does not carry.
    pub absent: Absent,
    /// What the dialect calls the field that finds an employee whose id is not stored, if any.
    pub find_by: Option<&'a str>,
}

/// What becomes of employees that a push does not carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// They stay as they are.
    Stay,
    /// They are hidden.
    Hide,
}

/// Where patches come from.
pub enum Source<'a> {
    /// The push itself.
    Given(&'a mut dyn Iterator<Item = Result<Patch, Failure>>),
    /// The account's queue, of which each record is read so; it is empty afterwards.
    Queue(fn(&[u8]) -> Patch),
}

/// Carries out a push of patches: all of it, or nothing. What is noted about it goes into `trace`, also if it fails.
pub fn patch(push: &PatchPush, roster: &mut Roster, source: Source, trace: &mut Trace) -> Result<Receipt, Failure> {
    let started = Instant::now();
    let before = trace.times.receive;
    let result = carry_out(push, roster, source, trace, started);
    trace.times.rest_is_check(before + started.elapsed());
    result
}

fn carry_out(
    push: &PatchPush,
    roster: &mut Roster,
    source: Source,
    trace: &mut Trace,
    started: Instant,
) -> Result<Receipt, Failure> {
    let transaction = roster.begin()?;
    let Applied { mut sync, entries, ignored, first } = apply(push, &transaction, source, &mut trace.times)?;
    sync.duration = started.elapsed();
    sync.sender = trace.sender;
    let commit = || transaction.commit_some(&sync, &entries, push.limits.index_bytes_max);
    let revision = timed(&mut trace.times.commit, commit)?;
    let Sync { counts, employees, duration, .. } = sync;
    Ok(Receipt { counts, employees, revision, duration, ignored, first })
}

/// What was written, and is to be committed.
struct Applied {
    sync: Sync,
    /// The entries in the index of the employees that were changed or created.
    entries: Vec<Entry>,
    ignored: Ignored,
    first: Option<u32>,
}

/// Finds, checks and writes the employees of a push, and checks the roster that comes of it.
fn apply(push: &PatchPush, transaction: &Transaction, source: Source, times: &mut Times) -> Result<Applied, Failure> {
    let numbers = transaction.enter_profile(push.profile)?;
    let mut patcher = Patcher::new(push, transaction, &numbers, &mut times.write)?;
    match source {
        Source::Given(patches) => {
            let mut batch = Vec::new();
            for patch in patches {
                batch.push(patch?);
                if batch.len() == BATCH_PATCHES {
                    patcher.apply(std::mem::take(&mut batch))?;
                }
            }
            patcher.apply(batch)?;
        }
        Source::Queue(read) => {
            let mut position = 0;
            loop {
                let records = transaction.queued(position, BATCH_PATCHES)?;
                let Some((last, _)) = records.last() else {
                    break;
                };
                position = *last;
                patcher.apply(records.iter().map(|(_, record)| read(record)).collect())?;
            }
            transaction.empty_queue()?;
        }
    }
    if push.absent == Absent::Hide {
        patcher.hide_absent(transaction)?;
    }
    let Patcher { writer, index, ignored, first, .. } = patcher;
    let (counts, employees, changes) = writer.finish(&index)?;
    let (duration, sender) = (Duration::ZERO, Sender::default());
    let sync = Sync { profile: numbers.profile, employees, counts, duration, sender };
    Ok(Applied { sync, entries: changes.entries(&index), ignored, first })
}

struct Patcher<'t> {
    push: &'t PatchPush<'t>,
    rulebook: Rulebook<'t>,
    writer: Writer<'t>,
    /// Of the employees that the push carries.
    index: Index,
    /// The places in the profile of what the dialect's members are called.
    positions: HashMap<String, Option<usize>>,
    ignored: Ignored,
    patches: u64,
    /// The number of the first employee.
    first: Option<u32>,
    /// How long writing took.
    write_time: &'t mut Duration,
}

impl<'t> Patcher<'t> {
    fn new(
        push: &'t PatchPush,
        transaction: &'t Transaction,
        numbers: &'t Numbers,
        write_time: &'t mut Duration,
    ) -> Result<Patcher<'t>, Failure> {
        let index = Index::default();
        let PatchPush { profile, limits, .. } = push;
        let rulebook = Rulebook {
            profile,
            profile_number: numbers.profile,
            field_numbers: &numbers.fields,
            limits,
            seed: transaction.seed(),
        };
        let mut writer = Writer::new(transaction, (&index, false), (profile, numbers), limits)?;
        if numbers.uniques_changed {
            writer.enter_uniques()?;
        }
        let (positions, ignored) = (HashMap::new(), Ignored::default());
        Ok(Patcher { push, rulebook, writer, index, positions, ignored, patches: 0, first: None, write_time })
    }

    fn apply(&mut self, batch: Vec<Patch>) -> Result<(), Failure> {
        let found: Vec<Found> = batch.into_iter().map(|patch| self.find(patch)).collect::<Result<_, _>>()?;
        if self.patches > self.push.limits.employees_max {
            return Err(Failure::OverLimit { limit: "employees_max", max: self.push.limits.employees_max });
        }
        self.writer.grow(&self.index);
        let checked = self.rulebook.check_patches(&found, &self.index);
        timed(self.write_time, || self.writer.apply(checked, &self.index))?;
        self.writer.settle(&mut self.index);
        Ok(())
    }

    /// Finds the employee of a patch: by its id, else by the field that the dialect has for that.
    fn find(&mut self, patch: Patch) -> Result<Found, Failure> {
        let Patch { id, status, data, several, must_exist, mut faults } = patch;
        let profile = self.push.profile;
        let mut sent: Vec<(usize, String)> = Vec::with_capacity(data.len());
        for (name, value) in data {
            let Some(position) = self.position(&name) else {
                self.ignored.add(&name);
                continue;
            };
            let field = &profile.fields[position];
            if sent.iter().any(|(other, _)| *other == position) {
                faults.push(Fault::new(&field.name, "twice", "the field was sent twice; send it once"));
            } else if several.contains(&name) && !holds_several(&field.rules) {
                let message = "was sent several values, and the profile has one; send one, or let the profile's administrator \
                               make it a list (type = \"list\", ordered = true)";
                faults.push(Fault::new(&field.name, "list", message));
            } else {
                sent.push((position, value));
            }
        }
        let key = self.push.find_by.and_then(|name| self.position(name)).and_then(|position| {
            let (_, value) = sent.iter().find(|(other, _)| *other == position)?;
            let value = self.push.profile.fields[position].canonical(value).ok()??;
            Some((self.rulebook.field_numbers[position], value.into_owned()))
        });
        let mut stored = match &id {
            Some(id) => self.stored(id)?,
            None => None,
        };
        if let (None, Some((field, value))) = (&stored, &key) {
            // A leaver with an id of their own is not the colleague who came after, with another id and the same address.
            let same = |(_, employee): &(u32, Employee)| {
                id.is_none() || employee.status == Status::Active || employee.id == *value
            };
            stored = self.holder(*field, value, id.is_none())?.filter(same);
        }
        // Who is known by nothing else is known by that field's value, as long as it has no other.
        if let (None, None, Some((field, value))) = (&stored, &id, &key) {
            stored = self.stored(value)?;
            let other =
                |(_, employee): &(u32, Employee)| employee.data.get(*field).is_some_and(|has| has != value.as_bytes());
            if stored.as_ref().is_some_and(other) {
                let name = self.push.find_by.unwrap_or_default();
                faults.push(Fault::new(
                    name,
                    "unique",
                    "is the id of an employee who has another address by now; send an id, too",
                ));
            }
        }
        let id = match (id, &stored, key) {
            (Some(id), _, _) => id,
            (None, Some((_, employee)), _) => employee.id.clone(),
            (None, None, Some((_, value))) => value,
            (None, None, None) => String::new(),
        };
        // What is an address need not be an id.
        if !id.is_empty() {
            faults.extend(valid_id(&id).err());
        }
        if stored.is_none() && must_exist {
            faults.push(Fault::new("id", "unknown", "nobody in the roster has this id"));
        }
        let stored = stored.map(|(number, employee)| (self.place(number, &employee), employee));
        if self.first.is_none() {
            let number = stored.as_ref().map(|(place, _)| self.index.get(*place).number);
            self.first = Some(number.unwrap_or_else(|| self.writer.first_created()));
        }
        self.patches += 1;
        Ok(Found { index: self.patches - 1, id, status, sent, faults, stored })
    }

    fn position(&mut self, name: &str) -> Option<usize> {
        let PatchPush { profile, dialect, .. } = self.push;
        match self.positions.get(name) {
            Some(position) => *position,
            None => {
                let position = profile.wire_position(*dialect, name);
                if self.positions.len() < POSITIONS_MAX {
                    self.positions.insert(name.to_owned(), position);
                }
                position
            }
        }
    }

    /// The employee with this id, if it was stored before the push.
    fn stored(&mut self, id: &str) -> Result<Option<(u32, Employee)>, Failure> {
        if self.writer.has_created(hash(self.rulebook.seed, id.as_bytes())) {
            return Ok(None);
        }
        Ok(self.writer.rows().find(id)?)
    }

    /// The employee that has a value of a unique field: an active one, else the one that is hidden. Of several who are hidden it is
    /// the one who was changed last, which mostly is who left last, if the push has no other way to say whom it means.
    fn holder(&mut self, field: u32, value: &str, last: bool) -> Result<Option<(u32, Employee)>, Failure> {
        let hash = hash(self.rulebook.seed, value.as_bytes());
        let rows = self.writer.rows();
        for field in [field, field | OF_HIDDEN] {
            let holder = match rows.holders(field, hash)?[..] {
                [number] => Some(number),
                [_, ..] if last => rows.last_holder(field, hash)?,
                _ => None,
            };
            if let Some(number) = holder {
                return Ok(Some((number, rows.read(number)?)));
            }
        }
        Ok(None)
    }

    /// The place in the index of an employee; it gets one where it has none.
    fn place(&mut self, number: u32, employee: &Employee) -> u32 {
        let seed = self.rulebook.seed;
        let id = hash(seed, employee.id.as_bytes());
        self.index.find(id).unwrap_or_else(|| {
            let data = data_hash(seed, employee.profile, &employee.data);
            self.index.insert(Entry { id, data, bytes: 0, number, status: employee.status });
            self.index.len() as u32 - 1
        })
    }

    /// Hides every active employee that the push has not carried.
    fn hide_absent(&mut self, transaction: &Transaction) -> Result<(), Failure> {
        let first_created = self.writer.first_created();
        let carried: HashSet<u32> = (0..self.index.len() as u32)
            .filter(|place| self.writer.has_seen(*place))
            .map(|place| self.index.get(place).number)
            .collect();
        for number in transaction.active_numbers()? {
            if number < first_created && !carried.contains(&number) {
                self.writer.hide_absent(&mut self.index, number)?;
            }
        }
        self.writer.settle(&mut self.index);
        Ok(())
    }
}

fn holds_several(rules: &Rules) -> bool {
    match rules {
        Rules::List { .. } => true,
        Rules::Reference(reference) => reference.many,
        _ => false,
    }
}
