//! StartExam's Sync Employees: `POST /v1/employees`, the whole roster as JSON.
//!
//! ```json
//! {"profileId": "…", "employees": [{"id": "…", "status": "active", "data": [{"name": "…", "value": "…"}]}]}
//! ```
//!
//! Properties may be in camelCase or in PascalCase; those that are not known are ignored.

use crate::json::{self, NotJson, Object, Scratch, Unreadable};
use crate::limits::Limits;
use crate::rejection::Fault;
use crate::roster::{Counts, Employee, ID_CHARS_MAX, Names, Pushed, Status};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use uuid::Uuid;

/// What a body may call the array of its employees.
pub const EMPLOYEES: [&str; 2] = ["employees", "Employees"];

/// Reads a body whose array of employees is empty; gives the profile that it names, if it does.
pub fn envelope(body: &[u8]) -> Result<Option<Uuid>, Unreadable> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow, alias = "ProfileId")]
        profile_id: Option<&'a RawValue>,
        #[serde(borrow, alias = "Employees")]
        employees: Option<&'a RawValue>,
    }
    let wrong = |message: &str| Err(Unreadable::Wrong(message.into()));
    json::check(body).map_err(Unreadable::NotJson)?;
    if body.trim_ascii_start().first() != Some(&b'{') {
        return wrong("the body must be a JSON object like {\"profileId\": …, \"employees\": […]}");
    }
    let wire: Wire = json::exact(body).map_err(|error| match error {
        Unreadable::Wrong(message) => {
            Unreadable::Wrong(format!("{message}: a property may stand in the body only once"))
        }
        not_json => not_json,
    })?;
    match wire.employees.map(|employees| employees.get().starts_with('[')) {
        None => return wrong("employees is missing or null; send an array, [] for nobody"),
        Some(false) => return wrong("employees must be an array of objects"),
        Some(true) => {}
    }
    let Some(profile) = wire.profile_id else {
        return Ok(None);
    };
    let id = json::string(profile).map_err(|mend| Unreadable::Wrong(format!("profileId {mend}")))?;
    match Uuid::parse_str(id.trim()) {
        Ok(id) => Ok(Some(id)),
        Err(_) => wrong("profileId must be a GUID like \"d51b5efd-fb21-4cb8-94e2-145014839465\""),
    }
}

#[derive(Deserialize)]
struct Wire<Text, Data> {
    #[serde(alias = "Id")]
    id: Option<Text>,
    #[serde(alias = "Status")]
    status: Option<Text>,
    #[serde(alias = "Data")]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Row<Text> {
    #[serde(alias = "Name")]
    name: Option<Text>,
    #[serde(alias = "Value")]
    value: Option<Text>,
}

/// Reads one element of the array of employees. What is wrong with its form comes beside what can be read of it.
pub fn employee<'a>(
    element: &'a [u8],
    limits: &Limits,
    scratch: &'a mut Scratch,
) -> Result<(Pushed<'a>, Vec<Fault>), NotJson> {
    match json::fast(element, scratch).and_then(usual) {
        Some(pushed) if pushed.data.len() <= limits.data_rows_max => Ok((pushed, Vec::new())),
        _ => exactly(element, limits),
    }
}

/// The employee of an element in which every value is a string, and the id and the status are good.
fn usual<'a>(Object(wire): Object<Wire<&'a str, Vec<Object<Row<&'a str>>>>>) -> Option<Pushed<'a>> {
    let id = wire.id.filter(|id| fault_of_id(id).is_none())?;
    let status = Status::parse(wire.status?)?;
    let rows = wire.data.unwrap_or_default().into_iter();
    let data = rows.map(|Object(row)| Some((row.name?.into(), row.value.unwrap_or_default().into())));
    Some(Pushed { id: Some(id.into()), status: Some(status), data: data.collect::<Option<_>>()?, whole: true })
}

fn exactly<'a>(element: &'a [u8], limits: &Limits) -> Result<(Pushed<'a>, Vec<Fault>), NotJson> {
    let mut pushed = Pushed { id: None, status: None, data: Vec::new(), whole: false };
    let Object(wire) = match json::exact::<Object<Wire<&RawValue, &RawValue>>>(element) {
        Ok(wire) => wire,
        Err(Unreadable::NotJson(not_json)) => return Err(not_json),
        Err(Unreadable::Wrong(message)) => {
            let mend = "an employee is an object, and a property may stand in it only once";
            return Ok((pushed, vec![Fault::new("employee", "object", format!("{message}: {mend}"))]));
        }
    };
    let mut faults = Vec::new();
    pushed.id = id(wire.id).map_err(|fault| faults.push(fault)).ok();
    pushed.status = status(wire.status).map_err(|fault| faults.push(fault)).ok();
    let before = faults.len();
    if let Some(data) = wire.data {
        pushed.data = rows(data, limits, &mut faults);
    }
    pushed.whole = faults.len() == before;
    Ok((pushed, faults))
}

