//! The rules of the whole roster, as the push leaves it: unique values, references, guards.
//!
//! Each asks the store for a batch and then calls a step with it, by turns, so that the steps themselves need no store.

use super::Failure;
use super::carried::{Carried, CarriedBefore, Indexed, Slots};
use super::guard::{Before, Stop};
use super::outcome::Outcome;
use super::reference::{Directory, References, Target, WrongReference};
use super::unique::{Added, Conflict, Uniques};
use super::verdict::{Verdict, Wrong};
use crate::roster::{Guards, Index, Status, Tripped, USUAL_LISTS, hash, merged_into};
use crate::store::{self, Draft, OF_HIDDEN, UniqueValue};
use std::collections::{HashMap, HashSet};

/// How many values, or employees, the store is asked for at a time.
pub const BATCH: usize = 4_096;

/// Enters the unique values of everybody who is stored. That is necessary when other fields have become unique.
pub fn enter_uniques(outcome: &mut Outcome, draft: &mut Draft, indexed: Indexed) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let employees = draft.scan(after, BATCH)?;
        let Some((last, _)) = employees.last() else {
            break;
        };
        after = *last;
        employees.iter().for_each(|(number, employee)| outcome.uniques.enter(*number, employee.version()));
    }
    // A patch may find employees by these values, so the store needs them before the first batch.
    if indexed == Indexed::Carried {
        draft.hold(&mut outcome.uniques.take_entered().into_iter())?;
    }
    Ok(())
}

/// Checks unique values and references, and puts the ids of other employees into the rejections.
pub fn check(outcome: &mut Outcome, draft: &mut Draft, index: &Index, indexed: Indexed) -> Result<(), Failure> {
    let slots = Slots::new(index, indexed);
    let first_created = outcome.first_created();
    let Outcome { carried, carried_before, uniques, references, verdict, delta, .. } = outcome;
    let places = Places { carried, before: carried_before.as_ref(), first_created, slots };
    check_uniques(uniques, verdict, draft, &places)?;
    let people = People { index, created: delta.created(), indexed };
    if !references.is_empty() {
        check_references(references, uniques, verdict, &places, &people, draft)?;
    }
    let unnamed = verdict.unnamed();
    let employees = unnamed.chunks(BATCH).map(|numbers| draft.read(numbers)).collect::<Result<Vec<_>, _>>()?;
    let ids = unnamed.iter().zip(employees.into_iter().flatten());
    verdict.name(&ids.filter_map(|(number, employee)| Some((*number, employee?.id))).collect());
    Ok(())
}

/// Returns the guards that the push trips, with the ids of the first employees whom each is about. `names` are those of the account's fields.
pub fn guard(
    outcome: &Outcome,
    guards: &Guards,
    names: &HashMap<u32, String>,
    draft: &mut Draft,
) -> Result<Vec<Tripped>, store::Error> {
    let figures = &outcome.figures;
    if !figures.is_much(guards) {
        return Ok(Vec::new());
    }
    let before = Before {
        tally: draft.tally(&figures.emptied_values())?,
        usually_hidden: draft.usually_hidden(USUAL_LISTS)?,
        swapped: outcome.uniques.swapped(outcome.first_created()),
        carried: outcome.employees,
    };
    let stops = figures.check(guards, &before);
    let tripped = stops.into_iter().map(|Stop { guard, field, count, of, limit, first }| {
        let ids = draft.read(&first)?.into_iter().flatten().map(|employee| employee.id).collect();
        let field = field.map(|field| names.get(&field).cloned().unwrap_or_default());
        Ok(Tripped { guard, field, count, of, limit, ids })
    });
    tripped.collect()
}

/// Where in the push the employees are.
struct Places<'o> {
    carried: &'o Carried,
    /// See [`Outcome::carried_before`].
    before: Option<&'o CarriedBefore>,
    first_created: u32,
    slots: Slots,
}

impl Places<'_> {
    /// Returns the place of the employee with this number; `None` if the push does not carry it.
    fn of(&self, number: u32) -> Option<u64> {
        if let Some(created) = number.checked_sub(self.first_created) {
            return Some(self.carried.place_of_created(created));
        }
        let place = self.slots.of(number).and_then(|slot| self.carried.place_of_stored(slot));
        place.or_else(|| self.before?.place_of(number))
    }
}

fn check_uniques(
    uniques: &mut Uniques,
    verdict: &mut Verdict,
    draft: &mut Draft,
    places: &Places,
) -> Result<(), Failure> {
    uniques.sort();
    draft.release(uniques.removed())?;
    let mut reject = |Conflict { field, number, place, other }: Conflict| {
        // An employee rejected for another reason may get a different value once that is fixed, so it causes no conflict.
        if !verdict.has_rejected(number) && !verdict.has_rejected(other) {
            let place = place.or_else(|| places.of(number));
            verdict.add(place, number, &field, Wrong::SameValue(other), places.of(other));
        }
    };
    let mut contested = uniques.contested();
    loop {
        let groups: Vec<&[Added]> = contested.by_ref().take(BATCH).collect();
        if groups.is_empty() {
            break;
        }
        let values: Vec<UniqueValue> = groups.iter().map(|group| group[0].value()).collect();
        for (group, holders) in groups.into_iter().zip(draft.holders(&values)?) {
            uniques.conflicts(group, holders.first().copied()).for_each(&mut reject);
        }
    }
    draft.hold(&mut uniques.added())?;
    for values in uniques.suspected().chunks(BATCH) {
        for (value, holders) in values.iter().zip(draft.holders(values)?) {
            uniques.conflict_of_suspected(*value, &holders).into_iter().for_each(&mut reject);
        }
    }
    Ok(())
}

