//! Split: finds where each employee of a body begins and ends, without parsing it.

use super::scan::{Nesting, scan};
use crate::json::NotJson;
use std::ops::Range;

/// Why a body cannot be split.
#[derive(Debug, PartialEq, Eq)]
pub enum SplitError {
    /// The body is not JSON. The position is counted from the beginning of the body.
    NotJson(NotJson),
    /// The array of employees appears twice.
    Twice,
    /// Objects and arrays are nested deeper than the limit.
    TooDeep {
        /// Where the employee begins in the bytes passed to [`Splitter::split`]; `None` if the envelope is nested too deep.
        element: Option<usize>,
    },
    /// The envelope is longer than the limit.
    LongEnvelope,
}

/// Finds the elements of the array of employees in a body that comes in pieces, and collects everything else, the envelope.
///
/// Whether an element is JSON is left to its parser. If all of them are, the body is JSON exactly if the envelope that
/// [`Splitter::finish`] returns is JSON.
pub struct Splitter {
    names: [&'static str; 2],
    depth_max: u32,
    envelope_bytes_max: usize,
    state: State,
    /// How many brackets of the envelope are open.
    depth: u32,
    nesting: Nesting,
    /// How many bytes of the body were read.
    position: u64,
    envelope: Vec<u8>,
    /// Where the last string of the envelope's outermost object is in the envelope, with its quotes.
    string: Range<usize>,
    /// Whether a colon has followed that string, and nothing else but white space.
    is_key: bool,
    /// The gap that the elements leave in the envelope, once the array has begun.
    gap: Option<Gap>,
}

/// The gap that the elements leave in the envelope.
struct Gap {
    /// Where it is in the envelope.
    at: usize,
    /// Where the elements are in the body.
    elements: Range<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Envelope,
    /// Behind the object that is the body.
    Behind,
    EnvelopeString {
        escaped: bool,
    },
    BeforeElement {
        first: bool,
    },
    /// In an element that is an object or an array, as deep as the splitter's `nesting`.
    Container,
    String {
        escaped: bool,
    },
    Scalar,
    AfterElement,
}

impl Splitter {
    /// Returns the splitter of a body whose array of employees has one of these `names`.
    pub fn new(names: [&'static str; 2], depth_max: u32, envelope_bytes_max: usize) -> Splitter {
        Splitter {
            names,
            depth_max,
            envelope_bytes_max,
            state: State::Envelope,
            depth: 0,
            nesting: Nesting::default(),
            position: 0,
            envelope: Vec::new(),
            string: 0..0,
            is_key: false,
            gap: None,
        }
    }

    /// Reads `bytes[from..]`, the next bytes of the body, and adds the elements that end in them to `elements`. Stops behind the bracket
    /// that opens the array of employees, and as soon as `elements` has `elements_max`.
    ///
    /// Returns where it stopped, or where the element begins that has not ended yet. The caller passes the bytes from there on again, in
    /// front of those that follow, and `from` is then how many of them were read.
    pub fn split(
        &mut self,
        bytes: &[u8],
        from: usize,
        elements_max: usize,
        elements: &mut Vec<Range<usize>>,
    ) -> Result<usize, SplitError> {
        let (mut start, mut at) = (0, from);
        let base = self.position - from as u64;
        while at < bytes.len() && elements.len() < elements_max {
            let (byte, position) = (bytes[at], base + at as u64);
            match self.state {
                State::Envelope | State::EnvelopeString { .. } | State::Behind => {
                    self.read_envelope(byte, position)?;
                    if self.in_array() {
                        at += 1;
                        break;
                    }
                }
                State::BeforeElement { first } => match byte {
                    b' ' | b'\n' | b'\r' | b'\t' => {}
                    b']' if first => self.end_array(position)?,
                    b']' | b',' | b'}' | b':' => return Err(not_json(position, "expected an employee")),
                    b'{' | b'[' => {
                        start = at;
                        self.nesting = Nesting::default();
                        self.state = State::Container;
                        // The scan begins with the bracket.
                        continue;
                    }
                    _ => {
                        start = at;
                        self.state = if byte == b'"' { State::String { escaped: false } } else { State::Scalar };
                    }
                },
                State::Container => {
                    let depth_max = self.depth_max.saturating_sub(self.depth);
                    let too_deep = |_| SplitError::TooDeep { element: Some(start) };
                    let end = scan(&bytes[at..], &mut self.nesting, depth_max).map_err(too_deep)?;
                    at = end.map_or(bytes.len(), |end| at + end);
                    if end.is_none() {
                        break;
                    }
                    elements.push(start..at);
                    self.state = State::AfterElement;
                    continue;
                }
                State::String { escaped } => {
                    self.state = match after_string_byte(escaped, byte) {
                        Some(escaped) => State::String { escaped },
                        None => {
                            elements.push(start..at + 1);
                            State::AfterElement
                        }
                    };
                }
                State::Scalar => {
                    if matches!(byte, b',' | b']' | b' ' | b'\n' | b'\r' | b'\t') {
                        elements.push(start..at);
                        self.state = State::AfterElement;
                        continue;
                    }
                }
                State::AfterElement => match byte {
                    b' ' | b'\n' | b'\r' | b'\t' => {}
                    b',' => self.state = State::BeforeElement { first: false },
                    b']' => self.end_array(position)?,
                    _ => return Err(not_json(position, "expected `,` or `]` after an employee")),
                },
            }
            at += 1;
        }
        self.position = base + at as u64;
        Ok(if self.in_element() { start } else { at })
    }

    /// Passes over bytes that are known to end with an element. They must begin where [`Splitter::is_between_elements`] is true.
    pub fn pass(&mut self, bytes: u64) {
        self.position += bytes;
        self.state = State::AfterElement;
    }

    /// Returns whether an element has just ended, or the array has just begun.
    pub fn is_between_elements(&self) -> bool {
        matches!(self.state, State::AfterElement | State::BeforeElement { first: true })
    }

    /// Returns whether the array of employees has begun.
    pub fn has_array(&self) -> bool {
        self.gap.is_some()
    }

    /// Returns whether the next byte is in the array of employees.
    pub fn in_array(&self) -> bool {
        !matches!(self.state, State::Envelope | State::EnvelopeString { .. } | State::Behind)
    }

    /// Returns the envelope so far. Its array of employees is empty.
    pub fn envelope(&self) -> &[u8] {
        without_bom(&self.envelope)
    }

    /// Returns the envelope as if the body ended right after the array of employees had begun.
    pub fn envelope_before_array(&self) -> Vec<u8> {
        let before = self.gap.as_ref().map_or(self.envelope.len(), |gap| gap.at);
        [without_bom(&self.envelope[..before]), b"]}"].concat()
    }

    /// Returns whether an element has begun that has not ended.
    pub fn in_element(&self) -> bool {
        matches!(self.state, State::Container | State::String { .. } | State::Scalar)
    }

    /// Returns the envelope of a body that has ended. Its array of employees is empty. The error says that the body ended too early.
    pub fn finish(&self) -> Result<&[u8], NotJson> {
        match self.state {
            State::Envelope | State::Behind => Ok(self.envelope()),
            _ => Err(NotJson { at: self.position, message: "the body ends too early".into() }),
        }
    }

    /// Converts a position in the envelope, without a byte order mark, into one in the body.
    pub fn body_position(&self, at: u64) -> u64 {
        let bom = (self.envelope.len() - without_bom(&self.envelope).len()) as u64;
        match &self.gap {
            Some(gap) if at + bom >= gap.at as u64 => at + bom + (gap.elements.end - gap.elements.start),
            _ => at + bom,
        }
    }

    /// Reads a byte that is not in the array of employees, but may begin it.
    fn read_envelope(&mut self, byte: u8, position: u64) -> Result<(), SplitError> {
        match self.state {
            State::Behind => {
                if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                    return Err(not_json(position, "trailing characters"));
                }
                self.keep(byte)
            }
            State::EnvelopeString { escaped } => {
                self.keep(byte)?;
                self.state = match after_string_byte(escaped, byte) {
                    Some(escaped) => State::EnvelopeString { escaped },
                    None => {
                        self.string.end = self.envelope.len();
                        State::Envelope
                    }
                };
                Ok(())
            }
            _ if byte == b'[' && self.is_array_of_employees() => {
                self.read_structure(byte, position)?;
                self.begin_array(position + 1)
            }
            _ => self.read_structure(byte, position),
        }
    }

