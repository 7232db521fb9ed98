//! What the commands that look have in common: whether a run lives, how it ended in words, and lines that fit.

use std::io::{self, Write};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use serde::Serialize;

use crate::model::JobName;
use crate::report::{self, Counts, Outcome, Report, duration, number, plain, wrapped};
use crate::run::RunError;
use crate::store::Lock;
use crate::store::progress::{self, Progress};
use crate::store::runs::Run;

use super::error::CliError;
use super::typed::Typed;

/// A run tells of itself every two seconds; one that was silent for so long is dead, or its machine was asleep.
const SILENT: TimeDelta = TimeDelta::seconds(30);

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It ended.
    Ended,
    /// It goes on, and told so much of itself.
    GoesOn(Option<Progress>),
    /// It did not end, and nobody carries it on: it was killed.
    Killed,
}

impl Life {
    /// Tells how a run stands: an apply lives as long as it holds its job's lock, a dry run, which holds none, as long as it tells of itself.
    ///
    /// Errors: the state, or the lock, cannot be read.
    pub(super) fn of(
        db: &Connection,
        state: &Path,
        job: &JobName,
        run: &Run,
        now: DateTime<Utc>,
    ) -> Result<Life, CliError> {
        if run.ended_ms.is_some() {
            return Ok(Life::Ended);
        }
        let progress = progress::find(db, run.no)?;
        let is_alive = match run.mode.as_str() {
            "apply" => {
                holder(state, &format!("job-{job}"))?.is_some_and(|words| words == run.holder)
            }
            _ => progress
                .as_ref()
                .is_some_and(|progress| (now - ms(progress.at_ms)).abs() <= SILENT),
        };
        Ok(match is_alive {
            true => Life::GoesOn(progress),
            false => Life::Killed,
        })
    }

    /// Returns the word in JSON.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Life::Ended => "ended",
            Life::GoesOn(_) => "running",
            Life::Killed => "killed",
        }
    }
}

/// Returns what the holder of a lock in the state folder wrote inside; `None` when nobody holds it.
///
/// Errors: the lock cannot be looked at.
pub(super) fn holder(state: &Path, name: &str) -> Result<Option<String>, CliError> {
    let path = state.join(format!("{name}.lock"));
    Lock::holder(&path).map_err(|source| CliError::Io {
        what: format!("look at {}", path.display()),
        source,
    })
}

/// How far a run is, for JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Far {
    pub(super) what: String,
    pub(super) done: u64,
    pub(super) total: Option<u64>,
    /// Rows or steps a second in this part of the run.
    pub(super) a_second: Option<f64>,
    /// At this rate, in seconds; `None` where the number of all is not known, or nothing is through yet.
    pub(super) left_s: Option<f64>,
    pub(super) told_at: DateTime<Utc>,
}

impl Far {
    pub(super) fn of(progress: &Progress) -> Far {
        let Progress {
            what,
            done,
            total,
            since_ms,
            at_ms,
        } = progress;
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts and times are far below 2^52"
        )]
        let (through, took) = (*done as f64, (at_ms - since_ms).max(0) as f64 / 1_000.0);
        let a_second = (*done > 0 && took > 0.0).then(|| through / took);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let left_s = total
            .map(|total| total.saturating_sub(*done) as f64)
            .zip(a_second)
            .map(|(left, rate)| left / rate);
        Far {
            what: what.clone(),
            done: *done,
            total: *total,
            a_second,
            left_s,
            told_at: ms(*at_ms),
        }
    }

    /// Returns for example "carrying out steps, 40 of 1,200, 10 a second, 116 s left".
    pub(super) fn words(&self) -> String {
        let mut parts = vec![self.what.clone()];
        match self.total {
            Some(total) => parts.push(format!("{} of {}", number(self.done), number(total))),
            None if self.done > 0 => parts.push(number(self.done)),
            None => {}
        }
        parts.extend(self.a_second.map(|rate| match rate {
            rate if rate >= 1.0 => format!("{rate:.0} a second"),
            rate => format!("{:.0} a minute", rate * 60.0),
        }));
        let left = self.left_s.filter(|left| *left > 0.0);
        parts.extend(left.map(|left| format!("{} left", duration(left))));
        parts.join(", ")
    }
}

/// Returns the command of a holder's words: "apply" of "ghl-sync apply, process 12, since …".
pub(super) fn command_of(holder: &str) -> &str {
    let first = holder.split(", ").next().unwrap_or(holder);
    first.strip_prefix("ghl-sync ").unwrap_or(first)
}

/// Returns the report that a run left; `None` when it left none, or one of another version of the program.
pub(super) fn report_of(run: &Run) -> Option<Report> {
    serde_json::from_str(run.summary.as_deref()?).ok()
}

/// Says how a run of `holder` that ended with this exit code went; `why` is what one without a report said.
pub(super) fn result(
    exit: Option<i64>,
    holder: &str,
    report: Option<&Report>,
    why: Option<&str>,
) -> &'static str {
    let is_spent = report.is_none() && why.is_some_and(RunError::is_spent);
    let outcome = report.map(|report| &report.outcome);
    words(
        exit,
        holder,
        outcome.or(is_spent.then_some(&Outcome::Spent)),
    )
}

fn words(exit: Option<i64>, holder: &str, outcome: Option<&Outcome>) -> &'static str {
    match (exit, outcome) {
        (_, Some(Outcome::Stopped)) if command_of(holder) == "daemon" => {
            "stopped with the daemon, the next run goes on"
        }
        (_, Some(Outcome::Stopped)) => "stopped by a person",
        (_, Some(Outcome::OutOfTime)) => "its time was up, the next run goes on",
        (_, Some(Outcome::Spent)) => "the day's calls were spent",
        (Some(0), _) => "done",
        (Some(2), _) => "done, and it differs",
        (Some(3), _) => "done, but for what a guard held",
        (Some(4), _) => "failed: configuration, login or command line",
        (Some(5), _) => "done, with refused rows or conflicts",
        (Some(6), _) => "out of touch with a service",
        (Some(7), _) => "waits for a person",
        (Some(8), _) => "busy",
        (Some(_), _) => "failed",
        (None, _) => "not ended",
    }
}