fn id(raw: Option<&RawValue>) -> Result<Cow<'_, str>, Fault> {
    let raw = raw.ok_or_else(|| Fault::new("id", "required", "every employee needs an id"))?;
    let id = json::string(raw).map_err(|mend| Fault::new("id", "text", mend))?;
    match fault_of_id(&id) {
        Some(fault) => Err(fault),
        None => Ok(id),
    }
}

fn fault_of_id(id: &str) -> Option<Fault> {
    if id.is_empty() {
        return Some(Fault::new("id", "required", "every employee needs an id; this one's is empty"));
    }
    if id.len() > ID_CHARS_MAX && id.chars().count() > ID_CHARS_MAX {
        return Some(Fault::new("id", "max_length", format!("an id has at most {ID_CHARS_MAX} characters")));
    }
    id.contains('\0').then(|| Fault::new("id", "text", "must not contain the character U+0000; remove it"))
}

fn status(raw: Option<&RawValue>) -> Result<Status, Fault> {
    let fault = |rule, mend| Fault::new("status", rule, mend);
    let raw = raw.ok_or_else(|| fault("required", "every employee needs a status, active or hidden"))?;
    let text = json::string(raw).map_err(|mend| fault("text", mend))?;
    Status::parse(&text).ok_or_else(|| fault("options", "must be active or hidden"))
}

fn rows<'a>(data: &'a RawValue, limits: &Limits, faults: &mut Vec<Fault>) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let mut fault = |field: &str, rule, mend: &str| faults.push(Fault::new(field, rule, mend));
    let rows = match json::array(data, limits.data_rows_max) {
        Ok(rows) => rows,
        Err(mend) => {
            fault("data", "array", &format!("{mend}: data is an array of rows like {{\"name\": …, \"value\": …}}"));
            return Vec::new();
        }
    };
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        let Ok(Object(row)) = json::exact::<Object<Row<&RawValue>>>(row.get().as_bytes()) else {
            fault(
                "data",
                "object",
                "a row must be an object like {\"name\": …, \"value\": …}, with each property once",
            );
            continue;
        };
        let name = match row.name.map(json::string) {
            Some(Ok(name)) => name,
            Some(Err(mend)) => {
                fault("data", "text", &format!("the name of a row {mend}"));
                continue;
            }
            None => {
                fault("data", "required", "a row of data has no name");
                continue;
            }
        };
        match row.value.map_or(Ok(Cow::Borrowed("")), json::scalar) {
            Ok(value) => read.push((name, value)),
            Err(mend) => fault(&name, "text", mend),
        }
    }
    read
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

/// An employee as it is read back: the form in which it could be pushed, with the profile beside it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown<'a> {
    id: &'a str,
    status: Status,
    profile_id: Option<Uuid>,
    data: Vec<ShownRow<'a>>,
}

#[derive(Serialize)]
struct ShownRow<'a> {
    name: &'a str,
    value: &'a str,
}

/// Shows a stored employee, with the names that its numbers stand for.
pub fn shown<'a>(employee: &'a Employee, names: &'a Names) -> Shown<'a> {
    let row = |(number, value)| Some(ShownRow { name: names.fields.get(&number)?, value });
    Shown {
        id: &employee.id,
        status: employee.status,
        profile_id: names.profiles.get(&employee.profile).copied(),
        data: employee.data.iter().filter_map(row).collect(),
    }
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
        for element in [
            r#"{"id":"1","status":"active","data":[{"name":"a","value":"b"},{"name":"c","value":null},{"name":"d"}]}"#,
            r#"{"Id":"\u0031","Status":"HIDDEN","Data":[{"Name":"\u00e9","Value":"\ud83d\ude00","x":[]}],"y":{"id":"2"}}"#,
            r#"{"id":"1","status":"active","data":null}"#,
            r#"{"id":"1","status":"active"}"#,
        ] {
            let mut scratch = Scratch::default();
            let usual = json::fast(element.as_bytes(), &mut scratch).and_then(usual).expect(element);
            assert_eq!(exactly(element.as_bytes(), &Limits::default()).unwrap(), (usual, Vec::new()), "{element}");
        }
    }

    #[test]
    fn numbers_and_booleans_are_their_json_text() {
        let element =
            br#"{"id":"1","status":"active","data":[{"name":"n","value":-0.50e1},{"name":"b","value":true}]}"#;
        let mut scratch = Scratch::default();
        let (pushed, faults) = employee(element, &Limits::default(), &mut scratch).unwrap();
        assert_eq!(faults, []);
        assert_eq!(pushed.data, [("n".into(), "-0.50e1".into()), ("b".into(), "true".into())]);
    }
}
