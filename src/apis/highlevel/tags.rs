//! Tags: of many contacts in one call, of one contact, and the definitions of a location.
//!
//! Source: HighLevel's OpenAPI files of contacts and locations, and recorded traffic. Nothing here offers `removeAllTags`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::VERSION;
use super::envelope;
use super::row::tag_set;
use crate::apis::loose::Loose;
use crate::model::{ContactId, IfUnsure, LocationId, Tag};
use crate::net::{Call, Method, Unreadable, said};

/// What a bulk call does with its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagMove {
    /// Adds them.
    Add,
    /// Removes them.
    Remove,
}

/// What became of one contact of a bulk call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOutcome {
    /// The tags are as asked for.
    Done {
        /// The tags that the contact did not have before; empty when the answer does not say.
        added: BTreeSet<Tag>,
        /// All tags before the call; `None` when the answer does not say.
        before: Option<BTreeSet<Tag>>,
    },
    /// The contact is deleted or not of this location.
    NotFound,
    /// Refused for another reason.
    Refused(String),
}

/// The answer to a bulk call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkTags {
    /// What became of each contact that the answer names.
    pub outcomes: BTreeMap<ContactId, TagOutcome>,
    /// The contacts that the answer does not name: they are not done, and go into the next call.
    pub unanswered: Vec<ContactId>,
}

/// The tags of one contact after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactTags {
    /// The tags that it has now.
    pub tags: BTreeSet<Tag>,
    /// Those that the call added or removed; `None` when the answer does not say.
    pub moved: Option<BTreeSet<Tag>>,
    /// The answer as the vendor gave it.
    pub raw: Value,
}

/// Adds tags to contacts, or removes them. Needs `contacts.write`.
///
/// Sending it twice does no harm, but the second answer no longer shows what the first one added. Never sends `removeAllTags`.
pub fn bulk_tags(
    location: &LocationId,
    tag_move: TagMove,
    contacts: &[ContactId],
    tags: &BTreeSet<Tag>,
) -> Call<BulkTags> {
    let asked: Vec<ContactId> = contacts.to_vec();
    bulk(location, tag_move, contacts, tags, move |bytes| {
        answer(bytes, &asked)
    })
}

/// Adds tags to contacts, or removes them, and returns the answer's rows as the vendor gave them. Needs `contacts.write`.
///
/// As [`bulk_tags`] otherwise: a row each for the contacts, with its own `type`, `success` or `error`.
pub fn bulk_tags_raw(
    location: &LocationId,
    tag_move: TagMove,
    contacts: &[ContactId],
    tags: &BTreeSet<Tag>,
) -> Call<Vec<Value>> {
    bulk(location, tag_move, contacts, tags, |bytes| {
        envelope::list(bytes, "responses")
    })
}

fn bulk<T>(
    location: &LocationId,
    tag_move: TagMove,
    contacts: &[ContactId],
    tags: &BTreeSet<Tag>,
    read: impl Fn(&[u8]) -> Result<T, Unreadable> + Send + Sync + 'static,
) -> Call<T> {
    let (route, path) = match tag_move {
        TagMove::Add => (
            "POST /contacts/bulk/tags/update/add",
            "/contacts/bulk/tags/update/add",
        ),
        TagMove::Remove => (
            "POST /contacts/bulk/tags/update/remove",
            "/contacts/bulk/tags/update/remove",
        ),
    };
    Call::new(Method::Post, route, path, read)
        .body(json!({"contacts": contacts, "tags": tags, "locationId": location.as_str()}))
        .if_unsure(IfUnsure::SendAgain)
        .version(VERSION)
}

/// Adds tags to one contact. Needs `contacts.write`. Sending it twice does no harm.
///
/// Adding a tag can start a workflow of the location.
pub fn add_tags(contact: &ContactId, tags: &BTreeSet<Tag>) -> Call<ContactTags> {
    moved(
        Method::Post,
        "POST /contacts/{id}/tags",
        contact,
        tags,
        |bytes| tags_after(bytes, "tagsAdded"),
    )
}

