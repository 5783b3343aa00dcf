//! JSON, parsed in two ways: fast if a value has the usual form, and exactly if it does not.

mod object;

pub use object::{Object, Shape};

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// The most names of unknown members that are kept of one object.
pub const UNKNOWN_MAX: usize = crate::limits::IGNORED_NAMES_MAX;

/// Bytes that are not JSON (RFC 8259).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotJson {
    /// The place, in bytes from the beginning of what was parsed.
    pub at: u64,
    /// What is wrong there.
    pub message: String,
}

impl NotJson {
    fn new(bytes: &[u8], error: &serde_json::Error) -> NotJson {
        let mut line_starts = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
        let line_start = match error.line() {
            0 | 1 => 0,
            line => line_starts.nth(line - 2).unwrap_or(0),
        };
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        NotJson { at: (line_start + error.column().saturating_sub(1)) as u64, message: message.to_owned() }
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message, self.at)
    }
}

/// Checks that `bytes` are one JSON value in UTF-8, with nothing but white space around it.
pub fn check(bytes: &[u8]) -> Result<(), NotJson> {
    exact::<IgnoredAny>(bytes).map(drop).map_err(|error| match error {
        Unreadable::NotJson(not_json) => not_json,
        Unreadable::Wrong(message) => NotJson { at: 0, message },
    })
}

/// Checks that `bytes` can be the beginning of a JSON value in UTF-8: they may end too early, but nothing in them is wrong.
pub fn check_beginning(bytes: &[u8]) -> Result<(), NotJson> {
    begins(bytes, |text| serde_json::from_str::<IgnoredAny>(text).err())
}

/// Checks the same of the first value in `bytes`, whatever follows it.
pub fn check_first(bytes: &[u8]) -> Result<(), NotJson> {
    begins(bytes, |text| serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>().next()?.err())
}

fn begins(bytes: &[u8], parse: impl Fn(&str) -> Option<serde_json::Error>) -> Result<(), NotJson> {
    let (text, is_invalid) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => {
            let valid = &bytes[..error.valid_up_to()];
            (std::str::from_utf8(valid).expect("it is valid so far"), error.error_len().is_some())
        }
    };
    match parse(text) {
        Some(error) if !error.is_eof() => Err(NotJson::new(bytes, &error)),
        Some(_) if is_invalid => Err(NotJson { at: text.len() as u64, message: "invalid UTF-8".into() }),
        _ => Ok(()),
    }
}

/// Why bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// They are not JSON.
    NotJson(NotJson),
    /// They are JSON, but not of the expected form; the message says what to do.
    Wrong(String),
}

/// Reads a value with serde_json.
pub fn exact<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Unreadable::NotJson(NotJson { at: error.valid_up_to() as u64, message: "invalid UTF-8".into() })
    })?;
    // A name with half of a surrogate pair is JSON, though serde_json calls it a mistake of syntax.
    serde_json::from_str(text).map_err(|error| match serde_json::from_str::<IgnoredAny>(text) {
        Err(syntax) if error.is_data() => Unreadable::NotJson(NotJson::new(bytes, &syntax)),
        Err(_) => Unreadable::NotJson(NotJson::new(bytes, &error)),
        Ok(_) => Unreadable::Wrong(what_to_do(&error)),
    })
}

/// Says what to do about a value of another form. Serde's own message would quote the value.
fn what_to_do(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("must be {expected}"),
        None => message.to_owned(),
    }
}

/// Returns the elements of an array, at most `max`. The error says what to do about another value, or about more elements.
pub fn array(raw: &RawValue, max: usize) -> Result<Vec<&RawValue>, String> {
    struct AtMost(usize);
    impl<'de> Visitor<'de> for AtMost {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
            let mut read = Vec::new();
            while let Some(element) = elements.next_element()? {
                if read.len() == self.0 {
                    return Err(A::Error::custom(format!("has more than {} elements", self.0)));
                }
                read.push(element);
            }
            Ok(read)
        }
    }
    serde_json::Deserializer::from_str(raw.get()).deserialize_seq(AtMost(max)).map_err(|error| what_to_do(&error))
}

