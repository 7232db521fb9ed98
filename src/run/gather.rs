//! Move 3: pages of the source into staging, and from there into the roster.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::apis::twitch;
use crate::model::{Cut, Ended, Job, Record, SourceKind, is_ahead};
use crate::net::{CallError, Purpose};
use crate::plan::{Presence, judged};
use crate::store::jobs::JobState;
use crate::store::runs::{WalkNote, note_walk};
use crate::store::walks::{self, Listed, Reached, WalkOf};

use super::bits::{Bits, hash_of};
use super::cohort::Cohorts;
use super::error::RunError;
use super::leavers::{LOOK_UP_AT_LEAST, SECOND_LISTING_MS};
use super::seat::{Seat, stay, trap};
use super::streams;
use super::world::{Tick, World};

/// A page may be as old as this when it is believed that nobody older is new: replicas lag and rows flap.
///
/// Source: 30 to 60 s were seen by users of the endpoint; ten minutes is our margin.
const FOLLOW_MARGIN: TimeDelta = TimeDelta::minutes(10);
/// How long a walk of followers may rest before it starts over; cursors are not promised to live.
const RESUME_WITHIN_MS: i64 = 5 * 60 * 1000;
/// Empty pages with a fresh cursor that are taken for a hole in the listing, not for its end.
const EMPTY_PAGES: u32 = 3;
/// Staged rows that are committed at once in a full walk.
const ROWS_A_COMMIT: usize = 2_000;
/// Pages that are committed at once in a full walk.
const PAGES_A_COMMIT: i64 = 20;
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
    /// How it ended; `None` for a normal pass that caught up.
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

/// Records that are absent and not confirmed yet, as `why_full` weighs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Absent {
    /// How many.
    pub count: u64,
    /// When the walk began that first lacked one of them, in ms.
    pub since_ms: Option<i64>,
}

