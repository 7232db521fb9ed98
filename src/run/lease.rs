//! Locks that die with their owner: one run per job, one refresh per location.

use std::path::Path;
use std::time::Duration;

use super::error::RunError;
use super::world::Stop;
use crate::model::JobName;
use crate::store::{Lock, Taken};

/// How long a waiting run sleeps between two tries, on the system's clock: the other owner is another process.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// A held lock; dropping it, or dying, lets it go.
#[derive(Debug)]
pub struct Lease {
    _lock: Lock,
}

impl Lease {
    /// Takes the lock of a job: whoever runs it or settles something of it holds this one.
    ///
    /// Errors: as [`Lease::take`].
    pub async fn of_job(
        state: &Path,
        job: &JobName,
        holder: &str,
        wait: Option<&Stop>,
    ) -> Result<Lease, RunError> {
        Lease::take(state, &format!("job-{job}"), holder, wait).await
    }

    /// Takes the lock `name` in the state folder, an OS lock on an open file: never a matter of time.
    ///
    /// `holder` (command, process and start) is written inside for whoever finds it taken. With `wait`, waits until it is free or a person asks
    /// to stop.
    ///
    /// Errors: `Busy` with the holder's words; `Io`.
    pub async fn take(
        state: &Path,
        name: &str,
        holder: &str,
        wait: Option<&Stop>,
    ) -> Result<Lease, RunError> {
        let path = state.join(format!("{name}.lock"));
        let io = |source| RunError::Io {
            path: path.clone(),
            source,
        };
        loop {
            match Lock::take(&path, holder).map_err(io)? {
                Taken::Ours(lock) => return Ok(Lease { _lock: lock }),
                Taken::Busy { .. } if wait.is_some_and(|stop| !stop.is_asked()) => {
                    tokio::time::sleep(TRY_AGAIN).await;
                }
                Taken::Busy { holder } => {
                    return Err(RunError::Busy {
                        what: name.to_owned(),
                        holder,
                    });
                }
            }
        }
    }
}
