//! An employee as it is read back.

use crate::roster::{Employee, Names};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use std::borrow::Cow;
use uuid::Uuid;

/// An employee as it is read back: the form in which it is pushed, with the profile beside it, and with links to images.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown<'a> {
    id: &'a str,
    status: &'static str,
    profile_id: Option<Uuid>,
    data: Vec<ShownRow<'a>>,
}

#[derive(Serialize)]
struct ShownRow<'a> {
    name: &'a str,
    value: Cow<'a, str>,
}

/// Shows a stored employee, of the revision `at` if it is not the last one; `names` has what its numbers mean. The value of a field whose number
/// `is_image` is shown as a link.
pub fn shown<'a>(
    employee: &'a Employee,
    names: &'a Names,
    is_image: impl Fn(u32) -> bool,
    at: Option<u64>,
) -> Shown<'a> {
    let row = |(number, value)| {
        let name = names.fields.get(&number)?;
        let value = if is_image(number) { image_link(&employee.id, name, at).into() } else { Cow::Borrowed(value) };
        Some(ShownRow { name, value })
    };
    Shown {
        id: &employee.id,
        status: employee.status.as_str(),
        profile_id: names.profiles.get(&employee.profile).copied(),
        data: employee.data.iter().filter_map(row).collect(),
    }
}

/// Returns the path, with the query, of the image that an employee has in a field, or had at a revision.
fn image_link(id: &str, field: &str, at: Option<u64>) -> String {
    let [id, field] = [id, field].map(|part| utf8_percent_encode(part, UNRESERVED));
    let at = at.map(|revision| format!("?at={revision}")).unwrap_or_default();
    format!("/v1/employees/{id}/image/{field}{at}")
}

/// Encodes everything but the unreserved characters of RFC 3986.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
