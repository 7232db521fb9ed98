//! Move 3: pages of the source into staging, and from there into the roster.

mod due;
mod fold;
mod life;
mod page;
mod walking;

pub(super) use due::{Absent, full_due, rests, why_full};

use crate::model::Ended;
use crate::store::jobs::JobState;

use super::error::RunError;
use super::seat::Seat;
use super::streams;
use super::world::World;
use fold::fold;
use page::Listing;
use walking::Walking;

/// The attribute that says when a follower followed.
const FOLLOWED_AT: &str = "followed_at";

/// What the gathering came to.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    /// Distinct rows listed.
    pub listed: u64,
    /// Keys that no walk had listed, or that came back.
    pub new: u64,
    /// The vendor's total on the first page.
    pub total: Option<u64>,
    /// Pages read.
    pub pages: u64,
    /// How it ended; `None` for a normal pass that caught up, and for a ranking.
    pub ended: Option<Ended>,
    /// Rows that could not be read.
    pub odd_rows: u64,
    /// Expected less told total.
    pub debt: i64,
    /// The walk.
    pub walk_no: i64,
    /// What is worth a line in the report.
    pub remarks: Vec<String>,
}

/// Walks through the listing of the job's source and folds what differs into the roster.
///
/// Errors: permission and account faults, the state, and a vendor that cannot be reached before the first page. Later than that the walk is cut,
/// and what was read is used.
pub(super) async fn gather(
    world: &World,
    seat: &Seat,
    state: &JobState,
    full: bool,
) -> Result<Gathered, RunError> {
    let Some(listing) = Listing::of(world.job.source) else {
        // They are no listing: they are polled.
        return streams::gather(world, seat, state, full).await;
    };
    let mut walk = Walking::begin(world, seat, listing, state, full).await?;
    let ended = walk.read_to_the_end(world, seat, state).await?;
    walk.flush(world).await?;
    let Some(walk_no) = walk.no() else {
        return Err(RunError::Bug {
            what: "a walk ended without a page".to_owned(),
        });
    };
    let (new_keys, new) = fold(world, state.no, walk_no).await?;
    walk.finish(world, seat, state, ended, new_keys, new).await
}
