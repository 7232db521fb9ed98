//! Floor 0: what things are.
//!
//! Ids, records, contacts, changes, listings and jobs as plain values. Nothing in here reads a file, a socket, a
//! database or the time, and nothing knows a vendor's JSON.

mod change;
mod clock;
mod contact;
mod ids;
mod job;
mod limits;
mod listing;
mod record;
mod secret;
mod source;

pub use change::{Change, EventKey, FieldChange, IfUnsure, StepKind};
pub use clock::{Clock, is_ahead};
pub use contact::{BUSINESS_KEY, Contact, Reading, STANDARD_KEYS, StandardKey};
pub use ids::{
    AccountName, BusinessId, ContactId, Digest, FieldKey, JobName, LocationId, Namespace, NotAnId,
    NoteId, RecordKey, Tag, TaskId,
};
pub use ids::{CampaignId, UserId, WorkflowId};
pub use job::{
    Actions, By, ChangeRule, Channel, ContactsReader, Destination, EventRule, EventTarget,
    EventWhat, FieldRule, Job, Lifecycle, Milestone, Missing, Own, Quiet, Scope,
};
pub use limits::{AtMost, GuardKind, Limits, Share};
pub use listing::{Cut, Ended};
pub use record::Record;
pub use secret::Secret;
pub use source::{BitsPeriod, LeaveProof, SourceKind};
