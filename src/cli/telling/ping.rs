//! Pings in the manner of healthchecks.io: a scheduled run's beginning and end, so that somebody notices when there is none.

use std::time::Duration;

use tracing::warn;

use crate::model::JobName;
use crate::net::post;
use crate::report::{Outcome, Report, headline};
use crate::run::RunError;

use super::super::error::CliError;
use super::super::exit::{self, Exit};
use super::super::logins::secret;
use super::super::worlds::Worlds;
use super::deliver::WITHIN;

/// How long the ping of a beginning may take: the run waits for it, so that beginning and end arrive in order.
const AT_THE_START: Duration = Duration::from_secs(5);

/// What is told. Source: healthchecks.io, Pinging API: `/start`, the address itself for success, `/fail`; a body is kept as the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ping {
    /// A run begins.
    Start,
    /// It ended, and nothing is wrong with the service.
    Success(String),
    /// It failed.
    Fail(String),
}

impl Ping {
    /// Returns the ping of an end: `/fail` for the exits 1, 4 and 6.
    ///
    /// A run that a guard held, that found conflicts or that somebody else was busy with has done its work: the notify targets tell of
    /// what waits for a person. Nor is a spent day or a stop a failure.
    pub(super) fn of_end(result: Result<&Report, &CliError>) -> Ping {
        let (exit, is_calm, line) = match result {
            Ok(report) => {
                let is_calm = match report.outcome {
                    Outcome::Stopped | Outcome::OutOfTime | Outcome::Spent => true,
                    Outcome::Finished | Outcome::OutOfTouch(_) => false,
                };
                (exit::of_report(report, false), is_calm, headline(report))
            }
            Err(error) => {
                let is_spent = matches!(error, CliError::Run(RunError::Spent { .. }));
                let is_calm = is_spent || matches!(error, CliError::Stopped { .. });
                // The message is for the journal: it may have a vendor's words in it.
                let line = if is_spent {
                    "the calls are spent for now; the log says until when"
                } else if is_calm {
                    "the run was stopped"
                } else {
                    "the run failed; the log says why"
                };
                (error.exit(), is_calm, line.to_owned())
            }
        };
        let body = format!("exit {}: {line}", exit.code());
        match exit {
            Exit::Failed | Exit::BadConfig | Exit::OutOfTouch if !is_calm => Ping::Fail(body),
            Exit::Failed
            | Exit::BadConfig
            | Exit::OutOfTouch
            | Exit::Done
            | Exit::Differs
            | Exit::Held
            | Exit::DoneWithRefusals
            | Exit::WaitsForAPerson
            | Exit::Busy => Ping::Success(body),
        }
    }
}

/// Pings a job's address, where it has one. A failure is one warning and nothing more.
pub(super) async fn ping(worlds: &Worlds, job: &JobName, ping: Ping) {
    let config = worlds.config();
    let Some(source) = config.pings.get(job) else {
        return;
    };
    let (below, body, within) = match ping {
        Ping::Start => ("start", String::new(), AT_THE_START),
        Ping::Success(body) => ("", body, WITHIN),
        Ping::Fail(body) => ("fail", body, WITHIN),
    };
    let failed = match secret(source) {
        Err(what) => Some(what),
        Ok(address) => {
            let body = ("text/plain; charset=utf-8", body);
            let proxy = config.proxy.as_deref();
            let sent = post(&address, below, body, proxy, within).await;
            sent.err().map(|error| error.to_string())
        }
    };
    if let Some(what) = failed {
        warn!(job.name = %job, "{job} could not be pinged: {what}");
    }
}

#[cfg(test)]
mod tests {
    use crate::report::tests as reports;

    use super::*;

    #[test]
    fn only_what_is_broken_fails_the_check() {
        let (mut report, _) = reports::carried_out();
        let is_fail = |result: Result<&Report, &CliError>| match Ping::of_end(result) {
            Ping::Fail(_) => true,
            Ping::Start | Ping::Success(_) => false,
        };
        assert!(!is_fail(Ok(&report)), "held");
        for (outcome, fails) in [
            (Outcome::Finished, false),
            (Outcome::Stopped, false),
            (Outcome::OutOfTime, false),
            (Outcome::Spent, false),
            (Outcome::OutOfTouch("x".to_owned()), true),
        ] {
            report.outcome = outcome;
            assert_eq!(is_fail(Ok(&report)), fails, "{:?}", report.outcome);
        }
        let wrong = CliError::usage("no job");
        assert!(is_fail(Err(&wrong)));
        let stopped = CliError::Stopped {
            left: "nothing".to_owned(),
        };
        assert!(!is_fail(Err(&stopped)));
        // As it ends a run that had read nothing yet.
        let spent = CliError::Run(RunError::Spent {
            account: "main".try_into().unwrap(),
            until: chrono::DateTime::UNIX_EPOCH,
        });
        assert!(!is_fail(Err(&spent)));
    }
}
