//! Intake: a body as it arrives becomes blocks of employees.

use super::split::{SplitError, Splitter};
use super::{BodyError, Failure, Format};
use crate::json::{self, NotJson};
use crate::limits::Limits;
use crate::roster::Envelope;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::ops::Range;
use std::path::Path;
use uuid::Uuid;

/// How much of a piece is copied at first to complete an employee that began in the one before, in bytes.
const JOIN_BYTES: usize = 1 << 10;

/// How much of a spooled body is read at a time, in bytes.
const SPOOL_BYTES: usize = 1 << 19;

/// The next piece of a body as it arrives; `None` at its end.
pub type Pieces<'a> = dyn FnMut() -> Result<Option<Bytes>, BodyError> + Send + 'a;

/// Consecutive bytes of a body, and the employees that end in them.
pub struct Block<'b> {
    /// The bytes.
    pub bytes: &'b [u8],
    /// Where each employee is in them.
    pub elements: &'b [Range<usize>],
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
    /// The beginning of an employee that has not ended, and with [`Intake::begin`] what has come before it.
    tail: Vec<u8>,
    elements: Vec<Range<usize>>,
    employees: u64,
    position: u64,
    ended: bool,
    /// The envelope of a body that was spooled; it was read then.
    spooled: Option<Envelope>,
}

