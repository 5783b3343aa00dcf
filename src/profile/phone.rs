//! Phone numbers: E.164.

use std::borrow::Cow;

/// `+` and 7 to 15 digits that do not begin with 0, where `value` is that but for spaces, dots, dashes and brackets.
pub fn canonical(value: &str) -> Option<Cow<'_, str>> {
    let stays = |c: char| c == '+' || c.is_ascii_digit();
    let phone: Cow<str> = match value.chars().all(stays) {
        true => Cow::Borrowed(value),
        false => Cow::Owned(value.chars().filter(|&c| !is_separator(c)).collect()),
    };
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
