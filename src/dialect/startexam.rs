//! StartExam's Sync Employees: `POST /v1/employees`, the whole roster as JSON.
//!
//! ```json
//! {"profileId": "…", "employees": [{"id": "…", "status": "active", "data": [{"name": "…", "value": "…"}]}]}
//! ```
//!
//! Properties may be in camelCase or in PascalCase; those that are not known are ignored and named in the answer.

mod change;
mod renaming;
mod shown;

pub use change::{KINDS, change_bytes, shown_change, shown_hidden_by};
pub use renaming::{Renaming, renaming};
pub use shown::{Shown, shown};

use super::facts::Facts;
use crate::json::{self, NotJson, Object, Scratch, Shape, Unreadable};
use crate::limits::{IGNORED_NAME_CHARS_MAX, IGNORED_NAMES_MAX, Limits};
use crate::rejection::Fault;
use crate::role::Role;
use crate::roster::{Counts, Envelope, Extent, Intent, Status, valid_id};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use uuid::Uuid;

/// What is particular to StartExam.
pub const FACTS: Facts = Facts {
    name: "startexam",
    credential: "SharedKey",
    roles: &[Role::Push, Role::Read, Role::Release, Role::Follow, Role::Administer],
    paths: &["/v1/"],
    id: "id",
    fields: &[],
    required: &[],
    unique: None,
    find_by: None,
    image: None,
    refusal: None,
};

/// The most unknown properties that the message about a missing one names.
const UNKNOWN_LISTED_MAX: usize = 3;

/// What a body may call the array of its employees.
pub const EMPLOYEES: [&str; 2] = ["employees", "Employees"];

struct OfBody;
struct OfEmployee;
struct OfRow;

