//! References: whether who is named exists and is active in the roster as the push leaves it, and whether chains come to an end.

use super::unique::OF_HIDDEN;
use crate::profile::{Profile, Reference, Rules, To};
use crate::rejection::Fault;
use crate::roster::{Changes, Data, Index, Status, hash};
use crate::store::{Error, Rows};
use std::collections::{HashMap, HashSet};

/// The most members of a circle that a message names.
const MEMBERS_TOLD: usize = 10;

/// The references that a push adds to the roster. Nothing is decided before the end of the push, so the order of its employees does
/// not matter.
pub struct References<'p> {
    seed: u64,
    fields: Vec<Linked<'p>>,
    links: Vec<Link>,
    /// Whom the links name, as text.
    targets: String,
}

/// A field that refers to employees.
struct Linked<'p> {
    name: &'p str,
    /// The account's number of it.
    number: u32,
    /// The account's number of the field that employees are named by, if it is one.
    to_field: u32,
    reference: &'p Reference,
}

struct Link {
    /// Who names somebody: the employee's number, and its place in the push.
    number: u32,
    index: u64,
    /// In which of the fields.
    field: usize,
    /// Whether it names somebody whom it did not name before.
    new: bool,
    /// Whom: the end of that text.
    target_end: usize,
}

/// A reference that may not be.
pub struct Dangling {
    /// The number of the employee that has it.
    pub number: u32,
    /// Its place in the push.
    pub index: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// Where employees are found: in the index, in what the push has created, and, where the index is not of all, in the rows.
pub struct Directory<'d, 't> {
    /// The index.
    pub stored: &'d Index,
    /// Whether it has every employee that was stored before the push.
    pub whole: bool,
    /// What the push has created.
    pub changes: &'d mut Changes,
    /// The rows.
    pub rows: &'d mut Rows<'t>,
}

impl<'p> References<'p> {
    /// None yet, by the fields of the profile, which have these numbers.
    pub fn new(profile: &'p Profile, numbers: &[u32], seed: u64) -> References<'p> {
        let number_of = |name: &str| profile.position(name).map_or(0, |position| numbers[position]);
        let linked = |(field, &number): (&'p crate::profile::Field, &u32)| match &field.rules {
            Rules::Reference(reference) => {
                let to_field = match &reference.to {
                    To::Field { name, .. } => number_of(name),
                    To::Id | To::Number => 0,
                };
                Some(Linked { name: &field.name, number, to_field, reference })
            }
            _ => None,
        };
        let fields = profile.fields.iter().zip(numbers).filter_map(linked).collect();
        References { seed, fields, links: Vec::new(), targets: String::new() }
    }

    /// An employee was created, or changed from the data `before`, and has this data now.
    pub fn add(&mut self, number: u32, index: u64, before: Option<&Data<&[u8]>>, data: &Data<&[u8]>) {
        if self.fields.is_empty() {
            return;
        }
        for (number_of_field, value) in data.texts() {
            let Some(field) = self.fields.iter().position(|linked| linked.number == number_of_field) else {
                continue;
            };
            let linked = &self.fields[field];
            let named_before = before.and_then(|before| before.text(linked.number));
            let named_before = named_before.map(|value| linked.reference.targets(value)).unwrap_or_default();
            for target in linked.reference.targets(value) {
                self.targets.push_str(&target);
                let new = !named_before.contains(&target);
                self.links.push(Link { number, index, field, new, target_end: self.targets.len() });
            }
        }
    }

    /// What is wrong with the references that were added.
    pub fn check(&self, directory: &mut Directory) -> Result<Vec<Dangling>, Error> {
        let mut wrong = Vec::new();
        // Whom an employee leads to by each field, as far as that is known.
        let mut next: HashMap<(usize, u32), Option<u32>> = HashMap::new();
        let mut target_start = 0;
        for link in &self.links {
            let target = &self.targets[target_start..link.target_end];
            target_start = link.target_end;
            let linked = &self.fields[link.field];
            let found = self.find(linked, target, directory)?;
            let fault = |rule, message: &str| Dangling {
                number: link.number,
                index: link.index,
                fault: Fault::new(linked.name, rule, message),
            };
            // What was right when it was said stays as it is: who leaves must not stop those who named them.
            match found {
                _ if !link.new => {}
                None if linked.reference.must_exist => {
                    wrong.push(fault(
                        "unknown",
                        "names somebody who is not in the roster; add them first, or in the same push",
                    ));
                }
                Some((_, Status::Hidden)) if linked.reference.active => {
                    wrong.push(fault("active", "names an employee who is hidden; only an active one may be named"));
                }
                _ => {}
            }
            if linked.reference.acyclic {
                next.insert((link.field, link.number), found.map(|(number, _)| number));
            }
        }
        self.find_circles(&mut next, directory, &mut wrong)?;
        Ok(wrong)
    }

    fn find_circles(
        &self,
        next: &mut HashMap<(usize, u32), Option<u32>>,
        directory: &mut Directory,
        wrong: &mut Vec<Dangling>,
    ) -> Result<(), Error> {
        // Who is known to lead to an end, or to a circle that was told.
        let mut done: HashSet<(usize, u32)> = HashSet::new();
        for link in self.links.iter().filter(|link| self.fields[link.field].reference.acyclic) {
            let mut chain = Vec::new();
            let mut on_chain = HashSet::new();
            let mut at = Some(link.number);
            while let Some(number) = at.filter(|number| !done.contains(&(link.field, *number))) {
                if !on_chain.insert(number) {
                    let start = chain.iter().position(|member| *member == number).unwrap_or(0);
                    wrong.push(self.circle(link, &chain[start..], directory)?);
                    break;
                }
                chain.push(number);
                at = match next.get(&(link.field, number)) {
                    Some(next) => *next,
                    None => {
                        let found = self.stored_next(&self.fields[link.field], number, directory)?;
                        next.insert((link.field, number), found);
                        found
                    }
                };
            }
            done.extend(chain.into_iter().map(|number| (link.field, number)));
        }
        Ok(())
    }

    fn circle(&self, link: &Link, members: &[u32], directory: &mut Directory) -> Result<Dangling, Error> {
        let mut ids = Vec::new();
        for &number in members.iter().take(MEMBERS_TOLD) {
            ids.push(format!("{:?}", directory.rows.id(number)?));
        }
        match members.len() {
            n if n > MEMBERS_TOLD => ids.push(format!("and {} more", n - MEMBERS_TOLD)),
            _ => ids.push(ids[0].clone()),
        }
        let message =
            format!("leads in a circle: {}; one of them must lead to somebody else, or to nobody", ids.join(" → "));
        // The first of the members that the push carries is who must be mended.
        let of_push = self.links.iter().find(|other| other.field == link.field && members.contains(&other.number));
        let Link { number, index, .. } = *of_push.unwrap_or(link);
        Ok(Dangling { number, index, fault: Fault::new(self.fields[link.field].name, "circle", message) })
    }

    /// Whom a stored employee, which the push has not changed, leads to.
    fn stored_next(&self, linked: &Linked, number: u32, directory: &mut Directory) -> Result<Option<u32>, Error> {
        // Who was rejected has no row; whom they lead to is seen when that is mended.
        let Some(employee) = directory.rows.read_any(number)? else {
            return Ok(None);
        };
        let Some(value) = employee.data.lend().text(linked.number) else {
            return Ok(None);
        };
        Ok(self.find(linked, value, directory)?.map(|(number, _)| number))
    }

    fn find(&self, linked: &Linked, target: &str, directory: &mut Directory) -> Result<Option<(u32, Status)>, Error> {
        match &linked.reference.to {
            To::Id => directory.by_id(target, self.seed),
            To::Number => match target.parse() {
                Ok(number) => Ok(directory.rows.read_any(number)?.map(|employee| (number, employee.status))),
                Err(_) => Ok(None),
            },
            To::Field { .. } => {
                let hash = hash(self.seed, target.as_bytes());
                for field in [linked.to_field, linked.to_field | OF_HIDDEN] {
                    if let Some(&number) = directory.rows.holders(field, hash)?.first() {
                        return Ok(Some((number, directory.rows.read(number)?.status)));
                    }
                }
                Ok(None)
            }
        }
    }
}

impl Directory<'_, '_> {
    fn by_id(&mut self, id: &str, seed: u64) -> Result<Option<(u32, Status)>, Error> {
        let id_hash = hash(seed, id.as_bytes());
        let created = self.changes.created();
        let entry = match created.find(id_hash) {
            Some(place) => Some(created.get(place)),
            None => self.stored.find(id_hash).map(|place| self.stored.get(place)),
        };
        match entry {
            Some(entry) => Ok(Some((entry.number, entry.status))),
            None if self.whole => Ok(None),
            None => Ok(self.rows.find(id)?.map(|(number, employee)| (number, employee.status))),
        }
    }
}
