//! Guards: what of a push somebody has to look at before it is applied.

use std::collections::BTreeMap;

/// A guard, by what it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guard {
    /// Many active employees would be hidden.
    Hide,
    /// Many hidden employees would become active.
    Activate,
    /// The data of many would change.
    Update,
    /// Many would lose their value in one field.
    Empty,
    /// Many would get another value in one unique field.
    Unique,
    /// Many would get values that come from a mistake in the file: of another field, or read in another encoding.
    Garble,
    /// Many ids would vanish while as many appear with the same unique values.
    Swap,
    /// Many would be created.
    Create,
    /// A value of a guarded field, such as a department, would lose everybody.
    Value,
    /// Many employees of a push that applies the others would be rejected.
    Reject,
}

/// Hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u32);

/// How many employees pass a guard: as many as the larger of `percent` and `people` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The share of those to whom it could happen.
    pub percent: Option<Percent>,
    /// The number that passes however few there are.
    pub people: u64,
    /// The number that passes at most, however many there are.
    pub at_most: Option<u64>,
    /// How many times the most of the last lists passes, if that is more than half a percent.
    pub times: Option<u64>,
}

/// Whatever share is always usual.
pub const USUAL_PERCENT: Percent = Percent(50);

/// How many of the last lists say what is usual.
pub const USUAL_LISTS: usize = 14;

/// What is set for a guard. What is `None` holds as it is otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardSetting {
    /// It stops nothing.
    Off,
    /// It stops what exceeds these bounds.
    On {
        /// See [`Bounds::percent`].
        percent: Option<Percent>,
        /// See [`Bounds::people`].
        people: Option<u64>,
        /// See [`Bounds::at_most`].
        at_most: Option<u64>,
        /// See [`Bounds::times`].
        times: Option<u64>,
    },
}

/// What is set for guards, by a profile or for an account.
pub type GuardSettings = BTreeMap<Guard, GuardSetting>;

/// The guards that are on, with their bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guards(BTreeMap<Guard, Bounds>);

/// A guard that stopped a push, with its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tripped {
    /// The guard.
    pub guard: Guard,
    /// The field that it is about, if it is about one.
    pub field: Option<String>,
    /// To how many employees the push would do this.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// To how many it may.
    pub limit: u64,
    /// The ids of the first of them.
    pub ids: Vec<String>,
}

impl Percent {
    /// The percent of a number such as 0.5; `None` if it is not from 0 to 100.
    pub fn of(number: f64) -> Option<Percent> {
        let hundredths = (number * 100.0).round();
        (0.0..=10_000.0).contains(&hundredths).then(|| {
            let text = format!("{hundredths:.0}");
            Percent(text.parse().expect("a whole number up to 10,000"))
        })
    }

    /// Returns how many of so many employees this is, rounded down.
    pub fn part_of(self, employees: u64) -> u64 {
        let part = u128::from(employees) * u128::from(self.0) / 10_000;
        u64::try_from(part).expect("a part is no more than the whole")
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", f64::from(self.0) / 100.0)
    }
}

impl Guard {
    /// All of them.
    pub const ALL: [Guard; 10] = [
        Guard::Hide,
        Guard::Activate,
        Guard::Update,
        Guard::Empty,
        Guard::Unique,
        Guard::Garble,
        Guard::Swap,
        Guard::Create,
        Guard::Value,
        Guard::Reject,
    ];

    /// Its name in settings and answers.
    pub fn name(self) -> &'static str {
        match self {
            Guard::Hide => "hide",
            Guard::Activate => "activate",
            Guard::Update => "update",
            Guard::Empty => "empty",
            Guard::Unique => "unique",
            Guard::Garble => "garble",
            Guard::Swap => "swap",
            Guard::Create => "create",
            Guard::Value => "value",
            Guard::Reject => "reject",
        }
    }

    /// Returns the guard of a name, or `None` if there is none.
    pub fn parse(name: &str) -> Option<Guard> {
        Guard::ALL.into_iter().find(|guard| guard.name() == name)
    }

    /// Its bounds if nothing is set.
    pub fn default_bounds(self) -> Bounds {
        let bounds = |percent: Option<u32>, people| Bounds {
            percent: percent.map(|percent| Percent(percent * 100)),
            people,
            at_most: None,
            times: None,
        };
        match self {
            Guard::Hide => Bounds { at_most: Some(500), times: Some(5), ..bounds(Some(5), 25) },
            Guard::Update => bounds(Some(75), 100),
            Guard::Empty | Guard::Unique => bounds(Some(10), 25),
            Guard::Garble | Guard::Swap => bounds(None, 25),
            Guard::Activate | Guard::Create => bounds(Some(50), 100),
            Guard::Value => bounds(None, 10),
            Guard::Reject => bounds(Some(1), 10),
        }
    }

    /// The members that its settings may have.
    pub fn members(self) -> &'static [&'static str] {
        match self {
            Guard::Hide => &["percent", "people", "at_most", "times"],
            Guard::Garble | Guard::Swap | Guard::Value => &["people"],
            Guard::Activate | Guard::Update | Guard::Empty | Guard::Unique | Guard::Create | Guard::Reject => {
                &["percent", "people"]
            }
        }
    }
}

