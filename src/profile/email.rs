//! E-mail addresses by the rule of HTML: what `<input type=email>` accepts.

use std::borrow::Cow;

/// Returns the address in lower case, or `None` if it is not one by the HTML standard
/// (<https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address>).
pub fn canonical(value: &str) -> Option<Cow<'_, str>> {
    let (local, domain) = value.split_once('@')?;
    let atext = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
    let valid = !local.is_empty() && local.bytes().all(atext) && domain.split('.').all(is_label);
    if !valid {
        return None;
    }
    let has_upper_case = value.bytes().any(|b| b.is_ascii_uppercase());
    Some(if has_upper_case { Cow::Owned(value.to_ascii_lowercase()) } else { Cow::Borrowed(value) })
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The regular expression in the standard.
    const HTML: &str = r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$";

    fn agree(value: &str) -> bool {
        canonical(value).is_some() == regex::Regex::new(HTML).unwrap().is_match(value)
    }

    #[test]
    fn the_scanner_is_the_expression_of_the_standard() {
        let long = format!("a@{}.de", "x".repeat(63));
        let longer = format!("a@{}.de", "x".repeat(64));
        for value in ["a@b", "A.B@C.de", "a@-b", "a@b-", "a@b..c", "@b", "a@", "a@b@c", "a b@c", "ä@b", &long, &longer]
        {
            assert!(agree(value), "{value}");
        }
        assert_eq!(canonical("John.Snow@Gmail.com").as_deref(), Some("john.snow@gmail.com"));
    }

    proptest! {
        #[test]
        fn also_for_whatever_else(value in "[a-bA!.@ ä-]{0,12}") {
            prop_assert!(agree(&value));
        }
    }
}
