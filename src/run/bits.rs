//! Sets that stay small: row numbers as bits, texts as hashes.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A set of small numbers, one bit each: which rows a walk has seen, at an eighth of a byte a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    words: Vec<u64>,
    count: u64,
}

impl Bits {
    /// Puts a row number in; returns whether it was new.
    pub(super) fn insert(&mut self, no: i64) -> bool {
        let (word, bit) = place(no);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u64::from(new);
        new
    }

    /// Returns whether a row number is in.
    pub(super) fn contains(&self, no: i64) -> bool {
        let (word, bit) = place(no);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Returns how many are in.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

fn place(no: i64) -> (usize, u64) {
    let no = usize::try_from(no).unwrap_or(0);
    (no / 64, 1 << (no % 64))
}

/// Returns the hash of a text, for a set of texts that must stay small; for this process alone.
pub(super) fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_once_it_was_put_in() {
        let mut bits = Bits::default();
        assert!(bits.insert(1_000_000));
        assert!(!bits.insert(1_000_000));
        assert!(bits.contains(1_000_000) && !bits.contains(999_999) && !bits.contains(2_000_000));
        assert_eq!(bits.count(), 1);
    }
}
