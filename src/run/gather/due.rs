//! When a source is read to its end although a normal pass would do.

use chrono::{DateTime, Utc};

use crate::model::{Job, is_ahead};
use crate::store::jobs::JobState;

use super::super::leavers::{CONFIRM_AFTER, LOOK_UP_AT_LEAST, SECOND_LISTING_MS};
use super::page::Listing;

/// Records that are absent and not confirmed yet, as `why_full` weighs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Absent {
    /// How many.
    pub count: u64,
    /// When the walk began that first lacked one of them, in ms.
    pub since_ms: Option<i64>,
}

/// Says why a full pass of the source is due, or that none is.
///
/// After a full walk that did not add up the next one waits for `full_at_most_every`: reading everything again at once would tell the same.
pub(in super::super) fn why_full(
    job: &Job,
    state: &JobState,
    asked: bool,
    absent: Absent,
    leave_allowed: bool,
    now: DateTime<Utc>,
) -> Option<String> {
    if asked {
        return Some("asked for".to_owned());
    }
    // What is polled, and a ranking, have no end that a normal pass would not read to.
    let listing = Listing::of(job.source)?;
    if listing == Listing::Bits {
        return None;
    }
    let now_ms = now.timestamp_millis();
    let every_ms = i64::try_from(job.full_at_most_every.as_millis()).unwrap_or(i64::MAX);
    if rests(state.gap_cut_ms, now_ms, every_ms) {
        return None;
    }
    let Some(complete) = state.complete else {
        return Some("no full pass has ended yet".to_owned());
    };
    if full_due(job, state, now).is_some() {
        return Some("the schedule `full` is due".to_owned());
    }
    let limit = job.limits.leave.run.of(state.roster_size.unsigned_abs());
    let may_leave = absent.count <= limit || leave_allowed;
    let is_old = !rests(Some(complete.began_ms), now_ms, every_ms);
    match listing {
        Listing::Followers => {}
        Listing::Subscribers => {
            let confirm_after = CONFIRM_AFTER.num_milliseconds();
            let is_ripe = absent
                .since_ms
                .is_some_and(|since_ms| now_ms >= since_ms + confirm_after);
            if is_ripe && may_leave {
                return Some(second(absent.count));
            }
            return is_old
                .then(|| "the last whole listing is older than `full_at_most_every`".to_owned());
        }
        // Every pass reads all of them.
        Listing::Vips | Listing::Moderators | Listing::Bits => return None,
    }
    // Too many to be looked up one by one: a second listing, ten minutes after the first, decides.
    let pages = complete.total.unwrap_or_default().unsigned_abs() / 100 + 1;
    let second_listing = absent
        .since_ms
        .is_some_and(|since_ms| now_ms >= since_ms + SECOND_LISTING_MS);
    if absent.count > pages.max(LOOK_UP_AT_LEAST) && second_listing && may_leave {
        return Some(second(absent.count));
    }
    if state.debt != 0 && state.debt_passes >= 2 && is_old {
        return Some(format!(
            "the total has differed by {} for {} passes",
            state.debt, state.debt_passes
        ));
    }
    let beyond_guard = u64::try_from(state.debt).is_ok_and(|debt| debt > limit);
    beyond_guard.then(|| {
        format!(
            "{} followers fewer than expected, more than guard leave allows",
            state.debt
        )
    })
}

fn second(absent: u64) -> String {
    let are = match absent {
        1 => "record is",
        _ => "records are",
    };
    format!("{absent} {are} absent, and a second listing tells whether they left")
}

/// Returns whether a walk is too new to be made again. One of a clock that was ahead is not: it would be too new until then.
pub(in super::super) fn rests(walked_ms: Option<i64>, now_ms: i64, every_ms: i64) -> bool {
    walked_ms.is_some_and(|walked_ms| {
        !is_ahead(walked_ms, now_ms) && now_ms.saturating_sub(walked_ms) < every_ms
    })
}

/// Returns the moment of the `full` schedule that is due and was not served.
pub(in super::super) fn full_due(
    job: &Job,
    state: &JobState,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let line = job.full.as_deref()?;
    let stamps = [
        state.last_full_due_ms,
        state.complete.map(|complete| complete.began_ms),
    ];
    stamps.iter().find(|stamp| stamp.is_some())?;
    // When all of them are of a clock that was ahead, nothing is known to be served.
    let now_ms = now.timestamp_millis();
    let served = stamps
        .into_iter()
        .flatten()
        .find(|stamp| !is_ahead(*stamp, now_ms))
        .and_then(DateTime::from_timestamp_millis);
    crate::plan::due::due(line, job.timezone, served, now)
        .ok()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::rests;

    #[test]
    fn a_walk_of_a_clock_that_was_ahead_holds_no_other_up() {
        const DAY_MS: i64 = 86_400_000;
        assert!(!rests(None, 0, DAY_MS));
        assert!(rests(Some(0), DAY_MS - 1, DAY_MS));
        assert!(!rests(Some(0), DAY_MS, DAY_MS));
        // Another process looked at the clock just before it was set.
        assert!(rests(Some(1_000), 0, DAY_MS));
        assert!(!rests(Some(DAY_MS), 0, DAY_MS));
        assert!(!rests(Some(400 * DAY_MS), 0, DAY_MS));
    }
}
