//! ghl-sync: a scheduled batch reconciler that keeps HighLevel contacts in step with Twitch followers.
//!
//! # The map
//!
//! The house has floors, and imports only go down; `tests/it/floors.rs` reads the `use` lines and fails on an upward one.
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | 6 | [`cli`] | arguments in, exit code out; the demo |
//! | 5 | [`run`] | one run of a job, in nine moves; the only place where things happen in order |
//! | 4 | [`apis`] | whom we speak to: calls and decoding of HighLevel and Twitch |
//! | 3 | [`net`] | one call: secret, gate, sending, and what an answer means |
//! | 2 | [`store`] | the state, one SQLite file: roster, mirror, links, claims, journal |
//! | 1 | [`plan`] | what to do: matching, wanted, diff, guards, marks; pure functions |
//! | 1 | [`report`] | one shape for "would" and "did": text, JSON, Markdown |
//! | 1 | [`config`] | `ghl-sync.toml` and `schedules/*.toml`, all problems at once |
//! | 0 | [`model`] | what things are |
//! | beside | [`sandbox`] | the vendors on loopback, for the demo and the tests; imports nothing of the rest |
//!
//! # The way of a run
//!
//! [`run::run_job`] takes the job's lock, looks into steps whose answer was lost, gathers pages of the source, refreshes the mirror of the
//! destination, plans, and (a dry run ends there with its report) journals the plan, carries it out parcel by parcel and reports.
//!
//! The planner is a pure function of one record and what is known about it. Time comes from above as a [`model::Clock`]. There are three seams for
//! tests: values (the planner), bytes (the clients) and a socket (everything else runs against the sandbox). There are no mock traits.

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
