//! Suspects as they are stored beside the record of a sync, and beside a plan: JSON.

use super::Error;
use crate::roster::{EmptyShare, Flapping, Listed, MovedValue, SamePerson, Share, Suspects};
use serde_json::{Value, json};

/// Returns the form in which suspects are stored; `None` if there are none, and all were looked at.
pub(super) fn suspects_to_text(suspects: &Suspects) -> Option<String> {
    let Suspects { same_person, flapping, empty_share, moved_value, not_looked_at } = suspects;
    if suspects.count() == 0 && *not_looked_at == 0 {
        return None;
    }
    let share = |Share { empty, of }: &Share| json!([empty, of]);
    let stored = json!({
        "samePerson": listed(same_person, |SamePerson { missing, new, by }| json!([missing, new, by])),
        "flapping": listed(flapping, |Flapping { id, times }| json!([id, times])),
        "emptyShare": listed(empty_share, |EmptyShare { field, before, after }| json!([field, share(before), share(after)])),
        "movedValue": listed(moved_value, |MovedValue { field, from, to }| json!([field, from, to])),
        "notLookedAt": not_looked_at,
    });
    Some(stored.to_string())
}

fn listed<T>(listed: &Listed<T>, to_value: impl Fn(&T) -> Value) -> Value {
    json!([listed.count, Value::from_iter(listed.first.iter().map(to_value))])
}

/// Reads the form in which suspects are stored.
pub(super) fn suspects_of_text(text: &str) -> Result<Suspects, Error> {
    let stored: Value = serde_json::from_str(text).map_err(Error::damaged)?;
    read(&stored).ok_or_else(|| Error::damaged("the suspects of a sync are not as they were stored"))
}

fn read(stored: &Value) -> Option<Suspects> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let share = |value: &Value| Some(Share { empty: value[0].as_u64()?, of: value[1].as_u64()? });
    let same = |one: &Value| {
        let by = one[2].as_array()?.iter().map(text).collect::<Option<_>>()?;
        Some(SamePerson { missing: text(&one[0])?, new: text(&one[1])?, by })
    };
    let flapping = |one: &Value| Some(Flapping { id: text(&one[0])?, times: u32::try_from(one[1].as_u64()?).ok()? });
    let empty =
        |one: &Value| Some(EmptyShare { field: text(&one[0])?, before: share(&one[1])?, after: share(&one[2])? });
    let moved = |one: &Value| Some(MovedValue { field: text(&one[0])?, from: text(&one[1])?, to: text(&one[2])? });
    Some(Suspects {
        same_person: of_listed(&stored["samePerson"], same)?,
        flapping: of_listed(&stored["flapping"], flapping)?,
        empty_share: of_listed(&stored["emptyShare"], empty)?,
        moved_value: of_listed(&stored["movedValue"], moved)?,
        not_looked_at: stored["notLookedAt"].as_u64()?,
    })
}

fn of_listed<T>(stored: &Value, of_value: impl Fn(&Value) -> Option<T>) -> Option<Listed<T>> {
    let first = stored[1].as_array()?.iter().map(of_value).collect::<Option<_>>()?;
    Some(Listed { count: stored[0].as_u64()?, first })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_survive_being_stored() {
        assert_eq!(suspects_to_text(&Suspects::default()), None);
        let mut suspects = Suspects { not_looked_at: 7, ..Suspects::default() };
        let (before, after) = (Share { empty: 1, of: 100 }, Share { empty: 30, of: 101 });
        suspects.same_person.add(|| SamePerson { missing: "1".into(), new: "X\"1".into(), by: vec!["E-mail".into()] });
        (0..30).for_each(|n| suspects.flapping.add(|| Flapping { id: n.to_string(), times: 3 }));
        suspects.empty_share.add(|| EmptyShare { field: "Phone".into(), before, after });
        suspects.moved_value.add(|| MovedValue { field: "E-mail".into(), from: "1".into(), to: "2".into() });
        assert_eq!(suspects_of_text(&suspects_to_text(&suspects).unwrap()).unwrap(), suspects);
        assert!(suspects_of_text("[]").is_err() && suspects_of_text("{").is_err());
    }
}
