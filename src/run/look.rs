//! One record of a job, looked at offline: what a plan would be told of it, and what it would decide.

use rusqlite::Connection;

use crate::model::{By, Job, JobName, RecordKey};
use crate::plan::wanted::{Mapping, RowProblem, mapping_hash};
use crate::plan::{Row, Verdict, Wanted, plan_row};
use crate::report::News;
use crate::store::findings::Finding;
use crate::store::jobs::JobState;
use crate::store::rows::{self, Listing};
use crate::store::{StoreError, jobs};

use super::{draft, news};

/// Everything known of one record, and what the job would make of it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// What reports call it; may be empty.
    pub name: String,
    /// Its row of the roster.
    pub listing: Listing,
    /// What the planner is told.
    pub row: Row,
    /// What it would want and decide, or why a template cannot make sense of it.
    pub decided: Result<(Wanted, Verdict), RowProblem>,
}

/// Looks at one record as a plan would, from what is known offline; `None` for one that is not in the roster.
///
/// Errors: the state cannot be read.
pub fn look(
    db: &Connection,
    job: &Job,
    mapping: &Mapping,
    state: &JobState,
    location_no: i64,
    key: &RecordKey,
) -> Result<Option<Looked>, StoreError> {
    let Some(listing) = rows::listing_of(db, state.no, state.generation, key)? else {
        return Ok(None);
    };
    let values = draft::match_values(mapping, &listing);
    let namespace = job.source.namespace();
    let row = rows::row_of(db, state.no, location_no, namespace, &listing, &values)?;
    let decided = draft::wanted_of(mapping, &listing).map(|wanted| {
        let basis = draft::basis_of(&listing, &row, &mapping_hash(job));
        let terms = draft::terms(job, is_complete(db, job, location_no).unwrap_or_default());
        let verdict = plan_row(&row, &wanted, terms, &basis);
        (wanted, verdict)
    });
    Ok(Some(Looked {
        name: draft::name_of(&listing),
        listing,
        row,
        decided,
    }))
}

/// Returns whether a full contacts walk has ended that read every field which the job matches by.
fn is_complete(db: &Connection, job: &Job, location_no: i64) -> Result<bool, StoreError> {
    let keys = jobs::complete_keys(db, location_no)?;
    let mut fields = job.match_by.iter().filter_map(|by| match by {
        By::Field(key) => Some(key.as_str()),
        By::Link => None,
    });
    Ok(keys.is_some_and(|keys| fields.all(|field| keys.iter().any(|key| key == field))))
}

/// Returns what a person is told of a finding, with the command that settles it.
pub fn finding_news(job: &JobName, found: &Finding) -> News {
    news::of_finding(job.as_str(), found)
}
