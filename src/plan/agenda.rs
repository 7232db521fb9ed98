//! When the schedule of a job wants a run: pure, so that years of clocks, crashes and sleeps can be tried in seconds.
//!
//! [`super::due`] knows the moments a cron line names. This module adds what was served already, how a job that fails backs off, the
//! hours in which it rests, and the while by which it begins later than its moment.

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use super::due::{Line, NotACronLine};
use crate::model::{Job, Quiet};

/// How far ahead of the clock a remembered moment may be and still be believed: more means that the clock was wrong when it was written.
const TRUST: TimeDelta = TimeDelta::hours(2);

/// The longest wait that is ever kept: a day of calls that is spent, and an hour.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(25);

/// A job that failed so often in a row is tried once in an hour and not mentioned again until it works.
pub const QUARANTINE: u32 = 7;

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// The longest pause between two tries.
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// How long a job waits that another process runs.
const BUSY_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// How a job wants to be scheduled.
#[derive(Clone, Debug)]
pub struct Terms {
    /// `schedule` and `full`: a moment of either is a run.
    lines: Vec<Line>,
    zone: Tz,
    jitter: Duration,
    quiet: Vec<Quiet>,
    seed: String,
    text: String,
}

/// What is remembered of a job between its scheduled runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// [`Terms::text`] of the terms it belongs to.
    pub line: String,
    /// Since when these terms are watched; moments up to it are nobody's.
    pub seen: DateTime<Utc>,
    /// Every moment up to this one was served.
    pub served: Option<DateTime<Utc>>,
    /// When the run began that is under way, or that was killed.
    pub begun: Option<DateTime<Utc>>,
    /// Failed runs in a row.
    pub failures: u32,
    /// When the last of them ended.
    pub failed_at: Option<DateTime<Utc>>,
    /// What the last of them said.
    pub why: Option<String>,
    /// It is not tried before.
    pub not_before: Option<DateTime<Utc>>,
}

/// What the schedule wants of a job now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// A run, for every open moment up to this one.
    Run {
        /// The newest moment that it serves.
        moment: DateTime<Utc>,
    },
    /// Nothing before this moment, at which it comes due; `None`: never.
    Nothing {
        /// When it comes due.
        next: Option<DateTime<Utc>>,
    },
    /// It is due and waits for its own little while.
    Jitter {
        /// When it begins.
        until: DateTime<Utc>,
    },
    /// It is due and rests.
    Quiet {
        /// When the quiet hours end.
        until: DateTime<Utc>,
    },
    /// It is due and waits after a failure, or for calls of a new day.
    Pause {
        /// When it is tried again.
        until: DateTime<Utc>,
    },
}

/// What a scheduled run came to, as far as the schedule cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It did what it could: the moment is served.
    Served,
    /// It failed and says why.
    Failed(String),
    /// It spent the calls of the day, which come back then.
    Spent(DateTime<Utc>),
    /// Somebody else runs the job.
    Busy,
    /// It was stopped, because the daemon ends.
    Stopped,
}

impl Terms {
    /// Takes the terms of a job.
    ///
    /// Errors: a line that is not one, which loading refuses already.
    pub fn of(job: &Job) -> Result<Terms, NotACronLine> {
        let texts: Vec<&String> = job.schedule.iter().chain(&job.full).collect();
        let lines: Result<_, _> = texts.iter().map(|text| Line::parse(text)).collect();
        let words: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
        Ok(Terms {
            lines: lines?,
            zone: job.timezone,
            jitter: job.jitter,
            quiet: job.quiet.clone(),
            seed: job.name.to_string(),
            text: format!("{} {}", words.join(" | "), job.timezone),
        })
    }

    /// Returns whether any moment is named: a job without `schedule` and `full` is never due by itself.
    pub fn has_moments(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Returns the lines and the zone; another text is another schedule.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the first moment after `after`, whatever was served.
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let moments = self
            .lines
            .iter()
            .filter_map(|line| line.next(self.zone, after));
        moments.min()
    }

    /// Returns when the quiet hours end that `now` falls into; `None` outside of them.
    pub fn quiet_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let is_quiet = |moment: DateTime<Utc>| {
            let time = moment.with_timezone(&self.zone).time();
            self.quiet.iter().any(|quiet| quiet.holds(time))
        };
        if !is_quiet(now) {
            return None;
        }
        // Minute by minute, because the clock on the wall may leap on the way; two days are more than any such leap.
        let minute = now - TimeDelta::seconds(i64::from(now.second()));
        let minute = minute - TimeDelta::nanoseconds(i64::from(now.nanosecond()));
        (1..=2 * 24 * 60)
            .map(|minutes| minute + TimeDelta::minutes(minutes))
            .find(|moment| !is_quiet(*moment))
    }

    /// Returns when the next quiet hours begin, if any do within a day and `now` is in none.
    pub fn quiet_from(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.quiet.is_empty() {
            return None;
        }
        let minute = now - TimeDelta::seconds(i64::from(now.second()));
        let minute = minute - TimeDelta::nanoseconds(i64::from(now.nanosecond()));
        (1..=24 * 60)
            .map(|minutes| minute + TimeDelta::minutes(minutes))
            .find(|moment| self.quiet_until(*moment).is_some())
    }

    /// Says what the schedule wants now.
    ///
    /// However many moments were missed, one run serves them all. A run that is under way is the caller's to know of.
    pub fn wants(&self, memory: &Memory, now: DateTime<Utc>) -> Wants {
        let last = memory.last();
        let newest = self
            .lines
            .iter()
            .filter_map(|line| line.due(self.zone, Some(last), now))
            .max();
        let Some(moment) = newest else {
            return Wants::Nothing {
                next: self.next(now.max(last)),
            };
        };
        // Were it the newest, a rhythm shorter than the jitter would never begin.
        let first = self.first_open(memory).min(moment);
        let begin = first + self.jitter_of(first);
        if now < begin {
            return Wants::Jitter { until: begin };
        }
        if let Some(until) = memory.pause(now) {
            return Wants::Pause { until };
        }
        match self.quiet_until(now) {
            Some(until) => Wants::Quiet { until },
            None => Wants::Run { moment },
        }
    }

    /// Returns the first moment that was not served; that of a line that names no more moments is the last one that was.
    pub fn first_open(&self, memory: &Memory) -> DateTime<Utc> {
        let last = memory.last();
        self.next(last).unwrap_or(last)
    }

    /// Returns how much later than `moment` the run begins: the same whenever it is asked, so that a restart changes nothing.
    fn jitter_of(&self, moment: DateTime<Utc>) -> TimeDelta {
        let most_ms = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        let ms = scatter(&self.seed, moment.timestamp()) % most_ms.saturating_add(1).max(1);
        TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(0))
    }
}

