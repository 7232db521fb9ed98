//! Move 4: what we know of the destination, brought up to date.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::DateTime;

use crate::apis::highlevel::{SEARCH_LIMIT, Search, SearchCursor};
use crate::model::{Cut, Ended, Reading};
use crate::net::Purpose;
use crate::store::jobs::{self, JobState, LocationState};
use crate::store::mirror;
use crate::store::restore;

use super::bits::{Bits, hash_of};
use super::contacts::full_walk;
use super::error::RunError;
use super::gather::rests;
use super::hub::{Hub, of_hub};
use super::lease::Lease;
use super::seat::stay_if_possible;
use super::world::{Ask, Tick, World};

/// How far behind the beginning of the last walk the next one starts: more than any index lag that was reported.
pub(super) const OVERLAP_MS: i64 = 10 * 60 * 1000;
/// A refresh of another job this young is used as it is.
const SHARED_MS: i64 = 60 * 1000;

/// What the refresh came to.
#[derive(Clone, Debug)]
pub(super) struct Refreshed {
    /// The location's state afterwards.
    pub location: LocationState,
    /// Which endpoint read: `list`, `search`, or `shared` for another job's refresh.
    pub reader: &'static str,
    /// Pages read.
    pub pages: u64,
    /// The distinct contacts on them, by their rows in the mirror.
    pub contacts: Bits,
    /// Rows that could not be read and were left out.
    pub odd_rows: u64,
    /// How the full walk ended; `None` for an incremental one.
    pub ended: Option<Ended>,
    /// Anything else worth a line.
    pub note: Option<String>,
    /// What is worth a line in the report.
    pub remarks: Vec<String>,
    /// Whether the mirror may say "there is no such contact" for this job.
    pub complete: bool,
}

impl Refreshed {
    /// Returns whether the last whole listing of contacts had fewer rows than the vendor counts.
    ///
    /// Within its tolerance it is Complete all the same, but some contact may be there that it did not show.
    pub(super) fn fell_short(&self) -> bool {
        self.location.complete_gap.is_some_and(|gap| gap < 0)
    }
}

/// Brings the mirror up to date, under the location's lock.
///
/// Errors: account faults, and a hub that cannot be reached; what was read until then stays.
pub(super) async fn refresh(
    world: &World,
    hub: &Hub,
    ask: &Ask,
    job_no: i64,
    full: bool,
) -> Result<Refreshed, RunError> {
    let lock = format!("location-{}", world.hub.location);
    let folder = world
        .store
        .path()
        .parent()
        .map(std::path::Path::to_path_buf)
        .unwrap_or_default();
    let _lease = Lease::take(&folder, &lock, &ask.holder, Some(&world.stop)).await?;
    let location = world.hub.location.clone();
    let state = world
        .store
        .write(move |db| jobs::location_state(db, &location))
        .await?;
    // Of all jobs of the location: a walk indexes them all, and one job's keys do not undo another's.
    let match_keys: Vec<String> = world
        .keeping
        .match_fields
        .iter()
        .map(ToString::to_string)
        .collect();
    let has_all = |keys: &[String], needed: &[String]| needed.iter().all(|key| keys.contains(key));
    let managed: Vec<String> = world
        .keeping
        .fields
        .iter()
        .map(ToString::to_string)
        .collect();
    let never_complete = state.complete_ms.is_none() || !has_all(&state.complete_keys, &match_keys);
    let shared = state.refreshed_job.is_some_and(|other| other != job_no)
        && state
            .refreshed_ms
            .is_some_and(|at| world.now_ms() - at < SHARED_MS)
        && has_all(&state.refreshed_keys, &managed);
    let settling = restore::is_settling(&world.store.reader()?, world.now_ms())?;
    let mut refreshed = Refreshed {
        location: state.clone(),
        reader: "shared",
        pages: 0,
        contacts: Bits::default(),
        odd_rows: 0,
        ended: None,
        note: None,
        remarks: Vec::new(),
        complete: !never_complete && settling.is_none(),
    };
    if let Some(until) = settling.and_then(DateTime::from_timestamp_millis) {
        refreshed.remarks.push(format!(
            "the state was restored from a copy: nobody is created before {}, when HighLevel's listings show who was created before it",
            until.format("%Y-%m-%d %H:%M UTC")
        ));
    }
    if shared && !full && !never_complete {
        return Ok(refreshed);
    }
    forget_old_keys(world, hub, &state, &match_keys).await?;
    if !state.complete_keys.is_empty() && never_complete {
        index_new_keys(world, hub).await?;
    }
    // A walk that did not add up is not made again at once: it would tell the same.
    let every_ms = i64::try_from(world.job.full_at_most_every.as_millis()).unwrap_or(i64::MAX);
    let rests = rests(state.gap_cut_ms, world.now_ms(), every_ms);
    if full || (never_complete && !rests) {
        full_walk(world, hub, &state, &match_keys, &mut refreshed).await?;
    } else {
        refreshed.reader = "search";
    }
    if matches!(refreshed.ended, Some(Ended::Cut(Cut::Gap { .. }))) && state.gap_cuts >= 1 {
        refreshed.remarks.push(format!(
            "warning: {} full walks through the contacts in a row do not add up; nobody is created until one does. If HighLevel's count is simply off, widen `drift` in [limits]",
            state.gap_cuts + 1
        ));
    }
    if !world.stop.is_asked() {
        incremental(world, hub, job_no, &managed, &mut refreshed).await?;
    }
    let location = world.hub.location.clone();
    refreshed.location = world
        .store
        .write(move |db| jobs::location_state(db, &location))
        .await?;
    refreshed.complete = settling.is_none()
        && refreshed.location.complete_ms.is_some()
        && has_all(&refreshed.location.complete_keys, &match_keys);
    Ok(refreshed)
}

