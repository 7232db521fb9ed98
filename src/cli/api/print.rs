//! What stdout shows: the vendor's objects as JSON.

use std::collections::BTreeSet;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::deed::ShownCall;
use crate::cli::error::CliError;
use crate::cli::shell::Shell;
use crate::report::safe_json;

/// Prints objects, whole or some of their keys.
#[derive(Debug)]
pub(super) struct Printer {
    /// The keys to print; empty: all.
    keys: Vec<String>,
    /// Those of them that no object had yet.
    unseen: BTreeSet<String>,
    /// The keys of the first object, for whoever misspelled one.
    there: Vec<String>,
    /// Whether one object is laid out for the eye.
    is_pretty: bool,
}

impl Printer {
    /// Makes one that prints these keys of every object, in this order; all keys when there are none.
    pub(super) fn new(keys: &[String], shell: &Shell) -> Printer {
        let keys: Vec<String> = keys.iter().map(|key| key.trim().to_owned()).collect();
        Printer {
            unseen: keys.iter().cloned().collect(),
            keys,
            there: Vec::new(),
            is_pretty: shell.is_terminal,
        }
    }

    /// Prints one object: on a terminal over several lines, else on one.
    ///
    /// Errors: stdout cannot be written.
    pub(super) fn object(&mut self, shell: &mut Shell, object: &Value) -> Result<(), CliError> {
        self.see(object);
        self.laid_out(shell, &self.picked(object))
    }

    /// Prints a call that is not sent, as one object.
    ///
    /// Errors: stdout cannot be written.
    pub(super) fn call(&self, shell: &mut Shell, call: &ShownCall<'_>) -> Result<(), CliError> {
        self.laid_out(shell, call)
    }

    fn laid_out(&self, shell: &mut Shell, object: &impl Serialize) -> Result<(), CliError> {
        let text = match self.is_pretty {
            true => serde_json::to_string_pretty(object),
            false => serde_json::to_string(object),
        };
        shell.say(&safe_json(&text.map_err(not_written)?))
    }

    /// Prints rows, each on a line.
    ///
    /// Errors: stdout cannot be written.
    pub(super) fn rows(&mut self, shell: &mut Shell, rows: &[Value]) -> Result<(), CliError> {
        let mut text = String::new();
        for row in rows {
            self.see(row);
            let line = serde_json::to_string(&self.picked(row)).map_err(not_written)?;
            text.push_str(&safe_json(&line));
            text.push('\n');
        }
        shell.write(|out| out.write_all(text.as_bytes()))
    }

    /// Returns what to say of keys that no object had, if there was any object.
    pub(super) fn missed(&self) -> Option<String> {
        if self.unseen.is_empty() || self.there.is_empty() {
            return None;
        }
        let unseen: Vec<String> = self.unseen.iter().map(|key| format!("`{key}`")).collect();
        Some(format!(
            "note: nothing here has the key {}; there are: {}",
            unseen.join(", "),
            self.there.join(", ")
        ))
    }

    fn see(&mut self, object: &Value) {
        let Some(object) = object.as_object() else {
            return;
        };
        self.unseen.retain(|key| !object.contains_key(key));
        if self.there.is_empty() {
            self.there = object.keys().cloned().collect();
        }
    }

    fn picked<'a>(&'a self, object: &'a Value) -> Picked<'a> {
        Picked {
            keys: &self.keys,
            object,
        }
    }
}

fn not_written(error: serde_json::Error) -> CliError {
    CliError::Io {
        what: "write the answer".to_owned(),
        source: error.into(),
    }
}

/// An object of which some keys are shown, in the order that was asked for; a key that it lacks is `null`.
struct Picked<'a> {
    keys: &'a [String],
    object: &'a Value,
}

impl Serialize for Picked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.object {
            Value::Object(object) if !self.keys.is_empty() => {
                let mut map = serializer.serialize_map(Some(self.keys.len()))?;
                for key in self.keys {
                    map.serialize_entry(key, &object.get(key))?;
                }
                map.end()
            }
            whole => whole.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;
    use crate::cli::progress::Progress;
    use crate::model::Clock;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(keys: &[&str], rows: &[Value]) -> (String, Option<String>) {
        let page = Page::default();
        let progress = Progress::quiet(Box::new(io::sink()));
        let mut shell = Shell::new(Box::new(page.clone()), progress, Clock::system());
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let mut printer = Printer::new(&keys, &shell);
        printer.rows(&mut shell, rows).unwrap();
        let text = page.0.lock().unwrap().clone();
        (String::from_utf8(text).unwrap(), printer.missed())
    }

    #[test]
    fn keys_come_in_the_order_asked_for_and_a_missing_one_is_null() {
        let rows = [
            json!({"id": "a", "email": "x", "n": 5.0}),
            json!({"id": "b"}),
        ];
        let (text, missed) = printed(&["n", "id", "email"], &rows);
        assert_eq!(
            text,
            "{\"n\":5.0,\"id\":\"a\",\"email\":\"x\"}\n{\"n\":null,\"id\":\"b\",\"email\":null}\n"
        );
        assert_eq!(missed, None);
    }

    #[test]
    fn a_misspelled_key_is_told() {
        let (text, missed) = printed(&["emial"], &[json!({"id": "a", "email": "x"})]);
        assert_eq!(text, "{\"emial\":null}\n");
        let missed = missed.unwrap();
        assert!(missed.contains("`emial`"), "{missed}");
        assert!(missed.contains("email, id"), "{missed}");
        assert_eq!(printed(&["emial"], &[]).1, None);
    }

    #[test]
    fn what_would_move_a_cursor_is_written_out_and_means_the_same() {
        let row = json!({"name": "a\u{1b}[2J\u{9b}\u{202e}é\n"});
        let (text, _) = printed(&[], std::slice::from_ref(&row));
        assert_eq!(text, "{\"name\":\"a\\u001b[2J\\u009b\\u202eé\\n\"}\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), row);
    }
}
