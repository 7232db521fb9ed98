//! The report as JSON.

use std::cell::RefCell;
use std::io::{self, Write};

use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};

use super::personal;
use super::plain::is_unsafe;
use super::shape::Report;
use super::words::next_command;
use super::{Options, Rows};

/// Writes the report as one JSON object on one line, so that the reports of several jobs are one object a line.
///
/// The object is the [`Report`] with `next` (the command to type, or null) and `rows` at its end; rows go out one by one. Values are
/// exact: characters that could lead a terminal astray are escaped, not replaced.
///
/// Errors: what `out` or `rows` answered, a closed pipe among them.
pub fn json(
    report: &Report,
    rows: Rows<'_>,
    out: &mut dyn Write,
    options: &Options,
) -> io::Result<()> {
    let hidden;
    let report = if options.show_personal {
        report
    } else {
        hidden = personal::hidden_report(report);
        &hidden
    };
    let failed = RefCell::new(None);
    let whole = Whole {
        report,
        next: next_command(report),
        rows: Streamed {
            rows: RefCell::new(rows),
            failed: &failed,
            show_personal: options.show_personal,
        },
    };
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Escaping);
    let written = whole.serialize(&mut serializer);
    if let Some(error) = failed.take() {
        return Err(error);
    }
    written?;
    writeln!(out)
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    report: &'a Report,
    next: Option<String>,
    rows: Streamed<'a>,
}

/// The rows as a sequence; the first row that cannot be read is kept in `failed`, as serde carries no foreign errors.
struct Streamed<'a> {
    rows: RefCell<Rows<'a>>,
    failed: &'a RefCell<Option<io::Error>>,
    show_personal: bool,
}

impl Serialize for Streamed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for row in &mut **self.rows.borrow_mut() {
            match row {
                Ok(row) if self.show_personal => list.serialize_element(&row)?,
                Ok(row) => list.serialize_element(&personal::hidden_row(row))?,
                Err(error) => {
                    self.failed.replace(Some(error));
                    return Err(S::Error::custom("a row could not be read"));
                }
            }
        }
        list.end()
    }
}

/// Compact JSON that also escapes what a terminal would obey: `ESC`'s eight-bit relatives and direction marks.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unsafe) {
            CompactFormatter.write_string_fragment(writer, &rest[..at])?;
            let Some(c) = rest[at..].chars().next() else {
                break;
            };
            // All of them are in the first plane, so one unit of UTF-16 is enough.
            write!(writer, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

/// Returns any value as one line of JSON that is safe for a terminal.
///
/// Errors: the value is no JSON.
pub fn json_line(value: &impl Serialize) -> io::Result<String> {
    let mut line = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut line, Escaping,
    ))?;
    String::from_utf8(line).map_err(io::Error::other)
}
