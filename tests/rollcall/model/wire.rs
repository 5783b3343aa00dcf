//! What is sent, in the words of each dialect, and what that asks for.

use super::fields::{EMAIL, FIELDS, FIRST, Field, LAST, LOGIN, Named, POSITION};
use super::operation::{Command, Row, Sending};
use super::push::{Extent, Push, Wanted, values};
use super::roster::Roster;
use crate::dialects::{ECHOSPAN, unsigned};
use crate::world::{PROFILE, Request};
use serde_json::{Map, Value, json};

/// The keys of the account.
pub struct Keys {
    pub springest: String,
    pub collaborator: String,
    pub echospan: String,
}

/// Makes the request. `plan` is the id of the plan that it is about, `revision` the one that the roster has.
pub fn request(sending: &Sending, keys: &Keys, plan: &str, revision: usize) -> Request {
    match sending {
        Sending::Whole { people, absent, may_be_empty, lenient, dry_run } => {
            let mut query = vec![format!("dryRun={dry_run}")];
            query.extend(absent.map(|hides| format!("absent={}", if hides { "hide" } else { "keep" })));
            query.extend(may_be_empty.then(|| "empty=allow".to_owned()));
            let body = json!({ "profileId": PROFILE, "employees": Value::from_iter(people.iter().map(startexam)) });
            let path = format!("/v1/employees?{}", query.join("&"));
            lenient_or_not(Request::new("POST", &path, body.to_string().as_bytes()), *lenient)
        }
        Sending::Springest(row) => {
            let path = format!("/users.json?api_key={}", keys.springest);
            unsigned("POST", &path, springest(row).to_string().as_bytes())
        }
        Sending::Single(row) => import("single", &collaborator(row).to_string(), keys),
        Sending::Batch { people, lenient } => {
            let users = Value::from_iter(people.iter().map(collaborator));
            lenient_or_not(import("batch", &users.to_string(), keys), *lenient)
        }
        Sending::Csv { columns, people, absent, lenient } => {
            let path = absent.map(|hides| format!("csv?absent={}", if hides { "hide" } else { "keep" }));
            let csv = csv(columns, people);
            let head = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"u.csv\"\r\n\r\n";
            let request = import(path.as_deref().unwrap_or("csv"), &format!("{head}{csv}\r\n--XX--\r\n"), keys);
            lenient_or_not(request.header("Content-Type", "multipart/form-data; boundary=XX"), *lenient)
        }
        Sending::Queue(command, row) => echospan(&format!("{command:?}"), Some(row), keys),
        Sending::Process { lenient } => lenient_or_not(echospan("P", None, keys), *lenient),
        Sending::Delete => echospan("D", None, keys),
        Sending::Apply { rebase, .. } => Request::new("POST", &format!("/v1/plans/{plan}/apply?rebase={rebase}"), b""),
        Sending::Discard { .. } => Request::new("DELETE", &format!("/v1/plans/{plan}"), b""),
        Sending::Rename { from, to, merge } => {
            let body = json!({ "id": to, "merge": merge }).to_string();
            Request::new("POST", &format!("/v1/employees/{}/rename", from.replace('@', "%40")), body.as_bytes())
        }
        Sending::Erase { id } => {
            Request::new("DELETE", &format!("/v1/employees/{}?erase=true", id.replace('@', "%40")), b"")
        }
        Sending::Undo { back, several, anyway, erases } => {
            let last = revision.saturating_sub(*back);
            let created = if *erases { "erase" } else { "hide" };
            let to = if *several > 1 { format!("&to={}", last.saturating_sub(*several)) } else { String::new() };
            let query = format!("?created={created}{to}");
            let body = if anyway.is_empty() { String::new() } else { json!({ "override": anyway }).to_string() };
            Request::new("POST", &format!("/v1/syncs/{last}/revert{query}"), body.as_bytes())
        }
    }
}

fn lenient_or_not(request: Request, lenient: bool) -> Request {
    if lenient { request.header("Prefer", "handling=lenient") } else { request }
}

