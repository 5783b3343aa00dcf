//! Wiping: the values of employees who were removed go from all that the file has of them, and from what waits to bring them back.

mod lent;

use super::super::erase::entry;
use super::{Draft, Error, Undone, derived, erasures, index, life, scrub, set_aside, waiting};
use crate::profile::Unique;
use crate::rejection::SetAside;
use crate::roster::{Change, Counts, Data, hash, merged_into, pack, unpack};
use lent::Lent;
use rusqlite::{OptionalExtension as _, Row, params};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;

/// The places of the versions of an employee that are not in its row.
macro_rules! of_employee {
    () => {
        "WITH RECURSIVE of_employee (revision) AS (
             SELECT revision FROM latest WHERE number = ?1
             UNION ALL
             SELECT previous FROM of_employee JOIN version ON place = revision << 32 | ?1 WHERE previous > 0
         )
         SELECT revision << 32 | ?1 FROM of_employee"
    };
}

const DATA: &str = concat!(
    "SELECT data FROM version WHERE place IN (",
    of_employee!(),
    ") UNION ALL SELECT data FROM employee WHERE number = ?1"
);

const EMPTY: [&str; 2] = [
    concat!("UPDATE version SET data = x'' WHERE place IN (", of_employee!(), ")"),
    "UPDATE employee SET data = x'' WHERE number = ?1",
];

/// Where ids of employees are, in JSON: the table, its key, and the column.
const TOLD: [(&str, &str, &str); 6] = [
    ("plan", "number", "guards"),
    ("plan", "number", "would_trip"),
    ("plan", "number", "suspects"),
    ("sync", "revision", "guards"),
    ("sync", "revision", "suspects"),
    ("refusal", "number", "guards"),
];

/// How many bytes an id has at most.
const ID_BYTES_MAX: usize = 1_000;

/// Ids, each with the number of whom it is or was, by their bytes in lower case.
type Ids = HashMap<Vec<u8>, Vec<(u32, String)>>;

/// Who is wiped.
struct Who<'a> {
    numbers: &'a [u32],
    /// The ids that they have and had.
    ids: HashSet<String>,
    /// Whose they are.
    people: Vec<(u32, String)>,
    /// What others have of theirs.
    lent: Vec<Lent>,
    /// The ids that others had while one of them was merged into them.
    of_both: Vec<(u32, String)>,
    /// Those of the ids that are values of theirs, such as an e-mail address, and what is written in their place.
    aliases: HashMap<String, String>,
}

/// What a plan has lost.
#[derive(Default)]
struct Lost {
    changes: u64,
    bytes: usize,
    counts: Counts,
}

/// A plan, as far as it says whose changes it may have.
struct Planned {
    number: u32,
    /// The number of the first employee that it creates.
    next: u32,
    /// The revision that it was made against.
    revision: u64,
    /// The revision that it takes employees back to, if it is an undo.
    back_to: Option<u64>,
}

