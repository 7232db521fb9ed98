//! What the planner must do: its tables row by row, and its laws over random rows.

mod laws;
mod notes;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::{BUSINESS_KEY, ContactId, FieldKey, Missing, Own, Record, RecordKey, Tag};

fn key(name: &str) -> FieldKey {
    FieldKey::try_from(name).unwrap()
}

fn tag(name: &str) -> Tag {
    Tag::new(name).unwrap()
}

fn tags(names: &[&str]) -> BTreeSet<Tag> {
    names.iter().map(|name| tag(name)).collect()
}

/// A contact that is there, with nothing known to be in it and no tags.
fn contact(no: i64) -> Mirrored {
    Mirrored {
        no,
        id: ContactId::try_from(format!("contact{no}")).unwrap(),
        seen: BTreeMap::new(),
        tags: Some(BTreeSet::new()),
        written: Written::default(),
        gone: false,
    }
}

/// A record that has been in for a while and is linked.
fn linked_row(contact: Mirrored) -> Row {
    Row {
        record: Record {
            key: RecordKey::try_from("1").unwrap(),
            attributes: BTreeMap::new(),
        },
        presence: Presence::In,
        was: Some(Presence::In),
        transition: 2,
        link: Linked::To(Box::new(contact)),
        found: Vec::new(),
        claims: Vec::new(),
        unsettled: false,
        refused: None,
    }
}

fn wanted_field(own: Own, value: Option<&str>) -> Wanted {
    Wanted {
        fields: vec![WantedField {
            key: key("field"),
            own,
            value: value.map(str::to_owned),
        }],
        ..Wanted::default()
    }
}

const TERMS: Terms = Terms {
    missing: Missing::Create,
    recreate_deleted: false,
    mirror_complete: true,
    fields_when_out: false,
    scope: None,
    business: None,
};
