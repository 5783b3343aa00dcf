//! What the operator has set for an account, and for a dialect of it.

use crate::roster::{Absent, Guard, GuardSetting, GuardSettings};
use crate::schedule::Schedule;
use std::collections::BTreeSet;
use uuid::Uuid;

/// What is set for a dialect of an account. `None` means that the dialect's default holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DialectSettings {
    /// The profile that employees are checked against.
    pub profile: Option<Uuid>,
    /// What becomes of employees whom a whole list does not carry.
    pub absent: Option<Absent>,
}

/// One setting, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// See [`DialectSettings::profile`].
    Profile(Uuid),
    /// See [`DialectSettings::absent`].
    Absent(Absent),
}

impl Setting {
    /// Reads a setting as it is stored, or returns `None` if it is no setting or its value is none.
    pub(super) fn parse(name: &str, value: &str) -> Option<Setting> {
        match name {
            "profile" => value.parse().ok().map(Setting::Profile),
            "absent" => Absent::parse(value).map(Setting::Absent),
            _ => None,
        }
    }

    /// The name by which it is stored.
    pub(super) fn name(self) -> &'static str {
        match self {
            Setting::Profile(_) => "profile",
            Setting::Absent(_) => "absent",
        }
    }

    /// The value as it is stored.
    pub(super) fn value(self) -> String {
        match self {
            Setting::Profile(id) => id.to_string(),
            Setting::Absent(absent) => absent.as_str().to_owned(),
        }
    }
}

impl DialectSettings {
    pub(super) fn add(&mut self, setting: Setting) {
        match setting {
            Setting::Profile(id) => self.profile = Some(id),
            Setting::Absent(absent) => self.absent = Some(absent),
        }
    }
}

/// What is set for an account, whatever the dialect. The default is what holds if nothing is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountSettings {
    /// What its pushes must have.
    pub require: BTreeSet<Demand>,
    /// What becomes of a signature that comes again with another body.
    pub replay: Replay,
    /// What is set for its guards. It comes before what a profile says.
    pub guards: GuardSettings,
    /// How many days its history is kept; `None` if as long as the server keeps one.
    pub history_days: Option<u32>,
    /// When its pushes are expected; `None` if nobody is to be told that one is late.
    pub schedule: Option<Schedule>,
}

/// Something that the pushes of an account must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// A push of a whole list must say how many employees it carries.
    Expected,
    /// A push of a whole list must have a `Content-Digest`.
    Digest,
    /// A request that is signed must be signed by RFC 9421, which covers the digest of the body.
    Rfc9421,
}

/// What becomes of a SharedKey signature that comes again with another body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replay {
    /// It is as good as the first time.
    #[default]
    Allow,
    /// It is refused.
    Refuse,
}

/// One setting of an account, with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountSetting {
    /// See [`AccountSettings::require`].
    Require(BTreeSet<Demand>),
    /// See [`AccountSettings::replay`].
    Replay(Replay),
    /// See [`AccountSettings::guards`].
    Guard(Guard, GuardSetting),
    /// See [`AccountSettings::history_days`].
    HistoryDays(Option<u32>),
    /// See [`AccountSettings::schedule`].
    Schedule(Option<Schedule>),
}

impl Demand {
    /// All of them.
    pub const ALL: [Demand; 3] = [Demand::Expected, Demand::Digest, Demand::Rfc9421];

    /// The name that commands have for it.
    pub fn name(self) -> &'static str {
        match self {
            Demand::Expected => "expected",
            Demand::Digest => "digest",
            Demand::Rfc9421 => "rfc9421",
        }
    }

    /// Returns the demand of a name, or `None` if it is no demand's.
    pub fn parse(name: &str) -> Option<Demand> {
        Demand::ALL.into_iter().find(|demand| demand.name() == name)
    }
}

impl Replay {
    /// Both.
    pub const ALL: [Replay; 2] = [Replay::Allow, Replay::Refuse];

