//! Suspects: what in a sync looks odd, so that somebody may look at it. Nothing is changed by them. They name employees by their ids and
//! fields by their names, and never a value.

/// How many suspects of each kind are listed; the others are counted.
pub const SUSPECTS_LISTED_MAX: usize = 20;

/// How often a status must change in [`FLAPPING_DAYS`] to be suspect.
pub const FLAPPING_MIN: u32 = 3;

/// In how many days a status must change so often, up to the sync.
pub const FLAPPING_DAYS: i64 = 30;

/// By more than how many points the share of employees without a value must move to be suspect.
const SHARE_POINTS: u64 = 5;

/// In a roster of fewer employees, before or after, one of them moves a share by as many points.
const SHARE_EMPLOYEES_MIN: u64 = 20;

/// What in a sync looks odd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suspects {
    /// A missing and a new employee who may be the same person.
    pub same_person: Listed<SamePerson>,
    /// Employees whose status changed often.
    pub flapping: Listed<Flapping>,
    /// Fields that many more, or many fewer, employees have no value in.
    pub empty_share: Listed<EmptyShare>,
    /// Unique values that went to somebody else.
    pub moved_value: Listed<MovedValue>,
    /// How many employees were too many to be looked at.
    pub not_looked_at: u64,
}

/// How many there are, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// How many there are.
    pub count: u64,
    /// The first of them, [`SUSPECTS_LISTED_MAX`] at most.
    pub first: Vec<T>,
}

/// A missing and a new employee who may be the same person: a rename of one to the other says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamePerson {
    /// The id of the missing employee.
    pub missing: String,
    /// The id of the new one.
    pub new: String,
    /// The names of the fields in which both have the same value.
    pub by: Vec<String>,
}

/// An employee whose status changed often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flapping {
    /// The id.
    pub id: String,
    /// How often, in [`FLAPPING_DAYS`] up to the sync. More changes may not be counted.
    pub times: u32,
}

/// A field that many more, or many fewer, employees have no value in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptyShare {
    /// Its name.
    pub field: String,
    /// The share before the sync.
    pub before: Share,
    /// The share after it.
    pub after: Share,
}

/// How many employees have no value in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many have none.
    pub empty: u64,
    /// Of how many.
    pub of: u64,
}

/// A unique value that went to somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedValue {
    /// The name of the field.
    pub field: String,
    /// The id of the employee who had it, and is hidden now or has another value.
    pub from: String,
    /// The id of the employee who has it now.
    pub to: String,
}

impl<T> Default for Listed<T> {
    fn default() -> Listed<T> {
        Listed { count: 0, first: Vec::new() }
    }
}

impl<T> Listed<T> {
    /// Adds one. It is made only if it is listed.
    pub fn add(&mut self, make: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.len() < SUSPECTS_LISTED_MAX {
            self.first.push(make());
        }
    }

    /// Returns the same, with each that is listed made into something else.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Listed<U> {
        Listed { count: self.count, first: self.first.into_iter().map(each).collect() }
    }
}

impl Suspects {
    /// Returns how many there are of each kind, by its name.
    pub fn counts(&self) -> [(&'static str, u64); 4] {
        [
            ("same-person", self.same_person.count),
            ("flapping", self.flapping.count),
            ("empty-share", self.empty_share.count),
            ("moved-value", self.moved_value.count),
        ]
    }

    /// Returns how many there are.
    pub fn count(&self) -> u64 {
        self.counts().iter().map(|(_, count)| count).sum()
    }
}

impl Share {
    /// Returns the share of employees without a value, of `of` employees of whom `filled` have one.
    pub fn of_filled(filled: i64, of: i64) -> Share {
        let of = u64::try_from(of).unwrap_or(0);
        Share { empty: of.saturating_sub(u64::try_from(filled).unwrap_or(0)), of }
    }

    /// Whether the share moved so much that it is suspect.
    pub fn has_moved(self, after: Share) -> bool {
        let (before_of, after_of) = (u128::from(self.of), u128::from(after.of));
        let moved = (u128::from(self.empty) * after_of).abs_diff(u128::from(after.empty) * before_of);
        self.of.min(after.of) >= SHARE_EMPLOYEES_MIN && moved * 100 > u128::from(SHARE_POINTS) * before_of * after_of
    }

    /// Returns the share in hundredths, rounded down.
    pub fn percent(self) -> u64 {
        self.empty * 100 / self.of.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_moved_by_more_than_five_points() {
        let share = |empty, of| Share { empty, of };
        for (before, after, has_moved) in [
            (share(0, 100), share(5, 100), false),
            (share(0, 100), share(6, 100), true),
            (share(6, 100), share(0, 100), true),
            (share(50, 100), share(100, 200), false),
            (share(0, 20), share(1, 20), false),
            (share(0, 20), share(2, 20), true),
            (share(0, 19), share(19, 19), false),
            (share(0, 0), share(100, 100), false),
            (share(u32::MAX.into(), u32::MAX.into()), share(0, u32::MAX.into()), true),
        ] {
            assert_eq!(before.has_moved(after), has_moved, "{before:?} {after:?}");
        }
        assert_eq!(Share::of_filled(30, 100), share(70, 100));
        assert_eq!(Share::of_filled(-1, -1), share(0, 0));
    }

    #[test]
    fn many_are_counted_and_some_are_listed() {
        let mut suspects = Suspects::default();
        (0..30).for_each(|n| suspects.flapping.add(|| Flapping { id: n.to_string(), times: 3 }));
        suspects.moved_value.add(|| MovedValue { field: "E".into(), from: "1".into(), to: "2".into() });
        assert_eq!((suspects.count(), suspects.flapping.first.len()), (31, SUSPECTS_LISTED_MAX));
    }
}
