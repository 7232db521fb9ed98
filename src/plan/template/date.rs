//! The `date` filter: a time in UTC as a date in the job's zone.

use chrono::DateTime;
use chrono::format::{Item, StrftimeItems};
use chrono_tz::Tz;

/// What `date` without an argument prints: what date fields of HighLevel take.
pub(super) const DEFAULT: &str = "%Y-%m-%d";

/// A strftime format that was checked.
#[derive(Debug)]
pub(super) struct Format {
    items: Vec<Item<'static>>,
}

impl Format {
    /// Parses a strftime format.
    ///
    /// Errors: a fragment that names the format.
    pub(super) fn new(format: &str) -> Result<Format, String> {
        StrftimeItems::new(format)
            .parse_to_owned()
            .map(|items| Format { items })
            .map_err(|_| format!("`{format}` is not a date format"))
    }

    /// Prints an RFC 3339 time in `zone`; an empty text stays empty.
    pub(super) fn render(&self, raw: &str, zone: Tz) -> Result<String, String> {
        let raw = raw.trim();
        if raw.is_empty() {
            return Ok(String::new());
        }
        let time = DateTime::parse_from_rfc3339(raw)
            .map_err(|_| "`date` expected a time such as 2024-05-24T22:22:08Z".to_owned())?;
        Ok(time
            .with_timezone(&zone)
            .format_with_items(self.items.iter())
            .to_string())
    }
}
