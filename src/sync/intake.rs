//! Intake: a body as it arrives becomes batches of employees.

use super::split::{SplitError, Splitter};
use super::{BodyError, Failure, Format};
use crate::json::{self, NotJson};
use crate::limits::Limits;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::ops::Range;
use std::path::Path;
use uuid::Uuid;

/// How much of a body is split and checked at a time, in bytes.
const BLOCK_BYTES: usize = 1 << 20;

/// The next piece of a body as it arrives; none at its end.
pub type Pieces<'a> = dyn FnMut() -> Result<Option<Bytes>, BodyError> + Send + 'a;

/// Some employees of a push, as bytes.
pub struct Batch {
    /// Consecutive bytes of the body.
    pub block: Vec<u8>,
    /// Where in the block each employee is.
    pub elements: Vec<Range<usize>>,
    /// The first employee's place in the push, counted from 0.
    pub first: u64,
    /// The block's place in the body, in bytes.
    pub position: u64,
}

/// A body on its way in.
pub struct Intake<'a> {
    pieces: Box<Pieces<'a>>,
    limits: &'a Limits,
    format: &'a Format,
    splitter: Splitter,
    piece: Bytes,
    tail: Vec<u8>,
    spare: Vec<Batch>,
    employees: u64,
    position: u64,
    ended: bool,
    /// The profile of a body that was spooled; its envelope was read then.
    spooled_profile: Option<Uuid>,
}

