//! References: whether who is named exists and is active in the roster as the push leaves it, and whether chains come to an end.
//!
//! Nothing is decided before the end of the push, so the order of its employees does not matter. Then whom the links name is resolved in
//! batches ([`References::next_links`], [`References::check_links`]), and chains are followed a step at a time, all at once
//! ([`References::next_steps`], [`References::add_steps`]), until every chain ends or closes.

use super::Failure;
use super::carried::Place;
use crate::profile::{Field, Profile, Reference, Rules, To};
use crate::roster::{Data, Employee, Status, hash};
use crate::store::UniqueValue;
use std::collections::{HashMap, HashSet};

/// The most members of a circle that a message names.
const MEMBERS_NAMED_MAX: usize = 10;

/// The references that a push adds to the roster.
pub struct References<'p> {
    seed: u64,
    fields: Vec<Linked<'p>>,
    links: Vec<Link>,
    /// The values of the links: of each what it is, then what it was.
    text: String,
    text_bytes_max: usize,
    /// How many of the links were checked, and how much of their text.
    checked: (usize, usize),
    /// Whom employees lead to by acyclic fields: those of the links, and those that chains of these lead to.
    steps: HashMap<Stand, Step>,
    /// Where chains lead to that were not followed yet.
    ahead: Vec<Stand>,
    /// Who has now what somebody else has given up.
    heirs: Vec<Heir>,
}

/// An employee in the chains of a field: the field, by its place among those that refer, and the employee's number.
type Stand = (usize, u32);

/// A field that refers to employees.
struct Linked<'p> {
    name: &'p str,
    /// The account's number of it.
    number: u32,
    /// The account's number of the field that employees are named by, if it is one.
    to_field: Option<u32>,
    reference: &'p Reference,
}

/// A value of such a field.
struct Link {
    /// Whose it is: the employee's number, and its place in the push.
    number: u32,
    place: Option<Place>,
    /// Which of the fields has it.
    field: usize,
    /// How long the value is in the text.
    value_bytes: u32,
    /// How long the value before it is; `None` if it is the same.
    before_bytes: Option<u32>,
}

/// Who holds a unique value that somebody else has given up.
struct Heir {
    field: usize,
    holder: u32,
    giver: u32,
}

/// A step from an employee to whom it leads to.
#[derive(Clone, Copy)]
struct Step {
    to: Option<u32>,
    /// The employee's place in the push, if it is one of its links.
    place: Option<Place>,
    /// The walk that came through here.
    walk: Option<u32>,
}

/// A reference that may not be.
pub struct WrongReference {
    /// The number of the employee that has it.
    pub number: u32,
    /// Its place in the push, if the push carries it.
    pub place: Option<u64>,
    /// The field to be changed.
    pub field: String,
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

/// What an employee is named by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The id.
    Id(String),
    /// The number in the store.
    Number(u32),
    /// A unique value.
    Value(UniqueValue),
    /// Nothing that anybody could have.
    Nobody,
}

/// Whom targets name: the number and the status of each who exists.
pub type Directory = HashMap<Target, (u32, Status)>;

/// Links whose targets are to be resolved.
pub struct LinkBatch {
    links: std::ops::Range<usize>,
    /// For each of the links its targets, and those of the value before.
    targets: Vec<Targets>,
}

struct Targets {
    now: Vec<Target>,
    before: HashSet<Target>,
}

impl LinkBatch {
    /// Returns what is to be resolved.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().flat_map(|targets| &targets.now)
    }
}

impl What {
    /// The rule that is broken.
    pub fn rule(&self) -> &'static str {
        match self {
            What::Unknown => "unknown",
            What::Hidden => "active",
            What::Circle(_) => "circle",
        }
    }

    /// Returns what to do about all that is wrong in this way.
    pub fn advice(&self) -> &'static str {
        match self {
            What::Unknown => "names somebody who is not in the roster; add them first, or in the same push",
            What::Hidden => "names an employee who is hidden; only an active one may be named",
            What::Circle(_) => "leads in a circle; one of its members must lead to somebody else, or to nobody",
        }
    }

    /// Returns the numbers of the employees that the message names.
    pub fn named(&self) -> &[u32] {
        match self {
            What::Unknown | What::Hidden => &[],
            What::Circle(members) => &members[..members.len().min(MEMBERS_NAMED_MAX)],
        }
    }

    /// Returns what is wrong with this one, and what to do about it. `id` returns the id of a number.
    pub fn message(&self, id: impl Fn(u32) -> String) -> String {
        let What::Circle(members) = self else {
            return self.advice().into();
        };
        let mut ids: Vec<String> = self.named().iter().map(|&number| format!("{:?}", id(number))).collect();
        match members.len() {
            n if n > MEMBERS_NAMED_MAX => ids.push(format!("and {} more", n - MEMBERS_NAMED_MAX)),
            _ => ids.push(ids[0].clone()),
        }
        let circle = ids.join(" → ");
        format!("leads in a circle: {circle}; one of them must lead to somebody else, or to nobody")
    }
}

