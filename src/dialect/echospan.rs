//! EchoSpan's employee import: one command a request, form-encoded; what is queued is applied by the command P.

use super::facts::{Facts, RefusalForm, TEXT};
use crate::rejection::Fault;
use crate::role::Role;
use crate::roster::{Intent, Status, valid_id};
use serde::{Deserialize, Serialize};

/// What is particular to EchoSpan.
pub const FACTS: Facts = Facts {
    name: "echospan",
    credential: "`Key` and `ClientID`",
    roles: &[Role::Push],
    paths: &["/echotools7/"],
    id: ID,
    fields: &[
        "Fname",
        "Lname",
        "Email",
        "Title",
        "Phone",
        "Department",
        "StartDate",
        "IsManager",
        "ManagerEmpIDNumber",
    ],
    required: &["Fname", "Lname", EMAIL],
    unique: Some(EMAIL),
    find_by: None,
    image: None,
    // The status is its whole answer.
    refusal: Some(RefusalForm { media_type: TEXT, body: |_| String::new() }),
};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// I, U or T: put a record into the queue.
    Queue(Record),
    /// P: apply the queue.
    Process,
    /// D: delete the queue.
    Delete,
}

/// What becomes of the employee of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// Insert, or update who exists.
    I,
    /// Update, or add who does not exist.
    U,
    /// Mark as terminated.
    T,
}

/// A status code of the documents, which is also the answer's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Done.
    Successful = 200,
    /// The account has ended.
    Expired = 402,
    /// A record that is bad, or lacks a field.
    BadRecord = 451,
    /// As many requests of a day as there may be.
    DailyLimit = 452,
    /// The store cannot be used now.
    Busy = 453,
    /// Another call of the account is under way.
    Waiting = 454,
    /// No account has this key and client id.
    BadKey = 455,
    /// Two employees have one id.
    DuplicateIds = 456,
    /// Two employees have one e-mail address.
    DuplicateEmails = 457,
}

impl Code {
    /// The documented message.
    pub fn message(self) -> &'static str {
        match self {
            Code::Successful => "Request successful.",
            Code::Expired => "Account is expired or payment is required.",
            Code::BadRecord => "Bad employee record submitted. Check that you have submitted all required fields.",
            Code::DailyLimit => "Daily limit on API requests reached.",
            Code::Busy => "Database server too busy to process request.",
            Code::Waiting => {
                "Waiting for another call from your account to complete. Retry the request in a few minutes."
            }
            Code::BadKey => "Bad API Key/Client ID combination",
            Code::DuplicateIds => {
                "Duplicate employee IDs exist. Make sure all employees have unique employee IDs. Delete import queue and retry."
            }
            Code::DuplicateEmails => {
                "Duplicate employee email values exist. Make sure all employees have unique email addresses. \
                 Delete import queue and retry."
            }
        }
    }
}

/// The fields of a request, under the names of the documents.
#[derive(Debug, Default)]
pub struct Form {
    fields: Vec<(&'static str, String)>,
    /// The first thing that is wrong with the fields.
    wrong: Option<String>,
}

/// The fields of a request that are none of an employee's.
const OWN: [&str; 4] = ["Key", "ClientID", "Cmd", TEST_FORM];

/// The field that has the employee's id.
pub const ID: &str = "EmpIDNumber";

/// The field that has the employee's e-mail address.
pub const EMAIL: &str = "Email";

/// The field that asks for an answer in words.
const TEST_FORM: &str = "APITestForm";

impl Form {
    /// The documented name of a field, which a request may name in any case.
    pub fn known(name: &str) -> Option<&'static str> {
        let names = OWN.iter().chain([&ID]).chain(FACTS.fields);
        names.copied().find(|known| known.eq_ignore_ascii_case(name))
    }

    /// Takes a field of the request; one that is not known is passed over.
    pub fn add(&mut self, name: &str, value: &str) {
        match Form::known(name) {
            Some(known) if self.get(known).is_some() => {
                self.wrong(format!("{known} appears twice in the request; send it once"));
            }
            Some(known) => self.fields.push((known, value.trim().to_owned())),
            None => {}
        }
    }

