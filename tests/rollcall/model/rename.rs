//! Rename of the model: somebody gets another id, and is one person with whoever has it.

use super::fields::{BADGE, EMAIL};
use super::roster::{Change, Pending, Person, Roster, broken_rules, counts};

impl Roster {
    /// Returns what a rename comes to, or the status with which it is refused.
    pub fn renaming(&self, from: &str, to: &str, merge: bool) -> Result<Pending, u16> {
        let old = self.position(from).ok_or(404_u16)?;
        if from == to {
            return Err(400);
        }
        let person = self.people[old].as_ref().expect("somebody has the id");
        let new = self.position(to);
        let new = new.map(|number| (number, self.people[number].as_ref().expect("somebody has the id")));
        if let Some((number, other)) = new
            && !merge
        {
            let is_gone = !person.is_active || self.missing.contains_key(&old);
            let shares = |field| person.data.get(&field).is_some_and(|value| other.data.get(&field) == Some(value));
            if number < old || !is_gone && !shares(EMAIL) && !shares(BADGE) {
                return Err(409);
            }
        }
        let becomes = Person { id: to.into(), ..new.map_or(person, |(_, other)| other).clone() };
        let missing = new.and_then(|(number, _)| self.missing.get(&number));
        // Whom absence has hidden one list has not carried, as far as the one who goes on is concerned.
        let missing = missing.map(|(lists, is_hidden)| (old, if *is_hidden { 1 } else { *lists }, *is_hidden));
        let mut changes = vec![Change {
            number: old,
            is_new: false,
            before: Some(person.clone()),
            after: Some(becomes),
            missing: missing.filter(|(.., is_hidden)| *is_hidden).map(|(_, lists, _)| lists),
            merged_into: None,
        }];
        changes.extend(new.map(|(number, other)| Change {
            number,
            is_new: false,
            before: Some(other.clone()),
            after: None,
            missing: None,
            merged_into: Some(old),
        }));
        changes.sort_by_key(|change| change.number);
        self.check_renaming(&changes)?;
        Ok(Pending {
            dialect: Some("startexam"),
            kind: "rename",
            base: self.revision(),
            ended: new.map_or_else(Vec::new, |(number, _)| vec![old, number]),
            noted: missing.into_iter().collect(),
            counts: counts(&changes),
            employees: changes.len() as u64,
            changes,
            rejected: None,
            tripped: Vec::new(),
        })
    }

    /// Whom somebody names was right when it was pushed, so that cannot be wrong now; a circle can.
    fn check_renaming(&self, changes: &[Change]) -> Result<(), u16> {
        let named = |change: &Change| {
            let before = change.after.clone().or_else(|| change.before.clone());
            (Change { before, ..change.clone() }, None)
        };
        let changes: Vec<(Change, Option<usize>)> = changes.iter().map(named).collect();
        match broken_rules(&self.people, &changes) {
            Some(broken) if broken.is_empty() => Ok(()),
            _ => Err(400),
        }
    }
}
