//! Plans on the server: what a dry run has left, to be looked at and applied.

use super::send::{Verb, request};
use super::{Answer, PushError, Target};
use serde_json::Value;
use std::time::Duration;

/// A plan on a server.
pub struct RemotePlan<'a> {
    target: &'a Target,
    id: String,
    wait: Duration,
}

impl<'a> RemotePlan<'a> {
    /// Returns the plan that an answer to a dry run names, or `None` if it names none. Each of its requests waits at most `wait` for an answer.
    pub fn of(answer: &Answer, target: &'a Target, wait: Duration) -> Option<RemotePlan<'a>> {
        let id = answer.plan().filter(|_| answer.ok)?.to_owned();
        Some(RemotePlan { target, id, wait })
    }

    /// The account whose plan it is.
    pub fn account(&self) -> i64 {
        self.target.account
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Asks for the plan without its changes.
    pub fn read(&self) -> Result<Answer, PushError> {
        self.request(Verb::Get, "")
    }

    /// Calls `each` with every change, as the server shows it, until it fails. An answer that has no changes ends it and is returned.
    pub fn changes<E: From<PushError>>(
        &self,
        mut each: impl FnMut(&Value) -> Result<(), E>,
    ) -> Result<Option<Answer>, E> {
        let mut cursor = String::new();
        loop {
            let answer = self.request(Verb::Get, &format!("/changes?cursor={cursor}"))?;
            let page: Value = serde_json::from_str(&answer.text).unwrap_or_default();
            let Some(changes) = page["changes"].as_array().filter(|_| answer.ok) else {
                return Ok(Some(answer));
            };
            changes.iter().try_for_each(&mut each)?;
            match page["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return Ok(None),
            }
        }
    }

    /// Applies the plan.
    pub fn apply(&self) -> Result<Answer, PushError> {
        self.request(Verb::Post, "/apply")
    }

    /// Discards the plan.
    pub fn discard(&self) -> Result<Answer, PushError> {
        self.request(Verb::Delete, "")
    }

    fn request(&self, verb: Verb, rest: &str) -> Result<Answer, PushError> {
        let (_, answer) = request(self.target, verb, &format!("plans/{}{rest}", self.id), self.wait)?;
        Ok(answer)
    }
}
