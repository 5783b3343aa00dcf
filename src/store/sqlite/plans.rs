//! Plans in an account's file.
//!
//! A plan's changes lie in parts of some 64 KiB. A plan that has ended loses them a few at a time, whenever something is written; its row
//! stays for a while, so that whoever asks for the plan is told what became of it.

use super::draft::{Draft, any_held, any_missing};
use super::{
    Base, Error, NewPlan, Plan, PlanState, PlannedChange, Reader, Roster, Sender, StoredWhy, Why, changes,
    plan_absences, roster::State, schema, suspects_of_text, suspects_to_text,
};
use crate::dialect::Dialect;
use crate::limits::Limits;
use crate::profile::Profile;
use crate::roster::{ChangeSet, Counts, OwnedChange, Suspects, hash, pack, unpack};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use std::io;
use uuid::Uuid;

/// How many bytes of changes a part has, about.
const PART_BYTES: usize = 1 << 16;

/// How many bytes of changes are moved in memory; more go through a file.
const SPOOLED_IN_MEMORY_BYTES: usize = 1 << 20;

/// How many changes are read from a draft at a time.
const BATCH: usize = 1_024;

/// How many parts of plans that have ended are removed at a time.
const SWEPT_PARTS: u32 = 64;

/// How many plans are remembered that have ended.
const ENDED_MAX: u32 = 100;

const PLAN: &str = "SELECT number, id, strftime('%Y-%m-%dT%H:%M:%SZ', made_at, 'unixepoch'),
        strftime('%Y-%m-%dT%H:%M:%SZ', expires_at, 'unixepoch'), expires_at <= unixepoch(), ended_at IS NOT NULL, applied,
        guards, revision, next, profile, rules, dialect, peer, body_bytes, employees, created, updated, activated, hidden,
        unchanged, changes, (SELECT profile.id FROM profile WHERE profile.number = plan.profile), as_of, key,
        would_trip, undo, suspects
    FROM plan";

