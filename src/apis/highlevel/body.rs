//! The body of a contact write, by the allow-list of its endpoint.
//!
//! Source: the bodies `CreateContactDto`, `UpdateContactDto` and `UpsertContactDto` of HighLevel's OpenAPI file of contacts. An unknown
//! property is refused there with 422, and each endpoint knows others; so a property is checked here, before anything is sent.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::model::{LocationId, Tag};

/// The endpoints that write a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactWrite {
    /// `POST /contacts/`.
    Create,
    /// `PUT /contacts/{id}`.
    Update,
    /// `POST /contacts/upsert`.
    Upsert,
}

impl ContactWrite {
    /// Returns the properties that the endpoint takes, in the vendor's order.
    pub fn properties(self) -> impl Iterator<Item = &'static str> {
        PROPERTIES
            .iter()
            .filter(move |property| property.is_taken_by(self))
            .map(|property| property.name)
    }
}

impl fmt::Display for ContactWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ContactWrite::Create => "a create",
            ContactWrite::Update => "an update",
            ContactWrite::Upsert => "an upsert",
        })
    }
}

/// Why a body cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadBody {
    /// The endpoint takes no such property; those that it does take.
    NotTaken {
        /// The property.
        name: String,
        /// The endpoint.
        by: ContactWrite,
    },
    /// No endpoint takes such a property.
    Unknown {
        /// The property.
        name: String,
    },
    /// The property has another type.
    WrongType {
        /// The property.
        name: String,
        /// What was expected, as a fragment that follows "expected".
        expected: &'static str,
    },
    /// A property that has to say something, and says nothing.
    Empty(&'static str),
    /// `tags` would replace all tags of the contact, and nobody said that it shall.
    WouldReplaceTags,
    /// The body is of another location than the call.
    OtherLocation,
    /// A new contact needs one of e-mail, phone, first name and last name.
    Nameless,
    /// A look-up and an upsert need an e-mail or a phone.
    Unidentified,
    /// There is nothing to write.
    Nothing,
    /// Two properties that exclude each other.
    Either(&'static str, &'static str),
}

impl fmt::Display for BadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadBody::NotTaken { name, by } => {
                let takes: Vec<&str> = by.properties().collect();
                write!(
                    f,
                    "{by} of a contact does not take `{name}`, it takes {}",
                    takes.join(", ")
                )
            }
            BadBody::Unknown { name } => write!(f, "a contact has no property `{name}`"),
            BadBody::WrongType { name, expected } => {
                write!(f, "`{name}` has the wrong type: expected {expected}")
            }
            BadBody::Empty(name) => write!(f, "`{name}` is missing or empty"),
            BadBody::WouldReplaceTags => f.write_str(
                "`tags` in an update or an upsert replaces all tags of the contact, also those that people and workflows added",
            ),
            BadBody::OtherLocation => {
                f.write_str("`locationId` is another one than that of the account")
            }
            BadBody::Nameless => f.write_str(
                "a new contact needs one of `firstName`, `lastName`, `email` and `phone`",
            ),
            BadBody::Unidentified => f.write_str("it needs an `email` or a `phone`"),
            BadBody::Nothing => f.write_str("there is nothing to write"),
            BadBody::Either(one, other) => write!(f, "`{one}` and `{other}` exclude each other"),
        }
    }
}

impl std::error::Error for BadBody {}

/// What a contact is made with or changed to: only what is set is sent, and only to an endpoint that takes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContactBody {
    properties: Map<String, Value>,
    custom: Vec<Value>,
    tags: Option<BTreeSet<Tag>>,
    replaces_tags: bool,
}

impl ContactBody {
    /// Takes a body as JSON: the vendor's properties, of which `customFields` may also be in the spellings of answers and of API v3.
    ///
    /// Tags are taken, too; see [`ContactBody::replace_tags`] for where they are sent.
    ///
    /// Errors: [`BadBody::Unknown`], [`BadBody::WrongType`].
    pub fn of_json(body: Value) -> Result<ContactBody, BadBody> {
        let Value::Object(body) = body else {
            return Err(wrong("the body", "a JSON object"));
        };
        let mut contact = ContactBody::default();
        for (name, value) in body {
            contact = contact.set(&name, value)?;
        }
        Ok(contact)
    }

