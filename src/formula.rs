//! Values that a spreadsheet would run as formulas, and the apostrophe that prevents it.
//!
//! ```
//! use rollcall::formula::{guard, unguard};
//!
//! assert_eq!(guard("=1+1"), "'=1+1");
//! assert_eq!(unguard("'=1+1"), "=1+1");
//! assert_eq!(guard("+49 30 123"), "+49 30 123");
//! ```

use std::borrow::Cow;

/// Returns the value with an apostrophe before it if a spreadsheet would run it. A value of apostrophes and a formula gets another one, so
/// that [`unguard`] restores every value. A sign and digits are a number, not a formula.
pub fn guard(value: &str) -> Cow<'_, str> {
    if is_formula(value.trim_start_matches('\'')) { Cow::Owned(format!("'{value}")) } else { Cow::Borrowed(value) }
}

/// Returns the value that was guarded.
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
