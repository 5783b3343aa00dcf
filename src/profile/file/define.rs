//! The contents of a profile's file become a profile, or mistakes with their places in the file.

use super::{
    AbsentFile, ActiveOnly, Bound, BoundsFile, CaseFile, EraseFile, FieldFile, GuardFile, Kind, Mistakes, OptionFile,
    ProfileFile, UniqueFile, UnknownFile,
};
use crate::dialect::Dialect;
use crate::profile::rules::{Case, Pattern};
use crate::profile::{Erasing, Field, Profile, Reference, Rules, To, Unique, date::Format, number, rules};
use crate::roster::{Absent, Guard, GuardSetting, GuardSettings, Percent};
use regex::RegexBuilder;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use toml::Spanned;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

/// The longest pattern, in characters.
const PATTERN_CHARS_MAX: usize = 1_000;

/// After how many days at most personal data is erased: a century.
const ERASED_DAYS_MAX: u32 = 36_525;

/// What an employee has besides its fields.
const NOT_A_FIELD: [&str; 2] = ["id", "status"];

/// Returns the profile that a file defines, or adds mistakes and returns `None`.
pub fn profile(file: &ProfileFile, mistakes: &mut Mistakes) -> Option<Profile> {
    let id = file.id.as_ref().and_then(|id| {
        let parsed = Uuid::parse_str(id.get_ref());
        let message = "id must be a GUID like \"d51b5efd-fb21-4cb8-94e2-145014839465\"";
        parsed.map_err(|_| mistakes.add(id.span(), message)).ok()
    });
    if let Some(name) = file.name.as_ref().filter(|name| name.get_ref().trim().is_empty()) {
        mistakes.add(name.span(), "name must not be empty; it is what people call the profile");
    }
    check_names(&file.fields, mistakes);
    let fields = file.fields.iter().enumerate().map(|(place, written)| field(written.get_ref(), place, file, mistakes));
    let fields: Vec<Option<Field>> = fields.collect();
    let guards = guards(file, mistakes);
    let same_person = same_person(file, mistakes);
    let erase = erase(file, mistakes);
    let (id, name, fields) = (id?, file.name.as_ref()?, fields.into_iter().collect::<Option<Vec<_>>>()?);
    if !mistakes.is_empty() {
        return None;
    }
    let by_name = fields.iter().enumerate().map(|(place, field)| (field.name.clone(), place)).collect();
    let mut definition = serde_json::json!({ "id": id, "name": name.get_ref(), "fields": file.fields });
    // What follows does not decide which values are valid.
    let version = xxh3_128(definition.to_string().as_bytes());
    let absent = file.absent.as_ref().map(|absent| match absent.get_ref() {
        AbsentFile::Hide => Absent::Hide,
        AbsentFile::Keep => Absent::Stay,
    });
    if let Some(absent) = &file.absent {
        definition["absent"] = serde_json::json!(absent.get_ref());
    }
    if !guards.is_empty() {
        let written = guards.iter().map(|(guard, setting)| (guard.name().to_owned(), setting.to_string().into()));
        definition["guards"] = serde_json::Value::Object(written.collect());
    }
    if let Some(grace) = &file.grace {
        definition["grace"] = (*grace.get_ref()).into();
    }
    if let Some(names) = &file.same_person {
        definition["samePerson"] = names.get_ref().iter().map(|name| name.get_ref().as_str()).collect();
    }
    if let Some(erase) = &file.erase {
        definition["erase"] = serde_json::json!(erase.get_ref());
    }
    let grace = file.grace.as_ref().map_or(0, |grace| *grace.get_ref());
    let accounts = file.accounts.as_ref().map(|accounts| accounts.get_ref().clone());
    Some(Profile {
        id,
        name: name.get_ref().clone(),
        accounts,
        fields,
        absent,
        grace,
        same_person,
        erase,
        guards,
        version,
        definition,
        by_name,
    })
}

