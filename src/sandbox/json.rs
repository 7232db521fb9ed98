//! A writer of JSON text, so that a page of rows costs no tree of values.

use serde_json::Value;

use super::clock::{write_millis, write_seconds};

/// JSON text under construction; commas look after themselves.
pub(crate) struct Json {
    out: Vec<u8>,
    comma: bool,
}

impl Json {
    pub(crate) fn new() -> Json {
        Json {
            out: Vec::with_capacity(1024),
            comma: false,
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    /// Starts an object or a list: `{` or `[`.
    pub(crate) fn open(&mut self, bracket: u8) {
        self.separate();
        self.out.push(bracket);
        self.comma = false;
    }

    /// Ends an object or a list: `}` or `]`.
    pub(crate) fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.comma = true;
    }

    /// Writes a key; the keys are constants that need no escaping.
    pub(crate) fn key(&mut self, key: &str) -> &mut Json {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.comma = false;
        self
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.separate();
        serde_json::to_writer(&mut self.out, text).expect("a vector takes every write");
    }

    pub(crate) fn value(&mut self, value: &Value) {
        self.separate();
        serde_json::to_writer(&mut self.out, value).expect("a vector takes every write");
    }

    pub(crate) fn raw(&mut self, raw: &str) {
        self.separate();
        self.out.extend_from_slice(raw.as_bytes());
    }

    pub(crate) fn number(&mut self, number: i64) {
        self.raw(&number.to_string());
    }

    pub(crate) fn bool(&mut self, yes: bool) {
        self.raw(if yes { "true" } else { "false" });
    }

    /// Writes a text or `null`.
    pub(crate) fn maybe(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.raw("null"),
        }
    }

    pub(crate) fn millis(&mut self, ms: i64) {
        self.separate();
        self.out.push(b'"');
        write_millis(&mut self.out, ms);
        self.out.push(b'"');
    }

    pub(crate) fn seconds(&mut self, ms: i64) {
        self.separate();
        self.out.push(b'"');
        write_seconds(&mut self.out, ms);
        self.out.push(b'"');
    }

    pub(crate) fn texts<'a>(&mut self, texts: impl Iterator<Item = &'a str>) {
        self.open(b'[');
        for text in texts {
            self.text(text);
        }
        self.close(b']');
    }
}
