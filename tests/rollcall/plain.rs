//! The plain way: an ordinary JSON parser reads the whole body, and each employee is compared with a map. A push must come to the same,
//! whatever it recognises.

use rollcall::limits::Limits;
use rollcall::profile::Profile;
use rollcall::roster::{Counts, Status};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// A roster: id → status and canonical values by field.
pub type Roster = BTreeMap<String, (Status, BTreeMap<String, String>)>;

/// The outcome of a push.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was applied.
    Applied(Counts),
    /// Employees were rejected: each with its place, field and rule.
    Rejected(BTreeSet<(u64, String, String)>),
    /// The body was refused as a whole.
    Refused,
}

/// Pushes a body by the plain way. The roster changes only if the push is applied.
pub fn push(roster: &mut Roster, profile: &Profile, limits: &Limits, body: &[u8]) -> Outcome {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let Some(employees) = std::str::from_utf8(body).ok().and_then(|body| employees(body, profile, limits)) else {
        return Outcome::Refused;
    };
    let mut after = roster.clone();
    let (mut counts, mut rejected) = (Counts::default(), BTreeSet::new());
    let mut seen: HashMap<String, u64> = HashMap::new();
    for (index, element) in (0u64..).zip(employees) {
        let mut faults: BTreeSet<(String, String)> = BTreeSet::new();
        let employee = employee(element, profile, limits, &mut faults);
        if let Some(id) = &employee.id
            && seen.insert(id.clone(), index).is_some()
        {
            faults.insert(("id".into(), "twice".into()));
        }
        if faults.is_empty() {
            let Employee { id: Some(id), status: Some(status), data } = employee else {
                unreachable!("an employee without faults has an id and a status");
            };
            apply(&mut after, id, status, data, &mut counts);
        }
        rejected.extend(faults.into_iter().map(|(field, rule)| (index, field, rule)));
    }
    if rejected.is_empty() {
        *roster = after;
        return Outcome::Applied(counts);
    }
    Outcome::Rejected(rejected)
}

fn apply(roster: &mut Roster, id: String, status: Status, data: Option<BTreeMap<String, String>>, counts: &mut Counts) {
    let Some((stored_status, stored_data)) = roster.get_mut(&id) else {
        counts.created += 1;
        roster.insert(id, (status, data.unwrap_or_default()));
        return;
    };
    let updated = data.is_some_and(|data| std::mem::replace(stored_data, data.clone()) != data);
    let before = std::mem::replace(stored_status, status);
    counts.updated += u64::from(updated);
    counts.activated += u64::from(before == Status::Hidden && status == Status::Active);
    counts.hidden += u64::from(before == Status::Active && status == Status::Hidden);
    counts.unchanged += u64::from(!updated && before == status);
}

/// Returns the elements of a body; `None` if it is refused.
fn employees<'a>(body: &'a str, profile: &Profile, limits: &Limits) -> Option<Vec<&'a RawValue>> {
    let raw: &RawValue = serde_json::from_str(body).ok()?;
    (depth(raw.get()) <= limits.depth_max).then_some(())?;
    let body = object(raw)?;
    let one = |camel: &str, pascal: &str| {
        let mut values = body.iter().filter(|(name, _)| name == camel || name == pascal);
        let first = values.next().map(|(_, value)| *value);
        if values.next().is_some() { Err(()) } else { Ok(first) }
    };
    let employees = one("employees", "Employees").ok()??;
    let id = string(one("profileId", "ProfileId").ok()??)?;
    (uuid::Uuid::parse_str(id.trim()).ok()? == profile.id).then_some(())?;
    let employees: Vec<&RawValue> =
        serde_json::from_str(employees.get()).ok().filter(|_| employees.get().starts_with('['))?;
    (employees.len() as u64 <= limits.employees_max).then_some(())?;
    employees.iter().all(|employee| employee.get().len() <= limits.employee_bytes_max).then_some(employees)
}