impl Shape<2> for OfBody {
    const NAMES: [[&'static str; 2]; 2] = [["profileId", "ProfileId"], EMPLOYEES];
}

impl Shape<3> for OfEmployee {
    const NAMES: [[&'static str; 2]; 3] = [["id", "Id"], ["status", "Status"], ["data", "Data"]];
}

impl Shape<2> for OfRow {
    const NAMES: [[&'static str; 2]; 2] = [["name", "Name"], ["value", "Value"]];
}

/// Reads a body whose array of employees is empty.
pub fn envelope(body: &[u8]) -> Result<Envelope, Unreadable> {
    let wrong = |message: &str| Err(Unreadable::Wrong(message.into()));
    json::check(body).map_err(Unreadable::NotJson)?;
    if body.trim_ascii_start().first() != Some(&b'{') {
        return wrong("the body must be a JSON object like {\"profileId\": …, \"employees\": […]}");
    }
    let Object { members, unknown, .. } =
        json::exact::<Object<OfBody, &RawValue, 2>>(body).map_err(|error| match error {
            Unreadable::Wrong(message) => Unreadable::Wrong(format!("{message} in the body; send it once")),
            not_json @ Unreadable::NotJson(_) => not_json,
        })?;
    let [profile, employees] = members.map(|member| member.filter(|raw| raw.get() != "null"));
    match employees.map(|employees| employees.get().starts_with('[')) {
        None => return wrong("employees is missing or null; send an array, [] for nobody"),
        Some(false) => return wrong("employees must be an array of objects"),
        Some(true) => {}
    }
    let mut envelope = Envelope::default();
    unknown.iter().for_each(|name| envelope.ignored.add(name));
    let Some(profile) = profile else {
        return Ok(envelope);
    };
    let id = json::string(profile).map_err(|message| Unreadable::Wrong(format!("profileId {message}")))?;
    match Uuid::parse_str(id.trim()) {
        Ok(id) => Ok(Envelope { profile: Some(id), ..envelope }),
        Err(_) => wrong("profileId must be a GUID like \"d51b5efd-fb21-4cb8-94e2-145014839465\""),
    }
}

/// Reads one element of the array of employees. What is wrong with its form comes beside what can be read of it.
pub fn employee<'a>(element: &'a [u8], limits: &Limits, scratch: &'a mut Scratch) -> Result<Intent<'a>, NotJson> {
    match json::fast(element, scratch).and_then(usual) {
        Some(intent) if intent.data.len() <= limits.data_rows_max => Ok(intent),
        _ => exactly(element, limits),
    }
}

/// A member of an employee in its usual form.
enum Member<'a> {
    Null,
    Scalar(Scalar<'a>),
    Rows(Vec<Row<'a>>),
}

/// A row of data; null for a member that is null.
type Row<'a> = Object<'a, OfRow, Option<Scalar<'a>>, 2>;

/// A scalar whose JSON text is known from its value.
enum Scalar<'a> {
    String(&'a str),
    Integer(String),
    Boolean(bool),
}

impl<'a> Scalar<'a> {
    fn into_text(self) -> Cow<'a, str> {
        match self {
            Scalar::String(text) => Cow::Borrowed(text),
            Scalar::Integer(text) => Cow::Owned(text),
            Scalar::Boolean(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        }
    }
}

impl<'de> Deserialize<'de> for Member<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMember;
        impl<'de> Visitor<'de> for OfMember {
            type Value = Member<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string, an integer, an array or null")
            }

            fn visit_unit<E>(self) -> Result<Member<'de>, E> {
                Ok(Member::Null)
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Member<'de>, E> {
                OfScalar.visit_borrowed_str(text).map(Member::Scalar)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Member<'de>, E> {
                OfScalar.visit_u64(number).map(Member::Scalar)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Member<'de>, E> {
                OfScalar.visit_i64(number).map(Member::Scalar)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Member<'de>, A::Error> {
                let mut rows = Vec::with_capacity(elements.size_hint().unwrap_or_default().min(64));
                while let Some(row) = elements.next_element()? {
                    rows.push(row);
                }
                Ok(Member::Rows(rows))
            }
        }
        deserializer.deserialize_any(OfMember)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfScalar)
    }
}

struct OfScalar;

impl<'de> Visitor<'de> for OfScalar {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string, an integer or a boolean")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::String(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Boolean(value))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Scalar<'de>, E> {
        match number {
            // It may have been written -0.
            0 => Err(E::custom("zero")),
            number => Ok(Scalar::Integer(number.to_string())),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Scalar<'de>, E> {
        match number {
            0 => Err(E::custom("zero")),
            number => Ok(Scalar::Integer(number.to_string())),
        }
    }
}

/// The employee of an element in its usual form: the id is a string or an integer, the values are scalars, and nothing is wrong.
fn usual<'a>(employee: Object<'a, OfEmployee, Member<'a>, 3>) -> Option<Intent<'a>> {
    let Object { members: [id, status, data], unknown: mut ignored, .. } = employee;
    let id = match id? {
        Member::Scalar(Scalar::String(id)) => Cow::Borrowed(valid_id(id).ok()?),
        Member::Scalar(Scalar::Integer(id)) => Cow::Owned(id),
        _ => return None,
    };
    let status = match status? {
        Member::Scalar(Scalar::String(status)) => Status::parse(status)?,
        _ => return None,
    };
    let rows = match data {
        Some(Member::Rows(rows)) => rows,
        None | Some(Member::Null) if status == Status::Hidden => Vec::new(),
        _ => return None,
    };
    let mut data = Vec::with_capacity(rows.len());
    for Object { members: [name, value], unknown, .. } in rows {
        let Some(Scalar::String(name)) = name? else {
            return None;
        };
        data.push((Cow::Borrowed(name), value?.map_or(Cow::Borrowed(""), Scalar::into_text)));
        ignore(&mut ignored, unknown);
    }
    let extent = extent(status, &data);
    Some(Intent { id: Some(id), status: Some(status), data, extent, ignored, ..Intent::default() })
}

/// Adds the names of unknown members to those of an employee, which stay so few that they can be told.
fn ignore<'a>(ignored: &mut Vec<Cow<'a, str>>, unknown: Vec<Cow<'a, str>>) {
    let free = IGNORED_NAMES_MAX.saturating_sub(ignored.len());
    for name in unknown.into_iter().take(free) {
        if !ignored.contains(&name) {
            ignored.push(name);
        }
    }
}

/// Returns how much of an employee's data is carried: all of it, but by a leaver without any, who keeps what is stored.
fn extent(status: Status, data: &[(Cow<str>, Cow<str>)]) -> Extent {
    if status == Status::Hidden && data.is_empty() { Extent::Nothing } else { Extent::All }
}

fn exactly<'a>(element: &'a [u8], limits: &Limits) -> Result<Intent<'a>, NotJson> {
    let mut pushed = Intent { extent: Extent::Unreadable, ..Intent::default() };
    let Object { members, unknown, .. } = match json::exact::<Object<OfEmployee, &RawValue, 3>>(element) {
        Ok(employee) => employee,
        Err(Unreadable::NotJson(not_json)) => return Err(not_json),
        Err(Unreadable::Wrong(message)) => {
            let rule = "an employee is an object, and a property may appear in it only once";
            pushed.faults.push(Fault::new("employee", "object", format!("{message}: {rule}")));
            return Ok(pushed);
        }
    };
    let [id, status, data] = members.map(|member| member.filter(|raw| raw.get() != "null"));
    let mut faults = Vec::new();
    pushed.id = id_of(id).map_err(|fault| faults.push(beside(fault, &unknown))).ok();
    pushed.status = status_of(status).map_err(|fault| faults.push(beside(fault, &unknown))).ok();
    pushed.ignored = unknown;
    let before = faults.len();
    match (data, pushed.status) {
        (Some(data), _) => {
            pushed.data = rows(data, limits, &mut pushed.ignored, &mut faults);
            if faults.len() == before {
                pushed.extent = Extent::All;
            }
        }
        // That is how a leaver arrives.
        (None, Some(Status::Hidden)) => pushed.extent = Extent::All,
        // A misspelt property must not empty anybody.
        (None, Some(Status::Active)) => {
            let message = "an active employee needs the property data; [] says that every field is empty";
            faults.push(beside(Fault::new("data", "required", message), &pushed.ignored));
        }
        (None, None) => {}
    }
    if let (Some(status), true) = (pushed.status, faults.is_empty()) {
        pushed.extent = extent(status, &pushed.data);
    }
    pushed.faults = faults;
    Ok(pushed)
}