/// Forgets the match keys that no job names any more: contacts that come meanwhile are kept without them, so they are new when they come back.
async fn forget_old_keys(
    world: &World,
    hub: &Hub,
    state: &LocationState,
    match_keys: &[String],
) -> Result<(), RunError> {
    if state
        .complete_keys
        .iter()
        .all(|key| match_keys.contains(key))
    {
        return Ok(());
    }
    let location_no = hub.location_no;
    let kept: Vec<String> = state
        .complete_keys
        .iter()
        .filter(|key| match_keys.contains(key))
        .cloned()
        .collect();
    let gone: Vec<String> = state
        .complete_keys
        .iter()
        .filter(|key| !match_keys.contains(key))
        .cloned()
        .collect();
    world
        .store
        .write(move |db| jobs::keep_match_keys(db, location_no, &kept))
        .await?;
    for key in gone {
        while {
            let key = key.clone();
            world
                .store
                .write(move |db| mirror::forget_key(db, location_no, &key))
                .await?
        } {}
    }
    Ok(())
}

async fn index_new_keys(world: &World, hub: &Hub) -> Result<(), RunError> {
    let mut after = 0;
    loop {
        let (location_no, keeping) = (hub.location_no, Arc::clone(&world.keeping));
        match world
            .store
            .write(move |db| mirror::index_chunk(db, location_no, after, &keeping))
            .await?
        {
            Some(last) => after = last,
            None => return Ok(()),
        }
    }
}

/// The incremental walk: everything that changed since the watermark, by search.
async fn incremental(
    world: &World,
    hub: &Hub,
    job_no: i64,
    managed: &[String],
    refreshed: &mut Refreshed,
) -> Result<(), RunError> {
    let location = world.hub.location.clone();
    let state = world
        .store
        .write(move |db| jobs::location_state(db, &location))
        .await?;
    let Some(since) = state.watermark_ms.and_then(DateTime::from_timestamp_millis) else {
        return Ok(());
    };
    let mut search = Search::updated_since(since);
    let mut began_ms = None;
    let mut cursors = Cursors::default();
    loop {
        if world.stop.is_asked() {
            return Ok(());
        }
        stay_if_possible(world).await;
        let answer = match world
            .hub_line
            .send(
                &search.call(&world.hub.location, &hub.keys),
                Purpose::Announced,
            )
            .await
        {
            Ok(answer) => answer,
            Err(error) => return Err(of_hub(world, error)),
        };
        let date_ms = world.date_ms(answer.date);
        let began = *began_ms.get_or_insert(date_ms);
        let page = answer.value;
        refreshed.pages += 1;
        refreshed.odd_rows += page.odd.rows;
        let taken_in = hub
            .take_in(world, page.rows, Reading::Search, date_ms)
            .await?;
        for number in taken_in {
            refreshed.contacts.insert(number);
        }
        let last = page.listed < u64::from(SEARCH_LIMIT) || page.next.is_none();
        if last {
            let (location_no, now_ms, managed) =
                (hub.location_no, world.now_ms(), managed.to_vec());
            world
                .store
                .write(move |db| {
                    jobs::note_refreshed(
                        db,
                        location_no,
                        job_no,
                        began - OVERLAP_MS,
                        now_ms,
                        &managed,
                    )
                })
                .await?;
            return Ok(());
        }
        cursors.next(world, page.next.as_ref())?;
        search = search.after(page.next);
    }
}

