//! Sources: where the intents of a push come from.

use super::Push;
use super::failure::Failure;
use super::intake::{Intake, Pieces};
use super::trace::waiting_for;
use crate::json::{NotJson, Scratch, Unreadable};
use crate::limits::Limits;
use crate::profile::{Folder, Profile};
use crate::roster::{Envelope, Ignored, Intent};
use crate::store::Draft;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use uuid::Uuid;

/// How many intents that come one by one are checked at a time.
const BATCH_INTENTS: usize = 1_024;

/// Where the intents of a push come from.
pub enum Source<'a> {
    /// A body that carries everybody, and names its profile.
    Body(Body<'a>),
    /// One by one.
    Intents {
        /// By what they are checked.
        profile: Arc<Profile>,
        /// The intents.
        intents: Box<dyn Iterator<Item = Result<Intent<'static>, Failure>> + 'a>,
    },
    /// The account's queue, which is empty afterwards.
    Queue {
        /// By what its intents are checked.
        profile: Arc<Profile>,
        /// Reads a record.
        read: fn(&[u8]) -> Intent<'static>,
    },
}

/// A body that carries everybody.
pub struct Body<'a> {
    /// Whose it is.
    pub account: i64,
    /// How it is read.
    pub format: &'a Format,
    /// The profiles in force.
    pub profiles: &'a Folder,
    /// The body as it arrives.
    pub pieces: Box<Pieces<'a>>,
}

/// How a dialect's bodies are read: its functions, for the steps to call.
pub struct Format {
    /// What a body may call the array of its employees.
    pub employees: [&'static str; 2],
    /// Reads a body whose array of employees is empty.
    pub envelope: fn(&[u8]) -> Result<Envelope, Unreadable>,
    /// Reads one element of the array.
    pub employee: for<'a> fn(&'a [u8], &Limits, &'a mut Scratch) -> Parsed<'a>,
}

/// What an element asks, with what is wrong with its form.
pub type Parsed<'a> = Result<Intent<'a>, NotJson>;

/// The intents of a push whose profile is known.
pub enum Arriving<'a> {
    /// A body that carries everybody.
    Whole(Box<Whole<'a>>),
    /// Intents one by one.
    Intents(Intents<'a>),
}

/// A body that carries everybody, of which what comes before the first employee has come.
pub struct Whole<'a> {
    /// How it is read.
    pub format: &'a Format,
    /// What is still to come.
    pub intake: Intake<'a>,
}

/// Intents that come one by one.
pub enum Intents<'a> {
    /// From an iterator.
    Given(Box<dyn Iterator<Item = Result<Intent<'static>, Failure>> + 'a>),
    /// From the account's queue, behind a position.
    Queued {
        /// Reads a record.
        read: fn(&[u8]) -> Intent<'static>,
        /// The position.
        after: u64,
    },
}

impl<'a> Source<'a> {
    /// The same source; how long a body was waited for is added to `waited`, in nanoseconds.
    pub fn timed(self, waited: &'a AtomicU64) -> Source<'a> {
        match self {
            Source::Body(body) => Source::Body(Body { pieces: waiting_for(body.pieces, waited), ..body }),
            other => other,
        }
    }

    /// Receives a body until its profile is known: mostly that is before its first employee.
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
                // The profile comes after the employees, so the body must be read twice.
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
    /// Returns what the envelope has and means nothing, once all of the body has come.
    pub fn end(&self, profile: &Profile) -> Result<Ignored, Failure> {
        let envelope = self.intake.finish()?;
        if envelope.profile != Some(profile.id) {
            return Err(Failure::Wrong("profileId appears twice in the body; send it once".into()));
        }
        Ok(envelope.ignored)
    }
}

impl Intents<'_> {
    /// Returns the next batch; it is empty at the end.
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

    /// Whether they are those of the account's queue.
    pub fn is_queue(&self) -> bool {
        matches!(self, Intents::Queued { .. })
    }
}
