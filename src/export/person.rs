//! Everything that is stored about one employee, as one JSON document: what a person may ask for under article 15 of the GDPR.

use super::Error;
use crate::dialect::startexam;
use crate::rejection::Rejection;
use crate::roster::{Missing, Names, OwnedChange};
use crate::store::{Event, FormerId, Past, Person, Plan, Reader, SyncKind};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::io::{BufWriter, Write};

/// How many events of a life are read at a time, and how many bytes of data, about.
const EVENTS: usize = 100;
const BYTES: usize = 4 << 20;

/// Writes everything that is stored about an employee at one moment: who it is now, every version that there was, with the sync that made it, how
/// often lists did not carry it, what plans that wait would change, and what is queued or was rejected, also of those who were merged into it.
/// Returns the roster's revision. Values are whole, images too.
pub fn write_person(reader: &Reader, person: &Person, account: i64, to: impl Write) -> Result<u64, Error> {
    let snapshot = reader.snapshot()?;
    let (names, revision) = (reader.names()?, snapshot.revision()?);
    let mut to = BufWriter::new(to);
    write!(to, "{{\"account\":{account},\"revision\":{revision},\"employee\":")?;
    write_json(&mut to, &now(person, &names))?;
    let absent = reader.missing(person.number)?;
    let absent = absent.map(|Missing { pushes, is_hidden, .. }| json!({ "lists": pushes, "hidden": is_hidden }));
    write!(to, ",\"missingFromLists\":")?;
    write_json(&mut to, &absent)?;
    write!(to, ",\"history\":[")?;
    let (mut from, mut is_first) = (None, true);
    loop {
        let page = reader.life(person.number, from, EVENTS, BYTES)?;
        for event in &page.events {
            write!(to, "{}", if std::mem::take(&mut is_first) { "" } else { "," })?;
            write_json(&mut to, &version(event, &names))?;
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let numbers = reader.merged_with(person.number)?;
    let ids = reader.ids_of(&numbers)?;
    write!(to, "],\"plans\":[")?;
    write_plans(&mut to, reader, &numbers, &ids, &names)?;
    write!(to, "],\"queue\":")?;
    let queued = reader.queued(&ids)?.into_iter().map(|record| serde_json::from_slice(&record).unwrap_or_default());
    write_json(&mut to, &queued.collect::<Vec<Value>>())?;
    write!(to, ",\"rejections\":")?;
    let rejected = reader.rejections(&ids)?;
    let rejection = |Rejection { id, field, rule, message, .. }: &Rejection| json!({ "id": id, "field": field, "rule": rule, "message": message });
    write_json(&mut to, &rejected.iter().map(rejection).collect::<Vec<Value>>())?;
    writeln!(to, "}}")?;
    to.flush()?;
    Ok(revision)
}

fn write_json(to: &mut impl Write, value: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer(to, value).map_err(|error| Error::from(std::io::Error::from(error)))
}

fn now(person: &Person, names: &Names) -> Value {
    let former = |FormerId { id, until }: &FormerId| json!({ "id": id, "untilRevision": until });
    let mut shown = json!(startexam::shown(&person.employee, names, |_| false, None));
    shown["id"] = person.id().into();
    shown["status"] = person.status().into();
    shown["formerIds"] = person.former_ids.iter().map(former).collect();
    shown
}

/// Shows what an employee became, and the sync that made it so. Null stands for what was not recorded.
fn version(event: &Event, names: &Names) -> Value {
    let sync = event.sync.as_ref();
    let kind = sync.and_then(Past::applied).and_then(|applied| applied.kind.as_ref()).map(SyncKind::name);
    let employee = event.recorded.change.after.as_ref().filter(|employee| !employee.is_removed());
    json!({
        "revision": event.revision,
        "time": sync.map(|sync| &sync.finished_at),
        "kind": kind,
        "dialect": sync.and_then(|sync| sync.dialect.as_ref()),
        "key": sync.and_then(|sync| sync.key),
        "peer": sync.and_then(|sync| sync.peer.as_ref()),
        "hiddenBy": event.recorded.hidden_by.map(startexam::shown_hidden_by),
        "employee": employee.map(|employee| startexam::shown(employee, names, |_| false, None)),
    })
}

/// Writes what plans that wait would make of the employee.
fn write_plans(
    to: &mut impl Write,
    reader: &Reader,
    numbers: &[u32],
    ids: &HashSet<String>,
    names: &Names,
) -> Result<(), Error> {
    let mut is_first = true;
    for Plan { id, number, made_at, expires_at, base, .. } in reader.plans()? {
        let mut known: BTreeSet<u32> = numbers.iter().copied().filter(|number| *number < base.next).collect();
        // Who got another id after the plan was made, or was stored, may be created by it, under another number.
        let may_be_created = ids.len() > 1 || known.len() < numbers.len();
        let mut created_after = may_be_created.then(|| base.next.saturating_sub(1));
        while let Some(after) = known.first().map(|known| known - 1).or(created_after) {
            let part = reader.plan_part(number, after)?;
            let last = part.last().map(|last| last.change.number);
            let are_created = known.is_empty();
            if are_created {
                created_after = last;
            } else {
                // Whoever comes before the last change of the part, and is not in it, is not in the plan.
                known = last.map_or_else(BTreeSet::new, |last| known.split_off(&(last + 1)));
            }
            let is_of = |OwnedChange { number, before, after }: &OwnedChange| match (before, after) {
                (None, Some(created)) => are_created && ids.contains(&created.id),
                _ => !are_created && numbers.contains(number),
            };
            for planned in part.iter().filter(|planned| is_of(&planned.change)) {
                let then =
                    planned.change.after.as_ref().map(|employee| startexam::shown(employee, names, |_| false, None));
                write!(to, "{}", if std::mem::take(&mut is_first) { "" } else { "," })?;
                write_json(to, &json!({ "plan": id, "madeAt": made_at, "expiresAt": expires_at, "employee": then }))?;
            }
        }
    }
    Ok(())
}
