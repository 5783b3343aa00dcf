//! The text of a profile is parsed member by member. One that cannot be read is reported and the rest is still read, so that somebody who
//! fixes a file learns everything at once.

use super::{FieldFile, Kind, Mistakes, OptionFile, ProfileFile};
use crate::spelling;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

/// What every field may have besides the rules of its type.
const OF_EVERY_FIELD: [&str; 6] = ["name", "type", "required", "unique", "guard", "wire"];

/// What comes before the first field.
const OF_A_PROFILE: [&str; 8] = ["id", "name", "accounts", "absent", "grace", "erase", "guards", "same_person"];
const ABOVE: &str = "belongs above the first [[field]]";

/// The most fields of a profile: an employee cannot have more in a push.
const FIELDS_MAX: usize = 1_000;

/// How many syntax errors of one field are reported.
const SYNTAX_ERRORS_MAX: usize = 20;

/// Parses as much as possible. The mistakes are not added in the order of the file.
pub fn parse(text: &str, mistakes: &mut Mistakes) -> ProfileFile {
    let (document, errors) = DeTable::parse_recoverable(text);
    let fields = member(document.get_ref(), "field").map(Spanned::get_ref);
    let fields = match (fields, errors.is_empty()) {
        (None, true) => &[][..],
        (Some(DeValue::Array(fields)), true) => fields,
        _ => return parse_pieces(text, &errors, mistakes),
    };
    let place = Place::default();
    let mut file = top(document.get_ref(), &place, mistakes);
    if let Some(beyond) = fields.get(FIELDS_MAX) {
        mistakes.add(beyond.span(), format!("a profile has at most {FIELDS_MAX} fields; this is one more"));
    }
    file.fields = fields.iter().take(FIELDS_MAX).map(|field| read_field(field, &place, mistakes)).collect();
    if file.fields.is_empty() {
        mistakes.add(0..0, "a profile needs at least one [[field]]");
    }
    file
}

/// Parses a text with syntax errors, each field by itself: otherwise a missing quote or bracket would swallow the fields after it.
fn parse_pieces(text: &str, errors: &[Error], mistakes: &mut Mistakes) -> ProfileFile {
    let mut starts = vec![(0, None)];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(right) = begins_field(line) {
            starts.push((at, Some(line.trim_end_matches(['\r', '\n']).len())));
            if !right {
                mistakes.add(at..at, "a field begins with the line [[field]], with two brackets on each side");
            }
        }
        at += line.len();
    }
    if let Some((beyond, _)) = starts.get(FIELDS_MAX + 1) {
        mistakes.add(*beyond..*beyond, format!("a profile has at most {FIELDS_MAX} fields; this is one more"));
        starts.truncate(FIELDS_MAX + 1);
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    let mut file = ProfileFile {
        id: None,
        name: None,
        accounts: None,
        absent: None,
        grace: None,
        erase: None,
        guards: BTreeMap::new(),
        same_person: None,
        fields: Vec::new(),
    };
    for ((start, header), end) in starts.iter().zip(ends) {
        match header {
            None => {
                let place = Place::default();
                read_piece(&text[..end], place, mistakes, |document, place, mistakes| {
                    file = top(document, place, mistakes);
                });
            }
            Some(header) => {
                // With a correct first line, the rest can be read.
                let piece = format!("{HEADER}{}", &text[start + header..end]);
                let offset = (start + header).cast_signed() - HEADER.len().cast_signed();
                let place = Place { start: *start, offset, broken: Vec::new() };
                read_piece(&piece, place, mistakes, |document, place, mistakes| {
                    let mut members = Members::new(document, place, mistakes);
                    members.known.push("field");
                    members.finish(|key| OF_A_PROFILE.contains(&key).then_some(ABOVE));
                    let field = member(document, "field").and_then(|fields| fields.get_ref().as_array()?.first());
                    file.fields.extend(field.map(|field| read_field(field, place, mistakes)));
                });
            }
        }
    }
    // Each piece may be right although the whole is not.
    if mistakes.is_empty() {
        match errors.first() {
            Some(error) => mistakes.add(error.span().unwrap_or(0..0), told(error)),
            None => mistakes.add(0..0, "a field begins with the line [[field]], and has its lines below"),
        }
    }
    file
}

const HEADER: &str = "[[field]]";

/// Returns whether a line that begins a field does so correctly, or `None` if it does not begin one. `[[Feld]]` does, wrongly.
fn begins_field(line: &str) -> Option<bool> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let inner = line.strip_prefix('[')?.trim_start_matches(['[', ' ']);
    if line.replace(' ', "") == HEADER {
        return Some(true);
    }
    let looks_like = inner.get(..2).is_some_and(|first| first.eq_ignore_ascii_case("fi"));
    (looks_like && !inner.starts_with("field.")).then_some(false)
}

