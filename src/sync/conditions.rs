//! Conditions: what a request demands of its push, or says about it, beside the body.

use super::Failure;
use super::source::Arriving;
use crate::digest::Fingerprint;
use crate::store::{Draft, Earlier, Mark, Retry, Seen};
use jiff::Timestamp;
use std::sync::{Arc, OnceLock};

/// What becomes of a push if some of its employees are rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Handling {
    /// It is refused.
    #[default]
    Strict,
    /// It is applied without them. They stay as they are stored, and are not absent.
    Lenient,
}

/// What a request demands of its push, or says about it. The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// How many employees the push must carry.
    pub expected: Option<u64>,
    /// When the list was made that the push carries.
    pub as_of: Option<Timestamp>,
    /// What tells this push from every other: sent again with the same body it is not applied again.
    pub idempotency_key: Option<String>,
    /// What the request was signed with, if that must not come again.
    pub mark: Option<Mark>,
    /// What becomes of the push if some of its employees are rejected.
    pub handling: Handling,
    /// The fingerprint of the request, once all of its body has come. It is computed only if something needs it.
    pub fingerprint: Arc<OnceLock<Fingerprint>>,
}

impl Conditions {
    /// Returns what an earlier push with the same key did. If there is none, checks that the list is not older than the last one.
    pub(super) fn begin(&self, draft: &mut Draft) -> Result<Option<Earlier>, Failure> {
        if let Some(key) = &self.idempotency_key
            && let Some(earlier) = draft.earlier(key)?
        {
            return Ok(Some(earlier));
        }
        if let Some(as_of) = self.as_of
            && let Some(last) = draft.last_as_of()?
            && as_of < last
        {
            return Err(Failure::Older { as_of, last });
        }
        Ok(None)
    }

    /// Receives the rest of a push that came before, and checks that it is the same.
    pub(super) fn repeat(&self, arriving: Arriving, earlier: &Earlier) -> Result<(), Failure> {
        match arriving {
            Arriving::Whole(mut whole) => whole.intake.pass_over()?,
            Arriving::Intents(intents) => intents.pass_over(),
        }
        self.is_same(earlier)
    }

    /// Checks that a request that has come whole is the one that came before with its key.
    pub(super) fn is_same(&self, earlier: &Earlier) -> Result<(), Failure> {
        if self.fingerprint.get() == Some(&earlier.fingerprint) { Ok(()) } else { Err(Failure::OtherBody) }
    }

    /// Checks a push that has come whole: that its signature did not come before with another body, and that it has carried as many
    /// employees as it must.
    pub(super) fn end(&self, carried: u64, draft: &mut Draft) -> Result<(), Failure> {
        if let Some(mark) = &self.mark
            && let Some(first) = draft.seen(mark)?
            && (mark.is_nonce || self.fingerprint.get() != Some(&first))
        {
            return Err(Failure::Replayed { is_nonce: mark.is_nonce });
        }
        match self.expected {
            Some(expected) if expected != carried => Err(Failure::Incomplete { expected, carried }),
            _ => Ok(()),
        }
    }

    /// Returns what the store is to remember of the signature of a push that has come whole.
    pub fn seen(&self, kept_max: usize) -> Option<Seen> {
        let (mark, fingerprint) = self.mark.zip(self.fingerprint.get().copied())?;
        Some(Seen { mark, fingerprint, kept_max })
    }

    /// Returns what the store is to remember of a push that has come whole.
    pub fn retry(&self) -> Option<Retry> {
        let (key, fingerprint) = self.idempotency_key.clone().zip(self.fingerprint.get().copied())?;
        Some(Retry { key, fingerprint })
    }
}
