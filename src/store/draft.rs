//! The port of a push to a store.

use super::{
    Error, Held, NewPlan, Plan, PlannedChange, RejectionCounts, SyncKind, Times, Undoable, Undone, UniqueValue,
    VersionAt, memory, sqlite,
};
use crate::dialect::Dialect;
use crate::digest::Fingerprint;
use crate::profile::{Profile, Unique};
use crate::rejection::SetAside;
use crate::roster::{
    Absences, Change, Counts, Delta, Employee, Entry, FieldValue, Ignored, Index, Missing, OwnedChange, Suspects, Tally,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;
use uuid::Uuid;

/// How many changes of an employee's status are counted at most.
pub const STATUS_CHANGES_MAX: u32 = 100;

/// A roster that is being changed from one revision to the next. Nobody else sees what is appended before it is committed; dropped, it leaves
/// nothing behind. What it reads is the roster with what was appended.
pub enum Draft<'a> {
    /// In an account's file.
    Sqlite(sqlite::Draft<'a>),
    /// In plain maps.
    Memory(memory::Draft<'a>),
}

/// The account's numbers for a profile, and what else a push begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// The number of the profile.
    pub profile: u32,
    /// The numbers of its fields, in the profile's order.
    pub fields: Vec<u32>,
    /// What the account's fields are called, by number.
    pub names: HashMap<u32, String>,
    /// The fields that some profile of the account wants to be unique, by number, each with the widest of their demands.
    pub unique: BTreeMap<u32, Unique>,
    /// The fields that some profile of the account guards, by number, in ascending order.
    pub guarded: Vec<u32>,
    /// Whether other fields were unique before, so that nobody holds a unique value now.
    pub unique_changed: bool,
    /// The number of the next new employee. Numbers begin with 1, and none is left out.
    pub next: u32,
}

/// What a push did, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// How it came to be.
    pub kind: SyncKind,
    /// The account's number of the profile.
    pub profile: u32,
    /// The version of the profile's rules.
    pub rules: u128,
    /// The numbers of the employees that it creates. Whoever was removed and comes back counts as created, and keeps the number.
    pub created: Range<u32>,
    /// How many employees the push carried.
    pub employees: u64,
    /// The five counts.
    pub counts: Counts,
    /// Whom it was applied without; `None` if it was not lenient.
    pub set_aside: Option<RejectionCounts>,
    /// From the first look at the body until the commit.
    pub duration: Duration,
    /// How long its steps took until then. The commit adds its own time.
    pub times: Times,
    /// Who sent it.
    pub sender: Sender,
    /// When the list was made, if it says so.
    pub as_of: Option<Timestamp>,
    /// Whether it is a list of everybody that no guard would have stopped: such lists say what is usual.
    pub is_usual: bool,
    /// What in it looks odd.
    pub suspects: Suspects,
}

/// What tells a push from every other, so that it is applied once however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// What its client calls it.
    pub key: String,
    /// What its request asks for, with the body.
    pub fingerprint: Fingerprint,
}

/// A command that changes the queue, and must be carried out once however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Its key and fingerprint.
    pub retry: Retry,
    /// See [`Remember::kept_max`].
    pub kept_max: u64,
}

/// Whether a request with a key came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It did not, or it has no key.
    First,
    /// It did, and was carried out then.
    Again,
    /// Another request with the same key did.
    AsAnother,
}

/// What a request was signed with, by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The hash: of a SharedKey signature, or of an account and a nonce.
    pub hash: Fingerprint,
    /// The last second of Unix time at which the signature is good.
    pub good_until: i64,
    /// Whether it is a nonce, with which nothing may come again. With a SharedKey signature the same may.
    pub is_nonce: bool,
}

/// A push whose signature must not come again with another body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What it was signed with.
    pub mark: Mark,
    /// What its request asks for, with the body.
    pub fingerprint: Fingerprint,
    /// How many are remembered of an account. The oldest go first.
    pub kept_max: usize,
}

/// What an earlier push with the same key did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// What its request asked for.
    pub fingerprint: Fingerprint,
    /// The roster's revision after it.
    pub revision: u64,
    /// The number of its first employee, if its intents came one by one.
    pub first: Option<u32>,
    /// What it carried and means nothing here.
    pub ignored: Ignored,
    /// The employees that it was applied without; `None` if it was not lenient.
    pub set_aside: Option<Box<SetAside>>,
    /// How many employees it carried.
    pub employees: u64,
    /// The five counts.
    pub counts: Counts,
    /// How long it took.
    pub duration: Duration,
    /// What in it looked odd.
    pub suspects: Suspects,
}

