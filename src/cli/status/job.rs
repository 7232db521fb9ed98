//! What `status` tells of one job.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;

use crate::model::{Job, LeaveProof};
use crate::plan::agenda::{Terms, Wants};
use crate::plan::{Mark, due};
use crate::report::{Report, hidden, next_command, number};
use crate::run;
use crate::store::findings::{self, FindingKind, count_findings};
use crate::store::plans::Step;
use crate::store::runs::{self, Run, Which, last_ended, last_run};
use crate::store::{StoreError, agenda, jobs, plans};

use super::super::check::when;
use super::super::error::CliError;
use super::super::look::{self, Far, Life, ms};
use super::super::typed::Typed;
use super::moment;

/// How many of the newest runs are looked through for those that go on.
const LOOK_BACK: u32 = 20;

/// One job. Everything but the next due moments is empty when it never ran.
#[derive(Debug, Default, Serialize)]
pub(super) struct JobStanding {
    /// The runs that go on now, the newest first.
    running: Vec<RunningStanding>,
    /// Who holds the job's lock: a run, or a command that settles something.
    held_by: Option<String>,
    last_plan: Option<RunStanding>,
    last_apply: Option<RunStanding>,
    last_full_pass_at: Option<DateTime<Utc>>,
    in_roster: i64,
    debt: i64,
    /// What waits for a person, by kind.
    open: BTreeMap<&'static str, i64>,
    /// What waits for a person, each with the command that settles it, or the first of it.
    waits: Vec<Waiting>,
    /// Steps whose outcome is not known yet.
    unsettled: usize,
    next_due_at: Option<DateTime<Utc>>,
    next_full_at: Option<DateTime<Utc>>,
    /// What the schedule makes of it; `None` before a daemon or a timer with `--scheduled` saw the job.
    agenda: Option<AgendaStanding>,
}

/// A run that goes on.
#[derive(Debug, Serialize)]
struct RunningStanding {
    run: i64,
    mode: String,
    holder: String,
    pass: Option<String>,
    began_at: DateTime<Utc>,
    progress: Option<Far>,
}

/// Something that waits for a person.
#[derive(Debug, Serialize)]
struct Waiting {
    what: String,
    command: String,
}

/// What the schedule makes of a job.
#[derive(Debug, Serialize)]
struct AgendaStanding {
    /// `due`, `jitter`, `quiet`, `pause` or `nothing`.
    wants: &'static str,
    /// The moment that is due, or until when it waits; of `nothing` when it comes due.
    at: Option<DateTime<Utc>>,
    served_at: Option<DateTime<Utc>>,
    /// Runs by schedule that failed, in a row.
    failures: u32,
    failed_at: Option<DateTime<Utc>>,
    why: Option<String>,
    /// It failed so often that it is tried seldom and mentioned no more.
    quarantined: bool,
}

/// One run.
#[derive(Debug, Serialize)]
struct RunStanding {
    run: i64,
    began_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    pass: Option<String>,
    exit: Option<i64>,
    /// In words.
    result: &'static str,
    digest: Option<String>,
    /// As in the run's report: by kind of step, how many were planned, done, held, …
    counts: Value,
    /// As in the run's report.
    outcome: Value,
    #[serde(skip)]
    report: Option<Report>,
}

