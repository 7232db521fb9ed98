//! One walk through a listing, from its first page to what it proves.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::apis::twitch::PAGE_LIMIT;
use crate::model::{Cut, Ended, Record};
use crate::net::CallError;
use crate::plan::{Presence, judged};
use crate::store::jobs::{self, JobState};
use crate::store::runs::{WalkNote, note_walk};
use crate::store::walks::{self, Listed, Reached, WalkOf};

use super::super::bits::{Bits, hash_of};
use super::super::cohort::Cohorts;
use super::super::error::RunError;
use super::super::leavers::nobody_is_left;
use super::super::seat::{Seat, stay, trap};
use super::super::world::{Tick, World};
use super::life::{Differs, begun, lived};
use super::page::{Fetched, Listing, SourcePage, fetch};
use super::{FOLLOWED_AT, Gathered};

/// A page may be as old as this when it is believed that nobody older is new: replicas lag and rows flap.
///
/// Source: 30 to 60 s were seen by users of the endpoint; ten minutes is our margin.
const FOLLOW_MARGIN: TimeDelta = TimeDelta::minutes(10);
/// How long a walk may rest before it starts over; cursors are not promised to live.
const RESUME_WITHIN_MS: i64 = 5 * 60 * 1000;
/// Empty pages with a fresh cursor that are taken for a hole in the listing, not for its end.
const EMPTY_PAGES: u32 = 3;
/// Staged rows that are committed at once in a full walk.
const ROWS_A_COMMIT: usize = 2_000;
/// Pages that are committed at once in a full walk.
const PAGES_A_COMMIT: i64 = 20;

/// What the vendor counted on the first page; kept of the last Complete listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    total: Option<i64>,
    points: Option<i64>,
}

/// What a page showed beside the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    /// Every row was known from walks that ended.
    known: bool,
    /// No row differs from what was known of it.
    same: bool,
}

/// A walk while it goes on.
pub(super) struct Walking {
    listing: Listing,
    full: bool,
    no: Option<i64>,
    resumed: bool,
    cursor: Option<String>,
    cursors: HashSet<u64>,
    began_ms: i64,
    counts: Counts,
    /// What was counted when the listing was last Complete.
    before: Counts,
    /// The last page was as long as a page can be.
    page_was_full: bool,
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
    /// Begins a walk, or goes on with one that was cut a moment ago.
    ///
    /// Errors: the state.
    pub(super) async fn begin(
        world: &World,
        seat: &Seat,
        listing: Listing,
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
            .write(move |db| walks::resumable(db, WalkOf::Source(job_no), listing.word(), since))
            .await?
            .filter(|_| full);
        let reader = world.store.reader()?;
        let before = jobs::kept(&reader, &counts_of(job_no), 0)?;
        let before = before.and_then(|text| serde_json::from_str(&text).ok());
        let mut walking = Walking {
            listing,
            full,
            no: None,
            resumed: false,
            cursor: None,
            cursors: HashSet::new(),
            began_ms: 0,
            counts: Counts::default(),
            before: before.unwrap_or_default(),
            page_was_full: false,
            pages: 0,
            rows: 0,
            odd_rows: 0,
            seen: Bits::default(),
            staged: Vec::new(),
            uncommitted_pages: 0,
            reader,
            cohorts: Cohorts::of(&world.job, &seat.broadcaster),
        };
        if let Some(walk) = resumable {
            // What a plan has taken up is no news any more; whoever comes from now on is, and so the walk goes on under another number.
            let is_taken_up = walk.no <= state.generation;
            let resumed = world
                .store
                .write(move |db| match is_taken_up {
                    true => walks::continue_walk(db, walk.no),
                    false => walks::resume_walk(db, walk.no).map(|()| walk.no),
                })
                .await?;
            walking.no = Some(resumed);
            walking.resumed = true;
            walking.cursor = walk.cursor;
            walking.began_ms = walk.began_ms;
            walking.counts.total = walk.total;
            walking.pages = walk.pages;
            walking.rows = walk.listed;
        }
        Ok(walking)
    }

    /// Returns the walk's number; `None` before the first page.
    pub(super) fn no(&self) -> Option<i64> {
        self.no
    }

