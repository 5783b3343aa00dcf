//! A change set: the changes of one push, as a value that can be kept, stored, read back and inverted.
//!
//! Its form is a sequence of changes. Each is a flag byte (1: has a version before, 2: has one after), the employee's number, then
//! these versions: the length of the id and the id, the status, the profile's number, the length of the data and the data. Numbers are
//! LEB128.

use super::data::{leb128, read_leb128};
use super::{Change, Counts, Data, Status, Version};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const HAS_BEFORE: u8 = 1;
const HAS_AFTER: u8 = 2;

/// How many bytes are written to, and read from, a file at a time.
const FILE_BYTES: usize = 1 << 18;

/// Changes in memory, or in an unnamed file once they are many.
pub struct ChangeSet {
    kept: Kept,
    len: u64,
    counts: Counts,
    memory_bytes_max: usize,
    spill_dir: PathBuf,
}

enum Kept {
    Memory(Vec<u8>),
    File(BufWriter<File>),
}

impl ChangeSet {
    /// An empty set. What would take more than `memory_bytes_max` goes to an unnamed file in `spill_dir`.
    pub fn new(memory_bytes_max: usize, spill_dir: &Path) -> ChangeSet {
        let kept = Kept::Memory(Vec::new());
        ChangeSet { kept, len: 0, counts: Counts::default(), memory_bytes_max, spill_dir: spill_dir.to_owned() }
    }

    /// Returns how many changes there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns what the changes come to; unchanged employees are not among them.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Adds a change. Fails if the file cannot be written.
    pub fn push(&mut self, change: &Change) -> io::Result<()> {
        self.len += 1;
        self.counts.add(change);
        match &mut self.kept {
            Kept::Memory(bytes) => {
                pack(bytes, change);
                if bytes.len() > self.memory_bytes_max {
                    let mut file = BufWriter::with_capacity(FILE_BYTES, tempfile::tempfile_in(&self.spill_dir)?);
                    file.write_all(bytes)?;
                    self.kept = Kept::File(file);
                }
                Ok(())
            }
            Kept::File(file) => {
                let mut bytes = Vec::new();
                pack(&mut bytes, change);
                file.write_all(&bytes)
            }
        }
    }

    /// Calls `each` with every change, in their order, until it fails. Fails if the file cannot be read.
    pub fn for_each<E: From<io::Error>>(&mut self, mut each: impl FnMut(Change) -> Result<(), E>) -> Result<(), E> {
        let len = self.len;
        match &mut self.kept {
            Kept::Memory(bytes) => read(&mut &bytes[..], len, &mut each),
            Kept::File(file) => {
                file.flush()?;
                let file = file.get_mut();
                file.rewind()?;
                let read = read(&mut BufReader::with_capacity(FILE_BYTES, &mut *file), len, &mut each);
                file.seek(SeekFrom::End(0))?;
                read
            }
        }
    }

    /// Returns the set of the inverse changes, within the same limits.
    pub fn inverse(&mut self) -> io::Result<ChangeSet> {
        let mut inverse = ChangeSet::new(self.memory_bytes_max, &self.spill_dir);
        self.for_each(|change| inverse.push(&change.inverse()))?;
        Ok(inverse)
    }

    /// Writes the set so that [`ChangeSet::restore`] reads it back.
    pub fn store(&mut self, mut to: impl Write) -> io::Result<()> {
        to.write_all(&self.len.to_le_bytes())?;
        let mut bytes = Vec::new();
        self.for_each(|change| {
            bytes.clear();
            pack(&mut bytes, &change);
            to.write_all(&bytes)
        })
    }

    /// Reads a set that [`ChangeSet::store`] wrote, into one with these limits. Fails with [`io::ErrorKind::InvalidData`] if it is damaged.
    pub fn restore(mut from: impl Read, memory_bytes_max: usize, spill_dir: &Path) -> io::Result<ChangeSet> {
        let mut len = [0; 8];
        from.read_exact(&mut len)?;
        let mut set = ChangeSet::new(memory_bytes_max, spill_dir);
        let mut from = BufReader::with_capacity(FILE_BYTES, from);
        read(&mut from, u64::from_le_bytes(len), &mut |change| set.push(&change))?;
        Ok(set)
    }
}

fn pack(bytes: &mut Vec<u8>, change: &Change) {
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

fn read<E: From<io::Error>>(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::Employee;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Roster = BTreeMap<u32, Employee>;

    fn employee() -> impl Strategy<Value = Employee> {
        let values = prop::collection::btree_map(1..5_u32, ".{1,20}", 0..4);
        (".{1,8}", any::<bool>(), 1..3_u32, values).prop_map(|(id, active, profile, values)| {
            let mut data = Data::default();
            values.iter().for_each(|(number, value)| data.push(*number, value));
            Employee { id, status: if active { Status::Active } else { Status::Hidden }, profile, data }
        })
    }

    fn apply(set: &mut ChangeSet, roster: &mut Roster) {
        set.for_each(|change| {
            assert_eq!(roster.get(&change.number).map(Employee::version), change.before);
            match change.after {
                Some(after) => drop(roster.insert(change.number, after.to_employee())),
                None => drop(roster.remove(&change.number)),
            }
            Ok::<_, io::Error>(())
        })
        .unwrap();
    }

    proptest! {
        /// Applying a set and then its inverse leaves the roster as it was, also when both were stored and read back, in memory
        /// and in a file.
        #[test]
        fn what_was_applied_is_taken_back(
            before in prop::collection::btree_map(1..20_u32, employee(), 0..10),
            after in prop::collection::btree_map(1..20_u32, employee(), 0..10),
            memory_bytes_max in prop_oneof![Just(0_usize), Just(100), Just(1 << 20)],
        ) {
            let dir = std::env::temp_dir();
            let mut set = ChangeSet::new(memory_bytes_max, &dir);
            let mut counts = Counts::default();
            for (number, after) in &after {
                let before = before.get(number);
                let change = Change { number: *number, before: before.map(Employee::version), after: Some(after.version()) };
                set.push(&change).unwrap();
                counts.created += u64::from(before.is_none());
            }
            prop_assert_eq!((set.len(), set.counts().created), (after.len() as u64, counts.created));
            let mut stored = Vec::new();
            set.store(&mut stored).unwrap();
            let mut read_back = ChangeSet::restore(&stored[..], memory_bytes_max, &dir).unwrap();
            prop_assert_eq!(read_back.counts(), set.counts());
            let mut roster = before.clone();
            apply(&mut read_back, &mut roster);
            for (number, after) in &after {
                prop_assert_eq!(&roster[number], after);
            }
            apply(&mut set.inverse().unwrap(), &mut roster);
            prop_assert_eq!(roster, before);
        }

        #[test]
        fn a_damaged_set_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = ChangeSet::restore(&bytes[..], 1 << 20, &std::env::temp_dir());
        }
    }
}
