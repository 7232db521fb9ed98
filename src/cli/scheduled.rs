//! Runs that a schedule started: `apply --scheduled` of a timer, and what any such run means to the next one.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::JobName;
use crate::plan::agenda::{Came, Memory, Terms};
use crate::report::Outcome;
use crate::run::{Ask, Done, RunError, Why};
use crate::store::StoreError;
use crate::store::agenda::{memory, remember};

use super::error::CliError;
use super::runs::carried_out;
use super::shell::Shell;
use super::telling;
use super::worlds::Worlds;

/// When the day's calls come back, if nobody said so.
const SPENT: TimeDelta = TimeDelta::hours(1);

/// Runs one job as a timer does; `None` in its quiet hours.
///
/// The timer says when, so a back-off delays nothing here; failures are counted all the same, for `status` and for messages.
///
/// Errors: whatever kept the run from a report.
pub(super) async fn scheduled(
    shell: &Shell,
    worlds: &Worlds,
    name: &JobName,
    ask: &Ask,
) -> Result<Option<Done>, CliError> {
    let clock = worlds.clock();
    let now = clock.now();
    let job = worlds.config().jobs.get(name);
    // A line that was loaded is one.
    let terms = job.and_then(|job| Terms::of(job).ok());
    let (Some(job), Some(terms)) = (job, terms) else {
        return Err(CliError::usage(format!("there is no job {name}")));
    };
    if let Some(until) = terms.quiet_until(now) {
        let until = until.with_timezone(&job.timezone);
        shell.progress.say(&format!(
            "{name} rests in its quiet hours until {}; nothing was done",
            until.format("%H:%M %Z")
        ));
        return Ok(None);
    }
    let known = memory(&worlds.store().reader()?, name)?;
    let known = known.map_or_else(
        || Memory::new(&terms, now),
        |known| known.under(&terms, now),
    );
    if let Err(error) = keep(worlds, name, known.clone().begins(now)).await {
        let error = CliError::Run(RunError::State(error));
        telling::ended(worlds, name, Err(&error), true).await;
        return Err(error);
    }
    let stop = shell.stop.part();
    let end = end_of(&terms, job.time_budget, now);
    let run = carried_out(worlds, name, ask, stop.clone(), shell.watch(), true);
    tokio::pin!(run);
    let result = match end {
        None => run.await,
        Some((until, why)) => tokio::select! {
            result = &mut run => result,
            () = clock.sleep_until(until) => {
                stop.ask_for(why);
                run.await
            }
        },
    };
    shell.progress.finish();
    let memory = known.ends(now, came(worlds, name, &result), clock.now());
    if let Err(error) = keep(worlds, name, memory).await {
        // What the run did stands in its own report.
        tracing::warn!(job.name = %name, "the state cannot note how {name} ended: {error}");
    }
    result.map(Some)
}

/// Returns when a scheduled run that begins now has to end, and why; `None` when its job names no such moment.
pub(super) fn end_of(
    terms: &Terms,
    budget: Option<Duration>,
    now: DateTime<Utc>,
) -> Option<(DateTime<Utc>, Why)> {
    let budget = budget.and_then(|budget| TimeDelta::from_std(budget).ok());
    let ends = [
        budget.map(|budget| (now + budget, Why::Budget)),
        terms.quiet_from(now).map(|from| (from, Why::Quiet)),
    ];
    ends.into_iter().flatten().min_by_key(|(until, _)| *until)
}

async fn keep(worlds: &Worlds, name: &JobName, memory: Memory) -> Result<(), StoreError> {
    let name = name.clone();
    let kept = worlds.store().write(move |db| remember(db, &name, &memory));
    kept.await
}

/// What the end of a run means to its schedule.
pub(super) fn came(worlds: &Worlds, job: &JobName, result: &Result<Done, CliError>) -> Came {
    match result {
        Ok(done) => match &done.report.outcome {
            Outcome::Finished | Outcome::OutOfTime => Came::Served,
            Outcome::Stopped => Came::Stopped,
            Outcome::Spent => Came::Spent(spent_until(worlds, job)),
            Outcome::OutOfTouch(why) => Came::Failed(why.clone()),
        },
        Err(CliError::Stopped { .. }) => Came::Stopped,
        Err(CliError::Run(RunError::Busy { .. })) => Came::Busy,
        Err(CliError::Run(RunError::Spent { until, .. })) => Came::Spent(*until),
        Err(error) => Came::Failed(error.to_string()),
    }
}

/// Returns when calls to the job's services are possible again, as the gates said that let none through.
///
/// Asking the day's end instead would make of a pause of some minutes, which a vendor asked for, one until the day ends.
fn spent_until(worlds: &Worlds, job: &JobName) -> DateTime<Utc> {
    let now = worlds.clock().now();
    let ends = worlds.shut_until(job).filter(|until| *until > now);
    ends.unwrap_or(now + SPENT)
}
