//! The versions of profiles: `rollcall profile list`, `log`, `show`, `put` and `diff`.

use crate::command::output::{complain, written};
use crate::command::{Failed, out};
use crate::profile::{Line, Profile, ProfileError, differing_lines, parse, read_text};
use crate::store::{
    Based, ProfileVersion, Profiles, Publication, PublishError, Published, Publisher, Store, StoredProfile,
};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use uuid::Uuid;

/// How many versions are listed.
const LISTED_MAX: usize = 1_000;

/// How many lines around a difference are shown.
const AROUND: usize = 3;

/// Lists the profiles in force.
pub fn list(store: &Store, as_json: bool) -> Result<(), Failed> {
    let mut listed = Vec::new();
    for stored in store.stored_profiles()?.1 {
        let (published, _) = version(store, stored.id, stored.number)?;
        // One that this program cannot read is listed as well.
        listed.push((parse(&stored.text).ok(), file_state(&stored), published, stored));
    }
    if as_json {
        let shown = listed.iter().map(|(profile, state, published, stored)| {
            json!({
                "id": stored.id,
                "name": profile.as_ref().map(|profile| &profile.name),
                "accounts": profile.as_ref().and_then(|profile| profile.accounts.as_ref()),
                "number": stored.number,
                "publishedAt": published.published_at,
                "who": published.who,
                "why": published.why,
                "file": stored.file.as_ref().map(|file| file.path.display().to_string()),
                "fileState": state,
            })
        });
        return out!("{:#}", Value::from_iter(shown));
    }
    out!("{:<36}  {:>7}  {:<20}  {:<14}  {:<24}  file", "profile", "version", "published", "accounts", "name")?;
    for (profile, state, published, stored) in &listed {
        let StoredProfile { id, number, file, .. } = stored;
        let (name, accounts) =
            profile.as_ref().map_or(("cannot be read", String::new()), |profile| (&profile.name, accounts(profile)));
        let file = file.as_ref().map_or("none".into(), |file| file.path.display().to_string());
        let state = state.as_ref().map(|state| format!(" ({state})")).unwrap_or_default();
        out!("{id:<36}  {number:>7}  {:<20}  {accounts:<14}  {name:<24}  {file}{state}", published.published_at)?;
    }
    Ok(())
}

