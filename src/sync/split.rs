//! Split: where each employee of a body begins and ends, without parsing it.

use super::scan::{Nesting, scan};
use crate::json::NotJson;
use std::ops::Range;

/// What stops a split.
#[derive(Debug, PartialEq, Eq)]
pub enum SplitError {
    /// The body is not JSON; the place is counted from the body's beginning.
    NotJson(NotJson),
    /// The array of employees appears twice.
    Twice,
    /// Objects and arrays are nested deeper than the limit: in the employee that begins here in the bytes, or in the envelope.
    TooDeep {
        /// Where the employee begins.
        element: Option<usize>,
    },
    /// What is not employees is longer than the limit.
    LongEnvelope,
}

/// Finds the elements of the array of employees in a body that comes in parts, and keeps the rest, the envelope.
///
/// What it finds are elements only if they are JSON themselves: that is for the parser of each to say. Then the body is JSON
/// exactly if [`Splitter::finish`] returns an envelope that is.
pub struct Splitter {
    names: [&'static str; 2],
    depth_max: u32,
    envelope_bytes_max: usize,
    state: State,
    /// Open brackets of the envelope around the next byte.
    depth: u32,
    nesting: Nesting,
    /// The bytes of the body so far.
    position: u64,
    envelope: Vec<u8>,
    /// The last string of the envelope's outermost object, with its quotes, and whether a colon has followed it.
    string: Range<usize>,
    is_key: bool,
    /// Where the elements were taken out of the envelope, and how many bytes.
    gap: Option<(usize, Range<u64>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Envelope,
    /// Behind the body's object.
    Behind,
    EnvelopeString {
        escaped: bool,
    },
    BeforeElement {
        first: bool,
    },
    /// In an element that is an object or an array; the splitter's `nesting` tells where.
    Container,
    String {
        escaped: bool,
    },
    Scalar,
    AfterElement,
}

impl Splitter {
    /// A splitter of a body whose array of employees has one of these `names`.
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

    /// Reads `bytes[from..]`, the next bytes of the body, and adds the elements that end in them to `elements`. Stops where the array of
    /// employees begins, and behind the last element when `elements` has `elements_max`.
    ///
    /// Returns where it has stopped, or where the element begins that has not ended. The caller keeps the bytes from there on: the next
    /// bytes begin with what was kept, and `from` is how many of them were read.
    pub fn split(
        &mut self,
        bytes: &[u8],
        from: usize,
        elements_max: usize,
        elements: &mut Vec<Range<usize>>,
    ) -> Result<usize, SplitError> {
        let mut start = 0;
        let mut at = from;
        let base = self.position - from as u64;
        while at < bytes.len() && elements.len() < elements_max {
            let byte = bytes[at];
            match self.state {
                State::Envelope => {
                    let array = byte == b'[' && self.is_array_of_employees();
                    self.envelope_byte(byte, base + at as u64)?;
                    if array {
                        self.state = State::BeforeElement { first: true };
                        if self.gap.is_some() {
                            return Err(SplitError::Twice);
                        }
                        let after = base + at as u64 + 1;
                        self.gap = Some((self.envelope.len(), after..after));
                        at += 1;
                        break;
                    }
                }
                State::Behind => {
                    if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                        return Err(not_json(base + at as u64, "trailing characters"));
                    }
                    self.keep(byte)?;
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
                }
                State::BeforeElement { first } => match byte {
                    b' ' | b'\n' | b'\r' | b'\t' => {}
                    b']' if first => self.end_array(base + at as u64)?,
                    b']' | b',' | b'}' | b':' => {
                        return Err(not_json(base + at as u64, "expected an employee"));
                    }
                    _ => {
                        start = at;
                        self.state = match byte {
                            b'{' | b'[' => {
                                self.nesting = Nesting::default();
                                self.state = State::Container;
                                continue;
                            }
                            b'"' => State::String { escaped: false },
                            _ => State::Scalar,
                        };
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
                    b']' => self.end_array(base + at as u64)?,
                    _ => return Err(not_json(base + at as u64, "expected `,` or `]` after an employee")),
                },
            }
            at += 1;
        }
        self.position = base + at as u64;
        Ok(if self.in_element() { start } else { at })
    }

    /// Reads so many bytes of the body that are known to be elements, from where [`Splitter::is_between_elements`].
    pub fn pass(&mut self, bytes: u64) {
        self.position += bytes;
        self.state = State::AfterElement;
    }

    /// Whether the next byte comes right behind an element, or is the first of the array.
    pub fn is_between_elements(&self) -> bool {
        matches!(self.state, State::AfterElement | State::BeforeElement { first: true })
    }

    /// Whether the array of employees has begun.
    pub fn has_array(&self) -> bool {
        self.gap.is_some()
    }

    /// Whether the next byte is in the array of employees.
    pub fn in_array(&self) -> bool {
        !matches!(self.state, State::Envelope | State::EnvelopeString { .. } | State::Behind)
    }

    /// The envelope so far, with an array of no employees.
    pub fn envelope(&self) -> &[u8] {
        without_bom(&self.envelope)
    }

    /// The envelope as if the body ended right after the array of employees had begun.
    pub fn envelope_before_array(&self) -> Vec<u8> {
        let before = self.gap.as_ref().map_or(self.envelope.len(), |(gap, _)| *gap);
        [without_bom(&self.envelope[..before]), b"]}"].concat()
    }

    /// Whether the body so far ends within an element.
    pub fn in_element(&self) -> bool {
        matches!(self.state, State::Container | State::String { .. } | State::Scalar)
    }

    /// Ends the body: its envelope, with an array of no employees.
    pub fn finish(&self) -> Result<&[u8], NotJson> {
        match self.state {
            State::Envelope | State::Behind => Ok(self.envelope()),
            _ => Err(NotJson { at: self.position, message: "the body ends too early".into() }),
        }
    }

    /// The place in the body of a place in the envelope.
    pub fn body_position(&self, at: u64) -> u64 {
        let bom = (self.envelope.len() - without_bom(&self.envelope).len()) as u64;
        match &self.gap {
            Some((gap, taken)) if at + bom >= *gap as u64 => at + bom + (taken.end - taken.start),
            _ => at + bom,
        }
    }

    fn envelope_byte(&mut self, byte: u8, position: u64) -> Result<(), SplitError> {
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

    fn end_array(&mut self, position: u64) -> Result<(), SplitError> {
        if let Some((_, taken)) = &mut self.gap {
            taken.end = position;
        }
        self.state = State::Envelope;
        self.envelope_byte(b']', position)
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

/// Some programs put a byte order mark before a body; JSON lets a reader pass over it (RFC 8259, 8.1).
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

    /// The plain way: an ordinary parser over the whole body.
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

    /// What the splitter accepts, once its elements and its envelope are parsed.
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
    fn places_in_the_envelope_are_places_in_the_body() {
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
        fn splitting_is_parsing(
            body in r#"(\u{feff}|\{|\[|"|\\|\\"|"employees":\[|"Employees" : \[|\{"a":"x\]"\}|\{"employees":\[1\]\}|[a1]|"b":|null|,|:|\]|\}| |\n){0,12}"#,
            size in 1usize..20,
        ) {
            let plain = plain(body.strip_prefix('\u{feff}').unwrap_or(&body).as_bytes());
            prop_assert_eq!(accepted(body.as_bytes(), size), plain);
        }

        #[test]
        fn also_when_it_is_one(
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