/// Parses a piece of the file, and passes what can be read of it to `read`.
fn read_piece(
    text: &str,
    mut place: Place,
    mistakes: &mut Mistakes,
    read: impl FnOnce(&DeTable, &Place, &mut Mistakes),
) {
    let (document, mut errors) = DeTable::parse_recoverable(text);
    errors.truncate(SYNTAX_ERRORS_MAX);
    place.broken = errors.iter().map(|error| error.span().map_or(0, |span| span.start)).collect();
    for (n, (error, at)) in errors.iter().zip(&place.broken).enumerate() {
        // A later mistake in the same value usually results from the first.
        if !follows(document.get_ref(), *at, &place.broken[..n]) {
            mistakes.add(place.in_file(*at..*at), told(error));
        }
    }
    read(document.get_ref(), &place, mistakes);
}

fn follows(table: &DeTable, place: usize, earlier: &[usize]) -> bool {
    table.iter().any(|(_, value)| match value.get_ref() {
        DeValue::Table(inner) => follows(inner, place, earlier),
        DeValue::Array(inner) if inner.iter().all(|inner| inner.get_ref().is_table()) && !inner.is_empty() => {
            inner.iter().filter_map(|inner| inner.get_ref().as_table()).any(|inner| follows(inner, place, earlier))
        }
        _ => within(value, place) && earlier.iter().any(|earlier| within(value, *earlier)),
    })
}

fn within(value: &Spanned<DeValue>, place: usize) -> bool {
    (value.span().start..=value.span().end).contains(&place)
}

/// Where a piece is in the file, and where in the piece the syntax errors are.
#[derive(Default)]
struct Place {
    /// Where the piece begins in the file, in bytes.
    start: usize,
    /// How far its bytes are from those of the file: `start`, and the difference in length of its first line.
    offset: isize,
    broken: Vec<usize>,
}

impl Place {
    /// Returns the range in the file of a range in the piece.
    fn in_file(&self, span: Range<usize>) -> Range<usize> {
        let moved = |at: usize| at.saturating_add_signed(self.offset).max(self.start);
        moved(span.start)..moved(span.end)
    }
}

fn member<'a, 'i>(table: &'a DeTable<'i>, name: &str) -> Option<&'a Spanned<DeValue<'i>>> {
    table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
}

/// Reads what comes before the first field.
fn top(table: &DeTable, place: &Place, mistakes: &mut Mistakes) -> ProfileFile {
    let mut members = Members::new(table, place, mistakes);
    members.known.push("field");
    let (id, name, accounts) = (members.one("id"), members.one("name"), members.list("accounts"));
    let (absent, grace, erase) = (members.one("absent"), members.one("grace"), members.one("erase"));
    let guards = members.table("guards");
    let same_person = members.one("same_person");
    members.finish(|key| {
        let is_rule = Kind::ALL.iter().any(|kind| kind.rules().contains(&key)) || OF_EVERY_FIELD.contains(&key);
        is_rule.then_some("belongs to a field: write it below a line [[field]]")
    });
    let guid = "a GUID of its own, like \"d51b5efd-fb21-4cb8-94e2-145014839465\"";
    for (name, what) in [("id", guid), ("name", "what people call the profile")] {
        if place.broken.is_empty() && member(table, name).is_none() {
            mistakes.add(0..0, format!("{name} is missing, above the first [[field]]: {what}"));
        }
    }
    ProfileFile { id, name, accounts, absent, grace, erase, guards, same_person, fields: Vec::new() }
}

