//! LMS Collaborator's users-import: one user, several, or a CSV of all.
//!
//! ```json
//! {"uid": "…", "secondname": "…", "firstname": "…", "login": "…", "email": "…", "position": "…", "is_active": 1, "tags": "a,b"}
//! ```

pub mod csv;
pub mod headings;

use super::facts::{Facts, JSON, RefusalForm};
use crate::json::{self, Unreadable};
use crate::rejection::{Fault, Rejection};
use crate::role::Role;
use crate::roster::{Counts, Intent, Status, valid_id};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashSet;

/// What every user in JSON must have, in the order of the system's documents.
const REQUIRED: [&str; 6] = ["uid", "login", "email", "firstname", "secondname", "position"];

/// The rule that says so, in rejections.
pub const REQUIRED_RULE: &str = "required";

/// What a profile calls its place for the image of `update-photo`.
pub const PHOTO: &str = "photo";

/// What is particular to Collaborator.
pub const FACTS: Facts = Facts {
    name: "collaborator",
    credential: "bearer token",
    roles: &[Role::Push],
    paths: &["/api/v2/", "/api/rest.php/"],
    id: "uid",
    fields: &[
        "secondname",
        "firstname",
        "patronymic",
        "login",
        "email",
        "birth_date",
        "gender",
        "city",
        "department",
        "position",
        "tags",
        "phone",
        "facebook_id",
        "google_id",
        "date_of_employment",
        "work_contact",
        "date_of_assignment_current_position",
        "structure_uid",
        "user_field1",
        "user_field2",
        "user_field3",
        "user_field4",
        "user_field5",
        "customInfo",
        "language",
        "manager_id",
        "manager_uid",
        "role_id",
        PHOTO,
    ],
    required: &["login", "email", "firstname", "secondname", "position"],
    unique: None,
    find_by: None,
    image: Some(PHOTO),
    refusal: Some(RefusalForm { media_type: JSON, body: refused }),
};

/// The members that are no field of a profile.
const OWN: [&str; 4] = ["uid", "is_active", "status", "password"];

/// Reads one user.
pub fn user(body: &[u8]) -> Result<Intent<'static>, Unreadable> {
    let mut user = User::default();
    for (name, raw) in json::members(body)? {
        match sent(&name, raw) {
            Ok(Sent::Nothing) => {}
            Ok(Sent::One(value)) => user.set(&name, &value),
            Ok(Sent::Several(values)) => {
                user.set(&name, &values);
                user.patch.several.push(name);
            }
            Err(message) => user.patch.faults.push(Fault::new(&name, "text", message)),
        }
    }
    let lacking = user.lacking();
    Ok(user.finish(lacking))
}

/// What was sent in a member.
enum Sent {
    /// Nothing: what is stored stays.
    Nothing,
    /// A value.
    One(String),
    /// Several values, as a JSON array of strings.
    Several(String),
}

fn is_own(name: &str) -> bool {
    OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Whether the system's documents know a member or a column of this name.
pub fn is_known(name: &str) -> bool {
    is_own(name) || FACTS.fields.iter().any(|field| field.eq_ignore_ascii_case(name))
}

/// Reads the value of a member. The error is what to do about another.
fn sent(name: &str, raw: &RawValue) -> Result<Sent, &'static str> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    if !is_known(name) {
        // It is ignored, whatever its form.
        return Ok(Sent::One(String::new()));
    }
    let values = match serde_json::from_str::<Value>(raw.get()) {
        _ if name.eq_ignore_ascii_case("password") => return Ok(Sent::Nothing),
        Ok(Value::Null) => return Ok(Sent::Nothing),
        Ok(Value::Array(values)) if values.is_empty() || values == [Value::Null] => return Ok(Sent::Nothing),
        Ok(Value::Array(values)) => values,
        _ => return Ok(Sent::One(json::scalar(raw)?.into_owned())),
    };
    let texts: Option<Vec<String>> = values.iter().map(one).collect();
    let mut texts = texts.ok_or("must be a string, or an array of strings")?;
    let is_tags = name.eq_ignore_ascii_case("tags");
    match texts.len() {
        // What holds one value may be sent in an array; tags are a list anyway.
        1 if !is_tags => Ok(Sent::One(texts.remove(0))),
        _ if is_own(name) => Err("must be one value, not several"),
        _ => {
            let values = serde_json::to_string(&texts).expect("strings are JSON");
            Ok(if is_tags { Sent::One(values) } else { Sent::Several(values) })
        }
    }
}

