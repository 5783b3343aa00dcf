//! The id of an employee: which texts are one, in every dialect, path and query.

use crate::rejection::Fault;

/// The longest id of an employee, in Unicode scalar values.
const ID_CHARS_MAX: usize = 250;

/// Returns the id that a text means: the text without the white space around it (`char::is_whitespace`, so also a no-break space), which
/// has 1 to 250 characters, none of them U+0000. The error is a fault of the field `id`.
pub fn valid_id(text: &str) -> Result<&str, Fault> {
    let id = text.trim();
    if id.is_empty() {
        return Err(Fault::new("id", "required", "every employee needs an id; this one's is empty"));
    }
    // An id has at most as many characters as bytes, so most need no counting.
    if id.len() > ID_CHARS_MAX && id.chars().count() > ID_CHARS_MAX {
        return Err(Fault::new("id", "max_length", format!("an id has at most {ID_CHARS_MAX} characters; shorten it")));
    }
    if id.contains('\0') {
        Err(Fault::new("id", "text", "must not contain the character U+0000; remove it"))
    } else {
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_removed_and_the_rest_kept() {
        for (text, id) in [("7", "7"), (" a b\t", "a b"), ("\u{a0}\u{2003}007\u{3000}\n", "007"), ("É", "É")] {
            assert_eq!(valid_id(text), Ok(id));
        }
        let long = "ж".repeat(250);
        assert_eq!(valid_id(&format!(" {long} ")), Ok(long.as_str()));
        for (text, rule) in
            [("", "required"), (" \u{a0}", "required"), ("a\0b", "text"), (&"ж".repeat(251), "max_length")]
        {
            assert_eq!(valid_id(text).unwrap_err().rule, rule, "{text:?}");
        }
    }
}
