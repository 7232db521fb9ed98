//! Move 4: what we know of the destination, brought up to date.

use std::sync::Arc;

use chrono::DateTime;

use crate::apis::highlevel::{SEARCH_LIMIT, Search};
use crate::model::{By, Ended, Reading};
use crate::net::Purpose;
use crate::store::jobs::{self, LocationState};
use crate::store::mirror;

use super::bits::Bits;
use super::contacts::full_walk;
use super::error::RunError;
use super::hub::{Hub, of_hub};
use super::lease::Lease;
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
    let _lease = Lease::take(&folder, &lock, &ask.holder, true).await?;
    let location = world.hub.location.clone();
    let state = world
        .store
        .write(move |db| jobs::location_state(db, &location))
        .await?;
    let match_keys: Vec<String> = match_keys(world);
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
    let mut refreshed = Refreshed {
        location: state.clone(),
        reader: "shared",
        pages: 0,
        contacts: Bits::default(),
        ended: None,
        note: None,
        remarks: Vec::new(),
        complete: !never_complete,
    };
    if shared && !full && !never_complete {
        return Ok(refreshed);
    }
    if !state.complete_keys.is_empty() && never_complete {
        index_new_keys(world, hub).await?;
    }
    if full || never_complete {
        full_walk(world, hub, &state, &match_keys, &mut refreshed).await?;
    } else {
        refreshed.reader = "search";
    }
    if !world.stop.is_asked() {
        incremental(world, hub, job_no, &managed, &mut refreshed).await?;
    }
    let location = world.hub.location.clone();
    refreshed.location = world
        .store
        .write(move |db| jobs::location_state(db, &location))
        .await?;
    refreshed.complete = refreshed.location.complete_ms.is_some()
        && has_all(&refreshed.location.complete_keys, &match_keys);
    Ok(refreshed)
}

fn match_keys(world: &World) -> Vec<String> {
    world
        .job
        .match_by
        .iter()
        .filter_map(|by| match by {
            By::Field(key) => Some(key.to_string()),
            By::Link => None,
        })
        .collect()
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
    loop {
        if world.stop.is_asked() {
            return Ok(());
        }
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
        search = search.after(page.next);
    }
}

/// Looks for the markers of records whose contact is newly gone, so that the plan can tell a merge from a deletion.
pub(super) async fn look_for_the_lost(world: &World, hub: &Hub) -> Result<(), RunError> {
    let reader = world.store.reader()?;
    let namespace = world.job.source.namespace();
    for key in mirror::lost_keys(&reader, hub.location_no, namespace)? {
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
    let pages = mirror::count_contacts(&reader)?.unsigned_abs() / u64::from(SEARCH_LIMIT) + 1;
    if count <= pages.max(10) && count == contacts.len() as u64 {
        for no in contacts {
            let id = mirror::mirrored(&reader, *no)?.id;
            hub.look_at(world, &id, Purpose::Announced).await?;
        }
        return Ok(());
    }
    world.watch.tick(Tick::Reading {
        what: format!("contacts of {} by search", world.hub.name),
        total: None,
    });
    let mut search = Search::by_added();
    loop {
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
        search = search.after(page.next);
    }
}
