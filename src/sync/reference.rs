//! References: checks that the employees whom others name exist and are active in the roster as the push leaves it, and that chains end.
//!
//! Nothing is decided before the end of the push, so the order of its employees does not matter. Then the links are resolved in batches
//! ([`References::next_links`], [`References::check_links`]). After that all chains are followed together, step by step
//! ([`References::next_steps`], [`References::add_steps`]), until each of them ends or closes.

use super::Failure;
use super::carried::Place;
use crate::profile::{Field, Profile, Reference, Rules, To};
use crate::roster::{Data, Employee, Status, Version, hash};
use crate::store::UniqueValue;
use std::collections::{HashMap, HashSet};

/// The most members of a circle that a message lists.
const MEMBERS_NAMED_MAX: usize = 10;

/// The references that a push adds to the roster, or may turn into a circle.
pub struct References<'p> {
    seed: u64,
    fields: Vec<Linked<'p>>,
    links: Vec<Link>,
    /// The values of the links: for each its value, then its value before the push.
    text: String,
    text_bytes_max: usize,
    /// How many of the links were checked.
    checked_links: usize,
    /// Where the text of the first link begins that was not checked.
    checked_text: usize,
    /// For each member of a chain whom it leads to. Chains begin with links of acyclic fields.
    steps: HashMap<Member, Step>,
    /// Members that chains lead to, and whose steps may not be known.
    ahead: Vec<Member>,
    /// Employees who hold now what somebody else has given up.
    heirs: Vec<Heir>,
}

/// An employee in the chains of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// The field, by its position among those that refer to employees.
    field: usize,
    /// The employee's number.
    pub number: u32,
}

/// A field that refers to employees.
struct Linked<'p> {
    name: &'p str,
    /// The account's number of the field.
    number: u32,
    /// The account's number of the field that employees are named by; `None` if that is no field.
    to_field: Option<u32>,
    reference: &'p Reference,
}

/// A value of such a field.
struct Link {
    /// The number of the employee that has it.
    number: u32,
    /// That employee's place in the push.
    place: Option<Place>,
    /// The field, by its position among those that refer to employees.
    field: usize,
    /// The length of the value in the text.
    value_bytes: u32,
    /// The length of the value before the push; `None` if it is the same.
    before_bytes: Option<u32>,
}

impl Link {
    /// How many bytes of the text are its own.
    fn text_bytes(&self) -> usize {
        self.value_bytes as usize + self.before_bytes.unwrap_or_default() as usize
    }
}

/// An employee who holds a unique value that somebody else has given up.
struct Heir {
    holder: Member,
    /// The number of the employee who has given it up.
    giver: u32,
}

/// The step from a member of a chain to the next one.
#[derive(Clone, Copy)]
struct Step {
    /// The number of the next member; `None` if the chain ends.
    to: Option<u32>,
    /// The member's place in the push, if it has one of the links.
    place: Option<Place>,
    /// The last walk that came through here.
    walk: Option<u32>,
}

/// A reference that breaks a rule.
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

/// The employees that targets name, if they exist: their numbers and statuses.
pub type Directory = HashMap<Target, (u32, Status)>;

