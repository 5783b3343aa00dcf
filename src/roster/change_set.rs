//! A change set: the changes of one push, as a value that can be kept, stored, read back and inverted.
//!
//! Its form is a sequence of changes, each as [`pack`] writes it.

use super::packed::{pack, unpack};
use super::{Change, Counts};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

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
            Kept::Memory(bytes) => unpack(&mut &bytes[..], len, &mut each),
            Kept::File(file) => {
                file.flush()?;
                let file = file.get_mut();
                file.rewind()?;
                let read = unpack(&mut BufReader::with_capacity(FILE_BYTES, &mut *file), len, &mut each);
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
        unpack(&mut from, u64::from_le_bytes(len), &mut |change| set.push(&change))?;
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{Data, Employee, Status};
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