/// A fault that names the unknown properties of the same object if it lacks a known one: one of them may be it, misspelt.
fn beside(mut fault: Fault, unknown: &[Cow<str>]) -> Fault {
    if fault.rule != "required" || unknown.is_empty() {
        return fault;
    }
    let name = |name: &Cow<str>| format!("{:?}", name.chars().take(IGNORED_NAME_CHARS_MAX).collect::<String>());
    let names: Vec<String> = unknown.iter().take(UNKNOWN_LISTED_MAX).map(name).collect();
    fault.message = format!("{}; beside it there is {}, which means nothing here", fault.message, names.join(", "));
    fault
}

fn id_of(raw: Option<&RawValue>) -> Result<Cow<'_, str>, Fault> {
    let raw = raw.ok_or_else(|| Fault::new("id", "required", "every employee needs an id"))?;
    match json::string_or_number(raw).map_err(|message| Fault::new("id", "text", message))? {
        Cow::Borrowed(id) => valid_id(id).map(Cow::Borrowed),
        Cow::Owned(id) => valid_id(&id).map(|id| Cow::Owned(id.to_owned())),
    }
}

fn status_of(raw: Option<&RawValue>) -> Result<Status, Fault> {
    let fault = |rule, message| Fault::new("status", rule, message);
    let raw = raw.ok_or_else(|| fault("required", "every employee needs a status, active or hidden"))?;
    let text = json::string(raw).map_err(|message| fault("text", message))?;
    Status::parse(&text).ok_or_else(|| fault("options", "must be active or hidden"))
}

/// Reads the rows of an employee's data, without those that are wrong.
fn rows<'a>(
    data: &'a RawValue,
    limits: &Limits,
    ignored: &mut Vec<Cow<'a, str>>,
    faults: &mut Vec<Fault>,
) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let rows = match json::array(data, limits.data_rows_max) {
        Ok(rows) => rows,
        Err(message) => {
            let message = format!("{message}: data is an array of rows like {{\"name\": …, \"value\": …}}");
            faults.push(Fault::new("data", "array", message));
            return Vec::new();
        }
    };
    let mut read = Vec::with_capacity(rows.len());
    for raw in rows {
        match row(raw, ignored) {
            Ok(row) => read.push(row),
            Err(fault) => faults.push(fault),
        }
    }
    read
}

