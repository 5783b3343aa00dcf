//! Intake: finds the employees of a body as it arrives, and keeps what has not arrived completely.

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

/// How many bytes of a piece are copied at first to complete an employee that began in an earlier piece.
const JOIN_BYTES: usize = 1 << 10;

/// How many bytes of a spooled body are read at a time.
const SPOOL_BYTES: usize = 1 << 19;

/// Returns the next piece of a body as it arrives; `None` at its end.
pub type Pieces<'a> = dyn FnMut() -> Result<Option<Bytes>, BodyError> + Send + 'a;

/// Consecutive bytes of a body, and the employees that end in them.
pub struct Split<'b> {
    /// The bytes. They begin where those of the previous split ended, or with the employee that had not ended there.
    pub bytes: &'b [u8],
    /// Where each employee is in the bytes.
    pub elements: &'b [Range<usize>],
    /// The first employee's place in the push, counted from 0.
    pub first: u64,
    /// The first byte's position in the body.
    pub position: u64,
}

/// What is expected next among the employees.
pub enum Next {
    /// A known block, of this many bytes.
    Block(usize),
    /// Employees that must be split, at most this many before [`Taker::next`] is asked again.
    Employees(usize),
}

/// Receives the employees of a body in their order.
pub trait Taker {
    /// Returns what is expected next.
    fn next(&mut self) -> Next {
        Next::Employees(usize::MAX)
    }

    /// Takes as many bytes as the expected block has. Returns how many employees they are, or `None` if they are not those of the block.
    /// `first` is the first employee's place in the push.
    fn take_block(&mut self, _bytes: &[u8], _first: u64) -> Option<u64> {
        None
    }

    /// Takes employees that were split.
    fn take(&mut self, split: &Split) -> Result<(), Failure>;
}

impl<F: FnMut(&Split) -> Result<(), Failure>> Taker for F {
    fn take(&mut self, split: &Split) -> Result<(), Failure> {
        self(split)
    }
}

/// A body that is being received.
pub struct Intake<'a> {
    pieces: Box<Pieces<'a>>,
    limits: &'a Limits,
    format: &'a Format,
    splitter: Splitter,
    /// The rest of a piece.
    piece: Bytes,
    /// The beginning of an employee, or of what may be a block, that has not arrived completely. An employee's beginning was split already,
    /// a block's was not.
    tail: Vec<u8>,
    elements: Vec<Range<usize>>,
    employees: u64,
    position: u64,
    ended: bool,
    /// The envelope of a body that was spooled, which was read then.
    spooled: Option<Envelope>,
}

