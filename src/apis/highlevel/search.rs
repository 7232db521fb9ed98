//! `POST /contacts/search`: the index, sorted and filtered.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::VERSION;
use super::contacts::{Page, rows};
use super::keys::Keys;
use crate::model::{FieldKey, LocationId, Reading};
use crate::net::{Call, Method, Unreadable};

/// The most contacts of one search page (reference section 8.1).
pub const SEARCH_LIMIT: u16 = 500;

/// Where the next page begins: `[sort value, contact id]` of the last row, as the vendor wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SearchCursor(Value);

impl SearchCursor {
    /// Returns the cursor as JSON text, the form the database keeps.
    pub fn json(&self) -> String {
        self.0.to_string()
    }

    /// Takes a cursor as it was stored; `None` when it is not a JSON array.
    pub fn stored(text: &str) -> Option<SearchCursor> {
        let value: Value = serde_json::from_str(text).ok()?;
        value.is_array().then_some(SearchCursor(value))
    }
}

/// What to search for and in which order; the page is asked for with [`Search::call`].
///
/// A walk goes on with the cursor of the page before. Rows that change during a walk by `dateUpdated` move to its end and come again.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    filters: Vec<Value>,
    sort: (&'static str, &'static str),
    limit: u16,
    after: Option<SearchCursor>,
}

impl Search {
    fn new(filters: Vec<Value>, field: &'static str, direction: &'static str) -> Search {
        Search {
            filters,
            sort: (field, direction),
            limit: SEARCH_LIMIT,
            after: None,
        }
    }

    /// Walks the contacts that changed at or after `since`, in the order in which they did: the normal pass.
    pub fn updated_since(since: DateTime<Utc>) -> Search {
        Search::new(vec![not_before("dateUpdated", since)], "dateUpdated", "asc")
    }

    /// Walks all contacts in the order in which they were added, which nothing changes: the full pass.
    pub fn by_added() -> Search {
        Search::new(Vec::new(), "dateAdded", "asc")
    }

    /// Walks the contacts added at or after `since`, in that order.
    pub fn added_since(since: DateTime<Utc>) -> Search {
        Search::new(vec![not_before("dateAdded", since)], "dateAdded", "asc")
    }

    /// Lists the newest contacts first.
    pub fn newest() -> Search {
        Search::new(Vec::new(), "dateAdded", "desc")
    }

    /// Looks for the contacts whose custom field of this id is exactly `value`.
    ///
    /// A filter by name matches nothing (issue 42), so it goes by id. Values over 75 characters are refused by the vendor.
    pub fn with_custom_field(id: &str, value: &str) -> Search {
        let filter = equals(&format!("customFields.{id}"), value);
        Search::new(vec![filter], "dateAdded", "asc")
    }

    /// Looks for the contacts whose field is exactly `value`; `None` for a field that the search cannot filter by.
    pub fn with_field(key: &FieldKey, value: &str, keys: &Keys) -> Option<Search> {
        if let Some(id) = keys.id(key) {
            return Some(Search::with_custom_field(id, value));
        }
        let lower = value.to_lowercase();
        let filter = match key.as_str() {
            "firstName" => equals("firstNameLowerCase", &lower),
            "lastName" => equals("lastNameLowerCase", &lower),
            "address1" => equals("address", value),
            name @ ("email" | "phone" | "city" | "state" | "postalCode" | "country" | "website"
            | "timezone" | "source" | "assignedTo" | "companyName") => equals(name, value),
            _ => return None,
        };
        Some(Search::new(vec![filter], "dateAdded", "asc"))
    }

    /// Asks for `limit` contacts a page, 1 to 500.
    pub fn limit(mut self, limit: u16) -> Search {
        self.limit = limit.clamp(1, SEARCH_LIMIT);
        self
    }

    /// Goes on behind the last row of the page before.
    pub fn after(mut self, cursor: Option<SearchCursor>) -> Search {
        self.after = cursor;
        self
    }

    /// Makes the call for one page. Needs `contacts.readonly`.
    ///
    /// A page with fewer rows than the limit is the last. A full page whose rows carry no cursor is refused as misshapen, because the walk
    /// would seem to have ended.
    pub fn call(&self, location: &LocationId, keys: &Arc<Keys>) -> Call<Page<SearchCursor>> {
        let Search {
            filters,
            sort: (field, direction),
            limit,
            after,
        } = self;
        let mut body = json!({
            "locationId": location.as_str(),
            "pageLimit": limit,
            "sort": [{"field": field, "direction": direction}],
        });
        if !filters.is_empty() {
            body["filters"] = json!(filters);
        }
        if let Some(SearchCursor(after)) = after {
            body["searchAfter"] = after.clone();
        }
        let (limit, keys) = (*limit, Arc::clone(keys));
        Call::new(
            Method::Post,
            "POST /contacts/search",
            "/contacts/search",
            move |bytes| page(bytes, limit, &keys),
        )
        .body(body)
        .version(VERSION)
    }
}

fn page(bytes: &[u8], limit: u16, keys: &Keys) -> Result<Page<SearchCursor>, Unreadable> {
    let mut cursor = None;
    let mut page = rows(bytes, Reading::Search, keys, |row| {
        if let Some(after) = row.search_after.as_ref().filter(|after| after.is_array()) {
            cursor = Some(SearchCursor(after.clone()));
        }
    })?;
    if cursor.is_none() && page.listed >= u64::from(limit) {
        return Err(Unreadable::Shape(
            "a full page of contacts carries no cursor".to_owned(),
        ));
    }
    page.next = cursor;
    Ok(page)
}

fn equals(field: &str, value: &str) -> Value {
    json!({"field": field, "operator": "eq", "value": value})
}

fn not_before(field: &str, since: DateTime<Utc>) -> Value {
    let since = since.to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({"field": field, "operator": "range", "value": {"gte": since}})
}
