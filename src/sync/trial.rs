//! A profile is tried on stored employees: whom it would reject if they came again as they are, and whom it would store in another form.
//!
//! Whether those exist whom references name is not tried: that depends on the list that a push carries.

use crate::profile::{Broken, Field, Profile, Rules, Unique};
use crate::roster::{Employee, Names, Status, hash};
use crate::store::{Error, Reader};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::sync_channel;
use std::thread;

/// How many employees are read at a time, and how many a thread takes at a time.
const BATCH_EMPLOYEES: usize = 8_192;
const CHUNK_EMPLOYEES: usize = 512;

/// How many batches wait to be checked.
const BATCHES_WAITING_MAX: usize = 2;

/// How many ids are listed of those with the same mistake.
pub const IDS_LISTED_MAX: usize = 10;

/// How many different values are counted that a choice lacks. Further ones are counted together.
const VALUES_MAX: usize = 1_000;

/// What is tried: a profile, and the one that is in force under its id.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    /// The profile that is tried.
    pub new: &'a Profile,
    /// The one in force, if there is one.
    pub old: Option<&'a Profile>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// How many employees were tried.
    pub employees: u64,
    /// How many of them would be rejected for what they have themselves, rather than for what others have as well.
    pub rejected: u64,
    /// How many of the others would be stored in another form.
    pub reformed: u64,
    /// Who would be rejected, by field and rule.
    pub breaks: BTreeMap<(String, &'static str), Break>,
    /// Whose value would be stored in another form, by field.
    pub forms: BTreeMap<String, Few>,
    /// The values that a choice lacks, by field.
    pub lacking: BTreeMap<String, Lacking>,
}

/// Some employees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Few {
    /// How many there are.
    pub employees: u64,
    /// How many of them are active.
    pub active: u64,
    /// The ids of the first.
    pub ids: Vec<String>,
}

/// Employees who break a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Break {
    /// Who.
    pub who: Few,
    /// How many of them break the rules in force as well.
    pub already: u64,
    /// What the first one would be told.
    pub message: String,
}

/// Values that a choice lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacking {
    /// How many employees have each of the values that were counted.
    pub values: HashMap<String, u64>,
    /// How many employees have other values that it lacks.
    pub others: u64,
}

/// Tries a profile on the employees of an account who have it, or on all if nobody does. `go_on` is called with the number of employees that were
/// read so far; once it returns false, the trial ends with `None`.
pub fn try_on(reader: &Reader, trial: Trial, mut go_on: impl FnMut(u64) -> bool) -> Result<Option<Tried>, Error> {
    let names = reader.names()?;
    let rules = Tryout::new(trial, &names);
    let snapshot = reader.snapshot()?;
    let (send, receive) = sync_channel::<Vec<(u32, Employee)>>(BATCHES_WAITING_MAX);
    let found = thread::scope(|scope| {
        let checking = scope.spawn(|| {
            let mut found = Found::default();
            for batch in receive {
                found.add(rules.check(&batch));
            }
            found
        });
        let mut read = 0;
        let whole = snapshot.batches(BATCH_EMPLOYEES, move |batch| {
            read += batch.len() as u64;
            send.send(batch).is_ok() && go_on(read)
        });
        let found = checking.join().expect("checking does not panic");
        Ok::<_, Error>(whole?.then_some(found))
    })?;
    let Some(mut found) = found else {
        return Ok(None);
    };
    let doubles = rules.doubles(&mut found);
    let mut tried = found.owned();
    for Double { field, already, employees, active, first } in doubles {
        let mut ids = Vec::new();
        for number in first {
            ids.extend(reader.person_of(number)?.map(|person| person.employee.id));
        }
        let message = "must be unique, and others have the same value".to_owned();
        let who = Few { employees, active, ids };
        tried.breaks.insert((field.name.clone(), "unique"), Break { who, already, message });
    }
    Ok(Some(tried))
}

/// A trial on the employees of one account.
struct Tryout<'a> {
    new: &'a Profile,
    old: Option<&'a Profile>,
    /// The account's number of the profile; `None` if nobody has it.
    profile: Option<u32>,
    /// What each of the account's field numbers is.
    fields: HashMap<u32, Place<'a>>,
    /// The positions of the fields whose values are compared with those of others.
    unique: Vec<usize>,
}

/// What a field of the account is in the two profiles.
struct Place<'a> {
    name: &'a str,
    /// Its position in the new one.
    new: Option<usize>,
    old: Option<&'a Field>,
}

