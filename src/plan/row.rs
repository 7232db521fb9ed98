//! What the planner is told about one record: everything, so that it has nothing left to look up.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{ContactId, FieldKey, Own, Record, Tag};

/// Whether a record is in the source's listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// Listed.
    In,
    /// It left: confirmed.
    Out,
    /// Its account is suspended or deleted.
    Gone,
}

impl Presence {
    /// Returns the word in the database.
    pub fn word(self) -> &'static str {
        match self {
            Presence::In => "in",
            Presence::Out => "out",
            Presence::Gone => "gone",
        }
    }

    /// Returns the presence that a stored word names, `None` for no such word.
    pub fn from_word(word: &str) -> Option<Presence> {
        [Presence::In, Presence::Out, Presence::Gone]
            .into_iter()
            .find(|presence| presence.word() == word)
    }
}

/// What the mapping makes of a record in its present state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The fields, in the order of the job file; `None` has no opinion.
    pub fields: Vec<WantedField>,
    /// Tags the contact should have.
    pub tags: BTreeSet<Tag>,
    /// Tags it should not have, as far as they are ours.
    pub unwanted: BTreeSet<Tag>,
}

/// One field and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedField {
    /// The field.
    pub key: FieldKey,
    /// Who owns it.
    pub own: Own,
    /// The value; `None` has no opinion.
    pub value: Option<String>,
}

/// What we wrote to one field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// What we last wrote, once confirmed; `None` when a person chose to have the present value replaced.
    pub sent: Option<String>,
    /// What the reply to it showed.
    pub answered: Option<String>,
    /// The `Date` of that reply, in ms: for five minutes no page of an index is believed about this key. 0 for no write of ours.
    #[serde(default)]
    pub at_ms: i64,
}

/// A tag that we wrote, and when; for five minutes no page of an index is believed about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagStamp {
    /// Whether the tag was there after the write.
    pub present: bool,
    /// The `Date` of the reply, in ms.
    pub at_ms: i64,
}

/// What we wrote to a contact and what the answers showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// By field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldKey, Sent>,
    /// By tag; forgotten once the index must have caught up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<Tag, TagStamp>,
}

impl Written {
    /// Takes over what was written to a contact that was merged into this one; what this one has itself stays.
    pub fn inherit(&mut self, from: &Written) {
        for (key, sent) in &from.fields {
            self.fields
                .entry(key.clone())
                .or_insert_with(|| sent.clone());
        }
    }
}

/// A contact as the mirror has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// The mirror's number.
    pub no: i64,
    /// The vendor's id.
    pub id: ContactId,
    /// Key → value; `None` is known to be empty, a missing key is unknown.
    pub seen: BTreeMap<FieldKey, Option<String>>,
    /// `None` is unknown.
    pub tags: Option<BTreeSet<Tag>>,
    /// What we wrote.
    pub written: Written,
    /// The vendor says it does not exist.
    pub gone: bool,
}

/// The link of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// None.
    No,
    /// A create is under way.
    Claimed,
    /// To this contact.
    To(Box<Mirrored>),
    /// To a contact that a person deleted; the mirror row tells whether it is still gone.
    Tombstone(Box<Mirrored>),
}

/// One contact that a matching rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The contact.
    pub contact: Mirrored,
    /// Whether it is linked to another record of the namespace.
    pub taken: bool,
}

/// The contacts that one matching rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// The rule, as in the job file.
    pub by: String,
    /// What it found; never a contact that is gone.
    pub contacts: Vec<Candidate>,
}

/// A claim on a tag of the record's contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The tag.
    pub tag: Tag,
    /// Whether it is this job's.
    pub mine: bool,
    /// Whether an answer confirmed it; `false` while the answer is out or lost.
    pub confirmed: bool,
    /// The record's transition at which it was made.
    pub transition: u32,
}

/// One record and all that is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The record.
    pub record: Record,
    /// Its state now, with what this pass found.
    pub presence: Presence,
    /// Its state at the last journaled plan; `None` when it was not in the roster then.
    pub was: Option<Presence>,
    /// The number of its transition now.
    pub transition: u32,
    /// Its link.
    pub link: Linked,
    /// What the matching rules found, in their order; empty when the link decides.
    pub found: Vec<Candidates>,
    /// Claims on tags of the linked or matched contact.
    pub claims: Vec<Claim>,
    /// Whether a step of an earlier run is still unsettled.
    pub unsettled: bool,
    /// The hash under which the record was refused, if it was.
    pub refused: Option<String>,
}
