//! When a job is due: five-field cron lines on the wall clock of a zone.
//!
//! The crate croner says which wall-clock minutes a line names; which moments those are is decided here, because the two disagree
//! twice a year:
//!
//! - A line that names its hours as plain numbers (`30 2 * * *`, `0,30 2,14 * * 1-5`) means moments of a day, each once. A time that does
//!   not exist, because the clock is set forward over it, comes due at the first moment after the gap; several such times come due
//!   there together, once. A time that exists twice comes due once, at the first.
//! - A line whose hours are `*`, a range or a step (`*/15 * * * *`, `0 */2 * * *`, `*/10 8-18 * * *`) means a rhythm. It is due
//!   whenever the clock shows one of its times: again in an hour that comes twice, and not for times that are leapt over.

#[cfg(test)]
mod tests;

use std::fmt;

use chrono::{
    DateTime, Datelike, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
    Utc,
};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};

/// How many days are searched for a due moment: `0 0 29 2 *` may wait eight years (1896 to 1904, 2096 to 2104), and the 29th of
/// February on one given weekday forty.
const SEARCH_DAYS: u32 = 41 * 366;

/// A parsed cron line.
#[derive(Clone, Debug)]
pub struct Line {
    cron: Cron,
    minutes: Vec<u32>,
    hours: Vec<u32>,
    is_rhythm: bool,
}

/// Says why a text is not a cron line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotACronLine(String);

impl fmt::Display for NotACronLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotACronLine {}

/// Returns the newest due moment in (`last_due_at`, `now`], so that however many were missed, one is caught up.
///
/// `None` when there is none. Without a `last_due_at` the newest due moment up to `now`, however old.
///
/// Errors: a line that is not one.
pub fn due(
    line: &str,
    zone: Tz,
    last_due_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, NotACronLine> {
    Ok(Line::parse(line)?.due(zone, last_due_at, now))
}

/// Returns the first due moment after `now`, `None` when the line never comes due.
///
/// Errors: a line that is not one.
pub fn next(
    line: &str,
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, NotACronLine> {
    Ok(Line::parse(line)?.next(zone, now))
}

impl Line {
    /// Parses five fields: minute, hour, day of month, month, day of week.
    ///
    /// Errors: another number of fields, a name like `@daily`, or a field that is out of range.
    pub fn parse(line: &str) -> Result<Line, NotACronLine> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, hour, ..] = fields.as_slice() else {
            return Err(not_five(line, fields.len()));
        };
        if fields.len() != 5 {
            return Err(not_five(line, fields.len()));
        }
        let cron = parse(line).ok_or_else(|| refusal(line, &fields))?;
        if let Some(leap) = fields
            .iter()
            .zip(FIELDS)
            .find_map(|(field, (what, most, _))| step_that_leaps(field, what, most))
        {
            return Err(NotACronLine(format!("`{line}` is not a cron line: {leap}")));
        }
        let named = |count: u32, is_named: &dyn Fn(u32) -> bool| {
            (0..count).filter(|n| is_named(*n)).collect()
        };
        Ok(Line {
            minutes: named(60, &|minute| {
                cron.pattern.minute_match(minute).unwrap_or(false)
            }),
            hours: named(24, &|hour| cron.pattern.hour_match(hour).unwrap_or(false)),
            is_rhythm: hour.contains(['*', '/', '-', '?']),
            cron,
        })
    }

    /// Returns what [`due`] returns, for a line that was parsed before.
    pub fn due(
        &self,
        zone: Tz,
        last_due_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let is_open = |moment: DateTime<Utc>| last_due_at.is_none_or(|last| moment > last);
        let oldest = last_due_at.map(|last| day_of(zone, last, -1));
        let mut day = day_of(zone, now, 1);
        for _ in 0..SEARCH_DAYS {
            if oldest.is_some_and(|oldest| day < oldest) {
                return None;
            }
            let moments = self.moments(zone, day);
            if let Some(newest) = moments.into_iter().filter(|moment| *moment <= now).max() {
                return Some(newest).filter(|newest| is_open(*newest));
            }
            day = day.pred_opt()?;
        }
        None
    }

    /// Returns what [`next`] returns, for a line that was parsed before.
    pub fn next(&self, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut day = day_of(zone, now, -1);
        for _ in 0..SEARCH_DAYS {
            let moments = self.moments(zone, day);
            if let Some(first) = moments.into_iter().filter(|moment| *moment > now).min() {
                return Some(first);
            }
            day = day.succ_opt()?;
        }
        None
    }

    /// Returns the moments of one calendar day, in no order.
    ///
    /// Days do not overlap: no moment of a day is later than one of the next day.
    fn moments(&self, zone: Tz, day: NaiveDate) -> Vec<DateTime<Utc>> {
        if !self.names_day(day) {
            return Vec::new();
        }
        let times = self.hours.iter().flat_map(|hour| {
            self.minutes
                .iter()
                .filter_map(|minute| NaiveTime::from_hms_opt(*hour, *minute, 0))
        });
        let mut moments = Vec::new();
        for time in times {
            let local = day.and_time(time);
            match zone.from_local_datetime(&local) {
                MappedLocalTime::Single(moment) => moments.push(moment.to_utc()),
                MappedLocalTime::Ambiguous(one, other) => {
                    moments.push(one.to_utc().min(other.to_utc()));
                    if self.is_rhythm {
                        moments.push(one.to_utc().max(other.to_utc()));
                    }
                }
                MappedLocalTime::None if self.is_rhythm => {}
                MappedLocalTime::None => moments.push(after_gap(zone, local)),
            }
        }
        moments
    }

    fn names_day(&self, day: NaiveDate) -> bool {
        let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
        let pattern = &self.cron.pattern;
        pattern.month_match(day.month()).unwrap_or(false)
            && pattern
                .day_match(day.year(), day.month(), day.day(), weekday)
                .unwrap_or(false)
    }
}

