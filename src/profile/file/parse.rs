//! The text of a profile becomes what it says, member by member: one that cannot be read is reported, and the rest is read all
//! the same, so that somebody who fixes a file learns everything at once.

use super::{Faults, FieldFile, Kind, OptionFile, ProfileFile};
use crate::spelling;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

/// What a field may have beside its name, its type and the rules of the type.
const OF_EVERY_FIELD: [&str; 5] = ["name", "type", "required", "unique", "wire"];

/// How many places of a file are reported at which it is no TOML.
const SYNTAX_ERRORS_MAX: usize = 50;

/// The text with `[[field]]` for every line `[field]`, which is reported: TOML takes that for one table, and all fields before it
/// would be lost. The lines stay as they are numbered.
pub fn with_two_brackets(text: &str, faults: &mut Faults) -> String {
    let mut whole = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.trim_start().strip_prefix("[field]") {
            Some(rest) => {
                let message = "write [[field]], with two brackets on each side";
                faults.push((whole.len()..whole.len(), message.into()));
                whole.push_str("[[field]]");
                whole.push_str(rest);
            }
            None => whole.push_str(line),
        }
    }
    whole
}

/// Reads as much as can be read. The faults are not in the order of the file.
pub fn parse(text: &str, faults: &mut Faults) -> ProfileFile {
    let (document, mut errors) = DeTable::parse_recoverable(text);
    errors.truncate(SYNTAX_ERRORS_MAX);
    let syntax = Syntax::new(text, &errors);
    for error in &errors {
        faults.push((error.span().unwrap_or(0..0), told(error)));
    }
    let written = document.get_ref().iter().find(|(key, _)| key.get_ref() == "field").map(|(_, written)| written);
    let mut fields = Vec::new();
    let mut top = Members::new(document.get_ref(), faults);
    top.known.push("field");
    let (id, name, accounts) = (top.one("id"), top.one("name"), top.list("accounts"));
    top.finish(|key| {
        let is_rule = Kind::ALL.iter().any(|kind| kind.rules().contains(&key)) || OF_EVERY_FIELD.contains(&key);
        is_rule.then_some("belongs to a field: write it below a line [[field]]")
    });
    match written.map(|written| (written.get_ref(), written.span())) {
        None => {}
        Some((DeValue::Array(written), _)) => {
            let ends = written.iter().skip(1).map(|next| next.span().start).chain([text.len()]);
            for (written, end) in written.iter().zip(ends) {
                fields.push(field(written, syntax.breaks(written.span().start..end), faults));
            }
        }
        Some((_, span)) => {
            faults.push((span, "a field begins with a line [[field]], and has its lines below".into()));
        }
    }
    let first = written.map_or(text.len(), |written| match written.get_ref() {
        DeValue::Array(fields) => fields.first().map_or(text.len(), |first| first.span().start),
        _ => written.span().start,
    });
    if !syntax.breaks(0..first) {
        let has = |name: &str| document.get_ref().iter().any(|(key, _)| key.get_ref() == name);
        for (name, like) in [
            ("id", "a GUID of its own, like \"d51b5efd-fb21-4cb8-94e2-145014839465\""),
            ("name", "what people call the profile"),
        ] {
            if !has(name) {
                faults.push((0..0, format!("{name} is missing, above the first [[field]]: {like}")));
            }
        }
        if written.is_none() {
            faults.push((0..0, "a profile needs at least one [[field]]".into()));
        }
    }
    faults.retain(|(span, _)| !syntax.follows(span));
    ProfileFile { id, name, accounts, fields }
}

/// Reads one field. `broken` says that there is no TOML in it somewhere, so that what is missing may be there.
fn field(written: &Spanned<DeValue>, broken: bool, faults: &mut Faults) -> Spanned<FieldFile> {
    let span = written.span();
    let none = DeTable::new();
    let table = written.get_ref().as_table().unwrap_or(&none);
    let before = faults.len();
    let mut members = Members::new(table, faults);
    let (name, kind): (Option<Spanned<String>>, Option<Spanned<Kind>>) = (members.one("name"), members.one("type"));
    let required: Option<Spanned<bool>> = members.one("required");
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
        options: members.list::<OptionFile>("options"),
        max_bytes: members.one("max_bytes"),
        ordered: members.one("ordered"),
        to: members.one("to"),
        many: members.one("many"),
        unknown: members.one("unknown"),
        active: members.one("active"),
        acyclic: members.one("acyclic"),
        wire: members.table("wire"),
        name: name.clone().unwrap_or_else(|| Spanned::new(span.clone(), String::new())),
        kind: kind.clone().unwrap_or_else(|| Spanned::new(span.clone(), Kind::Text)),
        unreadable: Vec::new(),
    };
    field.unreadable = members.finish(|key| (key == "accounts").then_some("belongs above the first [[field]]"));
    for (member, missing) in [("name", name.is_none()), ("type", kind.is_none())] {
        if missing && !broken && !field.unreadable.contains(&member) {
            faults.push((span.clone(), format!("the field that begins here has no {member}")));
        }
        if missing {
            field.unreadable.push(member);
        }
    }
    if let Some(name) = &name {
        for (_, message) in &mut faults[before..] {
            *message = format!("field {:?}: {message}", name.get_ref());
        }
    }
    Spanned::new(span, field)
}

