//! `status`: every job's last runs, what is due and what waits for a person.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;

use crate::config::Config;
use crate::model::{Job, JobName};
use crate::plan::{Mark, due};
use crate::report::{duration, number};
use crate::store::findings::{FindingKind, count_findings};
use crate::store::runs::{Run, last_run};
use crate::store::{Store, StoreError, Usage, jobs, plans};

use super::args::{self, Format};
use super::check::when;
use super::error::CliError;
use super::exit::Exit;
use super::runs::load;
use super::shell::Shell;

/// The number of the JSON shape.
const SCHEMA: u32 = 1;

/// Buckets that nobody used for longer are left out.
const SILENT_FOR: TimeDelta = TimeDelta::days(2);

/// Runs `status`. Makes no database where there is none.
pub(super) fn status(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &args::Status,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let now = shell.clock.now();
    let state = Store::look(&config.state)?;
    let standing = Standing::read(&config, state.as_ref(), now)?;
    match args.format {
        Format::Text => shell.say(&standing.text(&config, now))?,
        Format::Markdown => shell.say(&standing.markdown(&config, now))?,
        Format::Json => {
            let line = serde_json::to_string(&standing).map_err(|error| CliError::Io {
                what: "write the status".to_owned(),
                source: error.into(),
            })?;
            shell.say(&line)?;
        }
    }
    Ok(Exit::Done)
}

/// Everything that `status` tells.
#[derive(Debug, Serialize)]
struct Standing {
    schema: u32,
    now: DateTime<Utc>,
    jobs: BTreeMap<JobName, JobStanding>,
    buckets: Vec<BucketStanding>,
}

/// One job. Everything but the next due moments is empty when it never ran.
#[derive(Debug, Default, Serialize)]
struct JobStanding {
    last_plan: Option<RunStanding>,
    last_apply: Option<RunStanding>,
    last_full_pass_at: Option<DateTime<Utc>>,
    in_roster: i64,
    debt: i64,
    /// What waits for a person, by kind.
    open: BTreeMap<&'static str, i64>,
    /// Steps whose outcome is not known yet.
    unsettled: usize,
    next_due_at: Option<DateTime<Utc>>,
    next_full_at: Option<DateTime<Utc>>,
}

/// One run.
#[derive(Debug, Serialize)]
struct RunStanding {
    run: i64,
    began_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    pass: Option<String>,
    exit: Option<i64>,
    digest: Option<String>,
    /// As in the run's report: by kind of step, how many were planned, done, held, …
    counts: Value,
    /// As in the run's report.
    outcome: Value,
}

/// One vendor bucket.
#[derive(Debug, Serialize)]
struct BucketStanding {
    name: String,
    used: u64,
    limit: Option<u64>,
    remaining: Option<u64>,
    resets_at: Option<DateTime<Utc>>,
    held_until: Option<DateTime<Utc>>,
}

impl Standing {
    fn read(
        config: &Config,
        state: Option<&Connection>,
        now: DateTime<Utc>,
    ) -> Result<Standing, StoreError> {
        let mut jobs = BTreeMap::new();
        for job in config.jobs.values() {
            jobs.insert(job.name.clone(), JobStanding::read(job, state, now)?);
        }
        let usages = state.map_or(Ok(Vec::new()), |db| Usage::all(db, now))?;
        Ok(Standing {
            schema: SCHEMA,
            now,
            jobs,
            buckets: usages
                .into_iter()
                .filter(|usage| !is_silent(usage, now))
                .map(BucketStanding::of)
                .collect(),
        })
    }

    fn text(&self, config: &Config, now: DateTime<Utc>) -> String {
        let mut text = Vec::new();
        for (job, lines) in self.sections(config, now) {
            text.push(job);
            text.extend(lines.into_iter().map(|line| format!("  {line}")));
        }
        text.join("\n")
    }

    fn markdown(&self, config: &Config, now: DateTime<Utc>) -> String {
        let mut text = Vec::new();
        for (job, lines) in self.sections(config, now) {
            text.push(format!("## {job}\n"));
            text.extend(lines.into_iter().map(|line| format!("- {line}")));
            text.push(String::new());
        }
        text.join("\n").trim_end().to_owned()
    }

    /// Returns the same headings and lines for text and Markdown.
    fn sections(&self, config: &Config, now: DateTime<Utc>) -> Vec<(String, Vec<String>)> {
        let mut sections = Vec::new();
        for (name, standing) in &self.jobs {
            if let Some(job) = config.jobs.get(name) {
                sections.push((name.to_string(), standing.lines(job, now)));
            }
        }
        if self.jobs.is_empty() {
            sections.push(("no job is configured".to_owned(), Vec::new()));
        }
        if !self.buckets.is_empty() {
            let lines = self.buckets.iter().map(|bucket| bucket.line(now)).collect();
            sections.push(("calls of the day".to_owned(), lines));
        }
        sections
    }
}

