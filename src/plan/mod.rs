//! Floor 1: what to do.
//!
//! Plain functions over plain values: no `async`, no connection, no clock, no logging, no randomness.

pub mod due;
mod fingerprint;
pub mod spelling;
pub mod template;
pub mod wanted;