/// Says why a full pass of the source is due, or that none is.
///
/// After a full walk that did not add up the next one waits for `full_at_most_every`: reading everything again at once would tell the same.
pub(super) fn why_full(
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
    // Too many to be looked up one by one: a second listing, ten minutes after the first, decides.
    let pages = complete.total.unwrap_or_default().unsigned_abs() / 100 + 1;
    let second_listing = absent
        .since_ms
        .is_some_and(|since_ms| now_ms >= since_ms + SECOND_LISTING_MS);
    if absent.count > pages.max(LOOK_UP_AT_LEAST)
        && second_listing
        && (absent.count <= limit || leave_allowed)
    {
        return Some(format!(
            "{} records are absent, and a second listing tells whether they left",
            absent.count
        ));
    }
    let is_old = !rests(Some(complete.began_ms), now_ms, every_ms);
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

/// Returns whether a walk is too new to be made again. One of a clock that was ahead is not: it would be too new until then.
pub(super) fn rests(walked_ms: Option<i64>, now_ms: i64, every_ms: i64) -> bool {
    walked_ms.is_some_and(|walked_ms| {
        !is_ahead(walked_ms, now_ms) && now_ms.saturating_sub(walked_ms) < every_ms
    })
}

/// Returns the moment of the `full` schedule that is due and was not served.
pub(super) fn full_due(job: &Job, state: &JobState, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
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

/// Walks through the followers and folds what differs into the roster.
///
/// Errors: permission and account faults, the state, and a vendor that cannot be reached before the first page. Later than that the walk is cut,
/// and what was read is used.
pub(super) async fn gather(
    world: &World,
    seat: &Seat,
    state: &JobState,
    full: bool,
) -> Result<Gathered, RunError> {
    if world.job.source == SourceKind::TwitchStreams {
        return streams::gather(world, seat, state, full).await;
    }
    let mut walk = Walking::begin(world, seat, state, full).await?;
    let ended = walk.read_to_the_end(world, seat, state).await?;
    walk.flush(world).await?;
    let Some(walk_no) = walk.no else {
        return Err(RunError::Bug {
            what: "a walk ended without a page".to_owned(),
        });
    };
    let (new_keys, new) = fold(world, state.no, walk_no).await?;
    let listed = i64::try_from(walk.seen.count()).unwrap_or(i64::MAX) + new_keys;
    walk.finish(world, state, ended, listed, new).await
}

/// A walk while it goes on.
struct Walking {
    full: bool,
    no: Option<i64>,
    resumed: bool,
    cursor: Option<String>,
    cursors: HashSet<u64>,
    began_ms: i64,
    total: Option<i64>,
    pages: i64,
    rows: i64,
    odd_rows: u64,
    seen: Bits,
    staged: Vec<Record>,
    uncommitted_pages: i64,
    reader: rusqlite::Connection,
    cohorts: Option<Cohorts>,
}

impl Walking {
    async fn begin(
        world: &World,
        seat: &Seat,
        state: &JobState,
        full: bool,
    ) -> Result<Walking, RunError> {
        let job_no = state.no;
        let since = world.now_ms() - RESUME_WITHIN_MS;
        while world
            .store
            .write(move |db| walks::sweep_staging(db, job_no, since))
            .await?
        {}
        let resumable = world
            .store
            .write(move |db| walks::resumable(db, WalkOf::Source(job_no), "followers", since))
            .await?
            .filter(|_| full);
        let mut walking = Walking {
            full,
            no: None,
            resumed: false,
            cursor: None,
            cursors: HashSet::new(),
            began_ms: 0,
            total: None,
            pages: 0,
            rows: 0,
            odd_rows: 0,
            seen: Bits::default(),
            staged: Vec::new(),
            uncommitted_pages: 0,
            reader: world.store.reader()?,
            cohorts: Cohorts::of(&world.job, &seat.broadcaster),
        };
        if let Some(walk) = resumable {
            world
                .store
                .write(move |db| walks::resume_walk(db, walk.no))
                .await?;
            walking.no = Some(walk.no);
            walking.resumed = true;
            walking.cursor = walk.cursor;
            walking.began_ms = walk.began_ms;
            walking.total = walk.total;
            walking.pages = walk.pages;
            walking.rows = walk.listed;
        }
        Ok(walking)
    }

    /// Reads pages until the listing ends; `None` when a normal pass caught up with what is known.
    async fn read_to_the_end(
        &mut self,
        world: &World,
        seat: &Seat,
        state: &JobState,
    ) -> Result<Option<Ended>, RunError> {
        let mut empty_pages = 0;
        let mut fresh_start = true;
        loop {
            if world.stop.is_asked() && self.no.is_some() {
                return Ok(Some(Ended::Cut(Cut::Stopped)));
            }
            stay(world).await?;
            let call = twitch::followers(&seat.broadcaster, self.cursor.as_deref());
            let answer = match world.spoke_line.send(&call, Purpose::Announced).await {
                Ok(answer) => answer,
                Err(CallError::State(error)) => return Err(error.into()),
                Err(CallError::Spent { .. }) if self.no.is_some() => {
                    return Ok(Some(Ended::Cut(Cut::Spent)));
                }
                // A stored cursor that the vendor no longer takes is no reason to stop: the walk starts over.
                Err(CallError::Refused { .. }) if self.resumed && fresh_start => {
                    self.start_over();
                    continue;
                }
                Err(
                    error @ (CallError::OutOfTouch { .. }
                    | CallError::BadReply { .. }
                    | CallError::Refused { .. }),
                ) if self.no.is_some() => {
                    return Ok(Some(Ended::Cut(Cut::OutOfTouch(error.to_string()))));
                }
                Err(error) => {
                    return Err(RunError::of_call(&world.job.name, &world.spoke.name, error));
                }
            };
            fresh_start = false;
            let date_ms = world.date_ms(answer.date);
            let page = match answer.value {
                twitch::Followers::Page(page) => page,
                twitch::Followers::NotEntitled { .. } => return Err(trap(world, seat).await),
            };
            if self.no.is_none() {
                self.first_page(world, state, &page, date_ms).await?;
            }
            self.pages += 1;
            self.uncommitted_pages += 1;
            self.odd_rows += page.odd.rows + page.odd_times;
            let known = self.take(state.no, &page.records)?;
            world.watch.tick(Tick::Advance(page.records.len() as u64));
            let next = page.next;
            let caught_up =
                !self.full && known && !page.records.is_empty() && old_enough(&page.records, state);
            empty_pages = if page.records.is_empty() {
                empty_pages + 1
            } else {
                0
            };
            let repeated = next
                .as_ref()
                .is_some_and(|cursor| !self.cursors.insert(hash_of(cursor)));
            self.cursor = next;
            if !self.full
                || self.staged.len() >= ROWS_A_COMMIT
                || self.uncommitted_pages >= PAGES_A_COMMIT
            {
                self.commit(world, date_ms).await?;
            }
            // First, because a listing that fits on one page is a whole one at no extra call.
            if self.cursor.is_none() || empty_pages > EMPTY_PAGES {
                return Ok(Some(Ended::Complete));
            }
            if caught_up {
                return Ok(None);
            }
            if repeated {
                return Ok(Some(Ended::Cut(Cut::RepeatedCursor)));
            }
            // The vendor's own count is the measure: the rows read grow with every page that is served again under a new cursor.
            let total = self.total.unwrap_or(self.rows);
            if self.pages > (total / 100 + 1) * 2 + 10 {
                return Ok(Some(Ended::Cut(Cut::TooManyPages {
                    pages: self.pages.unsigned_abs(),
                })));
            }
        }
    }

    /// Forgets where an earlier walk stopped; the next page begins a new one.
    fn start_over(&mut self) {
        self.no = None;
        self.resumed = false;
        self.cursor = None;
        self.total = None;
        self.pages = 0;
        self.rows = 0;
    }

    async fn first_page(
        &mut self,
        world: &World,
        state: &JobState,
        page: &twitch::FollowersPage,
        date_ms: i64,
    ) -> Result<(), RunError> {
        let total = page
            .total
            .map(|total| i64::try_from(total).unwrap_or(i64::MAX));
        let (job_no, full) = (state.no, self.full);
        let no = world
            .store
            .write(move |db| {
                walks::begin_walk(db, WalkOf::Source(job_no), full, "followers", date_ms)
            })
            .await?;
        self.no = Some(no);
        self.began_ms = date_ms;
        self.total = total;
        world.watch.tick(Tick::Reading {
            what: format!("followers of {}", world.spoke.name),
            total: page.total.filter(|_| self.full),
        });
        Ok(())
    }

    /// Compares a page with the roster; returns whether every row of it was known from walks that ended.
    fn take(&mut self, job_no: i64, records: &[Record]) -> Result<bool, RunError> {
        let mut all_known = true;
        let roster = walks::listed_page(&self.reader, job_no, records)?;
        for record in records {
            self.rows += 1;
            match roster.get(record.key.as_str()) {
                None => {
                    all_known = false;
                    self.stage(record.clone(), None)?;
                }
                Some(listed) => {
                    let Listed {
                        no,
                        attributes,
                        presence,
                        missing,
                        known,
                    } = listed;
                    self.seen.insert(*no);
                    let is_in = *presence == Presence::In;
                    all_known &= *known && is_in;
                    let settled = is_in && *known && !missing;
                    // Most rows of a full pass are as they were, and the comparison of two texts decides.
                    if settled && record.attributes_json() == *attributes {
                        continue;
                    }
                    let merged = merged(record, attributes)?;
                    if !(settled && merged.attributes_json() == *attributes) {
                        self.stage(merged, Some(listed))?;
                    }
                }
            }
        }
        Ok(all_known)
    }

    fn stage(&mut self, mut record: Record, stored: Option<&Listed>) -> Result<(), RunError> {
        if let Some(cohorts) = &self.cohorts {
            cohorts.tell(&self.reader, &mut record, stored)?;
        }
        self.staged.push(record);
        Ok(())
    }

    async fn commit(&mut self, world: &World, page_ms: i64) -> Result<(), RunError> {
        let Some(no) = self.no else { return Ok(()) };
        let staged = std::mem::take(&mut self.staged);
        let reached = Reached {
            cursor: self.cursor.clone(),
            total: self.total,
            pages: self.pages,
            listed: self.rows,
            page_ms,
        };
        world
            .store
            .write(move |db| walks::commit_pages(db, no, &staged, &reached))
            .await?;
        self.uncommitted_pages = 0;
        Ok(())
    }

    async fn flush(&mut self, world: &World) -> Result<(), RunError> {
        if self.uncommitted_pages > 0 {
            self.commit(world, world.now_ms()).await?;
        }
        Ok(())
    }

    /// Judges the walk, marks who is missing, and notes how it ended.
    async fn finish(
        self,
        world: &World,
        state: &JobState,
        ended: Option<Ended>,
        listed: i64,
        new: i64,
    ) -> Result<Gathered, RunError> {
        let mut remarks = Vec::new();
        let walk_no = self.no.unwrap_or_default();
        let ended = match ended {
            Some(Ended::Complete) if self.resumed => Some(Ended::Cut(Cut::Resumed)),
            Some(Ended::Complete) => Some(judged(
                listed,
                self.total,
                state.complete.map(|complete| complete.gap),
                world.job.drift,
            )),
            other => other,
        };
        let gap_cut = matches!(ended, Some(Ended::Cut(Cut::Gap { .. })));
        if gap_cut && state.gap_cuts >= 1 {
            remarks.push(format!(
                "warning: {} full passes in a row were cut because {listed} rows are listed where Twitch counts {}; nobody is taken for gone; if this is the channel's new normal, widen `drift` in [limits] for one full pass",
                state.gap_cuts + 1,
                self.total.unwrap_or_default()
            ));
        }
        let complete = matches!(ended, Some(Ended::Complete));
        let debt = match (
            complete,
            state.complete.and_then(|complete| complete.total),
            self.total,
        ) {
            (false, Some(then), Some(now)) => then + state.added_since + new - now,
            _ => 0,
        };
        // Only a listing that was held against the vendor's count says who is missing.
        if complete && state.complete.is_some() && self.total.is_some() {
            self.mark_missing(world, state.no, walk_no).await?;
        }
        let word = match &ended {
            None => "caught-up",
            Some(Ended::Complete) => "complete",
            Some(Ended::Cut(cut)) => cut.word(),
        };
        // A normal walk that read to the very end knows all there is, even when it does not add up.
        let word = if !self.full && matches!(ended, Some(Ended::Cut(Cut::Gap { .. }))) {
            "caught-up"
        } else {
            word
        };
        let gap = self.total.map_or(0, |total| listed - total);
        let note = WalkNote {
            walk_no,
            began_ms: self.began_ms,
            complete: complete.then_some((self.total, gap)),
            debt,
            gap_cut: gap_cut && self.full,
        };
        let job_no = state.no;
        let stands = matches!(word, "complete" | "caught-up") || gap_cut;
        world
            .store
            .write(move |db| {
                walks::end_walk(db, walk_no, word)?;
                if stands {
                    note_walk(db, job_no, note)
                } else {
                    Ok(())
                }
            })
            .await?;
        Ok(Gathered {
            listed: listed.unsigned_abs(),
            new: new.unsigned_abs(),
            total: self.total.map(i64::unsigned_abs),
            pages: self.pages.unsigned_abs(),
            ended: if word == "caught-up" { None } else { ended },
            odd_rows: self.odd_rows,
            debt,
            walk_no,
            remarks,
        })
    }

    async fn mark_missing(&self, world: &World, job_no: i64, walk_no: i64) -> Result<(), RunError> {
        let mut after = 0;
        loop {
            let rows = walks::present_rows(&self.reader, job_no, after, walk_no)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = *last;
            let missing: Vec<i64> = rows
                .into_iter()
                .filter(|no| !self.seen.contains(*no))
                .collect();
            if !missing.is_empty() {
                world
                    .store
                    .write(move |db| walks::mark_missing(db, &missing, walk_no))
                    .await?;
            }
        }
    }
}

fn old_enough(records: &[Record], state: &JobState) -> bool {
    let Some(last_began) = state
        .last_walk_began_ms
        .and_then(DateTime::from_timestamp_millis)
    else {
        return false;
    };
    let oldest = records
        .iter()
        .filter_map(|record| record.attributes.get(FOLLOWED_AT))
        .filter_map(|text| DateTime::parse_from_rfc3339(text).ok())
        .min();
    oldest.is_some_and(|oldest| oldest.to_utc() <= last_began - FOLLOW_MARGIN)
}

/// Keeps what we know of a record where the vendor sent a blank.
fn merged(record: &Record, stored: &str) -> Result<Record, RunError> {
    let mut merged = record.clone();
    if record.attributes_json() == stored {
        return Ok(merged);
    }
    let old: std::collections::BTreeMap<String, String> =
        serde_json::from_str(stored).map_err(|error| RunError::Bug {
            what: format!("stored attributes are no JSON: {error}"),
        })?;
    for (name, value) in old {
        merged.attributes.entry(name).or_insert(value);
    }
    Ok(merged)
}

/// Folds a walk's staged rows into the roster; returns how many keys are new, and how many are new or came back.
async fn fold(world: &World, job_no: i64, walk_no: i64) -> Result<(i64, i64), RunError> {
    let reader = world.store.reader()?;
    let (chunks, mut incoming) = tokio::sync::mpsc::channel::<Vec<(String, String)>>(2);
    let streaming = tokio::task::spawn_blocking(move || {
        walks::staged_in_key_order(&reader, walk_no, FOLLOWED_AT, |chunk| {
            chunks.blocking_send(chunk).is_ok()
        })
    });
    let (mut new, mut added) = (0, 0);
    while let Some(chunk) = incoming.recv().await {
        let (new_here, added_here) = world
            .store
            .write(move |db| walks::fold_rows(db, job_no, walk_no, &chunk))
            .await?;
        new += new_here;
        added += added_here;
    }
    streaming.await.map_err(|error| RunError::Bug {
        what: error.to_string(),
    })??;
    while world
        .store
        .write(move |db| walks::delete_staged(db, walk_no))
        .await?
    {}
    Ok((new, added))
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