/// Returns whether nobody used a bucket for so long that its account is likely to be no more.
fn is_silent(usage: &Usage, now: DateTime<Utc>) -> bool {
    let used = usage
        .last_at
        .is_some_and(|last_at| now - last_at <= SILENT_FOR);
    !used && usage.held_until.is_none()
}

impl JobStanding {
    fn read(
        job: &Job,
        state: Option<&Connection>,
        now: DateTime<Utc>,
    ) -> Result<JobStanding, StoreError> {
        let next = |line: &Option<String>| {
            // A line that was loaded can be read.
            let line = line.as_deref()?;
            due::next(line, job.timezone, now).ok().flatten()
        };
        let mut standing = JobStanding {
            next_due_at: next(&job.schedule),
            next_full_at: next(&job.full),
            ..JobStanding::default()
        };
        let Some(db) = state else { return Ok(standing) };
        let Some(state) = jobs::find_job(db, &job.name)? else {
            return Ok(standing);
        };
        let run =
            |mode| Ok::<_, StoreError>(last_run(db, state.no, Some(mode))?.map(RunStanding::of));
        standing.last_plan = run("plan")?;
        standing.last_apply = run("apply")?;
        standing.last_full_pass_at = state.complete.and_then(|walk| at(walk.began_ms));
        standing.in_roster = state.roster_size;
        standing.debt = state.debt;
        for (kind, count) in count_findings(db, state.no)? {
            standing.open.insert(kind.word(), count);
        }
        let steps = plans::unsettled(db, state.no)?;
        standing.unsettled = steps.iter().filter(|step| step.mark != Mark::Asks).count();
        Ok(standing)
    }

    fn lines(&self, job: &Job, now: DateTime<Utc>) -> Vec<String> {
        let mut lines = vec![when(job, now)];
        if self.last_plan.is_none() && self.last_apply.is_none() {
            lines.push(format!(
                "never ran; start with `ghl-sync plan {}`",
                job.name
            ));
            return lines;
        }
        for (what, run) in [("plan", &self.last_plan), ("apply", &self.last_apply)] {
            lines.push(match run {
                Some(run) => format!("last {what}: {}", run.line(now)),
                None => format!("last {what}: never"),
            });
        }
        let mut roster = format!("{} records in the roster", count(self.in_roster));
        if self.debt != 0 {
            roster.push_str(&format!(
                ", and the service counts {} {} than expected",
                number(self.debt.unsigned_abs()),
                if self.debt > 0 { "fewer" } else { "more" }
            ));
        }
        match self.last_full_pass_at {
            Some(at) => roster.push_str(&format!("; last full pass {}", moment(at, now))),
            None => roster.push_str("; no full pass has ended yet"),
        }
        lines.push(roster);
        if self.unsettled > 0 {
            lines.push(format!(
                "{} steps without an answer; the next `ghl-sync apply {}` looks into them",
                self.unsettled, job.name
            ));
        }
        let open: Vec<String> = FindingKind::ALL
            .iter()
            .filter_map(|kind| Some((kind.word(), *self.open.get(kind.word())?)))
            .map(|(word, n)| format!("{word} {}", count(n)))
            .collect();
        if !open.is_empty() {
            lines.push(format!("waits for you: {}", open.join(", ")));
        }
        lines
    }
}

impl RunStanding {
    fn of(run: Run) -> RunStanding {
        let summary: Value = run
            .summary
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let part = |key: &str| summary.get(key).cloned().unwrap_or_default();
        RunStanding {
            run: run.no,
            began_at: at(run.began_ms),
            ended_at: run.ended_ms.and_then(at),
            pass: run.pass,
            exit: run.exit,
            digest: run.digest,
            counts: part("counts"),
            outcome: part("outcome"),
        }
    }

    fn line(&self, now: DateTime<Utc>) -> String {
        let mut parts = vec![format!("run {}", self.run)];
        parts.extend(self.began_at.map(|at| moment(at, now)));
        parts.extend(self.pass.as_ref().map(|pass| format!("{pass} pass")));
        match (self.ended_at, self.exit) {
            (None, _) => parts.push("not ended: it still runs, or was killed".to_owned()),
            (Some(_), Some(exit)) => parts.push(format!("exit {exit}")),
            (Some(_), None) => {}
        }
        parts.push(self.deeds());
        parts.join(", ")
    }

