//! The wire formats of a push, a file each: the facts of a dialect, how its bytes become employees, and counts its answer.

pub mod collaborator;
pub mod echospan;
mod facts;
pub mod springest;
pub mod startexam;

pub use facts::{Facts, JSON, RefusalForm, TEXT};

/// A system whose import API is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// StartExam's Sync Employees: the whole roster.
    StartExam,
    /// Springest Go's users.json: one employee.
    Springest,
    /// LMS Collaborator's users-import: one, several, or a CSV of all.
    Collaborator,
    /// EchoSpan's employee import: one command a request, applied by another.
    EchoSpan,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 4] = [Dialect::StartExam, Dialect::Springest, Dialect::Collaborator, Dialect::EchoSpan];

    /// What is particular to it.
    pub fn facts(self) -> &'static Facts {
        match self {
            Dialect::StartExam => &startexam::FACTS,
            Dialect::Springest => &springest::FACTS,
            Dialect::Collaborator => &collaborator::FACTS,
            Dialect::EchoSpan => &echospan::FACTS,
        }
    }

    /// The name that profiles, keys and commands have for it.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The dialect of a name.
    pub fn parse(name: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// The dialect whose path this is, whether there is anything at it or not.
    pub fn of_path(path: &str) -> Dialect {
        let begins = |prefix: &&str| path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let its = |dialect: &Dialect| dialect.facts().paths.iter().any(begins);
        Dialect::ALL.into_iter().find(its).unwrap_or(Dialect::StartExam)
    }
}