/// Links whose targets are to be resolved.
pub struct LinkBatch {
    links: std::ops::Range<usize>,
    /// For each of the links its targets, and those of its value before the push.
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
    /// Returns the rule that is broken.
    pub fn rule(&self) -> &'static str {
        match self {
            What::Unknown => "unknown",
            What::Hidden => "active",
            What::Circle(_) => "circle",
        }
    }

    /// Returns what is wrong and what to do, without naming anybody.
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

    /// Returns what is wrong and what to do. `id` returns the id of the employee with a number.
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
    /// Returns no references yet, of a profile whose fields have these numbers. The values of all links may take `text_bytes_max` bytes.
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
            checked_links: 0,
            checked_text: 0,
            steps: HashMap::new(),
            ahead: Vec::new(),
            heirs: Vec::new(),
        }
    }

    /// Returns whether the profile has no references.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds the references of an employee that was created, or that had the data `before` and now has `data`.
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
            // Whoever was named before the push may still be named. But a chain may close elsewhere, so it is followed again.
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

    /// Leaves out the references of some employees, before any are checked.
    pub fn leave_out(&mut self, is_left_out: impl Fn(u32) -> bool) {
        let (links, text) = (std::mem::take(&mut self.links), std::mem::take(&mut self.text));
        let mut rest = text.as_str();
        for link in links {
            let of_link;
            (of_link, rest) = rest.split_at(link.text_bytes());
            if !is_left_out(link.number) {
                self.text.push_str(of_link);
                self.links.push(link);
            }
        }
    }

    /// Returns the next links to be resolved, which have about `targets_max` targets; `None` if there are no more.
    pub fn next_links(&self, targets_max: usize) -> Option<LinkBatch> {
        let (from, mut at) = (self.checked_links, self.checked_text);
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

    /// Checks links whose targets were resolved. Calls `report` with each that is wrong.
    pub fn check_links(&mut self, batch: LinkBatch, directory: &Directory, mut report: impl FnMut(WrongReference)) {
        let LinkBatch { links, targets } = batch;
        for (link, Targets { now, before }) in self.links[links.clone()].iter().zip(targets) {
            let linked = &self.fields[link.field];
            let mut last = None;
            for target in &now {
                let found = directory.get(target);
                last = found.map(|(number, _)| *number);
                // A reference that was right when it was pushed stays: a leaver must not block those who name them.
                if link.before_bytes.is_none() || before.contains(target) {
                    continue;
                }
                let what = match found {
                    None if linked.reference.must_exist => What::Unknown,
                    Some((_, Status::Hidden)) if linked.reference.active => What::Hidden,
                    _ => continue,
                };
                let place = link.place.map(Place::get);
                report(WrongReference { number: link.number, place, field: linked.name.into(), what });
            }
            if linked.reference.acyclic {
                let step = Step { to: last, place: link.place, walk: None };
                self.steps.insert(Member { field: link.field, number: link.number }, step);
                self.ahead.extend(last.map(|number| Member { field: link.field, number }));
            }
            self.checked_text += link.text_bytes();
        }
        self.checked_links = links.end;
    }

    /// Returns whether an acyclic reference names employees by a unique field. Then chains lead elsewhere when a value goes to another
    /// employee.
    pub fn follow_values(&self) -> bool {
        self.fields.iter().any(|linked| linked.reference.acyclic && linked.to_field.is_some())
    }

    /// Notes that the employee `holder` now has a value of a field that `giver` has given up. Chains through the holder are followed, too.
    pub fn inherited(&mut self, to_field: u32, holder: u32, giver: u32) {
        for (field, linked) in self.fields.iter().enumerate() {
            if linked.reference.acyclic && linked.to_field == Some(to_field) {
                let holder = Member { field, number: holder };
                self.heirs.push(Heir { holder, giver });
                self.ahead.push(holder);
            }
        }
    }

    /// Returns at most `max` members of chains whose steps are not known yet. There are none once all chains end or close.
    pub fn next_steps(&mut self, max: usize) -> Vec<Member> {
        let mut next = HashSet::new();
        while next.len() < max
            && let Some(member) = self.ahead.pop()
        {
            if !self.steps.contains_key(&member) {
                next.insert(member);
            }
        }
        next.into_iter().collect()
    }

    /// Returns whom a member leads to, by what is stored. An employee that was rejected is not stored, and leads to nobody until that is
    /// fixed.
    pub fn target_of(&self, member: Member, employee: Option<&Employee>) -> Target {
        let linked = &self.fields[member.field];
        let value = employee.and_then(|employee| employee.data.lend().text(linked.number).map(str::to_owned));
        value.map_or(Target::Nobody, |value| self.target(linked, &value))
    }

    /// Adds the steps of [`References::next_steps`], whose targets were resolved.
    pub fn add_steps(&mut self, steps: impl Iterator<Item = (Member, Target)>, directory: &Directory) {
        for (member, target) in steps {
            let to = directory.get(&target).map(|(number, _)| *number);
            self.steps.insert(member, Step { to, place: None, walk: None });
            self.ahead.extend(to.map(|number| Member { number, ..member }));
        }
    }

    /// Calls `report` with each circle, once all steps are known: those of the links, and those of employees who hold what somebody else
    /// has given up.
    pub fn circles(&mut self, mut report: impl FnMut(WrongReference)) {
        let mut walk = 0;
        let links = std::mem::take(&mut self.links);
        for link in &links {
            if !self.fields[link.field].reference.acyclic {
                continue;
            }
            walk += 1;
            if let Some(circle) = self.circle(Member { field: link.field, number: link.number }, walk) {
                let pushed = self.first_pushed(link.field, &circle);
                let (number, place) = pushed.map_or((link.number, link.place), |(number, place)| (number, Some(place)));
                let (field, place) = (self.fields[link.field].name.into(), place.map(Place::get));
                report(WrongReference { number, place, field, what: What::Circle(circle) });
            }
        }
        let heirs = std::mem::take(&mut self.heirs);
        for Heir { holder, giver } in heirs {
            walk += 1;
            let Some(circle) = self.circle(holder, walk) else {
                continue;
            };
            let linked = &self.fields[holder.field];
            let To::Field { name, .. } = &linked.reference.to else {
                continue;
            };
            let (number, place, field) = match self.first_pushed(holder.field, &circle) {
                Some((number, place)) => (number, Some(place.get()), linked.name),
                None => (giver, None, name.as_str()),
            };
            report(WrongReference { number, place, field: field.into(), what: What::Circle(circle) });
        }
    }

    /// Walks along the chain from `start`. Returns the numbers of its circle, if it has one that no earlier walk came through.
    fn circle(&mut self, start: Member, walk: u32) -> Option<Vec<u32>> {
        let mut chain = Vec::new();
        let mut at = Some(start.number);
        while let Some(number) = at {
            let step = self.steps.get_mut(&Member { number, ..start })?;
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

    /// Returns the member of a circle that comes first in the push, and its place; `None` if none of them has a link.
    fn first_pushed(&self, field: usize, circle: &[u32]) -> Option<(u32, Place)> {
        let places = circle
            .iter()
            .filter_map(|number| Some((*number, self.steps.get(&Member { field, number: *number })?.place?)));
        places.min_by_key(|(_, place)| *place)
    }

    /// Returns whether a value of some field must name somebody.
    pub fn must_exist(&self) -> bool {
        self.fields.iter().any(|linked| linked.reference.must_exist)
    }

    /// Returns what an employee with a number can be named by, in fields that must name somebody.
    pub fn names_of(&self, number: u32, employee: Version) -> Vec<Target> {
        let name = |linked: &Linked| match (&linked.reference.to, linked.to_field) {
            (To::Id, _) => Target::Id(employee.id.into()),
            (To::Number, _) => Target::Number(number),
            (To::Field { .. }, Some(field)) => {
                employee.data.text(field).map_or(Target::Nobody, |value| self.target(linked, value))
            }
            (To::Field { .. }, None) => Target::Nobody,
        };
        let names = self.fields.iter().filter(|linked| linked.reference.must_exist).map(name);
        names.filter(|target| *target != Target::Nobody).collect()
    }

    /// Returns whom an employee names in fields that must name somebody, and in which.
    pub fn named_by(&self, employee: Version) -> Vec<(&'p str, Target)> {
        let mut named = Vec::new();
        for linked in self.fields.iter().filter(|linked| linked.reference.must_exist) {
            let names = employee.data.text(linked.number).map(|value| linked.reference.targets(value));
            named.extend(names.into_iter().flatten().map(|name| (linked.name, self.target(linked, &name))));
        }
        named
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