    /// Sets a property by the vendor's name, in place of what it was.
    ///
    /// `null` empties a property that the vendor declares as nullable; whether `""` does is not documented. `customFields` adds to those that
    /// are set. The keys of `dndSettings` are taken in the spellings of both API versions.
    ///
    /// Errors: [`BadBody::Unknown`], [`BadBody::WrongType`].
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Result<ContactBody, BadBody> {
        let value = value.into();
        let Some(property) = PROPERTIES.iter().find(|property| property.name == name) else {
            return Err(BadBody::Unknown {
                name: name.to_owned(),
            });
        };
        let value = match (property.kind, value) {
            (Kind::Tags, value) => return Ok(self.tags(&tags_of(&value)?)),
            (Kind::Custom, Value::Array(fields)) => {
                for field in &fields {
                    self.custom.push(custom_value(field)?);
                }
                return Ok(self);
            }
            (Kind::Custom, _) => return Err(wrong(name, property.kind.expected())),
            (_, Value::Null) => Value::Null,
            (Kind::Text, value @ Value::String(_))
            | (Kind::Flag, value @ Value::Bool(_))
            | (Kind::Object, value @ Value::Object(_)) => value,
            (Kind::Channels, Value::Object(channels)) => Value::Object(
                channels
                    .into_iter()
                    .map(|(channel, setting)| (channel_name(channel), setting))
                    .collect(),
            ),
            (Kind::Text | Kind::Flag | Kind::Object | Kind::Channels, _) => {
                return Err(wrong(name, property.kind.expected()));
            }
        };
        self.properties.insert(name.to_owned(), value);
        Ok(self)
    }

    /// Sets a custom field by its id; the other custom fields of the contact stay as they are.
    ///
    /// `value` is text, a number, or for fields with several options a list of texts.
    pub fn custom_field(mut self, id: &str, value: impl Into<Value>) -> ContactBody {
        self.custom
            .push(json!({"id": id, "field_value": value.into()}));
        self
    }

    /// Sets the tags of a new contact; an update and an upsert refuse them, see [`ContactBody::replace_tags`].
    pub fn tags(mut self, tags: &BTreeSet<Tag>) -> ContactBody {
        self.tags = Some(tags.clone());
        self
    }

    /// Sets the tags, and lets an update or an upsert send them, which REPLACES all tags of the contact.
    pub fn replace_tags(self, tags: &BTreeSet<Tag>) -> ContactBody {
        self.tags(tags).replacing_tags()
    }

    /// Lets an update or an upsert send the tags that are set, which REPLACES all tags of the contact.
    pub fn replacing_tags(mut self) -> ContactBody {
        self.replaces_tags = true;
        self
    }

    /// Returns the JSON body for an endpoint; `location` goes into a create and an upsert.
    pub(super) fn encode(
        &self,
        write: ContactWrite,
        location: Option<&LocationId>,
    ) -> Result<Value, BadBody> {
        let ContactBody {
            properties,
            custom,
            tags,
            replaces_tags,
        } = self;
        let mut body = Map::new();
        for property in PROPERTIES {
            let Some(value) = properties.get(property.name) else {
                continue;
            };
            if !property.is_taken_by(write) {
                return Err(BadBody::NotTaken {
                    name: property.name.to_owned(),
                    by: write,
                });
            }
            if value.is_null() && !property.is_nullable_in(write) {
                return Err(wrong(property.name, property.kind.expected()));
            }
            body.insert(property.name.to_owned(), value.clone());
        }
        if !custom.is_empty() {
            body.insert("customFields".to_owned(), Value::Array(custom.clone()));
        }
        if let Some(tags) = tags {
            if write != ContactWrite::Create && !replaces_tags {
                return Err(BadBody::WouldReplaceTags);
            }
            body.insert("tags".to_owned(), json!(tags));
        }
        let given = |name: &str| match body.get(name) {
            Some(Value::String(text)) => !text.trim().is_empty(),
            _ => false,
        };
        match write {
            ContactWrite::Create
                if !["firstName", "lastName", "email", "phone"]
                    .into_iter()
                    .any(given) =>
            {
                return Err(BadBody::Nameless);
            }
            ContactWrite::Upsert if !["email", "phone"].into_iter().any(given) => {
                return Err(BadBody::Unidentified);
            }
            ContactWrite::Update if body.is_empty() => return Err(BadBody::Nothing),
            ContactWrite::Create | ContactWrite::Upsert | ContactWrite::Update => {}
        }
        if let Some(location) = location {
            let location = json!(location.as_str());
            if body.get("locationId").is_some_and(|own| *own != location) {
                return Err(BadBody::OtherLocation);
            }
            body.insert("locationId".to_owned(), location);
        }
        Ok(Value::Object(body))
    }
}

/// A property of a contact's body, and who takes it.
struct Property {
    name: &'static str,
    kind: Kind,
    /// Taken by create and upsert.
    made_with: bool,
    /// Taken by update.
    changed_to: bool,
    /// May be `null`, and where.
    nullable: Nullable,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Object,
    Channels,
    Tags,
    Custom,
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Flag => "true or false",
            Kind::Object | Kind::Channels => "a JSON object",
            Kind::Tags => "a list of tags, each 1 to 100 characters without line breaks",
            Kind::Custom => "a list of {\"id\" or \"key\", \"field_value\"}",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nullable {
    Never,
    InUpdates,
    Always,
}

impl Property {
    fn is_taken_by(&self, write: ContactWrite) -> bool {
        match write {
            ContactWrite::Create => self.made_with && self.name != CREATE_ANEW,
            ContactWrite::Upsert => self.made_with,
            ContactWrite::Update => self.changed_to,
        }
    }

