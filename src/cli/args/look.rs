//! The arguments of the commands that look: `show`, `history`, `explain`.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::history::HistoryCommand;
use super::{Form, Format, Output, job};
use crate::config::duration_of;
use crate::model::JobName;

/// The arguments of `history`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct History {
    /// What to do with it, instead of listing it.
    #[command(subcommand)]
    pub command: Option<HistoryCommand>,
    /// The jobs, by name [default: all that ever ran]
    #[arg(value_name = "JOB", value_parser = job)]
    pub jobs: Vec<JobName>,
    /// Show at most this many runs
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Show only runs that began since: 90m, 12h, 7d, a date as 2026-03-01 (UTC), or a moment as 2026-03-01T04:30:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Since>,
    /// Show only runs that did not go well: killed, or with an exit code other than 0, 2 and 5
    #[arg(long)]
    pub failed: bool,
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Format,
}

/// The arguments of `show`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Show {
    /// The run's number, `last`, or a job's name for its newest run
    #[arg(value_name = "RUN")]
    pub run: WhichRun,
    /// How the report is written.
    #[command(flatten)]
    pub output: Output,
}

/// The arguments of `explain`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Explain {
    /// A record's key, a Twitch login or name, the id of a HighLevel contact, or an e-mail address or phone number that some job maps
    #[arg(value_name = "WHO")]
    pub who: String,
    /// Look only at this job [default: all]
    #[arg(long, value_name = "JOB", value_parser = job)]
    pub job: Option<JobName>,
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Form,
    /// Show e-mail addresses and phone numbers in full
    #[arg(long)]
    pub show_personal: bool,
}

/// Which run `show` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichRun {
    /// The run of this number.
    No(i64),
    /// The newest run.
    Last,
    /// The newest run of the job of this name, as typed.
    Of(String),
}

impl FromStr for WhichRun {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<WhichRun, Infallible> {
        Ok(match (word.parse(), word) {
            (Ok(no), _) => WhichRun::No(no),
            (Err(_), "last") => WhichRun::Last,
            (Err(_), name) => WhichRun::Of(name.to_owned()),
        })
    }
}

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long before now.
    Ago(Duration),
    /// From this moment on.
    At(DateTime<Utc>),
}

impl Since {
    /// Returns the moment.
    pub fn moment(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Since::Ago(ago) => TimeDelta::from_std(ago)
                .ok()
                .and_then(|ago| now.checked_sub_signed(ago))
                .unwrap_or(DateTime::<Utc>::MIN_UTC),
            Since::At(at) => at,
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(word: &str) -> Result<Since, String> {
        if let Ok(date) = word.parse::<NaiveDate>() {
            return Ok(Since::At(date.and_time(NaiveTime::MIN).and_utc()));
        }
        if let Ok(at) = DateTime::parse_from_rfc3339(word) {
            return Ok(Since::At(at.to_utc()));
        }
        duration_of(word).map(Since::Ago).ok_or_else(|| {
            "expected a whole number with s, m, h or d, or a date such as 2026-03-01".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_length_a_date_or_a_moment() {
        let now: DateTime<Utc> = "2026-03-02T12:00:00Z".parse().unwrap();
        for (word, moment) in [
            ("90m", "2026-03-02T10:30:00Z"),
            ("7d", "2026-02-23T12:00:00Z"),
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("2026-03-01T04:30:00+01:00", "2026-03-01T03:30:00Z"),
        ] {
            let since: Since = word.parse().unwrap();
            assert_eq!(
                since.moment(now).to_rfc3339(),
                moment.replace('Z', "+00:00")
            );
        }
        // The units of the configuration, and no others.
        for word in [
            "",
            "d",
            "-1d",
            "+1d",
            "2w",
            "1y",
            "99999999999999999999d",
            "2026-13-01",
        ] {
            assert!(word.parse::<Since>().is_err(), "{word}");
        }
    }

    #[test]
    fn a_run_is_named_by_number_as_the_last_or_by_its_job() {
        for (word, which) in [
            ("12", WhichRun::No(12)),
            ("last", WhichRun::Last),
            ("followers", WhichRun::Of("followers".to_owned())),
        ] {
            assert_eq!(word.parse(), Ok(which));
        }
    }
}
