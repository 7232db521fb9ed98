//! Move 4: what we know of the destination, brought up to date.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::DateTime;

use crate::apis::highlevel::{
    self, CustomField, Keys, ListCursor, SEARCH_LIMIT, Search, SearchCursor,
};
use crate::model::{By, Contact, ContactId, ContactsReader, Cut, Ended, FieldKey, Reading};
use crate::net::{CallError, Purpose};
use crate::store::jobs::{self, LocationState};
use crate::store::mirror;
use crate::store::walks::{self, WalkOf};

use super::bits::Bits;
use super::error::RunError;
use super::lease::Lease;
use super::world::{Ask, Tick, World};

/// How far behind the beginning of the last walk the next one starts: more than any index lag that was reported.
const OVERLAP_MS: i64 = 10 * 60 * 1000;
/// A refresh of another job this young is used as it is.
const SHARED_MS: i64 = 60 * 1000;
/// How long the definitions of custom fields are kept.
const DEFINITIONS_MS: i64 = 24 * 60 * 60 * 1000;
/// How long a contacts cursor (a time and an id) is good.
const RESUME_WITHIN_MS: i64 = 24 * 60 * 60 * 1000;
/// How many contacts that a full walk did not show are looked at one by one in a run.
const LOOK_AT_MOST: usize = 1_000;
/// Search counts no further than this; a total at or above it proves nothing. Source: HighLevel reference section 8.2.
const SEARCH_COUNTS_TO: u64 = 10_000;
/// See `gather`: the tolerance of a complete walk.
const GAP_ROWS: i64 = 5;
const GAP_THOUSANDTHS: i64 = 5;
const FIRST_GAP_PERCENT: i64 = 5;

/// What the refresh came to.
#[derive(Clone, Debug)]
pub(super) struct Refreshed {
    /// The location's state afterwards.
    pub location: LocationState,
    /// Which endpoint read: `list`, `search`, or `shared` for another job's refresh.
    pub reader: &'static str,
    /// Pages read.
    pub pages: u64,
    /// Rows on them.
    pub contacts_seen: u64,
    /// How the full walk ended; `None` for an incremental one.
    pub ended: Option<Ended>,
    /// Anything else worth a line.
    pub note: Option<String>,
    /// What is worth a line in the report.
    pub remarks: Vec<String>,
    /// Whether the mirror may say "there is no such contact" for this job.
    pub complete: bool,
}

/// The hub as one run sees it: the location, and which fields have which ids there.
#[derive(Clone, Debug)]
pub(super) struct Hub {
    /// The location's number in the database.
    pub location_no: i64,
    /// The managed keys with their ids.
    pub keys: Arc<Keys>,
    /// Custom fields that jobs name and the location lacks.
    pub lacking: Vec<FieldKey>,
    /// Those among them that this job names.
    pub lacking_here: Vec<FieldKey>,
}

impl Hub {
    /// Returns one contact as a list, completed.
    pub(super) fn completed(&self, contact: Contact) -> Vec<Contact> {
        self.complete(vec![contact])
    }

    /// Completes what a reading shows: a field that the location lacks is known to be empty everywhere.
    fn complete(&self, mut contacts: Vec<Contact>) -> Vec<Contact> {
        for contact in &mut contacts {
            for key in &self.lacking {
                contact.fields.insert(key.clone(), None);
            }
        }
        contacts
    }

    /// Takes contacts into the mirror; returns their rows.
    pub(super) async fn take_in(
        &self,
        world: &World,
        contacts: Vec<Contact>,
        reading: Reading,
        date_ms: i64,
    ) -> Result<Vec<i64>, RunError> {
        let contacts = self.complete(contacts);
        let (location_no, keeping) = (self.location_no, Arc::clone(&world.keeping));
        Ok(world
            .store
            .write(move |db| mirror::ingest(db, location_no, &contacts, reading, date_ms, &keeping))
            .await?)
    }

