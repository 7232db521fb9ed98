//! Contacts: the list, one contact, creating and updating.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::VERSION;
use super::envelope::succeeded;
use super::keys::Keys;
use super::row::{Row, moment};
use crate::apis::Odd;
use crate::apis::loose::Loose;
use crate::model::{Contact, ContactId, FieldKey, IfUnsure, LocationId, Reading, Tag};
use crate::net::{Call, Method, Unreadable};

/// The most contacts of one list page (HighLevel's OpenAPI file of contacts).
pub const LIST_LIMIT: u16 = 100;

/// One page of contacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<C> {
    /// The contacts, in the vendor's order.
    pub rows: Vec<Contact>,
    /// Rows that could not be used.
    pub odd: Odd,
    /// How many rows the page had, odd ones included; fewer than the limit is the last page.
    pub listed: u64,
    /// How many contacts there are in all, as the vendor counts; search may stop counting at 10,000.
    pub total: Option<u64>,
    /// Where the next page begins; `None` when the vendor gives no cursor.
    pub next: Option<C>,
}

/// Where the next list page begins. Both parts are needed: with one alone the first page comes back for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListCursor {
    /// When the last contact was added, in milliseconds since the Unix epoch.
    pub start_after: i64,
    /// The id of the last contact.
    pub start_after_id: String,
}

/// Why a write cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CannotWrite {
    /// The key is neither standard nor a custom field of the location.
    NoSuchField(FieldKey),
    /// The key can be set at creation alone.
    OnlyAtCreation(FieldKey),
    /// The key is shown, and no write of a contact takes it.
    Never(FieldKey),
    /// A new contact needs one of e-mail, phone, first name and last name.
    Nameless,
    /// There is nothing to write.
    Nothing,
}

impl fmt::Display for CannotWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CannotWrite::NoSuchField(key) => write!(f, "the location has no field `{key}`"),
            CannotWrite::OnlyAtCreation(key) => {
                write!(f, "`{key}` can only be set when a contact is created")
            }
            CannotWrite::Never(key) => {
                write!(f, "`{key}` cannot be set by writing a contact")
            }
            CannotWrite::Nameless => f.write_str(
                "a new contact needs one of `firstName`, `lastName`, `email` and `phone`",
            ),
            CannotWrite::Nothing => f.write_str("there is nothing to write"),
        }
    }
}

impl std::error::Error for CannotWrite {}

/// Reads one page of a location's contacts, newest first. Needs `contacts.readonly`.
///
/// `limit` is 1 to 100. Rows are thin, see [`super::decode`]. The endpoint is deprecated and absent from API v3, where it answers 404.
pub fn list(
    location: &LocationId,
    limit: u16,
    after: Option<&ListCursor>,
    keys: &Arc<Keys>,
) -> Call<Page<ListCursor>> {
    let limit = limit.clamp(1, LIST_LIMIT);
    let keys = Arc::clone(keys);
    // Location and limit go with every page: without them it is a 403 (issue 11353 of n8n).
    let mut call = Call::new(Method::Get, "GET /contacts/", "/contacts/", move |bytes| {
        list_page(bytes, limit, &keys)
    })
    .with("locationId", location.as_str())
    .with("limit", limit.to_string())
    .version(VERSION);
    if let Some(after) = after {
        call = call
            .with("startAfter", after.start_after.to_string())
            .with("startAfterId", &*after.start_after_id);
    }
    call
}

/// Reads one contact, fresh. Needs `contacts.readonly`. A contact that is marked as deleted is not found.
pub fn get(id: &ContactId, keys: &Arc<Keys>) -> Call<Contact> {
    let keys = Arc::clone(keys);
    let path = format!("/contacts/{id}");
    Call::new(Method::Get, "GET /contacts/{id}", path, move |bytes| {
        one(bytes, Reading::Get, &keys)
    })
    .version(VERSION)
}

