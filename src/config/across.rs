//! Checks over all jobs together.

use std::collections::BTreeMap;

use super::fields::MappedField;
use super::job::Sketch;
use super::reader::File;
use crate::model::{FieldKey, JobName, LocationId};

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
            if !agree(sketch, field, other, mapped) {
                file.report(
                    Some(field.at),
                    &format!("fields.{}", field.rule.key),
                    format!(
                        "another job fills this field of the same location differently, in {}",
                        other_file.place(mapped.at)
                    ),
                    Some(
                        "two jobs may fill one field only with the same template over the same kind of record"
                            .to_owned(),
                    ),
                );
            }
        }
    }
}

/// Returns whether two jobs want the same value for the same person.
fn agree(one: &Sketch, field: &MappedField, other: &Sketch, mapped: &MappedField) -> bool {
    let namespace = |sketch: &Sketch| sketch.source.map(|source| source.namespace());
    let dates = field.rule.template.contains("date");
    namespace(one) == namespace(other)
        && field.rule.template.trim() == mapped.rule.template.trim()
        && (!dates || one.timezone == other.timezone)
}