impl JobStanding {
    pub(super) fn read(
        job: &Job,
        folder: &Path,
        state: Option<&Connection>,
        now: DateTime<Utc>,
    ) -> Result<JobStanding, CliError> {
        let next = |line: &Option<String>| {
            // A line that was loaded can be read.
            let line = line.as_deref()?;
            due::next(line, job.timezone, now).ok().flatten()
        };
        let mut standing = JobStanding {
            // A moment of `full` is a run too.
            next_due_at: Terms::of(job).ok().and_then(|terms| terms.next(now)),
            next_full_at: next(&job.full),
            ..JobStanding::default()
        };
        let Some(db) = state else { return Ok(standing) };
        let Some(state) = jobs::find_job(db, &job.name)? else {
            return Ok(standing);
        };
        standing.held_by = look::holder(folder, &format!("job-{}", job.name))?;
        standing.agenda = AgendaStanding::read(db, job, now)?;
        let newest = Which {
            jobs: vec![job.name.clone()],
            limit: LOOK_BACK,
            ..Which::default()
        };
        for (name, run) in runs::list(db, &newest)? {
            match Life::of(db, folder, &name, &run, now)? {
                Life::Ended | Life::Killed => {}
                Life::GoesOn(progress) => standing.running.push(RunningStanding {
                    run: run.no,
                    mode: run.mode,
                    holder: run.holder,
                    pass: run.pass,
                    began_at: ms(run.began_ms),
                    progress: progress.as_ref().map(Far::of),
                }),
            }
        }
        let is_applied = standing.running.iter().any(|run| run.mode == "apply");
        if let Some(agenda) = standing.agenda.as_mut().filter(|_| is_applied) {
            // What is due is what this run does; as the daemon, nothing is wanted beside it.
            (agenda.wants, agenda.at) = ("nothing", standing.next_due_at);
        }
        let is_going =
            |run: &RunStanding| standing.running.iter().any(|going| going.run == run.run);
        let read = |mode| {
            let run = last_run(db, state.no, Some(mode))?.map(RunStanding::of);
            Ok::<_, StoreError>(run.map(|mut run| {
                if is_going(&run) {
                    run.result = "goes on";
                }
                run
            }))
        };
        let (plan, apply) = (read("plan")?, read("apply")?);
        (standing.last_plan, standing.last_apply) = (plan, apply);
        standing.last_full_pass_at = state.complete.map(|walk| ms(walk.began_ms));
        standing.in_roster = state.roster_size;
        standing.debt = state.debt;
        // A run that goes on, failed, or was refused for a typing error says nothing of what waits.
        let told = |mode| last_ended(db, state.no, mode, &WITH_A_PLAN);
        let told = [told("plan")?, told("apply")?].map(|run| run.map(RunStanding::of));
        standing.waits.extend(held(&told));
        for (kind, count) in count_findings(db, state.no)? {
            standing.open.insert(kind.word(), count);
            let first = findings::findings(db, state.no, kind, None)?
                .into_iter()
                .next();
            let news = first.map(|found| run::finding_news(&job.name, &found));
            if let Some((news, command)) = news.and_then(|news| Some((news.key?, news.command?))) {
                standing.waits.push(Waiting {
                    what: match count {
                        1 => format!("{} of {news}", kind.word()),
                        count => format!(
                            "{} of {news}, the first of {}",
                            kind.word(),
                            count_of(count)
                        ),
                    },
                    command,
                });
            }
        }
        let steps = plans::unsettled(db, state.no)?;
        // What a run that goes on has sent is on its way, not lost.
        let going: BTreeSet<i64> = standing
            .running
            .iter()
            .filter_map(|run| plans::of_run(db, run.run).transpose())
            .collect::<Result<_, StoreError>>()?;
        let is_unsettled = |step: &&Step| match step.mark {
            Mark::Asks => false,
            Mark::Sent => !going.contains(&step.plan_no),
            Mark::Planned
            | Mark::Held
            | Mark::Unknown
            | Mark::Done
            | Mark::Refused
            | Mark::Dropped => true,
        };
        standing.unsettled = steps.iter().filter(is_unsettled).count();
        Ok(standing)
    }