/// Returns how deep brackets are nested.
fn depth(json: &str) -> u32 {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

struct Employee {
    id: Option<String>,
    status: Option<Status>,
    data: Option<BTreeMap<String, String>>,
}

fn employee(raw: &RawValue, profile: &Profile, limits: &Limits, faults: &mut BTreeSet<(String, String)>) -> Employee {
    let mut fault = |field: &str, rule: &str| {
        faults.insert((field.into(), rule.into()));
    };
    let nobody = Employee { id: None, status: None, data: None };
    let Some(members) = object(raw) else {
        fault("employee", "object");
        return nobody;
    };
    let mut found: [Option<&RawValue>; 3] = [None; 3];
    for (name, value) in &members {
        let place = ["id", "status", "data", "Id", "Status", "Data"].iter().position(|known| known == name);
        let Some(place) = place.map(|place| place % 3) else {
            continue;
        };
        // A member that appears twice, even as null, is refused.
        if members.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name) && is_known(other)).count() > 1 {
            fault("employee", "object");
            return nobody;
        }
        found[place] = Some(*value).filter(|value| value.get() != "null");
    }
    let [id, status, data] = found;
    let is_number = |raw: &RawValue| raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let id = match id.map(|id| if is_number(id) { Some(id.get().to_owned()) } else { string(id) }) {
        None => Err("required"),
        Some(None) => Err("text"),
        Some(Some(id)) if id.trim().is_empty() => Err("required"),
        Some(Some(id)) if id.trim().chars().count() > 250 => Err("max_length"),
        Some(Some(id)) if id.contains('\0') => Err("text"),
        Some(Some(id)) => Ok(id.trim().to_owned()),
    };
    let id = id.map_err(|rule| fault("id", rule)).ok();
    let status = match status.map(string) {
        None => Err("required"),
        Some(None) => Err("text"),
        Some(Some(status)) => match status.to_ascii_lowercase().as_str() {
            "active" => Ok(Status::Active),
            "hidden" => Ok(Status::Hidden),
            _ => Err("options"),
        },
    };
    let status = status.map_err(|rule| fault("status", rule)).ok();
    if data.is_none() && status == Some(Status::Active) {
        fault("data", "required");
    }
    let (rows, whole) = rows(data, limits, faults);
    let whole = whole && (data.is_some() || status == Some(Status::Hidden));
    let leaves = status == Some(Status::Hidden) && rows.is_empty() && faults.is_empty();
    let data = (!leaves).then(|| values(rows, whole, profile, faults));
    Employee { id, status, data }
}

fn is_known(name: &str) -> bool {
    ["id", "status", "data", "Id", "Status", "Data"].contains(&name)
}

fn rows(
    data: Option<&RawValue>,
    limits: &Limits,
    faults: &mut BTreeSet<(String, String)>,
) -> (Vec<(String, String)>, bool) {
    let mut fault = |field: &str, rule: &str| {
        faults.insert((field.into(), rule.into()));
    };
    let Some(data) = data else {
        return (Vec::new(), true);
    };
    let elements = data.get().starts_with('[').then(|| serde_json::from_str::<Vec<&RawValue>>(data.get()).unwrap());
    let Some(elements) = elements.filter(|elements| elements.len() <= limits.data_rows_max) else {
        fault("data", "array");
        return (Vec::new(), false);
    };
    let (mut rows, mut whole) = (Vec::new(), true);
    for element in elements {
        let row = object(element).and_then(|members| {
            let one = |camel: &str, pascal: &str| {
                let mut values = members.iter().filter(|(name, _)| name == camel || name == pascal);
                let first = values.next().map(|(_, value)| *value);
                if values.next().is_some() { None } else { Some(first) }
            };
            Some((one("name", "Name")?.filter(|name| name.get() != "null"), one("value", "Value")?))
        });
        let read = match row {
            None => Err(("data".to_owned(), "object")),
            Some((None, _)) => Err(("data".to_owned(), "required")),
            Some((Some(name), value)) => match string(name) {
                None => Err(("data".to_owned(), "text")),
                Some(name) => match value.map(text) {
                    Some(Some(value)) => Ok((name, value)),
                    Some(None) => Err((name, "text")),
                    None => Err((name, "required")),
                },
            },
        };
        match read {
            Ok(row) => rows.push(row),
            Err((field, rule)) => {
                whole = false;
                fault(&shortened(&field), rule);
            }
        }
    }
    (rows, whole)
}

fn values(
    rows: Vec<(String, String)>,
    whole: bool,
    profile: &Profile,
    faults: &mut BTreeSet<(String, String)>,
) -> BTreeMap<String, String> {
    let mut pushed: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, value) in &rows {
        if profile.position(name).is_none() {
            faults.insert((shortened(name), "unknown".into()));
        } else if pushed.contains_key(name.as_str()) {
            faults.insert((name.clone(), "twice".into()));
        } else {
            pushed.insert(name, value);
        }
    }
    let mut values = BTreeMap::new();
    for field in &profile.fields {
        match field.canonical(pushed.get(field.name.as_str()).copied().unwrap_or_default()) {
            Ok(Some(value)) => {
                values.insert(field.name.clone(), value.into_owned());
            }
            Ok(None) if field.required && whole => {
                faults.insert((field.name.clone(), "required".into()));
            }
            Ok(None) => {}
            Err(broken) => {
                faults.insert((field.name.clone(), broken.rule.into()));
            }
        }
    }
    values
}

/// Shortens a field's name as an answer does.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Returns the members of an object, in order and with repetitions; `None` for another value.
fn object(raw: &RawValue) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                members.push((Cow::Owned(name), value));
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(raw.get()).deserialize_map(Members).ok()
}

/// Returns a string, unescaped; `None` for another value, or if half of a surrogate pair is missing.
fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// Returns a string, or the JSON text of a number or a boolean, or the empty string for null; `None` for another value.
fn text(raw: &RawValue) -> Option<String> {
    match raw.get().as_bytes()[0] {
        b'n' => Some(String::new()),
        b'{' | b'[' => None,
        b'"' => string(raw),
        _ => Some(raw.get().to_owned()),
    }
}
