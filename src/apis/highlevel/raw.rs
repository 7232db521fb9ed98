//! Contacts as the vendor shows them: every object whole, with the envelope taken off. For `ghl-sync api`, which prints them.
//!
//! Jobs use the functions of the same operations that return [`crate::model::Contact`], reduced to the managed keys.

use serde_json::{Map, Value, json};

use super::VERSION;
use super::body::{BadBody, ContactBody, ContactWrite};
use super::contacts::{LIST_LIMIT, ListCursor, list_page};
use super::envelope;
use super::keys::Keys;
use super::search::{SEARCH_LIMIT, SearchCursor};
use crate::model::{ContactId, IfUnsure, LocationId};
use crate::net::{Call, Method, Unreadable};

/// One page of the vendor's objects.
#[derive(Clone, Debug, PartialEq)]
pub struct RawPage<C> {
    /// The rows, whole, in the vendor's order.
    pub rows: Vec<Value>,
    /// How many there are in all, as the vendor counts; search may stop counting at 10,000.
    pub total: Option<u64>,
    /// Where the next page begins; `None` when the vendor gives no cursor. A page shorter than its limit is the last.
    pub next: Option<C>,
}

/// What an upsert did.
#[derive(Clone, Debug, PartialEq)]
pub struct Upserted {
    /// Whether the contact is new; `None` when the answer does not say.
    pub is_new: Option<bool>,
    /// The contact afterwards. It may show other values than were sent: an upsert drops what it will not change without an error.
    pub contact: Value,
}

/// Reads one contact, fresh. Needs `contacts.readonly`.
///
/// A contact that is marked as deleted is shown as the vendor shows it.
pub fn get_raw(id: &ContactId) -> Call<Value> {
    let path = format!("/contacts/{id}");
    Call::new(Method::Get, "GET /contacts/{id}", path, contact).version(VERSION)
}

/// Reads one page of a location's contacts, newest first. Needs `contacts.readonly`.
///
/// `limit` is 1 to 100; `query` is free text. The endpoint is deprecated and absent from API v3. Its `firstName` and `lastName` are lower-cased.
pub fn list_raw(
    location: &LocationId,
    limit: u16,
    after: Option<&ListCursor>,
    query: Option<&str>,
) -> Call<RawPage<ListCursor>> {
    let limit = limit.clamp(1, LIST_LIMIT);
    let mut call = Call::new(
        Method::Get,
        "GET /contacts/",
        "/contacts/",
        move |bytes: &[u8]| {
            let page = list_page(bytes, limit, &Keys::default())?;
            Ok(RawPage {
                rows: envelope::list(bytes, "contacts")?,
                total: page.total.or_else(|| envelope::number(bytes, "/count")),
                next: page.next,
            })
        },
    )
    .with("locationId", location.as_str())
    .with("limit", limit.to_string())
    .version(VERSION);
    if let Some(query) = query {
        call = call.with("query", query);
    }
    if let Some(after) = after {
        call = call
            .with("startAfter", after.start_after.to_string())
            .with("startAfterId", &*after.start_after_id);
    }
    call
}

/// Creates a contact. Needs `contacts.write`.
///
/// A lost answer must be looked for: nothing at HighLevel prevents a second contact without e-mail and phone.
///
/// Errors: [`BadBody`], before anything is sent.
pub fn create_raw(location: &LocationId, body: &ContactBody) -> Result<Call<Value>, BadBody> {
    let body = body.encode(ContactWrite::Create, Some(location))?;
    let call = Call::new(Method::Post, "POST /contacts/", "/contacts/", contact);
    Ok(call
        .body(body)
        .if_unsure(IfUnsure::LookFirst)
        .version(VERSION))
}

/// Changes a contact: what the body does not name stays. Needs `contacts.write`.
///
/// The answer shows the contact afterwards.
///
/// Errors: [`BadBody`], before anything is sent.
pub fn update_raw(id: &ContactId, body: &ContactBody) -> Result<Call<Value>, BadBody> {
    let body = body.encode(ContactWrite::Update, None)?;
    let path = format!("/contacts/{id}");
    let call = Call::new(Method::Put, "PUT /contacts/{id}", path, contact);
    Ok(call
        .body(body)
        .if_unsure(IfUnsure::SendAgain)
        .version(VERSION))
}

/// Changes the contact that has the e-mail or the phone, or creates one. Needs `contacts.write`.
///
/// When the e-mail is one contact's and the phone another's, only the first identifier of the location's settings counts, and the other is
/// dropped without an error (issue 37 of HighLevel's tracker). An e-mail that the contact has as an additional one becomes its first, and the
/// former first one is lost (issue 337).
///
/// Errors: [`BadBody`], before anything is sent.
pub fn upsert(location: &LocationId, body: &ContactBody) -> Result<Call<Upserted>, BadBody> {
    let body = body.encode(ContactWrite::Upsert, Some(location))?;
    let call = Call::new(
        Method::Post,
        "POST /contacts/upsert",
        "/contacts/upsert",
        |bytes: &[u8]| {
            let reply: Value = crate::net::json(bytes)?;
            Ok(Upserted {
                is_new: reply.get("new").and_then(Value::as_bool),
                contact: contact(bytes)?,
            })
        },
    );
    Ok(call
        .body(body)
        .if_unsure(IfUnsure::LookFirst)
        .version(VERSION))
}