    pub(super) fn lines(&self, job: &Job, typed: &Typed, now: DateTime<Utc>) -> Vec<String> {
        let mut lines = vec![when(job, now)];
        for running in &self.running {
            lines.push(running.line(now));
        }
        let is_run = |holder: &String| self.running.iter().any(|run| run.holder == *holder);
        if let Some(holder) = self.held_by.as_ref().filter(|holder| !is_run(holder)) {
            lines.push(format!("held by {holder}"));
        }
        lines.extend(self.agenda.as_ref().and_then(|agenda| agenda.line(now)));
        if self.last_plan.is_none() && self.last_apply.is_none() {
            lines.push("never ran; start with".to_owned());
            lines.push(typed.command(&format!("plan {}", job.name)));
            return lines;
        }
        for (what, run) in [("plan", &self.last_plan), ("apply", &self.last_apply)] {
            lines.push(match run {
                Some(run) => format!("last {what}: {}", run.line(now)),
                None => format!("last {what}: never"),
            });
        }
        let records = if self.in_roster == 1 {
            "record"
        } else {
            "records"
        };
        let mut roster = format!("{} {records} in the roster", count_of(self.in_roster));
        if self.debt != 0 {
            roster.push_str(&format!(
                ", and the service counts {} {} than expected",
                number(self.debt.unsigned_abs()),
                if self.debt > 0 { "fewer" } else { "more" }
            ));
        }
        match self.last_full_pass_at {
            Some(at) => roster.push_str(&format!("; last full pass {}", moment(at, now))),
            // A ranking has no end that a full pass could read to.
            None if job.source.leave_proof() == LeaveProof::Nothing => {}
            None => roster.push_str("; no full pass has ended yet"),
        }
        lines.push(roster);
        if self.unsettled > 0 {
            lines.push(format!(
                "{} steps without an answer; the next `{}` looks into them",
                self.unsettled,
                typed.command(&format!("apply {}", job.name))
            ));
        }
        let open: Vec<String> = FindingKind::ALL
            .iter()
            .filter_map(|kind| Some((kind.word(), *self.open.get(kind.word())?)))
            .map(|(word, n)| format!("{word} {}", count_of(n)))
            .collect();
        if !open.is_empty() {
            lines.push(format!("waits for you: {}", open.join(", ")));
        }
        for Waiting { what, command } in &self.waits {
            lines.push(format!("waits for {what}"));
            for command in command.split(", or ") {
                lines.push(format!("{command}{}", typed.ending()));
            }
        }
        lines
    }
}

impl RunningStanding {
    /// Returns for example "runs now: run 12, full pass, since …: reading followers, 40 of 90 (ghl-sync daemon, process 7, since …)".
    fn line(&self, now: DateTime<Utc>) -> String {
        let pass = self.pass.as_ref().map(|pass| format!(", {pass} pass"));
        let far = self.progress.as_ref();
        let far = far.map(|far| format!(": {}", far.words()));
        format!(
            "runs now: run {}{}, since {}{} ({})",
            self.run,
            pass.unwrap_or_default(),
            moment(self.began_at, now),
            far.unwrap_or_default(),
            self.holder
        )
    }
}

impl AgendaStanding {
    fn read(
        db: &Connection,
        job: &Job,
        now: DateTime<Utc>,
    ) -> Result<Option<AgendaStanding>, CliError> {
        // A line that was loaded is one.
        let terms = Terms::of(job).ok().filter(Terms::has_moments);
        let (Some(terms), Some(memory)) = (terms, agenda::memory(db, &job.name)?) else {
            return Ok(None);
        };
        let memory = memory.under(&terms, now);
        let (wants, at) = match terms.wants(&memory, now) {
            Wants::Run { moment } => ("due", Some(moment)),
            Wants::Nothing { next } => ("nothing", next),
            Wants::Jitter { until } => ("jitter", Some(until)),
            Wants::Quiet { until } => ("quiet", Some(until)),
            Wants::Pause { until } => ("pause", Some(until)),
        };
        Ok(Some(AgendaStanding {
            wants,
            at,
            served_at: memory.served,
            failures: memory.failures,
            failed_at: memory.failed_at,
            quarantined: memory.is_quarantined(),
            why: memory.why.map(|why| hidden(&why).into_owned()),
        }))
    }

    /// Says what is not told by the schedule itself.
    fn line(&self, now: DateTime<Utc>) -> Option<String> {
        let until = self.at.map(|at| moment(at, now)).unwrap_or_default();
        let wants = match self.wants {
            "due" => Some(format!("due now, since {until}")),
            "jitter" => Some(format!("due, begins {until}")),
            "quiet" => Some(format!("due, and rests until {until}: quiet hours")),
            "pause" if self.failures > 0 => Some(format!("tried again {until}")),
            "pause" => Some(format!("due, and waits until {until}")),
            _ => None,
        };
        let failed = (self.failures > 0).then(|| {
            let times = match self.failures {
                1 => "the last run by schedule failed".to_owned(),
                n => format!("the last {n} runs by schedule failed"),
            };
            let quiet = match self.quarantined {
                true => ", so it is tried seldom and mentioned no more until it works",
                false => "",
            };
            let why = self.why.as_ref().map(|why| format!(": {why}"));
            format!("{times}{quiet}{}", why.unwrap_or_default())
        });
        let parts: Vec<String> = wants.into_iter().chain(failed).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
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
        let report = look::report_of(&run);
        RunStanding {
            run: run.no,
            began_at: DateTime::from_timestamp_millis(run.began_ms),
            ended_at: run.ended_ms.and_then(DateTime::from_timestamp_millis),
            pass: run.pass,
            exit: run.exit,
            result: match run.ended_ms {
                Some(_) => look::result(run.exit, &run.holder, report.as_ref(), run.why.as_deref()),
                None => "killed",
            },
            digest: run.digest,
            counts: part("counts"),
            outcome: part("outcome"),
            report,
        }
    }

