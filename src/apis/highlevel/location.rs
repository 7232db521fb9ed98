//! A location and its custom fields.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::VERSION;
use super::envelope;
use crate::apis::loose::Loose;
use crate::model::{FieldKey, IfUnsure, LocationId};
use crate::net::{Call, Method, Unreadable};

/// One tenant's CRM, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its id.
    pub id: LocationId,
    /// Its name.
    pub name: Option<String>,
    /// Its IANA time zone.
    pub timezone: Option<String>,
    /// Its country, which HighLevel gives to contacts without one.
    pub country: Option<String>,
    /// Whether two contacts may have the same e-mail or phone; `None` when the answer does not say.
    pub allows_duplicates: Option<bool>,
    /// The fields that identify a contact, first one first: `email`, `phone`.
    pub unique_identifiers: Vec<String>,
}

/// The definition of a contact's custom field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomField {
    /// Its id, which filters and writes name; another one in each location.
    pub id: String,
    /// Its key without `contact.`; it survives renames.
    pub key: FieldKey,
    /// The name people see.
    pub name: String,
    /// The vendor's word for its type, for example `TEXT`.
    pub data_type: String,
}

/// Reads a location. Needs `locations.readonly`.
///
/// No run needs it: `check --online` shows it to people. Everything but the id may be missing, or of another type than the specification
/// says; such a part is as good as missing.
///
/// Source: HighLevel's OpenAPI files of locations (the same shape in both versions), and recorded traffic.
pub fn location(id: &LocationId) -> Call<Location> {
    #[derive(Deserialize)]
    struct Reply<'a> {
        #[serde(borrow)]
        location: Wire<'a>,
    }
    #[derive(Deserialize)]
    struct Wire<'a> {
        id: LocationId,
        #[serde(borrow, default)]
        name: Loose<'a>,
        #[serde(default)]
        timezone: Loose<'a>,
        #[serde(default)]
        country: Loose<'a>,
        settings: Option<Value>,
    }
    let path = format!("/locations/{id}");
    Call::new(Method::Get, "GET /locations/{id}", path, |bytes| {
        let Reply { location } = serde_json::from_slice(bytes)?;
        let text = |value: Loose<'_>| value.text().map(str::to_owned);
        let settings = location.settings.unwrap_or_default();
        // The identifiers are on the wire, not in the specification.
        let identifiers = settings.get("contactUniqueIdentifiers");
        let identifiers = identifiers.and_then(Value::as_array);
        Ok(Location {
            id: location.id,
            name: text(location.name),
            timezone: text(location.timezone),
            country: text(location.country),
            allows_duplicates: settings
                .get("allowDuplicateContact")
                .and_then(Value::as_bool),
            unique_identifiers: identifiers
                .into_iter()
                .flatten()
                .filter_map(|name| Some(name.as_str()?.to_owned()))
                .collect(),
        })
    })
    .version(VERSION)
}

/// Reads a location as the vendor shows it, whole. Needs `locations.readonly`.
pub fn location_raw(id: &LocationId) -> Call<Value> {
    let path = format!("/locations/{id}");
    Call::new(Method::Get, "GET /locations/{id}", path, |bytes| {
        envelope::object(bytes, &["location"])
    })
    .version(VERSION)
}

/// What a custom field is made with: only what is set is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCustomField {
    /// The name people see; HighLevel makes the key of it.
    pub name: String,
    /// The vendor's word for its type, for example `TEXT`, `NUMERICAL`, `DATE`, `SINGLE_OPTIONS`.
    pub data_type: String,
    /// The text that an empty form shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// Its place among the fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// The file types that a file field takes, for example `.pdf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_format: Option<Vec<String>>,
    /// Whether a file field takes several files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_multiple_file: Option<bool>,
    /// How many files a file field takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_number_of_files: Option<u32>,
    /// The lines of a list of text boxes, in the vendor's form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_box_list_options: Option<Vec<Value>>,
}

/// Reads the definitions of all custom fields of contacts as the vendor shows them. Needs `locations/customFields.readonly`.
pub fn custom_fields_raw(id: &LocationId) -> Call<Vec<Value>> {
    let path = format!("/locations/{id}/customFields");
    Call::new(
        Method::Get,
        "GET /locations/{id}/customFields",
        path,
        |bytes| envelope::list(bytes, "customFields"),
    )
    .with("model", "contact")
    .version(VERSION)
}

