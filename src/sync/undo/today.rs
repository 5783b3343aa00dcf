//! Whether what an undo puts back is valid by the profiles of today, which may have other rules than when it was pushed.

use super::{ConflictCause, Undo};
use crate::profile::Profile;
use crate::roster::{Data, Employee, OwnedChange, Status};
use crate::store::Profiles;
use crate::store::{self, Draft, Numbers};
use std::collections::HashMap;
use std::sync::Arc;

/// The profiles of today.
pub struct Today<'a> {
    profiles: &'a Profiles,
    account: i64,
    /// What the account's fields are called, by number.
    names: &'a HashMap<u32, String>,
    /// The profiles that were looked up, by the account's numbers; `None` if one is not in force any more.
    known: HashMap<u32, Option<Arc<Profile>>>,
}

impl<'a> Today<'a> {
    /// Begins with the profile that these numbers are of.
    pub fn new(undo: &Undo<'a>, profile: &Arc<Profile>, numbers: &'a Numbers) -> Today<'a> {
        let known = HashMap::from([(numbers.profile, Some(profile.clone()))]);
        Today { profiles: undo.profiles, account: undo.account, names: &numbers.names, known }
    }

    /// Looks up the profile that employees are checked by, unless it is known.
    pub fn look_up(&mut self, profile: u32, draft: &mut Draft) -> Result<(), store::Error> {
        if !self.known.contains_key(&profile) {
            let id = draft.profile_id(profile)?;
            let profile_of_today = id.and_then(|id| self.profiles.get(id, self.account));
            self.known.insert(profile, profile_of_today);
        }
        Ok(())
    }

    /// Checks what a change puts back: values that the employee does not have now, and that nothing required is missing from somebody who
    /// becomes active or loses the value. Brings the values to the form that they have today. The error is the first rule that is broken.
    pub fn check(&self, change: &mut OwnedChange) -> Result<(), ConflictCause> {
        let Some(after) = change.after.as_mut().filter(|after| !after.is_removed()) else {
            return Ok(());
        };
        let none = Data::default();
        let before = change.before.as_ref().filter(|before| !before.is_removed());
        let had = before.map_or(&none, |before| &before.data);
        let becomes_active =
            after.status == Status::Active && before.is_none_or(|before| before.status != Status::Active);
        let is_put_back = |number: u32, value: &str| had.get(number) != Some(value.as_bytes());
        if !becomes_active
            && after.data.iter().all(|(number, value)| !is_put_back(number, value))
            && had.iter().all(|(number, _)| after.data.get(number).is_some())
        {
            return Ok(());
        }
        let Some(profile) = self.known.get(&after.profile).and_then(Option::as_ref) else {
            let message = "the profile that the employee would be checked by is not in force any more; put its file back, and undo then";
            return Err(broken("profile", "profile", message.into()));
        };
        let mut data = Data::default();
        for (number, value) in after.data.iter() {
            if !is_put_back(number, value) {
                data.push(number, value);
            } else if let Some(value) = self.restored(profile, number, value)? {
                data.push(number, &value);
            }
        }
        after.data = data;
        self.check_required(profile, after, had, becomes_active)
    }

    fn restored(&self, profile: &Profile, number: u32, value: &str) -> Result<Option<String>, ConflictCause> {
        let name = self.names.get(&number).map(String::as_str).unwrap_or_default();
        let Some(position) = profile.position(name) else {
            let message =
                format!("the profile {:?} has no such field any more, so no value can be put back", profile.name);
            return Err(broken(name, "unknown", message));
        };
        let restored = profile.fields[position].of_stored(value);
        restored.map(|value| value.map(Into::into)).map_err(|rule| {
            let message =
                format!("the value that the undo would put back breaks a rule of today's profile: {}", rule.message);
            broken(name, rule.rule, message)
        })
    }

    /// A leaver may lack required values.
    fn check_required(
        &self,
        profile: &Profile,
        after: &Employee,
        had: &Data,
        becomes_active: bool,
    ) -> Result<(), ConflictCause> {
        if after.status != Status::Active {
            return Ok(());
        }
        let has = |data: &Data, name: &str| {
            data.iter().any(|(number, _)| self.names.get(&number).is_some_and(|of| of == name))
        };
        let required = profile.fields.iter().filter(|field| field.required);
        let missing = required
            .into_iter()
            .find(|field| !has(&after.data, &field.name) && (becomes_active || has(had, &field.name)));
        missing.map_or(Ok(()), |field| {
            let message = "a value is required today, and the employee had none before";
            Err(broken(&field.name, "required", message.into()))
        })
    }
}

fn broken(field: &str, rule: &'static str, message: String) -> ConflictCause {
    ConflictCause::Rule { field: field.to_owned(), rule, message }
}
