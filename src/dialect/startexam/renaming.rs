//! The body of `POST /v1/employees/{id}/rename`.

use crate::json::{self, Object, Shape, Unreadable};
use serde_json::value::RawValue;

/// What the body says.
#[derive(Debug, PartialEq, Eq)]
pub struct Renaming {
    /// The id that the employee gets, as it was sent.
    pub id: String,
    /// Whether it and whoever has the id already are one person, whatever else says so.
    pub merge: bool,
}

struct OfRenaming;

impl Shape<2> for OfRenaming {
    const NAMES: [[&'static str; 2]; 2] = [["id", "Id"], ["merge", "Merge"]];
}

/// Reads the body. A member that is not known is wrong, since it may be a misspelt one.
pub fn renaming(body: &[u8]) -> Result<Renaming, Unreadable> {
    let wrong = |message: &str| Err(Unreadable::Wrong(message.into()));
    json::check(body).map_err(Unreadable::NotJson)?;
    if body.trim_ascii_start().first() != Some(&b'{') {
        return wrong("must be a JSON object like {\"id\": \"4711\"}");
    }
    let Object { members: [id, merge], unknown, .. } = json::exact::<Object<OfRenaming, &RawValue, 2>>(body)?;
    if !unknown.is_empty() {
        return wrong("has a member that is not known; it can have id and merge");
    }
    // A number stands for its text.
    let id = match id.map(RawValue::get) {
        Some(text) if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => text.to_owned(),
        Some(text) if text.starts_with('"') => {
            let id = id.expect("its text was looked at");
            json::string(id).map_err(|message| Unreadable::Wrong(format!("has an id that {message}")))?.into_owned()
        }
        _ => return wrong("must say the new id, like {\"id\": \"4711\"}"),
    };
    let merge = match merge.map(RawValue::get) {
        Some("true") => true,
        None | Some("false" | "null") => false,
        Some(_) => return wrong("has a member merge that must be true or false"),
    };
    Ok(Renaming { id, merge })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_an_id_and_nothing_that_is_misspelt() {
        for (body, id, merge) in [
            (r#"{"id": "a b"}"#, "a b", false),
            (r#" {"merge": true, "Id": 4711} "#, "4711", true),
            (r#"{"id": "\u0041", "merge": null}"#, "A", false),
        ] {
            assert_eq!(renaming(body.as_bytes()).unwrap(), Renaming { id: id.into(), merge });
        }
        for body in [
            "",
            "[]",
            "{}",
            r#"{"id": null}"#,
            r#"{"id": ["1"]}"#,
            r#"{"id": "1", "merge": 1}"#,
            r#"{"id": "1", "mrge": 1}"#,
        ] {
            assert!(renaming(body.as_bytes()).is_err(), "{body}");
        }
    }
}