impl<'p> References<'p> {
    /// None yet, by the fields of the profile, which have these numbers; their text may take `text_bytes_max`.
    pub fn new(profile: &'p Profile, numbers: &[u32], seed: u64, text_bytes_max: usize) -> References<'p> {
        let linked = |(field, &number): (&'p Field, &u32)| {
            let Rules::Reference(reference) = &field.rules else {
                return None;
            };
            let to_field = match &reference.to {
                To::Field { name, .. } => profile.position(name).map(|position| numbers[position]),
                To::Id | To::Number => None,
            };
            Some(Linked { name: &field.name, number, to_field, reference })
        };
        References {
            seed,
            fields: profile.fields.iter().zip(numbers).filter_map(linked).collect(),
            links: Vec::new(),
            text: String::new(),
            text_bytes_max,
            checked: (0, 0),
            steps: HashMap::new(),
            ahead: Vec::new(),
            heirs: Vec::new(),
        }
    }

    /// Whether the profile has no references.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Notes that an employee was created, or changed from the data `before`, and has this data now.
    pub fn add(
        &mut self,
        number: u32,
        place: Option<u64>,
        before: Option<Data<&[u8]>>,
        data: Data<&[u8]>,
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
            let (value_bytes, before_bytes) = (bytes(value), is_new.then(|| bytes(before)));
            self.links.push(Link { number, place: place.map(Place::new), field, value_bytes, before_bytes });
        }
        if self.text.len() > self.text_bytes_max {
            return Err(Failure::OverLimit { limit: "references_bytes_max", max: self.text_bytes_max as u64 });
        }
        Ok(())
    }

    /// Returns the next links to be resolved, some `targets_max` of them; `None` if there are no more.
    pub fn next_links(&self, targets_max: usize) -> Option<LinkBatch> {
        let (from, mut at) = self.checked;
        let mut batch = LinkBatch { links: from..from, targets: Vec::new() };
        let mut targets = 0;
        for link in &self.links[from..] {
            if targets >= targets_max {
                break;
            }
            let linked = &self.fields[link.field];
            let (value, rest) = self.text[at..].split_at(link.value_bytes as usize);
            let before = &rest[..link.before_bytes.unwrap_or_default() as usize];
            at += value.len() + before.len();
            let of = |text: &str| {
                linked.reference.targets(text).into_iter().map(|name| self.target(linked, &name)).collect()
            };
            let now: Vec<Target> = of(value);
            let before = if before.is_empty() { Vec::new() } else { of(before) };
            targets += now.len();
            batch.targets.push(Targets { now, before: before.into_iter().collect() });
            batch.links.end += 1;
        }
        (!batch.targets.is_empty()).then_some(batch)
    }

    /// Checks links whose targets were resolved. Calls `tell` with each that is wrong.
    pub fn check_links(&mut self, batch: LinkBatch, directory: &Directory, mut tell: impl FnMut(WrongReference)) {
        let LinkBatch { links, targets } = batch;
        for (link, Targets { now, before }) in self.links[links.clone()].iter().zip(targets) {
            let linked = &self.fields[link.field];
            let mut last = None;
            for target in &now {
                let found = directory.get(target);
                last = found.map(|(number, _)| *number);
                // What was right when it was said stays as it is: who leaves must not stop those who named them.
                if link.before_bytes.is_none() || before.contains(target) {
                    continue;
                }
                let what = match found {
                    None if linked.reference.must_exist => What::Unknown,
                    Some((_, Status::Hidden)) if linked.reference.active => What::Hidden,
                    _ => continue,
                };
                let place = link.place.map(Place::get);
                tell(WrongReference { number: link.number, place, field: linked.name.into(), what });
            }
            if linked.reference.acyclic {
                let step = Step { to: last, place: link.place, walk: None };
                self.steps.insert((link.field, link.number), step);
                self.ahead.extend(last.map(|number| (link.field, number)));
            }
            self.checked.1 += link.value_bytes as usize + link.before_bytes.unwrap_or_default() as usize;
        }
        self.checked.0 = links.end;
    }

    /// Whether an acyclic reference names employees by a unique field, so that a chain may lead elsewhere when a value goes to somebody else.
    pub fn follow_values(&self) -> bool {
        self.fields.iter().any(|linked| linked.reference.acyclic && linked.to_field.is_some())
    }

