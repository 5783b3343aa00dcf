//! Where rosters are kept. A push uses a [`Draft`], the port to a backend: a few calls, each for a batch. Everything else about a store
//! (accounts, keys, settings, reading, copies) is [`sqlite`]'s, the backend of one machine; a server makes these calls on threads that may
//! wait, so that a backend over a network fits. [`memory`] is plain maps: the model that tests compare with.
//!
//! # How the port fits PostgreSQL
//!
//! One schema, with `account` as the first column of every key, so that an account is a shard. No transaction is open, and no lock is held,
//! while a client sends: a draft appends to tables of its own (`staged_*`, unlogged, by draft), and only the commit touches the roster, where
//! it checks the revision. What a process that died has staged is swept by age.
//!
//! | call | SQL |
//! |---|---|
//! | open, [`Draft::seed`] | `SELECT revision, stamp, seed FROM account WHERE id = $1` |
//! | [`Draft::enter_profile`] | `INSERT INTO field (account, name, number) … ON CONFLICT DO NOTHING`, the same for `profile`, then `SELECT` both: a short transaction of its own; a number that no push comes to use does no harm |
//! | [`Draft::profile_id`] | `SELECT id FROM profile WHERE account = $1 AND number = $2` |
//! | [`Draft::index`] | `SELECT entries FROM index_part WHERE account = $1 ORDER BY part`, unless a node has it in memory with this stamp |
//! | [`Draft::find_ids`] | `SELECT … FROM unnest($2::text[]) WITH ORDINALITY AS want (id, place) LEFT JOIN employee USING (id) …` |
//! | [`Draft::holders`] | the same with `unique_value`, `ORDER BY revision DESC`, two for each value, minus `staged_released` |
//! | [`Draft::read`] | `SELECT DISTINCT ON (number) … FROM version WHERE account = $1 AND number = ANY($2) ORDER BY number, revision DESC`, each replaced by its row in `staged_change`, if it has one |
//! | [`Draft::scan`], [`Draft::active_of`], [`Draft::queued`] | `… WHERE account = $1 AND number > $2 ORDER BY number LIMIT $3` |
//! | [`Draft::earlier`], [`Draft::seen`], [`Draft::last_as_of`] | `SELECT … FROM retry JOIN sync … WHERE account = $1 AND key = $2`; `SELECT fingerprint FROM seen WHERE account = $1 AND mark = $2`; `SELECT as_of FROM sync … ORDER BY revision DESC LIMIT 1` |
//! | [`Draft::tally`], [`Draft::usually_hidden`] | `SELECT field, employees FROM tally WHERE account = $1`; `SELECT max(hidden) FROM (SELECT hidden FROM sync WHERE account = $1 AND is_usual ORDER BY revision DESC LIMIT $2)` |
//! | [`Draft::missing`], [`Draft::hidden_by_absence`] | `SELECT number, pushes FROM missing WHERE account = $1 AND NOT is_hidden ORDER BY number`; `… AND number = ANY($2)`, each with what `staged_missing` says instead; [`Draft::any_missing`] comes with the first call |
//! | [`Draft::note_missing`], [`Draft::forget_missing`] | `COPY staged_missing …`, applied by the commit |
//! | [`Draft::append`] | `COPY staged_change FROM STDIN BINARY`; thousands of rows a call |
//! | [`Draft::release`], [`Draft::hold`] | `COPY staged_released …`, `COPY staged_held …` |
//! | [`Draft::commit`] | `BEGIN; UPDATE account SET revision = revision + 1, stamp = $3 WHERE id = $1 AND revision = $2` (no row: [`Error::Changed`]); `INSERT INTO version SELECT … FROM staged_change …`, and into `employee (account, number, id)` those who are new; `DELETE` and `INSERT` of unique values, of the queue and of the index's parts; `INSERT INTO sync …`; `INSERT INTO retry …`, whose key is unique; `UPDATE plan SET applied = …` if it was one; `COMMIT` |
//! | [`Draft::changes`] | `SELECT … FROM staged_change LEFT JOIN LATERAL (the version before it) WHERE draft = $1 AND number > $2 ORDER BY number LIMIT $3` |
//! | [`Draft::keep_as_plan`] | `BEGIN; SELECT revision FROM account WHERE id = $1 FOR SHARE; INSERT INTO plan …; UPDATE staged_change SET plan = $2 WHERE draft = $3; COMMIT`: what is staged stays and gets an owner |
//! | [`Draft::plan`], [`Draft::plan_part`], [`Draft::plan_absences`] | `SELECT … FROM plan WHERE account = $1 AND id = $2`; `SELECT … FROM staged_change WHERE plan = $1 AND number > $2 ORDER BY number LIMIT $3`; the same of `staged_missing` |
//! | [`Draft::start_over`] | `DELETE FROM staged_change WHERE draft = $1`, and `SELECT revision FROM account WHERE id = $2`, which must be the one that the draft began with |
//! | [`Draft::revisions`], [`Draft::has_moved_since`], [`Draft::synced_at`] | `SELECT number, max(revision) FROM version WHERE account = $1 AND number = ANY($2)`; `SELECT EXISTS (SELECT 1 FROM version WHERE account = $1 AND revision > $2)`; `SELECT revision, finished_at FROM sync WHERE account = $1 AND revision = ANY($2)` |
//! | [`Draft::status_changes`] | `SELECT number, count(*) FROM (SELECT number, revision, status <> lag(status) OVER (PARTITION BY number ORDER BY revision) AS has_turned FROM version WHERE account = $1 AND number = ANY($2)) JOIN sync USING (revision) WHERE has_turned AND finished_at >= $3 GROUP BY number` |
//! | [`Draft::undoable`], [`Draft::changed_in`] | `SELECT count(*), max(revision) FILTER (WHERE kind = 'restore'), array_agg(DISTINCT profile) FROM sync WHERE account = $1 AND revision BETWEEN $2 AND $3`; `SELECT DISTINCT number FROM version WHERE account = $1 AND revision BETWEEN $2 AND $3 ORDER BY number` |
//! | [`Draft::read_at`] | `SELECT DISTINCT ON (number) … FROM version WHERE account = $1 AND number = ANY($2) AND revision <= $3 ORDER BY number, revision DESC` |
//! | [`Draft::guarded`] | `SELECT guarded FROM profile WHERE account = $1` |
//! | [`Draft::with_merged`] | `WITH RECURSIVE` over `SELECT number FROM employee WHERE account = $1 AND merged_into = ANY($2)`, and over `merged_into` the other way round; the column has what the id of a removed employee says, and an index of those that are not `NULL` |
//! | [`Draft::wipe`] | kept until the commit, which then does `UPDATE version SET data = '' WHERE account = $1 AND number = ANY($2)`, and `DELETE` or `UPDATE` of these employees' rows in `unique_value`, `staged_change` of plans, `queue`, `retry`, `former_id` and the index's parts, and of versions that others got while one of these was merged into them; `INSERT INTO erased …`. The bytes go with the next `VACUUM FULL` and when the log is recycled |
//! | [`Draft::erased`] | `SELECT number, revision FROM erased WHERE account = $1 AND number = ANY($2)` |
//! | [`Draft::is_emptied`] | `SELECT number, EXISTS (SELECT 1 FROM erased …) OR EXISTS (SELECT 1 FROM emptied …) FROM unnest($2::int[])`; the rows of `emptied`, by account, number and the first revision, are written by the commit after [`Draft::wipe`] |
//! | dropped | `DELETE FROM staged_change WHERE draft = $1`, and the others |
//!
//! Versions of employees are appended, by account, number and revision, and never updated: nothing is left for a vacuum to clean, and what an
//! employee was before stays readable.
//!
//! The unique index on `(account, id)` is deferred to the commit, so two employees may exchange their ids.

