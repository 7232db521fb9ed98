//! `POST /contacts/search` and the deprecated `GET /contacts/`.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::chance::Id;
use super::faults::PageQuirk;
use super::filters::{self, Filter};
use super::index::{By, Index, Place};
use super::json::Json;
use super::person::{Dialect, Key, Person, write_found, write_listed};
use super::settings::{LOCATION_ID, SearchTotal};
use super::wire::{Answer, Outcome, Request, refuse};
use super::world::World;

/// How far `page` reaches; beyond it `searchAfter` is required.
const PAGE_MODE_REACH: u64 = 10_000;
/// A cursor made of this and `LAST_ID` leads to the first page of a descending order.
const FAR_FUTURE_MS: i64 = 9_999_999_999_999;
const FIRST_ID: &str = "00000000000000000000";
const LAST_ID: &str = "zzzzzzzzzzzzzzzzzzzz";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SortField {
    Date(By),
    FirstName,
    LastName,
    Email,
    Source,
    Dnd,
    BusinessName,
}

impl SortField {
    fn named(name: &str) -> Option<SortField> {
        match name {
            "dateAdded" => Some(SortField::Date(By::Added)),
            "dateUpdated" => Some(SortField::Date(By::Updated)),
            "firstNameLowerCase" => Some(SortField::FirstName),
            "lastNameLowerCase" => Some(SortField::LastName),
            "email" => Some(SortField::Email),
            "source" => Some(SortField::Source),
            "dnd" => Some(SortField::Dnd),
            "businessName" => Some(SortField::BusinessName),
            _ => None,
        }
    }

    fn value(self, person: &Person) -> Value {
        let text = |key| {
            person
                .get(key)
                .map(str::to_lowercase)
                .map_or(Value::Null, Value::from)
        };
        match self {
            SortField::Date(By::Added) => json!(person.added),
            SortField::Date(By::Updated) => json!(person.indexed_at()),
            SortField::FirstName => text(Key::FirstName),
            SortField::LastName => text(Key::LastName),
            SortField::Email => text(Key::Email),
            SortField::Source => text(Key::Source),
            SortField::Dnd => json!(person.dnd.unwrap_or(false)),
            SortField::BusinessName => Value::Null,
        }
    }
}

/// Orders sort values; nulls come last.
fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        _ => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(0.0));
            one.total_cmp(&other)
        }
    }
}

/// The total of the last filters asked, kept while the index stands still.
#[derive(Default)]
pub(crate) struct LastTotal {
    asked: String,
    generation: u64,
    total: u64,
}

struct Search {
    limit: usize,
    skip: usize,
    after: Option<Vec<Value>>,
    filter: Filter,
    /// The filters as sent, for remembering the total.
    asked: String,
    sort: Vec<(SortField, bool)>,
}

impl Search {
    /// Returns which rows of the start can match, going by their dates alone.
    fn span(&self, index: &Index) -> Range<u64> {
        let (mut added, mut updated) = ((i64::MIN, i64::MAX), (i64::MIN, i64::MAX));
        self.filter.narrow(By::Added, &mut added.0, &mut added.1);
        self.filter
            .narrow(By::Updated, &mut updated.0, &mut updated.1);
        index.span(added, updated)
    }
}

