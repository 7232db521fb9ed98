//! Reading `[fields]`.

use toml::de::DeValue;

use super::reader::{Spot, Table};
use super::trial::{Trial, Tried};
use super::{job, keys};
use crate::model::{FieldKey, FieldRule, Own, STANDARD_KEYS};
use crate::plan::spelling;

/// Who can own a field.
const OWNERS: &[(&str, Own)] = &[
    ("owned", Own::Owned),
    ("fill", Own::Fill),
    ("create", Own::Create),
    ("force", Own::Force),
];

/// One line of `[fields]` with its template compiled.
#[derive(Debug)]
pub(super) struct MappedField {
    /// Where its key stands.
    pub(super) at: usize,
    pub(super) rule: FieldRule,
    /// `None` when it does not compile, or when the source is unknown.
    pub(super) tried: Option<Tried>,
}

impl MappedField {
    /// Returns whether its template has a value even for a record of which nothing but the key is known.
    pub(super) fn is_never_empty(&self) -> bool {
        self.tried
            .as_ref()
            .is_some_and(|tried| tried.bare.is_some())
    }
}

/// Reads `[fields]` in the order of the file.
pub(super) fn read(root: &Table<'_>, mut trial: Option<&mut Trial>) -> Vec<MappedField> {
    let Some(table) = root.table("fields") else {
        return Vec::new();
    };
    let mut mapped = Vec::new();
    for (key, value) in table.entries() {
        let field_key = field_key(&table, &key);
        let Some((template, own)) = line(&table, &key, &value) else {
            continue;
        };
        let tried = trial
            .as_deref_mut()
            .and_then(|trial| trial.out(&table, key.value, &template, &[]));
        let Some(field_key) = field_key else { continue };
        let only_at_creation = field_key
            .standard()
            .is_some_and(|standard| !standard.updatable);
        if only_at_creation && own != Own::Create {
            table.report_at(
                key.at,
                key.value,
                "HighLevel takes this field only at creation, expected own = \"create\"".to_owned(),
                Some(format!(
                    "{} = {{ value = \"…\", own = \"create\" }}",
                    key.value
                )),
            );
        }
        let rule = FieldRule {
            key: field_key,
            template: template.value.to_owned(),
            own,
        };
        mapped.push(MappedField {
            at: key.at,
            rule,
            tried,
        });
    }
    mapped
}

/// Returns template and owner of a line, `None` when there is no template.
fn line<'t>(
    table: &Table<'t>,
    key: &Spot<&'t str>,
    value: &Spot<&'t DeValue<'t>>,
) -> Option<(Spot<&'t str>, Own)> {
    match value.value {
        DeValue::String(text) => {
            let template = Spot {
                value: text.as_ref(),
                at: value.at,
            };
            Some((template, Own::Owned))
        }
        DeValue::Table(_) => {
            let inner = table.table(key.value)?;
            inner.expect_keys(keys::FIELD, job::top_level);
            let template = inner.required_text("value", "value = \"<template>\"");
            let own = inner
                .word("own", OWNERS)
                .map_or(Own::Owned, |spot| spot.value);
            Some((template?, own))
        }
        other => table.wrong_type(
            key.value,
            value.at,
            "a template in quotes, or { value = \"…\", own = \"…\" }",
            other,
        ),
    }
}

fn field_key(table: &Table<'_>, key: &Spot<&str>) -> Option<FieldKey> {
    let refuse = |message: String, hint: Option<String>| {
        table.report_at(key.at, key.value, message, hint);
        None
    };
    if let Some((reason, hint)) = not_writable(key.value) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        return refuse(format!("cannot be mapped: {reason}"), hint);
    }
    if let Some(bare) = key.value.strip_prefix("contact.") {
        return refuse(
            format!("expected the key without `contact.`: `{bare}`"),
            None,
        );
    }
    let field_key = match FieldKey::try_from(key.value) {
        Ok(field_key) => field_key,
        Err(refused) => return refuse(refused.to_string(), None),
    };
    if field_key.standard().is_some() {
        return Some(field_key);
    }
    // Custom keys are slugs in lower case; a standard key in another spelling would quietly be looked for among them.
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let standard = STANDARD_KEYS.iter().map(|standard| standard.key);
    if let Some(meant) = standard
        .clone()
        .find(|name| plain(name) == plain(key.value))
    {
        return refuse(format!("unknown field, did you mean `{meant}`?"), None);
    }
    if key.value.bytes().any(|b| b.is_ascii_uppercase()) {
        let message = match spelling::near(key.value, standard.clone()) {
            Some(near) => format!("unknown field, did you mean `{near}`?"),
            None => "unknown field: the keys of custom fields are in lower case".to_owned(),
        };
        let names: Vec<&str> = standard.collect();
        return refuse(
            message,
            Some(format!("standard fields: {}", names.join(", "))),
        );
    }
    Some(field_key)
}

/// Says why a key of a contact cannot be mapped, and what to do instead.
fn not_writable(key: &str) -> Option<(&'static str, &'static str)> {
    Some(match key {
        "tags" => (
            "writing `tags` would replace every tag the contact has",
            "use add_tags and remove_tags of [on.join] and [on.leave]",
        ),
        "name" => (
            "HighLevel refuses a contact with `name` alone, and does not say how it splits it",
            "map firstName, and lastName where the source has one",
        ),
        "dnd" | "dndSettings" | "inboundDndSettings" => {
            ("consent belongs to the person, not to a job", "")
        }
        "type" => ("HighLevel sets it and takes no other value", ""),
        "id" | "locationId" | "dateAdded" | "dateUpdated" | "createdBy" | "lastUpdatedBy" => {
            ("HighLevel sets it", "")
        }
        "customFields" | "customField" => (
            "custom fields are written by their own key",
            "for example twitch_user_id = \"{{ user_id }}\"",
        ),
        "additionalEmails" | "additionalPhones" => ("HighLevel's API can only read it", ""),
        "businessId"
        | "businessName"
        | "followers"
        | "attachments"
        | "attributions"
        | "attributionSource"
        | "lastAttributionSource"
        | "opportunities"
        | "phoneLabel" => ("neither create nor update takes it", ""),
        _ => return None,
    })
}
