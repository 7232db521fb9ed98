//! The exit codes, all in one place.

use std::process::ExitCode;

use crate::report::{Mode, NewsKind, Outcome, Report};
use crate::run::RunError;
use crate::store::StoreError;

/// How the program ends; the number is the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// Something failed, and the message says what.
    Failed = 1,
    /// The plan is not empty; only with `--exit-code`.
    Differs = 2,
    /// A guard held a part of the plan back.
    Held = 3,
    /// The configuration or the command line is wrong.
    BadConfig = 4,
    /// Done, with newly refused rows or conflicts.
    DoneWithRefusals = 5,
    /// A vendor could not be reached, or its budget of calls is spent.
    OutOfTouch = 6,
    /// A person has to look or decide first.
    WaitsForAPerson = 7,
    /// Another process holds the job.
    Busy = 8,
}

impl Exit {
    /// All exits; when several fit, the first one here is the program's.
    pub const BY_PRECEDENCE: [Exit; 9] = [
        Exit::Busy,
        Exit::BadConfig,
        Exit::OutOfTouch,
        Exit::Failed,
        Exit::WaitsForAPerson,
        Exit::Held,
        Exit::DoneWithRefusals,
        Exit::Differs,
        Exit::Done,
    ];

    /// Returns the number that the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Returns the one exit that speaks for all: the first in [`Exit::BY_PRECEDENCE`], [`Exit::Done`] for none.
pub fn first_of(exits: impl Iterator<Item = Exit>) -> Exit {
    let rank = |exit: &Exit| Exit::BY_PRECEDENCE.iter().position(|each| each == exit);
    exits.min_by_key(rank).unwrap_or(Exit::Done)
}

/// Returns the exit that fits a run that ended without a report.
pub fn of_run_error(error: &RunError) -> Exit {
    match error {
        RunError::Busy { .. } => Exit::Busy,
        RunError::Setup { .. }
        | RunError::Approval { .. }
        | RunError::State(StoreError::Foreign { .. }) => Exit::BadConfig,
        RunError::OutOfTouch { .. } | RunError::Spent { .. } => Exit::OutOfTouch,
        RunError::State(_) | RunError::Io { .. } | RunError::Bug { .. } => Exit::Failed,
    }
}

/// Returns the exit that fits a report.
///
/// A dry run that came to its end is [`Exit::Done`] whatever it found, because finding it was its task, unless `exit_code` was asked
/// for. A run that a person stopped is [`Exit::Failed`], and one that spent the day's calls is [`Exit::OutOfTouch`]: both left work
/// for the next run, and a script must be able to tell.
pub fn of_report(report: &Report, exit_code: bool) -> Exit {
    let ended = match &report.outcome {
        // The job says how long it may take, as `--limit` says how much it may do.
        Outcome::Finished | Outcome::OutOfTime => Exit::Done,
        Outcome::Stopped => Exit::Failed,
        Outcome::Spent | Outcome::OutOfTouch(_) => Exit::OutOfTouch,
    };
    let finds = match report.mode {
        Mode::Would => exit_code,
        Mode::Did => true,
    };
    let all = report.all();
    let refused = all.refused > 0
        || report.has_news(NewsKind::Refused)
        || report.has_news(NewsKind::Conflict);
    let found = [
        (
            report.is_held_as_new() || report.has_news(NewsKind::Asks),
            Exit::WaitsForAPerson,
        ),
        (report.is_held(), Exit::Held),
        (refused, Exit::DoneWithRefusals),
        (report.mode == Mode::Would && all.planned > 0, Exit::Differs),
    ];
    let found = found
        .into_iter()
        .filter(|(fits, _)| finds && *fits)
        .map(|(_, exit)| exit);
    first_of(found.chain([ended]))
}

#[cfg(test)]
mod tests {
    use crate::model::GuardKind;
    use crate::report::{News, tests};

    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_manual() {
        let numbers: Vec<u8> = Exit::BY_PRECEDENCE.map(Exit::code).to_vec();
        assert_eq!(numbers, [8, 4, 6, 1, 7, 3, 5, 2, 0]);
    }

