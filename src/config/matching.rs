//! Reading `[match]`, and what creating contacts needs so that nobody is created twice.

use super::fields::MappedField;
use super::reader::{Spot, Table, one_of};
use super::{job, keys};
use crate::model::{By, FieldKey, Missing, SourceKind};
use crate::plan::wanted::can_mark;

/// What can happen to a record without a contact.
const MISSING: &[(&str, Missing)] = &[("create", Missing::Create), ("skip", Missing::Skip)];

/// The fields of which HighLevel wants one in a new contact. Source: HighLevel's answer to a create without them.
const NAMING_KEYS: [&str; 4] = ["firstName", "lastName", "email", "phone"];

/// What `[match]` says.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) by: Vec<By>,
    pub(super) missing: Missing,
    pub(super) recreate_deleted: bool,
}

/// Reads `[match]`.
pub(super) fn read(root: &Table<'_>, source: Option<SourceKind>, mapped: &[MappedField]) -> Rules {
    let Some(table) = root.table("match") else {
        return Rules {
            by: vec![By::Link],
            missing: Missing::Skip,
            recreate_deleted: false,
        };
    };
    table.expect_keys(keys::MATCH, job::top_level);
    let before = table.file().count();
    let by = by(&table, source, mapped);
    let by_is_whole = table.file().count() == before;
    let missing = table.word("missing", MISSING);
    let recreate_deleted = table.flag("recreate_deleted", false);
    if let (Some(create), Some(source)) = (&missing, source)
        && create.value == Missing::Create
    {
        if by_is_whole {
            check_marker(&table, create, source, &by, mapped);
        }
        check_naming(&table, create, source, mapped);
    }
    Rules {
        by,
        missing: missing.map_or(Missing::Skip, |spot| spot.value),
        recreate_deleted,
    }
}

fn by(table: &Table<'_>, source: Option<SourceKind>, mapped: &[MappedField]) -> Vec<By> {
    if !table.has("by") {
        return vec![By::Link];
    }
    let before = table.file().count();
    let mut rules = Vec::new();
    for text in table.texts("by") {
        let Some(rule) = rule(table, &text, source, mapped) else {
            continue;
        };
        if rules.contains(&rule) {
            table.report_at(text.at, "by", format!("\"{rule}\" stands here twice"), None);
        } else {
            rules.push(rule);
        }
    }
    if table.file().count() == before
        && rules.first() != Some(&By::Link)
        && let Some(list) = table.value("by")
    {
        table.report_at(
            list.at,
            "by",
            "expected \"link\" first: a record that found its contact once keeps it".to_owned(),
            Some("by = [\"link\", \"field:<key>\"]".to_owned()),
        );
    }
    rules
}

fn rule(
    table: &Table<'_>,
    text: &Spot<&str>,
    source: Option<SourceKind>,
    mapped: &[MappedField],
) -> Option<By> {
    let refuse = |message: String, hint: Option<String>| {
        table.report_at(text.at, "by", message, hint);
        None
    };
    let shown = text.value.escape_debug();
    match text.value {
        "link" => return Some(By::Link),
        "email" | "phone" => {
            let source = source.map_or("this source", SourceKind::word);
            return refuse(format!("\"{shown}\" is not available from {source}"), None);
        }
        _ => {}
    }
    let Some(key) = text.value.strip_prefix("field:") else {
        let expected = "expected \"link\" or \"field:<key>\"";
        return refuse(format!("unknown rule \"{shown}\", {expected}"), None);
    };
    let key = match FieldKey::try_from(key) {
        Ok(key) => key,
        Err(refused) => return refuse(refused.to_string(), None),
    };
    if key.standard().is_some() {
        let message =
            format!("`{key}` does not tell people apart, expected the key of a custom field");
        return refuse(message, None);
    }
    if !mapped.iter().any(|field| field.rule.key == key) {
        let keys: Vec<&str> = mapped
            .iter()
            .map(|field| &field.rule.key)
            .filter(|key| key.standard().is_none())
            .map(FieldKey::as_str)
            .collect();
        let hint =
            (!keys.is_empty()).then(|| format!("custom fields in [fields]: {}", one_of(&keys)));
        return refuse(format!("`{key}` is not in [fields]"), hint);
    }
    Some(By::Field(key))
}

/// Checks that contacts that are created can be found again: by a custom field that holds the record's key.
fn check_marker(
    table: &Table<'_>,
    create: &Spot<Missing>,
    source: SourceKind,
    by: &[By],
    mapped: &[MappedField],
) {
    let attribute = source.key_attribute();
    let is_key = |field: &&MappedField| {
        field
            .tried
            .as_ref()
            .is_some_and(|tried| tried.template.is_attribute(attribute))
            && field.rule.key.standard().is_none()
    };
    let is_matched = |field: &MappedField| by.contains(&By::Field(field.rule.key.clone()));
    let markers: Vec<&MappedField> = mapped.iter().filter(is_key).collect();
    let owned: Vec<&&MappedField> = markers
        .iter()
        .filter(|field| can_mark(&field.rule))
        .collect();
    if owned.iter().any(|field| is_matched(field)) {
        return;
    }
    // A field whose template was reported may be the marker that is meant.
    if mapped
        .iter()
        .any(|field| field.tried.is_none() && is_matched(field))
    {
        return;
    }
    let (lacks, hint) = if let Some(field) = owned.first() {
        let key = &field.rule.key;
        (
            format!("[match] does not name `{key}`"),
            format!("by = [\"link\", \"field:{key}\"]"),
        )
    } else if let Some(field) = markers.first() {
        let key = &field.rule.key;
        (
            format!("`{key}` is not owned"),
            format!("in [fields]: {key} = \"{{{{ {attribute} }}}}\""),
        )
    } else {
        (
            format!("no custom field holds `{attribute}`"),
            format!(
                "in [fields]: twitch_{attribute} = \"{{{{ {attribute} }}}}\" and in [match]: by = [\"link\", \"field:twitch_{attribute}\"]"
            ),
        )
    };
    table.report_at(
        create.at,
        "missing",
        format!("\"create\" needs a marker, by which a contact is found again: {lacks}"),
        Some(hint),
    );
}

/// Checks that every contact that is created has a name, which HighLevel wants.
fn check_naming(
    table: &Table<'_>,
    create: &Spot<Missing>,
    source: SourceKind,
    mapped: &[MappedField],
) {
    let names = || {
        mapped
            .iter()
            .filter(|field| NAMING_KEYS.contains(&field.rule.key.as_str()))
    };
    let is_reported = names().any(|field| field.tried.is_none());
    if is_reported || names().any(MappedField::is_never_empty) {
        return;
    }
    let attribute = source.key_attribute();
    let whose = match source.is_of_channels() {
        true => "channel",
        false => "user",
    };
    table.report_at(
        create.at,
        "missing",
        "\"create\" needs a firstName, lastName, email or phone that is never empty".to_owned(),
        Some(format!(
            "in [fields]: firstName = {{ value = \"{{{{ {whose}_name or {whose}_login or 'twitch ' ~ {attribute} }}}}\", own = \"fill\" }}"
        )),
    );
}
