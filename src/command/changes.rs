//! What a plan changes, for people and for machines.

use super::{Failed, out};
use crate::dialect::startexam::shown_change;
use crate::roster::{Counts, FLAPPING_DAYS, Share};
use crate::store::{Plan, Reader};
use serde_json::Value;

/// Prints who sent the push that became a plan, or who made the undo that did, and when.
pub fn print_plan(plan: &Value) -> Result<(), Failed> {
    let text = |name: &str| plan[name].as_str().unwrap_or("unknown");
    let (id, made_at, expires_at, peer) = (text("id"), text("madeAt"), text("expiresAt"), text("peer"));
    let key = plan["key"].as_i64().map_or("an unknown key".into(), |key| format!("key {key}"));
    out!("plan {id} of {made_at} waits until {expires_at}; it is for revision {}", plan["revision"])?;
    if plan["why"] != "undo" {
        return out!("sent with {key} from {peer} ({}), {} employees", text("dialect"), plan["employees"]);
    }
    let (from, to) = (&plan["undo"]["from"], &plan["undo"]["to"]);
    let what = if from == to { format!("revision {to}") } else { format!("the revisions {from} to {to}") };
    match plan["peer"].as_str() {
        Some(peer) => out!("an undo of {what}, made with {key} from {peer}"),
        None => out!("an undo of {what}, made by a command on the server"),
    }
}

/// Who is removed by an undo. The five counts have them among the hidden, unless they were hidden already.
#[derive(Default)]
pub struct Removed {
    all: u64,
    hidden: u64,
}

impl Removed {
    /// Counts a change, as the server shows it.
    pub fn count(&mut self, change: &Value) {
        let is = |kind: &str| change["kinds"].as_array().into_iter().flatten().any(|of| of == kind);
        if is("removed") {
            self.all += 1;
            self.hidden += u64::from(is("hidden"));
        }
    }

    /// Prints what an undo comes to.
    pub fn print_totals(&self, plan: &Plan, conflicts: u64) -> Result<(), Failed> {
        let Counts { created, updated, activated, hidden, .. } = plan.counts;
        let hidden = hidden - self.hidden.min(hidden);
        out!(
            "restored {}: created {created}, updated {updated}, activated {activated}, hidden {hidden}, removed {}; in conflict {conflicts}",
            plan.employees,
            self.all
        )
    }
}

/// Prints the guards that have stopped the push that became a plan, or would stop it.
pub fn print_guards(plan: &Value) -> Result<(), Failed> {
    let held = if plan["why"] == "dryRun" { "a guard would stop this push" } else { "a guard stopped this push" };
    for guard in plan["guards"].as_array().into_iter().flatten() {
        out!("{held}: {}", guard["message"].as_str().unwrap_or_default())?;
    }
    Ok(())
}

/// Prints what in a sync or a plan of an account looks odd, as the server shows it, and what can be done about it.
pub fn print_suspects(account: i64, about: &Value) -> Result<(), Failed> {
    let suspects = &about["suspects"];
    let kind = |name: &str| suspects[name]["first"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().escape_debug().to_string();
    for one in kind("samePerson") {
        let (missing, new) = (text(&one["missing"]), text(&one["new"]));
        let by: Vec<String> = one["by"].as_array().into_iter().flatten().map(text).collect();
        let by = by.join(", ");
        out!("suspect: {missing} is gone and {new} is new, and both have the same {by}; if they are one person:")?;
        out!("    rollcall rename {account} {} {}", quoted(&one["missing"]), quoted(&one["new"]))?;
    }
    for one in kind("flapping") {
        out!("suspect: the status of {} changed {} times in {FLAPPING_DAYS} days", text(&one["id"]), one["times"])?;
    }
    for one in kind("emptyShare") {
        let share = |name: &str| {
            let number = |of: &str| one[name][of].as_u64().unwrap_or_default();
            Share { empty: number("empty"), of: number("of") }.percent()
        };
        let (field, before, after) = (text(&one["field"]), share("before"), share("after"));
        out!("suspect: {field} was empty for {before} % of all employees, and then for {after} %")?;
    }
    for one in kind("movedValue") {
        let (field, from, to) = (text(&one["field"]), text(&one["from"]), text(&one["to"]));
        out!("suspect: the {field} that {from} had went to {to}")?;
    }
    for (name, what) in [
        ("samePerson", "pairs who may be one person"),
        ("flapping", "employees whose status changes often"),
        ("emptyShare", "fields that are empty more or less often"),
        ("movedValue", "values that went to somebody else"),
    ] {
        let more = suspects[name]["count"].as_u64().unwrap_or(0) - kind(name).count() as u64;
        if more > 0 {
            out!("suspect: {more} more {what}")?;
        }
    }
    match suspects["notLookedAt"].as_u64() {
        None | Some(0) => Ok(()),
        Some(many) => out!("{many} more employees were too many to be looked at for suspects"),
    }
}

/// A text as a shell takes it for one argument.
fn quoted(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default();
    let is_plain = |c: char| c.is_alphanumeric() || "-_.@+:/".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => quoted.push_str(r"'\''"),
            '"' | '\\' => quoted.push(c),
            // A terminal obeys nothing of what is printed.
            _ => quoted.extend(c.escape_debug()),
        }
    }
    quoted.push('\'');
    quoted
}