fn startexam(row: &Row) -> Value {
    let value = |(field, value): &(Field, String)| json!({ "name": FIELDS[*field].name, "value": value });
    let mut employee = json!({ "data": Value::from_iter(row.values.iter().map(value)) });
    if row.has_unknown_field {
        employee["data"].as_array_mut().unwrap().push(json!({ "name": "Unknown", "value": "x" }));
    }
    employee["status"] = (if row.is_active == Some(false) { "hidden" } else { "active" }).into();
    if let Some(id) = &row.id {
        employee["id"] = id.as_str().into();
    }
    employee
}

fn members(row: &Row, called: fn(&Named) -> Option<&'static str>) -> Map<String, Value> {
    let member = |(field, value): &(Field, String)| Some((called(&FIELDS[*field])?.to_owned(), json!(value)));
    row.values.iter().filter_map(member).collect()
}

fn springest(row: &Row) -> Value {
    let mut user = members(row, |field| field.springest);
    user.extend(row.id.iter().map(|id| ("external_id".to_owned(), json!(id))));
    user.extend(row.is_active.map(|is_active| ("active".to_owned(), json!(is_active))));
    user.into()
}

fn collaborator(row: &Row) -> Value {
    let mut user = members(row, |field| field.collaborator);
    user.extend(row.id.iter().map(|id| ("uid".to_owned(), json!(id))));
    user.extend(row.is_active.map(|is_active| ("is_active".to_owned(), json!(u8::from(is_active)))));
    user.into()
}

fn import(kind: &str, body: &str, keys: &Keys) -> Request {
    let request = unsigned("POST", &format!("/api/v2/users-import/{kind}"), body.as_bytes());
    request.header("Authorization", &format!("Bearer {}", keys.collaborator))
}

/// A CSV whose first column is the uid and whose last one says who is active.
fn csv(columns: &[Field], people: &[Row]) -> String {
    let names = columns.iter().filter_map(|field| FIELDS[*field].collaborator);
    let mut csv = format!("uid;is_active;{}\r\n", names.collect::<Vec<_>>().join(";"));
    for Row { id, is_active, values, .. } in people {
        let status = is_active.map_or("", |is_active| if is_active { "1" } else { "0" });
        let cells = values.iter().map(|(_, value)| value.as_str());
        let cells = [id.as_deref().unwrap_or_default(), status].into_iter().chain(cells);
        csv += &format!("{}\r\n", cells.collect::<Vec<_>>().join(";"));
    }
    csv
}

fn echospan(command: &str, row: Option<&Row>, keys: &Keys) -> Request {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Key", &keys.echospan).append_pair("ClientID", "1234").append_pair("Cmd", command);
    if let Some(row) = row {
        form.append_pair("EmpIDNumber", row.id.as_deref().unwrap_or_default());
        for (field, value) in &row.values {
            if let Some(name) = FIELDS[*field].echospan {
                form.append_pair(name, value);
            }
        }
    }
    let request = unsigned("POST", ECHOSPAN, form.finish().as_bytes());
    request.header("Content-Type", "application/x-www-form-urlencoded")
}

/// Returns what something that is sent asks for, if it is a push; `None` for a push that is refused whatever the roster is.
pub fn asked(sending: &Sending, roster: &Roster) -> Option<(Push, Vec<Wanted>)> {
    let patch = |dialect| Push { dialect, hides: None, may_be_empty: false, lenient: false };
    let list = |dialect, hides| Push { hides: Some(hides), ..patch(dialect) };
    Some(match sending {
        Sending::Whole { people, absent, may_be_empty, lenient, .. } => {
            let push = list("startexam", absent.unwrap_or(false));
            let push = Push { may_be_empty: *may_be_empty, lenient: *lenient, ..push };
            (push, people.iter().map(of_startexam).collect())
        }
        Sending::Springest(row) => (patch("springest"), vec![of_springest(row)]),
        Sending::Single(row) => (patch("collaborator"), vec![of_collaborator(row)]),
        Sending::Batch { people, lenient } => {
            let push = Push { lenient: *lenient, ..patch("collaborator") };
            (push, people.iter().map(of_collaborator).collect())
        }
        Sending::Csv { people, absent, lenient, .. } => {
            let push = Push { lenient: *lenient, ..list("collaborator", absent.unwrap_or(true)) };
            (push, people.iter().map(of_csv).collect())
        }
        Sending::Process { lenient } => (Push { lenient: *lenient, ..patch("echospan") }, roster.queue.clone()),
        Sending::Queue(..)
        | Sending::Delete
        | Sending::Apply { .. }
        | Sending::Discard { .. }
        | Sending::Rename { .. }
        | Sending::Erase { .. }
        | Sending::Undo { .. } => return None,
    })
}

