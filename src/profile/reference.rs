//! References from one employee to others: a manager, approvers.

use super::list::{self, ELEMENTS_MAX};
use super::rules::{Broken, Rules};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashSet;

/// How one employee names others.
#[derive(Debug)]
pub struct Reference {
    /// What it names them by.
    pub to: To,
    /// Whether it may name several.
    pub many: bool,
    /// Whether a value that names nobody is an error. Otherwise it is kept, and leads to the employee as soon as there is one.
    pub must_exist: bool,
    /// Whether the employees named must be active.
    pub active: bool,
    /// Whether following it from employee to employee must end.
    pub acyclic: bool,
}

/// What a reference names an employee by.
#[derive(Debug)]
pub enum To {
    /// The id.
    Id,
    /// The number that the store has given it.
    Number,
    /// The value of a unique field.
    Field {
        /// The field's name.
        name: String,
        /// The field's rules: the value may have any form that the field accepts.
        rules: Box<Rules>,
    },
}

/// One of the employees that a value names, with what the value says about it.
struct Named<'a> {
    /// What it is named by.
    to: Cow<'a, str>,
    /// What it is to the employee, such as `Manager`.
    label: Option<Cow<'a, str>>,
    /// Whether it may approve.
    can_approve: Option<bool>,
}

impl<'a> Named<'a> {
    fn only(to: Cow<'a, str>) -> Named<'a> {
        Named { to, label: None, can_approve: None }
    }

    fn is_only_named(&self) -> bool {
        self.label.is_none() && self.can_approve.is_none()
    }
}

/// [`Named`] in the JSON array that a value may be.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written<'a> {
    Only(Cow<'a, str>),
    As {
        to: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        can_approve: Option<bool>,
    },
}

impl<'a> Written<'a> {
    fn read(self) -> Named<'a> {
        match self {
            Written::Only(to) => Named::only(to),
            Written::As { to, label, can_approve } => Named { to, label, can_approve },
        }
    }

    fn of(named: Named<'a>) -> Written<'a> {
        if named.is_only_named() {
            return Written::Only(named.to);
        }
        let Named { to, label, can_approve } = named;
        Written::As { to, label, can_approve }
    }
}

/// Returns whom a value names, which need not be in canonical form. The error is the rule that it breaks.
fn named(value: &str) -> Result<Vec<Named<'_>>, Broken> {
    let wrong = |message: &str| Broken { rule: "reference", message: message.into() };
    let is_array = value.starts_with('[');
    let named: Vec<Named> = if is_array {
        let written: Vec<Written> = serde_json::from_str(value).map_err(|_| {
            wrong("must be a list like a,b or [{\"to\": \"a\", \"label\": \"Manager\", \"can_approve\": true}]")
        })?;
        written.into_iter().map(Written::read).collect()
    } else {
        list::elements(value).unwrap_or_default().into_iter().map(Named::only).collect()
    };
    if named.len() > ELEMENTS_MAX || (named.is_empty() && !is_array) {
        return Err(wrong(&format!("names nobody, or more than {ELEMENTS_MAX}")));
    }
    Ok(named)
}

impl Reference {
    /// Returns the canonical form of a value: whom it names, in its order. The error is the rule that it breaks.
    pub fn canonical<'v>(&self, value: &'v str) -> Result<Cow<'v, str>, Broken> {
        if !self.many {
            return self.to.canonical(value);
        }
        let (mut canonical, mut known) = (Vec::new(), HashSet::new());
        for named in named(value)? {
            let to = self.to.canonical(named.to.trim())?.into_owned();
            if known.insert(to.clone()) {
                canonical.push(Named { to: Cow::Owned(to), ..named });
            }
        }
        if canonical.iter().all(Named::is_only_named) {
            let names: Vec<&str> = canonical.iter().map(|named| &*named.to).collect();
            return Ok(Cow::Owned(list::join(&names)));
        }
        let written: Vec<Written> = canonical.into_iter().map(Written::of).collect();
        Ok(Cow::Owned(serde_json::to_string(&written).expect("strings and booleans are JSON")))
    }

    /// Returns whom a value in canonical form names.
    pub fn targets<'v>(&self, canonical: &'v str) -> Vec<Cow<'v, str>> {
        if !self.many {
            return vec![Cow::Borrowed(canonical)];
        }
        named(canonical).unwrap_or_default().into_iter().map(|named| named.to).collect()
    }
}

impl To {
    fn canonical<'v>(&self, value: &'v str) -> Result<Cow<'v, str>, Broken> {
        match self {
            _ if value.is_empty() => Err(Broken { rule: "reference", message: "names nobody".into() }),
            To::Id | To::Number => Ok(Cow::Borrowed(value)),
            To::Field { rules, .. } => rules.canonical(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_many_have_a_canonical_form() {
        let rules = || To::Field { name: "Email".into(), rules: Box::new(Rules::Email) };
        let one = Reference { to: rules(), many: false, must_exist: true, active: true, acyclic: true };
        assert_eq!(one.canonical("A@Example.com").unwrap(), "a@example.com");
        assert!(one.canonical("nobody").is_err());
        let many = Reference { many: true, ..one };
        for (value, expected) in [
            ("A@x.com, b@x.com", "a@x.com,b@x.com"),
            (r#"["A@x.com",{"to":"b@x.com"}]"#, "a@x.com,b@x.com"),
            (r#"[{"to":"A@x.com","label":"Manager"},"a@x.com"]"#, r#"[{"to":"a@x.com","label":"Manager"}]"#),
            (r#"[{"to":"a@x.com","can_approve":false}]"#, r#"[{"to":"a@x.com","can_approve":false}]"#),
            ("[]", ""),
        ] {
            let canonical = many.canonical(value).unwrap();
            assert_eq!(canonical, expected, "{value}");
            if !expected.is_empty() {
                assert_eq!(many.canonical(&canonical).unwrap(), expected);
                assert_eq!(many.targets(&canonical)[0], "a@x.com");
            }
        }
        for wrong in ["a@x.com,b", ",", "[1]", r#"[{"label":"Manager"}]"#] {
            assert!(many.canonical(wrong).is_err(), "{wrong}");
        }
    }
}
