//! Reading `[fields]`.

use toml::de::DeValue;

use super::reader::{Spot, Table};
use super::{job, keys};
use crate::model::{FieldKey, FieldRule, Own, Record, STANDARD_KEYS, SourceKind};
use crate::plan::spelling;
use crate::plan::template::{Template, Templates, clean};

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
    pub(super) compiled: Option<Template>,
}

/// Reads `[fields]` in the order of the file.
pub(super) fn read(
    root: &Table<'_>,
    source: Option<SourceKind>,
    mut templates: Option<&mut Templates>,
) -> Vec<MappedField> {
    let Some(table) = root.table("fields") else {
        return Vec::new();
    };
    let mut mapped = Vec::new();
    for (key, value) in table.entries() {
        let field_key = field_key(&table, &key);
        let Some((template, own)) = line(&table, &key, &value) else {
            continue;
        };
        let compiled = match (source, templates.as_deref_mut()) {
            (Some(source), Some(templates)) => {
                compile(&table, key.value, &template, source, templates)
            }
            _ => None,
        };
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
            compiled,
        });
    }
    mapped
}

/// Returns a record with every attribute of the source, by which templates are tried at load.
pub(super) fn sample(source: SourceKind) -> Option<Record> {
    let attributes = source.attributes().iter().map(|name| {
        let value = match *name {
            "user_id" => "123456789",
            "followed_at" => "2024-05-24T22:22:08Z",
            _ => "Sample",
        };
        ((*name).to_owned(), value.to_owned())
    });
    Some(Record {
        key: "123456789".try_into().ok()?,
        attributes: attributes.collect(),
    })
}

/// Returns a record of which nothing but the key is known: the barest that a source can list.
pub(super) fn bare(source: SourceKind) -> Option<Record> {
    let mut record = sample(source)?;
    record
        .attributes
        .retain(|name, _| name == source.key_attribute());
    Some(record)
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

fn compile(
    table: &Table<'_>,
    key: &str,
    template: &Spot<&str>,
    source: SourceKind,
    templates: &mut Templates,
) -> Option<Template> {
    let compiled = match templates.compile(template.value) {
        Ok(compiled) => compiled,
        Err(problems) => {
            for problem in problems {
                table.report_at(template.at, key, problem.message, problem.hint);
            }
            return None;
        }
    };
    let tries = [
        (sample(source), "fails on an ordinary record"),
        (
            bare(source),
            "fails on a record that has nothing but its key",
        ),
    ];
    for (record, when) in tries {
        let Some(record) = record else { continue };
        if let Err(said) = templates.render(&compiled, &templates.row(&record)) {
            table.report_at(template.at, key, format!("{when}: {said}"), None);
            return None;
        }
    }
    Some(compiled)
}

/// Returns whether a template has a value even for a record of which nothing but the key is known.
pub(super) fn is_never_empty(
    field: &MappedField,
    source: SourceKind,
    templates: &Templates,
) -> bool {
    let (Some(compiled), Some(record)) = (&field.compiled, bare(source)) else {
        return false;
    };
    let rendered = templates.render(compiled, &templates.row(&record));
    rendered.is_ok_and(|raw| clean(raw).is_some())
}
