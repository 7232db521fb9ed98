//! `status`: what runs now, every job's last runs, what is due, what waits for a person, and how the service fares.

mod job;
mod rest;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use chrono::{DateTime, TimeZone, Utc};
use rusqlite::Connection;
use serde::Serialize;

use crate::config::Config;
use crate::model::{AccountName, JobName};
use crate::report::{duration, escaped};
use crate::store::{Store, Usage, conditions, kept};

use super::args::{self, Format};
use super::error::CliError;
use super::exit::Exit;
use super::look;
use super::runs::load;
use super::shell::Shell;
use super::typed::Typed;

use job::JobStanding;
use rest::{AccountStanding, BucketStanding, ConditionStanding, DaemonStanding, UpkeepStanding};

/// The number of the JSON shape.
const SCHEMA: u32 = 1;

/// Runs `status`. Makes no database where there is none.
pub(super) fn status(
    shell: &mut Shell,
    path: Option<&Path>,
    args: &args::Status,
) -> Result<Exit, CliError> {
    let config = load(path)?;
    let now = shell.clock.now();
    let state = Store::look(&config.state)?;
    let standing = Standing::read(&config, state.as_ref(), &shell.typed, now)?;
    match args.format {
        Format::Text => {
            let text = standing.text(&config, &shell.typed, now);
            let width = shell.width;
            shell.write(|out| look::page(out, &text, width))?;
        }
        Format::Markdown => shell.say(&standing.markdown(&config, &shell.typed, now))?,
        Format::Json => shell.say(&look::json("the status", &standing)?)?,
    }
    Ok(Exit::Done)
}

/// Everything that `status` tells.
#[derive(Debug, Serialize)]
struct Standing {
    schema: u32,
    now: DateTime<Utc>,
    daemon: DaemonStanding,
    jobs: BTreeMap<JobName, JobStanding>,
    buckets: Vec<BucketStanding>,
    accounts: BTreeMap<AccountName, AccountStanding>,
    conditions: Vec<ConditionStanding>,
    upkeep: Option<UpkeepStanding>,
}

impl Standing {
    fn read(
        config: &Config,
        state: Option<&Connection>,
        typed: &Typed,
        now: DateTime<Utc>,
    ) -> Result<Standing, CliError> {
        let mut jobs = BTreeMap::new();
        for job in config.jobs.values() {
            let standing = JobStanding::read(job, &config.state, state, now)?;
            jobs.insert(job.name.clone(), standing);
        }
        let usages = state.map_or(Ok(Vec::new()), |db| Usage::all(db, now))?;
        let conditions = state.map_or(Ok(Vec::new()), conditions::standing)?;
        let upkeep = state.map(kept::last_upkeep).transpose()?;
        let upkeep = upkeep.filter(|last| last.began_ms.is_some());
        Ok(Standing {
            schema: SCHEMA,
            now,
            daemon: DaemonStanding::read(&config.state)?,
            jobs,
            buckets: usages
                .into_iter()
                .filter(|usage| !rest::is_silent(usage, now))
                .map(BucketStanding::of)
                .collect(),
            accounts: AccountStanding::all(config, state, typed)?,
            conditions: conditions.into_iter().map(ConditionStanding::of).collect(),
            upkeep: upkeep.map(UpkeepStanding::of),
        })
    }

    fn text(&self, config: &Config, typed: &Typed, now: DateTime<Utc>) -> String {
        let mut text = Vec::new();
        for (heading, lines) in self.sections(config, typed, now) {
            text.push(heading);
            text.extend(
                lines
                    .into_iter()
                    .map(|line| match line.starts_with("ghl-sync ") {
                        true => format!("    {line}"),
                        false => format!("  {line}"),
                    }),
            );
        }
        text.join("\n")
    }

    fn markdown(&self, config: &Config, typed: &Typed, now: DateTime<Utc>) -> String {
        let mut text = Vec::new();
        for (heading, lines) in self.sections(config, typed, now) {
            text.push(format!("## {}\n", escaped(&heading)));
            text.extend(
                lines
                    .into_iter()
                    .map(|line| match line.starts_with("ghl-sync ") {
                        true => format!("  - `{line}`"),
                        false => format!("- {}", escaped(&line)),
                    }),
            );
            text.push(String::new());
        }
        text.join("\n").trim_end().to_owned()
    }

    /// Returns the same headings and lines for text and Markdown; a line that starts with `ghl-sync` is a command to type.
    fn sections(
        &self,
        config: &Config,
        typed: &Typed,
        now: DateTime<Utc>,
    ) -> Vec<(String, Vec<String>)> {
        let mut sections = Vec::new();
        for (name, standing) in &self.jobs {
            if let Some(job) = config.jobs.get(name) {
                sections.push((name.to_string(), standing.lines(job, typed, now)));
            }
        }
        if self.jobs.is_empty() {
            sections.push(("no job is configured".to_owned(), Vec::new()));
        }
        if !self.conditions.is_empty() {
            let lines = self.conditions.iter();
            let lines = lines.map(|condition| condition.line(now)).collect();
            sections.push(("not as it should be".to_owned(), lines));
        }
        if !self.buckets.is_empty() {
            let lines = self.buckets.iter().map(|bucket| bucket.line(now)).collect();
            sections.push(("calls of the day".to_owned(), lines));
        }
        let logins: Vec<String> = self
            .accounts
            .iter()
            .flat_map(|(name, account)| account.lines(name, now))
            .collect();
        if !logins.is_empty() {
            sections.push(("logins".to_owned(), logins));
        }
        let mut service = vec![self.daemon.line(config)];
        service.extend(self.upkeep.iter().flat_map(|upkeep| upkeep.lines(now)));
        sections.push(("service".to_owned(), service));
        sections
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

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_moment_says_how_far_it_is() {
        let now = look::ms(1_772_452_800_000);
        let shown = |seconds| moment(now + TimeDelta::seconds(seconds), now);
        assert_eq!(shown(0), "2026-03-02 12:00 UTC (now)");
        assert_eq!(shown(300), "2026-03-02 12:05 UTC (in 5 min)");
        assert_eq!(shown(-7_200), "2026-03-02 10:00 UTC (2.0 h ago)");
        assert_eq!(shown(-10 * 86_400), "2026-02-20 12:00 UTC (10 days ago)");
    }
}