/// Searches a location's contacts with a body of the vendor's own form: `filters`, `sort`, `query`, `pageLimit`, `page`, `searchAfter`. Needs
/// `contacts.readonly`.
///
/// `locationId` and, when it is missing, a `pageLimit` of 100 are added. The index is behind writes by up to a minute.
///
/// Errors: the body is no object or of another location, `pageLimit` is not 1 to 500, `page` comes with `searchAfter`.
pub fn search_raw(
    location: &LocationId,
    body: Value,
) -> Result<Call<RawPage<SearchCursor>>, BadBody> {
    let wrong = |name: &str, expected| BadBody::WrongType {
        name: name.to_owned(),
        expected,
    };
    let Value::Object(mut body) = body else {
        return Err(wrong("the body", "a JSON object"));
    };
    let own = json!(location.as_str());
    if body.get("locationId").is_some_and(|id| *id != own) {
        return Err(BadBody::OtherLocation);
    }
    body.insert("locationId".to_owned(), own);
    if body.contains_key("page") && body.contains_key("searchAfter") {
        return Err(BadBody::Either("page", "searchAfter"));
    }
    let limit = body.entry("pageLimit").or_insert_with(|| json!(100));
    let limit = limit.as_u64().and_then(|limit| u16::try_from(limit).ok());
    let Some(limit @ 1..=SEARCH_LIMIT) = limit else {
        return Err(wrong("pageLimit", "a number from 1 to 500"));
    };
    let call = Call::new(
        Method::Post,
        "POST /contacts/search",
        "/contacts/search",
        move |bytes: &[u8]| {
            let rows = envelope::list(bytes, "contacts")?;
            let last = rows.iter().rev().find_map(SearchCursor::of_row);
            if last.is_none() && rows.len() >= usize::from(limit) {
                return Err(Unreadable::Shape(
                    "a full page of contacts carries no cursor".to_owned(),
                ));
            }
            Ok(RawPage {
                rows,
                total: envelope::number(bytes, "/total"),
                next: last,
            })
        },
    );
    Ok(call.body(Value::Object(body)).version(VERSION))
}

/// Returns the body of a search that goes on behind a page.
pub fn search_after(body: Value, cursor: &SearchCursor) -> Value {
    match body {
        Value::Object(mut body) => {
            body.remove("page");
            body.insert("searchAfter".to_owned(), cursor.value().clone());
            Value::Object(body)
        }
        other => other,
    }
}

/// Looks for the contact that has the e-mail or the phone; `None` when there is none. Needs `contacts.readonly`.
///
/// Whether both are looked at, and in which order, is a setting of the location ("Allow duplicate contact").
///
/// Errors: [`BadBody::Unidentified`] when both are missing.
pub fn duplicate(
    location: &LocationId,
    email: Option<&str>,
    phone: Option<&str>,
) -> Result<Call<Option<Value>>, BadBody> {
    let given = |text: Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
    if !given(email) && !given(phone) {
        return Err(BadBody::Unidentified);
    }
    let mut call = Call::new(
        Method::Get,
        "GET /contacts/search/duplicate",
        "/contacts/search/duplicate",
        |bytes: &[u8]| {
            let mut reply: Map<String, Value> = crate::net::json(bytes)?;
            // No match is a missing `contact` or a `null`; an empty object is neither an id nor a contact.
            match reply.remove("contact") {
                None | Some(Value::Null) => Ok(None),
                Some(Value::Object(contact)) if contact.is_empty() => Ok(None),
                Some(contact @ Value::Object(_)) => Ok(Some(contact)),
                Some(_) => Err(Unreadable::Shape(
                    "the `contact` of the reply is no object".to_owned(),
                )),
            }
        },
    )
    .with("locationId", location.as_str())
    .version(VERSION);
    if let Some(email) = email.filter(|_| given(email)) {
        call = call.with("email", email);
    }
    if let Some(phone) = phone.filter(|_| given(phone)) {
        // The vendor's name for a phone here, and here alone.
        call = call.with("number", phone);
    }
    Ok(call)
}

