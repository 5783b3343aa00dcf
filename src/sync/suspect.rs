//! Suspects: what in a push looks odd. What they need is noted change by change ([`Watch`]); once the whole push is known, the store is asked
//! for what is left, and the rest is computed. It takes time for those who change, up to a bound, and none for the others.

use super::guard::Figures;
use super::outcome::Outcome;
use super::unique::HandedOn;
use crate::roster::{
    Change, EmptyShare, FLAPPING_DAYS, FLAPPING_MIN, Flapping, Kinds, Listed, MovedValue, SamePerson, Share, Status,
    Suspects, Tally, Version, hash,
};
use crate::store::{self, Draft, Held, OF_HIDDEN, UniqueValue};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many missing and how many new employees of a push are compared, and how many pairs of them there may be.
const COMPARED_MAX: usize = 10_000;

/// How many employees, or values, of a push the store is asked for to find suspects of one kind.
const LOOKED_AT_MAX: usize = 500;

/// What of a push may be suspect, noted change by change.
pub struct Watch {
    seed: u64,
    /// The numbers of the fields that tell people apart.
    telling: Vec<u32>,
    /// Whether nobody was stored before: then nobody is missing.
    is_first: bool,
    new: Vec<Told>,
    hidden: Vec<Told>,
    /// Whose status changed.
    turned: Vec<u32>,
    not_looked_at: u64,
}

/// An employee by the hash of the values that tell people apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    hash: u128,
    number: u32,
}

impl Watch {
    /// Nothing yet. `telling` are the account's numbers of the fields that tell people apart, if the profile names any. `is_first` says that
    /// nobody is stored.
    pub fn new(seed: u64, telling: Vec<u32>, is_first: bool) -> Watch {
        let (new, hidden, turned) = (Vec::new(), Vec::new(), Vec::new());
        Watch { seed, telling, is_first, new, hidden, turned, not_looked_at: 0 }
    }

    /// Notes a change, which does this to the employee.
    pub fn note(&mut self, change: &Change, kinds: &Kinds) {
        if self.is_first {
            return;
        }
        if kinds.hidden || kinds.activated {
            if self.turned.len() < LOOKED_AT_MAX {
                self.turned.push(change.number);
            } else {
                self.not_looked_at += 1;
            }
        }
        let is_new = kinds.created && change.after.is_some_and(|after| after.status == Status::Active);
        let (version, told) = match (is_new, kinds.hidden) {
            (true, _) => (change.after, &mut self.new),
            (_, true) => (change.before, &mut self.hidden),
            _ => return,
        };
        let hash = version.and_then(|version| told_by(self.seed, &self.telling, version));
        match hash {
            Some(_) if told.len() == COMPARED_MAX => self.not_looked_at += 1,
            Some(hash) => told.push(Told { hash, number: change.number }),
            None => {}
        }
    }
}

/// Returns the hash of the values that tell an employee apart; `None` if one is empty, or no fields do.
pub fn told_by(seed: u64, telling: &[u32], employee: Version) -> Option<u128> {
    let mut values = Vec::new();
    for field in telling {
        values.extend_from_slice(employee.data.get(*field)?);
        // No value has this byte.
        values.push(0xff);
    }
    (!telling.is_empty()).then(|| hash(seed, &values))
}

/// Pairs of a missing and a new employee, each with the fields in which both have the same value.
type Pairs = BTreeMap<(u32, u32), BTreeSet<u32>>;

/// Suspects by the numbers of employees and fields.
#[derive(Default)]
struct Found {
    pairs: Pairs,
    flapping: Vec<(u32, u32)>,
    empty_share: Vec<(u32, Share, Share)>,
    moved: Listed<HandedOn>,
}

/// Returns what in a push looks odd, whose changes were appended to the draft and are right. `names` are those of the account's fields.
pub fn look(outcome: &Outcome, names: &HashMap<u32, String>, draft: &mut Draft) -> Result<Suspects, store::Error> {
    let watch = &outcome.watch;
    let mut found = Found::default();
    let mut not_looked_at = watch.not_looked_at;
    if !watch.is_first {
        for handed in outcome.uniques.handed_on() {
            if handed.from_is_hidden && handed.to >= outcome.first_created() {
                not_looked_at += add_pair(&mut found.pairs, (handed.from, handed.to), &[handed.field]);
            } else {
                found.moved.add(|| handed);
            }
        }
        not_looked_at += tell(outcome, &mut found.pairs, draft)?;
        not_looked_at += from_leavers(outcome, &mut found, draft)?;
        flapping(watch, &mut found, draft)?;
        found.empty_share = empty_share(&outcome.figures, draft)?;
    }
    let mut suspects = named(found, names, draft)?;
    suspects.not_looked_at = not_looked_at;
    Ok(suspects)
}

/// Adds a pair, or fields to one that is there. Returns how many were too many.
fn add_pair(pairs: &mut Pairs, pair: (u32, u32), fields: &[u32]) -> u64 {
    if pairs.len() == COMPARED_MAX && !pairs.contains_key(&pair) {
        return 1;
    }
    pairs.entry(pair).or_default().extend(fields);
    0
}

