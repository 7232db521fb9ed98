//! `show`: the report of a past run, made again from the journal.

use std::io::{self, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde::Serialize;

use crate::config::Config;
use crate::model::{JobName, StepKind};
use crate::report::{self, Counts, Options, Report, ReportRow, duration, hidden, number};
use crate::run::{self, Again};
use crate::store::Store;
use crate::store::plans;
use crate::store::runs::{self, Run, Which};

use super::args::{Format, Output, Show, WhichRun};
use super::error::CliError;
use super::exit::Exit;
use super::look::{self, Far, Life};
use super::runs::{MAX_ROWS, load, private, write_report};
use super::shell::Shell;
use super::status::moment;
use super::typed::Typed;

/// The number of the JSON shape of a run without a report; one with a report has the report's own.
const SCHEMA: u32 = 1;

/// Runs `show`.
pub(super) fn show(shell: &mut Shell, path: Option<&Path>, args: &Show) -> Result<Exit, CliError> {
    let config = load(path)?;
    let now = shell.clock.now();
    let db = Store::look(&config.state)?.ok_or_else(|| look::never_ran(&shell.typed))?;
    let (job, run) = find(&db, &config, &args.run, &shell.typed)?;
    let life = Life::of(&db, &config.state, &job, &run, now)?;
    let Some(report) = look::report_of(&run) else {
        let bare = Bare::of(&db, &job, &run, &life, args.output.show_personal)?;
        return bare.say(shell, &args.output, now);
    };
    let plan_no = plans::of_run(&db, run.no)?;
    let again = match plan_no {
        Some(plan_no) => {
            Again::of(&db, plan_no, &report, run.ended_ms.unwrap_or(i64::MAX)).map(Some)?
        }
        None => None,
    };
    let gone = again.map_or(report.all().planned, |again| again.gone);
    let mut report = report;
    if gone > 0 {
        report.remarks.push(format!(
            "the journal no longer has {} of the {} rows: steps that were never sent are swept after a while, and old runs are pruned",
            number(gone),
            number(report.all().planned),
        ));
    }
    let width = shell.width;
    let options = |output: &Output| Options {
        show_personal: output.show_personal,
        max_rows: output.out.is_none().then_some(MAX_ROWS),
        gone,
        width: width.filter(|_| output.out.is_none()),
    };
    let mut rows: Box<dyn Iterator<Item = io::Result<ReportRow>>> = match (plan_no, again) {
        (Some(plan_no), Some(again)) => Box::new(run::rows_again(db, plan_no, again)),
        (None, _) | (_, None) => Box::new(std::iter::empty()),
    };
    let (format, options) = (args.output.format, options(&args.output));
    match &args.output.out {
        None => shell.write(|out| write_report(&report, &mut rows, format, &options, out))?,
        Some(path) => {
            let mut file = io::BufWriter::new(private(path).map_err(CliError::writing(path))?);
            write_report(&report, &mut rows, format, &options, &mut file)
                .and_then(|()| file.flush())
                .map_err(CliError::writing(path))?;
            shell.say(&format!("{}.", report::headline(&report)))?;
        }
    }
    if let Some(again) = again.filter(|again| again.settled > 0) {
        shell.progress.say(&format!(
            "{} of the steps without an answer were settled since; `{}` tells how",
            number(again.settled),
            shell.typed.command("explain KEY")
        ));
    }
    Ok(Exit::Done)
}

/// Finds the run that is meant.
///
/// Errors: there is none, with what there is.
fn find(
    db: &Connection,
    config: &Config,
    which: &WhichRun,
    typed: &Typed,
) -> Result<(JobName, Run), CliError> {
    let mut wanted = Which {
        limit: 1,
        ..Which::default()
    };
    match which {
        WhichRun::No(no) => wanted.no = Some(*no),
        WhichRun::Last => {}
        WhichRun::Of(name) => match JobName::try_from(name.as_str()) {
            Ok(job) => wanted.jobs.push(job),
            Err(error) => {
                return Err(CliError::Usage {
                    what: error.to_string(),
                    hint: Some(format!(
                        "a run is its number, as in `{}`, `last`, or the name of its job",
                        typed.command("show 12")
                    )),
                });
            }
        },
    }
    if let Some(found) = runs::list(db, &wanted)?.pop() {
        return Ok(found);
    }
    let newest = Which {
        limit: 1,
        ..Which::default()
    };
    let newest = runs::list(db, &newest)?.pop();
    let what = match (which, &newest) {
        (_, None) => return Err(look::never_ran(typed)),
        (WhichRun::No(no), Some((_, newest))) if *no <= newest.no && *no > 0 => {
            format!("run {no} is not in the journal any more; old runs are pruned")
        }
        (WhichRun::No(no), Some((_, newest))) => {
            format!("there is no run {no}; the newest is {}", newest.no)
        }
        (WhichRun::Of(name), Some(_)) if is_configured(config, name) => {
            format!("{name} never ran, or its runs were pruned")
        }
        (WhichRun::Of(name), Some(_)) => format!("there is no run of a job `{name}`"),
        (WhichRun::Last, Some(_)) => "there is no run".to_owned(),
    };
    Err(CliError::Usage {
        what,
        hint: Some(format!("`{}` lists the runs", typed.command("history"))),
    })
}

fn is_configured(config: &Config, name: &str) -> bool {
    let name = JobName::try_from(name);
    name.is_ok_and(|name| !config.named(&name).is_empty())
}

/// A run without a report.
#[derive(Debug, Serialize)]
struct Bare {
    schema: u32,
    run: i64,
    job: JobName,
    mode: String,
    holder: String,
    pass: Option<String>,
    began_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    exit: Option<i64>,
    /// `failed`, `killed` or `running`.
    is: &'static str,
    /// Why it failed.
    why: Option<String>,
    progress: Option<Far>,
    /// What the journal has of its plan; empty when there is none.
    counts: std::collections::BTreeMap<StepKind, Counts>,
    report: Option<Report>,
    #[serde(skip)]
    took_s: Option<f64>,
    #[serde(skip)]
    is_foreign: bool,
}

impl Bare {
    fn of(
        db: &Connection,
        job: &JobName,
        run: &Run,
        life: &Life,
        show_personal: bool,
    ) -> Result<Bare, CliError> {
        let counts = match plans::of_run(db, run.no)? {
            Some(plan_no) => run::counts(db, plan_no)?,
            None => Default::default(),
        };
        let why = run.why.as_deref().map(|why| match show_personal {
            true => why.to_owned(),
            false => hidden(why).into_owned(),
        });
        Ok(Bare {
            schema: SCHEMA,
            run: run.no,
            job: job.clone(),
            mode: run.mode.clone(),
            holder: run.holder.clone(),
            pass: run.pass.clone(),
            began_at: look::ms(run.began_ms),
            ended_at: run.ended_ms.map(look::ms),
            exit: run.exit,
            is: match life {
                Life::Ended => "failed",
                Life::GoesOn(_) | Life::Killed => life.word(),
            },
            why,
            progress: match life {
                Life::GoesOn(progress) => progress.as_ref().map(Far::of),
                Life::Ended | Life::Killed => None,
            },
            counts,
            report: None,
            took_s: look::took_s(run),
            is_foreign: run.summary.is_some(),
        })
    }

    fn say(
        &self,
        shell: &mut Shell,
        output: &Output,
        now: DateTime<Utc>,
    ) -> Result<Exit, CliError> {
        let width = shell.width;
        let text = match output.format {
            Format::Json => look::json("the run", self)?,
            Format::Text | Format::Markdown => {
                let lines = self.lines(shell, now);
                let text = match output.format {
                    Format::Markdown => {
                        let (first, rest) = (&lines[0], &lines[1..]);
                        let rest: Vec<String> =
                            rest.iter().map(|line| format!("- {line}")).collect();
                        format!(
                            "## {}: run {}\n\n{first}\n\n{}",
                            self.job,
                            self.run,
                            rest.join("\n")
                        )
                    }
                    Format::Text | Format::Json => lines.join("\n  "),
                };
                let mut out = Vec::new();
                let width = width.filter(|_| output.out.is_none());
                look::page(&mut out, &text, width).map_err(|source| CliError::Io {
                    what: "write the run".to_owned(),
                    source,
                })?;
                String::from_utf8_lossy(&out).trim_end().to_owned()
            }
        };
        match &output.out {
            None => shell.say(&text)?,
            Some(path) => {
                let mut file = private(path).map_err(CliError::writing(path))?;
                writeln!(file, "{text}").map_err(CliError::writing(path))?;
                shell.say(&format!("run {} of {} has no report.", self.run, self.job))?;
            }
        }
        Ok(Exit::Done)
    }

    fn lines(&self, shell: &Shell, now: DateTime<Utc>) -> Vec<String> {
        let what = format!("run {} of {} ({})", self.run, self.job, self.holder);
        let began = moment(self.began_at, now);
        let again = |command: &str| {
            format!(
                "`{}`",
                shell.typed.command(&format!("{command} {}", self.job))
            )
        };
        let mut lines = Vec::new();
        match self.is {
            "running" => {
                lines.push(format!(
                    "{what} goes on, since {began}; its report comes at its end."
                ));
                lines.extend(self.progress.as_ref().map(Far::words));
            }
            "killed" => {
                lines.push(format!(
                    "{what} began {began} and did not end: it was killed, or the machine went down."
                ));
                lines.push(match self.mode.as_str() {
                    "apply" => format!(
                        "what it sent is in the journal; the next {} looks into what has no answer and goes on",
                        again("apply")
                    ),
                    _ => "it was a dry run, so nothing was changed".to_owned(),
                });
            }
            _ if self.is_foreign => {
                lines.push(format!("{what} ended, and its report was kept by another version of ghl-sync, which this one cannot read."));
            }
            _ => {
                let took = self.took_s.map(|took| format!(" after {}", duration(took)));
                lines.push(format!(
                    "{what} began {began} and failed{} without a report: {}.",
                    took.unwrap_or_default(),
                    look::result(self.exit, &self.holder, None, self.why.as_deref())
                ));
                match &self.why {
                    Some(why) => lines.push(format!("it said: {why}")),
                    None => lines.push("why was not kept; the log of that time has it".to_owned()),
                }
            }
        }
        let unanswered = match self.is {
            "running" => "without an answer so far",
            _ => "without an answer",
        };
        for (kind, counts) in &self.counts {
            let Counts {
                planned,
                done,
                held,
                refused,
                unknown,
                dropped,
            } = *counts;
            let marks = [
                (done, "done"),
                (held, "held"),
                (refused, "refused"),
                (unknown, unanswered),
                (dropped, "not sent"),
            ];
            let marks: String = marks
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, word)| format!(", {} {word}", number(count)))
                .collect();
            lines.push(format!("{kind}: {} planned{marks}", number(planned)));
        }
        lines
    }
}
