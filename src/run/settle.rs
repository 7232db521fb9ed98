//! What a person settles: pairs, refused records, lost creates, conflicts.
//!
//! No vendor is asked: what is settled here is only what we remember, under the job's lease, and the next plan acts on it. Each settling
//! is checked first and then written in one commit.

mod desk;

use std::fmt;

use crate::model::{Clock, ContactId, FieldKey, Job, RecordKey};
use crate::store::{Store, StoreError};

use self::desk::{Choice, Desk};
use super::error::RunError;
use super::lease::Lease;

/// What a person says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settling {
    /// This record is that contact.
    Link {
        /// The record.
        key: RecordKey,
        /// The contact.
        contact: ContactId,
    },
    /// This record is not the contact that it is linked to.
    Unlink {
        /// The record.
        key: RecordKey,
    },
    /// These records are tried again: refused ones, unreadable ones, and creates that did not happen.
    Retry {
        /// The records.
        keys: Vec<RecordKey>,
    },
    /// All refused and unreadable records of the job are tried again.
    RetryAll,
    /// The value in HighLevel stays.
    Keep {
        /// The record.
        key: RecordKey,
        /// The field; `None` for all in conflict.
        field: Option<FieldKey>,
    },
    /// The value of the mapping is written.
    Take {
        /// The record.
        key: RecordKey,
        /// The field; `None` for all in conflict.
        field: Option<FieldKey>,
    },
}

/// Why nothing was settled.
#[derive(Debug)]
pub enum SettleError {
    /// There is no such thing to settle; says what there is.
    Nothing(String),
    /// The job is busy, or the state cannot be used.
    Run(RunError),
}

impl fmt::Display for SettleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettleError::Nothing(why) => f.write_str(why),
            SettleError::Run(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SettleError {}

impl From<RunError> for SettleError {
    fn from(error: RunError) -> SettleError {
        SettleError::Run(error)
    }
}

impl From<StoreError> for SettleError {
    fn from(error: StoreError) -> SettleError {
        SettleError::Run(RunError::State(error))
    }
}

/// Settles one thing of a job; returns one sentence of what was done and what happens next.
///
/// `holder` is the command and the process, for whoever finds the job busy meanwhile.
///
/// Errors: `Nothing` for something that is not there; `Run` when the job is running or the state fails.
pub async fn settle(
    store: &Store,
    job: &Job,
    clock: &Clock,
    holder: &str,
    settling: Settling,
) -> Result<String, SettleError> {
    let folder = store.path().parent().map(ToOwned::to_owned);
    let _lease = Lease::of_job(&folder.unwrap_or_default(), &job.name, holder, None).await?;
    let now_ms = clock.now().timestamp_millis();
    if settling == Settling::RetryAll {
        return retry_all(store, job, now_ms).await;
    }
    let job = job.clone();
    let said = store
        .write(move |db| {
            let Some(desk) = Desk::at(db, &job, now_ms)? else {
                return Ok(Err(never_ran(&job)));
            };
            match settling {
                Settling::Link { key, contact } => desk.link(&key, &contact),
                Settling::Unlink { key } => desk.unlink(&key),
                Settling::Retry { keys } => desk.retry(&keys),
                Settling::Keep { key, field } => desk.decide(&key, field.as_ref(), Choice::Theirs),
                Settling::Take { key, field } => desk.decide(&key, field.as_ref(), Choice::Ours),
                // Handled above, in several commits.
                Settling::RetryAll => Ok(Ok(String::new())),
            }
        })
        .await?;
    said.map_err(SettleError::Nothing)
}

async fn retry_all(store: &Store, job: &Job, now_ms: i64) -> Result<String, SettleError> {
    let mut all = 0;
    loop {
        let job = job.clone();
        let settled = store
            .write(move |db| match Desk::at(db, &job, now_ms)? {
                None => Ok(Err(never_ran(&job))),
                Some(desk) => desk.retry_some().map(Ok),
            })
            .await?
            .map_err(SettleError::Nothing)?;
        if settled == 0 {
            break;
        }
        all += settled;
    }
    match all {
        0 => Err(SettleError::Nothing(format!(
            "{} has no refused and no unreadable records",
            job.name
        ))),
        1 => Ok(format!(
            "1 record of {} is tried again in the next run",
            job.name
        )),
        _ => Ok(format!(
            "{all} records of {} are tried again in the next run",
            job.name
        )),
    }
}

fn never_ran(job: &Job) -> String {
    format!(
        "{} never ran, so there is nothing to settle yet; start with `ghl-sync plan {}`",
        job.name, job.name
    )
}

#[cfg(test)]
mod tests;