impl Draft<'_> {
    pub(in crate::store) fn changes(&mut self, after: u32, limit: usize) -> Result<Vec<OwnedChange>, Error> {
        let next = self.next.expect("a push enters its profile before it appends");
        let mut changes = changes::changed(&self.inner, self.revision, after..next, limit, |change, _| change)?;
        let created = self.scan(after.max(next - 1), limit - changes.len())?;
        let created = created.into_iter();
        changes.extend(created.map(|(number, after)| OwnedChange { number, before: None, after: Some(after) }));
        Ok(changes)
    }

    pub(in crate::store) fn plan(&mut self, id: &str) -> Result<Option<Plan>, Error> {
        plan(&self.inner, id)
    }

    pub(in crate::store) fn plan_part(&mut self, plan: u32, after: u32) -> Result<Vec<PlannedChange>, Error> {
        part(&self.inner, plan, after)
    }

    pub(in crate::store) fn keep_as_plan(mut self, plan: NewPlan) -> Result<Plan, Error> {
        let spooled = self.spool(&plan)?;
        self.begin_again()?;
        let fields = self.field_numbers(plan.profile)?;
        let guid = plan.profile.id.to_string();
        // Which fields are unique is entered by the push that applies it.
        self.prepared("INSERT INTO profile (id, uniques) VALUES (?, '') ON CONFLICT DO NOTHING")?.execute([&guid])?;
        let profile: u32 =
            self.prepared("SELECT number FROM profile WHERE id = ?")?.query_row([&guid], |row| row.get(0))?;
        if (profile, &fields) != (plan.numbers.profile, &plan.numbers.fields) {
            return Err(self.changed());
        }
        sweep(&self.inner)?;
        let waiting = "SELECT id FROM plan WHERE digest = ? AND ended_at IS NULL AND expires_at > unixepoch()";
        let same = self.prepared(waiting)?.query_row([spooled.digest], |row| row.get(0)).optional()?;
        let id: String = match same {
            Some(id) => {
                let StoredWhy { guards, would_trip, undo } = plan.why.to_stored();
                let because = "UPDATE plan SET guards = coalesce(?, guards), would_trip = ?, undo = ? WHERE id = ?";
                self.prepared(because)?.execute(params![guards, would_trip, undo, id])?;
                id
            }
            None => {
                let Limits { plans_max, plans_bytes_max, .. } = *plan.limits;
                make_room(&self.inner, spooled.bytes, plans_max, plans_bytes_max)?;
                self.insert(&plan, spooled)?
            }
        };
        let kept = self.plan(&id)?.ok_or_else(|| Error::damaged("a plan that was just kept is missing"))?;
        if !self.file.is_current() {
            return Err(Error::Replaced(self.account.0));
        }
        self.inner.commit()?;
        Ok(kept)
    }

    /// Takes what was appended out of the transaction, which ends before the plan is written.
    fn spool(&mut self, plan: &NewPlan) -> Result<Spooled, Error> {
        let max = plan.limits.plans_bytes_max;
        let within = |bytes| if bytes > max { Err(Error::PlansFull { limit: "plans_bytes_max", max }) } else { Ok(()) };
        let Base { revision, profile, rules, .. } = plan.base(self.revision());
        let about = [revision.to_le_bytes(), plan.sync.employees.to_le_bytes(), u64::from(profile).to_le_bytes()];
        let undo = plan.why.to_stored().undo.unwrap_or_default();
        let mut digest = hash(self.seed, &[about.as_flattened(), &rules.to_le_bytes(), undo.as_bytes()].concat());
        let mut changes = ChangeSet::new(SPOOLED_IN_MEMORY_BYTES, plan.spool_dir);
        let (mut after, mut bytes, mut packed) = (0, 0, Vec::new());
        loop {
            let batch = self.changes(after, BATCH)?;
            let Some(last) = batch.last() else {
                let absences = plan_absences::pack(&plan.absences);
                let absences_bytes = absences.iter().map(plan_absences::Part::bytes).sum::<u64>();
                digest = absences.iter().fold(digest, |digest, part| part.digest(self.seed, digest));
                bytes += absences_bytes;
                within(bytes)?;
                return Ok(Spooled { changes, absences, bytes, digest: digest.to_le_bytes() });
            };
            after = last.number;
            packed.clear();
            packed.extend_from_slice(&digest.to_le_bytes());
            for change in &batch {
                pack(&mut packed, &change.lend());
                changes.push(&change.lend()).map_err(not_spooled)?;
            }
            digest = hash(self.seed, &packed);
            bytes += packed.len() as u64;
            within(bytes)?;
        }
    }

    /// Drops what was appended, and takes the right to write again, to the same roster.
    fn begin_again(&mut self) -> Result<(), Error> {
        self.inner.execute_batch("ROLLBACK; BEGIN IMMEDIATE")?;
        let State { identity, revision, stamp, .. } = State::of(&self.inner)?;
        let stamp_before = self.before.map(|before| before.stamp);
        let is_same = (identity, revision, stamp) == (self.identity, self.revision(), stamp_before);
        if is_same { Ok(()) } else { Err(self.changed()) }
    }

    pub(in crate::store) fn start_over(&mut self, profile: &Profile) -> Result<(), Error> {
        self.begin_again()?;
        (self.renamed, self.without_id) = Default::default();
        (self.any_held, self.any_missing) = (any_held(&self.inner)?, any_missing(&self.inner)?);
        self.enter_profile(profile)?;
        Ok(())
    }

    fn changed(&self) -> Error {
        let expected = self.revision();
        Error::Changed { expected, found: State::of(&self.inner).map_or(expected, |state| state.revision) }
    }

    /// Adds the row of a plan and its parts. Returns its id.
    fn insert(&self, plan: &NewPlan, mut spooled: Spooled) -> Result<String, Error> {
        let Base { revision, next, profile, rules } = plan.base(self.revision());
        let Counts { created, updated, activated, hidden, unchanged } = plan.sync.counts;
        let Sender { dialect, key, peer, bytes } = plan.sync.sender;
        let StoredWhy { guards, would_trip, undo } = plan.why.to_stored();
        let mut insert = self.prepared(
            "INSERT INTO plan (id, made_at, expires_at, guards, would_trip, undo, revision, next, profile, rules, dialect, key, peer, body_bytes, as_of,
                 employees, created, updated, activated, hidden, unchanged, changes, bytes, digest, suspects, has_parts)
             VALUES (lower(hex(randomblob(16))), unixepoch(), unixepoch() + ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
                 ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, true)
             RETURNING id, number",
        )?;
        let values = params![
            plan.limits.plan_seconds_max,
            guards,
            would_trip,
            undo,
            revision,
            next,
            profile,
            rules.to_le_bytes(),
            dialect.map(Dialect::name),
            key,
            peer.map(|peer| peer.to_string()),
            bytes,
            plan.sync.as_of.map(Timestamp::as_microsecond),
            plan.sync.employees,
            created,
            updated,
            activated,
            hidden,
            unchanged,
            spooled.changes.len(),
            spooled.bytes,
            spooled.digest,
            suspects_to_text(&plan.sync.suspects),
        ];
        let (id, number): (String, u32) = insert.query_row(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut insert = self.prepared("INSERT INTO plan_part VALUES (?1 << 32 | ?2, ?3, ?4)")?;
        let (mut last, mut changes, mut accepted) = (0, Vec::new(), Vec::new());
        spooled.changes.for_each(|change| -> Result<(), Error> {
            last = change.number;
            pack(&mut changes, &change);
            accepted.extend_from_slice(&plan.accepted(change.number).to_le_bytes());
            if changes.len() >= PART_BYTES {
                insert.execute(params![number, last, changes, accepted])?;
                changes.clear();
                accepted.clear();
            }
            Ok(())
        })?;
        if !changes.is_empty() {
            insert.execute(params![number, last, changes, accepted])?;
        }
        plan_absences::insert(&self.inner, number, &spooled.absences)?;
        Ok(id)
    }
}

