//! Springest Go's users.json: one employee a request.
//!
//! ```json
//! {"external_id": "…", "email": "…", "first_name": "…", "active": true, "tags": ["…"], "approvers": [{"email": "…", "label": "Manager"}]}
//! ```

use super::facts::{Facts, JSON, RefusalForm};
use crate::json::{self, Unreadable};
use crate::rejection::{Fault, Rejection};
use crate::role::Role;
use crate::roster::{Employee, Intent, Status, valid_id};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// The field that has a user's e-mail address. It finds a user whose id is not stored.
pub const EMAIL: &str = "email";

/// What is particular to Springest.
pub const FACTS: Facts = Facts {
    name: "springest",
    credential: "`api_key`",
    roles: &[Role::Push, Role::Read],
    paths: &["/users.json"],
    id: "external_id",
    fields: &[
        "email",
        "gender",
        "first_name",
        "last_name",
        "phone_number",
        "birthdate",
        "birthplace",
        "company_name",
        "address",
        "house_number",
        "zip_code",
        "city",
        "country",
        "job_title",
        "department_name",
        "business_unit",
        "cost_center",
        "cost_center_name",
        "approvers",
        "tags",
        "employment_start_date",
        "employment_end_date",
    ],
    required: &[EMAIL],
    unique: Some(EMAIL),
    find_by: Some(EMAIL),
    image: None,
    refusal: Some(RefusalForm { media_type: JSON, body: refused }),
};

/// The labels of an approver.
const LABELS: [&str; 3] = ["Manager", "Non-approving manager", "Higher manager"];

/// Reads a body: one user. What is wrong with its form is among the patch's faults.
pub fn user(body: &[u8]) -> Result<Intent<'static>, Unreadable> {
    let members = json::members(body)?;
    let mut patch = Intent::default();
    for (name, raw) in &members {
        let fault = |rule, message: &str| Fault::new(name, rule, message);
        match name.as_str() {
            "external_id" => match json::scalar(raw) {
                Ok(id) if id.trim().is_empty() => {}
                Ok(id) => match valid_id(&id) {
                    Ok(id) => patch.id = Some(id.to_owned().into()),
                    Err(fault) => patch.faults.push(fault),
                },
                Err(message) => patch.faults.push(fault("text", message)),
            },
            "active" => match boolean(raw) {
                Ok(active) => patch.status = active.map(|active| if active { Status::Active } else { Status::Hidden }),
                Err(message) => patch.faults.push(fault("boolean", message)),
            },
            "approvers" => match approvers(raw) {
                Ok(value) => patch.data.push((name.clone().into(), value.into())),
                Err(message) => patch.faults.push(fault("approvers", &message)),
            },
            "tags" => match tags(raw) {
                Ok(value) => patch.data.push((name.clone().into(), value.into())),
                Err(message) => patch.faults.push(fault("list", &message)),
            },
            _ => {
                let called = if name == "employee_end_date" { "employment_end_date" } else { name };
                let is_field = FACTS.fields.contains(&called);
                match json::scalar(raw) {
                    Ok(value) => match wrong_form(called, value.trim()) {
                        Some(message) => patch.faults.push(fault("format", message)),
                        None => patch.data.push((called.to_owned().into(), value.into_owned().into())),
                    },
                    // What is no field is ignored, whatever its form.
                    Err(_) if !is_field => patch.data.push((called.to_owned().into(), "".into())),
                    Err(message) => patch.faults.push(fault("text", message)),
                }
            }
        }
    }
    let has_email = patch.data.iter().any(|(name, value)| name == EMAIL && !value.trim().is_empty());
    if patch.id.is_none() && !has_email && patch.faults.is_empty() {
        patch.faults.push(Fault::new(
            EMAIL,
            "required",
            "can't be missing together with external_id; send one of the two",
        ));
    }
    Ok(patch)
}

/// What is wrong with a value by the dialect's own documents, which are narrower than a profile need be.
fn wrong_form(name: &str, value: &str) -> Option<&'static str> {
    let is_date = || value.len() == 10 && value.parse::<jiff::civil::Date>().is_ok();
    match name {
        _ if value.is_empty() => None,
        "gender" => (!matches!(value, "m" | "f")).then_some("must be m or f"),
        "birthdate" | "employment_start_date" | "employment_end_date" => (!is_date()).then_some("must be yyyy-mm-dd"),
        _ => None,
    }
}

/// A boolean, also as a string or a number; `None` for null.
fn boolean(raw: &RawValue) -> Result<Option<bool>, &'static str> {
    match json::scalar(raw)?.trim().to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        _ => Err("must be true or false"),
    }
}

/// Tags as one value; an array, or a string with commas.
fn tags(raw: &RawValue) -> Result<String, String> {
    let wrong = || "must be an array of strings, like [\"Marketer\", \"department-1\"]".to_owned();
    match serde_json::from_str(raw.get()) {
        Ok(Value::Array(tags)) if tags.iter().all(Value::is_string) => Ok(raw.get().to_owned()),
        Ok(Value::String(tags)) => Ok(tags),
        Ok(Value::Null) => Ok(String::new()),
        _ => Err(wrong()),
    }
}

