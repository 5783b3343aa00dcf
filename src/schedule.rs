//! Schedules: when the pushes of an account are expected, and from when on one is late.
//!
//! ```
//! use rollcall::schedule::Schedule;
//!
//! let schedule = Schedule::parse("nightly 02:30 Europe/Berlin grace 3h")?;
//! let expected = schedule.after("2027-01-31T01:34:00Z".parse()?);
//! assert_eq!(expected.due.to_string(), "2027-02-01T01:30:00Z");
//! assert_eq!(expected.late_from.to_string(), "2027-02-01T04:30:00Z");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::fmt;

/// The shortest period and the shortest grace, in minutes.
const MINUTES_MIN: i64 = 1;

/// The longest period and the longest grace, in minutes: 31 days.
const MINUTES_MAX: i64 = 31 * DAY_MINUTES;

/// The longest grace of a nightly push, in minutes: half a day, so that it is clear which night a push is for.
const NIGHTLY_GRACE_MINUTES_MAX: i64 = DAY_MINUTES / 2;

const DAY_MINUTES: i64 = 24 * 60;

/// When the pushes of an account are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    rhythm: Rhythm,
    /// How long after it was due a push is not late yet.
    grace: SignedDuration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rhythm {
    /// A push is due this long after the last one.
    Every(SignedDuration),
    /// A push is due each day at this hour.
    Nightly { at: Time, zone: TimeZone },
}

/// When a push is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// When it is due.
    pub due: Timestamp,
    /// When it is late if there was none.
    pub late_from: Timestamp,
}

impl Expected {
    /// Returns whether the push is late.
    pub fn is_late(&self, now: Timestamp) -> bool {
        now >= self.late_from
    }
}

impl Schedule {
    /// Parses `every 24h grace 2h` or `nightly 02:30 Europe/Berlin grace 3h`. The error says what is expected.
    pub fn parse(text: &str) -> Result<Schedule, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (rhythm, grace, grace_max) = match words[..] {
            ["every", period, "grace", grace] => (Rhythm::Every(duration(period, MINUTES_MAX)?), grace, MINUTES_MAX),
            ["nightly", at, zone, "grace", grace] => {
                let rhythm = Rhythm::Nightly { at: time(at)?, zone: time_zone(zone)? };
                (rhythm, grace, NIGHTLY_GRACE_MINUTES_MAX)
            }
            _ => return Err("write it like `every 24h grace 2h` or `nightly 02:30 Europe/Berlin grace 3h`".into()),
        };
        Ok(Schedule { rhythm, grace: duration(grace, grace_max)? })
    }

    /// Returns when the push after one at `last` is expected. A push that comes before its night's hour, but within the grace, is that
    /// night's: the clocks of two machines differ. In the night of a change of clocks, an hour that does not exist is the one after
    /// it, and one that exists twice is the first.
    pub fn after(&self, last: Timestamp) -> Expected {
        let due = match &self.rhythm {
            Rhythm::Every(period) => later(last, *period),
            Rhythm::Nightly { at, zone } => first_after(later(last, self.grace), *at, zone),
        };
        Expected { due, late_from: later(due, self.grace) }
    }
}

/// As [`Schedule::parse`] reads it.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rhythm {
            Rhythm::Every(period) => write!(f, "every {}", shown(*period))?,
            Rhythm::Nightly { at, zone } => {
                let zone = zone.iana_name().expect("a zone that was found by its name has one");
                write!(f, "nightly {} {zone}", at.strftime("%H:%M"))?;
            }
        }
        write!(f, " grace {}", shown(self.grace))
    }
}

