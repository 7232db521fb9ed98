//! Floor 0: what things are.
//!
//! Ids, records, contacts, changes, listings and jobs as plain values. Nothing in here reads a file, a socket, a
//! database or the time, and nothing knows a vendor's JSON.

mod change;
mod clock;
mod contact;
mod ids;
mod job;
mod listing;
mod record;
mod secret;

pub use change::{Change, FieldChange, IfUnsure, StepKind};
pub use clock::{Clock, is_ahead};
pub use contact::{BUSINESS_KEY, Contact, Reading, STANDARD_KEYS, StandardKey};
pub use ids::{
    AccountName, BusinessId, ContactId, Digest, FieldKey, JobName, LocationId, Namespace, NotAnId,
    NoteId, RecordKey, Tag, TaskId,
};
pub use ids::{CampaignId, UserId, WorkflowId};
pub use job::{
    Actions, AtMost, By, Channel, ContactsReader, Destination, FieldRule, GuardKind, Job,
    Lifecycle, Limits, Missing, Own, Quiet, Share, SourceKind,
};
pub use listing::{Cut, Ended};
pub use record::Record;
pub use secret::Secret;
