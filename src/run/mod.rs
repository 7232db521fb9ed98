//! Floor 5: one run of a job, in nine moves.

mod attach_steps;
mod bits;
mod channels;
mod cohort;
mod consent;
mod contact_steps;
mod contacts;
mod draft;
mod draft_events;
mod error;
mod event_steps;
mod execute;
mod follow;
mod gather;
mod hand;
mod hub;
mod job;
mod lease;
mod leavers;
mod look;
mod marks;
mod news;
mod recover;
mod refresh;
mod rows;
mod seat;
mod settle;
mod streams;
mod summary;
mod tag_steps;
mod world;

pub use error::RunError;
pub use hub::definitions_name;
pub use lease::Lease;
pub use look::{Looked, finding_news, look};
pub use rows::Again;
pub use settle::{SettleError, Settling, settle};
pub use world::{Ask, CLOCK_MAY_BE_OFF, Stop, Tick, Watch, Why, World, keeping_of};

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::model::{JobName, StepKind};
use crate::report::{Counts, Report, ReportRow};
use crate::store::plans::Step;
use crate::store::{Store, StoreError};

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its report, without the rows.
    pub report: Report,
    /// The plan whose steps are the rows; `None` when the run ended before it planned.
    pub plan_no: Option<i64>,
}

/// Runs a job once: the nine moves.
///
/// Errors: every variant of [`RunError`]; what was done until then is in the journal, and the next run goes on.
pub async fn run_job(world: &World, ask: &Ask) -> Result<Done, RunError> {
    let lease = job::lease(&world.store, &world.job.name, ask, &world.stop).await?;
    job::run_job(world, ask, lease).await
}

/// Takes the lock that a run needs before it does anything: that of the job when it is to apply, none for a dry run.
///
/// Errors: `Busy` when another run has it and `ask` does not wait.
pub async fn lease(
    store: &Store,
    job: &JobName,
    ask: &Ask,
    stop: &Stop,
) -> Result<Option<Lease>, RunError> {
    job::lease(store, job, ask, stop).await
}

/// Runs a job once, as [`run_job`] does, under what [`lease`] gave.
///
/// Errors: every variant of [`RunError`] but a `Busy` of the job.
pub async fn run_under(world: &World, ask: &Ask, lease: Option<Lease>) -> Result<Done, RunError> {
    job::run_job(world, ask, lease).await
}

/// Streams the rows of a plan's report, in key order, from the journal.
pub fn rows(
    store: &Store,
    plan_no: i64,
) -> impl Iterator<Item = std::io::Result<ReportRow>> + use<> {
    rows::rows(store, plan_no)
}

/// Streams the rows of a past run's report as it showed them, as far as the journal still has them.
pub fn rows_again(
    db: Connection,
    plan_no: i64,
    again: Again,
) -> impl Iterator<Item = std::io::Result<ReportRow>> + use<> {
    rows::rows_again(db, plan_no, again)
}

/// Makes the row of a report of one step, with the mark that it has now.
pub fn row(step: Step) -> ReportRow {
    rows::row(step)
}

/// Counts the steps of a plan by kind, as a report does.
///
/// Errors: the journal cannot be read.
pub fn counts(db: &Connection, plan_no: i64) -> Result<BTreeMap<StepKind, Counts>, StoreError> {
    rows::counts(db, plan_no)
}