    /// `allow` or `refuse`.
    pub fn name(self) -> &'static str {
        match self {
            Replay::Allow => "allow",
            Replay::Refuse => "refuse",
        }
    }

    /// Reads `allow` or `refuse`.
    pub fn parse(name: &str) -> Option<Replay> {
        Replay::ALL.into_iter().find(|replay| replay.name() == name)
    }
}

impl AccountSetting {
    /// Reads a setting as it is stored, or returns `None` if there is no such setting or value.
    pub(super) fn parse(name: &str, value: &str) -> Option<AccountSetting> {
        match name {
            "require" => {
                let demands = value.split_whitespace().map(Demand::parse);
                demands.collect::<Option<_>>().map(AccountSetting::Require)
            }
            "replay" => Replay::parse(value).map(AccountSetting::Replay),
            HISTORY_DAYS if value == DEFAULT => Some(AccountSetting::HistoryDays(None)),
            HISTORY_DAYS => value.parse().ok().map(|days| AccountSetting::HistoryDays(Some(days))),
            SCHEDULE if value == NONE => Some(AccountSetting::Schedule(None)),
            SCHEDULE => Schedule::parse(value).ok().map(|schedule| AccountSetting::Schedule(Some(schedule))),
            _ => {
                let guard = Guard::ALL.into_iter().find(|guard| setting_of(*guard) == name)?;
                GuardSetting::parse(guard, value).ok().map(|setting| AccountSetting::Guard(guard, setting))
            }
        }
    }

    /// The name by which it is stored.
    pub(super) fn name(&self) -> &'static str {
        match self {
            AccountSetting::Require(_) => "require",
            AccountSetting::Replay(_) => "replay",
            AccountSetting::Guard(guard, _) => setting_of(*guard),
            AccountSetting::HistoryDays(_) => HISTORY_DAYS,
            AccountSetting::Schedule(_) => SCHEDULE,
        }
    }

    /// The value as it is stored.
    pub(super) fn value(&self) -> String {
        match self {
            AccountSetting::Require(demands) => {
                demands.iter().map(|demand| demand.name()).collect::<Vec<_>>().join(" ")
            }
            AccountSetting::Replay(replay) => replay.name().to_owned(),
            AccountSetting::Guard(_, setting) => setting.to_string(),
            AccountSetting::HistoryDays(days) => days.map_or_else(|| DEFAULT.into(), |days| days.to_string()),
            AccountSetting::Schedule(schedule) => schedule.as_ref().map_or_else(|| NONE.into(), ToString::to_string),
        }
    }
}

impl AccountSettings {
    pub(super) fn add(&mut self, setting: AccountSetting) {
        match setting {
            AccountSetting::Require(demands) => self.require = demands,
            AccountSetting::Replay(replay) => self.replay = replay,
            AccountSetting::Guard(guard, setting) => drop(self.guards.insert(guard, setting)),
            AccountSetting::HistoryDays(days) => self.history_days = days,
            AccountSetting::Schedule(schedule) => self.schedule = schedule,
        }
    }
}

/// The name by which it is stored how long the history is kept.
const HISTORY_DAYS: &str = "history-days";

/// What is stored if nothing is set any more.
const DEFAULT: &str = "default";

/// The name by which the schedule is stored.
pub(super) const SCHEDULE: &str = "schedule";

/// What is stored if an account has no schedule any more.
const NONE: &str = "none";

/// The name by which the setting of a guard is stored.
fn setting_of(guard: Guard) -> &'static str {
    match guard {
        Guard::Hide => "guard_hide",
        Guard::Activate => "guard_activate",
        Guard::Update => "guard_update",
        Guard::Empty => "guard_empty",
        Guard::Unique => "guard_unique",
        Guard::Garble => "guard_garble",
        Guard::Swap => "guard_swap",
        Guard::Create => "guard_create",
        Guard::Value => "guard_value",
        Guard::Reject => "guard_reject",
    }
}
