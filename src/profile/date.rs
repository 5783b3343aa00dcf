//! Dates as several countries write them, stored as ISO 8601.

use jiff::civil::Date;
use std::borrow::Cow;

/// A way to write a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `yyyy-mm-dd`
    Iso,
    /// `dd.mm.yyyy`
    Dotted,
    /// `mm/dd/yyyy`
    Slashed,
    /// `m/d/yyyy`: month and day of one digit or two
    ShortSlashed,
}

impl Format {
    /// Every format, as a profile names it.
    pub const NAMES: [(&'static str, Format); 4] = [
        ("yyyy-mm-dd", Format::Iso),
        ("dd.mm.yyyy", Format::Dotted),
        ("mm/dd/yyyy", Format::Slashed),
        ("m/d/yyyy", Format::ShortSlashed),
    ];

    /// Returns the name in a profile.
    pub fn name(self) -> &'static str {
        Format::NAMES.iter().find(|(_, format)| *format == self).expect("every format has a name").0
    }

    /// Returns the date in ISO form, or `None` unless `value` is exactly in this format and the date exists, in the years 1 to 9999.
    pub fn canonical(self, value: &str) -> Option<Cow<'_, str>> {
        if self == Format::ShortSlashed {
            let (month, rest) = value.split_once('/')?;
            let (day, year) = rest.split_once('/')?;
            let padded = format!("{month:0>2}/{day:0>2}/{year}");
            return Format::Slashed.canonical(&padded).map(|date| Cow::Owned(date.into_owned()));
        }
        let bytes = value.as_bytes();
        if bytes.len() != 10 {
            return None;
        }
        let (separator, at, year, month, day) = match self {
            Format::Iso => (b'-', [4, 7], 0..4, 5..7, 8..10),
            Format::Dotted => (b'.', [2, 5], 6..10, 3..5, 0..2),
            Format::Slashed | Format::ShortSlashed => (b'/', [2, 5], 6..10, 0..2, 3..5),
        };
        if at.iter().any(|&at| bytes[at] != separator) {
            return None;
        }
        let number = |range: std::ops::Range<usize>| {
            let add = |sum: i16, b: &u8| b.is_ascii_digit().then(|| sum * 10 + i16::from(b - b'0'));
            bytes[range].iter().try_fold(0, add)
        };
        let (month, day) = (i8::try_from(number(month)?).ok()?, i8::try_from(number(day)?).ok()?);
        let date = Date::new(number(year)?, month, day).ok().filter(|date| date.year() > 0)?;
        Some(match self {
            Format::Iso => Cow::Borrowed(value),
            _ => Cow::Owned(date.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_must_exist_and_be_written_to_the_digit() {
        for (format, value, expected) in [
            (Format::Iso, "1988-07-26", Some("1988-07-26")),
            (Format::Dotted, "26.07.1988", Some("1988-07-26")),
            (Format::Slashed, "07/26/1988", Some("1988-07-26")),
            (Format::ShortSlashed, "7/26/1988", Some("1988-07-26")),
            (Format::ShortSlashed, "12/01/1988", Some("1988-12-01")),
            (Format::ShortSlashed, "/26/1988", None),
            (Format::ShortSlashed, "7/26/88", None),
            (Format::ShortSlashed, "026/7/1988", None),
            (Format::Iso, "2024-02-29", Some("2024-02-29")),
            (Format::Dotted, "29.02.2000", Some("2000-02-29")),
            (Format::Iso, "2023-02-29", None),
            (Format::Dotted, "29.02.1900", None),
            (Format::Slashed, "26/07/1988", None),
            (Format::Iso, "0000-01-01", None),
            (Format::Iso, "1988-7-26", None),
            (Format::Iso, "1988-07-2x", None),
            (Format::Iso, "26.07.1988", None),
            (Format::Iso, "1988-00-10", None),
            (Format::Iso, "１９88-0", None),
        ] {
            assert_eq!(format.canonical(value).as_deref(), expected, "{value}");
        }
    }
}
