//! One scheduled run on a thread of its own, and what it means to the schedule.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::model::JobName;
use crate::plan::agenda::Came;
use crate::report;
use crate::run::{Ask, RunError, Stop, Watch};
use crate::store::runs::end_broken;

use super::super::care;
use super::super::error::CliError;
use super::super::exit::Exit;
use super::super::runs::{carried_out, holder};
use super::super::scheduled::came;
use super::super::telling;
use super::super::worlds::Worlds;
use super::service::Event;

/// What a run is given to work with.
#[derive(Clone)]
pub(super) struct Task {
    pub(super) worlds: Arc<Worlds>,
    pub(super) job: JobName,
    pub(super) stop: Stop,
    pub(super) watch: Watch,
    /// Turns true when what is still under way is given up.
    pub(super) give_up: watch::Receiver<bool>,
}

/// How a scheduled run ended.
#[derive(Debug)]
pub struct Ended {
    pub(super) job: JobName,
    pub(super) came: Came,
    /// What it did, in one sentence; `None` when it came to no report.
    pub(super) headline: Option<String>,
}

/// Starts a run; `Event::Ended` tells its end, whatever happens to it.
///
/// Errors: the system has no thread to give.
pub(super) fn start(task: Task, tell: mpsc::UnboundedSender<Event>) -> std::io::Result<()> {
    start_with(task.job.clone(), tell, move |handle| {
        let ended = catch_unwind(AssertUnwindSafe(|| handle.block_on(once(&task))));
        ended.unwrap_or_else(|panic| {
            let error = Err(&broken());
            handle.block_on(telling::ended(&task.worlds, &task.job, error, true));
            resume_unwind(panic)
        })
    })
}

/// What is told of a panic.
fn broken() -> CliError {
    CliError::Run(RunError::Bug {
        what: "it ended in the middle, and the log says where".to_owned(),
    })
}

/// Does `work` on a thread of its own and tells its end, also when it panics.
fn start_with(
    job: JobName,
    tell: mpsc::UnboundedSender<Event>,
    work: impl FnOnce(&Handle) -> Ended + Send + 'static,
) -> std::io::Result<()> {
    let handle = Handle::current();
    let thread = std::thread::Builder::new().name(format!("run {job}"));
    thread.spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(|| work(&handle)));
        let ended = ended.unwrap_or_else(|_| Ended {
            job,
            // The hook told of it already, with its place.
            came: Came::Failed("a defect in ghl-sync ended the run".to_owned()),
            headline: None,
        });
        // Nobody listens any more when the service gave up waiting.
        let _ = tell.send(Event::Ended(ended));
    })?;
    Ok(())
}

async fn once(task: &Task) -> Ended {
    let Task {
        worlds,
        job,
        stop,
        watch,
        give_up,
    } = task;
    let ask = Ask {
        apply: true,
        holder: holder("daemon", worlds.clock().now()),
        ..Ask::default()
    };
    let mut give_up = give_up.clone();
    let run = carried_out(worlds, job, &ask, stop.clone(), watch.clone(), true);
    let result = tokio::select! {
        result = run => result,
        // Dropped in the middle, which is what a kill does: the next run finds out what became of the calls under way.
        _ = give_up.wait_for(|is_over| *is_over) => Err(CliError::Stopped {
            left: "the calls under way are looked into by the next run".to_owned(),
        }),
    };
    let came = came(worlds, job, &result);
    Ended {
        job: job.clone(),
        came,
        headline: result.ok().map(|done| report::headline(&done.report)),
    }
}

/// Starts upkeep of the state, which `stop` ends between two of its parts; `Event::Kept` tells its end.
///
/// Errors: the system has no thread to give.
pub(super) fn keep(
    worlds: Arc<Worlds>,
    stop: Stop,
    tell: mpsc::UnboundedSender<Event>,
) -> std::io::Result<()> {
    let handle = Handle::current();
    let thread = std::thread::Builder::new().name("upkeep".to_owned());
    thread.spawn(move || {
        let upkeep = care::upkeep(&worlds, &stop);
        let kept = catch_unwind(AssertUnwindSafe(|| handle.block_on(upkeep)));
        match kept {
            // It said itself what it did.
            Ok(Ok(_)) => {}
            Ok(Err(CliError::Run(RunError::Busy { holder, .. }))) => {
                tracing::info!("upkeep is under way elsewhere: {holder}");
            }
            Ok(Err(error)) => tracing::error!("upkeep of the state failed: {error}"),
            // The hook told of it already, but only the log.
            Err(_) => handle.block_on(telling::kept(&worlds, Err(&broken()))),
        }
        // Nobody listens any more when the service has ended.
        let _ = tell.send(Event::Kept);
    })?;
    Ok(())
}

/// Ends, in the journal, the runs of a job that ended without saying so: by a panic, or given up.
pub(super) async fn tidy(worlds: &Worlds, job: &JobName, begun: DateTime<Utc>) {
    let (name, now_ms) = (job.clone(), worlds.clock().now().timestamp_millis());
    let begun_ms = begun.timestamp_millis();
    let exit = i64::from(Exit::Failed.code());
    let process = format!(", process {},", std::process::id());
    let ended = worlds
        .store()
        .write(move |db| end_broken(db, &name, &process, begun_ms, now_ms, exit))
        .await;
    if let Err(error) = ended {
        tracing::warn!(job.name = %job, "cannot note that a run of {job} has ended: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_that_panics_ends_as_a_failure_and_takes_nobody_with_it() {
        let job = JobName::try_from("followers".to_owned()).unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        start_with(job.clone(), tell, |_| panic!("on purpose, in a test")).unwrap();
        let Some(Event::Ended(ended)) = told.recv().await else {
            panic!("nothing was told");
        };
        assert_eq!(ended.job, job);
        assert!(matches!(ended.came, Came::Failed(why) if why.contains("defect")));
    }
}
