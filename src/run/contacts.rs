//! The full walk through a location's contacts.

use std::collections::HashSet;
use std::sync::Arc;

use crate::apis::highlevel::{self, ListCursor, SEARCH_LIMIT, Search, SearchCursor};
use crate::model::{Contact, ContactsReader, Cut, Ended, Reading};
use crate::net::{CallError, Purpose};
use crate::plan::judged;
use crate::store::jobs::{self, LocationState};
use crate::store::mirror;
use crate::store::walks::{self, Reached, WalkOf};

use super::bits::{Bits, hash_of};
use super::error::RunError;
use super::hub::{Hub, of_hub};
use super::refresh::{OVERLAP_MS, Refreshed};
use super::seat::stay_if_possible;
use super::world::{Tick, World};

/// Rows that are committed at once in a full walk.
const ROWS_A_COMMIT: usize = 2_000;
/// How long a contacts cursor (a time and an id) is good.
const RESUME_WITHIN_MS: i64 = 24 * 60 * 60 * 1000;
/// How many contacts that a full walk did not show are looked at one by one in a run.
const LOOK_AT_MOST: usize = 1_000;
/// Search counts no further than this; a total at or above it proves nothing. Source: whether search counts beyond 10,000 is not documented.
const SEARCH_COUNTS_TO: u64 = 10_000;

/// Where a full walk goes on.
#[derive(Clone, Debug)]
enum Cursor {
    Start,
    List(ListCursor),
    Search(SearchCursor),
}