fn read(body: &Map<String, Value>, world: &World) -> Outcome<Search> {
    let mut problems = Vec::new();
    let known = [
        "locationId",
        "pageLimit",
        "page",
        "searchAfter",
        "filters",
        "sort",
        "query",
    ];
    filters::unknown_keys(body, &known, &mut problems);
    let location = body.get("locationId").and_then(Value::as_str).unwrap_or("");
    if location.is_empty() {
        problems.push("locationId must be a string".to_string());
    }
    let limit = body.get("pageLimit").and_then(Value::as_u64).unwrap_or(0);
    match body.get("pageLimit") {
        Some(Value::Number(_)) if limit > 500 => {
            problems.push("pageLimit must not be greater than 500".to_string())
        }
        Some(Value::Number(_)) if limit >= 1 => {}
        _ => problems.push("pageLimit must be a number".to_string()),
    }
    let page = body.get("page").map_or(Some(1), Value::as_u64).unwrap_or(0);
    if page == 0 {
        problems.push("page must not be less than 1".to_string());
    }
    let after = match body.get("searchAfter") {
        None => None,
        Some(Value::Array(parts)) if parts.is_empty() => None,
        Some(Value::Array(parts)) => Some(parts.clone()),
        Some(_) => {
            problems.push("searchAfter must be an array".to_string());
            None
        }
    };
    if after.is_some() && body.contains_key("page") {
        problems.push("page and searchAfter must not be sent together".to_string());
    }
    let sort = read_sort(body.get("sort"), &mut problems);
    let mut all = Vec::new();
    match body.get("filters") {
        None => {}
        Some(Value::Array(entries)) => {
            all.extend(
                entries
                    .iter()
                    .filter_map(|entry| filters::read(entry, &world.location, &mut problems)),
            );
        }
        Some(_) => problems.push("filters must be an array".to_string()),
    }
    let query = body.get("query").and_then(Value::as_str).unwrap_or("");
    if query.chars().count() > 75 {
        problems.push("query must be shorter than or equal to 75 characters".to_string());
    }
    if !query.is_empty() {
        all.push(filters::free_text(query));
    }
    if !problems.is_empty() {
        return Err(Box::new(Answer::unprocessable(&problems)));
    }
    if location != LOCATION_ID {
        return refuse(403, "The token does not have access to this location.");
    }
    if page * limit > PAGE_MODE_REACH {
        return refuse(
            400,
            "Result window is too large, use searchAfter beyond 10000 records",
        );
    }
    let asked = format!("{}|{query}", body.get("filters").unwrap_or(&Value::Null));
    Ok(Search {
        limit: limit as usize,
        skip: ((page - 1) * limit) as usize,
        after,
        filter: Filter::All(all),
        asked,
        sort,
    })
}

fn read_sort(value: Option<&Value>, problems: &mut Vec<String>) -> Vec<(SortField, bool)> {
    let mut sort = Vec::new();
    let entries = match value {
        None => return vec![(SortField::Date(By::Added), false)],
        Some(Value::Array(entries)) => entries,
        Some(_) => {
            problems.push("sort must be an array".to_string());
            return sort;
        }
    };
    if entries.len() > 2 {
        problems.push("sort must contain no more than 2 elements".to_string());
    }
    for entry in entries {
        let name = entry.get("field").and_then(Value::as_str).unwrap_or("");
        let field = SortField::named(name);
        if field.is_none() {
            problems.push(format!("Invalid sort field: {name}"));
        }
        let up = match entry.get("direction").and_then(Value::as_str) {
            Some("asc") => true,
            Some("desc") => false,
            _ => {
                problems
                    .push("direction must be one of the following values: asc, desc".to_string());
                continue;
            }
        };
        sort.extend(field.map(|field| (field, up)));
    }
    if sort.is_empty() {
        sort.push((SortField::Date(By::Added), false));
    }
    sort
}

/// Answers `POST /contacts/search`.
pub(crate) fn search(
    world: &mut World,
    request: &Request,
    dialect: Dialect,
    quirk: Option<PageQuirk>,
) -> Outcome {
    let search = read(&request.object(), world)?;
    let now = world.clock.now();
    let ids = world.store.base.ids;
    let index = world.store.index_at(now);
    let candidates = search.filter.candidates(index, &|id| ids.decode(id));
    let (rows, total) = match (candidates, search.sort.as_slice()) {
        (Some(numbers), _) => {
            let rows = numbers.into_iter().filter_map(|number| index.row(number));
            let rows = rows.filter(|row| search.filter.matches(row)).collect();
            sorted_page(rows, &search)
        }
        (None, [(SortField::Date(by), up)]) => {
            let total = total(index, &mut world.last_total, &search);
            (dated_page(index, *by, *up, &search), total)
        }
        (None, _) => {
            let mut rows = Vec::new();
            let span = search.span(index);
            index.walk_up(By::Added, (i64::MIN, Id::LEAST), span, |row| {
                if search.filter.matches(row) {
                    rows.push(Arc::clone(row));
                }
                true
            });
            sorted_page(rows, &search)
        }
    };
    let total = match world.settings.switches.search_total {
        SearchTotal::Honest => total,
        SearchTotal::Capped => total.min(10_000),
    };
    let rows = if quirk == Some(PageQuirk::Empty) {
        Vec::new()
    } else {
        rows
    };
    let mut json = Json::new();
    json.open(b'{');
    json.key("contacts").open(b'[');
    for row in &rows {
        let cursor = match (quirk, &search.after) {
            (Some(PageQuirk::RepeatedCursor), Some(after)) => after.clone(),
            // The first page leads to itself: no place comes before this one.
            (Some(PageQuirk::RepeatedCursor), None) => match search.sort[0].1 {
                true => vec![json!(0), json!(FIRST_ID)],
                false => vec![json!(FAR_FUTURE_MS), json!(LAST_ID)],
            },
            _ => vec![search.sort[0].0.value(row), json!(row.id.as_str())],
        };
        let location = &world.location;
        write_found(
            &mut json,
            row,
            &|field| location.field_id(field),
            dialect,
            &cursor,
        );
    }
    json.close(b']');
    json.key("total").number(total as i64);
    json.key("traceId").text(&world.trace());
    json.close(b'}');
    Ok(Answer::json(200, json.finish()))
}

