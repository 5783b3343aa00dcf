//! Sources: where the intents of a push come from.

use super::Push;
use super::failure::Failure;
use super::intake::{Intake, Pieces};
use super::trace::waiting_for;
use crate::json::{NotJson, Scratch, Unreadable};
use crate::limits::Limits;
use crate::profile::Profile;
use crate::roster::{Envelope, Ignored, Intent};
use crate::store::{Draft, Profiles};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use uuid::Uuid;

/// How many intents that come one by one are checked at a time.
const BATCH_INTENTS: usize = 1_024;

/// Where the intents of a push come from.
pub enum Source<'a> {
    /// A body that carries everybody, and names its profile.
    Body(Body<'a>),
    /// Intents that come one by one.
    Intents {
        /// The profile that they are checked against.
        profile: Arc<Profile>,
        /// The intents.
        intents: Box<dyn Iterator<Item = Result<Intent<'static>, Failure>> + 'a>,
    },
    /// The account's queue, which is empty after the push.
    Queue {
        /// The profile that its intents are checked against.
        profile: Arc<Profile>,
        /// Turns a record into an intent.
        read: fn(&[u8]) -> Intent<'static>,
    },
}

/// A body that carries everybody.
pub struct Body<'a> {
    /// The account that it is pushed to.
    pub account: i64,
    /// Its wire format.
    pub format: &'a Format,
    /// The profiles in force.
    pub profiles: &'a Profiles,
    /// The body as it arrives.
    pub pieces: Box<Pieces<'a>>,
}

/// How the bodies of a dialect are read: functions of the dialect, which the steps call.
pub struct Format {
    /// The names that the array of employees may have.
    pub employees: [&'static str; 2],
    /// Reads a body whose array of employees is empty.
    pub envelope: fn(&[u8]) -> Result<Envelope, Unreadable>,
    /// Reads one element of the array.
    pub employee: for<'a> fn(&'a [u8], &Limits, &'a mut Scratch) -> Parsed<'a>,
}

/// An intent, which carries the faults of its form; the error says that the element is not JSON.
pub type Parsed<'a> = Result<Intent<'a>, NotJson>;

/// The intents of a push whose profile is known.
pub enum Arriving<'a> {
    /// A body that carries everybody.
    Whole(Box<Whole<'a>>),
    /// Intents one by one.
    Intents(Intents<'a>),
}

/// A body that carries everybody, received as far as its first employee.
pub struct Whole<'a> {
    /// Its wire format.
    pub format: &'a Format,
    /// The rest of it.
    pub intake: Intake<'a>,
}

/// Intents that come one by one.
pub enum Intents<'a> {
    /// From an iterator.
    Given(Box<dyn Iterator<Item = Result<Intent<'static>, Failure>> + 'a>),
    /// From the account's queue.
    Queued {
        /// Turns a record into an intent.
        read: fn(&[u8]) -> Intent<'static>,
        /// The position of the last record that was read.
        after: u64,
    },
}

impl<'a> Source<'a> {
    /// Returns the same source. The time spent waiting for its body is added to `waited`, in nanoseconds.
    pub fn timed(self, waited: &'a AtomicU64) -> Source<'a> {
        match self {
            Source::Body(body) => Source::Body(Body { pieces: waiting_for(body.pieces, waited), ..body }),
            other => other,
        }
    }

    /// Receives a body until its profile is known, which usually precedes the employees. Returns the profile, and what is still to come.
    pub fn begin(self, push: &'a Push) -> Result<(Arc<Profile>, Arriving<'a>), Failure> {
        match self {
            Source::Body(body) => {
                let (profile, whole) = body.begin(push)?;
                Ok((profile, Arriving::Whole(Box::new(whole))))
            }
            Source::Intents { profile, intents } => Ok((profile, Arriving::Intents(Intents::Given(intents)))),
            Source::Queue { profile, read } => Ok((profile, Arriving::Intents(Intents::Queued { read, after: 0 }))),
        }
    }
}

impl<'a> Body<'a> {
    fn begin(self, push: &'a Push) -> Result<(Arc<Profile>, Whole<'a>), Failure> {
        let Body { account, format, profiles, pieces } = self;
        let find_profile = |id: Option<Uuid>| {
            let missing =
                || Failure::Wrong("profileId is missing; send the GUID of one of the account's profiles".into());
            profiles.get(id.ok_or_else(missing)?, account).ok_or(Failure::UnknownProfile)
        };
        let mut intake = Intake::new(pieces, format, push.limits);
        intake.begin()?;
        let known = intake.envelope_so_far().and_then(|envelope| match envelope.profile {
            Some(id) => find_profile(Some(id)).map(Some),
            None => Ok(None),
        });
        match known {
            Ok(Some(profile)) => Ok((profile, Whole { format, intake })),
            Ok(None) => {
                // The profile comes behind the employees, which can only be checked when it is known.
                let (id, intake) = intake.spool(push.spool_dir)?;
                Ok((find_profile(id)?, Whole { format, intake }))
            }
            Err(failure) => {
                intake.check_first()?;
                Err(failure)
            }
        }
    }
}

impl Whole<'_> {
    /// Returns the names in the envelope that mean nothing, once the whole body has come. Fails if it names the profile twice.
    pub fn end(&self, profile: &Profile) -> Result<Ignored, Failure> {
        let envelope = self.intake.finish()?;
        if envelope.profile != Some(profile.id) {
            return Err(Failure::Wrong("profileId appears twice in the body; send it once".into()));
        }
        Ok(envelope.ignored)
    }
}

impl Intents<'_> {
    /// Returns the next batch, which is empty at the end.
    pub fn next(&mut self, draft: &mut Draft) -> Result<Vec<Intent<'static>>, Failure> {
        match self {
            Intents::Given(intents) => intents.take(BATCH_INTENTS).collect(),
            Intents::Queued { read, after } => {
                let records = draft.queued(*after, BATCH_INTENTS)?;
                *after = records.last().map_or(*after, |(position, _)| *position);
                Ok(records.iter().map(|(_, record)| read(record)).collect())
            }
        }
    }

    /// Reads all that are given, though nothing is done with them: whoever reads them may note where each of them is.
    pub fn pass_over(self) {
        match self {
            Intents::Given(intents) => intents.for_each(drop),
            Intents::Queued { .. } => {}
        }
    }

    /// Returns whether they come from the account's queue.
    pub fn is_queue(&self) -> bool {
        matches!(self, Intents::Queued { .. })
    }
}