/// The full walk, with the reader that the job names; the list gives way to search when it is refused.
pub(super) async fn full_walk(
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
    // A walk goes on only for the same match keys: what it read before was kept without the new ones.
    let walk_name = format!("{word} {}", match_keys.join(","));
    let name = walk_name.clone();
    let resumable = world
        .store
        .write(move |db| walks::resumable(db, WalkOf::Contacts(location_no), &name, since))
        .await?;
    let mut resumed = false;
    let mut untouched = true;
    let mut walk_no = None;
    let (mut began_ms, mut cursor, mut total, mut pages, mut rows) = (0, Cursor::Start, None, 0, 0);
    let mut rows_before = 0;
    let mut asked_again = false;
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
            resumed = true;
            (began_ms, total, pages, rows) = (walk.began_ms, walk.total, walk.pages, walk.listed);
            rows_before = rows;
        }
    }
    let mut seen = Bits::default();
    let mut cursors = HashSet::new();
    let mut uncommitted = Uncommitted::default();
    let ended = loop {
        if world.stop.is_asked() && walk_no.is_some() {
            break Ended::Cut(Cut::Stopped);
        }
        stay_if_possible(world).await;
        let page = match read_page(world, hub, reader, &cursor).await {
            Ok(page) => page,
            // A stored cursor that the vendor no longer takes: the walk starts over.
            Err(CallError::Refused { .. }) if resumed && untouched => {
                (walk_no, cursor, total, pages, rows) = (None, Cursor::Start, None, 0, 0);
                rows_before = 0;
                resumed = false;
                continue;
            }
            Err(CallError::NotFound { .. } | CallError::Refused { .. })
                if reader == ContactsReader::List =>
            {
                if let Some(no) = walk_no {
                    world
                        .store
                        .write(move |db| walks::end_walk(db, no, "list-refused"))
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
        untouched = false;
        let date_ms = page.date_ms;
        // An empty page ends a listing. One that comes before the vendor's own count is reached is asked for once more: who is taken
        // for absent because of it would be made a second time.
        let uncounted = i64::try_from(uncommitted.rows).unwrap_or(i64::MAX);
        let listed_so_far =
            rows_before + i64::try_from(seen.count()).unwrap_or(i64::MAX) + uncounted;
        if page.listed == 0 && !asked_again && total.is_some_and(|total| total > listed_so_far) {
            asked_again = true;
            refreshed.pages += 1;
            continue;
        }
        if walk_no.is_none() {
            let name = walk_name.clone();
            let no = world
                .store
                .write(move |db| {
                    walks::begin_walk(db, WalkOf::Contacts(location_no), true, &name, date_ms)
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
        refreshed.odd_rows += page.odd_rows;
        world.watch.tick(Tick::Advance(page.listed));
        let repeated = page
            .cursor_text
            .as_ref()
            .is_some_and(|text| !cursors.insert(hash_of(text)));
        uncommitted.rows += page.rows.len();
        uncommitted.pages.push((hub.complete(page.rows), date_ms));
        uncommitted.reached = Some(Reached {
            cursor: page.cursor_text.clone(),
            total,
            pages,
            listed: rows,
            page_ms: date_ms,
        });
        if uncommitted.rows >= ROWS_A_COMMIT {
            let no = walk_no.unwrap_or_default();
            commit(world, hub, no, reading, &mut uncommitted, &mut seen).await?;
        }
        if page.last {
            break Ended::Complete;
        }
        if repeated {
            break Ended::Cut(Cut::RepeatedCursor);
        }
        // Distinct contacts are the measure: rows grow with every page that is served again under a new cursor.
        let distinct = rows_before + i64::try_from(seen.count()).unwrap_or(i64::MAX);
        if pages > (total.unwrap_or_default().max(distinct) / 100 + 1) * 2 + 10 {
            break Ended::Cut(Cut::TooManyPages {
                pages: pages.unsigned_abs(),
            });
        }
        cursor = page.next;
    };
    let no = walk_no.unwrap_or_default();
    commit(world, hub, no, reading, &mut uncommitted, &mut seen).await?;
    refreshed.contacts = seen.clone();
    let listed = if resumed {
        rows
    } else {
        i64::try_from(seen.count()).unwrap_or(i64::MAX)
    };
    let counted = total
        .filter(|total| reader == ContactsReader::List || total.unsigned_abs() < SEARCH_COUNTS_TO);
    let ended = match ended {
        Ended::Complete => judged(listed, counted, state.complete_gap, world.job.drift),
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

/// Pages that were read and not committed yet, and how far they reach.
#[derive(Default)]
struct Uncommitted {
    pages: Vec<(Vec<Contact>, i64)>,
    rows: usize,
    reached: Option<Reached>,
}

/// Commits pages together with the cursor behind them, and notes whom they showed.
async fn commit(
    world: &World,
    hub: &Hub,
    walk_no: i64,
    reading: Reading,
    uncommitted: &mut Uncommitted,
    seen: &mut Bits,
) -> Result<(), RunError> {
    let Uncommitted { pages, reached, .. } = std::mem::take(uncommitted);
    let Some(reached) = reached else {
        return Ok(());
    };
    let (location_no, keeping) = (hub.location_no, Arc::clone(&world.keeping));
    let numbers = world
        .store
        .write(move |db| {
            let mut numbers = Vec::new();
            for (contacts, date_ms) in &pages {
                let page = mirror::ingest(db, location_no, contacts, reading, *date_ms, &keeping)?;
                numbers.extend(page);
            }
            walks::commit_pages(db, walk_no, &[], &reached)?;
            Ok(numbers)
        })
        .await?;
    for number in numbers {
        seen.insert(number);
    }
    Ok(())
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
    let gap_cut = matches!(ended, Ended::Cut(Cut::Gap { .. }));
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
            } else if gap_cut {
                jobs::note_contacts_gap(db, location_no, now_ms, began_ms - OVERLAP_MS)?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

/// One page of either reader.
struct ContactsPage {
    rows: Vec<Contact>,
    odd_rows: u64,
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
                odd_rows: page.odd.rows,
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
                odd_rows: page.odd.rows,
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
        let linked = mirror::linked_contacts(&reader, hub.location_no, after)?;
        let Some(last) = linked.last() else { break };
        after = *last;
        for no in linked.into_iter().filter(|no| !seen.contains(*no)) {
            // What we wrote shortly before the walk may not be in the index yet.
            let Some(id) = mirror::expected(&reader, no, began_ms - mirror::INDEX_LAG_MS)? else {
                continue;
            };
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