fn row<'a>(raw: &'a RawValue, ignored: &mut Vec<Cow<'a, str>>) -> Result<(Cow<'a, str>, Cow<'a, str>), Fault> {
    let fault = |rule, message: &str| Fault::new("data", rule, message);
    let Ok(Object { members: [name, value], unknown, .. }) =
        json::exact::<Object<OfRow, &RawValue, 2>>(raw.get().as_bytes())
    else {
        let message = "a row must be an object like {\"name\": …, \"value\": …}, with each property once";
        return Err(fault("object", message));
    };
    let Some(name) = name.filter(|name| name.get() != "null") else {
        return Err(beside(fault("required", "a row of data has no name"), &unknown));
    };
    let name = json::string(name).map_err(|message| fault("text", &format!("the name of a row {message}")))?;
    let Some(value) = value else {
        let message = "the row has no property value; send \"value\": null if the field is empty";
        return Err(beside(Fault::of_client(&name, "required", message), &unknown));
    };
    ignore(ignored, unknown);
    match json::scalar(value) {
        Ok(value) => Ok((name, value)),
        Err(message) => Err(Fault::of_client(&name, "text", message)),
    }
}

/// The answer to a push: the documented five members, byte for byte.
pub fn answer(counts: &Counts) -> String {
    let Counts { created, updated, activated, hidden, unchanged } = counts;
    format!(
        "{{\n  \"employeesCreated\": {created},\n  \"employeesDataUpdated\": {updated},\n  \
         \"employeesStatusChangedToActive\": {activated},\n  \"employeesStatusChangedToHidden\": {hidden},\n  \
         \"employeesNotChanged\": {unchanged}\n}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_documented_one() {
        let answer = answer(&Counts { created: 2, ..Counts::default() });
        assert_eq!(answer.len(), 162);
        assert!(answer.starts_with("{\n  \"employeesCreated\": 2,\n  \"employeesDataUpdated\": 0,\n"));
    }

    #[test]
    fn both_ways_read_the_same() {
        for (element, ignored) in [
            (r#"{"id":"1","status":"active","data":[{"name":"a","value":"b"},{"name":"c","value":null}]}"#, ""),
            (
                r#"{"Id":"\u0031","Status":"HIDDEN","Data":[{"Name":"\u00e9","Value":"\ud83d\ude00","x":[]}],"y":{"id":"2"}}"#,
                "y,x",
            ),
            (r#"{"id":"\u00a0 1\t","z":1,"status":"active","data":[{"z":1,"name":"a","value":true}]}"#, "z"),
            (r#"{"id":-18446,"status":"active","data":[{"value":-7,"name":"a"},{"name":"b","value":12}]}"#, ""),
            (r#"{"id":"1","status":"hidden","data":null}"#, ""),
            (r#"{"id":"1","status":"hidden"}"#, ""),
        ] {
            let mut scratch = Scratch::default();
            let usual = json::fast(element.as_bytes(), &mut scratch).and_then(usual).expect(element);
            assert_eq!(usual.ignored.join(","), ignored, "{element}");
            assert_eq!(exactly(element.as_bytes(), &Limits::default()).unwrap(), usual, "{element}");
        }
    }

    #[test]
    fn numbers_and_booleans_are_their_json_text() {
        let element = br#"{"id":-0,"status":"active","data":[{"name":"n","value":-0.50e1},{"name":"b","value":true},{"name":"z","value":0}]}"#;
        let mut scratch = Scratch::default();
        let pushed = employee(element, &Limits::default(), &mut scratch).unwrap();
        assert_eq!((pushed.id.as_deref(), &pushed.faults[..]), (Some("-0"), &[][..]));
        let expected = [("n", "-0.50e1"), ("b", "true"), ("z", "0")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(pushed.data, expected);
    }

    #[test]
    fn what_is_missing_is_not_guessed() {
        for (element, wrong) in [
            (r#"{"id":"1","status":"active"}"#, "data required"),
            (r#"{"id":"1","status":"active","data":null}"#, "data required"),
            (r#"{"id":"1","status":"active","dat":[]}"#, "data required"),
            (r#"{"id":"1","status":"active","data":[{"name":"a","val":"b"}]}"#, "a required"),
            (r#"{"id":"1","status":"hidden","data":[{"name":"a"}]}"#, "a required"),
            (r#"{"id":"1","status":"active","data":[{"nam":"a","value":"b"}]}"#, "data required"),
            (r#"{"id":"1","status":"active","data":[],"data":null}"#, "employee object"),
            (r#"{"id":"1","status":"active","data":[],"\ud800":1}"#, "employee object"),
        ] {
            let mut scratch = Scratch::default();
            let faults = employee(element.as_bytes(), &Limits::default(), &mut scratch).unwrap().faults;
            let faults: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.field, fault.rule)).collect();
            assert_eq!(faults, [wrong], "{element}");
        }
    }
}
