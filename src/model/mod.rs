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

pub use change::{Change, EventKey, FieldChange, IfUnsure, StepKind};
pub use clock::{Clock, is_ahead};
pub use contact::{BUSINESS_KEY, Contact, Reading, STANDARD_KEYS, StandardKey};
pub use ids::{
    AccountName, BusinessId, ContactId, Digest, FieldKey, JobName, LocationId, Namespace, NotAnId,
    NoteId, RecordKey, Tag, TaskId,
};
pub use ids::{CampaignId, UserId, WorkflowId};
pub use job::{
    Actions, AtMost, BitsPeriod, By, ChangeRule, Channel, ContactsReader, Destination, EventRule,
    EventTarget, EventWhat, FieldRule, GuardKind, Job, LeaveProof, Lifecycle, Limits, Milestone,
    Missing, Own, Quiet, Scope, Share, SourceKind,
};
pub use listing::{Cut, Ended};
pub use record::Record;
pub use secret::Secret;
