//! References: whether who is named exists and is active in the roster as the push leaves it, and whether chains come to an end.

use super::Failure;
use super::unique::OF_HIDDEN;
use crate::profile::{Profile, Reference, Rules, To};
use crate::roster::{Changes, Data, Index, Status, hash};
use crate::store::{Error, Rows};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// The most members of a circle that a message names.
const MEMBERS_NAMED_MAX: usize = 10;

/// Stands for the place in the push of an employee that it does not carry.
pub const NOT_PUSHED: u32 = u32::MAX;

/// The references that a push adds to the roster. Nothing is decided before the end of the push, so the order of its employees does
/// not matter.
pub struct References<'p> {
    seed: u64,
    fields: Vec<Linked<'p>>,
    links: Vec<Link>,
    /// The values of the links: of each what it is, then what it was.
    text: String,
    text_bytes_max: usize,
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

/// A value of such a field.
struct Link {
    /// Whose it is: the employee's number, and its place in the push.
    number: u32,
    index: u32,
    /// Which of the fields has it.
    field: usize,
    /// How long the value is in the text.
    value_bytes: u32,
    /// How long the value before it is; `None` if it is the same.
    before_bytes: Option<u32>,
}

/// A reference that may not be.
pub struct Wrong<'a> {
    /// The number of the employee that has it.
    pub number: u32,
    /// Its place in the push, or [`NOT_PUSHED`].
    pub index: u32,
    /// The field to be changed.
    pub field: &'a str,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with a reference.
pub enum What {
    /// It names nobody.
    Unknown,
    /// It names somebody who is hidden.
    Hidden,
    /// It leads in a circle, which has these members.
    Circle(Vec<u32>),
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

/// Calls back with each reference that is wrong.
pub type Tell<'f> = dyn FnMut(Wrong, &mut Directory) -> Result<(), Error> + 'f;

impl What {
    /// The rule that is broken.
    pub fn rule(&self) -> &'static str {
        match self {
            What::Unknown => "unknown",
            What::Hidden => "active",
            What::Circle(_) => "circle",
        }
    }

    /// What to do about all that is wrong in this way.
    pub fn advice(&self) -> &'static str {
        match self {
            What::Unknown => "names somebody who is not in the roster; add them first, or in the same push",
            What::Hidden => "names an employee who is hidden; only an active one may be named",
            What::Circle(_) => "leads in a circle; one of its members must lead to somebody else, or to nobody",
        }
    }

    /// What is wrong with this one, and what to do about it.
    pub fn message(&self, rows: &mut Rows) -> Result<String, Error> {
        let What::Circle(members) = self else {
            return Ok(self.advice().into());
        };
        let mut ids = Vec::new();
        for &number in members.iter().take(MEMBERS_NAMED_MAX) {
            ids.push(format!("{:?}", rows.id(number)?));
        }
        match members.len() {
            n if n > MEMBERS_NAMED_MAX => ids.push(format!("and {} more", n - MEMBERS_NAMED_MAX)),
            _ => ids.push(ids[0].clone()),
        }
        let circle = ids.join(" → ");
        Ok(format!("leads in a circle: {circle}; one of them must lead to somebody else, or to nobody"))
    }
}