    /// Notes who holds now a value of a field that the employee `giver` has given up. Chains that lead there are followed, too.
    pub fn inherited(&mut self, to_field: u32, holder: u32, giver: u32) {
        for (field, linked) in self.fields.iter().enumerate() {
            if linked.reference.acyclic && linked.to_field == Some(to_field) {
                self.heirs.push(Heir { field, holder, giver });
                self.ahead.push((field, holder));
            }
        }
    }

    /// Returns the numbers of employees that chains lead to, which are not known yet, some `max` of them; none if all chains end or close.
    pub fn next_steps(&mut self, max: usize) -> Vec<Stand> {
        let mut next = HashSet::new();
        while next.len() < max
            && let Some(stand) = self.ahead.pop()
        {
            if !self.steps.contains_key(&stand) {
                next.insert(stand);
            }
        }
        next.into_iter().collect()
    }

    /// Returns whom an employee leads to, as the store has it. Whoever was rejected is not stored; whom they lead to is seen once that is fixed.
    pub fn target_of(&self, (field, _): Stand, employee: Option<&Employee>) -> Target {
        let linked = &self.fields[field];
        let value = employee.and_then(|employee| employee.data.lend().text(linked.number).map(str::to_owned));
        value.map_or(Target::Nobody, |value| self.target(linked, &value))
    }

    /// Adds the steps of [`References::next_steps`], each with its target, which was resolved.
    pub fn add_steps(&mut self, steps: impl Iterator<Item = (Stand, Target)>, directory: &Directory) {
        for (stand, target) in steps {
            let to = directory.get(&target).map(|(number, _)| *number);
            self.steps.insert(stand, Step { to, place: None, walk: None });
            self.ahead.extend(to.map(|number| (stand.0, number)));
        }
    }

    /// Calls `tell` with each circle, once all steps are known: of the links, and of those who have what somebody else has given up.
    pub fn circles(&mut self, mut tell: impl FnMut(WrongReference)) {
        let mut walk = 0;
        let links = std::mem::take(&mut self.links);
        for link in &links {
            if !self.fields[link.field].reference.acyclic {
                continue;
            }
            walk += 1;
            if let Some(circle) = self.circle((link.field, link.number), walk) {
                let pushed = self.first_pushed(link.field, &circle);
                let (number, place) = pushed.map_or((link.number, link.place), |(number, place)| (number, Some(place)));
                let (field, place) = (self.fields[link.field].name.into(), place.map(Place::get));
                tell(WrongReference { number, place, field, what: What::Circle(circle) });
            }
        }
        let heirs = std::mem::take(&mut self.heirs);
        for Heir { field, holder, giver } in heirs {
            walk += 1;
            let Some(circle) = self.circle((field, holder), walk) else {
                continue;
            };
            let linked = &self.fields[field];
            let To::Field { name, .. } = &linked.reference.to else {
                continue;
            };
            let (number, place, field) = match self.first_pushed(field, &circle) {
                Some((number, place)) => (number, Some(place.get()), linked.name),
                None => (giver, None, name.as_str()),
            };
            tell(WrongReference { number, place, field: field.into(), what: What::Circle(circle) });
        }
    }

    /// Walks from an employee until the chain ends. Returns the members of the circle if it never does, and no other walk has found that.
    fn circle(&mut self, (field, start): Stand, walk: u32) -> Option<Vec<u32>> {
        let mut chain = Vec::new();
        let mut at = Some(start);
        while let Some(number) = at {
            let step = self.steps.get_mut(&(field, number))?;
            if step.walk == Some(walk) {
                let first = chain.iter().position(|member| *member == number).unwrap_or(0);
                return Some(chain.split_off(first));
            }
            if step.walk.is_some() {
                return None;
            }
            step.walk = Some(walk);
            at = step.to;
            chain.push(number);
        }
        None
    }

    /// Returns the first of the members of a circle that the push carries, and its place in the push.
    fn first_pushed(&self, field: usize, circle: &[u32]) -> Option<(u32, Place)> {
        let places = circle.iter().filter_map(|number| Some((*number, self.steps.get(&(field, *number))?.place?)));
        places.min_by_key(|(_, place)| *place)
    }

    fn target(&self, linked: &Linked, name: &str) -> Target {
        match (&linked.reference.to, linked.to_field) {
            (To::Id, _) => Target::Id(name.into()),
            (To::Number, _) => name.parse().map_or(Target::Nobody, Target::Number),
            (To::Field { .. }, Some(field)) => {
                Target::Value(UniqueValue { field, hash: hash(self.seed, name.as_bytes()) })
            }
            (To::Field { .. }, None) => Target::Nobody,
        }
    }
}
