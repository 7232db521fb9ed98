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
mod tests {
    use super::super::location::CustomField;
    use super::*;

    fn here() -> LocationId {
        LocationId::try_from("AYg6").unwrap()
    }

    fn key(name: &str) -> FieldKey {
        FieldKey::try_from(name).unwrap()
    }

    fn keys() -> Arc<Keys> {
        let defined =
            [("6dvN", "twitch_user_id"), ("7evO", "points")].map(|(id, name)| CustomField {
                id: id.to_owned(),
                key: key(name),
                name: name.to_owned(),
                data_type: "TEXT".to_owned(),
            });
        let managed = ["firstName", "lastName", "address1", "companyName"]
            .into_iter()
            .chain(["dateOfBirth", "twitch_user_id", "points"])
            .map(key)
            .collect::<Vec<_>>();
        Arc::new(Keys::of(&managed, &defined).0)
    }

    fn fields(pairs: &[(&str, &str)]) -> BTreeMap<FieldKey, String> {
        pairs
            .iter()
            .map(|(name, value)| (key(name), (*value).to_owned()))
            .collect()
    }

    /// Shows a contact's fields as `key=value`, `-` for known to be empty; what is unknown does not show.
    fn shown(contact: &Contact) -> String {
        let all: Vec<String> = contact
            .fields
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or("-")))
            .collect();
        all.join(" ")
    }

    #[test]
    fn every_list_page_names_location_limit_and_both_cursors() {
        let first = list(&here(), 100, None, &keys());
        assert_eq!(first.path, "/contacts/");
        assert_eq!(
            first.query,
            [
                ("locationId", "AYg6".to_owned()),
                ("limit", "100".to_owned())
            ]
        );
        let cursor = ListCursor {
            start_after: 1_784_284_702_661,
            start_after_id: "TY3N".to_owned(),
        };
        let next = list(&here(), 500, Some(&cursor), &keys());
        assert_eq!(
            next.query.get(1..),
            Some(
                [
                    ("limit", "100".to_owned()),
                    ("startAfter", "1784284702661".to_owned()),
                    ("startAfterId", "TY3N".to_owned())
                ]
                .as_slice()
            )
        );
    }

    #[test]
    fn a_list_row_is_thin() {
        let call = list(&here(), 100, None, &keys());
        let page = call
            .read(
                br#"{"contacts":[
                {"id":"a","firstName":"ann","lastName":"lee","firstNameRaw":"Ann","tags":["VIP"],"address":null,
                 "dateAdded":"2026-07-17T10:38:22.661Z","customFields":[{"id":"6dvN","value":"11111"},{"id":"else","value":1}]},
                {"id":"b"}],
                "meta":{"total":167623,"nextPageUrl":"http://localhost:5058/x","startAfter":1784284702661,"startAfterId":"b"},"count":2}"#,
            )
            .unwrap();
        assert_eq!(page.total, Some(167_623));
        assert_eq!(
            page.next,
            Some(ListCursor {
                start_after: 1_784_284_702_661,
                start_after_id: "b".to_owned()
            })
        );
        let [ann, thin] = page.rows.as_slice() else {
            panic!("two rows")
        };
        assert_eq!(
            shown(ann),
            "address1=- firstName=Ann points=- twitch_user_id=11111"
        );
        assert_eq!(ann.tags.as_ref().map(BTreeSet::len), Some(1));
        assert_eq!((shown(thin).as_str(), &thin.tags), ("", &None));
    }

    #[test]
    fn the_business_of_a_contact_is_read_when_it_is_asked_for() {
        let keys = Arc::new(Keys::of(&[FieldKey::business()], &[]).0);
        let page = list(&here(), 100, None, &keys)
            .read(br#"{"contacts":[{"id":"a","businessId":"B1"},{"id":"b","businessId":null},{"id":"c"}]}"#)
            .unwrap();
        let seen: Vec<String> = page.rows.iter().map(shown).collect();
        // A row of the list that does not carry it says nothing of it; an answer that shows all of the contact does.
        assert_eq!(seen, ["businessId=B1", "businessId=-", ""]);
        let id = ContactId::try_from("TY3N").unwrap();
        let whole = get(&id, &keys);
        for (reply, expected) in [
            (
                r#"{"contact":{"id":"TY3N","businessId":"B1"}}"#,
                "businessId=B1",
            ),
            (r#"{"contact":{"id":"TY3N"}}"#, "businessId=-"),
        ] {
            assert_eq!(shown(&whole.read(reply.as_bytes()).unwrap()), expected);
        }
        let other = list(&here(), 100, None, &self::keys())
            .read(br#"{"contacts":[{"id":"a","businessId":"B1"}]}"#)
            .unwrap();
        assert_eq!(other.rows.first().map(shown).as_deref(), Some(""));
    }

    #[test]
    fn a_full_list_page_without_both_cursors_goes_on_behind_its_last_row() {
        let call = list(&here(), 1, None, &keys());
        let next = |meta: &str| {
            let json = format!(
                r#"{{"contacts":[{{"id":"a","dateAdded":"2026-07-17T10:38:22.661Z"}}]{meta}}}"#
            );
            call.read(json.as_bytes()).unwrap().next
        };
        let behind_a = Some(ListCursor {
            start_after: 1_784_284_702_661,
            start_after_id: "a".to_owned(),
        });
        for half in [
            "",
            r#","meta":null"#,
            r#","meta":{"startAfter":1784284702661}"#,
            r#","meta":{"startAfterId":"z","startAfter":null}"#,
        ] {
            assert_eq!(next(half), behind_a, "{half}");
        }
        let last = call
            .read(br#"{"contacts":[],"meta":{"startAfter":null,"startAfterId":null}}"#)
            .unwrap();
        assert_eq!(last.next, None);
        assert!(call.read(br#"{"contacts":[{"id":"a"}]}"#).is_err());
    }

    #[test]
    fn a_recorded_create_is_whole() {
        let call = create(
            &here(),
            &fields(&[("firstName", "Nango Dryrun"), ("twitch_user_id", "11111")]),
            &[Tag::new("Twitch Follower").unwrap()].into(),
            &keys(),
        )
        .unwrap();
        assert_eq!((call.method, &*call.path), (Method::Post, "/contacts/"));
        assert_eq!(
            call.body,
            Some(json!({
                "locationId": "AYg6", "firstName": "Nango Dryrun", "tags": ["twitch follower"],
                "customFields": [{"id": "6dvN", "field_value": "11111"}],
            }))
        );
        assert_eq!(call.if_unsure, IfUnsure::LookFirst);
        let made = call
            .read(
                br#"{"contact":{"id":"MB7tx4NBjFJKvmnYjcly","dateAdded":"2026-07-17T10:26:20.635Z",
                 "dateUpdated":"2026-07-17T10:26:20.635Z","deleted":false,"tags":[],"type":"lead","customFields":[],
                 "locationId":"AYg6","firstName":"Nango Dryrun","firstNameLowerCase":"nango dryrun",
                 "fullNameLowerCase":"nango dryrun","email":"dryrun@example.com","emailLowerCase":"dryrun@example.com",
                 "bounceEmail":false,"unsubscribeEmail":false,"country":"US","createdBy":{"source":"INTEGRATION"},
                 "lastSessionActivityAt":"x","validEmail":null,"validEmailDate":null},"traceId":"d32f"}"#,
            )
            .unwrap();
        assert_eq!(made.id.as_str(), "MB7tx4NBjFJKvmnYjcly");
        assert_eq!(
            shown(&made),
            "address1=- companyName=- dateOfBirth=- firstName=Nango Dryrun lastName=- points=- twitch_user_id=-"
        );
        // A success without the new contact's id is no answer.
        assert!(call.read(br#"{"traceId":"x"}"#).is_err());
        assert!(call.read(br#"{"contact":{}}"#).is_err());
    }

    #[test]
    fn a_contact_without_a_name_is_not_sent() {
        let none = BTreeSet::new();
        let create = |pairs: &[(&str, &str)]| create(&here(), &fields(pairs), &none, &keys()).err();
        assert_eq!(create(&[("city", "x")]), Some(CannotWrite::Nameless));
        assert_eq!(create(&[("firstName", " ")]), Some(CannotWrite::Nameless));
        assert_eq!(
            create(&[("lastName", "x"), ("nowhere", "y")]),
            Some(CannotWrite::NoSuchField(key("nowhere")))
        );
    }

    #[test]
    fn an_update_sends_the_owned_keys_and_nothing_else() {
        let id = ContactId::try_from("TY3N").unwrap();
        let call = update(&id, &fields(&[("lastName", "X"), ("points", "7")]), &keys()).unwrap();
        assert_eq!((call.method, &*call.path), (Method::Put, "/contacts/TY3N"));
        assert_eq!(
            call.body,
            Some(json!({"lastName": "X", "customFields": [{"id": "7evO", "field_value": "7"}]}))
        );
        assert_eq!(call.if_unsure, IfUnsure::SendAgain);
        for flag in [r#""succeded":true,"#, r#""succeeded":true,"#, ""] {
            let reply = format!(r#"{{{flag}"contact":{{"id":"TY3N","lastName":"X"}}}}"#);
            assert!(call.read(reply.as_bytes()).is_ok());
        }
        assert_eq!(
            update(&id, &fields(&[("companyName", "x")]), &keys()).err(),
            Some(CannotWrite::OnlyAtCreation(key("companyName")))
        );
        assert_eq!(
            update(&id, &BTreeMap::new(), &keys()).err(),
            Some(CannotWrite::Nothing)
        );
        assert_eq!(
            update(&id, &fields(&[("businessId", "b")]), &keys()).err(),
            Some(CannotWrite::Never(FieldKey::business()))
        );
    }

    #[test]
    fn a_get_shows_every_managed_key_whatever_its_type() {
        let id = ContactId::try_from("TY3N").unwrap();
        let call = get(&id, &keys());
        assert_eq!(call.path, "/contacts/TY3N");
        let seen = call
            .read(
                br#"{"contact":{"id":"TY3N","firstName":"","address1":"Road 1","dateOfBirth":"1990-12-31T00:00:00.000Z",
                "customFields":[{"id":"6dvN","value":["a","b"]},{"id":"7evO","value":7}]},"traceId":"x"}"#,
            )
            .unwrap();
        assert_eq!(
            shown(&seen),
            r#"address1=Road 1 companyName=- dateOfBirth=1990-12-31 firstName=- lastName=- points=7 twitch_user_id=["a","b"]"#
        );
        // Without `customFields` they are known to be empty, too; tags are not.
        let bare = call.read(br#"{"contact":{"id":"TY3N"}}"#).unwrap();
        assert!(shown(&bare).ends_with("points=- twitch_user_id=-"));
        assert_eq!(bare.tags, None);
        assert_eq!(
            call.read(br#"{"contact":{"id":"TY3N","deleted":true}}"#),
            Err(Unreadable::Gone)
        );
    }
}
