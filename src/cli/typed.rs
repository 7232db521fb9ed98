//! How commands are typed for the configuration at hand: a person who copies one from a message must reach the same files.

use std::path::{Path, PathBuf};

use crate::report::shell_word;

/// How commands are typed.
#[derive(Clone, Debug, Default)]
pub(super) struct Typed {
    /// What `--config` said.
    config: Option<PathBuf>,
}

impl Typed {
    /// Makes the one for what `--config` said.
    pub(super) fn with(config: Option<&Path>) -> Typed {
        Typed {
            config: config.map(Path::to_owned),
        }
    }

    /// Returns the whole command that `rest` is a part of.
    pub(super) fn command(&self, rest: &str) -> String {
        format!("ghl-sync {rest}{}", self.ending())
    }

    /// Returns what every command ends with, from its space on; empty when no file was named.
    pub(super) fn ending(&self) -> String {
        match &self.config {
            None => String::new(),
            Some(path) => format!(" --config {}", shell_word(path)),
        }
    }
}
