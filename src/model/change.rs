//! What a plan can do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{BusinessId, ContactId, FieldKey, Tag};
use super::job::EventTarget;

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
    /// Attach a contact that belongs to no business to one.
    Attach {
        /// The business.
        business: BusinessId,
    },
    /// Make a task on a contact, once.
    Task {
        /// What it is for.
        event: EventKey,
        /// Whose contact.
        to: EventTarget,
        /// Its title.
        title: String,
        /// Its text.
        body: Option<String>,
        /// When it is due, as the template came out: a duration from when it is sent, a date or a moment.
        due: String,
        /// The HighLevel user it is assigned to.
        assigned: Option<String>,
    },
    /// Mark the tasks as done that the job made for the record.
    CompleteTask {
        /// What it is for.
        event: EventKey,
        /// Whose contact.
        to: EventTarget,
    },
    /// Write a note on a contact, once.
    Note {
        /// What it is for.
        event: EventKey,
        /// Whose contact.
        to: EventTarget,
        /// Its text.
        body: String,
    },
}

/// What a note or task is for: with job and record it is the key by which it comes once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventKey {
    /// The moment: `join`, `leave`, `return`, `gone`, `change NAME` or `milestone NAME`.
    pub moment: String,
    /// Which of them: what tells one from the next, such as the moment of the follow or the id of the stream.
    pub occurrence: String,
    /// The place of its rule among those of the moment, from 1.
    pub place: u32,
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.moment, self.occurrence, self.place)
    }
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
    /// [`Change::Attach`].
    Attach,
    /// [`Change::Task`].
    Task,
    /// [`Change::CompleteTask`].
    CompleteTask,
    /// [`Change::Note`].
    Note,
}

impl StepKind {
    /// All kinds in the order in which they are carried out.
    pub const ALL: [StepKind; 11] = [
        StepKind::Link,
        StepKind::Relink,
        StepKind::Tombstone,
        StepKind::Create,
        StepKind::Update,
        StepKind::RemoveTags,
        StepKind::AddTags,
        StepKind::Attach,
        StepKind::Task,
        StepKind::CompleteTask,
        StepKind::Note,
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
            StepKind::Attach => "attach",
            StepKind::Task => "task",
            StepKind::CompleteTask => "complete-task",
            StepKind::Note => "note",
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
            StepKind::Create
            | StepKind::Update
            | StepKind::RemoveTags
            | StepKind::AddTags
            | StepKind::Attach
            | StepKind::Task
            | StepKind::CompleteTask
            | StepKind::Note => true,
        }
    }

    /// Returns what a restart may do when the answer to such a step was lost.
    pub fn if_unsure(self) -> IfUnsure {
        match self {
            StepKind::Create | StepKind::Task | StepKind::Note => IfUnsure::LookFirst,
            StepKind::Link
            | StepKind::Relink
            | StepKind::Tombstone
            | StepKind::Update
            | StepKind::RemoveTags
            | StepKind::AddTags
            | StepKind::Attach
            | StepKind::CompleteTask => IfUnsure::SendAgain,
        }
    }

    /// Returns whether such a step is an event: it comes once by its key, and does not hold up what else its record wants.
    pub fn is_event(self) -> bool {
        match self {
            StepKind::Task | StepKind::CompleteTask | StepKind::Note => true,
            StepKind::Link
            | StepKind::Relink
            | StepKind::Tombstone
            | StepKind::Create
            | StepKind::Update
            | StepKind::RemoveTags
            | StepKind::AddTags
            | StepKind::Attach => false,
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Change {
    /// Returns whether it makes a task on such a contact.
    pub fn is_task_for(&self, target: EventTarget) -> bool {
        matches!(self, Change::Task { to, .. } if *to == target)
    }

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
            Change::Attach { .. } => StepKind::Attach,
            Change::Task { .. } => StepKind::Task,
            Change::CompleteTask { .. } => StepKind::CompleteTask,
            Change::Note { .. } => StepKind::Note,
        }
    }

    /// Returns the key and the target of a note or task; `None` for every other change.
    pub fn event(&self) -> Option<(&EventKey, EventTarget)> {
        match self {
            Change::Task { event, to, .. }
            | Change::CompleteTask { event, to }
            | Change::Note { event, to, .. } => Some((event, *to)),
            Change::Link { .. }
            | Change::Relink { .. }
            | Change::Tombstone { .. }
            | Change::Create { .. }
            | Change::Update { .. }
            | Change::AddTags { .. }
            | Change::RemoveTags { .. }
            | Change::Attach { .. } => None,
        }
    }

    /// Returns the change as compact JSON with sorted keys: the form the database keeps and digests cover.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("a change is always JSON")
    }
}
