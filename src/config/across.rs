//! Checks over all jobs together.

use std::collections::BTreeMap;

use super::fields::MappedField;
use super::job::Sketch;
use super::reader::File;
use super::suits::of_the_channel;
use crate::model::{FieldKey, JobName, LocationId, Own, SourceKind};

/// Reports job names that two files use, and fields that two jobs want to hold different values.
pub(super) fn check(sketches: &[(&File, Sketch)]) {
    names(sketches);
    fields(sketches);
}

fn names(sketches: &[(&File, Sketch)]) {
    let mut first: BTreeMap<&JobName, String> = BTreeMap::new();
    for (file, sketch) in sketches {
        let Some(name) = &sketch.name else { continue };
        if let Some(place) = first.get(&name.value) {
            file.report(
                Some(name.at),
                "name",
                format!("`{}` is already the name of the job in {place}", name.value),
                Some("a job is its name: state in the database belongs to it".to_owned()),
            );
        } else {
            first.insert(&name.value, file.place(name.at));
        }
    }
}

fn fields(sketches: &[(&File, Sketch)]) {
    let mut first: BTreeMap<(&LocationId, &FieldKey), (&File, &Sketch, &MappedField)> =
        BTreeMap::new();
    for (file, sketch) in sketches {
        let Some(location) = &sketch.location else {
            continue;
        };
        for field in &sketch.fields {
            let key = (location, &field.rule.key);
            let Some((other_file, other, mapped)) = first.get(&key) else {
                first.insert(key, (file, sketch, field));
                continue;
            };
            if let Some((message, hint)) = quarrel(sketch, field, other, mapped) {
                let place = other_file.place(mapped.at);
                file.report(
                    Some(field.at),
                    &format!("fields.{}", field.rule.key),
                    format!(
                        "another job fills this field of the same location {message}, in {place}"
                    ),
                    Some(hint),
                );
            }
        }
    }
}

/// Says why two jobs would want different values for one field of a contact; `None` when they want the same.
fn quarrel(
    one: &Sketch,
    field: &MappedField,
    other: &Sketch,
    mapped: &MappedField,
) -> Option<(String, String)> {
    let namespace = |sketch: &Sketch| sketch.source.map(SourceKind::namespace);
    if namespace(one) != namespace(other) {
        // Neither ever writes over a value, so that the first one stays.
        let is_shy = |field: &MappedField| matches!(field.rule.own, Own::Fill | Own::Create);
        if is_shy(field) && is_shy(mapped) {
            return None;
        }
        let what = |sketch: &Sketch| match sketch.source {
            Some(source) if source.is_of_channels() => "channels",
            Some(_) => "people",
            None => "something else",
        };
        let message = format!(
            "for other records ({} there, {} here)",
            what(other),
            what(one)
        );
        let hint = "a contact can be both: a field of its own for each kind of record, or own = \"fill\" in both";
        return Some((message, hint.to_owned()));
    }
    let dates = field.rule.template.contains("date");
    let is_same = field.rule.template.trim() == mapped.rule.template.trim()
        && (!dates || one.timezone == other.timezone);
    if !is_same {
        let hint =
            "two jobs may fill one field only with the same template over the same kind of record";
        return Some(("differently".to_owned(), hint.to_owned()));
    }
    // Both know the same words, but one says what is true of a follow and the other of a subscription, or of another channel.
    let is_one_listing = one.source == other.source && one.is_over_the_channels_of(other);
    let is_of_channels = one.source.is_some_and(SourceKind::is_of_channels);
    if is_one_listing || is_of_channels {
        return None;
    }
    let name = of_the_channel(field).or_else(|| of_the_channel(mapped))?;
    let hint = format!(
        "`{name}` is about one source and one channel: a field of its own for each, or own = \"create\" in both"
    );
    Some(("with another value".to_owned(), hint))
}