    /// Notes what is wrong with a field, if nothing was before.
    pub fn wrong(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    /// The value of a field, by its documented name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// Whether the answer is to be in words.
    pub fn is_test(&self) -> bool {
        self.get(TEST_FORM) == Some("1")
    }

    /// What the request asks for. The error says what is wrong with it.
    pub fn command(&self) -> Result<Command, String> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        let record = match self.get("Cmd").unwrap_or_default().to_ascii_uppercase().as_str() {
            "I" => Record::I,
            "U" => Record::U,
            "T" => Record::T,
            "P" => return Ok(Command::Process),
            "D" => return Ok(Command::Delete),
            _ => return Err("Cmd must be I, U, T, P or D".into()),
        };
        for required in FACTS.required.iter().chain([&ID]) {
            if self.get(required).is_none_or(str::is_empty) {
                return Err(format!("{required} is missing"));
            }
        }
        valid_id(self.get(ID).unwrap_or_default()).map_err(|fault| format!("{ID}: {}", fault.message))?;
        if self.get("IsManager").is_some_and(|is_manager| !matches!(is_manager, "" | "0" | "1")) {
            return Err("IsManager must be 1 or 0".into());
        }
        Ok(Command::Queue(record))
    }

    /// The record of a command that was found right, for the queue.
    pub fn record(&self, command: Record) -> Vec<u8> {
        let fields = self.fields.iter().filter(|(name, value)| {
            // An optional field that is sent empty is as good as omitted.
            !OWN.contains(name) && !value.is_empty()
        });
        let record =
            Queued { command, fields: fields.map(|(name, value)| ((*name).to_owned(), value.clone())).collect() };
        serde_json::to_vec(&record).expect("names and strings are JSON")
    }
}

#[derive(Serialize, Deserialize)]
struct Queued {
    command: Record,
    fields: Vec<(String, String)>,
}

/// Reads a record of the queue.
pub fn queued(record: &[u8]) -> Intent<'static> {
    let Ok(Queued { command, fields }) = serde_json::from_slice(record) else {
        let fault =
            Fault::new("Cmd", "record", "the queued record is damaged; delete the queue with D and send it again");
        return Intent { faults: vec![fault], ..Intent::default() };
    };
    let mut patch = Intent { must_exist: command == Record::T, ..Intent::default() };
    patch.status = Some(if command == Record::T { Status::Hidden } else { Status::Active });
    for (name, value) in fields {
        match name.as_str() {
            // A record may have been queued by an earlier version.
            ID => match valid_id(&value) {
                Ok(id) => patch.id = Some(id.to_owned().into()),
                Err(fault) => patch.faults.push(fault),
            },
            _ if command == Record::T => {}
            _ => patch.data.push((name.into(), value.into())),
        }
    }
    // It is the one field that is not kept when it is omitted.
    if command != Record::T && patch.data.iter().all(|(name, _)| name != "IsManager") {
        patch.data.push(("IsManager".into(), "0".into()));
    }
    patch
}

/// The answer in words to a request with `APITestForm`: the documented message, and then the advice.
pub fn answer(code: Code, advice: Option<&str>) -> String {
    let advice = advice.map(|advice| format!(" {advice}")).unwrap_or_default();
    format!("{} {}{advice}", code as u16, code.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Form {
        let mut form = Form::default();
        fields.iter().for_each(|(name, value)| form.add(name, value));
        form
    }

    #[test]
    fn a_record_becomes_a_patch() {
        let fields =
            [("cmd", "i"), ("FNAME", "A"), ("lname", "B"), ("Email", "a@x.com"), ("empidnumber", "1"), ("Title", "")];
        let form = form(&fields);
        assert_eq!(form.command(), Ok(Command::Queue(Record::I)));
        let patch = queued(&form.record(Record::I));
        assert_eq!((patch.id.as_deref(), patch.status, patch.must_exist), (Some("1"), Some(Status::Active), false));
        let names: Vec<&str> = patch.data.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["Fname", "Lname", "Email", "IsManager"]);
        let patch = queued(&form.record(Record::T));
        assert_eq!((patch.status, patch.must_exist, patch.data.len()), (Some(Status::Hidden), true, 0));
        assert_eq!(queued(b"{").faults.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let good = [("Fname", "A"), ("Lname", "B"), ("Email", "a@x.com"), ("EmpIDNumber", "1")];
        let with = |more: &[(&str, &str)]| form(&[&good[..], more].concat()).command();
        assert_eq!(with(&[("Cmd", "P")]), Ok(Command::Process));
        assert!(with(&[]).unwrap_err().contains("Cmd must be"));
        assert!(with(&[("Cmd", "X")]).unwrap_err().contains("Cmd must be"));
        assert!(with(&[("Cmd", "I"), ("fname", "A")]).unwrap_err().contains("Fname appears twice"));
        assert!(with(&[("Cmd", "I"), ("IsManager", "yes")]).unwrap_err().contains("IsManager"));
        assert!(form(&[("Cmd", "T"), ("Fname", "A")]).command().unwrap_err().contains("Lname is missing"));
    }
}