impl Draft<'_> {
    pub(in crate::store) fn with_merged(&mut self, numbers: &[u32]) -> Result<Vec<u32>, Error> {
        let mut all = BTreeSet::new();
        for number in self.people(numbers)?.into_keys() {
            all.extend(life::of_person(&self.inner, number, usize::MAX)?);
        }
        Ok(all.into_iter().collect())
    }

    pub(in crate::store) fn wipe(&mut self, numbers: &[u32]) -> Result<(), Error> {
        let unique = derived::unique_fields(&self.inner)?;
        let mut who = Who {
            numbers,
            ids: HashSet::new(),
            people: Vec::new(),
            lent: Vec::new(),
            of_both: Vec::new(),
            aliases: HashMap::new(),
        };
        let wiped: HashSet<u32> = numbers.iter().copied().collect();
        for rows in self.people(numbers)?.values() {
            let lent = self.lent(rows, &wiped)?;
            self.wipe_person(rows, &lent, &unique, &mut who)?;
            who.lent.extend(lent);
        }
        self.rename_former(&who)?;
        self.rename_told(&who)?;
        self.wipe_plans(&who)?;
        self.wipe_queue(&who)?;
        self.wipe_set_aside(&who)?;
        if !who.aliases.is_empty() || who.lent.iter().any(|lent| !lent.is_empty()) {
            self.prepared("INSERT OR REPLACE INTO feed_break VALUES (1, ?)")?.execute([self.revision])?;
        }
        let seed = self.seed;
        let lent = who.lent.iter().map(|lent| lent.number);
        let indexed: Vec<u32> = wiped.into_iter().chain(lent).collect::<BTreeSet<u32>>().into_iter().collect();
        let stored = self.read(&indexed)?;
        let wiped = indexed.iter().zip(&stored).filter_map(|(number, stored)| Some((*number, stored.as_ref()?)));
        index::wipe(&self.inner, &wiped.map(|(number, stored)| (number, entry(number, stored, seed))).collect())?;
        let mut note = self.prepared("INSERT OR REPLACE INTO erased VALUES (?, ?)")?;
        numbers.iter().try_for_each(|number| note.execute(params![number, self.revision]).map(drop))?;
        erasures::note(&self.inner, &self.identity, who.people.iter().map(|(number, id)| (*number, id.as_str())))?;
        scrub::ask(&self.inner)
    }

    pub(in crate::store) fn erased(&mut self, numbers: &[u32]) -> Result<Vec<Option<u64>>, Error> {
        let mut select = self.prepared("SELECT revision FROM erased WHERE number = ?")?;
        let revision = |number| select.query_row([number], |row| row.get(0)).optional();
        Ok(numbers.iter().map(revision).collect::<Result<_, _>>()?)
    }

    pub(in crate::store) fn is_emptied(&mut self, numbers: &[u32], undone: Undone) -> Result<Vec<bool>, Error> {
        let mut select = self.prepared(
            "SELECT EXISTS (SELECT 1 FROM erased WHERE number = ?1 AND revision >= ?2)
                 OR EXISTS (SELECT 1 FROM emptied WHERE number = ?1 AND (first < ?2 AND ?2 <= until OR first <= ?3 AND ?3 < until))",
        )?;
        let is_emptied = |number| select.query_row(params![number, undone.from, undone.to], |row| row.get(0));
        Ok(numbers.iter().map(is_emptied).collect::<Result<_, _>>()?)
    }

    /// Returns these numbers by people: by the number of the employee whom the others are merged into.
    fn people(&self, numbers: &[u32]) -> Result<BTreeMap<u32, Vec<u32>>, Error> {
        let mut select = self.prepared("SELECT id FROM employee WHERE number = ?")?;
        let mut people: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for number in numbers {
            let mut person = *number;
            let mut into = |person: u32| -> Result<Option<u32>, Error> {
                let id: Option<String> = select.query_row([person], |row| row.get(0)).optional()?;
                Ok(id.and_then(|id| merged_into(&id)))
            };
            while let Some(other) = into(person)? {
                person = other;
            }
            people.entry(person).or_default().push(*number);
        }
        Ok(people)
    }

    /// Takes the values from every version of employees who are one person, also from those that others have, and the unique ones from whoever
    /// holds them. The places of the versions stay.
    fn wipe_person(
        &self,
        rows: &[u32],
        lent: &[Lent],
        unique: &BTreeMap<u32, Unique>,
        who: &mut Who,
    ) -> Result<(), Error> {
        let mut select = self
            .prepared("SELECT id FROM former_id WHERE number = ?1 UNION SELECT id FROM employee WHERE number = ?1")?;
        let mut ids = Ids::new();
        for number in rows {
            for id in select.query_map([number], |row| row.get::<_, String>(0))? {
                let id = id?;
                ids.entry(id.to_ascii_lowercase().into()).or_default().push((*number, id));
            }
        }
        let of_both = self.ids_of_both(lent)?;
        let mut select = self.prepared(DATA)?;
        let mut release =
            self.prepared("DELETE FROM unique_value WHERE employee = ? AND field IN (?, ?) AND hash = ?")?;
        for number in rows {
            let mut versions = select.query([number])?;
            while let Some(row) = versions.next()? {
                let data = Data::from_bytes(row.get_ref(0)?.as_blob().unwrap_or_default());
                for (field, value) in data.values() {
                    if unique.contains_key(&field) {
                        let of_hidden = field | super::OF_HIDDEN;
                        release.execute(params![number, field, of_hidden, hash(self.seed, value).to_be_bytes()])?;
                    }
                    who.note_value(value, &of_both);
                    who.note_value(value, &ids);
                }
            }
        }
        for sql in EMPTY {
            let mut empty = self.prepared(sql)?;
            rows.iter().try_for_each(|number| empty.execute([number]).map(drop))?;
        }
        for lent in lent {
            self.wipe_lent(lent, [&of_both, &ids], who)?;
        }
        who.of_both.extend(of_both.into_values().flatten());
        for (number, id) in ids.into_values().flatten() {
            who.ids.insert(id.clone());
            who.people.push((number, id));
        }
        Ok(())
    }

    /// Gives former ids others that are values, also those that are only values of who was merged into their employee.
    fn rename_former(&self, who: &Who) -> Result<(), Error> {
        let mut rename = self.prepared("UPDATE former_id SET id = ?3 WHERE number = ?1 AND id = ?2")?;
        for (number, id) in who.people.iter().chain(&who.of_both) {
            if let Some(alias) = who.aliases.get(id) {
                rename.execute(params![number, id, alias])?;
            }
        }
        Ok(())
    }

    /// Gives the same ids to former ids where guards and suspects name them.
    fn rename_told(&self, who: &Who) -> Result<(), Error> {
        if who.aliases.is_empty() {
            return Ok(());
        }
        for (table, key, column) in TOLD {
            let mut select =
                self.prepared(&format!("SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL"))?;
            let mut rename = self.prepared(&format!("UPDATE {table} SET {column} = ?2 WHERE {key} = ?1"))?;
            let (mut rows, mut renamed) = (select.query([])?, Vec::new());
            while let Some(row) = rows.next()? {
                let mut told: Value =
                    serde_json::from_str(row.get_ref(1)?.as_str().unwrap_or_default()).map_err(Error::damaged)?;
                if who.rename(&mut told) {
                    renamed.push((row.get::<_, i64>(0)?, told.to_string()));
                }
            }
            renamed.iter().try_for_each(|row| rename.execute(params![row.0, row.1]).map(drop))?;
        }
        Ok(())
    }

    /// Takes the changes of these employees out of all plans, which are applied without them.
    fn wipe_plans(&self, who: &Who) -> Result<(), Error> {
        let planned = |row: &Row| {
            let from: Option<u64> = row.get(3)?;
            let back_to = from.map(|from| from.saturating_sub(1));
            Ok(Planned { number: row.get(0)?, next: row.get(1)?, revision: row.get(2)?, back_to })
        };
        let plans: Vec<Planned> = self
            .prepared("SELECT number, next, revision, json_extract(undo, '$.from') FROM plan WHERE has_parts")?
            .query_map([], planned)?
            .collect::<Result<_, _>>()?;
        for planned in plans {
            let Planned { number: plan, next, .. } = planned;
            let lent: HashSet<u32> =
                who.lent.iter().filter(|lent| lent.is_in(&planned)).map(|lent| lent.number).collect();
            let mut places = HashSet::new();
            let mut find = self.prepared("SELECT place FROM plan_part WHERE place >= ?1 << 32 | ?2 AND place < (?1 + 1) << 32 ORDER BY place LIMIT ?3")?;
            for number in who.numbers.iter().chain(&lent).filter(|number| **number < next) {
                let place = find.query_row(params![plan, number, 1], |row| row.get::<_, i64>(0)).optional()?;
                places.extend(place);
            }
            // Who got another id after the plan was made, or was stored, may be created by it, under another number.
            if who.people.len() > who.numbers.len() || who.numbers.iter().any(|number| *number >= next) {
                for place in find.query_map(params![plan, next, -1], |row| row.get::<_, i64>(0))? {
                    places.insert(place?);
                }
            }
            let mut lost = Lost::default();
            for place in places {
                self.wipe_plan_part(place, who, &lent, &mut lost)?;
            }
            self.note_lost(plan, &lost)?;
        }
        Ok(())
    }

    fn wipe_plan_part(&self, place: i64, who: &Who, lent: &HashSet<u32>, lost: &mut Lost) -> Result<(), Error> {
        let part = |row: &Row| Ok((row.get(0)?, row.get(1)?));
        let (changes, accepted): (Vec<u8>, Vec<u8>) =
            self.prepared("SELECT changes, accepted FROM plan_part WHERE place = ?")?.query_row([place], part)?;
        let (hashes, _) = accepted.as_chunks::<16>();
        let (mut kept, mut kept_hashes, mut next) = (Vec::with_capacity(changes.len()), Vec::new(), hashes.iter());
        unpack(&mut &changes[..], hashes.len() as u64, &mut |change| -> io::Result<()> {
            let hash = next.next().map_or([0; 16], |hash| *hash);
            if who.is_of(&change) || lent.contains(&change.number) {
                lost.changes += 1;
                lost.counts.add(&change);
            } else {
                pack(&mut kept, &change);
                kept_hashes.extend_from_slice(&hash);
            }
            Ok(())
        })
        .map_err(Error::damaged)?;
        lost.bytes += changes.len() - kept.len();
        if kept.is_empty() {
            self.prepared("DELETE FROM plan_part WHERE place = ?")?.execute([place])?;
        } else if kept.len() < changes.len() {
            let mut replace = self.prepared("UPDATE plan_part SET changes = ?, accepted = ? WHERE place = ?")?;
            replace.execute(params![kept, kept_hashes, place])?;
        }
        Ok(())
    }

    fn note_lost(&self, plan: u32, lost: &Lost) -> Result<(), Error> {
        if lost.changes == 0 {
            return Ok(());
        }
        let Counts { created, updated, activated, hidden, unchanged: _ } = lost.counts;
        // The same list makes another plan, since this one does less.
        self.prepared(
            "UPDATE plan SET changes = max(changes - ?2, 0), bytes = max(bytes - ?3, 0), created = max(created - ?4, 0),
                 updated = max(updated - ?5, 0), activated = max(activated - ?6, 0), hidden = max(hidden - ?7, 0),
                 digest = randomblob(16)
             WHERE number = ?1",
        )?
        .execute(params![plan, lost.changes, lost.bytes, created, updated, activated, hidden])?;
        Ok(())
    }

    /// Takes the records of these employees out of the queue.
    fn wipe_queue(&self, who: &Who) -> Result<(), Error> {
        let queued = waiting::queued(&self.inner, &who.ids)?;
        let mut delete = self.prepared("DELETE FROM queue WHERE position = ?")?;
        queued.iter().try_for_each(|(position, _)| delete.execute([position]).map(drop))?;
        Ok(())
    }

    /// Takes these employees out of what is remembered of lenient pushes, and the names that only a client knows, which may be anything.
    fn wipe_set_aside(&self, who: &Who) -> Result<(), Error> {
        let mut select = self.prepared("SELECT number, set_aside FROM retry WHERE set_aside IS NOT NULL")?;
        let remembered: Vec<(i64, String)> =
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let mut replace = self.prepared("UPDATE retry SET set_aside = ? WHERE number = ?")?;
        for (number, text) in remembered {
            let Some(mut set_aside) = set_aside::of_text(&text) else {
                continue;
            };
            if who.take_out(&mut set_aside) {
                replace.execute(params![set_aside::to_text(&set_aside), number])?;
            }
        }
        Ok(())
    }
}

