//! A change: one employee before and after. What a push did is its changes; the five counts are a fold over them.

use super::{Counts, Data, Employee, Status, merged_into};

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
}

impl Version<'_> {
    /// Whether the employee was merged into another, and is nobody any more.
    pub fn is_merged(&self) -> bool {
        merged_into(self.id).is_some()
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
}

impl HiddenBy {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            HiddenBy::Push => "push",
            HiddenBy::Absence { .. } => "absence",
            HiddenBy::Plan { .. } => "plan",
            HiddenBy::Rename => "rename",
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
    /// The employee does not exist any more, which only the inverse of a creation does.
    pub erased: bool,
    /// The employee turned out to be the same person as another, who has the id now.
    pub merged: bool,
    /// The employee is not the same person as another any more, which only the inverse of a merge does.
    pub separated: bool,
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

    /// Whether the id changes.
    pub fn is_renaming(&self) -> bool {
        self.before.zip(self.after).is_some_and(|(before, after)| before.id != after.id)
    }

    /// Returns the same without a version in which the employee is nobody, because it was merged into another.
    #[must_use]
    pub fn of_somebody(self) -> Change<'a> {
        let [before, after] = [self.before, self.after].map(|version| version.filter(|version| !version.is_merged()));
        Change { before, after, ..self }
    }

    /// Returns what the change does to the employee.
    pub fn kinds(&self) -> Kinds {
        match (self.before, self.after) {
            (None, None) => Kinds::default(),
            (None, Some(_)) => Kinds { created: true, ..Kinds::default() },
            (Some(_), None) => Kinds { erased: true, ..Kinds::default() },
            (Some(before), Some(after)) if before.is_merged() || after.is_merged() => {
                let (merged, separated) = (!before.is_merged(), !after.is_merged());
                Kinds { merged, separated, ..Kinds::default() }
            }
            (Some(before), Some(after)) => Kinds {
                updated: (before.profile, before.data) != (after.profile, after.data),
                activated: (before.status, after.status) == (Status::Hidden, Status::Active),
                hidden: (before.status, after.status) == (Status::Active, Status::Hidden),
                renamed: self.is_renaming(),
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