fn some_of(row: &Row, called: fn(&Named) -> Option<&'static str>) -> Wanted {
    let known = row.values.iter().filter(|(field, _)| called(&FIELDS[*field]).is_some()).cloned();
    Wanted {
        id: row.id.clone(),
        key: None,
        is_active: row.is_active,
        extent: Extent::Some,
        values: values(&known.collect::<Vec<_>>()),
        must_exist: false,
        is_wrong: false,
    }
}

fn of_startexam(row: &Row) -> Wanted {
    let wanted = some_of(row, |field| Some(field.name));
    // A leaver without data keeps what is stored.
    let leaves = row.is_active == Some(false) && row.values.is_empty() && !row.has_unknown_field;
    let extent = if leaves { Extent::Nothing } else { Extent::All };
    Wanted {
        extent,
        is_active: Some(row.is_active != Some(false)),
        is_wrong: row.has_unknown_field || row.id.is_none(),
        ..wanted
    }
}

fn of_springest(row: &Row) -> Wanted {
    let wanted = some_of(row, |field| field.springest);
    let key = wanted.values.get(&EMAIL).and_then(|email| email.clone().ok().flatten());
    // Springest's own documents know one way to write a date.
    let is_iso = |born: &str| born.is_empty() || born.contains('-');
    let is_wrong = row.get(super::fields::BORN).is_some_and(|born| !is_iso(born)) || row.id.is_none() && key.is_none();
    Wanted { key, is_wrong, ..wanted }
}

fn of_collaborator(row: &Row) -> Wanted {
    let lacks = |field: &Field| row.get(*field).is_none_or(|value| value.trim().is_empty());
    let is_wrong = row.id.is_none() || [LOGIN, EMAIL, FIRST, LAST, POSITION].iter().any(lacks);
    Wanted { is_wrong, ..some_of(row, |field| field.collaborator) }
}

fn of_csv(row: &Row) -> Wanted {
    let lacks = |field: &Field| row.get(*field).is_none_or(|value| value.trim().is_empty());
    let is_wrong = row.id.is_none() || [LOGIN, FIRST, LAST].iter().any(lacks);
    Wanted { is_wrong, ..some_of(row, |field| field.collaborator) }
}

/// Returns what a record of EchoSpan's queue asks for; `None` if it is not queued because something is wrong with it.
pub fn of_echospan(command: Command, row: &Row) -> Option<Wanted> {
    let lacks = |field: &Field| row.get(*field).is_none_or(|value| value.trim().is_empty());
    if row.id.is_none() || [FIRST, LAST, EMAIL].iter().any(lacks) {
        return None;
    }
    let wanted = some_of(row, |field| field.echospan);
    if command == Command::T {
        let values = values(&[]);
        return Some(Wanted { is_active: Some(false), must_exist: true, values, ..wanted });
    }
    let mut values = wanted.values;
    if values.values().any(Result::is_err) {
        return None;
    }
    values.retain(|_, value| !matches!(value, Ok(None)));
    values.entry(super::fields::BOSS).or_insert_with(|| Ok(Some("false".into())));
    Some(Wanted { is_active: Some(true), values, ..wanted })
}
