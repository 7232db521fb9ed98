//! The keys that some job manages.

use std::collections::BTreeMap;

use super::location::CustomField;
use crate::model::FieldKey;

/// The managed keys of a location: what a contact is reduced to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    standard: Vec<FieldKey>,
    custom: BTreeMap<FieldKey, String>,
    by_id: BTreeMap<String, FieldKey>,
}

impl Keys {
    /// Sorts the keys that jobs name into standard ones and custom ones of this location; also returns those that the location lacks.
    ///
    /// `defined` are the location's custom fields; ids differ between locations. The id of the contact's business counts as a standard key
    /// here, because answers show it like one.
    pub fn of<'k>(
        managed: impl IntoIterator<Item = &'k FieldKey>,
        defined: &[CustomField],
    ) -> (Keys, Vec<FieldKey>) {
        let ids: BTreeMap<&FieldKey, &str> = defined
            .iter()
            .map(|field| (&field.key, field.id.as_str()))
            .collect();
        let mut keys = Keys::default();
        let mut lacking = Vec::new();
        for key in managed {
            if key.is_shown_by_name() {
                if !keys.standard.contains(key) {
                    keys.standard.push(key.clone());
                }
            } else if let Some(id) = ids.get(key) {
                keys.custom.insert(key.clone(), (*id).to_owned());
                keys.by_id.insert((*id).to_owned(), key.clone());
            } else if !lacking.contains(key) {
                lacking.push(key.clone());
            }
        }
        (keys, lacking)
    }

    /// Returns the standard keys, each once, in the order in which they were first named.
    pub fn standard(&self) -> &[FieldKey] {
        &self.standard
    }

    /// Returns the custom keys with their ids.
    pub fn custom(&self) -> &BTreeMap<FieldKey, String> {
        &self.custom
    }

    /// Returns the id of a custom key, `None` for a standard or an unknown one.
    pub fn id(&self, key: &FieldKey) -> Option<&str> {
        self.custom.get(key).map(String::as_str)
    }

    /// Returns the custom key of an id, `None` for one that no job manages.
    pub fn by_id(&self, id: &str) -> Option<&FieldKey> {
        self.by_id.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> FieldKey {
        FieldKey::try_from(text).unwrap()
    }

    #[test]
    fn managed_keys_are_standard_custom_or_lacking() {
        let defined = [CustomField {
            id: "6dvN".to_owned(),
            key: key("twitch_user_id"),
            name: "Twitch user id".to_owned(),
            data_type: "TEXT".to_owned(),
        }];
        let managed = [
            key("firstName"),
            key("twitch_user_id"),
            key("firstName"),
            FieldKey::business(),
            key("nowhere"),
        ];
        let (keys, lacking) = Keys::of(&managed, &defined);
        assert_eq!(keys.standard(), [key("firstName"), FieldKey::business()]);
        assert_eq!(keys.id(&key("twitch_user_id")), Some("6dvN"));
        assert_eq!(keys.by_id("6dvN"), Some(&key("twitch_user_id")));
        assert_eq!(lacking, [key("nowhere")]);
    }
}