    #[test]
    fn the_gravest_exit_speaks_for_all() {
        let all = Exit::BY_PRECEDENCE;
        for (index, gravest) in all.iter().enumerate() {
            let from_here = all[index..].iter().rev().copied();
            assert_eq!(first_of(from_here), *gravest);
        }
        assert_eq!(first_of(std::iter::empty()), Exit::Done);
    }

    #[test]
    fn a_run_without_a_report_says_whose_turn_it_is() {
        let text = |text: &str| text.to_owned();
        let job = crate::model::JobName::try_from("a").unwrap();
        let account = crate::model::AccountName::try_from("main").unwrap();
        let setup = RunError::Setup {
            job,
            account: None,
            what: text("a token is missing"),
        };
        let why = text("no answer");
        let nobody = crate::store::Owner {
            uid: 4_321,
            name: None,
        };
        for (error, exit) in [
            (
                RunError::Busy {
                    what: text("job-a"),
                    holder: text("someone"),
                },
                Exit::Busy,
            ),
            (setup, Exit::BadConfig),
            (RunError::Approval { why: text("old") }, Exit::BadConfig),
            (RunError::OutOfTouch { account, why }, Exit::OutOfTouch),
            (
                RunError::State(StoreError::Foreign {
                    path: "x.db".into(),
                    owner: nobody.clone(),
                    user: nobody,
                }),
                Exit::BadConfig,
            ),
            (RunError::State(StoreError::Stopped), Exit::Failed),
            (
                RunError::Io {
                    path: "x.lock".into(),
                    source: std::io::ErrorKind::NotFound.into(),
                },
                Exit::Failed,
            ),
            (RunError::Bug { what: text("?") }, Exit::Failed),
        ] {
            assert_eq!(of_run_error(&error), exit, "{error}");
            assert_eq!(error.exit_number(), exit.code(), "{error}");
        }
    }

    #[test]
    fn a_dry_run_is_done_unless_it_is_asked_what_it_found() {
        let rows = tests::rows();
        let new_job = tests::report(&rows);
        assert_eq!(of_report(&new_job, false), Exit::Done);
        assert_eq!(of_report(&new_job, true), Exit::WaitsForAPerson);
        let mut differs = new_job.clone();
        differs.guards.clear();
        differs.news.clear();
        assert_eq!(of_report(&differs, true), Exit::Differs);
        differs.counts.clear();
        assert_eq!(of_report(&differs, true), Exit::Done);
    }

    #[test]
    fn a_run_says_what_is_left() {
        let mut run = tests::carried_out().0;
        assert_eq!(of_report(&run, false), Exit::Held);
        run.guards[0].guard = GuardKind::First;
        assert_eq!(of_report(&run, false), Exit::WaitsForAPerson);
        run.guards.clear();
        assert_eq!(of_report(&run, false), Exit::DoneWithRefusals);
        run.counts.clear();
        run.news.clear();
        assert_eq!(of_report(&run, false), Exit::Done);
        run.news.push(News {
            kind: NewsKind::Asks,
            key: None,
            what: "two contacts carry the marker".to_owned(),
            command: None,
        });
        assert_eq!(of_report(&run, false), Exit::WaitsForAPerson);
        run.news.clear();
        for (outcome, exit) in [
            (Outcome::Stopped, Exit::Failed),
            (Outcome::OutOfTime, Exit::Done),
            (Outcome::Spent, Exit::OutOfTouch),
            (
                Outcome::OutOfTouch("no answer".to_owned()),
                Exit::OutOfTouch,
            ),
        ] {
            run.outcome = outcome;
            assert_eq!(of_report(&run, false), exit);
        }
    }
}