/// Checks that every name is valid, and that no two are the same.
fn check_names(fields: &[Spanned<FieldFile>], mistakes: &mut Mistakes) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for field in fields {
        let (span, name) = (field.get_ref().name.span(), field.get_ref().name.get_ref().as_str());
        if field.get_ref().unreadable.contains(&"name") {
            continue;
        }
        if name.trim() != name || name.is_empty() {
            mistakes.add(span, "a field's name must not be empty, nor begin or end with a space");
            continue;
        }
        let lower = name.to_lowercase();
        if NOT_A_FIELD.contains(&lower.as_str()) {
            let message = format!(
                "a field cannot be called {name:?}: every employee has an id and a status beside the fields, and a table \
                 has columns for them; choose another name, like {:?}",
                format!("Employee {lower}")
            );
            mistakes.add(span, message);
            continue;
        }
        match seen.insert(lower, name) {
            Some(other) if other == name => {
                mistakes.add(span, format!("field {name:?} is defined twice; remove or rename one"));
            }
            Some(other) => {
                let message = format!("fields {other:?} and {name:?} differ only in case; rename one");
                mistakes.add(span, message);
            }
            None => {}
        }
    }
}

/// Returns the field at `place` among those of the file, or adds mistakes and returns `None`.
fn field(field: &FieldFile, place: usize, file: &ProfileFile, mistakes: &mut Mistakes) -> Option<Field> {
    let (before, name) = (mistakes.len(), field.name.get_ref());
    // Without the type it is not known which rules the field may have.
    if field.unreadable.contains(&"type") {
        return None;
    }
    let rules = match field.kind.get_ref() {
        Kind::Reference => reference(field, file, mistakes).map(Rules::Reference),
        _ => rules_of(field, mistakes),
    };
    let wire = wire_names(field, &file.fields[..place], mistakes);
    let unique = match field.unique.as_ref().map(Spanned::get_ref) {
        None | Some(UniqueFile::Whole(false)) => Unique::No,
        Some(UniqueFile::Whole(true)) => Unique::Roster,
        Some(UniqueFile::Among(ActiveOnly::Active)) => Unique::Active,
    };
    if let (Kind::Reference | Kind::List | Kind::Object, Some(span)) = (field.kind.get_ref(), &field.unique)
        && unique != Unique::No
    {
        let kind = field.kind.get_ref().name();
        mistakes.add(span.span(), format!("a field of type {kind} cannot be unique"));
    }
    if !name.is_empty() {
        mistakes.prefix(before, &format!("field {name:?}"));
    }
    let (required, guard) = (field.required, field.guard);
    Some(Field { name: name.clone(), required, unique, rules: rules?, guard, wire })
}

/// Returns the positions of the fields by which two employees are taken for the same person.
fn same_person(file: &ProfileFile, mistakes: &mut Mistakes) -> Vec<usize> {
    let Some(names) = &file.same_person else {
        return Vec::new();
    };
    let mut positions = Vec::new();
    for name in names.get_ref() {
        match file.fields.iter().position(|field| field.get_ref().name.get_ref() == name.get_ref()) {
            Some(position) if positions.contains(&position) => {
                mistakes.add(name.span(), format!("same_person: {:?} appears twice; name it once", name.get_ref()));
            }
            Some(position) => positions.push(position),
            None => {
                let message =
                    format!("same_person: there is no field {:?}; name fields of this profile", name.get_ref());
                mistakes.add(name.span(), message);
            }
        }
    }
    if names.get_ref().len() < 2 {
        let message = "same_person must name two fields or more, such as the names and the date of birth: many people share one value";
        mistakes.add(names.span(), message);
    }
    positions
}

/// Returns when personal data is erased, or adds mistakes and returns `None`.
fn erase(file: &ProfileFile, mistakes: &mut Mistakes) -> Option<Erasing> {
    let written = file.erase.as_ref()?;
    let EraseFile { field, days } = written.get_ref();
    let before = mistakes.len();
    match file.fields.iter().map(Spanned::get_ref).find(|named| named.name.get_ref() == field) {
        None => {
            let message = format!(
                "erase: no field is called {field:?}; name the date after which the data of a hidden employee is erased"
            );
            mistakes.add(written.span(), message);
        }
        // The mistakes of its type are reported there.
        Some(named) if named.unreadable.contains(&"type") => {}
        Some(named) if *named.kind.get_ref() != Kind::Date => {
            mistakes.add(written.span(), format!("erase: field {field:?} must be of type date"));
        }
        Some(_) => {}
    }
    if *days > ERASED_DAYS_MAX {
        mistakes.add(written.span(), format!("erase: days must be at most {ERASED_DAYS_MAX}"));
    }
    (mistakes.len() == before).then(|| Erasing { field: field.clone(), days: *days })
}

