//! The history of an account, as it is read: what each sync did, and why other pushes were refused or held.

use super::{
    Error, HeldPush, RESTORE, Reader, RejectionCounts, Roster, SyncKind, Times, guards_of_text, suspects_of_text,
};
use crate::roster::{Counts, Suspects};
use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use uuid::Uuid;

/// How many pushes a page may pass over, looking for the few that it is asked for.
const PASSED_OVER_MAX: usize = 10_000;

/// A push of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// When it ended, RFC 3339 in UTC.
    pub finished_at: String,
    /// The same in microseconds since 1970, if that was recorded.
    pub finished_us: Option<i64>,
    /// In whose words it was; `None` if it was applied by a version that did not record it.
    pub dialect: Option<String>,
    /// The number of the key that it was sent with, if that was recorded.
    pub key: Option<i64>,
    /// From where it came, if that was recorded.
    pub peer: Option<String>,
    /// The length of its body, in bytes, if that was recorded.
    pub bytes: Option<u64>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was applied.
    Applied(Applied),
    /// It was refused, or held.
    Refused {
        /// How many equal ones of a second this stands for.
        requests: u64,
        /// The status of the answer; `None` if the client had gone before.
        status: Option<u16>,
        /// How many rejections the answer counted.
        rejections: u64,
        /// How many of them there were of each rule.
        by_rule: BTreeMap<String, u64>,
        /// What held it; `None` if it was refused.
        held: Option<HeldPush>,
        /// Why.
        cause: String,
    },
}

/// A sync. What is `None` was not recorded by the version that applied it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The roster's revision after it.
    pub revision: u64,
    /// The roster's revision before it.
    pub revision_before: u64,
    /// How it came to be.
    pub kind: Option<SyncKind>,
    /// The GUID of the profile; `None` also for a restore.
    pub profile: Option<Uuid>,
    /// The version of the profile's rules.
    pub rules: Option<u128>,
    /// How many employees the push carried.
    pub employees: u64,
    /// The five counts.
    pub counts: Counts,
    /// The numbers of the employees that it created.
    pub created: Range<u32>,
    /// Whom it was applied without; `None` also if it was not lenient.
    pub set_aside: Option<RejectionCounts>,
    /// When the list was made, if the push said so.
    pub as_of: Option<Timestamp>,
    /// How long its steps took.
    pub times: Option<Times>,
    /// What in it looked odd.
    pub suspects: Box<Suspects>,
}

/// The outcome that pushes of the past are filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeFilter {
    /// Those that were applied.
    Applied,
    /// Those that were refused.
    Refused,
    /// Those that guards stopped.
    Held,
}

/// Which pushes of the past are read. The default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncFilter {
    /// Those that ended at this time or later.
    pub from: Option<Timestamp>,
    /// Those that ended before this time.
    pub to: Option<Timestamp>,
    /// Those in the words of this dialect, or `restore`.
    pub dialect: Option<String>,
    /// Those of which this came.
    pub outcome: Option<OutcomeFilter>,
    /// Only syncs that have changed somebody.
    pub has_changes: bool,
}

/// A place in the list of all pushes, the latest first: what comes before these in both of the lists that it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncPlace {
    /// A revision.
    pub revision: u64,
    /// The number of a refused push.
    pub refusal: u64,
}

/// The latest push.
impl Default for SyncPlace {
    fn default() -> SyncPlace {
        // SQLite's numbers are signed.
        let last = i64::MAX.cast_unsigned();
        SyncPlace { revision: last, refusal: last }
    }
}

/// Pushes of the past, the latest first.
#[derive(Debug, Default)]
pub struct SyncPage {
    /// The pushes.
    pub syncs: Vec<Past>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<SyncPlace>,
}

impl OutcomeFilter {
    /// Reads `applied`, `refused` or `held`.
    pub fn parse(text: &str) -> Option<OutcomeFilter> {
        match text {
            "applied" => Some(OutcomeFilter::Applied),
            "refused" => Some(OutcomeFilter::Refused),
            "held" => Some(OutcomeFilter::Held),
            _ => None,
        }
    }
}

impl Outcome {
    /// Its name in answers, which [`OutcomeFilter::parse`] reads.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Applied(_) => "applied",
            Outcome::Refused { held: None, .. } => "refused",
            Outcome::Refused { held: Some(_), .. } => "held",
        }
    }
}

impl Applied {
    /// Whether it changed somebody.
    pub fn has_changes(&self) -> bool {
        let Counts { created, updated, activated, hidden, unchanged: _ } = self.counts;
        // A rename, and its undo, may change nothing but an id, which is not counted; an erasure counts nobody.
        let is_uncounted = matches!(self.kind, Some(SyncKind::Rename | SyncKind::Undo(_) | SyncKind::Erase));
        created + updated + activated + hidden > 0 || is_uncounted
    }
}

