//! The keys that some job manages, and when two values of one are the same.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};

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
    /// `defined` are the location's custom fields; ids differ between locations.
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
            if key.standard().is_some() {
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

/// Returns whether a wanted value and a seen one are the same to HighLevel, which normalizes what it stores.
///
/// Phones are compared by their digits (a wanted one without country code also by its end, because HighLevel adds the location's), e-mail
/// addresses without case, dates of birth by date, all else exactly but for spaces around.
pub fn same_value(key: &FieldKey, wanted: &str, seen: &str) -> bool {
    let (wanted, seen) = (wanted.trim(), seen.trim());
    match key.as_str() {
        "phone" => same_phone(wanted, seen),
        "email" => wanted.to_lowercase() == seen.to_lowercase(),
        "dateOfBirth" => date_of_birth(wanted) == date_of_birth(seen),
        _ => wanted == seen,
    }
}

fn same_phone(wanted: &str, seen: &str) -> bool {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let (ours, theirs) = (digits(wanted), digits(seen));
    if ours == theirs {
        return true;
    }
    // A national number: its trunk zero falls away when the country code is put in front.
    let national = ours.trim_start_matches('0');
    !wanted.starts_with('+') && national.len() >= 7 && theirs.ends_with(national)
}

/// Returns a date of birth as `YYYY-MM-DD`; what is no date stays as it is.
///
/// HighLevel takes eight spellings and gives an ISO timestamp or a date back (reference section 12.4).
pub(super) fn date_of_birth(text: &str) -> String {
    let text = text.trim();
    let from_number = || {
        let ms = text.parse::<i64>().ok().filter(|_| text.len() > 8)?;
        Some(DateTime::from_timestamp_millis(ms)?.date_naive())
    };
    let from_date = || {
        // The time of day of a timestamp says nothing; the first ten characters are the date in every spelling.
        let date: String = text.get(..10)?.replace(['/', '.', '_'], "-");
        NaiveDate::parse_from_str(&date, "%Y-%m-%d")
            .or_else(|_| NaiveDate::parse_from_str(&date, "%m-%d-%Y"))
            .ok()
    };
    from_date()
        .or_else(from_number)
        .map_or_else(|| text.to_owned(), |date| date.to_string())
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
            key("nowhere"),
        ];
        let (keys, lacking) = Keys::of(&managed, &defined);
        assert_eq!(keys.standard(), [key("firstName")]);
        assert_eq!(keys.id(&key("twitch_user_id")), Some("6dvN"));
        assert_eq!(keys.by_id("6dvN"), Some(&key("twitch_user_id")));
        assert_eq!(lacking, [key("nowhere")]);
    }

    #[test]
    fn what_the_vendor_normalizes_is_the_same() {
        for (name, wanted, seen, same) in [
            ("phone", "+1 888-888-8888", "+18888888888", true),
            ("phone", "(888) 888-8888", "+18888888888", true),
            ("phone", "030 1234567", "+49301234567", true),
            ("phone", "+1 888-888-8888", "+448888888888", false),
            ("phone", "12", "+4912", false),
            ("email", "A@Example.com", "a@example.com", true),
            ("email", "a@example.com", "b@example.com", false),
            (
                "dateOfBirth",
                "12/31/1990",
                "1990-12-31T00:00:00.000Z",
                true,
            ),
            ("dateOfBirth", "1990.12.31", "1990-12-31", true),
            ("dateOfBirth", "1990-12-30", "1990-12-31", false),
            ("dateOfBirth", "unknown", "unknown", true),
            ("firstName", " Ann ", "Ann", true),
            ("firstName", "ann", "Ann", false),
        ] {
            assert_eq!(
                same_value(&key(name), wanted, seen),
                same,
                "{name} {wanted} {seen}"
            );
        }
    }
}
