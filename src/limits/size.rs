//! A number of bytes in the configuration: a number, or a size like `"5 MB"`.

use serde::Deserializer;
use serde::de::{Error, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// The units of sizes. Their case does not count.
const UNITS: [(&str, u64); 7] = [
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

/// What the value must be.
const FORM: &str =
    "a number of bytes like 5_000_000, or a size like \"5 MB\" (kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024)";

/// Deserializes a number of bytes.
pub fn bytes<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(Size(PhantomData))
}

struct Size<T>(PhantomData<T>);

impl<T: TryFrom<u64>> Visitor<'_> for Size<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<T, E> {
        T::try_from(bytes).map_err(|_| E::custom(format!("{bytes} bytes are more than this machine can count")))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<T, E> {
        match u64::try_from(bytes) {
            Ok(bytes) => self.visit_u64(bytes),
            Err(_) => Err(E::custom(format!("{bytes} is negative; write {FORM}"))),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        Err(E::custom(format!("{number:?} is no size: fractions are not taken; write {FORM}")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        match parsed(text) {
            Some(bytes) => self.visit_u64(bytes),
            None if is_fraction(text) => {
                Err(E::custom(format!("{text:?} is no size: fractions are not taken; write {FORM}")))
            }
            None => Err(E::custom(format!("{text:?} is no size; write {FORM}"))),
        }
    }
}

fn parsed(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = (&text[..digits], text[digits..].trim_start());
    let (_, bytes) = UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
    number.parse::<u64>().ok()?.checked_mul(*bytes)
}

/// Returns whether a text would be a size if fractions were accepted, like `0.5 MiB`.
fn is_fraction(text: &str) -> bool {
    let whole = |(before, after): (&str, &str)| {
        let digit = |text: &str| text.bytes().next().is_some_and(|first| first.is_ascii_digit());
        before.trim().bytes().all(|byte| byte.is_ascii_digit()) && digit(after)
    };
    text.split_once(['.', ',']).is_some_and(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_whole_number_and_a_unit() {
        for (text, expected) in [
            ("5 MB", Some(5_000_000)),
            ("5MB", Some(5_000_000)),
            (" 1 kB ", Some(1_000)),
            ("2 gib", Some(2 << 30)),
            ("7 B", Some(7)),
            ("5", None),
            ("MB", None),
            ("1.5 GB", None),
            ("-1 MB", None),
            ("5 TB", None),
            ("99999999999999999999 B", None),
            ("20000000000 GB", None),
            ("", None),
        ] {
            assert_eq!(parsed(text), expected, "{text:?}");
        }
    }
}