mod announcement;
mod draft;
mod erase;
mod error;
mod feed;
pub mod memory;
mod moment;
mod plan;
mod profiles;
mod publish;
mod record;
mod settings;
pub mod sqlite;
#[cfg(test)]
mod suite;
mod suspects;
mod unique;

pub use announcement::{Announcement, EventType};
pub use draft::{
    Came, Commit, Draft, Earlier, IndexUpdate, Mark, Numbers, Once, Remember, Retry, STATUS_CHANGES_MAX, Seen, Sender,
    Sync,
};
pub use erase::Erased;
pub use error::{Cause, Error};
pub use feed::{FeedChange, FeedCursor, FeedError, FeedPage, FeedStart, FeedSync};
pub use moment::{Moment, MomentError};
pub use plan::{Base, Created, NewPlan, Plan, PlanState, PlannedChange, PlannedUndo, Why};
use plan::{guards_of_text, guards_to_text};
pub use profiles::{Change, InForce, OpenError, Profiles, Reading};
pub use publish::{Based, Publication, PublishError, Published, Publisher};
pub use record::{
    AppliedPlan, AppliedUndo, HeldPush, RecordedChange, RejectionCounts, SyncKind, Times, Undoable, Undone, VersionAt,
    without_people,
};
pub use settings::{AccountSetting, AccountSettings, Demand, DialectSettings, Replay, Setting};
pub use sqlite::{
    Account, Admitted, Alarm, Announced, Applied, Attempt, Checkup, Copied, Credential, Deed, Delivery, Due,
    DueDelivery, Ended, Ending, Event, Filter, FormerId, Holder, Key, LastAttempt, LifePage, ListedKey, Lock, News,
    Outcome, OutcomeFilter, PENDING_MAX, Page, Past, Person, ProfileFile, ProfileVersion, RESTORE, Reader, Refused,
    Roster, Scheduled, Secret, Since, Snapshot, Standing, Store, StoredProfile, Summary, SyncFilter, SyncPage,
    SyncPlace, ToAnnounce, TokenHolder, Touched, Trimmed, User, Webhook,
};
use suspects::{suspects_of_text, suspects_to_text};
pub use unique::{Held, OF_HIDDEN, UniqueValue, unique_values};
