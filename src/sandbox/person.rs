//! One contact as HighLevel holds it, and the three shapes in which it is shown.

use std::sync::Arc;

use serde_json::Value;

use super::chance::{Id, Ids};
use super::json::Json;
use super::settings::{LOCATION_ID, ListNames};

/// By how much the index's `dateUpdated` differs from that of the write's own answer.
pub(crate) const INDEX_SHIFT_MS: i64 = 4;

/// The plain text fields of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    FirstName,
    LastName,
    Email,
    Phone,
    Address1,
    City,
    State,
    PostalCode,
    Country,
    Website,
    Timezone,
    CompanyName,
    Gender,
    DateOfBirth,
    Source,
    AssignedTo,
    BusinessId,
}

/// Every plain field with its name in requests and in `get`.
pub(crate) const KEYS: &[(&str, Key)] = &[
    ("firstName", Key::FirstName),
    ("lastName", Key::LastName),
    ("email", Key::Email),
    ("phone", Key::Phone),
    ("address1", Key::Address1),
    ("city", Key::City),
    ("state", Key::State),
    ("postalCode", Key::PostalCode),
    ("country", Key::Country),
    ("website", Key::Website),
    ("timezone", Key::Timezone),
    ("companyName", Key::CompanyName),
    ("gender", Key::Gender),
    ("dateOfBirth", Key::DateOfBirth),
    ("source", Key::Source),
    ("assignedTo", Key::AssignedTo),
    ("businessId", Key::BusinessId),
];

impl Key {
    pub(crate) fn named(name: &str) -> Option<Key> {
        KEYS.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, key)| *key)
    }
}

/// A contact; cheap enough to be invented anew for every page.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) number: u64,
    pub(crate) id: Id,
    text: Vec<(Key, Box<str>)>,
    pub(crate) tags: Vec<Arc<str>>,
    /// Values by the number of their custom field.
    pub(crate) custom: Vec<(u16, Value)>,
    pub(crate) dnd: Option<bool>,
    pub(crate) dnd_settings: Option<Value>,
    pub(crate) inbound_dnd_settings: Option<Value>,
    /// CRM users who watch the contact.
    pub(crate) watchers: Vec<String>,
    pub(crate) added: i64,
    pub(crate) updated: i64,
    /// Whether an app made it, and not a person.
    pub(crate) by_app: bool,
}

impl Person {
    pub(crate) fn new(ids: &Ids, number: u64, added: i64) -> Person {
        Person {
            number,
            id: ids.encode(number),
            text: Vec::new(),
            tags: Vec::new(),
            custom: Vec::new(),
            dnd: None,
            dnd_settings: None,
            inbound_dnd_settings: None,
            watchers: Vec::new(),
            added,
            updated: added,
            by_app: false,
        }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&str> {
        self.text
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, text)| &**text)
    }

    /// Sets a field; `None` and the empty text clear it.
    pub(crate) fn set(&mut self, key: Key, value: Option<&str>) {
        self.text.retain(|(known, _)| *known != key);
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.text.push((key, value.into()));
        }
    }

    pub(crate) fn field(&self, field: u16) -> Option<&Value> {
        self.custom
            .iter()
            .find(|(known, _)| *known == field)
            .map(|(_, value)| value)
    }

    /// Sets a custom field; null, the empty text and the empty list clear it.
    pub(crate) fn set_field(&mut self, field: u16, value: Value) {
        self.custom.retain(|(known, _)| *known != field);
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
        };
        if !empty {
            self.custom.push((field, value));
        }
    }

    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|known| **known == *tag)
    }

    /// The `dateUpdated` that search and list show and sort by.
    pub(crate) fn indexed_at(&self) -> i64 {
        self.updated + INDEX_SHIFT_MS
    }

    /// First and last name with one space, as typed.
    pub(crate) fn full_name(&self) -> String {
        let first = self.get(Key::FirstName).unwrap_or("");
        let last = self.get(Key::LastName).unwrap_or("");
        [first, last].join(" ").trim().to_string()
    }
}

/// What a page needs to know to show custom fields: the id of each field number still defined.
pub(crate) type FieldIds<'a> = &'a dyn Fn(u16) -> Option<Id>;