/// Reads one field.
fn read_field(written: &Spanned<DeValue>, place: &Place, mistakes: &mut Mistakes) -> Spanned<FieldFile> {
    let span = place.in_file(written.span());
    let none = DeTable::new();
    let table = written.get_ref().as_table().unwrap_or(&none);
    let before = mistakes.len();
    let mut members = Members::new(table, place, mistakes);
    let (name, kind): (Option<Spanned<String>>, Option<Spanned<Kind>>) = (members.one("name"), members.one("type"));
    let required: Option<Spanned<bool>> = members.one("required");
    let guard: Option<Spanned<bool>> = members.one("guard");
    let mut field = FieldFile {
        required: required.is_some_and(Spanned::into_inner),
        unique: members.one("unique"),
        min_length: members.one("min_length"),
        max_length: members.one("max_length"),
        pattern: members.one("pattern"),
        trim: members.one("trim"),
        case: members.one("case"),
        formats: members.list("formats"),
        integer: members.one("integer"),
        min: members.one("min"),
        max: members.one("max"),
        options: members.options(),
        max_bytes: members.one("max_bytes"),
        ordered: members.one("ordered"),
        to: members.one("to"),
        many: members.one("many"),
        unknown: members.one("unknown"),
        active: members.one("active"),
        acyclic: members.one("acyclic"),
        guard: guard.is_some_and(Spanned::into_inner),
        wire: members.table("wire"),
        pattern_bytes_max: 0,
        name: name.clone().unwrap_or_else(|| Spanned::new(span.clone(), String::new())),
        kind: kind.clone().unwrap_or_else(|| Spanned::new(span.clone(), Kind::Text)),
        unreadable: Vec::new(),
    };
    field.unreadable = members.finish(|key| (key == "accounts").then_some(ABOVE));
    for (member, missing) in [("name", name.is_none()), ("type", kind.is_none())] {
        if missing && place.broken.is_empty() && !field.unreadable.contains(&member) {
            mistakes.add(span.clone(), format!("the field that begins here has no {member}"));
        }
        if missing {
            field.unreadable.push(member);
        }
    }
    if let Some(name) = &name {
        mistakes.prefix(before, &format!("field {:?}", name.get_ref()));
    }
    Spanned::new(span, field)
}

/// The members of a table, taken one by one.
struct Members<'a, 'i> {
    table: &'a DeTable<'i>,
    place: &'a Place,
    known: Vec<&'static str>,
    unreadable: Vec<&'static str>,
    mistakes: &'a mut Mistakes,
}

impl<'a, 'i> Members<'a, 'i> {
    fn new(table: &'a DeTable<'i>, place: &'a Place, mistakes: &'a mut Mistakes) -> Members<'a, 'i> {
        Members { table, place, known: Vec::new(), unreadable: Vec::new(), mistakes }
    }

    fn find(&mut self, name: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.known.push(name);
        member(self.table, name)
    }

    /// Takes a member; `None` if it is not there, or cannot be read.
    fn one<T: Deserialize<'i>>(&mut self, name: &'static str) -> Option<Spanned<T>> {
        let value = self.find(name)?;
        let read = self.read(name, value)?;
        Some(Spanned::new(self.place.in_file(value.span()), read))
    }

    /// Takes a list, of which every element that cannot be read is reported.
    fn list<T: Deserialize<'i>>(&mut self, name: &'static str) -> Option<Spanned<Vec<T>>> {
        let value = self.find(name)?;
        let Some(elements) = value.get_ref().as_array() else {
            let read = self.read(name, value)?;
            return Some(Spanned::new(self.place.in_file(value.span()), read));
        };
        let read: Vec<Option<T>> = elements.iter().map(|element| self.read(name, element)).collect();
        Some(Spanned::new(self.place.in_file(value.span()), read.into_iter().collect::<Option<_>>()?))
    }

    /// Takes the options of a choice. Those that cannot be read are reported and left out, so that the others are checked as well.
    fn options(&mut self) -> Option<Spanned<Vec<Spanned<OptionFile>>>> {
        let value = self.find("options")?;
        let Some(elements) = value.get_ref().as_array() else {
            let read = self.read("options", value)?;
            return Some(Spanned::new(self.place.in_file(value.span()), read));
        };
        let mut read = Vec::new();
        for element in elements {
            let option = match element.get_ref().as_table() {
                Some(table) => self.spelled(element.span(), table),
                None => self.read("options", element),
            };
            read.extend(option.map(|option| Spanned::new(self.place.in_file(element.span()), option)));
        }
        Some(Spanned::new(self.place.in_file(value.span()), read))
    }

    /// Reads an option with other spellings.
    fn spelled(&mut self, span: Range<usize>, table: &DeTable<'i>) -> Option<OptionFile> {
        let before = self.mistakes.len();
        let mut members = Members::new(table, self.place, self.mistakes);
        let (value, also) = (members.one::<String>("value"), members.list::<String>("also"));
        members.finish(|_| None);
        let broken = self.place.broken.iter().any(|place| (span.start..=span.end).contains(place));
        if (value.is_none() || also.is_none()) && self.mistakes.len() == before && !broken {
            let message =
                "an option with other spellings has a value and also, like { value = \"m\", also = [\"male\", \"0\"] }";
            self.mistakes.add(self.place.in_file(span), message);
        }
        if self.mistakes.len() > before || broken {
            self.unreadable.push("options");
        }
        self.mistakes.prefix(before, "options");
        Some(OptionFile::Spelled {
            value: value?.into_inner(),
            also: also.map(Spanned::into_inner).unwrap_or_default(),
        })
    }

    /// Takes a table, of which every member that cannot be read is reported.
    fn table<T: Deserialize<'i>>(&mut self, name: &'static str) -> BTreeMap<Spanned<String>, Spanned<T>> {
        let mut read = BTreeMap::new();
        let Some(value) = self.find(name) else {
            return read;
        };
        let Some(table) = value.get_ref().as_table() else {
            let span = self.place.in_file(value.span());
            self.mistakes.add(span, format!("{name}: expected a table, like {{ a = \"b\" }}"));
            return read;
        };
        for (key, value) in table {
            if let Some(text) = self.read(name, value) {
                let key = Spanned::new(self.place.in_file(key.span()), key.get_ref().clone().into_owned());
                read.insert(key, Spanned::new(self.place.in_file(value.span()), text));
            }
        }
        read
    }

    fn read<T: Deserialize<'i>>(&mut self, name: &'static str, value: &Spanned<DeValue<'i>>) -> Option<T> {
        let read = T::deserialize(ValueDeserializer::from(value.clone()));
        let error = match read {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        // Where there is no TOML, that is what is reported.
        if !self.place.broken.iter().any(|place| within(value, *place)) {
            let span = self.place.in_file(error.span().unwrap_or(value.span()));
            self.mistakes.add(span, format!("{name}: {}", told(&error)));
        }
        self.unreadable.push(name);
        None
    }

    /// Reports the members that nobody has taken, and returns the names of those that could not be read. `elsewhere` says of a
    /// name where it belongs, if not here.
    fn finish(self, elsewhere: impl Fn(&str) -> Option<&'static str>) -> Vec<&'static str> {
        for (key, _) in self.table {
            let written = key.get_ref().as_ref();
            if self.known.contains(&written) {
                continue;
            }
            let message = match (elsewhere(written), spelling::nearest(written, self.known.iter().copied())) {
                (Some(elsewhere), _) => format!("{written} {elsewhere}"),
                (None, Some(nearest)) => format!("there is no {written:?} here; did you mean {nearest}?"),
                (None, None) => format!("there is no {written:?} here; see the README's section on profiles"),
            };
            self.mistakes.add(self.place.in_file(key.span()), message);
        }
        self.unreadable
    }
}