/// The members of a table, taken one by one.
struct Members<'a, 'i> {
    table: &'a DeTable<'i>,
    known: Vec<&'static str>,
    unreadable: Vec<&'static str>,
    faults: &'a mut Faults,
}

impl<'a, 'i> Members<'a, 'i> {
    fn new(table: &'a DeTable<'i>, faults: &'a mut Faults) -> Members<'a, 'i> {
        Members { table, known: Vec::new(), unreadable: Vec::new(), faults }
    }

    fn find(&mut self, name: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.known.push(name);
        self.table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    /// Takes a member; `None` if it is not there, or cannot be read.
    fn one<T: Deserialize<'i>>(&mut self, name: &'static str) -> Option<Spanned<T>> {
        let value = self.find(name)?;
        let read = self.read(name, value)?;
        Some(Spanned::new(value.span(), read))
    }

    /// Takes a list, of which every element that cannot be read is reported.
    fn list<T: Deserialize<'i>>(&mut self, name: &'static str) -> Option<Spanned<Vec<T>>> {
        let value = self.find(name)?;
        let Some(elements) = value.get_ref().as_array() else {
            let read = self.read(name, value)?;
            return Some(Spanned::new(value.span(), read));
        };
        let read: Vec<Option<T>> = elements.iter().map(|element| self.read(name, element)).collect();
        Some(Spanned::new(value.span(), read.into_iter().collect::<Option<_>>()?))
    }

    /// Takes a table of texts, of which every one that cannot be read is reported.
    fn table(&mut self, name: &'static str) -> BTreeMap<Spanned<String>, Spanned<String>> {
        let mut read = BTreeMap::new();
        let Some(value) = self.find(name) else {
            return read;
        };
        let Some(table) = value.get_ref().as_table() else {
            return self.read(name, value).unwrap_or_default();
        };
        for (key, value) in table {
            if let Some(text) = self.read(name, value) {
                let key = Spanned::new(key.span(), key.get_ref().clone().into_owned());
                read.insert(key, Spanned::new(value.span(), text));
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
        self.faults.push((error.span().unwrap_or(value.span()), format!("{name}: {}", told(&error))));
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
            self.faults.push((key.span(), message));
        }
        self.unreadable
    }
}

/// Where the text is no TOML. What is read there is not worth reporting.
struct Syntax<'t> {
    text: &'t str,
    errors: Vec<Range<usize>>,
}

impl<'t> Syntax<'t> {
    fn new(text: &'t str, errors: &[Error]) -> Syntax<'t> {
        Syntax { text, errors: errors.iter().filter_map(Error::span).collect() }
    }

    /// Whether one of the errors is within this part of the text.
    fn breaks(&self, part: Range<usize>) -> bool {
        self.errors.iter().any(|error| part.contains(&error.start) || part.end == error.start)
    }

    /// Whether a fault comes only of a `[[field]]` line before it that could not be read: then what follows was taken for a part
    /// of the field before.
    fn follows(&self, fault: &Range<usize>) -> bool {
        self.errors.iter().any(|error| {
            let error = error.start.min(self.text.len());
            let line = self.text[..error].rfind('\n').map_or(0, |end| end + 1);
            let line_end = self.text[error..].find('\n').map_or(self.text.len(), |end| error + end);
            let is_header = self.text[line..].trim_start().starts_with('[');
            let next = self.text[line_end..].find("\n[").map_or(self.text.len(), |next| line_end + next);
            is_header && (line_end..next).contains(&fault.start)
        })
    }
}

/// What an error says, and what to do.
fn told(error: &Error) -> String {
    let message = error.message().replace('\n', ", ");
    match spelling::suggestion(error.message()) {
        Some(nearest) => format!("{message}; did you mean {nearest:?}?"),
        None => format!("{message}; {}", hint(error.message())),
    }
}

/// What somebody who does not know TOML may have meant.
fn hint(message: &str) -> &'static str {
    let hints = [
        ("invalid boolean", "text stands in quotes, like \"text\"; true and false are small and without"),
        ("must be quoted", "text stands in straight quotes, like \"text\"; true and false are small and without"),
        ("invalid basic string", "the closing quote is missing, or is not a straight one"),
        ("escape", "a pattern stands in single quotes, like '[A-Z]\\d', where a backslash is a backslash"),
        ("duplicate key", "is the line [[field]] missing above it?"),
        ("expected a sequence", "a list stands in square brackets, like [99] or [\"dd.mm.yyyy\"]"),
        ("expected u64", "write a whole number, without quotes"),
        ("expected i64", "write whole numbers, without quotes"),
        ("expected a boolean", "write true or false, without quotes"),
        ("expected a string", "text stands in quotes, like \"text\""),
    ];
    let found = hints.into_iter().find(|(part, _)| message.contains(part));
    found.map_or("see the README's section on profiles", |(_, hint)| hint)
}