fn write_custom(json: &mut Json, person: &Person, ids: FieldIds<'_>) {
    json.key("customFields").open(b'[');
    for (field, value) in &person.custom {
        if let Some(id) = ids(*field) {
            json.open(b'{');
            json.key("id").text(id.as_str());
            json.key("value").value(value);
            json.close(b'}');
        }
    }
    json.close(b']');
}

fn write_tags(json: &mut Json, person: &Person) {
    json.key("tags").texts(person.tags.iter().map(|tag| &**tag));
}

/// The dialect of the answer: which `Version` was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    V2,
    V3,
}

/// Says which of the full shapes is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Get,
    /// The create answer of v2 has a few keys more.
    Created,
    /// A deleted contact where GET still shows it.
    Deleted,
}

fn dnd_key(dialect: Dialect, key: &str) -> String {
    match dialect {
        Dialect::V2 => key.to_string(),
        Dialect::V3 => match key {
            "WhatsApp" => "whatsApp".to_string(),
            other => other.to_lowercase(),
        },
    }
}

fn write_dnd(json: &mut Json, dialect: Dialect, settings: &Value) {
    json.key("dndSettings").open(b'{');
    for (key, value) in settings.as_object().into_iter().flatten() {
        json.key(&dnd_key(dialect, key)).value(value);
    }
    json.close(b'}');
}

/// Writes the shape of `GET /contacts/{id}` and of write answers: unset fields are absent.
pub(crate) fn write_full(
    json: &mut Json,
    person: &Person,
    ids: FieldIds<'_>,
    dialect: Dialect,
    shape: Full,
) {
    json.open(b'{');
    json.key("id").text(person.id.as_str());
    json.key("locationId").text(LOCATION_ID);
    for (name, key) in KEYS {
        if let Some(text) = person.get(*key) {
            json.key(name).text(text);
        }
    }
    if let Some(first) = person.get(Key::FirstName) {
        json.key("firstNameLowerCase").text(&first.to_lowercase());
    }
    if let Some(last) = person.get(Key::LastName) {
        json.key("lastNameLowerCase").text(&last.to_lowercase());
    }
    json.key("fullNameLowerCase")
        .text(&person.full_name().to_lowercase());
    if let Some(email) = person.get(Key::Email) {
        json.key("emailLowerCase").text(&email.to_lowercase());
    }
    json.key("type").text("lead");
    write_tags(json, person);
    write_custom(json, person, ids);
    json.key("additionalEmails").raw("[]");
    json.key("additionalPhones").raw("[]");
    if let Some(dnd) = person.dnd {
        json.key("dnd").bool(dnd);
    }
    if let Some(settings) = &person.dnd_settings {
        write_dnd(json, dialect, settings);
    }
    if let Some(settings) = &person.inbound_dnd_settings {
        json.key("inboundDndSettings").value(settings);
    }
    if !person.watchers.is_empty() {
        json.key("followers")
            .texts(person.watchers.iter().map(String::as_str));
    }
    json.key("dateAdded").millis(person.added);
    json.key("dateUpdated").millis(person.updated);
    let (source, channel) = match person.by_app {
        true => ("INTEGRATION", "OAUTH"),
        false => ("WEB_USER", "APP"),
    };
    for (key, at) in [
        ("createdBy", person.added),
        ("lastUpdatedBy", person.updated),
    ] {
        json.key(key).open(b'{');
        json.key("source").text(source);
        json.key("channel").text(channel);
        json.key("sourceId").text("sandbox-app");
        json.key("timestamp").millis(at);
        json.close(b'}');
    }
    if shape == Full::Created && dialect == Dialect::V2 {
        json.key("deleted").bool(false);
        json.key("bounceEmail").bool(false);
        json.key("unsubscribeEmail").bool(false);
        json.key("lastSessionActivityAt").millis(person.added);
        json.key("validEmail").raw("null");
        json.key("validEmailDate").raw("null");
    }
    if shape == Full::Deleted {
        json.key("deleted").bool(true);
    }
    json.close(b'}');
}

