//! Decimal numbers, kept exactly.

use std::borrow::Cow;
use std::cmp::Ordering;

/// The most digits of a number, written out without an exponent.
pub const DIGITS_MAX: usize = 60;

/// Returns the number as JSON writes it, without an exponent and superfluous zeros: `01`, `1.0` and `1e0` are `1`. Returns `None` if
/// `value` is not a decimal number, or has more than [`DIGITS_MAX`] digits.
pub fn canonical(value: &str) -> Option<Cow<'_, str>> {
    let plain = value.len() <= 18 && !value.starts_with('0') && value.bytes().all(|b| b.is_ascii_digit());
    if plain && !value.is_empty() {
        return Some(Cow::Borrowed(value));
    }
    let (negative, rest) = match value.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, value.strip_prefix('+').unwrap_or(value)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) if exponent.len() <= 4 => (mantissa, exponent.parse::<i32>().ok()?),
        Some(_) => return None,
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || mantissa.len() > 2 * DIGITS_MAX {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let length = |text: &str| i32::try_from(text.len()).expect("a mantissa has at most 120 characters");
    let exponent = exponent - length(fraction) + length(&digits) - length(significant);
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some(Cow::Borrowed("0"));
    }
    let shift = exponent.unsigned_abs() as usize;
    let written = if exponent >= 0 {
        format!("{significant}{}", "0".repeat(shift))
    } else {
        let padded = format!("{significant:0>width$}", width = shift + 1);
        let (whole, fraction) = padded.split_at(padded.len() - shift);
        format!("{whole}.{fraction}")
    };
    if written.bytes().filter(u8::is_ascii_digit).count() > DIGITS_MAX {
        return None;
    }
    Some(Cow::Owned(if negative { format!("-{written}") } else { written }))
}

/// Compares two numbers in canonical form.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (a.strip_prefix('-'), b.strip_prefix('-')) {
        (None, None) => compare_magnitudes(a, b),
        (Some(a), Some(b)) => compare_magnitudes(b, a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

fn compare_magnitudes(a: &str, b: &str) -> Ordering {
    let (a_whole, a_fraction) = a.split_once('.').unwrap_or((a, ""));
    let (b_whole, b_fraction) = b.split_once('.').unwrap_or((b, ""));
    (a_whole.len(), a_whole, a_fraction).cmp(&(b_whole.len(), b_whole, b_fraction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_value_has_one_form() {
        for (value, expected) in [
            ("1", Some("1")),
            ("1.0", Some("1")),
            ("01", Some("1")),
            ("+1", Some("1")),
            ("1e0", Some("1")),
            ("10e-1", Some("1")),
            ("-0", Some("0")),
            ("0.000", Some("0")),
            ("1200", Some("1200")),
            ("1.20e3", Some("1200")),
            ("0.0120", Some("0.012")),
            ("-12.5E-3", Some("-0.0125")),
            ("123456789012345678901234567890", Some("123456789012345678901234567890")),
            ("1e60", None),
            ("1e999999999", None),
            ("1e", None),
            (".5", None),
            ("5.", None),
            ("1,5", None),
            ("1 000", None),
            ("0x10", None),
            ("NaN", None),
            ("-", None),
            ("", None),
            ("١", None),
        ] {
            assert_eq!(canonical(value).as_deref(), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn canonical_and_compare_agree_with_f64(a in -1_000_000i32..1_000_000, b in -1_000_000i32..1_000_000, shift in 0i32..6) {
            let [x, y] = [a, b].map(|n| format!("{n}e-{shift}"));
            let [x, y] = [&x, &y].map(|n| canonical(n).unwrap().into_owned());
            prop_assert_eq!(x.parse::<f64>().unwrap(), f64::from(a) / 10f64.powi(shift));
            prop_assert_eq!(compare(&x, &y), a.cmp(&b));
            let again = canonical(&x);
            prop_assert_eq!(again.as_deref(), Some(x.as_str()));
        }
    }
}
