//! The file of a profile: TOML, one profile in each file.

mod define;
mod parse;

use super::Profile;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// What is wrong with a profile's file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1, or `None` if the mistake is in no line.
    pub line: Option<usize>,
    /// The rule that is broken, and what to do.
    pub message: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file.display(), self.message),
            None => write!(f, "{}: {}", self.file.display(), self.message),
        }
    }
}

/// What is wrong with the text of a profile, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError {
    /// The line, counted from 1, or `None` if the mistake is in no line.
    pub line: Option<usize>,
    /// The rule that is broken, and what to do.
    pub message: String,
}

impl TextError {
    /// The same, said of a file.
    pub fn of(self, file: &Path) -> ProfileError {
        ProfileError { file: file.to_owned(), line: self.line, message: self.message }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A mistake in a file.
struct Mistake {
    /// The bytes of the file that it is in.
    span: Range<usize>,
    /// The rule that is broken, and what to do.
    message: String,
}

/// The mistakes in a file.
#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.0.push(Mistake { span, message: message.into() });
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a prefix before the messages of those behind the first `before`.
    fn prefix(&mut self, before: usize, prefix: &str) {
        for Mistake { message, .. } in &mut self.0[before..] {
            *message = format!("{prefix}: {message}");
        }
    }
}

/// Reads a profile from its file. The errors are all mistakes in it, in the order of its lines.
pub fn read(file: &Path) -> Result<Profile, Vec<ProfileError>> {
    parse(&read_text(file)?).map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.of(file)).collect())
}

/// Reads the text of a file, which must be UTF-8.
pub fn read_text(file: &Path) -> Result<String, Vec<ProfileError>> {
    let error = |line, message| vec![ProfileError { file: file.to_owned(), line, message }];
    let bytes = std::fs::read(file).map_err(|e| error(None, format!("cannot be read: {e}")))?;
    decode(bytes).map_err(|TextError { line, message }| error(line, message))
}

/// Reads a profile from its text. The errors are all mistakes in it, in the order of its lines.
pub fn parse(text: &str) -> Result<Profile, Vec<TextError>> {
    let mut mistakes = Mistakes::default();
    let mut parsed = parse::parse(text, &mut mistakes);
    share_memory(&mut parsed);
    let profile = define::profile(&parsed, &mut mistakes);
    if let (Some(profile), true) = (profile, mistakes.is_empty()) {
        return Ok(profile);
    }
    mistakes.0.sort_by_key(|mistake| mistake.span.start);
    let (mut line, mut at) = (1, 0);
    let mut line_of = |place: usize| {
        let place = place.min(text.len());
        line += text.as_bytes()[at..place].iter().filter(|byte| **byte == b'\n').count();
        at = place;
        line
    };
    let error = |Mistake { span, message }| TextError { line: Some(line_of(span.start)), message };
    Err(mistakes.0.into_iter().map(error).collect())
}

/// The largest program that a pattern may become, in bytes; and all patterns of a profile together, unless each gets [`PATTERN_BYTES_MIN`].
const PATTERN_BYTES_MAX: usize = 1 << 20;
const PATTERNS_BYTES_MAX: usize = 16 << 20;
const PATTERN_BYTES_MIN: usize = 64 << 10;

/// Shares the memory for patterns among the fields that need some: those with a pattern, and references, which have a copy of another field's.
fn share_memory(file: &mut ProfileFile) {
    let needs = |field: &&Spanned<FieldFile>| {
        field.get_ref().pattern.is_some() || *field.get_ref().kind.get_ref() == Kind::Reference
    };
    let sharing = file.fields.iter().filter(needs).count().max(1);
    let share = (PATTERNS_BYTES_MAX / sharing).clamp(PATTERN_BYTES_MIN, PATTERN_BYTES_MAX);
    file.fields.iter_mut().for_each(|field| field.get_mut().pattern_bytes_max = share);
}

/// Decodes the bytes of a profile. The error is the line that cannot be decoded, if one can be named, and what to do.
pub fn decode(bytes: Vec<u8>) -> Result<String, TextError> {
    // In UTF-16 every other byte of plain letters is zero, which no UTF-8 text has.
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0);
    if is_utf16 {
        let message = "is not UTF-8 but, as it seems, UTF-16; save it as UTF-8".into();
        return Err(TextError { line: None, message });
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        TextError { line: Some(line), message: "is not UTF-8; save the file as UTF-8".into() }
    })
}

/// The contents of a file, as far as they can be read.
struct ProfileFile {
    id: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    accounts: Option<Spanned<Vec<i64>>>,
    absent: Option<Spanned<AbsentFile>>,
    grace: Option<Spanned<u32>>,
    erase: Option<Spanned<EraseFile>>,
    guards: BTreeMap<Spanned<String>, Spanned<GuardFile>>,
    same_person: Option<Spanned<Vec<Spanned<String>>>>,
    fields: Vec<Spanned<FieldFile>>,
}

