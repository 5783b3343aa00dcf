//! The packed form of a change: a flag byte (1: has a version before, 2: has one after), the employee's number, then these versions: the
//! length of the id and the id, the status, the profile's number, the length of the data and the data. Numbers are LEB128.

use super::data::{leb128, read_leb128};
use super::{Change, Data, Status, Version};
use std::io::{self, Read};

const HAS_BEFORE: u8 = 1;
const HAS_AFTER: u8 = 2;

/// Appends a change to `bytes`.
pub fn pack(bytes: &mut Vec<u8>, change: &Change) {
    let flag = |version: &Option<Version>, flag| if version.is_some() { flag } else { 0 };
    bytes.push(flag(&change.before, HAS_BEFORE) | flag(&change.after, HAS_AFTER));
    leb128(bytes, change.number);
    for Version { id, status, profile, data } in change.before.iter().chain(&change.after) {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("an employee is shorter than 4 GiB");
        leb128(bytes, length(id.as_bytes()));
        bytes.extend_from_slice(id.as_bytes());
        bytes.push(*status as u8);
        leb128(bytes, *profile);
        leb128(bytes, length(data.as_bytes()));
        bytes.extend_from_slice(data.as_bytes());
    }
}

/// Calls `each` with the next `len` changes, in their order, until it fails. Fails with [`io::ErrorKind::InvalidData`] if they are damaged.
pub fn unpack<E: From<io::Error>>(
    from: &mut impl Read,
    len: u64,
    each: &mut impl FnMut(Change) -> Result<(), E>,
) -> Result<(), E> {
    let (mut before, mut after) = (Owned::default(), Owned::default());
    for _ in 0..len {
        let flags = byte(from)?;
        let number = number(from)?;
        let before = if flags & HAS_BEFORE == 0 { None } else { Some(before.read(from)?) };
        let after = if flags & HAS_AFTER == 0 { None } else { Some(after.read(from)?) };
        each(Change { number, before, after })?;
    }
    Ok(())
}

/// Memory for a version that is read.
#[derive(Default)]
struct Owned {
    id: Vec<u8>,
    data: Vec<u8>,
}

impl Owned {
    fn read(&mut self, from: &mut impl Read) -> io::Result<Version<'_>> {
        fill(&mut self.id, from)?;
        let status = match byte(from)? {
            0 => Status::Hidden,
            1 => Status::Active,
            _ => return Err(damaged()),
        };
        let profile = number(from)?;
        fill(&mut self.data, from)?;
        let id = std::str::from_utf8(&self.id).map_err(|_| damaged())?;
        Ok(Version { id, status, profile, data: Data::from_bytes(&self.data) })
    }
}

fn fill(bytes: &mut Vec<u8>, from: &mut impl Read) -> io::Result<()> {
    let length = u64::from(number(from)?);
    bytes.clear();
    // Damaged bytes may name any length; only what is there takes memory.
    if from.take(length).read_to_end(bytes)? as u64 == length { Ok(()) } else { Err(damaged()) }
}

fn byte(from: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn number(from: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 5];
    for length in 0..bytes.len() {
        bytes[length] = byte(from)?;
        if bytes[length] < 0x80 {
            return read_leb128(&mut &bytes[..=length]).ok_or_else(damaged);
        }
    }
    Err(damaged())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the change set is damaged")
}
