//! LMS Collaborator's users-import: one user, several, or a CSV of all.
//!
//! ```json
//! {"uid": "…", "secondname": "…", "firstname": "…", "login": "…", "email": "…", "position": "…", "is_active": 1, "tags": "a,b"}
//! ```

pub mod csv;

use super::Dialect;
use crate::json::{self, Unreadable};
use crate::rejection::{Fault, Rejection};
use crate::roster::{Counts, ID_CHARS_MAX, Patch, Status};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashSet;

/// What every user in JSON must have, in the order of the system's documents.
const REQUIRED: [&str; 6] = ["uid", "login", "email", "firstname", "secondname", "position"];

/// The rule that says so, in rejections.
pub const REQUIRED_RULE: &str = "required";

/// The members that are no field of a profile.
const OWN: [&str; 4] = ["uid", "is_active", "status", "password"];

/// Reads one user.
pub fn user(body: &[u8]) -> Result<Patch, Unreadable> {
    let mut user = User::default();
    for (name, raw) in json::members(body)? {
        match text(&name, raw) {
            Ok(Some(value)) => user.set(&name, value),
            Ok(None) => {}
            Err(message) => user.patch.faults.push(Fault::new(&name, "text", message)),
        }
    }
    let lacking = user.lacking();
    Ok(user.finish(None, lacking))
}

/// A value as text; none where it was not sent.
fn text(name: &str, raw: &RawValue) -> Result<Option<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    let is_own = OWN.iter().any(|own| own.eq_ignore_ascii_case(name));
    if !is_own && Dialect::Collaborator.fields().iter().all(|field| !field.eq_ignore_ascii_case(name)) {
        // It is ignored, whatever its form.
        return Ok(Some(String::new()));
    }
    match serde_json::from_str::<Value>(raw.get()) {
        _ if name.eq_ignore_ascii_case("password") => Ok(None),
        Ok(Value::Null) => Ok(None),
        Ok(Value::Array(values)) if values.is_empty() || values == [Value::Null] => Ok(None),
        // Tags are the one list; what is no list may stand in an array alone.
        Ok(Value::Array(values)) if name.eq_ignore_ascii_case("tags") => {
            let tags: Option<Vec<String>> = values.iter().map(one).collect();
            let tags = tags.ok_or("must be an array of strings, or a string with commas")?;
            Ok(Some(serde_json::to_string(&tags).expect("strings are JSON")))
        }
        Ok(Value::Array(values)) => match &values[..] {
            [value] => Ok(Some(one(value).ok_or("must be a string or a number")?)),
            _ => Err("must be one value, not several".into()),
        },
        _ => Ok(Some(json::scalar(raw)?.into_owned())),
    }
}

#[derive(Default)]
struct User {
    patch: Patch,
    given: Vec<&'static str>,
    names: HashSet<String>,
}

impl User {
    fn set(&mut self, name: &str, value: String) {
        let value = value.trim();
        if !self.names.insert(name.to_ascii_lowercase()) {
            return self.patch.faults.push(Fault::new(name, "twice", "stands twice, in two spellings; send it once"));
        }
        if let Some(required) =
            REQUIRED.iter().find(|required| required.eq_ignore_ascii_case(name) && !value.is_empty())
        {
            self.given.push(required);
        }
        let own = OWN.iter().find(|own| own.eq_ignore_ascii_case(name));
        let blocks = |blocked| Some(if blocked { Status::Hidden } else { Status::Active });
        let status = match own {
            None => return self.patch.data.push((name.to_owned(), value.to_owned())),
            Some(&"uid") => {
                self.patch.id = Some(value.to_owned()).filter(|id| !id.is_empty());
                return;
            }
            Some(&"is_active") => match value.to_ascii_lowercase().as_str() {
                "" => None,
                "1" | "true" => blocks(false),
                "0" | "false" => blocks(true),
                _ => return self.patch.faults.push(Fault::new("is_active", "boolean", "must be 1 or 0")),
            },
            Some(&"status") => blocks(!matches!(value, "" | "0")),
            // Nobody signs in here: a password is not kept.
            Some(_) => return,
        };
        // Of two that say something, the one that blocks counts.
        if self.patch.status != Some(Status::Hidden) {
            self.patch.status = status.or(self.patch.status);
        }
    }