/// Memory that [`fast`] reuses for each value.
#[derive(Default)]
pub struct Scratch {
    copy: Vec<u8>,
    buffers: simd_json::Buffers,
}

/// Reads a value with simd-json, or returns `None` if [`exact`] must decide: simd-json accepts nothing that serde_json refuses, but it
/// refuses some numbers that JSON allows, and its messages are short.
pub fn fast<'a, T: Deserialize<'a>>(bytes: &[u8], scratch: &'a mut Scratch) -> Option<T> {
    scratch.copy.clear();
    scratch.copy.extend_from_slice(bytes);
    simd_json::serde::from_slice_with_buffers(&mut scratch.copy, &mut scratch.buffers).ok()
}

/// Returns a scalar as text: a string unescaped, a number or a boolean as its JSON text, null as the empty string.
/// The error says what to do about another value.
pub fn scalar(raw: &RawValue) -> Result<Cow<'_, str>, &'static str> {
    let json = raw.get();
    match json.as_bytes()[0] {
        b'"' => string(raw),
        b'n' => Ok(Cow::Borrowed("")),
        b'{' => Err("must be a string, not an object"),
        b'[' => Err("must be a string, not an array"),
        _ => Ok(Cow::Borrowed(json)),
    }
}

/// Returns a string, unescaped, or the JSON text of a number. The error says what to do about another value.
pub fn string_or_number(raw: &RawValue) -> Result<Cow<'_, str>, &'static str> {
    match raw.get().as_bytes()[0] {
        b'-' | b'0'..=b'9' => Ok(Cow::Borrowed(raw.get())),
        _ => string(raw),
    }
}

/// Returns a string, unescaped. The error says what to do about another value.
pub fn string(raw: &RawValue) -> Result<Cow<'_, str>, &'static str> {
    let json = raw.get();
    match json.as_bytes()[0] {
        b'"' if !json.contains('\\') => Ok(Cow::Borrowed(&json[1..json.len() - 1])),
        b'"' => serde_json::from_str(json).map(Cow::Owned).map_err(
            |_| "holds half of a surrogate pair (like \\ud800 alone), which is no character; send well-formed Unicode",
        ),
        b'{' => Err("must be a string, not an object"),
        b'[' => Err("must be a string, not an array"),
        b'n' => Err("must be a string, not null"),
        b't' | b'f' => Err("must be a string, not a boolean"),
        _ => Err("must be a string, not a number; put quotes around it"),
    }
}

/// The most members of an object that [`members`] reads.
const MEMBERS_MAX: usize = 1_000;

/// Returns the members of an object in their order. Each name may appear once. A byte order mark before the object is ignored.
pub fn members(bytes: &[u8]) -> Result<Vec<(String, &RawValue)>, Unreadable> {
    struct Members<'a>(Vec<(String, &'a RawValue)>);
    impl<'de> Deserialize<'de> for Members<'de> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct OfMap;
            impl<'de> Visitor<'de> for OfMap {
                type Value = Members<'de>;

                fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut members: Vec<(String, &RawValue)> = Vec::new();
                    let mut places = HashMap::new();
                    while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                        if members.len() == MEMBERS_MAX {
                            return Err(A::Error::custom(format!("has more than {MEMBERS_MAX} members")));
                        }
                        // The name came from the client and must not reach a log, so the message counts members instead.
                        if let Some(first) = places.insert(name.clone(), members.len()) {
                            let (first, second) = (first + 1, members.len() + 1);
                            let message = format!("has the same name in members {first} and {second}; send it once");
                            return Err(A::Error::custom(message));
                        }
                        members.push((name, value));
                    }
                    Ok(Members(members))
                }
            }
            deserializer.deserialize_map(OfMap)
        }
    }
    exact::<Members>(without_bom(bytes)).map(|members| members.0)
}