#[derive(Default)]
struct User {
    patch: Intent<'static>,
    given: Vec<&'static str>,
    names: HashSet<String>,
}

impl User {
    fn set(&mut self, name: &str, value: &str) {
        let value = value.trim();
        if !self.names.insert(name.to_ascii_lowercase()) {
            let fault = Fault::new(name, "twice", "appears twice, in two spellings; send it once");
            return self.patch.faults.push(Fault { known: is_known(name), ..fault });
        }
        if let Some(required) =
            REQUIRED.iter().find(|required| required.eq_ignore_ascii_case(name) && !value.is_empty())
        {
            self.given.push(required);
        }
        let own = OWN.iter().find(|own| own.eq_ignore_ascii_case(name));
        let blocks = |blocked| Some(if blocked { Status::Hidden } else { Status::Active });
        let status = match own {
            None => return self.patch.data.push((name.to_owned().into(), value.to_owned().into())),
            Some(&"uid") => {
                match valid_id(value) {
                    _ if value.is_empty() => {}
                    Ok(id) => self.patch.id = Some(id.to_owned().into()),
                    Err(fault) => self.patch.faults.push(fault),
                }
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

    /// The user as a patch. Who lacks what is required has no other fault.
    fn finish(mut self, lacking: Option<Fault>) -> Intent<'static> {
        if let Some(fault) = lacking {
            self.patch.faults = vec![fault];
        }
        self.patch
    }
}

/// Whom an import was applied without.
pub struct Rejected {
    /// How many users there are.
    pub users: u64,
    /// What is wrong with them, in words: the first things.
    pub errors: Vec<String>,
    /// How many more there are.
    pub more: u64,
}

/// The answer to an import. If it was applied without some users, it has two members more.
pub fn answer(counts: &Counts, rejected: Option<Rejected>) -> String {
    let Counts { created, updated, activated, hidden, .. } = counts;
    let rejected = rejected.map(|Rejected { users, mut errors, more }| {
        if more > 0 {
            errors.push(format!("and {more} more"));
        }
        format!(",\"rejected_count\":{users},\"errors\":{}", json!(errors))
    });
    format!(
        "{{\"created_count\":{created},\"updated_count\":{updated},\"blocked_count\":{hidden},\
         \"unblocked_count\":{activated}{}}}",
        rejected.unwrap_or_default()
    )
}

/// An image as the answer to `update-photo` describes it.
#[derive(Serialize)]
pub struct Photo<'a> {
    /// The name of its file, as it was sent.
    pub name: &'a str,
    /// How long it is, in bytes.
    pub size: usize,
    /// The usual ending of such files.
    pub extension: &'a str,
    /// How wide it is, in pixels.
    pub width: u32,
    /// How high it is, in pixels.
    pub height: u32,
}

/// The answer to `update-photo`.
pub fn photo_answer(photo: &Photo) -> String {
    json!({ "data": photo }).to_string()
}

/// The answer to a refused import: what is wrong, in words.
pub fn refused(message: &str) -> String {
    json!({ "error": message }).to_string()
}

/// What is wrong with a user, in words. `field` is what the dialect calls the rejection's field. In a batch or a CSV the user is in
/// `row`, and the other that the rejection speaks of in `other_row`.
pub fn rejected(field: &str, rejection: &Rejection, row: Option<u64>, other_row: Option<u64>) -> String {
    let place = row.map(|row| format!("row {row}: ")).unwrap_or_default();
    let message = match (field, &*rejection.rule) {
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
        let patch = user(format!(r#"{{"uid":"\u00a07\t",{GOOD},"structure_uid":["b","a"]}}"#).as_bytes()).unwrap();
        assert_eq!(patch.data[5..], [("structure_uid".into(), r#"["b","a"]"#.into())]);
        assert_eq!((patch.id.as_deref(), patch.several), (Some("7"), vec!["structure_uid".to_owned()]));
        let patch = user(format!(r#"{{"uid":["1","2"],{GOOD},"city":[{{}}]}}"#).as_bytes()).unwrap();
        assert_eq!(patch.faults.len(), 1, "the missing uid comes before all else");
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
