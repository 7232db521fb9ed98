//! A secret: where it comes from, and that it is never printed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use tracing::warn;

/// A token or password; prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a secret could not be had.
#[derive(Debug)]
pub enum SecretError {
    /// The reference is neither `env:NAME` nor `file:PATH`.
    NotAReference,
    /// The environment variable is missing or not text.
    NoVariable {
        /// Its name.
        name: String,
    },
    /// The file cannot be read.
    NoFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The secret is empty, or has characters that no header can carry.
    Unusable {
        /// The reference, for example `env:GHL_TOKEN`.
        reference: String,
    },
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The text is not shown: people paste the secret itself here.
            SecretError::NotAReference => f.write_str(
                "a secret is written as `env:NAME` or `file:PATH`, never as the secret itself; put it in an environment variable or a file and name that",
            ),
            SecretError::NoVariable { name } => write!(
                f,
                "the environment variable {name} is not set; set it to the secret, or write `file:PATH` instead"
            ),
            SecretError::NoFile { path, source } => write!(
                f,
                "cannot read the secret file {} ({source}); make it, readable by this user alone, with the secret as its only line",
                path.display()
            ),
            SecretError::Unusable { reference } => write!(
                f,
                "{reference} is empty or is not one line of plain characters; it should hold the secret alone"
            ),
        }
    }
}

impl std::error::Error for SecretError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SecretError::NoFile { source, .. } => Some(source),
            SecretError::NotAReference
            | SecretError::NoVariable { .. }
            | SecretError::Unusable { .. } => None,
        }
    }
}

impl Secret {
    /// Takes a secret that is already at hand.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Gets the secret that `env:NAME` or `file:PATH` names; a relative path starts at `folder`.
    ///
    /// Spaces and line ends around the secret are dropped. A file that others may read is only warned about.
    ///
    /// Errors: every variant of [`SecretError`].
    pub fn resolve(reference: &str, folder: &Path) -> Result<Secret, SecretError> {
        let text = if let Some(name) = reference.strip_prefix("env:") {
            std::env::var(name).map_err(|_| SecretError::NoVariable {
                name: name.to_owned(),
            })?
        } else if let Some(path) = reference.strip_prefix("file:") {
            let path = folder.join(path);
            let text = fs::read_to_string(&path).map_err(|source| SecretError::NoFile {
                path: path.clone(),
                source,
            })?;
            warn_if_open(&path);
            text
        } else {
            return Err(SecretError::NotAReference);
        };
        let text = text.trim();
        let usable = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if usable {
            Ok(Secret(text.to_owned()))
        } else {
            Err(SecretError::Unusable {
                reference: reference.to_owned(),
            })
        }
    }

    /// Returns the secret itself, for the header it goes into and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the first 12 hex characters of the secret's SHA-256: tells two tokens apart without showing either.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        let hash = Sha256::digest(self.0.as_bytes());
        hash.iter().take(6).map(|b| format!("{b:02x}")).collect()
    }

    /// Returns `text` without the secret in it, should a vendor have echoed it.
    pub(crate) fn scrub(&self, text: &str) -> String {
        if self.0.is_empty() {
            text.to_owned()
        } else {
            text.replace(&self.0, "***")
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn warn_if_open(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let open = fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0);
    if open {
        warn!(
            secret.path = %path.display(),
            "{} may be read by other users; run `chmod 600` on it", path.display()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars() {
        let secret = Secret::new("pit-1234");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.scrub("token pit-1234 is bad"), "token *** is bad");
        assert_eq!(secret.fingerprint().len(), 12);
    }

    #[test]
    fn a_secret_comes_from_a_file_without_its_line_end() {
        let folder = std::env::temp_dir().join(format!("ghl-sync-secret-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("token"), "abc\r\n").unwrap();
        fs::write(folder.join("empty"), "\n").unwrap();
        fs::write(folder.join("two"), "a\nb\n").unwrap();
        let get = |reference: &str| Secret::resolve(reference, &folder);
        assert_eq!(get("file:token").unwrap().reveal(), "abc");
        assert!(matches!(
            get("file:empty"),
            Err(SecretError::Unusable { .. })
        ));
        assert!(matches!(get("file:two"), Err(SecretError::Unusable { .. })));
        assert!(matches!(get("file:none"), Err(SecretError::NoFile { .. })));
        assert!(matches!(
            get("env:GHL_SYNC_NO_SUCH_VARIABLE"),
            Err(SecretError::NoVariable { .. })
        ));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_secret_pasted_into_the_configuration_is_refused_and_not_echoed() {
        let error = Secret::resolve("pit-00000000", Path::new(".")).unwrap_err();
        assert!(!error.to_string().contains("pit-0"), "{error}");
    }
}
