//! Floor 1: what to do.
//!
//! Pure functions of values: no async, no clock, no connection, no randomness. The same input makes the same plan, byte for byte.

pub mod agenda;
pub mod broadcast;
mod diff;
pub mod due;
pub mod events;
mod fingerprint;
mod guard;
mod mark;
mod matching;
mod order;
mod row;
mod same;
pub mod spelling;
pub mod taskdue;
pub mod template;
mod walk;
pub mod wanted;

pub use diff::{
    Conflict, FieldSays, Planned, Remember, TagSays, Terms, Verdict, Wait, field_says, plan_row,
    tag_says,
};
pub use guard::{Finding as GuardFound, Tally, guards, held};
pub use mark::{BadMove, Event, Mark};
pub use matching::{Match, matching};
pub use order::{PlanDigest, basis, parcel, phase, step_hash};
pub use row::{
    Candidate, Candidates, Claim, Linked, Mirrored, Presence, Row, Sent, TagStamp, Wanted,
    WantedField, Written,
};
pub use same::{date_of_birth, match_key, same, same_or_both_empty};

pub use walk::judged;

#[cfg(test)]
mod tests;