impl<'a> Intake<'a> {
    /// The body that `pieces` gives, of the format, within the limits.
    pub fn new(pieces: Box<Pieces<'a>>, format: &'a Format, limits: &'a Limits) -> Intake<'a> {
        Intake {
            pieces,
            limits,
            format,
            splitter: Splitter::new(format.employees, limits.depth_max, limits.envelope_bytes_max),
            tail: Vec::new(),
            elements: Vec::new(),
            employees: 0,
            position: 0,
            ended: false,
            spooled: None,
        }
    }

    /// Receives the next piece of the body and calls `each` with the employees that end in it, in one block or two. Returns false at the
    /// end of the body.
    pub fn receive(&mut self, mut each: impl FnMut(Block) -> Result<(), Failure>) -> Result<bool, Failure> {
        if self.ended {
            return Ok(false);
        }
        let Some(piece) = (self.pieces)().map_err(Failure::Body)? else {
            self.ended = true;
            return Ok(false);
        };
        // An employee that began in an earlier piece is completed by a copy of as little of this one as it takes.
        let (mut from, mut scanned, mut step) = (0, 0, JOIN_BYTES);
        while !self.tail.is_empty() && scanned < piece.len() {
            let mut tail = std::mem::take(&mut self.tail);
            let before = tail.len();
            let copied = scanned..piece.len().min(scanned + step);
            scanned = copied.end;
            step *= 2;
            tail.extend_from_slice(&piece[copied]);
            let kept = self.split(&tail, before, &mut each)?;
            if self.elements.is_empty() {
                self.tail = tail;
            } else {
                // What is kept now began in this piece.
                from = scanned - (tail.len() - kept);
            }
        }
        if self.tail.is_empty() {
            let bytes = &piece[from..];
            let kept = self.split(bytes, scanned - from, &mut each)?;
            self.tail.extend_from_slice(&bytes[kept..]);
        }
        self.check_tail()?;
        Ok(true)
    }

    /// Splits `bytes[from..]` and calls `each` with the employees. Returns where the bytes begin that must be kept.
    fn split(
        &mut self,
        bytes: &[u8],
        from: usize,
        each: &mut impl FnMut(Block) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        self.elements.clear();
        let split = self.splitter.split(bytes, from, &mut self.elements);
        let block = Block { bytes, elements: &self.elements, first: self.employees, position: self.position };
        let kept = match split {
            Ok(kept) => kept,
            Err(error) => return Err(not_json_within(&block).unwrap_or_else(|| self.failure(error, bytes))),
        };
        self.check_lengths(&block)?;
        if !self.elements.is_empty() {
            each(block)?;
        }
        self.position += kept as u64;
        self.employees += self.elements.len() as u64;
        if self.employees > self.limits.employees_max {
            return Err(Failure::OverLimit { limit: "employees_max", max: self.limits.employees_max });
        }
        Ok(kept)
    }

    /// The envelope before the employees, or the whole envelope if all of the body has come.
    pub fn envelope_so_far(&self) -> Result<Envelope, Failure> {
        if self.ended {
            return self.finish();
        }
        (self.format.envelope)(&self.splitter.envelope_before_array()).map_err(|error| self.unreadable(error))
    }

    /// The envelope of the whole body, once [`Intake::receive`] has returned false.
    pub fn finish(&self) -> Result<Envelope, Failure> {
        if let Some(envelope) = &self.spooled {
            return Ok(envelope.clone());
        }
        if self.splitter.in_element() {
            return Err(self.cut());
        }
        let envelope =
            self.splitter.finish().map_err(|NotJson { at, message }| Failure::NotJson { index: None, at, message })?;
        (self.format.envelope)(envelope).map_err(|error| self.unreadable(error))
    }

    /// Receives the body until employees have come, or all of it: copies of their blocks.
    pub fn begin(&mut self) -> Result<Vec<FirstBlock>, Failure> {
        let mut first = Vec::new();
        let mut copy = |block: Block| {
            first.push(FirstBlock::copy(&block));
            Ok(())
        };
        while self.employees == 0 && self.receive(&mut copy)? {}
        Ok(first)
    }

    /// Receives the rest of a body whose profile is not known before its end, and keeps its employees in a file of `dir`. Returns the
    /// profile, and the employees again.
    pub fn spool(mut self, first: Vec<FirstBlock>, dir: &Path) -> Result<(Option<Uuid>, Intake<'a>), Failure> {
        let mut file = BufWriter::with_capacity(SPOOL_BYTES, tempfile::tempfile_in(dir).map_err(Failure::Spool)?);
        let mut before = format!("{{{:?}:[", self.format.employees[0]);
        let mut write = |block: Block| {
            if let Some(failure) = not_json_within(&block) {
                return Err(failure);
            }
            for element in block.elements {
                file.write_all(before.as_bytes()).map_err(Failure::Spool)?;
                file.write_all(&block.bytes[element.clone()]).map_err(Failure::Spool)?;
                before = ",".into();
            }
            Ok(())
        };
        first.iter().try_for_each(|first| write(first.block()))?;
        while self.receive(&mut write)? {}
        file.write_all(b"]}").map_err(Failure::Spool)?;
        let envelope = self.finish()?;
        let mut file = file.into_inner().map_err(|error| Failure::Spool(error.into_error()))?;
        file.rewind().map_err(Failure::Spool)?;
        let pieces = move || read_piece(&mut file).map_err(BodyError::Spool);
        let mut again = Intake::new(Box::new(pieces), self.format, self.limits);
        let profile = envelope.profile;
        again.spooled = Some(envelope);
        Ok((profile, again))
    }

    fn check_lengths(&self, block: &Block) -> Result<(), Failure> {
        match block.elements.iter().any(|element| element.len() > self.limits.employee_bytes_max) {
            true => Err(not_json_within(block).unwrap_or_else(|| self.too_long())),
            false => Ok(()),
        }
    }

    fn check_tail(&self) -> Result<(), Failure> {
        if self.tail.len() <= self.limits.employee_bytes_max {
            return Ok(());
        }
        // A bracket that is missing makes all that follows one employee: then that is what to say.
        match json::check_beginning(&self.tail) {
            Err(NotJson { at, message }) => {
                Err(Failure::NotJson { index: Some(self.employees), at: self.position + at, message })
            }
            Ok(()) => Err(self.too_long()),
        }
    }

    fn too_long(&self) -> Failure {
        Failure::OverLimit { limit: "employee_bytes_max", max: self.limits.employee_bytes_max as u64 }
    }

    /// The body has ended within an employee: because it was cut off, or because a bracket is missing there.
    fn cut(&self) -> Failure {
        let index = Some(self.employees);
        match json::check_beginning(&self.tail) {
            Err(NotJson { at, message }) => Failure::NotJson { index, at: self.position + at, message },
            Ok(()) => {
                let at = self.position + self.tail.len() as u64;
                Failure::NotJson { index, at, message: "the body ends within an employee; it was cut off".into() }
            }
        }
    }

    /// Why a body could not be split behind the complete employees of `bytes`, which are JSON. That a body is no JSON comes before what
    /// else is wrong with it.
    fn failure(&self, error: SplitError, bytes: &[u8]) -> Failure {
        let employees = self.employees + self.elements.len() as u64;
        if let Err(error) = json::check_beginning(self.splitter.envelope()) {
            return self.unreadable(json::Unreadable::NotJson(error));
        }
        match error {
            SplitError::NotJson(NotJson { at, message }) => {
                Failure::NotJson { index: (employees > 0).then_some(employees), at, message }
            }
            SplitError::Twice => Failure::Wrong("employees appears twice in the body; send one array".into()),
            SplitError::TooDeep { element } => {
                let begun = element.unwrap_or(bytes.len());
                if let Err(NotJson { at, message }) = json::check_first(&bytes[begun..]) {
                    let at = self.position + begun as u64 + at;
                    return Failure::NotJson { index: Some(employees), at, message };
                }
                Failure::OverLimit { limit: "depth_max", max: u64::from(self.limits.depth_max) }
            }
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

/// A block that is kept until it is known what its employees are checked by.
pub struct FirstBlock {
    bytes: Vec<u8>,
    elements: Vec<Range<usize>>,
    first: u64,
    position: u64,
}

impl FirstBlock {
    fn copy(block: &Block) -> FirstBlock {
        let Block { bytes, elements, first, position } = *block;
        FirstBlock { bytes: bytes.to_vec(), elements: elements.to_vec(), first, position }
    }

    /// The block.
    pub fn block(&self) -> Block<'_> {
        Block { bytes: &self.bytes, elements: &self.elements, first: self.first, position: self.position }
    }
}

/// Brackets that do not match make a split go wrong behind them: then the employee that has them is what to name.
fn not_json_within(block: &Block) -> Option<Failure> {
    (block.first..).zip(block.elements).find_map(|(index, element)| {
        let NotJson { at, message } = json::check(&block.bytes[element.clone()]).err()?;
        let at = block.position + element.start as u64 + at;
        Some(Failure::NotJson { index: Some(index), at, message })
    })
}

fn read_piece(file: &mut File) -> io::Result<Option<Bytes>> {
    let mut piece = vec![0; SPOOL_BYTES];
    let length = file.read(&mut piece)?;
    piece.truncate(length);
    Ok((length > 0).then(|| Bytes::from(piece)))
}
