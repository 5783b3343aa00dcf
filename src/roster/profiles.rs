//! Which profile each employee was checked by.

/// By slot, the account's number of the profile that an employee was checked by. Most accounts have one profile, which takes no memory.
#[derive(Debug, Default)]
pub struct Profiles {
    len: usize,
    /// The profile of all, as long as `each` is empty.
    all: u32,
    each: Vec<u32>,
}

impl Profiles {
    /// Returns the profile in a slot that was pushed.
    pub fn get(&self, slot: usize) -> u32 {
        self.each.get(slot).copied().unwrap_or(self.all)
    }

    /// Returns how much memory it takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.each.capacity() * size_of::<u32>()
    }

    /// Adds the profile of the next slot.
    pub fn push(&mut self, profile: u32) {
        if self.len == 0 {
            self.all = profile;
        }
        self.len += 1;
        if !self.each.is_empty() {
            self.each.push(profile);
        } else if profile != self.all {
            self.differ(self.len - 1, profile);
        }
    }

    /// Replaces the profile in a slot that was pushed.
    pub fn set(&mut self, slot: usize, profile: u32) {
        if !self.each.is_empty() {
            self.each[slot] = profile;
        } else if profile != self.all {
            self.differ(slot, profile);
        }
    }

    fn differ(&mut self, slot: usize, profile: u32) {
        self.each = vec![self.all; self.len];
        self.each[slot] = profile;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_list(steps in prop::collection::vec((0usize..20, 1u32..4, any::<bool>()), 0..40)) {
            let (mut profiles, mut list) = (Profiles::default(), Vec::new());
            for (slot, profile, is_push) in steps {
                if is_push || slot >= list.len() {
                    profiles.push(profile);
                    list.push(profile);
                } else {
                    profiles.set(slot, profile);
                    list[slot] = profile;
                }
                let read: Vec<u32> = (0..list.len()).map(|slot| profiles.get(slot)).collect();
                prop_assert_eq!(&read, &list);
            }
        }
    }
}