/// Writes one row of `POST /contacts/search`: every key is there, unset ones are null.
pub(crate) fn write_found(
    json: &mut Json,
    person: &Person,
    ids: FieldIds<'_>,
    dialect: Dialect,
    cursor: &[Value],
) {
    json.open(b'{');
    json.key("id").text(person.id.as_str());
    json.key("locationId").text(LOCATION_ID);
    let first = person.get(Key::FirstName);
    let last = person.get(Key::LastName);
    json.key("firstName").maybe(first);
    json.key("lastName").maybe(last);
    json.key("firstNameLowerCase")
        .maybe(first.map(str::to_lowercase).as_deref());
    json.key("lastNameLowerCase")
        .maybe(last.map(str::to_lowercase).as_deref());
    json.key("contactName")
        .text(&person.full_name().to_lowercase());
    for (name, key) in [
        ("email", Key::Email),
        ("phone", Key::Phone),
        ("address", Key::Address1),
        ("city", Key::City),
        ("state", Key::State),
        ("postalCode", Key::PostalCode),
        ("country", Key::Country),
        ("website", Key::Website),
        ("timezone", Key::Timezone),
        ("companyName", Key::CompanyName),
        ("dateOfBirth", Key::DateOfBirth),
        ("source", Key::Source),
        ("assignedTo", Key::AssignedTo),
        ("businessId", Key::BusinessId),
    ] {
        json.key(name).maybe(person.get(key));
    }
    json.key("phoneLabel").raw("null");
    json.key("businessName").raw("null");
    json.key("validEmail").raw("null");
    json.key("type").text("lead");
    json.key("dnd").bool(person.dnd.unwrap_or(false));
    match &person.dnd_settings {
        Some(settings) => write_dnd(json, dialect, settings),
        None => json.key("dndSettings").raw("{}"),
    }
    match &person.inbound_dnd_settings {
        Some(settings) => json.key("inboundDndSettings").value(settings),
        None => json.key("inboundDndSettings").raw("{}"),
    }
    write_tags(json, person);
    write_custom(json, person, ids);
    json.key("additionalEmails").raw("[]");
    json.key("additionalPhones").raw("[]");
    json.key("followers")
        .texts(person.watchers.iter().map(String::as_str));
    json.key("attributionSource").raw("{}");
    json.key("lastAttributionSource").raw("{}");
    json.key("dateAdded").millis(person.added);
    json.key("dateUpdated").millis(person.indexed_at());
    json.key("searchAfter").open(b'[');
    for part in cursor {
        json.value(part);
    }
    json.close(b']');
    json.close(b'}');
}

/// Writes one thin row of `GET /contacts/`.
pub(crate) fn write_listed(json: &mut Json, person: &Person, ids: FieldIds<'_>, names: ListNames) {
    json.open(b'{');
    json.key("id").text(person.id.as_str());
    json.key("locationId").text(LOCATION_ID);
    json.key("contactName")
        .text(&person.full_name().to_lowercase());
    let parts = [
        ("firstName", "firstNameRaw", person.get(Key::FirstName)),
        ("lastName", "lastNameRaw", person.get(Key::LastName)),
    ];
    for (lower, raw, name) in parts {
        if names != ListNames::Absent {
            json.key(lower)
                .maybe(name.map(str::to_lowercase).as_deref());
        }
        if names == ListNames::LowerAndRaw {
            json.key(raw).maybe(name);
        }
    }
    for (name, key) in [
        ("email", Key::Email),
        ("phone", Key::Phone),
        ("timezone", Key::Timezone),
        ("country", Key::Country),
        ("source", Key::Source),
        ("businessId", Key::BusinessId),
    ] {
        json.key(name).maybe(person.get(key));
    }
    json.key("dnd").bool(person.dnd.unwrap_or(false));
    write_tags(json, person);
    write_custom(json, person, ids);
    json.key("attributions").raw("[]");
    json.key("followers")
        .texts(person.watchers.iter().map(String::as_str));
    json.key("dateAdded").millis(person.added);
    json.key("dateUpdated").millis(person.indexed_at());
    json.close(b'}');
}
