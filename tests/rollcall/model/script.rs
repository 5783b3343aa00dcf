//! Script: the next operation, by dice, for a roster as it is. Most of it is what clients send; some of it is wrong.

use super::dice::Dice;
use super::fields::{
    BADGE, BORN, BOSS, EMAIL, FIELDS, FIRST, Field, LAST, LEVEL, LOGIN, MANAGER, MENTOR, POSITION, SHIFT,
};
use super::operation::{Command, Operation, Row, Sending};
use super::roster::{Person, Roster};
use std::time::Duration;

/// How many ids there are.
const IDS: usize = 40;

/// The longest time after which a server is killed, in microseconds.
const KILL_MICROS_MAX: usize = 2_500;

/// Returns the next operation.
pub fn next(dice: &mut Dice, roster: &Roster) -> Operation {
    match dice.below(1_000) {
        0..12 => Operation::Restart,
        12..17 => Operation::Trim { kept: dice.below(30) },
        17..35 => {
            let after = Duration::from_micros(dice.below(KILL_MICROS_MAX) as u64);
            let sending = loop {
                let sending = sending(dice, roster);
                // What is in the queue cannot be seen.
                if !matches!(sending, Sending::Queue(..) | Sending::Delete) {
                    break sending;
                }
            };
            Operation::Kill { sending, after, again: dice.percent(50) }
        }
        _ => Operation::Send(sending(dice, roster)),
    }
}

fn sending(dice: &mut Dice, roster: &Roster) -> Sending {
    if roster.there().next().is_none() {
        return whole(dice, roster, 12);
    }
    let plans = roster.waiting().len();
    match dice.below(100) {
        0..28 => {
            let new = dice.below(3);
            whole(dice, roster, new)
        }
        28..36 => Sending::Springest(springest(dice, roster)),
        36..38 => Sending::Erase { id: if dice.percent(5) { id(dice) } else { anybody(dice, roster).id.clone() } },
        38..42 => rename(dice, roster),
        42..50 => Sending::Single(collaborator(dice, roster)),
        50..58 => {
            let people = (0..=dice.below(5)).map(|_| collaborator(dice, roster)).collect();
            Sending::Batch { people, lenient: dice.percent(40) }
        }
        58..68 => csv(dice, roster),
        68..78 => {
            let command = *dice.pick(&[Command::I, Command::U, Command::U, Command::T]);
            Sending::Queue(command, echospan(dice, roster))
        }
        78..83 => Sending::Process { lenient: dice.percent(50) },
        83..84 => Sending::Delete,
        84..89 => undo(dice, roster),
        89..96 if plans > 0 => Sending::Apply { plan: dice.below(plans), rebase: dice.percent(50) },
        96..98 if plans > 0 => Sending::Discard { plan: dice.below(plans) },
        _ => Sending::Springest(springest(dice, roster)),
    }
}

/// A rename, often of a leaver or to the id of somebody who came later.
fn rename(dice: &mut Dice, roster: &Roster) -> Sending {
    let from = match roster.there().find(|(_, person)| !person.is_active).filter(|_| dice.percent(30)) {
        Some((_, leaver)) => leaver.id.clone(),
        None if dice.percent(5) => id(dice),
        None => anybody(dice, roster).id.clone(),
    };
    let to = if dice.percent(60) { anybody(dice, roster).id.clone() } else { id(dice) };
    Sending::Rename { from, to, merge: dice.percent(45) }
}

/// An undo, mostly of the last sync, now and then of several. Somebody may be named as one to be taken back anyway.
fn undo(dice: &mut Dice, roster: &Roster) -> Sending {
    let back = if dice.percent(50) { 0 } else { dice.below(12) };
    let several = if dice.percent(70) { 1 } else { 1 + dice.below(8) };
    let anyway = if dice.percent(25) { vec![anybody(dice, roster).id.clone()] } else { Vec::new() };
    Sending::Undo { back, several, anyway, erases: dice.percent(20) }
}

/// A list of everybody: as they are stored, but for some.
fn whole(dice: &mut Dice, roster: &Roster, new: usize) -> Sending {
    let lenient = dice.percent(25);
    let is_odd = dice.percent(if lenient { 70 } else { 12 });
    let (lost, flipped, edited) =
        (*dice.pick(&[1, 2, 2, 3, 3, 25]), *dice.pick(&[0, 0, 1, 2, 15]), *dice.pick(&[0, 1, 4, 8, 40]));
    let mut people = Vec::new();
    for (_, person) in roster.there() {
        if dice.percent(if person.is_active { lost } else { 40 }) {
            continue;
        }
        let is_active = person.is_active != dice.percent(flipped);
        let mut row = stored(dice, person, &(0..FIELDS.len()).collect::<Vec<_>>());
        if dice.percent(edited) {
            edit(dice, roster, &mut row);
        }
        if !is_active && (dice.percent(50) || row.get(FIRST).is_none()) {
            row.values.clear();
        }
        row.is_active = Some(is_active);
        people.push(row);
    }
    people.extend((0..new).map(|_| {
        let fields: Vec<Field> = (0..FIELDS.len()).filter(|_| dice.percent(70)).collect();
        Row { is_active: Some(!dice.percent(15)), ..somebody(dice, roster, &fields) }
    }));
    if is_odd {
        (0..=dice.below(3)).for_each(|_| spoil(dice, &mut people));
    }
    if dice.percent(20) {
        dice.shuffle(&mut people);
    }
    if dice.percent(1) {
        people.clear();
    }
    let absent = *dice.pick(&[Some(true), Some(true), Some(true), Some(false), None]);
    let dry_run = dice.percent(15);
    Sending::Whole { people, absent, may_be_empty: dice.percent(10), lenient, dry_run }
}