/// Approvers as a value of a reference to many.
fn approvers(raw: &RawValue) -> Result<String, String> {
    let Ok(Value::Array(approvers)) = serde_json::from_str(raw.get()) else {
        return match raw.get() {
            "null" | "\"\"" => Ok(String::new()),
            _ => {
                Err("must be an array like [{\"email\": \"…\", \"label\": \"Manager\", \"can_approve\": true}]".into())
            }
        };
    };
    let mut named = Vec::new();
    for (place, approver) in approvers.iter().enumerate() {
        let wrong = |what: &str| Err(format!("number {} {what}", place + 1));
        let Some(approver) = approver.as_object() else {
            return wrong("must be an object with email and label");
        };
        let Some(email) = approver.get("email").and_then(Value::as_str).filter(|email| !email.trim().is_empty()) else {
            return wrong("has no email");
        };
        let label = approver.get("label").and_then(Value::as_str).unwrap_or_default().trim().replace(['_', '-'], " ");
        let Some(label) = LABELS.iter().find(|known| known.replace('-', " ").eq_ignore_ascii_case(&label)) else {
            return wrong("must have a label: Manager, Non-approving manager or Higher manager");
        };
        let can_approve = match approver.get("can_approve") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(can_approve)) => *can_approve,
            Some(_) => return wrong("must have true or false for can_approve"),
        };
        named.push(json!({ "to": email.trim(), "label": label, "can_approve": can_approve }));
    }
    Ok(Value::Array(named).to_string())
}

/// The answer to a push of a user, who has this number.
pub fn answer(number: u32) -> String {
    json!({ "id": number.to_string() }).to_string()
}

/// The answer to a refused push: what is wrong, by what the dialect calls each field.
pub fn errors<'a>(rejections: impl Iterator<Item = (&'a str, &'a Rejection)>) -> String {
    let mut errors = Map::new();
    for (name, rejection) in rejections {
        let messages = errors.entry(name).or_insert_with(|| json!([]));
        messages.as_array_mut().expect("it was made so").push(json!(rejection.message));
    }
    json!({ "errors": errors }).to_string()
}

/// The answer to a request that is refused as a whole.
fn refused(message: &str) -> String {
    json!({ "errors": { "base": [message] } }).to_string()
}

/// A user as it is read back.
pub fn shown(number: u32, employee: &Employee, email: Option<&str>) -> String {
    json!({
        "id": number.to_string(),
        "external_id": employee.id,
        "user_email": email.unwrap_or_default(),
        "active": (employee.status == Status::Active).to_string(),
        "learning_track_status": "no_tracks_assigned",
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Intent<'static> {
        user(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_user_becomes_a_patch() {
        let patch = read(json!({
            "external_id": "\u{a0}4711 ", "email": "a@x.com", "active": "false", "tags": ["A b", "c"], "birthplace": null,
            "employee_end_date": "2024-01-31",
            "approvers": [{ "email": "b@x.com", "label": "non_approving-manager" }],
        }));
        assert_eq!(patch.faults, []);
        assert_eq!((patch.id.as_deref(), patch.status), (Some("4711"), Some(Status::Hidden)));
        let data: Vec<(&str, &str)> = patch.data.iter().map(|(name, value)| (&**name, &**value)).collect();
        let approver = r#"[{"to":"b@x.com","label":"Non-approving manager","can_approve":true}]"#;
        assert_eq!(
            data,
            [
                ("email", "a@x.com"),
                ("tags", r#"["A b","c"]"#),
                ("birthplace", ""),
                ("employment_end_date", "2024-01-31"),
                ("approvers", approver)
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_a_fault_of_its_member() {
        for (body, field) in [
            (json!({}), "email"),
            (json!({ "email": "" }), "email"),
            (json!({ "external_id": [] }), "external_id"),
            (json!({ "external_id": "x".repeat(251) }), "id"),
            (json!({ "email": "a@x.com", "active": "maybe" }), "active"),
            (json!({ "email": "a@x.com", "tags": [1] }), "tags"),
            (json!({ "email": "a@x.com", "city": {} }), "city"),
            (json!({ "email": "a@x.com", "gender": "x" }), "gender"),
            (json!({ "email": "a@x.com", "birthdate": "03.04.1990" }), "birthdate"),
            (json!({ "email": "a@x.com", "employee_end_date": "2023-02-29" }), "employee_end_date"),
            (json!({ "email": "a@x.com", "approvers": [{ "email": "b@x.com" }] }), "approvers"),
            (json!({ "email": "a@x.com", "approvers": [{ "label": "Manager" }] }), "approvers"),
            (json!({ "email": "a@x.com", "approvers": "b@x.com" }), "approvers"),
        ] {
            let faults: Vec<String> = read(body.clone()).faults.into_iter().map(|fault| fault.field).collect();
            assert_eq!(faults, [field], "{body}");
        }
        assert!(matches!(user(b"{"), Err(Unreadable::NotJson(_))));
        assert!(matches!(user(b"[]"), Err(Unreadable::Wrong(_))));
        assert!(matches!(user(br#"{"email":"a","email":"b"}"#), Err(Unreadable::Wrong(_))));
    }
}
