//! A server and a model of plain maps, which get the same operations by dice: pushes and patches in every dialect, plans, restarts, kills.
//! After each they must have the same roster, the same plans and the same history.
//!
//! `ROLLCALL_MODEL_OPERATIONS` says how many operations there are, `ROLLCALL_MODEL_SEED` which. Operations that fail are tried again with
//! fewer of them, until none can be left out; then those are printed.

mod compare;
mod dice;
mod erase;
mod fields;
mod guard;
mod operation;
mod plan;
mod push;
mod rename;
mod roster;
mod run;
mod script;
mod undo;
mod wire;

use dice::Dice;
use operation::{Operation, Row};
use run::Run;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How many operations there are usually.
const USUAL_OPERATIONS: usize = 350;

/// After how many operations a new server begins with an empty roster.
const HISTORY_OPERATIONS: usize = 250;

/// How long fewer operations are tried that fail as well.
const SHRINKING_MAX: Duration = Duration::from_secs(120);

#[test]
fn whatever_is_done_the_roster_and_its_history_are_those_of_plain_maps() {
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse::<u64>().expect("it is a number"));
    let operations = number("ROLLCALL_MODEL_OPERATIONS").map_or(USUAL_OPERATIONS, |number| number as usize);
    let first_seed = number("ROLLCALL_MODEL_SEED").unwrap_or(1);
    let mut outcomes = BTreeMap::new();
    let mut left = operations;
    for seed in first_seed.. {
        if left == 0 {
            break;
        }
        let part = left.min(HISTORY_OPERATIONS);
        left -= part;
        for (outcome, count) in history(seed, part) {
            *outcomes.entry(outcome).or_insert(0) += count;
        }
    }
    eprintln!("{operations} operations from seed {first_seed} on: {outcomes:?}");
}

/// Carries out so many operations on a new server. Returns how many had each outcome.
fn history(seed: u64, operations: usize) -> BTreeMap<&'static str, usize> {
    let mut done: Vec<Operation> = Vec::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let (mut dice, mut run) = (Dice::new(seed), Run::new());
        for _ in 0..operations {
            let operation = script::next(&mut dice, &run.roster);
            done.push(operation.clone());
            run.carry_out(&operation);
        }
        run.end();
        run.outcomes
    }));
    match result {
        Ok(outcomes) => outcomes,
        Err(failure) => {
            eprintln!("seed {seed}, after operation {} of {operations}: {}", done.len(), text(&*failure));
            let fewest = fewest(done);
            eprintln!("these {} operations fail as well:", fewest.len());
            fewest.iter().for_each(|operation| eprintln!("    {operation:?}"));
            panic!("ROLLCALL_MODEL_SEED={seed} ROLLCALL_MODEL_OPERATIONS={operations} cargo test model does it again");
        }
    }
}

/// Leaves out operations as long as the rest fail, and then employees of those that are left. A kill at another moment may do something
/// else.
fn fewest(operations: Vec<Operation>) -> Vec<Operation> {
    let began = Instant::now();
    let mut fewest = fewer(operations, began, fails);
    for at in 0..fewest.len() {
        let Some(people) = fewest[at].people().map(|people| people.clone()) else {
            continue;
        };
        let with = |people: Vec<Row>| {
            let mut operations = fewest.clone();
            *operations[at].people().expect("it has some") = people;
            operations
        };
        let people = fewer(people, began, |people| fails(&with(people.to_vec())));
        fewest = with(people);
    }
    fewest
}

/// Leaves out elements, first many at a time, as long as the rest fail.
fn fewer<T: Clone>(mut all: Vec<T>, began: Instant, fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut part = all.len().div_ceil(2);
    while part > 0 {
        let mut at = 0;
        while at < all.len() {
            if began.elapsed() > SHRINKING_MAX {
                return all;
            }
            let mut fewer = all.clone();
            fewer.drain(at..(at + part).min(all.len()));
            if fails(&fewer) {
                all = fewer;
            } else {
                at += part;
            }
        }
        part = if part == 1 { 0 } else { part.div_ceil(2) };
    }
    all
}

fn fails(operations: &[Operation]) -> bool {
    let again = || {
        let mut run = Run::new();
        operations.iter().for_each(|operation| run.carry_out(operation));
        run.end();
    };
    catch_unwind(AssertUnwindSafe(again)).inspect_err(|failure| eprintln!("{}", text(&**failure))).is_err()
}

fn text(failure: &(dyn std::any::Any + Send)) -> &str {
    let owned = failure.downcast_ref::<String>().map(String::as_str);
    owned.or(failure.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}