/// What is remembered of a push that has a key, so that it can be answered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remember {
    /// Its key and fingerprint.
    pub retry: Retry,
    /// See [`Earlier::first`].
    pub first: Option<u32>,
    /// See [`Earlier::ignored`].
    pub ignored: Ignored,
    /// See [`Earlier::set_aside`].
    pub set_aside: Option<Box<SetAside>>,
    /// How many such pushes are remembered of an account. The oldest go first.
    pub kept_max: u64,
}

/// Who sent a push, as far as that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sender {
    /// In whose words it is.
    pub dialect: Option<Dialect>,
    /// The number of the key that it was sent with, among the account's.
    pub key: Option<i64>,
    /// From where.
    pub peer: Option<IpAddr>,
    /// The length of its body as it was sent, in bytes.
    pub bytes: Option<u64>,
}

/// What becomes of the index with a commit.
#[expect(clippy::large_enum_variant, reason = "there is one at a time in a push, and it is moved once")]
pub enum IndexUpdate {
    /// The index of [`Draft::index`], and what the push makes of it.
    Whole(Index, Delta),
    /// The entries of the employees that were changed or created; the index was not needed.
    Entries(Vec<Entry>),
}

/// How a draft is committed.
pub struct Commit {
    /// What is recorded.
    pub sync: Sync,
    /// What becomes of the index.
    pub index: IndexUpdate,
    /// How much memory the indexes that wait for their account's next push may take, in bytes.
    pub index_bytes_max: usize,
    /// What the push makes of the account's tally.
    pub tally: Tally,
    /// Whether the account's queue was applied and becomes empty.
    pub empties_queue: bool,
    /// What is remembered of the push, if it has a key.
    pub remember: Option<Remember>,
    /// What the push was signed with, if that must not come again.
    pub seen: Option<Seen>,
    /// The number of the plan that is applied, if it is one. It cannot be applied again.
    pub plan: Option<u32>,
}

/// Calls the same method of whichever backend it is.
macro_rules! forward {
    ($draft:expr, $inner:ident => $call:expr) => {
        match $draft {
            Draft::Sqlite($inner) => $call,
            Draft::Memory($inner) => $call,
        }
    };
}

