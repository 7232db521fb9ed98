//! What comes from files and stdin: bodies, texts, and lists of contacts.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::args::{Input, Many};
use crate::cli::error::CliError;
use crate::model::ContactId;

/// The largest file that is taken; no body or list of contacts is larger.
const LARGEST_BYTES: u64 = 64 * 1024 * 1024;

/// Reads the body that `--input` names; an empty object without it.
///
/// Errors: the file cannot be read, or is not one JSON object. What stands in it is not shown.
pub(super) fn body(input: &Input) -> Result<Map<String, Value>, CliError> {
    let Some(path) = &input.input else {
        return Ok(Map::new());
    };
    let text = text(path, "--input")?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(CliError::usage(format!(
            "--input: {} is JSON, but not an object: expected {{\"key\": value, …}}",
            named(path)
        ))),
        // The text of the error can quote a person's data; its place cannot.
        Err(error) => Err(CliError::usage(format!(
            "--input: {} is not one JSON object: line {} column {}",
            named(path),
            error.line(),
            error.column()
        ))),
    }
}

/// Reads a whole text; `option` is what named it.
///
/// Errors: it cannot be read, is too large, or is not UTF-8.
pub(super) fn text(path: &Path, option: &str) -> Result<String, CliError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match path.as_os_str() == "-" {
            true => io::stdin()
                .lock()
                .take(LARGEST_BYTES + 1)
                .read_to_end(&mut bytes)?,
            false => File::open(path)?
                .take(LARGEST_BYTES + 1)
                .read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    };
    let bytes = read().map_err(|error| {
        CliError::usage(format!("{option}: cannot read {}: {error}", named(path)))
    })?;
    if bytes.len() as u64 > LARGEST_BYTES {
        let most = LARGEST_BYTES / 1024 / 1024;
        return Err(CliError::usage(format!(
            "{option}: {} is larger than {most} MiB",
            named(path)
        )));
    }
    String::from_utf8(bytes)
        .map_err(|_| CliError::usage(format!("{option}: {} is not UTF-8 text", named(path))))
}

/// Returns the contacts of a command, each once, in the order in which they were named.
///
/// A line of a file is an id, or a JSON object with an `id`, as `contacts search` prints it. Empty lines are passed over.
///
/// Errors: the file cannot be read; a line that is neither, by its number; no contact at all.
pub(super) fn contacts(many: &Many) -> Result<Vec<ContactId>, CliError> {
    let mut all = many.contacts.clone();
    if let Some(path) = &many.from {
        for (index, line) in text(path, "--from")?.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let id = contact_of(line).ok_or_else(|| {
                CliError::usage(format!(
                    "--from: line {} of {} is neither a contact's id nor a JSON object with an `id`",
                    index + 1,
                    named(path)
                ))
            })?;
            all.push(id);
        }
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|id| seen.insert(id.clone()));
    match all.is_empty() {
        true => Err(CliError::usage("there is no contact to do it to")),
        false => Ok(all),
    }
}

fn contact_of(line: &str) -> Option<ContactId> {
    if !line.starts_with('{') {
        return ContactId::try_from(line.trim_matches('"')).ok();
    }
    let row: Value = serde_json::from_str(line).ok()?;
    ContactId::try_from(row.get("id")?.as_str()?).ok()
}

fn named(path: &Path) -> String {
    match path.as_os_str() == "-" {
        true => "stdin".to_owned(),
        false => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_id_or_an_object_with_one() {
        let id = |line: &str| contact_of(line).map(String::from);
        assert_eq!(id("abc123").as_deref(), Some("abc123"));
        assert_eq!(id("\"abc123\"").as_deref(), Some("abc123"));
        assert_eq!(id(r#"{"id":"abc123","x":1}"#).as_deref(), Some("abc123"));
        for wrong in ["two words", "{}", r#"{"id":7}"#, "{", "a/b"] {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }
}
