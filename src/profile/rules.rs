//! The types of a field, each with its own rules.

use super::reference::Reference;
use super::{date, email, image, list, number, object, phone, url};
use regex::Regex;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

/// The rule that a value breaks. The message never quotes the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The rule's name in a profile, or the field's type.
    pub rule: &'static str,
    /// What to do about it.
    pub message: String,
}

impl Broken {
    fn new(rule: &'static str, message: impl Into<String>) -> Broken {
        Broken { rule, message: message.into() }
    }
}

/// A field's type and the rules that go with it.
#[derive(Debug)]
pub enum Rules {
    /// Any text.
    Text {
        /// The fewest characters.
        min_length: Option<u64>,
        /// The most characters.
        max_length: Option<u64>,
        /// What the whole value must match.
        pattern: Option<Pattern>,
        /// Whether white space around the value is removed.
        trim: bool,
        /// The case that the value is converted to, if any.
        case: Option<Case>,
    },
    /// An e-mail address by the rule of HTML, stored in lower case.
    Email,
    /// An international phone number (E.164).
    Phone,
    /// A date, stored as `yyyy-mm-dd`.
    Date {
        /// How it may be written.
        formats: Vec<date::Format>,
        /// The earliest allowed, in ISO form.
        min: Option<String>,
        /// The latest allowed, in ISO form.
        max: Option<String>,
    },
    /// A decimal number.
    Number {
        /// Whether it must be whole.
        integer: bool,
        /// The least allowed, in canonical form.
        min: Option<String>,
        /// The greatest allowed, in canonical form.
        max: Option<String>,
    },
    /// `true` or `false`.
    Boolean,
    /// One of several values.
    Choice(Choice),
    /// A picture, as a data URI.
    Image {
        /// The most bytes of the picture itself.
        max_bytes: Option<u64>,
    },
    /// A web address.
    Url {
        /// The most characters.
        max_length: Option<u64>,
    },
    /// Texts, such as tags.
    List {
        /// Whether their order matters. Otherwise they are sorted.
        ordered: bool,
        /// The case that each is converted to, if any.
        case: Option<Case>,
        /// The most characters of each.
        max_length: Option<u64>,
    },
    /// A JSON object in base64.
    Object,
    /// Other employees.
    Reference(Reference),
}

/// A regular expression for a whole value.
#[derive(Debug)]
pub struct Pattern {
    /// As the profile has it.
    pub written: String,
    /// Compiled, and anchored at both ends.
    pub regex: Regex,
}

/// The case that a text is converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
}

/// The options of a choice.
#[derive(Debug)]
pub struct Choice {
    options: Vec<String>,
    by_alias: HashMap<String, usize>,
}

impl Choice {
    /// Makes a choice of `options`, each a value and its aliases. Spellings that differ only in case must belong to one option.
    pub fn new(options: Vec<(String, Vec<String>)>) -> Choice {
        let mut choice = Choice { options: Vec::new(), by_alias: HashMap::new() };
        for (place, (value, aliases)) in options.into_iter().enumerate() {
            for spelling in aliases.iter().chain([&value]) {
                choice.by_alias.insert(spelling.to_lowercase(), place);
            }
            choice.options.push(value);
        }
        choice
    }

    fn canonical(&self, value: &str) -> Option<&str> {
        let exact = self.by_alias.get(value).or_else(|| self.by_alias.get(&value.to_lowercase()));
        exact.map(|&place| self.options[place].as_str())
    }
}

impl Rules {
    /// Returns whether white space around a value is ignored.
    pub fn trims(&self) -> bool {
        !matches!(self, Rules::Text { trim: false, .. })
    }

