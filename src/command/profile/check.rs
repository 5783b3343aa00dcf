//! `rollcall profile check`

use crate::command::{Failed, out};
use crate::dialect::Dialect;
use crate::profile;
use crate::roster::{Absent, Guards};
use std::collections::HashMap;
use std::path::PathBuf;

/// Reports every mistake in profiles.
pub fn run(paths: Vec<PathBuf>) -> Result<(), Failed> {
    let mut errors = 0;
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        match profile::list_folder(&path) {
            Ok(listed) => {
                listed.passed_over.iter().try_for_each(|passed_over| out!("{passed_over}"))?;
                if listed.files.is_empty() {
                    errors += 1;
                    out!("{}: {}", path.display(), profile::no_profile(&listed.passed_over))?;
                }
                files.extend(listed.files);
            }
            Err(cause) => {
                errors += 1;
                out!("{}: cannot be read: {cause}", path.display())?;
            }
        }
    }
    errors += check_files(&files)?;
    match errors {
        0 => Ok(()),
        1 => Err(Failed::Refused("1 error".into())),
        _ => Err(Failed::Refused(format!("{errors} errors"))),
    }
}

/// Reports on each file, and returns the number of errors.
fn check_files(files: &[PathBuf]) -> Result<usize, Failed> {
    let mut errors = 0;
    let mut ids = HashMap::new();
    for file in files {
        let profile = match profile::read(file) {
            Ok(profile) => profile,
            Err(wrong) => {
                errors += wrong.len();
                wrong.iter().try_for_each(|error| out!("{error}"))?;
                continue;
            }
        };
        if let Some(other) = ids.insert(profile.id, file) {
            errors += 1;
            out!("{}: {}", file.display(), profile::same_id(other))?;
            continue;
        }
        let required = profile.fields.iter().filter(|field| field.required).count();
        let (fields, version) = (profile.fields.len(), profile.short_version());
        let (id, name) = (profile.id, &profile.name);
        out!("{}: ok: {name:?}, {id}, version {version}, {fields} fields, {required} required", file.display())?;
        if let Some(why) = profile::wrong_name(file) {
            out!("    no server reads it under this name: {why}")?;
        }
        if let Some(lists) = lists(&profile) {
            out!("    {lists}")?;
        }
        Dialect::ALL.into_iter().try_for_each(|dialect| out!("    {}", served(&profile, dialect)))?;
    }
    Ok(errors)
}

/// Says what the profile sets for lists: what becomes of the absent, whose data is erased, and what guards let pass.
fn lists(profile: &profile::Profile) -> Option<String> {
    let absent = profile.absent.map(|absent| match (absent, profile.grace) {
        (Absent::Hide, 0) => "hides the absent".to_owned(),
        (Absent::Hide, grace) => format!("hides whoever is absent from more than {grace} pushes in a row"),
        (Absent::Stay, _) => "keeps the absent".to_owned(),
    });
    let guards = Guards::default().with(&profile.guards);
    let set = profile.guards.keys().map(|guard| match guards.get(*guard) {
        Some(bounds) => format!("guard {} lets {bounds} pass", guard.name()),
        None => format!("guard {} is off", guard.name()),
    });
    let guarded = profile.fields.iter().filter(|field| field.guard);
    let guarded = guarded.map(|field| format!("guards the values of {:?}", field.name));
    let erase = profile.erase.as_ref().map(|profile::Erasing { field, days }| {
        format!("erases the personal data of hidden employees {days} days after the date in {field:?}")
    });
    let all: Vec<String> = absent.into_iter().chain(erase).chain(set).chain(guarded).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Says whether the profile serves a dialect, and what it leaves out.
fn served(profile: &profile::Profile, dialect: Dialect) -> String {
    let name = dialect.name();
    match profile.serves(dialect) {
        Ok(left_out) if left_out.is_empty() => format!("serves {name}"),
        Ok(left_out) => format!("serves {name}, without {}", left_out.join(", ")),
        Err(hindrance) => format!("does not serve {name}: {hindrance}"),
    }
}