fn accounts(profile: &Profile) -> String {
    match &profile.accounts {
        None => "all".into(),
        Some(accounts) if accounts.is_empty() => "none".into(),
        Some(accounts) => accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Says how the file of a profile differs from what is in force; `None` if it does not, or there is none.
fn file_state(stored: &StoredProfile) -> Option<String> {
    let file = stored.file.as_ref()?;
    match read_text(&file.path) {
        Ok(text) => stored.standing(&text).told().map(str::to_owned),
        Err(errors) => errors.into_iter().next().map(|ProfileError { message, .. }| message),
    }
}

/// Lists the versions of a profile, the latest first.
pub fn log(store: &Store, id: Uuid, as_json: bool) -> Result<(), Failed> {
    let versions = store.profile_versions(id, None, None, LISTED_MAX)?;
    if versions.is_empty() {
        return Err(no_profile(id));
    }
    if as_json {
        return out!("{:#}", Value::from_iter(versions.iter().map(in_json)));
    }
    for ProfileVersion { number, published_at, who, why, is_in_force, .. } in versions {
        let in_force = if is_in_force { ", in force" } else { "" };
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        out!("{number:>4}  {published_at}  {who}{in_force}{why}")?;
    }
    Ok(())
}

fn in_json(version: &ProfileVersion) -> Value {
    let ProfileVersion { number, published_at, who, why, is_in_force, .. } = version;
    json!({ "number": number, "publishedAt": published_at, "who": who, "why": why, "inForce": is_in_force })
}

/// Prints the text of a version.
pub fn show(store: &Store, id: Uuid, number: Option<u64>) -> Result<(), Failed> {
    let text = match number {
        Some(number) => version(store, id, number)?.1,
        None => in_force(store, id)?.text,
    };
    written(|out| out.write_all(text.as_bytes()))
}

/// Publishes a file.
pub fn put(store: &Store, dir: &Path, file: &Path, why: Option<&str>, max: u64) -> Result<(), Failed> {
    let text = read_text(file).map_err(|errors| not_right(&errors))?;
    let publication = Publication {
        text: &text,
        id: None,
        who: Publisher::Command,
        why,
        based: Based::OnAny,
        file: Some(file),
        account_profiles_max: max,
    };
    let Published { profile, number, is_new, file: written } =
        Profiles::new(dir).publish(store, &publication).map_err(|error| match error {
            PublishError::Wrong(mistakes) => {
                not_right(&mistakes.into_iter().map(|mistake| mistake.of(file)).collect::<Vec<_>>())
            }
            error => Failed::refused(error),
        })?;
    let state = if is_new { "is in force" } else { "was in force already" };
    out!("version {number} of {:?} ({}) {state}", profile.name, profile.id)?;
    match written {
        Ok(path) => out!("{} has it", path.display()),
        Err(why) => {
            complain!("rollcall: it is in force, but no file has it: {why}");
            Ok(())
        }
    }
}

fn not_right(errors: &[ProfileError]) -> Failed {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failed::Refused(format!("the profile is not right, and nothing was published:\n{}", errors.join("\n")))
}

/// Compares what is in force with the files.
pub fn compare_files(store: &Store, id: Option<Uuid>) -> Result<(), Failed> {
    let stored = match id {
        Some(id) => vec![in_force(store, id)?],
        None => store.stored_profiles()?.1,
    };
    for stored in &stored {
        let Some(file) = &stored.file else {
            if id.is_some() {
                complain!("rollcall: no file defines this profile; --from and --to compare its versions");
            }
            continue;
        };
        let text = read_text(&file.path).map_err(|errors| Failed::refused(&errors[0]))?;
        if let Some(state) = stored.standing(&text).told() {
            complain!("rollcall: {}: {state}", file.path.display());
            let before = format!("{} version {}", stored.id, stored.number);
            difference(&before, &stored.text, &file.path.display().to_string(), &text)?;
        }
    }
    Ok(())
}

/// Compares two versions of a profile.
pub fn compare(store: &Store, id: Option<Uuid>, from: Option<u64>, to: Option<u64>) -> Result<(), Failed> {
    let id = id.ok_or_else(|| Failed::Usage("--from and --to need the GUID of a profile".into()))?;
    let to = match to {
        Some(to) => to,
        None => in_force(store, id)?.number,
    };
    let from = from.unwrap_or_else(|| to.saturating_sub(1));
    let (before, after) = (version(store, id, from)?.1, version(store, id, to)?.1);
    difference(&format!("{id} version {from}"), &before, &format!("{id} version {to}"), &after)
}

fn in_force(store: &Store, id: Uuid) -> Result<StoredProfile, Failed> {
    store.stored_profile(id)?.ok_or_else(|| match store.profile_versions(id, None, None, 1) {
        Ok(versions) if !versions.is_empty() => Failed::Refused(format!(
            "profile {id} was removed; its versions are kept: `rollcall profile log {id}` lists them, and `show --version` shows them"
        )),
        _ => no_profile(id),
    })
}

fn version(store: &Store, id: Uuid, number: u64) -> Result<(ProfileVersion, String), Failed> {
    let missing = || match store.profile_versions(id, None, None, 1) {
        Ok(versions) if versions.is_empty() => no_profile(id),
        _ => Failed::Refused(format!("profile {id} has no version {number}; `rollcall profile log {id}` lists them")),
    };
    store.profile_version(id, number, None)?.ok_or_else(missing)
}

fn no_profile(id: Uuid) -> Failed {
    Failed::Refused(format!(
        "the store has no profile {id}; `rollcall profile list` lists those in force, and a server takes files when it starts"
    ))
}

/// Prints the lines that differ, and some around them.
fn difference(before: &str, before_text: &str, after: &str, after_text: &str) -> Result<(), Failed> {
    let lines = differing_lines(before_text, after_text);
    let differs = |line: &Line| !matches!(line, Line::Same(_));
    if !lines.iter().any(differs) {
        return Ok(());
    }
    out!("--- {before}\n+++ {after}")?;
    let mut last = None;
    for (place, line) in lines.iter().enumerate() {
        let near = place.saturating_sub(AROUND)..(place + AROUND + 1).min(lines.len());
        if !lines[near].iter().any(differs) {
            continue;
        }
        if last.is_some_and(|last| last + 1 != place) {
            out!("…")?;
        }
        last = Some(place);
        match line {
            Line::Same(text) => out!(" {text}")?,
            Line::Removed(text) => out!("-{text}")?,
            Line::Added(text) => out!("+{text}")?,
        }
    }
    Ok(())
}
