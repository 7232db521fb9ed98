//! What a plan can do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{ContactId, FieldKey, Tag};

/// One step of a plan.
///
/// The first three only change what we remember and cost no call. A new variant does not build until plan, execute, report and recovery
/// each have an answer for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Change {
    /// Remember that this record is that contact, which was found by `by`.
    Link {
        /// The contact that was found.
        contact: ContactId,
        /// The matching rule that found it, for example `field:twitch_user_id`.
        by: String,
    },
    /// Move the link: the contact was merged away and its marker is on another one now.
    Relink {
        /// The contact that is gone.
        from: ContactId,
        /// The contact that carries the marker.
        to: ContactId,
    },
    /// Remember that a person deleted the contact, so that it is not made again.
    Tombstone {
        /// The contact that is gone.
        contact: ContactId,
    },
    /// Make a contact, with fields and tags in one call.
    Create {
        /// Every field to set.
        fields: BTreeMap<FieldKey, String>,
        /// The tags it starts with.
        tags: BTreeSet<Tag>,
    },
    /// Change fields of a contact.
    Update {
        /// The fields that differ.
        fields: BTreeMap<FieldKey, FieldChange>,
    },
    /// Add tags to a contact.
    AddTags {
        /// Tags it lacks.
        tags: BTreeSet<Tag>,
    },
    /// Remove tags from a contact.
    RemoveTags {
        /// Tags it has, each added by us.
        tags: BTreeSet<Tag>,
    },
}

/// One field before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The value seen when the step was planned; `None` is empty.
    pub before: Option<String>,
    /// The value to write; never empty.
    pub after: String,
}

/// What a restart may do with a step whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfUnsure {
    /// Sending twice does no harm: the value is absolute.
    SendAgain,
    /// Sending twice would make a second one: look whether it is there.
    LookFirst,
    /// It cannot be read back: a person decides.
    AskAPerson,
}

/// The kind of a step, in the order in which kinds are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// [`Change::Link`].
    Link,
    /// [`Change::Relink`].
    Relink,
    /// [`Change::Tombstone`].
    Tombstone,
    /// [`Change::Create`].
    Create,
    /// [`Change::Update`].
    Update,
    /// [`Change::RemoveTags`].
    RemoveTags,
    /// [`Change::AddTags`].
    AddTags,
}

impl StepKind {
    /// All kinds in the order in which they are carried out.
    pub const ALL: [StepKind; 7] = [
        StepKind::Link,
        StepKind::Relink,
        StepKind::Tombstone,
        StepKind::Create,
        StepKind::Update,
        StepKind::RemoveTags,
        StepKind::AddTags,
    ];

    /// Returns the word for the kind in the database, in reports and in logs.
    pub fn word(self) -> &'static str {
        match self {
            StepKind::Link => "link",
            StepKind::Relink => "relink",
            StepKind::Tombstone => "tombstone",
            StepKind::Create => "create",
            StepKind::Update => "update",
            StepKind::RemoveTags => "remove-tags",
            StepKind::AddTags => "add-tags",
        }
    }

    /// Returns the kind that a stored word names, `None` for no such word.
    pub fn from_word(word: &str) -> Option<StepKind> {
        StepKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Returns whether carrying it out takes a call to the vendor.
    pub fn calls(self) -> bool {
        match self {
            StepKind::Link | StepKind::Relink | StepKind::Tombstone => false,
            StepKind::Create | StepKind::Update | StepKind::RemoveTags | StepKind::AddTags => true,
        }
    }

    /// Returns what a restart may do when the answer to such a step was lost.
    pub fn if_unsure(self) -> IfUnsure {
        match self {
            StepKind::Create => IfUnsure::LookFirst,
            StepKind::Link
            | StepKind::Relink
            | StepKind::Tombstone
            | StepKind::Update
            | StepKind::RemoveTags
            | StepKind::AddTags => IfUnsure::SendAgain,
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Change {
    /// Returns the kind of the change.
    pub fn kind(&self) -> StepKind {
        match self {
            Change::Link { .. } => StepKind::Link,
            Change::Relink { .. } => StepKind::Relink,
            Change::Tombstone { .. } => StepKind::Tombstone,
            Change::Create { .. } => StepKind::Create,
            Change::Update { .. } => StepKind::Update,
            Change::AddTags { .. } => StepKind::AddTags,
            Change::RemoveTags { .. } => StepKind::RemoveTags,
        }
    }

    /// Returns the change as compact JSON with sorted keys: the form the database keeps and digests cover.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("a change is always JSON")
    }
}
