//! ghl-sync: a scheduled batch reconciler that keeps HighLevel contacts in step with Twitch followers.

pub mod sandbox;
