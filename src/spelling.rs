//! "Did you mean": the known name that somebody most likely wanted to write.
//!
//! ```
//! use rollcall::spelling::nearest;
//!
//! assert_eq!(nearest("lisen", ["listen", "data"]), Some("listen"));
//! assert_eq!(nearest("colour", ["listen", "data"]), None);
//! ```

/// The longest name that is compared, in bytes: the time for a comparison grows with its square.
const NAME_BYTES_MAX: usize = 64;

/// Returns the name of `known` that is most similar to `written`, or `None` if none is similar.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > NAME_BYTES_MAX {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let written = plain(written);
    // One mistake in three letters: a slip of the hand, or a forgotten ending.
    let mistakes_max = (written.chars().count() / 3).max(1);
    let known = known.into_iter().filter(|name| name.len() <= NAME_BYTES_MAX);
    known
        .map(|name| (strsim::damerau_levenshtein(&written, &plain(name)), name))
        .filter(|(mistakes, _)| *mistakes <= mistakes_max)
        .min_by_key(|(mistakes, _)| *mistakes)
        .map(|(_, name)| name)
}

/// Returns a suggestion for one of serde's messages about an unknown field or variant, as in
/// ``unknown field `lisen`, expected one of `data`, `listen` ``, or `None` for any other message or if no name is similar.
pub fn suggestion(message: &str) -> Option<&str> {
    let names = message.strip_prefix("unknown field ").or_else(|| message.strip_prefix("unknown variant "))?;
    // Names are between backticks, so every other piece is one.
    let mut names = names.split('`').skip(1).step_by(2);
    nearest(names.next()?, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["listen", "data", "profiles", "body_bytes_max"];
        for (written, expected) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("body-bytes-max", Some("body_bytes_max")),
            ("body_byte_max", Some("body_bytes_max")),
            ("profile", Some("profiles")),
            ("dtaa", Some("data")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), expected, "{written}");
        }
        assert_eq!(nearest(&"a".repeat(1 << 20), known), None);
    }

    #[test]
    fn serdes_messages_are_understood() {
        assert_eq!(suggestion("unknown field `lisen`, expected one of `data`, `listen`"), Some("listen"));
        assert_eq!(suggestion("unknown field `id`, expected `ids`"), Some("ids"));
        assert_eq!(suggestion("unknown variant `jsn`, expected `text` or `json`"), Some("json"));
        assert_eq!(suggestion("missing field `id`"), None);
        assert_eq!(suggestion("unknown field `id`, there are no fields"), None);
    }
}
