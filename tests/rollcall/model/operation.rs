//! Operations: what is done to the server, as values that can be printed, left out, and done again.
//!
//! An operation names nothing that only a server knows: a plan is the latest but so many, an employee an id. So the rest of a sequence still
//! means something when some of it is left out.

use super::fields::Field;
use std::time::Duration;

/// One thing that is done.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Something is sent, and answered.
    Send(Sending),
    /// The server is stopped gracefully, and started.
    Restart,
    /// All syncs but so many of the last become older than the history is kept, and the server starts again.
    Trim { kept: usize },
    /// Something is sent, and the server is killed so long after that, and started. Then it may be sent again with the same Idempotency-Key.
    Kill { sending: Sending, after: Duration, again: bool },
}

impl Operation {
    /// The employees of a push of several.
    pub fn people(&mut self) -> Option<&mut Vec<Row>> {
        let (Operation::Send(sending) | Operation::Kill { sending, .. }) = self else {
            return None;
        };
        match sending {
            Sending::Whole { people, .. } | Sending::Batch { people, .. } | Sending::Csv { people, .. } => Some(people),
            _ => None,
        }
    }
}

/// What is sent.
#[derive(Debug, Clone)]
pub enum Sending {
    /// StartExam's push of everybody.
    Whole {
        people: Vec<Row>,
        absent: Option<bool>,
        may_be_empty: bool,
        lenient: bool,
        dry_run: bool,
    },
    /// Springest's user.
    Springest(Row),
    /// Collaborator's users, by `single` or `batch`.
    Single(Row),
    Batch {
        people: Vec<Row>,
        lenient: bool,
    },
    /// Collaborator's CSV of everybody: a row has values for the first columns.
    Csv {
        columns: Vec<Field>,
        people: Vec<Row>,
        absent: Option<bool>,
        lenient: bool,
    },
    /// EchoSpan's commands I, U and T, then P and D.
    Queue(Command, Row),
    Process {
        lenient: bool,
    },
    Delete,
    /// The plan that waits, counted back from the latest, is applied or discarded.
    Apply {
        plan: usize,
        rebase: bool,
    },
    Discard {
        plan: usize,
    },
    /// Somebody gets another id; whoever has that is the same person for sure if `merge` says so.
    Rename {
        from: String,
        to: String,
        merge: bool,
    },
    /// Somebody's personal data is erased.
    Erase {
        id: String,
    },
    /// So many syncs are taken back, the last of them the latest but so many; these employees also if they were changed again since. Whoever
    /// they created may be erased.
    Undo {
        back: usize,
        several: usize,
        anyway: Vec<String>,
        erases: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    I,
    U,
    T,
}

/// One employee as a client sends it, with values as the client writes them.
#[derive(Clone, Default)]
pub struct Row {
    pub id: Option<String>,
    pub is_active: Option<bool>,
    pub values: Vec<(Field, String)>,
    /// Whether it has a field that no profile has.
    pub has_unknown_field: bool,
}

impl Row {
    pub fn get(&self, field: Field) -> Option<&str> {
        self.values.iter().find(|(other, _)| *other == field).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = match self.is_active {
            Some(true) => "+",
            Some(false) => "-",
            None => "",
        };
        write!(f, "{status}{}", self.id.as_deref().unwrap_or("nobody"))?;
        for (field, value) in &self.values {
            write!(f, " {}={value}", super::fields::FIELDS[*field].name)?;
        }
        if self.has_unknown_field { f.write_str(" unknown") } else { Ok(()) }
    }
}