/// Returns what an error says, and what to do.
fn told(error: &Error) -> String {
    let message = plain(&error.message().replace('\n', ", "));
    match spelling::suggestion(error.message()) {
        Some(nearest) => format!("{message}; did you mean {nearest:?}?"),
        None if message.starts_with(MUST_BE) => message,
        None => format!("{message}; {}", hint(error.message())),
    }
}

/// How a message begins about a value of a wrong type.
const MUST_BE: &str = "must be ";

/// Puts what the parser says of a value into words that are not a programmer's.
fn plain(message: &str) -> String {
    if let Some((name, there_are)) =
        message.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected "))
    {
        let (name, there_are) = (name.trim_matches('`'), there_are.trim_start_matches("one of ").replace('`', ""));
        return format!("there is no {name:?} here; there are {there_are}").replace(" or ", " and ");
    }
    let wrong = message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: "));
    let Some((is, must_be)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    let must_be = match must_be {
        "a string" => "a text in quotes, like \"text\"",
        "a sequence" => "a list in square brackets, like [99] or [\"dd.mm.yyyy\"]",
        "a boolean" => "true or false, without quotes",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on, without quotes",
        "i64" => "a whole number, without quotes",
        "f64" => "a number, without quotes",
        other if other.starts_with("struct ") => "a table, like { a = \"b\" }",
        other => other,
    };
    let is = match is.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "boolean", value)) => value.trim_matches('`').to_owned(),
        Some(("floating", value)) => value.trim_start_matches("point ").trim_matches('`').to_owned(),
        _ if is == "sequence" => "a list".to_owned(),
        _ if is == "map" => "a table".to_owned(),
        _ => is.to_owned(),
    };
    format!("{MUST_BE}{must_be}, and is {is}")
}

/// Returns a hint for somebody who does not know TOML.
fn hint(message: &str) -> &'static str {
    let hints = [
        ("invalid boolean", "text stands in quotes, like \"text\"; true and false are small and without"),
        ("must be quoted", "text stands in straight quotes, like \"text\"; true and false are small and without"),
        ("invalid basic string", "the closing quote is missing, or is not a straight one"),
        ("escape", "a pattern stands in single quotes, like '[A-Z]\\d', where a backslash is a backslash"),
        ("duplicate key", "is the line [[field]] missing above it?"),
    ];
    let found = hints.into_iter().find(|(part, _)| message.contains(part));
    found.map_or("see the README's section on profiles", |(_, hint)| hint)
}