/// Removes tags from one contact: a DELETE with a body. Needs `contacts.write`. Sending it twice does no harm.
pub fn remove_tags(contact: &ContactId, tags: &BTreeSet<Tag>) -> Call<ContactTags> {
    moved(
        Method::Delete,
        "DELETE /contacts/{id}/tags",
        contact,
        tags,
        |bytes| tags_after(bytes, "tagsRemoved"),
    )
}

/// Reads the definitions of all tags of a location, whole. Needs `locations/tags.readonly`. There are no pages.
pub fn location_tags(location: &LocationId) -> Call<Vec<Value>> {
    let path = format!("/locations/{location}/tags");
    Call::new(Method::Get, "GET /locations/{id}/tags", path, |bytes| {
        envelope::list(bytes, "tags")
    })
    .version(VERSION)
}

fn moved(
    method: Method,
    route: &'static str,
    contact: &ContactId,
    tags: &BTreeSet<Tag>,
    read: fn(&[u8]) -> Result<ContactTags, Unreadable>,
) -> Call<ContactTags> {
    let path = format!("/contacts/{contact}/tags");
    Call::new(method, route, path, read)
        .body(json!({ "tags": tags }))
        .if_unsure(IfUnsure::SendAgain)
        .version(VERSION)
}

fn tags_after(bytes: &[u8], moved: &str) -> Result<ContactTags, Unreadable> {
    let raw: Value = crate::net::json(bytes)?;
    let set = |name: &str| {
        let tags = Vec::<Loose<'_>>::deserialize(raw.get(name)?).ok()?;
        Some(tag_set(&tags))
    };
    let tags =
        set("tags").ok_or_else(|| Unreadable::Shape("the reply holds no `tags`".to_owned()))?;
    let moved = set(moved);
    Ok(ContactTags { tags, moved, raw })
}

fn answer(bytes: &[u8], asked: &[ContactId]) -> Result<BulkTags, Unreadable> {
    #[derive(Deserialize)]
    struct Reply {
        responses: Vec<Value>,
    }
    let Reply { responses } = crate::net::json(bytes)?;
    let outcomes: BTreeMap<ContactId, TagOutcome> = responses.iter().filter_map(outcome).collect();
    let unanswered = asked
        .iter()
        .filter(|id| !outcomes.contains_key(*id))
        .cloned()
        .collect();
    Ok(BulkTags {
        outcomes,
        unanswered,
    })
}

