//! Erasing in the model: somebody is removed, and nothing has any value of theirs any more.

use super::roster::{Change, Pending, Person, Roster, counts};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What somebody has of somebody else who was merged into it and taken out again.
struct Lent {
    number: usize,
    /// Who is erased.
    person: usize,
    /// At which revisions it has that, without what it is now.
    revisions: Range<usize>,
    /// When the two were two again.
    parted: usize,
}

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
        let lent = self.lent(numbers);
        let (ids, aliases) = self.ids(numbers, &lent);
        let of_both: BTreeSet<(usize, String)> =
            lent.iter().flat_map(|lent| self.ids_of_both(lent).into_iter().map(|id| (lent.number, id))).collect();
        let now: BTreeMap<usize, Option<String>> = lent
            .iter()
            .map(|lent| (lent.number, self.people[lent.number].as_ref().map(|person| person.id.clone())))
            .collect();
        let has_lent = |number: usize, revision: usize| {
            lent.iter().any(|lent| lent.number == number && lent.revisions.contains(&revision))
        };
        let wipe = |number: usize, revision: usize, person: &mut Option<Person>| {
            let Some(person) = person else {
                return;
            };
            if numbers.contains(&number) || has_lent(number, revision) {
                person.data.clear();
            }
            let is_now = now.get(&number).is_some_and(|now| now.as_ref() == Some(&person.id));
            let is_of_both = of_both.contains(&(number, person.id.clone()));
            if let Some(alias) = aliases.get(&person.id)
                && (numbers.contains(&number) || is_of_both && !is_now)
            {
                person.id.clone_from(alias);
            }
        };
        for (revision, people) in self.past.iter_mut().enumerate() {
            (0..).zip(people).for_each(|(number, person)| wipe(number, revision, person));
        }
        for (revision, sync) in (1..).zip(&mut self.syncs) {
            for (change, _) in &mut sync.changes {
                wipe(change.number, revision - 1, &mut change.before);
                wipe(change.number, revision, &mut change.after);
            }
        }
        for plan in self.plans.iter_mut().filter(|plan| plan.is_waiting) {
            // A plan that creates somebody has another number for that.
            let (base, back_to) = (plan.pending.base, plan.undo.map(|undo| undo.from - 1));
            let has_lent =
                |number: usize| has_lent(number, base) || back_to.is_some_and(|back_to| has_lent(number, back_to));
            let is_of_them = |change: &Change| match &change.after {
                Some(after) if change.is_new => ids.contains(&after.id),
                _ if has_lent(change.number) => true,
                _ => numbers.contains(&change.number),
            };
            let (lost, kept): (Vec<Change>, Vec<Change>) = plan.pending.changes.drain(..).partition(is_of_them);
            plan.pending.changes = kept;
            plan.pending.counts.iter_mut().zip(counts(&lost)).for_each(|(count, lost)| *count -= lost);
        }
        self.queue.retain(|wanted| wanted.id.as_ref().is_none_or(|id| !ids.contains(id)));
        let revision = self.revision();
        self.emptied.extend(lent.into_iter().map(|lent| (lent.number, lent.revisions)));
        self.erased.extend(numbers.iter().map(|number| (*number, revision)));
    }

    /// Whom somebody was merged into, with the revisions of the merge and of its end.
    fn merges(&self, number: usize) -> Vec<(usize, Range<usize>)> {
        let (mut merges, mut last) = (Vec::new(), None);
        for (revision, sync) in (1..).zip(&self.syncs) {
            for (change, _) in sync.changes.iter().filter(|(change, _)| change.number == number) {
                merges.extend(last.take().map(|(into, since)| (into, since..revision)));
                last = change.merged_into.map(|into| (into, revision));
            }
        }
        merges.extend(last.map(|(into, since)| (into, since..self.revision())));
        merges
    }

    /// What others have of employees who are erased, also by way of others.
    fn lent(&self, numbers: &[usize]) -> Vec<Lent> {
        let mut owners: Vec<(usize, usize, Range<usize>)> =
            numbers.iter().map(|number| (*number, self.person(*number), 0..usize::MAX)).collect();
        let mut lent: Vec<Lent> = Vec::new();
        while let Some((owner, person, span)) = owners.pop() {
            for (number, merged) in self.merges(owner) {
                let is_known = lent
                    .iter()
                    .any(|lent| (lent.number, lent.person, lent.revisions.start) == (number, person, merged.start));
                if !is_known && !numbers.contains(&number) && span.contains(&merged.start) {
                    let is_of =
                        |sync: &super::roster::Sync| sync.changes.iter().any(|(change, _)| change.number == number);
                    let now = 1 + self.syncs.iter().rposition(is_of).expect("it was changed by the merge");
                    owners.push((number, person, merged.clone()));
                    lent.push(Lent {
                        number,
                        person,
                        revisions: merged.start..merged.end.min(now),
                        parted: merged.end,
                    });
                }
            }
        }
        lent
    }

    /// The ids that somebody had while it had what belongs to somebody else, and gave up by then.
    fn ids_of_both(&self, lent: &Lent) -> BTreeSet<String> {
        let id = |revision: usize| self.past.get(revision)?.get(lent.number)?.as_ref().map(|person| person.id.clone());
        let kept = lent.revisions.start.max(self.start)..lent.parted;
        kept.filter(|revision| id(*revision) != id(revision + 1)).filter_map(id).collect()
    }

    /// Returns the ids that employees have had, and what is written for those that are values of the same person; also for the ids of others who
    /// had these values.
    fn ids(&self, numbers: &[usize], lent: &[Lent]) -> (BTreeSet<String>, BTreeMap<String, String>) {
        let (mut ids, mut aliases) = (BTreeSet::new(), BTreeMap::new());
        for person in numbers.iter().map(|number| self.person(*number)).collect::<BTreeSet<usize>>() {
            let of_person = || numbers.iter().filter(move |number| self.person(**number) == person);
            let versions =
                |number: usize| self.past[self.start..].iter().filter_map(move |people| people.get(number)?.as_ref());
            let lent = || lent.iter().filter(|lent| lent.person == person);
            let of_lent = lent().flat_map(|lent| {
                let kept = lent.revisions.start.max(self.start)..lent.revisions.end;
                kept.filter_map(|revision| self.past[revision].get(lent.number)?.as_ref())
            });
            let values: BTreeSet<String> = of_person()
                .flat_map(|number| versions(*number))
                .chain(of_lent)
                .flat_map(|person| person.data.values().map(|value| value.to_ascii_lowercase()))
                .collect();
            for lent in lent() {
                for id in self.ids_of_both(lent).into_iter().filter(|id| values.contains(&id.to_ascii_lowercase())) {
                    aliases.insert(id, format!("erased-{}", lent.number + 1));
                }
            }
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