/// Returns the first moment after `last` at which the clocks of a zone show a time.
fn first_after(last: Timestamp, at: Time, zone: &TimeZone) -> Timestamp {
    let on = |day: Date| zone.to_timestamp(day.to_datetime(at)).unwrap_or(Timestamp::MAX);
    let mut day = zone.to_datetime(last).date();
    loop {
        let due = on(day);
        if due > last {
            return due;
        }
        match day.tomorrow() {
            Ok(tomorrow) => day = tomorrow,
            Err(_) => return Timestamp::MAX,
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Parses a number of minutes, hours or days, like `90m`, `24h` or `7d`.
fn duration(text: &str, minutes_max: i64) -> Result<SignedDuration, String> {
    let expected = || {
        let (least, most) = (SignedDuration::from_mins(MINUTES_MIN), SignedDuration::from_mins(minutes_max));
        format!("{text:?} must be a time from {} to {}, like 90m, 2h or 7d", shown(least), shown(most))
    };
    let unit = match text.chars().last() {
        Some('m') => 1,
        Some('h') => 60,
        Some('d') => DAY_MINUTES,
        _ => return Err(expected()),
    };
    let digits = &text[..text.len() - 1];
    let number: Option<u32> = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let minutes = number.map(|number| i64::from(number) * unit);
    let minutes = minutes.filter(|minutes| (MINUTES_MIN..=minutes_max).contains(minutes));
    minutes.map(SignedDuration::from_mins).ok_or_else(expected)
}

/// Returns a duration in the largest unit that it is a number of; a day is 24 hours.
fn shown(duration: SignedDuration) -> String {
    let minutes = duration.as_mins();
    match minutes {
        _ if minutes % DAY_MINUTES == 0 && minutes > DAY_MINUTES => format!("{}d", minutes / DAY_MINUTES),
        _ if minutes % 60 == 0 => format!("{}h", minutes / 60),
        _ => format!("{minutes}m"),
    }
}

fn time(text: &str) -> Result<Time, String> {
    let parsed = || {
        let (hour, minute) = text.split_once(':').filter(|_| text.len() == "02:30".len())?;
        Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
    };
    parsed().ok_or_else(|| format!("{text:?} must be a time from 00:00 to 23:59"))
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    let zone = TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some());
    zone.ok_or_else(|| format!("{name:?} must be the name of a time zone, like Europe/Berlin or UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan as _;
    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};
    use proptest::sample::select;

    fn schedule(text: &str) -> Schedule {
        Schedule::parse(text).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_schedule_reads_as_it_is_written() {
        for (text, shown) in [
            ("every 24h grace 2h", "every 24h grace 2h"),
            (" every  90m   grace 15m", "every 90m grace 15m"),
            ("every 1d grace 120m", "every 24h grace 2h"),
            ("every 168h grace 24h", "every 7d grace 24h"),
            ("nightly 02:30 europe/berlin grace 3h", "nightly 02:30 Europe/Berlin grace 3h"),
            ("nightly 23:00 UTC grace 12h", "nightly 23:00 UTC grace 12h"),
        ] {
            assert_eq!(schedule(text).to_string(), shown);
            assert_eq!(schedule(shown), schedule(text));
        }
    }

    #[test]
    fn what_is_no_schedule_is_explained() {
        for (text, message) in [
            ("", "write it like"),
            ("daily", "write it like"),
            ("every 24h", "write it like"),
            ("every 0h grace 2h", "\"0h\" must be a time from 1m to 31d"),
            ("every 24 grace 2h", "\"24\" must be a time from 1m to 31d"),
            ("every +1h grace 2h", "\"+1h\" must be"),
            ("every 99999999999h grace 2h", "must be a time"),
            ("every 1é grace 2h", "must be a time"),
            ("nightly 24:00 UTC grace 2h", "\"24:00\" must be a time from 00:00 to 23:59"),
            ("nightly 2:30 UTC grace 2h", "must be a time from 00:00 to 23:59"),
            ("nightly 02:30 Mars/Base grace 2h", "\"Mars/Base\" must be the name of a time zone"),
            ("nightly 02:30 UTC grace 13h", "\"13h\" must be a time from 1m to 12h"),
        ] {
            let error = Schedule::parse(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_push_is_due_and_then_late() {
        let berlin = "nightly 02:30 Europe/Berlin grace 3h";
        for (text, last, due, late_from) in [
            ("every 24h grace 2h", "2027-01-31T01:00:00Z", "2027-02-01T01:00:00Z", "2027-02-01T03:00:00Z"),
            // In time, a little early, and late.
            (berlin, "2027-01-31T01:31:00Z", "2027-02-01T01:30:00Z", "2027-02-01T04:30:00Z"),
            (berlin, "2027-01-31T01:29:00Z", "2027-02-01T01:30:00Z", "2027-02-01T04:30:00Z"),
            (berlin, "2027-01-31T06:00:00Z", "2027-02-01T01:30:00Z", "2027-02-01T04:30:00Z"),
            // Somebody pushes by hand in the afternoon, which is not yet the night's.
            (berlin, "2027-01-31T14:00:00Z", "2027-02-01T01:30:00Z", "2027-02-01T04:30:00Z"),
            // 02:30 does not exist in this night, and exists twice in that.
            (berlin, "2027-03-27T02:00:00Z", "2027-03-28T01:30:00Z", "2027-03-28T04:30:00Z"),
            (berlin, "2027-10-30T02:00:00Z", "2027-10-31T00:30:00Z", "2027-10-31T03:30:00Z"),
            (berlin, "2027-10-31T00:31:00Z", "2027-11-01T01:30:00Z", "2027-11-01T04:30:00Z"),
        ] {
            let expected = Expected { due: at(due), late_from: at(late_from) };
            assert_eq!(schedule(text).after(at(last)), expected, "{text} after {last}");
            assert!(!expected.is_late(at(late_from) - 1.second()) && expected.is_late(at(late_from)));
        }
    }

    fn any_time() -> impl Strategy<Value = Timestamp> {
        let seconds = at("2000-01-01T00:00:00Z").as_second()..at("2037-01-01T00:00:00Z").as_second();
        seconds.prop_map(|second| Timestamp::from_second(second).unwrap())
    }

    proptest! {
        /// In every zone, and through every change of its clocks: one push a day, at its hour, and none is skipped.
        #[test]
        fn nights_follow_each_other(
            last in any_time(),
            zone in select(&["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"][..]),
            (hour, minute) in (0..24_i8, 0..60_i8),
            grace_minutes in 1..=NIGHTLY_GRACE_MINUTES_MAX,
            delay_seconds in 0..60_i64,
        ) {
            let nightly = schedule(&format!("nightly {hour:02}:{minute:02} {zone} grace {grace_minutes}m"));
            let time_zone = TimeZone::get(zone).unwrap();
            let grace = SignedDuration::from_mins(grace_minutes);
            let Expected { due, late_from } = nightly.after(last);
            prop_assert_eq!(late_from, due + grace);
            // Apia left out a day when it moved across the date line.
            let days = if zone == "Pacific/Apia" { 3 } else { 2 };
            prop_assert!(due > last + grace && due - grace <= last + SignedDuration::from_hours(24 * days));
            let shown = time_zone.to_datetime(due).time();
            let exists = time_zone.to_ambiguous_timestamp(time_zone.to_datetime(due).date().at(hour, minute, 0, 0));
            prop_assert!(shown == Time::new(hour, minute, 0, 0).unwrap() || exists.is_ambiguous() || zone == "Pacific/Apia");
            // Whoever pushes right after the hour is in time, and the next one is due on the next day by the calendar.
            let next = nightly.after(due + SignedDuration::from_secs(delay_seconds));
            let between = (next.due - due).get_seconds();
            prop_assert!(next.due > due);
            prop_assert!((22 * 3_600..=26 * 3_600).contains(&between) || grace_minutes > 10 * 60 || zone == "Pacific/Apia", "{between}");
            // A later push never makes the next one due earlier.
            prop_assert!(nightly.after(last + SignedDuration::from_secs(delay_seconds)).due >= due);
        }

        #[test]
        fn a_period_is_as_long_as_it_is_said(last in any_time(), minutes in 1..=MINUTES_MAX, grace in 1..=MINUTES_MAX) {
            let every = schedule(&format!("every {minutes}m grace {grace}m"));
            let Expected { due, late_from } = every.after(last);
            prop_assert_eq!(due, last + SignedDuration::from_mins(minutes));
            prop_assert_eq!(late_from, due + SignedDuration::from_mins(grace));
            prop_assert_eq!(Schedule::parse(&every.to_string()), Ok(every));
        }
    }
}
