//! One tick a minute, out of tokio-cron-scheduler.
//!
//! The crate is asked for nothing else: it starts a job again while it still runs, drops running jobs when it ends, and is an hour off
//! after a daylight-saving change (its issue 107).

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use super::service::Event;

/// The first second of every minute, UTC.
const EVERY_MINUTE: &str = "0 * * * * *";

/// Starts the ticks; they go on for as long as the runtime does.
///
/// Errors: what the scheduler says.
pub(super) async fn start(tell: mpsc::UnboundedSender<Event>) -> Result<(), JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let tick = Job::new(EVERY_MINUTE, move |_, _| {
        // Nobody listens any more once the service ends.
        let _ = tell.send(Event::Minute);
    })?;
    scheduler.add(tick).await?;
    scheduler.start().await
}
