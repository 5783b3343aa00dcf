//! The changes of a sync in one file: a row for each thing that changed of each employee, or a line of JSON for each employee.

use super::{Error, Form, csv, xlsx};
use crate::dialect::startexam::shown_change;
use crate::roster::{Change, HiddenBy, Names, Version};
use crate::store::{Applied, Past, Reader, RecordedChange, SyncKind};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

/// The headings of the columns.
const HEADINGS: [&str; 8] = ["sync", "time", "id", "kind", "field", "before", "after", "cause"];

/// The longest value that is written, in bytes; of a longer one, as an image is, only its length is.
const VALUE_BYTES_MAX: usize = 4_096;

/// One thing that changed of an employee.
struct Row<'a> {
    kind: &'static str,
    field: &'a str,
    before: String,
    after: String,
}

/// Writes the changes of a sync to `file`, from its beginning. Temporary files are made in `dir`.
pub fn write(
    roster: &Reader,
    past: &Past,
    sync: &Applied,
    form: Form,
    file: &mut File,
    dir: &Path,
) -> Result<(), Error> {
    let snapshot = roster.snapshot()?;
    let names = snapshot.names()?;
    let revision = sync.revision.to_string();
    let kind = sync.kind.as_ref().map_or("", SyncKind::name);
    let mut out = BufWriter::with_capacity(1 << 17, file);
    let headings = || HEADINGS.into_iter();
    let each_row = |recorded: &RecordedChange, write: &mut dyn FnMut(&[&str]) -> Result<(), Error>| {
        let seen = recorded.change.lend().seen();
        let id = seen.after.or(seen.before).map_or("", |version| version.id).to_owned();
        for Row { kind: of_row, field, before, after } in rows(recorded, &names) {
            let cause = match recorded.hidden_by {
                Some(HiddenBy::Absence { lists }) if of_row == "hidden" => format!("absence ({lists} in a row)"),
                _ => kind.to_owned(),
            };
            write(&[&revision, &past.finished_at, &id, of_row, field, &before, &after, &cause])?;
        }
        Ok::<(), Error>(())
    };
    match form {
        Form::Ndjson => snapshot.for_each_change(sync, |RecordedChange { change, hidden_by }| {
            let mut shown = shown_change(&change.lend(), hidden_by, &names);
            (shown["sync"], shown["time"]) = (sync.revision.into(), past.finished_at.as_str().into());
            shown["cause"] = kind.into();
            serde_json::to_writer(&mut out, &shown).map_err(io::Error::from)?;
            Ok::<(), Error>(out.write_all(b"\n")?)
        })?,
        Form::Csv => {
            let mut csv = csv::Writer::new(&mut out, headings())?;
            snapshot.for_each_change(sync, |recorded| each_row(&recorded, &mut |row| csv.write(row)))?;
        }
        Form::Xlsx => {
            let headings = headings().map(str::to_owned).collect();
            let mut workbook = xlsx::Workbook::new("Changes", headings, dir, xlsx::ROWS_MAX)?;
            snapshot.for_each_change(sync, |recorded| each_row(&recorded, &mut |row| workbook.write(row)))?;
            workbook.save(&mut out)?;
        }
    }
    Ok(out.flush()?)
}

/// Returns what changed of an employee: the id, the status, the profile, and each field.
fn rows<'a>(recorded: &RecordedChange, names: &'a Names) -> Vec<Row<'a>> {
    let kinds = recorded.change.lend().kinds();
    let Change { before, after, .. } = recorded.change.lend().seen();
    let other = match (before, after) {
        (None, _) => "created",
        (_, None) if kinds.merged => "merged",
        (_, None) => "removed",
        _ => "updated",
    };
    let mut rows = Vec::new();
    let mut add = |kind: &'static str, field: &'a str, of: &dyn Fn(Version) -> String| {
        let (before, after) = (before.map(of).unwrap_or_default(), after.map(of).unwrap_or_default());
        if before != after {
            rows.push(Row { kind, field, before, after });
        }
    };
    if kinds.renamed {
        add("renamed", "id", &|version| version.id.to_owned());
    }
    let of_status = match (kinds.hidden, kinds.activated) {
        (true, _) => "hidden",
        (_, true) => "activated",
        _ => other,
    };
    add(of_status, "status", &|version| version.status.as_str().to_owned());
    let profile = |version: Version| names.profiles.get(&version.profile).map(ToString::to_string).unwrap_or_default();
    add(other, "profileId", &profile);
    let versions = before.iter().chain(&after);
    let numbers: BTreeSet<u32> = versions.flat_map(|version| version.data.texts().map(|(number, _)| number)).collect();
    for number in numbers {
        let (Some(field), text) =
            (names.fields.get(&number), |version: Option<Version>| version?.data.text(number).map(str::to_owned))
        else {
            continue;
        };
        let (before, after) = (text(before), text(after));
        if before != after {
            let [before, after] = [before, after].map(|value| value.map(shortened).unwrap_or_default());
            rows.push(Row { kind: other, field, before, after });
        }
    }
    rows
}

fn shortened(value: String) -> String {
    if value.len() > VALUE_BYTES_MAX { format!("({} bytes)", value.len()) } else { value }
}
