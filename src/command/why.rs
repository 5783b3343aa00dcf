//! `rollcall why`

use super::folder::{IfMissing, StoreFolder};
use super::{Failed, out};
use crate::config::Config;
use crate::roster::{Change, HiddenBy, Missing, Status, Version};
use crate::server::{shown_event, shown_person};
use crate::store::{AppliedPlan, Error, Event, Person, Reader, SyncKind};
use clap::Args;
use clap::builder::FalseyValueParser;
use serde_json::json;

/// How many events of a life are looked at.
const EVENTS_MAX: usize = 1_000;

/// How many bytes of data are read of them, about.
const BYTES_MAX: usize = 64 << 20;

/// Say why an employee is active or hidden: since when, by which push, and what changed last; a server may be running
#[derive(Args)]
pub struct Why {
    /// The account
    account: i64,
    /// The employee's id in the corporate system, or one that it had before
    id: String,
    /// Print a JSON object
    #[arg(long, env = "ROLLCALL_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    #[command(flatten)]
    store: StoreFolder,
}

/// What there is to say about an employee.
struct Answer<'a> {
    person: &'a Person,
    /// The event that gave the employee its status; `None` if that is too long ago.
    since: Option<&'a Event>,
    /// The last event.
    last: Option<&'a Event>,
    /// The last event that is known to come from a push that carried the employee.
    carried: Option<&'a Event>,
    /// The erasure of somebody else that took some of its history, because the two were one employee then.
    emptied_by: Option<u64>,
    missing: Option<Missing>,
    /// The revision that the history begins with, and when it was made; `None` if it is the whole history.
    start: Option<(u64, Option<String>)>,
}

impl Why {
    pub fn run(self, config: Config) -> Result<(), Failed> {
        let store = self.store.open(&config, IfMissing::Fail)?;
        let key = store.key(self.account)?.ok_or(Error::NoAccount(self.account))?;
        let reader = store.history_reader(&key)?;
        let person = reader.person(self.id.trim())?.ok_or_else(|| {
            let account = self.account;
            Failed::Refused(format!(
                "account {account} has no employee who has or had this id; ids are compared as they are"
            ))
        })?;
        let life = reader.life(person.number, None, EVENTS_MAX, BYTES_MAX)?.events;
        let answer = Answer {
            since: life.iter().find(|event| event.recorded.change.number == person.number && gives_status(event)),
            last: life.first(),
            carried: life.iter().find(|event| is_carried(event)),
            emptied_by: life
                .iter()
                .filter(|event| event.recorded.change.number == person.number && !person.employee.is_removed())
                .find_map(|event| event.erased_by),
            missing: reader.missing(person.number)?,
            start: Some(reader.history_start()?).filter(|(first, _)| *first > 0),
            person: &person,
        };
        if self.json { answer.print_json(&reader) } else { out!("{}", answer.paragraph()) }
    }
}

fn gives_status(event: &Event) -> bool {
    let Change { before, after, .. } = event.recorded.change.lend().seen();
    let status = |version: Option<Version>| version.map(|version| version.status);
    event.is_before_known && status(before) != status(after)
}

fn is_carried(event: &Event) -> bool {
    let is_push = matches!(kind(event), Some(SyncKind::Push | SyncKind::Patch));
    is_push && !matches!(event.recorded.hidden_by, Some(HiddenBy::Absence { .. }))
}

fn kind(event: &Event) -> Option<&SyncKind> {
    event.sync.as_ref()?.applied()?.kind.as_ref()
}

