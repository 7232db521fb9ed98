//! `history`: past runs, newest first.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::model::{JobName, StepKind};
use crate::report::{Counts, Report, duration, hidden, number};
use crate::store::Store;
use crate::store::runs::{self, Run, Which};

use super::args::{self, Format};
use super::error::CliError;
use super::exit::Exit;
use super::look::{self, Far, Life};
use super::runs::load;
use super::shell::Shell;

/// The number of the JSON shape.
const SCHEMA: u32 = 1;

/// The exits of runs that went well: done, differs, done with news; the same that systemd is told to take for success.
const WELL: [Exit; 3] = [Exit::Done, Exit::Differs, Exit::DoneWithRefusals];

/// Runs `history`.
pub(super) fn history(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &args::History,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let now = shell.clock.now();
    let db = Store::look(&config.state)?.ok_or_else(|| look::never_ran(&shell.typed))?;
    let which = Which {
        jobs: args.jobs.clone(),
        no: None,
        since_ms: args.since.map(|since| since.moment(now).timestamp_millis()),
        but_exits: match args.failed {
            true => WELL.iter().map(|exit| exit.code()).collect(),
            false => Vec::new(),
        },
        limit: args.limit,
    };
    let mut past = Vec::new();
    for (job, run) in runs::list(&db, &which)? {
        let life = Life::of(&db, &config.state, &job, &run, now)?;
        if args.failed && matches!(life, Life::GoesOn(_)) {
            continue;
        }
        past.push(Past::of(job, run, &life));
    }
    let all = All {
        schema: SCHEMA,
        now,
        runs: past,
    };
    match args.format {
        Format::Json => shell.say(&look::json("the history", &all)?)?,
        Format::Text => {
            let (text, width) = (all.text(args), shell.width);
            shell.write(|out| look::page(out, &text, width))?;
        }
        Format::Markdown => shell.say(&all.markdown())?,
    }
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct All {
    schema: u32,
    now: DateTime<Utc>,
    runs: Vec<Past>,
}

/// One run.
#[derive(Debug, Serialize)]
struct Past {
    run: i64,
    job: JobName,
    /// `plan` or `apply`.
    mode: String,
    /// The command that ran it, for example `resync`.
    command: String,
    holder: String,
    pass: Option<String>,
    began_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    took_s: Option<f64>,
    /// `ended`, `running` or `killed`.
    is: &'static str,
    exit: Option<i64>,
    /// In words.
    result: String,
    counts: BTreeMap<StepKind, Counts>,
    /// Calls that carried the plan out; the pages that were read are beside them.
    calls: Option<u64>,
    pages: Option<u64>,
    digest: Option<String>,
    progress: Option<Far>,
    #[serde(skip)]
    deeds: Option<String>,
}

impl Past {
    fn of(job: JobName, run: Run, life: &Life) -> Past {
        let report: Option<Report> = look::report_of(&run);
        let far = match life {
            Life::GoesOn(progress) => progress.as_ref().map(Far::of),
            Life::Ended | Life::Killed => None,
        };
        let result = match life {
            Life::Ended => match (&report, &run.why) {
                (None, Some(why)) => format!(
                    "{}: {}",
                    look::result(run.exit, &run.holder, None, Some(why)),
                    hidden(why.lines().next().unwrap_or_default())
                ),
                (report, _) => {
                    look::result(run.exit, &run.holder, report.as_ref(), None).to_owned()
                }
            },
            Life::GoesOn(_) => match &far {
                Some(far) => format!("goes on: {}", far.words()),
                None => "goes on".to_owned(),
            },
            Life::Killed => "killed".to_owned(),
        };
        Past {
            run: run.no,
            job,
            command: look::command_of(&run.holder).to_owned(),
            began_at: look::ms(run.began_ms),
            ended_at: run.ended_ms.map(look::ms),
            took_s: look::took_s(&run),
            is: life.word(),
            exit: run.exit,
            result,
            counts: report
                .as_ref()
                .map(|report| report.counts.clone())
                .unwrap_or_default(),
            calls: report.as_ref().map(look::calls),
            pages: report
                .as_ref()
                .map(|report| report.source.pages + report.hub.pages),
            deeds: report.as_ref().map(look::deeds),
            mode: run.mode,
            holder: run.holder,
            pass: run.pass,
            digest: run.digest,
            progress: far,
        }
    }

    /// Returns for example "apply, full pass".
    fn how(&self) -> String {
        match &self.pass {
            Some(pass) if pass == "full" => format!("{}, full pass", self.command),
            Some(_) | None => self.command.clone(),
        }
    }

    /// Returns how it went, what it did and what it took.
    fn tail(&self) -> String {
        let mut parts = vec![self.result.clone()];
        parts.extend(self.deeds.clone());
        parts.extend(
            self.calls
                .filter(|calls| *calls > 0)
                .map(|calls| match calls {
                    1 => "1 call".to_owned(),
                    calls => format!("{} calls", number(calls)),
                }),
        );
        parts.join("; ")
    }
}

impl All {
    fn text(&self, args: &args::History) -> String {
        if self.runs.is_empty() {
            return match args.failed || args.since.is_some() || !args.jobs.is_empty() {
                true => "no such run in the journal".to_owned(),
                false => "no run in the journal".to_owned(),
            };
        }
        let mut lines = Vec::new();
        for past in &self.runs {
            let took = past.took_s.map(|took| format!(", {}", duration(took)));
            lines.push(format!(
                "{} {} {}, {}{}: {}",
                past.run,
                past.job,
                past.how(),
                past.began_at.format("%Y-%m-%d %H:%M UTC"),
                took.unwrap_or_default(),
                past.tail()
            ));
        }
        lines.join("\n")
    }

    fn markdown(&self) -> String {
        let mut lines = vec![
            "| Run | Job | Command | Began | Took | Result | Steps | Calls |".to_owned(),
            "|---|---|---|---|---|---|---|---|".to_owned(),
        ];
        for past in &self.runs {
            lines.push(format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                past.run,
                past.job,
                cell(&past.how()),
                past.began_at.to_rfc3339_opts(SecondsFormat::Secs, true),
                past.took_s.map(duration).unwrap_or_default(),
                cell(&past.result),
                past.deeds.as_deref().map(cell).unwrap_or_default(),
                past.calls.map(number).unwrap_or_default(),
            ));
        }
        lines.join("\n")
    }
}

/// Returns text that cannot leave its cell.
fn cell(text: &str) -> String {
    crate::report::escaped(text)
}
