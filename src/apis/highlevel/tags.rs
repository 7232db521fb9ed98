//! Tags of many contacts in one call.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::VERSION;
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

/// Adds tags to contacts, or removes them. Needs `contacts.write`.
///
/// Sending it twice does no harm, but the second answer no longer shows what the first one added. Never sends `removeAllTags`.
pub fn bulk_tags(
    location: &LocationId,
    tag_move: TagMove,
    contacts: &[ContactId],
    tags: &BTreeSet<Tag>,
) -> Call<BulkTags> {
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
    let asked: Vec<ContactId> = contacts.to_vec();
    Call::new(Method::Post, route, path, move |bytes| {
        answer(bytes, &asked)
    })
    .body(json!({"contacts": contacts, "tags": tags, "locationId": location.as_str()}))
    .if_unsure(IfUnsure::SendAgain)
    .version(VERSION)
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
    }
}