impl Draft<'_> {
    /// Returns the seed of the account's hashes.
    pub fn seed(&self) -> u64 {
        forward!(self, draft => draft.seed())
    }

    /// Returns the account's numbers for a profile and its fields, which get some if they have none, and remembers which of its fields are
    /// unique.
    pub fn enter_profile(&mut self, profile: &Profile) -> Result<Numbers, Error> {
        forward!(self, draft => draft.enter_profile(profile))
    }

    /// Returns the GUID of the profile with one of the account's numbers; `None` if none has it.
    pub fn profile_id(&mut self, number: u32) -> Result<Option<Uuid>, Error> {
        forward!(self, draft => draft.profile_id(number))
    }

    /// Returns the index of the roster: every employee in the slot of its number less one.
    pub fn index(&mut self) -> Result<Index, Error> {
        forward!(self, draft => draft.index())
    }

    /// Returns for each id the employee that has it, and its number.
    pub fn find_ids(&mut self, ids: &[&str]) -> Result<Vec<Option<(u32, Employee)>>, Error> {
        forward!(self, draft => draft.find_ids(ids))
    }

    /// Returns for each value the numbers of up to two employees that hold it, the one that was changed last first.
    pub fn holders(&mut self, values: &[UniqueValue]) -> Result<Vec<Vec<u32>>, Error> {
        forward!(self, draft => draft.holders(values))
    }

    /// Returns for each number the employee that has it.
    pub fn read(&mut self, numbers: &[u32]) -> Result<Vec<Option<Employee>>, Error> {
        forward!(self, draft => draft.read(numbers))
    }

    /// Returns the employees with a number above `after`, in the order of their numbers, `limit` of them at most.
    pub fn scan(&mut self, after: u32, limit: usize) -> Result<Vec<(u32, Employee)>, Error> {
        forward!(self, draft => draft.scan(after, limit))
    }

    /// Returns the numbers above `after` of the active employees of a profile, in ascending order, `limit` of them at most.
    pub fn active_of(&mut self, profile: u32, after: u32, limit: usize) -> Result<Vec<u32>, Error> {
        forward!(self, draft => draft.active_of(profile, after, limit))
    }

    /// Returns the records of the account's queue behind a position, with their positions, `limit` of them at most.
    pub fn queued(&mut self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, Error> {
        forward!(self, draft => draft.queued(after, limit))
    }

    /// Returns what the push with an idempotency key did, if it was applied less than [`RETRY_SECONDS_MAX`](crate::limits::RETRY_SECONDS_MAX)
    /// ago and is remembered.
    pub fn earlier(&mut self, key: &str) -> Result<Option<Earlier>, Error> {
        forward!(self, draft => draft.earlier(key))
    }

    /// Returns what the first push that was signed with a mark has asked for; `None` if it is not remembered.
    pub fn seen(&mut self, mark: &Mark) -> Result<Option<Fingerprint>, Error> {
        forward!(self, draft => draft.seen(mark))
    }

    /// Returns when the list was made of the last push that says so; `None` if no push does.
    pub fn last_as_of(&mut self) -> Result<Option<Timestamp>, Error> {
        forward!(self, draft => draft.last_as_of())
    }

    /// Returns the tally of the roster before this draft. Of the values of guarded fields it has those that are asked for.
    pub fn tally(&mut self, values: &[FieldValue]) -> Result<Tally, Error> {
        forward!(self, draft => draft.tally(values))
    }

    /// Returns the most that one of the last usual lists has hidden; see [`Sync::is_usual`].
    pub fn usually_hidden(&mut self, lists: usize) -> Result<u64, Error> {
        forward!(self, draft => draft.usually_hidden(lists))
    }

    /// Whether an employee was missing from lists that hide the absent, and has not come back.
    pub fn any_missing(&self) -> bool {
        forward!(self, draft => draft.any_missing())
    }

    /// Returns who was missing and is not hidden yet, in the order of their numbers.
    pub fn missing(&mut self) -> Result<Vec<Missing>, Error> {
        forward!(self, draft => draft.missing())
    }

    /// Returns for each number whether absence has hidden the employee, who has not become active or been hidden on purpose since.
    pub fn hidden_by_absence(&mut self, numbers: &[u32]) -> Result<Vec<bool>, Error> {
        forward!(self, draft => draft.hidden_by_absence(numbers))
    }

    /// Notes who is missing. An employee whose status changes afterwards is not missing any more. The changes that this draft has appended of
    /// those who are hidden by that are recorded as hides by absence.
    pub fn note_missing(&mut self, missing: &[Missing]) -> Result<(), Error> {
        forward!(self, draft => draft.note_missing(missing))
    }

    /// Says that employees are not missing.
    pub fn forget_missing(&mut self, numbers: &[u32]) -> Result<(), Error> {
        forward!(self, draft => draft.forget_missing(numbers))
    }

    /// Appends changes, of which each employee has at most one.
    pub fn append(&mut self, changes: &[Change]) -> Result<(), Error> {
        forward!(self, draft => draft.append(changes))
    }

    /// Says that employees do not hold these unique values any more.
    pub fn release(&mut self, held: &[Held]) -> Result<(), Error> {
        forward!(self, draft => draft.release(held))
    }

    /// Says that employees hold these unique values, which are in ascending order.
    pub fn hold(&mut self, held: &mut dyn Iterator<Item = Held>) -> Result<(), Error> {
        forward!(self, draft => draft.hold(held))
    }

    /// Returns what was appended so far: the changes of employees with a number above `after`, in the order of the numbers, `limit` of them
    /// at most. Employees that were erased are not among them.
    pub fn changes(&mut self, after: u32, limit: usize) -> Result<Vec<OwnedChange>, Error> {
        forward!(self, draft => draft.changes(after, limit))
    }

    /// Drops what was appended, and begins again with the same profile, which gets the same numbers. Fails with [`Error::Changed`] if the roster
    /// was changed meanwhile.
    pub fn start_over(&mut self, profile: &Profile) -> Result<(), Error> {
        forward!(self, draft => draft.start_over(profile))
    }

    /// Returns for each number the revision of the employee's last change, or `None` if nobody has it.
    pub fn revisions(&mut self, numbers: &[u32]) -> Result<Vec<Option<u64>>, Error> {
        forward!(self, draft => draft.revisions(numbers))
    }

    /// Returns for each revision when its sync ended, RFC 3339 in UTC, or `None` if there is no such sync.
    pub fn synced_at(&mut self, revisions: &[u64]) -> Result<Vec<Option<String>>, Error> {
        forward!(self, draft => draft.synced_at(revisions))
    }

    /// Returns for each number how often the status of the employee has changed in syncs that ended at a time or later, up to
    /// [`STATUS_CHANGES_MAX`]. What was appended is not counted.
    pub fn status_changes(&mut self, numbers: &[u32], since: Timestamp) -> Result<Vec<u32>, Error> {
        forward!(self, draft => draft.status_changes(numbers, since))
    }

    /// Returns the revision that the roster has, without what was appended.
    pub fn revision(&self) -> u64 {
        forward!(self, draft => draft.revision())
    }

    /// Whether an employee was created or changed since a revision, when `next` was the number of the next new employee.
    pub fn has_moved_since(&mut self, revision: u64, next: u32) -> Result<bool, Error> {
        forward!(self, draft => draft.has_moved_since(revision, next))
    }

    /// Returns whether syncs can be taken back.
    pub fn undoable(&mut self, undone: Undone) -> Result<Undoable, Error> {
        forward!(self, draft => draft.undoable(undone))
    }

    /// Returns the numbers of the employees whom syncs have changed, in ascending order.
    pub fn changed_in(&mut self, undone: Undone) -> Result<Vec<u32>, Error> {
        forward!(self, draft => draft.changed_in(undone))
    }

    /// Returns for each number the employee as it was at a revision, without what was appended; `None` if it did not exist.
    pub fn read_at(&mut self, numbers: &[u32], revision: u64) -> Result<Vec<Option<VersionAt>>, Error> {
        forward!(self, draft => draft.read_at(numbers, revision))
    }

    /// Returns the fields that some profile of the account guards, by number, in ascending order.
    pub fn guarded(&mut self) -> Result<Vec<u32>, Error> {
        forward!(self, draft => draft.guarded())
    }

    /// Returns the numbers of all who are the same people as the employees with these numbers: these, whoever they were merged into, and
    /// everybody who was merged into one of them, also by way of others. They are in ascending order.
    pub fn with_merged(&mut self, numbers: &[u32]) -> Result<Vec<u32>, Error> {
        forward!(self, draft => draft.with_merged(numbers))
    }

    /// Takes the values for good from all that is stored of employees who were removed, also by this draft: from their versions, unique values,
    /// plans, the queue and what is remembered of pushes; also from what others were while one of them was merged into them. A former id that is also one of the values, such as an e-mail address, gets another.
    /// Which versions there are, each with its status and profile, stays.
    pub fn wipe(&mut self, numbers: &[u32]) -> Result<(), Error> {
        forward!(self, draft => draft.wipe(numbers))
    }

    /// Returns for each number the revision that erased the employee last, or `None` if none has. What it was before is not known any more.
    pub fn erased(&mut self, numbers: &[u32]) -> Result<Vec<Option<u64>>, Error> {
        forward!(self, draft => draft.erased(numbers))
    }

    /// Returns for each number whether erasing has taken what the employee was before syncs, or after them, so that nothing says what to take back.
    pub fn is_emptied(&mut self, numbers: &[u32], undone: Undone) -> Result<Vec<bool>, Error> {
        forward!(self, draft => draft.is_emptied(numbers, undone))
    }

    /// Returns the account's plan with this id, also if it was applied, discarded or has expired not long ago.
    pub fn plan(&mut self, id: &str) -> Result<Option<Plan>, Error> {
        forward!(self, draft => draft.plan(id))
    }

    /// Returns some changes of the plan with this number, of employees with a number above `after`, in the order of the numbers; none at the
    /// end. They are as many as lie together.
    pub fn plan_part(&mut self, plan: u32, after: u32) -> Result<Vec<PlannedChange>, Error> {
        forward!(self, draft => draft.plan_part(plan, after))
    }

    /// Returns what the plan with this number says about who is missing, part by part: the parts are counted from 0, and the one behind the
    /// last says nothing.
    pub fn plan_absences(&mut self, plan: u32, part: u32) -> Result<Absences, Error> {
        forward!(self, draft => draft.plan_absences(plan, part))
    }

    /// Drops what was appended, and keeps it as a plan: durable then. If a plan of the same changes waits, that one is returned. Fails with
    /// [`Error::PlansFull`] if there is no room for it.
    pub fn keep_as_plan(self, plan: NewPlan) -> Result<Plan, Error> {
        forward!(self, draft => draft.keep_as_plan(plan))
    }

    /// Makes everything that was appended the roster's next revision, which it returns: durable then, and seen by everybody. Fails with
    /// [`Error::Changed`] if the roster is not at the revision any more that the draft began with.
    pub fn commit(self, commit: Commit) -> Result<u64, Error> {
        forward!(self, draft => draft.commit(commit))
    }

    /// Gives back the index that [`Draft::index`] returned, which is taken back to what it was, for a commit that has no index or for the
    /// account's next push. Indexes that wait for their account's next push may take `index_bytes_max` bytes of memory.
    pub fn return_index(&mut self, index: Index, index_bytes_max: usize) {
        forward!(self, draft => draft.return_index(index, index_bytes_max));
    }
}