    /// Reads one contact fresh into the mirror; returns whether it exists.
    pub(super) async fn look_at(
        &self,
        world: &World,
        id: &ContactId,
        purpose: Purpose,
    ) -> Result<bool, RunError> {
        match world
            .hub_line
            .send(&highlevel::get(id, &self.keys), purpose)
            .await
        {
            Ok(answer) => {
                let date_ms = world.date_ms(answer.date);
                self.take_in(world, vec![answer.value], Reading::Get, date_ms)
                    .await?;
                Ok(true)
            }
            Err(CallError::NotFound { .. }) => {
                let (location_no, id, now_ms) = (self.location_no, id.clone(), world.now_ms());
                world
                    .store
                    .write(move |db| mirror::note_gone(db, location_no, &id, now_ms))
                    .await?;
                Ok(false)
            }
            Err(error) => Err(of_hub(world, error)),
        }
    }

    /// Looks for the contacts that carry a record's marker, in the index, and takes them into the mirror.
    pub(super) async fn look_for_marker(
        &self,
        world: &World,
        key: &str,
        purpose: Purpose,
    ) -> Result<Vec<Contact>, RunError> {
        let Some(marker) = world.mapping.marker() else {
            return Ok(Vec::new());
        };
        let Some(search) = Search::with_field(marker, key, &self.keys) else {
            return Ok(Vec::new());
        };
        let call = search.limit(10).call(&world.hub.location, &self.keys);
        let answer = world
            .hub_line
            .send(&call, purpose)
            .await
            .map_err(|error| of_hub(world, error))?;
        let date_ms = world.date_ms(answer.date);
        // The index may still show a value that was changed since; only exact hits count.
        let hits: Vec<Contact> = answer
            .value
            .rows
            .into_iter()
            .filter(|contact| contact.fields.get(marker).and_then(Option::as_deref) == Some(key))
            .collect();
        self.take_in(world, hits.clone(), Reading::Search, date_ms)
            .await?;
        Ok(hits)
    }
}

pub(super) fn of_hub(world: &World, error: CallError) -> RunError {
    RunError::of_call(&world.job.name, &world.hub.name, error)
}

/// Finds out which custom fields the location has; kept for a day, read again when `fresh` or when a needed one is not among them.
pub(super) async fn hub(world: &World, fresh: bool) -> Result<Hub, RunError> {
    let location = world.hub.location.clone();
    let name = format!("highlevel.fields:{location}");
    let now_ms = world.now_ms();
    let (state, kept) = {
        let (name, location, since) = (name.clone(), location.clone(), now_ms - DEFINITIONS_MS);
        world
            .store
            .write(move |db| {
                Ok((
                    jobs::location_state(db, &location)?,
                    jobs::kept(db, &name, since)?,
                ))
            })
            .await?
    };
    let kept: Option<Vec<(String, FieldKey)>> = kept
        .filter(|_| !fresh)
        .and_then(|text| serde_json::from_str(&text).ok());
    let wanted: BTreeSet<&FieldKey> = world.keeping.fields.iter().collect();
    if let Some(kept) = kept {
        let hub = hub_of(world, state.no, &wanted, kept);
        if hub.lacking.is_empty() {
            return Ok(hub);
        }
    }
    let answer = world
        .hub_line
        .send(&highlevel::custom_fields(&location), Purpose::Announced)
        .await
        .map_err(|error| of_hub(world, error))?;
    let defined: Vec<(String, FieldKey)> = answer
        .value
        .into_iter()
        .map(|field| (field.id, field.key))
        .collect();
    let text = serde_json::to_string(&defined).expect("texts are always JSON");
    world
        .store
        .write(move |db| jobs::keep(db, &name, &text, now_ms))
        .await?;
    Ok(hub_of(world, state.no, &wanted, defined))
}

