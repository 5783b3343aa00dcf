//! Pages of changes: of a plan, or of a sync.

use super::paging::Paging;
use crate::dialect::startexam::{KINDS, change_bytes, shown_change};
use crate::roster::{Change, Kinds, Names, Version};
use crate::server::Server;
use crate::server::respond::{Answer, Refusal, json};
use crate::store::RecordedChange;
use hyper::StatusCode;
use serde_json::json;

/// How many changes a page may pass over, looking for those that it is asked for.
const PASSED_OVER_MAX: usize = 10_000;

/// Which changes are asked for.
pub struct Page {
    /// The id that the employee has before or after the change.
    pub id: Option<String>,
    kind: Option<fn(Kinds) -> bool>,
    field: Option<String>,
    paging: Paging,
}

impl Page {
    /// Reads the query: 400 if it is wrong.
    pub fn parse(query: &str, limit_max: usize) -> Result<Page, Refusal> {
        Page::parse_query(query, limit_max).map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))
    }

    fn parse_query(query: &str, limit_max: usize) -> Result<Page, String> {
        let mut page = Page { id: None, kind: None, field: None, paging: Paging::first(limit_max) };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                _ if value.is_empty() => {}
                "kind" => {
                    let kind = KINDS.iter().find(|(name, _)| *name == value);
                    let names = || KINDS.map(|(name, _)| name).join(", ");
                    page.kind = Some(kind.ok_or_else(|| format!("kind must be one of {}", names()))?.1);
                }
                "field" => page.field = Some(value.into_owned()),
                "id" => page.id = Some(value.into_owned()),
                other => {
                    let unknown =
                        || Err("there are the parameters kind, field, id, cursor and limit, and no others".into());
                    page.paging.set(other, &value).unwrap_or_else(unknown)?;
                }
            }
        }
        Ok(page)
    }

    /// Makes the answer. `part` returns some changes of employees with a number above the one that it gets, in the order of the numbers; none
    /// at the end.
    pub fn read(
        &self,
        server: &Server,
        names: &Names,
        mut part: impl FnMut(u32) -> Result<Vec<RecordedChange>, Refusal>,
    ) -> Result<Answer, Refusal> {
        let field = self.field.as_ref().map(|name| {
            let named = names.fields.iter().find(|(_, other)| *other == name);
            named.map(|(number, _)| *number).ok_or_else(|| {
                let message = "the account has no field of this name; names are compared as they are, case and all";
                Refusal::new(StatusCode::BAD_REQUEST, message)
            })
        });
        let field = field.transpose()?;
        let (mut shown, mut after, mut next) = (Vec::new(), self.paging.after, None);
        let (mut bytes, mut passed_over) = (0, 0);
        'page: loop {
            let part = part(after)?;
            if part.is_empty() {
                break;
            }
            for RecordedChange { change, hidden_by } in &part {
                let is_full = shown.len() == self.paging.limit || bytes >= server.limits.page_bytes_max;
                if is_full || passed_over == PASSED_OVER_MAX {
                    next = Some(after.to_string());
                    break 'page;
                }
                after = change.number;
                if self.accepts(&change.lend(), field) {
                    bytes += change_bytes(change);
                    shown.push(shown_change(&change.lend(), *hidden_by, names));
                } else {
                    passed_over += 1;
                }
            }
        }
        Ok(json(StatusCode::OK, &json!({ "changes": shown, "nextCursor": next })))
    }

    fn accepts(&self, change: &Change, field: Option<u32>) -> bool {
        let has_id = |id: &String| change.before.iter().chain(&change.after).any(|version| version.id == id);
        self.kind.is_none_or(|is_kind| is_kind(change.kinds()))
            && field.is_none_or(|field| changes_field(change, field))
            && self.id.as_ref().is_none_or(has_id)
    }
}

/// Whether a change gives a field another value.
fn changes_field(change: &Change, field: u32) -> bool {
    let value = |version: Option<Version>| version.and_then(|version| version.data.text(field).map(str::to_owned));
    value(change.before) != value(change.after)
}