/// Reads the definition of one custom field as the vendor shows it. Needs `locations/customFields.readonly`.
///
/// `field` is its id, or its key with the model in front, for example `contact.twitch_user_id`.
pub fn custom_field_raw(id: &LocationId, field: &str) -> Call<Value> {
    let path = format!("/locations/{id}/customFields/{field}");
    Call::new(
        Method::Get,
        "GET /locations/{id}/customFields/{fieldId}",
        path,
        |bytes| envelope::object(bytes, &["customField"]),
    )
    .version(VERSION)
}

/// Makes a custom field of contacts, of any type. Needs `locations/customFields.write`.
///
/// A second call makes a second field, so a lost answer is looked for by name.
pub fn create_custom_field_raw(id: &LocationId, field: &NewCustomField) -> Call<Value> {
    let mut body = json!(field);
    body["model"] = json!("contact");
    let path = format!("/locations/{id}/customFields");
    Call::new(
        Method::Post,
        "POST /locations/{id}/customFields",
        path,
        |bytes| envelope::object(bytes, &["customField"]),
    )
    .body(body)
    .if_unsure(IfUnsure::LookFirst)
    .version(VERSION)
}

/// Reads the definitions of all custom fields of contacts; there are no pages. Needs `locations/customFields.readonly`.
///
/// Definitions without a usable key or id are left out: no job can name them.
pub fn custom_fields(id: &LocationId) -> Call<Vec<CustomField>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply {
        custom_fields: Vec<Value>,
    }
    let path = format!("/locations/{id}/customFields");
    Call::new(
        Method::Get,
        "GET /locations/{id}/customFields",
        path,
        |bytes| {
            let Reply { custom_fields } = crate::net::json(bytes)?;
            Ok(custom_fields.iter().filter_map(definition).collect())
        },
    )
    .with("model", "contact")
    .version(VERSION)
}

/// Makes a text field for contacts. Needs `locations/customFields.write`.
///
/// HighLevel makes the key of the name: `Twitch user id` becomes `twitch_user_id`. TEXT alone keeps leading zeros and long numbers. A
/// second call makes a second field, so a lost answer is looked for by key.
pub fn create_custom_field(id: &LocationId, name: &str) -> Call<CustomField> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply {
        custom_field: Value,
    }
    let path = format!("/locations/{id}/customFields");
    Call::new(
        Method::Post,
        "POST /locations/{id}/customFields",
        path,
        |bytes| {
            let Reply { custom_field } = crate::net::json(bytes)?;
            definition(&custom_field).ok_or_else(|| {
                Unreadable::Shape("the new custom field has no key or id".to_owned())
            })
        },
    )
    .body(json!({"name": name, "dataType": "TEXT", "model": "contact"}))
    .version(VERSION)
}