    fn is_nullable_in(&self, write: ContactWrite) -> bool {
        match self.nullable {
            Nullable::Never => false,
            Nullable::InUpdates => write == ContactWrite::Update,
            Nullable::Always => true,
        }
    }
}

/// The property that only an upsert knows.
const CREATE_ANEW: &str = "createNewIfDuplicateAllowed";

const fn both(name: &'static str, kind: Kind, nullable: Nullable) -> Property {
    Property {
        name,
        kind,
        made_with: true,
        changed_to: true,
        nullable,
    }
}

const fn made_with(name: &'static str, kind: Kind, nullable: Nullable) -> Property {
    Property {
        name,
        kind,
        made_with: true,
        changed_to: false,
        nullable,
    }
}

/// What the three endpoints take. `companyName` is not in the schema of updates; `gender` and `locationId` are refused there with 422 (issue
/// 313 of HighLevel's tracker).
const PROPERTIES: &[Property] = &[
    both("firstName", Kind::Text, Nullable::Always),
    both("lastName", Kind::Text, Nullable::Always),
    both("name", Kind::Text, Nullable::Always),
    both("email", Kind::Text, Nullable::Always),
    made_with("locationId", Kind::Text, Nullable::Never),
    made_with("gender", Kind::Text, Nullable::Never),
    both("phone", Kind::Text, Nullable::Always),
    both("address1", Kind::Text, Nullable::Always),
    both("city", Kind::Text, Nullable::Always),
    both("state", Kind::Text, Nullable::Always),
    both("postalCode", Kind::Text, Nullable::Never),
    both("website", Kind::Text, Nullable::Always),
    both("timezone", Kind::Text, Nullable::Always),
    both("dnd", Kind::Flag, Nullable::Never),
    both("dndSettings", Kind::Channels, Nullable::Never),
    both("inboundDndSettings", Kind::Object, Nullable::Never),
    both("tags", Kind::Tags, Nullable::Never),
    both("customFields", Kind::Custom, Nullable::Never),
    both("source", Kind::Text, Nullable::InUpdates),
    both("dateOfBirth", Kind::Text, Nullable::Always),
    both("country", Kind::Text, Nullable::Never),
    made_with("companyName", Kind::Text, Nullable::Always),
    both("assignedTo", Kind::Text, Nullable::InUpdates),
    made_with(CREATE_ANEW, Kind::Flag, Nullable::Never),
];

/// The channels of `dndSettings` as API version 2021-07-28 spells them; v3 writes `call`, `email`, `sms`, `whatsApp`, `gmb`, `fb`.
const CHANNELS: &[&str] = &["Call", "Email", "SMS", "WhatsApp", "GMB", "FB"];

fn channel_name(name: String) -> String {
    let known = CHANNELS
        .iter()
        .find(|channel| channel.eq_ignore_ascii_case(&name));
    known.map_or(name, |channel| (*channel).to_owned())
}

fn wrong(name: &str, expected: &'static str) -> BadBody {
    BadBody::WrongType {
        name: name.to_owned(),
        expected,
    }
}

fn tags_of(value: &Value) -> Result<BTreeSet<Tag>, BadBody> {
    let bad = || wrong("tags", Kind::Tags.expected());
    let tags = value.as_array().ok_or_else(bad)?;
    tags.iter()
        .map(|tag| Tag::new(tag.as_str().ok_or_else(bad)?).map_err(|_| bad()))
        .collect()
}

/// Turns a custom field in any spelling into `{id or key, field_value}`.
///
/// `value` is what answers show; a write that says so is dropped silently. With an id the key is left out, because a wrong key beside a right
/// id spoils the whole update (reports of n8n's users).
fn custom_value(field: &Value) -> Result<Value, BadBody> {
    let bad = || wrong("customFields", Kind::Custom.expected());
    let field = field.as_object().ok_or_else(bad)?;
    let text = |name: &str| field.get(name).and_then(Value::as_str);
    let given = ["field_value", "fieldValue", "value"];
    let mut values = given.iter().filter_map(|name| field.get(*name));
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(bad());
    };
    match (text("id"), text("key").or_else(|| text("fieldKey"))) {
        (Some(id), _) if !id.is_empty() => Ok(json!({"id": id, "field_value": value})),
        (_, Some(key)) if !key.is_empty() => {
            let key = key.strip_prefix("contact.").unwrap_or(key);
            Ok(json!({"key": key, "field_value": value}))
        }
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests;
