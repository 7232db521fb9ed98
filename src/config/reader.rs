//! A small typed reader over TOML that remembers positions and never stops at the first problem.

use std::cell::RefCell;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use crate::model::NotAnId;
use crate::plan::spelling;

/// One file and what is wrong with it.
#[derive(Debug)]
pub(super) struct File {
    shown: PathBuf,
    text: String,
    problems: RefCell<Vec<Problem>>,
}

/// A value and the byte at which it stands in its file.
#[derive(Clone, Debug)]
pub(super) struct Spot<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

/// One table of a file.
#[derive(Clone, Debug)]
pub(super) struct Table<'t> {
    file: &'t File,
    table: &'t DeTable<'t>,
    path: String,
    at: Option<usize>,
}

impl File {
    /// Takes a file's text; `shown` is its path in problems.
    pub(super) fn new(shown: PathBuf, text: String) -> File {
        File {
            shown,
            text,
            problems: RefCell::default(),
        }
    }

    /// Parses the text; `None` when it is not TOML, with every syntax error reported.
    pub(super) fn parse(&self) -> Option<DeTable<'_>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        if errors.is_empty() {
            return Some(table.into_inner());
        }
        for error in errors {
            let at = error.span().map(|span| span.start);
            self.report(at, "", format!("not TOML: {}", error.message()), None);
        }
        None
    }

    /// Reports a problem at a byte of the file, or of the file as a whole.
    pub(super) fn report(
        &self,
        at: Option<usize>,
        key: &str,
        message: String,
        hint: Option<String>,
    ) {
        let (line, column) = at.map_or((0, 0), |at| self.position(at));
        self.problems.borrow_mut().push(Problem {
            file: self.shown.clone(),
            line,
            column,
            key: key.to_owned(),
            message,
            hint,
        });
    }

    /// Returns the line of a byte with the file in front, for a problem elsewhere that refers to it.
    pub(super) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.shown.display(), self.position(at).0)
    }

    /// Returns how many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.problems.borrow().len()
    }

    /// Returns the problems in the order of the lines.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[start..].chars().count() + 1)
    }
}

