//! Floor 1: what a run would do and what it did, in one shape.
//!
//! Rendered as text for people, as JSON for programs and as Markdown for pages, always with the same rows. Pure: knows no database,
//! no clock and no terminal; the rows come as an iterator, so a report of a million rows needs the memory of one.
//! Much is written in small pieces: give a buffered writer.

mod json;
mod markdown;
mod personal;
mod plain;
mod shape;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod words;

use std::io;

pub use json::{json, json_line};
pub use markdown::{escaped, markdown};
pub use personal::{hidden, hidden_row, hidden_value};
pub use plain::{plain, safe_json, wrapped};
pub use shape::{
    Calls, Cost, Counts, GuardFinding, HubSummary, Mode, News, NewsKind, Outcome, Pass, Per,
    Report, ReportRow, RowMark, SCHEMA, SourceSummary,
};
pub use text::text;
pub use words::{detail_lines, duration, headline, next_command, number, shell_word};

/// The rows of a report in the order of the plan; an error ends the rendering and is returned.
pub type Rows<'a> = &'a mut dyn Iterator<Item = io::Result<ReportRow>>;

/// How a report is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether e-mail addresses and phone numbers are shown in full.
    pub show_personal: bool,
    /// How many rows text and Markdown show before they only count; `None` shows all. JSON always has all.
    pub max_rows: Option<u64>,
    /// Rows of the report that the journal no longer has; 0 for a run that just ended.
    pub gone: u64,
    /// The columns of the terminal; `None` in a pipe or file, where lines are not wrapped.
    pub width: Option<u16>,
}