fn contact(bytes: &[u8]) -> Result<Value, Unreadable> {
    envelope::object(bytes, &["contact"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tag;

    fn here() -> LocationId {
        LocationId::try_from("AYg6").unwrap()
    }

    fn body(json: Value) -> ContactBody {
        ContactBody::of_json(json).unwrap()
    }

    #[test]
    fn a_list_page_is_whole_and_goes_on_with_both_cursors() {
        let cursor = ListCursor {
            start_after: 7,
            start_after_id: "a".to_owned(),
        };
        let call = list_raw(&here(), 500, Some(&cursor), Some("ann"));
        let query = [
            ("locationId", "AYg6".to_owned()),
            ("limit", "100".to_owned()),
            ("query", "ann".to_owned()),
            ("startAfter", "7".to_owned()),
            ("startAfterId", "a".to_owned()),
        ];
        assert_eq!(call.query, query);
        let page = call
            .read(
                br#"{"contacts":[{"id":"a","new":{"key":1}},7],"count":9,"meta":{"startAfter":8,"startAfterId":"b"}}"#,
            )
            .unwrap();
        assert_eq!(page.rows, [json!({"id": "a", "new": {"key": 1}}), json!(7)]);
        assert_eq!(page.total, Some(9));
        assert_eq!(page.next.map(|next| next.start_after), Some(8));
    }

    #[test]
    fn a_contact_comes_out_whole_and_a_deleted_one_too() {
        let id = ContactId::try_from("TY3N").unwrap();
        let call = get_raw(&id);
        let reply = br#"{"contact":{"id":"TY3N","deleted":true,"new":1},"traceId":"x"}"#;
        assert_eq!(
            call.read(reply).unwrap(),
            json!({"id": "TY3N", "deleted": true, "new": 1})
        );
        assert!(call.read(br#"{"contact":null}"#).is_err());
    }

    #[test]
    fn what_may_make_a_contact_is_never_sent_again() {
        let ann = body(json!({"firstName": "Ann", "email": "ann@example.com"}));
        let create = create_raw(&here(), &ann).unwrap();
        assert_eq!(create.if_unsure, IfUnsure::LookFirst);
        let upsert = upsert(&here(), &ann).unwrap();
        assert_eq!(upsert.if_unsure, IfUnsure::LookFirst);
        assert_eq!(upsert.body, create.body);
        for (new, is_new) in [("true", Some(true)), ("false", Some(false)), ("7", None)] {
            let reply = format!(r#"{{"new":{new},"succeded":true,"contact":{{"id":"TY3N"}}}}"#);
            let done = upsert.read(reply.as_bytes()).unwrap();
            assert_eq!((done.is_new, done.contact), (is_new, json!({"id": "TY3N"})));
        }
        assert!(upsert.read(br#"{"new":true}"#).is_err());
        let id = ContactId::try_from("TY3N").unwrap();
        let change = body(json!({"city": "Town"}));
        let update = update_raw(&id, &change).unwrap();
        assert_eq!(update.if_unsure, IfUnsure::SendAgain);
        assert_eq!(update.body, Some(json!({"city": "Town"})));
        let tags = [Tag::new("vip").unwrap()].into();
        assert_eq!(
            update_raw(&id, &change.tags(&tags)).err(),
            Some(BadBody::WouldReplaceTags)
        );
    }

    #[test]
    fn a_search_takes_the_vendors_own_form() {
        let search = |body: Value| search_raw(&here(), body);
        let call = search(json!({"query": "ann"})).unwrap();
        assert!(call.is_read());
        assert_eq!(
            call.body,
            Some(json!({"query": "ann", "locationId": "AYg6", "pageLimit": 100}))
        );
        for odd in [
            json!([]),
            json!({"pageLimit": 501}),
            json!({"pageLimit": 0}),
            json!({"pageLimit": "5"}),
            json!({"locationId": "else"}),
            json!({"page": 1, "searchAfter": [1, "a"]}),
        ] {
            assert!(search(odd.clone()).is_err(), "{odd}");
        }
        let call = search(json!({"pageLimit": 1, "page": 1})).unwrap();
        let page = call
            .read(br#"{"contacts":[{"id":"a","searchAfter":[5,"a"]}],"total":"3"}"#)
            .unwrap();
        assert_eq!((page.rows.len(), page.total), (1, Some(3)));
        let next = search_after(json!({"pageLimit": 1, "page": 1}), &page.next.unwrap());
        assert_eq!(next, json!({"pageLimit": 1, "searchAfter": [5, "a"]}));
        assert!(call.read(br#"{"contacts":[{"id":"a"}]}"#).is_err());
        let last = call.read(br#"{"contacts":[],"total":3}"#).unwrap();
        assert_eq!(last.next, None);
    }

    #[test]
    fn a_duplicate_is_looked_for_by_email_or_number() {
        let call = duplicate(&here(), Some("a+b@example.com"), Some("+15550100001")).unwrap();
        let query = [
            ("locationId", "AYg6".to_owned()),
            ("email", "a+b@example.com".to_owned()),
            ("number", "+15550100001".to_owned()),
        ];
        assert_eq!(call.query, query);
        let found = call.read(br#"{"contact":{"id":"a"},"matchingField":"contactId"}"#);
        assert_eq!(found.unwrap(), Some(json!({"id": "a"})));
        for none in ["{}", r#"{"contact":null}"#, r#"{"contact":{}}"#] {
            assert_eq!(call.read(none.as_bytes()), Ok(None), "{none}");
        }
        assert!(call.read(br#"{"contact":"a"}"#).is_err());
        for (email, phone) in [(None, None), (Some(" "), Some(""))] {
            let refused = duplicate(&here(), email, phone).err();
            assert_eq!(refused, Some(BadBody::Unidentified));
        }
    }
}
