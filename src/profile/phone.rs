//! International phone numbers (E.164).

use std::borrow::Cow;

/// Returns `+` and 7 to 15 digits that do not begin with 0, or `None` if `value` is not that apart from spaces, dots, dashes and brackets.
pub fn canonical(value: &str) -> Option<Cow<'_, str>> {
    let has_separators = value.chars().any(is_separator);
    let phone: Cow<str> =
        if has_separators { value.chars().filter(|&c| !is_separator(c)).collect() } else { Cow::Borrowed(value) };
    let digits = phone.strip_prefix('+')?;
    let valid =
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    valid.then_some(phone)
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '.' | '-' | '(' | ')' | '[' | ']' | '\u{2010}'..='\u{2015}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_go_and_the_rest_must_be_e164() {
        for (value, expected) in [
            ("+49 (30) 123-45.67", Some("+49301234567")),
            ("+7\u{a0}495\u{2011}1234567", Some("+74951234567")),
            ("+123456789012345", Some("+123456789012345")),
            ("+1234567890123456", None),
            ("+123456", None),
            ("+0301234567", None),
            ("030 1234567", None),
            ("++491234567", None),
            ("+49 30 CALLME1", None),
            ("+", None),
        ] {
            assert_eq!(canonical(value).as_deref(), expected, "{value}");
        }
    }
}
