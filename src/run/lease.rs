//! Locks that die with their owner: one run per job, one refresh per location.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use super::error::RunError;
use super::world::Stop;
use crate::model::JobName;

/// How long a waiting run sleeps between two tries, on the system's clock: the other owner is another process.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// A held lock; dropping it, or dying, lets it go.
#[derive(Debug)]
pub struct Lease {
    file: File,
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
        // Not truncated: a taken lock's words belong to its holder.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if wait.is_some_and(|stop| !stop.is_asked()) => {
                    tokio::time::sleep(TRY_AGAIN).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let mut words = String::new();
                    let _ = file.read_to_string(&mut words);
                    let holder = words.lines().next().unwrap_or("another process").to_owned();
                    return Err(RunError::Busy {
                        what: name.to_owned(),
                        holder,
                    });
                }
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{holder}").map_err(io)?;
        Ok(Lease { file })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The words are of use only while the lock is held; that the file is emptied or not changes nothing.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}