impl Memory {
    /// Begins to watch a schedule: its first run is at its next moment.
    pub fn new(terms: &Terms, now: DateTime<Utc>) -> Memory {
        Memory {
            line: terms.text.clone(),
            seen: now,
            served: None,
            begun: None,
            failures: 0,
            failed_at: None,
            why: None,
            not_before: None,
        }
    }

    /// Returns the memory to go on with, for the terms as they are now: another schedule is watched anew, and so is one whose moments
    /// were written down while the clock was far ahead of what it shows now.
    #[must_use]
    pub fn under(self, terms: &Terms, now: DateTime<Utc>) -> Memory {
        if self.line != terms.text {
            return Memory {
                begun: self.begun,
                ..Memory::new(terms, now)
            };
        }
        let known = self.last();
        if known - now > TRUST {
            return Memory {
                seen: now,
                served: None,
                ..self
            };
        }
        self
    }

    /// Notes that a run begins.
    #[must_use]
    pub fn begins(self, now: DateTime<Utc>) -> Memory {
        Memory {
            begun: Some(now),
            ..self
        }
    }

    /// Notes what the run came to that serves every moment up to `moment`.
    #[must_use]
    pub fn ends(self, moment: DateTime<Utc>, came: Came, now: DateTime<Utc>) -> Memory {
        let ended = Memory {
            begun: None,
            ..self
        };
        match came {
            Came::Served => Memory {
                served: Some(moment),
                failures: 0,
                failed_at: None,
                why: None,
                not_before: None,
                ..ended
            },
            Came::Failed(why) => ended.fails(why, now),
            Came::Spent(until) => Memory {
                failures: 0,
                failed_at: None,
                why: None,
                // At least a minute: a moment that has come already is no reason to try again and again.
                not_before: Some(until.clamp(now + BUSY_PAUSE, now + LONGEST_WAIT)),
                ..ended
            },
            Came::Busy => Memory {
                not_before: Some(now + BUSY_PAUSE),
                ..ended
            },
            Came::Stopped => ended,
        }
    }

    /// Notes a run that was killed: it began, and nobody runs it now. The first is caught up at once; what kills the process every time
    /// backs off as a failure does.
    #[must_use]
    pub fn killed(self, now: DateTime<Utc>) -> Memory {
        let why = "killed in the middle of a run".to_owned();
        let memory = Memory {
            begun: None,
            ..self
        }
        .fails(why, now);
        match memory.failures {
            1 => Memory {
                not_before: None,
                ..memory
            },
            _ => memory,
        }
    }

    /// Forgets pauses: a person changed something, and wants to see whether it helps.
    #[must_use]
    pub fn anew(self) -> Memory {
        Memory {
            not_before: None,
            ..self
        }
    }

    /// Returns whether the job failed so often that it is mentioned no more.
    pub fn is_quarantined(&self) -> bool {
        self.failures >= QUARANTINE
    }

    /// Returns until when it is not tried; `None` when it may be.
    pub fn pause(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let until = self.not_before?;
        // After a failure the pause is short; a longer one, or one of a failure that has not come yet, is a clock that was ahead.
        let longest = match self.failed_at {
            Some(_) => LONGEST_PAUSE * 2,
            None => LONGEST_WAIT,
        };
        (now < until && until - now <= longest).then_some(until)
    }

    fn fails(self, why: String, now: DateTime<Utc>) -> Memory {
        let failures = self.failures.saturating_add(1);
        let pause = FIRST_PAUSE * 2_i32.pow(failures.saturating_sub(1).min(10));
        let pause = pause.min(LONGEST_PAUSE);
        // Up to a tenth more, so that what failed together is not tried together.
        let more = scatter(&self.line, now.timestamp()) % 100;
        let more = pause * i32::try_from(more).unwrap_or(0) / 1_000;
        Memory {
            failures,
            failed_at: Some(now),
            why: Some(why),
            not_before: Some(now + pause + more),
            ..self
        }
    }

    /// Returns up to which moment everything is served or nobody's.
    fn last(&self) -> DateTime<Utc> {
        self.served
            .map_or(self.seen, |served| served.max(self.seen))
    }
}

/// Returns a number that looks drawn by lot and is the same for the same input: FNV-1a, finished as in SplitMix64.
fn scatter(text: &str, number: i64) -> u64 {
    let bytes = text.bytes().chain(number.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
