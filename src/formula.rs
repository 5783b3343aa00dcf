//! Formulas: values that a spreadsheet would run, and the apostrophe that keeps it from that.

use std::borrow::Cow;

/// A value that no spreadsheet runs: such a one gets an apostrophe before it, as does one that has apostrophes before such a
/// one, so that [`unguard`] gives back what it was. A sign before digits only is a number, and stays.
pub fn guard(value: &str) -> Cow<'_, str> {
    match is_formula(value.trim_start_matches('\'')) {
        true => Cow::Owned(format!("'{value}")),
        false => Cow::Borrowed(value),
    }
}

/// The value that was guarded.
pub fn unguard(value: &str) -> &str {
    match value.strip_prefix('\'') {
        Some(rest) if is_formula(rest.trim_start_matches('\'')) => rest,
        _ => value,
    }
}

fn is_formula(value: &str) -> bool {
    let mut characters = value.chars();
    match characters.next() {
        Some('=' | '@' | '\t' | '\r' | '\n' | '＝' | '＠' | '＋' | '－') => true,
        Some('+' | '-') => !characters.all(|c| c.is_ascii_digit() || matches!(c, ' ' | '.')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formulas_are_made_harmless() {
        for (value, expected) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("\t=1", "'\t=1"),
            ("'=1", "''=1"),
            ("+49 30 123", "+49 30 123"),
            ("-12.5", "-12.5"),
            ("'t Hooft", "'t Hooft"),
            ("", ""),
        ] {
            assert_eq!(guard(value), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_guarded_comes_back(value in "['=+@a1 \\-]{0,5}") {
            let guarded = guard(&value);
            prop_assert_eq!(unguard(&guarded), value.as_str());
        }
    }
}