/// Returns what is set for guards.
fn guards(file: &ProfileFile, mistakes: &mut Mistakes) -> GuardSettings {
    let mut settings = GuardSettings::new();
    for (name, setting) in &file.guards {
        let Some(guard) = Guard::parse(name.get_ref()) else {
            let names = Guard::ALL.map(Guard::name).join(", ");
            mistakes.add(name.span(), format!("guards: there is no guard {:?}; there are {names}", name.get_ref()));
            continue;
        };
        let setting = match setting.get_ref() {
            GuardFile::Off(_) => GuardSetting::Off,
            GuardFile::On(BoundsFile { percent, people, at_most, times }) => {
                let written = [
                    ("percent", percent.is_some()),
                    ("people", people.is_some()),
                    ("at_most", at_most.is_some()),
                    ("times", times.is_some()),
                ];
                let is_other = |(member, is_there): &&(&str, bool)| *is_there && !guard.members().contains(member);
                if let Some((member, _)) = written.iter().find(is_other) {
                    let members = guard.members().join(", ");
                    mistakes.add(setting.span(), format!("guards: {} has no {member}; it has {members}", guard.name()));
                }
                let share = percent.and_then(Percent::of);
                if percent.is_some() && share.is_none() {
                    mistakes.add(setting.span(), format!("guards: {}: percent must be from 0 to 100", guard.name()));
                }
                GuardSetting::On { percent: share, people: *people, at_most: *at_most, times: *times }
            }
        };
        settings.insert(guard, setting);
    }
    settings
}

/// Returns the rules of a field, or adds mistakes and returns `None`.
fn rules_of(field: &FieldFile, mistakes: &mut Mistakes) -> Option<Rules> {
    let kind = *field.kind.get_ref();
    for (rule, span) in written_rules(field) {
        if !kind.rules().contains(&rule) {
            let known = match kind.rules() {
                [] => "it has none but required and unique".to_owned(),
                rules => format!("it has {}", rules.join(", ")),
            };
            mistakes.add(span, format!("{rule} is not a rule of type {}; {known}", kind.name()));
        }
    }
    for (name, most) in [("max_length", &field.max_length), ("max_bytes", &field.max_bytes)] {
        if let Some(most) = most.as_ref().filter(|most| *most.get_ref() == 0) {
            mistakes.add(
                most.span(),
                format!("{name} must be at least 1, or no value could pass; leave it out for no limit"),
            );
        }
    }
    let get = |rule: &Option<Spanned<u64>>| rule.as_ref().map(|rule| *rule.get_ref());
    let case = || {
        field.case.as_ref().map(|case| match case.get_ref() {
            CaseFile::Lower => Case::Lower,
            CaseFile::Upper => Case::Upper,
        })
    };
    let rules = match kind {
        Kind::Text => {
            ordered(&field.min_length, &field.max_length, |a, b| a > b, mistakes);
            Rules::Text {
                min_length: get(&field.min_length),
                max_length: get(&field.max_length),
                pattern: field.pattern.as_ref().and_then(|pattern| compile(pattern, field.pattern_bytes_max, mistakes)),
                trim: field.trim.as_ref().is_none_or(|trim| *trim.get_ref()),
                case: case(),
            }
        }
        Kind::Email => Rules::Email,
        Kind::Phone => Rules::Phone,
        Kind::Boolean => Rules::Boolean,
        Kind::Date => {
            let iso = |bound: &str| Format::Iso.canonical(bound).map(Cow::into_owned);
            let min = bound(&field.min, iso, "a date that exists, like \"1900-01-31\"", mistakes);
            let max = bound(&field.max, iso, "a date that exists, like \"1900-01-31\"", mistakes);
            ordered(&min, &max, |a, b| a > b, mistakes);
            Rules::Date { formats: formats(field, mistakes), min: unspan(min), max: unspan(max) }
        }
        Kind::Number => {
            let canonical = |bound: &str| number::canonical(bound).map(Cow::into_owned);
            let min = bound(&field.min, canonical, "a number", mistakes);
            let max = bound(&field.max, canonical, "a number", mistakes);
            ordered(&min, &max, |a, b| number::compare(a, b).is_gt(), mistakes);
            let integer = field.integer.as_ref().is_some_and(|integer| *integer.get_ref());
            Rules::Number { integer, min: unspan(min), max: unspan(max) }
        }
        Kind::Choice => Rules::Choice(choice(field, mistakes)?),
        Kind::Image => Rules::Image { max_bytes: get(&field.max_bytes) },
        Kind::Url => Rules::Url { max_length: get(&field.max_length) },
        Kind::List => {
            let ordered = is_true(&field.ordered);
            Rules::List { ordered, case: case(), max_length: get(&field.max_length) }
        }
        Kind::Object => Rules::Object,
        Kind::Reference => return None,
    };
    Some(rules)
}