    /// Returns for example "create 12 (10 done, 2 held)".
    fn deeds(&self) -> String {
        let Some(kinds) = self.counts.as_object() else {
            return "no plan".to_owned();
        };
        let mut deeds = Vec::new();
        for (kind, counts) in kinds {
            let of = |mark: &str| counts.get(mark).and_then(Value::as_u64).unwrap_or(0);
            let planned = of("planned");
            if planned == 0 {
                continue;
            }
            let marks: Vec<String> = ["done", "held", "refused", "unknown", "dropped"]
                .into_iter()
                .filter(|mark| of(mark) > 0)
                .map(|mark| format!("{} {mark}", number(of(mark))))
                .collect();
            deeds.push(match marks.is_empty() {
                true => format!("{kind} {}", number(planned)),
                false => format!("{kind} {} ({})", number(planned), marks.join(", ")),
            });
        }
        match deeds.is_empty() {
            true => "nothing to do".to_owned(),
            false => deeds.join(", "),
        }
    }
}

impl BucketStanding {
    fn of(usage: Usage) -> BucketStanding {
        let Usage {
            name,
            used,
            limit,
            remaining,
            resets_at,
            held_until,
            last_at: _,
        } = usage;
        BucketStanding {
            name,
            used,
            limit,
            remaining,
            resets_at,
            held_until,
        }
    }

    fn line(&self, now: DateTime<Utc>) -> String {
        let mut line = format!("{}: {} used", self.name, number(self.used));
        if let (Some(limit), Some(remaining)) = (self.limit, self.remaining) {
            line.push_str(&format!(
                " of {}, {} left",
                number(limit),
                number(remaining)
            ));
        }
        if let Some(at) = self.resets_at {
            line.push_str(&format!("; the day ends {}", moment(at, now)));
        }
        if let Some(at) = self.held_until {
            line.push_str(&format!("; on hold until {}", moment(at, now)));
        }
        line
    }
}

/// Returns a moment with how far it is from now, for example "2026-03-02 04:30 EST (in 3.0 h)".
pub(super) fn moment<Z: TimeZone>(at: DateTime<Z>, now: DateTime<Utc>) -> String
where
    Z::Offset: Display,
{
    let shown = at.format("%Y-%m-%d %H:%M %Z");
    let seconds = (at.to_utc() - now).num_seconds();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a distance in time is far below 2^52 seconds"
    )]
    let far = match seconds.unsigned_abs() as f64 / 86_400.0 {
        days if days >= 2.0 => format!("{days:.0} days"),
        days => duration(days * 86_400.0),
    };
    match seconds {
        0 => format!("{shown} (now)"),
        1.. => format!("{shown} (in {far})"),
        _ => format!("{shown} ({far} ago)"),
    }
}

fn at(ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms)
}

fn count(n: i64) -> String {
    number(u64::try_from(n).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_says_how_far_it_is() {
        let now = at(1_772_452_800_000).unwrap();
        let shown = |seconds| moment(now + TimeDelta::seconds(seconds), now);
        assert_eq!(shown(0), "2026-03-02 12:00 UTC (now)");
        assert_eq!(shown(300), "2026-03-02 12:05 UTC (in 5 min)");
        assert_eq!(shown(-7_200), "2026-03-02 10:00 UTC (2.0 h ago)");
        assert_eq!(shown(-10 * 86_400), "2026-02-20 12:00 UTC (10 days ago)");
    }

    #[test]
    fn a_bucket_that_was_silent_for_days_is_left_out_unless_it_is_held() {
        let now = at(1_772_452_800_000).unwrap();
        let usage = |days: Option<i64>| Usage {
            name: "twitch:old".to_owned(),
            used: 0,
            limit: None,
            remaining: None,
            resets_at: None,
            held_until: None,
            last_at: days.map(|days| now - TimeDelta::days(days)),
        };
        assert!(!is_silent(&usage(Some(0)), now));
        assert!(!is_silent(&usage(Some(2)), now));
        assert!(is_silent(&usage(Some(3)), now));
        assert!(is_silent(&usage(None), now));
        let held = Usage {
            held_until: Some(now + TimeDelta::hours(1)),
            ..usage(Some(3))
        };
        assert!(!is_silent(&held, now));
    }

    #[test]
    fn a_run_is_one_line_even_without_a_report() {
        let run = Run {
            no: 7,
            mode: "apply".to_owned(),
            pass: Some("full".to_owned()),
            holder: "x".to_owned(),
            began_ms: 1_772_452_800_000,
            ended_ms: Some(1_772_452_806_000),
            exit: Some(0),
            digest: None,
            why: None,
            summary: Some(
                r#"{"counts":{"create":{"planned":1200,"done":1000,"held":200}}}"#.to_owned(),
            ),
        };
        let now = at(1_772_452_860_000).unwrap();
        let line = RunStanding::of(run.clone()).line(now);
        assert_eq!(
            line,
            "run 7, 2026-03-02 12:00 UTC (60 s ago), full pass, exit 0, create 1,200 (1,000 done, 200 held)"
        );
        let killed = Run {
            ended_ms: None,
            exit: None,
            summary: None,
            ..run
        };
        assert!(
            RunStanding::of(killed)
                .line(now)
                .ends_with("was killed, no plan")
        );
    }
}
