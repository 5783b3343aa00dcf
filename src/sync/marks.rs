//! Marks: a set of numbers, or of places, with a bit for each.

/// A set of small numbers. It takes a bit for every number up to the largest.
#[derive(Debug, Default)]
pub struct Marks {
    words: Vec<u64>,
    len: u64,
}

impl Marks {
    /// Adds a number.
    pub fn insert(&mut self, number: u64) {
        let (word, bit) = Marks::position(number);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.len += u64::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    /// Whether the set has a number.
    pub fn contains(&self, number: u64) -> bool {
        let (word, bit) = Marks::position(number);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Returns how many numbers the set has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns the numbers in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        (0u64..).zip(&self.words).flat_map(|(word, bits)| {
            let bits = *bits;
            (0..u64::from(u64::BITS))
                .filter(move |bit| bits >> bit & 1 == 1)
                .map(move |bit| word * u64::from(u64::BITS) + bit)
        })
    }

    /// Returns the word that has a number, and the number's bit in it.
    fn position(number: u64) -> (usize, u64) {
        let word = usize::try_from(number / u64::from(u64::BITS)).expect("there are fewer than 2³² numbers");
        (word, 1 << (number % u64::from(u64::BITS)))
    }
}