/// Returns the day that the zone's calendar shows at `moment`, moved by `days`.
fn day_of(zone: Tz, moment: DateTime<Utc>, days: i64) -> NaiveDate {
    let day = moment.with_timezone(&zone).date_naive();
    day.checked_add_signed(TimeDelta::days(days)).unwrap_or(day)
}

/// Returns the first moment after the gap that `local` falls into.
///
/// The widest gap is a whole day (Apia left out 30 December 2011).
fn after_gap(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let shows_later = |moment: DateTime<Utc>| moment.with_timezone(&zone).naive_local() > local;
    let mut before = local.and_utc() - TimeDelta::hours(40);
    let mut after = local.and_utc() + TimeDelta::hours(40);
    while after - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if shows_later(middle) {
            after = middle;
        } else {
            before = middle;
        }
    }
    after
}

fn not_five(line: &str, count: usize) -> NotACronLine {
    NotACronLine(format!(
        "`{line}` has {count} {}, expected five: minute, hour, day of month, month, day of week",
        if count == 1 { "field" } else { "fields" }
    ))
}

/// The five fields: what each is, its largest number, and what it may hold.
const FIELDS: [(&str, u32, &str); 5] = [
    ("minute", 59, "0 to 59"),
    ("hour", 23, "0 to 23"),
    ("day of month", 31, "1 to 31"),
    ("month", 12, "1 to 12 or JAN to DEC"),
    ("day of week", 7, "0 to 7 or SUN to SAT"),
];

fn parse(line: &str) -> Option<Cron> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    parser.parse(line).ok()
}

/// Says which field is wrong, by trying each of them among stars.
fn refusal(line: &str, fields: &[&str]) -> NotACronLine {
    for (at, (field, (what, _, holds))) in fields.iter().zip(FIELDS).enumerate() {
        let mut alone = ["*"; 5];
        alone[at] = field;
        if parse(&alone.join(" ")).is_none() {
            return NotACronLine(format!(
                "`{line}` is not a cron line: `{field}` is not a {what}, expected *, {holds}, a list, a range or a step"
            ));
        }
    }
    NotACronLine(format!("`{line}` is not a cron line"))
}

/// Says what is wrong with a step that leaps out of its field, such as every 75 minutes, which the parser takes for every hour.
fn step_that_leaps(field: &str, what: &str, most: u32) -> Option<String> {
    let steps = field.split(',').filter_map(|part| part.split_once('/'));
    steps.map(|(_, step)| step).find_map(|step| {
        let is_leap = step.parse::<u32>().is_ok_and(|step| step > most);
        is_leap
            .then(|| format!("a step of {step} leaves the {what} field, expected at most {most}"))
    })
}
