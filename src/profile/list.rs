//! Lists of texts, such as tags.

use std::borrow::Cow;

/// The most elements of a list.
pub const ELEMENTS_MAX: usize = 1_000;

/// Returns the elements of a JSON array of strings, or of a text with commas between them: trimmed, without empty elements and
/// duplicates. Returns `None` if there are more than [`ELEMENTS_MAX`].
pub fn elements(value: &str) -> Option<Vec<Cow<'_, str>>> {
    let array = value.trim_start().starts_with('[').then(|| serde_json::from_str::<Vec<String>>(value).ok()).flatten();
    let elements: Vec<Cow<str>> = match array {
        Some(array) => array.into_iter().map(|element| Cow::Owned(element.trim().to_owned())).collect(),
        None => value.split(',').map(|element| Cow::Borrowed(element.trim())).collect(),
    };
    let mut kept: Vec<Cow<str>> = Vec::with_capacity(elements.len());
    let mut known = std::collections::HashSet::with_capacity(elements.len());
    for element in elements {
        if !element.is_empty() && known.insert(element.clone()) {
            kept.push(element);
        }
    }
    (kept.len() <= ELEMENTS_MAX).then_some(kept)
}

/// Joins elements into one value, which [`elements`] splits again: with commas, or as a JSON array if commas would be misread.
pub fn join(elements: &[impl AsRef<str> + serde::Serialize]) -> String {
    let is_misread = |element: &str| element.contains(',') || element.starts_with('[');
    if elements.iter().any(|element| is_misread(element.as_ref())) {
        serde_json::to_string(elements).expect("strings are JSON")
    } else {
        elements.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arrays_and_commas_are_one_list() {
        for (value, expected) in [
            ("a, b ,,a", "a,b"),
            (r#"["a","b"]"#, "a,b"),
            (r#"["a, b", "c"]"#, r#"["a, b","c"]"#),
            (r#"["[a","c"]"#, r#"["[a","c"]"#),
            ("[a, c]", r#"["[a","c]"]"#),
            ("[]", ""),
            (" , ", ""),
        ] {
            assert_eq!(join(&elements(value).unwrap()), expected, "{value}");
        }
        assert!(elements(&(0..=ELEMENTS_MAX).map(|n| n.to_string()).collect::<Vec<_>>().join(",")).is_none());
    }

    proptest! {
        #[test]
        fn what_is_joined_comes_apart(list in prop::collection::vec("[\\[\\]\"a-c,é ]{0,4}", 0..6)) {
            let joined = join(&list);
            let once = elements(&joined).unwrap().into_iter().map(Cow::into_owned).collect::<Vec<_>>();
            let again = elements(&join(&once)).unwrap().into_iter().map(Cow::into_owned).collect::<Vec<_>>();
            prop_assert_eq!(once, again);
        }
    }
}
