//! What the daemon says: the one line that `systemctl status` shows, and how runs ended.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tracing::{debug, error, info, warn};

use crate::model::JobName;
use crate::plan::agenda::{Came, Memory};
use crate::report::number;
use crate::run::{Tick, Watch};

/// How far a run has come, for whoever asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Course(Arc<Mutex<At>>);

#[derive(Clone, Debug, Default)]
struct At {
    what: String,
    done: u64,
    total: Option<u64>,
}

impl Course {
    /// Returns a watch that keeps this up to date.
    pub(super) fn watch(&self) -> Watch {
        let course = self.clone();
        Watch::new(move |tick| {
            let mut at = course.0.lock().unwrap_or_else(PoisonError::into_inner);
            match tick {
                Tick::Reading { what, total } => {
                    *at = At {
                        what: format!("reading {what}"),
                        done: 0,
                        total,
                    };
                }
                Tick::Planning => {
                    *at = At {
                        what: "planning".to_owned(),
                        ..At::default()
                    };
                }
                Tick::Executing { total } => {
                    *at = At {
                        what: "writing".to_owned(),
                        done: 0,
                        total: Some(total),
                    };
                }
                Tick::Advance(more) => at.done += more,
                // Worth a line of its own.
                Tick::Say(text) => tracing::info!("{text}"),
            }
        })
    }

    fn words(&self) -> String {
        let at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&at.what, at.done, at.total) {
            (what, _, _) if what.is_empty() => "begins".to_owned(),
            (what, done, Some(total)) => {
                format!("{what}, {} of {}", number(done), number(total))
            }
            (what, 0, None) => what.clone(),
            (what, done, None) => format!("{what}, {}", number(done)),
        }
    }
}

/// Returns which job comes next and when, for example "followers at 2026-03-02 12:00 UTC".
pub(super) fn next(job: &JobName, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    if at <= now {
        format!("{job} now")
    } else {
        format!("{job} at {}", at.format("%Y-%m-%d %H:%M UTC"))
    }
}

/// Returns for example "running followers (writing, 3 of 12); next watchers at 14:15 UTC; 1 job failing".
pub(super) fn status(
    running: &[(&JobName, &Course)],
    next: Option<String>,
    failing: usize,
    count: usize,
    trouble: Option<&str>,
) -> String {
    let mut parts: Vec<String> = trouble.iter().map(|what| (*what).to_owned()).collect();
    match running {
        [] if count == 0 => parts.push("no job is configured".to_owned()),
        [] => parts.push("idle".to_owned()),
        some => {
            let words: Vec<String> = some
                .iter()
                .map(|(job, course)| format!("{job} ({})", course.words()))
                .collect();
            parts.push(format!("running {}", words.join(", ")));
        }
    }
    match next {
        Some(next) => parts.push(format!("next {next}")),
        None if count > 0 && running.is_empty() => {
            parts.push("no job has a schedule".to_owned());
        }
        None => {}
    }
    match failing {
        0 => {}
        1 => parts.push("1 job fails".to_owned()),
        more => parts.push(format!("{more} jobs fail")),
    }
    parts.join("; ")
}

/// Says how a run ended: failures once, then when they are given up on, then when they are over.
pub(super) fn say(
    name: &JobName,
    came: &Came,
    headline: Option<String>,
    before: &Memory,
    after: &Memory,
) {
    match (came, headline) {
        (Came::Failed(why), _) => {
            let again = after.not_before.map_or_else(String::new, |at| {
                format!("; it is tried again at {}", at.format("%Y-%m-%d %H:%M UTC"))
            });
            if before.failures == 0 {
                error!(job.name = %name, "{name} failed: {why}{again}");
            } else if after.is_quarantined() && !before.is_quarantined() {
                error!(
                    job.name = %name,
                    "{name} failed {} times in a row and is tried once an hour from now on, without a word until it works again: {why}",
                    after.failures
                );
            } else if before.why.as_deref() != Some(why) && !after.is_quarantined() {
                warn!(job.name = %name, "{name} failed again, differently: {why}{again}");
            } else if after.is_quarantined() {
                debug!(job.name = %name, "{name} failed again: {why}{again}");
            } else {
                let times = after.failures;
                info!(job.name = %name, "{name} failed again, {times} times in a row now: {why}{again}");
            }
        }
        (Came::Served, headline) => {
            if before.failures > 0 {
                warn!(job.name = %name, "{name} works again after {} failed runs", before.failures);
            }
            if let Some(headline) = headline {
                info!(job.name = %name, "{headline}");
            }
        }
        (Came::Spent(_), _) => {
            let until = after
                .not_before
                .map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string());
            warn!(
                job.name = %name,
                "{name} used the calls of the day up and goes on at {}",
                until.unwrap_or_default()
            );
        }
        (Came::Busy, _) => {
            info!(job.name = %name, "{name} is run by another process; it is looked at again in a minute")
        }
        (Came::Stopped, _) => {
            info!(job.name = %name, "{name} was stopped; the next start goes on from there")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_runs_what_comes_and_what_fails() {
        let job = JobName::try_from("followers".to_owned()).unwrap();
        let at = DateTime::from_timestamp_millis(1_772_452_800_000).unwrap();
        let before = at - chrono::TimeDelta::minutes(1);
        assert_eq!(next(&job, at, at), "followers now");
        let course = Course::default();
        let line =
            |course: &Course| status(&[(&job, course)], Some(next(&job, at, before)), 1, 2, None);
        assert_eq!(
            line(&course),
            "running followers (begins); next followers at 2026-03-02 12:00 UTC; 1 job fails"
        );
        course.0.lock().unwrap().what = "writing".to_owned();
        course.0.lock().unwrap().total = Some(1_200);
        course.0.lock().unwrap().done = 3;
        assert!(line(&course).starts_with("running followers (writing, 3 of 1,200); next"));
        assert_eq!(status(&[], None, 0, 0, None), "no job is configured");
        assert_eq!(
            status(
                &[],
                Some(next(&job, at, before)),
                0,
                1,
                Some("the old configuration")
            ),
            "the old configuration; idle; next followers at 2026-03-02 12:00 UTC"
        );
    }
}
