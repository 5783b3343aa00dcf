//! The wire formats of a push, a file each: the facts of a dialect, how its bytes become employees, and counts its answer.

pub mod collaborator;
pub mod echospan;
pub mod springest;
pub mod startexam;

/// The media type of an answer in JSON.
pub const JSON: &str = "application/json; charset=utf-8";

/// The media type of an answer in words.
pub const TEXT: &str = "text/plain; charset=utf-8";

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

/// What is particular to a dialect.
#[derive(Debug)]
pub struct Facts {
    /// The name that profiles, keys and commands have for it.
    pub name: &'static str,
    /// How its requests show whose they are, as people call it.
    pub credential: &'static str,
    /// What its paths begin with, in any case. A path that begins with no dialect's is StartExam's.
    pub paths: &'static [&'static str],
    /// What it calls the employee's id.
    pub id: &'static str,
    /// What its documents call the fields that a profile can have, beside the employee's id and status. StartExam has none of its own:
    /// there a field is called as the profile calls it.
    pub fields: &'static [&'static str],
    /// Those of its fields that a profile must have for the dialect to be served.
    pub required: &'static [&'static str],
    /// The one of its fields that a profile must make unique.
    pub unique: Option<&'static str>,
    /// The one of its fields that finds an employee whose id is not stored.
    pub find_by: Option<&'static str>,
    /// The one of its fields that a profile must make an image.
    pub image: Option<&'static str>,
    /// The form of a refusal, where it is not StartExam's.
    pub refusal: Option<RefusalForm>,
}

/// How a dialect says that a request was refused as a whole.
#[derive(Debug)]
pub struct RefusalForm {
    /// The media type of the body.
    pub media_type: &'static str,
    /// Makes the body of a message that says what to do.
    pub body: fn(&str) -> String,
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