/// Changes on their way from one transaction to the next.
struct Spooled {
    changes: ChangeSet,
    absences: Vec<plan_absences::Part>,
    bytes: u64,
    digest: [u8; 16],
}

/// The file of changes failed.
fn not_spooled(error: io::Error) -> Error {
    Error::Write(error.into())
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        not_spooled(error)
    }
}

/// Discards the oldest dry runs until there is room for a plan of so many bytes.
fn make_room(connection: &Connection, bytes: u64, plans_max: u64, plans_bytes_max: u64) -> Result<(), Error> {
    loop {
        let of_waiting = "SELECT count(*), coalesce(sum(bytes), 0), min(iif(guards IS NULL, number, NULL)) FROM plan
            WHERE ended_at IS NULL AND expires_at > unixepoch()";
        let (plans, taken, oldest): (u64, u64, Option<u32>) =
            connection.query_row(of_waiting, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let full = match (plans >= plans_max, taken + bytes > plans_bytes_max) {
            (false, false) => return Ok(()),
            (true, _) => Error::PlansFull { limit: "plans_max", max: plans_max },
            (false, true) => Error::PlansFull { limit: "plans_bytes_max", max: plans_bytes_max },
        };
        end(connection, oldest.ok_or(full)?, None)?;
    }
}

/// Says that a plan was applied as a revision, or discarded.
pub(super) fn end(connection: &Connection, number: u32, applied: Option<u64>) -> Result<(), Error> {
    let ended = "UPDATE plan SET ended_at = unixepoch(), applied = ? WHERE number = ?";
    connection.prepare_cached(ended)?.execute(params![applied, number])?;
    Ok(())
}

/// Removes some of what is left of plans that have ended. Mostly there is none.
pub(super) fn sweep(connection: &Connection) -> Result<(), Error> {
    let ended =
        "SELECT number FROM plan WHERE has_parts AND (ended_at IS NOT NULL OR expires_at <= unixepoch()) LIMIT 1";
    let ended: Option<u32> = connection.prepare_cached(ended)?.query_row([], |row| row.get(0)).optional()?;
    let Some(number) = ended else {
        return Ok(());
    };
    let removed = connection.execute(
        "DELETE FROM plan_part WHERE place IN (
             SELECT place FROM plan_part WHERE place >= ?1 << 32 AND place < (?1 + 1) << 32 LIMIT ?2
         )",
        [number, SWEPT_PARTS],
    )?;
    if removed < SWEPT_PARTS as usize && plan_absences::sweep(connection, number, SWEPT_PARTS)? {
        connection.execute("UPDATE plan SET has_parts = false WHERE number = ?", [number])?;
        connection.execute(
            "DELETE FROM plan WHERE NOT has_parts AND number <= (SELECT max(number) FROM plan) - ?",
            [ENDED_MAX],
        )?;
    }
    Ok(())
}