fn definition(value: &Value) -> Option<CustomField> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        id: Loose<'a>,
        field_key: Loose<'a>,
        #[serde(default)]
        name: Loose<'a>,
        #[serde(default)]
        data_type: Loose<'a>,
        #[serde(default)]
        model: Loose<'a>,
    }
    let wire = Wire::deserialize(value).ok()?;
    // `model=contact` asks for contacts alone; an answer that ignores it must not mix in opportunities.
    if wire.model.text().is_some_and(|model| model != "contact") {
        return None;
    }
    let key = wire.field_key.text()?;
    let key = key.strip_prefix("contact.").unwrap_or(key);
    Some(CustomField {
        id: wire.id.text()?.to_owned(),
        key: FieldKey::try_from(key).ok()?,
        name: wire.name.text().unwrap_or_default().to_owned(),
        data_type: wire.data_type.text().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> LocationId {
        LocationId::try_from("AYg6").unwrap()
    }

    #[test]
    fn a_location_says_how_duplicates_are_treated() {
        let call = location(&here());
        assert_eq!(call.path, "/locations/AYg6");
        assert_eq!(call.version, Some("2021-07-28"));
        let seen = call
            .read(
                br#"{"location":{"id":"AYg6","name":"Here","country":"US","timezone":"America/New_York",
                "settings":{"allowDuplicateContact":false,"contactUniqueIdentifiers":["email","phone"],
                "allowDuplicateOpportunity":false}},"traceId":"x"}"#,
            )
            .unwrap();
        assert_eq!(seen.name.as_deref(), Some("Here"));
        assert_eq!(seen.allows_duplicates, Some(false));
        assert_eq!(seen.unique_identifiers, ["email", "phone"]);
        let bare = call.read(br#"{"location":{"id":"AYg6"}}"#).unwrap();
        assert_eq!((bare.allows_duplicates, bare.name), (None, None));
        let odd = call
            .read(br#"{"location":{"id":"AYg6","name":7,"settings":"soon"}}"#)
            .unwrap();
        assert_eq!(odd.name.as_deref(), Some("7"));
        assert_eq!(
            (odd.allows_duplicates, odd.unique_identifiers),
            (None, Vec::new())
        );
        assert!(call.read(br#"{"location":{}}"#).is_err());
    }

    #[test]
    fn definitions_lose_their_prefix_and_odd_ones_are_left_out() {
        let call = custom_fields(&here());
        assert_eq!(call.query, [("model", "contact".to_owned())]);
        let seen = call
            .read(
                br#"{"customFields":[
                {"id":"hSl3","model":"contact","name":"Nango Update Test","fieldKey":"contact.temp_create_test","dataType":"TEXT"},
                {"id":"opp","model":"opportunity","name":"x","fieldKey":"opportunity.x","dataType":"TEXT"},
                {"id":null,"fieldKey":"contact.y"}, null],"traceId":"x"}"#,
            )
            .unwrap();
        assert_eq!(
            seen,
            [CustomField {
                id: "hSl3".to_owned(),
                key: FieldKey::try_from("temp_create_test").unwrap(),
                name: "Nango Update Test".to_owned(),
                data_type: "TEXT".to_owned(),
            }]
        );
    }

    #[test]
    fn a_definition_is_read_whole_by_id_or_key_and_made_of_any_type() {
        let one = custom_field_raw(&here(), "contact.twitch_user_id");
        assert_eq!(
            one.path,
            "/locations/AYg6/customFields/contact.twitch_user_id"
        );
        let reply =
            br#"{"customField":{"id":"hSl3","fieldKey":"contact.x","picklistOptions":["a"]}}"#;
        assert_eq!(one.read(reply).unwrap()["picklistOptions"], json!(["a"]));
        let field: NewCustomField = serde_json::from_value(
            json!({"name": "Level", "dataType": "SINGLE_OPTIONS", "maxNumberOfFiles": 2}),
        )
        .unwrap();
        let call = create_custom_field_raw(&here(), &field);
        assert_eq!(
            call.body,
            Some(
                json!({"name": "Level", "dataType": "SINGLE_OPTIONS", "maxNumberOfFiles": 2, "model": "contact"})
            )
        );
        assert_eq!(call.if_unsure, IfUnsure::LookFirst);
        let all = custom_fields_raw(&here());
        assert_eq!(all.read(br#"{"customFields":[{}, 7]}"#).unwrap().len(), 2);
        let place = location_raw(&here());
        let seen = place.read(br#"{"location":{"id":"AYg6","timezone":"UTC"}}"#);
        assert_eq!(seen.unwrap()["timezone"], "UTC");
    }

    #[test]
    fn a_field_is_made_as_text_of_contacts() {
        let call = create_custom_field(&here(), "NangoTestField");
        assert_eq!(
            call.body,
            Some(json!({"name":"NangoTestField","dataType":"TEXT","model":"contact"}))
        );
        assert!(!call.is_read());
        let made = call
            .read(
                br#"{"customField":{"id":"hSl300gRRL3cLp9bk5OV","model":"contact","name":"NangoTestField",
                "fieldKey":"contact.nangotestfield","placeholder":"","dataType":"TEXT","position":200,
                "documentType":"field","parentId":"7Dcv","locationId":"x","standard":false,"scopes":[]},"traceId":"x"}"#,
            )
            .unwrap();
        assert_eq!(made.key.as_str(), "nangotestfield");
        assert!(call.read(br#"{"customField":{}}"#).is_err());
    }
}