impl<'a> Intake<'a> {
    /// The body that `pieces` gives, of the format, within the limits.
    pub fn new(pieces: Box<Pieces<'a>>, format: &'a Format, limits: &'a Limits) -> Intake<'a> {
        Intake {
            pieces,
            limits,
            format,
            splitter: Splitter::new(format.employees, limits.depth_max, limits.envelope_bytes_max),
            piece: Bytes::new(),
            tail: Vec::new(),
            spare: Vec::new(),
            employees: 0,
            position: 0,
            ended: false,
            spooled_profile: None,
        }
    }

    /// Waits for the next batch; none after the last. Only the last can be without employees.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let mut batch = self.spare.pop().unwrap_or_else(|| Batch {
            block: Vec::with_capacity(BLOCK_BYTES),
            elements: Vec::new(),
            first: 0,
            position: 0,
        });
        batch.elements.clear();
        batch.block.clear();
        batch.block.append(&mut self.tail);
        batch.first = self.employees;
        batch.position = self.position;
        while batch.elements.is_empty() && !self.ended {
            let from = batch.block.len();
            self.fill(&mut batch.block, from + BLOCK_BYTES)?;
            let split = self.splitter.split(&batch.block, from, &mut batch.elements);
            let kept =
                split.map_err(|error| self.not_json_within(&batch).unwrap_or_else(|| self.failure(&batch, error)))?;
            self.tail.clear();
            self.tail.extend_from_slice(&batch.block[kept..]);
            self.position = batch.position + kept as u64;
            self.check_length(&batch)?;
            if batch.elements.is_empty() && !self.ended {
                // The next block begins with the element that has not ended.
                batch.block.drain(..kept);
                batch.position = self.position;
            }
        }
        self.employees += batch.elements.len() as u64;
        if self.employees > self.limits.employees_max {
            return Err(Failure::OverLimit { limit: "employees_max", max: self.limits.employees_max });
        }
        Ok(Some(batch))
    }

    /// Takes a batch back, to use its memory again.
    pub fn recycle(&mut self, batch: Batch) {
        self.spare.push(batch);
    }

    /// The profile that the body names before its employees, or anywhere if all of it has come.
    pub fn profile_so_far(&self) -> Result<Option<Uuid>, Failure> {
        if self.ended {
            return self.finish();
        }
        (self.format.envelope)(&self.splitter.envelope_before_array()).map_err(|error| self.unreadable(error))
    }

    /// The profile that the whole body names, once [`Intake::next_batch`] has given none.
    pub fn finish(&self) -> Result<Option<Uuid>, Failure> {
        if self.spooled_profile.is_some() {
            return Ok(self.spooled_profile);
        }
        if self.splitter.in_element() {
            return Err(self.cut());
        }
        let envelope =
            self.splitter.finish().map_err(|NotJson { at, message }| Failure::NotJson { index: None, at, message })?;
        (self.format.envelope)(envelope).map_err(|error| self.unreadable(error))
    }

    /// Reads the whole body, since its profile is not known before its end, and keeps its employees in a file of `dir`. Gives the
    /// profile, and the employees again.
    pub fn spool(mut self, first: Batch, dir: &Path) -> Result<(Option<Uuid>, Intake<'a>), Failure> {
        let mut file = BufWriter::with_capacity(BLOCK_BYTES, tempfile::tempfile_in(dir).map_err(Failure::Spool)?);
        let mut batch = Some(first);
        let mut before = format!("{{{:?}:[", self.format.employees[0]);
        while let Some(spooled) = batch {
            if let Some(failure) = self.not_json_within(&spooled) {
                return Err(failure);
            }
            for element in &spooled.elements {
                file.write_all(before.as_bytes()).map_err(Failure::Spool)?;
                file.write_all(&spooled.block[element.clone()]).map_err(Failure::Spool)?;
                before = ",".into();
            }
            self.recycle(spooled);
            batch = self.next_batch()?;
        }
        file.write_all(b"]}").map_err(Failure::Spool)?;
        let profile = self.finish()?;
        let mut file = file.into_inner().map_err(|error| Failure::Spool(error.into_error()))?;
        file.rewind().map_err(Failure::Spool)?;
        let pieces = move || read_piece(&mut file).map_err(BodyError::Spool);
        let mut again = Intake::new(Box::new(pieces), self.format, self.limits);
        again.spooled_profile = profile;
        Ok((profile, again))
    }

    fn fill(&mut self, block: &mut Vec<u8>, length: usize) -> Result<(), Failure> {
        while block.len() < length {
            if self.piece.is_empty() {
                match (self.pieces)().map_err(Failure::Body)? {
                    Some(piece) => self.piece = piece,
                    None => {
                        self.ended = true;
                        return Ok(());
                    }
                }
            }
            let taken = self.piece.split_to(self.piece.len().min(length - block.len()));
            block.extend_from_slice(&taken);
        }
        Ok(())
    }

    /// Brackets that do not match make a split go wrong behind them: then the employee that has them is what to name.
    fn not_json_within(&self, batch: &Batch) -> Option<Failure> {
        let mut elements = batch.elements.iter().enumerate();
        elements.find_map(|(place, element)| {
            let NotJson { at, message } = json::check(&batch.block[element.clone()]).err()?;
            let index = Some(batch.first + place as u64);
            Some(Failure::NotJson { index, at: batch.position + element.start as u64 + at, message })
        })
    }

    fn check_length(&self, batch: &Batch) -> Result<(), Failure> {
        let longest = batch.elements.iter().map(Range::len).max().unwrap_or(0).max(self.tail.len());
        if longest <= self.limits.employee_bytes_max {
            return Ok(());
        }
        // A bracket that is missing makes all that follows one employee: then that is what to say.
        match json::check(&self.tail) {
            Err(NotJson { at, message }) if at + 1 < self.tail.len() as u64 => {
                let index = Some(batch.first + batch.elements.len() as u64);
                Err(Failure::NotJson { index, at: self.position + at, message })
            }
            _ => Err(Failure::OverLimit { limit: "employee_bytes_max", max: self.limits.employee_bytes_max as u64 }),
        }
    }

    /// The body has ended within an employee: because it was cut off, or because a bracket is missing there.
    fn cut(&self) -> Failure {
        let index = Some(self.employees);
        let not_json = json::check(&self.tail).err().filter(|not_json| not_json.at + 1 < self.tail.len() as u64);
        match not_json {
            Some(NotJson { at, message }) => Failure::NotJson { index, at: self.position + at, message },
            None => {
                let at = self.position + self.tail.len() as u64;
                Failure::NotJson { index, at, message: "the body ends within an employee; it was cut off".into() }
            }
        }
    }

    fn failure(&self, batch: &Batch, error: SplitError) -> Failure {
        match error {
            SplitError::NotJson(NotJson { at, message }) => {
                let employees = batch.first + batch.elements.len() as u64;
                Failure::NotJson { index: (employees > 0).then_some(employees), at, message }
            }
            SplitError::Twice => Failure::Wrong("employees stands twice in the body; send one array".into()),
            SplitError::TooDeep => Failure::OverLimit { limit: "depth_max", max: u64::from(self.limits.depth_max) },
            SplitError::LongEnvelope => {
                Failure::OverLimit { limit: "envelope_bytes_max", max: self.limits.envelope_bytes_max as u64 }
            }
        }
    }

    fn unreadable(&self, error: json::Unreadable) -> Failure {
        match error {
            json::Unreadable::Wrong(message) => Failure::Wrong(message),
            json::Unreadable::NotJson(NotJson { at, message }) => {
                Failure::NotJson { index: None, at: self.splitter.body_position(at), message }
            }
        }
    }
}

fn read_piece(file: &mut File) -> io::Result<Option<Bytes>> {
    let mut piece = vec![0; BLOCK_BYTES];
    let length = file.read(&mut piece)?;
    piece.truncate(length);
    Ok((length > 0).then(|| Bytes::from(piece)))
}
