//! The rows of a report, streamed from the journal, when its run ends and ever after.

use std::collections::BTreeMap;
use std::io;

use rusqlite::Connection;

use crate::model::{Change, GuardKind, StepKind};
use crate::plan::Mark;
use crate::report::{Counts, Report, ReportRow, RowMark};
use crate::store::plans::{self, Step};
use crate::store::{Store, StoreError};

/// Rows that are read from the journal at a time.
const CHUNK: i64 = 1_000;

/// How a past report's rows are made of what the journal has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Rows that the journal no longer has.
    pub gone: u64,
    /// Steps without an answer then, whose mark changed since: the report shows them as it did.
    pub settled: u64,
    /// When the run ended, in ms, if marks that are younger are not what the report showed.
    as_of_ms: Option<i64>,
}

impl Again {
    /// Compares what a report counted with what the journal has of its plan.
    ///
    /// Errors: the journal cannot be read.
    pub fn of(
        db: &Connection,
        plan_no: i64,
        report: &Report,
        ended_ms: i64,
    ) -> Result<Again, StoreError> {
        let counts = counts(db, plan_no)?;
        let there: u64 = counts.values().map(|counts| counts.planned).sum();
        let unknown = |counts: &BTreeMap<StepKind, Counts>| -> u64 {
            counts.values().map(|counts| counts.unknown).sum()
        };
        // A report without lost answers cannot change: only what was sent and not answered gets another mark after its run.
        let (then, now) = (unknown(&report.counts), unknown(&counts));
        Ok(Again {
            gone: report.all().planned.saturating_sub(there),
            settled: then.saturating_sub(now),
            as_of_ms: (then > 0).then_some(ended_ms),
        })
    }
}

/// Counts a plan's steps as a report does.
///
/// Errors: the journal cannot be read.
pub(super) fn counts(
    db: &Connection,
    plan_no: i64,
) -> Result<BTreeMap<StepKind, Counts>, StoreError> {
    let mut counts: BTreeMap<StepKind, Counts> = BTreeMap::new();
    for (kind, mark, count) in plans::count_steps(db, plan_no)? {
        add(counts.entry(kind).or_default(), mark, count.unsigned_abs());
    }
    Ok(counts)
}

fn add(counts: &mut Counts, mark: Mark, count: u64) {
    counts.planned += count;
    match mark {
        Mark::Planned => {}
        Mark::Held => counts.held += count,
        Mark::Sent | Mark::Unknown | Mark::Asks => counts.unknown += count,
        Mark::Done => counts.done += count,
        Mark::Refused => counts.refused += count,
        Mark::Dropped => counts.dropped += count,
    }
}

/// Streams the rows of a plan's report, in key order, from the journal; see [`super::rows`].
pub(super) fn rows(
    store: &Store,
    plan_no: i64,
) -> impl Iterator<Item = io::Result<ReportRow>> + use<> {
    stream(store.reader(), plan_no, None)
}

/// Streams the rows that a past report showed; see [`super::rows_again`].
pub(super) fn rows_again(
    db: Connection,
    plan_no: i64,
    again: Again,
) -> impl Iterator<Item = io::Result<ReportRow>> + use<> {
    stream(Ok(db), plan_no, again.as_of_ms)
}

fn stream(
    reader: Result<Connection, StoreError>,
    plan_no: i64,
    as_of_ms: Option<i64>,
) -> impl Iterator<Item = io::Result<ReportRow>> + use<> {
    let mut reader = Some(reader);
    let mut chunk: std::vec::IntoIter<Step> = Vec::new().into_iter();
    let mut after = 0;
    let mut over = false;
    std::iter::from_fn(move || {
        loop {
            if let Some(step) = chunk.next() {
                after = step.seq;
                return Some(Ok(row(as_it_was(step, as_of_ms))));
            }
            if over {
                return None;
            }
            let steps = match reader.as_mut()? {
                Ok(reader) => plans::steps_after(reader, plan_no, after, CHUNK),
                Err(error) => {
                    over = true;
                    return Some(Err(io::Error::other(error.to_string())));
                }
            };
            match steps {
                Ok(steps) if steps.is_empty() => {
                    over = true;
                    return None;
                }
                Ok(steps) => chunk = steps.into_iter(),
                Err(error) => {
                    over = true;
                    return Some(Err(io::Error::other(error.to_string())));
                }
            }
        }
    })
}

/// Takes back what became of a step after its run: it had no answer then, and a create no contact.
fn as_it_was(mut step: Step, as_of_ms: Option<i64>) -> Step {
    let is_later = |at_ms: i64| as_of_ms.is_some_and(|ended_ms| at_ms > ended_ms);
    if step.marked_ms.is_some_and(is_later) {
        step.mark = Mark::Unknown;
        match step.change {
            Change::Create { .. } => step.contact = None,
            Change::Link { .. }
            | Change::Relink { .. }
            | Change::Tombstone { .. }
            | Change::Update { .. }
            | Change::AddTags { .. }
            | Change::RemoveTags { .. }
            | Change::Attach { .. }
            | Change::Task { .. }
            | Change::CompleteTask { .. }
            | Change::Note { .. } => {}
        }
    }
    step
}

/// Makes the row of one step.
pub(super) fn row(step: Step) -> ReportRow {
    let why = step.why.clone().unwrap_or_default();
    let mark = match step.mark {
        Mark::Planned => RowMark::Would,
        Mark::Held => RowMark::Held { by: held_by(&step) },
        Mark::Sent | Mark::Unknown | Mark::Asks => RowMark::Unknown,
        Mark::Done => RowMark::Done,
        Mark::Refused => RowMark::Refused { why },
        Mark::Dropped => RowMark::Dropped { why },
    };
    ReportRow {
        seq: step.seq.unsigned_abs(),
        key: step.key,
        name: step.name,
        contact: step.contact,
        change: step.change,
        mark,
        reason: step.reason,
    }
}

fn held_by(step: &Step) -> GuardKind {
    let word = step.why.as_deref().and_then(|why| why.rsplit(' ').next());
    word.and_then(GuardKind::from_word)
        .or(step.guard)
        .unwrap_or(GuardKind::First)
}