/// A CSV of everybody, of which most rows do not say who is active.
fn csv(dice: &mut Dice, roster: &Roster) -> Sending {
    let mut columns = vec![LAST, FIRST, LOGIN, EMAIL];
    let others = [POSITION, BORN, LEVEL, SHIFT, MANAGER, MENTOR, BADGE];
    columns.extend(others.into_iter().filter(|_| dice.percent(40)));
    let lost = *dice.pick(&[1, 2, 3, 20]);
    let mut people = Vec::new();
    for (_, person) in roster.there() {
        if dice.percent(if person.is_active { lost } else { 50 }) {
            continue;
        }
        let mut row = stored(dice, person, &columns);
        row.values = columns.iter().map(|field| (*field, row.get(*field).unwrap_or_default().to_owned())).collect();
        for field in [FIRST, LAST, LOGIN] {
            let value = row.values.iter_mut().find(|(other, _)| *other == field).unwrap();
            if value.1.is_empty() {
                value.1 = written(dice, roster, field);
            }
        }
        if dice.percent(6) {
            edit(dice, roster, &mut row);
            row.values.retain(|(field, _)| columns.contains(field));
        }
        row.is_active = if dice.percent(5) { Some(dice.percent(60)) } else { None };
        // A row may end early; what is behind stays as it is stored.
        if dice.percent(10) {
            row.values.truncate(4 + dice.below(columns.len() - 3));
        }
        people.push(row);
    }
    people.extend((0..dice.below(2)).map(|_| somebody(dice, roster, &columns)));
    let lenient = dice.percent(35);
    if dice.percent(if lenient { 50 } else { 10 }) {
        spoil(dice, &mut people);
    }
    let absent = *dice.pick(&[Some(true), None, None, Some(false)]);
    Sending::Csv { columns, people, absent, lenient }
}

fn springest(dice: &mut Dice, roster: &Roster) -> Row {
    let fields: Vec<Field> =
        [FIRST, LAST, EMAIL, POSITION, BORN, LEVEL, SHIFT].into_iter().filter(|_| dice.percent(35)).collect();
    let mut row = somebody(dice, roster, &fields);
    let person = anybody(dice, roster);
    match dice.below(10) {
        // An id, of somebody who is stored; or an address, with another id or without.
        0..4 => row.id = Some(person.id.clone()),
        4..7 => {
            row.values.retain(|(field, _)| *field != EMAIL);
            row.values.extend(person.data.get(&EMAIL).map(|email| (EMAIL, email.clone())));
            if dice.percent(60) {
                row.id = None;
            }
        }
        7 => row.id = None,
        _ => {
            row.values.retain(|(field, _)| *field != FIRST);
            row.values.push((FIRST, written(dice, roster, FIRST)));
        }
    }
    let mut born = row.values.iter_mut().filter(|(field, _)| *field == BORN);
    if let Some((_, born)) = born.next().filter(|_| dice.percent(90)) {
        *born = "1990-03-04".into();
    }
    row.is_active = *dice.pick(&[None, None, Some(true), Some(false)]);
    row
}

fn collaborator(dice: &mut Dice, roster: &Roster) -> Row {
    let required = [LOGIN, EMAIL, FIRST, LAST, POSITION];
    let others = [BORN, LEVEL, SHIFT, MANAGER, MENTOR, BADGE];
    let fields: Vec<Field> = required.into_iter().chain(others.into_iter().filter(|_| dice.percent(25))).collect();
    let mut row = somebody(dice, roster, &fields);
    if dice.percent(70) {
        let person = anybody(dice, roster);
        row.id = Some(person.id.clone());
        let email = person.data.get(&EMAIL).cloned();
        if let Some((_, value)) = row.values.iter_mut().find(|(field, _)| *field == EMAIL).filter(|_| dice.percent(80))
        {
            *value = email.unwrap_or_else(|| value.clone());
        }
    }
    for field in required {
        if let Some((_, value)) = row.values.iter_mut().find(|(other, value)| *other == field && value.is_empty()) {
            *value = if field == EMAIL { "new@x.com".into() } else { "x".into() };
        }
    }
    if dice.percent(6) {
        row.values.remove(0);
    }
    row.is_active = *dice.pick(&[None, None, Some(true), Some(false)]);
    row
}

