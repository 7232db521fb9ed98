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

/// The most contacts of one search page (HighLevel, Contacts Search API page).
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

    /// Takes the cursor that a row of the vendor's carries.
    pub(super) fn of_row(row: &Value) -> Option<SearchCursor> {
        let cursor = row.get("searchAfter").filter(|after| after.is_array())?;
        Some(SearchCursor(cursor.clone()))
    }

    /// Returns the cursor as the vendor wrote it.
    pub(super) fn value(&self) -> &Value {
        &self.0
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

    /// Looks for the contacts whose custom field of this id is exactly `value`.
    ///
    /// A filter by name matches nothing (issue 42 of HighLevel's tracker), so it goes by id. Values over 75 characters are refused by the vendor.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContactId, Tag};

    /// A search row as it was recorded on 2026-07-17.
    const RECORDED: &str = r#"{"id":"TY3N","phoneLabel":null,"country":"US","address":null,"source":null,"type":"lead","locationId":"AYg6",
     "website":null,"dnd":false,"state":null,"businessName":null,"customFields":[],"tags":["Twitch Follower"],
     "dateAdded":"2026-07-17T10:38:22.661Z","additionalEmails":[],"phone":"+15551234567","companyName":null,
     "additionalPhones":[],"dateUpdated":"2026-07-17T10:38:28.964Z","city":null,"dateOfBirth":null,
     "firstNameLowerCase":"nango","lastNameLowerCase":"upserttest","firstName":"Nango","lastName":"UpsertTest",
     "contactName":"nango upserttest","email":"x@example.com","assignedTo":null,"followers":[],"validEmail":null,
     "dndSettings":{},"postalCode":null,"businessId":null,"searchAfter":[1784284708964,"TY3N"],"timezone":null,
     "inboundDndSettings":{},"attributionSource":{},"lastAttributionSource":{}}"#;

    fn here() -> LocationId {
        LocationId::try_from("AYg6").unwrap()
    }

    fn keys() -> Arc<Keys> {
        let names = ["firstName", "address1", "email", "website"];
        let managed = names.map(|name| FieldKey::try_from(name).unwrap());
        Arc::new(Keys::of(&managed, &[]).0)
    }

    #[test]
    fn the_normal_pass_as_the_vendor_documents_it() {
        let since = DateTime::parse_from_rfc3339("2026-07-01T00:00:00Z").unwrap();
        let search = Search::updated_since(since.with_timezone(&Utc)).limit(100);
        let call = search.call(&here(), &keys());
        assert_eq!(call.path, "/contacts/search");
        assert!(call.is_read());
        assert_eq!(
            call.body,
            Some(json!({
                "locationId": "AYg6", "pageLimit": 100,
                "sort": [{"field": "dateUpdated", "direction": "asc"}],
                "filters": [{"field": "dateUpdated", "operator": "range", "value": {"gte": "2026-07-01T00:00:00.000Z"}}],
            }))
        );
        let cursor = SearchCursor::stored(r#"[1784284708964,"TY3N"]"#).unwrap();
        let next = search.after(Some(cursor)).call(&here(), &keys());
        let body = next.body.unwrap();
        assert_eq!(body["searchAfter"], json!([1_784_284_708_964_u64, "TY3N"]));
        assert_eq!(body["pageLimit"], 100);
    }

    #[test]
    fn the_other_walks() {
        let body = |search: Search| search.call(&here(), &keys()).body.unwrap();
        let marker = body(Search::with_custom_field("OBj0", "11111"));
        assert_eq!(
            marker["filters"],
            json!([{"field": "customFields.OBj0", "operator": "eq", "value": "11111"}])
        );
        let all = body(Search::by_added().limit(9_999));
        assert_eq!(all["pageLimit"], 500);
        assert_eq!(all.get("filters"), None);
        assert_eq!(
            all["sort"],
            json!([{"field": "dateAdded", "direction": "asc"}])
        );
        let key = |name: &str| FieldKey::try_from(name).unwrap();
        let named = Search::with_field(&key("firstName"), "Ann", &keys()).unwrap();
        assert_eq!(
            body(named)["filters"],
            json!([{"field": "firstNameLowerCase", "operator": "eq", "value": "ann"}])
        );
        assert_eq!(Search::with_field(&key("gender"), "x", &keys()), None);
    }

    #[test]
    fn a_recorded_row_is_whole() {
        let reply = format!(r#"{{"contacts":[{RECORDED}],"total":13,"traceId":"x"}}"#);
        let call = Search::by_added().limit(1).call(&here(), &keys());
        let page = call.read(reply.as_bytes()).unwrap();
        assert_eq!((page.listed, page.total), (1, Some(13)));
        assert_eq!(page.next.unwrap().json(), r#"[1784284708964,"TY3N"]"#);
        let contact = page.rows.first().unwrap();
        assert_eq!(contact.id, ContactId::try_from("TY3N").unwrap());
        let fields: Vec<(&str, Option<&str>)> = contact
            .fields
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_deref()))
            .collect();
        assert_eq!(
            fields,
            [
                ("address1", None),
                ("email", Some("x@example.com")),
                ("firstName", Some("Nango")),
                ("website", None)
            ]
        );
        let tag = Tag::new("twitch follower").unwrap();
        assert_eq!(contact.tags, Some([tag].into()));
        assert_eq!(
            contact.date_updated.unwrap().to_rfc3339(),
            "2026-07-17T10:38:28.964+00:00"
        );
    }

    #[test]
    fn the_page_after_the_last_is_empty_and_a_full_one_needs_its_cursor() {
        let call = Search::by_added().limit(2).call(&here(), &keys());
        let empty = call.read(br#"{"contacts":[],"total":13}"#).unwrap();
        assert_eq!((empty.listed, empty.next), (0, None));
        let short = call
            .read(br#"{"contacts":[{"id":"a"}],"total":13}"#)
            .unwrap();
        assert_eq!((short.listed, short.next), (1, None));
        assert!(
            call.read(br#"{"contacts":[{"id":"a"},{"id":"b"}]}"#)
                .is_err()
        );
        assert!(call.read(br#"{"total":13}"#).is_err());
    }

    #[test]
    fn one_bad_row_never_costs_its_page() {
        let call = Search::by_added().call(&here(), &keys());
        for bad in [
            "null",
            "7",
            r#"{"id":null}"#,
            r#"{"id":"a/b"}"#,
            r#"{"id":"b","tags":7}"#,
            r#"{"id":"b","customFields":"x"}"#,
        ] {
            let reply = format!(r#"{{"contacts":[{bad},{RECORDED}],"total":"2"}}"#);
            let page = call.read(reply.as_bytes()).unwrap();
            assert_eq!(
                (page.rows.len(), page.odd.rows, page.listed, page.total),
                (1, 1, 2, Some(2)),
                "{bad}"
            );
        }
    }
}
