//! Suspects as they are read back, of a sync or a plan.

use crate::roster::{EmptyShare, Flapping, Listed, MovedValue, SamePerson, Share, Suspects};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// What need not be encoded in a part of a path.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Shows what in a sync or a plan looks odd: how many there are, and of each kind how many and the first of them.
pub fn shown(suspects: &Suspects) -> Value {
    let Suspects { same_person, flapping, empty_share, moved_value, not_looked_at } = suspects;
    let same = |SamePerson { missing, new, by }: &SamePerson| {
        let rename = format!("/v1/employees/{}/rename", utf8_percent_encode(missing, PART));
        json!({ "missing": missing, "new": new, "by": by, "rename": rename })
    };
    let share = |share: &Share| json!({ "empty": share.empty, "of": share.of });
    let empty = |EmptyShare { field, before, after }: &EmptyShare| json!({ "field": field, "before": share(before), "after": share(after) });
    json!({
        "count": suspects.count(),
        "samePerson": listed(same_person, same),
        "flapping": listed(flapping, |Flapping { id, times }| json!({ "id": id, "times": times })),
        "emptyShare": listed(empty_share, empty),
        "movedValue": listed(moved_value, |MovedValue { field, from, to }| json!({ "field": field, "from": from, "to": to })),
        "notLookedAt": not_looked_at,
    })
}

fn listed<T>(listed: &Listed<T>, shown: impl Fn(&T) -> Value) -> Value {
    json!({ "count": listed.count, "first": Value::from_iter(listed.first.iter().map(shown)) })
}