/// Looks for the markers of records whose contact is newly gone, so that the plan can tell a merge from a deletion.
pub(super) async fn look_for_the_lost(
    world: &World,
    hub: &Hub,
    state: &JobState,
) -> Result<(), RunError> {
    let reader = world.store.reader()?;
    let namespace = world.job.source.namespace();
    for key in mirror::lost_keys(
        &reader,
        hub.location_no,
        state.no,
        namespace,
        state.planned_tick,
    )? {
        hub.look_for_marker(world, &key, Purpose::Confirmation)
            .await?;
    }
    Ok(())
}

/// Reads the contacts whose needed keys are unknown: one GET each, or one walk by search when that is cheaper.
pub(super) async fn read_unknown(
    world: &World,
    hub: &Hub,
    contacts: &[i64],
    count: u64,
) -> Result<(), RunError> {
    let reader = world.store.reader()?;
    if count <= search_pages(world)? && count == contacts.len() as u64 {
        for no in contacts {
            if world.stop.is_asked() {
                return Ok(());
            }
            let id = mirror::mirrored(&reader, *no)?.id;
            hub.look_at(world, &id, Purpose::Announced).await?;
        }
        return Ok(());
    }
    read_all_by_search(world, hub).await
}

/// Returns how many looks at single contacts cost as much as a walk through all of them by search; never under 10.
pub(super) fn search_pages(world: &World) -> Result<u64, RunError> {
    let reader = world.store.reader()?;
    let pages = mirror::count_contacts(&reader)?.unsigned_abs() / u64::from(SEARCH_LIMIT) + 1;
    Ok(pages.max(10))
}

/// Reads all contacts of the location by search into the mirror.
pub(super) async fn read_all_by_search(world: &World, hub: &Hub) -> Result<(), RunError> {
    world.watch.tick(Tick::Reading {
        what: format!("contacts of {} by search", world.hub.name),
        total: None,
    });
    let mut search = Search::by_added();
    let mut cursors = Cursors::default();
    loop {
        stay_if_possible(world).await;
        let answer = world
            .hub_line
            .send(
                &search.call(&world.hub.location, &hub.keys),
                Purpose::Announced,
            )
            .await
            .map_err(|error| of_hub(world, error))?;
        let date_ms = world.date_ms(answer.date);
        let page = answer.value;
        world.watch.tick(Tick::Advance(page.listed));
        hub.take_in(world, page.rows, Reading::Search, date_ms)
            .await?;
        if page.listed < u64::from(SEARCH_LIMIT) || page.next.is_none() || world.stop.is_asked() {
            return Ok(());
        }
        cursors.next(world, page.next.as_ref())?;
        search = search.after(page.next);
    }
}

/// The cursors of a search walk: one that comes twice would have no end.
#[derive(Debug, Default)]
struct Cursors(HashSet<u64>);

impl Cursors {
    fn next(&mut self, world: &World, cursor: Option<&SearchCursor>) -> Result<(), RunError> {
        match cursor {
            Some(cursor) if !self.0.insert(hash_of(&cursor.json())) => Err(RunError::OutOfTouch {
                account: world.hub.name.clone(),
                why: "HighLevel's search gives the same page again and again".to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }
}
