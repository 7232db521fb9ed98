//! Where a secret is found, and reading that from a file without ever showing what was written instead.

use std::fmt;
use std::path::{Path, PathBuf};

use super::reader::{Spot, Table};

/// The folder of credentials beside the main file, for commands that run outside a unit of systemd.
const CREDENTIALS: &str = "credentials";

/// The forms that a source has.
const FORMS: &str = "\"env:NAME\", \"file:PATH\" or \"credential:NAME\"";

/// Where a secret is found; never the secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretSource {
    /// The environment variable of this name.
    Env(String),
    /// What this file holds; a path that works from the current folder.
    File(PathBuf),
    /// A credential that systemd hands over, or the file of its name in a folder beside the main file.
    Credential {
        /// Its name: letters, digits, '.', '_' and '-'.
        name: String,
        /// The folder that is looked into outside a unit; a path that works from the current folder.
        fallback: PathBuf,
    },
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Env(name) => write!(f, "env:{name}"),
            SecretSource::File(path) => write!(f, "file:{}", path.display()),
            SecretSource::Credential { name, .. } => write!(f, "credential:{name}"),
        }
    }
}

impl SecretSource {
    /// Parses `env:NAME`, `file:PATH` or `credential:NAME`; relative paths start at `folder`, that of the main file.
    ///
    /// Errors: a fragment that says what was expected; never the text itself, for it may be the secret.
    pub fn parse(text: &str, folder: &Path) -> Result<SecretSource, String> {
        if let Some(name) = text.strip_prefix("env:") {
            let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let is_name = !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty();
            return if is_name && name.bytes().all(is_word) {
                Ok(SecretSource::Env(name.to_owned()))
            } else {
                Err(
                    "expected the name of a variable after `env:`: letters, digits and '_'"
                        .to_owned(),
                )
            };
        }
        if let Some(path) = text.strip_prefix("file:") {
            return if path.is_empty() || path.contains('\0') {
                Err("expected a path after `file:`".to_owned())
            } else {
                Ok(SecretSource::File(folder.join(path)))
            };
        }
        if let Some(name) = text.strip_prefix("credential:") {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            let is_name = (1..=255).contains(&name.len()) && name != "." && name != "..";
            return if is_name && name.bytes().all(is_plain) {
                Ok(SecretSource::Credential {
                    name: name.to_owned(),
                    fallback: folder.join(CREDENTIALS),
                })
            } else {
                Err("expected the name of a credential after `credential:`: letters, digits, '.', '_' and '-'".to_owned())
            };
        }
        Err(format!(
            "a secret does not belong into this file, expected {FORMS}"
        ))
    }
}

/// Reads where a secret is found, `None` when it is absent or not as it must be.
pub(super) fn source(table: &Table<'_>, key: &str, folder: &Path) -> Option<SecretSource> {
    parsed(table, key, table.text(key)?, folder)
}

/// Reads where a secret is found that has to be there.
pub(super) fn required_source(table: &Table<'_>, key: &str, folder: &Path) -> Option<SecretSource> {
    let text = table.required_text(key, &format!("{key} = {FORMS}"))?;
    parsed(table, key, text, folder)
}

fn parsed(table: &Table<'_>, key: &str, text: Spot<&str>, folder: &Path) -> Option<SecretSource> {
    match SecretSource::parse(text.value, folder) {
        Ok(source) => Some(source),
        Err(message) => {
            let is_form = ["env:", "file:", "credential:"]
                .iter()
                .any(|form| text.value.starts_with(form));
            let hint = (!is_form).then(|| {
                format!(
                    "write the secret into a file that only its owner can read (chmod 600) and name it here: {key} = \"file:/path/to/it\""
                )
            });
            table.report_at(text.at, key, message, hint);
            None
        }
    }
}
