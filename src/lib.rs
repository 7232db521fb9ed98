//! ghl-sync: a scheduled batch reconciler that keeps HighLevel contacts in step with Twitch followers.

pub mod apis;
pub mod model;
pub mod net;
pub mod sandbox;
pub mod store;