impl<'p> References<'p> {
    /// None yet, by the fields of the profile, which have these numbers; their text may take `text_bytes_max`.
    pub fn new(profile: &'p Profile, numbers: &[u32], seed: u64, text_bytes_max: usize) -> References<'p> {
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
        References { seed, fields, links: Vec::new(), text: String::new(), text_bytes_max }
    }

    /// Notes that an employee was created, or changed from the data `before`, and has this data now.
    pub fn add(
        &mut self,
        number: u32,
        index: u32,
        before: Option<&Data<&[u8]>>,
        data: &Data<&[u8]>,
    ) -> Result<(), Failure> {
        if self.fields.is_empty() {
            return Ok(());
        }
        for (number_of_field, value) in data.texts() {
            let Some(field) = self.fields.iter().position(|linked| linked.number == number_of_field) else {
                continue;
            };
            let before = before.and_then(|before| before.text(number_of_field)).unwrap_or_default();
            let is_new = before != value;
            // Whom somebody named before may be named still, so only a chain is to be followed again.
            if !is_new && !self.fields[field].reference.acyclic {
                continue;
            }
            self.text.push_str(value);
            let before = if is_new { before } else { "" };
            self.text.push_str(before);
            let bytes = |text: &str| u32::try_from(text.len()).expect("an employee is shorter than 4 GiB");
            let before_bytes = is_new.then_some(bytes(before));
            self.links.push(Link { number, index, field, value_bytes: bytes(value), before_bytes });
        }
        match self.text.len() > self.text_bytes_max {
            true => Err(Failure::OverLimit { limit: "references_bytes_max", max: self.text_bytes_max as u64 }),
            false => Ok(()),
        }
    }

    /// Calls `tell` with each reference that is wrong: of those that were added, and of those that lead somewhere else because somebody has
    /// given up the unique value that they name. `given_up` are these values: the field, the value's hash, and whose it was.
    pub fn check(
        &self,
        given_up: impl Iterator<Item = (u32, u128, u32)>,
        directory: &mut Directory,
        tell: &mut Tell,
    ) -> Result<(), Error> {
        let mut chains = Chains { references: self, steps: HashMap::new(), walk: 0 };
        let mut text = self.text.as_str();
        for link in &self.links {
            let (value, rest) = text.split_at(link.value_bytes as usize);
            let (before, rest) = rest.split_at(link.before_bytes.unwrap_or_default() as usize);
            text = rest;
            let found = self.check_link(link, value, before, directory, tell)?;
            if self.fields[link.field].reference.acyclic {
                chains.steps.insert((link.field as u32, link.number), Step { to: found, index: link.index, walk: 0 });
            }
        }
        for link in self.links.iter().filter(|link| self.fields[link.field].reference.acyclic) {
            if let Some(circle) = chains.circle(link.field, link.number, directory)? {
                let pushed = chains.first_pushed(link.field, &circle);
                let (number, index) = pushed.unwrap_or((link.number, link.index));
                let field = self.fields[link.field].name;
                tell(Wrong { number, index, field, what: What::Circle(circle) }, directory)?;
            }
        }
        let to_unique = |linked: &&Linked| linked.reference.acyclic && linked.to_field != 0;
        if self.fields.iter().any(|linked| to_unique(&linked)) {
            for (to_field, hash, number) in given_up {
                self.check_given_up(&mut chains, (to_field, hash, number), directory, tell)?;
            }
        }
        Ok(())
    }

    /// Checks whom a link names. Returns whom it leads to, if it names one.
    fn check_link(
        &self,
        link: &Link,
        value: &str,
        before: &str,
        directory: &mut Directory,
        tell: &mut Tell,
    ) -> Result<Option<u32>, Error> {
        let linked = &self.fields[link.field];
        let is_new = link.before_bytes.is_some();
        let named_before: HashSet<_> = match before {
            "" => HashSet::new(),
            before => linked.reference.targets(before).into_iter().collect(),
        };
        let mut last = None;
        for target in linked.reference.targets(value) {
            let found = self.find(linked, &target, directory)?;
            last = found.map(|(number, _)| number);
            // What was right when it was said stays as it is: who leaves must not stop those who named them.
            if !is_new || named_before.contains(&target) {
                continue;
            }
            let what = match found {
                None if linked.reference.must_exist => What::Unknown,
                Some((_, Status::Hidden)) if linked.reference.active => What::Hidden,
                _ => continue,
            };
            tell(Wrong { number: link.number, index: link.index, field: linked.name, what }, directory)?;
        }
        Ok(last)
    }

    /// Checks the chains that begin with whoever has a value now that somebody else has given up.
    fn check_given_up(
        &self,
        chains: &mut Chains,
        (to_field, hash, number): (u32, u128, u32),
        directory: &mut Directory,
        tell: &mut Tell,
    ) -> Result<(), Error> {
        for (place, linked) in self.fields.iter().enumerate() {
            if !linked.reference.acyclic || linked.to_field != to_field {
                continue;
            }
            let Some((holder, _)) = Self::holder(to_field, hash, directory)? else {
                continue;
            };
            if let Some(circle) = chains.circle(place, holder, directory)? {
                let To::Field { name, .. } = &linked.reference.to else {
                    continue;
                };
                let pushed = chains.first_pushed(place, &circle);
                let field = if pushed.is_some() { linked.name } else { name };
                let (number, index) = pushed.unwrap_or((number, NOT_PUSHED));
                tell(Wrong { number, index, field, what: What::Circle(circle) }, directory)?;
            }
        }
        Ok(())
    }

    /// Whom a stored employee, which the push has not changed, leads to.
    fn stored_next(&self, linked: &Linked, number: u32, directory: &mut Directory) -> Result<Option<u32>, Error> {
        // Somebody who was rejected has no row; whom they lead to is seen when that is corrected.
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
            To::Field { .. } => Self::holder(linked.to_field, hash(self.seed, target.as_bytes()), directory),
        }
    }

    /// Who has a unique value: somebody active before somebody hidden.
    fn holder(field: u32, hash: u128, directory: &mut Directory) -> Result<Option<(u32, Status)>, Error> {
        for field in [field, field | OF_HIDDEN] {
            if let Some(&number) = directory.rows.holders(field, hash)?.first() {
                return Ok(Some((number, directory.rows.read(number)?.status)));
            }
        }
        Ok(None)
    }
}

/// The chains of acyclic references. Each employee is walked through once, however many chains lead there.
struct Chains<'r> {
    references: &'r References<'r>,
    /// By field and employee.
    steps: HashMap<(u32, u32), Step>,
    /// The number of the present walk.
    walk: u32,
}

/// A step from an employee to whom it leads to.
#[derive(Clone, Copy)]
struct Step {
    to: Option<u32>,
    /// The employee's place in the push, or [`NOT_PUSHED`].
    index: u32,
    /// The walk that came through here; 0 for none yet.
    walk: u32,
}

impl Chains<'_> {
    /// Walks from an employee until the chain ends. Returns the members of the circle if it never does, and no other walk has found that.
    fn circle(&mut self, field: usize, start: u32, directory: &mut Directory) -> Result<Option<Vec<u32>>, Error> {
        self.walk += 1;
        let mut chain = Vec::new();
        let mut at = Some(start);
        while let Some(number) = at {
            let step = match self.steps.entry((field as u32, number)) {
                Entry::Occupied(step) => step.into_mut(),
                Entry::Vacant(place) => {
                    let linked = &self.references.fields[field];
                    let to = self.references.stored_next(linked, number, directory)?;
                    place.insert(Step { to, index: NOT_PUSHED, walk: 0 })
                }
            };
            if step.walk == self.walk {
                let first = chain.iter().position(|member| *member == number).unwrap_or(0);
                return Ok(Some(chain.split_off(first)));
            }
            if step.walk != 0 {
                return Ok(None);
            }
            step.walk = self.walk;
            at = step.to;
            chain.push(number);
        }
        Ok(None)
    }

    /// The first of the members of a circle that the push carries, and its place in the push.
    fn first_pushed(&self, field: usize, circle: &[u32]) -> Option<(u32, u32)> {
        let places = circle.iter().map(|number| (*number, self.steps[&(field as u32, *number)].index));
        places.filter(|(_, index)| *index != NOT_PUSHED).min_by_key(|(_, index)| *index)
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
