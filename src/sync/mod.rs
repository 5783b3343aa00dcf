//! The push, step by step, from its body to its receipt.

mod check;
mod intake;
mod patch;
mod recognise;
mod reference;
mod scan;
mod split;
mod trace;
mod unique;
mod write;

pub use check::{Checked, Chunk, Finding, Found, Rulebook};
pub use intake::{Block, FirstBlock, Intake, Pieces};
pub use patch::{Absent, PatchPush, Source, patch};
pub use recognise::{Batch, Recogniser, Unknown};
pub use split::{SplitError, Splitter};
pub use trace::{Times, Trace};
pub use write::Writer;

use crate::json::{NotJson, Scratch, Unreadable};
use crate::limits::Limits;
use crate::profile::{Folder, Profile};
use crate::rejection::{Fault, Rejections};
use crate::roster::{BytesHasher, Changes, Counts, Envelope, Ignored, Index, Pushed};
use crate::store::{self, Roster, Sender, Sync, Transaction};
use rayon::in_place_scope;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use trace::{timed, waiting_for};
use uuid::Uuid;

/// How many bytes of employees that were not recognised are checked at a time.
const BATCH_BYTES: usize = 1 << 20;

/// How a dialect's bodies are read: its functions, for the steps to call.
pub struct Format {
    /// What a body may call the array of its employees.
    pub employees: [&'static str; 2],
    /// Reads a body whose array of employees is empty.
    pub envelope: fn(&[u8]) -> Result<Envelope, Unreadable>,
    /// Reads one element of the array.
    pub employee: for<'a> fn(&'a [u8], &Limits, &'a mut Scratch) -> Parsed<'a>,
}

/// An employee off the wire, with what is wrong with its form beside what can be read of it.
pub type Parsed<'a> = Result<(Pushed<'a>, Vec<Fault>), NotJson>;

/// A push, before its body has come.
pub struct Push<'a> {
    /// Whose it is.
    pub account: i64,
    /// How its body is read.
    pub format: &'a Format,
    /// The profiles in force.
    pub profiles: &'a Folder,
    /// The server's limits.
    pub limits: &'a Limits,
    /// Where a body may wait that names its profile only at its end.
    pub spool_dir: &'a Path,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The five counts.
    pub counts: Counts,
    /// How many employees the push carried.
    pub employees: u64,
    /// The roster's revision after it.
    pub revision: u64,
    /// From the first look at the body until the commit.
    pub duration: Duration,
    /// What the push carried and means nothing here. An employee that is recognised is not read, so what it has of that is not among it.
    pub ignored: Ignored,
    /// The number of its first employee, where it is a push of some.
    pub first: Option<u32>,
}