    /// Reads a byte of the envelope that is not in a string.
    fn read_structure(&mut self, byte: u8, position: u64) -> Result<(), SplitError> {
        self.keep(byte)?;
        match byte {
            b'"' => {
                self.state = State::EnvelopeString { escaped: false };
                self.is_key = false;
                if self.depth == 1 {
                    self.string.start = self.envelope.len() - 1;
                }
            }
            b':' => self.is_key = self.depth == 1 && !self.string.is_empty(),
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'{' | b'[' => {
                self.is_key = false;
                self.open()?;
            }
            b'}' | b']' => {
                self.is_key = false;
                self.depth = self.depth.checked_sub(1).ok_or_else(|| not_json(position, "unexpected bracket"))?;
                if self.depth == 0 {
                    self.state = State::Behind;
                }
            }
            _ => {
                self.is_key = false;
                self.string = 0..0;
            }
        }
        Ok(())
    }

    fn is_array_of_employees(&self) -> bool {
        if !self.is_key || self.depth != 1 {
            return false;
        }
        let key = &self.envelope[self.string.clone()];
        let is = |key: &[u8]| self.names.iter().any(|name| name.as_bytes() == key);
        if key.contains(&b'\\') {
            serde_json::from_slice::<String>(key).is_ok_and(|key| is(key.as_bytes()))
        } else {
            is(&key[1..key.len() - 1])
        }
    }

