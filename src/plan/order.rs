//! The order of steps, and the digest over them.

use sha2::{Digest as _, Sha256};

use crate::model::{Change, ContactId, Digest, RecordKey, StepKind};

/// Returns the place of a kind in the order in which a plan is carried out, from 0.
pub fn phase(kind: StepKind) -> i64 {
    match kind {
        StepKind::Link => 0,
        StepKind::Relink => 1,
        StepKind::Tombstone => 2,
        StepKind::Create => 3,
        StepKind::Update => 4,
        StepKind::RemoveTags => 5,
        StepKind::AddTags => 6,
        StepKind::Attach => 7,
        // A task is made before it can be completed, and the note that sums up comes last.
        StepKind::Task => 8,
        StepKind::CompleteTask => 9,
        StepKind::Note => 10,
    }
}

/// Returns the parcel of a step: steps of one kind with the same parcel may share a call.
///
/// Tag changes with exactly the same tags share, and contacts of one business do. Everything else is a parcel of its own, which the empty text says.
pub fn parcel(change: &Change) -> String {
    match change {
        Change::AddTags { tags } | Change::RemoveTags { tags } => tags
            .iter()
            .map(|tag| tag.as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        Change::Attach { business } => business.to_string(),
        Change::Link { .. }
        | Change::Relink { .. }
        | Change::Tombstone { .. }
        | Change::Create { .. }
        | Change::Update { .. }
        | Change::Task { .. }
        | Change::CompleteTask { .. }
        | Change::Note { .. } => String::new(),
    }
}

/// Returns the hash of one step: of its kind, key, contact, before, after and mapping; no time, count or run number.
pub fn step_hash(
    key: &RecordKey,
    contact: Option<&ContactId>,
    change: &Change,
    mapping: &Digest,
) -> Digest {
    let mut hash = Sha256::new();
    let contact = contact.map_or("", |contact| contact.as_str());
    for part in [key.as_str(), contact, &change.json(), mapping.as_str()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    Digest::of_bytes(&hash.finalize()[..16])
}

/// Returns the hash on which a refusal rests: record, mapping and what the contact shows.
pub fn basis(attributes: &str, mapping: &Digest, seen: &str) -> String {
    let mut hash = Sha256::new();
    for part in [attributes, mapping.as_str(), seen] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    Digest::of_bytes(&hash.finalize()[..12]).as_str().to_owned()
}

/// The digest of a plan, as a fold over its steps in order.
#[derive(Clone, Debug, Default)]
pub struct PlanDigest(Sha256);

impl PlanDigest {
    /// Takes the next step in.
    pub fn add(&mut self, step: &Digest) {
        self.0.update(step.as_str().as_bytes());
        self.0.update(b"\n");
    }

    /// Returns the digest over all steps and the mapping.
    pub fn finish(mut self, mapping: &Digest) -> Digest {
        self.0.update(mapping.as_str().as_bytes());
        Digest::of_bytes(&self.0.finalize())
    }
}