impl Bounds {
    /// Returns how many of so many employees pass. `usual` is the most of the last lists.
    pub fn limit(&self, of: u64, usual: u64) -> u64 {
        let limit = self.people.max(self.percent.map_or(0, |percent| percent.part_of(of)));
        let unusual =
            self.times.map(|times| self.people.max(USUAL_PERCENT.part_of(of)).max(usual.saturating_mul(times)));
        limit.min(self.at_most.unwrap_or(u64::MAX)).min(unusual.unwrap_or(u64::MAX))
    }

    /// Returns how many pass in any case.
    pub fn least(&self) -> u64 {
        self.people.min(self.at_most.unwrap_or(u64::MAX))
    }
}

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Bounds { percent, people, at_most, times } = self;
        let percent = percent.map(|percent| format!("percent:{percent},")).unwrap_or_default();
        write!(f, "{percent}people:{people}")?;
        at_most.map_or(Ok(()), |at_most| write!(f, ",at_most:{at_most}"))?;
        times.map_or(Ok(()), |times| write!(f, ",times:{times}"))
    }
}

impl Default for Guards {
    fn default() -> Guards {
        Guards(Guard::ALL.map(|guard| (guard, guard.default_bounds())).into())
    }
}

impl Guards {
    /// Returns the bounds of a guard, or `None` if it is off.
    pub fn get(&self, guard: Guard) -> Option<Bounds> {
        self.0.get(&guard).copied()
    }

    /// The same with what is set.
    #[must_use]
    pub fn with(mut self, settings: &GuardSettings) -> Guards {
        for (guard, setting) in settings {
            match *setting {
                GuardSetting::Off => drop(self.0.remove(guard)),
                GuardSetting::DEFAULT => {}
                GuardSetting::On { percent, people, at_most, times } => {
                    let bounds = self.0.entry(*guard).or_insert_with(|| guard.default_bounds());
                    bounds.percent = percent.or(bounds.percent);
                    bounds.people = people.unwrap_or(bounds.people);
                    bounds.at_most = at_most.or(bounds.at_most);
                    bounds.times = times.or(bounds.times);
                }
            }
        }
        self
    }
}

impl GuardSetting {
    /// Nothing is set.
    pub const DEFAULT: GuardSetting = GuardSetting::On { percent: None, people: None, at_most: None, times: None };

    /// Reads a setting of a guard: `off`, `default`, or bounds such as `percent:10,people:50`. The error says what to write.
    pub fn parse(guard: Guard, text: &str) -> Result<GuardSetting, String> {
        let (mut percent, mut people, mut at_most, mut times) = (None, None, None, None);
        match text {
            "off" => return Ok(GuardSetting::Off),
            "default" => return Ok(GuardSetting::DEFAULT),
            _ => {}
        }
        let advice = || {
            let members = guard.members().join(", ");
            format!("write off, default, or bounds like people:100; the guard {} has {members}", guard.name())
        };
        for part in text.split(',') {
            let (name, value) = part.split_once(':').ok_or_else(advice)?;
            if !guard.members().contains(&name.trim()) {
                return Err(advice());
            }
            let number = || value.trim().parse().map(Some).map_err(|_| advice());
            match name.trim() {
                "percent" => {
                    let number = value.trim().parse().ok().and_then(Percent::of);
                    percent = Some(number.ok_or_else(|| "percent must be from 0 to 100".to_owned())?);
                }
                "people" => people = number()?,
                "at_most" => at_most = number()?,
                _ => times = number()?,
            }
        }
        Ok(GuardSetting::On { percent, people, at_most, times })
    }
}

impl std::fmt::Display for GuardSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            GuardSetting::Off => write!(f, "off"),
            GuardSetting::DEFAULT => write!(f, "default"),
            GuardSetting::On { percent, people, at_most, times } => {
                let percent = percent.map(|percent| format!("percent:{percent}"));
                let number = |name: &str, number: Option<u64>| number.map(|number| format!("{name}:{number}"));
                let parts = [percent, number("people", people), number("at_most", at_most), number("times", times)];
                write!(f, "{}", parts.into_iter().flatten().collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl Tripped {
    /// Says what the push would do. It has no ids, so that it may be logged.
    pub fn figures(&self) -> String {
        let Tripped { guard, field, count, of, limit, .. } = self;
        let field = field.as_deref().unwrap_or_default();
        let what = match guard {
            Guard::Hide => format!("it would hide {count} of {of} active employees"),
            Guard::Activate => format!("it would activate {count} of {of} hidden employees"),
            Guard::Update => format!("it would change the data of {count} of {of} employees"),
            Guard::Empty => {
                format!("it would empty the field {field:?} of {count} of the {of} employees who have a value there")
            }
            Guard::Unique => format!(
                "it would change the unique field {field:?} of {count} of the {of} employees who have a value there"
            ),
            Guard::Garble => format!(
                "it would give {count} of {of} employees what looks like a mistake in the file: the values of two fields exchanged, or \
                 text read in a wrong encoding"
            ),
            Guard::Swap => format!(
                "it would replace {count} of {of} employees by new ones with the same unique values and other ids"
            ),
            Guard::Create => format!("it would create {count} employees, and {of} are stored"),
            Guard::Value => format!("a value of the field {field:?} would lose all of its {of} active employees"),
            Guard::Reject => format!("{count} of its {of} employees were rejected"),
        };
        format!("{what}, and the guard {} lets {limit} pass", guard.name())
    }
}