impl SyncFilter {
    fn accepts(&self, past: &Past) -> bool {
        let time = || past.finished_at.parse::<Timestamp>().ok();
        let is_wanted = match (&past.outcome, self.outcome) {
            (Outcome::Applied(applied), None | Some(OutcomeFilter::Applied)) => {
                !self.has_changes || applied.has_changes()
            }
            (Outcome::Refused { held: None, .. }, None | Some(OutcomeFilter::Refused))
            | (Outcome::Refused { held: Some(_), .. }, None | Some(OutcomeFilter::Held)) => !self.has_changes,
            _ => false,
        };
        is_wanted
            && self.dialect.as_ref().is_none_or(|dialect| past.dialect.as_ref() == Some(dialect))
            && self.from.is_none_or(|from| time().is_some_and(|time| time >= from))
            && self.to.is_none_or(|to| time().is_some_and(|time| time < to))
    }
}

impl Roster {
    /// Returns the last pushes, applied, refused and held, at most `pushes_max`: the latest first.
    pub fn history(&self, pushes_max: usize) -> Result<Vec<Past>, Error> {
        Ok(page(&self.connection, &SyncFilter::default(), SyncPlace::default(), pushes_max)?.syncs)
    }
}

impl Reader {
    /// Returns the pushes that the filter accepts from a place on, `limit` of them at most, the latest first. A page ends early if too many
    /// were passed over.
    pub fn syncs(&self, filter: &SyncFilter, from: SyncPlace, limit: usize) -> Result<SyncPage, Error> {
        page(&self.connection, filter, from, limit).map_err(|error| error.of(self.account))
    }

    /// Returns the sync that made a revision; `None` if there is none.
    pub fn sync(&self, revision: u64) -> Result<Option<Past>, Error> {
        sync(&self.connection, revision).map_err(|error| error.of(self.account))
    }
}

/// Returns the sync that made a revision; `None` if there is none.
pub(super) fn sync(connection: &Connection, revision: u64) -> Result<Option<Past>, Error> {
    let mut select = connection.prepare_cached(&format!("{SYNC} WHERE sync.revision = ?"))?;
    select.query_row([revision], |row| Ok(applied(row))).optional()?.transpose()
}

/// Returns the statement that reads the syncs from a revision on, in their order. Each row is one for [`applied`].
pub(super) fn select_from(connection: &Connection) -> Result<CachedStatement<'_>, Error> {
    Ok(connection.prepare_cached(&format!("{SYNC} WHERE sync.revision >= ? ORDER BY sync.revision"))?)
}

pub(super) const SYNC: &str = "
    SELECT finished_at, dialect, key, peer, bytes, duration_ms, created, updated, activated, hidden, unchanged, revision, employees,
        coalesce((SELECT max(revision) FROM sync AS earlier WHERE earlier.revision < sync.revision), 0),
        kind, plan, guards, (SELECT id FROM profile WHERE number = sync.profile), rules, first_created,
        set_aside, rejections, as_of, receive_us, check_us, write_us, commit_us, rows_created, undo, suspects, finished_us
    FROM sync";

pub(super) const REFUSAL: &str = "
    SELECT finished_at, dialect, key, peer, bytes, duration_ms, created, updated, activated, hidden, unchanged, number,
        requests, status, rejections, by_rule, plan, guards, cause, finished_us
    FROM refusal";

/// Merges the two lists of pushes, each of which is in the order of its numbers, by their times.
fn page(connection: &Connection, filter: &SyncFilter, from: SyncPlace, limit: usize) -> Result<SyncPage, Error> {
    let mut select_syncs =
        connection.prepare_cached(&format!("{SYNC} WHERE sync.revision <= ? ORDER BY sync.revision DESC"))?;
    let mut select_refused = connection.prepare_cached(&format!("{REFUSAL} WHERE number <= ? ORDER BY number DESC"))?;
    let (mut syncs, mut others) = (select_syncs.query([from.revision])?, select_refused.query([from.refusal])?);
    let mut next_sync = || syncs.next()?.map(applied).transpose();
    let mut next_other = || others.next()?.map(refused).transpose();
    let (mut sync, mut other): (Option<Past>, Option<(u64, Past)>) = (next_sync()?, next_other()?);
    let (mut page, mut passed_over) = (SyncPage::default(), 0);
    loop {
        let is_sync = match (&sync, &other) {
            (None, None) => return Ok(page),
            (Some(sync), Some((_, other))) => sync.when() >= other.when(),
            (sync, _) => sync.is_some(),
        };
        if page.syncs.len() == limit || passed_over == PASSED_OVER_MAX {
            let revision = sync.as_ref().and_then(Past::applied).map_or(0, |applied| applied.revision);
            page.next = Some(SyncPlace { revision, refusal: other.map_or(0, |(number, _)| number) });
            return Ok(page);
        }
        let past = if is_sync {
            std::mem::replace(&mut sync, next_sync()?)
        } else {
            std::mem::replace(&mut other, next_other()?).map(|(_, past)| past)
        };
        let past = past.filter(|past| filter.accepts(past));
        passed_over += usize::from(past.is_none());
        page.syncs.extend(past);
    }
}

