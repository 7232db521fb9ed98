//! When a task is due, as people write it.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::config::duration_of;

/// The hour of a date that comes without one: at noon UTC it is the same day in nearly all time zones.
const NOON: u32 = 12;

/// A moment to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// So long after now.
    In(Duration),
    /// At this moment.
    At(DateTime<Utc>),
}

impl Due {
    /// Returns the moment; `None` when it is too far away for a calendar.
    pub fn moment(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Due::In(after) => now.checked_add_signed(TimeDelta::from_std(after).ok()?),
            Due::At(moment) => Some(moment),
        }
    }
}

impl FromStr for Due {
    type Err = String;

    fn from_str(word: &str) -> Result<Due, String> {
        if let Some(after) = duration_of(word) {
            return Ok(Due::In(after));
        }
        if let Ok(moment) = DateTime::parse_from_rfc3339(word) {
            return Ok(Due::At(moment.with_timezone(&Utc)));
        }
        let noon = NaiveTime::from_hms_opt(NOON, 0, 0);
        if let (Ok(date), Some(noon)) = (word.parse::<NaiveDate>(), noon) {
            return Ok(Due::At(date.and_time(noon).and_utc()));
        }
        Err("expected a time from now as 2d, 12h or 90m, a date as 2026-12-01 (noon UTC), or a moment with its zone as 2026-12-01T17:00:00+01:00".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(word: &str) -> Result<String, String> {
        let now = DateTime::parse_from_rfc3339("2026-03-02T12:30:00Z").unwrap();
        let moment = word.parse::<Due>()?.moment(now.with_timezone(&Utc));
        Ok(moment.map_or_else(|| "never".to_owned(), |moment| moment.to_rfc3339()))
    }

    #[test]
    fn a_due_date_is_a_time_from_now_a_date_or_a_moment() {
        for (word, moment) in [
            ("2d", "2026-03-04T12:30:00+00:00"),
            ("90m", "2026-03-02T14:00:00+00:00"),
            ("2026-12-01", "2026-12-01T12:00:00+00:00"),
            ("2026-12-01T17:00:00+01:00", "2026-12-01T16:00:00+00:00"),
            ("99999999999d", "never"),
        ] {
            assert_eq!(due(word).as_deref(), Ok(moment), "{word}");
        }
    }

    #[test]
    fn a_moment_without_a_zone_is_none() {
        for word in ["tomorrow", "2026-12-01T17:00", "2026-13-01", "", "-2d", "2"] {
            assert!(due(word).unwrap_err().contains("expected"), "{word}");
        }
    }
}