fn hub_of(
    world: &World,
    location_no: i64,
    wanted: &BTreeSet<&FieldKey>,
    defined: Vec<(String, FieldKey)>,
) -> Hub {
    let defined: Vec<CustomField> = defined
        .into_iter()
        .map(|(id, key)| CustomField {
            id,
            name: key.to_string(),
            key,
            data_type: String::new(),
        })
        .collect();
    let (keys, lacking) = Keys::of(wanted.iter().copied(), &defined);
    let here: BTreeSet<&FieldKey> = world.job.fields.iter().map(|rule| &rule.key).collect();
    let lacking_here = lacking
        .iter()
        .filter(|key| here.contains(key))
        .cloned()
        .collect();
    Hub {
        location_no,
        keys: Arc::new(keys),
        lacking,
        lacking_here,
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
        contacts_seen: 0,
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
        refreshed.contacts_seen += page.rows.len() as u64;
        hub.take_in(world, page.rows, Reading::Search, date_ms)
            .await?;
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

/// Where a full walk goes on.
#[derive(Clone, Debug)]
enum Cursor {
    Start,
    List(ListCursor),
    Search(SearchCursor),
}

/// The full walk, with the reader that the job names; the list gives way to search when it is refused.
async fn full_walk(
    world: &World,
    hub: &Hub,
    state: &LocationState,
    match_keys: &[String],
    refreshed: &mut Refreshed,
) -> Result<(), RunError> {
    let mut reader = world.job.contacts_reader;
    loop {
        match walk_contacts(world, hub, state, match_keys, reader, refreshed).await? {
            Walked::ListRefused if reader == ContactsReader::List => {
                let note = "the list of contacts is refused (HighLevel removes it in API v3); read by search instead";
                world.watch.tick(Tick::Say(note.to_owned()));
                refreshed.note = Some(note.to_owned());
                reader = ContactsReader::Search;
            }
            Walked::ListRefused | Walked::Ended => return Ok(()),
        }
    }
}

enum Walked {
    Ended,
    ListRefused,
}

async fn walk_contacts(
    world: &World,
    hub: &Hub,
    state: &LocationState,
    match_keys: &[String],
    reader: ContactsReader,
    refreshed: &mut Refreshed,
) -> Result<Walked, RunError> {
    let (word, reading) = match reader {
        ContactsReader::List => ("list", Reading::List),
        ContactsReader::Search => ("search", Reading::Search),
    };
    refreshed.reader = word;
    let location_no = hub.location_no;
    let since = world.now_ms() - RESUME_WITHIN_MS;
    let resumable = world
        .store
        .write(move |db| walks::resumable(db, WalkOf::Contacts(location_no), word, since))
        .await?;
    let resumed = resumable.is_some();
    let mut walk_no = None;
    let (mut began_ms, mut cursor, mut total, mut pages, mut rows) = (0, Cursor::Start, None, 0, 0);
    let mut rows_before = 0;
    let mut before = Bits::default();
    if let Some(walk) = resumable {
        let text = walk.cursor.unwrap_or_default();
        let stored = match reader {
            ContactsReader::List => serde_json::from_str(&text).ok().map(Cursor::List),
            ContactsReader::Search => SearchCursor::stored(&text).map(Cursor::Search),
        };
        if let Some(stored) = stored {
            let no = walk.no;
            world
                .store
                .write(move |db| walks::resume_walk(db, no))
                .await?;
            (walk_no, cursor) = (Some(no), stored);
            (began_ms, total, pages, rows) = (walk.began_ms, walk.total, walk.pages, walk.listed);
            rows_before = rows;
        }
    }
    let mut seen = std::mem::take(&mut before);
    let mut cursors = BTreeSet::new();
    let ended = loop {
        if world.stop.is_asked() && walk_no.is_some() {
            break Ended::Cut(Cut::Stopped);
        }
        let page = match read_page(world, hub, reader, &cursor).await {
            Ok(page) => page,
            Err(CallError::NotFound { .. } | CallError::Refused { .. })
                if reader == ContactsReader::List =>
            {
                if let Some(no) = walk_no {
                    world
                        .store
                        .write(move |db| walks::end_walk(db, no, "repeated-cursor"))
                        .await?;
                }
                return Ok(Walked::ListRefused);
            }
            Err(CallError::Spent { .. }) if walk_no.is_some() => break Ended::Cut(Cut::Spent),
            Err(error @ (CallError::OutOfTouch { .. } | CallError::BadReply { .. }))
                if walk_no.is_some() =>
            {
                break Ended::Cut(Cut::OutOfTouch(error.to_string()));
            }
            Err(error) => return Err(of_hub(world, error)),
        };
        let date_ms = page.date_ms;
        if walk_no.is_none() {
            let no = world
                .store
                .write(move |db| {
                    walks::begin_walk(db, WalkOf::Contacts(location_no), true, word, date_ms)
                })
                .await?;
            walk_no = Some(no);
            began_ms = date_ms;
            total = page
                .total
                .map(|total| i64::try_from(total).unwrap_or(i64::MAX));
            world.watch.tick(Tick::Reading {
                what: format!("contacts of {} by {word}", world.hub.name),
                total: page
                    .total
                    .filter(|total| reader == ContactsReader::List || *total < SEARCH_COUNTS_TO),
            });
        }
        pages += 1;
        rows += i64::try_from(page.listed).unwrap_or(0);
        refreshed.pages += 1;
        refreshed.contacts_seen += page.rows.len() as u64;
        world.watch.tick(Tick::Advance(page.listed));
        let repeated = page
            .cursor_text
            .as_ref()
            .is_some_and(|text| !cursors.insert(text.clone()));
        if cursors.len() > 64 {
            // A loop is short; remembering the last cursors is enough and keeps memory flat.
            cursors.pop_first();
        }
        let contacts = hub.complete(page.rows);
        let (keeping, cursor_text, no) = (
            Arc::clone(&world.keeping),
            page.cursor_text.clone(),
            walk_no.unwrap_or_default(),
        );
        let numbers = world
            .store
            .write(move |db| {
                let numbers =
                    mirror::ingest(db, location_no, &contacts, reading, date_ms, &keeping)?;
                walks::commit_pages(
                    db,
                    no,
                    &[],
                    cursor_text.as_deref(),
                    total,
                    pages,
                    rows,
                    date_ms,
                )?;
                Ok(numbers)
            })
            .await?;
        for number in numbers {
            seen.insert(number);
        }
        if page.last {
            break Ended::Complete;
        }
        if repeated {
            break Ended::Cut(Cut::RepeatedCursor);
        }
        // Distinct contacts are the measure: rows grow with every page that is served again under a new cursor.
        let distinct = i64::try_from(seen.count()).unwrap_or(i64::MAX);
        if pages > (total.unwrap_or_default().max(rows_before + distinct) / 100 + 1) * 2 + 10 {
            break Ended::Cut(Cut::TooManyPages {
                pages: pages.unsigned_abs(),
            });
        }
        cursor = page.next;
    };
    let listed = if resumed {
        rows
    } else {
        i64::try_from(seen.count()).unwrap_or(i64::MAX)
    };
    let counted = total
        .filter(|total| reader == ContactsReader::List || total.unsigned_abs() < SEARCH_COUNTS_TO);
    let ended = match ended {
        Ended::Complete => judged(listed, counted, state),
        cut @ Ended::Cut(_) => cut,
    };
    note_end(
        world,
        hub,
        walk_no.unwrap_or_default(),
        &ended,
        began_ms,
        listed,
        counted,
        match_keys,
    )
    .await?;
    if ended == Ended::Complete && !resumed {
        look_for_the_absent(world, hub, &seen, began_ms, refreshed).await?;
    }
    refreshed.ended = Some(ended);
    Ok(Walked::Ended)
}

fn judged(listed: i64, total: Option<i64>, state: &LocationState) -> Ended {
    let Some(total) = total else {
        return Ended::Complete;
    };
    let gap = listed - total;
    let fits = match state.complete_gap {
        None => gap.abs() <= (total * FIRST_GAP_PERCENT / 100).max(GAP_ROWS),
        Some(before) => (gap - before).abs() <= (total * GAP_THOUSANDTHS / 1000).max(GAP_ROWS),
    };
    if fits {
        Ended::Complete
    } else {
        Ended::Cut(Cut::Gap {
            listed: listed.unsigned_abs(),
            total: total.unsigned_abs(),
        })
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "the end of a walk is all of these, and only here"
)]
async fn note_end(
    world: &World,
    hub: &Hub,
    walk_no: i64,
    ended: &Ended,
    began_ms: i64,
    listed: i64,
    total: Option<i64>,
    match_keys: &[String],
) -> Result<(), RunError> {
    let word = match ended {
        Ended::Complete => "complete",
        Ended::Cut(cut) => cut.word(),
    };
    let (location_no, now_ms, complete) =
        (hub.location_no, world.now_ms(), *ended == Ended::Complete);
    let gap = total.map_or(0, |total| listed - total);
    let match_keys = match_keys.to_vec();
    world
        .store
        .write(move |db| {
            walks::end_walk(db, walk_no, word)?;
            if complete {
                jobs::note_contacts_complete(
                    db,
                    location_no,
                    now_ms,
                    gap,
                    began_ms - OVERLAP_MS,
                    &match_keys,
                )?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

/// One page of either reader.
struct ContactsPage {
    rows: Vec<Contact>,
    listed: u64,
    total: Option<u64>,
    next: Cursor,
    cursor_text: Option<String>,
    last: bool,
    date_ms: i64,
}

async fn read_page(
    world: &World,
    hub: &Hub,
    reader: ContactsReader,
    cursor: &Cursor,
) -> Result<ContactsPage, CallError> {
    let location = &world.hub.location;
    match reader {
        ContactsReader::List => {
            let after = if let Cursor::List(after) = cursor {
                Some(after)
            } else {
                None
            };
            let call = highlevel::list(location, highlevel::LIST_LIMIT, after, &hub.keys);
            let answer = world.hub_line.send(&call, Purpose::Announced).await?;
            let page = answer.value;
            let cursor_text = page
                .next
                .as_ref()
                .map(|next| serde_json::to_string(next).expect("a cursor is always JSON"));
            Ok(ContactsPage {
                last: page.next.is_none() || page.listed == 0,
                next: page.next.map_or(Cursor::Start, Cursor::List),
                cursor_text,
                rows: page.rows,
                listed: page.listed,
                total: page.total,
                date_ms: world.date_ms(answer.date),
            })
        }
        ContactsReader::Search => {
            let after = if let Cursor::Search(after) = cursor {
                Some(after.clone())
            } else {
                None
            };
            let call = Search::by_added().after(after).call(location, &hub.keys);
            let answer = world.hub_line.send(&call, Purpose::Announced).await?;
            let page = answer.value;
            Ok(ContactsPage {
                last: page.next.is_none() || page.listed < u64::from(SEARCH_LIMIT),
                cursor_text: page.next.as_ref().map(SearchCursor::json),
                next: page.next.map_or(Cursor::Start, Cursor::Search),
                rows: page.rows,
                listed: page.listed,
                total: page.total,
                date_ms: world.date_ms(answer.date),
            })
        }
    }
}

/// Asks for linked contacts that a Complete walk did not show: the index may lag, only a GET proves that they are gone.
async fn look_for_the_absent(
    world: &World,
    hub: &Hub,
    seen: &Bits,
    began_ms: i64,
    refreshed: &mut Refreshed,
) -> Result<(), RunError> {
    let reader = world.store.reader()?;
    let (mut after, mut looked) = (0, 0);
    loop {
        // What we wrote shortly before the walk may not be in the index yet.
        let rows = mirror::linked_rows(
            &reader,
            hub.location_no,
            after,
            began_ms - mirror::INDEX_LAG_MS,
        )?;
        let Some((last, _)) = rows.last() else { break };
        after = *last;
        for (no, id) in rows {
            if seen.contains(no) {
                continue;
            }
            if looked == LOOK_AT_MOST {
                refreshed.remarks.push(format!(
                    "more than {LOOK_AT_MOST} linked contacts are not in the listing; the rest is looked at in the next full pass"
                ));
                return Ok(());
            }
            looked += 1;
            hub.look_at(world, &id, Purpose::Confirmation).await?;
        }
    }
    Ok(())
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

/// Makes the custom fields that the job names and the location lacks; looked for by key first, because a second call makes a second one.
pub(super) async fn create_fields(world: &World, hub: &Hub) -> Result<Hub, RunError> {
    let mut hub = if hub.lacking_here.is_empty() {
        return Ok(hub.clone());
    } else {
        self::hub(world, true).await?
    };
    for key in hub.lacking_here.clone() {
        let call = highlevel::create_custom_field(&world.hub.location, key.as_str());
        match world.hub_line.send(&call, Purpose::Announced).await {
            Ok(answer) if answer.value.key == key => {}
            Ok(answer) => {
                return Err(RunError::Setup {
                    job: world.job.name.clone(),
                    account: Some(world.hub.name.clone()),
                    what: format!(
                        "HighLevel made the custom field `{}` where the job names `{key}`; rename it in the job, or make the field by hand",
                        answer.value.key
                    ),
                });
            }
            // Whether it was made is seen when the definitions are read again.
            Err(CallError::Unsure { .. } | CallError::Refused { .. }) => {}
            Err(error) => return Err(of_hub(world, error)),
        }
    }
    hub = self::hub(world, true).await?;
    if let Some(key) = hub.lacking_here.first() {
        return Err(RunError::OutOfTouch {
            account: world.hub.name.clone(),
            why: format!(
                "the custom field `{key}` could not be made; make it by hand (type: single line text), or run it again"
            ),
        });
    }
    Ok(hub)
}