impl Who<'_> {
    /// Notes that a value is one of theirs: those of the ids that are the same get others.
    fn note_value(&mut self, value: &[u8], ids: &Ids) {
        if value.len() <= ID_BYTES_MAX {
            let same = ids.get(&value.to_ascii_lowercase()).into_iter().flatten();
            self.aliases.extend(same.map(|(number, id)| (id.clone(), format!("erased-{number}"))));
        }
    }

    /// Gives ids in some JSON others. Returns whether there were any.
    fn rename(&self, told: &mut Value) -> bool {
        match told {
            Value::String(id) => match self.aliases.get(id) {
                Some(alias) => {
                    id.clone_from(alias);
                    true
                }
                None => false,
            },
            Value::Array(parts) => parts.iter_mut().filter_map(|part| self.rename(part).then_some(())).count() > 0,
            Value::Object(parts) => parts.values_mut().filter_map(|part| self.rename(part).then_some(())).count() > 0,
            _ => false,
        }
    }

    /// Whether a change of a plan is of one of them. A plan that creates somebody has another number for that.
    fn is_of(&self, change: &Change) -> bool {
        match (change.before, change.after) {
            (None, Some(after)) => self.ids.contains(after.id),
            _ => self.numbers.contains(&change.number),
        }
    }

    /// Takes them out of those that a push was applied without. Returns whether any was among them.
    fn take_out(&self, set_aside: &mut SetAside) -> bool {
        let before = set_aside.errors.len();
        set_aside.errors.retain(|error| error.id.as_ref().is_none_or(|id| !self.ids.contains(id)));
        let is_among = set_aside.errors.len() < before;
        if is_among {
            set_aside.causes.retain(|cause| cause.known);
        }
        is_among
    }
}
