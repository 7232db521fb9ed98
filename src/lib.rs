//! ghl-sync: a scheduled batch reconciler that keeps HighLevel contacts in step with Twitch followers.

pub mod config;
pub mod model;
pub mod plan;
pub mod sandbox;
pub mod store;