    /// Returns the form of a stored value, if it is stored in another way than it may be pushed: dates are, whose formats may exclude the stored
    /// one.
    pub fn stored<'v>(&self, value: &'v str) -> Option<Result<Cow<'v, str>, Broken>> {
        let Rules::Date { min, max, .. } = self else {
            return None;
        };
        date::Format::Iso.canonical(value).map(|date| within(date, min, max, str::cmp))
    }

    /// Returns the canonical form of a value that is not empty: two values mean the same if their canonical forms are equal. The error is
    /// the rule that the value breaks.
    pub fn canonical<'v>(&self, value: &'v str) -> Result<Cow<'v, str>, Broken> {
        match self {
            Rules::Text { min_length, max_length, pattern, case, .. } => {
                text(value, *min_length, *max_length, pattern.as_ref(), *case)
            }
            Rules::Email => email::canonical(value)
                .ok_or_else(|| Broken::new("email", "must be an e-mail address like name@example.com")),
            Rules::Phone => phone::canonical(value).ok_or_else(|| {
                Broken::new(
                    "phone",
                    "must be an international number (E.164): +, the country code, 7 to 15 digits in all",
                )
            }),
            Rules::Date { formats, min, max } => {
                let date = formats.iter().find_map(|format| format.canonical(value)).ok_or_else(|| {
                    let formats: Vec<&str> = formats.iter().map(|format| format.name()).collect();
                    Broken::new("date", format!("must be a date that exists, written {}", formats.join(" or ")))
                })?;
                within(date, min, max, str::cmp)
            }
            Rules::Number { integer, min, max } => {
                let number = number::canonical(value).ok_or_else(|| {
                    Broken::new("number", "must be a number with a decimal point, like 12.5, of at most 60 digits")
                })?;
                if *integer && number.contains('.') {
                    return Err(Broken::new("integer", "must be a whole number"));
                }
                within(number, min, max, number::compare)
            }
            Rules::Boolean => match value.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" => Ok(Cow::Borrowed("true")),
                "false" | "0" | "no" => Ok(Cow::Borrowed("false")),
                _ => Err(Broken::new("boolean", "must be true, false, 1, 0, yes or no")),
            },
            Rules::Choice(choice) => match choice.canonical(value) {
                Some(option) if option == value => Ok(Cow::Borrowed(value)),
                Some(option) => Ok(Cow::Owned(option.to_owned())),
                None => Err(Broken::new("options", format!("must be one of: {}", list(&choice.options)))),
            },
            Rules::Image { max_bytes } => image::canonical(value, *max_bytes).map(Cow::Owned),
            Rules::Url { max_length } => {
                if !url::is_valid(value) {
                    return Err(Broken::new("url", "must be a web address that begins with http:// or https://"));
                }
                length(value, None, *max_length)?;
                Ok(Cow::Borrowed(value))
            }
            Rules::List { ordered, case, max_length } => elements(value, *ordered, *case, *max_length).map(Cow::Owned),
            Rules::Object => object::canonical(value)
                .map(Cow::Owned)
                .ok_or_else(|| Broken::new("object-base64", "must be base64 of a JSON object, like e30= for {}")),
            Rules::Reference(reference) => reference.canonical(value),
        }
    }
}

fn elements(value: &str, ordered: bool, case: Option<Case>, max_length: Option<u64>) -> Result<String, Broken> {
    let elements = list::elements(value)
        .ok_or_else(|| Broken::new("list", format!("has more than {} elements", list::ELEMENTS_MAX)))?;
    let mut kept: Vec<Cow<str>> = Vec::with_capacity(elements.len());
    // The elements differ already, unless converting the case makes two of them equal.
    let mut known = HashSet::new();
    for element in &elements {
        let element = text(element, None, max_length, None, case)?;
        if case.is_none() || known.insert(element.clone()) {
            kept.push(element);
        }
    }
    if !ordered {
        kept.sort_unstable();
    }
    Ok(list::join(&kept))
}

fn text<'v>(
    value: &'v str,
    min_length: Option<u64>,
    max_length: Option<u64>,
    pattern: Option<&Pattern>,
    case: Option<Case>,
) -> Result<Cow<'v, str>, Broken> {
    if value.contains('\0') {
        return Err(Broken::new("text", "must not contain the character U+0000; remove it"));
    }
    let value: Cow<str> = match case {
        None => Cow::Borrowed(value),
        Some(Case::Lower) => Cow::Owned(value.to_lowercase()),
        Some(Case::Upper) => Cow::Owned(value.to_uppercase()),
    };
    length(&value, min_length, max_length)?;
    match pattern {
        Some(Pattern { written, regex }) if !regex.is_match(&value) => {
            Err(Broken::new("pattern", format!("must match the pattern {written} as a whole")))
        }
        _ => Ok(value),
    }
}

fn length(value: &str, min: Option<u64>, max: Option<u64>) -> Result<(), Broken> {
    // There are at most as many characters as bytes, so most values need no counting.
    if min.is_none() && max.is_none_or(|max| value.len() as u64 <= max) {
        return Ok(());
    }
    let characters = value.chars().count() as u64;
    if let Some(min) = min.filter(|&min| characters < min) {
        return Err(Broken::new("min_length", format!("has {characters} characters, at least {min} are needed")));
    }
    if let Some(max) = max.filter(|&max| characters > max) {
        return Err(Broken::new("max_length", format!("has {characters} characters, at most {max} are allowed")));
    }
    Ok(())
}

fn within<'v>(
    value: Cow<'v, str>,
    min: &Option<String>,
    max: &Option<String>,
    compare: fn(&str, &str) -> Ordering,
) -> Result<Cow<'v, str>, Broken> {
    if let Some(min) = min.as_deref().filter(|min| compare(&value, min) == Ordering::Less) {
        return Err(Broken::new("min", format!("must not be below {min}; that is the profile's min")));
    }
    if let Some(max) = max.as_deref().filter(|max| compare(&value, max) == Ordering::Greater) {
        return Err(Broken::new("max", format!("must not be above {max}; that is the profile's max")));
    }
    Ok(value)
}

fn list(options: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut shown = options.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if options.len() > SHOWN {
        shown.push_str(&format!(" and {} more", options.len() - SHOWN));
    }
    shown
}
