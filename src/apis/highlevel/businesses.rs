//! Businesses (companies) of a location, and the contacts attached to them.
//!
//! Source: HighLevel's OpenAPI files of businesses and contacts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::VERSION;
use super::body::BadBody;
use super::envelope;
use crate::model::{BusinessId, ContactId, IfUnsure, LocationId};
use crate::net::{Call, Method, Unreadable};

/// The most contacts of one [`bulk_business`] call (HighLevel's OpenAPI file of contacts, version v3; that of v2 names no number).
pub const BUSINESS_LIMIT: usize = 50;

/// How many businesses a page has when nobody says (HighLevel's OpenAPI file of businesses).
pub const BUSINESSES_PAGE: u32 = 100;

/// How many contacts of a business a page has when nobody says (HighLevel's OpenAPI file of contacts).
pub const BUSINESS_CONTACTS_PAGE: u32 = 25;

/// The most contacts of a business that one page has (HighLevel's OpenAPI file of contacts, version v3).
pub const BUSINESS_CONTACTS_LIMIT: u32 = 100;

/// A business of a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Business {
    /// Its id.
    pub id: BusinessId,
    /// Its name.
    pub name: String,
    /// The business as the vendor shows it, whole.
    pub raw: Value,
}

/// What a business is made with: only what is set is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewBusiness {
    /// The name.
    pub name: String,
    /// The phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The address of its web site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// Street and number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The city.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// The state or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Reads one page of a location's businesses. Needs `businesses.readonly`.
///
/// A page shorter than `limit` is the last. Businesses without a usable id are left out; [`businesses_raw`] has all.
pub fn businesses(location: &LocationId, limit: u32, skip: u32) -> Call<Vec<Business>> {
    listed(location, limit, skip, |bytes| {
        let rows = envelope::list(bytes, "businesses")?;
        Ok(rows.into_iter().filter_map(business_of).collect())
    })
}

/// Reads one page of a location's businesses as the vendor shows them. Needs `businesses.readonly`. A page shorter than `limit` is the last.
pub fn businesses_raw(location: &LocationId, limit: u32, skip: u32) -> Call<Vec<Value>> {
    listed(location, limit, skip, |bytes| {
        envelope::list(bytes, "businesses")
    })
}

fn listed<T: 'static>(
    location: &LocationId,
    limit: u32,
    skip: u32,
    read: fn(&[u8]) -> Result<T, Unreadable>,
) -> Call<T> {
    Call::new(Method::Get, "GET /businesses/", "/businesses/", read)
        .with("locationId", location.as_str())
        .with("limit", limit.to_string())
        .with("skip", skip.to_string())
        .version(VERSION)
}

/// Reads one business. Needs `businesses.readonly`.
pub fn business(id: &BusinessId) -> Call<Business> {
    let path = format!("/businesses/{id}");
    Call::new(Method::Get, "GET /businesses/{id}", path, one).version(VERSION)
}

/// Makes a business. Needs `businesses.write`.
///
/// A second call makes a second one, so a lost answer is looked for in [`businesses`].
///
/// Errors: [`BadBody::Empty`] when it has no name.
pub fn create_business(
    location: &LocationId,
    business: &NewBusiness,
) -> Result<Call<Business>, BadBody> {
    if business.name.trim().is_empty() {
        return Err(BadBody::Empty("name"));
    }
    let mut body = json!(business);
    body["locationId"] = json!(location.as_str());
    let call = Call::new(Method::Post, "POST /businesses/", "/businesses/", one);
    Ok(call
        .body(body)
        .if_unsure(IfUnsure::LookFirst)
        .version(VERSION))
}

/// Reads one page of the contacts attached to a business, as thin as the rows of the list. Needs `contacts.readonly`.
///
/// `limit` is 1 to [`BUSINESS_CONTACTS_LIMIT`]. The answer's `count` is handed on with the rows.
pub fn contacts_of_business(
    location: &LocationId,
    business: &BusinessId,
    limit: u32,
    skip: u32,
    query: Option<&str>,
) -> Call<(Vec<Value>, Option<u64>)> {
    let path = format!("/contacts/business/{business}");
    let limit = limit.clamp(1, BUSINESS_CONTACTS_LIMIT);
    let mut call = Call::new(
        Method::Get,
        "GET /contacts/business/{businessId}",
        path,
        |bytes: &[u8]| {
            let rows = envelope::list(bytes, "contacts")?;
            Ok((rows, envelope::number(bytes, "/count")))
        },
    )
    .with("locationId", location.as_str())
    .with("limit", limit.to_string())
    .with("skip", skip.to_string())
    .version(VERSION);
    if let Some(query) = query {
        call = call.with("query", query);
    }
    call
}

