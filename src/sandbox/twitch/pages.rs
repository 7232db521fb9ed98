//! Pages and cursors, as all lists of Helix have them.

use serde_json::{Value, json};

use super::super::faults::PageQuirk;
use super::super::json::Json;
use super::super::settings::StaleAfter;
use super::super::wire::{Outcome, base64, unbase64};
use super::super::world::World;
use super::{Asked, malformed};

/// Where a cursor leads, and since when.
struct Cursor {
    /// The endpoint and channel that it belongs to.
    list: String,
    offset: u64,
    /// The page that names it, so that two empty pages name different ones.
    page: u64,
    made_at: i64,
    /// An empty page was handed out just before.
    rested: bool,
}

impl Cursor {
    fn write(&self) -> String {
        let inside = json!({
            "b": null,
            "a": { "List": self.list, "Offset": self.offset, "Page": self.page, "At": self.made_at, "Rest": self.rested },
        });
        base64(inside.to_string().as_bytes())
    }

    fn read(text: &str) -> Option<Cursor> {
        let inside: Value = serde_json::from_slice(&unbase64(text)?).ok()?;
        Some(Cursor {
            list: inside["a"]["List"].as_str()?.to_string(),
            offset: inside["a"]["Offset"].as_u64()?,
            page: inside["a"]["Page"].as_u64()?,
            made_at: inside["a"]["At"].as_i64()?,
            rested: inside["a"]["Rest"].as_bool()?,
        })
    }
}

/// A list that is read page by page.
pub(super) struct List {
    /// How many rows it has at this moment.
    pub(super) rows: u64,
    /// How many a page is to have.
    pub(super) first: u64,
    /// Whether a full last page carries a cursor that leads to an empty one.
    pub(super) full_goes_on: bool,
}

/// The places of the rows on a page, and the cursor of the next one.
pub(super) struct Page {
    pub(super) places: Vec<u64>,
    pub(super) next: Option<String>,
}

/// Turns to the page that a call asks for; `owner` tells lists of one endpoint apart.
pub(super) fn turn(world: &mut World, call: &Asked<'_>, owner: &str, list: List) -> Outcome<Page> {
    let now = world.clock.now();
    let switches = world.settings.switches.clone();
    let (name, asked) = (call.row.name, call.request.param("after"));
    let start = Cursor {
        list: format!("{name} {owner}"),
        offset: 0,
        page: 0,
        made_at: now,
        rested: true,
    };
    let beginning = start.write();
    let cursor = match asked {
        None => start,
        Some(text) => {
            let life = switches.cursor_life.as_millis() as i64;
            let good = Cursor::read(text)
                .filter(|cursor| now - cursor.made_at <= life && cursor.list == start.list);
            match (good, switches.stale_after) {
                (Some(cursor), _) => cursor,
                (None, StaleAfter::BadRequest) => {
                    return malformed("after", "the cursor is invalid");
                }
                (None, StaleAfter::FirstPage) => start,
            }
        }
    };
    let pages = world.pages.entry(name).or_default();
    if asked.is_none() {
        *pages = 0;
    }
    *pages += 1;
    let pages = *pages;
    let quirk = call.twist.quirk;
    let empty =
        switches.empty_pages > 0 && pages.is_multiple_of(switches.empty_pages) && !cursor.rested;
    let mut size = list.first;
    if switches.short_pages && pages.is_multiple_of(3) && size > 1 {
        size -= 1;
    }
    if empty || quirk == Some(PageQuirk::Empty) {
        size = 0;
    }
    let end = (cursor.offset + size).min(list.rows);
    let mut places: Vec<u64> = (cursor.offset..end).collect();
    // The row before slid over the edge of the page, as when somebody joins while one walks.
    if switches.sliding_rows && cursor.offset > 0 && !places.is_empty() {
        places.insert(0, cursor.offset - 1);
    }
    if quirk == Some(PageQuirk::Doubled) {
        places.extend(places.first().copied());
    }
    let full = size > 0 && end == cursor.offset + size;
    let more = end < list.rows
        || (switches.last_cursor && end > cursor.offset)
        || (list.full_goes_on && full);
    let next = Cursor {
        offset: end,
        page: pages,
        made_at: now,
        rested: size == 0,
        ..cursor
    };
    let next = match quirk {
        Some(PageQuirk::MissingCursor) => None,
        Some(PageQuirk::RepeatedCursor) => Some(asked.map_or(beginning, String::from)),
        Some(PageQuirk::Empty | PageQuirk::Doubled) | None => more.then(|| next.write()),
    };
    Ok(Page { places, next })
}

/// Writes the `pagination` of an answer; without a cursor it is empty.
pub(super) fn pagination(json: &mut Json, cursor: Option<&str>) {
    json.key("pagination").open(b'{');
    if let Some(cursor) = cursor {
        json.key("cursor").text(cursor);
    }
    json.close(b'}');
}
