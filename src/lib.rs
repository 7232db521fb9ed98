//! ghl-sync: a scheduled batch reconciler that keeps HighLevel contacts in step with Twitch followers.
//!
//! The house has floors, and imports only go down: `model` (what things are) ← `plan`, `report`, `config` (what to do, what to say) ← `store` (the state,
//! one SQLite file) ← `net` (one call) ← `apis` (whom we speak to) ← `run` (the nine moves of a run) ← `cli`. `sandbox` stands
//! beside it and imports nothing of the rest.

pub mod apis;
pub mod cli;
pub mod config;
pub mod model;
pub mod net;
pub mod plan;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod store;