fn echospan(dice: &mut Dice, roster: &Roster) -> Row {
    let fields: Vec<Field> = [FIRST, LAST, EMAIL]
        .into_iter()
        .chain([POSITION, BORN, LEVEL, SHIFT, MANAGER, BOSS].into_iter().filter(|_| dice.percent(30)))
        .collect();
    let mut row = somebody(dice, roster, &fields);
    if dice.percent(75) {
        let person = anybody(dice, roster);
        row.id = Some(person.id.clone());
        if let Some(email) = person.data.get(&EMAIL).filter(|_| dice.percent(80)) {
            row.values.iter_mut().filter(|(field, _)| *field == EMAIL).for_each(|(_, value)| value.clone_from(email));
        }
    }
    row
}

/// Somebody who is stored.
fn anybody<'r>(dice: &mut Dice, roster: &'r Roster) -> &'r Person {
    let people = roster.there().count();
    roster.there().nth(dice.below(people)).expect("somebody is there").1
}

/// Somebody with these fields, who may be stored.
fn somebody(dice: &mut Dice, roster: &Roster, fields: &[Field]) -> Row {
    let values = fields.iter().map(|field| (*field, written(dice, roster, *field))).collect();
    Row { id: Some(id(dice)), values, ..Row::default() }
}

/// A stored employee with those of some fields that have a value.
fn stored(dice: &mut Dice, person: &Person, fields: &[Field]) -> Row {
    let values = fields.iter().filter_map(|field| {
        let value = person.data.get(field)?;
        Some((*field, if dice.percent(3) { spelled(*field, value) } else { value.clone() }))
    });
    Row { id: Some(person.id.clone()), values: values.collect(), ..Row::default() }
}

/// Gives an employee another value in a field, or none.
fn edit(dice: &mut Dice, roster: &Roster, row: &mut Row) {
    let field = dice.below(FIELDS.len());
    let value = written(dice, roster, field);
    match row.values.iter_mut().find(|(other, _)| *other == field) {
        Some(row) => row.1 = value,
        None => row.values.push((field, value)),
    }
}

/// Makes something wrong with one of some employees.
fn spoil(dice: &mut Dice, people: &mut Vec<Row>) {
    if people.is_empty() {
        return;
    }
    let at = dice.below(people.len());
    let copy = dice.pick(people).clone();
    let row = &mut people[at];
    match dice.below(7) {
        0 => row.id = None,
        1 => people.push(copy),
        2 => row.values.iter_mut().filter(|(field, _)| *field == FIRST).for_each(|(_, value)| value.clear()),
        3 => row.has_unknown_field = true,
        other => {
            let (field, value) = [(LEVEL, "12"), (BORN, "soon"), (MANAGER, "nobody")][other % 3];
            match row.values.iter_mut().find(|(other, _)| *other == field) {
                Some((_, before)) => *before = value.into(),
                None => row.values.iter_mut().take(1).for_each(|(_, before)| *before = "too long a name".into()),
            }
        }
    }
}

fn id(dice: &mut Dice) -> String {
    format!("e{}", dice.below(IDS))
}

/// A value of a field, as a client may write it. Often it is empty, and now and then it is wrong.
fn written(dice: &mut Dice, roster: &Roster, field: Field) -> String {
    let email = |n: usize| format!("m{n}@x.com");
    let value = match field {
        FIRST => format!("F{}", dice.below(20)),
        LAST => format!("L{}", dice.below(20)),
        EMAIL if dice.percent(3) => "nowhere".into(),
        EMAIL => email(dice.below(8 * IDS)),
        BADGE => format!("B{}", dice.below(8 * IDS)),
        LOGIN => format!("u{}", dice.below(20)),
        POSITION => (*dice.pick(&["Cook", "Clerk", "Driver"])).into(),
        BORN => (*dice.pick(&["1990-03-04", "04.03.1990", "1988-07-26", "2001-12-31"])).into(),
        LEVEL if dice.percent(3) => "12".into(),
        LEVEL => (*dice.pick(&["0", "1", "2", "3", "03", "3.0"])).into(),
        SHIFT => (*dice.pick(&["early", "late", "night", "Night", "e"])).into(),
        MANAGER | MENTOR if roster.there().next().is_none() => String::new(),
        MANAGER if dice.percent(4) => id(dice),
        // Those who came first are the managers, so that few are in a circle.
        MANAGER => {
            let people: Vec<&Person> = roster.there().map(|(_, person)| person).collect();
            dice.pick(&people[..people.len().div_ceil(4)]).id.clone()
        }
        MENTOR => {
            let person = anybody(dice, roster);
            let email = person.data.get(&EMAIL).filter(|_| person.is_active || dice.percent(5));
            email.cloned().unwrap_or_default()
        }
        _ => (*dice.pick(&["0", "1"])).into(),
    };
    let is_often_empty = !matches!(field, FIRST | LAST | EMAIL | LOGIN);
    if dice.percent(if is_often_empty { 30 } else { 3 }) { String::new() } else { value }
}

/// Another spelling of a value.
fn spelled(field: Field, value: &str) -> String {
    match field {
        EMAIL | MENTOR | SHIFT => value.to_uppercase(),
        LEVEL => format!("0{value}"),
        BORN => value.split('-').rev().collect::<Vec<_>>().join("."),
        _ => format!(" {value} "),
    }
}