fn check_references(
    references: &mut References,
    uniques: &Uniques,
    verdict: &mut Verdict,
    places: &Places,
    people: &People,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let mut reject = |WrongReference { number, place, field, what }: WrongReference| {
        verdict.add(place.or_else(|| places.of(number)), number, &field, Wrong::Reference(what), None);
    };
    while let Some(batch) = references.next_links(BATCH) {
        let directory = people.resolve(batch.targets(), draft)?;
        references.check_links(batch, &directory, &mut reject);
    }
    if references.follow_values() {
        for held in uniques.removed().chunks(BATCH) {
            let value = |held: &store::Held| UniqueValue { field: held.field & !OF_HIDDEN, ..held.value() };
            let targets: Vec<Target> = held.iter().map(|held| Target::Value(value(held))).collect();
            let directory = people.resolve(targets.iter(), draft)?;
            for (held, target) in held.iter().zip(&targets) {
                if let Some((holder, _)) = directory.get(target) {
                    references.inherited(value(held).field, *holder, held.number);
                }
            }
        }
    }
    loop {
        let members = references.next_steps(BATCH);
        if members.is_empty() {
            break;
        }
        let numbers: Vec<u32> = members.iter().map(|member| member.number).collect();
        let employees = draft.read(&numbers)?;
        let targets =
            members.iter().zip(&employees).map(|(member, employee)| references.target_of(*member, employee.as_ref()));
        let targets: Vec<Target> = targets.collect();
        let directory = people.resolve(targets.iter(), draft)?;
        references.add_steps(members.into_iter().zip(targets), &directory);
    }
    references.circles(&mut reject);
    Ok(())
}

/// Looks employees up: in the index, among the created ones, and in the store if the index does not have everybody.
struct People<'o> {
    index: &'o Index,
    created: &'o Index,
    indexed: Indexed,
}

impl People<'_> {
    /// Returns the employees that these targets name.
    fn resolve<'t>(
        &self,
        targets: impl Iterator<Item = &'t Target>,
        draft: &mut Draft,
    ) -> Result<Directory, store::Error> {
        let mut directory = Directory::new();
        let (mut ids, mut numbers, mut values) = (HashSet::new(), HashSet::new(), HashSet::new());
        for target in targets {
            match target {
                Target::Id(id) => match self.by_id(id, draft.seed()) {
                    Some(found) => drop(directory.insert(target.clone(), found)),
                    None if self.indexed == Indexed::Everybody => {}
                    None => drop(ids.insert(id.as_str())),
                },
                Target::Number(number) => drop(numbers.insert(*number)),
                Target::Value(value) => drop(values.insert(*value)),
                Target::Nobody => {}
            }
        }
        let ids: Vec<&str> = ids.into_iter().collect();
        for (id, found) in ids.iter().zip(draft.find_ids(&ids)?) {
            directory.extend(found.map(|(number, employee)| (Target::Id((*id).into()), (number, employee.status))));
        }
        let values: Vec<UniqueValue> = values.into_iter().collect();
        // An active employee takes precedence over a hidden one.
        let held: Vec<UniqueValue> = values
            .iter()
            .flat_map(|value| [*value, UniqueValue { field: value.field | OF_HIDDEN, ..*value }])
            .collect();
        let holders = draft.holders(&held)?;
        let holders: Vec<Option<u32>> = holders
            .chunks_exact(2)
            .map(|holders| holders.iter().find_map(|holders| holders.first().copied()))
            .collect();
        numbers.extend(holders.iter().flatten());
        let found = by_number(numbers, draft)?;
        directory.extend(found.iter().map(|(number, found)| (Target::Number(*number), *found)));
        for (value, holder) in values.into_iter().zip(holders) {
            directory.extend(holder.and_then(|number| Some((Target::Value(value), *found.get(&number)?))));
        }
        Ok(directory)
    }

    fn by_id(&self, id: &str, seed: u64) -> Option<(u32, Status)> {
        let id_hash = hash(seed, id.as_bytes());
        let created = self.created.find(id_hash).map(|slot| self.created.get(slot));
        let entry = created.or_else(|| self.index.find(id_hash).map(|slot| self.index.get(slot)))?;
        Some((entry.number, entry.status))
    }
}

/// Returns the employees with these numbers: the number and the status of each. The number of one who was merged into another is the other's,
/// too.
fn by_number(numbers: HashSet<u32>, draft: &mut Draft) -> Result<HashMap<u32, (u32, Status)>, store::Error> {
    let mut found = HashMap::new();
    // Each number that is asked for, with the one that leads to the employee.
    let mut asked: Vec<(u32, u32)> = numbers.into_iter().map(|number| (number, number)).collect();
    while !asked.is_empty() {
        let numbers: Vec<u32> = asked.iter().map(|(_, number)| *number).collect();
        let mut merged = Vec::new();
        for ((asked, number), employee) in asked.into_iter().zip(draft.read(&numbers)?) {
            match employee.map(|employee| (merged_into(&employee.id), employee.status)) {
                Some((Some(into), _)) => merged.push((asked, into)),
                Some((None, status)) => drop(found.insert(asked, (number, status))),
                None => {}
            }
        }
        asked = merged;
    }
    Ok(found)
}
