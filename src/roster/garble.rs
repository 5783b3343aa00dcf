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

/// How many characters are looked at, from the first on that not all encodings have, before all of a value is.
const LETTERS: usize = 4;

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
        let start = through_first_letters(before);
        unknown(after) > unknown(before)
            || ENCODINGS.iter().any(|written| {
                // Nearly always the first letters tell that it is not so.
                begins_as_read_in_another(start, after, written) && is_read_in_another(before, after, written)
            })
    }
}

/// The characters of a text that every encoding has, without the one that stands for others.
fn ascii(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(|byte| byte.is_ascii() && *byte != b'?')
}

/// Returns a text up to some characters behind the first that not all encodings have.
fn through_first_letters(text: &str) -> &str {
    let first = text.bytes().position(|byte| !byte.is_ascii()).unwrap_or(text.len());
    let end = text[first..].char_indices().nth(LETTERS).map_or(text.len(), |(at, _)| first + at);
    &text[..end]
}

/// Returns whether `start`, written in an encoding and read in another one, can be the beginning of `after`. All that it is read in have a
/// character for each byte, so what a text begins with is read as what it begins with.
fn begins_as_read_in_another(start: &str, after: &str, written: &'static Encoding) -> bool {
    let (bytes, _, is_lossy) = written.encode(start);
    let begins = |read: &str| after.trim().starts_with(read.trim());
    !is_lossy && (begins(&encoding_rs::mem::decode_latin1(&bytes)) || others(written, &bytes).any(|read| begins(&read)))
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
    is_after(&latin1()) && !is_after(before) || others(written, &bytes).any(|read| is_after(&read))
}

/// Reads bytes in the encodings that they were not written in.
fn others<'b>(written: &'static Encoding, bytes: &'b [u8]) -> impl Iterator<Item = Cow<'b, str>> {
    // Text that was not UTF-8 and makes sense as UTF-8 was garbled before: this repairs it.
    let others = ENCODINGS.iter().filter(move |read| **read != written && **read != UTF_8);
    others.map(|read| read.decode_without_bom_handling(bytes).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn the_first_letters_tell_nothing_wrong(
            before in "[ \u{a0}aéÃ©Иваà–]{0,9}",
            other in "[ \u{a0}aéÃ©Иваà–]{0,9}",
            written in prop::sample::select(ENCODINGS.to_vec()),
            read in prop::sample::select(ENCODINGS.to_vec()),
            is_read in any::<bool>(),
        ) {
            let read = read.decode_without_bom_handling(&written.encode(&before).0).0.trim().to_owned();
            let after = if is_read { read } else { other };
            if is_read_in_another(&before, &after, written) {
                prop_assert!(begins_as_read_in_another(through_first_letters(&before), &after, written));
            }
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
