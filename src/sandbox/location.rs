//! The location's own things: custom-field definitions and tag definitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::base::{
    Base, FAVORITE_GAME, TWITCH_FOLLOWED_AT, TWITCH_USER_ID, TWITCH_USERNAME, VISITS,
};
use super::chance::{Id, Ids};
use super::clock::millis_text;
use super::settings::{LOCATION_ID, Settings};

const FIELD_KIND: u64 = 2 << 48;
const TAG_KIND: u64 = 5 << 48;

/// One custom-field definition.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) number: u16,
    pub(crate) id: Id,
    /// Without the prefix `contact.`; survives renames.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) data_type: String,
    added: i64,
}

impl Field {
    pub(crate) fn to_value(&self) -> Value {
        json!({
            "id": self.id.as_str(),
            "model": "contact",
            "name": self.name,
            "fieldKey": format!("contact.{}", self.key),
            "placeholder": "",
            "dataType": self.data_type,
            "position": 50 * (u32::from(self.number) + 1),
            "documentType": "field",
            "parentId": "sandboxFolder0000001",
            "locationId": LOCATION_ID,
            "dateAdded": millis_text(self.added),
            "standard": false,
            "scopes": [],
        })
    }
}

/// Definitions of one location.
pub(crate) struct Location {
    ids: Ids,
    pub(crate) fields: Vec<Field>,
    next_field: u16,
    pub(crate) tags: BTreeMap<Arc<str>, Id>,
    next_tag: u64,
}

impl Location {
    pub(crate) fn new(ids: Ids, settings: &Settings) -> Location {
        let mut location = Location {
            ids,
            fields: Vec::new(),
            next_field: 0,
            tags: BTreeMap::new(),
            next_tag: 0,
        };
        let start = settings.start.timestamp_millis() - 86_400_000;
        let twitch = settings.fields || settings.twins > 0;
        for (number, key, name, data_type, present) in [
            (
                TWITCH_USER_ID,
                "twitch_user_id",
                "Twitch User Id",
                "TEXT",
                twitch,
            ),
            (
                TWITCH_USERNAME,
                "twitch_username",
                "Twitch Username",
                "TEXT",
                twitch,
            ),
            (
                TWITCH_FOLLOWED_AT,
                "twitch_followed_at",
                "Twitch Followed At",
                "TEXT",
                twitch,
            ),
            (
                FAVORITE_GAME,
                "favorite_game",
                "Favorite Game",
                "TEXT",
                true,
            ),
            (VISITS, "visits", "Visits", "NUMERICAL", true),
        ] {
            location.next_field = number;
            if present {
                location.define(key, name, data_type, start);
            }
        }
        location.next_field = VISITS + 1;
        if settings.contacts > settings.twins {
            location.tag("newsletter");
            location.tag("customer");
        }
        location
    }

    /// Defines the tags of the twins, who carry them from the start.
    pub(crate) fn define_twin_tags(&mut self, base: &Base) {
        // A month without a twin among ten thousand samples may be missing; nobody reads it from here.
        let step = (base.twins / 10_000).max(1) as usize;
        for index in (0..base.twins).step_by(step) {
            for tag in &base.contact(index).tags {
                self.tag(tag);
            }
        }
    }

    /// Defines a custom field under the next number.
    pub(crate) fn define(&mut self, key: &str, name: &str, data_type: &str, added: i64) -> Field {
        let number = self.next_field;
        self.next_field += 1;
        let field = Field {
            number,
            id: self.ids.encode(FIELD_KIND + u64::from(number)),
            key: key.to_string(),
            name: name.to_string(),
            data_type: data_type.to_string(),
            added,
        };
        self.fields.push(field.clone());
        field
    }

    pub(crate) fn field_by_key(&self, key: &str) -> Option<&Field> {
        let key = key.strip_prefix("contact.").unwrap_or(key);
        self.fields.iter().find(|field| field.key == key)
    }

    pub(crate) fn field_by_id(&self, id: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.id.as_str() == id)
    }

    pub(crate) fn field_id(&self, number: u16) -> Option<Id> {
        self.fields
            .iter()
            .find(|field| field.number == number)
            .map(|field| field.id)
    }

    pub(crate) fn field_key(&self, number: u16) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| field.number == number)
            .map(|field| field.key.as_str())
    }

    /// Returns the tag as stored, in lower case, and defines it when it is new.
    pub(crate) fn tag(&mut self, text: &str) -> Arc<str> {
        let text = text.to_lowercase();
        if let Some((known, _)) = self.tags.get_key_value(text.as_str()) {
            return Arc::clone(known);
        }
        let tag: Arc<str> = text.into();
        let id = self.ids.encode(TAG_KIND + self.next_tag);
        self.next_tag += 1;
        self.tags.insert(Arc::clone(&tag), id);
        tag
    }
}

/// Makes a field key of a field's name, as HighLevel does.
pub(crate) fn slug(name: &str) -> String {
    name.trim()
        .to_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect()
}
