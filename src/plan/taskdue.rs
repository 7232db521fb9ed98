//! When a task is due: so long after it is made, on a day, or at a moment.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, SubsecRound, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The longest time after which a task can be due: ten years, beyond which it is a slip of the keyboard.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// When a task is due, as a job file or its template says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueBy {
    /// So long after the task is made.
    After(Duration),
    /// By the end of this day, in the job's zone.
    On(NaiveDate),
    /// At this moment.
    At(DateTime<Utc>),
}

impl DueBy {
    /// Reads `2d`, `2026-12-24` or `2026-12-24T18:00:00Z`, without spaces around it.
    ///
    /// Errors: what was seen and expected, as a fragment.
    pub fn parse(text: &str) -> Result<DueBy, String> {
        let text = text.trim();
        if let Some(after) = duration_of(text) {
            return match after <= LONGEST {
                true => Ok(DueBy::After(after)),
                false => Err(format!("`{text}` is too long, expected at most 3650d")),
            };
        }
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(DueBy::On(day));
        }
        if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
            return Ok(DueBy::At(moment.to_utc()));
        }
        Err(format!(
            "`{}` does not say when, expected a time such as \"2d\" (with s, m, h or d), a day such as \"2026-12-24\" or a moment such as \"2026-12-24T18:00:00Z\"",
            text.escape_debug()
        ))
    }

    /// Returns the moment in whole seconds, for a task that is made `now` by a job in `zone`.
    ///
    /// A day ends one minute before midnight: a task that is due at midnight shows as one of the next day.
    pub fn moment(self, now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
        let moment = match self {
            DueBy::After(after) => TimeDelta::from_std(after)
                .ok()
                .and_then(|after| now.checked_add_signed(after))
                .unwrap_or(now),
            DueBy::On(day) => {
                let last = NaiveTime::from_hms_opt(23, 59, 0).unwrap_or(NaiveTime::MIN);
                let last = day.and_time(last);
                // A zone that leaps over its last minute of a day has none of it: then the day ends by the clock of UTC.
                let there = zone.from_local_datetime(&last).latest();
                there.map_or(last.and_utc(), |moment| moment.to_utc())
            }
            DueBy::At(moment) => moment,
        };
        moment.trunc_subsecs(0)
    }
}

/// Reads a whole number with its unit, s, m, h or d; `None` when it is none.
pub fn duration_of(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let count: u64 = number.parse().ok().filter(|_| is_number)?;
    Some(Duration::from_secs(count.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_a_day_and_a_moment_are_read() {
        let days = |count: u64| Duration::from_secs(count * 86_400);
        for (text, due) in [
            ("2d", DueBy::After(days(2))),
            (" 36h ", DueBy::After(Duration::from_secs(36 * 3_600))),
            ("0s", DueBy::After(Duration::ZERO)),
            ("3650d", DueBy::After(days(3650))),
            (
                "2026-12-24",
                DueBy::On(NaiveDate::from_ymd_opt(2026, 12, 24).unwrap()),
            ),
            (
                "2026-12-24T18:00:00+01:00",
                DueBy::At(at("2026-12-24T17:00:00Z")),
            ),
        ] {
            assert_eq!(DueBy::parse(text), Ok(due), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_examples() {
        for text in [
            "",
            "2",
            "d",
            "two days",
            "2w",
            "-2d",
            "2.5d",
            "2026-13-01",
            "24.12.2026",
            "2026-02-30",
        ] {
            let said = DueBy::parse(text).unwrap_err();
            assert!(said.contains("does not say when"), "{text}: {said}");
            assert!(said.contains("\"2d\""), "{text}: {said}");
        }
        assert!(DueBy::parse("3651d").unwrap_err().contains("too long"));
        assert!(DueBy::parse("99999999999999999999d").is_err());
    }

    #[test]
    fn a_day_ends_in_the_zone_of_the_job_and_a_time_counts_from_now() {
        let now = at("2026-03-02T12:00:00.750Z");
        let moment = |text: &str, zone: Tz| DueBy::parse(text).unwrap().moment(now, zone);
        assert_eq!(moment("2d", Tz::UTC), at("2026-03-04T12:00:00Z"));
        assert_eq!(moment("2026-03-02", Tz::UTC), at("2026-03-02T23:59:00Z"));
        let new_york = chrono_tz::America::New_York;
        assert_eq!(moment("2026-03-02", new_york), at("2026-03-03T04:59:00Z"));
        assert_eq!(
            moment("2026-12-24T18:00:00Z", new_york),
            at("2026-12-24T18:00:00Z")
        );
        // Apia leapt over the whole of this day.
        let apia = chrono_tz::Pacific::Apia;
        assert_eq!(moment("2011-12-30", apia), at("2011-12-30T23:59:00Z"));
    }
}
