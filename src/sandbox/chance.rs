//! Chance that repeats: one small generator, and ids that can be read back into numbers.

use std::fmt;

/// A splitmix64 generator.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64) as usize;
        from[at]
    }
}

const FIRST: u64 = 0xBF58_476D_1CE4_E5B9;
const SECOND: u64 = 0x94D0_49BB_1331_11EB;

/// Returns the inverse of an odd number modulo 2^64 (Newton's iteration).
const fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    let mut round = 0;
    while round < 6 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
        round += 1;
    }
    x
}

const FIRST_BACK: u64 = inverse(FIRST);
const SECOND_BACK: u64 = inverse(SECOND);

/// Scrambles a number; every number has exactly one picture.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(FIRST);
    z = (z ^ (z >> 27)).wrapping_mul(SECOND);
    z ^ (z >> 31)
}

/// Undoes `mix`.
fn unmix(mut z: u64) -> u64 {
    z ^= (z >> 31) ^ (z >> 62);
    z = z.wrapping_mul(SECOND_BACK);
    z ^= (z >> 27) ^ (z >> 54);
    z = z.wrapping_mul(FIRST_BACK);
    z ^ (z >> 30) ^ (z >> 60)
}

/// An id as HighLevel writes them: 20 letters and digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id([u8; 20]);

impl Id {
    /// Sorts before every id.
    pub(crate) const LEAST: Id = Id([0; 20]);
    /// Sorts after every id.
    pub(crate) const MOST: Id = Id([0x7f; 20]);

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ids are ASCII")
    }

    /// Returns the id spelled `text`, whether or not it was ever given out.
    pub(crate) fn spelled(text: &str) -> Option<Id> {
        let bytes: [u8; 20] = text.as_bytes().try_into().ok()?;
        bytes.is_ascii().then_some(Id(bytes))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Turns numbers into ids and back, so that no table of ids is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    seed: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Ids {
        Ids { seed: mix(seed) }
    }

    pub(crate) fn encode(&self, number: u64) -> Id {
        let picture = mix(number ^ self.seed);
        let mut bytes = [b'0'; 20];
        let mut rest = picture;
        for byte in &mut bytes[..11] {
            *byte = LETTERS[(rest % 62) as usize];
            rest /= 62;
        }
        rest = mix(picture.wrapping_add(self.seed));
        for byte in &mut bytes[11..] {
            *byte = LETTERS[(rest % 62) as usize];
            rest /= 62;
        }
        Id(bytes)
    }

    /// Returns the number behind an id, or `None` when no number has that id.
    pub(crate) fn decode(&self, text: &str) -> Option<u64> {
        if text.len() != 20 {
            return None;
        }
        let mut picture = 0u64;
        for byte in text.as_bytes()[..11].iter().rev() {
            let digit = LETTERS.iter().position(|letter| letter == byte)? as u64;
            picture = picture.checked_mul(62)?.checked_add(digit)?;
        }
        let number = unmix(picture) ^ self.seed;
        (self.encode(number).as_str() == text).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        let ids = Ids::new(7);
        for number in [0, 1, 999_999, 1 << 48, (3 << 48) + 5] {
            let id = ids.encode(number);
            assert_eq!(ids.decode(id.as_str()), Some(number));
        }
        assert_eq!(ids.decode("00000000000000000000"), None);
        assert_eq!(ids.decode("short"), None);
    }
}