impl Answer<'_> {
    fn print_json(&self, reader: &Reader) -> Result<(), Failed> {
        let names = reader.names()?;
        let event = |event: Option<&Event>| event.map(|event| shown_event(event, &names));
        let mut shown = shown_person(self.person);
        shown["since"] = json!(event(self.since));
        shown["lastChange"] = json!(event(self.last));
        shown["lastCarried"] = json!(event(self.carried));
        shown["missingFromLists"] = json!(self.missing.map(|missing| missing.pushes));
        shown["answer"] = json!(self.paragraph());
        out!("{shown:#}")
    }

    fn paragraph(&self) -> String {
        let Person { former_ids, is_former, .. } = self.person;
        let mut sentences = Vec::new();
        let since = match self.since {
            Some(event) => described(event),
            None => match &self.start {
                Some((_, Some(time))) => format!("before {time}, with which the history begins that is kept"),
                _ => "before the history begins that is kept".into(),
            },
        };
        let (id, status) = (self.person.id().escape_debug(), self.person.status());
        sentences.push(format!("Employee \"{id}\" has been {status} since {since}."));
        // The id of somebody who was removed is the last one that it had.
        let former = former_ids.iter().filter(|former| former.id != self.person.id());
        let former = former.map(|former| format!("\"{}\" until revision {}", former.id.escape_debug(), former.until));
        let former: Vec<String> = former.collect();
        if *is_former && !former.is_empty() {
            sentences.push(format!("It had the id {}.", former.join(", and before that ")));
        }
        sentences.extend(self.why_hidden());
        if let Some(event) = self.last.filter(|last| kind(last) == Some(&SyncKind::Erase)) {
            sentences.push(format!("Its personal data was erased by revision {}.", event.revision));
        }
        if let Some(revision) = self.emptied_by {
            sentences.push(format!(
                "What it was while somebody else was merged into it was erased with that person by revision {revision}."
            ));
        }
        if let Some(last) = self.last.filter(|last| self.since.is_none_or(|since| since.revision != last.revision)) {
            sentences.push(format!("It was last changed at {}.", described(last)));
        }
        if let Some(Missing { pushes, is_hidden: false, .. }) = self.missing {
            let lists = if pushes == 1 { "list".to_owned() } else { format!("{pushes} lists") };
            sentences.push(format!("It is missing from the last {lists} of everybody, and a later one will hide it."));
        }
        if let Some(carried) = self.carried {
            sentences.push(format!(
                "The last push that carried it with a change was that of {}. A push without a change of it is not recorded for it.",
                described(carried)
            ));
        }
        sentences.join(" ")
    }

    /// Says why the employee is hidden, if it is.
    fn why_hidden(&self) -> Option<String> {
        let is_hidden = self.person.employee.status == Status::Hidden && !self.person.employee.is_removed();
        let event = self.since.filter(|_| is_hidden)?;
        let absent = |lists: u32| match lists {
            1 => "it was missing from a list of everybody".to_owned(),
            _ => format!("it was missing from {lists} lists of everybody in a row"),
        };
        let on_purpose = match self.missing {
            None => "; a later push carried it as hidden",
            Some(_) => "",
        };
        Some(match event.recorded.hidden_by {
            None => "It was hidden when it was created.".into(),
            Some(HiddenBy::Push) => "That push carried it as hidden.".into(),
            Some(HiddenBy::Rename) => "Somebody gave it the id of a hidden employee, who is the same person.".into(),
            Some(HiddenBy::Undo) => match kind(event) {
                Some(SyncKind::Undo(undo)) => {
                    format!("Somebody undid {}, before which it was hidden.", undo.undone)
                }
                _ => "Somebody undid a sync before which it was hidden.".into(),
            },
            Some(HiddenBy::Erasure) => "Its personal data was erased.".into(),
            Some(HiddenBy::Absence { lists }) => format!("The reason is that {}{on_purpose}.", absent(lists)),
            Some(HiddenBy::Plan { lists }) => {
                let reason = lists.map(|lists| format!(", because {}", absent(lists))).unwrap_or_default();
                match kind(event) {
                    Some(SyncKind::Plan(AppliedPlan { id, tripped, .. })) if !tripped.is_empty() => {
                        let guards: Vec<&str> = tripped.iter().map(|one| one.guard.name()).collect();
                        let guards = guards.join(", ");
                        format!(
                            "The plan {id} hid it{reason}; guards had held that plan ({guards}), and somebody released it."
                        )
                    }
                    _ => format!("A plan that somebody applied hid it{reason}."),
                }
            }
        })
    }
}

/// Says when an event was, and by which sync.
fn described(event: &Event) -> String {
    let revision = event.revision;
    let Some(past) = &event.sync else {
        return format!("revision {revision}, whose record is not kept");
    };
    let mut about: Vec<String> = kind(event).map(|kind| kind.name().to_owned()).into_iter().collect();
    about.extend(past.dialect.clone());
    about.extend(past.key.map(|key| format!("key {key}")));
    about.extend(past.peer.as_ref().map(|peer| format!("from {peer}")));
    format!("{} (revision {revision}: {})", past.finished_at, about.join(", "))
}