/// Why a push did nothing.
#[derive(Debug)]
pub enum Failure {
    /// The body did not come as it should.
    Body(BodyError),
    /// The body is not JSON.
    NotJson {
        /// The employee in which it is not, where it is in one.
        index: Option<u64>,
        /// Where in the body, in bytes.
        at: u64,
        /// What is wrong there.
        message: String,
    },
    /// The body is JSON of another form; the message says what to do.
    Wrong(String),
    /// A limit was exceeded.
    OverLimit {
        /// The limit's name in the configuration.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The account has no such profile.
    UnknownProfile,
    /// Employees were rejected.
    Rejected(Box<Rejections>),
    /// The body could not be kept while it came.
    Spool(io::Error),
    /// The store failed.
    Store(store::Error),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Failure {
        Failure::Store(error)
    }
}

impl Failure {
    /// The same, said of an account.
    #[must_use]
    pub fn of(self, account: i64) -> Failure {
        match self {
            Failure::Store(error) => Failure::Store(error.of(account)),
            other => other,
        }
    }
}

/// What can go wrong with a body on its way in.
#[derive(Debug)]
pub enum BodyError {
    /// It ended before its length, or the connection broke.
    Cut {
        /// How many bytes came.
        received: u64,
    },
    /// It paused longer, or came slower, than a limit allows.
    Slow {
        /// The limit's name in the configuration.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// It came slowly while others waited for a place, and there are only so many.
    GaveWay {
        /// The name of the limit of places in the configuration.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// It is not compressed as its head says, or was cut or damaged.
    NotPacked {
        /// How its head says that it is compressed.
        coding: &'static str,
        /// What is wrong.
        message: String,
    },
    /// It is longer than a limit allows once it is unpacked.
    OverLimit {
        /// The limit's name in the configuration.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// It does not have the digest that its head says.
    Digest,
    /// It could not be read back.
    Spool(io::Error),
}

/// Carries out a push: all of it, or nothing. What is noted about it goes into `trace`, also if it fails.
pub fn sync(push: &Push, roster: &mut Roster, pieces: Box<Pieces<'_>>, trace: &mut Trace) -> Result<Receipt, Failure> {
    let (started, waited) = (Instant::now(), AtomicU64::new(0));
    let before = trace.times.receive;
    let result = carry_out(push, roster, waiting_for(pieces, &waited), trace, started);
    trace.times.receive += Duration::from_nanos(waited.into_inner());
    trace.times.rest_is_check(before + started.elapsed());
    result
}

fn carry_out<'a>(
    push: &'a Push,
    roster: &mut Roster,
    pieces: Box<Pieces<'a>>,
    trace: &mut Trace,
    started: Instant,
) -> Result<Receipt, Failure> {
    let (profile, mut intake, first) = begin(push, pieces)?;
    let transaction = roster.begin()?;
    let mut index = transaction.index()?;
    match apply(push, &profile, &transaction, &mut index.0, &mut intake, &first, &mut trace.times) {
        Ok((mut sync, changes, ignored)) => {
            sync.duration = started.elapsed();
            sync.sender = trace.sender;
            let commit = || transaction.commit(&sync, index, changes, push.limits.index_bytes_max);
            let revision = timed(&mut trace.times.commit, commit)?;
            let Sync { counts, employees, duration, .. } = sync;
            Ok(Receipt { counts, employees, revision, duration, ignored, first: None })
        }
        Err(failure) => {
            transaction.roll_back(index, push.limits.index_bytes_max);
            Err(failure)
        }
    }
}

/// Recognises, checks and writes the employees of a body, and checks the roster that comes of it.
fn apply(
    push: &Push,
    profile: &Profile,
    transaction: &Transaction,
    index: &mut Index,
    intake: &mut Intake,
    first: &[FirstBlock],
    times: &mut Times,
) -> Result<(Sync, Changes, Ignored), Failure> {
    let seed = transaction.seed();
    let numbers = transaction.enter_profile(profile)?;
    let rulebook = Rulebook {
        profile,
        profile_number: numbers.profile,
        field_numbers: &numbers.fields,
        limits: push.limits,
        seed,
    };
    let mut recogniser = Recogniser::new(BytesHasher::new(seed, profile.version));
    let mut writer = Writer::new(transaction, (index, true), (profile, &numbers), push.limits)?;

    let (mut filling, mut checking) = (Batch::default(), Batch::default());
    for first in first {
        recogniser.recognise(&first.block(), index, &mut filling, |at, place| writer.unchanged(at, place));
    }
    let (mut checked, mut ignored) = (Vec::new(), Ignored::default());
    let mut more = Ok(true);
    while matches!(more, Ok(true)) || !filling.unknown.is_empty() {
        std::mem::swap(&mut filling, &mut checking);
        filling.clear();
        checked = in_place_scope(|pool| -> Result<_, Failure> {
            let (found, outcome) = std::sync::mpsc::channel();
            let (batch, rulebook, index) = (&checking, &rulebook, &*index);
            if !batch.unknown.is_empty() {
                pool.spawn(move |_| drop(found.send(rulebook.check_all(push.format, batch, index))));
            }
            // While the pool checks this batch, this thread writes the one before and recognises what comes for the one after.
            timed(&mut times.write, || writer.apply(std::mem::take(&mut checked), index))?;
            while matches!(more, Ok(true)) && filling.bytes.len() < BATCH_BYTES {
                more = intake.receive(|block| {
                    recogniser.recognise(&block, index, &mut filling, |at, place| writer.unchanged(at, place));
                    Ok(())
                });
            }
            match batch.unknown.is_empty() {
                true => Ok(Vec::new()),
                false => Ok(outcome.recv().expect("the pool gives an answer or panics")),
            }
        })?;
        checked.iter().for_each(|chunk| ignored.add_all(&chunk.ignored));
        writer.settle(index);
    }
    timed(&mut times.write, || writer.apply(checked, index))?;
    writer.settle(index);
    // What is wrong with an employee is reported before what is wrong behind it.
    more?;
    let envelope = intake.finish()?;
    if envelope.profile != Some(profile.id) {
        return Err(Failure::Wrong("profileId appears twice in the body; send it once".into()));
    }
    ignored.add_all(&envelope.ignored);
    let (counts, employees, changes) = writer.finish(index)?;
    let (duration, sender) = (Duration::ZERO, Sender::default());
    Ok((Sync { profile: numbers.profile, employees, counts, duration, sender }, changes, ignored))
}

/// Receives a body until its profile is known: mostly that is with its first employees.
fn begin<'a>(push: &'a Push, pieces: Box<Pieces<'a>>) -> Result<(Arc<Profile>, Intake<'a>, Vec<FirstBlock>), Failure> {
    let mut intake = Intake::new(pieces, push.format, push.limits);
    let first = intake.begin()?;
    if let Some(id) = intake.envelope_so_far()?.profile {
        return Ok((find_profile(push, Some(id))?, intake, first));
    }
    // The profile comes after the employees, so the body must be read twice.
    let (id, intake) = intake.spool(first, push.spool_dir)?;
    Ok((find_profile(push, id)?, intake, Vec::new()))
}

fn find_profile(push: &Push, id: Option<Uuid>) -> Result<Arc<Profile>, Failure> {
    let id = id
        .ok_or_else(|| Failure::Wrong("profileId is missing; send the GUID of one of the account's profiles".into()))?;
    push.profiles.get(id, push.account).ok_or(Failure::UnknownProfile)
}