    /// Returns for example "run 7, 2026-03-02 12:00 UTC (2 min ago), full pass, took 6 s: done; create 12".
    fn line(&self, now: DateTime<Utc>) -> String {
        let mut parts = vec![format!("run {}", self.run)];
        parts.extend(self.began_at.map(|at| moment(at, now)));
        parts.extend(self.pass.as_ref().map(|pass| format!("{pass} pass")));
        let took = self
            .ended_at
            .zip(self.began_at)
            .map(|(end, began)| end - began);
        parts.extend(took.map(|took| format!("took {}", length(took))));
        let deeds = self.report.as_ref().map(look::deeds);
        let deeds = deeds.map(|deeds| format!("; {deeds}"));
        format!(
            "{}: {}{}",
            parts.join(", "),
            self.result,
            deeds.unwrap_or_default()
        )
    }
}

fn length(took: TimeDelta) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a run is far shorter than 2^52 ms"
    )]
    crate::report::duration(took.num_milliseconds().max(0) as f64 / 1_000.0)
}

fn count_of(n: i64) -> String {
    number(u64::try_from(n).unwrap_or(0))
}

/// The exits of runs that came to a plan.
const WITH_A_PLAN: [u8; 5] = [0, 2, 3, 5, 7];

/// Returns what a guard of the newest of these runs holds, with the command that lets it go.
fn held(runs: &[Option<RunStanding>]) -> Option<Waiting> {
    let newest = runs.iter().flatten().max_by_key(|run| run.run)?;
    let report = newest.report.as_ref().filter(|report| report.is_held())?;
    let guards: Vec<&str> = report
        .guards
        .iter()
        .filter(|finding| finding.held)
        .map(|finding| finding.guard.word())
        .collect();
    let what = match report.is_held_as_new() {
        true => "your approval: the job is new or was edited".to_owned(),
        false => format!("what guard {} holds", guards.join(", ")),
    };
    Some(Waiting {
        what,
        command: next_command(report)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_one_line_even_without_a_report() {
        let run = Run {
            no: 7,
            mode: "apply".to_owned(),
            pass: Some("full".to_owned()),
            holder: "x".to_owned(),
            began_ms: 1_772_452_800_000,
            ended_ms: Some(1_772_452_806_000),
            exit: Some(6),
            digest: None,
            why: None,
            summary: None,
        };
        let now = ms(1_772_452_860_000);
        assert_eq!(
            RunStanding::of(run.clone()).line(now),
            "run 7, 2026-03-02 12:00 UTC (60 s ago), full pass, took 6 s: out of touch with a service"
        );
        let killed = Run {
            ended_ms: None,
            exit: None,
            ..run
        };
        assert!(RunStanding::of(killed).line(now).ends_with(": killed"));
    }

    #[test]
    fn what_the_schedule_waits_for_is_said_and_failures_with_their_reason() {
        let now = ms(1_772_452_800_000);
        let agenda = |wants, failures| AgendaStanding {
            wants,
            at: Some(now + TimeDelta::minutes(5)),
            served_at: None,
            failures,
            failed_at: None,
            why: (failures > 0).then(|| "no answer".to_owned()),
            quarantined: failures > 6,
        };
        for (wants, failures, line) in [
            ("nothing", 0, None),
            (
                "quiet",
                0,
                Some("due, and rests until 2026-03-02 12:05 UTC (in 5 min): quiet hours"),
            ),
            (
                "nothing",
                1,
                Some("the last run by schedule failed: no answer"),
            ),
            (
                "pause",
                9,
                Some(
                    "tried again 2026-03-02 12:05 UTC (in 5 min); the last 9 runs by schedule failed, so it is tried seldom and mentioned no more until it works: no answer",
                ),
            ),
        ] {
            assert_eq!(agenda(wants, failures).line(now).as_deref(), line);
        }
    }
}
