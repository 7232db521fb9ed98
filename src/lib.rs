//! ghl-sync: a scheduled batch reconciler that keeps HighLevel contacts in step with Twitch followers.

pub mod cli;
pub mod model;
pub mod report;
pub mod sandbox;
pub mod store;