/// Creates a contact with its fields and tags in one call. Needs `contacts.write`.
///
/// Nothing at HighLevel prevents a second one without e-mail and phone, so a lost answer is looked for, not sent again.
///
/// Errors: [`CannotWrite::NoSuchField`], [`CannotWrite::Nameless`].
pub fn create(
    location: &LocationId,
    fields: &BTreeMap<FieldKey, String>,
    tags: &BTreeSet<Tag>,
    keys: &Arc<Keys>,
) -> Result<Call<Contact>, CannotWrite> {
    let named = fields
        .iter()
        .any(|(key, value)| identifies(key) && !value.trim().is_empty());
    if !named {
        return Err(CannotWrite::Nameless);
    }
    let mut body = encode(fields, keys)?;
    body.insert("locationId".to_owned(), json!(location.as_str()));
    if !tags.is_empty() {
        body.insert("tags".to_owned(), json!(tags));
    }
    let keys = Arc::clone(keys);
    let call = Call::new(
        Method::Post,
        "POST /contacts/",
        "/contacts/",
        move |bytes| one(bytes, Reading::Write, &keys),
    );
    Ok(call
        .body(Value::Object(body))
        .if_unsure(IfUnsure::LookFirst)
        .version(VERSION))
}

/// Changes these fields of a contact and leaves all others. Needs `contacts.write`.
///
/// Never sends `tags`, which would replace the whole set, nor `locationId`, which is refused. The answer shows the contact afterwards.
///
/// Errors: [`CannotWrite::NoSuchField`], [`CannotWrite::OnlyAtCreation`], [`CannotWrite::Nothing`].
pub fn update(
    id: &ContactId,
    fields: &BTreeMap<FieldKey, String>,
    keys: &Arc<Keys>,
) -> Result<Call<Contact>, CannotWrite> {
    if fields.is_empty() {
        return Err(CannotWrite::Nothing);
    }
    let fixed = fields
        .keys()
        .find(|key| key.standard().is_some_and(|standard| !standard.updatable));
    if let Some(key) = fixed {
        return Err(CannotWrite::OnlyAtCreation(key.clone()));
    }
    let body = encode(fields, keys)?;
    let keys = Arc::clone(keys);
    let path = format!("/contacts/{id}");
    let call = Call::new(Method::Put, "PUT /contacts/{id}", path, move |bytes| {
        one(bytes, Reading::Write, &keys)
    });
    Ok(call
        .body(Value::Object(body))
        .if_unsure(IfUnsure::SendAgain)
        .version(VERSION))
}

/// Deletes a contact. Needs `contacts.write`.
///
/// NEVER used by a job: no job deletes a contact, whatever it is told. It is there for the write test of `check`, which removes the one
/// contact that it made. Sending it twice does no harm: the second answer is "not found".
///
/// Source: HighLevel's OpenAPI files of contacts, "Delete Contact"; whether a person can restore the contact is not documented.
pub fn delete(id: &ContactId) -> Call<()> {
    let path = format!("/contacts/{id}");
    Call::new(Method::Delete, "DELETE /contacts/{id}", path, succeeded)
        .if_unsure(IfUnsure::SendAgain)
        .version(VERSION)
}

/// Returns whether the key is one of those of which a contact must have one (a 422 that several clients report; no page says so).
fn identifies(key: &FieldKey) -> bool {
    matches!(key.as_str(), "firstName" | "lastName" | "email" | "phone")
}

/// Encodes fields: standard ones by name, custom ones as `{id, field_value}`, never `value`, which is dropped silently (reference 9.2).
fn encode(
    fields: &BTreeMap<FieldKey, String>,
    keys: &Keys,
) -> Result<Map<String, Value>, CannotWrite> {
    let mut body = Map::new();
    let mut custom = Vec::new();
    for (key, value) in fields {
        if key.standard().is_some() {
            body.insert(key.as_str().to_owned(), json!(value));
        } else if let Some(id) = keys.id(key) {
            custom.push(json!({"id": id, "field_value": value}));
        } else if key.is_shown_by_name() {
            return Err(CannotWrite::Never(key.clone()));
        } else {
            return Err(CannotWrite::NoSuchField(key.clone()));
        }
    }
    if !custom.is_empty() {
        body.insert("customFields".to_owned(), Value::Array(custom));
    }
    Ok(body)
}