fn plan(connection: &Connection, id: &str) -> Result<Option<Plan>, Error> {
    let mut select = connection.prepare_cached(&format!("{PLAN} WHERE id = ?"))?;
    let mut rows = select.query([id])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row) -> Result<Plan, Error> {
    let state = match (row.get::<_, Option<u64>>(6)?, row.get(5)?, row.get(4)?) {
        (Some(revision), ..) => PlanState::Applied { revision },
        (None, true, _) => PlanState::Discarded,
        (None, false, true) => PlanState::Expired,
        (None, false, false) => PlanState::Waiting,
    };
    let rules = u128::from_le_bytes(row.get(11)?);
    let base = Base { revision: row.get(8)?, next: row.get(9)?, profile: row.get(10)?, rules };
    let dialect: Option<String> = row.get(12)?;
    let peer: Option<String> = row.get(13)?;
    let sender = Sender {
        dialect: dialect.and_then(|name| Dialect::parse(&name)),
        key: row.get(24)?,
        peer: peer.and_then(|peer| peer.parse().ok()),
        bytes: row.get(14)?,
    };
    let [created, updated, activated, hidden, unchanged] =
        [row.get(16)?, row.get(17)?, row.get(18)?, row.get(19)?, row.get(20)?];
    Ok(Plan {
        id: row.get(1)?,
        number: row.get(0)?,
        made_at: row.get(2)?,
        expires_at: row.get(3)?,
        state,
        why: Why::of_stored(&StoredWhy { guards: row.get(7)?, would_trip: row.get(25)?, undo: row.get(26)? })?,
        base,
        profile: Uuid::parse_str(&row.get::<_, String>(22)?).unwrap_or_default(),
        sender,
        as_of: row.get::<_, Option<i64>>(23)?.and_then(|as_of| Timestamp::from_microsecond(as_of).ok()),
        employees: row.get(15)?,
        counts: Counts { created, updated, activated, hidden, unchanged },
        changes: row.get(21)?,
        suspects: row.get::<_, Option<String>>(27)?.map_or(Ok(Suspects::default()), |text| suspects_of_text(&text))?,
    })
}

fn part(connection: &Connection, plan: u32, after: u32) -> Result<Vec<PlannedChange>, Error> {
    let mut select = connection.prepare_cached(
        "SELECT changes, accepted FROM plan_part WHERE place > (?1 << 32 | ?2) AND place < (?1 + 1) << 32 ORDER BY place LIMIT 1",
    )?;
    let mut parts = select.query([plan, after])?;
    let Some(part) = parts.next()? else {
        return Ok(Vec::new());
    };
    let accepted: Vec<u8> = part.get(1)?;
    let (accepted, _) = accepted.as_chunks();
    let (mut bytes, mut hashes, mut changes) =
        (part.get_ref(0)?.as_blob().unwrap_or_default(), accepted.iter(), Vec::new());
    let read = unpack(&mut bytes, accepted.len() as u64, &mut |change| -> io::Result<()> {
        let bytes = hashes.next().map_or(0, |hash| u128::from_le_bytes(*hash));
        if change.number > after {
            changes.push(PlannedChange { change: change.to_owned(), bytes });
        }
        Ok(())
    });
    read.map_err(Error::damaged)?;
    Ok(changes)
}

impl Roster {
    /// Discards the plan with this id. Returns it as it was before, or `None` if there is none.
    pub fn discard_plan(&mut self, id: &str) -> Result<Option<Plan>, Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let plan = plan(&transaction, id)?;
        if let Some(waiting) = plan.as_ref().filter(|plan| plan.state == PlanState::Waiting) {
            end(&transaction, waiting.number, None)?;
        }
        sweep(&transaction)?;
        transaction.commit()?;
        Ok(plan)
    }
}

impl Reader {
    /// Returns the plans that wait, the latest first.
    pub fn plans(&self) -> Result<Vec<Plan>, Error> {
        self.of_plans(|connection| {
            let waiting = "WHERE ended_at IS NULL AND expires_at > unixepoch() ORDER BY number DESC";
            let mut select = connection.prepare(&format!("{PLAN} {waiting}"))?;
            let (mut rows, mut plans) = (select.query([])?, Vec::new());
            while let Some(row) = rows.next()? {
                plans.push(read(row)?);
            }
            Ok(plans)
        })
    }

    /// Returns the plan with this id, also if it was applied, discarded or has expired not long ago.
    pub fn plan(&self, id: &str) -> Result<Option<Plan>, Error> {
        self.of_plans(|connection| plan(connection, id))
    }

    /// See [`super::super::Draft::plan_part`].
    pub fn plan_part(&self, plan: u32, after: u32) -> Result<Vec<PlannedChange>, Error> {
        self.of_plans(|connection| part(connection, plan, after))
    }

    /// Reads from the plans; a file of an earlier version has none.
    fn of_plans<T: Default>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let read = || if schema::has_plans(&self.connection)? { read(&self.connection) } else { Ok(T::default()) };
        read().map_err(|error: Error| error.of(self.account))
    }
}