/// Returns a text in UTF-8 without the byte order mark that it may begin with.
pub fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// The elements of an array, read one by one.
pub struct Elements<B> {
    bytes: B,
    at: usize,
}

impl<B: AsRef<[u8]>> Elements<B> {
    /// Checks that `bytes` are an array; a byte order mark before it is ignored. The error says what is wrong with them.
    pub fn new(bytes: B) -> Result<Elements<B>, Unreadable> {
        let json = without_bom(bytes.as_ref());
        let start = bytes.as_ref().len() - json.len();
        check(json).map_err(Unreadable::NotJson)?;
        match json.trim_ascii_start().first() {
            Some(b'[') => Ok(Elements { bytes, at: start }),
            _ => Err(Unreadable::Wrong("must be an array".into())),
        }
    }

    /// Calls `read` with the next element and returns what it returned, or `None` at the end.
    pub fn next<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let bytes = self.bytes.as_ref();
        // What precedes an element is the array's bracket or a comma.
        let before = self.at + bytes[self.at..].iter().position(|byte| matches!(byte, b'[' | b','))?;
        let start = before + 1 + bytes[before + 1..].iter().position(|byte| !byte.is_ascii_whitespace())?;
        let element = serde_json::Deserializer::from_slice(&bytes[start..]).into_iter::<&RawValue>().next()?.ok()?;
        self.at = start + element.get().len();
        Some(read(element.get().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What [`fast`] takes, [`exact`] takes and reads alike.
        #[test]
        fn fast_is_never_laxer_than_exact(
            bytes in r#"(\{|\[|"a":|"\\u00e9|"\\ud83d|\\ude00|"é|"|\\\\n|[-0-9.e]{1,3}|null|tru|e|,|:|\}|\]| |\x01|\x00){0,14}"#
        ) {
            let mut scratch = Scratch::default();
            let fast = fast::<serde_json::Value>(bytes.as_bytes(), &mut scratch);
            if let Some(fast) = fast {
                let exact = exact::<serde_json::Value>(bytes.as_bytes());
                prop_assert_eq!(Ok(fast), exact, "{}", bytes);
            }
        }
    }

    proptest! {
        #[test]
        fn elements_one_by_one_are_those_of_the_array(
            array in r#"( ?(\[\]|\[1, ?\[\]\]|"[,\]a]?"|\{"a": ?\[\]\}|-1\.5|null) ?,){0,5}"#
        ) {
            let array = format!(" [{}] ", array.trim_end_matches(','));
            let whole: Vec<serde_json::Value> = serde_json::from_str(&array).unwrap();
            let mut elements = Elements::new(array.as_bytes()).unwrap();
            let mut read = Vec::new();
            while let Some(element) = elements.next(|element| serde_json::from_slice(element).unwrap()) {
                let element: serde_json::Value = element;
                read.push(element);
            }
            prop_assert_eq!(read, whole, "{}", array);
        }
    }

    #[test]
    fn an_error_says_where() {
        assert_eq!(check(b"{\"a\":\n [1,]}").unwrap_err().to_string(), "expected value at byte 10");
        assert_eq!(check(b"\"a\xff\"").unwrap_err().to_string(), "invalid UTF-8 at byte 2");
        assert_eq!(check(b"{} {}").unwrap_err().at, 3);
    }

    #[test]
    fn a_beginning_may_end_early_and_no_more() {
        for beginning in ["", " ", "{", "{\"a", "[1, tr", "{\"a\":[{}, ", "{} ", "\"\\u00"] {
            assert_eq!(check_beginning(beginning.as_bytes()), Ok(()), "{beginning}");
        }
        assert_eq!(check_beginning("\"é".as_bytes().split_last().unwrap().1), Ok(()));
        for (wrong, at) in [(&b"hello"[..], 0), (b"{\"a\" 1", 5), (b"{} {", 3), (b"[\"\xff", 2), (b"<html>\xff", 0)] {
            assert_eq!(check_beginning(wrong).unwrap_err().at, at, "{}", String::from_utf8_lossy(wrong));
        }
    }
}
