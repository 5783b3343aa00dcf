//! Garble: edits that come from a mistake in a file, because nobody would make them by hand.

use encoding_rs::{
    Encoding, IBM866, KOI8_R, MACINTOSH, UTF_8, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1253, WINDOWS_1254,
};
use std::borrow::Cow;

/// A value that another one replaces. Both are in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit<'v> {
    /// The value before.
    pub before: &'v [u8],
    /// The value after.
    pub after: &'v [u8],
}

/// The longest value that is looked at, in bytes: what takes long to compare is no name.
const LOOKED_AT_BYTES_MAX: usize = 1 << 10;

/// Flags, which often change two at a time.
const FLAGS: [&[u8]; 4] = [b"true", b"false", b"1", b"0"];

/// The encodings that text is saved in, and read in by mistake.
const ENCODINGS: [&Encoding; 9] =
    [UTF_8, WINDOWS_1252, WINDOWS_1250, WINDOWS_1251, WINDOWS_1253, WINDOWS_1254, IBM866, KOI8_R, MACINTOSH];

/// Returns whether the edits of one employee come from a mistake in the file: two fields have exchanged their values, or the text of one was
/// read in another encoding than it was written in. The edits come in another order out of it.
pub fn is_garbled(edits: &mut Vec<Edit>) -> bool {
    edits.retain(|edit| edit.before.len().max(edit.after.len()) <= LOOKED_AT_BYTES_MAX);
    edits.iter().any(Edit::is_misread) || any_exchanged(edits)
}

fn any_exchanged(edits: &mut [Edit]) -> bool {
    if edits.len() < 2 {
        return false;
    }
    edits.sort_unstable();
    edits.iter().any(|&Edit { before, after }| {
        let is_flag = FLAGS.contains(&before) && FLAGS.contains(&after);
        !is_flag && edits.binary_search(&Edit { before: after, after: before }).is_ok()
    })
}

impl Edit<'_> {
    fn is_misread(&self) -> bool {
        let (Ok(before), Ok(after)) = (str::from_utf8(self.before), str::from_utf8(self.after)) else {
            return false;
        };
        // All encodings agree about ASCII.
        if before.is_ascii() || !ascii(before).eq(ascii(after)) {
            return false;
        }
        let unknown = |text: &str| text.matches(['?', char::REPLACEMENT_CHARACTER]).count();
        unknown(after) > unknown(before) || ENCODINGS.iter().any(|written| is_read_in_another(before, after, written))
    }
}

/// The characters of a text that every encoding has, without the one that stands for others.
fn ascii(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(|byte| byte.is_ascii() && *byte != b'?')
}

/// Returns whether `before`, written in an encoding, becomes `after` when it is read in another one.
fn is_read_in_another(before: &str, after: &str, written: &'static Encoding) -> bool {
    let (bytes, _, is_lossy) = written.encode(before);
    if is_lossy {
        return false;
    }
    // Values are stored without white space around them, which a no-break space is.
    let is_after = |read: &str| read.trim() == after.trim();
    let latin1 = || encoding_rs::mem::decode_latin1(&bytes);
    // Text that was not UTF-8 and makes sense as UTF-8 was garbled before: this repairs it.
    let others = ENCODINGS.iter().filter(|read| **read != written && **read != UTF_8);
    is_after(&latin1()) && !is_after(before)
        || others.map(|read| -> Cow<str> { read.decode_without_bom_handling(&bytes).0 }).any(|read| is_after(&read))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn garbled(edits: &[(&str, &str)]) -> bool {
        let edits = edits.iter().map(|(before, after)| Edit { before: before.as_bytes(), after: after.as_bytes() });
        is_garbled(&mut edits.collect())
    }

    #[test]
    fn text_that_was_read_in_another_encoding() {
        for (before, after) in [
            // UTF-8 as Latin-1, as Windows-1252, as Windows-1251, as ASCII with a sign for each byte or character.
            ("José", "JosÃ©"),
            ("Łukasz", "Å\u{81}ukasz"),
            ("“Zoë”", "â€œZoÃ«â€\u{9d}"),
            ("Иван", "Р\u{98}РІР°РЅ"),
            ("José", "Jos\u{fffd}\u{fffd}"),
            ("José", "Jos?"),
            ("Иван Петров", "???? ??????"),
            // Windows-1252 as UTF-8, as Windows-1251, as that of a Mac.
            ("José", "Jos\u{fffd}"),
            ("José", "Josй"),
            ("José", "JosÈ"),
            ("Иван", "Èâàí"),
            ("à", "Ã"),
        ] {
            assert!(garbled(&[("a", "b"), (before, after)]), "{before} {after:?}");
        }
    }

    #[test]
    fn edits_of_people() {
        for (before, after) in [
            ("JosÃ©", "José"),
            ("José", "Jose"),
            ("Jose", "José"),
            ("Иван", "Пётр"),
            ("Müller", "Möller"),
            ("Zoë", "Zoé"),
            ("Who?", "Who"),
            ("José", "José?!"),
            ("a", "b"),
        ] {
            assert!(!garbled(&[(before, after)]), "{before} {after}");
        }
    }

    #[test]
    fn two_fields_exchange_their_values() {
        assert!(garbled(&[("Ada", "Lovelace"), ("London", "Paris"), ("Lovelace", "Ada")]));
        assert!(!garbled(&[("Ada", "Lovelace"), ("Lovelace", "Byron")]));
        assert!(!garbled(&[("true", "false"), ("false", "true"), ("0", "1"), ("1", "0")]));
        let long = "x".repeat(LOOKED_AT_BYTES_MAX + 1);
        assert!(!garbled(&[(&long, "y"), ("y", &long)]));
    }
}
