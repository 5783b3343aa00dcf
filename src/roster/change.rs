//! A change: one employee before and after. What a push did is its changes; the five counts are a fold over them.

use super::merged::merged_id;
use super::{Counts, Data, Employee, Status, merged_into};

/// What a removed employee has in place of the number of its profile. Numbers of profiles begin with 1.
const NO_PROFILE: u32 = 0;

/// Whether an id is one that removed employees have.
pub fn is_of_removed(id: &str) -> bool {
    id.starts_with('\0')
}

/// One version of an employee, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'a> {
    /// The id in the corporate system.
    pub id: &'a str,
    /// Whether the employee works here.
    pub status: Status,
    /// The account's number of the profile that the data was checked by.
    pub profile: u32,
    /// The values, in canonical form.
    pub data: Data<&'a [u8]>,
}

impl Employee {
    /// Returns the same, borrowed.
    pub fn version(&self) -> Version<'_> {
        Version { id: &self.id, status: self.status, profile: self.profile, data: self.data.lend() }
    }

    /// Returns what an employee with a number is once it was removed: hidden, without data, and with an id that nobody can send, so that
    /// another may have the one that it had. The number stays taken.
    pub fn removed(number: u32) -> Employee {
        let data = Data::from_bytes(Vec::new());
        Employee { id: format!("\0{number}"), status: Status::Hidden, profile: NO_PROFILE, data }
    }

    /// Returns what an employee with a number is once it was merged into the one with another number: removed, with an id that says so.
    pub fn merged(number: u32, into: u32) -> Employee {
        Employee { id: merged_id(number, into), ..Employee::removed(number) }
    }

    /// Whether the employee was removed: no list of the roster has it, but its history stays.
    pub fn is_removed(&self) -> bool {
        self.version().is_removed()
    }
}

impl Version<'_> {
    /// See [`Employee::is_removed`].
    pub fn is_removed(&self) -> bool {
        self.profile == NO_PROFILE
    }

    /// Returns a copy that owns what it has.
    pub fn to_employee(&self) -> Employee {
        let Version { id, status, profile, data } = *self;
        Employee { id: id.into(), status, profile, data: Data::from_bytes(data.as_bytes().to_vec()) }
    }
}

/// One employee before and after a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The employee's number in the store, which never changes.
    pub number: u32,
    /// What was stored; `None` if the employee did not exist.
    pub before: Option<Version<'a>>,
    /// What is stored then; `None` if the employee does not exist any more.
    pub after: Option<Version<'a>>,
}

/// A change that owns its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedChange {
    /// The employee's number in the store.
    pub number: u32,
    /// What was stored; `None` if the employee did not exist.
    pub before: Option<Employee>,
    /// What is stored then; `None` if the employee does not exist any more.
    pub after: Option<Employee>,
}

impl OwnedChange {
    /// Returns the same, borrowed.
    pub fn lend(&self) -> Change<'_> {
        let [before, after] = [&self.before, &self.after].map(|version| version.as_ref().map(Employee::version));
        Change { number: self.number, before, after }
    }
}

/// Why an employee was hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenBy {
    /// The push said so.
    Push,
    /// Lists of everybody did not carry the employee.
    Absence {
        /// How many lists in a row.
        lists: u32,
    },
    /// A plan said so, which somebody applied.
    Plan {
        /// How many lists in a row had not carried the employee, if the plan hides the absent.
        lists: Option<u32>,
    },
    /// A rename said that it is the same person as somebody who is hidden.
    Rename,
    /// The undo of a sync has brought it back to that.
    Undo,
    /// Its personal data was erased.
    Erasure,
}

impl HiddenBy {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            HiddenBy::Push => "push",
            HiddenBy::Absence { .. } => "absence",
            HiddenBy::Plan { .. } => "plan",
            HiddenBy::Rename => "rename",
            HiddenBy::Undo => "undo",
            HiddenBy::Erasure => "erasure",
        }
    }
}

/// What a change does to an employee. Several may be true at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kinds {
    /// The employee did not exist.
    pub created: bool,
    /// The data changed, or the profile that it is checked by.
    pub updated: bool,
    /// Was hidden, and is active.
    pub activated: bool,
    /// Was active, and is hidden.
    pub hidden: bool,
    /// The id changed.
    pub renamed: bool,
    /// The employee is in no list of the roster any more, as after the undo of its creation.
    pub removed: bool,
    /// The employee was removed because it turned out to be the same person as another, who has the id now.
    pub merged: bool,
}

impl<'a> Change<'a> {
    /// Returns the change that takes this one back.
    #[must_use]
    pub fn inverse(self) -> Change<'a> {
        Change { number: self.number, before: self.after, after: self.before }
    }

    /// Returns a copy that owns its versions.
    pub fn to_owned(&self) -> OwnedChange {
        let [before, after] = [self.before, self.after].map(|version| version.map(|version| version.to_employee()));
        OwnedChange { number: self.number, before, after }
    }

    /// Whether the stored id changes. That of somebody who is removed, or comes back, does, too.
    pub fn is_renaming(&self) -> bool {
        self.before.zip(self.after).is_some_and(|(before, after)| before.id != after.id)
    }

    /// Returns the change as readers of the roster see it: whoever is removed does not exist.
    #[must_use]
    pub fn seen(self) -> Change<'a> {
        let [before, after] = [self.before, self.after].map(|version| version.filter(|version| !version.is_removed()));
        Change { number: self.number, before, after }
    }

    /// Returns what the change does to the employee.
    pub fn kinds(&self) -> Kinds {
        let seen = self.seen();
        match (seen.before, seen.after) {
            (None, None) => Kinds::default(),
            (None, Some(_)) => Kinds { created: true, ..Kinds::default() },
            (Some(before), None) => {
                let merged = self.after.is_some_and(|after| merged_into(after.id).is_some());
                let hidden = before.status == Status::Active && !merged;
                Kinds { removed: true, merged, hidden, ..Kinds::default() }
            }
            (Some(before), Some(after)) => Kinds {
                updated: (before.profile, before.data) != (after.profile, after.data),
                activated: (before.status, after.status) == (Status::Hidden, Status::Active),
                hidden: (before.status, after.status) == (Status::Active, Status::Hidden),
                renamed: before.id != after.id,
                ..Kinds::default()
            },
        }
    }
}

impl Counts {
    /// Counts a change.
    pub fn add(&mut self, change: &Change) {
        self.add_kinds(&change.kinds());
    }

    /// Counts a change that does this to its employee.
    pub fn add_kinds(&mut self, kinds: &Kinds) {
        let Kinds { created, updated, activated, hidden, .. } = *kinds;
        self.created += u64::from(created);
        self.updated += u64::from(updated);
        self.activated += u64::from(activated);
        self.hidden += u64::from(hidden);
    }
}