/// Returns the place behind which a dated page begins; unreadable cursors begin at the start.
fn place(after: &Option<Vec<Value>>, up: bool) -> Place {
    let read = || -> Option<Place> {
        let parts = after.as_ref()?;
        let ms = match parts.first()? {
            Value::String(text) => text.parse().ok()?,
            value => value.as_f64()? as i64,
        };
        let id = parts.get(1).and_then(Value::as_str).and_then(Id::spelled);
        Some((ms, id.unwrap_or(if up { Id::MOST } else { Id::LEAST })))
    };
    read().unwrap_or(if up {
        (i64::MIN, Id::LEAST)
    } else {
        (i64::MAX, Id::MOST)
    })
}

fn dated_page(index: &Index, by: By, up: bool, search: &Search) -> Vec<Arc<Person>> {
    let (mut from, mut to) = (i64::MIN, i64::MAX);
    search.filter.narrow(by, &mut from, &mut to);
    let start = place(&search.after, up);
    let mut skip = search.skip;
    let mut rows = Vec::with_capacity(search.limit);
    let visit = |row: &Arc<Person>| {
        let at = match by {
            By::Added => row.added,
            By::Updated => row.indexed_at(),
        };
        if (up && at >= to) || (!up && at < from) {
            return false;
        }
        if search.filter.matches(row) {
            if skip > 0 {
                skip -= 1;
            } else {
                rows.push(Arc::clone(row));
            }
        }
        rows.len() < search.limit
    };
    let span = search.span(index);
    if up {
        index.walk_up(by, start.max((from, Id::LEAST)), span, visit);
    } else {
        index.walk_down(by, start.min((to, Id::LEAST)), span, visit);
    }
    rows
}

fn total(index: &Index, last: &mut LastTotal, search: &Search) -> u64 {
    if last.asked == search.asked && last.generation == index.generation && last.total > 0 {
        return last.total;
    }
    let (mut added, mut updated) = ((i64::MIN, i64::MAX), (i64::MIN, i64::MAX));
    let only_added = search.filter.narrow(By::Added, &mut added.0, &mut added.1);
    let only_updated = search
        .filter
        .narrow(By::Updated, &mut updated.0, &mut updated.1);
    let everything = matches!(&search.filter, Filter::All(inner) if inner.is_empty());
    let total = if everything {
        index.len()
    } else if only_added {
        index.count_between(By::Added, added.0, added.1)
    } else if only_updated {
        index.count_between(By::Updated, updated.0, updated.1)
    } else {
        let mut count = 0;
        let span = search.span(index);
        index.walk_up(By::Updated, (updated.0, Id::LEAST), span, |row| {
            if row.indexed_at() >= updated.1 {
                return false;
            }
            count += u64::from(search.filter.matches(row));
            true
        });
        count
    };
    *last = LastTotal {
        asked: search.asked.clone(),
        generation: index.generation,
        total,
    };
    total
}

/// Pages through rows that had to be collected first.
fn sorted_page(mut rows: Vec<Arc<Person>>, search: &Search) -> (Vec<Arc<Person>>, u64) {
    let order = |one: &Person, other: &Person| {
        for (field, up) in &search.sort {
            let way = compare(&field.value(one), &field.value(other));
            let way = if *up { way } else { way.reverse() };
            if way.is_ne() {
                return way;
            }
        }
        if search.sort[0].1 {
            one.id.cmp(&other.id)
        } else {
            other.id.cmp(&one.id)
        }
    };
    rows.sort_by(|one, other| order(one, other));
    let total = rows.len() as u64;
    if let Some(after) = &search.after {
        let id = after.get(1).and_then(Value::as_str).unwrap_or("");
        let (field, up) = search.sort[0];
        let known = rows.iter().position(|row| row.id.as_str() == id);
        let start = known.map_or_else(
            || {
                let first = after.first().unwrap_or(&Value::Null);
                rows.partition_point(|row| {
                    let way = compare(&field.value(row), first);
                    (if up { way } else { way.reverse() }).is_le()
                })
            },
            |at| at + 1,
        );
        rows.drain(..start);
    }
    let rows = rows
        .into_iter()
        .skip(search.skip)
        .take(search.limit)
        .collect();
    (rows, total)
}