/// What was found in some employees.
#[derive(Default)]
struct Found<'a> {
    employees: u64,
    rejected: u64,
    reformed: u64,
    breaks: BTreeMap<(&'a str, &'static str), Break>,
    forms: BTreeMap<&'a str, Few>,
    lacking: BTreeMap<&'a str, Lacking>,
    /// For each field of [`Tryout::unique`], who has which value.
    holders: Vec<Vec<Holder>>,
}

/// Who has a value, which is known by its hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    hash: u64,
    number: u32,
    is_active: bool,
}

/// A field in which some employees have the same value as others.
struct Double<'a> {
    field: &'a Field,
    already: u64,
    employees: u64,
    active: u64,
    /// The numbers of the first.
    first: Vec<u32>,
}

impl<'a> Tryout<'a> {
    fn new(trial: Trial<'a>, names: &'a Names) -> Tryout<'a> {
        let Trial { new, old } = trial;
        let old_field = |name: &str| old.and_then(|old| Some(&old.fields[old.position(name)?]));
        let place = |name: &'a String| Place { name, new: new.position(name), old: old_field(name) };
        let fields = names.fields.iter().map(|(number, name)| (*number, place(name))).collect();
        // Who has the same value in a field that is defined as it was would have been rejected already.
        let definition =
            |profile: &Profile, name: &str| Some(profile.definition["fields"][profile.position(name)?].clone());
        let is_as_it_was =
            |field: &Field| old.is_some_and(|old| definition(old, &field.name) == definition(new, &field.name));
        let compared = |field: &Field| field.unique != Unique::No && !is_as_it_was(field);
        let unique = (0..new.fields.len()).filter(|position| compared(&new.fields[*position])).collect();
        let profile = names.profiles.iter().find(|(_, id)| **id == new.id).map(|(number, _)| *number);
        Tryout { new, old, profile, fields, unique }
    }

    /// Checks employees, which have their numbers.
    fn check(&self, batch: &[(u32, Employee)]) -> Found<'a> {
        let chunks = batch.par_chunks(CHUNK_EMPLOYEES).map(|chunk| {
            let mut found = Found { holders: vec![Vec::new(); self.unique.len()], ..Found::default() };
            let mut is_there = vec![false; self.new.fields.len()];
            for (number, employee) in chunk {
                is_there.fill(false);
                self.check_one(*number, employee, &mut is_there, &mut found);
            }
            found
        });
        let chunks: Vec<Found> = chunks.collect();
        let mut all = Found::default();
        chunks.into_iter().for_each(|found| all.add(found));
        all
    }

    fn check_one(&self, number: u32, employee: &Employee, is_there: &mut [bool], found: &mut Found<'a>) {
        // Others have it of an account with several profiles; their values count where a field is unique.
        let is_tried = self.profile.is_none_or(|profile| profile == employee.profile);
        let (mut is_rejected, mut is_reformed) = (false, false);
        for (field, value) in employee.data.iter() {
            let Some(place) = self.fields.get(&field) else { continue };
            let Some(position) = place.new else {
                if is_tried {
                    is_rejected = true;
                    let message = || format!("the profile {:?} has no such field", self.new.name);
                    found.broken((place.name, "unknown"), employee, self.old.is_some() && place.old.is_none(), message);
                }
                continue;
            };
            let form = self.new.fields[position].of_stored(value);
            if let Ok(Some(form)) = &form {
                is_there[position] = true;
                self.hold(position, form, number, employee, found);
            }
            match form {
                _ if !is_tried => {}
                Ok(form) if form.as_deref() == Some(value) => {}
                Ok(_) => {
                    is_reformed = true;
                    found.forms.entry(place.name).or_default().add(employee);
                }
                Err(Broken { rule, message }) => {
                    // The value is wrong, but there is one.
                    (is_there[position], is_rejected) = (true, true);
                    let already = place.old.is_some_and(|old| old.of_stored(value).is_err());
                    found.broken((place.name, rule), employee, already, || message);
                    if let Rules::Choice(_) = self.new.fields[position].rules {
                        found.lacking.entry(place.name).or_default().count(value, 1);
                    }
                }
            }
        }
        if !is_tried {
            return;
        }
        for (field, _) in self.new.fields.iter().zip(is_there).filter(|(field, is_there)| field.required && !**is_there)
        {
            is_rejected = true;
            let old = self.old.and_then(|old| Some(&old.fields[old.position(&field.name)?]));
            let message = || "a value is required; none is stored".to_owned();
            found.broken((&field.name, "required"), employee, old.is_some_and(|old| old.required), message);
        }
        found.employees += 1;
        found.rejected += u64::from(is_rejected);
        found.reformed += u64::from(is_reformed && !is_rejected);
    }

    /// Notes who has a value of a unique field.
    fn hold(&self, position: usize, value: &str, number: u32, employee: &Employee, found: &mut Found) {
        let is_active = employee.status == Status::Active;
        if let Some(place) = self.unique.iter().position(|unique| *unique == position)
            && (is_active || self.new.fields[position].unique == Unique::Roster)
        {
            let hash = u64::try_from(hash(0, value.as_bytes()) >> 64).expect("64 bits are left");
            found.holders[place].push(Holder { hash, number, is_active });
        }
    }

    /// Finds who has the same value as others, and counts them among the rejected.
    fn doubles(&self, found: &mut Found) -> Vec<Double<'a>> {
        let mut doubles = Vec::new();
        for (position, mut holders) in self.unique.iter().zip(std::mem::take(&mut found.holders)) {
            holders.par_sort_unstable();
            let of_same = holders.chunk_by(|a, b| a.hash == b.hash).filter(|same| same.len() > 1);
            let mut same: Vec<Holder> = of_same.flatten().copied().collect();
            same.par_sort_unstable_by_key(|holder| holder.number);
            if same.is_empty() {
                continue;
            }
            let field = &self.new.fields[*position];
            let was = self.old.and_then(|old| Some(&old.fields[old.position(&field.name)?]));
            let employees = same.len() as u64;
            doubles.push(Double {
                field,
                already: if was.is_some_and(|was| was.unique == field.unique) { employees } else { 0 },
                employees,
                active: same.iter().filter(|holder| holder.is_active).count() as u64,
                first: same.iter().take(IDS_LISTED_MAX).map(|holder| holder.number).collect(),
            });
        }
        doubles
    }
}

