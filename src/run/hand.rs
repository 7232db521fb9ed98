//! What executing works with, and what it comes to.

use chrono::{DateTime, Utc};

use super::error::RunError;
use super::hub::Hub;
use super::world::World;

/// Calls that are prepared at the same time; how many are really under way is the gate's decision.
pub(super) const AT_ONCE: usize = 10;

/// Why a step is dropped whose link is not there (any more).
pub(super) const NOT_LINKED: &str = "the record is not linked to this contact";

/// How the execution ended.
#[derive(Debug)]
pub(super) enum Executed {
    /// Everything was tried.
    Through,
    /// A person stopped it.
    Stopped,
    /// The day's budget is spent; calls are possible again then.
    Spent(DateTime<Utc>),
    /// The hub cannot be reached.
    OutOfTouch(String),
}

/// What one parcel came to, as far as the whole run cares.
pub(super) enum Parcel {
    Through,
    Ended(Executed),
}

/// What executing works with.
#[derive(Clone)]
pub(super) struct Hand {
    pub world: World,
    pub hub: Hub,
    pub job_no: i64,
    pub run_no: i64,
    /// Whether the contacts listing fell short of the vendor's count: then a create looks for its marker first.
    pub listing_fell_short: bool,
}

pub(super) fn note(
    joined: Option<Result<Result<Parcel, RunError>, tokio::task::JoinError>>,
    ended: &mut Executed,
    failed: &mut Option<RunError>,
) {
    match joined {
        None | Some(Ok(Ok(Parcel::Through))) => {}
        Some(Ok(Ok(Parcel::Ended(how)))) => *ended = how,
        Some(Ok(Err(error))) => {
            failed.get_or_insert(error);
        }
        Some(Err(error)) => {
            failed.get_or_insert(RunError::Bug {
                what: format!("a step stopped: {error}"),
            });
        }
    }
}