fn is_true(rule: &Option<Spanned<bool>>) -> bool {
    rule.as_ref().is_some_and(|rule| *rule.get_ref())
}

/// Returns a reference, whose rules depend on the field that it names other employees by.
fn reference(field: &FieldFile, file: &ProfileFile, mistakes: &mut Mistakes) -> Option<Reference> {
    let before = mistakes.len();
    rules_of(field, mistakes);
    let Some(to) = &field.to else {
        if field.unreadable.contains(&"to") {
            return None;
        }
        let message = "a reference needs to: what it names an employee by, \"id\", \"number\" or a unique field's name";
        mistakes.add(field.kind.span(), message);
        return None;
    };
    let by = match to.get_ref().as_str() {
        "id" => To::Id,
        "number" => To::Number,
        name => {
            let named = file.fields.iter().map(Spanned::get_ref).find(|field| field.name.get_ref() == name);
            // The mistakes of that field are reported there.
            if named.is_some_and(|named| named.unreadable.iter().any(|member| ["type", "unique"].contains(member))) {
                return None;
            }
            let is_unique = |field: &&FieldFile| {
                field.unique.as_ref().is_some_and(|unique| !matches!(unique.get_ref(), UniqueFile::Whole(false)))
            };
            let Some(named) = named.filter(is_unique) else {
                let message = format!("to must be \"id\", \"number\" or the name of a unique field; {name:?} is none");
                mistakes.add(to.span(), message);
                return None;
            };
            // The mistakes of those rules are reported at that field.
            let rules = rules_of(named, &mut Mistakes::default())?;
            To::Field { name: name.to_owned(), rules: Box::new(rules) }
        }
    };
    if let (true, true, Some(acyclic)) = (is_true(&field.many), is_true(&field.acyclic), &field.acyclic) {
        mistakes.add(acyclic.span(), "acyclic goes with a reference to one employee, not with many");
    }
    let must_exist = field.unknown.as_ref().is_none_or(|unknown| *unknown.get_ref() == UnknownFile::Error);
    let (many, active, acyclic) = (is_true(&field.many), is_true(&field.active), is_true(&field.acyclic));
    (mistakes.len() == before).then_some(Reference { to: by, many, must_exist, active, acyclic })
}

/// Returns what dialects call a field. No two fields of a profile may have the same name in a dialect.
fn wire_names(field: &FieldFile, others: &[Spanned<FieldFile>], mistakes: &mut Mistakes) -> Vec<(Dialect, String)> {
    let mut names = Vec::new();
    for (dialect, name) in &field.wire {
        let known = Dialect::parse(dialect.get_ref()).filter(|dialect| *dialect != Dialect::StartExam);
        let Some(known) = known else {
            let message =
                "wire says what springest, collaborator and echospan call the field; startexam calls it by its name";
            mistakes.add(dialect.span(), message);
            continue;
        };
        let fields = known.facts().fields;
        if !fields.contains(&name.get_ref().as_str()) {
            let message = format!("{} has no field {:?}; it has {}", known.name(), name.get_ref(), fields.join(", "));
            mistakes.add(name.span(), message);
        }
        let taken = others.iter().map(Spanned::get_ref).find(|other| {
            other.wire.get(dialect.get_ref().as_str()).is_some_and(|other| other.get_ref() == name.get_ref())
        });
        if let Some(other) = taken {
            let message =
                format!("{} is {:?} already; a dialect's field has one place", name.get_ref(), other.name.get_ref());
            mistakes.add(name.span(), message);
        }
        names.push((known, name.get_ref().clone()));
    }
    names
}