impl Past {
    /// Returns what pushes are put into the order of time by.
    pub fn when(&self) -> (&str, Option<i64>) {
        (&self.finished_at, self.finished_us)
    }

    /// Returns what it did; `None` if it was not applied.
    pub fn applied(&self) -> Option<&Applied> {
        match &self.outcome {
            Outcome::Applied(applied) => Some(applied),
            Outcome::Refused { .. } => None,
        }
    }
}

/// Reads a row of [`SYNC`].
pub(super) fn applied(row: &Row) -> Result<Past, Error> {
    let counts = counts(row)?;
    let kind = match (row.get::<_, Option<String>>(14)?, row.get::<_, Option<String>>(1)?.as_deref()) {
        (Some(kind), _) => {
            let id: Option<String> = row.get(15)?;
            let guards = row.get::<_, Option<String>>(16)?.as_deref().map_or(Ok(Vec::new()), guards_of_text)?;
            let undone = row.get::<_, Option<String>>(28)?.map(|undo| serde_json::from_str(&undo)).transpose();
            Some(SyncKind::of_name(&kind, id.unwrap_or_default(), guards, undone.map_err(Error::damaged)?)?)
        }
        (None, Some(RESTORE)) => Some(SyncKind::Restore),
        (None, _) => None,
    };
    let profile: Option<String> = row.get(17)?;
    let first_created: Option<u32> = row.get(19)?;
    let created = match row.get(27)? {
        Some(rows) => rows,
        None => u32::try_from(counts.created).map_err(Error::damaged)?,
    };
    let set_aside = row.get::<_, Option<u64>>(20)?;
    let by_rule = by_rule(row, 21)?;
    let times = match [row.get(23)?, row.get(24)?, row.get(25)?, row.get(26)?].map(|time: Option<u64>| time) {
        [Some(receive), Some(check), Some(write), Some(commit)] => {
            let [receive, check, write, commit] = [receive, check, write, commit].map(Duration::from_micros);
            Some(Times { receive, check, write, commit })
        }
        _ => None,
    };
    let applied = Applied {
        revision: row.get(11)?,
        revision_before: row.get(13)?,
        kind,
        profile: profile.and_then(|profile| Uuid::parse_str(&profile).ok()),
        // An erasure is by no rules.
        rules: row.get::<_, Option<[u8; 16]>>(18)?.map(u128::from_le_bytes).filter(|rules| *rules != 0),
        employees: row.get(12)?,
        counts,
        created: first_created.map_or(0..0, |first| first..first.saturating_add(created)),
        set_aside: set_aside.map(|employees| RejectionCounts { employees, by_rule }),
        as_of: row.get::<_, Option<i64>>(22)?.and_then(|as_of| Timestamp::from_microsecond(as_of).ok()),
        times,
        suspects: row
            .get::<_, Option<String>>(29)?
            .map_or(Ok(Box::default()), |text| suspects_of_text(&text).map(Box::new))?,
    };
    past(row, 30, Outcome::Applied(applied))
}

/// Reads a row of [`REFUSAL`], and its number.
pub(super) fn refused(row: &Row) -> Result<(u64, Past), Error> {
    let held = match row.get::<_, Option<String>>(17)? {
        Some(guards) => Some(HeldPush { plan: row.get(16)?, tripped: guards_of_text(&guards)?, counts: counts(row)? }),
        None => None,
    };
    let outcome = Outcome::Refused {
        requests: row.get(12)?,
        status: row.get(13)?,
        rejections: row.get(14)?,
        by_rule: by_rule(row, 15)?,
        held,
        cause: row.get(18)?,
    };
    Ok((row.get(11)?, past(row, 19, outcome)?))
}

fn counts(row: &Row) -> rusqlite::Result<Counts> {
    let [created, updated, activated, hidden, unchanged] =
        [row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?, row.get(10)?];
    Ok(Counts { created, updated, activated, hidden, unchanged })
}

fn by_rule(row: &Row, column: usize) -> Result<BTreeMap<String, u64>, Error> {
    let text: Option<String> = row.get(column)?;
    text.map_or(Ok(BTreeMap::new()), |text| serde_json::from_str(&text).map_err(Error::damaged))
}

/// Reads what is common to both. The microseconds are in the column with this number.
fn past(row: &Row, finished_us: usize, outcome: Outcome) -> Result<Past, Error> {
    Ok(Past {
        finished_at: row.get(0)?,
        finished_us: row.get(finished_us)?,
        dialect: row.get(1)?,
        key: row.get(2)?,
        peer: row.get(3)?,
        bytes: row.get(4)?,
        duration_ms: row.get(5)?,
        outcome,
    })
}