/// Returns for example "create 12 (10 done, 2 held)", of all kinds.
pub(super) fn deeds(report: &Report) -> String {
    let mut deeds = Vec::new();
    for (kind, counts) in &report.counts {
        let Counts {
            planned,
            done,
            held,
            refused,
            unknown,
            dropped,
        } = *counts;
        if planned == 0 {
            continue;
        }
        let marks: Vec<String> = [
            (done, "done"),
            (held, "held"),
            (refused, "refused"),
            (unknown, "unknown"),
            (dropped, "dropped"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, mark)| format!("{} {mark}", number(count)))
        .collect();
        deeds.push(match (marks.is_empty(), done == planned) {
            (true, _) | (_, true) => format!("{kind} {}", number(planned)),
            (false, false) => format!("{kind} {} ({})", number(planned), marks.join(", ")),
        });
    }
    match deeds.is_empty() {
        true => "nothing to do".to_owned(),
        false => deeds.join(", "),
    }
}

/// Returns the calls that a run made to carry its plan out, those beyond the announced ones included.
pub(super) fn calls(report: &Report) -> u64 {
    let made = report.made.iter().flat_map(|made| made.values());
    let made: u64 = made.flat_map(|routes| routes.values()).sum();
    made + report.extra.values().sum::<u64>()
}

/// Returns how long a run took, in seconds.
pub(super) fn took_s(run: &Run) -> Option<f64> {
    let took = run.ended_ms? - run.began_ms;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a run is far shorter than 2^52 ms"
    )]
    Some(took.max(0) as f64 / 1_000.0)
}

/// Returns the moment of a stored time.
pub(super) fn ms(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

/// Writes text that may hold words from outside: each line wrapped, with its further lines indented by two columns more.
///
/// A line that starts with a command to copy, `    ghl-sync …`, is never broken.
pub(super) fn page(out: &mut dyn Write, text: &str, width: Option<u16>) -> io::Result<()> {
    for line in text.lines() {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        if words.is_empty() {
            writeln!(out)?;
        } else if words.starts_with("ghl-sync ") {
            writeln!(out, "{}{}", " ".repeat(indent), plain(words))?;
        } else {
            wrapped(out, &" ".repeat(indent), indent + 2, &plain(words), width)?;
        }
    }
    Ok(())
}

/// Returns JSON on one line, safe for terminals.
///
/// Errors: what was to be written is no JSON.
pub(super) fn json(what: &str, value: &impl Serialize) -> Result<String, CliError> {
    report::json_line(value).map_err(|source| CliError::Io {
        what: format!("write {what}"),
        source,
    })
}

/// The error of a state that is not there yet.
pub(super) fn never_ran(typed: &Typed) -> CliError {
    CliError::Usage {
        what: "nothing ever ran with this configuration, so there is nothing to look at".to_owned(),
        hint: Some(format!(
            "start with `{}`, which changes nothing",
            typed.command("plan")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_run_is_says_rate_and_time_left_where_they_are_known() {
        let progress = |done, total, at_ms| Progress {
            what: "reading followers".to_owned(),
            done,
            total,
            since_ms: 1_000,
            at_ms,
        };
        for (progress, words) in [
            (progress(0, None, 1_000), "reading followers"),
            (progress(0, Some(9), 5_000), "reading followers, 0 of 9"),
            (
                progress(40, None, 5_000),
                "reading followers, 40, 10 a second",
            ),
            (
                progress(40, Some(1_040), 5_000),
                "reading followers, 40 of 1,040, 10 a second, 2 min left",
            ),
            (
                progress(2, Some(2), 9_000),
                "reading followers, 2 of 2, 15 a minute",
            ),
        ] {
            assert_eq!(Far::of(&progress).words(), words);
        }
    }

    #[test]
    fn a_run_that_was_cut_is_not_called_done_and_the_end_of_the_daemon_is_no_person() {
        let (daemon, person) = ("ghl-sync daemon, process 7, since x", "ghl-sync apply");
        for (exit, holder, outcome, said) in [
            (1, person, Outcome::Stopped, "stopped by a person"),
            (
                1,
                daemon,
                Outcome::Stopped,
                "stopped with the daemon, the next run goes on",
            ),
            (
                0,
                daemon,
                Outcome::OutOfTime,
                "its time was up, the next run goes on",
            ),
            (0, daemon, Outcome::Finished, "done"),
        ] {
            assert_eq!(words(Some(exit), holder, Some(&outcome)), said);
        }
    }

    #[test]
    fn a_holders_command_is_found_in_its_words() {
        assert_eq!(
            command_of("ghl-sync apply, process 12, since 2026-03-02T12:00:00Z"),
            "apply"
        );
        assert_eq!(command_of("someone"), "someone");
    }

    #[test]
    fn a_page_fits_and_commands_stay_whole() {
        let mut out = Vec::new();
        let text = "one two three four five six seven eight\n    ghl-sync apply a --approve 1a2b3c4d5e6f --config /etc/x\n  two\u{1b}";
        page(&mut out, text, Some(20)).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(
            out,
            "one two three four\n  five six seven\n  eight\n    ghl-sync apply a --approve 1a2b3c4d5e6f --config /etc/x\n  two\\u{1b}\n"
        );
    }
}