impl<'a> Intake<'a> {
    /// Returns the intake of a body of this format, which arrives as `pieces`.
    pub fn new(pieces: Box<Pieces<'a>>, format: &'a Format, limits: &'a Limits) -> Intake<'a> {
        Intake {
            pieces,
            limits,
            format,
            splitter: Splitter::new(format.employees, limits.depth_max, limits.envelope_bytes_max),
            piece: Bytes::new(),
            tail: Vec::new(),
            elements: Vec::new(),
            employees: 0,
            position: 0,
            ended: false,
            spooled: None,
        }
    }

    /// Receives the body until its array of employees begins; all of it if there is none.
    pub fn begin(&mut self) -> Result<(), Failure> {
        while !self.splitter.has_array() && self.next_piece()? {
            let piece = std::mem::take(&mut self.piece);
            let read = self.split(&piece, 0, usize::MAX, &mut |_: &Split| Ok(()))?;
            self.piece = piece.slice(read..);
        }
        Ok(())
    }

    /// Receives the next piece of the body and passes the employees that end in it to `taker`. Returns false at the end of the body.
    pub fn receive(&mut self, taker: &mut impl Taker) -> Result<bool, Failure> {
        if self.ended {
            return Ok(false);
        }
        if self.piece.is_empty() && !self.next_piece()? {
            if !self.splitter.in_element() {
                // What might have been the beginning of a block is all there is.
                let tail = std::mem::take(&mut self.tail);
                let read = self.read(&tail, 0, taker)?;
                self.tail.extend_from_slice(&tail[read..]);
            }
            return Ok(false);
        }
        let piece = std::mem::take(&mut self.piece);
        let left = self.complete_tail(&piece, taker)?;
        if self.tail.is_empty() {
            let bytes = &piece[left.start..];
            let scanned = if self.splitter.in_element() { left.len() } else { 0 };
            let read = self.read(bytes, scanned, taker)?;
            self.tail.extend_from_slice(&bytes[read..]);
        }
        self.check_tail()?;
        Ok(true)
    }

    /// Completes the tail, copying as little of `piece` as possible. Returns the copied bytes that the tail did not need, as a range of
    /// `piece`: reading goes on where it begins. An employee that begins there was split up to the end of the range.
    fn complete_tail(&mut self, piece: &[u8], taker: &mut impl Taker) -> Result<Range<usize>, Failure> {
        let (mut copied, mut step) = (0, JOIN_BYTES);
        while !self.tail.is_empty() && copied < piece.len() {
            let mut tail = std::mem::take(&mut self.tail);
            let before = tail.len();
            let in_element = self.splitter.in_element();
            let wanted = match taker.next() {
                Next::Block(length) if !in_element => length.saturating_sub(before).max(1),
                _ => step,
            };
            step *= 2;
            let end = piece.len().min(copied + wanted);
            tail.extend_from_slice(&piece[copied..end]);
            copied = end;
            let read = self.read(&tail, if in_element { before } else { 0 }, taker)?;
            if read >= before {
                return Ok(copied - (tail.len() - read)..copied);
            }
            tail.drain(..read);
            self.tail = tail;
        }
        Ok(copied..copied)
    }

    /// Reads `bytes`, of which the first `scanned` were split before, and passes the employees to `taker`. Returns where the bytes begin
    /// that must be kept, because an employee or a block is not complete.
    fn read(&mut self, bytes: &[u8], mut scanned: usize, taker: &mut impl Taker) -> Result<usize, Failure> {
        let mut at = 0;
        loop {
            let employees = match taker.next() {
                Next::Employees(employees) => employees,
                Next::Block(length) if self.splitter.is_between_elements() => match bytes.get(at..at + length) {
                    Some(block) => {
                        if let Some(employees) = taker.take_block(block, self.employees) {
                            self.splitter.pass(length as u64);
                            self.passed(length, employees)?;
                            at += length;
                            scanned = at;
                        }
                        continue;
                    }
                    None if self.ended => usize::MAX,
                    None => return Ok(at),
                },
                Next::Block(_) => usize::MAX,
            };
            at += self.split(&bytes[at..], scanned - at, employees, taker)?;
            if at == bytes.len() || self.splitter.in_element() {
                return Ok(at);
            }
            scanned = at;
        }
    }

    /// Splits `bytes[from..]` up to this many employees, which are passed to `taker`. Returns where the bytes begin that were not split, or
    /// of an employee that is not complete.
    fn split(&mut self, bytes: &[u8], from: usize, employees: usize, taker: &mut impl Taker) -> Result<usize, Failure> {
        self.elements.clear();
        let in_array = self.splitter.in_array();
        let split = self.splitter.split(bytes, from, employees, &mut self.elements);
        let all = Split { bytes, elements: &self.elements, first: self.employees, position: self.position };
        let kept = match split {
            Ok(kept) => kept,
            Err(error) => return Err(not_json_within(&all).unwrap_or_else(|| self.failure(error, bytes))),
        };
        self.check_lengths(&all)?;
        if in_array {
            taker.take(&Split { bytes: &bytes[..kept], ..all })?;
        }
        self.passed(kept, self.elements.len() as u64)?;
        Ok(kept)
    }

    /// Counts bytes and employees that were taken.
    fn passed(&mut self, bytes: usize, employees: u64) -> Result<(), Failure> {
        self.position += bytes as u64;
        self.employees += employees;
        if self.employees > self.limits.employees_max {
            return Err(Failure::OverLimit { limit: "employees_max", max: self.limits.employees_max });
        }
        Ok(())
    }

    /// Waits for a piece. Returns false at the end of the body.
    fn next_piece(&mut self) -> Result<bool, Failure> {
        match (self.pieces)().map_err(Failure::Body)? {
            Some(piece) => self.piece = piece,
            None => self.ended = true,
        }
        Ok(!self.ended)
    }

    /// Receives the rest of the body without looking at it.
    pub fn pass_over(&mut self) -> Result<(), Failure> {
        while !self.ended && self.next_piece()? {}
        Ok(())
    }

    /// Returns the envelope as far as the employees, or the whole envelope if the body has ended.
    pub fn envelope_so_far(&self) -> Result<Envelope, Failure> {
        if self.ended {
            return self.finish();
        }
        (self.format.envelope)(&self.splitter.envelope_before_array()).map_err(|error| self.unreadable(error))
    }

    /// Returns the envelope of the whole body, once [`Intake::receive`] has returned false.
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

    /// Receives the body until an employee has come. A body that cannot be split is refused for that, rather than for its envelope.
    pub fn check_first(&mut self) -> Result<(), Failure> {
        while self.employees == 0 && self.receive(&mut |_: &Split| Ok(()))? {}
        Ok(())
    }

    /// Receives the rest of a body that names its profile behind the employees, and keeps the employees in a file of `dir` meanwhile.
    /// Returns the profile, and the intake of the employees from that file.
    pub fn spool(mut self, dir: &Path) -> Result<(Option<Uuid>, Intake<'a>), Failure> {
        let mut file = BufWriter::with_capacity(SPOOL_BYTES, tempfile::tempfile_in(dir).map_err(Failure::Spool)?);
        write!(file, "{{{:?}:[", self.format.employees[0]).map_err(Failure::Spool)?;
        let mut separator = "";
        let mut write = |split: &Split| {
            if let Some(failure) = not_json_within(split) {
                return Err(failure);
            }
            for element in split.elements {
                file.write_all(separator.as_bytes()).map_err(Failure::Spool)?;
                file.write_all(&split.bytes[element.clone()]).map_err(Failure::Spool)?;
                separator = ",";
            }
            Ok(())
        };
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

    fn check_lengths(&self, split: &Split) -> Result<(), Failure> {
        if split.elements.iter().any(|element| element.len() > self.limits.employee_bytes_max) {
            return Err(not_json_within(split).unwrap_or_else(|| self.too_long()));
        }
        Ok(())
    }

    fn check_tail(&self) -> Result<(), Failure> {
        if !self.splitter.in_element() || self.tail.len() <= self.limits.employee_bytes_max {
            return Ok(());
        }
        // If a bracket is missing, all that follows seems to be one long employee. The bracket is reported then, not the length.
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

    /// Returns why the body ends within an employee: a bracket is missing, or the body was cut off.
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

    /// Returns why the body could not be split behind the complete employees of `bytes`, which are JSON. That the body is not JSON is
    /// reported before anything else that is wrong with it.
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

/// Returns what is wrong with the first employee that is not JSON. Behind brackets that do not match, a split finds nonsense, so they are
/// to be reported rather than the nonsense.
fn not_json_within(split: &Split) -> Option<Failure> {
    (split.first..).zip(split.elements).find_map(|(place, element)| {
        let NotJson { at, message } = json::check(&split.bytes[element.clone()]).err()?;
        let at = split.position + element.start as u64 + at;
        Some(Failure::NotJson { index: Some(place), at, message })
    })
}

fn read_piece(file: &mut File) -> io::Result<Option<Bytes>> {
    let mut piece = vec![0; SPOOL_BYTES];
    let length = file.read(&mut piece)?;
    piece.truncate(length);
    Ok((length > 0).then(|| Bytes::from(piece)))
}