/// Answers `GET /contacts/`: newest first, thin rows, two cursors.
pub(crate) fn list(world: &mut World, request: &Request, quirk: Option<PageQuirk>) -> Outcome {
    if world.settings.switches.list_refused {
        return refuse(404, "Cannot GET /contacts/");
    }
    let known = ["locationId", "limit", "startAfter", "startAfterId", "query"];
    let unknown = request
        .query
        .iter()
        .map(|(name, _)| name)
        .filter(|name| !known.contains(&name.as_str()));
    let mut problems: Vec<String> = unknown
        .map(|name| format!("property {name} should not exist"))
        .collect();
    let limit = match request.param("limit").map(str::parse::<usize>) {
        None => 20,
        Some(Ok(limit @ 1..=100)) => limit,
        Some(Ok(_)) => {
            problems.push("limit must not be greater than 100".to_string());
            20
        }
        Some(Err(_)) => {
            problems
                .push("limit must be a number conforming to the specified constraints".to_string());
            20
        }
    };
    if !problems.is_empty() {
        return Err(Box::new(Answer::unprocessable(&problems)));
    }
    let sent = (
        request
            .param("startAfter")
            .and_then(|ms| ms.parse::<i64>().ok()),
        request.param("startAfterId"),
    );
    // With only one of the two cursors the first page comes back for ever.
    let start = match sent {
        (Some(ms), Some(id)) => (ms, Id::spelled(id).unwrap_or(Id::LEAST)),
        _ => (i64::MAX, Id::MOST),
    };
    let now = world.clock.now();
    let index = world.store.index_at(now);
    let filter = request.param("query").map(filters::free_text);
    let mut rows = Vec::with_capacity(limit);
    index.walk_down(By::Added, start, index.everything(), |row| {
        if filter.as_ref().is_none_or(|filter| filter.matches(row)) {
            rows.push(Arc::clone(row));
        }
        rows.len() < limit
    });
    let total = match &filter {
        None => index.len(),
        Some(filter) => {
            let mut count = 0;
            let all = index.everything();
            index.walk_down(By::Added, (i64::MAX, Id::MOST), all, |row| {
                count += u64::from(filter.matches(row));
                true
            });
            count
        }
    };
    let mut cursor = rows.last().map(|row| (row.added, row.id.to_string()));
    match quirk {
        Some(PageQuirk::RepeatedCursor) => {
            cursor = Some(match sent {
                (Some(ms), Some(id)) => (ms, id.to_string()),
                _ => (FAR_FUTURE_MS, LAST_ID.to_string()),
            });
        }
        Some(PageQuirk::MissingCursor) => cursor = None,
        Some(PageQuirk::Empty) => rows.clear(),
        // Only Twitch does that.
        Some(PageQuirk::Doubled) | None => {}
    }
    Ok(Answer::json(
        200,
        list_body(world, &rows, cursor, total, limit),
    ))
}

fn list_body(
    world: &mut World,
    rows: &[Arc<Person>],
    cursor: Option<(i64, String)>,
    total: u64,
    limit: usize,
) -> Vec<u8> {
    let names = world.settings.switches.list_names;
    let location = &world.location;
    let mut json = Json::new();
    json.open(b'{');
    json.key("contacts").open(b'[');
    for row in rows {
        write_listed(&mut json, row, &|field| location.field_id(field), names);
    }
    json.close(b']');
    json.key("count").number(total as i64);
    json.key("meta").open(b'{');
    json.key("total").number(total as i64);
    if let Some((ms, id)) = cursor {
        let url = format!(
            "http://localhost:5058/contacts/?locationId={LOCATION_ID}&limit={limit}&startAfter={ms}&startAfterId={id}"
        );
        json.key("nextPageUrl").text(&url);
        json.key("startAfterId").text(&id);
        json.key("startAfter").number(ms);
        json.key("currentPage").number(1);
        json.key("nextPage").number(2);
    } else {
        json.key("nextPage").raw("null");
    }
    json.key("prevPage").raw("null");
    json.close(b'}');
    json.key("traceId").text(&world.trace());
    json.close(b'}');
    json.finish()
}