fn outcome(response: &Value) -> Option<(ContactId, TagOutcome)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        #[serde(borrow)]
        contact_id: Loose<'a>,
        #[serde(rename = "type", default)]
        kind: Loose<'a>,
        #[serde(default)]
        message: Loose<'a>,
        tags_added: Option<Vec<Loose<'a>>>,
        old_tags: Option<Vec<Loose<'a>>>,
    }
    let wire = Wire::deserialize(response).ok()?;
    let id = ContactId::try_from(wire.contact_id.text()?).ok()?;
    let message = wire.message.text().unwrap_or_default();
    let lower = message.to_lowercase();
    let outcome = if wire.kind.text() == Some("success") {
        TagOutcome::Done {
            added: tag_set(wire.tags_added.as_deref().unwrap_or_default()),
            before: wire.old_tags.as_deref().map(tag_set),
        }
    } else if ["deleted", "does not belong", "not found"]
        .iter()
        .any(|part| lower.contains(part))
    {
        TagOutcome::NotFound
    } else {
        TagOutcome::Refused(said(message))
    };
    Some((id, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ContactId {
        ContactId::try_from(text).unwrap()
    }

    fn tags(list: &[&str]) -> BTreeSet<Tag> {
        list.iter().map(|tag| Tag::new(tag).unwrap()).collect()
    }

    #[test]
    fn the_request_never_removes_all() {
        let here = LocationId::try_from("AYg6").unwrap();
        let call = bulk_tags(
            &here,
            TagMove::Remove,
            &[id("a"), id("b")],
            &tags(&["Twitch Follower"]),
        );
        assert_eq!(call.path, "/contacts/bulk/tags/update/remove");
        assert_eq!(
            call.body,
            Some(json!({"contacts":["a","b"],"tags":["twitch follower"],"locationId":"AYg6"}))
        );
        assert_eq!(call.if_unsure, IfUnsure::SendAgain);
        assert!(!call.is_read());
    }

    #[test]
    fn the_tags_of_one_contact_as_recorded() {
        let add = add_tags(&id("TY3N"), &tags(&["VIP"]));
        assert_eq!(
            (add.method, &*add.path),
            (Method::Post, "/contacts/TY3N/tags")
        );
        assert_eq!(add.body, Some(json!({"tags": ["vip"]})));
        let after = add
            .read(br#"{"tags":["a","VIP"],"tagsAdded":[],"traceId":"x"}"#)
            .unwrap();
        assert_eq!(after.tags, tags(&["a", "vip"]));
        assert_eq!(after.moved, Some(BTreeSet::new()));
        let remove = remove_tags(&id("TY3N"), &tags(&["VIP"]));
        assert_eq!(remove.method, Method::Delete);
        assert_eq!(remove.body, Some(json!({"tags": ["vip"]})));
        let after = remove.read(br#"{"tags":["a"]}"#).unwrap();
        assert_eq!((after.tags, after.moved), (tags(&["a"]), None));
        assert!(remove.read(b"{}").is_err());
        for call in [add, remove] {
            assert_eq!(call.if_unsure, IfUnsure::SendAgain);
        }
        let here = LocationId::try_from("AYg6").unwrap();
        let defined = location_tags(&here);
        assert_eq!(defined.path, "/locations/AYg6/tags");
        let seen = defined.read(br#"{"tags":[{"id":"t","name":"vip","locationId":"AYg6"}]}"#);
        assert_eq!(seen.unwrap().len(), 1);
    }

    #[test]
    fn every_contact_has_its_own_outcome() {
        let here = LocationId::try_from("AYg6").unwrap();
        let asked = ["qFSq", "abcdef", "gone", "3ual", "quiet", "lost"].map(id);
        let call = bulk_tags(&here, TagMove::Add, &asked, &tags(&["t"]));
        let seen = call
            .read(
                br#"{"succeded":true,"errorCount":3,"responses":[
                {"contactId":"qFSq","message":"Tags updated","type":"success","oldTags":["Tag-1"],"tagsAdded":["T"],"tagsRemoved":[]},
                {"contactId":"abcdef","message":"contact id is not a valid firebase id","type":"error"},
                {"contactId":"gone","message":"contact is deleted","type":"error"},
                {"contactId":"3ual","message":"contact does not belong to location","type":"error"},
                {"contactId":"quiet","type":"success"}, "odd", {"type":"success"}]}"#,
            )
            .unwrap();
        let done = |added: &[&str], before: Option<&[&str]>| TagOutcome::Done {
            added: tags(added),
            before: before.map(tags),
        };
        let expected = [
            ("qFSq", done(&["t"], Some(&["tag-1"]))),
            (
                "abcdef",
                TagOutcome::Refused("contact id is not a valid firebase id".to_owned()),
            ),
            ("gone", TagOutcome::NotFound),
            ("3ual", TagOutcome::NotFound),
            ("quiet", done(&[], None)),
        ];
        assert_eq!(
            seen.outcomes,
            expected.map(|(key, outcome)| (id(key), outcome)).into()
        );
        assert_eq!(seen.unanswered, [id("lost")]);
        let raw = bulk_tags_raw(&here, TagMove::Add, &asked, &tags(&["t"]));
        assert_eq!(raw.body, call.body);
        let rows =
            raw.read(br#"{"succeded":true,"errorCount":0,"responses":[{"contactId":"a"}, 7]}"#);
        assert_eq!(rows.unwrap(), [json!({"contactId": "a"}), json!(7)]);
    }
}
