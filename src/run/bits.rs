//! A set of row numbers.

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

    /// Puts all of another set in.
    pub(super) fn extend(&mut self, other: &Bits) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            self.count += u64::from((more & !*word).count_ones());
            *word |= more;
        }
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

    #[test]
    fn two_sets_become_one_and_nothing_counts_twice() {
        let mut bits = Bits::default();
        let mut more = Bits::default();
        bits.insert(3);
        for number in [3, 4, 700] {
            more.insert(number);
        }
        bits.extend(&more);
        assert_eq!(bits.count(), 3);
        assert!(bits.contains(700) && !bits.contains(5));
    }
}