/// Adds the pairs who have the same values in the fields that tell people apart. Missing is who was hidden, and who was missing from this list
/// for the first time. Returns how many were not looked at.
fn tell(outcome: &Outcome, pairs: &mut Pairs, draft: &mut Draft) -> Result<u64, store::Error> {
    let Watch { seed, telling, new, hidden, .. } = &outcome.watch;
    if new.is_empty() {
        return Ok(0);
    }
    let in_grace = outcome.absences.noted.iter().filter(|missing| missing.pushes == 1 && !missing.is_hidden);
    let mut in_grace: Vec<u32> = in_grace.map(|missing| missing.number).collect();
    let too_many = in_grace.len().saturating_sub(LOOKED_AT_MAX);
    in_grace.truncate(LOOKED_AT_MAX);
    let mut missing = hidden.clone();
    for (number, employee) in in_grace.iter().zip(draft.read(&in_grace)?) {
        let hash = employee.and_then(|employee| told_by(*seed, telling, employee.version()));
        missing.extend(hash.map(|hash| Told { hash, number: *number }));
    }
    missing.sort_unstable();
    let mut too_many = too_many as u64;
    for Told { hash, number } in new {
        let at = missing.partition_point(|told| told.hash < *hash);
        if let Some(same) = missing.get(at).filter(|told| told.hash == *hash) {
            too_many += add_pair(pairs, (same.number, *number), telling);
        }
    }
    Ok(too_many)
}

/// Adds values that employees get who do not get them from anybody in this push, but that somebody has who was hidden before. Returns how many
/// were not looked at.
fn from_leavers(outcome: &Outcome, found: &mut Found, draft: &mut Draft) -> Result<u64, store::Error> {
    let mut got = outcome.uniques.got_from_nobody();
    let looked_at: Vec<Held> = got.by_ref().take(LOOKED_AT_MAX).collect();
    let values = looked_at.iter().map(|held| UniqueValue { field: held.field | OF_HIDDEN, ..held.value() });
    let values: Vec<UniqueValue> = values.collect();
    for (held, holders) in looked_at.iter().zip(draft.holders(&values)?) {
        if let Some(from) = holders.into_iter().find(|holder| *holder != held.number) {
            found.moved.add(|| HandedOn { field: held.field, from, to: held.number, from_is_hidden: true });
        }
    }
    Ok(got.count() as u64)
}

fn flapping(watch: &Watch, found: &mut Found, draft: &mut Draft) -> Result<(), store::Error> {
    if watch.turned.is_empty() {
        return Ok(());
    }
    let since = Timestamp::now() - SignedDuration::from_hours(24 * FLAPPING_DAYS);
    for (number, before) in watch.turned.iter().zip(draft.status_changes(&watch.turned, since)?) {
        let times = before + 1;
        if times >= FLAPPING_MIN {
            found.flapping.push((*number, times));
        }
    }
    Ok(())
}

/// Returns the fields whose share of employees without a value moves.
fn empty_share(figures: &Figures, draft: &mut Draft) -> Result<Vec<(u32, Share, Share)>, store::Error> {
    let Tally { stored: more, fields: filled_more, .. } = figures.tally();
    if more == 0 && filled_more.is_empty() {
        return Ok(Vec::new());
    }
    let Tally { stored, fields: filled, .. } = draft.tally(&[])?;
    let fields: BTreeSet<u32> = filled.keys().chain(filled_more.keys()).copied().collect();
    let of = |field: u32| {
        let before = filled.get(&field).copied().unwrap_or(0);
        let after = before + filled_more.get(&field).copied().unwrap_or(0);
        (field, Share::of_filled(before, stored), Share::of_filled(after, stored + more))
    };
    Ok(fields.into_iter().map(of).filter(|(_, before, after)| before.has_moved(*after)).collect())
}

/// Replaces the numbers of those that are listed by ids and names.
fn named(found: Found, names: &HashMap<u32, String>, draft: &mut Draft) -> Result<Suspects, store::Error> {
    let Found { pairs, flapping, empty_share, moved } = found;
    let (mut same_person, mut flaps, mut shares) = (Listed::default(), Listed::default(), Listed::default());
    pairs.into_iter().for_each(|pair| same_person.add(|| pair));
    flapping.into_iter().for_each(|one| flaps.add(|| one));
    empty_share.into_iter().for_each(|one| shares.add(|| one));
    let in_pairs = same_person.first.iter().flat_map(|((missing, new), _)| [*missing, *new]);
    let others = flaps.first.iter().map(|(number, _)| *number);
    let in_moved = moved.first.iter().flat_map(|handed| [handed.from, handed.to]);
    let numbers: BTreeSet<u32> = in_pairs.chain(others).chain(in_moved).collect();
    let numbers: Vec<u32> = numbers.into_iter().collect();
    let employees = numbers.iter().zip(draft.read(&numbers)?);
    let ids: HashMap<u32, String> = employees.filter_map(|(number, employee)| Some((*number, employee?.id))).collect();
    let id = |number: u32| ids.get(&number).cloned().unwrap_or_default();
    let name = |field: u32| names.get(&field).cloned().unwrap_or_default();
    Ok(Suspects {
        same_person: same_person.map(|((missing, new), by)| SamePerson {
            missing: id(missing),
            new: id(new),
            by: by.into_iter().map(name).collect(),
        }),
        flapping: flaps.map(|(number, times)| Flapping { id: id(number), times }),
        empty_share: shares.map(|(field, before, after)| EmptyShare { field: name(field), before, after }),
        moved_value: moved.map(|HandedOn { field, from, to, .. }| MovedValue {
            field: name(field),
            from: id(from),
            to: id(to),
        }),
        not_looked_at: 0,
    })
}
