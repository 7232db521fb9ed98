//! One contact of the vendor's JSON, and how far it is believed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::keys::Keys;
use crate::apis::loose::Loose;
use crate::model::{BUSINESS_KEY, Contact, ContactId, FieldKey, Reading, Tag};
use crate::plan::date_of_birth;

/// A contact in any answer; every key may be missing and of any type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct Row<'a> {
    #[serde(borrow)]
    pub(super) id: Loose<'a>,
    first_name: Loose<'a>,
    last_name: Loose<'a>,
    first_name_raw: Loose<'a>,
    last_name_raw: Loose<'a>,
    email: Loose<'a>,
    phone: Loose<'a>,
    address1: Loose<'a>,
    address: Loose<'a>,
    city: Loose<'a>,
    state: Loose<'a>,
    postal_code: Loose<'a>,
    country: Loose<'a>,
    website: Loose<'a>,
    timezone: Loose<'a>,
    date_of_birth: Loose<'a>,
    source: Loose<'a>,
    assigned_to: Loose<'a>,
    company_name: Loose<'a>,
    gender: Loose<'a>,
    business_id: Loose<'a>,
    tags: Option<Vec<Loose<'a>>>,
    custom_fields: Option<Vec<CustomValue<'a>>>,
    pub(super) date_added: Loose<'a>,
    date_updated: Loose<'a>,
    deleted: Loose<'a>,
    pub(super) search_after: Option<Value>,
}

/// A custom field's value as answers show it: `{id, value}`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct CustomValue<'a> {
    #[serde(borrow)]
    id: Loose<'a>,
    #[serde(alias = "field_value", alias = "fieldValue")]
    value: Loose<'a>,
}

/// Turns one contact of the vendor's JSON into ours, reduced to the managed keys.
///
/// A search, a get and a write show the whole contact: a key that is missing is empty. A list row is thin: a standard key that is missing is
/// unknown, names are taken from `firstNameRaw` and `lastNameRaw` alone (the others are lower-cased), and custom fields are known only when
/// there is a `customFields` array, which lists the set ones.
///
/// Errors: the reason why the row is of no use, without any of its values.
pub fn decode(row: &Value, reading: Reading, keys: &Keys) -> Result<Contact, String> {
    let row = Row::deserialize(row).map_err(|_| "it has an unexpected shape".to_owned())?;
    row.contact(reading, keys)
}

impl Row<'_> {
    /// Returns whether the vendor says that the contact is deleted.
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted.text() == Some("true")
    }

    pub(super) fn contact(&self, reading: Reading, keys: &Keys) -> Result<Contact, String> {
        let id = self.id.text().ok_or("it has no id")?;
        let id = ContactId::try_from(id).map_err(|_| "its id is malformed")?;
        let mut fields = BTreeMap::new();
        for key in keys.standard() {
            let value = self.standard(key, reading);
            if value.is_present() || is_whole(reading) {
                fields.insert(key.clone(), text_of(key, value));
            }
        }
        if self.custom_fields.is_some() || is_whole(reading) {
            fields.extend(keys.custom().keys().map(|key| (key.clone(), None)));
        }
        for CustomValue { id, value } in self.custom_fields.iter().flatten() {
            if let Some(key) = id.text().and_then(|id| keys.by_id(id)) {
                fields.insert(key.clone(), value.text().map(str::to_owned));
            }
        }
        Ok(Contact {
            id,
            fields,
            tags: self.tags.as_deref().map(tag_set),
            date_added: self.date_added.text().and_then(moment),
            date_updated: self.date_updated.text().and_then(moment),
        })
    }

    fn standard(&self, key: &FieldKey, reading: Reading) -> &Loose<'_> {
        let thin = !is_whole(reading);
        match key.as_str() {
            "firstName" if thin => &self.first_name_raw,
            "lastName" if thin => &self.last_name_raw,
            "firstName" => &self.first_name,
            "lastName" => &self.last_name,
            "email" => &self.email,
            "phone" => &self.phone,
            // Search and list call it `address` (seen in recorded traffic).
            "address1" if self.address1.is_present() => &self.address1,
            "address1" => &self.address,
            "city" => &self.city,
            "state" => &self.state,
            "postalCode" => &self.postal_code,
            "country" => &self.country,
            "website" => &self.website,
            "timezone" => &self.timezone,
            "dateOfBirth" => &self.date_of_birth,
            "source" => &self.source,
            "assignedTo" => &self.assigned_to,
            "companyName" => &self.company_name,
            "gender" => &self.gender,
            BUSINESS_KEY => &self.business_id,
            _ => &Loose::Absent,
        }
    }
}

fn is_whole(reading: Reading) -> bool {
    match reading {
        Reading::List => false,
        Reading::Search | Reading::Get | Reading::Write => true,
    }
}

fn text_of(key: &FieldKey, value: &Loose<'_>) -> Option<String> {
    let text = value.text()?;
    Some(if key.as_str() == "dateOfBirth" {
        date_of_birth(text)
    } else {
        text.to_owned()
    })
}

/// Returns the tags in lower case; one that no job could name (empty, over 100 characters) is left out.
pub(super) fn tag_set(tags: &[Loose<'_>]) -> BTreeSet<Tag> {
    tags.iter()
        .filter_map(|tag| Tag::new(tag.text()?).ok())
        .collect()
}

/// Reads ISO 8601, or milliseconds since the Unix epoch.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(ms) = text.parse::<i64>() {
        return DateTime::from_timestamp_millis(ms);
    }
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    Some(moment.with_timezone(&Utc))
}