    /// Reads pages until the listing ends; `None` when a normal pass caught up with what is known.
    ///
    /// Errors: permission and account faults, the state, and a vendor that cannot be reached before the first page.
    pub(super) async fn read_to_the_end(
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
            let page = match fetch(world, seat, self.listing, self.cursor.as_deref()).await {
                Ok(Fetched::Page(page)) => page,
                Ok(Fetched::NotEntitled) => return Err(trap(world, seat).await),
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
            let date_ms = page.date_ms;
            if self.no.is_none() {
                self.first_page(world, state, &page).await?;
            }
            self.pages += 1;
            self.uncommitted_pages += 1;
            self.odd_rows += page.odd_rows;
            self.page_was_full = page.listed >= PAGE_LIMIT as u64;
            let taken = self.take(state.no, &page.records)?;
            world.watch.tick(Tick::Advance(page.records.len() as u64));
            let caught_up = self.has_caught_up(taken, &page, state);
            let next = page.next;
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
            let total = self.counts.total.unwrap_or(self.rows);
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
        self.counts = Counts::default();
        self.pages = 0;
        self.rows = 0;
    }

    async fn first_page(
        &mut self,
        world: &World,
        state: &JobState,
        page: &SourcePage,
    ) -> Result<(), RunError> {
        let (job_no, full, date_ms) = (state.no, self.full, page.date_ms);
        let reader = self.listing.word();
        let no = world
            .store
            .write(move |db| walks::begin_walk(db, WalkOf::Source(job_no), full, reader, date_ms))
            .await?;
        self.no = Some(no);
        self.began_ms = date_ms;
        self.counts = Counts {
            total: page.total,
            points: page.points,
        };
        world.watch.tick(Tick::Reading {
            what: format!("{} of {}", world.job.source.plural(), world.spoke.name),
            total: page
                .total
                .filter(|_| self.full)
                .and_then(|total| u64::try_from(total).ok()),
        });
        Ok(())
    }

    /// Returns whether a normal pass needs no further page, because what it saw shows that nothing else is new.
    fn has_caught_up(&self, taken: Taken, page: &SourcePage, state: &JobState) -> bool {
        if self.full || !taken.known || page.records.is_empty() {
            return false;
        }
        match self.listing {
            Listing::Followers => old_enough(&page.records, state),
            // Nothing is known of the order, so that both counts have to be what they were, and the rows too.
            Listing::Subscribers => {
                self.pages == 1
                    && taken.same
                    && self.counts.total.is_some()
                    && self.counts == self.before
            }
            Listing::Vips | Listing::Moderators | Listing::Bits => false,
        }
    }

    /// Compares a page with the roster and stages what differs.
    fn take(&mut self, job_no: i64, records: &[Record]) -> Result<Taken, RunError> {
        let mut taken = Taken {
            known: true,
            same: true,
        };
        let began = DateTime::from_timestamp_millis(self.began_ms).unwrap_or_default();
        let roster = walks::listed_page(&self.reader, job_no, records)?;
        for record in records {
            self.rows += 1;
            let Some(listed) = roster.get(record.key.as_str()) else {
                taken.known = false;
                self.stage(begun(self.listing, record, began), None)?;
                continue;
            };
            let Listed {
                no,
                attributes,
                presence,
                missing,
                known,
            } = listed;
            self.seen.insert(*no);
            let is_in = *presence == Presence::In;
            taken.known &= *known && is_in;
            let settled = is_in && *known && !missing;
            // Most rows of a full pass are as they were, and the comparison of two texts decides.
            if settled && !self.listing.keeps_since() && record.attributes_json() == *attributes {
                continue;
            }
            let (record, differs) = lived(self.listing, record, listed, began)?;
            match (settled, differs) {
                (true, Differs::No) => continue,
                (true, Differs::InAge) => {}
                (true, Differs::Yes) | (false, Differs::No | Differs::InAge | Differs::Yes) => {
                    taken.same = false;
                }
            }
            self.stage(record, Some(listed))?;
        }
        Ok(taken)
    }

    /// Takes a row in for the next commit; `stored` is what the roster has of it.
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
            total: self.counts.total,
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

    /// Commits what was read and not committed yet.
    pub(super) async fn flush(&mut self, world: &World) -> Result<(), RunError> {
        if self.uncommitted_pages > 0 {
            self.commit(world, world.now_ms()).await?;
        }
        Ok(())
    }

    /// Judges the walk, marks who is missing, and notes how it ended.
    ///
    /// `new_keys` are those that the roster did not have, `new` those and the ones that came back.
    pub(super) async fn finish(
        self,
        world: &World,
        seat: &Seat,
        state: &JobState,
        ended: Option<Ended>,
        new_keys: i64,
        new: i64,
    ) -> Result<Gathered, RunError> {
        let mut remarks = seat.channels.remarks.clone();
        let walk_no = self.no.unwrap_or_default();
        let listed = i64::try_from(self.seen.count()).unwrap_or(i64::MAX) + new_keys;
        let total = self.counts.total;
        let ended = match ended {
            Some(Ended::Complete) if self.resumed => Some(Ended::Cut(Cut::Resumed)),
            Some(Ended::Complete) => self.proven(world, seat, state, listed).await?,
            other => other,
        };
        let gap_cut = matches!(
            ended,
            Some(Ended::Cut(Cut::Gap { .. } | Cut::Suspicious { .. }))
        );
        remarks.extend(self.doubt(world, state, ended.as_ref(), listed));
        let complete = matches!(ended, Some(Ended::Complete));
        let debt = match (
            complete,
            state.complete.and_then(|complete| complete.total),
            total,
        ) {
            (false, Some(then), Some(now)) => then + state.added_since + new - now,
            _ => 0,
        };
        // Only a listing that was held against the vendor's count says who is missing, where the vendor counts.
        let is_sound = total.is_some() || !world.job.source.is_counted();
        if complete && state.complete.is_some() && is_sound {
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
        let gap = total.map_or(0, |total| listed - total);
        let note = WalkNote {
            walk_no,
            began_ms: self.began_ms,
            complete: complete.then_some((total, gap)),
            debt,
            gap_cut: gap_cut && self.full,
        };
        let (job_no, now_ms) = (state.no, world.now_ms());
        let stands = matches!(word, "complete" | "caught-up") || gap_cut;
        // Not of one that did not add up: what it missed would stay unseen while nothing changes.
        let counts = (complete && self.listing == Listing::Subscribers)
            .then(|| serde_json::to_string(&self.counts).expect("two numbers are always JSON"));
        world
            .store
            .write(move |db| {
                walks::end_walk(db, walk_no, word)?;
                if let Some(counts) = &counts {
                    jobs::keep(db, &counts_of(job_no), counts, now_ms)?;
                }
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
            total: total.map(i64::unsigned_abs),
            pages: self.pages.unsigned_abs(),
            ended: if word == "caught-up" { None } else { ended },
            odd_rows: self.odd_rows,
            debt,
            walk_no,
            remarks,
        })
    }

    /// Says what a walk that ended by itself proves; `None` for a ranking, which proves nothing about whoever is not in it.
    async fn proven(
        &self,
        world: &World,
        seat: &Seat,
        state: &JobState,
        listed: i64,
    ) -> Result<Option<Ended>, RunError> {
        let ended = match self.listing {
            Listing::Followers | Listing::Subscribers => judged(
                listed,
                self.counts.total,
                state.complete.map(|complete| complete.gap),
                world.job.drift,
            ),
            // A listing that was cut off after a full page looks just like that (issue 1176 of Twitch's tracker).
            Listing::Vips | Listing::Moderators if self.page_was_full => {
                Ended::Cut(Cut::Suspicious {
                    listed: listed.unsigned_abs(),
                })
            }
            // Nobody at all is believed only when the known ones, asked for by name, are not there either.
            Listing::Vips | Listing::Moderators
                if listed == 0 && !nobody_is_left(world, seat, state.no).await? =>
            {
                Ended::Cut(Cut::Suspicious { listed: 0 })
            }
            Listing::Vips | Listing::Moderators => Ended::Complete,
            Listing::Bits => return Ok(None),
        };
        Ok(Some(ended))
    }

    /// Returns what a listing that cannot be relied on is worth saying.
    fn doubt(
        &self,
        world: &World,
        state: &JobState,
        ended: Option<&Ended>,
        listed: i64,
    ) -> Option<String> {
        let what = world.job.source.plural();
        match ended {
            Some(Ended::Cut(Cut::Gap { .. })) if state.gap_cuts >= 1 => Some(format!(
                "warning: {} full passes in a row were cut because {listed} rows are listed where Twitch counts {}; nobody is taken for gone; if this is the channel's new normal, widen `drift` in [limits] for one full pass",
                state.gap_cuts + 1,
                self.counts.total.unwrap_or_default()
            )),
            Some(Ended::Cut(Cut::Suspicious { listed: 0 })) => Some(format!(
                "Twitch lists no {what}, but shows some when it is asked for them by name; nobody is taken for gone"
            )),
            Some(Ended::Cut(Cut::Suspicious { .. })) => Some(format!(
                "the last page of {what} is full and names no next one, so that these may not be all; nobody is taken for gone"
            )),
            Some(Ended::Cut(_) | Ended::Complete) | None => None,
        }
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

/// Returns the name under which the counts of a job's listing are kept.
fn counts_of(job_no: i64) -> String {
    format!("listing:{job_no}")
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
