//! Until when an account or a key may be used.
//!
//! ```
//! use rollcall::until::Until;
//!
//! let until = Until::parse("2027-01-31")?;
//! assert!(!until.has_passed("2027-01-31T23:59:59Z".parse()?));
//! assert!(until.has_passed("2027-02-01T00:00:00Z".parse()?));
//! assert_eq!(until.to_string(), "2027-01-31");
//! assert_eq!(until.moment(), "2027-02-01T00:00:00Z");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::fmt;

/// How long before an end the lists and the log warn of it.
pub const WARNED: SignedDuration = SignedDuration::from_hours(3 * 24);

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// An end: the first second of Unix time at which the account or key may no longer be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Until(i64);

impl Until {
    /// Parses a day, which is included to its end in UTC, or a time. The error says what is expected.
    pub fn parse(text: &str) -> Result<Until, String> {
        let expected = || format!("{text:?} must be a day (2027-01-31) or a time (2027-01-31T18:00:00Z)");
        let time = match text.parse::<Date>() {
            Ok(day) if text.len() == "2027-01-31".len() => {
                let next = day.tomorrow().and_then(|next| next.to_zoned(TimeZone::UTC));
                next.map_err(|_| expected())?.timestamp()
            }
            _ => text.parse().map_err(|_| expected())?,
        };
        Ok(Until(time.as_second()))
    }

    /// Returns the end at a second of Unix time.
    pub fn from_second(second: i64) -> Until {
        Until(second)
    }

    /// Returns the end as a second of Unix time.
    pub fn as_second(self) -> i64 {
        self.0
    }

    /// Returns whether it has passed.
    pub fn has_passed(self, now: Timestamp) -> bool {
        now.as_second() >= self.0
    }

    /// Returns whether it comes within [`WARNED`].
    pub fn is_near(self, now: Timestamp) -> bool {
        !self.has_passed(now) && self.0 - now.as_second() <= WARNED.as_secs()
    }

    /// Returns the moment for programs: RFC 3339 in UTC.
    pub fn moment(self) -> String {
        Timestamp::from_second(self.0).map_or_else(|_| self.0.to_string(), |moment| moment.to_string())
    }
}

impl fmt::Display for Until {
    /// Writes the end as people write it: the last day, or the moment if that is not the end of a day.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match Timestamp::from_second(self.0 - 1) {
            Ok(before) if self.0.rem_euclid(DAY_SECONDS) == 0 => {
                write!(f, "{}", before.to_zoned(TimeZone::UTC).date())
            }
            _ => f.write_str(&self.moment()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_until_its_end_and_a_time_until_that_second() {
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let day = Until::parse("2027-01-31").unwrap();
        assert_eq!((day.to_string(), day.moment()), ("2027-01-31".into(), "2027-02-01T00:00:00Z".into()));
        assert!(!day.has_passed(at("2027-01-31T23:59:59Z")) && day.has_passed(at("2027-02-01T00:00:00Z")));
        assert!(!day.is_near(at("2027-01-28T23:59:59Z")) && day.is_near(at("2027-01-29T00:00:00Z")));
        assert!(!day.is_near(at("2027-02-01T00:00:00Z")));
        let time = Until::parse("2027-01-31T18:00:00+01:00").unwrap();
        assert_eq!(time.to_string(), "2027-01-31T17:00:00Z");
        assert_eq!(Until::from_second(time.as_second()), time);
        for wrong in ["", "tomorrow", "2027-02-30", "31.01.2027", "2027-01-31T18:00:00"] {
            assert!(Until::parse(wrong).unwrap_err().contains("must be a day"), "{wrong}");
        }
    }
}