impl<'t> Table<'t> {
    /// Returns the table that is the whole file.
    pub(super) fn root(file: &'t File, table: &'t DeTable<'t>) -> Table<'t> {
        Table {
            file,
            table,
            path: String::new(),
            at: None,
        }
    }

    /// Reports every key that is not in `known`; `hint` may add to what is said about one.
    pub(super) fn expect_keys(&self, known: &[&str], hint: impl Fn(&str) -> Option<String>) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let message = match spelling::near(name, known.iter().copied()) {
                Some(near) => format!("unknown key, did you mean `{near}`?"),
                None => format!("unknown key, expected one of: {}", known.join(", ")),
            };
            self.report_at(key.span().start, name, message, hint(name));
        }
    }

    /// Returns the keys and values in the order of the file.
    pub(super) fn entries(&self) -> Vec<(Spot<&'t str>, Spot<&'t DeValue<'t>>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| {
                let name: &'t str = key.get_ref();
                let key = Spot {
                    value: name,
                    at: key.span().start,
                };
                (key, spot(value))
            })
            .collect();
        entries.sort_by_key(|(key, _)| key.at);
        entries
    }

    /// Returns whether the key is there, of whatever type.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Returns a text, `None` when it is absent or of another type.
    pub(super) fn text(&self, key: &str) -> Option<Spot<&'t str>> {
        let value = self.value(key)?;
        match value.value {
            DeValue::String(text) => Some(Spot {
                value: text,
                at: value.at,
            }),
            other => self.wrong_type(key, value.at, "a text in quotes", other),
        }
    }

    /// Returns a text that has to be there; `example` is shown when it is not.
    pub(super) fn required_text(&self, key: &str, example: &str) -> Option<Spot<&'t str>> {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.text(key)
    }

    /// Returns an id that has to be there.
    pub(super) fn required_id<T: TryFrom<String, Error = NotAnId>>(
        &self,
        key: &str,
        example: &str,
    ) -> Option<Spot<T>> {
        let text = self.required_text(key, example)?;
        match T::try_from(text.value.to_owned()) {
            Ok(value) => Some(Spot { value, at: text.at }),
            Err(refused) => {
                self.report_at(text.at, key, refused.to_string(), None);
                None
            }
        }
    }

    /// Returns an id, `None` when it is absent or none.
    pub(super) fn id<T: TryFrom<String, Error = NotAnId>>(&self, key: &str) -> Option<Spot<T>> {
        match self.has(key) {
            true => self.required_id(key, ""),
            false => None,
        }
    }

    /// Returns a flag, or its default when it is absent or of another type.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        match self.value(key) {
            None => default,
            Some(Spot {
                value: DeValue::Boolean(flag),
                ..
            }) => *flag,
            Some(other) => self
                .wrong_type(key, other.at, "true or false", other.value)
                .unwrap_or(default),
        }
    }

    /// Returns one of some words, `None` when it is absent or another one.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<Spot<T>> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text.value);
        if let Some((_, value)) = found {
            return Some(Spot {
                value: *value,
                at: text.at,
            });
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = match spelling::near(text.value, names.iter().copied()) {
            Some(near) => format!("unknown word `{}`, did you mean `{near}`?", text.value),
            None => format!("unknown word `{}`, expected {}", text.value, one_of(&names)),
        };
        self.report_at(text.at, key, message, None);
        None
    }

    /// Returns one of some words, which has to be there.
    pub(super) fn required_word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        if !self.has(key) {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.missing(key, &format!("{key} = {}", one_of(&names)));
        }
        self.word(key, words).map(|spot| spot.value)
    }

    /// Returns a list of texts, empty when it is absent; what is not a text is reported and left out.
    pub(super) fn texts(&self, key: &str) -> Vec<Spot<&'t str>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.value else {
            let _: Option<()> = self.wrong_type(
                key,
                value.at,
                "a list such as [\"one\", \"two\"]",
                value.value,
            );
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            let item = spot(item);
            match item.value {
                DeValue::String(text) => texts.push(Spot {
                    value: text.as_ref(),
                    at: item.at,
                }),
                other => {
                    let _: Option<()> = self.wrong_type(key, item.at, "a text in quotes", other);
                }
            }
        }
        texts
    }

    /// Returns what stands under a key that may hold one thing or a list of them; none when it is absent.
    pub(super) fn one_or_more(&self, key: &str) -> Vec<Spot<&'t DeValue<'t>>> {
        match self.value(key) {
            None => Vec::new(),
            Some(Spot {
                value: DeValue::Array(items),
                ..
            }) => items.iter().map(spot).collect(),
            Some(one) => vec![one],
        }
    }

    /// Returns the tables of `[[KEY]]`; what is not one is reported and left out.
    pub(super) fn tables(&self, key: &str) -> Vec<Table<'t>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let shown = self.key(key);
        let expected = format!("tables in double brackets, [[{shown}]]");
        let DeValue::Array(items) = value.value else {
            let _: Option<()> = self.wrong_type(key, value.at, &expected, value.value);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter().map(spot) {
            match self.inner(key, &item) {
                Some(table) => tables.push(table),
                None => {
                    let _: Option<()> = self.wrong_type(key, item.at, &expected, item.value);
                }
            }
        }
        tables
    }

    /// Returns a value that stands under `key`, alone or in a list, as a table; `None` when it is none.
    pub(super) fn inner(&self, key: &str, value: &Spot<&'t DeValue<'t>>) -> Option<Table<'t>> {
        match value.value {
            DeValue::Table(table) => Some(Table {
                file: self.file,
                table,
                path: self.key(key),
                at: Some(value.at),
            }),
            _ => None,
        }
    }

    /// Returns a table, `None` when it is absent or of another type.
    pub(super) fn table(&self, key: &str) -> Option<Table<'t>> {
        let value = self.value(key)?;
        match value.value {
            DeValue::Table(table) => Some(Table {
                file: self.file,
                table,
                path: self.key(key),
                at: self.key_at(key),
            }),
            other => self.wrong_type(key, value.at, "a table", other),
        }
    }

    /// Returns a table that has to be there; `example` is shown when it is not.
    pub(super) fn required_table(&self, key: &str, example: &str) -> Option<Table<'t>> {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.table(key)
    }

    /// Returns the value of a key.
    pub(super) fn value(&self, key: &str) -> Option<Spot<&'t DeValue<'t>>> {
        self.table.get(key).map(spot)
    }

    /// Reports a problem of one key of this table.
    pub(super) fn report_at(&self, at: usize, key: &str, message: String, hint: Option<String>) {
        self.file.report(Some(at), &self.key(key), message, hint);
    }

    /// Reports a problem of a key that is not there, at the table's own line.
    pub(super) fn report_absent(&self, key: &str, message: String, hint: Option<String>) {
        self.file.report(self.at, &self.key(key), message, hint);
    }

    /// Reports a value of the wrong type.
    pub(super) fn wrong_type<T>(
        &self,
        key: &str,
        at: usize,
        expected: &str,
        seen: &DeValue<'_>,
    ) -> Option<T> {
        self.report_at(
            at,
            key,
            format!("expected {expected}, found {}", type_of(seen)),
            None,
        );
        None
    }

    /// Returns the file of the table.
    pub(super) fn file(&self) -> &'t File {
        self.file
    }

    fn missing(&self, key: &str, example: &str) {
        self.report_absent(key, format!("missing, expected {example}"), None);
    }

    fn key_at(&self, key: &str) -> Option<usize> {
        self.table
            .get_key_value(key)
            .map(|(key, _)| key.span().start)
    }

    fn key(&self, key: &str) -> String {
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key = if key.chars().all(is_bare) && !key.is_empty() {
            key.to_owned()
        } else {
            format!("\"{}\"", key.escape_debug())
        };
        if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// Lists words for a sentence: `a`, `a or b`, `a, b or c`, each in quotation marks.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

fn spot<'t>(value: &'t Spanned<DeValue<'t>>) -> Spot<&'t DeValue<'t>> {
    Spot {
        value: value.get_ref(),
        at: value.span().start,
    }
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false without quotes",
        DeValue::Datetime(_) => "a date or time without quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