/// Returns the rules that a field has besides those of every field, and where they are.
fn written_rules(field: &FieldFile) -> Vec<(&'static str, Range<usize>)> {
    fn written<T>(name: &'static str, rule: &Option<Spanned<T>>) -> Option<(&'static str, Range<usize>)> {
        rule.as_ref().map(|rule| (name, rule.span()))
    }
    [
        written("min_length", &field.min_length),
        written("max_length", &field.max_length),
        written("pattern", &field.pattern),
        written("trim", &field.trim),
        written("case", &field.case),
        written("formats", &field.formats),
        written("integer", &field.integer),
        written("min", &field.min),
        written("max", &field.max),
        written("options", &field.options),
        written("max_bytes", &field.max_bytes),
        written("ordered", &field.ordered),
        written("to", &field.to),
        written("many", &field.many),
        written("unknown", &field.unknown),
        written("active", &field.active),
        written("acyclic", &field.acyclic),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn compile(pattern: &Spanned<String>, bytes_max: usize, mistakes: &mut Mistakes) -> Option<Pattern> {
    let written = pattern.get_ref();
    if written.chars().count() > PATTERN_CHARS_MAX {
        mistakes.add(pattern.span(), format!("pattern is longer than {PATTERN_CHARS_MAX} characters; shorten it"));
        return None;
    }
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(bytes_max).build();
    match build(written).and_then(|_| build(&format!(r"\A(?:{written})\z"))) {
        Ok(regex) => Some(Pattern { written: written.clone(), regex }),
        Err(error) => {
            let last = error.to_string();
            let reason = last.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let fix = "in a pattern written between single quotes ('…') a backslash stands for itself";
            mistakes.add(pattern.span(), format!("pattern is no regular expression: {reason}; {fix}"));
            None
        }
    }
}

fn formats(field: &FieldFile, mistakes: &mut Mistakes) -> Vec<Format> {
    let Some(formats) = &field.formats else {
        return vec![Format::Iso];
    };
    let known: Vec<&str> = Format::NAMES.iter().map(|(name, _)| *name).collect();
    if formats.get_ref().is_empty() {
        mistakes.add(formats.span(), format!("formats is empty; leave it out, or list some of {}", known.join(", ")));
    }
    let mut read = Vec::new();
    for name in formats.get_ref() {
        match Format::NAMES.iter().find(|(known, _)| known == name) {
            Some((_, format)) => read.push(*format),
            None => {
                mistakes.add(formats.span(), format!("{name:?} is not a date format; there are {}", known.join(", ")));
            }
        }
    }
    read
}

fn choice(field: &FieldFile, mistakes: &mut Mistakes) -> Option<rules::Choice> {
    let Some(options) = &field.options else {
        if field.unreadable.contains(&"options") {
            return None;
        }
        mistakes.add(field.kind.span(), "a choice needs options, like options = [\"office\", \"remote\"]");
        return None;
    };
    if options.get_ref().is_empty() && !field.unreadable.contains(&"options") {
        mistakes.add(options.span(), "options is empty; a choice needs at least one");
    }
    let (mut listed, mut meant) = (Vec::new(), HashMap::new());
    for (place, option) in options.get_ref().iter().enumerate() {
        let (value, also) = match option.get_ref() {
            OptionFile::Value(value) => (value.clone(), Vec::new()),
            OptionFile::Spelled { value, also } => (value.clone(), also.clone()),
        };
        for spelling in also.iter().chain([&value]) {
            if spelling.trim() != spelling.as_str() || spelling.is_empty() {
                let message = format!("option {spelling:?} must not be empty, nor begin or end with a space");
                mistakes.add(option.span(), message);
            } else if *meant.entry(spelling.to_lowercase()).or_insert(place) != place {
                mistakes.add(option.span(), format!("{spelling:?} would mean two options (case does not count)"));
            }
        }
        listed.push((value, also));
    }
    Some(rules::Choice::new(listed))
}

fn bound(
    written: &Option<Spanned<Bound>>,
    canonical: impl Fn(&str) -> Option<String>,
    expected: &str,
    mistakes: &mut Mistakes,
) -> Option<Spanned<String>> {
    let written = written.as_ref()?;
    match canonical(&written.get_ref().text()) {
        Some(bound) => Some(Spanned::new(written.span(), bound)),
        None => {
            mistakes.add(written.span(), format!("min and max must be {expected}"));
            None
        }
    }
}

fn ordered<T>(
    min: &Option<Spanned<T>>,
    max: &Option<Spanned<T>>,
    above: impl Fn(&T, &T) -> bool,
    mistakes: &mut Mistakes,
) {
    if let (Some(min), Some(max)) = (min, max)
        && above(min.get_ref(), max.get_ref())
    {
        mistakes
            .add(min.span(), "the smallest allowed is above the largest allowed, so no value could pass; swap them");
    }
}

fn unspan(bound: Option<Spanned<String>>) -> Option<String> {
    bound.map(Spanned::into_inner)
}