    fn begin_array(&mut self, position: u64) -> Result<(), SplitError> {
        if self.gap.is_some() {
            return Err(SplitError::Twice);
        }
        self.state = State::BeforeElement { first: true };
        self.gap = Some(Gap { at: self.envelope.len(), elements: position..position });
        Ok(())
    }

    fn end_array(&mut self, position: u64) -> Result<(), SplitError> {
        if let Some(gap) = &mut self.gap {
            gap.elements.end = position;
        }
        self.state = State::Envelope;
        self.read_structure(b']', position)
    }

    fn open(&mut self) -> Result<(), SplitError> {
        self.depth += 1;
        if self.depth > self.depth_max { Err(SplitError::TooDeep { element: None }) } else { Ok(()) }
    }

    fn keep(&mut self, byte: u8) -> Result<(), SplitError> {
        if self.envelope.len() == self.envelope_bytes_max {
            return Err(SplitError::LongEnvelope);
        }
        self.envelope.push(byte);
        Ok(())
    }
}

/// Returns whether the byte after `byte` of a string is escaped, or `None` if `byte` ends the string.
fn after_string_byte(escaped: bool, byte: u8) -> Option<bool> {
    match byte {
        _ if escaped => Some(false),
        b'\\' => Some(true),
        b'"' => None,
        _ => Some(false),
    }
}

fn not_json(at: u64, message: &str) -> SplitError {
    SplitError::NotJson(NotJson { at, message: message.into() })
}

/// Some programs begin a body with a byte order mark. A reader of JSON may ignore it (RFC 8259, 8.1).
fn without_bom(envelope: &[u8]) -> &[u8] {
    envelope.strip_prefix(b"\xef\xbb\xbf").unwrap_or(envelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    const NAMES: [&str; 2] = ["employees", "Employees"];

    /// Splits a body that comes in pieces of `size` bytes, at most `size` elements at a time.
    fn split(body: &[u8], size: usize) -> Result<(Vec<Vec<u8>>, Vec<u8>), SplitError> {
        let mut splitter = Splitter::new(NAMES, 64, 1 << 20);
        let (mut found, mut bytes, mut elements) = (Vec::new(), Vec::new(), Vec::new());
        for piece in body.chunks(size) {
            let mut from = bytes.len();
            bytes.extend_from_slice(piece);
            loop {
                elements.clear();
                let kept = splitter.split(&bytes, from, size, &mut elements)?;
                found.extend(elements.iter().map(|element| bytes[element.clone()].to_vec()));
                bytes.drain(..kept);
                if splitter.in_element() || bytes.is_empty() {
                    break;
                }
                from = 0;
            }
        }
        splitter.finish().map(|envelope| (found, envelope.to_vec())).map_err(SplitError::NotJson)
    }

    /// Returns the employees as an ordinary parser of the whole body finds them; `None` if the body is not JSON.
    fn plain(body: &[u8]) -> Option<Vec<Vec<u8>>> {
        struct OfBody;
        impl json::Shape<1> for OfBody {
            const NAMES: [[&'static str; 2]; 1] = [NAMES];
        }
        json::check(body).ok()?;
        let json::Object { members: [employees], .. } =
            json::exact::<json::Object<OfBody, Vec<&RawValue>, 1>>(body).ok()?;
        Some(employees?.iter().map(|element| element.get().as_bytes().to_vec()).collect())
    }

    /// Returns the employees as the splitter finds them; `None` if one of them, or the envelope, is not JSON.
    fn accepted(body: &[u8], size: usize) -> Option<Vec<Vec<u8>>> {
        let (found, envelope) = split(body, size).ok()?;
        found.iter().all(|element| json::check(element).is_ok()).then_some(())?;
        plain(&envelope).filter(Vec::is_empty).map(|_| found)
    }

    #[test]
    fn elements_of_every_kind() {
        let body = br#" {"a":"employees", "x":{"employees":[9]}, "employe\u0065s" :[ {"]":"\"}]"},1 , "\\",[[]],null
            ],"z":[{}]}"#;
        let expected = [r#"{"]":"\"}]"}"#, "1", r#""\\""#, "[[]]", "null"].map(|e| e.as_bytes().to_vec());
        for size in 1..=body.len() {
            let (found, envelope) = split(body, size).unwrap();
            assert_eq!(found, expected, "in pieces of {size}");
            assert_eq!(
                String::from_utf8(envelope).unwrap(),
                r#" {"a":"employees", "x":{"employees":[9]}, "employe\u0065s" :[],"z":[{}]}"#
            );
        }
    }

    #[test]
    fn an_error_behind_the_employees_has_its_position_in_the_body() {
        let body = br#"{"employees":[{"id":"1"},{"id":"2"}]; "#;
        let mut splitter = Splitter::new(NAMES, 64, 1 << 20);
        let array = splitter.split(body, 0, usize::MAX, &mut Vec::new()).unwrap();
        splitter.split(&body[array..], 0, usize::MAX, &mut Vec::new()).unwrap();
        let at = json::check(splitter.finish().unwrap()).unwrap_err().at;
        assert_eq!(body[usize::try_from(splitter.body_position(at)).unwrap()], b';');
    }

    #[test]
    fn limits_hold() {
        let deep = format!("{{\"employees\":[{}", "[".repeat(63));
        assert!(matches!(split(deep.as_bytes(), 7), Err(SplitError::TooDeep { element: Some(_) })));
        let deep = format!("{{\"x\":{}", "[".repeat(64));
        assert_eq!(split(deep.as_bytes(), 7), Err(SplitError::TooDeep { element: None }));
        let long = format!("{{\"x\":\"{}\"", "x".repeat(2 << 20));
        assert_eq!(split(long.as_bytes(), 4096), Err(SplitError::LongEnvelope));
        assert_eq!(split(br#"{"employees":[],"employees":[]}"#, 9), Err(SplitError::Twice));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn splitting_finds_what_parsing_finds(
            body in r#"(\u{feff}|\{|\[|"|\\|\\"|"employees":\[|"Employees" : \[|\{"a":"x\]"\}|\{"employees":\[1\]\}|[a1]|"b":|null|,|:|\]|\}| |\n){0,12}"#,
            size in 1usize..20,
        ) {
            let plain = plain(body.strip_prefix('\u{feff}').unwrap_or(&body).as_bytes());
            prop_assert_eq!(accepted(body.as_bytes(), size), plain);
        }

        #[test]
        fn bodies_that_are_json(
            elements in prop::collection::vec(r#"\{"i(d|\\u0064)":"[a\]\}]{0,3}(\\"|\\\\)?"(,"x":(\[\{\}\]|12|null))?\}|-1|"\[\\\\"|\[\]"#, 0..5),
            space in "[ \n]{0,2}",
            late in any::<bool>(),
            size in 1usize..40,
        ) {
            let list = elements.join(&format!("{space},{space}"));
            let rest = r#""profileId":"x""#;
            let array = format!("\"employees\"{space}:{space}[{space}{list}{space}]");
            let body = if late { format!("{{{array},{rest}}}") } else { format!("{{{rest},{array}}}{space}") };
            let expected: Vec<Vec<u8>> = elements.iter().map(|e| e.as_bytes().to_vec()).collect();
            prop_assert_eq!(accepted(body.as_bytes(), size), Some(expected));
        }
    }
}
