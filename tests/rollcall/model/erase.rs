//! Erasing in the model: somebody is removed, and nothing has any value of theirs any more.

use super::roster::{Change, Pending, Person, Roster, counts};
use std::collections::{BTreeMap, BTreeSet};

impl Roster {
    /// Returns what it comes to that somebody is erased; `None` if nobody has the id.
    pub fn erasing(&self, id: &str) -> Option<Pending> {
        let number = self.position(id)?;
        let before = self.people[number].clone();
        Some(Pending {
            dialect: None,
            kind: "erase",
            base: self.revision(),
            changes: vec![Change { number, is_new: false, before, after: None, missing: None, merged_into: None }],
            ended: Vec::new(),
            noted: Vec::new(),
            counts: [0; 5],
            employees: 1,
            rejected: None,
            tripped: Vec::new(),
        })
    }

    /// Whether somebody has an id or had it.
    pub fn knows(&self, id: &str) -> bool {
        self.past.iter().flatten().flatten().any(|person| person.id == id)
    }

    /// The positions of those whom the last sync erases, which was this plan if it was one, and of all who were merged into them.
    pub fn wiped_by(&self, plan: Option<usize>) -> Vec<usize> {
        let sync = self.syncs.last().expect("there was one");
        let erases = match plan.and_then(|plan| self.plans[plan].undo) {
            Some(undo) => undo.erases,
            None => sync.pending.kind == "erase",
        };
        let removed = sync.changes.iter().filter(|(change, _)| change.is_removal() && change.merged_into.is_none());
        let removed: Vec<usize> = removed.map(|(change, _)| change.number).filter(|_| erases).collect();
        (0..self.people.len()).filter(|number| removed.contains(&self.person(*number))).collect()
    }

    /// The position of the employee whom somebody is, also through others.
    fn person(&self, mut number: usize) -> usize {
        while let Some(into) = self.merged_into(number, self.revision()) {
            number = into;
        }
        number
    }

    /// Takes the values of employees from everything.
    pub fn wipe(&mut self, numbers: &[usize]) {
        if numbers.is_empty() {
            return;
        }
        let (ids, aliases) = self.ids(numbers);
        let wipe = |person: &mut Option<Person>| {
            if let Some(person) = person {
                person.data.clear();
                if let Some(alias) = aliases.get(&person.id) {
                    person.id.clone_from(alias);
                }
            }
        };
        for people in &mut self.past {
            let versions = (0..).zip(people).filter(|(number, _)| numbers.contains(number));
            versions.for_each(|(_, person)| wipe(person));
        }
        let changes = self.syncs.iter_mut().flat_map(|sync| &mut sync.changes).map(|(change, _)| change);
        for change in changes.filter(|change| numbers.contains(&change.number)) {
            wipe(&mut change.before);
            wipe(&mut change.after);
        }
        for plan in self.plans.iter_mut().filter(|plan| plan.is_waiting) {
            // A plan that creates somebody has another number for that.
            let is_of_them = |change: &Change| match &change.after {
                Some(after) if change.is_new => ids.contains(&after.id),
                _ => numbers.contains(&change.number),
            };
            let (lost, kept): (Vec<Change>, Vec<Change>) = plan.pending.changes.drain(..).partition(is_of_them);
            plan.pending.changes = kept;
            plan.pending.counts.iter_mut().zip(counts(&lost)).for_each(|(count, lost)| *count -= lost);
        }
        self.queue.retain(|wanted| wanted.id.as_ref().is_none_or(|id| !ids.contains(id)));
        let revision = self.revision();
        self.erased.extend(numbers.iter().map(|number| (*number, revision)));
    }

    /// Returns the ids that employees have had, and what is written for those that are values of the same person.
    fn ids(&self, numbers: &[usize]) -> (BTreeSet<String>, BTreeMap<String, String>) {
        let (mut ids, mut aliases) = (BTreeSet::new(), BTreeMap::new());
        for person in numbers.iter().map(|number| self.person(*number)).collect::<BTreeSet<usize>>() {
            let of_person = || numbers.iter().filter(move |number| self.person(**number) == person);
            let versions =
                |number: usize| self.past[self.start..].iter().filter_map(move |people| people.get(number)?.as_ref());
            let values: BTreeSet<String> = of_person()
                .flat_map(|number| versions(*number))
                .flat_map(|person| person.data.values().map(|value| value.to_ascii_lowercase()))
                .collect();
            for number in of_person() {
                for Person { id, .. } in versions(*number) {
                    ids.insert(id.clone());
                    if values.contains(&id.to_ascii_lowercase()) {
                        // Numbers begin with 1.
                        aliases.insert(id.clone(), format!("erased-{}", number + 1));
                    }
                }
            }
        }
        (ids, aliases)
    }
}