/// Calls `each` with every change of the plan with a number, as the server shows it, until it fails.
pub fn each(reader: &Reader, plan: u32, mut each: impl FnMut(&Value) -> Result<(), Failed>) -> Result<(), Failed> {
    let (names, mut after) = (reader.names()?, 0);
    loop {
        let part = reader.plan_part(plan, after)?;
        let Some(last) = part.last() else {
            return Ok(());
        };
        after = last.change.number;
        part.iter().try_for_each(|planned| each(&shown_change(&planned.change.lend(), None, &names)))?;
    }
}

/// Prints a change, as the server shows it: + created, ~ updated, ! hidden, - removed, and each field before and after. A terminal obeys nothing of what is
/// printed: an id may be any text that a client has sent.
pub fn print(change: &Value) -> Result<(), Failed> {
    let kinds: Vec<&str> = change["kinds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let sign = match kinds[..] {
        _ if kinds.contains(&"removed") => '-',
        _ if kinds.contains(&"hidden") => '!',
        _ if kinds.contains(&"created") => '+',
        _ => '~',
    };
    out!("{sign} {}  {}", change["id"].as_str().unwrap_or_default().escape_debug(), kinds.join(", "))?;
    for (name, label) in [("idChange", "id"), ("status", "status")] {
        let (before, after) = (&change[name]["before"], &change[name]["after"]);
        if before.is_string() {
            out!("    {label}: {} → {}", value(before), value(after))?;
        }
    }
    for field in change["fields"].as_array().into_iter().flatten() {
        let name = field["name"].as_str().unwrap_or_default().escape_debug();
        match (&field["before"], &field["after"]) {
            (Value::Null, after) if kinds.contains(&"created") => out!("    {name}: {}", value(after))?,
            (before, after) => out!("    {name}: {} → {}", value(before), value(after))?,
        }
    }
    Ok(())
}

/// A value as it is printed: in quotes, and without anything that a terminal would obey.
fn value(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Null => "nothing".into(),
        long => format!("({} bytes)", long["bytes"]),
    }
}

/// Prints a plan or a sync with its changes as one JSON object, a change a line.
pub struct Document {
    is_first: bool,
}

impl Document {
    /// Begins the object with the plan.
    pub fn begin(plan: &Value) -> Result<Document, Failed> {
        Document::begin_with("plan", plan)
    }

    /// Begins the object with what made the changes, under this name.
    pub fn begin_with(name: &str, about: &Value) -> Result<Document, Failed> {
        out!("{{\"{name}\": {about}, \"changes\": [")?;
        Ok(Document { is_first: true })
    }

    /// Prints a change.
    pub fn change(&mut self, change: &Value) -> Result<(), Failed> {
        let comma = if std::mem::take(&mut self.is_first) { " " } else { "," };
        out!("{comma} {change}")
    }

    /// Ends the object.
    pub fn end(self) -> Result<(), Failed> {
        out!("]}}")
    }
}