/// Attaches contacts to a business, or detaches them from theirs (`None`). Needs `contacts.write`, as far as anybody can tell: the
/// specification names no scope.
///
/// At most [`BUSINESS_LIMIT`] contacts a call. Returns those that the answer names; the others are not done. Sending it twice does no harm.
pub fn bulk_business(
    location: &LocationId,
    business: Option<&BusinessId>,
    contacts: &[ContactId],
) -> Call<Vec<ContactId>> {
    Call::new(
        Method::Post,
        "POST /contacts/bulk/business",
        "/contacts/bulk/business",
        |bytes: &[u8]| {
            envelope::succeeded(bytes)?;
            let ids = envelope::list(bytes, "ids")?;
            let id = |id: &Value| ContactId::try_from(id.as_str()?).ok();
            Ok(ids.iter().filter_map(id).collect())
        },
    )
    .body(json!({"locationId": location.as_str(), "ids": contacts, "businessId": business}))
    .if_unsure(IfUnsure::SendAgain)
    .version(VERSION)
}

fn one(bytes: &[u8]) -> Result<Business, Unreadable> {
    // The answers to writes say `buiseness`.
    let object = envelope::object(bytes, &["business", "buiseness"])?;
    business_of(object).ok_or_else(|| Unreadable::Shape("the business has no id".to_owned()))
}

fn business_of(raw: Value) -> Option<Business> {
    let id = raw.get("id").and_then(Value::as_str)?;
    let name = raw.get("name").and_then(Value::as_str);
    Some(Business {
        id: BusinessId::try_from(id).ok()?,
        name: name.unwrap_or_default().to_owned(),
        raw,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> LocationId {
        LocationId::try_from("AYg6").unwrap()
    }

    fn acme() -> BusinessId {
        BusinessId::try_from("63771dcac1116f0e21de8e12").unwrap()
    }

    #[test]
    fn a_business_is_read_in_either_spelling() {
        let new = NewBusiness {
            name: "Acme".to_owned(),
            postal_code: Some("12345".to_owned()),
            ..NewBusiness::default()
        };
        let call = create_business(&here(), &new).unwrap();
        assert_eq!(
            call.body,
            Some(json!({"name": "Acme", "postalCode": "12345", "locationId": "AYg6"}))
        );
        assert_eq!(call.if_unsure, IfUnsure::LookFirst);
        for name in ["buiseness", "business"] {
            let reply = format!(
                r#"{{"success":true,"{name}":{{"id":"63771dcac1116f0e21de8e12","name":"Acme","locationId":"AYg6"}}}}"#
            );
            let made = call.read(reply.as_bytes()).unwrap();
            assert_eq!((made.id, made.name.as_str()), (acme(), "Acme"));
            assert_eq!(made.raw["locationId"], "AYg6");
        }
        assert!(create_business(&here(), &NewBusiness::default()).is_err());
        assert_eq!(
            business(&acme()).path,
            "/businesses/63771dcac1116f0e21de8e12"
        );
    }

    #[test]
    fn businesses_and_their_contacts_have_pages() {
        let call = businesses(&here(), 100, 200);
        assert_eq!(call.path, "/businesses/");
        let query = [
            ("locationId", "AYg6".to_owned()),
            ("limit", "100".to_owned()),
            ("skip", "200".to_owned()),
        ];
        assert_eq!(call.query, query);
        let reply = br#"{"businesses":[{"id":"b","name":"B"},{"name":"no id"}]}"#;
        assert_eq!(call.read(reply).unwrap().len(), 1);
        assert_eq!(
            businesses_raw(&here(), 100, 0).read(reply).unwrap().len(),
            2
        );
        let of = contacts_of_business(&here(), &acme(), 9_999, 100, Some("ann"));
        assert_eq!(of.path, "/contacts/business/63771dcac1116f0e21de8e12");
        assert_eq!(of.query.get(1), Some(&("limit", "100".to_owned())));
        assert_eq!(of.query.get(3), Some(&("query", "ann".to_owned())));
        let (rows, count) = of.read(br#"{"contacts":[{"id":"a"}],"count":1}"#).unwrap();
        assert_eq!((rows.len(), count), (1, Some(1)));
    }

    #[test]
    fn contacts_are_attached_and_detached() {
        let ids = ["a", "b"].map(|id| ContactId::try_from(id).unwrap());
        let attach = bulk_business(&here(), Some(&acme()), &ids);
        assert_eq!(
            attach.body,
            Some(
                json!({"locationId": "AYg6", "ids": ["a", "b"], "businessId": "63771dcac1116f0e21de8e12"})
            )
        );
        assert_eq!(attach.if_unsure, IfUnsure::SendAgain);
        let detach = bulk_business(&here(), None, &ids).body.unwrap();
        assert_eq!(detach.get("businessId"), Some(&Value::Null));
        let done = attach.read(br#"{"success":true,"ids":["a"]}"#).unwrap();
        assert_eq!(done, ids.get(..1).unwrap());
        assert!(attach.read(br#"{"success":false,"ids":[]}"#).is_err());
        assert!(attach.read(br#"{"success":true}"#).is_err());
    }
}
