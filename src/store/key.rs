//! The key that encrypts stored logins.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use crate::model::Secret;

/// The bytes of a key; `ghl-sync.toml` names a secret of twice as many hex digits.
const KEY_BYTES: usize = 32;

/// A key, ready for use; never printed.
///
/// ChaCha20-Poly1305 with a random nonce for each sealing: a login is sealed some times a day, so 96 random bits do not repeat.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; KEY_BYTES],
    id: String,
}

/// The text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "it is not a key: expected 64 hex digits, as `openssl rand -hex 32` prints them",
        )
    }
}

impl std::error::Error for NotAKey {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl Key {
    /// Reads a key of 64 hex digits.
    ///
    /// Errors: the text is something else.
    pub fn read(text: &Secret) -> Result<Key, NotAKey> {
        let digits = text.reveal().as_bytes();
        if digits.len() != KEY_BYTES * 2 {
            return Err(NotAKey);
        }
        let mut bytes = [0; KEY_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotAKey)?;
            // `from_str_radix` takes a sign.
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(NotAKey);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAKey)?;
        }
        let id = Sha256::digest([b"ghl-sync token key ".as_slice(), &bytes].concat());
        let id = id.iter().take(4).map(|byte| format!("{byte:02x}"));
        Ok(Key {
            bytes,
            id: id.collect(),
        })
    }

    /// Returns the first 8 hex digits of a hash of the key: tells keys apart without showing one.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Encrypts `plain`, bound to `about`: opened for anything else it fails.
    pub(super) fn seal(&self, plain: &[u8], about: &str) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .expect("the system gives random bytes");
        let mut sealed = plain.to_vec();
        self.cipher()
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(about),
                &mut sealed,
            )
            .expect("a login is far shorter than what the cipher takes");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts what [`Key::seal`] made; `None` when it was made with another key, about something else, or was changed.
    pub(super) fn open(&self, sealed: &[u8], about: &str) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let plain = self
            .cipher()
            .open_in_place(nonce, Aad::from(about), &mut rest)
            .ok()?;
        Some(plain.to_vec())
    }

    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.bytes);
        LessSafeKey::new(key.expect("the key has the cipher's length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: &str) -> Key {
        Key::read(&Secret::new(digit.repeat(64))).unwrap()
    }

    #[test]
    fn only_the_right_key_for_the_right_thing_opens() {
        let sealed = key("a").seal(b"pair", "main");
        assert!(!sealed.windows(4).any(|part| part == b"pair"));
        assert_eq!(key("a").open(&sealed, "main").unwrap(), b"pair");
        assert_eq!(key("b").open(&sealed, "main"), None);
        assert_eq!(key("a").open(&sealed, "other"), None);
        assert_eq!(key("a").open(b"short", "main"), None);
        let again = key("a").seal(b"pair", "main");
        assert_ne!(sealed, again, "each sealing has its own nonce");
    }

    #[test]
    fn a_key_is_64_hex_digits_and_never_printed() {
        for wrong in ["", "abc", &"g".repeat(64), &"+1".repeat(32), &"a".repeat(63)] {
            assert_eq!(Key::read(&Secret::new(wrong)).unwrap_err(), NotAKey);
        }
        let shown = format!("{:?}", key("a"));
        assert!(!shown.contains("aaaa"), "{shown}");
        assert_ne!(key("a").id(), key("b").id());
    }
}
