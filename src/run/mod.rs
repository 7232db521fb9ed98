//! Floor 5: one run of a job, in nine moves.

mod bits;
mod consent;
mod contact_steps;
mod contacts;
mod draft;
mod error;
mod execute;
mod gather;
mod hand;
mod hub;
mod job;
mod lease;
mod leavers;
mod marks;
mod news;
mod recover;
mod refresh;
mod rows;
mod seat;
mod settle;
mod summary;
mod tag_steps;
mod world;

pub use error::RunError;
pub use lease::Lease;
pub use settle::{SettleError, Settling, settle};
pub use world::{Ask, CLOCK_MAY_BE_OFF, Stop, Tick, Watch, Why, World, keeping_of};

use crate::report::{Report, ReportRow};
use crate::store::Store;

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
    job::run_job(world, ask).await
}

/// Streams the rows of a plan's report, in key order, from the journal.
pub fn rows(
    store: &Store,
    plan_no: i64,
) -> impl Iterator<Item = std::io::Result<ReportRow>> + use<> {
    rows::rows(store, plan_no)
}
