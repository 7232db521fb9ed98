//! What executing works with, and what it comes to.

use std::sync::{Arc, Mutex, PoisonError};

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
    /// How the last calls went.
    pub streak: Arc<Streak>,
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

/// So many lost answers, or refusals in the same words, one after the other are no longer about single records.
const TOO_MANY_IN_A_ROW: u32 = 10;

/// How the last calls of a run went: a vendor that is ill, or an account that is, ends the run instead of spoiling record after record.
#[derive(Debug, Default)]
pub(super) struct Streak(Mutex<Row>);

#[derive(Debug, Default)]
struct Row {
    lost: u32,
    refused: u32,
    said: String,
}

impl Streak {
    /// Notes a call that was carried out.
    pub(super) fn went_well(&self) {
        *self.row() = Row::default();
    }

    /// Notes a lost answer; returns whether it is one too many.
    pub(super) fn lost_touch(&self) -> bool {
        let mut row = self.row();
        row.lost += 1;
        row.lost >= TOO_MANY_IN_A_ROW
    }

    /// Notes a refusal; returns whether it is one too many in the same words.
    pub(super) fn was_refused(&self, said: &str) -> bool {
        let mut row = self.row();
        if row.said != said {
            row.said = said.to_owned();
            row.refused = 0;
        }
        row.refused += 1;
        row.refused >= TOO_MANY_IN_A_ROW
    }

    fn row(&self) -> std::sync::MutexGuard<'_, Row> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