impl<'a> Found<'a> {
    fn broken(
        &mut self,
        which: (&'a str, &'static str),
        employee: &Employee,
        already: bool,
        message: impl FnOnce() -> String,
    ) {
        let broken = self.breaks.entry(which).or_insert_with(|| Break { message: message(), ..Break::default() });
        broken.who.add(employee);
        broken.already += u64::from(already);
    }

    /// Adds what was found in the employees after these.
    fn add(&mut self, later: Found<'a>) {
        self.employees += later.employees;
        self.rejected += later.rejected;
        self.reformed += later.reformed;
        for (which, Break { who, already, message }) in later.breaks {
            let broken = self.breaks.entry(which).or_insert_with(|| Break { message, ..Break::default() });
            broken.who.join(who);
            broken.already += already;
        }
        for (name, few) in later.forms {
            self.forms.entry(name).or_default().join(few);
        }
        for (name, Lacking { values, others }) in later.lacking {
            let lacking = self.lacking.entry(name).or_default();
            values.into_iter().for_each(|(value, count)| lacking.count(&value, count));
            lacking.others += others;
        }
        self.holders.resize_with(later.holders.len().max(self.holders.len()), Vec::new);
        for (holders, later) in self.holders.iter_mut().zip(later.holders) {
            holders.extend(later);
        }
    }

    fn owned(self) -> Tried {
        let Found { employees, rejected, reformed, breaks, forms, lacking, .. } = self;
        Tried {
            employees,
            rejected,
            reformed,
            breaks: breaks.into_iter().map(|((name, rule), broken)| ((name.to_owned(), rule), broken)).collect(),
            forms: forms.into_iter().map(|(name, few)| (name.to_owned(), few)).collect(),
            lacking: lacking.into_iter().map(|(name, lacking)| (name.to_owned(), lacking)).collect(),
        }
    }
}

impl Few {
    fn add(&mut self, employee: &Employee) {
        self.employees += 1;
        self.active += u64::from(employee.status == Status::Active);
        if self.ids.len() < IDS_LISTED_MAX {
            self.ids.push(employee.id.clone());
        }
    }

    fn join(&mut self, later: Few) {
        self.employees += later.employees;
        self.active += later.active;
        let room = IDS_LISTED_MAX - self.ids.len();
        self.ids.extend(later.ids.into_iter().take(room));
    }
}

impl Lacking {
    fn count(&mut self, value: &str, count: u64) {
        if let Some(counted) = self.values.get_mut(value) {
            *counted += count;
        } else if self.values.len() < VALUES_MAX {
            self.values.insert(value.to_owned(), count);
        } else {
            self.others += count;
        }
    }

    /// Returns the values with how many employees have each, the most frequent first.
    pub fn by_frequency(&self) -> Vec<(&str, u64)> {
        let mut values: Vec<(&str, u64)> = self.values.iter().map(|(value, count)| (value.as_str(), *count)).collect();
        values.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then(a.cmp(b)));
        values
    }
}
