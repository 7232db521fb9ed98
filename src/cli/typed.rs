//! How commands are typed for the configuration at hand: a person who copies one from a message must reach the same files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::report::shell_word;
use crate::store::Owner;

/// How commands are typed.
#[derive(Clone, Debug, Default)]
pub(super) struct Typed {
    /// What `--config` said.
    config: Option<PathBuf>,
    /// The words of the command line, the program first; empty where there is none.
    words: Vec<OsString>,
}

impl Typed {
    /// Makes the one for what `--config` said.
    pub(super) fn with(config: Option<&Path>) -> Typed {
        Typed {
            config: config.map(Path::to_owned),
            words: Vec::new(),
        }
    }

    /// Remembers the words that were typed.
    pub(super) fn in_words(self, words: &[OsString]) -> Typed {
        Typed {
            words: words.to_vec(),
            ..self
        }
    }

    /// Returns the line that does the same as another user. Words hold no secret: those are read from files, the environment or a terminal.
    pub(super) fn again_as(&self, user: &Owner) -> String {
        let user = user.to_string();
        let mut line = format!("sudo -u {}", shell_word(Path::new(&user)));
        if self.words.is_empty() {
            line.push_str(" ghl-sync");
        }
        for word in &self.words {
            line.push(' ');
            match word.is_empty() {
                true => line.push_str("''"),
                false => line.push_str(&shell_word(Path::new(word))),
            }
        }
        line
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_line_as_another_user_can_be_pasted_into_a_shell() {
        let typed = Typed::default();
        let service = Owner {
            uid: 998,
            name: Some("ghl-sync".to_owned()),
        };
        let nameless = Owner {
            uid: 4_321,
            name: None,
        };
        assert_eq!(typed.again_as(&service), "sudo -u ghl-sync ghl-sync");
        let words = [
            "./ghl-sync",
            "take",
            "a",
            "1",
            "",
            "it's; $(rm)",
            "--format=json",
        ];
        let typed = typed.in_words(&words.map(OsString::from));
        assert_eq!(
            typed.again_as(&nameless),
            r"sudo -u '#4321' ./ghl-sync take a 1 '' 'it'\''s; $(rm)' '--format=json'"
        );
    }
}
