//! The rows of a report, streamed from the journal.

use std::io;

use crate::model::GuardKind;
use crate::plan::Mark;
use crate::report::{ReportRow, RowMark};
use crate::store::Store;
use crate::store::plans::{self, Step};

/// Rows that are read from the journal at a time.
const CHUNK: i64 = 1_000;

/// Streams the rows of a plan's report, in key order, from the journal; see [`super::rows`].
pub(super) fn rows(
    store: &Store,
    plan_no: i64,
) -> impl Iterator<Item = io::Result<ReportRow>> + use<> {
    let mut reader = Some(store.reader());
    let mut chunk: std::vec::IntoIter<Step> = Vec::new().into_iter();
    let mut after = 0;
    let mut over = false;
    std::iter::from_fn(move || {
        loop {
            if let Some(step) = chunk.next() {
                after = step.seq;
                return Some(Ok(row(step)));
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

fn row(step: Step) -> ReportRow {
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