fn one(bytes: &[u8], reading: Reading, keys: &Keys) -> Result<Contact, Unreadable> {
    #[derive(Deserialize)]
    struct Reply<'a> {
        #[serde(borrow)]
        contact: Option<Row<'a>>,
    }
    let reply: Reply<'_> = serde_json::from_slice(bytes)?;
    let Some(row) = reply.contact else {
        return Err(Unreadable::Shape("the reply holds no contact".to_owned()));
    };
    if row.is_deleted() {
        return Err(Unreadable::Gone);
    }
    row.contact(reading, keys)
        .map_err(|why| Unreadable::Shape(format!("the contact cannot be used: {why}")))
}

pub(super) fn list_page(
    bytes: &[u8],
    limit: u16,
    keys: &Keys,
) -> Result<Page<ListCursor>, Unreadable> {
    #[derive(Deserialize)]
    struct Reply<'a> {
        #[serde(borrow, default)]
        meta: Option<Meta<'a>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Meta<'a> {
        #[serde(borrow)]
        total: Loose<'a>,
        start_after: Loose<'a>,
        start_after_id: Loose<'a>,
    }
    let mut last = None;
    let mut page = rows(bytes, Reading::List, keys, |row| {
        let added = row.date_added.text().and_then(moment);
        if let (Some(id), Some(added)) = (row.id.text(), added) {
            last = Some(ListCursor {
                start_after: added.timestamp_millis(),
                start_after_id: id.to_owned(),
            });
        }
    })?;
    let reply: Reply<'_> = serde_json::from_slice(bytes)?;
    let meta = reply.meta.unwrap_or_default();
    let total = meta.total.text().and_then(|total| total.parse().ok());
    page.total = total.or(page.total);
    let start_after = meta.start_after.text().and_then(moment);
    page.next = match (start_after, meta.start_after_id.text()) {
        (Some(start_after), Some(id)) => Some(ListCursor {
            start_after: start_after.timestamp_millis(),
            start_after_id: id.to_owned(),
        }),
        // A full page whose cursor is missing or half: the last row is the cursor (HighLevel's OpenAPI file of contacts).
        _ if page.listed >= u64::from(limit) => Some(last.ok_or_else(|| {
            Unreadable::Shape("a full page of contacts carries no cursor".to_owned())
        })?),
        _ => None,
    };
    Ok(page)
}

/// Reads the contacts of a page; `see` looks at every row that has a shape, in order.
pub(super) fn rows<C>(
    bytes: &[u8],
    reading: Reading,
    keys: &Keys,
    mut see: impl FnMut(&Row<'_>),
) -> Result<Page<C>, Unreadable> {
    #[derive(Deserialize)]
    struct Reply<'a, R> {
        contacts: Vec<R>,
        #[serde(borrow, default)]
        total: Loose<'a>,
    }
    let mut page = Page {
        rows: Vec::new(),
        odd: Odd::default(),
        listed: 0,
        total: None,
        next: None,
    };
    let mut take = |page: &mut Page<C>, row: Option<&Row<'_>>| {
        page.listed += 1;
        let Some(row) = row else {
            return page.odd.add("it has an unexpected shape");
        };
        see(row);
        // A deleted contact in an index that lags is no contact.
        if row.is_deleted() {
            return;
        }
        match row.contact(reading, keys) {
            Ok(contact) => page.rows.push(contact),
            Err(why) => page.odd.add(&why),
        }
    };
    let total = |total: &Loose<'_>| total.text().and_then(|total| total.parse().ok());
    // One pass over the bytes when every row has a shape; else row by row, so that a bad one costs itself alone.
    if let Ok(reply) = serde_json::from_slice::<Reply<'_, Row<'_>>>(bytes) {
        page.rows.reserve(reply.contacts.len());
        for row in &reply.contacts {
            take(&mut page, Some(row));
        }
        page.total = total(&reply.total);
    } else {
        let reply: Reply<'_, Value> = serde_json::from_slice(bytes)?;
        for row in &reply.contacts {
            take(&mut page, Row::deserialize(row).ok().as_ref());
        }
        page.total = total(&reply.total);
    }
    Ok(page)
}

#[cfg(test)]
mod tests;