/// A `[[field]]` as it is written. Whether its type has these rules is checked later, for a better message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FieldFile {
    name: Spanned<String>,
    #[serde(rename = "type")]
    kind: Spanned<Kind>,
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<Spanned<UniqueFile>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_length: Option<Spanned<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<Spanned<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trim: Option<Spanned<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<Spanned<CaseFile>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    formats: Option<Spanned<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integer: Option<Spanned<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Spanned<Bound>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Spanned<Bound>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Spanned<Vec<Spanned<OptionFile>>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<Spanned<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordered: Option<Spanned<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    many: Option<Spanned<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<Spanned<UnknownFile>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<Spanned<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acyclic: Option<Spanned<bool>>,
    // It does not decide which values are valid, so it is not part of the version.
    #[serde(skip)]
    guard: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    wire: BTreeMap<Spanned<String>, Spanned<String>>,
    /// How large the program may become that its pattern is compiled to, in bytes.
    #[serde(skip)]
    pattern_bytes_max: usize,
    /// The members that are there but cannot be read, and the name and the type if they are missing.
    #[serde(skip)]
    unreadable: Vec<&'static str>,
}

#[derive(Deserialize, Serialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Text,
    Email,
    Phone,
    Date,
    Number,
    Boolean,
    Choice,
    Image,
    Url,
    List,
    #[serde(rename = "object-base64")]
    Object,
    Reference,
}

impl Kind {
    const ALL: [Kind; 12] = [
        Kind::Text,
        Kind::Email,
        Kind::Phone,
        Kind::Date,
        Kind::Number,
        Kind::Boolean,
        Kind::Choice,
        Kind::Image,
        Kind::Url,
        Kind::List,
        Kind::Object,
        Kind::Reference,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Email => "email",
            Kind::Phone => "phone",
            Kind::Date => "date",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::Choice => "choice",
            Kind::Image => "image",
            Kind::Url => "url",
            Kind::List => "list",
            Kind::Object => "object-base64",
            Kind::Reference => "reference",
        }
    }

    /// Returns the rules that a field of this type may have, besides those of every field.
    fn rules(self) -> &'static [&'static str] {
        match self {
            Kind::Text => &["min_length", "max_length", "pattern", "trim", "case"],
            Kind::Email | Kind::Phone | Kind::Boolean | Kind::Object => &[],
            Kind::Date => &["formats", "min", "max"],
            Kind::Number => &["integer", "min", "max"],
            Kind::Choice => &["options"],
            Kind::Image => &["max_bytes"],
            Kind::Url => &["max_length"],
            Kind::List => &["ordered", "case", "max_length"],
            Kind::Reference => &["to", "many", "unknown", "active", "acyclic"],
        }
    }
}

#[derive(Deserialize, Serialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum CaseFile {
    Lower,
    Upper,
}

#[derive(Deserialize, Serialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum AbsentFile {
    Hide,
    Keep,
}

/// When the personal data of hidden employees is erased.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "it is like { field = \"Employment end\", days = 365 }")]
struct EraseFile {
    field: String,
    days: u32,
}

/// What is set for a guard.
#[derive(Deserialize)]
#[serde(untagged, expecting = "it is \"off\", or bounds like { percent = 10, people = 50 }")]
enum GuardFile {
    Off(OffOnly),
    On(BoundsFile),
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum OffOnly {
    Off,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct BoundsFile {
    percent: Option<f64>,
    people: Option<u64>,
    at_most: Option<u64>,
    times: Option<u64>,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "it is true, false or \"active\"")]
enum UniqueFile {
    Whole(bool),
    Among(ActiveOnly),
}

#[derive(Deserialize, Serialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum ActiveOnly {
    Active,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "it is a number, or a date like \"1900-01-31\"")]
enum Bound {
    Integer(i64),
    Float(f64),
    Text(String),
    #[serde(serialize_with = "as_text")]
    Date(toml::value::Datetime),
}

fn as_text<S: Serializer>(date: &toml::value::Datetime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(date)
}

impl Bound {
    fn text(&self) -> String {
        match self {
            Bound::Integer(n) => n.to_string(),
            Bound::Float(n) => n.to_string(),
            Bound::Text(text) => text.clone(),
            Bound::Date(date) => date.to_string(),
        }
    }
}

#[derive(Deserialize, Serialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum UnknownFile {
    Error,
    Keep,
}

#[derive(Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "it is a list like [\"a\", \"b\"], with other spellings [{ value = \"m\", also = [\"male\", \"0\"] }, \"f\"]"
)]
enum OptionFile {
    Value(String),
    Spelled { value: String, also: Vec<String> },
}