    /// What is wrong with a user in JSON that lacks what is required.
    fn lacking(&self) -> Option<Fault> {
        let lacks = REQUIRED.iter().any(|required| !self.given.contains(required));
        lacks.then(|| Fault::new("", REQUIRED_RULE, format!("Required fields: {}", REQUIRED.join(", "))))
    }

    /// The user as a patch, with this status if it carries none. Who lacks what is required has no other fault.
    fn finish(mut self, status: Option<Status>, lacking: Option<Fault>) -> Patch {
        self.patch.status = self.patch.status.or(status);
        if let Some(fault) = lacking {
            self.patch.faults = vec![fault];
        }
        if self.patch.id.as_ref().is_some_and(|id| id.chars().count() > ID_CHARS_MAX || id.contains('\0')) {
            let message = format!("must have at most {ID_CHARS_MAX} characters, and none that is U+0000");
            self.patch.faults.push(Fault::new("uid", "max_length", message));
            self.patch.id = None;
        }
        self.patch
    }
}

/// The answer to an import.
pub fn answer(counts: &Counts) -> String {
    let Counts { created, updated, activated, hidden, .. } = counts;
    format!(
        "{{\"created_count\":{created},\"updated_count\":{updated},\"blocked_count\":{hidden},\
         \"unblocked_count\":{activated}}}"
    )
}

/// The answer to a refused import: what is wrong, in words.
pub fn refused(message: &str) -> String {
    json!({ "error": message }).to_string()
}

/// What is wrong with a user, in words. `field` is what the dialect calls the rejection's field. In a batch or a CSV the user is in
/// `row`, and the other that the rejection speaks of in `other_row`.
pub fn rejected(field: &str, rejection: &Rejection, row: Option<u64>, other_row: Option<u64>) -> String {
    let place = row.map(|row| format!("row {row}: ")).unwrap_or_default();
    let message = match (field, rejection.rule) {
        // Where cells are missing or shifted, what stands for the uid may be another value.
        ("", _) => return format!("{place}{}", rejection.message),
        ("uid", "twice") => "appears twice in the import; send each user once",
        _ => &rejection.message,
    };
    let other_row = other_row.map(|row| format!("; the other is in row {row}")).unwrap_or_default();
    let uid = rejection.id.as_ref().filter(|_| row.is_some()).map(|id| format!(" (uid {id:?})")).unwrap_or_default();
    format!("{place}{field}: {message}{other_row}{uid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#""login":"l","email":"a@x.com","firstname":"A","secondname":"B","position":"C""#;

    #[test]
    fn values_come_in_several_forms() {
        for (members, id, status) in [
            (r#""uid":"1","is_active":"0""#, "1", Some(Status::Hidden)),
            (r#""uid":1,"is_active":1"#, "1", Some(Status::Active)),
            (r#""uid":"1","status":"2""#, "1", Some(Status::Hidden)),
            (r#""uid":"1","status":0"#, "1", Some(Status::Active)),
            (r#""uid":"1","status":null"#, "1", None),
            (r#""uid":"1","status":1,"is_active":1"#, "1", Some(Status::Hidden)),
            (r#""uid":"1","status":"0","is_active":"""#, "1", Some(Status::Active)),
            (r#""uid":"1","password":{}"#, "1", None),
        ] {
            let patch = user(format!("{{{members},{GOOD}}}").as_bytes()).unwrap();
            assert_eq!((patch.id.as_deref(), patch.status, patch.faults.len()), (Some(id), status, 0), "{members}");
            assert_eq!(patch.data.len(), 5, "{members}");
        }
        let patch =
            user(format!(r#"{{"uid":"1",{GOOD},"structure_uid":["x"],"tags":["a",2],"city":null}}"#).as_bytes());
        let data = patch.unwrap().data;
        assert_eq!(data[5..], [("structure_uid".into(), "x".into()), ("tags".into(), r#"["a","2"]"#.into())]);
    }

    #[test]
    fn what_is_required_is_told_as_documented() {
        for body in ["{}", r#"{"uid":"","city":{}}"#, &format!("{{{GOOD}}}"), &format!(r#"{{"uid":" ",{GOOD}}}"#)] {
            let patch = user(body.as_bytes()).unwrap();
            assert_eq!(patch.faults.len(), 1);
            assert_eq!(patch.faults[0].message, "Required fields: uid, login, email, firstname, secondname, position");
        }
    }
}
